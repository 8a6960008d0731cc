"""Fixed scales: the sub-pixel tail of EDSR (Lim et al., CVPRW 2017) and RDN (Zhang et al., CVPR 2018).

x2 and x3: one convolution to s^2 C channels and a pixel shuffle (Shi et al., CVPR 2016); powers of two: x2 repeated;
then a convolution to RGB. Such a network makes one size only, so it has no algebra to save: its two paths are one.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from srlib.models.base import Decoder, Rows
from srlib.models.encoders import conv3x3
from srlib.models.geometry import Grid

STRIP = 2**16  # output pixels at a time on a CPU: strips share their margins, so few large ones are better


class PixelShuffleTail(Decoder):
    """channels: of the features. scale: 3 or a power of two."""

    def __init__(self, channels: int, scale: int):
        super().__init__()
        self.scale, self.scales = scale, (scale,)
        steps = [2] * (scale.bit_length() - 1) if scale & (scale - 1) == 0 else [scale]
        if scale < 2 or steps not in ([2] * len(steps), [3]):
            raise ValueError(f"a sub-pixel tail enlarges by 3 or a power of two, got {scale!r}")
        self.stages = nn.ModuleList(conv3x3(channels, channels * step**2) for step in steps)
        self.shuffles = [nn.PixelShuffle(step) for step in steps]
        self.last = conv3x3(channels, 3)

    def queries(self) -> int:
        return STRIP

    def image(self, features: Tensor) -> Tensor:
        for stage, shuffle in zip(self.stages, self.shuffles, strict=True):
            features = shuffle(stage(features))
        return self.last(features)

    def reference(self, features: Tensor, grid: Grid) -> Rows:
        """features (B, C, h, w) -> a function of output rows k (R,) -> RGB (B, R, W, 3).

        ValueError unless the output is exactly `scale` times the input. Works through strips of LR rows, in bounded memory.
        """
        s, h = self.scale, features.shape[-2]
        if grid.size != (s * grid.lr[0], s * grid.lr[1]):
            raise ValueError(
                f"this network enlarges by {s} only: {grid.lr[0]} x {grid.lr[1]} to {s * grid.lr[0]} x {s * grid.lr[1]}, "
                f"not to {grid.size[0]} x {grid.size[1]}"
            )
        reach = 3  # LR pixels on each side that a stage and the last convolution can see
        columns = torch.arange(grid.size[1])[grid.span].to(features.device) - s * grid.left

        def decode_rows(k: Tensor) -> Tensor:
            at = k - s * grid.top
            first, end = max(0, int(at.min()) // s - reach), min(h, int(at.max()) // s + 1 + reach)
            image = self.image(features[:, :, first:end])
            return (
                image.index_select(2, (at - s * first).to(features.device)).index_select(3, columns).permute(0, 2, 3, 1)
            )

        return decode_rows


class Tails(Decoder):
    """One tail for each of several scales on one encoder: MDSR (Lim et al., Section 3.3), less its pre-processing blocks."""

    def __init__(self, channels: int, scales: Sequence[int]):
        super().__init__()
        self.scales = tuple(scales)
        self.tails = nn.ModuleDict({f"x{scale}": PixelShuffleTail(channels, scale) for scale in scales})

    def queries(self) -> int:
        return STRIP

    def reference(self, features: Tensor, grid: Grid) -> Rows:
        """As `PixelShuffleTail.reference`; ValueError unless the output is exactly one of `scales` times the input."""
        for scale, tail in zip(self.scales, self.tails.values(), strict=True):
            if grid.size == (scale * grid.lr[0], scale * grid.lr[1]):
                return tail.reference(features, grid)
        raise ValueError(
            f"this network enlarges by {', '.join(map(str, self.scales))} only, not {grid.lr[0]} x {grid.lr[1]} to "
            f"{grid.size[0]} x {grid.size[1]}"
        )
