"""Upscaling one image for a person: any kind of image in, the same kind out, in bounded memory."""

from __future__ import annotations

import numpy as np
import torch
from tqdm.auto import tqdm

from srlib import weights
from srlib.imaging.files import open_any
from srlib.models.base import TILE, SRModel
from srlib.util.sizes import Size, check_size, scaled_size


@torch.inference_mode()
def upscale(
    image: object,
    scale: float | tuple[float, float] | None = None,
    model: str | SRModel = "compact-diif",
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
    rgb, kind = open_any(image)
    lr_size = rgb.shape[:2]
    size = scaled_size(lr_size, scale) if size is None else check_size(size)
    model = weights.load(model) if isinstance(model, str) else model
    result = np.empty((*size, 1 if kind.grey else 3), dtype=kind.dtype)
    pixels = torch.from_numpy(np.ascontiguousarray(rgb)).permute(2, 0, 1)[None]
    with tqdm(total=size[0] * size[1], desc=model.name, unit="px", unit_scale=True, disable=not progress) as bar:
        for rows, columns, piece in model.pieces(pixels, size, tile=tile, progress=progress):
            result[rows, columns] = kind.store(piece[0])
            bar.update(piece.shape[2] * piece.shape[3])
    return kind.finish(result)
