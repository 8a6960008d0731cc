"""What a model costs: parameters, multiply-accumulates, time, memory; and how much the fast paths bring."""

from __future__ import annotations

import copy
import math
import multiprocessing
import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from tqdm.auto import tqdm

from srlib.models.base import SRModel
from srlib.models.catalogue import build
from srlib.models.geometry import Grid
from srlib.util.sizes import Size, check_size, scaled_size

if TYPE_CHECKING:
    from torch.utils.benchmark import Measurement


def count_parameters(model: SRModel, part: str = "all") -> int:
    """Weights and biases of a model: part is "all", "encoder" or "decoder"."""
    parts = {"all": model, "encoder": model.encoder, "decoder": model.decoder}
    if part not in parts:
        raise ValueError(f"part must be 'all', 'encoder' or 'decoder', got {part!r}")
    return sum(p.numel() for p in parts[part].parameters())


def count_macs(model: SRModel, lr_size: Size, size: Size, literal: bool = True, *, part: str = "all") -> int:
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
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        with FlopCounterMode(display=False) as counter:
            prepared = shadow.once(torch.empty(1, 3, h, w, device="meta"), size)
        counts["encoder"] = macs_seen(counter, layers_only=literal)
        with FlopCounterMode(display=False) as counter:
            shadow.answer(prepared, size, literal=literal)
        counts["decoder"] = macs_seen(counter, layers_only=literal)
    return counts["encoder"] + counts["decoder"] if part == "all" else counts[part]


def macs_seen(counter: FlopCounterMode, *, layers_only: bool) -> int:
    """Multiply-accumulates that a counter saw; layers_only: in convolutions and linear layers."""
    counts = counter.get_flop_counts().get("Global", {})
    return sum(flops for operator, flops in counts.items() if not (layers_only and operator is torch.ops.aten.bmm)) // 2


def counts(name: str, lr_size: Size, scale: float, *, fast: bool = True) -> dict:
    """Parameters and MACs of a model by name at one scale. Keys: model, scale, parameters, decoder_parameters, macs (literal),
    macs_fast (empty unless `fast`)."""
    with torch.device("meta"):  # counted, not made
        model = build(name)
    size = scaled_size(lr_size, scale)
    return {
        "model": name,
        "scale": scale,
        "parameters": count_parameters(model),
        "decoder_parameters": count_parameters(model, "decoder"),
        "macs": count_macs(model, lr_size, size),
        "macs_fast": count_macs(model, lr_size, size, literal=False) if fast else None,
    }


def sweep(models: Sequence[str], lr_size: Size, scales: Sequence[float], *, fast: bool = True) -> pd.DataFrame:
    """`counts` of several models and scales, one row each."""
    jobs = [(name, scale) for name in models for scale in scales]
    return pd.DataFrame([counts(name, lr_size, scale, fast=fast) for name, scale in tqdm(jobs, desc="counting MACs")])


class Timing(NamedTuple):
    """Seconds per forward pass: median, and spread (interquartile range)."""

    median: float
    spread: float


def stopwatch(call: Callable[[], object], repeats: int) -> Measurement:
    """Seconds of about `repeats` calls after a warm-up, device-synchronised, with as many threads as torch uses."""
    from torch.utils.benchmark import Measurement, Timer  # here, as it loads setuptools, and a batch is many processes

    timer = Timer("call()", globals={"call": call}, num_threads=torch.get_num_threads())
    first = timer.blocked_autorange(min_run_time=1e-9)  # one call to warm up, one that counts
    if repeats == 1:
        return first
    return Measurement.merge([first, timer.blocked_autorange(min_run_time=(repeats - 1.5) * first.median)])[0]


def forward(model: SRModel, lr: Tensor, size: Size, *, literal: bool = False, queries: int | None = None) -> Tensor:
    """Encode and decode; of a diffusion model, what is done once and one noise prediction."""
    return model.answer(model.once(lr, size), size, literal=literal, queries=queries)


@torch.inference_mode()
def time_forward(
    model: SRModel,
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
    lr = torch.rand(1, 3, h, w, generator=torch.Generator().manual_seed(0)).to(model.device)
    seconds = stopwatch(lambda: forward(model, lr, size, literal=literal, queries=queries), repeats)
    return Timing(seconds.median, seconds.iqr)


def time_paths(
    name: str,
    lr_size: Size,
    size: Size,
    repeats: int,
    device: torch.device | str = "cpu",
    paths: Sequence[str] = ("literal", "fast"),
) -> list[dict]:
    """Time the literal and the fast path of a model by name (fresh weights; time does not depend on them), a row each.

    Both work in the same bands of output rows, which on a CPU stay in its cache: the ratio is then of the arithmetic alone.
    Keys: model, scale, rows, columns, path, seconds (median), spread, macs_per_second.
    """
    model, rows = build(name).to(device).eval(), []
    bands = model.cpu_queries if torch.device(device).type == "cpu" else None
    for path in paths:
        literal = path == "literal"
        timing = time_forward(model, lr_size, size, repeats, literal=literal, queries=bands if literal else None)
        macs = count_macs(model, lr_size, size, literal=literal)
        rows.append(
            {"model": name, "scale": size[0] / lr_size[0], "rows": size[0], "columns": size[1], "path": path,
             "seconds": timing.median, "spread": timing.spread, "macs_per_second": macs / timing.median}
        )  # fmt: skip
    return rows


def sweep_time(
    models: Sequence[str],
    lr_size: Size,
    sizes: Sequence[Size],
    repeats: int,
    device: torch.device | str = "cpu",
    paths: Sequence[str] = ("literal", "fast"),
) -> pd.DataFrame:
    """`time_paths` of several models and sizes."""
    jobs = [(name, check_size(size)) for name in models for size in sizes]
    rows = [
        row for job in tqdm(jobs, desc="timing") for row in time_paths(job[0], lr_size, job[1], repeats, device, paths)
    ]
    return pd.DataFrame(rows)


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


def peak_memory(model: SRModel, lr_size: Size, size: Size, *, literal: bool = False) -> float:
    """Peak memory in bytes that one forward pass adds to what is there before it (weights and libraries).

    CUDA: torch's own count. CPU: the largest resident size of a fresh process with as many threads, less its size before the
    pass; NaN where the system does not tell (Windows, some sandboxes). Good to a few MiB: the system counts roughly on machines
    with many cores, and may take back pages of the libraries meanwhile.
    """
    (h, w), size = check_size(lr_size, "lr_size"), check_size(size)
    device = model.device
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        with torch.inference_mode():
            forward(model, torch.rand(1, 3, h, w, device=device), size, literal=literal)
        return float(torch.cuda.max_memory_allocated(device) - before)
    context = multiprocessing.get_context("spawn")
    receive, send = context.Pipe(duplex=False)
    task = send, model, (h, w), size, literal, torch.get_num_threads()
    child = context.Process(target=measure_resident, args=task, daemon=True)
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


def measure_resident(send, model: SRModel, lr_size: Size, size: Size, literal: bool, threads: int) -> None:
    """In a process of its own: send by how many bytes the peak resident size exceeds the size before the pass."""
    status, reset = Path("/proc/self/status"), Path("/proc/self/clear_refs")

    def resident(field: str) -> float:
        if status.exists():  # Linux; its getrusage would also count the parent's peak
            found = re.search(rf"{field}:\s+(\d+)", status.read_text())
            return 1024 * int(found[1]) if found else math.nan
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

    torch.set_num_threads(threads)
    try:
        with torch.inference_mode():
            forward(model, torch.rand(1, 3, 8, 8), (8, 8))  # libraries' own start-up
            if reset.exists():
                reset.write_text("5")  # the peak starts again from here
            before = resident("VmHWM")
            again = before - resident("VmRSS") < 2**23  # some sandboxes take the reset and do nothing
            forward(model, torch.rand(1, 3, *lr_size), size, literal=literal)
        send.send(float(resident("VmHWM") - before) if again else math.nan)
    except (ImportError, PermissionError):
        send.send(math.nan)


@torch.inference_mode()
def gemm_rate(size: int = 2048, repeats: int = 5, device: torch.device | str = "cpu") -> float:
    """The machine's own float32 rate of multiplying two size x size matrices in MAC/s: the yardstick for decoding.

    The better of torch's two ways: its BLAS, and the 1x1 convolution that says the same.
    """
    device = torch.device(device)
    a, b = torch.rand(size, size, device=device), torch.rand(size, size, device=device)
    image, kernel = a.view(1, 32, size // 32, size).permute(0, 3, 1, 2), b[:, :, None, None]
    ways = lambda: a @ b, lambda: F.conv2d(image, kernel)
    return max(size**3 / stopwatch(multiply, repeats).median for multiply in ways)


# What `bench` measures: decoding alone (features are given), EDSR-baseline widths, fresh weights. Every method, then variants.
METHODS = (
    ("edsr-baseline-metasr", 4),
    ("edsr-baseline-metasr", 3.7),
    ("edsr-baseline-liif", 6),
    ("edsr-baseline-lte", 6),
    ("edsr-baseline-diif", 8),
    ("edsr-baseline-dlte", 8),
    ("edsr-baseline-diinn", 6),
    ("edsr-baseline-lmf", 6),
    ("edsr-baseline-lmf-lte", 6),
    ("edsr-baseline-srno", 3),
    ("edsr-baseline-thera-air", 6),
    ("edsr-baseline-thera-plus", 4),
)
CASES = (
    *METHODS,
    ("edsr-baseline-diif-wo-ds", 8),
    ("edsr-baseline-diif-wo-se", 8),
    ("edsr-baseline-diif-cs", 8),
    ("edsr-baseline-diif-c4f3", 8),
    ("edsr-baseline-diif-c2f5", 8),
    *((f"edsr-baseline-diinn-{variant}", 6) for variant in "abcde"),
)


@torch.inference_mode()
def decoding_time(
    model: SRModel, lr_size: Size, size: Size, repeats: int, *, literal: bool, queries: int | None = None
) -> float:
    """Median seconds of decoding one image; `queries` overrides the literal path's batch."""
    prepared = model.once(torch.rand(1, 3, *lr_size, device=model.device), size)
    return stopwatch(lambda: model.answer(prepared, size, literal=literal, queries=queries), repeats).median


def bench(
    cases: Sequence[tuple[str, float]] = CASES, repeats: int = 5, device: torch.device | str = "cpu"
) -> pd.DataFrame:
    """How much faster the fast paths are than the literal ones on this machine: a row a case, 48 x 48 input.

    The literal path is measured twice: as a plain vectorised implementation works, 65,536 pixels at once, and in the fast
    path's small bands, which stay in a CPU's cache. Columns: model, scale, seconds of the three ways, ratios, and the fast
    path's share of the machine's GEMM rate.
    """
    rate, rows, lr_size = gemm_rate(device=device), [], (48, 48)
    for name, scale in tqdm(cases, desc="timing"):
        model, size = build(name).to(device).eval(), scaled_size(lr_size, scale)
        batches = decoding_time(model, lr_size, size, repeats, literal=True)
        in_bands = decoding_time(model, lr_size, size, repeats, literal=True, queries=model.cpu_queries)
        fast = decoding_time(model, lr_size, size, repeats, literal=False)
        macs = count_macs(model, lr_size, size, literal=False, part="decoder")
        rows.append(
            {"model": name, "scale": scale, "literal_s": batches, "literal_in_bands_s": in_bands, "fast_s": fast,
             "speedup": batches / fast, "speedup_in_bands": in_bands / fast, "of_gemm_rate": macs / fast / rate}
        )  # fmt: skip
    return pd.DataFrame(rows)


# What `bench_memory` measures: a decoder of each kind, but for SRNO, which at this size would take as long as LIIF.
LARGE = tuple(
    f"edsr-baseline-{decoder}" for decoder in ("metasr", "liif", "lte", "diif", "dlte", "diinn", "lmf", "thera-air")
)


def bench_memory(models: Sequence[str] = LARGE, device: torch.device | str = "cpu") -> pd.DataFrame:
    """Peak memory that a x30 forward pass of a 128 x 128 image adds, the 3840 x 3840 result included."""
    rows = []
    for name in tqdm(models, desc="memory ×30"):
        peak = peak_memory(build(name).to(device).eval(), (128, 128), (3840, 3840))
        rows.append({"model": name, "peak_MiB_x30": peak / 2**20})
    return pd.DataFrame(rows)


@torch.inference_mode()
def bench_compiled(
    cases: Sequence[tuple[str, float]] = METHODS,
    repeats: int = 5,
    device: torch.device | str = "cuda",
    compiler: Callable[..., Callable] = torch.compile,
) -> pd.DataFrame:
    """Whether torch.compile, with CUDA graphs where it can make them, is worth its wait: a row a case, 48 x 48 input.

    Of the fast path's rows, without what is done once per image. Columns: model, scale, fast_s, compiled_s, speedup, first_s
    (the call that compiles), difference (the largest, of outputs in [0, 1]), why (if it could not, torch's first line).
    """
    rows, lr_size = [], (48, 48)
    for name, scale in tqdm(cases, desc="compiling"):
        model, size = build(name).to(device).eval(), scaled_size(lr_size, scale)
        features = model.once(torch.rand(1, 3, *lr_size, device=model.device), size)
        k, decode = torch.arange(size[0]), model.decoder.fast(features, Grid(lr_size, size))
        expected, seconds = decode(k), stopwatch(lambda d=decode, k=k: d(k), repeats).median
        unknown = dict.fromkeys(("compiled_s", "speedup", "first_s", "difference"), math.nan)
        row = {"model": name, "scale": scale, "fast_s": seconds} | unknown | {"why": ""}
        try:
            compiled = compiler(decode, mode="reduce-overhead", dynamic=False)
            start = time.monotonic()
            row["difference"] = float((compiled(k) - expected).abs().max()) * model.std
            row["first_s"] = time.monotonic() - start
            row["compiled_s"] = stopwatch(lambda c=compiled, k=k: c(k), repeats).median
            row["speedup"] = seconds / row["compiled_s"]
        except Exception as error:  # dynamo's and inductor's errors are of many kinds
            row["why"] = f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0][:200]}"
        rows.append(row)
    return pd.DataFrame(rows)
