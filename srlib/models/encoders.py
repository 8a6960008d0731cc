"""Encoders: from an LR image to one latent code per LR pixel.

EDSR-baseline (Lim et al., CVPRW 2017) and RDN (Zhang et al., CVPR 2018) without their upsampling tails, in the shape
in which LIIF and its successors use them. Input (B, 3, h, w), already normalised to [-1, 1]; output (B, channels, h, w).
Parameter names follow the papers' released files, so that those load without renaming.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from srlib.models.base import Encoder
from srlib.models.layers import Conv


def conv3x3(inputs: int, outputs: int) -> nn.Conv2d:
    return Conv(inputs, outputs, 3)


class ResidualBlock(nn.Module):
    """conv - ReLU - conv, added to the input; no batch norm, residual scale 1 (EDSR, Section 3.1)."""

    def __init__(self, channels: int):
        super().__init__()
        self.body = nn.Sequential(conv3x3(channels, channels), nn.ReLU(inplace=True), conv3x3(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


class EDSR(Encoder):
    """EDSR body: head, `blocks` residual blocks, a last convolution, and the long skip."""

    def __init__(self, channels: int = 64, blocks: int = 16):
        super().__init__()
        self.channels, self.reach = channels, 2 * blocks + 2
        self.head = nn.Sequential(conv3x3(3, channels))
        self.body = nn.Sequential(*(ResidualBlock(channels) for _ in range(blocks)), conv3x3(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        x = self.head(x)
        return x + self.body(x)


class DenseConv(nn.Module):
    """One convolution of a residual dense block: its output joins its input (RDN, Eq 4)."""

    def __init__(self, inputs: int, growth: int):
        super().__init__()
        self.conv = nn.Sequential(conv3x3(inputs, growth), nn.ReLU(inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((x, self.conv(x)), dim=1)


class ResidualDenseBlock(nn.Module):
    """`layers` dense convolutions, local feature fusion, local skip (RDN, Eqs 4-6)."""

    def __init__(self, channels: int, growth: int, layers: int):
        super().__init__()
        self.convs = nn.Sequential(*(DenseConv(channels + i * growth, growth) for i in range(layers)))
        self.LFF = Conv(channels + layers * growth, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.LFF(self.convs(x))


class RDN(Encoder):
    """RDN configuration B: 16 blocks of 8 layers, growth 64, 64 channels."""

    def __init__(self, channels: int = 64, blocks: int = 16, layers: int = 8, growth: int = 64):
        super().__init__()
        self.channels, self.reach = channels, 3 + blocks * layers
        self.SFENet1 = conv3x3(3, channels)
        self.SFENet2 = conv3x3(channels, channels)
        self.RDBs = nn.ModuleList(ResidualDenseBlock(channels, growth, layers) for _ in range(blocks))
        self.GFF = nn.Sequential(Conv(blocks * channels, channels, 1), conv3x3(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        shallow = self.SFENet1(x)  # F_-1, the global skip
        x = self.SFENet2(shallow)
        outputs = []
        for block in self.RDBs:
            x = block(x)
            outputs.append(x)
        return shallow + self.GFF(torch.cat(outputs, dim=1))  # Eqs 7-8


class NoEncoder(Encoder):
    """Bicubic's: a code is the pixel itself."""

    channels, reach = 3, 0

    def forward(self, x: Tensor) -> Tensor:
        return x
