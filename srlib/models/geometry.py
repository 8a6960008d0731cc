"""Where pixels lie: sizes, pixel centres, and which output pixels belong to which low-resolution (LR) code.

Convention everywhere: coordinates are (row, column) pixel centres in [-1, 1]; an image of n pixels has centres
-1 + (2k + 1)/n. A *relative* coordinate is (query - code centre) * n, so that one LR cell spans [-1, 1].
Everything is separable, so the functions here work on one axis at a time, on the CPU, in exact integers or float64.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from srlib.util.sizes import Size

TRAINED_SCALE = 4  # the largest scale that networks are trained at


@dataclass(frozen=True)
class Grid:
    """An LR grid, the output grid over it, and the window of them that is worked on.

    A large image is worked through in tiles: then the features at hand start at LR row `top` and column `left`, and only
    the output columns `columns` = (first, end) are wanted (rows are named in each call). All else counts in the whole image.
    """

    lr: Size
    size: Size
    top: int = 0
    left: int = 0
    columns: tuple[int, int] | None = None

    @property
    def cell(self) -> tuple[float, float]:
        """Relative size of one output pixel, (2/s vertical, 2/s horizontal): the papers' cell in LR-cell units."""
        return 2 * self.lr[0] / self.size[0], 2 * self.lr[1] / self.size[1]

    @property
    def span(self) -> slice:
        """The output columns wanted."""
        return slice(*(self.columns or (0, self.size[1])))

    @property
    def width(self) -> int:
        """How many output columns are wanted."""
        return self.span.stop - self.span.start


def shown_cell(grid: Grid, hold: bool) -> list[float]:
    """The relative cell size that a network is shown; `hold` keeps it at its x4 value beyond x4, where none was trained."""
    return [max(c, 2 / TRAINED_SCALE) if hold else c for c in grid.cell]


def centres(n: int) -> Tensor:
    """Pixel centres of n pixels on [-1, 1], (n,) float64."""
    return (2 * torch.arange(n, dtype=torch.float64) + 1) / n - 1


def nearest_code(n: int, out: int) -> Tensor:
    """The code (of n) in whose cell each of `out` pixel centres lies, (out,) int64. DIIF Eq 2 on one axis.

    Exact: code i owns pixels ceil(i*s - 0.5) ... ceil((i+1)*s - 0.5) - 1 with s = out/n.
    """
    k = torch.arange(out, dtype=torch.int64)
    return ((2 * k + 1) * n) // (2 * out)


def group_starts(n: int, out: int) -> Tensor:
    """First output pixel of each code's group and, last, `out`: (n + 1,) int64. ceil(i*s - 0.5), exact."""
    i = torch.arange(n + 1, dtype=torch.int64)
    return -((n - 2 * i * out) // (2 * n))


def relative(index: Tensor, out: int, code: Tensor, n: int) -> Tensor:
    """Relative coordinate of output pixels `index` (of `out`, may lie beyond the image) to the centres of `code` (of n).

    ((2k+1)/out - (2i+1)/n) * n, float64, from exact integers.
    """
    return ((2 * index + 1) * n - (2 * code + 1) * out).to(torch.float64) / out


def bands(rows: int, columns: int, queries: int) -> Iterator[tuple[int, int]]:
    """(first, end) of consecutive bands of whole rows with about `queries` points each."""
    step = max(1, queries // max(1, columns))
    for first in range(0, rows, step):
        yield first, min(first + step, rows)


def at_changes(owner: Tensor, parts: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The bands `parts` of rows, moved so that each ends where the code that owns its last row does. owner: of each row."""
    ends = [*(1 + torch.nonzero(owner.diff()).flatten()).tolist(), len(owner)]
    first = 0
    for _, end in parts:
        if end > first:
            last = ends[bisect_left(ends, end)]
            yield first, last
            first = last


@dataclass(frozen=True)
class Tile:
    """One axis of a tile: the output pixels it makes, the codes that they read, the LR pixels that those codes see."""

    out: slice
    codes: slice
    seen: slice

    @property
    def codes_in_seen(self) -> slice:
        return slice(self.codes.start - self.seen.start, self.codes.stop - self.seen.start)


def tiles(n: int, out: int, encoder_reach: int, decoder_reach: int, tile: int) -> Iterator[Tile]:
    """Cut an axis of n LR and `out` output pixels into tiles of which an encoder sees at most about `tile` LR pixels."""
    starts = group_starts(n, out).tolist()
    near = decoder_reach + 2 * math.ceil(n / out)  # below x1 a pixel touches more codes
    step = n if n <= tile else max(32, tile - 2 * (encoder_reach + near))
    for first in range(0, n, step):
        end = min(first + step, n)
        if starts[first] < starts[end]:
            codes = slice(max(0, first - near), min(n, end + near))
            seen = slice(max(0, codes.start - encoder_reach), min(n, codes.stop + encoder_reach))
            yield Tile(slice(starts[first], starts[end]), codes, seen)
