"""SR3: super-resolution by iterated refinement. Saharia et al., TPAMI 2022, arXiv 2104.07636, Section 2.3 and Appendix A.

A U-Net sees the enlarged LR image beside a noisy image and the noise level a = sqrt(alpha bar), and predicts the noise. All
images are in [-1, 1]. IDM (`idm.py`) keeps this U-Net and replaces its upsampling. Layout, widths and parameter names are
those of the public SR3 implementation that IDM's released files are made with.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlib.models.encoders import conv3x3
from srlib.util.sizes import Size


class NoiseLevel(nn.Module):
    """Positional encoding of the noise level a in [0, 1] (SR3, Section 2.3): (B, 1) -> (B, width), sines, then cosines."""

    def __init__(self, width: int):
        super().__init__()
        self.width = width

    def forward(self, level: Tensor) -> Tensor:
        count = self.width // 2
        step = torch.arange(count, dtype=level.dtype, device=level.device) / count
        angle = level * torch.exp(-math.log(1e4) * step)
        return torch.cat([angle.sin(), angle.cos()], dim=-1)


class Affine(nn.Module):
    """The noise level, added to every channel of a residual block."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.noise_func = nn.Sequential(nn.Linear(inputs, outputs))

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        return x + self.noise_func(level)[:, :, None, None]


class Block(nn.Module):
    """Group norm, swish, dropout, 3x3 convolution."""

    def __init__(self, inputs: int, outputs: int, groups: int, dropout: float = 0.0):
        super().__init__()
        self.block = nn.Sequential(
            nn.GroupNorm(groups, inputs), nn.SiLU(), nn.Dropout(dropout), conv3x3(inputs, outputs)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x)


class ResidualBlock(nn.Module):
    """Two blocks with the noise level between them, and a skip."""

    def __init__(self, inputs: int, outputs: int, level: int, groups: int, dropout: float):
        super().__init__()
        self.noise_func = Affine(level, outputs)
        self.block1 = Block(inputs, outputs, groups)
        self.block2 = Block(outputs, outputs, groups, dropout)
        self.res_conv = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        return self.block2(self.noise_func(self.block1(x), level)) + self.res_conv(x)


class SelfAttention(nn.Module):
    """One head over all positions, and a skip."""

    def __init__(self, channels: int, groups: int):
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1, bias=False)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.qkv(self.norm(x)).flatten(2).transpose(1, 2)[:, None].chunk(3, dim=-1)  # (B, 1, hw, C)
        seen = F.scaled_dot_product_attention(query, key, value)  # softmax(q k / sqrt(C)) v
        return x + self.out(seen[:, 0].transpose(1, 2).unflatten(2, x.shape[-2:]))


class Layer(nn.Module):
    """A residual block, with attention where a level has it."""

    def __init__(self, inputs: int, outputs: int, level: int, groups: int, dropout: float, attention: bool):
        super().__init__()
        self.res_block = ResidualBlock(inputs, outputs, level, groups, dropout)
        self.attn = SelfAttention(outputs, groups) if attention else None

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        x = self.res_block(x, level)
        return self.attn(x) if self.attn else x


class Down(nn.Module):
    """Half the size (rounded up) by a strided convolution."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor, level: Tensor) -> Tensor:
        return self.conv(x)  # whatever the noise level


class Up(nn.Module):
    """SR3's upsampling: nearest neighbours and a convolution. It has one way only, `literal` or not."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = conv3x3(channels, channels)

    def forward(self, x: Tensor, size: Size, context: None = None, literal: bool = True) -> Tensor:
        return self.conv(F.interpolate(x, size))


@dataclass(frozen=True)
class Shape:
    """Sizes of a U-Net; the defaults are those of IDM's released files.

    width: channels of the first level. multipliers: of the width, level by level, each half as large as the one before.
    blocks: residual blocks a level. attention: levels with self-attention (the middle has it too). groups: of the
    group norms. residual: what is diffused is not the image but its difference from the LR image enlarged, and the last
    layer predicts v of that and not the noise (`Diffusion.predict`).
    """

    width: int = 64
    multipliers: tuple[int, ...] = (1, 2, 4, 8, 8)
    blocks: int = 2
    attention: tuple[int, ...] = (3,)
    groups: int = 32
    dropout: float = 0.2
    residual: bool = False

    @property
    def widths(self) -> list[int]:
        """Channels of each level."""
        return [self.width * m for m in self.multipliers]


RELEASED = Shape()


class UNet(nn.Module):
    """The denoiser: [condition, x_t] (B, 6, H, W) and noise level (B, 1) -> noise (B, 3, H, W), for any H and W. A residual one
    sees and answers something else: `Diffusion.predict`.

    upsampling: constructor(channels) of the layers that enlarge; each is called with (features, size, context of the level
    that it leaves, literal).
    """

    def __init__(self, shape: Shape = RELEASED, upsampling: type[nn.Module] = Up):
        super().__init__()
        self.widths, self.blocks, width, self.residual = shape.widths, shape.blocks, shape.width, shape.residual
        self.noise_level_mlp = nn.Sequential(
            NoiseLevel(width), nn.Linear(width, 4 * width), nn.SiLU(), nn.Linear(4 * width, width)
        )

        def layer(inputs: int, outputs: int, with_attention: bool) -> Layer:
            return Layer(inputs, outputs, width, shape.groups, shape.dropout, with_attention)

        downs: list[nn.Module] = [conv3x3(6, width)]
        skips, channels = [width], width
        for i, outputs in enumerate(self.widths):
            for _ in range(shape.blocks):
                downs.append(layer(channels, outputs, i in shape.attention))
                channels = outputs
                skips.append(channels)
            if i < len(self.widths) - 1:
                downs.append(Down(channels))
                skips.append(channels)
        ups: list[nn.Module] = []
        middle = channels
        for i in reversed(range(len(self.widths))):
            for _ in range(shape.blocks + 1):
                ups.append(layer(channels + skips.pop(), self.widths[i], i in shape.attention))
                channels = self.widths[i]
            if i:
                ups.append(upsampling(channels))
        self.downs, self.ups = nn.ModuleList(downs), nn.ModuleList(ups)
        self.mid = nn.ModuleList([layer(middle, middle, True), layer(middle, middle, False)])
        self.final_conv = Block(channels, 3, shape.groups)

    def forward(
        self, x: Tensor, level: Tensor, contexts: Sequence[object] | None = None, literal: bool = False
    ) -> Tensor:
        """contexts: what the upsampling layers are called with, one entry per level, the first level's first. literal: the
        paper's equations one by one there."""
        level = self.noise_level_mlp(level)
        left = list(contexts or [None] * len(self.widths))
        first, *downs = self.downs
        x = first(x)
        skips = [x]
        for layer in downs:
            x = layer(x, level)
            skips.append(x)
        for layer in self.mid:
            x = layer(x, level)
        ups = iter(self.ups)
        for i in reversed(range(len(self.widths))):
            for _ in range(self.blocks + 1):
                x = next(ups)(torch.cat([x, skips.pop()], dim=1), level)
            if i:
                x = next(ups)(x, skips[-1].shape[-2:], left.pop(), literal)
        return self.final_conv(x)

    def contexts(self, condition: Tensor, p: Tensor) -> list[object] | None:
        """What each level's upsampling is given beside its features, from the condition (B, 3, H, W) and the scaling factor p
        (B, 1), once per image: SR3's takes nothing."""
        return None


def enlarged(lr: Tensor, size: Size) -> Tensor:
    """An LR image (B, 3, h, w) in [-1, 1], enlarged by bicubic interpolation."""
    return F.interpolate(lr, size, mode="bicubic", align_corners=False).clamp(-1, 1)


class Enlarged(nn.Module):
    """SR3's condition: the LR image enlarged by bicubic interpolation (SR3, Section 2.3)."""

    def forward(self, lr: Tensor, size: Size) -> Tensor:
        return enlarged(lr, size)
