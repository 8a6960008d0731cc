"""The figures of the notebooks."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from srlib.report import COLOURS, NAMES, colour, method


def label(model: str) -> str:
    name = method(model)
    return NAMES.get(name, name.replace("diif-", "DIIF ").replace("liif-", "LIIF ").replace("wo-", "w/o "))


def scale_axis(axis: plt.Axes, scales: list[float]) -> None:
    axis.set_xscale("log")
    axis.set_xticks(scales, [f"×{s:g}" for s in scales])
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_xlabel("scale")


def macs_by_scale(costs: pd.DataFrame, published: pd.DataFrame) -> Figure:
    """MACs against scale: counted (literal solid, fast dashed) and printed (circles). `published`: model, scale, macs_T."""
    figure, axis = plt.subplots(figsize=(6.4, 4.2))
    for model, rows in costs.groupby("model", sort=False):
        axis.plot(rows["scale"], rows["macs"] / 1e12, color=colour(model), label=f"{label(model)}, as the paper counts")
        axis.plot(
            rows["scale"], rows["macs_fast"] / 1e12, "--", color=colour(model), label=f"{label(model)}, fast path here"
        )
        points = published[published["model"] == model]
        axis.plot(points["scale"], points["macs_T"], "o", color=colour(model), markerfacecolor="white")
    axis.plot([], [], "o", color="#444", markerfacecolor="white", label="printed in the paper")
    axis.set_yscale("log")
    scale_axis(axis, sorted(costs["scale"].unique()))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_ylabel("multiply-accumulates, 10¹²")
    axis.set_title("Cost of one 320×180 image, EDSR-baseline encoder")
    axis.legend(fontsize="small")
    return figure


def time_by_scale(times: pd.DataFrame, title: str) -> Figure:
    """Seconds against scale, literal dotted and fast solid, with the spread of the repeats."""
    figure, axis = plt.subplots(figsize=(6.4, 4.2))
    for (model, path), rows in times.groupby(["model", "path"], sort=False):
        axis.errorbar(
            rows["scale"], rows["seconds"], rows["spread"] / 2, color=colour(model), capsize=2, marker=".",
            linestyle="-" if path == "fast" else ":", label=f"{label(model)}, {path}",
        )  # fmt: skip
    axis.set_yscale("log")
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    scale_axis(axis, sorted(times["scale"].unique()))
    axis.set_ylabel("seconds per image (median)")
    axis.set_title(title)
    axis.legend(fontsize="small")
    return figure


def psnr_by_scale(scores: pd.DataFrame, baseline: str = "bicubic") -> Figure:
    """Mean PSNR gain over bicubic against scale, a panel per data set."""
    sets = list(scores["dataset"].unique())
    figure, axes = plt.subplots(1, len(sets), figsize=(1.2 + 3.1 * len(sets), 3.6), squeeze=False, sharey=True)
    for axis, name in zip(axes[0], sets, strict=True):
        rows = scores[scores["dataset"] == name]
        base = rows[rows["model"] == baseline].set_index("scale")["psnr"]
        for model, some in rows.groupby("model", sort=False):
            if model != baseline:
                gain = some["psnr"].to_numpy() - base.reindex(some["scale"]).to_numpy()
                axis.plot(some["scale"], gain, marker="o", color=colour(model), label=label(model))
        axis.axhline(0, color=COLOURS["bicubic"], label="Bicubic")
        scale_axis(axis, sorted(rows["scale"].unique()))
        axis.set_title(f"{name} ({int(rows['images'].max())} images)")
    axes[0][0].set_ylabel("PSNR above bicubic, dB")
    axes[0][-1].legend(fontsize="small")
    return figure


def ablation_macs(comparison: pd.DataFrame) -> Figure:
    """Counted MACs of each row of DIIF's Table 4 as bars, printed ones as circles."""
    rows = comparison[comparison["quantity"] == "macs_T"].iloc[::-1]
    figure, axis = plt.subplots(figsize=(6.4, 3.6))
    axis.barh(rows["method"], rows["measured"], color=[colour(m) for m in rows["model"]], label="counted here")
    axis.plot(
        rows["published"], rows["method"], "o", color="#222", markerfacecolor="white", label="printed in the paper"
    )
    for value, name in zip(rows["measured"], rows["method"], strict=True):
        axis.annotate(f"{value:.3f}", (value, name), xytext=(9, 0), textcoords="offset points", va="center", fontsize=9)
    axis.set_xlabel("MACs for 160×90 → 2560×1440, T as the paper prints it")
    axis.set_xlim(0, rows["measured"].max() * 1.15)
    axis.grid(axis="y", visible=False)
    axis.legend(fontsize="small", loc="lower right")
    return figure


def training_curves(logs: dict[str, pd.DataFrame]) -> Figure:
    """Loss (running median) and validation PSNR against steps, of one or more runs."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6))
    for model, log in logs.items():
        smooth = log["loss"].rolling(9, center=True, min_periods=1).median()
        left.plot(log["step"], smooth, color=colour(model), label=label(model))
        for scale, line in ((2, "-"), (3, ":"), (4, "--")):
            if f"psnr_x{scale}" not in log:
                continue
            some = log.dropna(subset=[f"psnr_x{scale}"])
            right.plot(
                some["step"],
                some[f"psnr_x{scale}"],
                line,
                marker=".",
                color=colour(model),
                label=f"{label(model)} ×{scale}",
            )
    left.set(xlabel="step", ylabel="L1 loss (running median)", title="Training loss")
    low = min(float(log["loss"].min()) for log in logs.values())
    high = max(float(np.quantile(log["loss"], 0.9)) for log in logs.values())
    left.set_ylim(low - 0.1 * (high - low), high + 0.2 * (high - low) + 1e-6)
    right.set(xlabel="step", ylabel="luma PSNR, dB", title="Validation (4 embedded photographs)")
    left.legend(fontsize="small")
    right.legend(fontsize="small")
    return figure
