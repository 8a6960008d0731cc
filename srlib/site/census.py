"""What a decoder computes at which resolution: a census of its matrix products, taken by running it without data.

A product is done once per position. Whether that is an LR code, a slice or an output pixel shows in how its number grows with
the scale s: not at all, with s, or with s squared.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from unittest.mock import patch

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
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


def id_of(tensor: torch.Tensor) -> int:
    """What two views of one tensor share."""
    return tensor.untyped_storage()._cdata


@dataclass
class Seen:
    """What one weight has been multiplied with so far: at how many positions, in how many calls."""

    inputs: int
    outputs: int
    learnt: bool
    positions: int = 0
    calls: int = 0

    @property
    def macs(self) -> int:
        return self.inputs * self.outputs * self.positions


class Watch(TorchDispatchMode):
    """Notes the products that run under it, by weight, in order of first use."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: dict[tuple, Seen] = {}
        self.held: list[torch.Tensor] = []  # so that no storage's name is given twice

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        aten = torch.ops.aten
        if func in (aten.mm.default, aten.addmm.default):
            left, weight = args[-2:]
            self.note(weight, weight.shape[0], weight.shape[1], left.shape[0])
        elif func is aten.bmm.default:
            (batch, rows, inner), columns = args[0].shape, args[1].shape[2]
            if inner >= SIDE**2:  # a sum over all pixels: each adds rows x columns products
                self.note(None, rows, columns, batch * inner)
            else:
                self.note(None, inner, columns, batch * rows)
        elif func is aten.convolution.default:
            weight = args[1]
            self.note(weight, weight[0].numel(), weight.shape[0], out.numel() // weight.shape[0])
        return out

    def note(self, weight: torch.Tensor | None, inputs: int, outputs: int, positions: int) -> None:
        key = ("computed" if weight is None else id_of(weight), inputs, outputs)  # parts of a weight count apart
        if key not in self.seen:
            self.seen[key] = Seen(inputs, outputs, weight is not None)
            self.held += [] if weight is None else [weight]
        self.seen[key].positions += positions
        self.seen[key].calls += 1

    def macs(self, *, literal: bool) -> int:
        """All together. literal: as papers count, without products of two computed matrices."""
        return sum(one.macs for one in self.seen.values() if one.learnt or not literal)


@cache
def encoded(name: str) -> tuple[SRModel, torch.Tensor, int]:
    """A model without data, the features of an LR image, and the multiply-accumulates that these took."""
    with torch.device("meta"):
        model = build(name)
    with torch.no_grad(), Watch() as watch:
        features = model.once(torch.empty(1, 3, SIDE, SIDE, device="meta"), (SIDE, SIDE))
    return model, features, watch.macs(literal=True)


def watched(name: str, scale: float, *, literal: bool) -> Watch:
    model, features, _ = encoded(name)
    many = 2**62 if literal else diif_fixed.AT_ONCE  # by the equations bands change no number; without data all fits
    with torch.no_grad(), patch.object(diif_fixed, "AT_ONCE", many), Watch() as watch:
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
    for before, one in zip(small, large, strict=True):
        order = round(math.log2(one.positions / before.positions))
        many = one.positions >= SIDE**2  # else it does not depend on the image
        place = PLACES[1 + order] if many else "once"
        each = SIDE**2 * SCALE**order if many else 1
        products.append(Product(one.inputs, one.outputs, place, one.positions / each, one.macs, one.learnt))
    return products


FACE, FACES = (16, 16), (128, 128)  # what IDM's released files are for


@cache
def by_size(name: str, *, literal: bool) -> dict[tuple[int, str], int]:
    """Multiply-accumulates of a diffusion model for 16 × 16 -> 128 × 128, by the side of the square on which they are done (1:
    whatever the size) and by kind: "condition", once an image; "network" and "implicit", the implicit upsampling, each step."""
    with torch.device("meta"):
        model = build(name)
    parts = {}
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        with Watch() as once:
            prepared = model.once(torch.empty(1, 3, *FACE, device="meta"), FACES)
        with Watch() as step:
            model.answer(prepared, FACES, literal=literal)
    own = {id_of(w): name for name, w in model.named_parameters()}
    for watch, phase in ((once, "condition"), (step, "network")):
        for key, one in watch.seen.items():
            nobodys = one.learnt and key[0] not in own  # the product of the implicit function's two layers
            kind = "implicit" if phase == "network" and (nobodys or "imnet" in own.get(key[0], "")) else phase
            side = math.isqrt(one.positions // one.calls)
            merging = kind == "implicit" and not literal and key[0] in own  # W2 W1 itself
            side = side if side >= 8 and side**2 * one.calls == one.positions and not merging else 1
            parts[side, kind] = parts.get((side, kind), 0) + one.macs
    return parts
