"""The figures of the notebooks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from srlib.cost import growth
from srlib.models.catalogue import BICUBIC, DIFFUSION, ModelName, labels


def style() -> None:
    """Set the look of all figures."""
    sns.set_theme(context="notebook", style="whitegrid", font_scale=0.9)
    plt.rcParams |= {
        "figure.dpi": 100,
        "savefig.dpi": 150,
        "figure.constrained_layout.use": True,
        "axes.titlesize": "medium",
    }


def colour(model: str) -> str:
    """A model's colour, the same everywhere."""
    return ModelName.of(model).colour


def line(model: str) -> str:
    """Solid for small models, dashed for EDSR-baseline and diffusion at full size, dotted for RDN."""
    return "--" if model.startswith("edsr") or model in ("idm", "sr3") else ":" if model.startswith("rdn") else "-"


def scale_axis(axis: plt.Axes, scales: list[float]) -> None:
    """A logarithmic axis of scales; those that lie too near another one, whole ones first, go without a label."""
    axis.set_xscale("log")
    near, labelled = 0.1 * math.log(max(scales) / min(scales)), []
    for scale in sorted(scales, key=lambda s: (s != round(s), s)):
        if all(abs(math.log(scale / other)) >= near for other in labelled):
            labelled.append(scale)
    axis.set_xticks(scales, [f"×{s:.3g}" if s in labelled else "" for s in scales])
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_xlabel("scale")


def by_scale(
    costs: pd.DataFrame, columns: dict[str, str], ylabel: str, *, printed: pd.DataFrame | None = None, fits: bool = True
) -> Figure:
    """A cost against scale on log axes, one panel for each of `columns` (column -> title).

    Points: counted or measured; lines: fixed + a s + b s^2 fitted to them, or just joined. printed: model, scale and the
    first column's printed values, as circles.
    """
    figure, axes = plt.subplots(1, len(columns), figsize=(1.2 + 4.1 * len(columns), 4.2), sharey=True, squeeze=False)
    names = labels(list(costs["model"].unique()))
    for axis, (column, title) in zip(axes[0], columns.items(), strict=True):
        fit = growth(costs, column).set_index("model") if fits else None
        for model, rows in costs.groupby("model", sort=False):
            s = rows["scale"].to_numpy(float)
            axis.plot(s, rows[column], "o" if fits else "o-", color=colour(model), markersize=4, label=names[model])
            if fits:
                s = np.geomspace(s.min(), s.max(), 60)
                axis.plot(s, fit.loc[model, "fixed"] + fit.loc[model, "per_s"] * s + fit.loc[model, "per_s2"] * s**2,
                          color=colour(model))  # fmt: skip
            if printed is not None and column in printed:
                points = printed[printed["model"] == model]
                axis.plot(points["scale"], points[column], "o", markersize=9, color=colour(model), fillstyle="none")
        if printed is not None and column in printed:
            axis.plot([], [], "o", markersize=9, color="#444", fillstyle="none", label="printed in the paper")
        axis.set_yscale("log")
        scale_axis(axis, sorted(costs["scale"].unique()))
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.yaxis.set_minor_formatter(NullFormatter())
        axis.set_title(title)
    axes[0][0].set_ylabel(ylabel)
    axes[0][0].legend(fontsize="small")
    return figure


def ratios(table: pd.DataFrame, title: str, xlabel: str) -> Figure:
    """Bars of measured ratios (column `measured`, index: what) beside printed ones (`published`)."""
    figure, axis = plt.subplots(figsize=(7.2, 0.9 + 0.42 * len(table)))
    place = np.arange(len(table))[::-1]
    axis.barh(place + 0.19, table["measured"], 0.36, color=[colour(m) for m in table["model"]], label="measured here")
    axis.barh(place - 0.19, table["published"], 0.36, color="#c9c9c9", label="in the paper")
    axis.set_yticks(place, table["what"])
    axis.set_xscale("log")
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set(xlabel=xlabel, title=title)
    axis.grid(axis="y", visible=False)
    figure.legend(fontsize="small", loc="outside lower center", ncols=2)
    return figure


def quality_and_cost(points: pd.DataFrame, cost: str, xlabel: str) -> Figure:
    """PSNR against a cost on a log axis, a panel per scale. points: model, scale, psnr and the column `cost`."""
    scales = sorted(points["scale"].unique())
    figure, axes = plt.subplots(1, len(scales), figsize=(1 + 2.9 * len(scales), 3.4), squeeze=False)
    for axis, scale in zip(axes[0], scales, strict=True):
        rows = points[points["scale"] == scale]
        for model, x, y in zip(rows["model"], rows[cost], rows["psnr"], strict=True):
            axis.plot(x, y, "o", color=colour(model))
            axis.annotate(
                labels(list(rows["model"]))[model], (x, y), xytext=(5, 4), textcoords="offset points", fontsize=8
            )
        axis.set_xscale("log")
        axis.margins(x=0.35, y=0.15)
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.tick_params(axis="x", labelrotation=30)
        axis.set(title=f"×{scale:.3g}", xlabel=xlabel)
    axes[0][0].set_ylabel("PSNR, dB")
    return figure


def quality_and_costs(points: pd.DataFrame, dataset: str) -> dict[str, Figure]:
    """`quality_and_cost` for each protocol and kind of cost. points: model, scale, protocol, psnr, GMAC, GMAC literal,
    seconds."""
    kinds = {
        "macs": ("GMAC", "10⁹ MACs, fast path"),
        "literal": ("GMAC literal", "10⁹ MACs, as papers count"),
        "time": ("seconds", "seconds, fast path"),
    }
    figures = {}
    for protocol, some in points.dropna(subset=["psnr"]).groupby("protocol"):
        for name, (column, unit) in kinds.items():
            figure = quality_and_cost(some, column, unit)
            figure.suptitle(f"{dataset}, {protocol}; cost of one image, 128×128 unless the profile says otherwise")
            figures[f"psnr_over_{name}_{protocol}"] = figure
    return figures


def crops(rows: dict[str, dict[str, np.ndarray]], width: float = 1.75) -> Figure:
    """A table of pictures: {row label: {title: picture}}; every row has the same number of pictures."""
    columns = max(map(len, rows.values()))
    heights = [
        width * next(iter(row.values())).shape[0] / next(iter(row.values())).shape[1] + 0.3 for row in rows.values()
    ]
    figure, axes = plt.subplots(
        len(rows), columns, figsize=(width * columns + 0.4, sum(heights)), squeeze=False, height_ratios=heights
    )
    for line, (name, pictures) in zip(axes, rows.items(), strict=True):
        for axis in line:
            axis.set_xticks([])
            axis.set_yticks([])
            axis.set_frame_on(False)
        for axis, (title, picture) in zip(line, pictures.items(), strict=False):
            axis.imshow(picture, interpolation="nearest")
            axis.set_title(title, fontsize=9)
        line[0].set_ylabel(name)
    return figure


def box(part: Sequence[int]) -> tuple[slice, slice]:
    """(top, left, height, width) as slices of rows and columns."""
    top, left, height, width = part
    return slice(top, top + height), slice(left, left + width)


def titled(pictures: dict[str, np.ndarray], psnr: pd.Series) -> dict[str, np.ndarray]:
    """Pictures by model -> by the method's label and its PSNR in dB."""
    names = labels(list(pictures))
    return {f"{names[model]}, {psnr[model]:.2f} dB": picture for model, picture in pictures.items()}


def seams(profiles: pd.DataFrame) -> Figure:
    """Mean step between neighbouring pixels against the place in the cell, from `metrics.jumps`: model, axis, place, jump."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 4.1), sharey=True)
    names = labels([m for m in profiles["model"].unique() if m != "original"])
    for axis, (name, title) in zip(
        axes, {"columns": "from left to right", "rows": "from top to bottom"}.items(), strict=True
    ):
        for model, some in profiles[profiles["axis"] == name].groupby("model", sort=False):
            dark = "#000000" if model == "original" else colour(model)
            axis.plot(
                some["place"],
                some["jump"],
                marker=".",
                color=dark,
                label=names.get(model, model),
            )
        axis.set(title=title, xlabel="pixel within its LR cell (0: step into the cell)")
    axes[0].set_ylabel("mean step to the pixel before, 8-bit")
    handles, texts = axes[0].get_legend_handles_labels()
    figure.legend(handles, texts, fontsize="small", loc="outside lower center", ncols=5)
    return figure


def psnr_by_scale(scores: pd.DataFrame, baseline: str = "bicubic") -> Figure:
    """Mean PSNR gain over bicubic against scale, a panel per data set."""
    sets, names = list(scores["dataset"].unique()), labels(list(scores["model"].unique()))
    columns = 2 if len(sets) == 4 else min(3, len(sets))
    lines = math.ceil(len(sets) / columns)
    figure, axes = plt.subplots(
        lines, columns, figsize=(1 + 3.2 * columns, 0.6 + 3.3 * lines), squeeze=False, sharey=True
    )
    for axis, name in zip(axes.flat, sets, strict=False):
        rows = scores[scores["dataset"] == name]
        base = rows[rows["model"] == baseline].set_index("scale")["psnr"]
        for model, some in rows.sort_values("scale", kind="stable").groupby("model", sort=False):
            if model != baseline:
                gain = some["psnr"].to_numpy() - base.reindex(some["scale"]).to_numpy()
                axis.plot(some["scale"], gain, line(model), marker="o", color=colour(model), label=names[model])
        axis.axhline(0, color=BICUBIC.colour, label="Bicubic")
        scale_axis(axis, sorted(rows["scale"].unique()))
        axis.set_title(f"{name} ({int(rows['images'].max())} images)")
    for axis in axes.flat[len(sets) :]:
        axis.set_axis_off()
    for left in axes[:, 0]:
        left.set_ylabel("PSNR above bicubic, dB")
    handles = {
        text: handle for axis in axes.flat for handle, text in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        handles.values(),
        handles.keys(),
        fontsize="small",
        loc="outside lower center",
        ncols=min(2 * columns, len(handles)),
    )
    return figure


def gaps_to(scores: pd.DataFrame, reference: str) -> Figure:
    """PSNR of each model less the reference model's, mean over data sets, a cell per scale; a scale at which only some sets
    were measured names them.

    scores: model, dataset, scale, psnr."""
    table = scores.pivot_table("psnr", "model", ["dataset", "scale"], sort=False)
    sets, names = table.columns.unique("dataset"), labels(list(table.index))
    gap = (table - table.loc[reference]).drop(index=reference).T.groupby(level="scale").mean().T
    some = {scale: [d for d in sets if (d, scale) in table] for scale in gap}
    gap = gap.rename(
        index=names,
        columns={s: f"×{s:g}" + ("" if len(of) == len(sets) else f"\n{', '.join(of)}") for s, of in some.items()},
    )
    figure, axis = plt.subplots(figsize=(max(4.6, 2.2 + 0.8 * gap.shape[1]), 1.5 + 0.42 * len(gap)))
    reach = max(0.05, float(gap.abs().max().max()))
    sns.heatmap(
        gap,
        ax=axis,
        annot=True,
        fmt="+.2f",
        cmap="RdBu",
        center=0,
        vmin=-reach,
        vmax=reach,
        cbar_kws={"label": "dB"},
        linewidths=1,
    )
    axis.set(xlabel="", ylabel="", title=f"PSNR less {names[reference]}'s, dB,\nmean over {', '.join(sets)}")
    axis.tick_params(axis="y", labelrotation=0)
    return figure


def ablation_macs(table: pd.DataFrame) -> Figure:
    """Counted MACs of each row of DIIF's Table 4 as bars, printed ones as circles."""
    rows = table[table["quantity"] == "macs_T"].iloc[::-1]
    figure, axis = plt.subplots(figsize=(6.4, 3.8))
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
    """Loss (running median) and what validation said (PSNR at each scale, or the loss) against steps."""
    scales = sorted({int(c.removeprefix("psnr_x")) for log in logs.values() for c in log if c.startswith("psnr_x")})
    names = {f"psnr_x{scale}": (f"Validation, ×{scale}", "luma PSNR, dB") for scale in scales}
    if any("validation_loss" in log for log in logs.values()):
        names["validation_loss"] = "Validation", "loss"
    figure, axes = plt.subplots(1, 1 + len(names), figsize=(3.6 + 3.0 * len(names), 3.7), squeeze=False)
    left, *others = axes[0]
    called = labels(list(logs))
    for model, log in logs.items():
        smooth = log["loss"].rolling(9, center=True, min_periods=1).median()
        left.plot(log["step"], smooth, line(model), color=colour(model), label=called[model])
        for name, axis in zip(names, others, strict=True):
            if name in log:
                some = log.dropna(subset=[name])
                axis.plot(some["step"], some[name], line(model), marker=".", color=colour(model))
    left.set(xlabel="step", ylabel="L1 loss (running median)", title="Training loss")
    low = min(float(log["loss"].min()) for log in logs.values())
    high = max(float(np.quantile(log["loss"], 0.9)) for log in logs.values())
    left.set_ylim(low - 0.1 * (high - low), high + 0.2 * (high - low) + 1e-6)
    for (title, unit), axis in zip(names.values(), others, strict=True):
        axis.set(xlabel="step", ylabel=unit, title=title)
    figure.legend(fontsize="small", loc="outside lower center", ncols=min(6, len(logs)))
    return figure


def measures_by_scale(means: pd.DataFrame, quantities: dict[str, str], logarithmic: tuple[str, ...] = ()) -> Figure:
    """One panel per quantity (column -> axis label) against scale, a line per model. means: model, scale and the columns."""
    figure, axes = plt.subplots(1, len(quantities), figsize=(3.3 * len(quantities), 3.8), squeeze=False)
    names = labels(list(means["model"].unique()))
    for axis, (column, text) in zip(axes[0], quantities.items(), strict=True):
        for model, some in means.groupby("model", sort=False):
            axis.plot(some["scale"], some[column], line(model), marker="o", color=colour(model), label=names[model])
        scale_axis(axis, sorted(means["scale"].unique()))
        axis.set_ylabel(text)
        if column in logarithmic:
            axis.set_yscale("log")
            axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.yaxis.set_minor_formatter(NullFormatter())
    handles, texts = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, texts, fontsize="small", loc="outside lower center", ncols=len(texts))
    return figure


def sampling(table: pd.DataFrame) -> Figure:
    """PSNR and detail against steps and seconds, a line per model and sampler. table: model, sampler, steps, psnr, detail,
    seconds."""
    figure, axes = plt.subplots(2, 2, figsize=(8.4, 6.2), sharex="col", sharey="row")
    names = labels(list(table["model"].unique()))
    looks = dict(zip(table["sampler"].unique(), ("o-", "s--", "^:"), strict=False))
    for line_of, (column, text) in zip(
        axes, {"psnr": "PSNR, dB", "detail": "detail (1: the original's)"}.items(), strict=True
    ):
        for axis, cost in zip(line_of, ("steps", "seconds"), strict=True):
            for (model, sampler), some in table.groupby(["model", "sampler"], sort=False):
                text_of = sampler if len(names) == 1 else f"{names[model]}, {sampler}"
                axis.plot(some[cost], some[column], looks[sampler], color=colour(model), label=text_of)
            axis.set_xscale("log")
            axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.xaxis.set_minor_formatter(NullFormatter())
        line_of[0].set_xticks(sorted(table["steps"].unique()))
        line_of[0].set_ylabel(text)
    for axis, text in zip(axes[-1], ("steps", "seconds an image"), strict=True):
        axis.set_xlabel(text)
    handles, texts = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, texts, fontsize="small", loc="outside lower center", ncols=min(3, len(texts)))
    return figure


def shares(table: pd.DataFrame) -> Figure:
    """Share of the LR image in each level's mix against p: median and quartiles. table: level, channel, p, share."""
    levels = sorted(table["level"].unique())
    figure, axes = plt.subplots(1, len(levels), figsize=(0.6 + 2.9 * len(levels), 3.2), sharey=True, squeeze=False)
    for axis, level in zip(axes[0], levels, strict=True):
        by_p = table[table["level"] == level].groupby("p")["share"]
        axis.plot(by_p.median(), color=DIFFUSION["idm"].colour, label="median channel")
        axis.fill_between(
            by_p.median().index,
            by_p.quantile(0.25),
            by_p.quantile(0.75),
            color=DIFFUSION["idm"].colour,
            alpha=0.25,
            label="half of the channels",
        )
        axis.axvline(1, color="#999", linestyle=":")
        axis.set(title=f"level {level}", xlabel="scaling factor p", ylim=(0, 1))
    axes[0][0].set_ylabel("share of the LR image")
    axes[0][0].legend(fontsize="small")
    return figure
