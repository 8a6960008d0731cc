"""What a model costs: parameters, multiply-accumulates, time, memory."""

from __future__ import annotations

import copy
import itertools
import math
import multiprocessing
import re
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from tqdm.auto import tqdm

from srlib.coords import Size, check_size, scaled_size
from srlib.models import CPU_QUERIES, Diffusion, Model, build


def count_parameters(model: Model | Diffusion, part: str = "all") -> int:
    """Weights and biases of a model: part is "all", "encoder" or "decoder"."""
    parts = {"all": model, "encoder": model.encoder, "decoder": model.decoder}
    if part not in parts:
        raise ValueError(f"part must be 'all', 'encoder' or 'decoder', got {part!r}")
    return sum(p.numel() for p in parts[part].parameters())


def count_macs(model: Model | Diffusion, lr_size: Size, size: Size, literal: bool = True, *, part: str = "all") -> int:
    """Multiply-accumulates of the convolutions and linear layers of one image. part: "all", "encoder" or "decoder".

    literal: of the equations as they stand, which is what papers count: products of two computed matrices, such as
    Meta-SR's of codes and predicted filters, belong to no layer and are left out. False: of the fast path that runs, those
    products included.
    Counted by running the model on the meta device, which computes and stores nothing, so any size takes seconds.
    Of a diffusion model: what is done once per image ("encoder"), and one noise prediction ("decoder").
    """
    (h, w), size = check_size(lr_size, "lr_size"), check_size(size)
    if part not in ("all", "encoder", "decoder"):
        raise ValueError(f"part must be 'all', 'encoder' or 'decoder', got {part!r}")
    shadow = copy.deepcopy(model).to("meta")
    counts = {}
    with torch.no_grad():
        with FlopCounterMode(display=False) as counter:
            lr = torch.empty(1, 3, h, w, device="meta")
            features = shadow.prepare(lr, size, 0.5) if isinstance(model, Diffusion) else shadow.encode(lr)
        counts["encoder"] = macs_seen(counter, layers_only=literal)
        with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
            if isinstance(model, Diffusion):
                shadow.denoise(torch.empty(1, 3, *size, device="meta"), features, 0.5, literal)
            else:
                shadow.decode(features, size, literal=literal)
        counts["decoder"] = macs_seen(counter, layers_only=literal)
    return counts["encoder"] + counts["decoder"] if part == "all" else counts[part]


def macs_seen(counter: FlopCounterMode, *, layers_only: bool) -> int:
    """Multiply-accumulates that a counter saw; layers_only: in convolutions and linear layers."""
    counts = counter.get_flop_counts().get("Global", {})
    return sum(flops for operator, flops in counts.items() if not (layers_only and operator is torch.ops.aten.bmm)) // 2


def sweep(models: Sequence[str], lr_size: Size, scales: Sequence[float], *, fast: bool = True) -> pd.DataFrame:
    """Parameters and MACs of models by name, one row per model and scale.

    Columns: model, scale, parameters, decoder_parameters, macs (literal), macs_fast (empty unless `fast`).
    """
    rows = []
    for name in tqdm(models, desc="counting MACs"):
        with torch.device("meta"):  # counted, not made
            model = build(name)
        for scale in scales:
            size = scaled_size(lr_size, scale)
            macs_fast = count_macs(model, lr_size, size, literal=False) if fast else None
            rows.append(
                (name, scale, count_parameters(model), count_parameters(model, "decoder"),
                 count_macs(model, lr_size, size), macs_fast)
            )  # fmt: skip
    return pd.DataFrame(rows, columns=["model", "scale", "parameters", "decoder_parameters", "macs", "macs_fast"])


class Timing(NamedTuple):
    """Seconds per forward pass: median, and spread (interquartile range)."""

    median: float
    spread: float


def stopwatch(call: Callable[[], object], repeats: int, device: torch.device) -> list[float]:
    """Seconds of each of `repeats` calls after one to warm up, device-synchronised."""
    seconds = []
    for _ in range(repeats + 1):
        synchronize(device)
        start = time.perf_counter()
        call()
        synchronize(device)
        seconds.append(time.perf_counter() - start)
    return seconds[1:]


def forward(
    model: Model | Diffusion, lr: Tensor, size: Size, *, literal: bool = False, queries: int | None = None
) -> Tensor:
    """Encode and decode; of a diffusion model, what is done once and one noise prediction."""
    if isinstance(model, Diffusion):
        return model.denoise(lr.new_zeros(1, 3, *size), model.prepare(lr, size, 0.5), 0.5, literal)
    return model.decode(model.encode(lr), size, literal=literal, queries=queries)


@torch.inference_mode()
def time_forward(
    model: Model | Diffusion,
    lr_size: Size,
    size: Size,
    repeats: int = 5,
    *,
    literal: bool = False,
    queries: int | None = None,
) -> Timing:
    """Time encode + decode of one random image on the model's device, device-synchronised, after a warm-up pass; of a
    diffusion model, its preparation and one noise prediction.

    literal, queries: as for `Model.decode`.
    """
    (h, w), size = check_size(lr_size, "lr_size"), check_size(size)
    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, got {repeats}")
    device = device_of(model)
    lr = torch.rand(1, 3, h, w, generator=torch.Generator().manual_seed(0)).to(device)
    seconds = stopwatch(lambda: forward(model, lr, size, literal=literal, queries=queries), repeats, device)
    low, high = (statistics.quantiles(seconds, n=4)[i] for i in (0, 2)) if repeats > 1 else (seconds[0], seconds[0])
    return Timing(statistics.median(seconds), high - low)


def sweep_time(
    names: Sequence[str],
    lr_size: Size,
    sizes: Sequence[Size],
    repeats: int,
    device: torch.device | str = "cpu",
    paths: Sequence[str] = ("literal", "fast"),
) -> pd.DataFrame:
    """Time the literal and the fast path of models by name (fresh weights; time does not depend on them).

    Both work in the same bands of output rows, which on a CPU stay in its cache: the ratio is then of the arithmetic alone.
    Columns: model, scale, rows, columns, path, seconds (median), spread, macs_per_second.
    """
    rows, built = [], {name: build(name).to(device).eval() for name in names}
    jobs = [(name, check_size(size), path) for name in names for size in sizes for path in paths]
    for name, size, path in tqdm(jobs, desc="timing"):
        literal, queries = path == "literal", CPU_QUERIES if torch.device(device).type == "cpu" else None
        timing = time_forward(
            built[name], lr_size, size, repeats, literal=literal, queries=queries if literal else None
        )
        macs = count_macs(built[name], lr_size, size, literal=literal)
        rows.append((name, size[0] / lr_size[0], *size, path, timing.median, timing.spread, macs / timing.median))
    return pd.DataFrame(
        rows, columns=["model", "scale", "rows", "columns", "path", "seconds", "spread", "macs_per_second"]
    )


def growth(costs: pd.DataFrame, column: str = "macs") -> pd.DataFrame:
    """How a cost grows with the scale s: the least-squares fit  fixed + per_s * s + per_s2 * s^2  for each model, with the
    largest relative error of the fit, and the exponent d log(cost) / d log(s) between the last two scales.

    For MACs the three terms are what is done once per LR pixel, once per slice, and once per output pixel.
    """
    rows = []
    for model, some in costs.groupby("model", sort=False):
        some = some.sort_values("scale")
        s, y = some["scale"].to_numpy(float), some[column].to_numpy(float)
        terms = np.stack([np.ones_like(s), s, s**2], axis=1) / y[:, None]  # relative errors, so that all scales count
        fit, *_ = np.linalg.lstsq(terms, np.ones_like(s), rcond=None)
        exponent = math.log(y[-1] / y[-2]) / math.log(s[-1] / s[-2]) if len(s) > 1 else math.nan
        rows.append((model, *fit, float(np.abs(terms @ fit - 1).max()), exponent))
    return pd.DataFrame(rows, columns=["model", "fixed", "per_s", "per_s2", "worst_error", "exponent"])


def peak_memory(model: Model | Diffusion, lr_size: Size, size: Size, *, literal: bool = False) -> float:
    """Peak memory in bytes that one forward pass adds to what is there before it (weights and libraries).

    CUDA: torch's own count. CPU: the largest resident size of a fresh process, less its size before the pass; NaN where
    the system does not tell (Windows).
    """
    (h, w), size = check_size(lr_size, "lr_size"), check_size(size)
    device = device_of(model)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        with torch.inference_mode():
            forward(model, torch.rand(1, 3, h, w, device=device), size, literal=literal)
        return float(torch.cuda.max_memory_allocated(device) - before)
    context = multiprocessing.get_context("spawn")
    receive, send = context.Pipe(duplex=False)
    child = context.Process(target=measure_resident, args=(send, model, (h, w), size, literal), daemon=True)
    child.start()
    send.close()
    try:
        return receive.recv()
    except EOFError as error:
        raise RuntimeError(
            f"the process that measured {model.name} at {size} died: for lack of memory, or because the calling script "
            "has no `if __name__ == '__main__':` around its work"
        ) from error
    finally:
        child.join()


def measure_resident(send, model: Model, lr_size: Size, size: Size, literal: bool) -> None:
    """In a process of its own: send by how many bytes the peak resident size exceeds the size before the pass."""
    status, reset = Path("/proc/self/status"), Path("/proc/self/clear_refs")

    def resident(field: str) -> int:
        if status.exists():  # Linux; its getrusage would also count the parent's peak
            return 1024 * int(re.search(rf"{field}:\s+(\d+)", status.read_text())[1])
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

    try:
        with torch.inference_mode():
            forward(model, torch.rand(1, 3, 8, 8), (8, 8))  # libraries' own start-up
            if reset.exists():
                reset.write_text("5")  # the peak starts again from here
            before = resident("VmRSS")
            forward(model, torch.rand(1, 3, *lr_size), size, literal=literal)
        send.send(float(resident("VmHWM") - before))
    except (ImportError, PermissionError):
        send.send(float("nan"))


@torch.inference_mode()
def gemm_rate(size: int = 2048, repeats: int = 5, device: torch.device | str = "cpu") -> float:
    """The machine's own float32 rate of multiplying two size x size matrices in MAC/s: the yardstick for decoding.

    The better of torch's two ways: its BLAS, and the 1x1 convolution that says the same.
    """
    device = torch.device(device)
    a, b = torch.rand(size, size, device=device), torch.rand(size, size, device=device)
    image, kernel = a.view(1, 32, size // 32, size).permute(0, 3, 1, 2), b[:, :, None, None]
    ways = lambda: a @ b, lambda: F.conv2d(image, kernel)
    return max(size**3 / statistics.median(stopwatch(multiply, repeats, device)) for multiply in ways)


def device_of(model: Model) -> torch.device:
    return next((t.device for t in itertools.chain(model.parameters(), model.buffers())), torch.device("cpu"))


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
