"""The one module that knows where folders are."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = ROOT / "notebooks"
RESULTS = ROOT / "results"
RUNS = Path(os.environ.get("SRLIB_RUNS") or ROOT / "runs")  # of training; a rehearsal has its own
MEASUREMENTS = RESULTS / "measurements"
PROFILES = ROOT / "profiles"
WEIGHTS = ROOT / "data" / "weights"  # shipped with the repository
PUBLISHED = ROOT / "srlib" / "workbook" / "published"
RECIPES = ROOT / "srlib" / "training" / "recipes.toml"


def data() -> Path:
    """Where data sets lie: $SRLIB_DATA if set, else data/ of the repository."""
    return Path(os.environ.get("SRLIB_DATA") or ROOT / "data").expanduser()


def weight_folders() -> list[Path]:
    """Where weights are looked for by name: the shipped ones, then weights/ beside the user's data sets."""
    return list(dict.fromkeys([WEIGHTS, data() / "weights"]))


def shown(path: Path | str) -> str:
    """A path as people read it, and as it may be published: relative to the repository or to $SRLIB_DATA."""
    path = Path(path)
    if path.is_relative_to(ROOT):
        return path.relative_to(ROOT).as_posix()
    if path.is_relative_to(data()):
        return "$SRLIB_DATA/" + path.relative_to(data()).as_posix()
    return str(path)
