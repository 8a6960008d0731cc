"""What the demos enlarge: embedded photographs and uploads, made small, and their encoded features."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePath

import numpy as np
import torch
from torch import Tensor

from srlib import data
from srlib.imaging import files, resize
from srlib.models.base import Model
from srlib.util.sizes import Size, scaled_size

UPLOAD = 8 * 2**20  # bytes of a file; more than 10 MiB a web socket does not carry
PIXELS = 24_000_000  # of an uploaded picture, before it is made smaller
OWN = "@own"  # where an image is chosen: the uploaded one
KEPT = 2**28  # bytes of features that one demo keeps


@dataclass(frozen=True, eq=False)
class Photograph:
    """A picture to enlarge. lr: RGB uint8 (h, w, 3), what the models see. full: RGB uint8 (H, W, 3), what it was made from, the
    same picture if it was small enough. said: a sentence about what was done to it, or nothing."""

    name: str
    lr: np.ndarray
    full: np.ndarray
    said: str = ""

    @property
    def size(self) -> Size:
        """Rows and columns that the models see."""
        return self.lr.shape[0], self.lr.shape[1]

    @property
    def shrunk(self) -> float:
        """Up to which scale the truth is known."""
        return min(big / small for big, small in zip(self.full.shape[:2], self.size, strict=True))

    @cached_property
    def digest(self) -> str:
        return hashlib.blake2b(self.lr.tobytes() + repr(self.lr.shape).encode(), digest_size=16).hexdigest()

    def truth(self, size: Size) -> np.ndarray | None:
        """The picture at an output size, RGB uint8, or None beyond what is known. Shrunk by antialiased bicubic, as `lr` is."""
        if size == self.full.shape[:2]:
            return self.full
        if size[0] > self.full.shape[0] or size[1] > self.full.shape[1]:
            return None
        return files.to_uint8(resize.antialiased_8bit(files.to_tensor(self.full), size))


def made_small(name: str, full: np.ndarray, longest: int, said: str = "") -> Photograph:
    """A photograph with at most `longest` pixels on the longer side."""
    scale = min(1.0, longest / max(full.shape[:2]))
    if scale == 1:
        return Photograph(name, full, full, said)
    size = scaled_size(full.shape[:2], scale)
    lr = files.to_uint8(resize.antialiased_8bit(files.to_tensor(full), size))
    return Photograph(name, lr, full, said)


def embedded(name: str, longest: int) -> Photograph:
    """One of scikit-image's photographs."""
    return made_small(name, data.embedded(name), longest)


def uploaded(content: bytes, name: str, longest: int) -> Photograph:
    """A picture that a visitor brings, read in memory and kept nowhere else. Grey becomes RGB, transparency is put on white, 16
    bits are rounded to 8; `said` tells. ValueError with a sentence for what is too large, damaged, animated or no picture."""
    name = PurePath(name.replace("\\", "/")).name[:80] or "the file"
    if len(content) > UPLOAD:
        raise ValueError(
            f"{name}: has {len(content) / 2**20:.1f} MiB, and at most {UPLOAD // 2**20} MiB are taken; make it smaller"
        )
    pixels = files.load_bytes(content, name, most=PIXELS)
    done = []
    if pixels.dtype == np.uint16:
        done.append("its 16 bits are rounded to 8")
        pixels = np.round(pixels / 257).astype(np.uint8)
    if pixels.shape[2] in (2, 4):
        alpha = pixels[..., -1:].astype(np.float32) / 255
        if alpha.min() < 1:
            done.append("its transparency is put on white")
        pixels = np.round(pixels[..., :-1] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    if pixels.shape[2] == 1:
        done.append("it is grey")
        pixels = np.repeat(pixels, 3, axis=2)
    made = made_small(name, np.ascontiguousarray(pixels), longest)
    if made.size != made.full.shape[:2]:
        whole = " × ".join(map(str, made.full.shape[:2]))
        done.append(f"its {whole} pixels are shrunk to {made.size[0]} × {made.size[1]}, to be enlarged again")
    said = f"{name}: {'; '.join(done)}." if done else ""
    return Photograph(made.name, made.lr, made.full, said)


class Encodings:
    """Features by picture and model: an encoder runs once for each pair. Those used longest ago make room beyond `KEPT`
    bytes."""

    def __init__(self, kept: int = KEPT):
        self.kept, self.made = kept, OrderedDict[tuple[str, str], Tensor]()

    @torch.inference_mode()
    def of(self, photograph: Photograph, model: Model) -> Tensor:
        """(1, C, h, w)."""
        key = photograph.digest, model.name
        if key not in self.made:
            self.made[key] = model.encode(files.to_tensor(photograph.lr, model.device))
        self.made.move_to_end(key)
        while len(self.made) > 1 and sum(f.nbytes for f in self.made.values()) > self.kept:
            self.made.popitem(last=False)
        return self.made[key]
