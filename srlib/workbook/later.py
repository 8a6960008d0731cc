"""What the page on later methods says: their costs beside DIIF's printed rows, and their PSNR less LIIF's, image by image."""

from __future__ import annotations

import pandas as pd

from srlib.models.catalogue import DECODERS, ModelName, labels
from srlib.workbook import claims, claims_costs, published
from srlib.workbook.beyond_bicubic import interval
from srlib.workbook.book import Book

METHODS = ("lmf", "lmf-lte", "srno", "thera-air", "thera-plus")
INSTEAD = {"lmf": "liif", "lmf-lte": "lte"}  # what LMF's authors converted
ACCURATE = "SRNO outperforms existing continuous SR methods in terms of both accuracy and running time"
EFFICIENT = "substantially outperforms existing approaches, while being more parameter-efficient"
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


def quickened(times: pd.DataFrame, new: str, old: str, path: str) -> dict[float, tuple[float, float, float]]:
    """How many times as long a decoder `old` takes as a decoder `new` along a path, and its ends, by scale; whole models."""
    some = times[times["path"] == path]
    by = some.assign(decoder=some["model"].map(lambda name: ModelName.of(name).decoder)).groupby(["decoder", "scale"])
    both = [scale for name, scale in by.groups if name == new and (old, scale) in by.groups]
    return {scale: claims_costs.ratio_of_times(*(by.get_group((name, scale)) for name in (old, new))) for scale in both}


def of_time(times: pd.DataFrame) -> list[dict]:
    """What the abstracts say of running time: how many times as fast LMF is, on its authors' GPU; that SRNO is faster than LIIF
    and LTE, here, along both paths at the largest scale that is timed."""
    device = times["device"].iloc[0] if len(times) else ""
    ratios = [r for new, old in INSTEAD.items() for r in quickened(times, new, old, "literal").values()]
    most = max(ratios, default=None)
    lines = [
        claims.check(
            "LMF is up to 57 times as fast as LIIF, LTE and CiaoSR; here as LIIF and LTE, literal path", 57.0,
            most[0] if most else None, 0.5, unit="times", paper="LMF", place="Abstract", printed=57.0,
            interval=most[1:] if most else None, quote="accelerate inference by up to 57 times",
            incomparable=f"the paper's is of a GPU at its own sizes, this one of {device}" if most else "",
            note="" if most else "needs LMF and what it converts among the timed ones",
        )
    ]  # fmt: skip
    for old in ("liif", "lte"):
        for path in ("literal", "fast"):
            found = quickened(times, "srno", old, path)
            value, *ends = found[max(found)] if found else (None,)
            at = f" at ×{max(found):g}" if found else ""
            lines.append(
                claims.check(
                    f"SRNO faster than {old.upper()}{at}, {path} path", 1.0, value, unit="times", at_least=True,
                    strictly=True, paper="SRNO", place="Abstract", interval=tuple(ends) if found else None, quote=ACCURATE,
                    note=f"times of {device}" if found else "needs both among the timed ones",
                )
            )  # fmt: skip
    return lines


def of_parameters(counts: pd.DataFrame) -> list[dict]:
    """That Thera's small decoder, Air, has fewer parameters than LIIF's and LTE's, at the papers' size."""
    own = counts.groupby(counts["model"].map(lambda name: ModelName.of(name).decoder))["decoder_parameters"].first()
    lines = []
    new = "thera-air"
    for old in ("liif", "lte"):
        if {new, old} <= set(own.index):
            words = f"{DECODERS[old].label}'s decoder has more parameters than {DECODERS[new].label}'s"
            said = {"unit": "times", "paper": "THERA", "place": "Abstract", "quote": EFFICIENT}
            lines.append(claims.check(words, 1.0, own[old] / own[new], at_least=True, strictly=True, **said))
    return lines


def conclusion(
    book: Book, counts: pd.DataFrame, savings: pd.DataFrame, times: pd.DataFrame, images: pd.DataFrame
) -> list[dict]:
    """Fewer MACs than DIIF; the savings that LMF's abstract names; what the abstracts say of running time, of parameters and
    of PSNR, in scale and out of it.

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
    lines += of_time(times) + of_parameters(counts)
    luma = images[images["protocol"] == "benchmark-y"]
    for paper, table, some in (("lmf", 0, luma), ("srno", 0, luma), ("thera", 1, images)):
        lines += claims.stated(book, some, paper, table)
    return lines
