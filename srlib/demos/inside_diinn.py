"""Inside DIINN: what the modulation and the synthesis branch hold over a part of an image, layer by layer, channel by
channel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor

from srlib.demos.page import check_decoders
from srlib.demos.photographs import Encodings
from srlib.demos.stage import Answer, Picture, Stage, choose, heat, rectangle, slide, table
from srlib.imaging.files import to_uint8
from srlib.imaging.windows import Window
from srlib.models.base import Model
from srlib.models.catalogue import ModelName
from srlib.models.diinn import DIINN, LAYERS
from srlib.util.sizes import Size


@dataclass(frozen=True)
class Layer:
    """One layer over a window: modulation m_i (Eqs 2, 4), its partner sin(w' . + b') and their product s_i (Eqs 3, 5); each
    (rows, columns, hidden)."""

    modulation: Tensor
    sine: Tensor

    @property
    def synthesis(self) -> Tensor:
        return self.modulation * self.sine


@torch.inference_mode()
def layers(model: Model, features: Tensor, window: Window) -> tuple[Tensor, list[Layer]]:
    """The window (1, 3, rows, columns) by the reference path, and what its layers held, as they ran. ValueError for a
    decoder that is not DIINN's."""
    if not isinstance(model.decoder, DIINN):
        raise ValueError(f"{model.name} is not a DIINN")
    held: dict[torch.nn.Module, list[Tensor]] = {}
    branches = model.decoder.modulation, model.decoder.synthesis
    hooks = [
        layer.register_forward_hook(lambda layer, _, out: held.setdefault(layer, []).append(out[0]))
        for branch in branches
        for layer in branch
    ]
    try:
        reach = model.decoder.reach
        rows = torch.arange(*window.rows)
        at_hand = features[(..., *window.codes(reach))]
        made = [band for _, band in model.decode_bands(at_hand, window.grid(reach), rows, literal=True)]
    finally:
        for hook in hooks:
            hook.remove()
    found = [
        Layer(torch.cat(held[m]).relu(), torch.cat(held[s]).sin().expand(*window.shape, -1))
        for m, s in zip(*branches, strict=True)
    ]
    return torch.cat(made, dim=2), found


def summary(found: Sequence[Layer]) -> pd.DataFrame:
    """A row a layer: layer, channels, silent (share of modulation values that are 0), modulation, synthesis (root mean
    squares)."""
    rows = [
        (
            i,
            layer.modulation.shape[-1],
            float((layer.modulation == 0).float().mean()),
            float(layer.modulation.square().mean().sqrt()),
            float(layer.synthesis.square().mean().sqrt()),
        )
        for i, layer in enumerate(found)
    ]
    return pd.DataFrame(rows, columns=["layer", "channels", "silent", "modulation", "synthesis"])


class InsideDIINN(Stage):
    """DIINN's activations over a part of an image.

    model: a DIINN. images: names of scikit-image's photographs, made `longest` pixels long. part: LR pixels a side.
    """

    def __init__(
        self,
        model: Model,
        images: Sequence[str] = ("chelsea", "astronaut", "coffee"),
        *,
        longest: int = 64,
        part: int = 16,
        high: float = 12.0,
        start: float = 6.0,
        centre: tuple[float, float] = (0.42, 0.38),
    ):
        check_decoders([model])
        if not isinstance(model.decoder, DIINN):
            raise ValueError(f"{model.name} is not a DIINN")
        self.model, self.part, self.centre, self.encodings = model, part, centre, Encodings()
        self.held: dict[tuple, tuple] = {}
        controls = [
            choose("image", "image", images),
            slide("scale", "scale", 1.0, high, 0.1, "×"),
            slide("layer", "layer", 0, LAYERS - 1, 1),
            slide("channel", "channel", 0, model.decoder.hidden - 1, 1),
        ]
        hint = "Choose a layer and a channel. Point at a pixel of the first picture to see all its channels."
        super().__init__(
            controls, {"image": images[0], "scale": start, "layer": 1, "channel": 0}, longest=longest, hint=hint
        )

        self.options = self.options | {"values": self.options["values"] | {"channel": self.liveliest(1)}}

    def liveliest(self, layer: int) -> int:
        """The channel whose product varies most over the part shown first."""
        values = self.options["values"]
        photograph = self.photograph(values["image"])
        window = self.window(photograph.size, float(values["scale"]))
        _, found = layers(self.model, self.encodings.of(photograph, self.model), window)
        return int(found[layer].synthesis.flatten(0, 1).std(dim=0).argmax())

    def window(self, size: Size, scale: float) -> Window:
        middle = tuple(n * at for n, at in zip(size, self.centre, strict=True))
        side = max(1, round(self.part * scale))
        return Window.around(size, scale, middle, (side, side))

    def answer(self, values: dict, point: tuple[float, float] | None, stale: Callable[[], bool]) -> Answer | None:
        photograph = self.photograph(values["image"])
        window = self.window(photograph.size, float(values["scale"]))
        key = photograph.digest, window
        if key not in self.held:  # another layer or channel is only another look
            self.held = {key: layers(self.model, self.encodings.of(photograph, self.model), window)}
        made, found = self.held[key]
        i, channel = int(values["layer"]), int(values["channel"])
        layer, image = found[i], to_uint8(made)
        y, x = (int(at * n) for at, n in zip(point or (0.5, 0.5), window.shape, strict=True))
        part = ModelName.of(self.model.name)
        shown = [Picture(image, f"{part.label}\n{image.shape[0]} × {image.shape[1]} pixels", width=300, colour=part.colour,
                         pointed=True, marks=[rectangle(y, x, y + 1, x + 1, "#fff")])]  # fmt: skip
        names = {
            f"m{i}: modulation, what is there": layer.modulation,
            f"sine of layer {i}: where in the cell": layer.sine,
            f"s{i}: their product": layer.synthesis,
        }
        for name, values_of in names.items():
            one = values_of[..., channel]
            told = f"{name}\nchannel {channel}, from {float(one.min()) + 0.0:.3g} to {float(one.max()) + 0.0:.3g}"
            shown.append(Picture(heat(one.numpy()), told, width=220))
        strips = torch.stack([values_of[y, x] / values_of.abs().max().clamp_min(1e-9) for values_of in names.values()])
        told = f"all {strips.shape[1]} channels at the pixel, layer {i}\nrows: modulation, sine, product; each of its own range"
        shown.append(Picture(heat(strips.numpy()).repeat(4, axis=0), told, width=512))
        rows = [
            (one.layer, one.channels, f"{100 * one.silent:.1f} %", f"{one.modulation:.3g}", f"{one.synthesis:.3g}")
            for one in summary(found).itertuples()
        ]
        head = ["layer", "channels", "modulation at 0", "modulation, rms", "product, rms"]
        return Answer(shown, "<h4>Over the shown part</h4>" + table(head, rows, on=i))


@torch.inference_mode()
def by_layer(demo: InsideDIINN, channels: Sequence[int]) -> tuple[pd.DataFrame, dict, float]:
    """`summary` of the part shown first; rows for `figures.crops`, products of some channels by layer; and the largest
    difference between the picture and the decoder's last linear layer of the last product."""
    values = demo.options["values"]
    photograph = demo.photograph(values["image"])
    window = demo.window(photograph.size, float(values["scale"]))
    made, found = layers(demo.model, demo.encodings.of(photograph, demo.model), window)
    pictures = {
        f"layer {i}": {f"channel {k}": heat(layer.synthesis[..., k].numpy()) for k in channels}
        for i, layer in enumerate(found)
    }
    again = demo.model.decoder.last(found[-1].synthesis).permute(2, 0, 1) * demo.model.std + demo.model.mean
    return summary(found), pictures, float((again - made[0]).abs().max())
