"""What this machine does fastest: measured once, in some hundredths of a second, and kept in the user's cache folder.

Which matrix product is faster and how many rows of activations stay in a core's cache differs from processor to processor;
results differ by rounding alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
import time
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import TypeVar

import pooch
import torch
import torch.nn.functional as F
from torch import Tensor

from srlib.util import atomic, devices
from srlib.util.threads import one_thread, side_by_side

CACHE = "SRLIB_CACHE"  # the environment variable: another folder than the user's cache folder
ROWS = 4096  # of the products that are compared
BLOCKS = (1024, 2048, 4096, 8192, 16384)  # rows of activations at a time
BLOCK_VALUES = 2**21  # no more than so many values
BETTER = 0.97  # a larger block has to be at least so much faster
LOCK = threading.Lock()

Answer = TypeVar("Answer", str, int)
Way = Callable[[Tensor, Tensor, Tensor | None, bool], Tensor]


def linear(x: Tensor, weight: Tensor, bias: Tensor | None, relu: bool) -> Tensor:
    y = F.linear(x, weight, bias)
    return F.relu_(y) if relu else y


def convolution(x: Tensor, weight: Tensor, bias: Tensor | None, relu: bool) -> Tensor:
    """The 1x1 convolution that a product is, channels last: nothing moves."""
    image = x.reshape(1, 1, -1, x.shape[-1]).permute(0, 3, 1, 2)
    y = F.conv2d(image, weight[:, :, None, None], bias).permute(0, 2, 3, 1).reshape(*x.shape[:-1], -1)
    return F.relu_(y) if relu else y


def onednn(x: Tensor, weight: Tensor, bias: Tensor | None, relu: bool) -> Tensor:
    """oneDNN's product, the ReLU in the same pass."""
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "relu" if relu else "none", [], "")


WAYS: dict[str, Way] = {"linear": linear, "convolution": convolution, "onednn": onednn}


@lru_cache(maxsize=256)
def product(inputs: int, outputs: int, dtype: torch.dtype) -> Way:
    """The fastest way to multiply rows of `inputs` values by a matrix, on one core of this machine."""
    return WAYS[choice(f"product {inputs} x {outputs} {dtype}", lambda: compare_products(inputs, outputs, dtype))]


def block(width: int) -> int:
    """How many rows of `width` activations to work on at a time."""
    return choice(f"block {width}", lambda: compare_blocks(width))


def choice(question: str, measure: Callable[[], str | int]) -> str | int:
    """The answer that is kept, or that a measurement finds."""
    kept = answers()
    if question not in kept:
        with LOCK:
            if question not in kept:
                kept[question] = measure()
                keep(kept)
    return kept[question]


def seconds(calls: dict[Answer, Callable[[], object]], at_least: float) -> dict[Answer, float]:
    """The shortest of several runs of each, in turn: other processes only ever make one longer, and disturb all alike."""
    best, rounds, end = dict.fromkeys(calls, float("inf")), 0, time.perf_counter() + at_least * len(calls)
    while rounds < 4 or time.perf_counter() < end:
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            best[name] = min(best[name], time.perf_counter() - start)
        rounds += 1
    return best


def on_one_core(measure: Callable[[], str | int]) -> str | int:
    """Measure with one of torch's threads, without gradients and autocast."""
    answer: list = []

    def work() -> None:
        one_thread()
        with torch.inference_mode():
            answer.append(measure())

    before = torch.get_num_threads()
    worker = threading.Thread(target=work)
    worker.start()
    worker.join()
    torch.set_num_threads(before)
    if not answer:
        raise RuntimeError("measuring what is fastest on this machine failed; see the error above")
    return answer[0]


def compare_products(inputs: int, outputs: int, dtype: torch.dtype) -> str:
    def measure() -> str:
        x, weight = torch.rand(ROWS, inputs, dtype=dtype), torch.rand(outputs, inputs, dtype=dtype)
        bias = torch.rand(outputs, dtype=dtype)
        known = [name for name in WAYS if name != "onednn" or has_onednn(dtype)]
        took = seconds({name: partial(WAYS[name], x, weight, bias, True) for name in known}, 5e-3)
        return min(took, key=took.get)

    return on_one_core(measure)


def has_onednn(dtype: torch.dtype) -> bool:
    if dtype == torch.bfloat16 and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return False
    return torch.backends.mkldnn.is_available() and dtype in (torch.float32, torch.bfloat16)


def compare_blocks(width: int) -> int:
    """Rows a second of what decoders do most: look up where vectors lie, gather, add, ReLU, products. By all cores at once:
    small blocks suit caches, large ones Python, of which each core wants some between two operators."""
    way = product_of(width)
    blocks = [rows for rows in BLOCKS if rows * width <= BLOCK_VALUES] or [BLOCKS[0]]
    weight, bias = torch.rand(width, width) / width, torch.rand(width)
    codes, index = torch.rand(blocks[-1] // 4, width), torch.arange(blocks[-1]) // 4

    def chain(rows: int) -> Tensor:
        at = (index[:rows].view(-1, 4) + torch.arange(4)).clamp_(max=len(codes) - 1)
        z = F.relu_(codes.index_select(0, at.flatten()).add_(bias))
        return way(way(way(z, weight, bias, True), weight, bias, True), weight, bias, True)

    def all_cores(rows: int) -> None:
        for _ in side_by_side(chain, [rows] * (2 * cores * blocks[-1] // rows), cores):
            pass

    cores = devices.cores()
    with torch.inference_mode():
        took = seconds({rows: partial(all_cores, rows) for rows in blocks}, 2e-2)
    best = blocks[0]
    for rows in blocks[1:]:
        best = rows if took[rows] < BETTER * took[best] else best
    return best


def product_of(width: int) -> Way:
    name = f"product {width} x {width} {torch.float32}"
    kept = answers()
    kept.setdefault(name, compare_products(width, width, torch.float32))
    return WAYS[kept[name]]


def machine() -> dict:
    """All that the answers depend on."""
    limits = {name: os.environ.get(name, "") for name in ("ONEDNN_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS")}
    return {
        "cpu": devices.cpu_name(),
        "vectors": torch.backends.cpu.get_cpu_capability(),
        "torch": torch.__version__,
        **{name: value for name, value in limits.items() if value},
    }


def file() -> Path:
    folder = Path(os.environ.get(CACHE) or pooch.os_cache("srlib"))
    text = json.dumps(machine(), sort_keys=True)
    return folder / f"fastest-{hashlib.sha256(text.encode()).hexdigest()[:12]}.json"


@lru_cache(maxsize=1)
def answers() -> dict[str, str | int]:
    """What is known of this machine so far; nothing, if the file is missing or makes no sense."""
    try:
        known = json.loads(file().read_text())["answers"]
        sound = all(value in WAYS or value in BLOCKS for value in known.values())
        return dict(known) if sound else {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def keep(known: dict[str, str | int]) -> None:
    """For the next process; where nothing can be written, each measures for itself."""
    with contextlib.suppress(OSError):
        atomic.write_json(file(), {"machine": machine(), "answers": known})
