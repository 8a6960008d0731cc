"""LMF: Latent Modulated Function (He and Jin, CVPR 2024, arXiv 2404.16451), by DIIF's authors.

What is high-dimensional is done once per LR code, what is done per output pixel is low-dimensional. (The letters are of this
file.) Per code, a *latent MLP* gives the modulations of a tiny *render MLP*, a scale a_l and a shift b_l for each of its
hidden layers, and a compressed code z' that it reads:

    [a, b, z'] = latent(z, cell)                                                                                    (a)
    x_0        = [z', x_q - v, cell]
    x_l        = ReLU((1 + a_l) . (W_l x_{l-1} + c_l) + b_l)                                                        (b)
    rgb        = sum_t (S_t / S) (W x_L + c)_t            LIIF's local ensemble                                     (c)

LM-LIIF: z is the 3x3-unfolded code. LM-LTE: z is LTE's basis at a place in the cell that is always the same, and the render MLP
reads LTE's basis of w amplitudes and frequencies, which are its z':

    z   = A . [cos(pi (F_row + F_column + P(cell))), sin(pi (...))]                                                 (d)
    x_0 = A' . [cos(pi (<F', x_q - v> + P'(cell))), sin(pi (...))],      rgb + bilinear(LR)                         (e)

The paper's controllable multi-scale rendering, which renders simple codes at a lower resolution, is another trade and not here.
Orders: latent [code, cell h, cell w] -> [scales of all layers, shifts of all layers, z'] (LM-LTE: A', F'); render [z', row,
column, cell h, cell w].
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlib.models.base import Decoder, Rows
from srlib.models.encoders import conv3x3
from srlib.models.geometry import Grid, shown_cell
from srlib.models.layers import Pixels, bilinear, gather, linears, mlp, product, unfold, unfolded_linear
from srlib.models.liif import Around, corners, opposite_areas


class LMF(Decoder):
    """The modulated render MLP and the ensemble, which LM-LIIF and LM-LTE share.

    hidden: of the methods that it stands beside; the render MLP has hidden / 16 units a layer, at least 8. depth: of its hidden
    layers. inputs: how many values the latent MLP reads. codes: how many times `units` values z' has. extra: how many the
    render MLP reads beside one of these. hold_cell: beyond x4, show the x4 cell, as the authors' scripts do.
    """

    vectors = 4

    def __init__(self, hidden: int, depth: int, *, inputs: int, extra: int, codes: int, hold_cell: bool):
        super().__init__()
        self.units, self.depth, self.hold_cell = max(8, hidden // 16), depth, hold_cell
        self.modulations = 2 * depth * self.units
        self.width = self.modulations + codes * self.units
        self.latent = mlp(inputs, self.width, self.width)
        self.render = mlp(self.units + extra, *[self.units] * depth, 3)
        with torch.no_grad():  # weakly modulated at first: with He's start the layers of the render MLP would swell
            self.latent[-1].weight[: self.modulations] *= 0.3

    def cell(self, features: Tensor, grid: Grid) -> Tensor:
        """The relative cell size shown to the networks, (2,)."""
        return torch.tensor(shown_cell(grid, self.hold_cell), dtype=features.dtype, device=features.device)

    def split(self, latents: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(..., width) -> scales 1 + a (..., depth, units), shifts b (..., depth, units), z' (..., codes * units)."""
        scales, shifts, code = latents.split(
            [self.modulations // 2, self.modulations // 2, self.width - self.modulations], -1
        )
        return 1 + scales.unflatten(-1, (self.depth, -1)), shifts.unflatten(-1, (self.depth, -1)), code

    def ensembled(self, latents: Tensor, grid: Grid, read: Callable[[Tensor, Tensor], Tensor]) -> Rows:
        """Equations (b) and (c), pixel by pixel. read(z', relative coordinate (R, W, 2)) -> x_0."""
        around = corners(grid, latents.device)
        *layers, last = linears(self.render)

        def decode_rows(k: Tensor) -> Tensor:
            weights, rgb = opposite_areas(around, k), 0
            for sides, (row, column) in around.items():
                scales, shifts, code = self.split(gather(latents, row.code[k], column.code))
                relative = torch.stack(torch.meshgrid(row.relative[k], column.relative, indexing="ij"), dim=-1)
                x = read(code, relative)
                for i, layer in enumerate(layers):
                    x = F.relu(scales[..., i, :] * layer(x) + shifts[..., i, :])  # (b)
                rgb = rgb + weights[sides][..., None] * last(x)  # (c)
            return rgb

        return decode_rows

    def rendered(self, own: list[Tensor], later: list[Tensor], grid: Grid, start: Callable[..., Tensor]) -> Rows:
        """Equations (b) and (c), less work: all that belongs to a code is looked up once for each row of codes, and its output
        rows follow from it.

        own (B, h, w, units): what the first layer needs of a code. later (B, h, w, further layers * units): the scales of the
        further layers, and their shifts with the biases in them. start(own at pixels (B, 1, 2W, units), distances from the
        codes along rows (r, 1, 1) and columns (2W, 1), `product`) -> the first layer's results, (B, r, 2W, units).

        With a graph there are few rows, seldom two of one code, so all are looked up at once: (B, r, 2W, units).
        """
        packed = torch.cat([*own, *later], dim=-1)
        around, graph = Around(grid, packed.device), torch.is_grad_enabled()
        pixels = ByChannel(around.column_code) if graph else Pixels(around.column_code)
        times = ByChannel.product if graph else product
        *layers, last = linears(self.render)
        n, distance = len(own) + len(layers) - 1, around.column.flatten()[:, None]

        def decode_rows(k: Tensor) -> Tensor:
            codes, down = around.codes[:, k].flatten(), around.row[:, k].flatten()[:, None, None]
            parts = []
            for part in [slice(None)] if graph else runs(codes):
                code = codes[part] if graph else codes[part][:1]
                values = pixels(packed, code.to(packed.device)).mT.split(self.units, dim=-2)
                values = [value.mT for value in values]
                x = start(values[: len(own)], down[part], distance, times)
                for layer, scale, shift in zip(layers[1:], values[len(own) : n], values[n:], strict=True):
                    x = F.relu_(torch.addcmul(shift, scale, times(x, layer.weight)))
                parts.append(times(x, last.weight, last.bias))
            return around.ensemble(torch.cat(parts, dim=1), k)

        return decode_rows

    def folded(self, scales: Tensor, shifts: Tensor, bias: Tensor) -> tuple[Tensor, ...]:
        """Scales, and shifts with the biases in them, of the first layer (..., units), and of all others one after the other.
        bias: the first layer's."""
        biases = torch.stack([bias, *(layer.bias for layer in linears(self.render)[1:-1])]).to(scales.dtype)
        sizes = [self.units, (self.depth - 1) * self.units]
        (scale, scales), (shift, shifts) = (
            t.flatten(-2).split(sizes, -1) for t in (scales, torch.addcmul(shifts, scales, biases))
        )
        return scale, shift, scales, shifts


def runs(codes: Tensor) -> list[slice]:
    """The parts of codes (n,) that are equal values one after the other."""
    ends = [0, *torch.unique_consecutive(codes, return_counts=True)[1].cumsum(0).tolist()]
    return [slice(*part) for part in pairwise(ends)]


class ByChannel:
    """What `Pixels` does, for training: a product with zeros and ones, whose gradient is another one. Its vectors, as few
    values as a render MLP has, lie in memory channel by channel, so that what is done to them is done to long rows.

    columns (W,): the code of each output column.
    """

    def __init__(self, columns: Tensor):
        self.columns = columns

    def __call__(self, codes: Tensor, rows: Tensor) -> Tensor:
        """codes (B, h, w, C), rows (R,) -> codes[:, rows][:, :, columns], (B, R, W, C)."""
        ones = F.one_hot(self.columns, codes.shape[2]).T.to(codes.dtype)
        return (codes.index_select(1, rows).mT @ ones).mT

    @staticmethod
    def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """`F.linear` of such x (B, R, W, inputs) -> (B, R, W, outputs), likewise."""
        lines = x.mT.flatten(0, 1)
        y = torch.bmm(weight.expand(len(lines), -1, -1), lines)
        return (y if bias is None else y + bias[:, None].to(y.dtype)).unflatten(0, x.shape[:2]).mT


class LMLIIF(LMF):
    """The LM-LIIF decoder. channels: of the features. hidden: of LIIF's layers beside it (see `LMF`)."""

    def __init__(self, channels: int, hidden: int = 256, *, depth: int = 6, hold_cell: bool = True):
        super().__init__(hidden, depth, inputs=9 * channels + 2, extra=4, codes=1, hold_cell=hold_cell)
        self.code_width = 9 * channels

    def reference(self, features: Tensor, grid: Grid) -> Rows:
        """The equations one by one. features (B, C, h, w) -> a function of output rows k (R,) -> RGB (B, R, W, 3)."""
        codes, cell = unfold(features, 3), self.cell(features, grid)
        latents = self.latent(torch.cat([codes, cell.expand(*codes.shape[:-1], 2)], dim=-1))  # (a)

        def read(code: Tensor, relative: Tensor) -> Tensor:
            place = torch.cat([relative.to(code.dtype), cell.expand_as(relative).to(code.dtype)], dim=-1)
            return torch.cat([code, place.expand(*code.shape[:-1], 4)], dim=-1)

        return self.ensembled(latents, grid, read)

    def fast(self, features: Tensor, grid: Grid) -> Rows:
        """Same numbers, less work.

        - The latent MLP's first layer is a 3x3 convolution, the cell part of its bias.
        - The render MLP's first layer is linear in z', the coordinate and the cell: with its modulation
          (1 + a_1) . (W z' + c) + b_1 and the slopes (1 + a_1) . w_row and (1 + a_1) . w_column belong to a code.
        """
        n, units, cell = self.code_width, self.units, self.cell(features, grid)
        first, second = linears(self.latent)
        bias = first.bias + first.weight[:, n:] @ cell.to(first.weight.dtype)
        latents = product(F.relu_(unfolded_linear(features, first.weight[:, :n], bias, 3)), second.weight, second.bias)
        scales, shifts, code = self.split(latents)
        layer = self.render[0]
        w_row, w_column = layer.weight[:, units], layer.weight[:, units + 1]
        bias = layer.bias + layer.weight[:, units + 2 :] @ cell.to(layer.weight.dtype)
        scale, shift, *later = self.folded(scales, shifts, bias)
        base = scale * product(code.contiguous(), layer.weight[:, :units].contiguous()) + shift
        own = [base, *(scale * w.to(scale.dtype) for w in (w_row, w_column))]

        def start(values: list[Tensor], down: Tensor, across: Tensor, times: Callable) -> Tensor:
            base, by_row, by_column = values
            return F.relu_((base + across.to(base) * by_column) + down.to(base) * by_row)

        return self.rendered(own, later, grid, start)


class LMLTE(LMF):
    """The LM-LTE decoder. channels: of the encoder's features. hidden: of LTE's layers beside it; half as many amplitudes here.

    The features carry the normalised LR image as three more channels.
    """

    needs_image = True

    def __init__(self, channels: int, hidden: int = 256, *, depth: int = 8, hold_cell: bool = True):
        amplitudes = hidden // 2
        super().__init__(hidden, depth, inputs=amplitudes, extra=0, codes=2, hold_cell=hold_cell)
        self.coef, self.freq = conv3x3(channels, amplitudes), conv3x3(channels, amplitudes)
        self.phase = nn.Linear(2, amplitudes // 2, bias=False)
        self.render_phase = nn.Linear(2, self.units // 2, bias=False)

    def latents(self, features: Tensor, grid: Grid) -> Tensor:
        """(d) and (a), once per code: (B, h, w, width)."""
        coef, freq = (conv(features[:, :-3]).permute(0, 2, 3, 1).contiguous() for conv in (self.coef, self.freq))
        inner = freq.unflatten(-1, (-1, 2)).sum(dim=-1) + self.phase(
            self.cell(features, grid).to(self.phase.weight.dtype)
        )
        wave = math.pi * inner
        first, second = linears(self.latent)
        z = coef * torch.cat([torch.cos(wave), torch.sin(wave)], dim=-1)
        return product(product(z, first.weight, first.bias, relu=True), second.weight, second.bias)

    def reference(self, features: Tensor, grid: Grid) -> Rows:
        """The equations one by one. features (B, C + 3, h, w) -> a function of output rows k (R,) -> RGB (B, R, W, 3)."""
        cell = self.cell(features, grid).to(self.phase.weight.dtype)

        def read(code: Tensor, relative: Tensor) -> Tensor:
            amplitude, frequency = code.chunk(2, dim=-1)
            inner = (frequency.unflatten(-1, (-1, 2)) * relative[..., None, :]).sum(dim=-1)
            inner = inner + self.render_phase(cell.expand_as(relative))
            return amplitude * torch.cat([torch.cos(math.pi * inner), torch.sin(math.pi * inner)], dim=-1)  # (e)

        decode_rows, skip = self.ensembled(self.latents(features, grid), grid, read), bilinear(features[:, -3:], grid)
        return lambda k: decode_rows(k) + skip(k)

    def fast(self, features: Tensor, grid: Grid) -> Rows:
        """Same numbers, less work: see `rendered`."""
        cell = self.cell(features, grid).to(self.phase.weight.dtype)
        scales, shifts, code = self.split(self.latents(features, grid))
        amplitude, frequency = code.chunk(2, dim=-1)
        layer, phase = self.render[0], math.pi * self.render_phase(cell)
        phases = torch.cat([phase + math.pi / 2, phase])  # cos x = sin(x + pi / 2)
        by_row, by_column = (
            math.pi * torch.cat([f, f], dim=-1) for f in frequency.unflatten(-1, (-1, 2)).unbind(dim=-1)
        )
        scale, shift, *later = self.folded(scales, shifts, layer.bias)

        def start(values: list[Tensor], down: Tensor, across: Tensor, times: Callable) -> Tensor:
            by_row, by_column, amplitude, scale, shift = values
            x = amplitude * torch.sin((by_column * across + phases) + by_row * down).to(amplitude.dtype)
            return F.relu_(torch.addcmul(shift, scale, times(x, layer.weight)))

        decode_rows, skip = (
            self.rendered([by_row, by_column, amplitude, scale, shift], later, grid, start),
            bilinear(features[:, -3:], grid),
        )
        return lambda k: decode_rows(k) + skip(k)
