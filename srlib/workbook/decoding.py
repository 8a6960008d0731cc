"""What the speed page says: decoding times side by side, time per output pixel, and the marks that they are held to."""

from __future__ import annotations

import math

import pandas as pd

from srlib.models.catalogue import ModelName
from srlib.workbook import claims
from srlib.workbook.book import Book
from srlib.workbook.claims_costs import ratio_of_times

# What is asked of the small models' decoders: times as fast as the commit compared with, and share of the matrix rate.
ASKED = {"liif": (1.6, 0.45), "lte": (1.6, 0.45), "diinn": (1.6, 0.45), "diif": (2.0, 0.35), "dlte": (2.0, 0.35)}
BESIDE, CONSTANT, ADDED, LOST = 2.5, 0.15, 500.0, 0.01  # times the quiet time; of the time per pixel; MB; dB
KEY = ["model", "side", "scale"]


def quiet(rows: pd.DataFrame) -> pd.DataFrame:
    """The fast path's rows on all threads, nothing else running; one a case, those with a commit last."""
    rows = rows[(rows["way"] == "fast") & (rows["busy"] == 0) & (rows["threads"] == rows["threads"].max())]
    return rows.sort_values("against", kind="stable").drop_duplicates(KEY, keep="first", ignore_index=True)


def others(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Rows of other conditions, by what they are called: one thread, beside busy processes, other ways, before."""
    most, fast, alone = rows["threads"].max(), rows["way"] == "fast", rows["busy"] == 0
    found = {"one thread": rows[fast & alone & (rows["threads"] == 1)]} if most > 1 else {}
    for count in sorted(set(rows["busy"]) - {0}):
        found[f"beside {count}"] = rows[fast & (rows["busy"] == count) & (rows["threads"] == most)]
    for way in ("plain", "bf16"):
        found[way] = rows[(rows["way"] == way) & alone & (rows["threads"] == most)]
    earlier = rows[rows["before"].notna()]
    found["before"] = earlier.assign(seconds=earlier["before"])
    return {name: some for name, some in found.items() if len(some)}


def side_by_side(rows: pd.DataFrame) -> pd.DataFrame:
    """A row a model, LR side and scale: threads, seconds, spread, ns_per_pixel, of_gemm_rate; then of each other condition how
    many times as long it took."""
    table = quiet(rows)
    pixels = (table["side"] * table["scale"]).round() ** 2
    table = table.assign(ns_per_pixel=1e9 * table["seconds"] / pixels)
    columns = [*KEY, "threads", "seconds", "spread", "ns_per_pixel", "of_gemm_rate"]
    for name, some in others(rows).items():
        some = some.drop_duplicates(KEY, keep="last").set_index(KEY)
        times = some["ratio"] if name == "before" else some["seconds"] / table.set_index(KEY)["seconds"]
        table[name] = [times.get(tuple(key), math.nan) for key in table[KEY].itertuples(index=False)]
        columns.append(name)
    return table[columns]


def per_pixel(rows: pd.DataFrame) -> pd.DataFrame:
    """Time per output pixel of each result: model, scale, megapixels (of 1024 x 1024), ns_per_pixel, relative spread."""
    table = quiet(rows)
    pixels = (table["side"] * table["scale"]).round() ** 2
    return table[["model", "scale"]].assign(
        megapixels=pixels / 2**20,
        ns_per_pixel=1e9 * table["seconds"] / pixels,
        relative_spread=table["spread"] / table["seconds"],
    )


def smallest(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows without the larger results that only show how time grows: of each model and scale those of the smallest LR side."""
    return rows[rows["side"] == rows.groupby(["model", "scale"])["side"].transform("min")]


def growing(sizes: pd.DataFrame) -> pd.DataFrame:
    """Of `per_pixel`, the results of one model and scale in three sizes or more."""
    return sizes.groupby(["model", "scale"]).filter(lambda some: len(some) > 2)


def losses(book: Book) -> pd.DataFrame:
    """Luma PSNR in float32 and with products in bf16, means over the images: model, dataset, scale, images, float32, bf16,
    difference (dB). Empty without the images, and where the machine has no bf16 of its own."""
    if (rows := book.recorded("losses") if book.earlier else None) is not None:
        return rows
    parts = [book.scores("benchmark-y", kind).assign(kind=kind) for kind in ("float32", "bf16")]
    rows = pd.concat([part for part in parts if len(part)]) if any(map(len, parts)) else parts[0]
    means = rows.pivot_table("psnr", ["model", "dataset", "scale"], "kind", sort=False)
    if not {"float32", "bf16"} <= set(means):
        return pd.DataFrame(columns=["model", "dataset", "scale", "images", "float32", "bf16", "difference"])
    images = rows.groupby(["model", "dataset", "scale"])["image"].nunique()
    means = means.assign(images=images, difference=means["bf16"] - means["float32"]).dropna().reset_index()
    return means[["model", "dataset", "scale", "images", "float32", "bf16", "difference"]]


def conclusion(book: Book, rows: pd.DataFrame, memory: pd.DataFrame, lost: pd.DataFrame) -> list[dict]:
    """The marks that were measured: against the commit, of the matrix rate, beside busy processes, by size, memory, bf16."""
    lines = []
    small = rows[[ModelName.of(name).encoder == "compact" for name in rows["model"]]]
    commit = next(iter(set(rows["against"]) - {""}), "")
    where = "" if commit else "no commit to compare with is named here, or its history is not at hand"
    for model, some in rows[rows["before"].notna()].groupby("model", sort=False):
        asked = ASKED.get(ModelName.of(model).decoder, (1.0, 0))[0] if model in set(small["model"]) else 1.0
        worst = some.loc[[some["ratio"].idxmin()]]
        ratio = ratio_of_times(worst.assign(seconds=worst["before"]), worst)
        scales = ", ".join(f"×{scale:g}" for scale in sorted(set(some["scale"])))
        words = f"{model}: times as fast as at {commit}, the least of {scales}"
        lines.append(claims.check(words, asked, ratio[0], unit="times", at_least=True, interval=ratio[1:]))
    if where:
        lines.append(claims.check("times as fast as before", 1.6, None, unit="times", at_least=True, note=where))
    for model, some in quiet(small).groupby("model", sort=False):
        if asked := ASKED.get(ModelName.of(model).decoder):
            least = some.loc[some["of_gemm_rate"].idxmin()]
            off = least["spread"] / least["seconds"] or math.nan
            share = least["of_gemm_rate"]
            words = f"{model}: share of the machine's own matrix rate, the least over scales and sizes"
            ends = (share / (1 + off), share / max(1 - off, 0.1))
            lines.append(claims.check(words, asked[1], share, unit="share", at_least=True, interval=ends))
    for name, some in others(rows).items():
        if name.startswith("beside"):
            base = quiet(rows).set_index(KEY)
            pairs = [
                (ratio_of_times(some.loc[[i]], base.loc[[tuple(row[KEY])]]), row["model"])
                for i, row in some.iterrows()
                if tuple(row[KEY]) in base.index
            ]
            (ratio, low, high), model = max(pairs)
            words = f"{name} busy processes: times the quiet time, the most ({model})"
            lines.append(claims.check(words, BESIDE, ratio, unit="times", at_most=True, interval=(low, high)))
    for (model, scale), some in growing(per_pixel(rows)).groupby(["model", "scale"], sort=False):
        most, least = (some.loc[getattr(some["ns_per_pixel"], which)()] for which in ("idxmax", "idxmin"))
        ratio = most["ns_per_pixel"] / least["ns_per_pixel"] - 1
        off = most["relative_spread"] + least["relative_spread"] or math.nan  # timed once: no interval
        sizes = f"{some['megapixels'].min():.3g} to {some['megapixels'].max():.3g} megapixels"
        words = f"{model} at ×{scale:g}: time per output pixel from {sizes}, the largest over the smallest less 1"
        ends = (ratio - off, ratio + off)
        lines.append(claims.check(words, CONSTANT, ratio, unit="share", at_most=True, interval=ends))
    for row in memory.itertuples():
        words = f"{row.model}: memory added by a pass to {row.rows}×{row.columns}"
        added = row.peak_MiB * 2**20 / 1e6
        lines.append(claims.check(words, ADDED, added, unit="MB", at_most=True))
    for model, some in lost.groupby("model", sort=False):
        words = (
            f"{model}: dB that bf16 loses, the most over {', '.join(f'×{scale:g}' for scale in some['scale'])} of Set5"
        )
        lines.append(claims.check(words, LOST, -some["difference"].min(), unit="dB", at_most=True))
    return lines
