"""What the pages of the demos conclude: that a demo shows what the models make, and how fast."""

from __future__ import annotations

import math

import pandas as pd

from srlib.workbook.book import Book
from srlib.workbook.claims import check

IMMEDIATE = 1.0  # s, of what is dragged
PATIENCE = 5.0  # s, for one draw
ONE_STEP = 1  # of 8 bits: a window is summed up in another order
ROUNDING = 1e-5  # of float32, in a sum of products


def farthest(values: pd.Series, expected: float) -> float:
    """The value that lies farthest from what is expected; NaN where there is none."""
    return float(values.loc[(values - expected).abs().idxmax()]) if len(values) else math.nan


def own_time(book: Book, claim: str, times: pd.DataFrame, most: float, advice: str) -> dict:
    """The slowest of the times that a page takes itself. Other pages may run beside it, so that no verdict follows. most: what
    is hoped for, in s. advice: what to do if it is slower."""
    note = f"if it is slower: {advice}" if len(times) else "; ".join(book.absent.values())
    why = "shown, not judged: the page times itself, whatever runs beside it" if len(times) else ""
    return check(claim, most, times["seconds"].max(), at_most=True, unit="s", note=note, incomparable=why)


def drags_at_once(book: Book, times: pd.DataFrame) -> dict:
    """How long a drag of the scale takes. times: seconds, a row a model and scale."""
    claim = f"a drag feels immediate: slowest decoding shown, at most {IMMEDIATE:g} s"
    return own_time(book, claim, times, IMMEDIATE, "choose a smaller part")


def draws_soon(book: Book, times: pd.DataFrame) -> dict:
    """How long a draw of a diffusion model takes. times: seconds, a row a draw."""
    return own_time(book, f"a draw takes at most {PATIENCE:g} s", times, PATIENCE, "choose fewer steps")


def any_view(windows: pd.DataFrame) -> dict:
    """That a view decoded alone is a window of the whole image. windows: largest_step in 8-bit steps, a row a view."""
    claim = "any view equals model.decode at its scale: largest difference"
    return check(claim, 0, windows["largest_step"].max(), ONE_STEP, unit="8-bit steps")


def evaluations_cost(costs: pd.DataFrame) -> dict:
    """That a result costs what its evaluations do. costs: macs as counted, macs_expected from one evaluation's."""
    claim = "counted MACs over evaluations times one evaluation's, largest gap from 1"
    return check(claim, 1, farthest(costs["macs"] / costs["macs_expected"], 1))


def last_layer(gap: float) -> dict:
    """That DIINN's picture follows from the last of its products. gap: the largest difference, images in [0, 1]."""
    return check("a last linear layer of the last product is the picture: largest difference", 0, gap, ROUNDING)


def last_step(gap: float) -> dict:
    """That the last step of sampling gives the image. gap: the largest difference in 8-bit steps."""
    return check("the last step's picture is the image: largest difference", 0, gap, unit="8-bit steps")
