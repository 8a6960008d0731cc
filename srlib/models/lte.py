"""LTE: Local Texture Estimator (Lee and Jin, CVPR 2022, arXiv 2111.08918), Section 3.

A code is estimated as amplitudes A and frequencies F of local textures, two 3x3 convolutions of the features, and the
cell as phases P, a linear map. With delta the coordinate relative to a code (Eq 5):

    h = A . [cos(pi (<F, delta> + P(cell))), sin(pi (<F, delta> + P(cell)))]
    rgb = sum_t (S_t / S) f(h_t)  +  bilinear(LR)                               (Eqs 4 and 8; LIIF's local ensemble)

F's channels 2k and 2k + 1 are the row and the column frequency of pair k. The features carry the normalised LR image
itself as three more channels, for the bilinear skip.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from srlib.models.base import Decoder, Rows
from srlib.models.encoders import conv3x3
from srlib.models.geometry import TRAINED_SCALE, Grid
from srlib.models.layers import (
    Pixels,
    Sums,
    bilinear,
    colours,
    exact,
    gather,
    hidden,
    linears,
    mlp,
    one_pass,
    stacked,
    unrounded,
)
from srlib.models.liif import Around, corners, opposite_areas


class Waves:
    """Eq 5 at output pixels: A . [cos(inner), sin(inner)], inner = pi (F_row row + F_column column + P).

    amplitudes (B, h, w, hidden), frequencies (B, h, w, hidden / 2, 2), phases (hidden / 2,) times pi; of n rows and of the
    output columns the code and the coordinate, (n,) and (W,). Without a graph `inner` is one weighted sum of three vectors.
    """

    def __init__(
        self,
        amplitudes: Tensor,
        frequencies: Tensor,
        phases: Tensor,
        rows: tuple[Tensor, Tensor],
        columns: tuple[Tensor, Tensor],
    ):
        (self.rows, at_row), (columns, at_column) = rows, columns
        self.amplitudes, self.phases = amplitudes, phases
        self.f_row, self.f_column = (math.pi * f for f in frequencies.unbind(dim=-1))
        self.at_row, self.at_column = at_row.to(phases), at_column.to(phases)
        self.pixels = Pixels(columns)
        if one_pass(amplitudes):
            b, h, w, _ = amplitudes.shape
            table = torch.cat([self.f_row.flatten(0, 2), self.f_column.flatten(0, 2), phases[None]])
            line, image, zero, one = w * self.rows, h * w * torch.arange(b), torch.tensor(0), torch.tensor(1.0)
            of_column = columns, b * h * w + columns, torch.tensor(2 * b * h * w)
            self.sums = Sums(table, (line, line, zero), of_column, (image, image, zero))
            self.row_weights, self.column_weights = (
                stacked((self.at_row, one, one)),
                stacked((one, self.at_column, one)),
            )

    def __call__(self, which: Tensor) -> Tensor:
        """Rows (R,) of the n -> (B, R, W, hidden)."""
        rows = self.rows[which]
        amplitudes = self.pixels(self.amplitudes, rows)
        if not one_pass(amplitudes):
            inner = self.pixels(self.f_row, rows) * self.at_row[which][:, None, None] + self.phases
            inner = inner + self.pixels(self.f_column, rows) * self.at_column[:, None]
            return amplitudes * torch.cat([torch.cos(inner), torch.sin(inner)], dim=-1)
        inner = self.sums(which, self.row_weights[which][:, None] * self.column_weights)
        cos, sin = amplitudes.chunk(2, dim=-1)
        cos.mul_(torch.cos(inner))
        sin.mul_(inner.sin_())
        return amplitudes


class LTE(Decoder):
    """The LTE decoder.

    channels: of the encoder's features. hidden: amplitudes, and width of the three hidden layers.
    hold_cell: beyond x4, show the x4 cell: as in the authors' scripts, both axes times (vertical scale) / 4.
    """

    needs_image = True  # the model appends the normalised LR image to the features
    vectors = 4

    def __init__(self, channels: int, hidden: int = 256, *, hold_cell: bool = True):
        super().__init__()
        self.width, self.hold_cell = hidden, hold_cell
        self.coef, self.freq = conv3x3(channels, hidden), conv3x3(channels, hidden)
        self.phase = nn.Linear(2, hidden // 2, bias=False)
        self.mlp = mlp(hidden, *[hidden] * 3, 3)

    def cell(self, features: Tensor, grid: Grid) -> Tensor:
        """The relative cell size shown to the network, (2,)."""
        hold = max(grid.size[0] / grid.lr[0] / TRAINED_SCALE, 1) if self.hold_cell else 1
        return hold * torch.tensor(grid.cell, dtype=self.phase.weight.dtype, device=features.device)

    def estimate(self, features: Tensor, grid: Grid) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Amplitudes (B, h, w, hidden), frequencies (B, h, w, hidden / 2, 2), phases (hidden / 2,), LR (B, 3, h, w)."""
        codes, image = unrounded(features[:, :-3], self.coef.weight), features[:, -3:]
        with exact(features):
            coef, freq = (conv(codes).permute(0, 2, 3, 1).contiguous() for conv in (self.coef, self.freq))
            return coef, freq.unflatten(-1, (-1, 2)), self.phase(self.cell(features, grid)), image

    def reference(self, features: Tensor, grid: Grid) -> Rows:
        """The equations one by one. features (B, C + 3, h, w) -> a function of output rows k (R,) -> RGB (B, R, W, 3)."""
        coef, freq, _, image = self.estimate(features, grid)
        around, skip = corners(grid, features.device), bilinear(image, grid)
        cell = self.cell(features, grid)

        def decode_rows(k: Tensor) -> Tensor:
            weights, rgb = opposite_areas(around, k), skip(k)
            for sides, (row, column) in around.items():
                amplitude, frequency = gather(coef, row.code[k], column.code), gather(freq, row.code[k], column.code)
                delta = torch.stack(torch.meshgrid(row.relative[k], column.relative, indexing="ij"), dim=-1)
                inner = (frequency * delta[..., None, :]).sum(dim=-1)
                inner = inner + self.phase(cell.expand(*delta.shape[:2], 2))
                h = amplitude * torch.cat([torch.cos(math.pi * inner), torch.sin(math.pi * inner)], dim=-1)  # Eq 5
                rgb = rgb + weights[sides][..., None] * self.mlp(h)  # Eq 4
            return rgb

        return decode_rows

    def fast(self, features: Tensor, grid: Grid) -> Rows:
        """Same numbers, less work: see `Waves`; the four corners at once."""
        coef, freq, phase, image = self.estimate(features, grid)
        around, skip = Around(grid, features.device), bilinear(image, grid)
        *layers, last = linears(self.mlp)
        rows, columns = (around.row_code, around.row), (around.column_code, around.column)
        rows, columns = (tuple(part.flatten() for part in axis) for axis in (rows, columns))
        wave = Waves(coef, freq, math.pi * phase, rows, columns)

        def decode_rows(k: Tensor) -> Tensor:
            h = wave(around.which[:, k].flatten())
            return around.ensemble(colours(hidden(h, layers), last), k) + skip(k)

        return decode_rows
