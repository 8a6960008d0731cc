"""DIIF: Dynamic Implicit Image Function (He and Jin, arXiv 2306.12321), Section 3.

The output pixels nearest to an LR code form its *group* (Eq 2); a group is cut into *slices* (Eq 4). The coarse stage
reads a slice's first and last coordinate and a latent code and gives one slice vector; the fine stage reads the slice
vector and one coordinate and gives RGB.

    z_slice = sum_v (S_v / S) coarse(z_v, first - v, last - v)      v: the 4 vertices of the code's cell   (Eqs 8, 11)
    z_v     = the 4x4 codes around the vertex                                                              (Eq 12)
    rgb     = fine(z_slice, x_q)                                                                           (Eq 9)

Linear order, the final model: the slice interval is s, one slice per row of the group (Eq 6).
Constant order (cs): the interval is s^2, the group is one slice (Eq 7).
Fixed (w/o ds): the interval is 4 whatever the scale; `FixedSliceDIIF`.

All groups are taken to be as large as the largest, as the paper removes "the redundant pixel values in the last slice":
with a fractional scale a slice's last coordinate may therefore lie one pixel beyond its cell.
Input orders: coarse [code, cell h, cell w, first row, first col, last row, last col]; fine [slice vector, row, col].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlib.coords import Grid, bands, group_starts, owners, relative, shown_cell
from srlib.models.layers import gather, hidden, linears, mlp, product, unfold, unfolded_linear


@dataclass(frozen=True)
class Axis:
    """One axis of the slicing. Coordinates are relative to the centre of the slice's own code, float32."""

    code: Tensor  # (S,) the code of each slice
    first: Tensor  # (S,) first coordinate of each slice
    last: Tensor  # (S,) last coordinate of each slice
    slice: Tensor  # (out,) the slice of each output pixel
    query: Tensor  # (out,) coordinate of each output pixel

    def of_codes(self, first: int, count: int) -> Axis:
        """A grouped axis counted from code `first`, of which `count` are at hand."""
        here = slice(first, first + count)
        return Axis(self.code[here] - first, self.first[here], self.last[here], self.slice - first, self.query)

    def to(self, device: torch.device) -> Axis:
        return Axis(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))


def largest_group(n: int, out: int) -> int:
    """Pixels of the largest group on one axis."""
    return int(group_starts(n, out).diff().max())


def axis(n: int, out: int, *, grouped: bool) -> Axis:
    """Slices on one axis: one per code (`grouped`), or one per output pixel. Eqs 2-7."""
    owner, pixel = owners(n, out), torch.arange(out)
    query = relative(pixel, out, owner, n).float()
    if not grouped:
        return Axis(owner, query, query, pixel, query)
    start, code = group_starts(n, out)[:-1], torch.arange(n)
    end = start + largest_group(n, out) - 1
    return Axis(code, relative(start, out, code, n).float(), relative(end, out, code, n).float(), owner, query)


def axes(features: Tensor, grid: Grid, slicing: str = "linear") -> tuple[Axis, Axis]:
    """The slicing of both axes, counted from the first code at hand."""
    (h, w), device = features.shape[-2:], features.device
    rows = axis(grid.lr[0], grid.size[0], grouped=slicing == "constant")
    rows = rows.of_codes(grid.top, h) if slicing == "constant" else replace(rows, code=rows.code - grid.top)
    columns = axis(grid.lr[1], grid.size[1], grouped=True).of_codes(grid.left, w)
    columns = replace(columns, slice=columns.slice[grid.span], query=columns.query[grid.span])
    return rows.to(device), columns.to(device)


def paint_literally(
    slice_vectors: Callable[[Tensor], list[Tensor]], rows: Axis, columns: Axis, sides: Sequence[int], fine: nn.Module
) -> Callable[[Tensor], Tensor]:
    """Slice ensemble and fine stage, pixel by pixel. slice_vectors(k) are those of the vertices, each (B, R, w, hidden)."""

    def paint(k: Tensor) -> Tensor:
        query = torch.stack(torch.meshgrid(rows.query[k], columns.query, indexing="ij"), dim=-1)  # (R, W, 2)
        vectors = [z.index_select(2, columns.slice) for z in slice_vectors(k)]
        if len(vectors) > 1:  # Eq 11: areas of the rectangles to the diagonally opposite vertices
            vertices = [(y, x) for y in sides for x in sides]
            areas = [((query[..., 0] + y) * (query[..., 1] + x)).abs() + 1e-9 for y, x in vertices]
            total = sum(areas)
            z = sum((area / total)[..., None] * z for area, z in zip(areas, vectors, strict=True))
        else:
            (z,) = vectors
        return fine(torch.cat([z, query.expand(*z.shape[:-1], 2)], dim=-1))  # Eq 9

    return paint


def paint_fast(
    slice_vectors: Callable[[Tensor], list[Tensor]],
    rows: Axis,
    columns: Axis,
    fine: nn.Sequential,
    *,
    joined: bool = False,
) -> Callable[[Tensor], Tensor]:
    """Slice ensemble and fine stage, less work.

    - The areas of Eq 11 are products of a row and a column part. In linear order a slice has one row: its four vectors
      become a left and a right one.
    - The first fine layer is linear in the slice vector and the coordinate, so it is applied to those two, and a pixel
      adds (right - left) times its column position. joined: it has been applied to the slice vectors already.
    """
    join, *fine, last = linears(fine)
    w_slice, (w_row, w_column) = join.weight[:, :-2], join.weight[:, -2:].T
    down = (rows.query + 1) / 2  # how far below its upper vertices a pixel lies, 0 to 1
    across = ((columns.query + 1) / 2)[:, None]

    def paint(k: Tensor) -> Tensor:
        vectors = slice_vectors(k)
        dtype = vectors[0].dtype
        shift = (join.bias + rows.query[k, None] * w_row)[:, None].to(dtype)  # (R, 1, hidden)
        if len(vectors) > 1:
            t = down[k, None, None].to(dtype)
            left, right = (torch.lerp(vectors[x], vectors[2 + x], t) for x in (0, 1))
            if not joined:
                left, right = product(left, w_slice), product(right, w_slice)
            step = (right - left) + 2 * w_column.to(dtype)
            z = left + (shift - w_column.to(dtype))
            z = z.index_select(2, columns.slice).addcmul_(step.index_select(2, columns.slice), across.to(dtype))
        else:
            z = vectors[0] if joined else product(vectors[0], w_slice)
            z = (z + shift).index_select(2, columns.slice).add_((columns.query[:, None] * w_column).to(dtype))
        return last(hidden(F.relu_(z), fine))

    return paint


class DIIF(nn.Module):
    """The DIIF decoder with dynamic slicing.

    channels: of the features. hidden: width of every hidden layer.
    coarse, fine: layers of the two stages (the last fine layer gives RGB).
    slicing: "linear" (Eq 6) or "constant" (Eq 7; Table 4's cs).
    ensemble: False is Table 4's w/o se, one evaluation per slice from the 3x3-unfolded code.
    hold_cell: beyond x4, show the coarse stage the x4 cell.
    """

    def __init__(
        self,
        channels: int,
        hidden: int = 256,
        *,
        coarse: int = 2,
        fine: int = 3,
        slicing: str = "linear",
        ensemble: bool = True,
        hold_cell: bool = True,
    ):
        super().__init__()
        if slicing not in ("linear", "constant"):
            raise ValueError(f"slicing must be 'linear' or 'constant', got {slicing!r}")
        self.slicing, self.ensemble, self.hold_cell = slicing, ensemble, hold_cell
        self.kernel = 4 if ensemble else 3
        self.sides = (-1, 1) if ensemble else (0,)  # of the vertices on each axis, relative to the code centre
        self.code_width = channels * self.kernel**2
        self.coarse = mlp(self.code_width + 6, *[hidden] * coarse)
        self.fine = mlp(hidden + 2, *[hidden] * (fine - 1), 3)

    def slice_rows(self, evaluate: Callable[[Tensor], list[Tensor]], rows: Axis, features: Tensor) -> Callable:
        """k (R,) output rows -> the slice vectors of their slices, a list of (B, R, w, hidden).

        Linear order: a row of slices per output row, evaluated when asked for. Constant order: slices do not depend on
        the output row, so all are evaluated once, at LR resolution.
        """
        if self.slicing == "linear":
            return evaluate
        h = features.shape[-2]
        device = features.device
        held = torch.arange(h, device=device)
        parts = [evaluate(held[a:b]) for a, b in bands(h, 4 * features.shape[-1], 8192)]
        vectors = [torch.cat(each, dim=1) for each in zip(*parts, strict=True)]
        return lambda k: [z.index_select(1, rows.slice[k]) for z in vectors]

    def literal(self, features: Tensor, grid: Grid) -> Callable[[Tensor], Tensor]:
        """The equations one by one. features (B, C, h, w) -> a function of output rows k (R,) -> RGB (B, R, W, 3)."""
        rows, columns = axes(features, grid, self.slicing)
        codes = unfold(features, self.kernel)  # Eq 12, codes[i, j] top-left of code (i, j); w/o se: the 3x3 of LIIF
        cell = torch.tensor(shown_cell(grid, self.hold_cell), dtype=features.dtype, device=features.device)

        def evaluate(s: Tensor) -> list[Tensor]:  # Eqs 8, 11: the coarse stage for each vertex of rows s of slices
            vectors = []
            for y in self.sides:
                for x in self.sides:
                    code = gather(codes, rows.code[s] + (y > 0), columns.code + (x > 0))
                    shape = code.shape[:-1]
                    ends = (rows.first[s] - y, columns.first - x), (rows.last[s] - y, columns.last - x)
                    ends = [torch.stack(torch.meshgrid(*end, indexing="ij"), dim=-1).expand(*shape, 2) for end in ends]
                    vectors.append(F.relu(self.coarse(torch.cat([code, cell.expand(*shape, 2), *ends], dim=-1))))
            return vectors

        return paint_literally(self.slice_rows(evaluate, rows, features), rows, columns, self.sides, self.fine)

    def fast(self, features: Tensor, grid: Grid) -> Callable[[Tensor], Tensor]:
        """Same numbers, less work.

        - A vertex is shared by four codes, and the first coarse layer is linear in its code: one 4x4 convolution on the
          (h+1) x (w+1) vertices, once. What remains per slice is a vector per slice row plus a vector per slice column.
        - The rest as in `paint_fast`; in constant order the first fine layer meets all four vectors, once per group.
        """
        rows, columns = axes(features, grid, self.slicing)
        first, *coarse = linears(self.coarse)
        w_slice = self.fine[0].weight[:, :-2]
        n, width = self.code_width, features.shape[-1]

        cell = torch.tensor(shown_cell(grid, self.hold_cell), dtype=first.bias.dtype, device=features.device)
        codes = unfolded_linear(
            features, first.weight[:, :n], first.bias + first.weight[:, n : n + 2] @ cell, self.kernel
        )
        dtype = codes.dtype
        w_first, w_last = first.weight[:, n + 2 : n + 4].T, first.weight[:, n + 4 :].T  # (row and column, hidden)
        at_row, at_column = (
            (a.first[:, None] * w_first[i] + a.last[:, None] * w_last[i]).to(dtype)
            for i, a in enumerate((rows, columns))
        )
        shift_row, shift_column = ((w_first[i] + w_last[i]).to(dtype) for i in (0, 1))  # of moving to the vertex
        early = self.slicing == "constant"  # where the first fine layer meets the slice vectors

        def evaluate(s: Tensor) -> list[Tensor]:
            vectors = []
            for y in self.sides:
                row = codes.index_select(1, rows.code[s] + (y > 0)) + (at_row[s] - y * shift_row)[:, None]
                for x in self.sides:
                    edge = int(x > 0)
                    z = row[:, :, edge : edge + width] + (at_column - x * shift_column)
                    z = hidden(F.relu_(z), coarse)
                    vectors.append(product(z, w_slice) if early else z)
            return vectors

        slice_vectors = self.slice_rows(evaluate, rows, features)
        return paint_fast(slice_vectors, rows, columns, self.fine, joined=early)


class FixedSliceDIIF(nn.Module):
    """DIIF (w/o ds), the fixed slicing of Table 4: slices of 4 coordinates at any scale, one vanilla MLP to 4 RGB values.

    The input is [3x3-unfolded code | cell h, cell w | 4 x (row, column)]; Table 4's MACs imply that LIIF's local ensemble
    of four is kept (the paper does not say so). A slice can straddle the middle of its cell, where LIIF changes
    corners; here its mean coordinate decides which four codes answer for all of it. The group is read in raster order
    over the largest group, and the last slice runs on into rows below.
    """

    interval = 4

    def __init__(self, channels: int, hidden: int = 256):
        super().__init__()
        self.code_width = channels * 9
        self.mlp = mlp(self.code_width + 2 + 2 * self.interval, *[hidden] * 4, 3 * self.interval)

    def paint_all(
        self,
        features: Tensor,
        grid: Grid,
        first_layer: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor],
        rest: Callable[[Tensor], Tensor],
    ) -> Callable[[Tensor], Tensor]:
        """Decode the slices of all groups that the wanted rows touch, about 8192 at a time, then look pixels up.

        first_layer(code rows (I, M), code columns (w, M), relative rows (I, M, 4), relative columns (w, M, 4)) gives
        (B, I, w, M, hidden); rest gives (B, I, w, M, 12).
        """
        (lr_h, lr_w), (height, wide), tau = grid.lr, grid.size, self.interval
        held, wide_held = features.shape[-2:]
        across = largest_group(lr_w, wide)
        count = -(-largest_group(lr_h, height) * across // tau)  # Eq 4
        starts = [group_starts(n, out)[:-1] for n, out in ((lr_h, height), (lr_w, wide))]
        place = torch.arange(count * tau).view(count, tau)  # in the raster of the group
        step = max(1, 8192 // wide_held)  # slices of a group at a time
        code_columns = torch.arange(wide_held) + grid.left

        def along(n: int, out: int, code: Tensor, start: Tensor, offset: Tensor) -> dict[int, tuple[Tensor, Tensor]]:
            """side -> the code that answers (codes, M), and the coordinates relative to it (codes, M, 4)."""
            own = relative(start[:, None, None] + offset, out, code[:, None, None], n)
            before = (own.mean(dim=-1) < 0).long()
            tables = {}
            for side in (-1, 1):
                answer = (code[:, None] - before + (side > 0)).clamp(0, n - 1)
                tables[side] = answer, (own - 2 * (answer - code[:, None])[..., None]).float()
            return tables

        @lru_cache(maxsize=64)
        def across_columns(m: int) -> dict[int, tuple[Tensor, Tensor]]:
            return along(lr_w, wide, code_columns, starts[1][code_columns], place[m : m + step] % across)

        def slices(code_rows: Tensor, m: int) -> Tensor:
            """Slices m ... m + step of these rows of codes: (B, I, w, M * 4, 3)."""
            row_tables = along(lr_h, height, code_rows, starts[0][code_rows], place[m : m + step] // across)
            corners = {}
            for y, (i, row) in row_tables.items():
                for x, (j, column) in across_columns(m).items():
                    here = (i - grid.top).clamp(0, held - 1), (j - grid.left).clamp(0, wide_held - 1)
                    row, column = (t.to(self.mlp[0].weight.dtype) for t in (row, column))
                    z = first_layer(*(t.to(features.device) for t in (*here, row, column)))
                    area = (row[:, None] * column).abs() + 1e-9  # (I, w, M, 4)
                    corners[y, x] = rest(z).unflatten(-1, (tau, 3)), area.to(features.device)
            total = sum(area for _, area in corners.values())
            mixed = [(corners[-y, -x][1] / total)[..., None] * rgb for (y, x), (rgb, _) in corners.items()]
            return sum(mixed).flatten(3, 4)

        i, j = owners(lr_h, height), owners(lr_w, wide)[grid.span]
        down, right = torch.arange(height) - starts[0][i], torch.arange(wide)[grid.span] - starts[1][j]
        j, right = (j - grid.left).to(features.device), right.to(features.device)
        done: dict[
            int, Tensor
        ] = {}  # row of codes -> its pixels (B, w, count * 4, 3), as long as output rows ask for it

        def paint(k: Tensor) -> Tensor:
            wanted, place_of = torch.unique(i[k], return_inverse=True)
            for old in done.keys() - set(wanted.tolist()):
                del done[old]
            new = wanted[[n not in done for n in wanted.tolist()]]
            for a, b in bands(len(new), wide_held * min(count, step), 8192):
                made = torch.cat([slices(new[a:b], m) for m in range(0, count, step)], dim=3)
                done.update(zip(new[a:b].tolist(), made.unbind(1), strict=True))
            pixels = torch.stack([done[n] for n in wanted.tolist()], dim=1)
            here = (down[k] * across).to(features.device)[:, None] + right
            return pixels[:, place_of.to(features.device)[:, None], j, here]

        return paint

    def literal(self, features: Tensor, grid: Grid) -> Callable[[Tensor], Tensor]:
        """Every input concatenated as the paper describes it. Returns a function of output rows k -> RGB (B, R, W, 3)."""
        codes = unfold(features, 3)
        cell = torch.tensor(grid.cell, dtype=features.dtype, device=features.device)

        def first_layer(i: Tensor, j: Tensor, row: Tensor, column: Tensor) -> Tensor:
            code = codes[:, i[:, None], j]  # (B, I, w, M, 9C)
            shape = code.shape[:-1]
            pairs = torch.stack(torch.broadcast_tensors(row[:, None], column), dim=-1).flatten(-2)  # (I, w, M, 8)
            return self.mlp[0](torch.cat([code, cell.expand(*shape, 2), pairs.expand(*shape, -1)], dim=-1))

        return self.paint_all(features, grid, first_layer, self.mlp[1:])

    def fast(self, features: Tensor, grid: Grid) -> Callable[[Tensor], Tensor]:
        """The first layer's code part is a convolution at LR resolution; its coordinates split into rows and columns."""
        first, *middle, last = linears(self.mlp)
        n = self.code_width
        cell = torch.tensor(grid.cell, dtype=first.bias.dtype, device=features.device)
        codes = unfolded_linear(features, first.weight[:, :n], first.bias + first.weight[:, n : n + 2] @ cell, 3)
        w_row, w_column = first.weight[:, n + 2 :: 2].T, first.weight[:, n + 3 :: 2].T  # (4, hidden)

        def first_layer(i: Tensor, j: Tensor, row: Tensor, column: Tensor) -> Tensor:
            at_row, at_column = (row @ w_row).to(codes.dtype), (column @ w_column).to(codes.dtype)
            return codes[:, i[:, None], j] + at_row[:, None] + at_column

        def rest(z: Tensor) -> Tensor:
            return last(hidden(F.relu_(z), middle))

        return self.paint_all(features, grid, first_layer, rest)
