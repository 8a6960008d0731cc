"""What a GPU is for, in four stages: does it agree with the CPU, how fast is it, the papers' models at full size, the tables.

`srlib gpu` says first how long each would take, from the multiply-accumulates and a rate that it measures. Every stage may be
left out, and goes on where it was interrupted: agreement after the last model, times and tables after the last measurement,
training after the last minute. A rehearsal goes through all of them at tiny size on the CPU.

This was written without a GPU at hand: all of it but CUDA itself is tested by the rehearsal.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, singledispatch
from pathlib import Path

import pandas as pd
import torch
import yaml
from PIL import Image
from tqdm import tqdm

from srlib import cost, data
from srlib.models.base import Batch
from srlib.models.catalogue import DECODERS, DIFFUSION, TAILS, ModelName, build, names
from srlib.training import runs
from srlib.training.checkpoint import begun
from srlib.training.loop import autocast
from srlib.training.settings import Settings, by_recipe, suites
from srlib.util import atomic, devices, paths, provenance
from srlib.util.errors import unknown
from srlib.util.sizes import scaled_size
from srlib.workbook import batch, expand, plan
from srlib.workbook.measure import Drawn, Enlarged, Lab, MatrixRate, Memory, Quality, Request, Time, photograph, unmade

STAGES = ("agreement", "times", "training", "tables")
ABOUT = {
    "agreement": "every model against the CPU, float32 and bf16",
    "times": "the papers' running times, both paths",
    "training": "the papers' methods at full size",
    "tables": "scores of all weights at hand, every notebook",
}
WITHIN = 1e-4  # largest difference from the CPU, in float32 without TF32, of outputs in [0, 1]
BACKWARD = 3  # a step of training costs as much as this many forward passes


@dataclass(frozen=True)
class Work:
    """What is to be done. device: where. profile: whose times and tables. folder: of what is written beside them. runs: of
    training. compared: models of the stage agreement. trained: models, each with the one whose recipe it takes ("" its own).
    changes: settings of training. yardstick: the model that the rates are measured with. tests: more words for pytest."""

    device: torch.device
    profile: str
    folder: Path
    runs: Path
    compared: tuple[str, ...]
    trained: dict[str, str]
    changes: dict[str, object] = field(default_factory=dict)
    yardstick: str = "edsr-baseline-liif"
    tests: tuple[str, ...] = ()

    def settings(self, model: str) -> Settings:
        """How a model is trained: as its run was begun, or by recipe."""
        before = begun(self.runs / model)
        return before[0] if before else by_recipe(model, self.changes, self.trained[model])


def whole(device: torch.device, dataset: str) -> Work:
    """All that a GPU is for."""
    return Work(
        device,
        "paper",
        paths.RESULTS / "gpu",
        paths.RUNS,
        (*(f"edsr-baseline-{name}" for name in (*DECODERS, *TAILS)), "rdn-liif", *DIFFUSION),
        trainable(),
        {} if dataset == "DIV2K-train" else {"data": dataset},
    )


def trainable() -> dict[str, str]:
    """The papers' methods: on EDSR-baseline by their recipes, on RDN by the same ones."""
    own = [*suites()["edsr-baseline-methods"]["models"], *suites()["edsr-baseline-edsr"]["models"]]
    return dict.fromkeys(own, "") | {name.replace("edsr-baseline", "rdn"): name for name in own}


def rehearsal() -> Work:
    """The same at tiny size on the CPU. What it writes lies in results/gpu-rehearsal and results/rehearsal."""
    folder = paths.RESULTS / "gpu-rehearsal"
    profile = folder / "rehearsal.yaml"
    with atomic.whole(profile) as temporary:
        temporary.write_text(yaml.safe_dump(tiny_profile("paper"), sort_keys=False))
    settings = {
        "data": "embedded",
        "exclude": (),
        "steps": 4,
        "frozen": 0,
        "batch": 2,
        "patch": 12,
        "pixels": 144,
        "init": "",
    }
    models = ("compact-liif", "compact-diif", "compact-x2", "idm-small")
    tests = ("-k", "test_numbers_have_not_changed and liif")
    trained = {"compact-liif": "", "compact-x2": ""}
    cpu = torch.device("cpu")
    return Work(cpu, str(profile), folder, folder / "runs", models, trained, settings, "compact-liif", tests)


def small(name: str) -> str:
    """The model of the same method at a size for a CPU."""
    part = ModelName.of(name)
    if part.encoder:
        return f"compact-{part.decoder}"
    return f"{name}-small" if f"{name}-small" in names() else name


def tiny_profile(name: str) -> dict:
    """A profile with small models, one image a set (embedded photographs where it has no set at hand) and small sizes; of
    diffusion models what the profile smoke draws."""
    of, smoke = plan.profile(name), plan.profile("smoke")["notebooks"]

    def fewer(models: str | Sequence[str]) -> str | list[str]:
        return models if isinstance(models, str) else list(dict.fromkeys(map(small, models)))

    def tiny(kind: str, block: dict) -> dict:
        change: dict[str, object] = {"models": fewer(block["models"])} if "models" in block else {}
        if "datasets" in block:
            change["datasets"] = data.at_hand([one for one in block["datasets"] if one in data.DATASETS]) or [
                "embedded"
            ]
        if "limit" in plan.BLOCKS[kind]:
            change["limit"] = 1
        if kind in ("scores", *plan.COSTS) and "scales" in block:
            change["scales"] = block["scales"][:2]
        if kind in plan.COSTS:
            change |= {"lr": [8, 8]} | {
                word: few for word, few in (("sizes", [[16, 16]]), ("repeats", 1)) if word in block
            }
        return block | change

    notebooks = {}
    for key, said in of["notebooks"].items():
        drawn = {word: value for word, value in smoke.get(key, {}).items() if word not in ("models", "title")}
        record = said | (drawn if key.startswith("idm/") else {})
        record |= {kind: [tiny(kind, block) for block in record[kind]] for kind in plan.BLOCKS if kind in record}
        notebooks[key] = record | ({"models": fewer(record["models"])} if "models" in record else {})
    return {
        "profile": "rehearsal",
        "groups": {n: fewer(some) for n, some in of["groups"].items()},
        "notebooks": notebooks,
    }


def run(
    stages: Sequence[str] = (),
    skip: Sequence[str] = (),
    *,
    device: str = "auto",
    rehearse: bool = False,
    dry: bool = False,
    dataset: str = "DIV2K-train",
    say: Callable[[str], None] = print,
) -> list[str]:
    """Go through the stages, by default all, and say how long each will take first; the sentences of what was not done.

    dry: only say so. dataset: what models are trained on. ValueError: no such stage, or no GPU.
    """
    for name in (*stages, *skip):
        if name not in STAGES:
            raise unknown("stage", name, STAGES)
    place = torch.device("cpu") if rehearse else devices.choose_device(device)
    if place.type == "cpu" and not (rehearse or dry):
        raise ValueError(
            "torch sees no GPU here, and on a CPU these stages would take years: srlib gpu --rehearse goes through them at "
            "tiny size, srlib gpu --dry-run says how long each would take"
        )
    work = rehearsal() if rehearse else whole(place, dataset)
    chosen = [name for name in STAGES if name in (stages or STAGES) and name not in skip]
    lab = Lab(place)
    with devices.exact_float32():
        forward, training = rates(work)
        name = f"{devices.device_name(place)}, torch {torch.__version__}"
        say(f"{name}: {forward / 1e9:.4g} GMAC/s forward, {training / 1e9:.4g} in training")
        counting = {
            "agreement": lambda: agreement_macs(work) / forward,
            "times": lambda: measuring_macs(work, lab, "times") / forward,
            "training": lambda: training_macs(work) / training,
            "tables": lambda: measuring_macs(work, lab, "tables") / forward,
        }
        for stage in chosen:
            say(f"{stage}: about {spoken(counting[stage]())}; {ABOUT[stage]}")
        say("These are of the arithmetic alone; reading, writing and small layers come on top.")
        if dry:
            return []
        doing = {"agreement": agreement, "times": times, "training": train, "tables": tables}
        return [f"{name}: {sentence}" for name in chosen for sentence in doing[name](work, lab, say)]


def spoken(seconds: float) -> str:
    return (
        f"{seconds / 3600:.1f} h" if seconds > 360 else f"{seconds / 60:.1f} min" if seconds > 6 else f"{seconds:.1g} s"
    )


# how long


def rates(work: Work) -> tuple[float, float]:
    """Multiply-accumulates a second of the yardstick: forward, and in training (a third of them forward)."""
    model, side, images = (
        build(work.yardstick, seed=0).to(work.device).eval(),
        48,
        16 if work.device.type != "cpu" else 1,
    )
    size = (2 * side, 2 * side)
    seconds = cost.time_forward(model, (side, side), size, 3).median
    settings = Settings(work.yardstick, batch=images)
    g = torch.Generator().manual_seed(0)
    lr, hr = (torch.rand(images, 3, *s, generator=g).to(work.device) for s in ((side, side), size))
    example = Batch(lr, hr, torch.arange(0, size[0], 4), g)
    model.train()

    def step() -> None:
        with autocast(settings, work.device):
            loss = model.loss(example)
        model.zero_grad(set_to_none=True)
        loss.backward()

    macs = cost.count_macs(model, (side, side), size, literal=False)
    part = images * macs_at(work.yardstick, side**2, size[0] * size[1] / 4)
    return macs / seconds, BACKWARD * part / cost.stopwatch(step, 3).median


@lru_cache
def macs_of(name: str) -> tuple[float, float]:
    """Multiply-accumulates of a model's encoder for an LR pixel, and of its decoder for an output pixel, about."""
    model, lr = unmade(name), (16, 16)
    size = scaled_size(lr, max(model.scales or (2,)))
    encoder, decoder = (cost.count_macs(model, lr, size, False, part=part) for part in ("encoder", "decoder"))
    return encoder / (lr[0] * lr[1]), decoder / (size[0] * size[1])


def macs_at(name: str, lr_pixels: float, pixels: float) -> float:
    encoder, decoder = macs_of(name)
    return encoder * lr_pixels + decoder * pixels


def agreement_macs(work: Work) -> float:
    return sum(3 * macs_at(name, 480, 4 * 480) for name in tqdm(work.compared, desc="counting MACs", leave=False))


def training_macs(work: Work) -> float:
    """Of the steps that are left."""
    total = 0.0
    for name in tqdm(work.trained, desc="counting MACs", leave=False):
        settings, before, scales = work.settings(name), begun(work.runs / name), unmade(name).scales
        left = max(0, settings.end - (before[1] if before else 0))
        pixels = settings.patch**2 * max(scales) ** 2 if scales else settings.pixels
        total += BACKWARD * settings.batch * left * macs_at(name, settings.patch**2, pixels)
    return total


def measuring_macs(work: Work, lab: Lab, stage: str) -> float:
    """Of the measurements that a stage still lacks."""
    missing = [request for request in wanted(work, lab, stage) if request.find(lab) is None]
    return sum(request_macs(request, lab) for request in tqdm(missing, desc="counting MACs", leave=False))


@singledispatch
def request_macs(request: Request, lab: Lab) -> float:
    """Roughly; of what reads and compares, nothing."""
    return 0.0


@request_macs.register
def _(request: Time, lab: Lab) -> float:
    lr, pixels = request.lr_size[0] * request.lr_size[1], request.size[0] * request.size[1]
    return (request.repeats + 2) * len(request.paths) * macs_at(request.model, lr, pixels)


@request_macs.register
def _(request: Quality, lab: Lab) -> float:
    pixels = sum(image_pixels(picture) for picture in data.pictures(request.dataset)[: request.limit or None])
    return macs_at(lab.model(request.model).architecture, pixels / request.scale**2, pixels)


@request_macs.register
def _(request: Enlarged, lab: Lab) -> float:
    pixels = image_pixels(photograph(request.dataset, request.image)) * (request.scale / request.shrink) ** 2
    return macs_at(lab.model(request.model).architecture, pixels / request.scale**2, pixels)


@request_macs.register
def _(request: Drawn, lab: Lab) -> float:
    model, pixels = lab.model(request.model), (request.lr_side * request.scale) ** 2 * len(request.pictures)
    passes = request.steps * request.draws if model.draws else 1
    return passes * macs_at(model.architecture, pixels / request.scale**2, pixels)


def image_pixels(picture: data.Picture) -> int:
    if picture.path is None:
        return 512 * 512  # about what the embedded photographs have
    with Image.open(picture.path) as image:
        return image.width * image.height


def wanted(work: Work, lab: Lab, stage: str) -> list[Request]:
    """The measurements of a stage: times, or all others."""
    plans = [plan.plan(name, work.profile) for name in plan.listed(work.profile)]
    costs = (Time, MatrixRate, Memory)
    every = [request for requests in expand.jobs(plans, lab).values() for request in requests]
    return [request for request in every if isinstance(request, costs) == (stage == "times")]


# the stages: each gives the sentences of what was not done


def agreement(work: Work, lab: Lab, say: Callable[[str], None]) -> list[str]:
    """agreement.csv: the largest difference from the CPU of every model, both paths, in float32 and with bf16; then the tests
    of tests/models on the device."""
    file = work.folder / "agreement.csv"
    now = {"device": devices.device_name(work.device), "torch": torch.__version__, "commit": provenance.commit()}
    before = pd.read_csv(file).to_dict("records") if file.exists() else []
    rows = [row for row in before if {key: row[key] for key in now} == now]
    for name in tqdm([name for name in work.compared if name not in {row["model"] for row in rows}], desc="agreement"):
        rows += [row | now | {"date": provenance.now()} for row in compare(name, work.device)]
        with atomic.whole(file) as temporary:
            pd.DataFrame(rows).to_csv(temporary, index=False, float_format="%.3g")
    off = sorted({row["model"] for row in rows if row["arithmetic"] == "float32" and row["largest"] > WITHIN})
    say(f"agreement: {len(rows)} comparisons in {paths.shown(file)}")
    failed = [f"{', '.join(off)}: further than {WITHIN:g} from the CPU in float32"] if off else []
    return failed + tests(work, say)


@torch.inference_mode()
def compare(name: str, device: torch.device) -> list[dict]:
    """Of fresh weights: largest and root-mean-square difference from the fast path on the CPU, by path and arithmetic."""
    model, lr_size = build(name, seed=0).eval(), (24, 20)
    lr = torch.rand(1, 3, *lr_size, generator=torch.Generator().manual_seed(0))
    size = scaled_size(lr_size, max(model.scales or (2.5,)))

    def out(literal: bool = False) -> torch.Tensor:
        return model.answer(model.once(lr.to(model.device), size), size, literal=literal).float().cpu()

    expected, rows = out(), []
    model = model.to(device)
    for literal, kind in ((False, "float32"), (True, "float32"), (False, "bf16")):
        with torch.autocast(device.type, torch.bfloat16, enabled=kind == "bf16"):
            off = out(literal) - expected
        path = "literal" if literal else "fast"
        rows.append({"model": name, "path": path, "arithmetic": kind, "largest": float(off.abs().max())})
        rows[-1]["rms"] = float(off.square().mean().sqrt())
    return rows


def tests(work: Work, say: Callable[[str], None]) -> list[str]:
    """pytest of tests/models on the device."""
    place = paths.ROOT / "tests" / "models"
    if importlib.util.find_spec("pytest") is None or not place.is_dir():
        return ["pytest or tests/models is not here, so the tests did not run"]
    words = [str(place), "-q", "-m", "not slow", "--device", work.device.type, "-p", "no:cacheprovider", *work.tests]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words], cwd=paths.ROOT, capture_output=True, text=True, check=False
    )
    last = done.stdout.strip().splitlines()[-1:] or [""]
    say(f"agreement: tests/models on {work.device.type}: {last[0]}")
    return [] if done.returncode == 0 else [f"tests of tests/models fail on {work.device.type}: {last[0]}"]


def times(work: Work, lab: Lab, say: Callable[[str], None]) -> list[str]:
    """The times of the profile, kept in the store."""
    before = len(lab.measured)
    batch.take(wanted(work, lab, "times"), lab)
    say(f"times: {len(lab.measured) - before} measured, kept in {paths.shown(paths.MEASUREMENTS)}")
    return []


def train(work: Work, lab: Lab, say: Callable[[str], None]) -> list[str]:
    """One model after the other; each goes on where it was left."""
    missing = []
    for name, like in work.trained.items():
        try:
            runs.train(
                name,
                work.changes,
                folder=work.runs / name,
                device=work.device,
                like="" if begun(work.runs / name) else like,
                say=say,
            )
        except data.MissingDataset as error:
            missing.append(str(error))
    return list(dict.fromkeys(missing))


def tables(work: Work, lab: Lab, say: Callable[[str], None]) -> list[str]:
    """The batch of the profile."""
    path = batch.prepare(work.profile, work.device.type)
    code = batch.run(path)
    say(f"tables: in {paths.shown(path.parent)}")
    return (
        []
        if code == 0
        else [f"some notebooks or measurements failed; srlib run --summary {paths.shown(path.parent)} lists them"]
    )
