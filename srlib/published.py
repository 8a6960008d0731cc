"""The papers' own numbers, as data, and measured numbers beside them.

DIIF: Z. He, Z. Jin, "Dynamic Implicit Image Function for Efficient Arbitrary-Scale Image Representation",
arXiv 2306.12321, Tables 1-4. DIINN: Q. H. Nguyen, W. J. Beksi, "Single Image Super-Resolution via a Dual Interactive
Implicit Neural Network", WACV 2023, Tables 1-5.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from srlib import paths

TABLES = {("diif", n) for n in (1, 2, 3, 4)} | {("diinn", n) for n in (1, 2, 3, 4, 5)}

# Cells that do not follow from the architecture, with what does and the likely cause.
EXCEPTIONS = {
    ("diif", 3, "EDSR-baseline-DIIF", 2): (
        "printed 0.28; the architecture gives 0.246 by the arithmetic that gives every other DIIF cell. "
        "Likely a misprint or another code version at that scale"
    ),
    ("diif", 4, "DIIF (w/o ds)", 16): (
        "printed 1.328; the architecture gives 1.306. The paper does not describe this decoder's inputs; the parameter "
        "count fits, the MACs are 1.7 % off, so its input or its ensemble differ in a detail that the text does not give"
    ),
}


def table(paper: str, number: int) -> pd.DataFrame:
    """A published table as printed, one row per method (and data set and scale). Empty cells are NaN.

    ValueError for a table that is not here.
    """
    if (paper, number) not in TABLES:
        known = ", ".join(f"{p} {n}" for p, n in sorted(TABLES))
        raise ValueError(f"no published table {paper!r} {number!r}; known: {known}")
    frame = pd.read_csv(paths.PUBLISHED / f"{paper}_table{number}.csv")
    frame.attrs["source"] = f"{paper.upper()}, Table {number}"
    return frame


def printed_macs(macs: float) -> float:
    """MACs in the "T" that DIIF's tables print: 1e12 from 1 T up; below, (1e9 MACs) / 1024."""
    return macs / 1e12 if macs >= 1e12 else macs / 1e9 / 1024


def printed_kilo(parameters: int) -> float:
    """Decoder parameters in the "K" that DIIF's tables print: (millions of parameters) x 1024."""
    return parameters / 1e6 * 1024


def compare(measured: pd.DataFrame, published: pd.DataFrame, on: Sequence[str], values: Sequence[str]) -> pd.DataFrame:
    """Published beside measured, tidy: one row per published row and value, with `gap` = measured - published.

    Rows that were not measured stay, with an empty measured cell; `on` are the columns that name a row.
    """
    on = list(on)
    long = published.melt(on, [v for v in values if v in published], "quantity", "published")
    ours = measured.melt(on, [v for v in values if v in measured], "quantity", "measured")
    joined = long.merge(ours, "left", [*on, "quantity"])
    joined["gap"] = joined["measured"] - joined["published"]
    return joined
