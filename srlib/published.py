"""The papers' own numbers, as data, and measured numbers beside them.

DIIF: Z. He, Z. Jin, "Dynamic Implicit Image Function for Efficient Arbitrary-Scale Image Representation",
arXiv 2306.12321, Tables 1-4. DIINN: Q. H. Nguyen, W. J. Beksi, "Single Image Super-Resolution via a Dual Interactive
Implicit Neural Network", WACV 2023, Tables 1-5.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from pandas.api.types import is_numeric_dtype

from srlib import paths
from srlib.models import split_name

# "field" 1 is bicubic's luma PSNR with MATLAB-made LR images, as super-resolution papers have printed it for a decade.
TABLES = {("diif", n) for n in (1, 2, 3, 4)} | {("diinn", n) for n in (1, 2, 3, 4, 5)} | {("field", 1)}

# DIIF's Table 4 names -> decoders here
ABLATIONS = {
    "LIIF": "liif",
    "DIIF (w/o ds)": "diif-wo-ds",
    "DIIF (w/o se)": "diif-wo-se",
    "DIIF (x4 only)": "diif",
    "DIIF (cs)": "diif-cs",
    "DIIF": "diif",
    "DIIF (c4+f3)": "diif-c4f3",
    "DIIF (c2+f5)": "diif-c2f5",
}

# Cells that do not follow from the architecture: (paper, table, method, quantity, scale) -> what does, and the likely cause.
EXCEPTIONS = {
    ("diif", 3, "EDSR-baseline-DIIF", "macs_T", 2): (
        "printed 0.28, the architecture gives 0.246; every other DIIF cell comes out. Likely a misprint, or another "
        "version of the code at this scale"
    ),
    ("diif", 3, "EDSR-baseline-LIIF", "macs_T", 12): (
        "printed 11.55, counted 11.5448: rounded twice, to 11.545 and then to 11.55"
    ),
    ("diif", 4, "DIIF (w/o ds)", "macs_T", 16): (
        "printed 1.328, the architecture gives 1.307. The parameter count fits, but the text does not describe this "
        "decoder's inputs and ensemble; they differ in a detail worth 1.6 %"
    ),
    (
        "diif",
        4,
        "DIIF (c4+f3)",
        "decoder_params_K",
        16,
    ): "printed 609, 594,179 parameters are 608.4: likely rounded up",
    (
        "diif",
        4,
        "DIIF (c2+f5)",
        "decoder_params_K",
        16,
    ): "printed 609, 594,179 parameters are 608.4: likely rounded up",
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


def agreement(comparison: pd.DataFrame, paper: str, number: int, digits: dict[str, int]) -> pd.DataFrame:
    """Add to `compare`'s rows whether they agree to the printed digits, and the known cause where they do not.

    digits: quantity -> decimals that the paper prints. Needs columns method, scale, quantity.
    """
    result = comparison.copy()
    half = result["quantity"].map(lambda q: 0.5 * 10.0 ** -digits[q])
    result["agrees"] = (result["gap"].abs() <= half + 1e-9).where(result["measured"].notna())
    result["cause"] = [
        EXCEPTIONS.get((paper, number, row.method, row.quantity, row.scale), "") if row.agrees is False else ""
        for row in result.itertuples()
    ]
    return result


def printed_macs(macs: float) -> float:
    """MACs in the "T" that DIIF's tables print: 1e12 from 1 T up; below, (1e9 MACs) / 1024."""
    return macs / 1e12 if macs >= 1e12 else macs / 1e9 / 1024


def printed_kilo(parameters: int) -> float:
    """Decoder parameters in the "K" that DIIF's tables print: (millions of parameters) x 1024."""
    return parameters / 1e6 * 1024


def stands_for(model: str, encoder: str) -> str:
    """The paper's method beside which a model is shown: its own name, or for a compact model the one on `encoder`."""
    if model == "bicubic":
        return "Bicubic"
    ours, decoder = split_name(model)
    return (
        f"{encoder if ours == 'compact' else {'rdn': 'RDN', 'edsr-baseline': 'EDSR-baseline'}[ours]}-{decoder.upper()}"
    )


def compare(measured: pd.DataFrame, published: pd.DataFrame, on: Sequence[str], values: Sequence[str]) -> pd.DataFrame:
    """Published beside measured, tidy: one row per published row and value, with `gap` = measured - published.

    `on`: the columns that name a row in both. The published table's other columns stay, and rows that were not measured
    stay with an empty measured cell. `model` says which model was measured.
    """
    on, values = list(on), list(values)
    names = [c for c in published if c in on or (c not in values and not is_numeric_dtype(published[c]))]
    long = published.melt(names, values, "quantity", "published")
    keep = [*on, "model"] if "model" in measured and "model" not in names else on
    ours = measured.melt(keep, [v for v in values if v in measured], "quantity", "measured")
    joined = long.merge(ours, "left", [*on, "quantity"])
    joined["gap"] = joined["measured"] - joined["published"]
    return joined
