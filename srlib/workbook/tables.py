"""Tables as a page shows them."""

from __future__ import annotations

import pandas as pd


def show(frame: pd.DataFrame, digits: int | dict[str, int] = 2):
    """A table for the page: given digits, empty cells as an en dash, no index, verdicts coloured."""
    frame = frame.reset_index(drop=True)
    numeric = frame.select_dtypes("number").columns
    formats = {c: f"{{:.{digits.get(c, 2) if isinstance(digits, dict) else digits}f}}" for c in numeric}
    formats |= {c: "{:g}" for c in numeric if c in ("scale", "images", "n")}
    look = {
        "confirmed": "color: #00704f",
        "contradicted": "color: #b00020; font-weight: bold",
        "inconclusive": "color: #8a6d00",
        "not comparable": "color: #777",
        "not measured": "color: #777",
    }
    styled = frame.style.format(formats, na_rep="–").hide(axis="index")
    if "verdict" in frame:
        styled = styled.map(lambda v: look.get(v, ""), subset=["verdict"])
    return styled.set_properties(**{"text-align": "left", "white-space": "pre-wrap"})


def wide(table: pd.DataFrame, quantity: str, digits: int = 2):
    """One quantity of a results table as the paper prints it: a row per method and model, a column per data set and scale,
    measured numbers with the published ones in brackets."""

    def cell(row) -> str:
        measured, printed = (f"{v:.{digits}f}" if pd.notna(v) else "" for v in (row["measured"], row["published"]))
        return f"{measured or '–'} ({printed})" if printed else measured

    some = table[(table["quantity"] == quantity) & (table["measured"].notna() | table["published"].notna())]
    if some.empty:
        return some
    some = some.assign(cell=some.apply(cell, axis=1), model=some["model"].fillna("not measured"))
    columns = ["dataset", "scale"] if (some["dataset"] != "").any() else ["scale"]
    result = some.pivot_table("cell", ["method", "model"], columns, aggfunc="first", sort=False).fillna("")
    return result.sort_index(axis=1, level="scale", sort_remaining=False).style.format_index(
        "{:g}", axis=1, level="scale"
    )
