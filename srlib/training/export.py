"""A complete run's weights, small and beside the shipped ones."""

from __future__ import annotations

from pathlib import Path

import torch

from srlib import weights
from srlib.models.catalogue import without_seed
from srlib.training import validation
from srlib.training.checkpoint import begun
from srlib.util import paths
from srlib.util.atomic import whole


@torch.no_grad()
def export(model: str, *, folder: str | Path | None = None, to: str | Path | None = None) -> Path:
    """Put the weights and the log of a model's complete run into a folder; returns the weight file. All else that is needed to
    know stands in the run's own files.

    folder: of the run; default runs/{model}. to: default data/weights. The weights are kept in half precision where that
    changes the validation by less than 0.005 dB (the loss of a diffusion model by less than 0.0001).
    FileNotFoundError if the run is not complete.
    """
    folder = Path(folder or paths.RUNS / model)
    plain, seed = without_seed(model)
    file = folder / f"{plain}.safetensors"
    if not file.is_file():
        before = begun(folder)
        again = f" --seed {seed}" if seed else ""
        state = f"is at step {before[1]} of {before[0].end}" if before else "has not begun"
        raise FileNotFoundError(
            f"nothing to export: the run of {model} in {paths.shown(folder)} {state}; srlib train {plain}{again} goes on with "
            "it"
        )
    single, header = weights.load(file), weights.header(file)
    scores = validation.scores(single)
    halved = weights.load(file)
    for tensor in halved.state_dict().values():
        tensor.copy_(tensor.half())
    cost = max(abs(value - scores[name]) for name, value in validation.scores(halved).items())
    half = cost < (1e-4 if "validation_loss" in scores else 0.005)
    path = Path(to or paths.WEIGHTS) / f"{model}.safetensors"
    weights.save(
        halved if half else single,
        path,
        half=half,
        training=header["training"],
        data=header["data"],
        metrics=header["metrics"] | {"half precision": f"{half}: changes them by {cost:.1g}"},
        commit=header["commit"],
    )
    with whole(path.with_suffix(".csv")) as temporary:
        temporary.write_bytes((folder / "log.csv").read_bytes())
    return path
