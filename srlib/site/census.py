"""What a decoder computes at which resolution: a census of its matrix products, taken by running it without data.

A product is done once per position. Whether that is an LR code, a slice or an output pixel shows in how its number grows with
the scale s: not at all, with s, or with s squared.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, lru_cache
from unittest.mock import patch

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from srlib.models import build, diif_fixed
from srlib.models.base import SRModel
from srlib.models.catalogue import DECODERS, ModelName
from srlib.util.sizes import scaled_size

SIDE = 48  # of the LR image, in pixels
SCALE = 8  # that is counted; the one of half of it tells the growth
PLACES = ("once", "code", "slice", "pixel")


@dataclass(frozen=True)
class Product:
    """inputs, outputs: widths. place: "once" (whatever the size), or for each LR "code", "slice" or output "pixel".
    times: how often there, at ×8. macs: of the whole image of 48 × 48 codes. learnt: False for a product of two computed
    matrices, which belongs to no layer."""

    inputs: int
    outputs: int
    place: str
    times: float
    macs: int
    learnt: bool


class Watch(TorchDispatchMode):
    """Notes the products that run under it: weight -> [inputs, outputs, positions, learnt], in order of first use."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[object, list] = {}
        self.held: list[torch.Tensor] = []  # so that no storage's name is given twice

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        aten = torch.ops.aten
        if func in (aten.mm.default, aten.addmm.default):
            left, weight = args[-2:]
            self.note(weight, weight.shape[0], weight.shape[1], left.shape[0])
        elif func is aten.bmm.default:
            left, right = args
            self.note(None, right.shape[1], right.shape[2], left.shape[0] * left.shape[1])
        elif func is aten.convolution.default:
            weight = args[1]
            self.note(weight, weight[0].numel(), weight.shape[0], out.numel() // weight.shape[0])
        return out

    def note(self, weight: torch.Tensor | None, inputs: int, outputs: int, positions: int) -> None:
        key = ("computed", inputs) if weight is None else weight.untyped_storage()._cdata
        if key not in self.seen:
            self.seen[key] = [inputs, outputs, 0, weight is not None]
            self.held += [] if weight is None else [weight]
        self.seen[key][2] += positions

    def macs(self, *, literal: bool) -> int:
        """All together. literal: as papers count, without products of two computed matrices."""
        return sum(i * o * count for i, o, count, learnt in self.seen.values() if learnt or not literal)


@lru_cache(maxsize=64)
def encoded(name: str) -> tuple[SRModel, torch.Tensor, int]:
    """A model without data, the features of an LR image, and the multiply-accumulates that these took."""
    with torch.device("meta"):
        model = build(name)
    with torch.no_grad(), Watch() as watch:
        features = model.once(torch.empty(1, 3, SIDE, SIDE, device="meta"), (SIDE, SIDE))
    return model, features, watch.macs(literal=True)


def watched(name: str, scale: float, *, literal: bool) -> Watch:
    model, features, _ = encoded(name)
    all_at_once = patch.object(diif_fixed, "AT_ONCE", 2**62)  # there is no data that would not fit
    with torch.no_grad(), all_at_once, Watch() as watch:
        model.answer(features, scaled_size((SIDE, SIDE), scale), literal=literal)
    return watch


@cache
def macs(name: str, scale: float, *, literal: bool) -> int:
    """Multiply-accumulates of one image of 48 × 48, encoder included: `cost.count_macs`, with the encoder counted once, and
    the decoder once for all encoders of the same width."""
    own = ModelName.of(name)
    if own.encoder == "rdn" and own.decoder in DECODERS:  # as wide as EDSR-baseline
        twin = str(ModelName("edsr-baseline", own.decoder))
        return encoded(name)[2] + macs(twin, scale, literal=literal) - encoded(twin)[2]
    return encoded(name)[2] + watched(name, scale, literal=literal).macs(literal=literal)


def take(name: str, *, literal: bool) -> list[Product]:
    """The products of a model's decoder by one of its paths, at ×8, in the order of their first use."""
    small, large = (watched(name, scale, literal=literal).seen.values() for scale in (SCALE // 2, SCALE))
    products = []
    for (*_, before, _), (inputs, outputs, positions, learnt) in zip(small, large, strict=True):
        order = round(math.log2(positions / before))
        many = positions >= SIDE**2  # else it does not depend on the image
        place = PLACES[1 + order] if many else "once"
        each = SIDE**2 * SCALE**order if many else 1
        products.append(Product(inputs, outputs, place, positions / each, inputs * outputs * positions, learnt))
    return products
