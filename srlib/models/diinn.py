"""DIINN: Dual Interactive Implicit Neural Network (Nguyen and Beksi, WACV 2023), Section 3.2.

A modulation branch m reads the content z, the 3x3-unfolded code of the nearest LR pixel; a synthesis branch s reads the
position p = [row, column, (h w) / (H W)], relative to that pixel (the text says 1/s; the released code takes the area):

    m_0 = ReLU(w_0 z + b_0)                      (Eq 2)       s_0 = m_0 . sin(w'_0 p + b'_0)                (Eq 3)
    m_i = ReLU(w_i [s_{i-1} z] + b_i)            (Eq 4)       s_i = m_i . sin(w'_i s_{i-1} + b'_i)          (Eq 5)
    rgb = a last linear layer of s_3

Table 5's variants: what follows from layer to layer in the modulation branch, m (a, b; Eq 6), [m z] (c, d; Eq 7) or
[s z] (e, f; Eq 4), and whether p and z are first mixed (a, c, e):

    p <- sin(w p + b)                            (Eq 8)       z <- p . z                                    (Eq 9)
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlib.models.base import Decoder, Rows
from srlib.models.geometry import Grid, relative
from srlib.models.layers import (
    Pixels,
    add_product,
    colours,
    exact,
    gather,
    product,
    rounded,
    unfold,
    unfolded_linear,
    unrounded,
)

LAYERS = 4
PHASES = 4096  # up to so many distinct pairs of relative coordinates are kept in a table


def nearest(n: int, out: int) -> Tensor:
    """The code (of n) nearest to each of `out` pixels, (out,) int64; on ties as torch's "nearest-exact" decides."""
    codes = torch.arange(n, dtype=torch.float32).view(1, 1, n, 1)
    return F.interpolate(codes, size=(out, 1), mode="nearest-exact").view(out).long()


class DIINN(Decoder):
    """The DIINN decoder.

    channels: of the features. hidden: width of all four layers of both branches.
    modulation: inputs of the later modulation layers, "m", "mz" or "sz" (the final model).
    positional: mix position and content first (Eqs 8-9).
    """

    def __init__(self, channels: int, hidden: int = 256, *, modulation: str = "sz", positional: bool = False):
        super().__init__()
        if modulation not in ("m", "mz", "sz"):
            raise ValueError(f"modulation must be 'm', 'mz' or 'sz', got {modulation!r}")
        self.inputs, self.positional, self.hidden, self.width = modulation, positional, hidden, hidden
        self.code_width = width = channels * 9
        later = hidden + (0 if modulation == "m" else width)
        self.initial = nn.Linear(3, width) if positional else None
        self.modulation = nn.ModuleList(nn.Linear(later if i else width, hidden) for i in range(LAYERS))
        position = width if positional else 3
        self.synthesis = nn.ModuleList(nn.Linear(hidden if i else position, hidden) for i in range(LAYERS))
        self.last = nn.Linear(hidden, 3)
        for layer in self.modulation:
            nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
        for layer in self.synthesis:  # the start of Sitzmann et al. 2020: what goes into a sine has variance about 1
            bound = math.sqrt(6 / layer.in_features)
            nn.init.uniform_(layer.weight, -bound, bound)

    def axes(self, grid: Grid, device: torch.device | str) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """(code counted from the first at hand, relative coordinate) of the output rows and the wanted output columns."""
        result = []
        for n, out, start, part in zip(
            grid.lr, grid.size, (grid.top, grid.left), (slice(None), grid.span), strict=True
        ):
            code = nearest(n, out)
            place = relative(torch.arange(out), out, code, n).float()
            result.append(((code[part] - start).to(device), place[part].to(device)))
        return tuple(result)

    def area(self, grid: Grid) -> float:
        """(h w) / (H W), the third component of p."""
        return grid.lr[0] * grid.lr[1] / (grid.size[0] * grid.size[1])

    def position(self, row: Tensor, column: Tensor, grid: Grid) -> Tensor:
        """p: (R,) and (W,) relative coordinates -> (R, W, 3)."""
        pair = torch.stack(torch.meshgrid(row, column, indexing="ij"), dim=-1).to(self.last.weight.dtype)
        return F.pad(pair, (0, 1), value=self.area(grid))

    def reference(self, features: Tensor, grid: Grid) -> Rows:
        """The equations one by one. features (B, C, h, w) -> a function of output rows k (R,) -> RGB (B, R, W, 3)."""
        codes = unfold(features, 3)
        (rows, row), (columns, column) = self.axes(grid, features.device)

        def decode_rows(k: Tensor) -> Tensor:
            z = gather(codes, rows[k], columns)
            p = self.position(row[k], column, grid)
            if self.initial:
                p = torch.sin(self.initial(p))  # Eq 8
                z = p * z  # Eq 9
            m = F.relu(self.modulation[0](z))  # Eq 2
            s = m * torch.sin(self.synthesis[0](p))  # Eq 3
            for i in range(1, LAYERS):
                before = {"m": [m], "mz": [m, z], "sz": [s, z]}[self.inputs]  # Eqs 6, 7, 4
                m = F.relu(self.modulation[i](torch.cat(before, dim=-1)))
                s = m * torch.sin(self.synthesis[i](s))  # Eq 5
            return self.last(s)

        return decode_rows

    def fast(self, features: Tensor, grid: Grid) -> Rows:
        """Same numbers, less work.

        - Every modulation layer is linear in z. Its content term w_i z + b_i is a 3x3 convolution at LR resolution, once;
          without s among its inputs (m, [m z]) the whole modulation branch lives there.
        - w'_0 p is the sum of a part of the row and a part of the column.
        - With mixed inputs z differs from pixel to pixel; then the four content terms are one product, and what depends
          on the position alone is computed once for each distinct pair of relative coordinates.
        """
        (rows, row), (columns, column) = self.axes(grid, features.device)
        h, n = self.hidden, self.code_width
        modulation, synthesis = self.modulation, self.synthesis
        w_content = [layer.weight[:, -n:] for layer in modulation] if self.inputs != "m" else [modulation[0].weight]
        w_content, bias = torch.cat(w_content), torch.cat([layer.bias for layer in modulation])
        bias, later_bias = bias[: len(w_content)], bias[len(w_content) :]
        w_of_s = [layer.weight[:, :h].contiguous() for layer in modulation]

        def chain(content: Tensor) -> Tensor:  # (..., content terms) -> all m_i, where they follow from content alone
            terms = content.split(h, dim=-1) if self.inputs == "mz" else [content, *later_bias.split(h)]
            ms = [F.relu(terms[0])]
            for layer, term in zip(modulation[1:], terms[1:], strict=True):
                ms.append(F.relu_(product(ms[-1], layer.weight[:, :h].contiguous()) + term))
            return torch.cat(ms, dim=-1)

        def synthesise(terms: Callable[[int], Tensor], s: Tensor) -> Tensor:
            """terms(i): m_i, or for [s z] its content term, which is consumed, (B, R, W, h). s: s_0."""
            for i in range(1, LAYERS):
                m = F.relu_(add_product(terms(i), s, w_of_s[i])) if self.inputs == "sz" else terms(i)
                sine = torch.sin_(product(s, synthesis[i].weight, synthesis[i].bias).to(m.dtype))
                s = rounded(m * sine)
            return colours(s, self.last)

        if self.initial is None:
            with exact(features):
                content = unfolded_linear(unrounded(features, bias), w_content, bias, 3)
            content = content if self.inputs == "sz" else chain(content)
            content = [term.contiguous() for term in content.split(h, dim=-1)]
            if self.inputs == "sz":
                content[0] = F.relu(content[0])
            w_row, w_column, w_area = synthesis[0].weight.T
            a = row[:, None] * w_row + w_area * self.area(grid) + synthesis[0].bias
            b = column[:, None] * w_column
            pixels = Pixels(columns)

            def decode_rows(k: Tensor) -> Tensor:
                first = torch.sin_(a[k, None] + b)
                return synthesise(lambda i: pixels(content[i], rows[k]), rounded(pixels(content[0], rows[k]) * first))

            return decode_rows

        codes = unfold(features, 3)
        (down, row_phase), (across, column_phase) = (
            torch.unique(place, return_inverse=True) for _, place in self.axes(grid, "cpu")
        )

        def mixed(row: Tensor, column: Tensor) -> tuple[Tensor, Tensor]:  # Eq 8, and the sine of Eq 3
            p = torch.sin_(self.initial(self.position(row, column, grid)))
            return p, torch.sin_(synthesis[0](p))

        few = len(down) * len(across) <= PHASES
        tables = mixed(down.to(row), across.to(row)) if few else ()

        def decode_mixed_rows(k: Tensor) -> Tensor:
            p, first = (t[row_phase[k]][:, column_phase] for t in tables) if few else mixed(row[k], column)
            content = product(gather(codes, rows[k], columns) * p, w_content, bias)
            terms = list((content if self.inputs == "sz" else chain(content)).split(h, dim=-1))
            if self.inputs == "sz":
                terms = [F.relu(terms[0]), *(term.contiguous() for term in terms[1:])]
            return synthesise(terms.__getitem__, terms[0] * first)

        return decode_mixed_rows
