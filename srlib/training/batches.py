"""What a training step sees: crops of a set that is held in memory, and their LR images, made on the fly.

Every step draws from a generator of its own, seeded with (seed, step): a resumed run sees the batches of an unbroken one.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from tqdm.auto import tqdm

from srlib import data
from srlib.imaging import resize
from srlib.models.base import Batch
from srlib.training.settings import Settings


class Images:
    """A training set in memory: uint8 tensors (3, H, W) on the device.

    ValueError for an image smaller than a patch at the largest scale; what `data.pictures` raises.
    """

    def __init__(self, settings: Settings, device: torch.device, progress: bool):
        need = round(settings.patch * settings.scales[1])
        self.tensors = []
        pictures = data.pictures(settings.data, exclude=settings.exclude)
        for picture in tqdm(pictures, desc=f"reading {settings.data}", disable=not progress):
            image = picture.read()
            if min(image.shape[:2]) < need:
                raise ValueError(
                    f"{picture.name} has {image.shape[0]} x {image.shape[1]} pixels; patch {settings.patch} at scale "
                    f"{settings.scales[1]:g} needs {need} on each side"
                )
            self.tensors.append(torch.tensor(image).permute(2, 0, 1).contiguous().to(device))

    def crops(self, settings: Settings, size: int, g: torch.Generator) -> Tensor:
        """A batch of random crops (B, 3, size, size) in [0, 1], flipped and transposed at random."""

        def integer(high: int) -> int:
            return int(torch.randint(high, (), generator=g))

        crops = []
        for _ in range(settings.batch):
            image = self.tensors[integer(len(self.tensors))]
            top, left = integer(image.shape[1] - size + 1), integer(image.shape[2] - size + 1)
            crop = image[:, top : top + size, left : left + size]
            flips = [axis for axis in (1, 2) if integer(2)]
            crop = crop.flip(flips) if flips else crop
            crops.append(crop.transpose(1, 2) if integer(2) else crop)
        return torch.stack(crops).float().div_(255)

    def batch(self, settings: Settings, step: int) -> Batch:
        """LR (B, 3, p, p), HR (B, 3, S, S), both in [0, 1], and the output rows to decode (R,)."""
        g = generator(settings, step)
        size = round(settings.patch * draw_scale(settings, g))
        hr = self.crops(settings, size, g)
        lr = resize.antialiased_8bit(hr, (settings.patch, settings.patch))
        count = min(size, max(1, round(settings.pixels / size)))
        rows = torch.randperm(size, generator=g)[:count].sort().values
        return Batch(lr, hr, rows, g)

    def diffusion_batch(self, settings: Settings, step: int) -> Batch:
        """LR (B, 3, p, p) and HR (B, 3, S, S), both in [0, 1] and of the same crop, and the generator for the noise."""
        g = generator(settings, step)
        size = round(settings.patch * draw_scale(settings, g))
        crop = self.crops(settings, round(settings.patch * settings.scales[1]), g)
        lr, hr = (resize.antialiased_8bit(crop, (n, n)) for n in (settings.patch, size))
        return Batch(lr, hr, torch.arange(size), g)


def generator(settings: Settings, step: int) -> torch.Generator:
    return torch.Generator().manual_seed(settings.seed * 2**32 + step)


def draw_scale(settings: Settings, g: torch.Generator) -> float:
    """Any scale between the smallest and the largest, or one of the grid that begins at the smallest."""
    low, high = settings.scales
    if settings.scale_step:
        count = math.floor((high - low) / settings.scale_step + 1e-9) + 1
        return low + settings.scale_step * int(torch.randint(count, (), generator=g))
    return low + (high - low) * float(torch.rand((), generator=g))
