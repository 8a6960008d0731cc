"""SRNO: Super-Resolution Neural Operator (Wei and Zhang, CVPR 2023, arXiv 2303.02584).

An LR image and its enlargement are one function on two grids; a neural operator maps the one to the other in three steps.
(The letters are of this file.)

    Lifting:      x = W [x_q - v_t, (S_t / S) z_t  for the four codes t around the pixel, cell] + b                 (a)
    Integration:  twice, over all pixels y of the output, with q, k, v linear in x and k, v normalised per head,
                  x' = x + q(x) (1 / HW) sum_y k(y)^T v(y)                      Galerkin-type attention             (b)
                  x  = x + W_2 GELU(W_1 x')                                                                         (c)
    Projection:   rgb = W_4 GELU(W_3 x) + bilinear(LR)                                                              (d)

The kernel integral (b) sees every pixel of the output, so the decoder works on whole images (`whole`). In training the integral
is taken over the pixels that are decoded, as in the released code: those are drawn from all of the patch.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlib.models.base import Decoder, Rows
from srlib.models.geometry import Grid, bands
from srlib.models.layers import Pixels, bilinear, gather, product
from srlib.models.liif import corners, opposite_areas
from srlib.util.threads import side_by_side

HEAD = 16  # values of a head


class HeadNorm(nn.Module):
    """Layer norm of each head's values, by the unbiased standard deviation, as released: (x - mean) / (std + 1e-5)."""

    def __init__(self, heads: int):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(heads, HEAD)), nn.Parameter(torch.zeros(heads, HEAD))

    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean(dim=-1, keepdim=True)
        return self.weight * (centred / (x.std(dim=-1, keepdim=True) + 1e-5)) + self.bias


class Galerkin(nn.Module):
    """Equations (b) and (c): one layer of Galerkin-type attention. width: of x, heads of 16 values."""

    def __init__(self, width: int):
        super().__init__()
        self.heads = width // HEAD
        self.qkv = nn.Linear(width, 3 * width)  # head by head: q, k, v
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)
        self.norm_k, self.norm_v = HeadNorm(self.heads), HeadNorm(self.heads)

    def forward(self, x: Tensor) -> Tensor:
        """As it stands: x (B, R, W, width) of all pixels -> the same."""
        q, k, v = self.qkv(x).unflatten(-1, (self.heads, 3 * HEAD)).flatten(1, 2).chunk(3, dim=-1)  # (B, N, heads, 16)
        q, k, v = (t.transpose(1, 2) for t in (q, self.norm_k(k), self.norm_v(v)))
        integral = k.transpose(-1, -2) @ v / x[0, ..., 0].numel()
        seen = x + (q @ integral).transpose(1, 2).flatten(2).view_as(x)  # (b)
        return x + self.second(F.gelu(self.first(seen)))  # (c)

    def parts(self) -> tuple[Tensor, Tensor]:
        """Weights (heads, 3, 16, width) and biases (heads, 3, 16) of q, k, v."""
        return self.qkv.weight.unflatten(0, (self.heads, 3, HEAD)), self.qkv.bias.unflatten(0, (self.heads, 3, HEAD))

    def moments(self, x: Tensor) -> Tensor:
        """What pixels x (B, R, W, width) add to sum_y k(y)^T v(y): (B, heads, 16, 16).

        Centred k and v are linear in x: the mean of a head is taken off the weights. What `HeadNorm` multiplies and adds at the
        end is the same for all pixels, so it is done to their sums.
        """
        weight, bias = (part[:, 1:] - part[:, 1:].mean(dim=2, keepdim=True) for part in self.parts())
        weight, bias = weight.transpose(0, 1).flatten(0, 2), bias.transpose(0, 1).reshape(-1, 1)
        centred = torch.baddbmm(bias, weight.expand(len(x), -1, -1), x.flatten(1, 2).mT)  # (B, 2 * heads * 16, pixels)
        centred = centred.unflatten(1, (2, self.heads, HEAD))
        std = (centred.square().sum(dim=3, keepdim=True) / (HEAD - 1)).sqrt()
        k, v = (centred / (std + 1e-5)).unbind(1)
        (a, b), (c, d) = ((norm.weight, norm.bias) for norm in (self.norm_k, self.norm_v))
        left, right = a * k.sum(dim=-1), c * v.sum(dim=-1)  # (a k + b)^T (c v + d)
        both = (k @ v.mT) * a[..., None] * c[:, None]
        return both + left[..., None] * d[:, None] + b[..., None] * (right[..., None, :] + k.shape[-1] * d[:, None])

    def fold(self, integral: Tensor) -> tuple[Tensor, Tensor]:
        """The integral (B, heads, 16, 16) known, W_1 x' of (b) and (c) is linear in x: matrices (B, width, width), biases."""
        weight, bias = (part[:, 0] for part in self.parts())
        matrix = (integral.transpose(-1, -2) @ weight.to(integral.dtype)).flatten(1, 2)
        shift = (integral.transpose(-1, -2) @ bias[..., None].to(integral.dtype)).flatten(1)
        first = self.first.weight.to(integral.dtype)
        return first + first @ matrix, shift @ first.T + self.first.bias

    def apply_folded(self, x: Tensor, folded: tuple[Tensor, Tensor]) -> Tensor:
        """(b) and (c) for some pixels x (B, R, W, width)."""
        if torch.is_grad_enabled():
            matrix, bias = folded
            seen = F.gelu(torch.baddbmm(bias[:, None].to(matrix.dtype), x.flatten(1, 2), matrix.mT)).view_as(x)
            return x + product(seen, self.second.weight, self.second.bias)
        seen = [F.gelu(product(one, matrix, bias)) for one, matrix, bias in zip(x, *folded, strict=True)]
        return x + product(torch.stack(seen), self.second.weight, self.second.bias)


class SRNO(Decoder):
    """The SRNO decoder. channels: of the encoder's features. hidden: width of x, a multiple of 16.

    The features carry the normalised LR image as three more channels, for the bilinear skip.
    """

    needs_image = True
    whole = True
    vectors = 4

    def __init__(self, channels: int, hidden: int = 256):
        super().__init__()
        if hidden % HEAD:
            raise ValueError(f"hidden must be a multiple of {HEAD}, got {hidden}")
        self.width, self.channels = hidden, channels
        self.lift = nn.Linear(4 * (channels + 2) + 2, hidden)
        self.layers = nn.ModuleList(Galerkin(hidden) for _ in range(2))
        self.project = nn.Sequential(nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, 3))

    def check(self, grid: Grid) -> None:
        if grid.top or grid.left or grid.width != grid.size[1]:
            raise ValueError("SRNO sees the whole image; got a window of it: decode all of its features at once")

    def reference(self, features: Tensor, grid: Grid) -> Rows:
        """The equations one by one. features (B, C + 3, h, w) -> a function of output rows k (R,) -> RGB (B, R, W, 3)."""
        self.check(grid)
        codes, skip = features[:, :-3].permute(0, 2, 3, 1), bilinear(features[:, -3:], grid)
        around, cell = (
            corners(grid, features.device),
            torch.tensor(grid.cell, dtype=features.dtype, device=features.device),
        )

        def integrated(k: Tensor) -> Tensor:
            weights, places, contents = opposite_areas(around, k), [], []
            for sides, (row, column) in around.items():
                code = gather(codes, row.code[k], column.code)
                place = torch.stack(torch.meshgrid(row.relative[k], column.relative, indexing="ij"), dim=-1)
                places.append(place.to(code.dtype).expand(*code.shape[:-1], 2))
                contents.append(code * weights[sides][..., None].to(code.dtype))
            x = self.lift(torch.cat([*places, *contents, cell.expand_as(places[0])], dim=-1))  # (a)
            for layer in self.layers:
                x = layer(x)
            return x

        if self.training:
            return lambda k: self.project(integrated(k)) + skip(k)
        x = integrated(torch.arange(grid.size[0]))
        return lambda k: self.project(x[:, k.to(x.device)]) + skip(k)  # (d)

    def fast(self, features: Tensor, grid: Grid) -> Rows:
        """Same numbers, less work, and memory for a band of rows only.

        - Lifting is linear in the codes, so its product is taken per LR code of a band, and a pixel is a weighted sum of four.
        - The image is gone through once for the integral of each layer, in bands, then once more for the pixels. With the
          integral known q(x) times it, and W_1 of what follows, are one matrix.
        """
        self.check(grid)
        lifted, skip = self.lifting(features, grid), bilinear(features[:, -3:], grid)
        known: list[tuple[Tensor, Tensor]] = []

        def through(k: Tensor, folded: list[tuple[Tensor, Tensor]]) -> Tensor:
            x = lifted(k)
            for layer, pair in zip(self.layers, folded, strict=False):
                x = layer.apply_folded(x, pair)
            return x

        def rgb(x: Tensor, k: Tensor) -> Tensor:
            first, _, last = self.project
            return product(F.gelu(product(x, first.weight, first.bias)), last.weight, last.bias) + skip(k)

        if self.training:

            def decode_rows_in_training(k: Tensor) -> Tensor:
                x = lifted(k)
                for layer in self.layers:
                    x = layer.apply_folded(x, layer.fold(layer.moments(x) / (len(k) * grid.width)))
                return rgb(x, k)

            return decode_rows_in_training

        alone = features.device.type != "cpu" or torch.is_grad_enabled()
        step = (
            grid.size[0] * grid.width
            if features.device.type == "meta" or torch.is_grad_enabled()
            else self.band(features)
        )
        parts = [torch.arange(*part) for part in bands(grid.size[0], grid.width, step)]
        for layer in self.layers:

            def moments(k: Tensor, layer: Galerkin = layer) -> Tensor:
                return layer.moments(through(k, known))

            total = sum(map(moments, parts) if alone else side_by_side(moments, parts))
            known.append(layer.fold(total / (grid.size[0] * grid.width)))
        return lambda k: rgb(through(k, known), k)

    def band(self, features: Tensor) -> int:
        """Output pixels at a time in the passes for the integrals."""
        return max(1, (self.queries() if features.device.type == "cpu" else 2**18) // features.shape[0])

    def lifting(self, features: Tensor, grid: Grid) -> Callable[[Tensor], Tensor]:
        """Equation (a) for output rows k (R,): (B, R, W, hidden)."""
        codes, weight, n = features[:, :-3].permute(0, 2, 3, 1), self.lift.weight, self.channels
        around, row_codes = (
            corners(grid, features.device),
            [row.code for row, _ in corners(grid, torch.device("cpu")).values()],
        )
        matrices = [part.contiguous() for part in weight[:, 8:-2].split(n, dim=1)]
        pixels = [Pixels(column.code) for _, column in around.values()]
        w_row, w_column = weight[:, 0:8:2], weight[:, 1:8:2]  # of the four corners
        rows, columns = (torch.stack([pair[i].relative for pair in around.values()], dim=1) for i in (0, 1))
        cell = torch.tensor(grid.cell, dtype=weight.dtype, device=weight.device)
        at_row = rows.to(weight) @ w_row.T + (self.lift.bias + weight[:, -2:] @ cell).to(codes.dtype)
        at_row = at_row[:, None]  # (H, 1, hidden)
        at_column = columns.to(weight) @ w_column.T  # (W, hidden)

        def lifted(k: Tensor) -> Tensor:
            areas, x = opposite_areas(around, k), at_row[k] + at_column
            for area, row, columns, matrix in zip(areas.values(), row_codes, pixels, matrices, strict=True):
                first, last = int(row[k].min()), int(row[k].max())
                z = product(codes[:, first : last + 1].contiguous(), matrix)
                x = x + area[..., None].to(z.dtype) * columns(z, (row[k] - first).to(z.device))
            return x

        return lifted
