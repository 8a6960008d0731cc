"""Errors in words."""

from __future__ import annotations

import difflib
from collections.abc import Sequence


class Unknown(ValueError):
    """A name that nothing has."""


class NotMeasured(RuntimeError):
    """A measurement that is not in the store, asked for where nothing may be measured."""


def unknown(what: str, name: object, known: Sequence[str]) -> Unknown:
    """An error that names the nearest known names."""
    near = difflib.get_close_matches(str(name), known, n=4, cutoff=0.4)
    hint = f"nearest: {', '.join(near)}" if near else f"known: {', '.join(known)}"
    return Unknown(f"unknown {what} {name!r}; {hint}")
