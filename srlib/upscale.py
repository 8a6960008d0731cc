"""Upscaling one image for a person: any kind of image in, the same kind out, in bounded memory."""

from __future__ import annotations

import math

import numpy as np
import torch
from tqdm.auto import tqdm

from srlib import images, weights
from srlib.coords import Grid, Size, check_size, group_starts, scaled_size
from srlib.cost import device_of
from srlib.models import Model

STRIP_PIXELS = 2**17  # LR pixels encoded at a time, beyond what the encoder's reach adds


@torch.inference_mode()
def upscale(
    image: object,
    scale: float | tuple[float, float] | None = None,
    model: str | Model = "compact-diif",
    *,
    size: Size | None = None,
    progress: bool = False,
    strip_pixels: int = STRIP_PIXELS,
) -> object:
    """Resize an image with a super-resolution model.

    image: PIL image or NumPy array, (H, W, 3) or grey; uint8, uint16, bool or float in [0, 1]. The result is of the same
    kind, clamped. scale: one number, or (vertical, horizontal); any positive value, also below 1. size: (rows, columns)
    instead of a scale. model: a name with weights at hand, a weight file, or a model (its device is used).
    Memory: the LR image is worked through in strips with exactly the margin that the model sees, so the result does not
    depend on them, and only a strip and the result are held.
    ValueError or TypeError for bad images, scales, sizes and names; FileNotFoundError for missing weights.
    """
    if (scale is None) == (size is None):
        raise ValueError("give either scale or size")
    rgb, kind = images.open_any(image)
    lr_size = rgb.shape[:2]
    size = scaled_size(lr_size, scale) if size is None else check_size(size)
    model = model if isinstance(model, Model) else weights.load(model)
    device = device_of(model)
    result = np.empty((*size, 1 if kind.grey else 3), dtype=kind.dtype)

    height, width = lr_size
    starts = group_starts(height, size[0])
    near = 4 + 2 * math.ceil(height / size[0])  # LR rows around a code that its decoding can touch
    step = max(1, strip_pixels // width)
    with tqdm(total=size[0], desc=model.name, unit="row", disable=not progress) as bar:
        for first in range(0, height, step):
            end = min(first + step, height)
            rows = torch.arange(int(starts[first]), int(starts[end]))
            if not len(rows):
                continue
            a, b = max(0, first - near), min(height, end + near)  # codes needed
            top, bottom = max(0, a - model.encoder.reach), min(height, b + model.encoder.reach)  # pixels they see
            strip = torch.from_numpy(np.ascontiguousarray(rgb[top:bottom])).to(device).permute(2, 0, 1)[None]
            features = model.encode(strip)[:, :, a - top : b - top]
            for position, band in model.decode_bands(features, Grid(lr_size, size, top=a), rows):
                start = int(rows[0]) + position
                result[start : start + band.shape[2]] = kind.store(band[0])
                bar.update(band.shape[2])
    return kind.finish(result)
