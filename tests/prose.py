"""Numbers in a page of prose, and the CSVs of the reference copy that they come from."""

import re
from functools import cache

import pandas as pd

from srlib.util import paths

REFERENCE = paths.RESULTS / "reference"
COMPACT = REFERENCE / "compact"
RUNS = sorted(
    {path.parent.relative_to(COMPACT).as_posix() for path in COMPACT.rglob("*.*")} - {"demos"}
)  # of notebooks

# Digits that are no results: in code, links, names, sizes, scales, tables and figures.
NAMES = (
    r"`[^`\n]*`", r"\[\d\](?=\()", r"\]\([^)]*\)", r"\bRTX 2080 Ti\b", r"\b(?:Set5|Set14|B100|Urban100|DIV2K|SR3)\b",
    r"\b(?:Table|Figure)s? \d+(?:(?:, | to | and )\d+)*", r"\b\d+×\d+\b", r"×\d+(?:\.\d+)?", r"\b\d+²",
)  # fmt: skip


def numbers(text: str) -> list[str]:
    """The numbers in a text, as printed, in order: 0.04, 27, 2e-06, 65,536."""
    for name in NAMES:
        text = re.sub(name, " ", text)
    return re.findall(r"(?<![\w.])\d+(?:,\d{3})*(?:\.\d+)?(?:e-?\d+)?", text)


def printed(value: float, like: str) -> str:
    """A value with as many digits as `like` has; without its sign, which words tell."""
    digits, e, _ = like.partition("e")
    return f"{abs(value):{',' if ',' in like else ''}.{len(digits.partition('.')[2])}{'e' if e else 'f'}}"


def paragraphs(page: str) -> list[str]:
    """The paragraphs, list items and tables of a page, without headings."""
    parts = re.split(r"\n\s*\n|\n(?=- )|^#.*$", page, flags=re.MULTILINE)
    return [part.strip() for part in parts if part.strip()]


@cache
def read(name: str) -> pd.DataFrame:
    """A CSV of the reference run: "diif/table2/scores.csv"."""
    return pd.read_csv(COMPACT / name)


def claim(notebook: str, words: str) -> float:
    """What was measured for the one claim of a notebook that holds these words."""
    (found,) = of_claim(notebook, words)["measured"]
    return found


def of_claim(notebook: str, words: str) -> pd.DataFrame:
    checks = read(f"{notebook}/checks.csv")
    return checks[checks["claim"].str.contains(words, regex=False)]


def psnr(notebook: str, table: str, column: str = "psnr") -> pd.DataFrame:
    """A row for each benchmark set and scale, a column for each model."""
    rows = read(f"{notebook}/{table}.csv")
    rows = rows[(rows["dataset"] != "embedded") & rows["dataset"].notna()]
    return rows.pivot_table(column, ["dataset", "scale"], "model")
