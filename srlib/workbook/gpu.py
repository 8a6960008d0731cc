"""What a GPU is for, in five stages: does it agree with the CPU, how fast is it, the small models with several seeds, the
papers' models at full size, the tables.

`srlib gpu` says first how long each would take, from the multiply-accumulates and rates that it measures, and which rows will
stay "not measured" even then. Every stage may be left out, and goes on where it was interrupted: agreement after the last
model, times and tables after the last measurement, seeds and training after the last minute. A rehearsal goes through all of
them at tiny size on the CPU.

This was written without a GPU at hand: all of it but CUDA itself is tested by the rehearsal. What only a GPU could try is not
here: CUDA graphs in the training loop, and decoding fused into one kernel (Triton).
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, singledispatch
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import torch
import yaml
from PIL import Image
from tqdm import tqdm

from srlib import cost, data
from srlib.models.base import Batch
from srlib.models.catalogue import ALIASES, DECODERS, DIFFUSION, TAILS, ModelName, build, names
from srlib.training import runs, suite
from srlib.training.checkpoint import begun
from srlib.training.loop import autocast
from srlib.training.settings import Settings, by_recipe, suite_of
from srlib.util import atomic, devices, paths, provenance
from srlib.util.errors import unknown
from srlib.util.sizes import scaled_size
from srlib.weights.loading import find
from srlib.workbook import batch, expand, plan
from srlib.workbook.measure import (
    Degraded,
    Drawn,
    Enlarged,
    Lab,
    MatrixRate,
    Memory,
    Quality,
    Request,
    Seams,
    Time,
    photograph,
    unmade,
)

STAGES = ("agreement", "times", "seeds", "training", "tables")
ABOUT = {
    "agreement": "every model against the CPU, float32 and bf16",
    "times": "the papers' running times, both paths",
    "seeds": "every small model with three seeds and its search, were they to run one after the other",
    "training": "the models of the papers' tables at full size, from nothing as the papers trained them",
    "tables": "scores of all weights at hand, those of training among them, and every notebook",
}
# Suites of recipes.toml that are a GPU's work. A model on RDN without a recipe takes that of its decoder on EDSR-baseline.
FULL_SIZE = (
    "edsr-baseline-edsr", "edsr-baseline-methods", "edsr-baseline-later", "edsr-baseline-ablations", "rdn-variants",
    "diffusion",
)  # fmt: skip
WITHIN = 1e-4  # largest difference from the CPU, in float32 without TF32, of outputs in [0, 1]
BACKWARD = 3  # a step of training costs as much as this many forward passes
SPACE = 4 * 2**30  # bytes of a GPU's memory kept for one small run: CUDA's own half GiB, and much to spare


@dataclass(frozen=True)
class Work:
    """What is to be done. device: where. profile: whose times and tables. folder: of what is written beside them. runs: of
    training. compared: models of the stage agreement. trained: models, each with the one whose recipe it takes ("" its own).
    changes: settings of their training. suite, seeds: of the small models, and changes_small their settings. yardstick, small:
    the models that the rates are measured with. tests: more words for pytest."""

    device: torch.device
    profile: str
    folder: Path
    runs: Path
    compared: tuple[str, ...]
    trained: dict[str, str]
    changes: dict[str, object] = field(default_factory=dict)
    suite: str = "compact"
    seeds: int = 3
    changes_small: dict[str, object] = field(default_factory=dict)
    yardstick: str = "edsr-baseline-liif"
    small: str = "compact-liif"
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
        trainable("paper"),
        {"data": dataset},
    )


def asked(profile: str) -> list[str]:
    """The models whose weights a profile's notebooks ask for; costs need none."""
    plans = [plan.plan(name, profile) for name in plan.listed(profile)]
    kinds = [kind for kind in plan.BLOCKS if kind not in (*plan.COSTS, "decoding")]
    blocks = [(one, block) for one in plans for kind in kinds for block in one.blocks[kind]]
    return list(dict.fromkeys([*(n for one in plans for n in one.models), *(n for o, b in blocks for n in o.named(b))]))


def trainable(profile: str) -> dict[str, str]:
    """The full-size models among them that have a recipe, each with the one whose recipe it takes ("" its own): those on
    EDSR-baseline, on RDN, the diffusion models."""
    found = {}
    for name in asked(profile):
        part = ModelName.of(name)
        model = str(ModelName(part.encoder, ALIASES.get(part.decoder, part.decoder)))
        like = "" if suite_of(model) else model.replace("rdn-", "edsr-baseline-", 1)
        if suite_of(like or model) in FULL_SIZE:
            found[model] = like
    order = ("edsr-baseline", "rdn", "")
    return dict(sorted(found.items(), key=lambda pair: order.index(ModelName.of(pair[0]).encoder)))


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
    return Work(
        torch.device("cpu"),
        str(profile),
        folder,
        folder / "runs",
        compared=("compact-liif", "compact-diif", "compact-x2", "idm-small"),
        trained={"compact-liif": "", "compact-x2": "", "idm-small": ""},
        changes=settings,
        suite="compact-start",
        seeds=2,
        changes_small=settings,
        yardstick="compact-liif",
        tests=("-k", "gradients and liif or metrics or window and liif"),
    )


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

    dry: only say so. dataset: what full-size models are trained on. ValueError: no such stage, or no GPU.
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
        rate = rates(work)
        name = f"{devices.device_name(place)}, torch {torch.__version__}"
        speeds = (
            f"{rate.forward / 1e9:.4g} GMAC/s forward, {rate.training / 1e9:.4g} in training, {rate.small / 1e9:.4g}"
        )
        say(f"{name}: {speeds} in that of small models")
        soon = coming(work) if "training" in chosen else []
        counting = {
            "agreement": lambda: agreement_macs(work) / rate.forward,
            "times": lambda: measuring_macs(work, lab, "times") / rate.forward,
            "seeds": lambda: seeds_macs(work) / rate.small,
            "training": lambda: training_macs(work) / rate.training,
            "tables": lambda: measuring_macs(work, lab, "tables", soon) / rate.forward,
        }
        for stage in chosen:
            say(f"{stage}: about {spoken(counting[stage]())}; {ABOUT[stage]}")
        say("These are of the arithmetic alone; reading, writing, metrics and small layers come on top.")
        for sentence in staying(work, soon):
            say(sentence)
        if dry:
            return []
        doing = {"agreement": agreement, "times": times, "seeds": seeds, "training": train, "tables": tables}
        return [f"{name}: {sentence}" for name in chosen for sentence in doing[name](work, lab, say)]


def spoken(seconds: float) -> str:
    return (
        f"{seconds / 3600:.1f} h" if seconds > 360 else f"{seconds / 60:.1f} min" if seconds > 6 else f"{seconds:.1g} s"
    )


# how long


class Rates(NamedTuple):
    """Multiply-accumulates a second: of a forward pass, of training (a third of them forward), of training a small model, which
    fills a GPU less."""

    forward: float
    training: float
    small: float


def rates(work: Work) -> Rates:
    """Measured with the yardsticks."""
    model, side = build(work.yardstick, seed=0).to(work.device).eval(), 48
    size = (2 * side, 2 * side)
    seconds = cost.time_forward(model, (side, side), size, 3).median
    macs = cost.count_macs(model, (side, side), size, literal=False)
    training = training_rate(work.yardstick, work.device)
    small = training if work.small == work.yardstick else training_rate(work.small, work.device)
    return Rates(macs / seconds, training, small)


def training_rate(name: str, device: torch.device) -> float:
    """Multiply-accumulates a second of a model's training steps: the 16 images of the recipes, on a CPU one."""
    side, images, g = 48, 16 if device.type != "cpu" else 1, torch.Generator().manual_seed(0)
    size, settings, model = (2 * side, 2 * side), Settings(name, batch=images), build(name, seed=0).to(device).train()
    lr, hr = (torch.rand(images, 3, *s, generator=g).to(device) for s in ((side, side), size))
    example = Batch(lr, hr, torch.arange(0, size[0], 4), g)

    def step() -> None:
        with autocast(settings, device):
            loss = model.loss(example)
        model.zero_grad(set_to_none=True)
        loss.backward()

    part = images * macs_at(name, side**2, size[0] * size[1] / 4)
    return BACKWARD * part / cost.stopwatch(step, 3).median


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
        before = begun(work.runs / name)
        total += run_macs(work.settings(name), before[1] if before else 0)
    return total


def seeds_macs(work: Work) -> float:
    """Of the runs' and trials' steps that are left; a trial keeps the encoder frozen for the same share of them as a run."""
    total = 0.0
    tasks = suite.tasks(work.suite, work.seeds, True, work.changes_small, runs=work.runs)
    for task in tqdm(tasks, desc="counting MACs", leave=False):
        settings = by_recipe(task.model, work.changes_small)
        total += run_macs(settings) / settings.end * (task.steps - task.step)
    return total


def small_runs(work: Work) -> list[Settings]:
    """The settings of the small models, without their seeds."""
    every = suite.tasks(work.suite, 1, False, work.changes_small)
    return [by_recipe(task.model, work.changes_small) for task in every]


def run_macs(settings: Settings, done: int = 0) -> float:
    """Of a run's steps after the first `done`. A frozen encoder goes forward only."""
    model, lr_pixels = unmade(settings.model), settings.patch**2
    pixels: float = settings.pixels
    if model.whole_crops:
        low, high = settings.scales
        pixels = lr_pixels * (low**2 + low * high + high**2) / 3  # the mean of a square, uniformly drawn
    elif model.scales:
        pixels = lr_pixels * max(model.scales) ** 2
    encoder, decoder = (macs * n for macs, n in zip(macs_of(settings.model), (lr_pixels, pixels), strict=True))
    left, still = (max(0, end - done) for end in (settings.end, min(settings.frozen, settings.end)))
    return settings.batch * (BACKWARD * left * (encoder + decoder) - (BACKWARD - 1) * still * encoder)


def measuring_macs(work: Work, lab: Lab, stage: str, soon: Sequence[str] = ()) -> float:
    """Of the measurements that a stage still lacks. soon: models that training will have made by then."""
    then = Lab(lab.device, loaded={name: lab.shape(name) for name in soon})
    missing = [r for r in wanted(work, then, stage) if getattr(r, "model", None) in soon or r.find(then) is None]
    return sum(request_macs(request, then) for request in tqdm(missing, desc="counting MACs", leave=False))


def coming(work: Work) -> list[str]:
    """The models, by all their names, that training will have made and whose weights are not at hand yet."""
    return [n for name in work.trained for n in (name, *ModelName.of(name).aliases) if find(name) is None]


def staying(work: Work, soon: Iterable[str]) -> list[str]:
    """The sentences on what stays "not measured" in the tables, whatever is done here."""
    none = [name for name in asked(work.profile) if name != "bicubic" and name not in soon and find(name) is None]
    plans = [plan.plan(name, work.profile) for name in plan.listed(work.profile)]
    learnt = {work.settings(name).data for name in work.trained} | {one.data for one in small_runs(work)}
    absent = sorted(
        (learnt | {name for one in plans for name in one.datasets}) & set(data.DATASETS) - set(data.at_hand())
    )
    return [
        f"Without weights even then, as nothing here trains them, so their rows stay 'not measured': {', '.join(none)}"
        if none
        else "Every model of the tables will have weights.",
        *([f"Data sets that are not at hand, so what needs them stays undone: {', '.join(absent)}"] if absent else []),
    ]


@singledispatch
def request_macs(request: Request, lab: Lab) -> float:
    """Roughly; of what reads and compares, nothing."""
    return 0.0


@request_macs.register
def _(request: Time, lab: Lab) -> float:
    lr, pixels = request.lr_size[0] * request.lr_size[1], request.size[0] * request.size[1]
    return (request.repeats + 2) * len(request.paths) * macs_at(request.model, lr, pixels)


@request_macs.register
def _(request: Quality | Degraded | Seams, lab: Lab) -> float:
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
    """agreement.csv: the largest difference from the CPU of every model, both paths, in float32 and with bf16; then the
    numerical tests on the device."""
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
    """pytest on the device: every test that asks for one (tests/conftest.py marks them)."""
    place = paths.ROOT / "tests"
    if importlib.util.find_spec("pytest") is None or not place.is_dir():
        return ["pytest or tests/ is not here, so the tests did not run"]
    which = ["-m", "device and not slow", "--device", work.device.type]
    words = [str(place), "-q", *which, "-p", "no:cacheprovider", *work.tests]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words], cwd=paths.ROOT, capture_output=True, text=True, check=False
    )
    last = done.stdout.strip().splitlines()[-1:] or [""]
    say(f"agreement: tests on {work.device.type}: {last[0]}")
    return [] if done.returncode == 0 else [f"tests fail on {work.device.type}: {last[0]}"]


def times(work: Work, lab: Lab, say: Callable[[str], None]) -> list[str]:
    """The times of the profile, kept in the store."""
    before = len(lab.measured)
    batch.take(wanted(work, lab, "times"), lab)
    say(f"times: {len(lab.measured) - before} measured, kept in {paths.shown(paths.MEASUREMENTS)}")
    return []


def seeds(work: Work, lab: Lab, say: Callable[[str], None]) -> list[str]:
    """The small models with their seeds and searches, as `srlib suite` trains them, as many side by side as fit."""
    for dataset in {settings.data for settings in small_runs(work)}:
        try:
            data.pictures(dataset)
        except data.MissingDataset as error:
            return [str(error)]
    apart = work.runs != paths.RUNS  # a rehearsal
    failed = suite.train_suite(
        work.suite,
        seeds=work.seeds,
        jobs=side_by_side(work.device),
        search=True,
        fixed=not apart,
        changes=work.changes_small,
        device=work.device.type,
        runs=work.runs if apart else None,
        say=say,
    )
    return [f"{', '.join(failed)}: see output.txt in {paths.shown(work.runs)}"] if failed else []


def side_by_side(device: torch.device) -> int:
    """How many small runs share a device: one a core, on a GPU no more than its free memory holds."""
    room = torch.cuda.mem_get_info(device)[0] // SPACE if device.type == "cuda" else devices.cores()
    return max(1, min(devices.cores(), room))


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
        except FloatingPointError as error:
            missing.append(f"{name}: {error}")
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
