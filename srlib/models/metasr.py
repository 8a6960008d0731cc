"""Meta-SR: a magnification-arbitrary network (Hu et al., CVPR 2019, arXiv 1903.00875), in the form that LIIF's authors
released and that DIIF and DIINN compare with.

A pixel k belongs to the code i = floor(k / s) (Eq 2, location projection); the filter network sees how far its top-left
corner lies from the code's, and the scale, v = [k/s - i on both axes, 1/s] (Eqs 4-5), and gives its filters (Eq 3):

    rgb = W(v)^T z_i,   W(v): 9C x 3,   z_i: the 3x3 codes around i, channel-major                              (Eq 1)
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from srlib.models.base import Decoder, Rows
from srlib.models.geometry import Grid
from srlib.models.layers import Pixels, exact, gather, linears, mlp, unfold, unfolded_linear, unrounded


@dataclass(frozen=True)
class Axis:
    """Location projection on one axis. Exact: k / s - i is one of out / gcd(n, out) fractions, the phases."""

    code: Tensor  # (out,) int64
    phase: Tensor  # (out,) int64, which of `offsets`
    offsets: Tensor  # (phases,) float32 in [0, 1), in LR pixels


def axis(n: int, out: int) -> Axis:
    place = torch.arange(out, dtype=torch.int64) * n
    offset, phase = torch.unique(place % out, return_inverse=True)
    return Axis(place // out, phase, (offset.double() / out).float())


BAND = 8192  # output pixels at a time on a CPU: next to nothing is left to do for each


class MetaSR(Decoder):
    """The Meta-SR decoder. channels: of the features. hidden: width of the filter network's one hidden layer."""

    def __init__(self, channels: int, hidden: int = 256):
        super().__init__()
        self.code_width = channels * 9
        self.filters = mlp(3, hidden, self.code_width * 3)
        with torch.no_grad():  # so that the filters start with the size of a convolution's weights
            self.filters[-1].weight /= self.code_width**0.5

    def axes(self, features: Tensor, grid: Grid) -> tuple[Axis, Axis]:
        """Both axes, counted from the first code at hand."""
        rows, columns = (axis(n, out) for n, out in zip(grid.lr, grid.size, strict=True))
        device = features.device
        return (
            Axis((rows.code - grid.top).to(device), rows.phase.to(device), rows.offsets.to(device)),
            Axis(
                (columns.code[grid.span] - grid.left).to(device),
                columns.phase[grid.span].to(device),
                columns.offsets.to(device),
            ),
        )

    def queries(self) -> int:
        return BAND

    def inputs(self, row: Tensor, column: Tensor, grid: Grid) -> Tensor:
        """Eq 5: offsets (R,) and (W,) -> (R, W, 3). The released network is told the vertical scale."""
        pair = torch.stack(torch.meshgrid(row, column, indexing="ij"), dim=-1).to(self.filters[0].weight.dtype)
        return F.pad(pair, (0, 1), value=grid.lr[0] / grid.size[0])

    def reference(self, features: Tensor, grid: Grid) -> Rows:
        """The equations one by one. features (B, C, h, w) -> a function of output rows k (R,) -> RGB (B, R, W, 3)."""
        rows, columns = self.axes(features, grid)
        codes = unfold(features, 3)

        def decode_rows(k: Tensor) -> Tensor:
            code = gather(codes, rows.code[k], columns.code)  # Eq 2
            v = self.inputs(rows.offsets[rows.phase[k]], columns.offsets[columns.phase], grid)  # Eqs 4-5
            weights = self.filters(v).unflatten(-1, (self.code_width, 3))  # Eq 3
            return torch.einsum("brwn,rwnc->brwc", code, weights)  # Eq 1

        return decode_rows

    def fast(self, features: Tensor, grid: Grid) -> Rows:
        """Same numbers, less work, by one of two ways.

        - W(v) depends on the phase alone. Where the scale is an integer or a simple fraction there are few phases: the
          filter network runs once for each, all filters together are one 3x3 convolution, and its channels are dealt
          out to the pixels (for an integer scale: a pixel shuffle).
        - Otherwise the sums of Eq 1 are taken in another order. W(v) = V g(v) + b is linear in the hidden layer g, so
          V^T z is a convolution at LR resolution, once, and a pixel costs three scalar products with g(v).
        """
        rows, columns = self.axes(features, grid)
        first, last = linears(self.filters)
        features = unrounded(features, last.weight)
        n, hidden = self.code_width, first.out_features
        phases, codes = len(rows.offsets) * len(columns.offsets), features.shape[-2] * features.shape[-1]

        if phases * (codes + hidden) <= hidden * codes:  # multiply-accumulates of the two ways, both over 3n
            with exact(features):
                weights = self.filters(self.inputs(rows.offsets, columns.offsets, grid))  # (phases..., 3n)
                weights = weights.unflatten(-1, (n, 3)).transpose(-1, -2).reshape(3 * phases, n)
                colours = unfolded_linear(features, weights, weights.new_zeros(3 * phases), 3)
            colours = colours.unflatten(-1, (len(rows.offsets), -1)).transpose(2, 3).contiguous()
            # (B, h * row phases, w * column phases, 3)
            colours = colours.flatten(1, 2).unflatten(-1, (-1, 3)).flatten(2, 3)
            row, column = (len(a.offsets) * a.code + a.phase for a in (rows, columns))
            pixels = Pixels(column)
            return lambda k: pixels(colours, row[k])

        # the bias b is one more hidden unit that is always 1
        content = torch.cat([last.weight, last.bias[:, None]], dim=1).unflatten(0, (n, 3)).permute(1, 2, 0)
        with exact(features):
            content = unfolded_linear(features, content.flatten(0, 1), content.new_zeros(3 * (hidden + 1)), 3)
        pixels = Pixels(columns.code)

        def decode_rows(k: Tensor) -> Tensor:
            v = self.inputs(rows.offsets[rows.phase[k]], columns.offsets[columns.phase], grid)
            g = F.pad(F.relu_(first(v)), (0, 1), value=1.0)
            at = pixels(content, rows.code[k]).unflatten(-1, (3, hidden + 1))
            with exact(at):
                return torch.einsum("brwch,rwh->brwc", at, g.to(at.dtype))

        return decode_rows
