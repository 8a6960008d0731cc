"""A stage: controls, pictures that follow from them, text beside; what each demo but the deep zoom is made of."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import anywidget
import matplotlib
import numpy as np
import traitlets

from srlib.demos.newest import Newest
from srlib.demos.page import STYLE, said, script
from srlib.demos.photographs import OWN, UPLOAD, Photograph, embedded, uploaded
from srlib.util.errors import unknown


@dataclass(frozen=True)
class Picture:
    """One picture of an answer. image: RGB uint8. name: on it in a wipe; caption: above it, its first line in bold. width:
    in CSS pixels. marks: SVG elements over it, in its own pixels, {"kind": "rect", "x": ...}. pointed: whether people
    point at it."""

    image: np.ndarray
    caption: str
    name: str = ""
    colour: str = "#8c959f"
    width: int = 384
    marks: list[dict] = field(default_factory=list)
    pointed: bool = False


@dataclass(frozen=True)
class Answer:
    """What a stage shows. layout: "row", or "wipe" of the last two pictures. text: HTML beside them."""

    pictures: list[Picture]
    text: str = ""
    layout: str = "row"


def choose(name: str, label: str, options: Iterable[str] | dict[str, str]) -> dict:
    """A control: a list to choose from, {value: text}."""
    options = options if isinstance(options, dict) else {one: one for one in options}
    return {
        "kind": "choice",
        "name": name,
        "label": label,
        "options": [{"value": value, "text": text} for value, text in options.items()],
    }


def slide(name: str, label: str, low: float, high: float, step: float, before: str = "") -> dict:
    """A control: a slider."""
    return {"kind": "slider", "name": name, "label": label, "low": low, "high": high, "step": step, "before": before}


class Stage(anywidget.AnyWidget):
    """Controls and what follows from them. A subclass says `answer(values, point, stale)`.

    controls: from `choose` and `slide`; one called "image" chooses the photograph. values: where they begin. longest: pixels of
    a photograph's longer side. uploads: whether visitors may bring their own.
    """

    _esm = script("stage.js")
    _css = STYLE
    options = traitlets.Dict().tag(sync=True)

    def __init__(self, controls: Sequence[dict], values: dict, *, longest: int, hint: str, uploads: bool = True):
        self.longest, self.controls = longest, {control["name"]: control for control in controls}
        self.own: Photograph | None = None
        self.opened: dict[str, Photograph] = {}
        self.worker = Newest(self.show, self.complain)
        super().__init__(
            options={"controls": list(controls), "values": values, "hint": hint, "upload": UPLOAD if uploads else 0}
        )
        self.on_msg(self.hear)

    def answer(self, values: dict, point: tuple[float, float] | None, stale: Callable[[], bool]) -> Answer | None:
        """values: of the controls. point: (row, column) in the pointed picture, 0 to 1, or None before anyone pointed.
        stale: whether a newer question has come; then the answer may be None."""
        raise NotImplementedError

    def photograph(self, name: str) -> Photograph:
        """An embedded one, or the visitor's own."""
        if name == OWN and self.own:
            return self.own
        if name not in self.opened:
            self.opened[name] = embedded(name, self.longest)
        return self.opened[name]

    def checked(self, values: dict) -> dict:
        """ValueError for a value that no control can have: the page is not trusted."""
        for name, control in self.controls.items():
            value = values[name]
            if control["kind"] == "choice":
                known = [option["value"] for option in control["options"]]
                if value not in known and not (name == "image" and value == OWN and self.own):
                    raise unknown(control["label"], value, known)
            elif not control["low"] <= float(value) <= control["high"]:
                raise ValueError(f"{control['label']} is from {control['low']:g} to {control['high']:g}, not {value}")
        return values

    def hear(self, _: object, content: dict, buffers: Sequence) -> None:
        try:
            if content["kind"] == "upload":
                self.own = uploaded(bytes(buffers[0]), content["name"], self.longest)
                self.send({"kind": "own", "control": "image", "name": self.own.name, "text": self.own.said})
            elif content["kind"] == "ask":
                self.worker.ask(content)
        except Exception as error:
            self.complain(error)

    def complain(self, error: Exception) -> None:
        self.send({"kind": "said", "text": said(error), "wrong": True})

    def show(self, question: dict, stale: Callable[[], bool]) -> None:
        """Answer one question of the page."""
        point = question.get("point")
        made = self.answer(self.checked(question["values"]), tuple(point) if point else None, stale)
        if made is None or stale():
            return
        told = [
            {
                "caption": one.caption,
                "name": one.name,
                "colour": one.colour,
                "width": one.width,
                "marks": one.marks,
                "pointed": one.pointed,
                "shape": one.image.shape[:2],
            }
            for one in made.pictures
        ]
        buffers = [np.ascontiguousarray(one.image).tobytes() for one in made.pictures]
        about = {"kind": "answer", "seq": question["seq"], "layout": made.layout, "html": made.text}
        self.send(about | {"pictures": told}, buffers)


def table(head: Sequence[str], rows: Sequence[Sequence[object]], on: int | None = None) -> str:
    """HTML. Numbers, and what is written like one, to the right; row `on` stands out."""
    lines = "".join(f"<th class='{'n' if i else ''}'>{html.escape(one)}</th>" for i, one in enumerate(head))
    body = ""
    for place, row in enumerate(rows):
        cells = "".join(f"<td class='{'n' if i else ''}'>{html.escape(str(one))}</td>" for i, one in enumerate(row))
        body += f"<tr class='{'on' if place == on else ''}'>{cells}</tr>"
    return f"<table><thead><tr>{lines}</tr></thead><tbody>{body}</tbody></table>"


def heat(values: np.ndarray, *, signed: bool = True) -> np.ndarray:
    """(r, c) numbers as RGB uint8: red above 0 and blue below, white between; unsigned, 0 dark to 1 light."""
    if signed:
        top = float(np.abs(values).max()) or 1.0
        return matplotlib.colormaps["RdBu_r"](0.5 + values / (2 * top), bytes=True)[..., :3]
    return matplotlib.colormaps["viridis"](values, bytes=True)[..., :3]


def rectangle(top: float, left: float, bottom: float, right: float, colour: str, **more: object) -> dict:
    """A mark."""
    place = {"x": left, "y": top, "width": right - left, "height": bottom - top}
    return {"kind": "rect", **place, "fill": "none", "stroke": colour, "stroke-width": 2} | more
