"""DLTE: DIIF's slices with LTE's basis (He and Jin, arXiv 2306.12321, Section 4: "DLTE").

The coarse stage reads, instead of the codes around a vertex, LTE's amplitudes and frequencies of the 2x2 codes around it.
With `first` and `last` the slice's ends relative to the vertex, in the sense of LTE's Eq 5 and DIIF's Eqs 8 and 11:

    inner = <F, first> + <F, last> + P(cell)
    z_v   = coarse(A . [cos(pi inner), sin(pi inner)])
    rgb   = fine(sum_v (S_v / S) z_v, x_q)  +  bilinear(LR)

Slices, ensemble and fine stage are DIIF's, in linear order. The features carry the normalised LR image as three more channels.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlib.models.base import Decoder, Rows
from srlib.models.diif import axes, fast_rows, reference_rows
from srlib.models.encoders import conv3x3
from srlib.models.geometry import Grid, shown_cell
from srlib.models.layers import bilinear, exact, gather, hidden, linears, mlp, unfold, unrounded
from srlib.models.lte import Waves

SIDES = (-1, 1)  # of a cell's vertices on each axis


class DLTE(Decoder):
    """The DLTE decoder.

    channels: of the encoder's features. hidden: width of every hidden layer; a code has hidden / 4 amplitudes, its vertex
    hidden. full: a code has as many amplitudes as channels, whatever hidden is (at full size that is the same).
    hold_cell: beyond x4, show the x4 cell.
    """

    needs_image = True  # the model appends the normalised LR image to the features

    def __init__(self, channels: int, hidden: int = 256, *, full: bool = False, hold_cell: bool = True):
        super().__init__()
        self.width, self.hold_cell = hidden, hold_cell
        amplitudes = channels if full else hidden // 4
        self.coef, self.freq = conv3x3(channels, amplitudes), conv3x3(channels, amplitudes)
        self.phase = nn.Linear(2, 2 * amplitudes, bias=False)
        self.coarse = mlp(4 * amplitudes, hidden, hidden)
        self.fine = mlp(hidden + 2, hidden, hidden, 3)

    def estimate(self, features: Tensor, grid: Grid) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Of the vertices: amplitudes (B, h + 1, w + 1, hidden), frequencies (B, h + 1, w + 1, hidden / 2, 2); the relative
        cell size (2,); LR (B, 3, h, w)."""
        codes, image = unrounded(features[:, :-3], self.coef.weight), features[:, -3:]
        with exact(features):
            coef, freq = (unfold(conv(codes), 2) for conv in (self.coef, self.freq))
        cell = torch.tensor(shown_cell(grid, self.hold_cell), dtype=self.phase.weight.dtype, device=features.device)
        return coef, freq.unflatten(-1, (-1, 2)), cell, image

    def reference(self, features: Tensor, grid: Grid) -> Rows:
        """The equations one by one. features (B, C + 3, h, w) -> a function of output rows k (R,) -> RGB (B, R, W, 3)."""
        coef, freq, cell, image = self.estimate(features, grid)
        rows, columns = axes(features, grid)
        skip = bilinear(image, grid)

        def evaluate(k: Tensor) -> Tensor:  # one slice per output row and code
            vectors = []
            for y in SIDES:
                for x in SIDES:
                    at = rows.code[k] + (y > 0), columns.code + (x > 0)
                    amplitude, frequency = gather(coef, *at), gather(freq, *at)
                    ends = (rows.first[k] - y, columns.first - x), (rows.last[k] - y, columns.last - x)
                    first, last = (torch.stack(torch.meshgrid(*end, indexing="ij"), dim=-1) for end in ends)
                    inner = (frequency * first[..., None, :]).sum(dim=-1) + (frequency * last[..., None, :]).sum(dim=-1)
                    inner = inner + self.phase(cell.expand(*inner.shape[:-1], 2))
                    h = amplitude * torch.cat([torch.cos(math.pi * inner), torch.sin(math.pi * inner)], dim=-1)
                    vectors.append(F.relu(self.coarse(h)))
            return torch.stack(vectors, dim=2)

        decode_rows = reference_rows(evaluate, rows, columns, SIDES, self.fine)
        return lambda k: decode_rows(k) + skip(k)

    def fast(self, features: Tensor, grid: Grid) -> Rows:
        """Same numbers, less work: without a graph `inner` is one sum of a vertex's row frequencies, its column frequencies
        and the phase, weighted by the slice's coordinates. The rest as in DIIF's `fast_rows`.
        """
        coef, freq, cell, image = self.estimate(features, grid)
        rows, columns = axes(features, grid)
        skip, layers = bilinear(image, grid), linears(self.coarse)
        side = torch.arange(2, device=features.device)  # a cell's vertices on one axis, from its own code on
        ends = (((a.first + a.last)[:, None] - 2 * (2 * side - 1)).flatten() for a in (rows, columns))
        vertices = ((a.code[:, None] + side).flatten() for a in (rows, columns))
        with exact(features):
            phases = math.pi * self.phase(cell)
        wave = Waves(coef, freq, phases, *zip(vertices, ends, strict=True))

        def evaluate(k: Tensor) -> Tensor:
            h = wave((2 * k.to(side.device)[:, None] + side).flatten())  # (B, 2R, 2w, hidden)
            return hidden(h, layers).unflatten(2, (-1, 2)).unflatten(1, (-1, 2))

        decode_rows = fast_rows(evaluate, rows, columns, self.fine)
        return lambda k: decode_rows(k) + skip(k)
