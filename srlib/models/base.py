"""The interfaces, said once: an encoder, a decoder, and what every model answers; and the regression model, made of the two."""

from __future__ import annotations

import contextlib
import copy
import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from srlib.imaging import metrics, resize
from srlib.models.geometry import Grid, at_changes, bands, nearest_code, tiles
from srlib.models.layers import check_images
from srlib.util import fastest, precision
from srlib.util.sizes import Size, check_size
from srlib.util.threads import one_of_torch, side_by_side

# Output pixels decoded at a time. Reference path: as a plain vectorised implementation works, very many at once, yet in less
# than 1 GB. UNBOUNDED: all of them.
GPU_QUERIES, REFERENCE_QUERIES, UNBOUNDED = 2**18, 2**16, 2**62
TILE = 512  # side in LR pixels of what is encoded at a time, margins included

Rows = Callable[[Tensor], Tensor]  # output rows k (R,) int64 -> RGB (B, R, W, 3)


class Encoder(nn.Module):
    """A normalised LR image (B, 3, h, w) -> features (B, channels, h, w), one latent code a pixel.

    channels: of the features. reach: LR pixels on each side that a code depends on. whole: whether it sees all of the image.
    """

    channels: int
    reach: int
    whole: bool = False


class Decoder(nn.Module):
    """Latent codes -> RGB at any output pixel. A subclass is one paper's decoder; its class attributes say what it needs.

    scales: the only ones that it makes, or None for any. needs_image: the features carry the normalised LR image as three more
    channels. reach: how many codes around a pixel's own it touches. whole: whether every pixel depends on all of the image, so
    that only all of its features make any. whole_groups: a row of codes makes all its output rows at once, so that bands should
    end with it. width: of its hidden layers, and vectors: how many of them an output pixel holds at once; from both follows how
    many pixels suit a core's cache.
    """

    scales: tuple[int, ...] | None = None
    needs_image: bool = False
    reach: int = 4
    whole: bool = False
    whole_groups: bool = False
    width: int = 256
    vectors: int = 1

    def queries(self) -> int:
        """Output pixels at a time that suit it on a CPU."""
        return fastest.block(self.width) // self.vectors

    def reference(self, features: Tensor, grid: Grid) -> Rows:
        """The paper's equations one by one. features (B, C, h, w) -> a function of output rows k (R,) -> RGB (B, R, W, 3)."""
        raise NotImplementedError

    def fast(self, features: Tensor, grid: Grid) -> Rows:
        """The same numbers with less work; without one, the reference."""
        return self.reference(features, grid)

    def learn(self, features: Tensor, grid: Grid, k: Tensor) -> tuple[Tensor, Tensor | float]:
        """RGB (B, R, W, 3) of the output rows k (R,) with a graph, and what the paper adds to L1 when it trains."""
        return self.fast(features, grid)(k), 0.0


@dataclass(frozen=True)
class Sampling:
    """How a diffusion model draws: steps, sampler, seed. Regression models take no notice of it."""

    steps: int = 50
    sampler: str = "ddim"
    seed: int = 0


@dataclass(frozen=True)
class Batch:
    """What one training step sees: LR (B, 3, p, p) and HR (B, 3, S, S), both in [0, 1], the output rows to decode (R,) int64
    (regression models), and the generator for noise (diffusion models)."""

    lr: Tensor
    hr: Tensor
    rows: Tensor
    generator: torch.Generator


Pairs = dict[int, list[tuple[Tensor, Tensor]]]  # validation: scale -> (LR, HR), each (1, 3, ., .) in [0, 1]


class SRModel(nn.Module):
    """What every model answers, whatever its kind. Images are RGB in [0, 1], (B, 3, h, w) float.

    name: what it is called in tables. architecture: the name that builds it. origin: where its weights come from. encoder,
    decoder: the two parts whose costs are told apart. precision: of its products (`util.precision`).
    """

    draws: bool = False  # whether another seed gives another image
    whole_crops: bool = False  # whether it is trained on whole crops, resized to both sizes
    precision: str = "float32"
    encoder: nn.Module
    decoder: nn.Module

    def __init__(self, name: str):
        super().__init__()
        self.name = self.architecture = name
        self.origin: dict[str, str] = {}
        # so that models without weights have a device too
        self.register_buffer("place", torch.zeros(0), persistent=False)

    @property
    def device(self) -> torch.device:
        return self.place.device

    @property
    def scales(self) -> tuple[int, ...] | None:
        """The only scales that it makes, or None for any."""
        return None

    @property
    def cpu_queries(self) -> int | None:
        """Output pixels at a time that suit it on a CPU, or None if it makes all at once."""
        return None

    def in_precision(self, kind: str | None) -> SRModel:
        """The same model, its weights shared, with products in "float32" or "bf16" (`util.precision`). ValueError for another
        word, for what this device emulates, and for "bf16" of a model that draws. None: as it is."""
        if precision.check(kind or "float32", self.device) != "float32":
            raise ValueError(f"precision {kind!r} is for models that encode and decode; {self.name} draws in float32")
        return self

    def forward(self, lr: Tensor, size: Size) -> Tensor:
        """lr (B, 3, h, w) in [0, 1] -> (B, 3, H, W) for size = (H, W)."""
        raise NotImplementedError

    def render(self, lr: Tensor, size: Size, sampling: Sampling = Sampling()) -> Tensor:
        """Any size, from any model: lr (B, 3, h, w) -> (B, 3, H, W) in [0, 1], without gradients."""
        raise NotImplementedError

    def pieces(
        self, lr: Tensor, size: Size, *, tile: int = TILE, progress: bool = False
    ) -> Iterator[tuple[slice, slice, Tensor]]:
        """The whole image piece by piece, in bounded memory: (rows, columns, (B, 3, r, c)), not clamped."""
        raise NotImplementedError

    def loss(self, batch: Batch) -> Tensor:
        """The training objective."""
        raise NotImplementedError

    def validate(self, pairs: Pairs) -> dict[str, float]:
        """Scores of validation photographs by name."""
        raise NotImplementedError

    def validation_scales(self) -> tuple[int, ...]:
        """The scales that `validate` wants."""
        raise NotImplementedError

    def config(self) -> dict:
        """What the model needs to know beside its weights."""
        raise NotImplementedError

    def configure(self, said: dict) -> None:
        """Tell the model what `config` said. KeyError, TypeError, ValueError or RuntimeError if that cannot be."""
        raise NotImplementedError

    def once(self, lr: Tensor, size: Size) -> object:
        """What is computed once per image: the encoder's share of the cost."""
        raise NotImplementedError

    def answer(self, prepared: object, size: Size, *, literal: bool = False, queries: int | None = None) -> Tensor:
        """What follows from `once`: the decoder's share of the cost, of a diffusion model one noise prediction."""
        raise NotImplementedError


class Model(SRModel):
    """A regression model: encode once, decode at any size.

    The networks see (x - mean) / std, 0.5 and 0.5 in all but EDSR's own released files; outputs are not clamped.
    """

    encoder: Encoder
    decoder: Decoder

    def __init__(
        self, name: str, encoder: Encoder, decoder: Decoder, *, mean: Sequence[float] = (0.5,) * 3, std: float = 0.5
    ):
        super().__init__(name)
        self.encoder, self.decoder, self.std = encoder, decoder, std
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)

    @property
    def scales(self) -> tuple[int, ...] | None:
        return self.decoder.scales

    @property
    def cpu_queries(self) -> int:
        return self.decoder.queries()

    def in_precision(self, kind: str | None) -> Model:
        if precision.check(kind or self.precision, self.device) == self.precision:
            return self
        twin = copy.copy(self)
        twin.precision = kind
        return twin

    def forward(self, lr: Tensor, size: Size) -> Tensor:
        """lr (B, 3, h, w) in [0, 1] -> (B, 3, H, W) for size = (H, W); not clamped."""
        return self.decode(self.encode(lr), size)

    def encode(self, lr: Tensor) -> Tensor:
        """lr (B, 3, h, w) float in [0, 1] -> features (B, C, h, w). ValueError on any other input, and on NaN.

        For LTE and DLTE the last three channels are the normalised image itself, for their bilinear skip.
        """
        check_images(lr, "lr", self, finite=not self.training)
        image = (lr - self.mean) / self.std
        with self.between_pieces(lr), precision.products(self.precision, lr.device):
            features = self.encoder(image)
        if self.precision != "float32":
            features = features.float()
        if self.decoder.needs_image:
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
        threads: int | None = None,
        precision: str | None = None,
    ) -> Tensor:
        """features (B, C, h, w) from `encode` -> (B, 3, H, W), not clamped; any size, decoded in bands of rows.

        literal: follow the paper's equations one by one (the slow reference); otherwise the fast exact path.
        rows: int64 indices of the output rows wanted, (R,); then the result is (B, 3, R, W).
        queries: output pixels to decode at a time; by default what suits the path and the device.
        threads: bands decoded side by side on a CPU; by default $SRLIB_THREADS, else as many as torch uses. The result has the
        same bits for any number.
        precision: "float32", or "bf16" where the device has it natively (`util.precision`); by default the model's own, which
        `in_precision` sets.
        """
        model, grid = self.in_precision(precision), Grid(tuple(features.shape[-2:]), check_size(size))
        rows = torch.arange(grid.size[0]) if rows is None else rows
        if (queries or self.band_queries(features, literal)) >= UNBOUNDED:
            return next(model.decode_bands(features, grid, rows, literal=literal, queries=queries))[1]
        out = features.new_empty(features.shape[0], 3, len(rows), grid.size[1])

        def put(first: int, band: Tensor) -> None:
            out[:, :, first : first + band.shape[2]] = band

        deque(
            model.decode_bands(features, grid, rows, put, literal=literal, queries=queries, threads=threads), maxlen=0
        )
        return out

    def decode_bands(
        self,
        features: Tensor,
        grid: Grid,
        rows: Tensor,
        finish: Callable[[int, Tensor], object] = lambda first, band: (first, band),
        *,
        literal: bool = False,
        queries: int | None = None,
        threads: int | None = None,
    ) -> Iterator[object]:
        """Decode the output rows `rows` band by band, bounded in memory: yields what `finish` makes of the position in `rows`
        and the band (B, 3, r, columns); by default these two.

        On a CPU the fast path's bands are worked on and finished side by side, each by one thread.
        """
        with self.between_pieces(features, threads), precision.products(self.precision, features.device):
            decode_rows = (self.decoder.reference if literal else self.decoder.fast)(features, grid)
        rows = rows.cpu()
        queries = queries or self.band_queries(features, literal)

        def band(part: tuple[int, int]) -> object:
            first, end = part
            with precision.products(self.precision, features.device):
                made = decode_rows(rows[first:end])
            return finish(first, made.permute(0, 3, 1, 2) * self.std + self.mean)

        parts = bands(len(rows), grid.width, queries // features.shape[0])
        if self.decoder.whole_groups:
            parts = at_changes(nearest_code(grid.lr[0], grid.size[0])[rows], list(parts))
        alone = literal or queries >= UNBOUNDED or features.device.type != "cpu"
        yield from map(band, parts) if alone else side_by_side(band, parts, threads)

    @staticmethod
    def between_pieces(x: Tensor, threads: int | None = None) -> contextlib.AbstractContextManager:
        """On a CPU, without a graph, heavy work is done in pieces side by side, and what is between them by one thread."""
        pieces = x.device.type == "cpu" and not torch.is_grad_enabled()
        return one_of_torch(threads) if pieces else contextlib.nullcontext()

    def band_queries(self, features: Tensor, literal: bool) -> int:
        """How many output pixels to decode at a time. With a graph, or without data (meta), bands would save nothing."""
        graph = torch.is_grad_enabled() and (features.requires_grad or any(p.requires_grad for p in self.parameters()))
        if graph or features.device.type == "meta":
            return UNBOUNDED
        if literal:
            return REFERENCE_QUERIES
        return self.decoder.queries() if features.device.type == "cpu" else GPU_QUERIES

    @torch.inference_mode()
    def render(self, lr: Tensor, size: Size, sampling: Sampling = Sampling()) -> Tensor:
        """lr (B, 3, h, w) -> (B, 3, H, W) in [0, 1]. A network with fixed scales makes its largest, which is then resized
        (antialiased bicubic)."""
        own = size if self.scales is None else tuple(n * max(self.scales) for n in lr.shape[-2:])
        made = self(lr.to(self.device), own)
        return (made if own == tuple(size) else resize.antialiased(made, size)).clamp(0, 1)

    @torch.inference_mode()
    def pieces(
        self, lr: Tensor, size: Size, *, tile: int = TILE, progress: bool = False
    ) -> Iterator[tuple[slice, slice, Tensor]]:
        """Tiles of at most about `tile` LR pixels a side, each with exactly the margin that the model sees, so that the result
        does not depend on them; a tile in bands of rows. For a decoder that sees the whole image all features are kept, those
        encoded in tiles, and only the encoder's and the bands' memory is bounded."""
        lr_size = tuple(lr.shape[-2:])
        if self.encoder.whole:
            tile = max(tile, *lr_size)  # memory is then bounded by the image alone
        if self.decoder.whole:
            grid = Grid(lr_size, size)
            features = self.encode_in_tiles(lr, tile)
            for first, band in self.decode_bands(features, grid, torch.arange(size[0])):
                yield slice(first, first + band.shape[2]), slice(0, size[1]), band
            return
        reach = self.encoder.reach, self.decoder.reach
        for row in tiles(lr_size[0], size[0], *reach, tile):
            for column in tiles(lr_size[1], size[1], *reach, tile):
                seen = lr[:, :, row.seen, column.seen].to(self.device)
                features = self.encode(seen)[:, :, row.codes_in_seen, column.codes_in_seen]
                grid = Grid(lr_size, size, row.codes.start, column.codes.start, (column.out.start, column.out.stop))
                for position, band in self.decode_bands(features, grid, torch.arange(row.out.start, row.out.stop)):
                    first = row.out.start + position
                    yield slice(first, first + band.shape[2]), column.out, band

    def encode_in_tiles(self, lr: Tensor, tile: int) -> Tensor:
        """`encode`, of tiles of at most about `tile` LR pixels a side: all features (B, C, h, w)."""
        rows, columns = (list(tiles(n, n, self.encoder.reach, 0, tile)) for n in lr.shape[-2:])
        features = None
        for row in rows:
            for column in columns:
                made = self.encode(lr[:, :, row.seen, column.seen].to(self.device))
                if features is None:
                    features = made.new_empty(*made.shape[:2], *lr.shape[-2:])
                inner = [slice(t.out.start - t.seen.start, t.out.stop - t.seen.start) for t in (row, column)]
                features[:, :, row.out, column.out] = made[:, :, inner[0], inner[1]]
        return features

    def loss(self, batch: Batch) -> Tensor:
        """L1 of the decoded rows, and what the decoder adds to it."""
        lr, size = batch.lr.contiguous(memory_format=torch.channels_last), tuple(batch.hr.shape[-2:])
        features = self.encode(lr)
        made, more = self.decoder.learn(features, Grid(tuple(features.shape[-2:]), size), batch.rows.cpu())
        sr = made.permute(0, 3, 1, 2) * self.std + self.mean
        return (sr.float() - batch.hr[:, :, batch.rows.to(batch.hr.device)]).abs().mean() + more

    def validation_scales(self) -> tuple[int, ...]:
        return self.scales or (2, 4)

    @torch.no_grad()
    def validate(self, pairs: Pairs) -> dict[str, float]:
        """Mean luma PSNR at each scale, `scale` pixels cropped: {'psnr_x2': dB, ...}."""
        scores = {}
        for scale, some in pairs.items():
            values = [metrics.psnr(self(lr, hr.shape[-2:]).clamp(0, 1), hr, channel="y", crop=scale) for lr, hr in some]
            scores[f"psnr_x{scale}"] = sum(values) / len(values)
        return scores

    def config(self) -> dict:
        return {"mean": self.mean.flatten().tolist(), "std": self.std}

    def configure(self, said: dict) -> None:
        mean, std = torch.tensor(said["mean"], dtype=torch.float32).view(3, 1, 1), float(said["std"])
        if not bool(mean.isfinite().all()) or not 0 < std < math.inf:
            raise ValueError(f"mean {said['mean']}, std {std}")
        self.mean.copy_(mean)
        self.std = std

    def once(self, lr: Tensor, size: Size) -> Tensor:
        return self.encode(lr)

    def answer(self, prepared: Tensor, size: Size, *, literal: bool = False, queries: int | None = None) -> Tensor:
        return self.decode(prepared, size, literal=literal, queries=queries)
