"""The catalogue: one record for each encoder and decoder, the names that they make, and `build`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from srlib.models.base import Decoder, Encoder, Model, SRModel
from srlib.models.bicubic import Bicubic
from srlib.models.diffusion import Diffusion
from srlib.models.diif import DIIF
from srlib.models.diif_fixed import FixedSliceDIIF
from srlib.models.diinn import DIINN
from srlib.models.dlte import DLTE
from srlib.models.encoders import EDSR, RDN, NoEncoder
from srlib.models.idm import ImplicitUNet, LRConditioning
from srlib.models.liif import LIIF
from srlib.models.lmf import LMLIIF, LMLTE
from srlib.models.lte import LTE
from srlib.models.metasr import MetaSR
from srlib.models.srno import SRNO
from srlib.models.swinir import SwinIR
from srlib.models.tail import PixelShuffleTail, Tails
from srlib.models.thera import Thera
from srlib.models.unet import Enlarged, Shape, UNet
from srlib.util.errors import unknown


@dataclass(frozen=True)
class EncoderRecord:
    """make: constructor. hidden: width of the decoders that go with it."""

    make: Callable[[], Encoder]
    hidden: int


@dataclass(frozen=True)
class DecoderRecord:
    """make: constructor(channels of the features, hidden width). label: how people call it. colour: in every figure (Okabe-Ito,
    safe for colour-blind readers; variants in shades of their own)."""

    make: Callable[[int, int], Decoder]
    label: str
    colour: str


@dataclass(frozen=True)
class DiffusionRecord:
    """make: constructor of (condition, U-Net). label, colour: as a decoder's. held: the scaling factor that it is told
    whatever the scale, or None for the one that the sizes tell."""

    make: Callable[[], tuple[nn.Module, UNet]]
    label: str
    colour: str
    held: float | None = None


ENCODERS: dict[str, EncoderRecord] = {
    "compact": EncoderRecord(partial(EDSR, channels=32, blocks=12), 64),
    "edsr-baseline": EncoderRecord(partial(EDSR, channels=64, blocks=16), 256),
    "rdn": EncoderRecord(partial(RDN, channels=64, blocks=16, layers=8, growth=64), 256),
    "swinir": EncoderRecord(SwinIR, 256),
}

DECODERS: dict[str, DecoderRecord] = {
    "metasr": DecoderRecord(MetaSR, "Meta-SR", "#e69f00"),
    "liif": DecoderRecord(LIIF, "LIIF", "#0072b2"),
    "liif-wo-ensemble": DecoderRecord(partial(LIIF, ensemble=False), "LIIF w/o ensemble", "#5b9bc8"),
    "liif-wo-unfolding": DecoderRecord(partial(LIIF, unfold=False), "LIIF w/o unfolding", "#8fb8d6"),
    "liif-wo-cell": DecoderRecord(partial(LIIF, cell=False), "LIIF w/o cell", "#b5cfe0"),
    "liif-near": DecoderRecord(partial(LIIF, near=True), "LIIF (DIINN's)", "#24508c"),  # as DIINN's authors wrote it
    "lte": DecoderRecord(LTE, "LTE", "#56b4e9"),
    "diif": DecoderRecord(DIIF, "DIIF", "#d55e00"),
    "diif-wo-ds": DecoderRecord(FixedSliceDIIF, "DIIF w/o ds", "#7f3b08"),
    "diif-wo-se": DecoderRecord(partial(DIIF, ensemble=False), "DIIF w/o se", "#f4a582"),
    "diif-x4only": DecoderRecord(DIIF, "DIIF ×4 only", "#b8860b"),  # trained at x4 only
    "diif-cs": DecoderRecord(partial(DIIF, slicing="constant"), "DIIF cs", "#a50f15"),
    "diif-c4f3": DecoderRecord(partial(DIIF, coarse=4, fine=3), "DIIF c4+f3", "#8c564b"),
    "diif-c2f5": DecoderRecord(partial(DIIF, coarse=2, fine=5), "DIIF c2+f5", "#fdae6b"),
    "dlte": DecoderRecord(DLTE, "DLTE", "#cc79a7"),
    # as many amplitudes as the encoder has channels, as in the paper at full size
    "dlte-full": DecoderRecord(partial(DLTE, full=True), "DLTE, full amplitudes", "#a05195"),
    "diinn": DecoderRecord(DIINN, "DIINN", "#009e73"),
    "diinn-a": DecoderRecord(partial(DIINN, modulation="m", positional=True), "DIINN (a)", "#c7e9c0"),
    "diinn-b": DecoderRecord(partial(DIINN, modulation="m"), "DIINN (b)", "#a1d99b"),
    "diinn-c": DecoderRecord(partial(DIINN, modulation="mz", positional=True), "DIINN (c)", "#74c476"),
    "diinn-d": DecoderRecord(partial(DIINN, modulation="mz"), "DIINN (d)", "#41ab5d"),
    "diinn-e": DecoderRecord(partial(DIINN, positional=True), "DIINN (e)", "#238b45"),
    "diinn-f": DecoderRecord(DIINN, "DIINN (f)", "#009e73"),  # the final model: "diinn"
    "lmf": DecoderRecord(LMLIIF, "LM-LIIF", "#999933"),
    "lmf-lte": DecoderRecord(LMLTE, "LM-LTE", "#ddcc77"),
    "srno": DecoderRecord(SRNO, "SRNO", "#aa4499"),
    # At full size as released: components up to 16 cycles. After 250 steps of the compact Air from there most
    # were still too fine for x2 (30.6 dB, that of the nearest pixel); from 4 cycles on it had 34.1.
    "thera-air": DecoderRecord(lambda channels, hidden: Thera(channels, finest=hidden / 16), "Thera Air", "#c08a7a"),
    "thera-plus": DecoderRecord(  # the compact one has a third of the blocks
        lambda channels, hidden: Thera(
            channels, 2 * hidden, blocks=(2, 2, 1) if hidden == 64 else (6, 7, 3), finest=hidden / 16
        ),
        "Thera Plus",
        "#661100",
    ),
}

ALIASES = {"diinn-f": "diinn"}  # two names of one decoder


def tail(scale: int) -> DecoderRecord:
    """EDSR's and RDN's sub-pixel tail for one scale."""
    return DecoderRecord(lambda channels, hidden: PixelShuffleTail(channels, scale), f"EDSR ×{scale}", "#000000")


# Decoders that make their own scales only. IDM's Figure 1 shows EDSR at x8; DIIF's Table 1 counts the costs of EDSR and RDN at
# x16. x234 is one encoder with three tails.
SINGLE_SCALES = {f"x{scale}": scale for scale in (2, 3, 4, 8, 16)}
TAILS: dict[str, DecoderRecord] = {name: tail(scale) for name, scale in SINGLE_SCALES.items()} | {
    "x234": DecoderRecord(lambda channels, hidden: Tails(channels, (2, 3, 4)), "EDSR ×2 ×3 ×4", "#000000")
}

BICUBIC = DecoderRecord(lambda channels, hidden: Bicubic(), "Bicubic", "#6b6b6b")

# The small diffusion models train on a CPU, in thousands of steps where the papers' take a million. Predicting the noise
# itself, they had not learnt by then what colour an image is to have: at the first levels of sampling an error in the noise
# counts a hundredfold in x_0. Hence the residual, whose colour is none, and v.
SMALL = Shape(width=32, multipliers=(1, 2, 4, 4), blocks=1, groups=16, dropout=0.0, residual=True)
DIFFUSION: dict[str, DiffusionRecord] = {
    "sr3": DiffusionRecord(lambda: (Enlarged(), UNet()), "SR3", "#882255"),
    "sr3-small": DiffusionRecord(lambda: (Enlarged(), UNet(SMALL)), "SR3", "#882255"),
    "idm": DiffusionRecord(lambda: (LRConditioning(), ImplicitUNet()), "IDM", "#332288"),
    "idm-small": DiffusionRecord(
        lambda: (LRConditioning(channels=32, blocks=8), ImplicitUNet(SMALL)), "IDM", "#332288"
    ),
    # Controls: what the range of scales does without IDM's network, and IDM's network without the scaling factor.
    "sr3-small-scales": DiffusionRecord(lambda: (Enlarged(), UNet(SMALL)), "SR3, all scales", "#aa7799"),
    "idm-small-p1": DiffusionRecord(
        lambda: (LRConditioning(channels=32, blocks=8), ImplicitUNet(SMALL)), "IDM, p = 1", "#7766bb", held=1.0
    ),
}

OTHER_COLOURS = ("#4e79a7", "#b07aa1", "#9c755f", "#76b7b2", "#edc948", "#8a8a00")  # of models that are in no record
given_colours: dict[str, str] = {}  # which of them each name has got, in the order in which they were asked for


@dataclass(frozen=True)
class ModelName:
    """A model's name in its parts: 'edsr-baseline-diif' is ('edsr-baseline', 'diif'); bicubic and diffusion models have no
    encoder. 'compact-diif-seed2' is the same network trained with another seed. A name that builds nothing here (a file's, a
    user's own) is all decoder."""

    encoder: str
    decoder: str
    seed: int = 0

    @classmethod
    def of(cls, name: str) -> ModelName:
        """Any name in its parts, known or not."""
        plain, seed = without_seed(name)
        for encoder in ENCODERS:
            if plain.removeprefix(encoder + "-") in (*DECODERS, *TAILS) and plain.startswith(encoder + "-"):
                return cls(encoder, plain.removeprefix(encoder + "-"), seed)
        return cls("", plain, seed) if plain in DIFFUSION else cls("", name)

    @classmethod
    def parse(cls, name: str) -> ModelName:
        """A name that builds a model, in its parts. ValueError with the nearest names for any other."""
        if name not in names():
            raise unknown("model", name, names())
        return cls.of(name)

    def __str__(self) -> str:
        return with_seed(f"{self.encoder}-{self.decoder}".lstrip("-"), self.seed)

    @property
    def record(self) -> DecoderRecord | DiffusionRecord | None:
        """The decoder's record, or None for a name that builds nothing here."""
        if self.decoder == "bicubic":
            return BICUBIC
        return DECODERS.get(self.decoder) or TAILS.get(self.decoder) or DIFFUSION.get(self.decoder)

    @property
    def label(self) -> str:
        """How people call the method: 'compact-diif-cs' -> 'DIIF cs', 'rdn-x2' -> 'RDN ×2'; an unknown name is its own."""
        if self.record is None:
            return self.decoder
        label = self.record.label.replace("EDSR", {"rdn": "RDN", "swinir": "SwinIR"}.get(self.encoder, "EDSR"))
        return label + (f", seed {self.seed}" if self.seed else "")

    @property
    def colour(self) -> str:
        """Its colour in every figure; an unknown name gets the next one of a few others, and keeps it."""
        if self.record is None:
            following = OTHER_COLOURS[len(given_colours) % len(OTHER_COLOURS)]
            return given_colours.setdefault(self.decoder, following)
        return self.record.colour

    @property
    def family(self) -> str:
        """The decoder that it is a variant of: 'liif-wo-cell' and 'liif' are 'liif', 'thera-air' is 'thera'."""
        return self.decoder.partition("-")[0]

    @property
    def scale(self) -> int | None:
        """The only scale that it makes: 'rdn-x3' -> 3; None for any other."""
        return SINGLE_SCALES.get(self.decoder)

    @property
    def aliases(self) -> list[str]:
        """Other names of the same model: 'rdn-diinn' is 'rdn-diinn-f'."""
        pairs = [pair for one, other in ALIASES.items() for pair in ((one, other), (other, one))]
        return [str(ModelName(self.encoder, other, self.seed)) for one, other in pairs if self.decoder == one]


def with_seed(model: str, seed: int) -> str:
    """What the weights of a model trained with a seed are called: 'compact-diif-seed2'; seed 0 goes without saying."""
    return f"{model}-seed{seed}" if seed else model


def without_seed(name: str) -> tuple[str, int]:
    """The model that such a name is of, and its seed; any other name as it is, and 0."""
    found = re.fullmatch(r"(.+)-seed([1-9]\d*)", name)
    return (found[1], int(found[2])) if found and found[1] in names() else (name, 0)


def names() -> tuple[str, ...]:
    """Every name that `build` knows."""
    return (
        "bicubic",
        *(f"{encoder}-{decoder}" for encoder in ENCODERS for decoder in (*DECODERS, *TAILS)),
        *DIFFUSION,
    )


def labels(models: Sequence[str]) -> dict[str, str]:
    """`ModelName.label` of each model, with the encoder or the size where two models share a method."""
    parts = {name: ModelName.of(name) for name in models}
    called = [part.label for part in parts.values()]

    def kind(part: ModelName) -> str:
        return part.encoder or ("small" if part.decoder.endswith("-small") else "full size")

    return {
        name: part.label + (f" ({kind(part)})" if called.count(part.label) > 1 else "") for name, part in parts.items()
    }


def build(name: str, seed: int | None = None) -> SRModel:
    """A model with fresh weights, in eval mode: {encoder}-{decoder}, "bicubic", or a diffusion model (see `srlib.available`).

    seed: makes the weights repeatable and leaves torch's global generator as it was. ValueError for an unknown name.
    """
    part = ModelName.parse(name)
    if part.decoder == "bicubic":
        return Model("bicubic", NoEncoder(), Bicubic()).eval()
    with torch.random.fork_rng(devices=[], enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(seed)
        if part.decoder in DIFFUSION:
            record = DIFFUSION[part.decoder]
            return Diffusion(name, *record.make(), held=record.held).eval()
        encoder = ENCODERS[part.encoder].make()
        decoder = part.record.make(encoder.channels, ENCODERS[part.encoder].hidden)
        return Model(name, encoder, decoder).eval()
