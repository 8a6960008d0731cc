"""Our weight files: safetensors whose header says what they are, with a digest of the tensors and one of the header.

The header's entries are strings: format, model, commit; as JSON config, sizes, training, data, metrics; then `tensors`, the
digest of the tensors as `load` gives them (float32), and `entries`, the digest of all other entries, `tensors` among them. A
file has both digests or, from before they were written, none. They tell damage, not intent: whoever changes a file on purpose
can renew them.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from srlib.models.base import SRModel
from srlib.models.catalogue import build
from srlib.util.atomic import whole

FORMAT = "srlib-1"
MANY_DEAD = 0.1  # the share of a layer's units that are dead, above which weights say so where they are listed
UNRECORDED = "not recorded"
# What a header says of how its weights were made; of older ones what is not known is not made up.
TOLD = ("arithmetic", "threads", "cpu", "device", "torch", "search", "seed", "warmup", "clip", "initial")
# Entries that are JSON; "normalisation" is config's name in older files.
JSON = ("config", "normalisation", "sizes", "training", "data", "metrics")


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
    """Write weights as safetensors with a header: model, sizes, training settings, data, metrics, commit, digests.

    half: in half precision; `load` makes them float32 again. ValueError if the model is not the one that the name of its
    architecture builds.
    """
    with torch.device("meta"):
        expected = build(model.architecture).state_dict()  # ValueError for a name that could not be loaded again
    if {k: v.shape for k, v in expected.items()} != {k: v.shape for k, v in model.state_dict().items()}:
        raise ValueError(f"not saved: this {model.architecture} has other sizes than the one that its name builds")
    dtype = torch.float16 if half else torch.float32
    tensors = {name: tensor.detach().to("cpu", dtype).contiguous() for name, tensor in model.state_dict().items()}
    entries = {
        "format": FORMAT,
        "model": model.architecture,
        "config": json.dumps(model.config()),
        "sizes": json.dumps({name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()}),
        "training": json.dumps(training),
        "data": json.dumps(data),
        "metrics": json.dumps(metrics),
        "commit": commit,
        "tensors": digest({name: tensor.float() for name, tensor in tensors.items()}),
    }
    with whole(path) as temporary:
        save_file(tensors, temporary, entries | {"entries": digest_of_entries(entries)})


def digest(tensors: Mapping[str, Tensor]) -> str:
    """Of names, shapes, types and values, by name: the first 20 hexadecimal digits of SHA-256."""
    total = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        total.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        total.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return total.hexdigest()[:20]


def digest_of(model: SRModel) -> str:
    """The digest of the weights that a model holds in memory; of a loaded one it is `origin["tensors"]`."""
    return digest(model.state_dict())


def digest_of_entries(entries: Mapping[str, str]) -> str:
    """Of a header's entries but for `entries` itself, by name."""
    said = sorted((name, value) for name, value in entries.items() if name != "entries")
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:20]


def many_dead(units: Mapping[str, str]) -> str:
    """The words for weights with many dead units in a layer; "" for others. units: by layer, '3 of 64'."""
    parts = {layer: [int(n) for n in text.split(" of ")] for layer, text in units.items()}
    bad = [f"{dead} of {of} units of {layer}" for layer, (dead, of) in parts.items() if dead > MANY_DEAD * of]
    return f"dead: {', '.join(bad)}" if bad else ""


def renew(path: str | os.PathLike, *, training: Mapping[str, object], metrics: Mapping[str, object]) -> bool:
    """Add to the header of one of our files what is known by now; returns whether it was changed. The tensors stay as
    they are, bit for bit. What the header says already is kept; what it does not say of `TOLD`, and `training` does
    not, is "not recorded".
    """
    path = Path(path)
    before = header(path)
    told = dict.fromkeys(TOLD, UNRECORDED) | dict(training) | before.get("training", {})
    measured = before.get("metrics", {}) | dict(metrics)
    if told == before.get("training") and measured == before.get("metrics"):
        return False
    with safe_open(path, framework="pt") as file:
        entries = dict(file.metadata())
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    entries |= {"training": json.dumps(told), "metrics": json.dumps(measured)}
    if "tensors" not in entries:
        entries["tensors"] = digest({name: tensor.float() for name, tensor in tensors.items()})
    with whole(path) as temporary:
        save_file(tensors, temporary, entries | {"entries": digest_of_entries(entries)})
    return True


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
    sealed = {"tensors", "entries"} & entries.keys()
    if sealed and (len(sealed) == 1 or entries["entries"] != digest_of_entries(entries)):
        raise ValueError(
            f"{path}: damaged: its header does not have the digest that was written with it; fetch or train it again"
        )
    try:
        return {name: json.loads(value) if name in JSON else value for name, value in entries.items()}
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{path}: its header is damaged ({error})") from error


def read(path: Path) -> SRModel:
    """The model of one of our files. ValueError if it is damaged, or of a model that this version does not know."""
    entries = header(path)
    try:
        model = build(entries["model"])
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    try:
        model.configure(entries.get("config", entries.get("normalisation", model.config())))
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{path}: its header's config is damaged ({type(error).__name__}: {error})") from error
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path}: damaged or truncated weight file ({error}); fetch or train it again") from error
    if entries.get("tensors", held := digest(tensors)) != held:
        raise ValueError(
            f"{path}: damaged: its tensors do not have the digest that its header says; fetch or train it again"
        )
    fill(model, tensors, path)
    model.origin = {"commit": entries["commit"], "tensors": held}
    return model


def fill(model: SRModel, tensors: Mapping[str, Tensor], path: str | Path) -> None:
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
