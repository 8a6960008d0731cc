"""What the page beyond bicubic says: gains over bicubic with intervals over images, the pictures, the conclusion."""

from __future__ import annotations

import math

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.stats import bootstrap

from srlib.imaging import files, render
from srlib.imaging.degrade import DEGRADATIONS, degraded_pair
from srlib.models.catalogue import labels
from srlib.workbook import claims, figures
from srlib.workbook.book import Book

BASE = "bicubic"  # the method that all are compared with, and the degradation that is none
FEWEST = 5  # images for an interval


def interval(differences: np.ndarray) -> tuple[float, float]:
    """95 % interval of a mean over images: percentiles of 9999 resamplings with seed 0. NaN below five images."""
    if len(differences) < FEWEST:
        return math.nan, math.nan
    found = bootstrap((differences,), np.mean, method="percentile", rng=np.random.default_rng(0)).confidence_interval
    return float(found.low), float(found.high)


def gains(images: pd.DataFrame) -> pd.DataFrame:
    """Of every model, scale and degradation: mean psnr and ssim, and the gain in PSNR over bicubic, image by image, with its
    interval; lost: how much of the gain without degradation is gone, with its interval, image by image too.

    images: from `Book.degraded`. Columns: model, scale, degradation, images, psnr, ssim, gain, low, high, lost, lost_low,
    lost_high (dB).
    """
    key = ["dataset", "image", "scale", "degradation"]
    base = images[images["model"] == BASE].set_index(key)["psnr"]
    others = images[images["model"] != BASE].assign(
        gain=lambda rows: rows["psnr"] - base.reindex(pd.MultiIndex.from_frame(rows[key])).to_numpy()
    )
    clean = others[others["degradation"] == BASE].set_index(["model", "dataset", "image", "scale"])["gain"]
    rows = []
    for (model, scale, how), some in others.groupby(["model", "scale", "degradation"], sort=False):
        before = clean.reindex(pd.MultiIndex.from_frame(some[["model", "dataset", "image", "scale"]])).to_numpy()
        gain, lost = some["gain"].to_numpy(), before - some["gain"].to_numpy()
        means = len(some), some["psnr"].mean(), some["ssim"].mean()
        of_lost = (math.nan, math.nan) if how == BASE else interval(lost)
        rows.append((model, scale, how, *means, gain.mean(), *interval(gain), lost.mean(), *of_lost))
    columns = [
        "model",
        "scale",
        "degradation",
        "images",
        "psnr",
        "ssim",
        "gain",
        "low",
        "high",
        "lost",
        "lost_low",
        "lost_high",
    ]
    return pd.DataFrame(rows, columns=columns)


def wide(table: pd.DataFrame) -> pd.DataFrame:
    """`gains` as the page shows it: a row a model and scale, a column a degradation, "gain [low, high]"."""

    def cell(row) -> str:
        return f"{row.gain:+.2f}" + (f" [{row.low:+.2f}, {row.high:+.2f}]" if math.isfinite(row.low) else "")

    some = table.assign(cell=[cell(row) for row in table.itertuples()])
    shown = some.pivot_table("cell", ["scale", "model"], "degradation", aggfunc="first", sort=False)
    return shown.reindex(columns=list(dict.fromkeys(table["degradation"]))).fillna("").reset_index()


def gain_figure(table: pd.DataFrame) -> Figure:
    """Gain over bicubic with its interval, a panel per scale, a group of points per degradation."""
    scales, kinds = sorted(table["scale"].unique()), list(dict.fromkeys(table["degradation"]))
    figure, axes = plt.subplots(1, len(scales), figsize=(1 + 5.2 * len(scales), 4.2), sharey=True, squeeze=False)
    for axis, scale in zip(axes[0], scales, strict=True):
        rows = table[table["scale"] == scale]
        names = labels(list(rows["model"].unique()))
        for i, (model, some) in enumerate(rows.groupby("model", sort=False)):
            place = np.array([kinds.index(how) for how in some["degradation"]]) + 0.75 * ((i + 0.5) / len(names) - 0.5)
            reach = (
                np.abs(np.stack([some["gain"] - some["low"], some["high"] - some["gain"]]))
                if some["low"].notna().all()
                else None
            )
            axis.errorbar(
                place,
                some["gain"],
                reach,
                fmt="o",
                markersize=4,
                elinewidth=1.2,
                color=figures.colour(model),
                label=names[model],
            )
        axis.axhline(0, color=figures.colour(BASE), label="Bicubic")
        axis.set_xticks(range(len(kinds)), kinds)
        axis.grid(axis="x", visible=False)
        known = ", 95 % intervals" if rows["low"].notna().any() else ""
        axis.set(title=f"×{scale:g}, {int(rows['images'].max())} images{known}", xlabel="how the LR image was made")
    axes[0][0].set_ylabel("luma PSNR above bicubic, dB")
    handles = {text: handle for axis in axes[0] for handle, text in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), fontsize="small", loc="outside lower center", ncols=6)
    return figure


def pictures(book: Book) -> tuple[dict[str, dict[str, np.ndarray]], dict[str, dict[str, np.ndarray]], pd.DataFrame]:
    """Rows for `figures.crops` of degraded photographs, and of photographs as they are; and what was measured of each result:
    image, degradation, scale, model, psnr, blur, consistency."""
    made: dict[tuple, dict[str, tuple]] = {}
    for request, kept in book.photographed():
        key = request.image, request.degradation, request.scale, request.part
        made.setdefault(key, {})[book.model(request.model).name] = request, kept
    degraded, as_they_are, rows = {}, {}, []
    for (image, how, scale, _), results in made.items():
        part, names = next(iter(results.values()))[0].original(), labels(list(results))
        shown = degraded_pair(part, scale, how)[0] if how else files.to_tensor(part)
        row = {"LR" if how else "photograph": render.squares(shown, next(iter(results.values()))[1].picture.shape[:2])}
        for model, (_, kept) in results.items():
            told = kept.rows[0]
            rows.append({"image": image, "degradation": how or "as it is", "scale": scale, "model": model, **told})
            row[f"{names[model]}, " + (f"{told['psnr']:.2f} dB" if how else f"blur {told['blur']:.3f}")] = kept.picture
        if how:
            degraded[f"{how}\n{image} ×{scale:g}"] = row | {"original": part}
        else:
            as_they_are[f"{image} ×{scale:g}"] = row
    columns = ["image", "degradation", "scale", "model", "psnr", "blur", "consistency"]
    return degraded, as_they_are, pd.DataFrame(rows, columns=columns)


def conclusion(book: Book, table: pd.DataFrame) -> list[dict]:
    """How many methods are above bicubic for each degradation and scale, by the lower end of their interval; and what is
    missing."""
    lines = []
    for (scale, how), some in table.groupby(["scale", "degradation"], sort=False):
        known = some.dropna(subset=["low"])
        above = int((known["low"] > 0).sum()) if len(known) else None
        names = labels(list(some["model"]))
        best = some.loc[some["gain"].idxmax()]
        below = [names[m] for m in known.loc[known["low"] <= 0, "model"]]
        claim = (
            f"{DEGRADATIONS[how].about}, ×{scale:g}: methods above bicubic with their whole interval, of {len(known)}; "
            f"best {names[best['model']]}, {best['gain']:+.2f} dB"
        )
        clean = table[(table["scale"] == scale) & (table["degradation"] == BASE) & table["model"].isin(known["model"])]
        # the same images were measured with and without it: that is an experiment
        degraded = how != BASE and len(known)
        before = f"the degradation: without it {int((clean['low'] > 0).sum())} are above" if degraded else ""
        note = f"an interval needs {FEWEST} images" if not len(known) else f"not {', '.join(below)}" if below else ""
        lines.append(claims.check(claim, len(known), above, unit="methods", cause=before, note=note))
    return [*lines, *claims.unmeasured(book, "PSNR", "above bicubic")]
