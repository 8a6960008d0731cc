"""What is shown and claimed of DIINN alone: its variants, its running times, its picture at growing scales."""

from __future__ import annotations

import math

import pandas as pd

from srlib.models.catalogue import TAILS, ModelName
from srlib.models.geometry import TRAINED_SCALE
from srlib.workbook import published
from srlib.workbook.book import Book
from srlib.workbook.claims import check
from srlib.workbook.claims_costs import agreeing, ratio_of_times

TIMED = "rdn", 48  # the encoder, and rows and columns of the input, of the paper's Table 4
PATHS = ("literal", "fast")


def variants(counts: pd.DataFrame) -> pd.DataFrame:
    """Counts of the variants as Table 5 names them: its columns method, modulation_inputs and positional_init before those of
    `Book.counts`; saved: the share of the MACs that the fast path leaves out."""
    decoders = published.cells("diinn", 5).drop_duplicates("method")[["method", "decoder"]]
    inputs = published.table("diinn", 5).drop_duplicates("variant").rename(columns={"variant": "method"})
    inputs = inputs[["method", "modulation_inputs", "positional_init"]].merge(decoders, on="method")
    decoder = [ModelName.of(published.first_name(name)).decoder for name in counts["model"]]
    counts = counts.assign(decoder=decoder, saved=1 - counts["macs_fast"] / counts["macs"])
    return inputs.merge(counts, on="decoder").drop(columns="decoder")


def released_sizes(variants: pd.DataFrame) -> list[dict]:
    """That each variant's decoder has as many parameters as the authors' released one."""
    expected = published.released_parameters()
    return [
        check(
            f"({row.method}) decoder parameters of the released checkpoints",
            expected[row.method],
            row.decoder_parameters,
            0,
        )
        for row in variants.itertuples()
    ]


def methods(times: pd.DataFrame) -> pd.DataFrame:
    """The times of Table 4's methods: all but those of an encoder with a tail of its own."""
    return times[[ModelName.of(name).decoder not in TAILS for name in times["model"]]]


def encoder_alone(times: pd.DataFrame) -> str:
    """A sentence for each encoder that was timed with a tail of its own."""
    alone = times.drop(index=methods(times).index)
    return "\n".join(
        f"{ModelName.of(row.model).encoder} with its own ×{row.scale:g} tail: {row.seconds:.2f} s, nearly all of it the "
        "encoder that all share"
        for row in alone.itertuples()
    )


def by_method(times: pd.DataFrame) -> pd.DataFrame:
    """Seconds by path and rows of the output, a column for each method as Table 4 calls it."""
    seconds = times.pivot(index=["path", "rows"], columns="model", values="seconds")
    return seconds.rename(columns=lambda name: ModelName.of(name).label).reindex(columns=printed_times().columns)


def printed_times() -> pd.DataFrame:
    """Table 4's milliseconds: rows of the output, a column for each method."""
    return published.table("diinn", 4).pivot(index="output_size", columns="method", values="runtime_ms")


def time_ratios(times: pd.DataFrame) -> pd.DataFrame:
    """Times over LIIF's, along both paths and in the paper: times from, output size, a column for each method."""
    seconds, paper = by_method(times), printed_times()
    parts = {path: seconds.loc[path].div(seconds.loc[path, "LIIF"], axis=0) for path in PATHS}
    parts["paper"] = paper.div(paper["LIIF"], axis=0)
    return pd.concat(parts, names=["times from", "output size"]).reset_index()


def of_paper(times: pd.DataFrame) -> pd.DataFrame:
    """The times at Table 4's input and outputs, of methods on its encoder; none if there is nothing but bicubic."""
    encoder, side = TIMED
    encoders = times["model"].map(lambda name: ModelName.of(name).encoder)
    same = (times["rows"] / times["scale"]).round().eq(side) & times["rows"].isin(printed_times().index)
    some = times[same & encoders.isin(["", encoder])]
    return some if encoder in set(encoders[same]) else some.iloc[:0]


def no_additional_cost(variants: pd.DataFrame) -> list[dict]:
    """That [s z] in place of [m z] costs no parameters: (e) less (c), (f) less (d)."""
    size, lines = variants.set_index("method")["decoder_parameters"], []
    for one, other in (("e", "c"), ("f", "d")):
        line = check(
            f"[s z] costs no more parameters than [m z]: ({one}) less ({other})", 0,
            size.get(one, math.nan) - size.get(other, math.nan), unit="parameters", paper="DIINN",
            place="Section 4.5.1, Table 5", quote="at no additional cost",
        )  # fmt: skip
        lines.append(line)
    return lines


def elsewhere(book: Book, times: pd.DataFrame) -> str:
    """Why a share of a time cannot be compared with the paper's; "" on a GPU."""
    device = times["device"].iloc[0] if "device" in times and len(times) else "another device"
    return "" if book.lab.device.type == "cuda" else f"the paper's number is of a Quadro RTX 3000, this one of {device}"


def running_times(book: Book, times: pd.DataFrame) -> list[dict]:
    """Whether the methods run in the paper's order, size by size, DIINN is faster than LIIF, and in the paper's share
    of its time."""
    some, paper = of_paper(times), printed_times()
    if some.empty:
        encoder, side = TIMED
        sizes = ", ".join(f"{rows}²" for rows in times["rows"].unique())
        note = f"needs {encoder}, {side} × {side} and one of {list(paper.index)}; timed here: "
        note += (
            f"{', '.join(times['model'].unique())}, {round(times['rows'].iloc[0] / times['scale'].iloc[0])}² to {sizes}"
        )
        return [check("order of running times", 0.0, None, note=note, paper="DIINN", place="Table 4")]
    some, lines = some.assign(spread=some.get("spread", 0.0)), []
    said = {"paper": "DIINN", "place": "Section 4.3, Table 4"}
    for rows in sorted(some["rows"].unique()):
        for path in PATHS:
            here = some[(some["rows"] == rows) & (some["path"] == path)]
            named = here.set_index(here["model"].map(lambda name: ModelName.of(name).label))
            pairs, agree, sure, may, wrong = agreeing(named, paper.loc[rows])
            claim = f"order of running times at {rows}², {path}, as in the paper: pairs of methods"
            seconds = ", ".join(f"{m} {t:.3g}" for m, t in named["seconds"].items())
            note = (f"differ: {wrong}. " if wrong else "") + f"Seconds here: {seconds}"
            lines.append(
                check(
                    claim,
                    pairs,
                    agree,
                    unit="pairs",
                    interval=(sure, may),
                    incomparable=elsewhere(book, here),
                    note=note,
                    **said,
                )
            )
            value, *ends = ratio_of_times(named[named.index == "DIINN"], named[named.index == "LIIF"])
            needs = "needs both among the timed models" if math.isnan(value) else ""
            expected = paper.loc[rows, "DIINN"] / paper.loc[rows, "LIIF"]
            both = {"unit": "times", "printed": expected, "interval": tuple(ends), "note": needs}
            quote = "we show in Section 4 that our method is both better and faster"
            claim = f"DIINN faster than LIIF at {rows}², {path}: running time over LIIF's"
            lines.append(check(claim, 1.0, value, at_most=True, quote=quote, **both, **said))
            if path == "literal":
                claim = f"DIINN over LIIF, running time at {rows}², literal, as on the paper's GPU"
                lines.append(check(claim, expected, value, 0.15, incomparable=elsewhere(book, here), **both, **said))
    return lines


def above_bicubic_at_size(book: Book, scores: pd.DataFrame) -> list[dict]:
    """Each model less bicubic on one photograph, enlarged to its own size. scores: from `pictures.rgb_scores`."""
    psnr = scores.dropna(subset=["psnr"]).set_index("model")["psnr"]
    shrink, lines = book.plan.blocks["pictures"][0]["pictures"][0][2], []
    far = "beyond the scales of training" if shrink > TRAINED_SCALE else ""
    for name in [model.name for model in book.models if model.architecture != "bicubic"] + list(book.absent):
        gap = psnr.get(name, math.nan) - psnr.get("bicubic", math.nan)
        needs = f"needs bicubic among the models, {shrink:.2f} among the scales, and a model that can make it"
        note = book.absent.get(name) or (needs if math.isnan(gap) else far)
        claim = f"{name} above bicubic at ×{shrink:.2f}, whole image, RGB"
        lines.append(check(claim, 0.0, gap, unit="dB", at_least=True, note=note))
    return lines
