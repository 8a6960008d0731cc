"""What the page on later methods says: their costs beside DIIF's printed rows, and their PSNR less LIIF's, image by image."""

from __future__ import annotations

import pandas as pd

from srlib.models.catalogue import ModelName, labels
from srlib.workbook import claims, published
from srlib.workbook.beyond_bicubic import interval
from srlib.workbook.book import Book

METHODS = ("lmf", "lmf-lte", "srno", "thera-air", "thera-plus")
INSTEAD = {"lmf": "liif", "lmf-lte": "lte"}  # what LMF's authors converted
NO_PRINTED = "the cost columns of LMF's paper were not at hand"


def costs(book: Book, counts: pd.DataFrame) -> pd.DataFrame:
    """Counted costs in the units of DIIF's Table 3, beside what it prints; rows of later methods have no printed number here,
    and say why."""
    table = book.beside(published.tidy_costs(counts), "diif", 3).query("quantity != 'params_M'")
    table = table[table.groupby("method")["measured"].transform("count") > 0]
    later = table["model"].map(lambda name: isinstance(name, str) and ModelName.of(name).decoder in METHODS)
    lmf = table["model"].map(lambda name: isinstance(name, str) and ModelName.of(name).decoder in INSTEAD)
    note = table["note"].mask(later, "not in DIIF's table").mask(lmf, NO_PRINTED)
    names = labels(list(counts["model"].unique()))
    return table.assign(note=note, method=table["method"].replace({n: f"EDSR-baseline-{names[n]}" for n in names}))


def saved(counts: pd.DataFrame) -> pd.DataFrame:
    """What LMF saves of the method that it converts, whole model: model, instead of, scale, percent of the MACs as papers count
    them, of those of the fast paths here, of the decoder's parameters."""
    by = counts.set_index([counts["model"].map(lambda name: ModelName.of(name).decoder), "scale"])
    rows = []
    for new, old in INSTEAD.items():
        for scale in sorted(counts["scale"].unique()):
            if (new, scale) in by.index and (old, scale) in by.index:
                one, other = by.loc[(new, scale)], by.loc[(old, scale)]
                percent = [
                    100 * (1 - one[column] / other[column]) for column in ("macs", "macs_fast", "decoder_parameters")
                ]
                rows.append((one["model"], other["model"], scale, *percent))
    return pd.DataFrame(
        rows, columns=["model", "instead of", "scale", "MACs", "MACs, fast paths", "decoder parameters"]
    )


def against(images: pd.DataFrame, base: str) -> pd.DataFrame:
    """PSNR of each model less that of `base`, image by image: model, dataset, scale, images, difference, low, high (dB; 95 %
    interval of the mean over images, NaN below five)."""
    key = ["dataset", "image", "scale"]
    reference = images[images["model"] == base].set_index(key)["psnr"]
    rows = []
    for (model, dataset, scale), some in images[images["model"] != base].groupby(
        ["model", "dataset", "scale"], sort=False
    ):
        difference = some["psnr"].to_numpy() - reference.reindex(pd.MultiIndex.from_frame(some[key])).to_numpy()
        if pd.notna(difference).all():
            rows.append((model, dataset, scale, len(some), difference.mean(), *interval(difference)))
    return pd.DataFrame(rows, columns=["model", "dataset", "scale", "images", "difference", "low", "high"])


def conclusion(book: Book, counts: pd.DataFrame, savings: pd.DataFrame, images: pd.DataFrame) -> list[dict]:
    """Fewer MACs than DIIF; the savings that LMF's abstract names; what the abstracts say of PSNR, in scale and out of it.

    images: a row a model, image, scale and protocol. Thera's claims are judged beside its Table 1, on DIV2K where it is at
    hand; of LMF and SRNO no table is here, so theirs are judged on luma PSNR of the benchmark sets."""
    macs = counts.pivot_table("macs", "scale", counts["model"].map(lambda name: ModelName.of(name).decoder))
    lines = []
    if {"lmf", "diif"} <= set(macs):
        fewer, words = int((macs["lmf"] < macs["diif"]).sum()), "scales at which LM-LIIF needs fewer MACs than DIIF, of"
        lines.append(claims.check(f"{words} {len(macs)}", len(macs), fewer, unit="scales"))
    for column, printed in {"MACs": 99.9, "decoder parameters": 76.0}.items():
        lines.append(
            claims.check(
                f"LMF saves up to {printed:g} % of the {column} of LIIF, LTE and CiaoSR; here of LIIF and LTE", printed,
                savings[column].max() if len(savings) else None, 0.05, unit="%", paper="LMF", place="Abstract",
                printed=printed, incomparable="CiaoSR, of which the largest saving may be, has no decoder here",
            )
        )  # fmt: skip
    luma = images[images["protocol"] == "benchmark-y"]
    for paper, table, some in (("lmf", 0, luma), ("srno", 0, luma), ("thera", 1, images)):
        lines += claims.stated(book, some, paper, table)
    return lines
