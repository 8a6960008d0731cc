"""Errors in words."""

from __future__ import annotations

import difflib
from collections.abc import Sequence


def unknown(what: str, name: object, known: Sequence[str]) -> ValueError:
    """A ValueError that names the nearest known names."""
    near = difflib.get_close_matches(str(name), known, n=4, cutoff=0.4)
    hint = f"nearest: {', '.join(near)}" if near else f"known: {', '.join(known)}"
    return ValueError(f"unknown {what} {name!r}; {hint}")
