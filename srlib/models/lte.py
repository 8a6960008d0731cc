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
from functools import lru_cache

import torch
from torch import Tensor, nn

from srlib.models.base import Decoder, Rows
from srlib.models.encoders import conv3x3
from srlib.models.geometry import TRAINED_SCALE, Grid
from srlib.models.layers import bilinear, gather, hidden, linears, mlp, product
from srlib.models.liif import Around, corners, opposite_areas


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
        codes, image = features[:, :-3], features[:, -3:]
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
        """Same numbers, less work. With a = pi (F_row row + P) and b = pi F_column column,

        A cos(a + b) = (A cos a) cos b - (A sin a) sin b,   A sin(a + b) = (A sin a) cos b + (A cos a) sin b:
        the parts in a are computed once per row of a cell, those in b once per column of a cell.
        """
        coef, freq, phase, image = self.estimate(features, grid)
        around, skip = Around(grid, features.device), bilinear(image, grid)
        *layers, last = linears(self.mlp)
        f_row, f_column = (math.pi * f for f in freq.unbind(dim=-1))
        distance = around.column.flatten()[:, None]

        @lru_cache(maxsize=8)
        def along_row(
            i: int,
        ) -> tuple[Tensor, Tensor]:  # codes' row i: cos b twice, sin b twice, each (B, 1, 2W, hidden)
            b = around.gather(f_column[:, i : i + 1]) * distance
            return tuple(torch.cat([wave, wave], dim=-1) for wave in (torch.cos(b), torch.sin(b)))

        def decode_rows(k: Tensor) -> Tensor:
            code = around.row_code[:, k].flatten()  # (2R,)
            here = code.to(features.device)
            a = f_row.index_select(1, here) * around.row[:, k].flatten()[:, None, None] + math.pi * phase
            cos, sin = torch.cos(a), torch.sin(a)
            first, second = coef.index_select(1, here).chunk(2, dim=-1)
            of_cos = around.gather(torch.cat([first * cos, second * sin], dim=-1))  # (B, 2R, 2W, hidden)
            of_sin = around.gather(torch.cat([-first * sin, second * cos], dim=-1))
            parts, end = [], 0
            for i, count in zip(*(t.tolist() for t in torch.unique_consecutive(code, return_counts=True)), strict=True):
                part, end = slice(end, end + count), end + count
                cos, sin = along_row(i)
                if torch.is_grad_enabled():
                    parts.append(of_cos[:, part] * cos + of_sin[:, part] * sin)
                else:
                    of_cos[:, part].mul_(cos).addcmul_(of_sin[:, part], sin)
            h = torch.cat(parts, dim=1) if parts else of_cos
            return around.ensemble(product(hidden(h, layers), last.weight, last.bias), k) + skip(k)

        return decode_rows
