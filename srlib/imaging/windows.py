"""Windows: a part of an enlarged image, decoded without the rest."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from srlib.models.base import Model
from srlib.models.geometry import Grid
from srlib.util.sizes import Size, scaled_size

SIDE = 2**17  # output pixels a side: decoders make tables of some hundred bytes for each row of the whole image


@dataclass(frozen=True)
class Window:
    """A part of an output image. lr, size: of the whole image, (rows, columns). rows, columns: (first, end) in output
    pixels."""

    lr: Size
    size: Size
    rows: tuple[int, int]
    columns: tuple[int, int]

    @classmethod
    def around(cls, lr: Size, scale: float, centre: tuple[float, float], shape: Size) -> Window:
        """The window of at most `shape` output pixels around a point of the LR image, (row, column) counted in LR pixels from
        its upper left corner; moved until all of it lies in the image. ValueError for a scale beyond `most`."""
        if scale > most(lr):
            raise ValueError(f"×{scale:g} of {lr[0]} x {lr[1]} pixels is beyond ×{most(lr):g}, the largest shown")
        size = scaled_size(lr, scale)
        spans = []
        for n, out, middle, wanted in zip(lr, size, centre, shape, strict=True):
            length = min(out, wanted)
            first = math.floor(middle * out / n - length / 2 + 0.5)
            first = min(max(0, first), out - length)
            spans.append((first, first + length))
        return cls(lr, size, *spans)

    @property
    def shape(self) -> Size:
        """Its own rows and columns."""
        return self.rows[1] - self.rows[0], self.columns[1] - self.columns[0]

    @property
    def box(self) -> tuple[float, float, float, float]:
        """(top, left, bottom, right) in LR pixels."""
        (h, w), (height, width) = self.lr, self.size
        top, bottom = (k * h / height for k in self.rows)
        left, right = (k * w / width for k in self.columns)
        return top, left, bottom, right

    def coarser(self, times: int) -> Window:
        """About the same part at a scale that many times smaller: whole pixels that cover it."""
        size = tuple(max(1, math.ceil(out / times)) for out in self.size)
        spans = []
        for (first, end), out, whole in zip((self.rows, self.columns), size, self.size, strict=True):
            low, high = math.floor(first * out / whole), math.ceil(end * out / whole)
            spans.append((min(low, out - 1), min(max(high, low + 1), out)))
        return Window(self.lr, size, *spans)

    def codes(self, reach: int) -> tuple[slice, slice]:
        """The LR rows and columns whose codes it reads; reach: `Decoder.reach`."""
        parts = []
        for n, out, (first, end) in zip(self.lr, self.size, (self.rows, self.columns), strict=True):
            near = reach + 2 * math.ceil(n / out)  # below x1 a pixel touches more codes
            low, high = ((2 * k + 1) * n // (2 * out) for k in (first, end - 1))
            parts.append(slice(max(0, low - near), min(n, high + 1 + near)))
        return tuple(parts)

    def grid(self, reach: int) -> Grid:
        """The grid of the codes at hand and the columns wanted."""
        down, across = self.codes(reach)
        return Grid(self.lr, self.size, down.start, across.start, self.columns)


def most(lr: Size) -> float:
    """The largest scale of an image that is shown: `SIDE` pixels on the longer side."""
    return SIDE / max(lr)


@torch.inference_mode()
def decode(
    model: Model,
    features: Tensor,
    window: Window,
    *,
    first: tuple[int, int] = (0, 0),
    stop: Callable[[], bool] = lambda: False,
) -> Tensor | None:
    """The window of `model.decode(features, window.size)`, the rest never computed: (B, 3, rows, columns), not clamped.

    features: from `model.encode`, of the whole image, or of a part that starts at LR pixel `first` and holds all that
    `Window.codes` names. stop: asked after every band; once it says True the result is None.
    """
    reach = model.decoder.reach
    down, across = (
        slice(codes.start - start, codes.stop - start) for codes, start in zip(window.codes(reach), first, strict=True)
    )
    out = features.new_empty(features.shape[0], 3, *window.shape)
    made = model.decode_bands(features[..., down, across], window.grid(reach), torch.arange(*window.rows))
    for row, band in made:
        if stop():
            return None
        out[:, :, row : row + band.shape[2]] = band
    return out
