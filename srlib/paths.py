"""The one module that knows where folders are."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = ROOT / "notebooks"
RESULTS = ROOT / "results"
WEIGHTS = ROOT / "data" / "weights"  # shipped with the repository
PUBLISHED = Path(__file__).resolve().parent / "published"


def data() -> Path:
    """Where data sets lie: $SRLIB_DATA if set, else data/ of the repository."""
    return Path(os.environ.get("SRLIB_DATA") or ROOT / "data").expanduser()


def weight_folders() -> list[Path]:
    """Where weights are looked for by name: the shipped ones, then weights/ beside the user's data sets."""
    return list(dict.fromkeys([WEIGHTS, data() / "weights"]))


def shown(path: Path) -> str:
    """A path as people read it: relative to the repository where it lies inside."""
    path = Path(path)
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path)
