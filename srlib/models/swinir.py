"""SwinIR as an encoder (Liang et al., ICCVW 2021, arXiv 2108.10257), in the shape in which LTE's authors use it.

    F_0 = conv(image)                                                          shallow features      (Eq 1)
    F_i = RSTB_i(F_{i-1}),  RSTB(x) = conv(STL_n(... STL_1(x))) + x            residual groups       (Eqs 3-5)
    z   = lrelu(conv(conv(norm(F_K)) + F_0))                                   64 channels

A Swin transformer layer (STL) is  x + MSA(LN(x)),  then  x + MLP(LN(x))  (Eqs 7-8). MSA is self-attention among the pixels of a
window, SoftMax(Q K^T / sqrt(d) + B) V with a bias B learnt for each offset (Eq 6). Every other layer's windows are shifted by
half a window, round the image's edges; pixels that meet only round an edge do not see each other.

Parameter names follow the released files. An image is mirrored to whole windows at its lower and right edges. (LTE's scripts
mirror it before, the outermost pixels too and always, so that near these edges their numbers differ a little.) Windows start at
the image's corner, so nothing smaller than the whole image can be encoded alone. No stochastic depth in training.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlib.models.base import Encoder
from srlib.models.encoders import conv3x3


def windows(x: Tensor, side: int) -> Tensor:
    """(B, H, W, C) -> (B, windows, side^2, C), windows row by row."""
    x = x.unflatten(2, (-1, side)).unflatten(1, (-1, side))  # (B, rows, side, columns, side, C)
    return x.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def unwindowed(x: Tensor, side: int, rows: int, columns: int) -> Tensor:
    """The inverse: (B, windows, side^2, C) -> (B, H, W, C) for H = rows * side, W = columns * side."""
    x = x.unflatten(1, (rows, columns)).unflatten(3, (side, side))
    return x.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def strangers(rows: int, columns: int, side: int, shift: int, device: torch.device) -> Tensor:
    """What is added to Q K^T in shifted windows: -100 for pixels that are neighbours only round an edge, (windows, side^2,
    side^2)."""

    def part(n: int) -> Tensor:  # which of the three parts of an axis each pixel is in, once it is shifted
        k = torch.arange(n * side, device=device)
        return (k >= (n - 1) * side).int() + (k >= n * side - shift).int()

    parts = windows((3 * part(rows)[:, None] + part(columns))[None, :, :, None], side)[0, :, :, 0]
    return -100.0 * (parts[:, :, None] != parts[:, None, :])


def offsets(side: int) -> Tensor:
    """For each pair of a window's pixels the place of their offset in the table of biases, (side^2, side^2) int64."""
    row, column = torch.arange(side**2) // side, torch.arange(side**2) % side
    down, right = row[:, None] - row + side - 1, column[:, None] - column + side - 1
    return down * (2 * side - 1) + right


class WindowAttention(nn.Module):
    """Self-attention of `heads` heads among the pixels of each window (Eq 6)."""

    def __init__(self, width: int, heads: int, side: int):
        super().__init__()
        self.heads, self.side = heads, side
        self.relative_position_bias_table = nn.Parameter(0.02 * torch.randn((2 * side - 1) ** 2, heads))
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """x (B, windows, side^2, C); mask (windows, side^2, side^2) -> the same shape."""
        query, key, value = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(3, 0, 1, 4, 2, 5)
        bias = self.relative_position_bias_table[offsets(self.side).to(x.device)].permute(2, 0, 1)  # (heads, ., .)
        scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1]) + bias.to(query.dtype)
        if mask is not None:
            scores = scores + mask[:, None].to(query.dtype)
        return self.proj((scores.softmax(dim=-1) @ value).transpose(2, 3).flatten(-2))


class Layer(nn.Module):
    """A Swin transformer layer (Eqs 7-8)."""

    def __init__(self, width: int, heads: int, side: int, shift: int, ratio: int):
        super().__init__()
        self.side, self.shift = side, shift
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = WindowAttention(width, heads, side)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, ratio * width), "fc2": nn.Linear(ratio * width, width)})

    def forward(self, x: Tensor) -> Tensor:
        """x (B, H, W, C), whole windows."""
        rows, columns = x.shape[1] // self.side, x.shape[2] // self.side
        mask = strangers(rows, columns, self.side, self.shift, x.device) if self.shift else None
        shifted = torch.roll(self.norm1(x), (-self.shift, -self.shift), (1, 2))
        seen = unwindowed(self.attn(windows(shifted, self.side), mask), self.side, rows, columns)
        x = x + torch.roll(seen, (self.shift, self.shift), (1, 2))
        return x + self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.norm2(x))))


class Group(nn.Module):
    """A residual Swin transformer block, RSTB (Eqs 4-5): `depth` layers, a convolution, a skip."""

    def __init__(self, width: int, depth: int, heads: int, side: int, ratio: int):
        super().__init__()
        layers = [Layer(width, heads, side, side // 2 * (i % 2), ratio) for i in range(depth)]
        self.residual_group = nn.ModuleDict({"blocks": nn.Sequential(*layers)})
        self.conv = conv3x3(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, H, W, C)."""
        inner = self.residual_group["blocks"](x)
        return x + self.conv(inner.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class SwinIR(Encoder):
    """channels: of the features. width: inside. depths: layers of each residual group. heads; window: side of a window; ratio:
    width of a layer's MLP over its own."""

    whole = True
    reach = 10**6  # all of the image

    def __init__(
        self,
        channels: int = 64,
        width: int = 180,
        depths: tuple[int, ...] = (6,) * 6,
        heads: int = 6,
        window: int = 8,
        ratio: int = 2,
    ):
        super().__init__()
        self.channels, self.window = channels, window
        self.conv_first = conv3x3(3, width)
        self.patch_embed = nn.ModuleDict({"norm": nn.LayerNorm(width)})
        self.layers = nn.Sequential(*(Group(width, depth, heads, window, ratio) for depth in depths))
        self.norm = nn.LayerNorm(width)
        self.conv_after_body = conv3x3(width, width)
        self.conv_before_upsample = nn.Sequential(conv3x3(width, channels), nn.LeakyReLU(0.01))

    def forward(self, x: Tensor) -> Tensor:
        h, w = x.shape[-2:]
        x = x[:, :, mirrored(h, self.window).to(x.device)][..., mirrored(w, self.window).to(x.device)]
        shallow = self.conv_first(x)
        deep = self.norm(self.layers(self.patch_embed["norm"](shallow.permute(0, 2, 3, 1))))
        deep = self.conv_after_body(deep.permute(0, 3, 1, 2)) + shallow
        return self.conv_before_upsample(deep)[..., :h, :w]


def mirrored(n: int, window: int) -> Tensor:
    """0, 1, ..., n - 1, n - 2, ... to whole windows, however often it takes: int64."""
    k = torch.arange(-(-n // window) * window)
    period = max(1, 2 * (n - 1))
    return torch.minimum(k % period, period - k % period) if n > 1 else torch.zeros_like(k)
