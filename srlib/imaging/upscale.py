"""Upscaling one picture for a person: any kind of picture in, the same kind out, in bounded memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor
from tqdm.auto import tqdm

from srlib import weights
from srlib.imaging.kinds import Opened, open_any, open_file
from srlib.imaging.saving import check_fits, file_type, save
from srlib.models.base import TILE, SRModel
from srlib.models.catalogue import build
from srlib.util.sizes import Size, check_size, scaled_size

Scale = float | tuple[float, float]


def upscale(
    image: object,
    scale: Scale | None = None,
    model: str | SRModel = "compact-diif",
    *,
    size: Size | None = None,
    progress: bool = False,
    tile: int = TILE,
) -> object:
    """Resize an image with a super-resolution model.

    image: PIL image or NumPy array, (H, W, 3) or grey, also with alpha as the last channel; uint8, uint16, bool or float in
    [0, 1]. The result is of the same kind, clamped. Or the path of a file (str or Path): then a PIL image if it has 8 bits,
    with EXIF, ICC profile and DPI in its `info`, else a uint16 array. scale: one number, or (vertical, horizontal); any
    positive value, also below 1. size: (rows, columns) instead of a scale. model: a name with weights at hand, a weight file,
    or a model (its device is used).
    EXIF's orientation is applied. Alpha is enlarged by antialiased bicubic. Colours are not multiplied by it; under fully
    transparent pixels, where files hold anything, the model is shown the nearest visible pixel's, so that no edge is darker
    or lighter than its shape.
    Memory: an LR image with a side over `tile` pixels is worked through in tiles with exactly the margin that the model
    sees, so the result does not depend on them, and only a tile and the result are held (a tile of 512 needs 0.5 GB
    with EDSR-baseline and LIIF or DIIF, up to 1.8 GB with decoders that keep more at LR size, 2.5 GB with RDN, whose
    margins are 131 pixels). Two exceptions: SRNO, whose pixels depend on the whole image, keeps the features of all of it (270
    bytes an LR pixel with EDSR-baseline); diffusion models see the whole image at once, and draw with seed 0.
    ValueError or TypeError for bad images, scales, sizes and names; FileNotFoundError for missing files and weights.
    """
    check_one(scale, size)
    opened = open_any(image)
    size = size_of(opened, scale, size)
    model = weights.load(model) if isinstance(model, str) else model
    return opened.finish(enlarge(opened, model, size, progress=progress, tile=tile))


def upscale_file(
    source: str | Path,
    target: str | Path,
    scale: Scale | None = None,
    model: str | SRModel = "compact-diif",
    *,
    size: Size | None = None,
    force: bool = False,
    progress: bool = False,
    tile: int = TILE,
) -> Size:
    """`upscale` from file to file; EXIF, ICC profile and DPI go along as far as the type holds them. Returns the result's size.

    The type is the one that the target's name says (`saving.save`). ValueError if it cannot hold the picture, and for a target
    that is the source; FileExistsError for one that exists, unless `force`.
    """
    check_one(scale, size)
    source, target = Path(source), Path(target)
    kind = file_type(target)
    if target.exists() and source.exists() and target.samefile(source):
        raise ValueError(f"{target} is the picture itself, which is never overwritten; name another file")
    if target.exists() and not force:
        raise FileExistsError(f"{target} exists; name another file, or overwrite it with --force (force=True)")
    opened = open_file(source)
    if opened.alpha is not None and not kind.alpha and opened.alpha.min() == 1:
        opened = opened.without_alpha()
    size = size_of(opened, scale, size)
    check_fits(target, size, opened.kind.channels, opened.kind.dtype)
    model = weights.load(model) if isinstance(model, str) else model
    save(target, enlarge(opened, model, size, progress=progress, tile=tile), opened.said)
    return size


def check_one(scale: Scale | None, size: Size | None) -> None:
    if (scale is None) == (size is None):
        raise ValueError("give either scale or size")


def size_of(opened: Opened, scale: Scale | None, size: Size | None) -> Size:
    return check_size(size) if scale is None else scaled_size(opened.rgb.shape[:2], scale)


@torch.inference_mode()
def enlarge(opened: Opened, model: SRModel, size: Size, *, progress: bool, tile: int) -> np.ndarray:
    """The picture at another size: (H, W, channels) of its dtype. Colours by the model, alpha by bicubic."""
    kind, colours, bicubic = opened.kind, opened.kind.channels - opened.kind.alpha, build("bicubic")
    result = np.empty((*size, kind.channels), dtype=kind.dtype)
    rgb = opened.rgb if opened.alpha is None else fill_hidden(opened.rgb, opened.alpha)
    with tqdm(total=size[0] * size[1], desc=model.name, unit="px", unit_scale=True, disable=not progress) as bar:
        for rows, columns, piece in model.pieces(planes(rgb), size, tile=tile, progress=progress):
            result[rows, columns, :colours] = kind.store(piece[0])
            bar.update(piece.shape[2] * piece.shape[3])
    if opened.alpha is not None:
        for rows, columns, piece in bicubic.pieces(planes(opened.alpha[..., None].repeat(3, axis=2)), size, tile=tile):
            result[rows, columns, -1] = kind.rounded(piece[0, 0].clamp(0, 1).numpy())
    return result


def planes(image: np.ndarray) -> Tensor:
    """(H, W, 3) -> (1, 3, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None]


def fill_hidden(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Colours (H, W, 3) with those of fully transparent pixels taken from the nearest pixel that shows."""
    hidden = alpha == 0
    if hidden.all() or not hidden.any():
        return rgb
    nearest = distance_transform_edt(hidden, return_distances=False, return_indices=True)
    return rgb[tuple(nearest)]
