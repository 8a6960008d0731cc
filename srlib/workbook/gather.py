"""What the page of claims reads from the other notebooks' results."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from srlib.util import paths
from srlib.workbook import book as books
from srlib.workbook.book import Book
from srlib.workbook.claims import COLUMNS, VERDICTS

NUMBERS = ["published", "measured", "low", "high", "least", "most"]


def folder(book: Book, results: str) -> Path:
    """The results folder: the one named, from here or from the repository, or the profile's."""
    named = Path(results or paths.RESULTS / book.plan.profile)
    return named if named.is_absolute() or named.is_dir() else paths.ROOT / named


def claims(folder: Path) -> pd.DataFrame:
    """All lines that state a paper's claim, with the notebook that each is from."""
    parts = [pd.DataFrame(columns=[*COLUMNS, "notebook"])]
    for name, place in books.results(folder).items():
        lines = pd.read_csv(place / "checks.csv", keep_default_na=False)
        if name != "claims" and "place" in lines:  # a run from before claims had a place is not gathered
            parts.append(lines[lines["paper"] != ""].assign(notebook=name))
    found = pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)
    numbers = {name: pd.to_numeric(found[name]) for name in NUMBERS}
    return found.assign(**numbers).sort_values(["paper", "notebook"], kind="stable", ignore_index=True)


def verdicts(claims: pd.DataFrame) -> pd.DataFrame:
    """How many claims of each paper have each verdict."""
    count = claims.groupby(["paper", "verdict"]).size().unstack(fill_value=0)
    return count.reindex(columns=list(VERDICTS), fill_value=0).reset_index()


def costs(book: Book) -> pd.DataFrame:
    """MACs and seconds of the models at hand: `Book.counts`, GMAC of both paths, seconds of the fast one."""
    if (rows := book.recorded("points")) is not None:
        rows = rows.drop(columns=["protocol", "psnr"]).drop_duplicates(ignore_index=True)
        return rows.assign(**{"GMAC": rows["macs_fast"] / 1e9, "GMAC literal": rows["macs"] / 1e9})
    counts, times = book.counts(), book.times()
    counts = counts[counts["model"].isin([model.name for model in book.models])]
    counts = counts.assign(**{"GMAC": counts["macs_fast"] / 1e9, "GMAC literal": counts["macs"] / 1e9})
    return counts.merge(times[["model", "scale", "seconds"]].round({"scale": 3}), on=["model", "scale"])


def points(book: Book, costs: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """Costs and, where a notebook has measured it on the plan's data set, PSNR by protocol."""
    tables = [folder / name / "scores.csv" for name in ("diif/table2", "diinn/tables")]
    scores = [pd.read_csv(path) for path in tables if path.is_file()]
    scores = pd.concat(scores or [pd.DataFrame(columns=["model", "dataset", "scale", "protocol", "psnr"])])
    scores = scores[scores["dataset"] == book.options["dataset"]][["model", "scale", "protocol", "psnr"]]
    return costs.merge(scores, on=["model", "scale"], how="left")
