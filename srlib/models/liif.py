"""LIIF: Local Implicit Image Function (Chen, Liu, Wang, CVPR 2021, arXiv 2012.09161), Section 3.

s = sum_t (S_t / S) f(z_t, x_q - v_t)                                         (Eq 4, local ensemble)
f sees the 3x3-unfolded code (Eq 3, feature unfolding), the relative coordinate and the relative pixel size
(Eq 5, cell decoding): [code 9C | row, column | cell height, cell width] -> 256 x 4 -> RGB.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from srlib.models.base import Decoder, Rows
from srlib.models.geometry import Grid
from srlib.models.layers import gather, hidden, linears, mlp, unfold, unfolded_linear


@dataclass(frozen=True)
class Corner:
    """One axis of one corner of the local ensemble: which code answers each output pixel, and how far away it is."""

    code: Tensor  # (out,) int64
    relative: Tensor  # (out,) float32, x_q - v_t in units where an LR cell spans 2


def corner(n: int, out: int, side: int) -> Corner:
    """Look-up on one axis for the corner on `side` (-1 before, +1 after, 0 nearest) of each of `out` pixels among n codes.

    The released code shifts the query by half an LR pixel + 1e-6, clamps it to +-(1 - 1e-6) and takes the nearest code;
    the relative coordinate comes from the unshifted query. Done in float32 in its order of operations, because at
    exact ties (odd integer scales, x1.5) rounding decides which code is nearest.
    """

    def make_coord(count: int) -> Tensor:
        return -1 + 1 / count + 2 / count * torch.arange(count, dtype=torch.float32)

    query, code = make_coord(out), make_coord(n)
    shifted = query + (side / n + 1e-6) if side else query.clone()
    shifted.clamp_(-1 + 1e-6, 1 - 1e-6)
    index = torch.round(((shifted + 1) * n - 1) / 2).long().clamp_(0, n - 1)
    return Corner(index, (query - code[index]) * n)


Corners = dict[tuple[int, int], tuple[Corner, Corner]]


def corners(grid: Grid, device: torch.device, *, ensemble: bool = True) -> Corners:
    """The corners in the released order (-,-) (-,+) (+,-) (+,+): sides -> (row axis, column axis)."""
    sides = (-1, 1) if ensemble else (0,)

    def axis(n: int, out: int, first: int, part: slice) -> dict[int, Corner]:
        tables = {side: corner(n, out, side) for side in sides}
        return {
            side: Corner((c.code[part] - first).to(device), c.relative[part].to(device)) for side, c in tables.items()
        }

    rows = axis(grid.lr[0], grid.size[0], grid.top, slice(None))
    columns = axis(grid.lr[1], grid.size[1], grid.left, grid.span)
    return {(y, x): (rows[y], columns[x]) for y in sides for x in sides}


def opposite_areas(corners: Corners, k: Tensor) -> dict[tuple[int, int], Tensor]:
    """Eq 4: S_t / S, the area of the rectangle to the diagonally opposite corner, each (R, W)."""
    areas = {sides: (row.relative[k, None] * column.relative).abs() + 1e-9 for sides, (row, column) in corners.items()}
    total = sum(areas.values())
    return {(y, x): areas[-y, -x] / total for y, x in corners}


class LIIF(Decoder):
    """The LIIF decoder.

    channels: of the features. hidden: width of the four hidden layers.
    ensemble, unfold, cell: the paper's ablations (-e, -u, -c) switch them off.
    """

    def __init__(
        self, channels: int, hidden: int = 256, *, ensemble: bool = True, unfold: bool = True, cell: bool = True
    ):
        super().__init__()
        self.ensemble, self.unfold, self.cell = ensemble, unfold, cell
        self.kernel = 3 if unfold else 1
        self.code_width = channels * self.kernel**2
        self.mlp = mlp(self.code_width + 2 + 2 * cell, *[hidden] * 4, 3)

    def reference(self, features: Tensor, grid: Grid) -> Rows:
        """The equations one by one. features (B, C, h, w) -> a function of output rows k (R,) -> RGB (B, R, W, 3)."""
        codes = unfold(features, self.kernel)  # Eq 3
        around = corners(grid, features.device, ensemble=self.ensemble)
        cell = torch.tensor(grid.cell, dtype=features.dtype, device=features.device)

        def decode_rows(k: Tensor) -> Tensor:
            weights = opposite_areas(around, k)
            rgb = 0
            for sides, (row, column) in around.items():
                code = gather(codes, row.code[k], column.code)
                shape = code.shape[:-1]
                relative = torch.stack(torch.meshgrid(row.relative[k], column.relative, indexing="ij"), dim=-1)
                inputs = [code, relative.expand(*shape, 2)]
                if self.cell:
                    inputs.append(cell.expand(*shape, 2))  # Eq 5
                rgb = rgb + weights[sides][..., None] * self.mlp(torch.cat(inputs, dim=-1))  # Eq 4
            return rgb

        return decode_rows

    def fast(self, features: Tensor, grid: Grid) -> Rows:
        """Same numbers, less work. The first layer is linear in the code, the coordinate and the cell, so

        W [code, row, column, cell] + b = (W_code * code + W_cell cell + b) + W_row row + W_column column:
        a 3x3 convolution at LR resolution, once, and one vector per output row and per output column.
        """
        first, *middle, last = linears(self.mlp)
        n = self.code_width
        bias = first.bias
        if self.cell:
            bias = bias + first.weight[:, n + 2 :] @ torch.tensor(grid.cell, dtype=bias.dtype, device=bias.device)
        codes = unfolded_linear(features, first.weight[:, :n], bias, self.kernel)  # (B, h, w, hidden)
        around = corners(grid, features.device, ensemble=self.ensemble)

        def along(relative: Tensor, weight: Tensor) -> Tensor:  # one vector per row or column, (R or W, hidden)
            return (relative[:, None] * weight).to(codes.dtype)

        columns = {x: along(column.relative, first.weight[:, n + 1]) for (_, x), (_, column) in around.items()}

        def decode_rows(k: Tensor) -> Tensor:
            weights = opposite_areas(around, k)
            rgb = 0
            at_row: dict[int, Tensor] = {}
            for (y, x), (row, column) in around.items():
                if y not in at_row:
                    at_row[y] = codes.index_select(1, row.code[k]) + along(row.relative[k], first.weight[:, n])[:, None]
                z = F.relu_(at_row[y].index_select(2, column.code).add_(columns[x]))
                rgb = rgb + weights[y, x][..., None] * last(hidden(z, middle))
            return rgb

        return decode_rows
