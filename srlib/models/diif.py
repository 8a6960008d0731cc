"""DIIF: Dynamic Implicit Image Function (He and Jin, arXiv 2306.12321), Section 3.

The output pixels nearest to an LR code form its *group* (Eq 2); a group is cut into *slices* (Eq 4). The coarse stage
reads a slice's first and last coordinate and a latent code and gives one slice vector; the fine stage reads the slice
vector and one coordinate and gives RGB.

    z_slice = sum_v (S_v / S) coarse(z_v, first - v, last - v)      v: the 4 vertices of the code's cell   (Eqs 8, 11)
    z_v     = the 4x4 codes around the vertex                                                              (Eq 12)
    rgb     = fine(z_slice, x_q)                                                                           (Eq 9)

Linear order, the final model: the slice interval is s, one slice per row of the group (Eq 6).
Constant order (cs): the interval is s^2, the group is one slice (Eq 7).
Fixed (w/o ds): the interval is 4 whatever the scale; `diif_fixed.py`.

All groups are taken to be as large as the largest, as the paper removes "the redundant pixel values in the last slice":
with a fractional scale a slice's last coordinate may therefore lie one pixel beyond its cell.
Input orders: coarse [code, cell h, cell w, first row, first col, last row, last col]; fine [slice vector, row, col].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlib.models.base import Decoder, Rows
from srlib.models.geometry import Grid, bands, group_starts, nearest_code, relative, shown_cell
from srlib.models.layers import (
    Crossed,
    Pixels,
    colours,
    exact,
    gather,
    hidden,
    index_type,
    linears,
    mlp,
    one_pass,
    product,
    stacked,
    sums,
    unfold,
    unfolded_linear,
    unrounded,
)


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
        parts = self.code, self.first, self.last, self.slice, self.query
        return Axis(*(part.to(device) for part in parts))


def largest_group(n: int, out: int) -> int:
    """Pixels of the largest group on one axis."""
    return int(group_starts(n, out).diff().max())


def axis(n: int, out: int, *, grouped: bool) -> Axis:
    """Slices on one axis: one per code (`grouped`), or one per output pixel. Eqs 2-7."""
    owner, pixel = nearest_code(n, out), torch.arange(out)
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


def reference_rows(
    slice_vectors: Callable[[Tensor], Tensor], rows: Axis, columns: Axis, sides: Sequence[int], fine: nn.Module
) -> Rows:
    """Slice ensemble and fine stage, pixel by pixel. slice_vectors(k): (B, R, vertices, w, hidden)."""

    def decode_rows(k: Tensor) -> Tensor:
        query = torch.stack(torch.meshgrid(rows.query[k], columns.query, indexing="ij"), dim=-1)  # (R, W, 2)
        vectors = [z.index_select(2, columns.slice) for z in slice_vectors(k).unbind(2)]
        if len(vectors) > 1:  # Eq 11: areas of the rectangles to the diagonally opposite vertices
            vertices = [(y, x) for y in sides for x in sides]
            areas = [((query[..., 0] + y) * (query[..., 1] + x)).abs() + 1e-9 for y, x in vertices]
            total = sum(areas)
            z = sum((area / total)[..., None] * z for area, z in zip(areas, vectors, strict=True))
        else:
            (z,) = vectors
        return fine(torch.cat([z, query.expand(*z.shape[:-1], 2)], dim=-1))  # Eq 9

    return decode_rows


def fast_rows(
    slice_vectors: Callable[[Tensor], Tensor], rows: Axis, columns: Axis, fine: nn.Sequential, *, joined: bool = False
) -> Rows:
    """Slice ensemble and fine stage, less work. slice_vectors(k): (B, R, sides, w, sides, hidden), those of the vertices.

    - The areas of Eq 11 are products of a row and a column part. In linear order a slice has one row: its four vectors
      become a left and a right one.
    - The first fine layer is linear in the slice vector and the coordinate, so it is applied to those two as if the pixel
      were there, and a pixel is between them. joined: it has been applied to the slice vectors already.
    """
    join, *fine, last = linears(fine)
    w_slice, (w_row, w_column) = join.weight[:, :-2].contiguous(), join.weight[:, -2:].T
    down = (rows.query + 1) / 2  # how far below its upper vertices a pixel lies, 0 to 1
    across = (columns.query + 1) / 2
    pixels, ends = Pixels(columns.slice), torch.tensor([[-1.0], [1.0]]).to(w_column)
    pair = stacked((2 * columns.slice, 2 * columns.slice + 1))  # where a pixel's two vectors lie in a row of slices
    sides = stacked((1 - across, across))

    def decode_rows(k: Tensor) -> Tensor:
        vectors = unrounded(slice_vectors(k), join.weight)
        with exact(vectors):  # pixels of a slice share its rounding, which then is seen
            return between(vectors, k)

    def between(vectors: Tensor, k: Tensor) -> Tensor:
        """Slice vectors of output rows k -> (B, R, W, 3)."""
        dtype = vectors.dtype
        z = vectors[:, :, 0]
        if vectors.shape[2] > 1:
            z = torch.lerp(z, vectors[:, :, 1], down[k, None, None, None].to(dtype))
        z = z if joined else product(z, w_slice)  # (B, R, w, sides, hidden)
        shift = (join.bias + rows.query[k, None] * w_row)[:, None, None].to(dtype)  # (R, 1, 1, hidden)
        b, r, w, count = z.shape[:4]
        if count == 1:
            z = pixels((z + shift)[:, :, :, 0], torch.arange(r, device=z.device))
            z = z.add_((columns.query[:, None] * w_column).to(dtype))
        else:
            z = z + (shift + ends * w_column).to(dtype)
            if one_pass(z):
                vectors = z.flatten(0, 3)
                kind = index_type(vectors)
                z = sums(vectors, 2 * w * torch.arange(b * r, dtype=kind).view(b, r, 1, 1) + pair.to(kind), sides)
            else:
                left, right = (pixels(side, torch.arange(r, device=z.device)) for side in z.unbind(3))
                z = torch.lerp(left, right, across[:, None].to(dtype))
        return colours(hidden(F.relu_(z), fine), last)

    return decode_rows


class DIIF(Decoder):
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
        self.width = hidden
        if slicing not in ("linear", "constant"):
            raise ValueError(f"slicing must be 'linear' or 'constant', got {slicing!r}")
        self.slicing, self.ensemble, self.hold_cell = slicing, ensemble, hold_cell
        self.kernel = 4 if ensemble else 3
        self.sides = (-1, 1) if ensemble else (0,)  # of the vertices on each axis, relative to the code centre
        self.code_width = channels * self.kernel**2
        self.coarse = mlp(self.code_width + 6, *[hidden] * coarse)
        self.fine = mlp(hidden + 2, *[hidden] * (fine - 1), 3)

    def slice_rows(
        self, evaluate: Callable[[Tensor], Tensor], rows: Axis, features: Tensor
    ) -> Callable[[Tensor], Tensor]:
        """k (R,) output rows -> the slice vectors of their slices, (B, R, ...).

        Linear order: a row of slices per output row, evaluated when asked for. Constant order: slices do not depend on
        the output row, so all are evaluated once, at LR resolution.
        """
        if self.slicing == "linear":
            return evaluate
        h = features.shape[-2]
        held = torch.arange(h, device=features.device)
        parts = [evaluate(held[a:b]) for a, b in bands(h, 4 * features.shape[-1], 8192)]
        vectors = torch.cat(parts, dim=1)
        return lambda k: vectors.index_select(1, rows.slice[k])

    def reference(self, features: Tensor, grid: Grid) -> Rows:
        """The equations one by one. features (B, C, h, w) -> a function of output rows k (R,) -> RGB (B, R, W, 3)."""
        rows, columns = axes(features, grid, self.slicing)
        codes = unfold(features, self.kernel)  # Eq 12, codes[i, j] top-left of code (i, j); w/o se: the 3x3 of LIIF
        cell = torch.tensor(shown_cell(grid, self.hold_cell), dtype=features.dtype, device=features.device)

        def evaluate(s: Tensor) -> Tensor:  # Eqs 8, 11: the coarse stage for each vertex of rows s of slices
            vectors = []
            for y in self.sides:
                for x in self.sides:
                    code = gather(codes, rows.code[s] + (y > 0), columns.code + (x > 0))
                    shape = code.shape[:-1]
                    ends = (rows.first[s] - y, columns.first - x), (rows.last[s] - y, columns.last - x)
                    ends = [torch.stack(torch.meshgrid(*end, indexing="ij"), dim=-1).expand(*shape, 2) for end in ends]
                    vectors.append(F.relu(self.coarse(torch.cat([code, cell.expand(*shape, 2), *ends], dim=-1))))
            return torch.stack(vectors, dim=2)

        return reference_rows(self.slice_rows(evaluate, rows, features), rows, columns, self.sides, self.fine)

    def fast(self, features: Tensor, grid: Grid) -> Rows:
        """Same numbers, less work.

        - A vertex is shared by four codes, and the first coarse layer is linear in its code: one 4x4 convolution on the
          (h+1) x (w+1) vertices, once. What remains per slice is a vector per slice row plus a vector per slice column.
        - The rest as in `fast_rows`; in constant order the first fine layer meets all four vectors, once per group.
        """
        rows, columns = axes(features, grid, self.slicing)
        first, *coarse = linears(self.coarse)
        w_slice = self.fine[0].weight[:, :-2].contiguous()
        n, count = self.code_width, len(self.sides)

        cell = torch.tensor(shown_cell(grid, self.hold_cell), dtype=first.bias.dtype, device=features.device)
        codes = unfolded_linear(
            features, first.weight[:, :n], first.bias + first.weight[:, n : n + 2] @ cell, self.kernel
        )
        w_first, w_last = first.weight[:, n + 2 : n + 4].T, first.weight[:, n + 4 :].T  # (row and column, hidden)
        sides = torch.tensor(self.sides, dtype=w_first.dtype, device=features.device)[:, None]
        at_row, at_column = (  # (slices * sides, hidden): coordinates relative to the vertex on each side
            ((a.first[:, None, None] - sides) * w_first[i] + (a.last[:, None, None] - sides) * w_last[i]).flatten(0, 1)
            for i, a in enumerate((rows, columns))
        )
        side = torch.arange(count, device=features.device)  # a cell's vertices on one axis, from its own code on
        vertices = [(a.code[:, None] + side).flatten() for a in (rows, columns)]
        first_layer = Crossed(codes, *vertices, at_row, at_column)
        early = self.slicing == "constant"  # where the first fine layer meets the slice vectors

        def evaluate(s: Tensor) -> Tensor:
            z = first_layer((count * s.to(side.device)[:, None] + side).flatten())
            z = hidden(F.relu_(z), coarse)  # (B, R * sides, w * sides, hidden)
            return (product(z, w_slice) if early else z).unflatten(2, (-1, count)).unflatten(1, (-1, count))

        slice_vectors = self.slice_rows(evaluate, rows, features)
        return fast_rows(slice_vectors, rows, columns, self.fine, joined=early)
