"""What is claimed of costs: how many times as costly one method is as another, and how costs grow with scale."""

from __future__ import annotations

import numpy as np
import pandas as pd

from srlib import cost
from srlib.models.catalogue import ModelName
from srlib.workbook import published
from srlib.workbook.book import Book
from srlib.workbook.claims import check

PAPER_SIZE = {1: (90, 160), 3: (180, 320)}  # LR sizes that DIIF's tables are timed at
PAIRS = (("liif", "diif"), ("lte", "dlte"), ("metasr", "diif"))  # of decoders that Table 1 is read by: slow, quick
SPEEDUPS = {("DIIF", "LIIF"): 10, ("DLTE", "LTE"): 5}  # quick, slow: times as fast from x12 on, Section 4.2
RTX = "the paper's number is of an RTX 2080 Ti at its own input size"


def elsewhere(book: Book, times: pd.DataFrame) -> str:
    """Why a number of seconds, or of times as fast, cannot be compared with the paper's; "" on a GPU at the paper's size."""
    here = book.lab.device.type == "cuda" and {tuple(block["lr"]) for block in book.plan.blocks["times"]} <= set(
        PAPER_SIZE.values()
    )
    return "" if here or times.empty else f"{RTX}, this one of {times['device'].iloc[0]}"


def ratio_of_times(slow: pd.DataFrame, quick: pd.DataFrame) -> tuple[float, float, float]:
    """How many times as long one takes as the other, and its ends if each median is off by its spread (the
    interquartile range of the repeats). slow, quick: one row each of seconds and spread; NaN where one is missing."""
    if not (len(slow) and len(quick)):
        return (np.nan,) * 3
    if not (slow["spread"].iloc[0] > 0 and quick["spread"].iloc[0] > 0):  # timed once
        return slow["seconds"].iloc[0] / quick["seconds"].iloc[0], np.nan, np.nan
    (a, da), (b, db) = (some[["seconds", "spread"]].iloc[0] for some in (slow, quick))
    return a / b, (a - da) / (b + db), (a + da) / max(b - db, 1e-12)


def on_edsr(method: str) -> str:
    """A method on EDSR-baseline, which the paper's costs are of: 'LIIF' -> 'edsr-baseline-liif'."""
    return f"edsr-baseline-{method.lower()}"


def paper_name(model: str) -> str:
    """A model on EDSR-baseline as DIIF's tables call it: 'edsr-baseline-metasr' -> 'EDSR-baseline-MetaSR'."""
    return f"EDSR-baseline-{ModelName.of(model).label.replace('-', '')}"


def ratios(counts: pd.DataFrame, times: pd.DataFrame) -> pd.DataFrame:
    """How many times as costly the first of each of `PAIRS` is, measured and as DIIF's Table 1 prints it: a row for MACs and
    for the time of each path. Columns: what, model (the second of the pair), measured, published."""
    paper = published.table("diif", 1).set_index("method")
    kinds = {"MACs": ("macs_T", counts.set_index("model")["macs"])}
    kinds |= {
        f"time, {path}": ("runtime_s", some.set_index("model")["seconds"]) for path, some in times.groupby("path")
    }
    rows = []
    for kind, (column, ours) in kinds.items():
        for slow, quick in (map(on_edsr, pair) for pair in PAIRS):
            there = [paper.loc[paper_name(model), column] for model in (slow, quick)]
            there = [published.macs_of(value) for value in there] if column == "macs_T" else there
            here = [ours.get(model, np.nan) for model in (slow, quick)]
            what = f"{ModelName.of(slow).label} / {ModelName.of(quick).label}, {kind}"
            rows.append((what, quick, here[0] / here[1], there[0] / there[1]))
    return pd.DataFrame(rows, columns=["what", "model", "measured", "published"])


def saved(ratios: pd.DataFrame, *pairs: str) -> list[dict]:
    """The share of the MACs that the second of each pair ("LIIF / DIIF") saves, and how much faster it runs."""
    ratio, lines = ratios.set_index("what"), []
    for pair in pairs:
        here, there = (1 - 1 / ratio.loc[f"{pair}, MACs", column] for column in ("measured", "published"))
        claim = f"{pair}: share of the MACs saved at ×16"
        slow, quick = pair.split(" / ")
        quote = f"{quick} reduces ... of the computational cost of {slow}"
        line = check(
            claim, there, here, 0.002, paper="DIIF", place="Section 4.2, Table 1", quote=quote, printed=there,
            note="within the rounding of the printed MACs",
        )  # fmt: skip
        lines.append(line)
    return lines


def times_faster(book: Book, times: pd.DataFrame, *pairs: tuple[str, str]) -> list[dict]:
    """That the second of each pair of methods ("LIIF", "DIIF") is the faster one at x16, along both paths; and how many
    times."""
    paper = published.table("diif", 1).set_index("method")["runtime_s"]
    lines = []
    for slow, quick in pairs:
        names = [on_edsr(slow), on_edsr(quick)]
        there = paper[paper_name(names[0])] / paper[paper_name(names[1])]
        for path in ("literal", "fast"):
            some = times[times["path"] == path]
            value, *ends = ratio_of_times(*(some[some["model"] == name] for name in names))
            needs = "needs both models among the timed ones" if np.isnan(value) else ""
            said = {
                "unit": "times", "paper": "DIIF", "place": "Section 4.2, Table 1", "printed": there, "interval": tuple(ends),
                "quote": "DIIF and DLTE are significantly faster than LIIF and LTE", "note": needs,
            }  # fmt: skip
            lines.append(
                check(
                    f"{quick} faster than {slow} at ×16, {path} path", 1.0, value, at_least=True, strictly=True, **said
                )
            )
            claim = f"{slow} / {quick}: running time at ×16, {path} path, as on the paper's GPU"
            lines.append(check(claim, there, value, 0.2 * there, incomparable=elsewhere(book, some), **said))
    return lines


def growth(counts: pd.DataFrame) -> pd.DataFrame:
    """How the MACs grow with scale (`cost.growth`), as the paper counts and along the fast path."""
    return pd.concat([cost.growth(counts, column).assign(counted=column) for column in ("macs", "macs_fast")])


def printed_macs() -> pd.DataFrame:
    """The MACs that DIIF's Table 3 prints: model, scale, macs (10^12)."""
    table = published.table("diif", 3)
    return table.assign(model=table["method"].str.lower(), macs=table["macs_T"].map(published.macs_of) / 1e12)


def time_ratios(times: pd.DataFrame) -> pd.DataFrame:
    """Times over LIIF's, along both paths and as DIIF's Table 3 prints them."""
    seconds, liif = by_method(times), paper_name(on_edsr("LIIF"))
    paper = published.table("diif", 3).pivot(index="scale", columns="method", values="runtime_s")
    parts = {path: seconds.loc[path].div(seconds.loc[path, liif], axis=0) for path in ("literal", "fast")}
    parts["paper"] = paper.div(paper[liif], axis=0)
    return pd.concat(parts, names=["times from", "scale"]).sort_index(axis=1)


def by_method(times: pd.DataFrame) -> pd.DataFrame:
    """Seconds by path and scale, a column for each method as DIIF's tables call it."""
    seconds = times.pivot(index=["path", "scale"], columns="model", values="seconds")
    return seconds.rename(columns=paper_name)


def timed_table(book: Book, table: pd.DataFrame, times: pd.DataFrame, number: int) -> pd.DataFrame:
    """A table's running times: measured ones where the paper's input size was timed, else a note that says what was."""
    size = list(PAPER_SIZE[number])
    here = [block["lr"] for block in book.plan.blocks["times"]]
    if here == [size]:
        timed = book.beside(published.tidy_times(times, "fast"), "diif", number, stand_in="edsr-baseline")
        table = pd.concat([table[table["quantity"] != "runtime_s"], timed[timed["quantity"] == "runtime_s"]])
    untimed = table["measured"].isna() & (table["quantity"] == "runtime_s")
    note = f"needs input {size} and this scale among the times; timed here: {here}"
    return table.assign(note=table["note"].mask(untimed, note))


def saved_beyond(counts: pd.DataFrame, *pairs: tuple[str, str]) -> list[dict]:
    """That the first of each pair of methods saves the paper's share of the second's MACs at every scale beyond x4, and
    the more the larger the scale."""
    macs = counts.pivot(index="scale", columns="model", values="macs").rename(columns=paper_name)
    there = published.table("diif", 3).pivot(index="scale", columns="method", values="macs_T").map(published.macs_of)
    beyond = [scale for scale in macs.index if scale > 4 and scale in there.index]
    lines = []
    for quick, slow in pairs:
        here, printed = (1 - t[f"EDSR-baseline-{quick}"] / t[f"EDSR-baseline-{slow}"] for t in (macs, there))
        claim = f"{quick} saves at least this share of {slow}'s MACs at every scale beyond ×4"
        least = printed[beyond].min(), here[beyond].min() if beyond else None
        note = "within the rounding of the printed MACs" if beyond else "no scale beyond ×4 among those counted"
        said = {"paper": "DIIF", "place": "Section 4.2, Table 3"}
        quote = "save at least ... of computational cost for out-of-distribution scales compared with LIIF and LTE"
        lines.append(check(claim, *least, 0.003, at_least=True, printed=least[0], quote=quote, note=note, **said))
        grows = here.sort_index().diff().min() if len(here) > 1 else None
        quote = "the larger the scale factor is, the greater the proportion of computational cost that can be saved"
        claim = (
            f"the larger the scale, the more of {slow}'s MACs {quick} saves: smallest step from one scale to the next"
        )
        printed_step = printed.sort_index().diff().min()
        note = "" if grows is not None else "needs two scales among those counted"
        line = check(
            claim, 0.0, grows, at_least=True, strictly=True, quote=quote, printed=printed_step, note=note, **said
        )
        lines.append(line)
    return lines


def slower_growth(counts: pd.DataFrame, *pairs: tuple[str, str]) -> list[dict]:
    """That the first of each pair of methods grows more slowly with scale than the second."""
    slope = cost.growth(counts).set_index("model")["exponent"].rename(index=paper_name)
    lines = []
    for quick, slow in pairs:
        gap = slope[f"EDSR-baseline-{slow}"] - slope[f"EDSR-baseline-{quick}"]
        largest = f"×{counts['scale'].max():g}"
        claim = f"{quick}'s cost grows more slowly than {slow}'s: difference of the exponents of its MACs at {largest}"
        quote = "the computational cost increases just linearly as the scale factor increases (of an ideal decoder)"
        lines.append(
            check(claim, 0.0, gap, at_least=True, strictly=True, paper="DIIF", place="Section 3.1", quote=quote)
        )
    return lines


def agreeing(times: pd.DataFrame, paper: pd.Series, resolution: float = 0.0) -> tuple[int, int, int, int, str]:
    """Pairs of methods that run in the paper's order: all that the paper tells apart, those whose medians do, those that do
    whatever their spread, those that may, and the names of the others. times: one row a method, by the paper's name; seconds,
    spread. paper: its seconds."""
    pairs, agree, sure, may, wrong = 0, 0, 0, 0, []
    names = [name for name in paper.index if name in times.index]
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            if abs(paper[one] - paper[other]) <= resolution + 1e-12:
                continue
            slow, quick = (one, other) if paper[one] > paper[other] else (other, one)
            value, low, high = ratio_of_times(times.loc[[slow]], times.loc[[quick]])
            pairs, agree, sure, may = pairs + 1, agree + (value > 1), sure + (low > 1), may + (not high <= 1)
            wrong += [f"{one} and {other}"] if value <= 1 else []
    return pairs, int(agree), int(sure), int(may), ", ".join(wrong)


def running_order(book: Book, times: pd.DataFrame) -> list[dict]:
    """Whether the methods run in the paper's order, scale by scale; judged by the spread of the times."""
    paper = published.table("diif", 3).pivot(index="scale", columns="method", values="runtime_s")
    lines = []
    for scale in sorted(times["scale"].unique()):
        some = times[(times["scale"] == scale) & (times["path"] == "literal")]
        nearest = min(paper.index, key=lambda s: abs(s - scale))
        named = some.set_index(some["model"].map(paper_name))
        pairs, agree, sure, may, wrong = agreeing(named, paper.loc[nearest], resolution=0.01)
        claim = f"order of running times at ×{scale:g}, literal, as in the paper at ×{nearest:g}: pairs of methods"
        tie = "the paper prints times that differ by no more than its last digit there"
        line = check(
            claim, pairs, agree if pairs else None, unit="pairs", paper="DIIF", place="Table 3",
            interval=(sure, may) if pairs else None,
            incomparable=elsewhere(book, some) if pairs else "", note=(f"differ: {wrong}" if wrong else "") if pairs else tie,
        )  # fmt: skip
        lines.append(line)
    return lines


def speedups(book: Book, times: pd.DataFrame) -> list[dict]:
    """That the first of each of `SPEEDUPS` is faster than the second beyond x4, and more than so many times from x12 on."""
    paper = published.table("diif", 3).pivot(index="scale", columns="method", values="runtime_s")
    lines = []
    for (quick, slow), most in SPEEDUPS.items():
        printed = paper[f"EDSR-baseline-{slow}"] / paper[f"EDSR-baseline-{quick}"]
        for path in ("literal", "fast"):
            some = times[times["path"] == path]
            here = {
                scale: ratio_of_times(*(at[at["model"] == on_edsr(name)] for name in (slow, quick)))
                for scale, at in some.groupby("scale")
            }
            for times_as_fast, start in ((1, 4), (most, 12)):
                from_here = [ends for scale, ends in here.items() if scale >= start and not np.isnan(ends[0])]
                smallest = min(from_here, default=None)
                claim = f"{quick} more than {times_as_fast} times as fast as {slow} from ×{start} on, both {path}"
                claim += ": smallest ratio"
                quote = f"{quick} is more than {most} times faster than {slow}" if times_as_fast > 1 else ""
                quote = quote or "the running time of DIIF increases slower than the reference methods"
                line = check(
                    claim, times_as_fast, smallest[0] if smallest else None, unit="times", at_least=True, strictly=True,
                    paper="DIIF", place="Section 4.2, Table 3", quote=quote, printed=printed[printed.index >= start].min(),
                    interval=smallest[1:] if smallest else None,
                    incomparable=elsewhere(book, some) if times_as_fast > 1 and smallest else "",
                    note="" if smallest else f"needs ×{start} or more among the scales that are timed",
                )  # fmt: skip
                lines.append(line)
    return lines
