"""What a notebook concludes: what was expected, what came out, the gap, the verdict and its likely cause."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from srlib import data
from srlib.models.catalogue import ALIASES, ModelName
from srlib.models.geometry import TRAINED_SCALE
from srlib.util import paths
from srlib.workbook import published

if TYPE_CHECKING:
    from srlib.workbook.book import Book

VERDICTS = ("confirmed", "not confirmed", "not measured")
COLUMNS = ["paper", "claim", "expected", "measured", "gap", "unit", "verdict", "likely cause"]


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
    paper = paper if set(scores["dataset"]) <= set(data.DATASETS) else ""  # an own folder's mean judges no paper
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


def printed_costs(table: pd.DataFrame, paper: str) -> dict:
    """One line: how many costs come out to the printed digits, known exceptions aside."""
    agree, of, exceptions = published.agreement(table)
    words = f"cells that come out to the printed digits, of {of}; known exceptions aside: {exceptions or 'none'}"
    return check(words, of, agree if of else None, 0, unit="cells", paper=paper)


def not_below(
    book: Book,
    scores: pd.DataFrame,
    claims: dict[tuple[str, str], str],
    table: tuple[str, int],
    *,
    within: float | dict[str, float] = 0.0,
    quantity: str = "psnr",
    by_cell: pd.DataFrame | None = None,
) -> list[dict]:
    """`compare` for each encoder and each pair of decoders (better, worse) -> claim, beside a published table (paper, number).

    within: one margin, or {the worse decoder: margin} where others have none. by_cell: scores of which each data set and scale
    get a line of their own as well.
    """
    printed = published.cells(*table).query(f"quantity == {quantity!r}")
    printed = printed.set_index(["decoder", "dataset", "scale"])["published"]
    lines = []
    for encoder in book.encoders:
        for (better, worse), claim in claims.items():
            pair = called(scores, encoder, better), called(scores, encoder, worse)
            margin = within.get(worse, 0.0) if isinstance(within, dict) else within
            of_paper = (ALIASES.get(d, d) for d in (better, worse))
            gap = printed.get(next(of_paper)), printed.get(next(of_paper))
            lines.append(
                compare(
                    scores, *pair, claim, quantity=quantity, unit=published.UNITS[quantity], within=margin,
                    paper=table[0].upper(), limit=book.limit, needs=book.needs,
                    printed=None if gap[0] is None or gap[1] is None else gap[0] - gap[1],
                )
            )  # fmt: skip
            if by_cell is not None:
                lines += [compare(some, *pair, within=margin, limit=book.limit) for some in single_cells(by_cell, pair)]
    return lines


def called(scores: pd.DataFrame, encoder: str, decoder: str) -> str:
    """A model's name as the scores have it: one decoder may have two names."""
    name = ModelName(encoder, decoder)
    return next((other for other in (str(name), *name.aliases) if other in set(scores["model"])), str(name))


def single_cells(scores: pd.DataFrame, pair: tuple[str, str]) -> list[pd.DataFrame]:
    """The scores of two models, one data set and scale at a time, where both were measured."""
    groups = scores[scores["model"].isin(pair)].groupby(["dataset", "scale"], sort=False)
    return [some for _, some in groups if len(some) == 2]


def above_bicubic(book: Book, scores: pd.DataFrame) -> list[dict]:
    """Every model less bicubic, a line for each data set and scale."""
    lines = []
    for model in (m.name for m in book.models if m.architecture != "bicubic"):
        for some in single_cells(scores, (model, "bicubic")):
            line = compare(some, model, "bicubic", limit=book.limit)
            far = line["verdict"] == "not confirmed" and some["scale"].iloc[0] > TRAINED_SCALE
            lines.append(line | ({"likely cause": "beyond the scales of training"} if far else {}))
    return lines


def unmeasured(book: Book, what: str, expected: str = "the paper's") -> list[dict]:
    """A line for each model and data set that is missing, with what it needs. what: "PSNR", "cells", "pictures"."""
    return [
        check(f"{what} {'of' if name in book.absent else 'on'} {name}", 0.0, None, 0.0, cause=how)
        | {"expected": expected}
        for name, how in book.needs.items()
    ]


def pictures_above_bicubic(psnr: pd.DataFrame) -> list[dict]:
    """Each model less bicubic, mean over pictures. psnr: a row a picture, a column a model."""
    lines = []
    for model in (name for name in psnr if name != "bicubic" and "bicubic" in psnr):
        gap = (psnr[model] - psnr["bicubic"]).dropna()
        claim = f"{model} above bicubic, mean of {len(gap)} pictures"
        cause = f"{reason(model)}; some of these scales are beyond those of training"
        lines.append(check(claim, 0.0, gap.mean(), 0.0, unit="dB", at_least=True, cause=cause))
    return lines


def smaller_seams(book: Book, seams: pd.DataFrame, picture: str, claims: dict[str, str]) -> list[dict]:
    """That DIIF's seams are smaller than those of its ablations: {ablation: what it leaves out}."""
    value, lines = dict(seams.itertuples(index=False)), []
    for encoder in book.encoders:
        for other, why in claims.items():
            diif, worse = f"{encoder}-diif", f"{encoder}-{other}"
            both = {diif, worse} <= value.keys()
            needs = "; ".join(book.absent[m] for m in (diif, worse) if m in book.absent) or f"needs {diif} and {worse}"
            claim = f"{why} makes the image more continuous: seam of {worse} less that of {diif}, {picture}"
            gap = value[worse] - value[diif] if both else None
            cause = reason(diif) if both else needs
            lines.append(check(claim, 0.0, gap, 0.0, at_least=True, paper="DIIF", cause=cause))
    return lines


def scores_above_bicubic(book: Book, scores: pd.DataFrame, least: float) -> list[dict]:
    """Each model less bicubic on one image, at least so many dB. scores: model, image, scale, psnr."""
    psnr, lines = scores.set_index("model")["psnr"], []
    where = f"{scores['image'].iloc[0]}, ×{scores['scale'].iloc[0]:g}" if len(scores) else "the image"
    for name in book.plan.models:
        if name != "bicubic":
            gain = psnr.get(name, math.nan) - psnr.get("bicubic", math.nan)
            cause = book.absent.get(name) or reason(name)
            lines.append(
                check(f"{name} above bicubic on {where}", least, gain, 0.0, unit="dB PSNR", at_least=True, cause=cause)
            )
    return lines


def paths_agree(errors: dict[str, float]) -> dict:
    """That the fast path equals the literal one. errors: model -> largest difference over the standard deviation."""
    cause = "float32 rounding in another order of summation" if errors else "no model with two paths is at hand"
    unit = "of the output's standard deviation"
    worst = max(errors.values(), default=None)
    return check("fast path equals the literal one, worst model", 0.0, worst, 1e-5, unit=unit, cause=cause)


def gathered(claims: pd.DataFrame, folder: Path) -> dict:
    """That there are results to gather claims from."""
    found = claims["notebook"].nunique() if len(claims) else None
    what = f"results gathered from {paths.shown(folder)}: notebooks with claims"
    return check(
        what, 1, found, 0, at_least=True, unit="notebooks", cause="run the other notebooks first: make reproduce"
    )


def confirmed(claims: pd.DataFrame) -> list[dict]:
    """How many of each paper's measured claims are confirmed."""
    lines = []
    for paper, some in claims.groupby("paper"):
        told = some[some["verdict"] != "not measured"]
        words = f"{paper}: claims confirmed, of {len(told)} measured and {len(some)} in all"
        count = int((told["verdict"] == "confirmed").sum()) if len(told) else None
        cause = "see the lines above: each names its likely cause, or what is needed to measure it"
        lines.append(check(words, len(told), count, 0, unit="claims", cause=cause))
    return lines


ENOUGH_STEPS = 3000  # of training, before its validation says anything


def loss_falls(log: pd.DataFrame) -> dict:
    """That the loss at the end of a run is below that at its start."""
    ratio = log["loss"].iloc[-1] / log["loss"].iloc[0]
    return check("loss at the end over loss at the start, below 1", 0.0, ratio, 1.0)


def validation_above_bicubic(log: pd.DataFrame, steps: int, bicubic: dict[str, float]) -> list[dict]:
    """That a run ends at least 1 dB above bicubic on the validation photographs. bicubic: its scores, {'psnr_x2': dB, ...}."""
    short = f"{steps} steps only show that training runs; about {ENOUGH_STEPS} are needed"
    lines = []
    for name, base in bicubic.items():
        gain = log[name].iloc[-1] - base if steps >= ENOUGH_STEPS else None
        claim = f"validation ×{name.removeprefix('psnr_x')}: dB above bicubic"
        lines.append(check(claim, 1.0, gain, 0.0, unit="dB", at_least=True, cause="" if gain is not None else short))
    return lines


def cells_within(table: pd.DataFrame, kind: str = "") -> list[dict]:
    """A line for each printed cell of a table of `published.join_published`: measured within its tolerance. kind: a word before
    the quantity."""
    return [
        check(
            f"{row.dataset} ×{row.scale:g} {kind}{row.quantity}", row.published, row.measured, row.within,
            unit=row.unit, cause=row.note or row.why,
        )
        for row in published.within_tolerance(table).itertuples()
    ]  # fmt: skip


def bicubic_cells(book: Book, *tables: pd.DataFrame) -> dict:
    """One line: how many of bicubic's cells in DIINN's tables come out, each within the widest tolerance of its quantity."""
    cells = published.printed_bicubic(pd.concat(tables)).dropna(subset=["measured"])
    widest = published.tolerances().query("paper == 'diinn'").groupby("quantity", sort=False)["within"].max()
    limits = ", ".join(f"{most:g} {published.UNITS[quantity]}".strip() for quantity, most in widest.items())
    close = int((cells["gap"].abs() <= cells["quantity"].map(widest)).sum()) if len(cells) else None
    missing = "; ".join(dict.fromkeys(book.needs.values())) or "needs bicubic and a data set and scale of the tables"
    return check(
        f"bicubic cells of Tables 1 to 3 within {limits}, of {len(cells)}", len(cells), close, 0, unit="cells",
        paper="DIINN", cause="likely another copy of the images" if len(cells) else missing,
    )  # fmt: skip


def same_lr_files(files: pd.DataFrame) -> dict:
    """One line: MATLAB's bicubic here gives the LR files that come with the sets. files: from `Book.lr_files`."""
    compared, differing = int(files["compared"].sum()), int(files["differing"].sum())
    cause = "another version of the files, or of MATLAB" if compared else "no set at hand comes with LR images"
    claim = f"LR files that differ, of {compared}"
    return check(claim, 0, differing if compared else None, 0, unit="files", cause=cause)


def farthest(values: pd.Series, expected: float) -> float:
    """The value that lies farthest from what is expected; NaN where there is none."""
    return float(values.loc[(values - expected).abs().idxmax()]) if len(values) else math.nan


def fast_enough(book: Book, claim: str, times: pd.DataFrame, most: float, advice: str) -> dict:
    """That the slowest of some times is at most so many seconds. advice: what to do if it is not."""
    cause = f"a slow or busy machine; {advice}" if len(times) else "; ".join(book.absent.values())
    return check(claim, 0.0, times["seconds"].max(), most, unit="s", cause=cause)
