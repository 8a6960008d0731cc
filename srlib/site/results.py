"""What a run left in its results folder, as the book's pages ask for it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from srlib import evaluate
from srlib.util import paths
from srlib.util.errors import unknown
from srlib.workbook import plan, published

PAPERS = {
    "DIIF": "diif",
    "DIINN": "diinn",
    "IDM": "idm",
    "LMF": "later",
    "SRNO": "later",
    "THERA": "later",
}  # as checks.csv has them -> folder of the notebooks
PRINTED = re.compile(r"\(paper[^)]*?: ([+−-]?[\d.]+)\)")  # the paper's number inside a claim
NUMBER = re.compile(r"([+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?)")


class Missing(ValueError):
    """A page asks for a number that this run has not measured."""


@dataclass(frozen=True)
class Run:
    """The results of a profile. folder: has a folder for each notebook. name: of the profile, or "reference"."""

    folder: Path
    name: str

    @property
    def profile(self) -> str:
        """The profile behind it: the reference is a copy of a run of `compact`."""
        return "compact" if self.name == "reference" else self.name

    @cached_property
    def notebooks(self) -> list[str]:
        """The notebooks of the profile, in its order, that have results."""
        listed = plan.listed(self.profile) if self.profile in plan.profiles() else plan.listed()
        return [name for name in listed if (self.folder / name / "run.json").is_file()]

    def files(self, notebook: str, *suffixes: str) -> list[Path]:
        found = (self.folder / notebook).glob("[!.]*")
        return sorted(path for path in found if path.suffix in suffixes)

    def origin(self, notebook: str) -> dict:
        """run.json of a notebook; {} if it has none."""
        path = self.folder / notebook / "run.json"
        return json.loads(path.read_text()) if path.is_file() else {}

    def has(self, table: str) -> bool:
        return (self.folder / f"{table}.csv").is_file()

    def table(self, name: str) -> pd.DataFrame:
        """A table by notebook and name, "diif/table3/ratios". Missing if this run has none, ValueError if nothing makes it."""
        path = self.folder / f"{name}.csv"
        if path.is_file():
            return pd.read_csv(path)
        notebook = name.rpartition("/")[0]
        if notebook not in plan.listed():
            raise unknown("notebook", notebook, plan.listed())
        raise Missing(f"{name}.csv is not in this run")

    def value(self, name: str, column: str | list[str], where: dict | None = None) -> float:
        """One number of a table: of the row in which the columns of `where` have these values. column: or several names, of
        which the first that there is counts.

        ValueError for an unknown column; Missing where this run has no such row, or has it empty.
        """
        frame = self.table(name)
        column = column if isinstance(column, str) else next((one for one in column if one in frame), column[0])
        for key in (column, *(where or {})):
            if key not in frame:
                raise unknown(f"column of {name}.csv", key, list(frame))
        for key, wanted in (where or {}).items():
            frame = frame[frame[key] == wanted]
        if len(frame) > 1:
            raise ValueError(f"{len(frame)} rows of {name}.csv have {where}; say more")
        if frame.empty or pd.isna(frame[column].iloc[0]):
            raise Missing(f"{name}.csv has no {column} where {where}")
        return frame[column].iloc[0]

    @cached_property
    def claims(self) -> pd.DataFrame:
        """All claims of the papers: paper, claim, verdict and what else the run says of each, with the notebook and the numbers
        behind the words: value (measured), printed (the paper's), demanded (what the claim asks for), low and high (95 %; NaN
        where the run has none), least and most (between which the claim holds; NaN without a bound)."""
        kept = [
            pd.DataFrame(
                columns=["paper", "claim", "expected", "measured", "unit", "verdict", "likely cause", "notebook"]
            )
        ]
        for notebook in self.notebooks:
            path = self.folder / notebook / "checks.csv"
            if notebook != "claims" and path.is_file():
                lines = pd.read_csv(path, keep_default_na=False, dtype=str)
                kept.append(
                    lines[lines["paper"] != ""].assign(notebook=notebook) if "paper" in lines else lines.iloc[:0]
                )
        found = pd.concat([part for part in kept if len(part)] or kept[:1], ignore_index=True).fillna("")
        order = {paper: i for i, paper in enumerate(PAPERS)}  # a paper without a chapter comes last
        found["order"] = found["paper"].map(order).fillna(len(order))
        found = found.sort_values("order", kind="stable", ignore_index=True).drop(columns="order")

        def numbers(name: str) -> pd.Series:  # of a column that this run's checks may not have
            return pd.to_numeric(found.get(name, pd.Series("", found.index)), errors="coerce")

        in_words = pd.to_numeric(found["claim"].str.extract(PRINTED)[0].str.replace("−", "-"))
        demanded = found["expected"].str.extract(NUMBER)[0]
        return found.assign(
            value=numbers("measured"),
            demanded=pd.to_numeric(demanded),
            printed=numbers("published").fillna(in_words),
            low=numbers("low"),
            high=numbers("high"),
            least=numbers("least"),
            most=numbers("most"),
        )

    @cached_property
    def scores(self) -> pd.DataFrame:
        """Mean scores of every model, data set, scale and protocol that any notebook of the run measured, with the notebook."""
        columns = {"model", "dataset", "image", "scale", "protocol", "psnr", "ssim", "lr_psnr", "seconds"}
        parts = []
        for notebook in self.notebooks:
            path = self.folder / notebook / "images.csv"
            rows = pd.read_csv(path) if path.is_file() else pd.DataFrame()
            if columns <= set(rows):
                of_seeds = ["model", "dataset", "image", "scale", "protocol"]
                rows = rows.groupby(of_seeds, sort=False)[["psnr", "ssim", "lr_psnr", "seconds"]].mean().reset_index()
                parts.append(evaluate.mean_scores(rows).assign(notebook=notebook))
        if not parts:
            return pd.DataFrame(
                columns=["model", "dataset", "scale", "protocol", "psnr", "ssim", "lr_psnr", "images", "notebook"]
            )
        scores = pd.concat(parts, ignore_index=True)
        return scores.drop_duplicates(["model", "dataset", "scale", "protocol"], ignore_index=True)

    def gap(self, better: str, worse: str, protocol: str) -> float:
        """Mean PSNR of a small model less another's, over the benchmark sets and scales at which both have scores, in dB."""
        some = self.scores[(self.scores["protocol"] == protocol) & (self.scores["dataset"] != "embedded")]
        wide = some.pivot_table("psnr", ["dataset", "scale"], "model")
        if not {better, worse} <= set(wide):
            raise Missing(f"{better} and {worse} have no scores by {protocol}")
        return float((wide[better] - wide[worse]).mean())

    def speedups(self, notebook: str, path: str, slow: str, quick: str) -> dict[float, float]:
        """How many times as fast as a slow model a quick one is, by scale: the ratio of their seconds."""
        times = self.table(f"{notebook}/times").query("path == @path")
        wide = times.pivot_table("seconds", "scale", "model")
        if not {slow, quick} <= set(wide):
            raise Missing(f"{slow} and {quick} were not timed")
        return (wide[slow] / wide[quick]).dropna().to_dict()


def printed_gap(paper: str, number: int, better: str, worse: str, encoder: str = "rdn") -> float:
    """`Run.gap` of a published table: mean over its cells."""
    cells = published.cells(paper, number).query("quantity == 'psnr' and encoder == @encoder")
    wide = cells.pivot_table("published", ["dataset", "scale"], "decoder")
    return float((wide[better] - wide[worse]).mean())


def printed_speedups(paper: str, number: int, slow: str, quick: str) -> dict[float, float]:
    """`Run.speedups` of a published table."""
    wide = (
        published.cells(paper, number)
        .query("quantity.str.startswith('runtime')")
        .pivot_table("published", "scale", "decoder")
    )
    return (wide[slow] / wide[quick]).dropna().to_dict()


def run(profile: str = "") -> Run:
    """The results of a profile, or by default the reference copy. ValueError if there are none."""
    if profile in ("", "reference"):
        return Run(paths.RESULTS / "reference" / "compact", "reference")
    found = Run(paths.RESULTS / profile, profile)
    if not found.notebooks:
        raise ValueError(f"no results of the profile {profile!r}; make them with: srlib reproduce {profile}")
    return found


def short(claim: str) -> str:
    """A claim without its particulars: 'DIIF not below LIIF: compact-diif less ...' -> 'DIIF not below LIIF'."""
    claim = re.sub(r"; known exceptions aside.*", "", claim)
    claim = re.sub(r" \(paper[^)]*\)", "", claim)
    head, _, rest = claim.partition(": ")
    quantities = {", ssim,": "SSIM", ", lr_psnr,": "LR-PSNR", "nearness": "sharpness"}
    own = rest if rest == "PSNR" or rest.startswith("(") else ""
    quantity = next((name for sign, name in quantities.items() if sign in rest), own)
    if " / " in head:  # of two methods: what about them is what comes after
        return claim
    return f"{head}, {quantity}" if quantity else head
