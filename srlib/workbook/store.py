"""The store: a number is measured once, kept under a name that says all it depends on, and read by every page.

A measurement is one small file under results/measurements/, named {kind}-{digest}: rows as JSON, or a picture as PNG with the
same JSON in a text chunk. `needs` is what the rows depend on, and the digest is of that; `about` is for people; `origin` says
which run made them. Files are written whole and never edited.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, PngImagePlugin

from srlib.util import paths, provenance
from srlib.util.atomic import whole

FORMAT = 1
CHUNK = "srlib"  # the PNG text chunk that holds the JSON
SUFFIXES = (".json", ".png")
ROWS = "SRLIB_ROWS"  # the environment variable that names a results folder whose rows are read in place of measurements
ONLY_READ = "SRLIB_ONLY_READ"  # the environment variable that forbids measuring
DISTURBED = "disturbed"  # the part of `origin` that says of times that the machine was busy: the share of CPU time had
HARDWARE = "machine"  # the part of `needs` that says on what a time was measured


@dataclass(frozen=True)
class Kept:
    """A measurement as it lies in the store. picture: RGB uint8 (H, W, 3), or None."""

    kind: str
    needs: dict
    about: dict
    origin: dict
    rows: list[dict]
    picture: np.ndarray | None = None

    @property
    def name(self) -> str:
        return f"{self.kind}-{digest(self.needs)}"


def folder() -> Path:
    return paths.MEASUREMENTS


def canonical(value: object) -> str:
    """JSON of which there is one for each value. ValueError for NaN: None says "nothing"."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(needs: dict) -> str:
    """The name of all that a measurement depends on: 20 hexadecimal digits."""
    return hashlib.sha256(canonical(needs).encode()).hexdigest()[:20]


def checksum(rows: list[dict], picture: np.ndarray | None) -> str:
    pixels = b"" if picture is None else str(picture.shape).encode() + picture.tobytes()
    return hashlib.sha256(canonical(rows).encode() + pixels).hexdigest()


def plain(row: dict) -> dict:
    """A row as JSON takes it: NumPy's numbers as Python's, numbers that are none as None."""
    values = {name: value.item() if isinstance(value, np.generic) else value for name, value in row.items()}
    return {n: None if isinstance(v, float) and not math.isfinite(v) else v for n, v in values.items()}


def write(
    kind: str, needs: dict, about: dict, rows: list[dict], *, origin: dict, picture: np.ndarray | None = None
) -> Kept:
    """Keep a measurement. OSError with a sentence if the disk is full; then nothing has changed."""
    rows = [plain(row) for row in rows]
    kept = Kept(kind, needs, about, {"commit": provenance.commit(), "date": provenance.now()} | origin, rows, picture)
    content = {"format": FORMAT, **asdict(kept), "checksum": checksum(rows, picture)}
    del content["picture"]
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    path = folder() / f"{kept.name}{'.json' if picture is None else '.png'}"
    with whole(path) as temporary:
        if picture is None:
            temporary.write_text(text)
        else:
            chunk = PngImagePlugin.PngInfo()
            chunk.add_itxt(CHUNK, text)
            Image.fromarray(picture).save(temporary, format="png", pnginfo=chunk)
    return kept


def read(path: Path) -> Kept:
    """A measurement from its file. ValueError if it is damaged, of another format, or not what its name says."""
    try:
        if path.suffix == ".png":
            with Image.open(path) as image:
                image.load()
                picture, content = np.array(image.convert("RGB")), json.loads(image.info[CHUNK])
        else:
            picture, content = None, json.loads(path.read_text())
        if content["format"] != FORMAT:
            raise ValueError(f"format {content['format']}, expected {FORMAT}")
        fields = (content[name] for name in ("kind", "needs", "about", "origin", "rows"))
        kept = Kept(*fields, picture)
        if checksum(kept.rows, picture) != content["checksum"]:
            raise ValueError("its rows have changed since it was written")
        if kept.name != path.stem:
            raise ValueError(f"it holds {kept.name}")
    except FileNotFoundError:
        raise
    except (OSError, SyntaxError, ValueError, KeyError, TypeError, AttributeError) as error:
        why = f"{type(error).__name__}: {error}"
        raise ValueError(f"{path}: a damaged measurement ({why}); remove it with: srlib measurements prune") from error
    return kept


def find(kind: str, needs: dict) -> Kept | None:
    """The measurement of this name, or None if it is missing or damaged: then it is to be measured."""
    for suffix in SUFFIXES:
        path = folder() / f"{kind}-{digest(needs)}{suffix}"
        if path.is_file():
            try:
                return read(path)
            except ValueError:
                return None
    return None


def elsewhere(kind: str, needs: dict, device: str = "") -> Kept | None:
    """The newest measurement that differs in the machine at most, for times that another machine measured. device: "cuda" or
    "cpu", if it must be of that kind; of a CPU the threads are told as well."""
    same = {name: value for name, value in needs.items() if name != HARDWARE}
    found = [
        kept
        for path in files()
        if path.name.startswith(kind)
        for kept in sound(path)
        if {name: value for name, value in kept.needs.items() if name != HARDWARE} == same
        and device in ("", "cpu" if "threads" in kept.needs.get(HARDWARE, {}) else "cuda")
    ]
    return max(found, key=lambda kept: kept.origin["date"], default=None)


def files() -> list[Path]:
    """All measurements, whole ones and damaged ones."""
    return sorted(p for p in folder().glob("*-*") if p.suffix in SUFFIXES and not p.name.startswith("."))


def sound(path: Path) -> Iterator[Kept]:
    """The measurement in a file, if it is not damaged."""
    try:
        yield read(path)
    except (ValueError, FileNotFoundError):
        return


def listing(is_current: Callable[[dict], bool]) -> pd.DataFrame:
    """Every measurement: name, what it is of, rows, date, commit, size, and its state: "current", "stale" (the code or a
    library has changed since, so that no page can ask for it), "disturbed" (current times of a busy machine), or "damaged"."""
    rows = []
    for path in files():
        row = {
            "measurement": path.name,
            "of": "",
            "rows": None,
            "date": "",
            "commit": "",
            "KiB": path.stat().st_size / 1024,
        }
        try:
            kept = read(path)
            state = "stale" if not is_current(kept.needs) else "disturbed" if DISTURBED in kept.origin else "current"
            row |= {"of": ", ".join(f"{v}" for v in kept.about.values()), "rows": len(kept.rows)}
            row |= {"date": kept.origin["date"], "commit": kept.origin["commit"]}
        except ValueError:
            state = "damaged"
        rows.append(row | {"state": state})
    return pd.DataFrame(rows, columns=["measurement", "of", "rows", "date", "commit", "KiB", "state"])


def prune(is_current: Callable[[dict], bool], *, dry: bool = False) -> list[Path]:
    """Remove stale, disturbed and damaged measurements and half files that a killed process left; returns what was or would
    be removed."""
    table = listing(is_current)
    gone = [folder() / name for name in table.loc[table["state"] != "current", "measurement"]]
    gone += sorted(p for p in folder().glob(".*-*") if p.is_file())
    for path in [] if dry else gone:
        path.unlink(missing_ok=True)
    return gone
