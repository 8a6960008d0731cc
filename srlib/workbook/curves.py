"""Training logs of the shipped weights, and what they are compared with."""

from __future__ import annotations

import pandas as pd
import torch

from srlib import training, weights
from srlib.models.catalogue import build
from srlib.training import validation
from srlib.util import paths


def shipped() -> dict[str, dict[str, pd.DataFrame]]:
    """The logs beside the shipped weights: suite -> model -> log."""
    logs = {path.stem: pd.read_csv(path) for path in sorted(paths.WEIGHTS.glob("*.csv"))}
    suites = {
        suite: {name: logs[name] for name in recipe["models"] if name in logs}
        for suite, recipe in training.suites().items()
    }
    return {suite: some for suite, some in suites.items() if some}


def settings() -> pd.DataFrame:
    """How each of the shipped weights was trained: its settings and commit, a column a model."""
    headers = {path.stem: weights.header(path) for path in sorted(paths.WEIGHTS.glob("*.safetensors"))}
    return pd.DataFrame({name: head["training"] | {"commit": head["commit"]} for name, head in headers.items()})


def bicubic(log: pd.DataFrame) -> dict[str, float]:
    """Bicubic's scores on the validation photographs, at the scales that a log has."""
    scales = [int(name.removeprefix("psnr_x")) for name in log if name.startswith("psnr_x")]
    return build("bicubic").validate(validation.pairs(scales, torch.device("cpu")))
