"""Pictures as files, with what is said about them: each written whole or not at all."""

from __future__ import annotations

import os
import struct
import warnings
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from srlib.imaging.files import Metadata
from srlib.util.atomic import whole
from srlib.util.sizes import Size

NOTHING = Metadata()


@dataclass(frozen=True)
class FileType:
    """What files of a type can hold. side: pixels on the longer side. options: of Pillow, for those that it writes."""

    name: str
    alpha: bool
    deep: bool
    side: int
    options: dict = field(default_factory=dict)


PNG, TAGGED = FileType("PNG", True, True, 2**31 - 1), FileType("TIFF", True, True, 2**31 - 1)
JPEG = FileType("JPEG", False, False, 65535, {"quality": 95})
TYPES = {".png": PNG, ".tif": TAGGED, ".tiff": TAGGED, ".jpg": JPEG, ".jpeg": JPEG}
TYPES[".webp"] = FileType("WebP", True, False, 16383, {"lossless": True})
TYPES |= {".bmp": FileType("BMP", False, False, 65535), ".ppm": FileType("PPM", False, False, 2**31 - 1)}


def file_type(path: str | os.PathLike) -> FileType:
    """By the name. ValueError if pictures are not written so."""
    if (suffix := Path(path).suffix.lower()) not in TYPES:
        raise ValueError(
            f"{path}: pictures are not written as {suffix or 'files without a suffix'}; one of {', '.join(TYPES)}"
        )
    return TYPES[suffix]


def check_fits(path: str | os.PathLike, size: Size, channels: int, dtype: np.dtype) -> None:
    """ValueError if a file of this name cannot hold such a picture. size: (rows, columns)."""
    kind = file_type(path)
    if channels in (2, 4) and not kind.alpha:
        raise ValueError(f"{path}: {kind.name} has no transparency, and the picture has; write {Path(path).stem}.png")
    if dtype == np.uint16 and not kind.deep:
        raise ValueError(f"{path}: {kind.name} has 8 bits, and the picture has 16; write {Path(path).stem}.png or .tif")
    if max(size) > kind.side:
        raise ValueError(
            f"{path}: {kind.name} has at most {kind.side} pixels a side, not {max(size)}; write {Path(path).stem}.png"
        )


def save(path: str | os.PathLike, image: np.ndarray, said: Metadata = NOTHING) -> None:
    """Write (H, W, C) uint8 or uint16, C as `files.load` says, as the type that the name says, whole or not at all.

    PNG and TIFF hold 8 and 16 bits, alpha, EXIF, ICC profile and DPI; lossless WebP all but 16 bits and DPI; JPEG, of quality
    95, all but 16 bits and alpha; BMP and PPM the pixels alone. ValueError for what does not fit (`check_fits`).
    """
    check_fits(path, image.shape[:2], image.shape[2], image.dtype)
    write = {"PNG": write_png, "TIFF": write_tiff}.get(file_type(path).name, write_by_pillow)
    with whole(path) as temporary:
        write(temporary, np.ascontiguousarray(image[..., 0] if image.shape[2] == 1 else image), said)


def to_pil(image: np.ndarray, said: Metadata) -> Image.Image:
    """(H, W, C) uint8, or grey uint16, as a PIL image; `info` holds EXIF, ICC profile and DPI."""
    result = Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)
    result.info |= facts(image, said)
    return result


def facts(image: np.ndarray, said: Metadata) -> dict[str, object]:
    """What is said, as Pillow names it; nothing that is empty."""
    everything = {"exif": said.exif(image.shape[:2]), "icc_profile": said.icc, "dpi": said.dpi}
    return {name: value for name, value in everything.items() if value}


def write_by_pillow(path: Path, image: np.ndarray, said: Metadata) -> None:
    kind, more = file_type(path), facts(image, said)
    if len(more.get("exif", b"")) > 65533:
        warnings.warn(f"{path}: EXIF is left out, being too long for {kind.name}", stacklevel=2)
        del more["exif"]
    Image.fromarray(image).save(path, format=kind.name, **kind.options, **more)


def write_png(path: Path, image: np.ndarray, said: Metadata) -> None:
    import imagecodecs  # here, for few need it

    encoded = imagecodecs.png_encode(image)
    first = 33  # the signature and the header; then come the chunks that say more
    with path.open("wb") as file:
        file.write(encoded[:first])
        if said.icc:
            file.write(png_chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(said.icc)))
        if said.dpi:
            file.write(png_chunk(b"pHYs", struct.pack(">2IB", *(round(d / 0.0254) for d in said.dpi), 1)))
        if exif := said.exif(image.shape[:2]):
            file.write(png_chunk(b"eXIf", exif.removeprefix(b"Exif\0\0")))
        file.write(memoryview(encoded)[first:])


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


TIFF_TYPES = {str: "s", bytes: "B", int: "I"}
OWN_TAGS = (ExifTags.Base.XResolution, ExifTags.Base.YResolution, ExifTags.Base.ResolutionUnit)  # tifffile writes them


def write_tiff(path: Path, image: np.ndarray, said: Metadata) -> None:
    import tifffile

    channels, large = image.shape[2] if image.ndim == 3 else 1, image.nbytes > 2**31  # with 64-bit offsets then
    below = {} if large else said.directories(image.shape[:2])
    tags = [(directory, "I", 1, 0, True) for directory in below]  # where they lie comes later
    for tag, value in said.tags.items():
        if type(value) in TIFF_TYPES and tag not in OWN_TAGS:
            value = value.encode() if isinstance(value, str) else value
            tags.append(
                (tag, TIFF_TYPES[type(said.tags[tag])], 1 if isinstance(value, int) else len(value), value, True)
            )
    tifffile.imwrite(
        path, image, photometric="rgb" if channels > 2 else "minisblack", planarconfig="contig" if channels > 1 else None,
        extrasamples=["unassalpha"] if channels in (2, 4) else None, compression="zlib", predictor=True, metadata=None,
        software=False, iccprofile=said.icc or None, extratags=tags, resolution=said.dpi or None,
        resolutionunit="INCH" if said.dpi else None, byteorder="<", bigtiff=large,
    )  # fmt: skip
    with tifffile.TiffFile(path, mode="r+") as file:
        end = file.filehandle
        for directory, entries in below.items():  # tifffile writes no directories of this kind; they go to the end
            inner = ImageFileDirectory_v2(ifh=b"II*\0\0\0\0\0")
            inner.update(entries)
            end.seek(0, os.SEEK_END)
            end.write(b"\0" * (end.tell() % 2))
            offset = end.tell()
            end.write(inner.tobytes(offset))
            file.pages.first.tags[directory].overwrite(offset)
