"""Images in and out: files, NumPy arrays and PIL images to RGB and back, refusing what cannot be meant."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from srlib.util.atomic import whole

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm")
HOWTO = "srlib works on RGB images: 8-bit (H, W, 3), or floats in [0, 1]"


def read(path: str | os.PathLike) -> np.ndarray:
    """An image file as RGB uint8 (H, W, 3).

    Grey and palette images are converted. ValueError for a file that is truncated, is no image, has 16-bit samples
    (rounding them to 8 bits would change the data) or real transparency.
    """
    path = Path(path)
    try:
        with Image.open(path) as image:
            if sixteen_bit(image):
                raise ValueError(f"{path}: has 16-bit samples; convert it to 8 bits first. {HOWTO}")
            return np.array(pil_to_rgb(upright(image), str(path)))
    except UnidentifiedImageError as error:
        raise ValueError(f"{path}: not an image file that Pillow can read") from error
    except (OSError, SyntaxError) as error:
        if isinstance(error, (FileNotFoundError, IsADirectoryError, PermissionError)):
            raise
        raise ValueError(f"{path}: the image file is damaged or truncated ({error}); fetch it again") from error


def upright(image: Image.Image) -> Image.Image:
    """Turned as the camera says (EXIF orientation)."""
    image.load()
    return ImageOps.exif_transpose(image)


def sixteen_bit(image: Image.Image) -> bool:
    """Whether the file's samples have more than 8 bits. Pillow would drop the low half of 16-bit colour unasked."""
    if image.mode.startswith(("I", "F")):
        return True
    return any(";16" in str(part) for tile in getattr(image, "tile", []) for part in tile)


def pil_to_rgb(image: Image.Image, what: str = "the image") -> Image.Image:
    """An 8-bit PIL image as mode RGB. ValueError if it is transparent anywhere, or of a mode without an RGB meaning."""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema()[0] < 255:
            raise ValueError(
                f"{what} is transparent ({image.mode}); put it on a background and pass RGB, "
                "for example Image.alpha_composite(white, image).convert('RGB')"
            )
    if image.mode not in ("RGB", "RGBA", "L", "1", "P", "CMYK", "YCbCr"):
        raise ValueError(f"{what} has mode {image.mode}; {HOWTO}")
    return image.convert("RGB")


def to_tensor(image: np.ndarray, device: torch.device | str = "cpu") -> Tensor:
    """RGB uint8 (H, W, 3) -> float32 (1, 3, H, W) in [0, 1]."""
    return torch.tensor(np.ascontiguousarray(image), device=device).permute(2, 0, 1)[None].float().div(255)


def to_uint8(tensor: Tensor) -> np.ndarray:
    """Float (1, 3, H, W) or (3, H, W) -> RGB uint8 (H, W, 3): clamped and rounded."""
    tensor = tensor.detach().squeeze(0) if tensor.ndim == 4 else tensor.detach()
    return tensor.float().clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).cpu().numpy()


def save(path: str | os.PathLike, image: np.ndarray) -> None:
    """Write RGB uint8 (H, W, 3) as a file of the type that the name says, whole or not at all."""
    with whole(path) as temporary:
        Image.fromarray(image).save(temporary)


@dataclass(frozen=True)
class Kind:
    """How to give a result back in the kind that came in."""

    top: float  # the value that means 1: 255, 65535 or 1
    dtype: np.dtype
    grey: bool
    finish: Callable[[np.ndarray], object]

    def store(self, rgb: Tensor) -> np.ndarray:
        """Float (3, r, W) -> (r, W, 3), or (r, W, 1) for grey, clamped, in the dtype that came in."""
        values = rgb.detach().float().clamp(0, 1).permute(1, 2, 0).cpu().numpy()
        values = values.mean(axis=2, keepdims=True) if self.grey else values
        return values.astype(self.dtype) if self.dtype.kind == "f" else np.round(values * self.top).astype(self.dtype)


def open_any(image: object) -> tuple[np.ndarray, Kind]:
    """What a user passes to `upscale` -> RGB float32 (H, W, 3) in [0, 1], and the way back to the same kind.

    Taken: PIL images (RGB, grey, palette, opaque RGBA, 16-bit grey) and NumPy arrays (H, W, 3) or grey (H, W), (H, W, 1),
    of uint8, uint16, bool or float in [0, 1]. ValueError or TypeError says what came and what is needed.
    """
    if isinstance(image, Image.Image):
        return open_pil(image)
    if isinstance(image, np.ndarray):
        return open_array(image)
    raise TypeError(f"expected a NumPy array or a PIL image, got {type(image).__name__}. {HOWTO}")


def open_pil(image: Image.Image) -> tuple[np.ndarray, Kind]:
    if 0 in image.size:
        raise ValueError(f"the image is empty: {image.size[0]} x {image.size[1]} pixels")
    if image.mode.startswith("I;16"):
        array = np.asarray(image).astype(np.uint16)
    elif sixteen_bit(image):
        raise ValueError(f"the image has mode {image.mode} or 16-bit samples; {HOWTO}")
    else:
        grey = image.mode in ("L", "1", "LA")
        array = np.asarray(pil_to_rgb(upright(image)))
        array = array[..., 0] if grey else array
    rgb, kind = open_array(array)
    return rgb, replace(kind, finish=lambda result: Image.fromarray(kind.finish(result)))


def open_array(image: np.ndarray) -> tuple[np.ndarray, Kind]:
    shape, dtype = image.shape, image.dtype
    if 0 in shape:
        raise ValueError(f"the image is empty: an array of shape {shape}")
    if image.ndim == 3 and shape[2] == 4:
        raise ValueError(
            f"got a four-channel array {shape}, perhaps RGBA; drop or composite the fourth channel. {HOWTO}"
        )
    if not (image.ndim == 2 or (image.ndim == 3 and shape[2] in (1, 3))):
        hint = "; channels come last" if image.ndim == 3 and shape[0] in (1, 3) else ""
        hint = "; pass one image at a time" if image.ndim == 4 else hint
        raise ValueError(f"got an array of shape {shape}{hint}. {HOWTO}")
    if dtype.kind == "f":
        if not np.isfinite(image).all():
            raise ValueError("the image has NaN or infinite values; expected floats in [0, 1]")
        if image.min() < -1e-3 or image.max() > 1 + 1e-3:
            raise ValueError(
                f"float values range over [{image.min():.4g}, {image.max():.4g}], expected [0, 1]; "
                "divide 8-bit values by 255, or pass them as uint8"
            )
    elif dtype not in (np.uint8, np.uint16, np.bool_):
        raise ValueError(f"got an array of {dtype}; {HOWTO}")
    top = float(np.iinfo(dtype).max) if dtype.kind == "u" else 1.0
    grey = image.ndim == 2 or shape[2] == 1
    rgb = np.broadcast_to(image.reshape(*shape[:2], -1), (*shape[:2], 3)).astype(np.float32) / np.float32(top)
    rgb = rgb.clip(0, 1)  # of floats, what rounding put beyond
    return rgb, Kind(top, dtype, grey, lambda result: result[..., 0] if image.ndim == 2 else result)
