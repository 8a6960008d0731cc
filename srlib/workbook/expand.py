"""The measurements that follow from a notebook's record in a profile; it and the batch graph ask for the same ones."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from srlib import data, evaluate, speed, weights
from srlib.models.base import SRModel
from srlib.models.catalogue import DECODERS, ModelName
from srlib.util import devices
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
    PathError,
    Photographed,
    ProvidedLR,
    Quality,
    Request,
    Seams,
    Time,
)
from srlib.workbook.plan import Plan


def pairs(value: object) -> tuple:
    """Lists as tuples, all the way down, so that a request can be compared."""
    return tuple(pairs(v) if isinstance(v, list) else v for v in value) if isinstance(value, (list, tuple)) else value


def requests(of: Plan, lab: Lab) -> Iterator[Request]:
    """The measurements of a plan, of models and data sets that are at hand."""
    at_hand, _ = data.split(of.datasets)
    for block in of.blocks["scores"]:
        if block.get("precision") == "bf16" and not lab.has_bf16:
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
        ways = [way for way in block.get("ways", ["fast"]) if way != "bf16" or lab.has_bf16]
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
    yield from path_errors(of, lab)
    yield from drawings(of, lab)
    yield from beyond_bicubic(of, lab)


def pictured(of: Plan, block: dict) -> list[list]:
    """What a block of pictures is of: [data set, image, the LR image's factor, the part shown], one or more. A block that
    lists nothing is of the record's own image, an embedded one, at its scale."""
    own = of.options
    return block["pictures"] if "pictures" in block else [["embedded", own["image"], own["scale"], own["crop"]]]


def enlargements(of: Plan, lab: Lab) -> Iterator[Enlarged]:
    """pictures: as `pictured`; scales: of the results, by default the LR image's factor."""
    for block in of.blocks["pictures"]:
        for dataset, image, shrink in (entry[:3] for entry in pictured(of, block)):
            for given, model in present(of.named(block), lab).items():
                for scale in block.get("scales", [shrink]):
                    if model.scales is None or scale in model.scales:
                        yield Enlarged(given, dataset, image, block["protocol"], float(shrink), float(scale))


def path_errors(of: Plan, lab: Lab) -> Iterator[PathError]:
    """Where a record says so (paths: {patch, size}), of its pictures: for every model with two paths."""
    for block in of.blocks["pictures"] if "paths" in of.options else []:
        how = pairs(of.options["paths"]["patch"]), pairs(of.options["paths"]["size"])
        for dataset, image, shrink in (entry[:3] for entry in pictured(of, block)):
            for given, model in present(of.named(block), lab).items():
                if ModelName.of(model.architecture).decoder in DECODERS:
                    yield PathError(given, dataset, image, block["protocol"], float(shrink), *how)


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
