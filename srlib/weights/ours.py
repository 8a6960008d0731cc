"""Weight files: ours (safetensors with a header) and the authors' released ones, told apart by their content.

Files from outside are untrusted: safetensors hold no code, and pickles are read by torch's restricted unpickler only.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from srlib.models.base import SRModel
from srlib.models.catalogue import ModelName, build, names
from srlib.util import paths
from srlib.util.atomic import sha256, whole
from srlib.util.devices import choose_device
from srlib.util.errors import unknown
from srlib.weights import released

FORMAT = "srlib-1"
SUFFIXES = (".safetensors", ".pth", ".ckpt", ".pt")


def save(
    model: SRModel,
    path: str | os.PathLike,
    *,
    training: dict,
    data: dict,
    metrics: dict,
    commit: str,
    half: bool = False,
) -> None:
    """Write weights as safetensors with a header: model, sizes, training settings, data, metrics, commit.

    half: in half precision; `load` makes them float32 again. ValueError if the model is not the one that its name builds.
    """
    with torch.device("meta"):
        expected = build(model.name).state_dict()  # ValueError for a name that could not be loaded again
    if {k: v.shape for k, v in expected.items()} != {k: v.shape for k, v in model.state_dict().items()}:
        raise ValueError(f"not saved: this {model.name} has other sizes than the one that its name builds")
    header = {
        "format": FORMAT,
        "model": model.name,
        "config": json.dumps(model.config()),
        "sizes": json.dumps({name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()}),
        "training": json.dumps(training),
        "data": json.dumps(data),
        "metrics": json.dumps(metrics),
        "commit": commit,
    }
    dtype = torch.float16 if half else torch.float32
    tensors = {name: tensor.detach().to("cpu", dtype).contiguous() for name, tensor in model.state_dict().items()}
    with whole(path) as temporary:
        save_file(tensors, temporary, header)


def header(path: str | os.PathLike) -> dict:
    """The header of one of our files. ValueError if it is damaged or not ours."""
    try:
        with safe_open(path, framework="pt") as file:
            entries = dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(f"{path}: damaged or truncated weight file ({error}); fetch or train it again") from error
    if entries.get("format") != FORMAT or not {"model", "commit"} <= entries.keys():
        raise ValueError(f"{path}: a safetensors file without srlib's header; expected format {FORMAT!r}")
    try:
        return {
            k: json.loads(v) if k in ("config", "normalisation", "sizes", "training", "data", "metrics") else v
            for k, v in entries.items()
        }
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: its header is damaged ({error})") from error


def find(name: str) -> Path | None:
    """The weight file of a model by name, shipped or the user's, or None."""
    for folder in paths.weight_folders():
        for known in (name, *ModelName.of(name).aliases):
            for suffix in SUFFIXES:
                if (path := folder / f"{known}{suffix}").is_file():
                    return path
    return None


def load(name_or_file: str | os.PathLike, *, device: torch.device | str = "cpu") -> SRModel:
    """A model with trained weights, ready to use (eval mode, no gradients).

    name_or_file: a model's name whose weights are at hand, "bicubic", or a file: ours (.safetensors) or one that the
    authors released (see `srlib.released`), recognised by content. The file's name and the unused tensors are not trusted or
    needed; `model.origin` says what was read.
    ValueError: unknown name, damaged file, another model's weights. FileNotFoundError: no weights for this name.
    """
    device = choose_device(device)
    path = place(name_or_file)
    if str(name_or_file) == "bicubic":
        model = build("bicubic")
    elif path.is_file():
        model = read(path)
    elif path.suffix in SUFFIXES or path.parent != Path():
        raise FileNotFoundError(f"no weight file {path}")
    elif str(name_or_file) in names():
        found = find(str(name_or_file))
        if found is None:
            have = ", ".join(name for name in names() if find(name)) or "no model"
            raise FileNotFoundError(f"{how_to_get(str(name_or_file))} Weights are at hand for: {have}")
        model = read(found)
        if str(name_or_file) not in (model.name, *ModelName.of(model.name).aliases):
            raise ValueError(f"{found} holds weights of {model.name}, not of {name_or_file}")
        model.name = str(name_or_file)
    else:
        raise unknown("model or weight file", str(name_or_file), names())
    return model.to(device).eval().requires_grad_(False)


def how_to_get(name: str) -> str:
    """The sentence for a model without weights."""
    return (
        f"no weights for {name} in {' or '.join(map(paths.shown, paths.weight_folders()))}. Put the authors' released file, if "
        f"there is one, there as {name}.pth (or .ckpt), or train it: make train MODEL={name}."
    )


def load_present(
    wanted: Sequence[str | os.PathLike], *, device: torch.device | str = "cpu"
) -> tuple[list[SRModel], dict[str, str]]:
    """The models whose weights are at hand, and for each other one the sentence that says what it needs."""
    models, absent = [], {}
    for name in wanted:
        try:
            models.append(load(name, device=device))
        except FileNotFoundError as error:
            absent[str(name)] = how_to_get(str(name)) if str(name) in names() else str(error)
    called = [model.name for model in models]
    if twice := {name for name in called if called.count(name) > 1}:
        raise ValueError(
            f"{', '.join(sorted(twice))} would be measured twice: results go by model name, so name one file of each"
        )
    return models, absent


def read(path: Path) -> SRModel:
    """Tell the format by content and read it."""
    with path.open("rb") as file:
        start = file.read(16)
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= path.stat().st_size:  # the length of a JSON header
        model = read_ours(path)
    elif start[:2] == b"PK" or start[:1] == b"\x80":
        model = released.read(path, fill)
    else:
        raise ValueError(f"{path}: neither a safetensors file nor a torch checkpoint, or truncated")
    model.origin |= {"file": path.name, "sha256": sha256(path)}
    return model


def read_ours(path: Path) -> SRModel:
    entries = header(path)
    model = build(entries["model"])  # ValueError for a model that this version does not know
    try:
        said = entries.get("config", entries.get("normalisation"))  # its name in older files
        if said is not None:
            model.configure(said)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{path}: its header's config is damaged ({type(error).__name__}: {error})") from error
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path}: damaged or truncated weight file ({error})") from error
    fill(model, tensors, path)
    model.origin = {"commit": entries["commit"]}
    return model


def place(name_or_file: str | os.PathLike) -> Path:
    """The path of a file; of a bare file name that is not here, where weights lie."""
    path = Path(name_or_file)
    if not path.is_file() and path.suffix and path.parent == Path():
        path = next((folder / path for folder in paths.weight_folders() if (folder / path).is_file()), path)
    return path


def training_of(name_or_file: str) -> dict:
    """What the header of one of our files says of its training; empty for other files."""
    path = find(name_or_file) or place(name_or_file)
    entries = header(path) if path.suffix == ".safetensors" else {}
    return {"training": entries["training"]} if "training" in entries else {}


def fill(model: SRModel, tensors: dict[str, Tensor], path: str | Path) -> None:
    """Load tensors into a model; ValueError that names what is missing, surplus or of another shape."""
    want = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    have = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if want != have:
        wrong = [f"{n} is {have[n]}, expected {want[n]}" for n in want if n in have and have[n] != want[n]]
        wrong += [f"{n} is missing" for n in want if n not in have] + [f"{n} is surplus" for n in have if n not in want]
        raise ValueError(f"{path}: not the weights of {model.name}: {'; '.join(wrong[:3])} ({len(wrong)} differences)")
    bad = [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]
    if bad:
        raise ValueError(f"{path}: NaN or infinite values in {', '.join(bad[:3])}")
    model.load_state_dict(tensors)


def digest_of(model: SRModel) -> str:
    import hashlib

    total = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        total.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        total.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return total.hexdigest()[:20]
