"""Bicubic interpolation as a decoder: Keys' cubic convolution (IEEE TASSP 1981) with a = -1/2.

out(y, x) = sum_i sum_j  k(y - i) k(x - j) code(i, j)
Below x1 the kernel is stretched by 1/s (antialiasing); at the border the weights of the taps inside are renormalised.
This is what PIL, and torch with antialias=True, compute.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from srlib.models.base import Decoder, Rows
from srlib.models.geometry import Grid


def keys(x: Tensor) -> Tensor:
    """Keys' kernel with a = -1/2, zero outside [-2, 2]."""
    x = x.abs()
    inner = (1.5 * x - 2.5) * x * x + 1
    outer = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return torch.where(x <= 1, inner, torch.where(x < 2, outer, torch.zeros_like(x)))


def taps(n: int, out: int) -> tuple[Tensor, Tensor]:
    """Which of n samples, with which weights, make each of `out` samples: index, weight (out, taps), float64."""
    stretch = max(n / out, 1.0)
    centre = (torch.arange(out, dtype=torch.float64) + 0.5) * n / out
    first = torch.floor(centre - 2 * stretch)
    index = first[:, None] + torch.arange(math.ceil(4 * stretch) + 2)
    weight = keys((index + 0.5 - centre[:, None]) / stretch)
    weight[(index < 0) | (index >= n)] = 0
    used = (weight != 0).any(dim=0)
    index, weight = index[:, used].long().clamp_(0, n - 1), weight[:, used]
    return index, weight / weight.sum(dim=1, keepdim=True)


class Bicubic(Decoder):
    """No parameters; any number of channels."""

    def tables(self, features: Tensor, grid: Grid) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        (i, u), (j, v) = (taps(n, out) for n, out in zip(grid.lr, grid.size, strict=True))
        i, j, v = i - grid.top, j[grid.span] - grid.left, v[grid.span]
        i, j = (index.clamp_(0, n - 1) for index, n in zip((i, j), features.shape[-2:], strict=True))
        return i.to(features.device), u.to(features), j.to(features.device), v.to(features)

    def reference(self, features: Tensor, grid: Grid) -> Rows:
        """The double sum as it stands. features (B, C, h, w) -> a function of output rows k (R,) -> (B, R, W, C)."""
        i, u, j, v = self.tables(features, grid)
        codes = features.permute(0, 2, 3, 1)

        def decode_rows(k: Tensor) -> Tensor:
            result = 0
            for a in range(i.shape[1]):
                for b in range(j.shape[1]):
                    weight = u[k, a][:, None, None] * v[:, b][:, None]
                    result = result + weight * codes.index_select(1, i[k, a]).index_select(2, j[:, b])
            return result

        return decode_rows

    def fast(self, features: Tensor, grid: Grid) -> Rows:
        """The sum is separable: columns once at LR height, then rows."""
        i, u, j, v = self.tables(features, grid)
        codes = features.permute(0, 2, 3, 1)
        wide = sum(v[:, b][:, None] * codes.index_select(2, j[:, b]) for b in range(j.shape[1]))

        def decode_rows(k: Tensor) -> Tensor:
            return sum(u[k, a][:, None, None] * wide.index_select(1, i[k, a]) for a in range(i.shape[1]))

        return decode_rows
