"""Thera: neural heat fields (Becker et al., arXiv 2311.17643).

Every LR code has a field of its own over its cell, a sum of sines that obeys the heat equation, so that a field at time t is
the field at time 0 seen through a Gaussian: at t = 1/s^2 that is the pixel's own blur at scale s, and no cell is shown to a
network. (The letters are of this file.) With components w_n, the same for all codes, and phases p_n and weights v_n (RGB) that
a linear layer of the code gives, at the place x in the cell, which spans [-1/2, 1/2]:

    Phi(x, t) = sum_n v_n exp(-|w_n|^2 kappa t) sin(<w_n, x> + p_n)                thermal activation              (a)
    rgb       = Phi(x_q - v, 1 / s^2) + nearest(LR),    [v, p] = W z + b           hypernetwork                    (b)
    loss      = |rgb - HR| + 1e-4 |d Phi(x, 0) / dx|,    means over pixels, channels, axes                        (c)

Air: z is the encoder's code, 32 components. Plus: z goes through 16 ConvNeXt blocks first; 512 components (the compact one: 5
and 128). The second term of (c) holds what (a) damps at the scales of the training, and what larger ones would show. The
released code adds the mean of the images once more, which its weights then take away again; nothing is added here. Where the
two axes have different scales, 1/s^2 is one over their product.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlib.models.base import Decoder, Rows
from srlib.models.geometry import Grid, group_starts, nearest_code, relative
from srlib.models.layers import STRIP, gather, product
from srlib.util.threads import side_by_side

TOTAL_VARIATION = 1e-4  # its weight in the loss, as released; images are in units of half their range, x in cells


class Block(nn.Module):
    """A ConvNeXt block with a 3x3 kernel (Liu et al., CVPR 2022, Figure 4), as released: (B, C, h, w) -> the same."""

    def __init__(self, channels: int):
        super().__init__()
        self.spatial = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.widen, self.narrow = nn.Linear(channels, 4 * channels), nn.Linear(4 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return in_strips(self.some, x)

    def some(self, x: Tensor, padding: int) -> Tensor:
        """x with a row more on each side, unless padding 1 stands for them."""
        y = F.conv2d(x, self.spatial.weight, padding=(padding, 1), groups=x.shape[1]).permute(0, 2, 3, 1)
        y = product(self.norm(y), self.widen.weight, self.widen.bias)
        y = product(F.gelu(y, approximate="tanh"), self.narrow.weight, self.narrow.bias).permute(0, 3, 1, 2)
        return (x if padding else x[:, :, 1:-1]) + y


class Widen(nn.Module):
    """Between blocks of different widths: layer norm and a linear layer, (B, C, h, w) -> (B, C', h, w)."""

    def __init__(self, channels: int, to: int):
        super().__init__()
        self.norm, self.linear = nn.LayerNorm(channels, eps=1e-6), nn.Linear(channels, to)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x.permute(0, 2, 3, 1))
        return product(y, self.linear.weight, self.linear.bias).permute(0, 3, 1, 2)


def in_strips(some: Callable[[Tensor, int], Tensor], x: Tensor) -> Tensor:
    """What sees one row on each side. On a CPU, without a graph: strips of rows side by side."""
    rows = x.shape[2]
    if x.device.type != "cpu" or torch.is_grad_enabled() or rows <= STRIP:
        return some(x, 1)
    padded = F.pad(x, (0, 0, 1, 1))
    strips = ((first, min(first + STRIP, rows)) for first in range(0, rows, STRIP))
    return torch.cat(list(side_by_side(lambda part: some(padded[:, :, part[0] : part[1] + 2], 0), strips)), dim=2)


class Thera(Decoder):
    """The Thera decoder.

    channels: of the encoder's features. components: of the fields. blocks: how many ConvNeXt blocks of 1, 1.5 and 2 times the
    channels the code goes through; none for Air. finest: the largest frequency that components start with, in cycles over two
    cells; as released 16, of which few are seen at small scales before a long training has moved them. The features carry the
    normalised LR image as three more channels.
    """

    needs_image = True

    def __init__(self, channels: int, components: int = 32, *, blocks: tuple[int, ...] = (), finest: float = 16.0):
        super().__init__()
        self.width, self.reach = components, sum(blocks)
        tail: list[nn.Module] = []
        for width, count in zip((channels, 3 * channels // 2, 2 * channels), blocks, strict=False):
            if width != channels:
                tail.append(Widen(channels, width))
            channels = width
            tail += [Block(width) for _ in range(count)]
        self.refine = nn.Sequential(*tail)
        self.field = nn.Linear(channels, 4 * components)  # [weights (components, 3), phases (components,)]
        self.kappa = nn.Parameter(torch.tensor(math.sqrt(math.log(4)) / (2 * math.pi**2)))
        angle, length = 2 * math.pi * torch.rand(components), math.pi * finest * torch.rand(components) ** 0.5
        self.components = nn.Parameter(torch.stack([length * torch.cos(angle), length * torch.sin(angle)]))
        nn.init.normal_(self.field.weight, std=channels**-0.5)
        nn.init.zeros_(self.field.bias)

    def queries(self) -> int:
        return 2**15  # so that several output rows share what is made of a row of codes

    def decay(self, grid: Grid) -> Tensor:
        """exp(-|w_n|^2 kappa t), (components,)."""
        t = grid.lr[0] * grid.lr[1] / (grid.size[0] * grid.size[1])
        return torch.exp(-self.components.square().sum(dim=0) * self.kappa * t)

    def axes(self, grid: Grid) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """(code in the whole image, place in its cell, from -1/2 to 1/2) of the output rows and the wanted output columns."""
        result = []
        for n, out, part in zip(grid.lr, grid.size, (slice(None), grid.span), strict=True):
            code = nearest_code(n, out)
            place = relative(torch.arange(out), out, code, n) / 2
            result.append((code[part], place[part].float()))
        return tuple(result)

    def learn(self, features: Tensor, grid: Grid, k: Tensor) -> tuple[Tensor, Tensor]:
        codes = self.refine(features[:, :-3])
        return self.fast_from(codes, features, grid)(k), self.variation(codes[: -(-len(codes) // 4)], grid, k)

    def variation(self, codes: Tensor, grid: Grid, k: Tensor) -> Tensor:
        """The second term of (c), of refined codes (B, C, h, w) at the output rows k (R,); a quarter of the batch is enough."""
        (rows, y), (columns, x) = self.axes(grid)
        here, columns = (t.to(codes.device) for t in (rows[k] - grid.top, columns - grid.left))
        made = self.field(gather(codes.permute(0, 2, 3, 1), here, columns))
        v, p = made.split([3 * self.width, self.width], dim=-1)
        place = torch.stack(torch.meshgrid(y[k], x, indexing="ij"), dim=-1).to(self.components)
        slopes = torch.cos(place @ self.components + p)[..., None, :] * self.components  # (B, R, W, 2, components)
        gradient = slopes.to(v.dtype) @ v.unflatten(-1, (self.width, 3))  # d Phi(x, 0) / dx, (B, R, W, 2, 3)
        return TOTAL_VARIATION * gradient.float().abs().mean()

    def reference(self, features: Tensor, grid: Grid) -> Rows:
        """The equations one by one. features (B, C + 3, h, w) -> a function of output rows k (R,) -> RGB (B, R, W, 3)."""
        codes = self.refine(features[:, :-3]).permute(0, 2, 3, 1)
        image = features[:, -3:].permute(0, 2, 3, 1)
        (rows, y), (columns, x) = self.axes(grid)
        columns, decay = (columns - grid.left).to(features.device), self.decay(grid)

        def decode_rows(k: Tensor) -> Tensor:
            here = (rows[k] - grid.top).to(features.device)
            made = self.field(gather(codes, here, columns))
            v, p = made.split([3 * self.width, self.width], dim=-1)
            place = torch.stack(torch.meshgrid(y[k], x, indexing="ij"), dim=-1).to(self.components)
            wave = decay * torch.sin(place @ self.components + p)
            phi = (v.unflatten(-1, (self.width, 3)) * wave[..., None]).sum(dim=-2)  # (a)
            return phi + gather(image, here, columns)  # (b)

        return decode_rows

    def fast(self, features: Tensor, grid: Grid) -> Rows:
        """Same numbers, less work. With a = w_row y + p and b = w_column x,

        sin(a + b) = sin a cos b + cos a sin b:
        what depends on b is known once for each output column, what depends on the code and on a once for each code and output
        row, and the sum over the components is a product of the two for all pixels of a cell's row.

        With a graph there are few rows, seldom two of one row of codes: (a) as it stands, cell by cell.
        """
        return self.fast_from(self.refine(features[:, :-3]), features, grid)

    def fast_from(self, codes: Tensor, features: Tensor, grid: Grid) -> Rows:
        """`fast`, from the refined codes (B, C, h, w)."""
        codes = codes.permute(0, 2, 3, 1)
        image = features[:, -3:].permute(0, 2, 3, 1)
        (rows, y), (columns, x) = self.axes(grid)
        n, device = self.width, features.device
        first, last = int(columns.min()), int(columns.max()) + 1
        group = int(group_starts(grid.lr[1], grid.size[1]).diff().max())
        place = (torch.arange(grid.size[1])[grid.span] - group_starts(grid.lr[1], grid.size[1])[columns]).long()
        flat = ((columns - first) * group + place).to(device)  # where each output column lies among the cells' pixels
        b = torch.zeros((last - first) * group, dtype=x.dtype, device=device).index_copy(0, flat, x.to(device))
        b = b.view(last - first, 1, group).to(self.components) * self.components[1][:, None]
        decay, y = self.decay(grid), y.to(device)
        codes = codes[:, :, first - grid.left : last - grid.left]
        columns = (columns - grid.left).to(device)

        def decode_rows_in_training(k: Tensor) -> Tensor:
            here = (rows[k] - grid.top).to(device)
            made = product(codes.index_select(1, here), self.field.weight, self.field.bias)
            v, p = made.split([3 * n, n], dim=-1)
            a = y[k.to(device), None].to(self.components) * self.components[0]  # (R, components)
            wave = decay * torch.sin(a[:, None, None] + b.mT + p[:, :, :, None])  # (B, R, codes, pixels of a cell, n)
            made = wave.to(v.dtype) @ v.unflatten(-1, (n, 3))
            return made.flatten(2, 3).index_select(2, flat) + gather(image, here, columns)

        if torch.is_grad_enabled():
            return decode_rows_in_training
        across = torch.cat([torch.cos(b), torch.sin(b)], dim=1)  # (codes, 2 components, pixels of a cell)

        def decode_rows(k: Tensor) -> Tensor:
            here, parts, end = rows[k] - grid.top, [], 0
            for i, count in zip(*(t.tolist() for t in torch.unique_consecutive(here, return_counts=True)), strict=True):
                some, end = k[end : end + count], end + count
                v, p = product(codes[:, i].contiguous(), self.field.weight, self.field.bias).split([3 * n, n], dim=-1)
                v = v.unflatten(-1, (n, 3)).transpose(-1, -2)[:, :, None] * decay.to(v.dtype)  # (B, codes, 1, 3, n)
                a = (y[some.to(device), None].to(self.components) * self.components[0] + p[:, :, None])[..., None, :]
                left = torch.cat([v * torch.sin(a), v * torch.cos(a)], dim=-1).flatten(2, 3)  # (B, codes, 3 rows, 2n)
                made = left @ across.to(left.dtype)
                # (B, rows, codes * pixels, 3)
                made = made.unflatten(2, (count, 3)).permute(0, 2, 1, 4, 3).flatten(2, 3)
                parts.append(made.index_select(2, flat))
            return torch.cat(parts, dim=1) + gather(image, here.to(device), columns)

        return decode_rows
