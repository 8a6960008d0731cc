"""Deep zoom: drag and zoom through one image as through a map; only what is seen is decoded, at the screen's own pixels."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence

import anywidget
import numpy as np
import pandas as pd
import torch
import traitlets
from torch.utils.flop_counter import FlopCounterMode

from srlib import cost
from srlib.demos.newest import Newest
from srlib.demos.page import STYLE, check_decoders, chosen, said, script
from srlib.demos.photographs import OWN, UPLOAD, Encodings, Photograph, embedded, uploaded
from srlib.imaging import windows
from srlib.imaging.files import to_uint8
from srlib.imaging.windows import Window
from srlib.models.base import Model
from srlib.models.catalogue import labels
from srlib.util.errors import unknown
from srlib.util.sizes import Size

LARGEST = 1024  # rows and columns of a view
SOON = 0.06  # seconds that a first picture may take: the coarser, the slower the model


class Macs:
    """Multiply-accumulates of a window: its fast path on the meta device, as `cost.count_macs` counts."""

    def __init__(self) -> None:
        self.shadows: dict[str, Model] = {}
        self.known: dict[tuple, int] = {}

    @torch.no_grad()
    def of(self, model: Model, window: Window, channels: int) -> int:
        down, across = window.codes(model.decoder.reach)
        shape = (down.stop - down.start, across.stop - across.start)
        key = (model.name, shape, window)
        if key not in self.known:
            self.known.clear()  # the next view is another
            if model.name not in self.shadows:
                self.shadows[model.name] = copy.deepcopy(model).to("meta")
            with FlopCounterMode(display=False) as counter:
                features = torch.empty(1, channels, *shape, device="meta")
                rows = torch.arange(*window.rows)
                for _ in self.shadows[model.name].decode_bands(features, window.grid(model.decoder.reach), rows):
                    pass
            self.known[key] = cost.macs_seen(counter, layers_only=False)
        return self.known[key]


class DeepZoom(anywidget.AnyWidget):
    """A view that is dragged and zoomed, with a wipe between two methods.

    models: those to choose from, of any scale; the first two are shown. images: names of scikit-image's photographs. longest: a
    picture is made so small, in pixels of its longer side, before it is enlarged. side: of the view, in CSS pixels.
    ValueError for a model of fixed scales, and for a diffusion model.

    The page asks for a view: {seq, scale, centre, rows, columns, methods}, the scale in screen pixels per LR pixel. Each method
    answers with a coarse frame, then the sharp one, RGB bytes with their place in LR pixels; then come the MACs. A newer view
    stops what is under way.
    """

    _esm = script("deep_zoom.js")
    _css = STYLE
    options = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        models: Sequence[Model],
        images: Sequence[str] = ("astronaut", "chelsea", "coffee", "rocket"),
        *,
        longest: int = 256,
        side: int = 512,
    ):
        check_decoders(models)
        self.models, self.longest = {model.name: model for model in models}, longest
        self.encodings, self.macs, self.rates = Encodings(), Macs(), {}
        self.photograph = embedded(images[0], longest)
        self.own: Photograph | None = None
        self.worker = Newest(self.show, self.complain)
        super().__init__(
            options={
                "models": chosen(models),
                "images": list(images),
                "side": side,
                "largest": LARGEST,
                "upload": UPLOAD,
            }
        )
        self.on_msg(self.hear)

    def hear(self, _: object, content: dict, buffers: Sequence) -> None:
        """What the page asks for."""
        try:
            if content["kind"] == "view":
                self.worker.ask(content)
                return
            if content["kind"] == "image" and content["name"] == OWN and self.own:
                self.photograph = self.own
            elif content["kind"] == "image":
                if content["name"] not in self.options["images"]:
                    raise unknown("image", content["name"], self.options["images"])
                self.photograph = embedded(content["name"], self.longest)
            elif content["kind"] == "upload":
                self.photograph = self.own = uploaded(bytes(buffers[0]), content["name"], self.longest)
            self.tell_image(self.photograph)
        except Exception as error:
            self.complain(error)

    def complain(self, error: Exception) -> None:
        self.send({"kind": "said", "text": said(error), "wrong": True})

    def tell_image(self, photograph: Photograph) -> None:
        """The page gets the small picture itself, to show beneath what is decoded."""
        about = {
            "name": photograph.name,
            "digest": photograph.digest,
            "size": photograph.size,
            "most": windows.most(photograph.size),
            "own": photograph is self.own,
        }
        self.send({"kind": "image", **about, "text": photograph.said}, [photograph.lr.tobytes()])

    def window(self, view: dict) -> Window:
        """The window of the present image that a view asks for."""
        shape = tuple(min(LARGEST, max(1, int(n))) for n in (view["rows"], view["columns"]))
        return Window.around(self.photograph.size, float(view["scale"]), tuple(view["centre"]), shape)

    def show(self, view: dict, stale: Callable[[], bool]) -> None:
        """A view's frames, coarse ones first."""
        photograph, window = self.photograph, self.window(view)
        models = [self.models[name] for name in dict.fromkeys(view["methods"])]
        for stage in ("coarse", "sharp"):
            for model in models:
                times = self.times(model, window) if stage == "coarse" else 1
                if stale():
                    return
                if stage == "sharp" or times > 1:
                    self.frame(view, photograph, model, window.coarser(times) if times > 1 else window, stage, stale)
        for model in models:
            if stale():
                return
            features = self.encodings.of(photograph, model)
            macs = self.macs.of(model, window, features.shape[1])
            self.send({"kind": "macs", "seq": view["seq"], "method": model.name, "macs": macs})

    def times(self, model: Model, window: Window) -> int:
        """How much coarser a first picture is: so much that it comes soon, judged by this model's frames before."""
        pixels, rate = window.shape[0] * window.shape[1], self.rates.get(model.name)
        if rate is None:
            return 4
        return next((times for times in (1, 2, 4, 8) if pixels / times**2 / rate <= SOON), 8)

    def frame(
        self, view: dict, photograph: Photograph, model: Model, window: Window, stage: str, stale: Callable[[], bool]
    ) -> None:
        """Decode a window and send it, unless a newer view has come."""
        features = self.encodings.of(photograph, model)
        start = time.perf_counter()
        made = windows.decode(model, features, window, stop=stale)
        if made is None:
            return
        image, seconds = to_uint8(made), time.perf_counter() - start
        if stage == "sharp":
            rate = image.shape[0] * image.shape[1] / seconds
            self.rates[model.name] = 0.5 * (self.rates.get(model.name, rate) + rate)
        about = {"seq": view["seq"], "method": model.name, "stage": stage, "seconds": seconds}
        place = {"shape": window.shape, "box": window.box, "size": window.size, "image": photograph.digest}
        place |= {"rows": window.rows, "columns": window.columns}
        self.send({"kind": "frame", **about, **place}, [image.tobytes()])


@torch.inference_mode()
def compare(zoom: DeepZoom, views: Sequence[Sequence[float]], shape: Size) -> tuple[pd.DataFrame, dict]:
    """Views, (scale, row, column) with the centre from 0 to 1, of `shape` pixels, decoded alone, beside the same window of
    `model.decode`: model, scale, the window, largest_step (8-bit), macs. And pictures for `figures.crops`."""
    rows, pictures, size = [], {}, zoom.photograph.size
    names = labels(list(zoom.models))
    for scale, *centre in views:
        window = Window.around(size, scale, tuple(n * at for n, at in zip(size, centre, strict=True)), tuple(shape))
        for name, model in zoom.models.items():
            features = zoom.encodings.of(zoom.photograph, model)
            alone = to_uint8(windows.decode(model, features, window))
            whole = to_uint8(model.decode(features, window.size, rows=torch.arange(*window.rows)))
            step = np.abs(whole[:, slice(*window.columns)].astype(int) - alone).max()
            place = window.rows[0], window.columns[0], *window.shape
            rows.append((name, scale, *place, int(step), zoom.macs.of(model, window, features.shape[1])))
            pictures.setdefault(f"×{scale:g}", {})[names[name]] = alone
    columns = ["model", "scale", "top", "left", "rows", "columns", "largest_step", "macs"]
    return pd.DataFrame(rows, columns=columns), pictures
