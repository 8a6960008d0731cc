"""Dead units: those of a decoder's rectified layers that are positive nowhere, on validation photographs at several scales.

A unit whose ReLU is never positive gives nothing and learns nothing: it is capacity that a run has lost, often by a
rate that is too high at its start. Layers are watched as the reference path runs them, whatever decoder it is.
"""

from __future__ import annotations

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from srlib.models.base import Pairs, SRModel
from srlib.training import validation

SCALES = (2, 3, 4)
SIDE = 48  # LR pixels a side that are looked at
EVERY = 8  # of the output's rows


class Watch(TorchFunctionMode):
    """Which units of each watched layer have been positive after their ReLU: alive, name -> (units,) bool."""

    RELUS = (F.relu, F.relu_, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_)

    def __init__(self, network: nn.Module):
        super().__init__()
        self.alive: dict[str, Tensor] = {}
        self.last: tuple[str, Tensor] | None = None  # the layer that ran last, and what it gave
        layers = {name: layer for name, layer in network.named_modules() if isinstance(layer, nn.Linear)}
        self.hooks = [layer.register_forward_hook(self.note(name)) for name, layer in layers.items()]

    def note(self, name: str):
        def hook(layer: nn.Module, given: tuple, made: Tensor) -> None:
            self.last = name, made

        return hook

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function in self.RELUS and self.last is not None and args[0] is self.last[1]:
            name, made = self.last
            positive = (made > 0).flatten(0, -2).any(dim=0)
            self.alive[name] = self.alive[name] | positive if name in self.alive else positive
            self.last = None
        return function(*args, **(kwargs or {}))

    def __exit__(self, *error):
        for hook in self.hooks:
            hook.remove()
        return super().__exit__(*error)


@torch.no_grad()
def health(model: SRModel, photographs: Pairs | None = None) -> pd.DataFrame:
    """The dead units of a model's decoder, a row a layer in the order in which they run: layer, units, dead, share.

    model: any; one without rectified linear layers in its decoder (a pixel-shuffle tail, a diffusion model) has no rows.
    photographs: scale -> (LR, HR) pairs, by default the validation photographs at x2, x3 and x4. The model is left as it was.
    """
    layers: dict[str, Tensor] = {}
    if not model.draws and any(isinstance(part, nn.Linear) for part in model.decoder.modules()):
        scales = tuple(scale for scale in SCALES if model.scales is None or scale in model.scales)
        pairs = validation.pairs(scales, model.device) if photographs is None else photographs
        before = model.training
        model.eval()
        try:
            with Watch(model.decoder) as watch:
                for scale, some in pairs.items():
                    for lr, _ in some:
                        part = lr[..., :SIDE, :SIDE]
                        size = tuple(n * scale for n in part.shape[-2:])
                        rows = torch.arange(0, size[0], EVERY)
                        model.decode(model.encode(part), size, literal=True, rows=rows)
        finally:
            model.train(before)
        layers = watch.alive
    rows = [(name, len(alive), int((~alive).sum())) for name, alive in layers.items()]
    table = pd.DataFrame(rows, columns=["layer", "units", "dead"])
    return table.assign(share=table["dead"] / table["units"])


def largest(table: pd.DataFrame) -> float:
    """The largest share of dead units in a layer; 0 without layers."""
    return float(table["share"].max()) if len(table) else 0.0


def shares(table: pd.DataFrame) -> dict[str, str]:
    """Dead units by layer as a header says them: {'coarse.0': '3 of 64'}."""
    return {row.layer: f"{row.dead} of {row.units}" for row in table.itertuples()}
