"""Validation while training: four embedded photographs, which are in no training or benchmark set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from srlib import data
from srlib.imaging import resize
from srlib.imaging.files import to_tensor
from srlib.models.base import Pairs, SRModel

PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket")


def pairs(scales: Sequence[int], device: torch.device | str = "cpu") -> Pairs:
    """Central crops of about 256 x 256 pixels of the photographs, and their LR images: scale -> [(LR, HR), ...]."""
    found: Pairs = {}
    for scale in scales:
        side = 256 // scale * scale
        for name in PHOTOGRAPHS:
            image = data.embedded(name)
            top, left = ((n - side) // 2 for n in image.shape[:2])
            hr = np.ascontiguousarray(image[top : top + side, left : left + side])
            lr = resize.pil(hr, (side // scale, side // scale))
            found.setdefault(scale, []).append((to_tensor(lr, device), to_tensor(hr, device)))
    return found


def scores(model: SRModel, photographs: Pairs | None = None) -> dict[str, float]:
    """`model.validate` in eval mode, on the photographs at its own scales; the model is left as it was."""
    before = model.training
    model.eval()
    try:
        return model.validate(pairs(model.validation_scales(), model.device) if photographs is None else photographs)
    finally:
        model.train(before)
