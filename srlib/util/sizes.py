"""Sizes are (rows, columns) of pixels; scales are one number, or (vertical, horizontal)."""

from __future__ import annotations

import math

Size = tuple[int, int]


def check_size(size: object, what: str = "size") -> Size:
    """Return `size` as (rows, columns); ValueError unless it is two positive integers."""
    try:
        rows, columns = size  # type: ignore[misc]
        good = all(not isinstance(n, bool) and int(n) == n and n > 0 for n in (rows, columns))
    except (TypeError, ValueError, OverflowError):
        good = False
    if not good:
        raise ValueError(f"{what} must be two positive integers (rows, columns), got {size!r}")
    return int(rows), int(columns)


def check_scale(scale: object) -> tuple[float, float]:
    """Return `scale` as (vertical, horizontal); ValueError unless positive and finite. One number serves both axes."""
    pair = scale if isinstance(scale, (tuple, list)) else (scale, scale)
    try:
        values = tuple(float(s) for s in pair)
        plain = not any(isinstance(s, (str, bytes, bool)) for s in pair)
        good = plain and len(values) == 2 and all(math.isfinite(s) and s > 0 for s in values)
    except (TypeError, ValueError, OverflowError):
        good = False
    if not good:
        raise ValueError(
            f"scale must be a positive finite number, or two of them (vertical, horizontal), got {scale!r}"
        )
    return values  # type: ignore[return-value]


def scaled_size(lr_size: Size, scale: float | tuple[float, float]) -> Size:
    """Output size of an LR size at a scale: each side rounded to the nearest integer, at least 1."""
    sides = [n * s + 0.5 for n, s in zip(lr_size, check_scale(scale), strict=True)]
    if max(sides) > 2**31:
        raise ValueError(f"scale {scale!r} of an image of {lr_size[0]} x {lr_size[1]} pixels is too large")
    return tuple(max(1, math.floor(side)) for side in sides)  # type: ignore[return-value]
