"""IDM: implicit diffusion models for continuous super-resolution. Gao et al., CVPR 2023, arXiv 2303.16491.

SR3's U-Net (`sr3.py`), with

    the LR conditioning network: an EDSR body whose features, resized by nearest neighbours to the output size and brought
    to three channels, stand where SR3 puts the enlarged image; trained jointly;
    the scale-adaptive conditioning: a side branch of the condition, one feature map g_i per level, mixed into the U-Net's
    features x_i with per-channel weights that follow from the scaling factor p,
        s1' = s1(p) / sqrt(s1(p)^2 + s2(p)^2 + 1e-8),  s2' likewise,  y_i = lrelu(x_i s1' + g_i s2' + b) sqrt(2);
    the implicit function in place of upsampling: each position q of the next level takes y_i at the nearest position v and
    their relative coordinate, D(y_i(v), q - v), D two linear layers.

The paper trains with p ~ U[0, 1) and the size that p names: round(lr + (hr - lr) p). All is as in the authors' released code;
that no activation stands between the two linear layers is known from there.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlib.models.encoders import EDSR, conv3x3
from srlib.models.geometry import Grid
from srlib.models.layers import gather
from srlib.models.liif import corners
from srlib.models.unet import RELEASED, Shape, UNet
from srlib.util.sizes import Size


class LRConditioning(EDSR):
    """The LR conditioning network: (B, 3, h, w) -> the condition (B, 3, H, W)."""

    def __init__(self, channels: int = 64, blocks: int = 16):
        super().__init__(channels, blocks)
        self.tail = nn.Sequential(conv3x3(channels, 3))

    def forward(self, x: Tensor, size: Size) -> Tensor:
        return self.tail(F.interpolate(super().forward(x), size))


class EqualConv(nn.Module):
    """3x3 convolution with equalised learning rate (Karras et al., ICLR 2018): unit-normal weights / sqrt(inputs)."""

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1, bias: bool = False):
        super().__init__()
        self.stride, self.scale = stride, 1 / math.sqrt(9 * inputs)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight * self.scale, self.bias, self.stride, padding=1)


class EqualLinear(nn.Module):
    """The scaling factor p (B, 1) -> a weight for each channel (B, outputs); starts at 1 + N(0, 1) p."""

    def __init__(self, outputs: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, 1))
        self.bias = nn.Parameter(torch.ones(outputs))

    def forward(self, p: Tensor) -> Tensor:
        return F.linear(p, self.weight, self.bias)


class LeakyReLU(nn.Module):
    """lrelu(x + b) sqrt(2), slope 0.2."""

    def __init__(self, channels: int):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x + self.bias[:, None, None], 0.2) * math.sqrt(2)


class Blur(nn.Module):
    """(1, 3, 1) / 5 along both axes, zero-padded."""

    def forward(self, x: Tensor) -> Tensor:
        line = torch.tensor([1.0, 3.0, 1.0], dtype=x.dtype, device=x.device) / 5
        kernel = (line[:, None] * line).expand(x.shape[1], 1, 3, 3)
        return F.conv2d(x, kernel, padding=1, groups=x.shape[1])


class Mixing(nn.Module):
    """The activation of the mix of features and condition, with its bias b."""

    def __init__(self, channels: int):
        super().__init__()
        self.activate = LeakyReLU(channels)


class ImplicitUp(nn.Module):
    """The scale-adaptive implicit upsampling block: x (B, C, h, w) -> (B, C, H, W), any H and W."""

    def __init__(self, channels: int):
        super().__init__()
        self.style = Mixing(channels)
        self.imnet = nn.Sequential(nn.Linear(channels + 2, 256), nn.Linear(256, channels))

    def mix(self, x: Tensor, context: tuple[Tensor, Tensor]) -> Tensor:
        s1, shift = context  # s1' (B, C, 1, 1), and g s2' (B, C, h, w), which do not depend on x
        return self.style.activate(x * s1 + shift)

    def forward(self, x: Tensor, size: Size, context: tuple[Tensor, Tensor], literal: bool = False) -> Tensor:
        return (self.reference if literal else self.fast)(self.mix(x, context), size)

    def reference(self, mixed: Tensor, size: Size) -> Tensor:
        """Position by position, as the paper writes it."""
        (row, column), *_ = corners(Grid(tuple(mixed.shape[-2:]), tuple(size)), mixed.device, ensemble=False).values()
        nearest = gather(mixed.permute(0, 2, 3, 1), row.code, column.code)  # (B, H, W, C)
        relative = torch.stack(torch.meshgrid(row.relative, column.relative, indexing="ij"), dim=-1).to(mixed.dtype)
        return self.imnet(torch.cat([nearest, relative.expand(*nearest.shape[:3], 2)], dim=-1)).permute(0, 3, 1, 2)

    def fast(self, mixed: Tensor, size: Size) -> Tensor:
        """The same numbers: two linear layers without an activation between them are one, W2 W1, which needs the features only
        at their own resolution, and one vector per row and per column of the output."""
        first, second = self.imnet
        weight, bias = second.weight @ first.weight, second.weight @ first.bias + second.bias
        n = mixed.shape[1]
        codes = F.conv2d(mixed, weight[:, :n, None, None], bias)
        (row, column), *_ = corners(Grid(tuple(mixed.shape[-2:]), tuple(size)), mixed.device, ensemble=False).values()
        down, right = (
            (weight[:, n + i, None] * axis.relative.to(mixed.dtype)).to(codes.dtype)
            for i, axis in enumerate((row, column))
        )
        codes = codes.index_select(2, row.code) + down[:, :, None]
        return codes.index_select(3, column.code) + right[:, None, :]


class ImplicitUNet(UNet):
    """SR3's U-Net with implicit upsampling, and the side branch that conditions it."""

    def __init__(self, shape: Shape = RELEASED):
        super().__init__(shape, upsampling=ImplicitUp)
        # Named and numbered as in the released files. What those hold for the first level's weights and shift, and for a last
        # step down, no output depends on; it is not made here.
        levels = range(1, len(self.widths))
        before = [shape.width, *self.widths]
        self.conv_body_first = nn.Sequential(EqualConv(3, shape.width), LeakyReLU(shape.width))
        self.conv_body_down = nn.ModuleList(
            nn.Sequential(Blur(), EqualConv(before[i - 1], before[i], stride=2), LeakyReLU(before[i])) for i in levels
        )
        self.condition_scale1 = nn.ModuleDict({str(i): EqualLinear(self.widths[i]) for i in levels})
        self.condition_scale2 = nn.ModuleDict({str(i): EqualLinear(self.widths[i]) for i in levels})
        self.condition_shift = nn.ModuleDict(
            {str(i): nn.Sequential(EqualConv(before[i], self.widths[i], bias=True)) for i in levels}
        )

    def contexts(self, condition: Tensor, p: Tensor) -> list[tuple[Tensor, Tensor] | None]:
        """condition (B, 3, H, W) and scaling factor p (B, 1) -> what each level's upsampling is given. Once per image."""
        side, result = self.conv_body_first(condition), [None]
        for i, down in enumerate(self.conv_body_down, start=1):
            side = down(side)
            s1, s2 = (s[:, :, None, None] for s in self.weights(i, p))
            result.append((s1, self.condition_shift[str(i)](side) * s2))
        return result

    def weights(self, level: int, p: Tensor) -> tuple[Tensor, Tensor]:
        """The normalised weights s1' and s2' (B, channels) of a level, from p (B, 1)."""
        s1, s2 = self.condition_scale1[str(level)](p), self.condition_scale2[str(level)](p)
        norm = torch.rsqrt(s1**2 + s2**2 + 1e-8)
        return s1 * norm, s2 * norm

    @torch.no_grad()
    def shares(self, p: float) -> dict[int, list[float]]:
        """How much of each level's mix is the LR image's: s2'^2 of every channel, level 1 the finest that is enlarged to."""
        at = self.downs[0].weight.new_tensor([[p]])
        return {i: (self.weights(i, at)[1][0] ** 2).tolist() for i in range(1, len(self.widths))}
