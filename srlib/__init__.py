"""srlib: arbitrary-scale super-resolution, the models and measures of the workbook.

>>> model = srlib.load("compact-diif")
>>> bigger = srlib.upscale(image, scale=3.7, model=model)
"""

from __future__ import annotations

import pandas as pd
import torch

from srlib import cost, data, evaluate, weights
from srlib.imaging import metrics
from srlib.imaging.upscale import upscale
from srlib.models import Diffusion, Model, ModelName, build, names
from srlib.util import paths
from srlib.weights import find, load, load_present
from srlib.workbook import published

__version__ = "0.2.0"
__all__ = [
    "Diffusion",
    "Model",
    "available",
    "build",
    "cost",
    "data",
    "evaluate",
    "load",
    "load_present",
    "metrics",
    "published",
    "upscale",
    "weights",
]


def available() -> pd.DataFrame:
    """Every model name, with encoder, decoder, parameters, whether weights are at hand, and where they lie."""
    rows = []
    with torch.device("meta"):  # parameters are counted, not made
        for name in names():
            part = ModelName.parse(name)
            parameters = cost.count_parameters(build(name))
            found = find(name)
            where = paths.shown(found) if found else ""
            rows.append((name, part.encoder, part.decoder, parameters, name == "bicubic" or bool(found), where))
    return pd.DataFrame(rows, columns=["model", "encoder", "decoder", "parameters", "weights", "where"])
