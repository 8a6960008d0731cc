"""What can be measured: each class is one kind of measurement, says all that it depends on, and how it is taken.

`ask` reads it from the store, or measures it and keeps it. Jobs of the batch graph and notebooks ask for the same ones.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import nn

from srlib import beyond, cost, data, evaluate, speed, weights
from srlib.imaging import files, render, resize
from srlib.imaging.upscale import upscale
from srlib.models.base import SRModel
from srlib.models.catalogue import ModelName, build
from srlib.util import code, devices, provenance, quiet, timed
from srlib.util.errors import NotMeasured
from srlib.util.precision import native_bf16
from srlib.util.sizes import Size, scaled_size
from srlib.workbook import store

LIBRARIES = ("torch", "numpy", "scikit-image", "pillow", "diffusers")  # that make numbers
CODE = code.Code()  # as it was when this process imported it, whatever is edited meanwhile
# Definitions at which the search for the code behind a number stops: which models there are, and where files lie.
STOP = (
    "srlib.models.catalogue", "srlib.weights.loading", "srlib.weights.ours", "srlib.weights.released", "srlib.data",
    "srlib.util.paths",
)  # fmt: skip


@dataclass
class Lab:
    """Where measurements are taken: the device, the models loaded so far, and the code as it stands.

    planned: "cuda" or "cpu", the kind of device of other machines, where this process only plans for them; models are loaded on
    the CPU then. only_read: a missing measurement is an error. measured: names of those that were taken here, in order. shapes:
    models by name without data, to count and to ask.
    """

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    planned: str = ""
    only_read: bool = field(default_factory=lambda: os.environ.get(store.ONLY_READ, "") not in ("", "0"))
    loaded: dict[str, SRModel] = field(default_factory=dict)
    measured: list[str] = field(default_factory=list)
    used: dict[str, store.Kept] = field(default_factory=dict)
    shapes: dict[str, SRModel] = field(default_factory=dict)

    @property
    def has_bf16(self) -> bool:
        """Whether products in bf16 can be measured; a GPU that is only planned for is taken to have them."""
        return self.planned == "cuda" or native_bf16(self.device)

    def model(self, name: str) -> SRModel:
        """A model with its weights, by name or file, loaded once."""
        if name not in self.loaded:
            self.loaded[name] = weights.load(name, device=self.device)
        return self.loaded[name]

    def shape(self, name: str) -> SRModel:
        """A model by name without data, made once."""
        if name not in self.shapes:
            self.shapes[name] = unmade(name)
        return self.shapes[name]

    def depends_on(self, functions: Iterable[Callable], models: Iterable[nn.Module] = ()) -> dict:
        """The code behind a number, from its functions and the classes of the models' parts, and the libraries under it.

        outside: classes that are not this package's, a user's own decoder; their code is in the digest as well.
        """
        kinds = {type(part) for model in models for part in model.modules()}
        inside = {kind for kind in kinds if kind.__module__.partition(".")[0] == "srlib"}
        outside = sorted((kind for kind in kinds - inside if kind.__module__.partition(".")[0] != "torch"), key=repr)
        roots = sorted({CODE.root(one) for one in (*functions, *inside)})
        needs = {"roots": roots, "code": CODE.digest(roots, extra=outside, stop=STOP), "libraries": libraries()}
        return needs | ({"outside": [kind.__qualname__ for kind in outside]} if outside else {})


def is_current(needs: dict) -> bool:
    """Whether the code and the libraries of a measurement are still the same. Of a user's own classes nothing is known here:
    then it is taken to be."""
    try:
        code_is_same = "outside" in needs or needs["code"] == CODE.digest(needs["roots"], stop=STOP)
        return code_is_same and needs["libraries"] == libraries()
    except (KeyError, ValueError):
        return False


@lru_cache(maxsize=1)
def libraries() -> dict[str, str]:
    """Versions of the libraries that make numbers, less what tells builds apart (+cpu)."""
    return {name: version.partition("+")[0] for name, version in provenance.versions().items() if name in LIBRARIES}


def settings_of(model: SRModel) -> str:
    """A digest of what a model's parts are set to beside their weights: every plain attribute of every module."""
    plain = (bool, int, float, str, tuple, type(None))
    own = vars(nn.Module()).keys() | {"name", "architecture", "inplace", "precision"}
    parts = {
        path: {n: repr(v) for n, v in sorted(vars(part).items()) if n not in own and isinstance(v, plain)}
        for path, part in model.named_modules()
    }
    return hash_text(store.canonical({path: said for path, said in parts.items() if said}))


def hash_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def of_model(model: SRModel) -> dict:
    """What a number depends on of a trained model: its tensors, how its parts are set, what it was told beside the weights."""
    return {"weights": weights.digest_of(model), "settings": settings_of(model), "config": model.config()}


def of_architecture(model: SRModel) -> dict:
    """What a cost depends on of a model without weights: its shapes, and how its parts are set."""
    shapes = [[name, list(parameter.shape)] for name, parameter in model.named_parameters()]
    return {"shapes": hash_text(store.canonical(shapes)), "settings": settings_of(model)}


def unmade(name: str) -> SRModel:
    """A model by name without data, to count and to ask."""
    with torch.device("meta"):
        return build(name)


def arithmetic(model: SRModel) -> str:
    """Of what type the parameters are, and what products are rounded to; the same on every device, as TF32 is off."""
    kind = next((str(p.dtype).removeprefix("torch.") for p in model.parameters()), "float32")
    return kind + ("" if model.precision == "float32" else f", products in {model.precision}")


@lru_cache(maxsize=4096)
def _hash_file(path: Path, size: int, modified: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:20]


@lru_cache(maxsize=64)
def _hash_embedded(name: str) -> str:
    return hashlib.sha256(data.embedded(name).tobytes()).hexdigest()[:20]


def hash_of(picture: data.Picture) -> str:
    """The content of an image, whatever it is called: of its file, or for an embedded one of its pixels."""
    if picture.path is None:
        return _hash_embedded(picture.name)
    status = picture.path.stat()
    return _hash_file(picture.path, status.st_size, status.st_mtime_ns)


def content(dataset: str, limit: int, scale: float | None = None) -> list[list[str]]:
    """Names and contents of a data set's images, and of the LR images that come with them."""
    images = []
    for picture in data.pictures(dataset)[: limit or None]:
        given = None if scale is None else data.provided_path(dataset, picture.name, scale)
        images.append([picture.name, hash_of(picture)])
        if given is not None:
            images[-1].append(hash_of(data.Picture(picture.name, picture.read, given)))
    return images


def photograph(dataset: str, name: str) -> data.Picture:
    """One image of a data set. ValueError with the names that there are."""
    pictures = {picture.name: picture for picture in data.pictures(dataset)}
    if name not in pictures:
        raise ValueError(f"no image {name!r} in {dataset}; it has {', '.join(pictures)}")
    return pictures[name]


def unnamed(rows: list[dict]) -> list[dict]:
    """Rows without the model's name: two names may be one architecture, and so one measurement."""
    return [{name: value for name, value in row.items() if name != "model"} for row in rows]


class Request(ABC):
    """One measurement that can be asked for.

    exclusive: whether it wants the machine to itself. timed: whether its rows are times, which a busy machine disturbs.
    job: measurements of one job of the batch graph share this name. form: one more whenever the rows come to mean
    something else, so that older ones are not taken for them.
    """

    kind: str
    exclusive = False
    timed = False
    form = 1

    @property
    @abstractmethod
    def job(self) -> str: ...

    @abstractmethod
    def needs(self, lab: Lab) -> dict:
        """All that the result depends on, as JSON takes it."""

    @abstractmethod
    def about(self) -> dict:
        """What it is of, for people."""

    @abstractmethod
    def take(self, lab: Lab) -> tuple[list[dict], np.ndarray | None]:
        """Measure it: rows, and a picture if it makes one."""

    def share(self, watch: quiet.Watch, rows: list[dict], lab: Lab) -> float:
        """Of the CPU time that was wanted, the part that was had."""
        return watch.share(computing=lab.device.type == "cpu")

    def named(self, lab: Lab) -> dict:
        """`needs`, and the form of the rows: what the measurement is named by."""
        return {"form": self.form, **self.needs(lab)}

    def find(self, lab: Lab) -> store.Kept | None:
        return store.find(self.kind, self.named(lab))

    def at_hand(self, lab: Lab, needs: dict) -> bool:
        """Whether a batch can leave it out; needs: from `named`. Where it plans for other machines, times of any machine with
        their kind of device will do."""
        if self.exclusive and lab.planned:
            return store.elsewhere(self.kind, needs, lab.planned) is not None
        return store.find(self.kind, needs) is not None

    def ask(self, lab: Lab) -> store.Kept:
        """Read it from the store, or measure it and keep it."""
        needs = self.named(lab)
        kept = store.find(self.kind, needs)
        if kept is None and lab.only_read:
            kept = store.elsewhere(self.kind, needs) if self.exclusive else None
            if kept is None:
                raise NotMeasured(f"not measured: {self.job}; measure it first: srlib measure, or make reproduce")
        if kept is None:
            start, watch = time.monotonic(), quiet.Watch()
            with all_cores() if self.exclusive else devices.exact_float32():
                rows, picture = self.take(lab)
                origin = {"device": devices.device_name(lab.device)}
            origin |= {"seconds": round(time.monotonic() - start, 2), "versions": provenance.versions()}
            if self.timed and (share := self.share(watch, rows, lab)) < quiet.ENOUGH:
                origin[store.DISTURBED] = round(share, 2)
                warnings.warn(f"{self.job}: {quiet.sentence(share)}", stacklevel=2)
            kept = store.write(self.kind, needs, self.about(), rows, origin=origin, picture=picture)
            lab.measured.append(kept.name)
        lab.used[kept.name] = kept
        return kept


@contextlib.contextmanager
def all_cores() -> Iterator[None]:
    """Torch on all cores that the process may use, as times are measured; afterwards as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(devices.cores())
    try:
        yield
    finally:
        torch.set_num_threads(before)


@dataclass(frozen=True)
class Quality(Request):
    """Scores of one model on one data set at one scale, a row an image (`evaluate.benchmark`). limit: only the first images.
    precision: of products (`util.precision`)."""

    model: str
    dataset: str
    protocol: str
    scale: float
    limit: int = 0
    precision: str = "float32"
    kind = "quality"

    @property
    def job(self) -> str:
        how = "" if self.precision == "float32" else f", {self.precision}"
        return f"{self.model} on {self.dataset}, {self.protocol}{how}"

    def about(self) -> dict:
        how = {} if self.precision == "float32" else {"precision": self.precision}
        return {
            "model": self.model,
            "dataset": self.dataset,
            "protocol": self.protocol,
            "scale": f"x{self.scale:g}",
        } | how

    def needs(self, lab: Lab) -> dict:
        model = lab.model(self.model).in_precision(self.precision)
        return {
            "protocol": self.protocol,
            "scale": float(self.scale),
            "dataset": self.dataset,
            "images": content(self.dataset, self.limit, self.scale),
            "arithmetic": arithmetic(model),
            **of_model(model),
            **lab.depends_on([evaluate.benchmark, files.read], [model]),
        }

    def take(self, lab: Lab) -> tuple[list[dict], None]:
        model = lab.model(self.model).in_precision(self.precision)
        rows = evaluate.benchmark(model, [self.dataset], [self.scale], self.protocol, limit=self.limit or None)
        return rows.drop(columns=["model", "dataset", "scale", "protocol"]).to_dict("records"), None


@dataclass(frozen=True)
class Count(Request):
    """Parameters and MACs of a model by name at one scale (`cost.counts`); they need no weights."""

    model: str
    lr_size: Size
    scale: float
    kind = "count"

    @property
    def job(self) -> str:
        return f"MACs on {ModelName.of(self.model).encoder or 'no encoder'}"

    def about(self) -> dict:
        return {"model": self.model, "lr": f"{self.lr_size[0]} x {self.lr_size[1]}", "scale": f"x{self.scale:g}"}

    def needs(self, lab: Lab) -> dict:
        model = lab.shape(self.model)
        return {
            "lr_size": list(self.lr_size),
            "scale": float(self.scale),
            **of_architecture(model),
            **lab.depends_on([cost.counts], [model]),
        }

    def take(self, lab: Lab) -> tuple[list[dict], None]:
        return unnamed([cost.counts(self.model, self.lr_size, self.scale)]), None


@dataclass(frozen=True)
class Time(Request):
    """Seconds of the paths of a model by name, fresh weights (`cost.time_paths`), on the machine by itself."""

    model: str
    lr_size: Size
    size: Size
    repeats: int
    paths: tuple[str, ...] = ("literal", "fast")
    kind = "time"
    exclusive = timed = True

    @property
    def job(self) -> str:
        return f"times of {self.model}"

    def about(self) -> dict:
        sizes = f"{self.lr_size[0]} x {self.lr_size[1]} to {self.size[0]} x {self.size[1]}"
        return {"model": self.model, "sizes": sizes, "paths": ", ".join(self.paths)}

    def needs(self, lab: Lab) -> dict:
        model = lab.shape(self.model)
        return {
            "lr_size": list(self.lr_size),
            "size": list(self.size),
            "repeats": self.repeats,
            "paths": list(self.paths),
            **of_architecture(model),
            store.HARDWARE: devices.machine(lab.device),
            **lab.depends_on([cost.time_paths], [model]),
        }

    def take(self, lab: Lab) -> tuple[list[dict], None]:
        rows = cost.time_paths(self.model, self.lr_size, self.size, self.repeats, lab.device, self.paths)
        return unnamed(rows), None


@dataclass(frozen=True)
class MatrixRate(Request):
    """The machine's own rate of multiplying matrices, the yardstick for times (`cost.gemm_rate`)."""

    kind = "rate"
    exclusive = timed = True
    job = "matrix products"

    def about(self) -> dict:
        return {"what": "matrix product, 2048"}

    def needs(self, lab: Lab) -> dict:
        return {store.HARDWARE: devices.machine(lab.device), **lab.depends_on([cost.gemm_rate])}

    def take(self, lab: Lab) -> tuple[list[dict], None]:
        return [{"macs_per_second": cost.gemm_rate(device=lab.device)}], None


@dataclass(frozen=True)
class Decoding(Request):
    """Seconds of decoding alone with one model, fresh weights: by number of threads, beside busy processes, by other ways, or
    in turn with a commit of this repository (`speed.compare`), on the machine by itself."""

    model: str
    sides: tuple[int, ...]
    scales: tuple[float, ...]
    threads: tuple[int, ...]
    beside: tuple[int, ...]
    ways: tuple[str, ...]
    against: str
    repeats: int
    kind = "decoding"
    exclusive = timed = True

    @property
    def job(self) -> str:
        return f"decoding of {self.model}"

    def about(self) -> dict:
        scales = ", ".join(f"x{scale:g}" for scale in self.scales)
        words = {"threads": self.threads, "busy": self.beside, "ways": self.ways, "against": self.against}
        said = {name: value if isinstance(value, str) else ", ".join(map(str, value)) for name, value in words.items()}
        return {"model": self.model, "sides": ", ".join(map(str, self.sides)), "scales": scales, **said}

    def needs(self, lab: Lab) -> dict:
        model, said = unmade(self.model), dataclasses.asdict(self)
        del said["model"]
        return {
            **{name: list(value) if isinstance(value, tuple) else value for name, value in said.items()},
            **of_architecture(model),
            store.HARDWARE: devices.machine(lab.device),
            **lab.depends_on([speed.compare, timed.prepare, timed.timed], [model]),
        }

    def take(self, lab: Lab) -> tuple[list[dict], None]:
        said = dataclasses.asdict(self)
        rows = speed.compare([said.pop("model")], device=lab.device, progress=False, **said)
        return unnamed(rows.to_dict("records")), None

    def share(self, watch: quiet.Watch, rows: list[dict], lab: Lab) -> float:
        return min((row["share"] for row in rows if row["busy"] == 0), default=1.0)


@dataclass(frozen=True)
class Memory(Request):
    """Memory that one forward pass of a model by name adds at its peak (`cost.peak_memory`)."""

    model: str
    lr_size: Size
    scale: float
    kind = "memory"
    exclusive = True

    @property
    def job(self) -> str:
        return f"memory of {self.model}"

    def about(self) -> dict:
        return {"model": self.model, "lr": f"{self.lr_size[0]} x {self.lr_size[1]}", "scale": f"x{self.scale:g}"}

    def needs(self, lab: Lab) -> dict:
        model = lab.shape(self.model)
        return {
            "lr_size": list(self.lr_size),
            "scale": float(self.scale),
            **of_architecture(model),
            store.HARDWARE: devices.machine(lab.device),
            **lab.depends_on([cost.peak_memory], [model]),
        }

    def take(self, lab: Lab) -> tuple[list[dict], None]:
        size = scaled_size(self.lr_size, self.scale)
        peak = cost.peak_memory(build(self.model).to(lab.device).eval(), self.lr_size, size)
        return [{"rows": size[0], "columns": size[1], "peak_MiB": peak / 2**20}], None


@dataclass(frozen=True)
class Enlarged(Request):
    """One photograph, shrunk as a protocol does and enlarged again (`upscale`): the picture.

    shrink: the LR image's factor. scale: the result's; the same gives the size of the original.
    """

    model: str
    dataset: str
    image: str
    protocol: str
    shrink: float
    scale: float
    kind = "enlarged"

    @property
    def job(self) -> str:
        return f"pictures of {self.model}"

    def about(self) -> dict:
        return {"model": self.model, "image": f"{self.dataset} {self.image}", "scale": f"x{self.scale:g}"}

    def needs(self, lab: Lab) -> dict:
        model = lab.model(self.model)
        return {
            "protocol": self.protocol,
            "shrink": float(self.shrink),
            "scale": float(self.scale),
            "image": hash_of(photograph(self.dataset, self.image)),
            "arithmetic": arithmetic(model),
            **of_model(model),
            **lab.depends_on([upscale, evaluate.make_pair, files.read], [model]),
        }

    def take(self, lab: Lab) -> tuple[list[dict], np.ndarray]:
        small, whole = evaluate.make_pair(photograph(self.dataset, self.image).read(), self.shrink, self.protocol)
        lr = files.to_uint8(small)
        size = whole.shape[-2:] if self.scale == self.shrink else scaled_size(lr.shape[:2], self.scale)
        return [], upscale(lr, size=tuple(size), model=lab.model(self.model))


@dataclass(frozen=True)
class PathError(Request):
    """How far a model's fast path is from its literal one (`evaluate.path_error`) on part of a photograph that is shrunk as a
    protocol does. patch: (top, left, height, width) in LR pixels; size: of the result."""

    model: str
    dataset: str
    image: str
    protocol: str
    shrink: float
    patch: tuple[int, int, int, int]
    size: Size
    kind = "paths"

    @property
    def job(self) -> str:
        return f"paths of {self.model}"

    def about(self) -> dict:
        return {"model": self.model, "what": "fast path and literal one", "image": f"{self.dataset} {self.image}"}

    def needs(self, lab: Lab) -> dict:
        model = lab.model(self.model)
        return {
            "protocol": self.protocol,
            "shrink": float(self.shrink),
            "image": hash_of(photograph(self.dataset, self.image)),
            "patch": list(self.patch),
            "size": list(self.size),
            "arithmetic": arithmetic(model),
            **of_model(model),
            **lab.depends_on([evaluate.path_error, evaluate.make_pair, files.read], [model]),
        }

    def take(self, lab: Lab) -> tuple[list[dict], None]:
        small, _ = evaluate.make_pair(photograph(self.dataset, self.image).read(), self.shrink, self.protocol)
        top, left, height, width = self.patch
        lr = small[..., top : top + height, left : left + width]
        return [{"error": evaluate.path_error(lab.model(self.model), lr, self.size)}], None


@dataclass(frozen=True)
class Drawn(Request):
    """Results of a model for parts of embedded photographs, with measures of each, and all of them in a row as a picture.

    pictures: (image, (top, left, height, width)), drawn together from one noise. lr_side: rows of the LR images. draws: how
    many seeds, from 0 on; a regression model has one. factor: the scaling factor that IDM is told in place of its own, or None.
    frames: instead keep the way from noise to the first picture.
    """

    model: str
    pictures: tuple[tuple[str, tuple[int, int, int, int]], ...]
    lr_side: int
    scale: float
    steps: int
    sampler: str
    draws: int = 1
    factor: float | None = None
    frames: bool = False
    kind = "drawn"

    @property
    def job(self) -> str:
        return f"drawings of {self.model}"

    def about(self) -> dict:
        what = " and ".join(name for name, _ in self.pictures)
        return {
            "model": self.model,
            "images": what,
            "scale": f"x{self.scale:g}",
            "how": f"{self.sampler}, {self.steps} steps" if self.steps else "regression",
        }

    def needs(self, lab: Lab) -> dict:
        model = lab.model(self.model)
        drawing = [self.steps, self.sampler, self.draws, self.factor, self.frames] if model.draws else []
        return {
            "images": [[hash_of(photograph("embedded", name)), list(part)] for name, part in self.pictures],
            "lr_side": self.lr_side,
            "scale": float(self.scale),
            "drawing": drawing,
            "arithmetic": arithmetic(model),
            **of_model(model),
            **lab.depends_on([evaluate.drawings, evaluate.way, render.views, files.to_uint8], [model]),
        }

    def views(self) -> tuple[torch.Tensor, torch.Tensor]:
        """LR (n, 3, h, w) and the originals (n, 3, H, W), in [0, 1]."""
        pairs = []
        for name, (top, left, height, width) in self.pictures:
            whole = photograph("embedded", name).read()
            lr, truth = render.views(whole[top : top + height, left : left + width], self.lr_side, [self.scale])
            pairs.append((lr, truth[self.scale]))
        lr, hr = (torch.cat(some) for some in zip(*pairs, strict=True))
        return lr, hr

    def take(self, lab: Lab) -> tuple[list[dict], np.ndarray]:
        model = lab.model(self.model)
        lr, hr = self.views()
        if self.frames:
            rows, results = evaluate.way(model, lr[:1], tuple(hr.shape[-2:]), self.steps, self.sampler)
        else:
            drawing = {"steps": self.steps, "sampler": self.sampler, "draws": self.draws}
            rows, results = evaluate.drawings(model, lr, hr, **drawing, scaling_factor=self.factor)
            rows = [row | {"image": self.pictures[row["image"]][0]} for row in rows]
        return rows, np.concatenate([files.to_uint8(result) for result in results], axis=1)


def apart(kept: store.Kept) -> list[np.ndarray]:
    """The pictures of a `Drawn` measurement, in the order of its rows: of each seed and image, or of each step."""
    count = sum("seed" not in row or row["seed"] is not None for row in kept.rows)
    return np.split(kept.picture, count, axis=1)


@dataclass(frozen=True)
class Degraded(Request):
    """Scores of one model on a data set whose LR images were made with a degradation, a row an image (`beyond.scores`)."""

    model: str
    dataset: str
    degradation: str
    scale: float
    limit: int = 0
    kind = "degraded"

    @property
    def job(self) -> str:
        return f"{self.model} on {self.dataset}, degraded"

    def about(self) -> dict:
        how = f"degraded: {self.degradation}"
        return {"model": self.model, "dataset": self.dataset, "protocol": how, "scale": f"x{self.scale:g}"}

    def needs(self, lab: Lab) -> dict:
        model = lab.model(self.model)
        return {
            "degradation": self.degradation,
            "scale": float(self.scale),
            "dataset": self.dataset,
            "images": content(self.dataset, self.limit),
            "arithmetic": arithmetic(model),
            **of_model(model),
            **lab.depends_on([beyond.scores, files.read], [model]),
        }

    def take(self, lab: Lab) -> tuple[list[dict], None]:
        return beyond.scores(lab.model(self.model), self.dataset, self.scale, self.degradation, self.limit), None


@dataclass(frozen=True)
class Photographed(Request):
    """Part of an embedded photograph, enlarged as it is or made small with a degradation first (`beyond.look`): what can be
    measured of it, and the picture. part: (top, left, height, width)."""

    model: str
    image: str
    part: tuple[int, int, int, int]
    scale: float
    degradation: str = ""
    kind = "photographed"

    @property
    def job(self) -> str:
        return f"pictures of {self.model}"

    def about(self) -> dict:
        how = self.degradation or "as it is"
        return {"model": self.model, "image": f"{self.image}, {how}", "scale": f"x{self.scale:g}"}

    def needs(self, lab: Lab) -> dict:
        model = lab.model(self.model)
        return {
            "degradation": self.degradation,
            "scale": float(self.scale),
            "image": [hash_of(photograph("embedded", self.image)), list(self.part)],
            "arithmetic": arithmetic(model),
            **of_model(model),
            **lab.depends_on([beyond.look, files.read], [model]),
        }

    def original(self) -> np.ndarray:
        """The part itself, uint8."""
        top, left, height, width = self.part
        return photograph("embedded", self.image).read()[top : top + height, left : left + width]

    def take(self, lab: Lab) -> tuple[list[dict], np.ndarray]:
        row, picture = beyond.look(lab.model(self.model), self.original(), self.scale, self.degradation)
        return [row], picture


@dataclass(frozen=True)
class ProvidedLR(Request):
    """How many of the LR images that come with a data set MATLAB's bicubic here repeats byte for byte."""

    dataset: str
    scales: tuple[float, ...]
    limit: int = 0
    kind = "lrfiles"

    @property
    def job(self) -> str:
        return f"bicubic on {self.dataset}, benchmark-y"

    def about(self) -> dict:
        return {"what": "LR files that come with the set", "dataset": self.dataset}

    def needs(self, lab: Lab) -> dict:
        images = [content(self.dataset, self.limit, scale) for scale in self.scales]
        return {"scales": list(self.scales), "images": images, **lab.depends_on([resize.matlab, files.read])}

    def take(self, lab: Lab) -> tuple[list[dict], None]:
        compared, differing = 0, 0
        for picture in data.pictures(self.dataset)[: self.limit or None]:
            for scale in self.scales:
                given = data.provided_lr(self.dataset, picture.name, scale)
                if given is not None:
                    low = given.shape[:2]
                    made = resize.matlab(picture.read()[: int(low[0] * scale), : int(low[1] * scale)], low)
                    compared, differing = compared + 1, differing + int(not np.array_equal(made, given))
        return [{"dataset": self.dataset, "compared": compared, "differing": differing}], None


@dataclass(frozen=True)
class Seams(Request):
    """Seams between LR cells in the images of a data set, enlarged by a model, a row an image (`evaluate.seams`)."""

    model: str
    dataset: str
    protocol: str
    scale: int
    limit: int = 0
    kind = "seams"

    @property
    def job(self) -> str:
        return f"seams of {self.model} on {self.dataset}"

    def about(self) -> dict:
        return {"model": self.model, "what": f"seams, {self.dataset}, {self.protocol}", "scale": f"x{self.scale}"}

    def needs(self, lab: Lab) -> dict:
        model = lab.model(self.model)
        return {
            "protocol": self.protocol,
            "scale": self.scale,
            "images": content(self.dataset, self.limit, self.scale),
            "arithmetic": arithmetic(model),
            **of_model(model),
            **lab.depends_on([evaluate.seams, files.read], [model]),
        }

    def take(self, lab: Lab) -> tuple[list[dict], None]:
        rows = evaluate.seams(lab.model(self.model), self.dataset, self.scale, self.protocol, limit=self.limit or None)
        return rows.to_dict("records"), None
