"""Upscaling pictures for people: any kind of picture in, the same kind out, in bounded memory."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from srlib import weights
from srlib.imaging import files, streams
from srlib.imaging.kinds import Opened, fill_hidden, open_any, open_file
from srlib.imaging.saving import PYRAMID, TAGGED, check_fits, file_type, save
from srlib.models.base import TILE, SRModel
from srlib.models.catalogue import build
from srlib.util.sizes import Size, check_size, scaled_size
from srlib.util.threads import using

FRAMES = 2**28  # bytes of results that are made together
FAILURES = (ValueError, OSError, MemoryError)  # of one picture among many

Scale = float | tuple[float, float]


def upscale(
    image: object,
    scale: Scale | None = None,
    model: str | SRModel = "compact-diif",
    *,
    size: Size | None = None,
    out: str | Path | None = None,
    progress: bool = False,
    tile: int = TILE,
    threads: int | None = None,
    precision: str | None = None,
) -> object:
    """Resize an image with a super-resolution model.

    image: PIL image or NumPy array, (H, W, 3) or grey, also with alpha as the last channel; uint8, uint16, bool or float in
    [0, 1]. The result is of the same kind, clamped. Or the path of a file (str or Path): then a PIL image if it has 8 bits,
    with EXIF, ICC profile and DPI in its `info`, else a uint16 array. scale: one number, or (vertical, horizontal); any
    positive value, also below 1. size: (rows, columns) instead of a scale. model: a name with weights at hand, a weight file,
    or a model (its device is used). out: a file to write the result to, whose path is then returned; the image must be a path
    too. A result of any size fits a .tif or .dzi (`streams`). threads: on a CPU; by default $SRLIB_THREADS, else all cores that
    the process may use. The result has the same bits for any number. precision: of products, "float32" or "bf16", which is
    faster where the device has it natively (`util.precision`); by default the model's own.
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
    if out is not None:
        if not isinstance(image, (str, Path)):
            raise TypeError(
                f"with out the image must be the path of a file, got {type(image).__name__}; leave out away"
            )
        with using(threads):
            upscale_file(image, out, scale, model, size=size, progress=progress, tile=tile, precision=precision)
        return Path(out)
    opened = open_any(image)
    size = size_of(opened.rgb.shape[:2], scale, size)
    model = (weights.load(model) if isinstance(model, str) else model).in_precision(precision)
    with using(threads):
        return opened.finish(enlarge([opened], model, size, progress=progress, tile=tile)[0])


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
    precision: str | None = None,
) -> Size:
    """`upscale` from file to file; EXIF, ICC profile and DPI go along as far as the type holds them. Returns the result's size.

    The type is the one that the target's name says (`saving.save`). A .dzi, and a .tif of more than `streams.LARGE` bytes,
    is written piece by piece; interrupted, the same call goes on. ValueError if the type cannot hold the picture, and for
    a target that is the source; FileExistsError for one that exists, unless `force`.
    """
    check_one(scale, size)
    source, target = Path(source), Path(target)
    check_target(source, target, force)
    model = (weights.load(model) if isinstance(model, str) else model).in_precision(precision)
    made = size_of(files.measure(source), scale, size)
    if streamed(target, made, model):
        check_fits(target, made, 3, np.dtype(np.uint8))
        streams.enlarge(source, target, model, made, progress=progress, tile=tile)
    else:
        opened = fitting(source, target, made)
        try:
            (result,) = enlarge([opened], model, made, progress=progress, tile=tile)
        except MemoryError as error:
            raise MemoryError(
                f"{target}: a result of {made[0]} x {made[1]} pixels does not fit into memory; "
                "write a .tif or .dzi, which are made piece by piece"
            ) from error
        save(target, result, opened.said)
    return made


def upscale_files(
    pairs: Sequence[tuple[Path, Path]],
    scale: Scale | None,
    model: SRModel,
    *,
    size: Size | None = None,
    force: bool = False,
    progress: bool = False,
) -> Iterator[tuple[Path, Path, Size | Exception]]:
    """`upscale_file` for many, one after the other: (source, target, the result's size, or what went wrong with this one).

    Neighbours of one size, as frames of a video are, go through the model together, as many as make up a tile.
    """
    for batch in batches(pairs, scale, size, model):
        ready = []
        for source, target in batch:
            try:
                if len(batch) == 1:
                    made = upscale_file(source, target, scale, model, size=size, force=force, progress=progress)
                    yield source, target, made
                else:
                    check_target(source, target, force)
                    made = size_of(files.measure(source), scale, size)
                    ready.append((source, target, fitting(source, target, made)))
            except FAILURES as error:
                yield source, target, error
        results = enlarge([opened for *_, opened in ready], model, made, progress=progress, tile=TILE) if ready else []
        for (source, target, opened), result in zip(ready, results, strict=True):
            try:
                save(target, result, opened.said)
                yield source, target, made
            except FAILURES as error:
                yield source, target, error


def batches(
    pairs: Sequence[tuple[Path, Path]], scale: Scale | None, size: Size | None, model: SRModel
) -> Iterator[list[tuple[Path, Path]]]:
    """Neighbours of one size whose LR pixels make up a tile at most, and whose results `FRAMES` bytes; all others alone."""

    def measured(pair: tuple[Path, Path]) -> Size | None:
        try:
            return files.measure(pair[0])
        except FAILURES:  # said when its turn comes
            return None

    for lr, some in itertools.groupby(pairs, key=measured):
        most = 1
        if lr is not None and not model.draws:  # one seed would mean other draws for frames together
            made = size_of(lr, scale, size)
            most = max(1, min(TILE**2 // math.prod(lr), FRAMES // (3 * math.prod(made))))
        some = list(some)
        yield from (some[first : first + most] for first in range(0, len(some), most))


def check_one(scale: Scale | None, size: Size | None) -> None:
    if (scale is None) == (size is None):
        raise ValueError("give either scale or size")


def check_target(source: Path, target: Path, force: bool) -> None:
    file_type(target)
    if target.exists() and source.exists() and target.samefile(source):
        raise ValueError(f"{target} is the picture itself, which is never overwritten; name another file")
    if target.exists() and not force:
        raise FileExistsError(f"{target} exists; name another file, or overwrite it with --force (force=True)")


def fitting(source: Path, target: Path, size: Size) -> Opened:
    """The picture, whose result of this size the target can hold; ValueError if not. Opaque alpha is left out where it
    cannot."""
    opened = open_file(source)
    if opened.alpha is not None and not file_type(target).alpha and opened.alpha.min() == 1:
        opened = opened.without_alpha()
    check_fits(target, size, opened.kind.channels, opened.kind.dtype)
    return opened


def streamed(target: Path, size: Size, model: SRModel) -> bool:
    """Whether the result is written piece by piece."""
    kind = file_type(target)
    large = kind is TAGGED and 3 * size[0] * size[1] > streams.LARGE and not model.draws
    return kind is PYRAMID or large


def size_of(lr: Size, scale: Scale | None, size: Size | None) -> Size:
    return check_size(size) if scale is None else scaled_size(lr, scale)


@torch.inference_mode()
def enlarge(pictures: Sequence[Opened], model: SRModel, size: Size, *, progress: bool, tile: int) -> list[np.ndarray]:
    """Pictures of one size at another: (H, W, channels) of their dtypes. Colours by the model, alpha by bicubic."""
    results = [np.empty((*size, opened.kind.channels), dtype=opened.kind.dtype) for opened in pictures]
    shown = [one.rgb if one.alpha is None else fill_hidden(one.rgb, one.alpha) for one in pictures]
    lr = torch.cat([planes(rgb) for rgb in shown])
    total = len(pictures) * size[0] * size[1]
    with tqdm(total=total, desc=model.name, unit="px", unit_scale=True, disable=not progress) as bar:
        for rows, columns, pieces in model.pieces(lr, size, tile=tile, progress=progress):
            for opened, result, piece in zip(pictures, results, pieces, strict=True):
                result[rows, columns, : opened.kind.channels - opened.kind.alpha] = opened.kind.store(piece)
            bar.update(pieces.shape[0] * pieces.shape[2] * pieces.shape[3])
    bicubic = build("bicubic")
    for opened, result in zip(pictures, results, strict=True):
        if opened.alpha is not None:
            alpha = planes(opened.alpha[..., None].repeat(3, axis=2))
            for rows, columns, piece in bicubic.pieces(alpha, size, tile=tile):
                result[rows, columns, -1] = opened.kind.rounded(piece[0, 0].clamp(0, 1).numpy())
    return results


def planes(image: np.ndarray) -> Tensor:
    """(H, W, 3) -> (1, 3, H, W)."""
    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None]
