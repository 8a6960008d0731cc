"""Pictures as files, with what is said about them: each written whole or not at all."""

from __future__ import annotations

import itertools
import os
import struct
import warnings
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2
from PIL.TiffTags import LONG, LONG8

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
PYRAMID = FileType("Deep Zoom", True, True, 2**31 - 1)  # a folder of PNG tiles; written by `streams` alone
TYPES |= {".dzi": PYRAMID}
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
    if file_type(path) is PYRAMID:
        raise ValueError(
            f"{path}: a Deep Zoom pyramid is made by enlarging (srlib upscale), not from a picture; write a .png"
        )
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


def write_tiff(path: Path, image: np.ndarray, said: Metadata) -> None:
    """One page in strips of a few MiB, deflated after taking differences along the rows; grey with alpha as RGB with alpha.

    Pillow's directory with pixels of our own below it: Pillow writes no 16-bit colour, and tifffile no EXIF.
    """
    pixels = image.reshape(*image.shape[:2], -1)
    if pixels.shape[2] == 2:  # few programs, and not Pillow, read grey with alpha
        pixels, said = pixels[..., [0, 0, 0, 1]], replace(said, icc=b"")
    height, width, channels = pixels.shape
    large = pixels.nbytes > 2**31  # offsets of 64 bits
    rows = max(1, 2**22 // (width * channels * pixels.itemsize))
    strips = [deflated(pixels[first : first + rows]) for first in range(0, height, rows)]
    lengths = [len(strip) for strip in strips]
    directory, tags = tiff_directory(pixels.shape, pixels.dtype, said, large=large), ExifTags.Base
    directory[tags.RowsPerStrip] = rows
    directory.tagtype[tags.StripOffsets] = directory.tagtype[tags.StripByteCounts] = LONG8 if large else LONG
    # Counted from the first strip; the directory adds its own length.
    directory[tags.StripOffsets] = tuple(itertools.accumulate(lengths[:-1], initial=0))
    directory[tags.StripByteCounts] = tuple(lengths)
    with path.open("wb") as file:
        directory.save(file)
        file.writelines(strips)


def deflated(pixels: np.ndarray) -> bytes:
    """A strip or a tile of a TIFF, (r, c, channels): differences along the rows, deflated."""
    steps = pixels.astype(pixels.dtype.newbyteorder("<"))
    steps[:, 1:] -= pixels[:, :-1]
    return zlib.compress(steps.tobytes())


def tells_a_shape(tag: int, value: object) -> bool:
    """Whether this is a description in which a program keeps the size of the pixels: that of the picture before. tifffile's
    {"shape": [20, 30]} and shape=(20, 30), and OME-XML."""
    told = value.strip() if tag == ExifTags.Base.ImageDescription and isinstance(value, str) else ""
    return told.startswith("shape=") or (told.startswith("{") and '"shape":' in told) or told.endswith("OME>")


def tiff_directory(
    shape: tuple[int, int, int], dtype: np.dtype, said: Metadata, *, large: bool
) -> ImageFileDirectory_v2:
    """All that a TIFF says of a picture (H, W, 1, 3 or 4) but where its strips or tiles lie. large: BigTIFF, offsets of
    64 bits."""
    height, width, channels = shape
    directory = ImageFileDirectory_v2(ifh=b"II+\0" + bytes(12) if large else b"II*\0" + bytes(4))
    directory.update({tag: value for tag, value in said.tags.items() if not tells_a_shape(tag, value)})
    directory.update(said.directories((height, width)))
    tags = ExifTags.Base
    directory[tags.ImageWidth], directory[tags.ImageLength] = width, height
    directory[tags.BitsPerSample], directory[tags.SamplesPerPixel] = (8 * dtype.itemsize,) * channels, channels
    directory[tags.Compression], directory[tags.Predictor] = 8, 2  # deflate; horizontal differences
    directory[tags.PhotometricInterpretation] = 2 if channels > 2 else 1  # RGB, or grey whose 0 is black
    if channels == 4:
        directory[tags.ExtraSamples] = 2  # alpha, by which the colours are not multiplied
    if said.icc:
        directory[tags.InterColorProfile] = said.icc
    if said.dpi:
        directory[tags.XResolution], directory[tags.YResolution] = said.dpi
        directory[tags.ResolutionUnit] = 2  # inch
    return directory
