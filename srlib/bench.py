"""python -m srlib bench: how much faster the fast paths are than the literal ones on this machine, and what memory they need.

Decoding alone (features are given), EDSR-baseline widths, fresh weights. The literal path is measured twice: as a plain
vectorised implementation works, 65,536 pixels at once, and in the fast path's small bands, which stay in a CPU's cache.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence

import pandas as pd
import torch
from tqdm.auto import tqdm

from srlib import cost, models, provenance
from srlib.coords import Size, scaled_size
from srlib.models import Model, build

CASES = (
    ("edsr-baseline-metasr", 4),
    ("edsr-baseline-metasr", 3.7),
    ("edsr-baseline-liif", 6),
    ("edsr-baseline-lte", 6),
    ("edsr-baseline-diif", 8),
    ("edsr-baseline-dlte", 8),
    ("edsr-baseline-diinn", 6),
    ("edsr-baseline-diif-wo-ds", 8),
    ("edsr-baseline-diif-wo-se", 8),
    ("edsr-baseline-diif-cs", 8),
    ("edsr-baseline-diif-c4f3", 8),
    ("edsr-baseline-diif-c2f5", 8),
    *((f"edsr-baseline-diinn-{variant}", 6) for variant in "abcde"),
)
MEMORY = tuple(f"edsr-baseline-{decoder}" for decoder in ("metasr", "liif", "lte", "diif", "dlte", "diinn"))


@torch.inference_mode()
def decoding_time(
    model: Model, lr_size: Size, size: Size, repeats: int, *, literal: bool, queries: int | None = None
) -> float:
    """Median seconds of decoding one image, after a warm-up; `queries` overrides the literal path's batch."""
    device = cost.device_of(model)
    features = model.encode(torch.rand(1, 3, *lr_size, device=device))
    call = lambda: model.decode(features, size, literal=literal, queries=queries)  # noqa: E731
    return statistics.median(cost.stopwatch(call, repeats, device))


def speed(
    cases: Sequence[tuple[str, float]] = CASES, repeats: int = 5, device: torch.device | str = "cpu"
) -> pd.DataFrame:
    """One row per case: seconds of the three ways, ratios, and the fast path's share of the machine's GEMM rate."""
    rate, rows, lr_size = cost.gemm_rate(device=device), [], (48, 48)
    for name, scale in tqdm(cases, desc="timing"):
        model, size = build(name).to(device).eval(), scaled_size(lr_size, scale)
        batches = decoding_time(model, lr_size, size, repeats, literal=True)
        bands = decoding_time(model, lr_size, size, repeats, literal=True, queries=models.CPU_QUERIES)
        fast = decoding_time(model, lr_size, size, repeats, literal=False)
        macs = cost.count_macs(model, lr_size, size, literal=False, part="decoder")
        rows.append((name, scale, batches, bands, fast, batches / fast, bands / fast, macs / fast / rate))
    names = [
        "model",
        "scale",
        "literal_s",
        "literal_in_bands_s",
        "fast_s",
        "speedup",
        "speedup_in_bands",
        "of_gemm_rate",
    ]
    return pd.DataFrame(rows, columns=names)


def memory(names: Sequence[str] = MEMORY, device: torch.device | str = "cpu") -> pd.DataFrame:
    """Peak memory that a x30 forward pass of a 128 x 128 image adds, the 3840 x 3840 result included."""
    rows = []
    for name in tqdm(names, desc="memory ×30"):
        rows.append((name, cost.peak_memory(build(name).to(device).eval(), (128, 128), (3840, 3840)) / 2**20))
    return pd.DataFrame(rows, columns=["model", "peak_MiB_x30"])


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m srlib bench", description=__doc__.split("\n")[0])
    parser.add_argument("--device", default="auto")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--csv", help="also write the speed table here")
    choice = parser.parse_args(words)
    device = provenance.choose_device(choice.device)
    table = speed(repeats=choice.repeats, device=device)
    print(
        f"{provenance.device_name(device)}, torch {torch.__version__}, commit {provenance.commit()}, {provenance.now()}"
    )
    print(table.round(3).to_string(index=False))
    if choice.csv:
        table.assign(device=provenance.device_name(device), commit=provenance.commit()).to_csv(choice.csv, index=False)
    print(memory(device=device).round(0).to_string(index=False))
    return 0
