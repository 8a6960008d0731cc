"""LPIPS: learned perceptual image patch similarity, version 0.1 with AlexNet. Zhang et al., CVPR 2018, Eq 1.

d(a, b) = sum over layers l of the mean over positions of  w_l . (f_l(a) - f_l(b))^2,  f_l AlexNet's activations after each of
its five ReLUs, scaled to unit length over channels. Weights are not shipped. Put torchvision's `alexnet-owt-7be5be79.pth` and
the authors' `alex.pth` (lpips/weights/v0.1) into data/weights, or weights/ beside your data sets.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from srlib import paths

FILES = ("alexnet-owt-7be5be79.pth", "alex.pth")
CONVOLUTIONS = {0: (4, 2), 3: (1, 2), 6: (1, 1), 8: (1, 1), 10: (1, 1)}  # AlexNet's layer -> (stride, padding)
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # ImageNet's statistics, for images in [-1, 1]


def find() -> list[Path] | None:
    """The two weight files, or None if one is missing."""
    found = [next((f / name for f in paths.weight_folders() if (f / name).is_file()), None) for name in FILES]
    return found if all(found) else None


@lru_cache(maxsize=1)
def weights() -> tuple[list[tuple[Tensor, Tensor]], list[Tensor]]:
    """AlexNet's convolutions and the layers' channel weights. FileNotFoundError: a file is missing. ValueError: damaged."""
    files = find()
    if files is None:
        raise FileNotFoundError(
            f"LPIPS needs {' and '.join(FILES)} in {' or '.join(map(paths.shown, paths.weight_folders()))}"
        )
    try:
        alexnet, lin = (torch.load(file, map_location="cpu", weights_only=True) for file in files)
        layers = [(alexnet[f"features.{i}.weight"], alexnet[f"features.{i}.bias"]) for i in CONVOLUTIONS]
        return layers, [lin[f"lin{k}.model.1.weight"] for k in range(len(layers))]
    except Exception as error:
        raise ValueError(
            f"{FILES[0]} or {FILES[1]} is damaged or another file ({type(error).__name__}: {error})"
        ) from error


@torch.no_grad()
def distance(a: Tensor, b: Tensor) -> float:
    """LPIPS of images (B, 3, H, W) in [0, 1], mean over the batch; 0 for equal images. Sides of at least 31 pixels."""
    if a.shape != b.shape or a.ndim != 4 or a.shape[1] != 3 or min(a.shape[-2:]) < 31:
        raise ValueError(
            f"expected two RGB images of one size, at least 31 x 31, got {tuple(a.shape)} and {tuple(b.shape)}"
        )
    layers, channels = weights()
    shift, scale = (torch.tensor(v).view(3, 1, 1) for v in (SHIFT, SCALE))
    x = (torch.cat([a, b]).float().cpu() * 2 - 1 - shift) / scale
    total = torch.zeros(len(a))
    for (weight, bias), (i, (stride, padding)), w in zip(layers, CONVOLUTIONS.items(), channels, strict=True):
        x = F.max_pool2d(x, 3, 2) if i in (3, 6) else x
        x = F.relu(F.conv2d(x, weight, bias, stride, padding))
        unit = x / (x.square().sum(dim=1, keepdim=True).sqrt() + 1e-10)
        one, two = unit.chunk(2)
        total += F.conv2d((one - two).square(), w).mean(dim=(1, 2, 3))
    return float(total.mean())
