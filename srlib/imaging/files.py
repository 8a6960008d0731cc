"""Image files: read strictly, for data sets, or with all that people want kept; written whole or not at all."""

from __future__ import annotations

import contextlib
import io
import math
import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError
from PIL.TiffImagePlugin import BITSPERSAMPLE, TiffImageFile
from torch import Tensor

from srlib.util.sizes import Size

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm")
HOWTO = "srlib works on RGB and grey images, with or without alpha: 8 or 16 bits, or floats in [0, 1]"

# What a mode of Pillow is taken for: L, LA, RGB or RGBA.
MODES = {
    "1": "L",
    "L": "L",
    "LA": "LA",
    "La": "LA",
    "P": "RGB",
    "PA": "RGBA",
    "RGB": "RGB",
    "RGBX": "RGB",
    "RGBA": "RGBA",
}
MODES |= {"RGBa": "RGBA", "YCbCr": "RGB", "CMYK": "RGB"}
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # how such files begin


def read(path: str | os.PathLike) -> np.ndarray:
    """An image file of a data set as RGB uint8 (H, W, 3).

    Grey and palette images are converted. ValueError for a file that is truncated, is no image, has more than 8 bits a
    sample or real transparency: to round, or to choose a background, would change the data.
    """
    with opened(path) as image:
        if is_deep(image):
            raise ValueError(
                f"{path}: has more than 8 bits a sample, and images of data sets are not rounded unasked; save it with 8 bits"
            )
        pixels = eight_bits(image, str(path))
    if pixels.shape[2] in (2, 4) and pixels[..., -1].min() < 255:
        raise ValueError(
            f"{path}: is transparent, and images of data sets are not; put it on a background and save it as RGB"
        )
    colour = pixels[..., : 3 if pixels.shape[2] > 2 else 1]
    return np.ascontiguousarray(np.broadcast_to(colour, (*pixels.shape[:2], 3)))


def to_tensor(image: np.ndarray, device: torch.device | str = "cpu") -> Tensor:
    """RGB uint8 (H, W, 3) -> float32 (1, 3, H, W) in [0, 1]."""
    return torch.tensor(np.ascontiguousarray(image), device=device).permute(2, 0, 1)[None].float().div(255)


def to_uint8(tensor: Tensor) -> np.ndarray:
    """Float (1, 3, H, W) or (3, H, W) -> RGB uint8 (H, W, 3): clamped and rounded."""
    tensor = tensor.detach().squeeze(0) if tensor.ndim == 4 else tensor.detach()
    return tensor.float().clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).cpu().numpy()


@dataclass(frozen=True)
class Metadata:
    """What a file says beside its pixels. tags: EXIF's main directory, without the orientation, which is in the pixels. below:
    its directories of the exposure and of the place. icc: the profile, or empty. dpi: (horizontal, vertical), or empty."""

    tags: dict[int, object] = field(default_factory=dict)
    below: dict[int, dict[int, object]] = field(default_factory=dict)
    icc: bytes = b""
    dpi: tuple[float, ...] = ()

    def exif(self, size: Size | None = None) -> bytes:
        """The EXIF block, or nothing if there is nothing to say. size: (rows, columns) in place of those that it names."""
        block = Image.Exif()
        block.update(self.tags)
        for directory, entries in self.directories(size).items():
            block[directory] = entries
        return block.tobytes() if block else b""

    def directories(self, size: Size | None = None) -> dict[int, dict[int, object]]:
        """`below`, with EXIF's own width and height as they are now."""
        now = {} if size is None else {ExifTags.Base.ExifImageHeight: size[0], ExifTags.Base.ExifImageWidth: size[1]}
        return {
            directory: entries | {tag: n for tag, n in now.items() if tag in entries}
            for directory, entries in self.below.items()
        }


def load(path: str | os.PathLike) -> tuple[np.ndarray, Metadata]:
    """An image file as people mean it, upright: (H, W, C) uint8 or uint16, C = 1 grey, 2 with alpha, 3 RGB, 4 with alpha.

    Palettes become RGB, CMYK too (by its profile; a warning says so). ValueError with a sentence for a file that is damaged,
    no image, animated or of several pages, larger than Pillow's limit, or of samples other than 8 and 16 bits (16: PNG, TIFF).
    """
    path = Path(path)
    with opened(path) as image:
        samples = upright(deep_samples(path, path, image), image) if is_deep(image) else eight_bits(image, str(path))
        return samples, metadata(image, samples.shape[2], str(path))


def measure(path: str | os.PathLike) -> Size:
    """Rows and columns of an image file, upright, by its header. Errors as `load`."""
    with opened(path) as image:
        turned = image.getexif().get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8)
        return image.size if turned else image.size[::-1]


def load_bytes(content: bytes, name: str, *, most: int) -> np.ndarray:
    """`load` of a file's content that lies in memory and stays there: the pixels alone.

    name: what the file is called in sentences. most: pixels; ValueError for a picture of more, before it is decoded.
    """
    stream = io.BytesIO(content)
    with sentences(stream, name) as image:
        if image.width * image.height > most:
            told = f"{image.width} x {image.height} pixels, and at most {most / 1e6:g} megapixels are taken"
            raise ValueError(f"{name}: has {told}; make it smaller")
        return upright(deep_samples(stream, name, image), image) if is_deep(image) else eight_bits(image, name)


@contextlib.contextmanager
def opened(path: str | os.PathLike) -> Iterator[Image.Image]:
    """A file as Pillow opens it, one picture, not yet decoded. What goes wrong in the block is said in a sentence."""
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; expected an image file")
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    with sentences(path, path) as image:
        yield image


def beginning(source: Path | BinaryIO) -> bytes:
    """The first four bytes."""
    if isinstance(source, Path):
        with source.open("rb") as stream:
            return stream.read(4)
    source.seek(0)
    return source.read(4)


@contextlib.contextmanager
def sentences(source: Path | BinaryIO, name: object) -> Iterator[Image.Image]:
    """`opened`, of a path or of a stream called `name`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            file = Image.open(source)
        with file as image:
            if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:  # MPO: a photograph, and its preview
                raise ValueError(
                    f"{name}: is animated or has several pages; save the one that is wanted as a file of its own"
                )
            yield image
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(
            f"{name}: its header claims more than {Image.MAX_IMAGE_PIXELS / 1e6:.0f} megapixels, which may be a trap for the "
            "memory; if it is a real picture, lift the limit with PIL.Image.MAX_IMAGE_PIXELS = None (srlib upscale --large)"
        ) from error
    except UnidentifiedImageError as error:
        start = beginning(source)
        if not start:
            raise ValueError(f"{name}: is empty; fetch it again") from error
        kind = (
            "a TIFF of a kind that is not read, of floats perhaps"
            if start in TIFF
            else "not an image file that Pillow can read"
        )
        raise ValueError(f"{name}: {kind}. {HOWTO}") from error
    except (PermissionError, MemoryError):
        raise
    except (
        Exception
    ) as error:  # decoders raise many kinds: OSError, SyntaxError, struct.error, ValueError, zlib.error, ...
        if str(error).startswith(f"{name}: "):
            raise
        raise ValueError(f"{name}: the image file is damaged or truncated ({error}); fetch it again") from error


def is_deep(image: Image.Image) -> bool:
    """Whether the file's samples have more than 8 bits. Pillow would drop the low half of 16-bit colour unasked."""
    if image.mode.startswith(("I", "F")):
        return True
    if isinstance(image, TiffImageFile):
        return max(image.tag_v2.get(BITSPERSAMPLE, (1,))) > 8
    tiles = [
        tuple(tile) for tile in getattr(image, "tile", [])
    ]  # what is left to decode; none if Pillow made the picture
    return any(";16" in str(args) or (codec.startswith("ppm") and args[-1] > 255) for codec, _, _, args in tiles)


def eight_bits(image: Image.Image, what: str = "the image") -> np.ndarray:
    """A PIL image of 8 bits, upright, as uint8 (H, W, 1 to 4). ValueError for a mode without such a meaning."""
    image.load()
    if image.mode not in MODES:
        raise ValueError(f"{what}: has mode {image.mode}. {HOWTO}")
    mode = MODES[image.mode]
    if image.has_transparency_data:
        mode = {"L": "LA", "RGB": "RGBA"}.get(mode, mode)
    plain = from_cmyk(image, what) if image.mode == "CMYK" else image.convert(mode)
    return upright(np.array(plain).reshape(image.height, image.width, -1), image)


def from_cmyk(image: Image.Image, what: str) -> Image.Image:
    """CMYK to RGB: to sRGB by the profile that comes with it, else by Pillow's simple rule."""
    warnings.warn(f"{what}: is CMYK; the result is RGB", stacklevel=2)
    if profile := image.info.get("icc_profile"):
        with contextlib.suppress(ImageCms.PyCMSError, OSError):
            rgb = ImageCms.createProfile("sRGB")
            return ImageCms.profileToProfile(image, io.BytesIO(profile), rgb, outputMode="RGB")
    return image.convert("RGB")


def upright(samples: np.ndarray, image: Image.Image) -> np.ndarray:
    """(H, W, C) turned as the EXIF orientation says: what the camera held to the left, and so on."""
    turned: dict[int, Callable[[np.ndarray], np.ndarray]] = {
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90,
    }
    turn = turned.get(image.getexif().get(ExifTags.Base.Orientation, 1))  # of a TIFF that it has turned, Pillow says 1
    return samples if turn is None else np.ascontiguousarray(turn(samples))


def deep_samples(source: Path | BinaryIO, name: object, image: Image.Image) -> np.ndarray:
    """The samples of a 16-bit PNG or TIFF, as they lie in the file: uint16 (H, W, 1 to 4)."""
    if image.format == "PNG" and "transparency" not in image.info:
        import imagecodecs  # here, for few need it

        samples = imagecodecs.png_decode(bytes_of(source))
        return samples.reshape(*samples.shape[:2], -1)
    if image.format == "TIFF":
        return tiff_samples(source, name)
    what = (
        "a 16-bit PNG with one colour made transparent"
        if image.format == "PNG"
        else f"a {image.format} of more than 8 bits"
    )
    raise ValueError(f"{name}: is {what}; save it as a PNG or TIFF of 8 or 16 bits, transparency in an alpha channel")


def bytes_of(source: Path | BinaryIO) -> bytes:
    """All of it."""
    if isinstance(source, Path):
        return source.read_bytes()
    source.seek(0)
    return source.read()


def tiff_samples(source: Path | BinaryIO, name: object) -> np.ndarray:
    import tifffile

    with tifffile.TiffFile(source) as file:
        page = file.pages.first
        kinds = {"MINISBLACK": 1, "MINISWHITE": 1, "RGB": 3}
        colours, extra = kinds.get(page.photometric.name, 0), [kind.name for kind in page.extrasamples]
        if (
            page.bitspersample != 16
            or page.dtype != np.uint16
            or not colours
            or extra not in ([], ["ASSOCALPHA"], ["UNASSALPHA"])
        ):
            raise ValueError(
                f"{name}: a TIFF of {page.photometric.name} in {page.bitspersample}-bit {page.dtype}, {page.samplesperpixel} "
                f"samples a pixel, is not read. {HOWTO}"
            )
        samples = page.asarray().reshape(page.shape)
        samples = np.moveaxis(samples, 0, -1) if page.axes.startswith("S") else samples.reshape(*page.shape[:2], -1)
    if page.photometric.name == "MINISWHITE":
        samples = np.concatenate([65535 - samples[..., :1], samples[..., 1:]], axis=2)
    if extra == ["ASSOCALPHA"]:  # the colours are multiplied by alpha
        alpha = samples[..., -1:].astype(np.float64)
        colour = np.divide(
            samples[..., :-1] * 65535.0, alpha, out=np.zeros_like(alpha * samples[..., :-1]), where=alpha > 0
        )
        samples = np.concatenate([colour.round().clip(0, 65535).astype(np.uint16), samples[..., -1:]], axis=2)
    return samples


# EXIF tags that say how the pixels lie in the file, where other directories are, or which way is up: not those of the result.
LAYOUT = {*range(254, 270), 273, 274, *range(277, 282), *range(284, 292), 297, 301, *range(317, 348), *range(512, 533)}
LAYOUT |= {700, 33723, 34377, 34665, 34675, 34853, 37724, 40965}
DIRECTORIES = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)


def metadata(image: Image.Image, channels: int, what: str = "the image") -> Metadata:
    """EXIF, ICC profile and DPI of a PIL image that became 1 to 4 channels.

    EXIF that cannot be read is left out, with a warning, and a profile of other colours, such as CMYK's, without.
    """
    dpi = tuple(float(d) for d in image.info.get("dpi", ()))
    dpi = dpi if all(math.isfinite(d) and d > 1 for d in dpi) else ()  # (1, 1) is Pillow's word for none
    icc = image.info.get("icc_profile") or b""
    icc = icc if icc[16:20] == (b"RGB " if channels > 2 else b"GRAY") else b""
    try:
        exif = image.getexif()
        tags = {int(tag): value for tag, value in exif.items() if tag not in LAYOUT}
        below = {
            int(name): {tag: v for tag, v in exif.get_ifd(name).items() if tag not in LAYOUT} for name in DIRECTORIES
        }
        said = Metadata(tags, {name: entries for name, entries in below.items() if entries}, icc, dpi)
        said.exif()
    except Exception as error:  # what cameras and editors write is endless
        warnings.warn(f"{what}: its EXIF is damaged and is left out ({type(error).__name__}: {error})", stacklevel=2)
        return Metadata(icc=icc, dpi=dpi)
    return said
