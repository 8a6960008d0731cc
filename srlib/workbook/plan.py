"""Profiles: which models, sets and scales each notebook is about, said once; and the measurements that follow.

profiles/quick.yaml is the default and lists every notebook, one record each; another profile says `like: quick` and what
differs. A notebook and the batch graph expand the same record into the same measurements.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import yaml

from srlib import data, evaluate, speed, weights
from srlib.models.base import SRModel
from srlib.util import devices, paths
from srlib.util.errors import unknown
from srlib.util.precision import native_bf16
from srlib.util.sizes import scaled_size
from srlib.workbook.measure import (
    Count,
    Decoding,
    Degraded,
    Drawn,
    Enlarged,
    Lab,
    MatrixRate,
    Memory,
    Photographed,
    ProvidedLR,
    Quality,
    Request,
    Seams,
    Time,
)

SHARED = ("datasets", "scales", "limit", "repeats")  # entries that a change sets in every block that has them
COSTS = ("counts", "times", "memory")  # but for the scales of costs beside scores: those are the paper's

# What a block of each kind may say. models: a list, or the name of one of the profile's groups; a notebook's own by default.
BLOCKS = {
    "scores": {"protocol", "datasets", "scales", "models", "limit", "precision"},
    "counts": {"lr", "scales", "models"},
    "times": {"lr", "scales", "sizes", "repeats", "models", "paths"},
    "decoding": {"sides", "scales", "threads", "beside", "ways", "against", "repeats", "models"},
    "memory": {"lr", "scale", "models"},
    "pictures": {"protocol", "pictures", "scales", "models"},
    "drawings": {
        "pictures",
        "lr_side",
        "scales",
        "steps",
        "samplers",
        "draws",
        "factors",
        "models",
        "together",
        "frames",
    },
    "lr_files": {"datasets", "scales", "limit"},
    "degraded": {"datasets", "scales", "degradations", "models", "limit"},
    "photographs": {"pictures", "scales", "degradations", "models"},
    "seams": {"protocol", "datasets", "scales", "models", "limit"},
}


@dataclass(frozen=True)
class Plan:
    """A notebook's record in a profile, with the changes that a user asked for.

    models: names or files whose weights are wanted. blocks: kind -> its blocks. options: what only this notebook knows.
    after_all: whether it reads what all others concluded.
    """

    notebook: str
    profile: str
    models: tuple[str, ...]
    blocks: dict[str, list[dict]]
    options: dict[str, object]
    groups: dict[str, list[str]]
    after_all: bool = False

    def named(self, block: dict) -> list[str]:
        """The models of a block: its own, or the notebook's."""
        return members(block["models"], self.groups) if "models" in block else list(self.models)

    @property
    def limit(self) -> int:
        """Only the first images of the benchmark sets are scored; 0 is all."""
        return max(
            (block.get("limit", 0) for block in self.blocks["scores"] if block["datasets"] != ["embedded"]), default=0
        )

    @property
    def datasets(self) -> list[str]:
        """All data sets named, each once."""
        kinds = "scores", "lr_files", "degraded", "seams"
        blocks = [block for kind in kinds for block in self.blocks[kind]]
        return list(dict.fromkeys(name for block in blocks for name in block["datasets"]))


def profiles() -> list[str]:
    return sorted(path.stem for path in paths.PROFILES.glob("*.yaml"))


@lru_cache(maxsize=16)
def _read(path: Path, modified: int) -> dict:
    return yaml.safe_load(path.read_text())


def profile(name: str | Path) -> dict:
    """A profile by name or file, with what it takes over from the one that it is like. ValueError for an unknown name."""
    path = paths.PROFILES / f"{name}.yaml" if str(name) in profiles() else Path(name)
    if not path.is_file():
        raise unknown("profile", str(name), profiles())
    own = _read(path, path.stat().st_mtime_ns)
    if odd := set(own) - {"profile", "like", "groups", "notebooks", "about"}:
        raise ValueError(
            f"{path}: {', '.join(sorted(odd))}: no such entry; known: about, groups, like, notebooks, profile"
        )
    if "like" not in own:
        return own
    base = profile(own["like"])
    merged = {key: base["notebooks"][key] | (own.get("notebooks", {}).get(key) or {}) for key in base["notebooks"]}
    merged |= {key: record or {} for key, record in (own.get("notebooks") or {}).items() if key not in merged}
    skipped = [key for key, record in merged.items() if record.get("skip")]
    notebooks = {key: record for key, record in merged.items() if key not in skipped}
    return own | {"groups": base.get("groups", {}) | own.get("groups", {}), "notebooks": notebooks}


def listed(name: str | Path = "quick") -> list[str]:
    """The notebooks of a profile, in its order."""
    return list(profile(name)["notebooks"])


def plan(notebook: str, name: str | Path = "quick", changes: dict | None = None, files: Sequence[str] = ()) -> Plan:
    """A notebook's record. A notebook that no profile lists has an empty one.

    changes: in place of the record's: models, datasets, scales, limit, repeats of every block that has them, a whole kind of
    blocks, or one of its options. files: weight files to measure as well. ValueError for what is not known.
    """
    whole = profile(name)
    groups = whole.get("groups", {})
    record = {key: value for key, value in whole["notebooks"].get(notebook, {}).items() if key != "title"}
    after_all = record.pop("after", "") == "all"
    changes = dict(changes or {})
    blocks = {kind: [dict(block) for block in changes.pop(kind, record.pop(kind, []))] for kind in BLOCKS}
    for kind, some in blocks.items():
        if odd := {entry for block in some for entry in block} - BLOCKS[kind]:
            raise unknown(f"entry in {kind} of {notebook}", sorted(odd)[0], sorted(BLOCKS[kind]))
    models = members(changes.pop("models", record.pop("models", [])), groups)
    for entry in [entry for entry in SHARED if entry in changes and entry not in record]:
        value = changes.pop(entry)
        fixed = COSTS if entry == "scales" and blocks["scores"] else ()
        kinds = [kind for kind in blocks if entry in BLOCKS[kind] and kind not in fixed]
        having = [b for kind in kinds for b in blocks[kind] if entry in b or entry == "limit"]
        if not having:
            raise ValueError(f"{notebook} has no {entry} to change")
        check_kind(notebook, entry, having[0].get(entry, 0), value)
        for block in having:
            block[entry] = value
    for option, value in changes.items():
        if option not in record:
            known = {"models", *SHARED, *record, *(kind for kind in BLOCKS if blocks[kind])}
            raise unknown(f"parameter of {notebook}", option, sorted(known))
        check_kind(notebook, option, record[option], value)
    return Plan(notebook, str(whole["profile"]), (*models, *files), blocks, record | changes, groups, after_all)


def check_kind(notebook: str, name: str, default: object, value: object) -> None:
    """ValueError if a value is of another kind than the one it replaces."""
    number = isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool)
    if not (isinstance(value, type(default)) or number):
        raise ValueError(f"{notebook}: {name} is a {type(default).__name__} ({default!r}), got {value!r}")


def members(models: str | Sequence[str], groups: dict[str, list[str]]) -> list[str]:
    """A group's models by its name, or a list as it is."""
    if not isinstance(models, str):
        return list(models)
    if models not in groups:
        raise unknown("group of models", models, list(groups))
    return groups[models]


def pairs(value: object) -> tuple:
    """Lists as tuples, all the way down, so that a request can be compared."""
    return tuple(pairs(v) if isinstance(v, list) else v for v in value) if isinstance(value, (list, tuple)) else value


def requests(of: Plan, lab: Lab) -> Iterator[Request]:
    """The measurements of a plan, of models and data sets that are at hand."""
    at_hand, _ = data.split(of.datasets)
    for block in of.blocks["scores"]:
        if block.get("precision") == "bf16" and not native_bf16(lab.device):
            continue
        every = [one for name in of.named(block) for one in weights.trainings(name)]
        for given, model in present(every, lab).items():
            for dataset in (name for name in block["datasets"] if name in at_hand):
                for scale in fitting(model, block):
                    how = block["protocol"], float(scale), block.get("limit", 0), block.get("precision", "float32")
                    yield Quality(given, dataset, *how)
    for block in of.blocks["counts"]:
        for model in of.named(block):
            yield from (Count(model, pairs(block["lr"]), float(scale)) for scale in block["scales"])
    for block in of.blocks["times"]:
        lr = pairs(block["lr"])
        sizes = pairs(block["sizes"]) if "sizes" in block else [scaled_size(lr, scale) for scale in block["scales"]]
        yield MatrixRate()
        for model in of.named(block):
            for size in sizes:
                yield Time(model, lr, size, block.get("repeats", 1), pairs(block.get("paths", ["literal", "fast"])))
    for block in of.blocks["decoding"]:
        ways = [way for way in block.get("ways", ["fast"]) if way != "bf16" or native_bf16(lab.device)]
        threads = sorted({count or devices.cores() for count in block.get("threads", [0])})  # 0: all cores
        how = pairs(threads), pairs(block.get("beside", [0])), pairs(ways)
        against = block.get("against", "")
        for model in of.named(block) if ways and (not against or speed.known(against)) else []:
            scales = tuple(map(float, block["scales"]))
            yield Decoding(model, pairs(block["sides"]), scales, *how, against, block.get("repeats", 1))
    for block in of.blocks["memory"]:
        yield from (Memory(model, pairs(block["lr"]), float(block["scale"])) for model in of.named(block))
    for block in of.blocks["lr_files"]:
        for dataset in (name for name in block["datasets"] if name in at_hand):
            yield ProvidedLR(dataset, pairs(block["scales"]), block.get("limit", 0))
    for block in of.blocks["seams"]:
        every = [one for name in of.named(block) for one in weights.trainings(name)]
        for given, model in present(every, lab).items():
            for dataset in (name for name in block["datasets"] if name in at_hand):
                for scale in block["scales"]:
                    if model.scales is None or scale in model.scales:
                        yield Seams(given, dataset, block["protocol"], int(scale), block.get("limit", 0))
    yield from enlargements(of, lab)
    yield from drawings(of, lab)
    yield from beyond_bicubic(of, lab)


def enlargements(of: Plan, lab: Lab) -> Iterator[Enlarged]:
    """pictures: [data set, image, the LR image's factor]; scales: of the results, by default the same."""
    for block in of.blocks["pictures"]:
        for dataset, image, shrink in (entry[:3] for entry in block["pictures"]):
            for given, model in present(of.named(block), lab).items():
                for scale in block.get("scales", [shrink]):
                    if model.scales is None or scale in model.scales:
                        yield Enlarged(given, dataset, image, block["protocol"], float(shrink), float(scale))


def drawings(of: Plan, lab: Lab) -> Iterator[Drawn]:
    """pictures: [image, part]. samplers: {name: [steps, ...]} in place of `steps` of DDIM. factors: what IDM is told; null is
    the p that belongs to the scale. together: all pictures from one noise. A regression model has one answer, and no frames."""
    for block in of.blocks["drawings"]:
        pictures, frames = pairs(block["pictures"]), block.get("frames", False)
        samplers = block.get("samplers") or {"ddim": [block["steps"]]}
        ways = [
            (steps, sampler, block.get("draws", 1), factor, frames)
            for factor in block.get("factors", [None])
            for sampler, some in samplers.items()
            for steps in some
        ]
        models = present(of.named(block), lab).items()
        for some in [pictures] if block.get("together") else [(picture,) for picture in pictures]:
            for scale in block["scales"]:
                for given, model in models:
                    for how in ways if model.draws else [] if frames else [(0, "")]:
                        yield Drawn(given, some, block["lr_side"], float(scale), *how)


def beyond_bicubic(of: Plan, lab: Lab) -> Iterator[Degraded | Photographed]:
    """degraded: data sets by degradations. photographs: [image, part], as they are ("") or with degradations."""
    at_hand, _ = data.split(of.datasets)
    for block in of.blocks["degraded"]:
        for given, model in present(of.named(block), lab).items():
            for scale in (scale for scale in block["scales"] if model.scales is None or scale in model.scales):
                for dataset in (name for name in block["datasets"] if name in at_hand):
                    for how in block["degradations"]:
                        yield Degraded(given, dataset, how, float(scale), block.get("limit", 0))
    for block in of.blocks["photographs"]:
        for image, part in block["pictures"]:
            for given, model in present(of.named(block), lab).items():
                for scale in (scale for scale in block["scales"] if model.scales is None or scale in model.scales):
                    for how in block["degradations"]:
                        yield Photographed(given, image, pairs(part), float(scale), how)


def fitting(model: SRModel, block: dict) -> list[float]:
    """The scales of a block of scores at which a model is scored: a network with fixed scales at its own, where the protocol
    crops images to multiples of them."""
    if model.scales is not None and evaluate.protocol_named(block["protocol"]).lr == "antialiased":
        return []
    return evaluate.scales_of(model, block["scales"], block["protocol"])


def present(models: Sequence[str], lab: Lab) -> dict[str, SRModel]:
    """Those models whose weights are at hand, by the names or files that were asked for."""
    found = {}
    for name in models:
        with contextlib.suppress(FileNotFoundError):
            found[name] = lab.model(name)
    return found


def jobs(of: Sequence[Plan], lab: Lab) -> dict[str, list[Request]]:
    """All measurements of several plans, each once, by job: one model on one data set by one protocol, or one timing."""
    by_job: dict[str, list[Request]] = {}
    for request in dict.fromkeys(request for one in of for request in requests(one, lab)):
        by_job.setdefault(request.job, []).append(request)
    return by_job
