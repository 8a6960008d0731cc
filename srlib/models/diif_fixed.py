"""DIIF (w/o ds): fixed slicing, a row of DIIF's Table 4 (He and Jin, arXiv 2306.12321, Section 4.3).

Slices of 4 coordinates at any scale (Eq 4 with tau = 4) and one vanilla MLP to 4 RGB values:

    [3x3-unfolded code | cell h, cell w | 4 x (row, column)] -> 256 x 4 -> 4 RGB

Our reconstruction. Table 4's MACs imply that LIIF's local ensemble of four is kept (the paper does not say so). A slice can
straddle the middle of its cell, where LIIF changes corners; here its mean coordinate decides which four codes answer for all of
it. The group is read in raster order over the largest group, and the last slice runs on into rows below.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from srlib.models.base import Decoder, Rows
from srlib.models.diif import largest_group
from srlib.models.geometry import Grid, bands, group_starts, nearest_code, relative
from srlib.models.layers import hidden, linears, mlp, unfold, unfolded_linear
from srlib.util.sizes import Size

INTERVAL = 4  # tau, coordinates of a slice
AT_ONCE = 8192  # slices

# code rows (I, M), code columns (w, M), relative rows (I, M, 4), relative columns (w, M, 4) -> (B, I, w, M, hidden)
FirstLayer = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
# on one axis: the code that answers (codes, M), the coordinates relative to it (codes, M, 4)
Corner = tuple[Tensor, Tensor]


class Slices:
    """Decodes the slices of all groups that the wanted rows touch, about `AT_ONCE` at a time, then looks pixels up.

    held: codes at hand. first_layer, rest: the MLP, cut after its first layer; rest gives (B, I, w, M, 12).
    """

    def __init__(self, grid: Grid, held: Size, first_layer: FirstLayer, rest: Callable[[Tensor], Tensor], like: Tensor):
        self.grid, self.held, self.first_layer, self.rest, self.like = grid, held, first_layer, rest, like
        (n, m), (height, width) = grid.lr, grid.size
        self.across = largest_group(m, width)  # pixels in a row of a group
        count = -(-largest_group(n, height) * self.across // INTERVAL)  # Eq 4
        self.place = torch.arange(count * INTERVAL).view(count, INTERVAL)  # in the raster of the group
        self.step = max(1, AT_ONCE // held[1])  # slices of a group at a time
        self.starts = [group_starts(*axis)[:-1] for axis in ((n, height), (m, width))]
        columns = torch.arange(held[1]) + grid.left
        self.columns = {
            first: self.corners(1, columns, self.place[first : first + self.step] % self.across)
            for first in range(0, count, self.step)
        }
        self.row_code, column_code = nearest_code(n, height), nearest_code(m, width)[grid.span]
        self.down = torch.arange(height) - self.starts[0][self.row_code]
        right = torch.arange(width)[grid.span] - self.starts[1][column_code]
        self.column_code, self.right = (column_code - grid.left).to(like.device), right.to(like.device)

    def corners(self, axis: int, code: Tensor, offset: Tensor) -> dict[int, Corner]:
        """side -> the corner on it, on axis 0 or 1, of slices whose coordinates lie at `offset` (M, 4) in their groups."""
        n, out = self.grid.lr[axis], self.grid.size[axis]
        own = relative(self.starts[axis][code][:, None, None] + offset, out, code[:, None, None], n)
        before = (own.mean(dim=-1) < 0).long()
        table = {}
        for side in (-1, 1):
            answer = (code[:, None] - before + (side > 0)).clamp(0, n - 1)
            table[side] = answer, (own - 2 * (answer - code[:, None])[..., None]).float()
        return table

    def decode(self, code_rows: Tensor, first: int) -> Tensor:
        """Slices first ... first + step of the groups in these rows of codes: (B, I, w, M * 4, 3)."""
        down = self.corners(0, code_rows, self.place[first : first + self.step] // self.across)
        made, areas = {}, {}
        for y, (i, row) in down.items():
            for x, (j, column) in self.columns[first].items():
                codes = (i - self.grid.top).clamp(0, self.held[0] - 1), (j - self.grid.left).clamp(0, self.held[1] - 1)
                row, column = row.to(self.like.dtype), column.to(self.like.dtype)
                z = self.first_layer(*(t.to(self.like.device) for t in (*codes, row, column)))
                made[y, x] = self.rest(z).unflatten(-1, (INTERVAL, 3))
                areas[y, x] = ((row[:, None] * column).abs() + 1e-9).to(self.like.device)  # (I, w, M, 4)
        total = sum(areas.values())
        return sum((areas[-y, -x] / total)[..., None] * rgb for (y, x), rgb in made.items()).flatten(3, 4)

    def __call__(self, k: Tensor) -> Tensor:
        """Output rows k (R,) -> RGB (B, R, W, 3)."""
        wanted, place_of = torch.unique(self.row_code[k], return_inverse=True)
        parts = bands(len(wanted), self.held[1] * min(len(self.place), self.step), AT_ONCE)
        made = [torch.cat([self.decode(wanted[a:b], first) for first in self.columns], dim=3) for a, b in parts]
        pixels = torch.cat(made, dim=1)  # (B, rows of codes, w, count * 4, 3)
        here = (self.down[k] * self.across).to(self.like.device)[:, None] + self.right
        return pixels[:, place_of.to(self.like.device)[:, None], self.column_code, here]


class FixedSliceDIIF(Decoder):
    """The decoder of DIIF (w/o ds). channels: of the features. hidden: width of the four hidden layers."""

    whole_groups = True  # a slice lies across the rows of its group

    def __init__(self, channels: int, hidden: int = 256):
        super().__init__()
        self.width = hidden
        self.code_width = channels * 9
        self.mlp = mlp(self.code_width + 2 + 2 * INTERVAL, *[hidden] * 4, 3 * INTERVAL)

    def reference(self, features: Tensor, grid: Grid) -> Rows:
        """Every input concatenated as the paper describes it."""
        cell = torch.tensor(grid.cell, dtype=features.dtype, device=features.device)
        first_layer = partial(self.concatenated, unfold(features, 3), cell)
        return Slices(grid, tuple(features.shape[-2:]), first_layer, self.mlp[1:], self.mlp[0].weight)

    def concatenated(self, codes: Tensor, cell: Tensor, i: Tensor, j: Tensor, row: Tensor, column: Tensor) -> Tensor:
        """The first layer of [code | cell | 4 x (row, column)]."""
        code = codes[:, i[:, None], j]  # (B, I, w, M, 9C)
        shape = code.shape[:-1]
        pairs = torch.stack(torch.broadcast_tensors(row[:, None], column), dim=-1).flatten(-2)  # (I, w, M, 8)
        return self.mlp[0](torch.cat([code, cell.expand(*shape, 2), pairs.expand(*shape, -1)], dim=-1))

    def fast(self, features: Tensor, grid: Grid) -> Rows:
        """The first layer's code part is a convolution at LR resolution; its coordinates split into rows and columns."""
        first, *_ = linears(self.mlp)
        n = self.code_width
        cell = torch.tensor(grid.cell, dtype=first.bias.dtype, device=features.device)
        codes = unfolded_linear(features, first.weight[:, :n], first.bias + first.weight[:, n : n + 2] @ cell, 3)
        return Slices(grid, tuple(features.shape[-2:]), partial(self.split, codes), self.rest, first.weight)

    def split(self, codes: Tensor, i: Tensor, j: Tensor, row: Tensor, column: Tensor) -> Tensor:
        """The first layer as the sum of its parts in code, rows and columns."""
        weight, n = self.mlp[0].weight, self.code_width
        at_row, at_column = (
            (row @ weight[:, n + 2 :: 2].T).to(codes.dtype),
            (column @ weight[:, n + 3 :: 2].T).to(codes.dtype),
        )
        return codes[:, i[:, None], j] + at_row[:, None] + at_column

    def rest(self, z: Tensor) -> Tensor:
        """The layers after the first, z consumed."""
        _, *middle, last = linears(self.mlp)
        return last(hidden(F.relu_(z), middle))
