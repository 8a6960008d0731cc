"""Upscaling one image for a person: any kind of image in, the same kind out, in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from tqdm.auto import tqdm

from srlib import images, weights
from srlib.coords import Grid, Size, check_size, group_starts, scaled_size
from srlib.cost import device_of
from srlib.models import Diffusion, Model

TILE = 512  # side in LR pixels of what is encoded at a time, margins included


@torch.inference_mode()
def upscale(
    image: object,
    scale: float | tuple[float, float] | None = None,
    model: str | Model | Diffusion = "compact-diif",
    *,
    size: Size | None = None,
    progress: bool = False,
    tile: int = TILE,
) -> object:
    """Resize an image with a super-resolution model.

    image: PIL image or NumPy array, (H, W, 3) or grey; uint8, uint16, bool or float in [0, 1]. The result is of the same
    kind, clamped. scale: one number, or (vertical, horizontal); any positive value, also below 1. size: (rows, columns)
    instead of a scale. model: a name with weights at hand, a weight file, or a model (its device is used).
    Memory: an LR image with a side over `tile` pixels is worked through in tiles with exactly the margin that the model
    sees, so the result does not depend on them, and only a tile and the result are held (a tile of 512 needs 0.5 GB
    with EDSR-baseline and LIIF or DIIF, up to 1.8 GB with decoders that keep more at LR size, 2.5 GB with RDN, whose
    margins are 131 pixels). Diffusion models are the exception: they see the whole image at once, and draw with seed 0.
    ValueError or TypeError for bad images, scales, sizes and names; FileNotFoundError for missing weights.
    """
    if (scale is None) == (size is None):
        raise ValueError("give either scale or size")
    rgb, kind = images.open_any(image)
    lr_size = rgb.shape[:2]
    size = scaled_size(lr_size, scale) if size is None else check_size(size)
    model = weights.load(model) if isinstance(model, str) else model
    device = device_of(model)
    result = np.empty((*size, 1 if kind.grey else 3), dtype=kind.dtype)

    pixels = torch.from_numpy(np.ascontiguousarray(rgb)).permute(2, 0, 1)[None]
    if isinstance(model, Diffusion):
        seed = torch.Generator().manual_seed(0)
        result[:] = kind.store(model.sample(pixels.to(device), size, generator=seed, progress=progress)[0])
        return kind.finish(result)
    with tqdm(total=size[0] * size[1], desc=model.name, unit="px", unit_scale=True, disable=not progress) as bar:
        for row in tiles(lr_size[0], size[0], model.encoder.reach, tile):
            for column in tiles(lr_size[1], size[1], model.encoder.reach, tile):
                seen = pixels[:, :, row.seen, column.seen].to(device)
                features = model.encode(seen)[:, :, row.codes_in_seen, column.codes_in_seen]
                grid = Grid(lr_size, size, row.codes.start, column.codes.start, (column.out.start, column.out.stop))
                rows = torch.arange(row.out.start, row.out.stop)
                for position, band in model.decode_bands(features, grid, rows):
                    first = row.out.start + position
                    result[first : first + band.shape[2], column.out] = kind.store(band[0])
                    bar.update(band.shape[2] * band.shape[3])
    return kind.finish(result)


@dataclass(frozen=True)
class Tile:
    """One axis of a tile: the output pixels it makes, the codes that they read, the LR pixels that those codes see."""

    out: slice
    codes: slice
    seen: slice

    @property
    def codes_in_seen(self) -> slice:
        return slice(self.codes.start - self.seen.start, self.codes.stop - self.seen.start)


def tiles(n: int, out: int, reach: int, tile: int) -> Iterator[Tile]:
    """Cut an axis of n LR and `out` output pixels into tiles of which an encoder sees at most about `tile` LR pixels."""
    starts = group_starts(n, out).tolist()
    near = 4 + 2 * math.ceil(n / out)  # codes around a code that its decoding can touch
    step = n if n <= tile else max(32, tile - 2 * (reach + near))
    for first in range(0, n, step):
        end = min(first + step, n)
        if starts[first] < starts[end]:
            codes = slice(max(0, first - near), min(n, end + near))
            seen = slice(max(0, codes.start - reach), min(n, codes.stop + reach))
            yield Tile(slice(starts[first], starts[end]), codes, seen)
