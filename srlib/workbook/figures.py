"""The figures of the notebooks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.markers import CARETLEFT, CARETRIGHT
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from srlib.cost import growth
from srlib.models.catalogue import BICUBIC, DIFFUSION, ModelName, labels
from srlib.workbook import statistics


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
    part = ModelName.of(model)
    return {"edsr-baseline": "--", "rdn": ":"}.get(part.encoder, "--" if part.decoder in ("idm", "sr3") else "-")


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


MARKS = {  # a condition of decoding -> marker, whether it is filled
    "all threads": ("o", True), "one thread": ("o", False), "before": ("X", True), "plain": ("s", False), "bf16": ("D", True),
}  # fmt: skip


def conditions(rows: dict[str, pd.DataFrame], commit: str = "") -> Figure:
    """Seconds of decoding under each condition, a line a model, a panel for each width and scale. rows: by condition, model,
    side, scale and seconds."""
    cases = pd.concat(rows.values()).drop_duplicates(["model", "side", "scale"])[["model", "side", "scale"]]
    cases["encoder"] = [ModelName.of(model).encoder for model in cases["model"]]
    panels = list(cases.groupby(["encoder", "side", "scale"], sort=False))
    figure, axes = plt.subplots(
        1,
        len(panels),
        figsize=(max(6.6, 1.2 + 3.6 * len(panels)), 2.1 + 0.34 * cases["model"].nunique()),
        squeeze=False,
    )
    names = {"all threads": "all threads, quiet", "plain": "plain vectorised way"}
    names["before"] = f"before ({commit})" if commit else "before"
    for axis, ((encoder, side, scale), some) in zip(axes[0], panels, strict=True):
        models = list(some["model"])[::-1]
        for name, of in rows.items():
            marker, filled = MARKS.get(name, ("^", True))
            of = of[(of["side"] == side) & (of["scale"] == scale) & of["model"].isin(models)]
            for row in of.itertuples():
                fill = colour(row.model) if filled else "none"
                axis.plot(row.seconds, models.index(row.model), marker, color=colour(row.model), markerfacecolor=fill)
        axis.set_yticks(range(len(models)), [labels(models)[model] for model in models])
        axis.set_ylim(-0.6, len(models) - 0.4)
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.tick_params(axis="x", labelrotation=45)
        axis.set(title=f"{encoder}, {side}×{side}, ×{scale:g}", xlabel="seconds of one decode (median)")
    handles = []
    for name in rows:
        marker, filled = MARKS.get(name, ("^", True))
        text = f"{name} busy processes" if name.startswith("beside") else names.get(name, name)
        fill = {} if filled else {"markerfacecolor": "none"}
        handles.append(plt.Line2D([], [], marker=marker, color="#444", linestyle="", label=text, **fill))
    figure.legend(handles=handles, fontsize="small", loc="outside lower center", ncols=min(3, len(handles)))
    return figure


def per_pixel(sizes: pd.DataFrame) -> Figure:
    """Time per output pixel against the size of the result, a line a model and scale. sizes: model, scale, megapixels,
    ns_per_pixel."""
    figure, axis = plt.subplots(figsize=(6.4, 3.9))
    names = labels(list(sizes["model"].unique()))
    for (model, scale), some in sizes.sort_values("megapixels").groupby(["model", "scale"], sort=False):
        axis.plot(
            some["megapixels"], some["ns_per_pixel"], line(model) + "o", color=colour(model), markersize=4,
            label=f"{names[model]}, ×{scale:g}",
        )  # fmt: skip
    axis.set_xscale("log", base=4)
    ticks = sorted(sizes["megapixels"].unique())
    axis.set_xticks(ticks, [f"{tick:.3g}" for tick in ticks])
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_ylim(0, 1.15 * sizes["ns_per_pixel"].max() if len(sizes) else 1)
    axis.set(xlabel="output, megapixels (1024 × 1024)", ylabel="nanoseconds per output pixel")
    if len(sizes):
        axis.legend(fontsize="small")
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


SMALL, LARGE = 1.5, 2.4  # inches of a picture's width in `crops`: of many in a row, and of few


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


def psnr_by_scale(gains: pd.DataFrame) -> Figure:
    """Mean PSNR gain over bicubic against scale, a panel per data set, with 95 % intervals as bands. gains: from
    `statistics.by_cell`, less bicubic's."""
    benchmarks = gains[gains["dataset"] != "embedded"]  # scikit-image's own pictures only where there is nothing else
    gains = benchmarks if len(benchmarks) else gains
    sets, names = list(gains["dataset"].unique()), labels(list(gains["model"].unique()))
    columns = 2 if len(sets) == 4 else min(3, len(sets))
    lines = math.ceil(len(sets) / columns)
    figure, axes = plt.subplots(
        lines, columns, figsize=(1 + 3.2 * columns, 0.6 + 3.3 * lines), squeeze=False, sharey=True
    )
    for axis, name in zip(axes.flat, sets, strict=False):
        rows = gains[gains["dataset"] == name]
        for model, some in rows.sort_values("scale", kind="stable").groupby("model", sort=False):
            axis.plot(some["scale"], some["value"], line(model), marker="o", color=colour(model), label=names[model])
            axis.fill_between(some["scale"], some["low"], some["high"], color=colour(model), alpha=0.08, linewidth=0)
        axis.axhline(0, color=BICUBIC.colour, label="Bicubic")
        scale_axis(axis, sorted(rows["scale"].unique()))
        count = int(rows["images"].max())
        axis.set_title(f"{name} ({count} image{'s' if count > 1 else ''})")
    low, high = min(0.0, gains["value"].min()), gains["value"].max()
    # of the means: bands of few images are wider
    axes.flat[0].set_ylim(low - 0.1 * (high - low), high + 0.2 * (high - low))
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
        title="bands: 95 % intervals of the gain",
        title_fontsize="small",
    )
    return figure


def gaps_to(gaps: pd.DataFrame, reference: str) -> Figure:
    """PSNR of each model less the reference model's, mean over data sets, with 95 % intervals, a group of marks per
    scale; a scale at which only some sets were measured names them. gaps: from `statistics.by_scale`: model, scale,
    value, low, high, sets."""
    models, scales = list(gaps["model"].unique()), sorted(gaps["scale"].unique())
    names, every = labels([*models, reference]), max((len(sets) for sets in gaps["sets"]), default=0)
    figure, axis = plt.subplots(figsize=(2.0 + 1.25 * len(scales), 4.2))
    for i, model in enumerate(models):
        some = gaps[gaps["model"] == model].set_index("scale").reindex(scales)
        place = np.arange(len(scales)) + (i - (len(models) - 1) / 2) * 0.8 / max(1, len(models))
        ends = [some["value"] - some["low"], some["high"] - some["value"]]
        axis.errorbar(
            place, some["value"], ends, fmt="o", markersize=5, capsize=2, color=colour(model), label=names[model]
        )
    axis.axhline(0, color=colour(reference), label=names[reference])
    ticks = []
    for scale in scales:
        sets = gaps.loc[gaps["scale"] == scale, "sets"].iloc[0]
        ticks.append(f"×{scale:g}" + ("" if len(sets) == every else "\n" + ", ".join(sets)))
    axis.set_xticks(range(len(scales)), ticks)
    axis.grid(axis="x", visible=False)
    largest = max(gaps["sets"], key=len, default=())
    axis.set(ylabel="dB", title=f"PSNR less {names[reference]}'s, mean over {', '.join(largest)}, 95 % intervals")
    figure.legend(fontsize="small", loc="outside lower center", ncols=min(4, len(models) + 1))
    return figure


def seam_means(means: pd.DataFrame) -> Figure:
    """Mean seam of every model over images with 95 % intervals. means: model, seam, low, high, images."""
    means = means.sort_values("seam", ascending=False, ignore_index=True)
    names = labels([m for m in means["model"] if m != "original"]) | {"original": "original"}
    figure, axis = plt.subplots(figsize=(7.2, 1.3 + 0.36 * len(means)))
    for row in means.itertuples():
        dark = "#000000" if row.model == "original" else colour(row.model)
        axis.errorbar(
            row.seam, row.Index, xerr=[[row.seam - row.low], [row.high - row.seam]], fmt="o", capsize=3, color=dark
        )
    axis.axvline(1, color="#999", linestyle=":")
    axis.set_yticks(range(len(means)), [names[m] for m in means["model"]])
    axis.set(
        xlabel=f"step into a cell / steps beside it (1: no seam), mean of {int(means['images'].max())} images, 95 % intervals"
    )
    axis.grid(axis="y", visible=False)
    return figure


LOOKS = {  # verdict -> marker, colour
    "confirmed": ("o", "#00704f"), "contradicted": ("X", "#b00020"), "inconclusive": ("s", "#b8860b"),
    "not comparable": ("D", "#888888"), "not measured": ("|", "#bbbbbb"),
}  # fmt: skip
KINDS = {  # of claims, by what they are measured in: title, kind of axis
    "dB": ("difference in dB", "symlog"), "ssim": ("difference of SSIM", "linear"), "ratio": ("times", "log"),
    "count": ("share of the cells or pairs that come out", "linear"), "share": ("share saved, exponent or seam", "linear"),
    "sharpness": ("nearness to the original's sharpness, difference", "linear"),
}  # fmt: skip


def kind_of(claim: object) -> str:
    """Under which heading of `all_claims` a line belongs."""
    if claim.unit == "dB":
        return "dB"
    if claim.unit in ("times", "×"):
        return "ratio"
    if claim.unit in ("cells", "pairs", "images"):
        return "count"
    return "ssim" if ", ssim" in claim.claim else "sharpness" if "sharpness" in claim.claim else "share"


def all_claims(claims: pd.DataFrame) -> Figure:
    """Every claim on one page: its measured value with the 95 % interval, the paper's own value, and the verdict by colour and
    shape; under a heading for each thing that is measured. A claim in scale and out of scale has one row, the former above the
    latter. claims: the table of the claims page."""
    rows = claims.assign(
        kind=[kind_of(row) for row in claims.itertuples()], label=[short(row) for row in claims.itertuples()]
    )
    kinds = [kind for kind in KINDS if (rows["kind"] == kind).any()]
    counts = [rows.loc[rows["kind"] == kind, "label"].nunique() for kind in kinds]
    figure, axes = plt.subplots(
        len(kinds), 1, figsize=(8.4, 1.1 + 0.175 * sum(counts) + 0.5 * len(kinds)), squeeze=False,
        height_ratios=[n + 1.0 for n in counts],
    )  # fmt: skip
    for axis, kind in zip(axes[:, 0], kinds, strict=True):
        title, scale = KINDS[kind]
        some = rows[rows["kind"] == kind]
        names = list(dict.fromkeys(some["label"]))
        for y, name in enumerate(names):
            group = some[some["label"] == name]
            for i, row in enumerate(group.itertuples()):
                draw_claim(axis, row, y + (i - (len(group) - 1) / 2) * 0.8 / max(2, len(group)), kind)
        axis.set_yticks(range(len(names)), names, fontsize=6.8)
        axis.set_ylim(len(names) - 0.4, -0.6)
        if scale == "symlog":
            axis.set_xscale("symlog", linthresh=0.1, linscale=1.8)
            ticks = [-3, -1, -0.3, -0.1, -0.05, 0, 0.05, 0.1, 0.3, 1, 3]
            axis.set_xticks(ticks, [f"{t:g}" for t in ticks])
        elif scale == "log":
            axis.set_xscale("log")
            axis.set_xlim(0.2, 80)
            axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.xaxis.set_minor_formatter(NullFormatter())
        axis.axvline(1 if kind in ("ratio", "count") else 0, color="#444", linewidth=0.8)
        axis.tick_params(axis="x", labelsize=7, pad=0)
        axis.grid(axis="y", linewidth=0.4)
        axis.set_title(title, fontsize=8, loc="left", pad=3)
    handles = [plt.Line2D([], [], marker=m, color=c, linestyle="", label=v) for v, (m, c) in LOOKS.items()]
    paper = {"marker": "d", "color": "#222", "markerfacecolor": "none", "linestyle": ""}
    handles.append(plt.Line2D([], [], label="the paper's own value", **paper))
    caret = {"marker": CARETRIGHT, "color": "#777", "markeredgewidth": 0, "linestyle": ""}
    handles.append(plt.Line2D([], [], label="claimed from here on", **caret))
    title = "bars: 95 % intervals; two marks in a row: in scale (×1 to ×4) above, out of scale below"
    figure.legend(handles=handles, fontsize=7.5, loc="outside upper center", ncols=3, title=title, title_fontsize=7.5)
    return figure


def draw_claim(axis: plt.Axes, row: object, y: float, kind: str) -> None:
    """One line of `all_claims`; counts as a share of all, percentages as shares."""
    (marker, dark), of = LOOKS[row.verdict], row.least if kind == "count" and row.least > 0 else 1.0
    of = 100.0 if row.unit == "%" else of
    if pd.isna(row.measured):
        axis.plot(0.005, y, marker, color=dark, markersize=7, transform=axis.get_yaxis_transform())
    else:
        for bound, caret in (
            (row.least, CARETRIGHT),
            (row.most, CARETLEFT),
        ):  # from where the claim holds, and which way
            axis.plot(bound / of, y, marker=caret, color="#777", markersize=3.4, markeredgewidth=0)
        axis.plot([row.low / of, row.high / of], [y, y], color=dark, linewidth=3.4, alpha=0.5, solid_capstyle="butt")
        axis.plot(row.measured / of, y, marker, color=dark, markersize=3)
    if pd.notna(row.published):
        axis.plot(row.published / of, y, "d", color="#222", markerfacecolor="none", markersize=4, markeredgewidth=0.8)


def short(row: object) -> str:
    """A claim in few words: its paper and table, who above whom, where."""
    words = row.claim.split(":")[0]
    for long, brief in (
        ("compact-", ""), (", in scale", ""), (", out of scale", ""), (", at larger scales", ", ×8"), ("running time", "time"),
        ("position and content ", ""), (" at its lower cost", ""),
        ("is closer to the original's sharpness than", "sharper than"),
        ("makes the image more continuous", "smaller seams"), ("; known exceptions aside", ""), (" whatever the scale", ""),
        ("its PSNR over bicubic's falls by", "falls"), ("as on the paper's GPU", "the paper's GPU"),
        (", literal path", ", literal"),
        (", fast path", ", fast"), ("cells that come out to the printed digits", "costs to the printed digits"),
        ("at every scale beyond ×4", "beyond ×4"), ("the larger the scale, the more of", "larger scale, more of"),
        ("difference of the exponents of its MACs", "exponents"), ("cost grows more slowly than", "MACs grow more slowly than"),
    ):  # fmt: skip
        words = words.replace(long, brief)
    for name in ("ssim", "lr_psnr"):
        words += f", {name.upper().replace('_', '-')}" if f", {name}" in row.claim and kind_of(row) == "dB" else ""
    place = row.place.split(", ")[-1].replace("printed numbers", "Table 2").replace("Section 1", "Figure 1")
    place = row.place.split(", ")[0] if "printed" in row.place else place
    return f"{row.paper} {place}: {words if len(words) <= 62 else words[:60] + ' …'}"


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


def measures_by_scale(rows: pd.DataFrame, quantities: dict[str, str], logarithmic: tuple[str, ...] = ()) -> Figure:
    """One panel per quantity (column -> axis label) against scale, a line per model: means over images with 95 %
    intervals. rows: image, model, scale and the columns."""
    figure, axes = plt.subplots(1, len(quantities), figsize=(3.3 * len(quantities), 3.8), squeeze=False)
    names, scales = labels(list(rows["model"].unique())), sorted(rows["scale"].unique())
    for axis, (column, text) in zip(axes[0], quantities.items(), strict=True):
        for i, (model, some) in enumerate(rows.groupby("model", sort=False)):
            of = [statistics.of_values(some.loc[some["scale"] == scale, column]) for scale in scales]
            value = np.array([one.value for one in of])
            ends = np.array([[one.value - one.low for one in of], [one.high - one.value for one in of]])
            ends = np.minimum(ends, [0.9 * np.abs(value), np.full(len(of), np.inf)]) if column in logarithmic else ends
            aside = np.array(scales) * 1.012 ** (i - len(names) / 2)  # or the bars would lie upon each other
            axis.errorbar(
                aside,
                value,
                ends,
                fmt=line(model) + "o",
                markersize=4,
                capsize=2,
                elinewidth=0.8,
                color=colour(model),
                label=names[model],
            )
        scale_axis(axis, scales)
        axis.set_ylabel(text)
        if column in logarithmic:
            axis.set_yscale("log")
            axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.yaxis.set_minor_formatter(NullFormatter())
    handles, texts = axes[0][0].get_legend_handles_labels()
    title = f"means of {rows['image'].nunique()} images, 95 % intervals"
    figure.legend(
        handles,
        texts,
        fontsize="small",
        loc="outside lower center",
        ncols=len(texts),
        title=title,
        title_fontsize="small",
    )
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
