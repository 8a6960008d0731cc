"""The table of models, and the regression model itself: an encoder and a decoder behind one door."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from srlib.coords import Grid, Size, bands, check_size
from srlib.encoders import EDSR, RDN
from srlib.models.bicubic import Bicubic
from srlib.models.diffusion import Diffusion
from srlib.models.diif import DIIF, FixedSliceDIIF
from srlib.models.diinn import DIINN
from srlib.models.dlte import DLTE
from srlib.models.idm import ImplicitUNet, LRConditioning
from srlib.models.layers import check_images
from srlib.models.liif import LIIF
from srlib.models.lte import LTE
from srlib.models.metasr import MetaSR
from srlib.models.sr3 import Enlarged, Shape, UNet
from srlib.models.tail import PixelShuffleTail, Tails

# name -> (constructor, width of the decoders that go with it)
ENCODERS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "compact": (partial(EDSR, channels=32, blocks=12), 64),
    "edsr-baseline": (partial(EDSR, channels=64, blocks=16), 256),
    "rdn": (partial(RDN, channels=64, blocks=16, layers=8, growth=64), 256),
}

# name -> constructor(channels, hidden)
DECODERS: dict[str, Callable[[int, int], nn.Module]] = {
    "metasr": MetaSR,
    "liif": LIIF,
    "liif-wo-ensemble": partial(LIIF, ensemble=False),
    "liif-wo-unfolding": partial(LIIF, unfold=False),
    "liif-wo-cell": partial(LIIF, cell=False),
    "lte": LTE,
    "diif": DIIF,
    "diif-wo-ds": FixedSliceDIIF,
    "diif-wo-se": partial(DIIF, ensemble=False),
    "diif-x4only": DIIF,  # trained at x4 only
    "diif-cs": partial(DIIF, slicing="constant"),
    "diif-c4f3": partial(DIIF, coarse=4, fine=3),
    "diif-c2f5": partial(DIIF, coarse=2, fine=5),
    "dlte": DLTE,
    "diinn": DIINN,
    "diinn-a": partial(DIINN, modulation="m", positional=True),
    "diinn-b": partial(DIINN, modulation="m"),
    "diinn-c": partial(DIINN, modulation="mz", positional=True),
    "diinn-d": partial(DIINN, modulation="mz"),
    "diinn-e": partial(DIINN, positional=True),
    "diinn-f": DIINN,  # the final model: "diinn"
}

ALIASES = {"diinn-f": "diinn"}  # two names of one decoder

# name -> constructor(channels) of the sub-pixel tails, which make these scales only. IDM's Figure 1 shows EDSR at x8; DIIF's
# Table 1 counts the costs of EDSR and RDN at x16. x234 is one encoder with three tails.
TAILS: dict[str, Callable[[int], nn.Module]] = {
    **{f"x{scale}": partial(PixelShuffleTail, scale=scale) for scale in (2, 3, 4, 8, 16)},
    "x234": partial(Tails, scales=(2, 3, 4)),
}

NAMES = ("bicubic", *(f"{encoder}-{decoder}" for encoder in ENCODERS for decoder in (*DECODERS, *TAILS)))

# Diffusion models: name -> constructor of (condition, U-Net). The small ones train on a CPU, in thousands of steps where the
# papers' take a million. Predicting the noise itself, they had not learnt by then what colour an image is to have: at the first
# levels of sampling an error in the noise counts a hundredfold in x_0. Hence the residual, whose colour is none, and v.
SMALL = Shape(width=32, multipliers=(1, 2, 4, 4), blocks=1, groups=16, dropout=0.0, residual=True)
DIFFUSION: dict[str, Callable[[], tuple[nn.Module, nn.Module]]] = {
    "sr3": lambda: (Enlarged(), UNet()),
    "sr3-small": lambda: (Enlarged(), UNet(SMALL)),
    "idm": lambda: (LRConditioning(), ImplicitUNet()),
    "idm-small": lambda: (LRConditioning(channels=32, blocks=8), ImplicitUNet(SMALL)),
}
ALL = (*NAMES, *DIFFUSION)

# Output pixels decoded at a time. Fast path on a CPU: activations stay in the cores' cache (measured: 8192 is a fifth slower).
# Literal path: as a plain vectorised implementation works, very many at once, yet in less than 1 GB.
CPU_QUERIES, GPU_QUERIES, LITERAL_QUERIES, UNBOUNDED = 4096, 2**18, 2**16, 2**62


class Model(nn.Module):
    """An arbitrary-scale super-resolution model: encode once, decode at any size.

    Images are RGB in [0, 1], (B, 3, h, w) float; the networks see (x - mean) / std, 0.5 and 0.5 in all but EDSR's own
    released files, and outputs are not clamped.
    """

    def __init__(
        self, name: str, encoder: nn.Module, decoder: nn.Module, *, mean: Sequence[float] = (0.5,) * 3, std: float = 0.5
    ):
        super().__init__()
        self.name, self.encoder, self.decoder, self.std = name, encoder, decoder, std
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.origin: dict[str, str] = {}  # where the weights come from; filled by load

    def forward(self, lr: Tensor, size: Size) -> Tensor:
        """lr (B, 3, h, w) in [0, 1] -> (B, 3, H, W) for size = (H, W); not clamped."""
        return self.decode(self.encode(lr), size)

    def encode(self, lr: Tensor) -> Tensor:
        """lr (B, 3, h, w) float in [0, 1] -> features (B, C, h, w). ValueError on any other input, and on NaN.

        For LTE and DLTE the last three channels are the normalised image itself, for their bilinear skip.
        """
        check_images(lr, "lr", self, finite=not self.training)
        image = (lr - self.mean) / self.std
        features = self.encoder(image)
        if getattr(self.decoder, "needs_image", False):
            features = torch.cat([features, image.to(features.dtype)], dim=1)
        return features

    def decode(
        self,
        features: Tensor,
        size: Size,
        *,
        literal: bool = False,
        rows: Tensor | None = None,
        queries: int | None = None,
    ) -> Tensor:
        """features (B, C, h, w) from `encode` -> (B, 3, H, W), not clamped; any size, decoded in bands of rows.

        literal: follow the paper's equations one by one (the slow reference); otherwise the fast exact path.
        rows: int64 indices of the output rows wanted, (R,); then the result is (B, 3, R, W).
        queries: output pixels to decode at a time; by default what suits the path and the device.
        """
        grid = Grid(tuple(features.shape[-2:]), check_size(size))
        rows = torch.arange(grid.size[0]) if rows is None else rows
        bands = self.decode_bands(features, grid, rows, literal=literal, queries=queries)
        if (queries or self.band_queries(features, literal)) >= UNBOUNDED:
            return next(bands)[1]
        out = features.new_empty(features.shape[0], 3, len(rows), grid.size[1])
        for first, band in bands:
            out[:, :, first : first + band.shape[2]] = band
        return out

    def decode_bands(
        self, features: Tensor, grid: Grid, rows: Tensor, *, literal: bool = False, queries: int | None = None
    ) -> Iterator[tuple[int, Tensor]]:
        """Decode the output rows `rows` band by band: yields (position in `rows`, (B, 3, r, columns)), bounded in memory."""
        paint = (self.decoder.literal if literal else self.decoder.fast)(features, grid)
        rows = rows.cpu()
        queries = (queries or self.band_queries(features, literal)) // features.shape[0]
        for first, end in bands(len(rows), grid.width, queries):
            yield first, paint(rows[first:end]).permute(0, 3, 1, 2) * self.std + self.mean

    def band_queries(self, features: Tensor, literal: bool) -> int:
        """How many output pixels to decode at a time. With a graph, or without data (meta), bands would save nothing."""
        graph = torch.is_grad_enabled() and (features.requires_grad or any(p.requires_grad for p in self.parameters()))
        if graph or features.device.type == "meta":
            return UNBOUNDED
        if literal:
            return LITERAL_QUERIES
        return getattr(self.decoder, "queries", CPU_QUERIES) if features.device.type == "cpu" else GPU_QUERIES


def unknown(what: str, name: object, known: list[str] | tuple[str, ...]) -> ValueError:
    """A ValueError that names the nearest known names."""
    near = difflib.get_close_matches(str(name), known, n=4, cutoff=0.4)
    hint = f"nearest: {', '.join(near)}" if near else f"known: {', '.join(known)}"
    return ValueError(f"unknown {what} {name!r}; {hint}")


def split_name(name: str) -> tuple[str, str]:
    """'edsr-baseline-diif' -> ('edsr-baseline', 'diif'). ValueError with the nearest names if there is no such model."""
    if name in NAMES and name != "bicubic":
        encoder = next(e for e in ENCODERS if name.startswith(e + "-"))
        return encoder, name.removeprefix(encoder + "-")
    if name == "bicubic" or name in DIFFUSION:
        return "", name
    raise unknown("model", name, ALL)


def build(name: str, seed: int | None = None) -> Model | Diffusion:
    """A model with fresh weights, in eval mode: {encoder}-{decoder}, "bicubic", or a diffusion model (see `srlib.available`).

    seed: makes the weights repeatable and leaves torch's global generator as it was.
    """
    encoder_name, decoder_name = split_name(name)
    if decoder_name == "bicubic":
        return bicubic()
    with torch.random.fork_rng(devices=[], enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(seed)
        if decoder_name in DIFFUSION:
            return Diffusion(name, *DIFFUSION[name]()).eval()
        make, width = ENCODERS[encoder_name]
        encoder = make()
        if decoder_name in TAILS:
            return Model(name, encoder, TAILS[decoder_name](encoder.channels)).eval()
        return Model(name, encoder, DECODERS[decoder_name](encoder.channels, width)).eval()


def bicubic() -> Model:
    """Bicubic interpolation as a model: no encoder, no parameters."""
    encoder = nn.Identity()
    encoder.reach = 0
    return Model("bicubic", encoder, Bicubic()).eval()
