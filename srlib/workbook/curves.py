"""Training logs of the shipped weights, their dead units, and how their recipe differs from the papers'."""

from __future__ import annotations

import dataclasses

import pandas as pd
import torch

from srlib import training, weights
from srlib.models.catalogue import build
from srlib.training import validation
from srlib.util import paths
from srlib.weights.ours import many_dead


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


def health() -> pd.DataFrame:
    """The dead units of the shipped weights, from their headers: model, seed, layer by layer (a column each, "29 of
    64"), worst (the largest share of a layer) and what is said where the model is listed. Models without rectified
    layers are left out."""
    rows = []
    for path in sorted(paths.WEIGHTS.glob("*.safetensors")):
        head = weights.header(path)
        units = head.get("metrics", {}).get("dead units")
        if units:
            parts = [[int(n) for n in text.split(" of ")] for text in units.values()]
            worst = max(dead / of for dead, of in parts)
            listed = "; ".join(f"{layer} {text}" for layer, text in units.items())
            said = {"lr": head["training"].get("lr"), "layers": listed, "worst": worst, "note": many_dead(units)}
            rows.append({"model": path.stem, "seed": head["training"].get("seed")} | said)
    return pd.DataFrame(rows, columns=["model", "seed", "lr", "layers", "worst", "note"])


def differences(model: str = "compact-diif") -> pd.DataFrame:
    """How the papers trained and how a model is trained here, line by line: what, LIIF and DIIF, DIINN, here."""
    settings = training.by_recipe(model)
    said = dataclasses.asdict(settings) | {
        "encoder": f"{settings.lr * settings.encoder_rate:g}",
        "clip": f"gradients longer than {settings.clip:g} are shortened" if settings.clip else "none",
    }
    table = pd.read_csv(paths.PUBLISHED / "recipes.csv", dtype=str)
    return table.assign(here=[text.format(**said) for text in table["here"]])


def searches() -> pd.DataFrame:
    """The trials of all searches, shipped (data/weights/search/MODEL.csv) or of this machine (runs/search): model and
    the columns of `training.search`."""
    found = {path.stem: path for path in sorted((paths.WEIGHTS / "search").glob("*.csv"))}
    found |= {path.parent.name: path for path in sorted((paths.RUNS / "search").glob("*/trials.csv"))}
    parts = [pd.read_csv(path).assign(model=name) for name, path in found.items()]
    rows = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["model", "trial", "steps", "chosen"])
    return rows[["model", *(name for name in rows if name != "model")]]
