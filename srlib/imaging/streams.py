"""Results larger than memory: written strip by strip into a tiled BigTIFF or a Deep Zoom pyramid, and gone on with after a
kill.

The output is cut into tiles of `SIDE` pixels, a row of neighbouring tiles is a strip, and strips that share an encoded
part of the input are a block. A strip is always decoded alone and the same way, so that a run that was interrupted gives
the same bytes. Beside the target lie, until it is whole, what is written so far (`.NAME.part`) and a journal of it
(`.NAME.journal`).
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol

import filelock
import numpy as np
import torch
from PIL.TiffTags import LONG, LONG8
from torch import Tensor
from tqdm.auto import tqdm

from srlib import __version__
from srlib.imaging import files, windows
from srlib.imaging.files import Metadata
from srlib.imaging.kinds import Kind, fill_hidden
from srlib.imaging.saving import deflated, tiff_directory
from srlib.imaging.windows import Window
from srlib.models.base import TILE, Model
from srlib.models.catalogue import build
from srlib.util import atomic
from srlib.util.sizes import Size
from srlib.util.threads import side_by_side

SIDE = 512  # pixels of a tile in the file
LONGEST = 4096  # output pixels of a block's sides: so much of a strip is held, however large the scale
LARGE = 2**27  # bytes of samples; a larger TIFF is streamed: held whole, it would need more memory than strips do
WHOLE = 2**26  # bytes of samples; a larger TIFF is read tile by tile


# Reading


class Source(Protocol):
    """A picture of which parts are read. size: (rows, columns). kind: of its numbers. said: beside its pixels."""

    size: Size
    kind: Kind
    said: Metadata

    def region(self, rows: slice, columns: slice) -> np.ndarray:
        """Samples (r, c, channels) as they lie in the file."""
        ...


def kind_of(dtype: np.dtype, channels: int) -> Kind:
    return Kind(float(np.iinfo(dtype).max), dtype, channels < 3, channels in (2, 4))


class InMemory:
    """A picture that is held whole, at its own 8 or 16 bits: 72 MB for 24 megapixels."""

    def __init__(self, pixels: np.ndarray, said: Metadata):
        if pixels.shape[2] in (2, 4):
            colours = fill_hidden(pixels[..., :-1], pixels[..., -1])
            pixels = np.concatenate([colours, pixels[..., -1:]], axis=2)
        self.pixels, self.said, self.size = pixels, said, pixels.shape[:2]
        self.kind = kind_of(pixels.dtype, pixels.shape[2])

    def region(self, rows: slice, columns: slice) -> np.ndarray:
        return self.pixels[rows, columns]


class TiffParts:
    """A TIFF of which only the tiles or strips that a part touches are read: RGB or grey, without alpha, upright."""

    def __init__(self, path: Path, said: Metadata):
        import tifffile

        self.file, self.said = tifffile.TiffFile(path), said
        self.page = self.file.pages.first
        self.size = self.page.imagelength, self.page.imagewidth
        self.kind = kind_of(self.page.dtype, self.page.samplesperpixel)
        tiled = self.page.is_tiled
        self.step = (
            (self.page.tilelength, self.page.tilewidth)
            if tiled
            else (min(self.page.rowsperstrip, self.size[0]), self.size[1])
        )

    @staticmethod
    def reads(path: Path) -> bool:
        """Whether a file is such a TIFF, and large."""
        import tifffile

        try:
            with tifffile.TiffFile(path) as file:
                page = file.pages.first
                plain = page.photometric.name in ("RGB", "MINISBLACK") and page.samplesperpixel in (1, 3)
                upright = "Orientation" not in page.tags or page.tags["Orientation"].value == 1
                whole = page.dtype in (np.uint8, np.uint16) and page.bitspersample == 8 * page.dtype.itemsize
                return plain and upright and whole and page.planarconfig == 1 and page.nbytes > WHOLE
        except tifffile.TiffFileError:
            return False

    def region(self, rows: slice, columns: slice) -> np.ndarray:
        page, (tall, wide) = self.page, self.step
        out = np.zeros((rows.stop - rows.start, columns.stop - columns.start, page.samplesperpixel), page.dtype)
        across = -(-self.size[1] // wide)
        for i in range(rows.start // tall, -(-rows.stop // tall)):
            for j in range(columns.start // wide, -(-columns.stop // wide)):
                index = i * across + j
                self.file.filehandle.seek(page.dataoffsets[index])
                content = self.file.filehandle.read(page.databytecounts[index])
                part = page.decode(content, index)[0]
                if part is None:
                    continue
                part = part.reshape(part.shape[-3:])
                top, left = i * tall, j * wide
                y0, y1 = max(top, rows.start), min(top + part.shape[0], rows.stop)
                x0, x1 = max(left, columns.start), min(left + part.shape[1], columns.stop)
                out[y0 - rows.start : y1 - rows.start, x0 - columns.start : x1 - columns.start] = part[
                    y0 - top : y1 - top, x0 - left : x1 - left
                ]
        return out


def open_source(path: Path) -> Source:
    """A file to read parts of. ValueError with a sentence as `files.load`."""
    with files.opened(path) as image:  # its checks
        if image.format == "TIFF" and TiffParts.reads(path):
            return TiffParts(path, files.metadata(image, len(image.getbands()), str(path)))
    return InMemory(*files.load(path))


# Writing


class Journal:
    """What is written so far: a line of JSON for each strip, after a first one that says what the run is.

    A line counts only once what it tells of is on the disk. entries: those of an earlier run of the same.
    """

    def __init__(self, path: Path, run: dict):
        self.path, self.entries = path, []
        known = self.read()
        if known[:1] == [run]:
            self.entries = known[1:]
        else:
            path.write_text(json.dumps(run) + "\n")
        self.file = path.open("ab")

    def read(self) -> list[dict]:
        """The whole lines; one that was cut off by a kill is cut away."""
        if not self.path.exists():
            return []
        content = self.path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            os.truncate(self.path, len(whole))
        return [json.loads(line) for line in whole.splitlines()]

    def add(self, entry: dict) -> None:
        self.file.write(json.dumps(entry).encode() + b"\n")
        self.file.flush()
        os.fsync(self.file.fileno())


class TiffSink:
    """A tiled BigTIFF: the tiles in the order in which they come, and the directory at the end."""

    def __init__(self, path: Path, shape: tuple[int, int, int], dtype: np.dtype, said: Metadata, run: dict):
        channels = shape[2]
        if channels == 2:  # few programs, and not Pillow, read grey with alpha
            shape, said = (*shape[:2], 4), replace(said, icc=b"")
        self.path, self.shape, self.dtype, self.said, self.grey_alpha = path, shape, dtype, said, channels == 2
        self.part = path.with_name(f".{path.name}.part")
        self.journal = Journal(path.with_name(f".{path.name}.journal"), run)
        if not self.part.exists():
            self.journal.entries.clear()
        self.across = -(-shape[1] // SIDE)
        self.places: dict[int, tuple[int, int]] = {}
        self.end, self.done = 16, set()  # a BigTIFF's header
        for entry in self.journal.entries:
            self.take(entry)
        self.file = self.part.open("r+b" if self.journal.entries else "w+b")
        self.file.truncate(self.end)
        self.file.seek(self.end)

    def take(self, entry: dict) -> None:
        self.done.add(entry["strip"])
        self.end = entry["end"]
        self.places |= {index: (offset, length) for index, offset, length in entry["tiles"]}

    def write(self, strip: Strip, pixels: np.ndarray) -> None:
        """A row of tiles."""
        if self.grey_alpha:
            pixels = pixels[..., [0, 0, 0, 1]]
        first = strip.columns[0] // SIDE
        parts = [pixels[:, x : x + SIDE] for x in range(0, pixels.shape[1], SIDE)]

        def packed(part: np.ndarray) -> bytes:
            tile = np.zeros((SIDE, SIDE, part.shape[2]), part.dtype)
            tile[: part.shape[0], : part.shape[1]] = part
            return deflated(tile)

        end, tiles = self.end, []
        for i, content in enumerate(side_by_side(packed, parts)):
            self.file.write(content)
            tiles.append((strip.rows[0] // SIDE * self.across + first + i, end, len(content)))
            end += len(content)
        self.file.flush()
        os.fsync(self.file.fileno())
        entry = {"strip": strip.number, "end": end, "tiles": tiles}
        self.journal.add(entry)
        self.take(entry)

    def finish(self, progress: bool) -> None:
        directory = tiff_directory(self.shape, self.dtype, self.said, large=True)
        count = self.across * -(-self.shape[0] // SIDE)
        offsets, lengths = zip(*(self.places[index] for index in range(count)), strict=True)
        width, length, places, sizes = 322, 323, 324, 325  # TileWidth, TileLength, TileOffsets, TileByteCounts
        directory[width] = directory[length] = SIDE
        directory.tagtype[places], directory.tagtype[sizes] = LONG8, LONG
        directory[places], directory[sizes] = offsets, lengths
        start = self.end + self.end % 2  # at a word
        self.file.seek(start)
        self.file.write(directory.tobytes(start))
        self.file.seek(0)
        self.file.write(b"II+\0" + (8).to_bytes(2, "little") + bytes(2) + start.to_bytes(8, "little"))
        self.file.close()
        self.part.replace(self.path)
        self.journal.file.close()
        self.journal.path.unlink()


class PyramidSink:
    """A Deep Zoom pyramid: NAME.dzi, and NAME_files/LEVEL/COLUMN_ROW.png; each level half the size of the one above it."""

    def __init__(self, path: Path, shape: tuple[int, int, int], dtype: np.dtype, said: Metadata, run: dict):
        self.path, self.shape, self.dtype = path, shape, dtype
        self.folder, self.part = path.with_name(f"{path.stem}_files"), path.with_name(f".{path.name}.part")
        self.journal = Journal(path.with_name(f".{path.name}.journal"), run)
        if not self.journal.entries or not self.part.exists():
            self.journal.entries.clear()
            shutil.rmtree(self.part, ignore_errors=True)
        self.done = {entry["strip"] for entry in self.journal.entries}
        self.top = math.ceil(math.log2(max(shape[:2])))
        (self.part / str(self.top)).mkdir(parents=True, exist_ok=True)

    def tile(self, level: int, row: int, column: int) -> Path:
        return self.part / str(level) / f"{column}_{row}.png"

    def save(self, place: Path, pixels: np.ndarray) -> None:
        import imagecodecs

        pixels = np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
        with atomic.whole(place) as temporary:
            temporary.write_bytes(imagecodecs.png_encode(pixels))

    def write(self, strip: Strip, pixels: np.ndarray) -> None:
        row, first = strip.rows[0] // SIDE, strip.columns[0] // SIDE
        parts = enumerate(range(0, pixels.shape[1], SIDE))
        save = lambda i, x: self.save(self.tile(self.top, row, first + i), pixels[:, x : x + SIDE])  # noqa: E731
        for _ in side_by_side(lambda part: save(*part), parts):
            pass
        self.journal.add({"strip": strip.number})
        self.done.add(strip.number)

    def finish(self, progress: bool) -> None:
        height, width = self.shape[:2]
        for level in range(self.top - 1, -1, -1):
            above = height, width
            height, width = -(-height // 2), -(-width // 2)
            places = list(itertools.product(range(-(-height // SIDE)), range(-(-width // SIDE))))
            (self.part / str(level)).mkdir(exist_ok=True)
            for row, column in tqdm(places, desc=f"level {level}", disable=not progress or len(places) < 64):
                if not self.tile(level, row, column).exists():
                    self.save(self.tile(level, row, column), self.halved(level + 1, above, row, column))
        shutil.rmtree(self.folder, ignore_errors=True)
        self.part.replace(self.folder)
        with atomic.whole(self.path) as temporary:
            temporary.write_text(
                '<?xml version="1.0" encoding="UTF-8"?>\n<Image xmlns="http://schemas.microsoft.com/deepzoom/2008" '
                f'Format="png" Overlap="0" TileSize="{SIDE}"><Size Width="{self.shape[1]}" Height="{self.shape[0]}"/></Image>\n'
            )
        self.journal.file.close()
        self.journal.path.unlink()

    def halved(self, level: int, size: Size, row: int, column: int) -> np.ndarray:
        """Tile (row, column) of the level below `level`: means of 2 x 2 pixels, at an odd edge of fewer."""
        import imagecodecs

        lines = []
        for i in (2 * row, 2 * row + 1):
            there = [j for j in (2 * column, 2 * column + 1) if i * SIDE < size[0] and j * SIDE < size[1]]
            parts = [imagecodecs.png_decode(self.tile(level, i, j).read_bytes()) for j in there]
            if parts:
                lines.append(np.concatenate([part.reshape(*part.shape[:2], -1) for part in parts], axis=1))
        whole = np.concatenate(lines).astype(np.float64)
        whole = np.pad(whole, [(0, whole.shape[0] % 2), (0, whole.shape[1] % 2), (0, 0)], mode="edge")
        mean = (whole[::2, ::2] + whole[1::2, ::2] + whole[::2, 1::2] + whole[1::2, 1::2]) / 4
        return np.round(mean).astype(self.dtype)


SINKS = {".tif": TiffSink, ".tiff": TiffSink, ".dzi": PyramidSink}


# Between them


@dataclass(frozen=True)
class Strip:
    """A row of tiles of one block: output rows and columns, (first, end)."""

    number: int
    rows: tuple[int, int]
    columns: tuple[int, int]

    @property
    def area(self) -> int:
        """Output pixels."""
        return (self.rows[1] - self.rows[0]) * (self.columns[1] - self.columns[0])


@dataclass(frozen=True)
class Block:
    """Output rows and columns, (first, end), whose strips share an encoded part of the input."""

    rows: tuple[int, int]
    columns: tuple[int, int]
    strips: list[Strip]


def spans(n: int, out: int, model: Model, tile: int) -> list[tuple[int, int]]:
    """One axis of the output cut into parts of whole tiles, of which an encoder sees about `tile` LR pixels at most."""
    margin = 2 * (model.encoder.reach + model.decoder.reach + 2 * math.ceil(n / out))
    step = max(1, int(min(LONGEST, max(32, tile - margin) * out / n)) // SIDE) * SIDE
    return [(first, min(first + step, out)) for first in range(0, out, step)]


def blocks(lr: Size, size: Size, model: Model, tile: int) -> Iterator[Block]:
    """The whole output, block by block, each from top to bottom."""
    numbers = itertools.count()
    for rows in spans(lr[0], size[0], model, tile):
        for columns in spans(lr[1], size[1], model, tile):
            cuts = range(*rows, SIDE)
            yield Block(rows, columns, [Strip(next(numbers), (k, min(k + SIDE, rows[1])), columns) for k in cuts])


class Decoded:
    """Strips of one block, encoded when the first of them is asked for. pixels: LR rows and columns -> (1, 3, h, w) in
    [0, 1]."""

    def __init__(self, model: Model, pixels: Callable[[slice, slice], Tensor], block: Block, lr: Size, size: Size):
        self.model, self.pixels, self.lr, self.size = model, pixels, lr, size
        self.codes = Window(lr, size, block.rows, block.columns).codes(model.decoder.reach)

    @cached_property
    def features(self) -> Tensor:
        reach = self.model.encoder.reach
        seen = tuple(
            slice(max(0, c.start - reach), min(n, c.stop + reach)) for c, n in zip(self.codes, self.lr, strict=True)
        )
        inside = (slice(c.start - s.start, c.stop - s.start) for c, s in zip(self.codes, seen, strict=True))
        return self.model.encode(self.pixels(*seen).to(self.model.device))[(..., *inside)].contiguous()

    @torch.inference_mode()
    def strip(self, strip: Strip) -> Tensor:
        """(3, rows, columns), not clamped."""
        window = Window(self.lr, self.size, strip.rows, strip.columns)
        first = self.codes[0].start, self.codes[1].start
        return windows.decode(self.model, self.features, window, first=first)[0]


def enlarge(path: Path, target: Path, model: Model, size: Size, *, progress: bool = False, tile: int = TILE) -> None:
    """Enlarge a picture file into `target` (.tif: BigTIFF; .dzi: Deep Zoom) strip by strip.

    Memory: one encoded block and one strip, whatever the size of the result; and tables of about a kilobyte for each
    output row. Interrupted, the same call goes on where it was; another picture, size or model starts anew. ValueError for
    a diffusion model, which sees the whole image at once, and where another process writes the same.
    """
    if model.draws:
        raise ValueError(
            f"{model.name} sees the whole image at once and cannot write {target} piece by piece; take another model"
        )
    lock = filelock.FileLock(target.with_name(f".{target.name}.lock"), timeout=0)
    target.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(lock)
        except filelock.Timeout as error:
            raise ValueError(
                f"{target} is being written by another process; wait for it, or name another file"
            ) from error
        stack.callback(Path(lock.lock_file).unlink, missing_ok=True)
        stack.enter_context(atomic.disk(target.parent, target))
        source = open_source(path)
        kind, shape = source.kind, (*size, source.kind.channels)
        run = {"srlib": __version__, "torch": torch.__version__, "picture": atomic.sha256(path), "size": list(size)}
        run |= {"model": model.name, "weights": model.origin.get("sha256", ""), "tile": tile, "side": SIDE}
        run |= {"precision": model.precision}
        sink = SINKS[target.suffix.lower()](target, shape, kind.dtype, source.said, run)

        def colours(rows: slice, columns: slice) -> Tensor:
            pixels = source.region(rows, columns)[..., : 1 if kind.grey else 3]
            return planes(pixels, kind)

        def alpha(rows: slice, columns: slice) -> Tensor:
            return planes(source.region(rows, columns)[..., -1:], kind)

        bicubic = build("bicubic").to(model.device)
        plan = list(blocks(source.size, size, model, tile))
        before = sum(strip.area for block in plan for strip in block.strips if strip.number in sink.done)
        counter = {"unit": "px", "unit_scale": True, "disable": not progress}
        with tqdm(total=size[0] * size[1], initial=before, desc=model.name, **counter) as bar:
            for block in plan:
                colour = Decoded(model, colours, block, source.size, size)
                above = Decoded(bicubic, alpha, block, source.size, size)
                for strip in block.strips:
                    if strip.number in sink.done:
                        continue
                    pixels = kind.store(colour.strip(strip))
                    if kind.alpha:
                        opacity = above.strip(strip)[0].clamp(0, 1).cpu().numpy()
                        pixels = np.concatenate([pixels, kind.rounded(opacity)[..., None]], axis=2)
                    sink.write(strip, pixels)
                    bar.update(strip.area)
        sink.finish(progress)


def planes(pixels: np.ndarray, kind: Kind) -> Tensor:
    """Samples (h, w, 1 or 3) -> RGB (1, 3, h, w) in [0, 1]."""
    unit = torch.from_numpy(pixels.astype(np.float32) / np.float32(kind.top))
    return unit.expand(-1, -1, 3).permute(2, 0, 1)[None].contiguous()
