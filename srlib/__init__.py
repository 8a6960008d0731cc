"""srlib: arbitrary-scale super-resolution, the models and measures of the workbook.

>>> model = srlib.load("compact-diif")
>>> bigger = srlib.upscale(image, scale=3.7, model=model)
"""

from __future__ import annotations

import pkgutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # for editors
    import pandas as pd

    from srlib import cost, data, evaluate, weights
    from srlib.imaging import metrics
    from srlib.imaging.upscale import upscale
    from srlib.models import Diffusion, Model, build
    from srlib.weights import load, load_present
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

# Where they are: a module, and after the colon what of it. They are imported when asked for, so that `srlib --help` is quick.
PLACES = {
    **{name: f"srlib.{name}:" for name in ("cost", "data", "evaluate", "weights")},
    **{name: f"srlib.models:{name}" for name in ("Diffusion", "Model", "build")},
    **{name: f"srlib.weights:{name}" for name in ("load", "load_present")},
    "metrics": "srlib.imaging.metrics:",
    "published": "srlib.workbook.published:",
    "upscale": "srlib.imaging.upscale:upscale",
}


def __getattr__(name: str) -> object:
    if name not in PLACES:
        raise AttributeError(f"module 'srlib' has no attribute {name!r}")
    globals()[name] = pkgutil.resolve_name(PLACES[name])
    return globals()[name]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def available() -> pd.DataFrame:
    """Every model name, with encoder, decoder, parameters, whether weights are at hand, and where they lie."""
    import pandas as pd
    import torch

    from srlib.models import ENCODERS, ModelName, build, names
    from srlib.util import paths
    from srlib.weights import find

    def count(*parts: torch.nn.Module) -> int:
        return sum(p.numel() for part in parts for p in part.parameters())

    rows = []
    with torch.device("meta"):  # parameters are counted, not made; those of an encoder once
        encoders = {name: record.make() for name, record in ENCODERS.items()}
        for name in names():
            part, found = ModelName.parse(name), find(name)
            if part.encoder:
                encoder = encoders[part.encoder]
                number = count(encoder, part.record.make(encoder.channels, ENCODERS[part.encoder].hidden))
            else:
                number = count(build(name))
            where = paths.shown(found) if found else ""
            rows.append((name, part.encoder, part.decoder, number, name == "bicubic" or bool(found), where))
    return pd.DataFrame(rows, columns=["model", "encoder", "decoder", "parameters", "weights", "where"])
