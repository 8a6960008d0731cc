"""What leaves a notebook: tables as CSV, figures as PNG, and run.json with their origin; one look for all figures."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from srlib.models.catalogue import DECODERS, labels
from srlib.util import atomic, paths, provenance

# The same colour for the same method everywhere (Okabe-Ito, safe for colour-blind readers; variants in shades of their own).
COLOURS = {
    "bicubic": "#6b6b6b",
    "x2": "#000000",
    "x3": "#000000",
    "x4": "#000000",
    "x8": "#000000",
    "x16": "#000000",
    "x234": "#000000",
    "sr3": "#882255",
    "sr3-small": "#882255",
    "idm": "#332288",
    "idm-small": "#332288",
    "metasr": "#e69f00",
    "liif": "#0072b2",
    "lte": "#56b4e9",
    "diif": "#d55e00",
    "dlte": "#cc79a7",
    "diinn": "#009e73",
    "liif-wo-ensemble": "#5b9bc8",
    "liif-wo-unfolding": "#8fb8d6",
    "liif-wo-cell": "#b5cfe0",
    "diif-wo-ds": "#7f3b08",
    "diif-wo-se": "#f4a582",
    "diif-x4only": "#b8860b",
    "diif-cs": "#a50f15",
    "diif-c4f3": "#8c564b",
    "diif-c2f5": "#fdae6b",
    "diinn-a": "#c7e9c0",
    "diinn-b": "#a1d99b",
    "diinn-c": "#74c476",
    "diinn-d": "#41ab5d",
    "diinn-e": "#238b45",
    "diinn-f": "#009e73",
}
NAMES = {
    "bicubic": "Bicubic", "x2": "EDSR ×2", "x3": "EDSR ×3", "x4": "EDSR ×4", "x8": "EDSR ×8", "x234": "EDSR ×2 ×3 ×4",
    "metasr": "Meta-SR", "liif": "LIIF", "lte": "LTE", "idm": "IDM", "sr3": "SR3", "idm-small": "IDM", "sr3-small": "SR3",
    "diif": "DIIF", "dlte": "DLTE", "diinn": "DIINN", "diif-wo-ds": "DIIF w/o ds", "diif-wo-se": "DIIF w/o se",
    "diif-x4only": "DIIF ×4 only", "diif-cs": "DIIF cs", "diif-c4f3": "DIIF c4+f3", "diif-c2f5": "DIIF c2+f5",
    "liif-wo-ensemble": "LIIF w/o ensemble", "liif-wo-unfolding": "LIIF w/o unfolding", "liif-wo-cell": "LIIF w/o cell",
} | {f"diinn-{letter}": f"DIINN ({letter})" for letter in "abcdef"}  # fmt: skip

VERDICTS = ("confirmed", "not confirmed", "not measured")


def method(model: str) -> str:
    """The method behind a model's name: 'compact-diif' -> 'diif'."""
    return next((model.removeprefix(e + "-") for e in ENCODERS if model.startswith(e + "-")), model)


def label(model: str) -> str:
    """How people call a model's method: 'compact-diif-cs' -> 'DIIF cs'; 'rdn-x2' -> 'RDN ×2', others' own tails are EDSR's."""
    name = NAMES.get(method(model), method(model))
    return name.replace("EDSR", "RDN") if model.startswith("rdn-") else name


def labels(models: Sequence[str]) -> dict[str, str]:
    """`label` of each model, with the encoder or the size where two models share a method."""
    called = [label(m) for m in models]
    kinds = {m: split_name(m)[0] if m in MODELS else "small" if m.endswith("-small") else "full size" for m in models}
    return {
        m: name + (f" ({kinds[m]})" if called.count(name) > 1 else "") for m, name in zip(models, called, strict=True)
    }


def encoders(models: Sequence[str | Model]) -> list[str]:
    """The encoders behind arbitrary-scale models or their names, each once; files and bicubic have none here."""
    names = [m.name if isinstance(m, Model) else m for m in models]
    return list(dict.fromkeys(split_name(name)[0] for name in names if name in MODELS and method(name) in DECODERS))


def colour(model: str) -> str:
    return COLOURS.get(method(model), "#333333")


def style() -> None:
    """Set the look of all figures."""
    sns.set_theme(context="notebook", style="whitegrid", font_scale=0.9)
    plt.rcParams |= {
        "figure.dpi": 100,
        "savefig.dpi": 150,
        "figure.constrained_layout.use": True,
        "axes.titlesize": "medium",
    }


def check(
    claim: str,
    expected: float,
    measured: float | None,
    within: float,
    *,
    unit: str = "",
    at_least: bool = False,
    cause: str = "",
    paper: str = "",
) -> dict:
    """One line of a notebook's conclusion: what was expected, what came out, the gap, the verdict and its likely cause.

    paper: set where the line is a main claim of that paper; the `claims` notebook gathers these.
    within: the largest gap that confirms the claim. at_least: only falling short counts as a gap. A measured None or NaN
    is "not measured", and `cause` should say what is needed.
    """
    missing = measured is None or math.isnan(measured)
    gap = math.nan if missing else measured - expected
    miss = max(0.0, -gap) if at_least else abs(gap)
    verdict = "not measured" if missing else ("confirmed" if miss <= within + 1e-12 else "not confirmed")
    return {
        "paper": paper,
        "claim": claim,
        "expected": f"at least {expected:.6g}" if at_least else f"{expected:.6g}",
        "measured": "" if missing else f"{measured:.6g}",
        "gap": "" if missing else f"{gap:+.4g}",
        "unit": unit,
        "verdict": verdict,
        "likely cause": "" if verdict == "confirmed" else cause,
    }


def reason(model: str) -> str:
    """Why a model may fall short of its paper: ours are small; for a file from elsewhere nothing is known."""
    if model.startswith("compact-") or model.endswith("-small"):
        return "a small network, a short training"
    return "other weights than the paper's, or another training"


def compare(
    scores: pd.DataFrame,
    better: str,
    worse: str,
    claim: str = "",
    *,
    quantity: str = "psnr",
    unit: str = "dB",
    within: float = 0.0,
    paper: str = "",
    printed: pd.Series | None = None,
    limit: int = 0,
    needs: dict[str, str] | None = None,
) -> dict:
    """One line of a conclusion: `better` less `worse`, mean over the data sets and scales at which both were measured.

    scores: model, dataset, scale and the quantity, from `evaluate.mean_scores`. printed: the paper's difference, index
    (dataset, scale); its mean over the same cells is told, or over its own sets if it has none of them. limit: means over
    part of a set confirm no paper. needs: a sentence for each model and data set that is missing.
    """
    pair, needs = [better, worse], needs or {}
    value = scores.set_index(["model", "dataset", "scale"])[quantity].astype(float)
    both = set(pair) <= set(scores["model"])
    gap = (value[better] - value[worse]).reindex(value[better].index).dropna() if both else pd.Series(dtype=float)
    words = f"{claim}: " if claim else ""
    words += f"{better} less {worse}" + (f", {quantity}" if quantity != "psnr" else "")
    words += f", mean over {cells(gap.index)}" if len(gap) else ""
    words += f", first {limit} images of each" if limit and len(gap) else ""
    if printed is not None and len(printed):
        common = printed.index.intersection(gap.index)
        there = printed[common] if len(common) else printed
        place = "" if len(common) and len(common) == len(gap) else f", {cells(there.index)}"
        words += f" (paper{place}: {there.mean():+.2g})"
    absent = [f"needs {m} among the models" for m in pair if m not in set(scores["model"])] if len(scores) else []
    missing = [needs[m] for m in pair if m in needs] or absent or list(needs.values())
    missing = missing or ["needs a data set and a scale at which both can be measured"]
    cause = reason(better) if len(gap) else "; ".join(dict.fromkeys(missing))
    measured = gap.mean() if len(gap) else None
    return check(
        words, 0.0, measured, within, unit=unit, at_least=True, cause=cause, paper="" if limit and len(gap) else paper
    )


def partial(sets: Sequence[str], limit: int) -> dict[str, str]:
    """A sentence for each data set if only its first images are measured (limit above 0)."""
    return {name: f"only the first {limit} images of {name} were measured; limit=0 for all" for name in sets if limit}


def cells(index: pd.MultiIndex) -> str:
    """Data sets and scales in words: 'Set5, Set14 ×2 to ×8'."""
    by_range: dict[str, list[str]] = {}
    for name in index.unique(0):
        scales = sorted(s for d, s in index if d == name)
        ends = f"×{scales[0]:g}" + (f" to ×{scales[-1]:g}" if len(scales) > 1 else "")
        by_range.setdefault(ends, []).append(name)
    return "; ".join(f"{', '.join(names)} {ends}" for ends, names in by_range.items())


def same_image(which: str, consistency: float | None, bicubic: float | None, cause: str) -> tuple[dict, bool]:
    """Does a network enlarge this very image: the line of the conclusion that says so, and whether the others may be judged (of
    a network that draws other images, sharpness or diversity say nothing). Both numbers are MSE x 1e5 between the LR image and
    the result shrunk to its size; the most allowed is 100, a thousandth of the squared range, more than bicubic's."""
    excess = None if consistency is None or bicubic is None else max(0.0, consistency - bicubic)
    claim = f"{which} this very image: consistency, MSE × 10⁵, at most bicubic's + 100"
    return check(claim, 0.0, excess, 100.0, cause=cause), excess is not None and excess <= 100


class Run:
    """The results of one notebook, in one folder. Interactive runs go to results/interactive/{notebook}."""

    def __init__(self, notebook: str, out: str | Path = ""):
        self.folder = Path(out) if out else paths.RESULTS / "interactive" / notebook
        self.folder.mkdir(parents=True, exist_ok=True)
        self.rows = self.folder / "rows"  # what `evaluate.suite` keeps until the conclusion
        self.notebook, self.started = notebook, time.monotonic()
        self.made: list[str] = []
        style()

    def table(self, name: str, frame: pd.DataFrame) -> pd.DataFrame:
        """Save a table as CSV (6 significant digits) and return it for display."""
        with atomic.whole(self.folder / f"{name}.csv") as temporary:
            frame.to_csv(temporary, index=False, float_format="%.6g")
        self.made.append(f"{name}.csv")
        return frame

    def figure(self, name: str, figure: Figure) -> None:
        """Save a figure as PNG."""
        with atomic.whole(self.folder / f"{name}.png") as temporary:
            figure.savefig(temporary, format="png", metadata={"Software": None})
        self.made.append(f"{name}.png")

    def conclude(self, checks: Sequence[dict], models: Sequence[Model] = (), device: str = "cpu") -> pd.DataFrame:
        """Save the conclusion and the origin of everything in the folder; returns the conclusion for display."""
        columns = ["paper", "claim", "expected", "measured", "gap", "unit", "verdict", "likely cause"]
        frame = self.table("checks", pd.DataFrame(list(checks), columns=columns))
        origin = {
            "notebook": self.notebook,
            "date": provenance.now(),
            "commit": provenance.commit(),
            "measured at": sorted({place.name.partition(".")[0] for place in self.rows.glob("*.csv")}),
            "device": provenance.device_name(device),
            "versions": provenance.versions(),
            "weights": {m.name: m.origin for m in models if m.origin},
            "seconds": round(time.monotonic() - self.started, 1),
            "files": self.made,
        }
        atomic.write_json(self.folder / "run.json", origin)
        shutil.rmtree(self.rows, ignore_errors=True)
        return frame


def show(frame: pd.DataFrame, digits: int | dict[str, int] = 2):
    """A table for the page: given digits, empty cells as an en dash, no index, verdicts coloured."""
    frame = frame.reset_index(drop=True)
    numeric = frame.select_dtypes("number").columns
    formats = {c: f"{{:.{digits.get(c, 2) if isinstance(digits, dict) else digits}f}}" for c in numeric}
    formats |= {c: "{:g}" for c in numeric if c in ("scale", "images", "n")}
    look = {
        "confirmed": "color: #00704f",
        "not confirmed": "color: #b00020; font-weight: bold",
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
