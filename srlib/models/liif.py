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
from srlib.models.layers import Crossed, colours, gather, hidden, linears, mlp, unfold, unfolded_linear

NEAR = 1e-6  # what the LIIF that DIINN's authors trained adds to an area, and to half an output pixel (`corner`)


@dataclass(frozen=True)
class Corner:
    """One axis of one corner of the local ensemble: which code answers each output pixel, and how far away it is."""

    code: Tensor  # (out,) int64
    relative: Tensor  # (out,) float32, x_q - v_t in units where an LR cell spans 2


def corner(n: int, out: int, side: int, *, near: bool = False) -> Corner:
    """Look-up on one axis for the corner on `side` (-1 before, +1 after, 0 nearest) of each of `out` pixels among n codes.

    The released code shifts the query by half an LR pixel + 1e-6, clamps it to +-(1 - 1e-6) and takes the nearest code;
    the relative coordinate comes from the unshifted query. Done in float32 in its order of operations, because at
    exact ties (odd integer scales, x1.5) rounding decides which code is nearest. near: the LIIF that DIINN's authors trained
    shifts it by half an output pixel + 1e-6 instead, outwards.
    """

    def make_coord(count: int) -> Tensor:
        return -1 + 1 / count + 2 / count * torch.arange(count, dtype=torch.float32)

    query, code = make_coord(out), make_coord(n)
    shift = side * (1 / out + NEAR) if near else side / n + 1e-6
    shifted = query + shift if side else query.clone()
    shifted.clamp_(-1 + 1e-6, 1 - 1e-6)
    index = torch.round(((shifted + 1) * n - 1) / 2).long().clamp_(0, n - 1)
    return Corner(index, (query - code[index]) * n)


Corners = dict[tuple[int, int], tuple[Corner, Corner]]


def corners(grid: Grid, device: torch.device, *, ensemble: bool = True, near: bool = False) -> Corners:
    """The corners in the released order (-,-) (-,+) (+,-) (+,+): sides -> (row axis, column axis)."""
    sides = (-1, 1) if ensemble else (0,)

    def axis(n: int, out: int, first: int, part: slice) -> dict[int, Corner]:
        tables = {side: corner(n, out, side, near=near) for side in sides}
        return {
            side: Corner((c.code[part] - first).to(device), c.relative[part].to(device)) for side, c in tables.items()
        }

    rows = axis(grid.lr[0], grid.size[0], grid.top, slice(None))
    columns = axis(grid.lr[1], grid.size[1], grid.left, grid.span)
    return {(y, x): (rows[y], columns[x]) for y in sides for x in sides}


def opposite_areas(corners: Corners, k: Tensor, least: float = 1e-9) -> dict[tuple[int, int], Tensor]:
    """Eq 4: S_t / S, the area of the rectangle to the diagonally opposite corner, each (R, W). least: added to every area."""
    areas = {sides: (row.relative[k, None] * column.relative).abs() + least for sides, (row, column) in corners.items()}
    total = sum(areas.values())
    return {(y, x): areas[-y, -x] / total for y, x in corners}


class Around:
    """The four corners at once. Along rows and along columns there are two sides each (without the ensemble: one), so what is
    computed for all corners of R output rows has 2R rows and 2W columns, the sides one after the other."""

    def __init__(self, grid: Grid, device: torch.device, *, ensemble: bool = True, near: bool = False):
        around = corners(grid, torch.device("cpu"), ensemble=ensemble, near=near)
        rows = {y: row for (y, _), (row, _) in around.items()}.values()
        columns = {x: column for (_, x), (_, column) in around.items()}.values()
        row, column = (torch.stack([c.relative for c in axis]) for axis in (rows, columns))
        totals = row.abs().sum(dim=0), column.abs().sum(dim=0)
        self.least = NEAR if near else 1e-9
        # or at some pixel all four areas are 0: where both sides find the same code at an exact tie (6 -> 42), up to
        # rounding, and with near corners in the middle of every cell at odd scales
        self.separable = not near and all(bool((total > 1e-3).all()) for total in totals)
        self.down, self.across = (
            (axis[0].abs() / total)[:, None].to(device) for axis, total in zip((row, column), totals, strict=True)
        )
        self.row, self.column = row.to(device), column.to(device)  # (sides, out) and (sides, W)
        self.codes = torch.stack([c.code for c in rows])  # (sides, out), on the CPU, where loops over rows run
        self.row_code = self.codes.to(device)
        self.column_code = torch.cat([c.code for c in columns]).to(device)  # (sides * W,)
        self.which = torch.arange(self.row_code.numel(), device=device).view_as(self.row_code)

    def ensemble(self, rgb: Tensor, k: Tensor) -> Tensor:
        """Eq 4 of the corners' answers for output rows k: (B, sides * R, sides * W, 3) -> (B, R, W, 3).

        An area is the product of its sides, so the mean of four is a mean of two along each axis.
        """
        sides = len(self.row)
        if sides == 1:
            return rgb
        left, right = rgb.unflatten(2, (2, -1)).unbind(2)
        if self.separable:
            upper, lower = torch.lerp(left, right, self.across.to(rgb)).chunk(2, dim=1)
            return torch.lerp(upper, lower, self.down[k, None].to(rgb))
        areas = (self.row[:, k, None, None] * self.column).abs() + self.least  # (2, R, 2, W)
        weights = (areas.flip(0, 2) / areas.sum(dim=(0, 2), keepdim=True)).flatten(0, 1)[..., None]
        upper, lower = (left * weights[:, 0] + right * weights[:, 1]).chunk(2, dim=1)
        return upper + lower


class LIIF(Decoder):
    """The LIIF decoder.

    channels: of the features. hidden: width of the four hidden layers.
    ensemble, unfold, cell: the paper's ablations (-e, -u, -c) switch them off. near: corners half an output pixel away.
    """

    vectors = 4

    def __init__(
        self,
        channels: int,
        hidden: int = 256,
        *,
        ensemble: bool = True,
        unfold: bool = True,
        cell: bool = True,
        near: bool = False,
    ):
        super().__init__()
        self.width = hidden
        self.ensemble, self.unfold, self.cell, self.near = ensemble, unfold, cell, near
        self.kernel = 3 if unfold else 1
        self.code_width = channels * self.kernel**2
        self.mlp = mlp(self.code_width + 2 + 2 * cell, *[hidden] * 4, 3)

    def reference(self, features: Tensor, grid: Grid) -> Rows:
        """The equations one by one. features (B, C, h, w) -> a function of output rows k (R,) -> RGB (B, R, W, 3)."""
        codes = unfold(features, self.kernel)  # Eq 3
        around = corners(grid, features.device, ensemble=self.ensemble, near=self.near)
        cell = torch.tensor(grid.cell, dtype=features.dtype, device=features.device)

        def decode_rows(k: Tensor) -> Tensor:
            weights = opposite_areas(around, k, NEAR if self.near else 1e-9)
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
        around = Around(grid, features.device, ensemble=self.ensemble, near=self.near)
        at_row = around.row.flatten()[:, None] * first.weight[:, n]
        at_column = around.column.flatten()[:, None] * first.weight[:, n + 1]
        first_layer = Crossed(codes, around.row_code.flatten(), around.column_code, at_row, at_column)

        def decode_rows(k: Tensor) -> Tensor:
            z = F.relu_(first_layer(around.which[:, k].flatten()))
            return around.ensemble(colours(hidden(z, middle), last), k)

        return decode_rows
