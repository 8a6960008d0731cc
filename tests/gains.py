"""Scores whose gains are known, and a book that a conclusion is drawn from."""

from types import SimpleNamespace

import numpy as np
import pandas as pd


def scores(models, count=8, spread=0.1):
    """psnr of each model: bicubic's by image, plus the model's gain {degradation: dB}, plus noise."""
    rng, rows = np.random.default_rng(0), []
    for i in range(count):
        base = 25 + 3 * i
        for how in ("bicubic", "noise"):
            rows.append(("bicubic", "Set5", f"{i}", 3.0, how, base, 0.9))
            rows += [
                (m, "Set5", f"{i}", 3.0, how, base + g[how] + spread * rng.standard_normal(), 0.9)
                for m, g in models.items()
            ]
    return pd.DataFrame(rows, columns=["model", "dataset", "image", "scale", "degradation", "psnr", "ssim"])


def book(*models, needs=None):
    """What a conclusion asks of a book."""
    plan, needs = SimpleNamespace(models=models), needs or {}
    return SimpleNamespace(plan=plan, absent=needs, needs=needs, limit=0, encoders=["compact"])
