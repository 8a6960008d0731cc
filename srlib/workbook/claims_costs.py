"""What is claimed of costs: how many times as costly one method is as another, and how costs grow with scale."""

from __future__ import annotations

import numpy as np
import pandas as pd

from srlib import cost
from srlib.models.catalogue import ModelName
from srlib.workbook import published
from srlib.workbook.book import Book
from srlib.workbook.claims import check

CPU = "On a CPU time follows MACs; on the paper's GPU sines and gathers cost more than products"
OTHER_GPU = "Another GPU, other kernels"


def on_this_device(book: Book) -> str:
    """Why times come out otherwise than on the papers' GPUs."""
    return CPU if book.lab.device.type == "cpu" else OTHER_GPU


def paper_name(model: str) -> str:
    """A model on EDSR-baseline as DIIF's tables call it: 'edsr-baseline-metasr' -> 'EDSR-baseline-MetaSR'."""
    return f"EDSR-baseline-{ModelName.of(model).label.replace('-', '')}"


def ratios(counts: pd.DataFrame, times: pd.DataFrame, pairs: list[tuple[str, str]]) -> pd.DataFrame:
    """How many times as costly the first model of each pair is, measured and as DIIF's Table 1 prints it: a row for MACs and
    for the time of each path. Columns: what, model (the second of the pair), measured, published."""
    paper = published.table("diif", 1).set_index("method")
    kinds = {"MACs": ("macs_T", counts.set_index("model")["macs"])}
    kinds |= {
        f"time, {path}": ("runtime_s", some.set_index("model")["seconds"]) for path, some in times.groupby("path")
    }
    rows = []
    for kind, (column, ours) in kinds.items():
        for slow, quick in pairs:
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
        lines.append(check(claim, there, here, 0.002, paper="DIIF", cause="the paper's figures are rounded"))
    return lines


def times_faster(book: Book, ratios: pd.DataFrame, *pairs: str) -> list[dict]:
    """How many times as long the first of each pair ("LIIF / DIIF") runs, along both paths."""
    sizes = [block["lr"] for block in book.plan.blocks["times"]]
    another = f"another device{'' if sizes == [[90, 160]] else ' and input size'}; {on_this_device(book)}"
    lines = []
    for pair in pairs:
        for path in ("literal", "fast"):
            row = ratios.set_index("what").loc[f"{pair}, time, {path}"]
            there, here = row["published"], row["measured"]
            claim = f"{pair}: running time at ×16, {path} path (paper: RTX 2080 Ti)"
            cause = "needs both models among the timed ones" if np.isnan(here) else another
            lines.append(check(claim, there, here, 0.2 * there, unit="times", cause=cause))
    return lines


def growth(counts: pd.DataFrame) -> pd.DataFrame:
    """How the MACs grow with scale (`cost.growth`), as the paper counts and along the fast path."""
    return pd.concat([cost.growth(counts, column).assign(counted=column) for column in ("macs", "macs_fast")])


def printed_macs() -> pd.DataFrame:
    """The MACs that DIIF's Table 3 prints: model, scale, macs (10^12)."""
    table = published.table("diif", 3)
    return table.assign(model=table["method"].str.lower(), macs=table["macs_T"].map(published.macs_of) / 1e12)


def time_ratios(times: pd.DataFrame, to: str) -> pd.DataFrame:
    """Times over those of the model `to`, along both paths and as DIIF's Table 3 prints them."""
    seconds = by_method(times)
    paper = published.table("diif", 3).pivot(index="scale", columns="method", values="runtime_s")
    parts = {path: seconds.loc[path].div(seconds.loc[path, paper_name(to)], axis=0) for path in ("literal", "fast")}
    parts["paper"] = paper.div(paper[paper_name(to)], axis=0)
    return pd.concat(parts, names=["times from", "scale"]).sort_index(axis=1)


def by_method(times: pd.DataFrame) -> pd.DataFrame:
    """Seconds by path and scale, a column for each method as DIIF's tables call it."""
    seconds = times.pivot(index=["path", "scale"], columns="model", values="seconds")
    return seconds.rename(columns=paper_name)


def timed_table(book: Book, table: pd.DataFrame, times: pd.DataFrame, number: int, size: list[int]) -> pd.DataFrame:
    """A table's running times: measured ones where the paper's input size was timed, else a note that says what was."""
    here = [block["lr"] for block in book.plan.blocks["times"]]
    if here == [size]:
        timed = book.beside(published.tidy_times(times, "fast"), "diif", number, stand_in="edsr-baseline")
        table = pd.concat([table[table["quantity"] != "runtime_s"], timed[timed["quantity"] == "runtime_s"]])
    untimed = table["measured"].isna() & (table["quantity"] == "runtime_s")
    note = f"needs input {size} and this scale among the times; timed here: {here}"
    return table.assign(note=table["note"].mask(untimed, note))


def saved_beyond(counts: pd.DataFrame, *pairs: tuple[str, str]) -> list[dict]:
    """That the first of each pair of methods saves the paper's share of the second's MACs at every scale beyond x4."""
    macs = counts.pivot(index="scale", columns="model", values="macs").rename(columns=paper_name)
    there = published.table("diif", 3).pivot(index="scale", columns="method", values="macs_T").map(published.macs_of)
    beyond = [scale for scale in macs.index if scale > 4 and scale in there.index]
    lines = []
    for quick, slow in pairs:
        here, printed = (1 - t[f"EDSR-baseline-{quick}"] / t[f"EDSR-baseline-{slow}"] for t in (macs, there))
        claim = f"{quick} saves at least this share of {slow}'s MACs at every scale beyond ×4"
        least = printed[beyond].min(), here[beyond].min() if beyond else None
        cause = "" if beyond else "no scale beyond ×4 among those counted"
        lines.append(check(claim, *least, 0.003, at_least=True, paper="DIIF", cause=cause))
    return lines


def slower_growth(counts: pd.DataFrame, *pairs: tuple[str, str]) -> list[dict]:
    """That the first of each pair of methods grows more slowly with scale than the second."""
    slope = cost.growth(counts).set_index("model")["exponent"].rename(index=paper_name)
    lines = []
    for quick, slow in pairs:
        gap = slope[f"EDSR-baseline-{slow}"] - slope[f"EDSR-baseline-{quick}"]
        largest = f"×{counts['scale'].max():g}"
        claim = f"{quick}'s cost grows more slowly than {slow}'s: difference of the exponents at {largest}"
        lines.append(check(claim, 0.1, gap, 0.0, at_least=True, paper="DIIF"))
    return lines


def running_order(book: Book, times: pd.DataFrame) -> list[dict]:
    """Whether the methods run in the paper's order, scale by scale."""
    seconds = by_method(times)
    paper = published.table("diif", 3).pivot(index="scale", columns="method", values="runtime_s")
    lines = []
    for scale in sorted(times["scale"].unique()):
        nearest = min(paper.index, key=lambda s: abs(s - scale))
        agree, pairs, wrong = published.order(seconds.loc[("literal", scale)], paper.loc[nearest], resolution=0.01)
        tie = "the paper prints times that differ by no more than its last digit there"
        claim = f"order of running times at ×{scale:g}, literal, as in the paper at ×{nearest:g}: pairs of methods"
        cause = f"differ: {wrong}. {on_this_device(book)}" if pairs else tie
        lines.append(check(claim, pairs, agree if pairs else None, 0, unit="pairs", paper="DIIF", cause=cause))
    return lines


def speedups(book: Book, times: pd.DataFrame, least: dict[tuple[str, str], int]) -> list[dict]:
    """That the first of each pair of methods is faster than the second beyond x4, and more than so many times from x12 on."""
    seconds, lines = by_method(times), []
    for (quick, slow), most in least.items():
        for path in ("literal", "fast"):
            here = seconds.loc[path][f"EDSR-baseline-{slow}"] / seconds.loc[path][f"EDSR-baseline-{quick}"]
            for times_as_fast, start in ((1, 4), (most, 12)):
                some = here[here.index >= start]
                claim = f"{quick} more than {times_as_fast} times as fast as {slow} from ×{start} on, both {path}"
                line = check(
                    f"{claim} (paper: RTX 2080 Ti): smallest ratio", times_as_fast, some.min() if len(some) else None, 0.0,
                    unit="times", at_least=True, paper="DIIF",
                    cause=on_this_device(book) if len(some) else f"needs ×{start} or more among the scales that are timed",
                )  # fmt: skip
                lines.append(line)
    return lines
