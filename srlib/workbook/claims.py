"""What a notebook concludes: what was claimed and where, what came out with its interval, and the verdict that follows
from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from srlib import data
from srlib.models.catalogue import ModelName
from srlib.util import paths
from srlib.workbook import published, statistics
from srlib.workbook.statistics import Estimate

if TYPE_CHECKING:
    from srlib.workbook.book import Book

VERDICTS = ("confirmed", "contradicted", "inconclusive", "not comparable", "not measured")
# What a line says. place, quote: where the paper says it, and its words. published: the paper's own number. low, high: the
# 95 % interval of what was measured. least, most: what is claimed of it (empty: no bound). margin: the name of the margin in
# published/margins.csv that is in least or most. cause: of a contradiction, "not known" unless an experiment isolated
# it. note: what is missing, what the interval leaves out, where the paper contradicts itself.
COLUMNS = [
    "paper", "place", "quote", "claim", "expected", "published", "measured", "low", "high", "least", "most", "margin", "unit",
    "seeds", "images", "verdict", "cause", "note",
]  # fmt: skip
UNKNOWN = "not known"


def judged(low: float, high: float, least: float = -math.inf, most: float = math.inf, *, strictly: bool = False) -> str:
    """The verdict on the claim that a number lies in [least, most], from its interval alone: confirmed if the interval
    lies within, contradicted if it lies outside, else inconclusive; without an interval not measured. strictly: above
    `least`."""
    if math.isnan(low) or math.isnan(high):
        return "not measured"
    near = 1e-12
    above = low > least + near if strictly else low >= least - near
    if above and high <= most + near:
        return "confirmed"
    outside = high < least - near or low > most + near or (strictly and high <= least + near)
    return "contradicted" if outside else "inconclusive"


def check(
    claim: str,
    expected: float,
    measured: float | Estimate | None,
    within: float = 0.0,
    *,
    unit: str = "",
    at_least: bool = False,
    at_most: bool = False,
    strictly: bool = False,
    note: str = "",
    paper: str = "",
    place: str = "",
    quote: str = "",
    printed: float | None = None,
    margin: str = "",
    interval: tuple[float, float] | None = None,
    incomparable: str = "",
    cause: str = "",
) -> dict:
    """One line of a notebook's conclusion.

    paper: set where the line is a claim of that paper; the `claims` notebook gathers these. measured: an estimate with its
    interval, or a number that needs none (a count: it is its own interval), or has one beside it (`interval`). printed:
    the paper's own. It is claimed to lie within `within` of `expected`, or at_least or at_most there. A measured None
    or NaN is "not measured", and `note` should say what is needed. incomparable: why what was measured says nothing of
    the claim, if so. cause: of a contradiction; a link to the experiment that isolated it.
    """
    of = measured if isinstance(measured, Estimate) else None
    value = math.nan if measured is None else of.value if of else float(measured)
    low, high = (of.low, of.high) if of else interval or (value, value)
    least = -math.inf if at_most else expected - within
    most = math.inf if at_least else expected + within
    verdict = judged(low, high, least, most, strictly=strictly)
    alone = verdict == "not measured" and not math.isnan(value)  # one image, or timed once: a value without an interval
    verdict = "not comparable" if incomparable else "inconclusive" if alone else verdict
    notes = [note, incomparable, of.note if of and of.images else "", "measured once: no interval" if alone else ""]
    sides = ("below ", "above ") if strictly else ("at most ", "at least ")
    word = sides[0] if at_most else sides[1] if at_least else ""
    bound = most if at_most else least if at_least else expected
    return {
        "paper": paper,
        "place": place,
        "quote": quote,
        "claim": claim,
        "expected": f"{word}{bound:.6g}" + ("" if at_least or at_most or not within else f" ± {within:g}"),
        "published": number(printed),
        "measured": number(value),
        "low": number(low),
        "high": number(high),
        "least": number(least),
        "most": number(most),
        "margin": margin,
        "unit": unit,
        "seeds": of.seeds if of and of.seeds else "",
        "images": of.images if of and of.images else "",
        "verdict": verdict,
        "cause": (cause or UNKNOWN) if verdict == "contradicted" else "",
        "note": "; ".join(dict.fromkeys(filter(None, notes))),
    }


def number(value: float | None) -> str:
    return "" if value is None or not math.isfinite(value) else f"{value:.6g}"


def compare(
    rows: pd.DataFrame,
    better: str,
    worse: str,
    claim: str = "",
    *,
    quantity: str = "psnr",
    kind: str = "above",
    margin: str = "",
    paper: str = "",
    limit: int = 0,
    needs: dict[str, str] | None = None,
    note: str = "",
    **said: object,
) -> dict:
    """One line of a conclusion: `better` less `worse`, mean over the data sets and scales at which both were measured.

    rows: one per model, image and scale, from `Book.scores`. kind: "above"; "not inferior", by no more than the margin;
    "at most", by no more than the margin. limit: means over part of a set confirm no paper. needs: a sentence for each
    model and data set that is missing. said: more of what `check` takes.
    """
    pair, needs = [better, worse], needs or {}
    of = statistics.difference(rows, better, worse, quantity)
    if not set(rows["dataset"]) <= set(data.DATASETS):  # an own folder's mean judges no paper
        paper, said = "", said | {"place": "", "quote": "", "printed": None}
    words = f"{claim}: " if claim else ""
    words += f"{better} less {worse}" + (f", {quantity}" if quantity != "psnr" else "")
    words += f", mean over {cells(of.cells)}" if of.cells else ""
    words += f", first {limit} images of each" if limit and of.cells else ""
    words += {"not inferior": ", not inferior", "at most": ", no more"}.get(kind, "")
    absent = [f"needs {m} among the models" for m in pair if m not in set(rows["model"])] if len(rows) else []
    missing = [needs[m] for m in pair if m in needs] or absent or list(needs.values())
    missing = missing or ["needs a data set and a scale at which both can be measured"]
    within = published.margin(margin) if margin else 0.0
    how = {"at_most": True} if kind == "at most" else {"at_least": True, "strictly": kind == "above"}
    return check(
        words, 0.0, of, within, unit=published.UNITS[quantity], margin=margin, paper="" if limit and of.cells else paper,
        note=note if of.cells else "; ".join(dict.fromkeys(filter(None, missing))), **how, **said,
    )  # fmt: skip


def partial(sets: Sequence[str], limit: int) -> dict[str, str]:
    """A sentence for each data set if only its first images are measured (limit above 0)."""
    return {name: f"only the first {limit} images of {name} were measured; limit=0 for all" for name in sets if limit}


def cells(of: Sequence[tuple[str, float]]) -> str:
    """Data sets and scales in words: 'Set5, Set14 ×2 to ×8'."""
    by_range: dict[str, list[str]] = {}
    for name in dict.fromkeys(d for d, _ in of):
        scales = sorted(s for d, s in of if d == name)
        ends = f"×{scales[0]:g}" + (f" to ×{scales[-1]:g}" if len(scales) > 1 else "")
        by_range.setdefault(ends, []).append(name)
    return "; ".join(f"{', '.join(names)} {ends}" for ends, names in by_range.items())


def printed_costs(table: pd.DataFrame, paper: str) -> dict:
    """One line: how many costs come out to the printed digits, known exceptions aside."""
    agree, of, exceptions = published.agreement(table)
    words = f"cells that come out to the printed digits, of {of}; known exceptions aside: {exceptions or 'none'}"
    place = f"Table {table['table'].iloc[0]}"
    return check(words, of, agree if of else None, unit="cells", paper=paper, place=place)


def stated(book: Book, rows: pd.DataFrame, paper: str, *tables: int) -> list[dict]:
    """`stated_beside` each of a paper's tables."""
    return [line for table in tables for line in stated_beside(book, rows, paper, table)]


def stated_beside(book: Book, rows: pd.DataFrame, paper: str, table: int) -> list[dict]:
    """What a paper says of pairs of methods beside one of its tables (published/claims.csv), a line each for every encoder.

    Judged on the paper's own data sets where one is at hand, else on those that are; at the scales that the claim is about,
    in scale and out of scale apart. The paper's own number is of the cells that were measured, where it has them, else of
    all its cells. Where the table's printed numbers say otherwise than the text, the note tells.
    """
    printed, lines = published.cells(paper, table), []
    rows = rows[rows["dataset"] != "embedded"]  # scikit-image's own pictures are no benchmark
    own = rows[rows["dataset"].isin(printed["dataset"])]
    rows = own if len(own) else rows
    near = rows[rows["scale"].isin(printed["scale"])]
    rows = near if len(near) else rows
    for encoder in book.encoders:
        for said in published.statements(paper, table).itertuples():
            pair = called(rows, encoder, said.better), called(rows, encoder, said.worse)
            theirs = published.gaps(statistics.within(printed, said.scales), said.better, said.worse, said.quantity)
            here = both(rows, pair)
            alike = theirs[[cell[1:] in here for cell in theirs.index]]
            where = {"in": "in scale", "out": "out of scale", "larger": "at larger scales"}[said.scales]
            lines.append(
                compare(
                    statistics.within(rows, said.scales), *pair, f"{said.claim}, {where}", quantity=said.quantity,
                    kind=said.kind, margin=said.margin, paper=paper.upper(), limit=book.limit, needs=book.needs,
                    place=said.place, quote=said.quote, printed=mean(alike if len(alike) else theirs),
                    incomparable=said.incomparable,
                    note="; ".join(filter(None, [said.remark, against(theirs, said.kind)])) if len(own) else "",
                )
            )  # fmt: skip
    return lines


def both(rows: pd.DataFrame, pair: tuple[str, str]) -> set[tuple[str, float]]:
    """The cells, (data set, scale), at which two models were measured."""
    of = [
        set(rows.loc[rows["model"] == name, ["dataset", "scale"]].itertuples(index=False, name=None)) for name in pair
    ]
    return set.intersection(*of)


def mean(values: pd.Series) -> float | None:
    return float(values.mean()) if len(values) else None


def against(gaps: pd.Series, kind: str) -> str:
    """In how many cells the paper's own table says otherwise than its text. gaps: the printed differences."""
    if kind != "above" or not len(gaps):
        return ""
    gaps = gaps.round(6)
    other, equal = int((gaps < 0).sum()), int((gaps == 0).sum())
    words = [f"the other way in {other}" if other else "", f"equal in {equal}" if equal else ""]
    return (
        f"the paper's own table prints them {' and '.join(filter(None, words))} of {len(gaps)} cells"
        if other + equal
        else ""
    )


def cell_by_cell(book: Book, rows: pd.DataFrame, pairs: Sequence[tuple[str, str]]) -> list[dict]:
    """A line for each pair of decoders (better, worse), data set and scale."""
    return [
        compare(some, *pair, limit=book.limit)
        for encoder in book.encoders
        for decoders in pairs
        for pair in [tuple(called(rows, encoder, decoder) for decoder in decoders)]
        for some in single_cells(rows, pair)
    ]


def called(scores: pd.DataFrame, encoder: str, decoder: str) -> str:
    """A model's name as the scores have it: one decoder may have two names."""
    name = ModelName(encoder, decoder)
    return next((other for other in (str(name), *name.aliases) if other in set(scores["model"])), str(name))


def single_cells(rows: pd.DataFrame, pair: tuple[str, str]) -> list[pd.DataFrame]:
    """The rows of two models, one data set and scale at a time, where both were measured."""
    groups = rows[rows["model"].isin(pair)].groupby(["dataset", "scale"], sort=False)
    return [some for _, some in groups if some["model"].nunique() == 2]


def above_bicubic(book: Book, rows: pd.DataFrame) -> list[dict]:
    """Every model less bicubic, a line for each data set and scale."""
    return [
        compare(some, model, "bicubic", limit=book.limit)
        for model in (m.name for m in book.models if m.architecture != "bicubic")
        for some in single_cells(rows, (model, "bicubic"))
    ]


def unmeasured(book: Book, what: str, expected: str = "the paper's") -> list[dict]:
    """A line for each model and data set that is missing, with what it needs. what: "PSNR", "cells", "pictures"."""
    return [
        check(f"{what} {'of' if name in book.absent else 'on'} {name}", 0.0, None, 0.0, note=how)
        | {"expected": expected}
        for name, how in book.needs.items()
    ]


def pictures_above_bicubic(psnr: pd.DataFrame) -> list[dict]:
    """Each model less bicubic, mean over pictures. psnr: a row a picture, a column a model."""
    lines = []
    for model in (name for name in psnr if name != "bicubic" and "bicubic" in psnr):
        of = statistics.of_values(psnr[model] - psnr["bicubic"], "this page")
        claim = f"{model} above bicubic, mean of {of.images} pictures"
        note = "some of these scales are beyond those of training"
        lines.append(check(claim, 0.0, of, unit="dB", at_least=True, strictly=True, note=note))
    return lines


LEFT_OUT = {
    "diif-wo-se": "slice ensemble",
    "diif-cs": "linear order",
}  # DIIF's ablations with seams, and what each lacks


def smaller_seams(book: Book, seams: pd.DataFrame) -> list[dict]:
    """That DIIF's seams are smaller than those of its ablations. seams: model, dataset, image, scale, seam."""
    lines = []
    for encoder in book.encoders:
        for other, why in LEFT_OUT.items():
            diif, worse = f"{encoder}-diif", f"{encoder}-{other}"
            of = statistics.difference(seams, worse, diif, "seam")
            needs = "; ".join(book.absent[m] for m in (diif, worse) if m in book.absent) or f"needs {diif} and {worse}"
            claim = f"{why} makes the image more continuous: seam of {worse} less that of {diif}, {cells(of.cells)}"
            line = check(
                claim, 0.0, of, at_least=True, strictly=True, paper="DIIF", place="Section 4.3, Figure 7",
                quote={"diif-cs": "the SR result of DIIF is more continuous than that of DIIF (cs)"}.get(
                    other, "achieves more continuous prediction than that of DIIF (w/o se)"
                ),
                note="" if of.cells else needs,
            )  # fmt: skip
            lines.append(line)
    return lines


CLEARLY = 0.5  # dB above bicubic, on a first look at one image


def scores_above_bicubic(book: Book, scores: pd.DataFrame) -> list[dict]:
    """Each model less bicubic on one image, at least `CLEARLY`. scores: model, image, scale, psnr."""
    psnr, lines = scores.set_index("model")["psnr"], []
    where = f"{scores['image'].iloc[0]}, ×{scores['scale'].iloc[0]:g}" if len(scores) else "the image"
    for name in book.plan.models:
        if name != "bicubic":
            gain = psnr.get(name, math.nan) - psnr.get("bicubic", math.nan)
            note = book.absent.get(name) or ("needs bicubic and this model" if math.isnan(gain) else "")
            line = check(f"{name} above bicubic on {where}", CLEARLY, gain, unit="dB PSNR", at_least=True, note=note)
            lines.append(line)
    return lines


def paths_agree(errors: dict[str, float]) -> dict:
    """That the fast path equals the literal one. errors: model -> largest difference over the standard deviation."""
    note = "float32 rounding in another order of summation" if errors else "no model with two paths is at hand"
    unit = "of the output's standard deviation"
    worst = max(errors.values(), default=None)
    return check("fast path equals the literal one, worst model", 0.0, worst, 1e-5, unit=unit, note=note)


def gathered(claims: pd.DataFrame, folder: Path) -> dict:
    """That there are results to gather claims from."""
    found = claims["notebook"].nunique() if len(claims) else None
    what = f"results gathered from {paths.shown(folder)}: notebooks with claims"
    return check(
        what, 1, found, 0, at_least=True, unit="notebooks", note="run the other notebooks first: make reproduce"
    )


def counted(claims: pd.DataFrame) -> list[dict]:
    """How many of each paper's claims have a verdict that follows from what was measured."""
    lines = []
    for paper, some in claims.groupby("paper"):
        told = int(some["verdict"].isin(["confirmed", "contradicted", "inconclusive"]).sum())
        note = "the lines above say of each other one why it is not comparable, or what is needed to measure it"
        words = f"{paper}: claims that were tested, of {len(some)}"
        lines.append(check(words, 1, told or None, at_least=True, unit="claims", note=note if told < len(some) else ""))
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
        lines.append(check(claim, 1.0, gain, 0.0, unit="dB", at_least=True, note="" if gain is not None else short))
    return lines


def cells_within(table: pd.DataFrame, kind: str = "") -> list[dict]:
    """A line for each printed cell of a table of `published.join_published`: measured within its tolerance. kind: a word before
    the quantity."""
    return [
        check(
            f"{row.dataset} ×{row.scale:g} {kind}{row.quantity}", row.published, row.measured, row.within,
            unit=row.unit, note=row.note or row.why,
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
        paper="DIINN", place="Tables 1 to 3", note="" if len(cells) else missing,
    )  # fmt: skip


def same_lr_files(files: pd.DataFrame) -> dict:
    """One line: MATLAB's bicubic here gives the LR files that come with the sets. files: from `Book.lr_files`."""
    compared, differing = int(files["compared"].sum()), int(files["differing"].sum())
    note = "" if compared else "no set at hand comes with LR images"
    claim = f"LR files that differ, of {compared}"
    return check(claim, 0, differing if compared else None, 0, unit="files", note=note)
