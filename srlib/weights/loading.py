"""Finding weights by name or file, telling the format by content, and loading them.

Files from outside are untrusted: safetensors hold no code, and pickles are read by torch's restricted unpickler only.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch

from srlib.models.base import SRModel
from srlib.models.catalogue import ModelName, build, names, with_seed, without_seed
from srlib.util import paths
from srlib.util.atomic import sha256
from srlib.util.devices import choose_device
from srlib.util.errors import unknown
from srlib.weights import ours, registry, released

SUFFIXES = (".safetensors", ".pth", ".ckpt", ".pt")
SHORTEST = 9  # bytes by which the formats are told apart: safetensors has the length of its header, then a brace


def load(name_or_file: str | os.PathLike, *, device: torch.device | str = "cpu") -> SRModel:
    """A model with trained weights, ready to use (eval mode, no gradients).

    name_or_file: a model's name whose weights are at hand (see `find`), "bicubic", the name of a published file that is at hand
    (see `srlib.weights.registry`), or a file: ours (.safetensors) or one that the authors released (see
    `srlib.weights.released`), recognised by content; the folder of a run stands for the file in it. A relative path is looked
    for from the current folder, the repository, and where weights lie. "mine=FILE" calls the model "mine" in tables and
    figures, so that several files of one architecture can stand side by side.
    The file's name and the unused tensors are not trusted or needed; `model.origin` says what was read: file, sha256, commit,
    the published file that it is (known), and tensors, a digest of the weights.
    ValueError: unknown name, damaged file, another model's weights. FileNotFoundError: no weights for this name.
    """
    device = choose_device(device)
    own, wanted = own_name(str(name_or_file))
    if wanted == "bicubic":
        model = build("bicubic")
    else:
        path = locate(wanted)
        model = read(path)
        if (plain := without_seed(wanted)[0]) in names():
            if not names_one_model(plain, model):
                raise ValueError(f"{path} holds weights of {model.architecture}, not of {wanted}")
            model.name = wanted
        elif wanted in registry.released():
            if not names_one_model(registry.released()[wanted].model, model):
                raise ValueError(f"{path} holds weights of {model.architecture}, not of {wanted}")
            model.name = wanted
        if remark := registry.remark(path, model.origin["sha256"], holds=model.architecture):
            warnings.warn(f"{path}: {remark}", stacklevel=2)
    if own in names() and not names_one_model(own, model):
        raise ValueError(f"{name_or_file}: {own} is another model than {model.architecture}, which the file holds")
    model.name = own or model.name
    return model.to(device).eval().requires_grad_(False)


def load_present(
    wanted: Sequence[str | os.PathLike], *, device: torch.device | str = "cpu"
) -> tuple[list[SRModel], dict[str, str]]:
    """The models whose weights are at hand, and for each other one the sentence that says what it needs.

    wanted: names, files, or "name=file", as `load` takes them. ValueError for two of the same name.
    """
    models, absent = {}, {}
    for name in map(str, wanted):
        try:
            model = load(name, device=device)
        except FileNotFoundError as error:
            absent[name] = how_to_get(name) if without_seed(name)[0] in names() else str(error)
            continue
        if model.name in models:
            raise ValueError(
                f"two of {model.name} would be measured as one: results go by a model's name; give one of its files a name of "
                f'its own, "mine={name.partition("=")[2] or name}"'
            )
        models[model.name] = model
    return list(models.values()), absent


def own_name(wanted: str) -> tuple[str, str]:
    """'mine=a.safetensors' -> ('mine', 'a.safetensors'); without a name, ('', what was given)."""
    own, equals, rest = wanted.partition("=")
    if not equals or Path(wanted).is_file():
        return "", wanted
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", own) or not rest:
        raise ValueError(f"{wanted!r}: expected NAME=FILE, with letters, digits, '.', '_' and '-' in the name")
    return own, rest


def names_one_model(name: str, model: SRModel) -> bool:
    """Whether a name of the catalogue builds what this model is."""
    return name in (model.architecture, *ModelName.of(model.architecture).aliases)


def find(name: str) -> Path | None:
    """The weight file of a model by name, or None: shipped, else in weights/ beside the user's data sets, else that of its
    complete run in runs/."""
    known = (name, *ModelName.of(name).aliases)
    candidates = [
        folder / f"{called}{suffix}" for folder in paths.weight_folders() for called in known for suffix in SUFFIXES
    ]
    candidates += [paths.RUNS / called / f"{without_seed(called)[0]}.safetensors" for called in known]
    return next((path for path in candidates if path.is_file()), None)


def trainings(name: str) -> list[str]:
    """The names under which a model's weights are at hand, by seed: 'compact-diif', 'compact-diif-seed1', ... All but the first
    may be missing; for a file, or a name with a seed, only itself."""
    if name not in names() or name == "bicubic":
        return [name]
    known = (name, *ModelName.of(name).aliases)
    folders = [*paths.weight_folders(), paths.RUNS]
    found = {without_seed(p.stem) for f in folders for called in known for p in f.glob(f"{called}-seed*")}
    seeds = sorted({seed for plain, seed in found if seed and plain in known})
    return [name, *(with_seed(name, seed) for seed in seeds if find(with_seed(name, seed)))]


def locate(wanted: str) -> Path:
    """The weight file that a name or a path means. FileNotFoundError says where it was looked for; ValueError: no such name."""
    if without_seed(wanted)[0] in names():
        if found := find(wanted):
            return found
        have = ", ".join(name for name in names() if find(name)) or "no model"
        raise FileNotFoundError(f"{how_to_get(wanted)} Weights are at hand for: {have}.")
    if wanted in registry.released():
        one = registry.released()[wanted]
        if one.found is None:
            raise FileNotFoundError(f"{wanted} is not at hand; srlib weights {wanted} fetches it from {one.by}")
        return one.found
    path = Path(wanted).expanduser()
    bases = dict.fromkeys([Path.cwd(), paths.ROOT, *paths.weight_folders()])
    for candidate in [path] if path.is_absolute() else [base / path for base in bases]:
        inside = list(candidate.glob("*.safetensors")) if path.parts and candidate.is_dir() else []
        if candidate.is_file() or len(inside) == 1:
            return candidate if candidate.is_file() else inside[0]
    if path.suffix in SUFFIXES or path.parent != Path():
        where = "" if path.is_absolute() else f"; looked in {', '.join(map(paths.shown, bases))}"
        raise FileNotFoundError(f"no weight file {paths.shown(path)}{where}")
    raise unknown("model or weight file", wanted, names())


def how_to_get(name: str) -> str:
    """The sentences for a model without weights."""
    *folders, run = map(paths.shown, [*paths.weight_folders(), paths.RUNS / name])
    return f"no weights for {name} in {', '.join(folders)} or {run}. {advice(name)}"


def advice(name: str) -> str:
    """What to do for the weights of a model, or for a published file, that is not at hand."""
    plain, seed = without_seed(name)
    train = f"train it: srlib train {plain}{f' --seed {seed}' if seed else ''}."
    known = [registry.released()[one] for one in (name, *ModelName.of(name).aliases) if one in registry.released()]
    if not known:
        return f"{unpublished(plain)} {train[0].upper()}{train[1:]}"
    if known[0].unread:
        told = f"What {known[0].by} published is not read here: {known[0].unread} ({known[0].page})."
        return f"{told} {train[0].upper()}{train[1:]}"
    fetch = f"Fetch the file that {known[0].by} published: srlib weights {known[0].name}"
    return f"{fetch}; or {train}" if plain in names() else f"{fetch}."


def unpublished(model: str) -> str:
    """The sentence for a model of which no published file is known here."""
    if registry.nobodys(model):
        return "No author has published any."
    decoder = ModelName.of(model).decoder
    others = [one for one in registry.released().values() if one.more and ModelName.of(one.model).decoder == decoder]
    where = f"; {others[0].by} have more in {others[0].more}, whose content is not known here" if others else ""
    return f"No published file of it is known here{where}."


def read(path: Path) -> SRModel:
    """Tell the format by content and read it."""
    with path.open("rb") as file:
        start = file.read(64)
    if len(start) < SHORTEST:
        raise ValueError(
            f"{path}: truncated: its {len(start)} bytes are fewer than any weight file begins with; fetch it again"
        )
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= path.stat().st_size:  # the length of a JSON header
        model = ours.read(path)
    elif start[:2] == b"PK" or start[:1] == b"\x80":
        model = released.read(path)
    elif page := registry.is_page(start):
        raise ValueError(f"{path}: {page} that was saved in place of the file that it stands for; fetch it again")
    else:
        raise ValueError(f"{path}: neither a safetensors file nor a torch checkpoint, or truncated")
    digest = sha256(path)
    one = registry.known(digest)
    model.origin |= {"file": path.name, "sha256": digest} | ({"known": f"{one.name}, by {one.by}"} if one else {})
    return model


def training_of(name_or_file: str) -> dict:
    """What the header of one of our files says of its training; empty for other files."""
    path = locate(own_name(name_or_file)[1])
    entries = ours.header(path) if path.suffix == ".safetensors" else {}
    return {"training": entries["training"]} if "training" in entries else {}
