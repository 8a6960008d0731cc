"""Profiles: which models, sets and scales each notebook is about, said once.

profiles/quick.yaml is the default and lists every notebook, one record each; another profile says `like: quick` and what
differs. Which measurements follow is in expand.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import yaml

from srlib.util import paths
from srlib.util.errors import unknown

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
    def embedded(self) -> int:
        """Only the first of the embedded photographs are measured; 0 is all."""
        return max((block.get("limit", 0) for block in self.of_sets if block["datasets"] == ["embedded"]), default=0)

    @property
    def of_sets(self) -> list[dict]:
        """The blocks that name data sets."""
        return [block for kind in ("scores", "lr_files", "degraded", "seams") for block in self.blocks[kind]]

    @property
    def datasets(self) -> list[str]:
        """All data sets named, each once."""
        return list(dict.fromkeys(name for block in self.of_sets for name in block["datasets"]))


def profiles() -> list[str]:
    return sorted(path.stem for path in paths.PROFILES.glob("*.yaml"))


ENTRIES = {"profile": str, "like": str, "about": str, "groups": dict, "notebooks": dict}
SHAPES = {str: yaml.ScalarNode, list: yaml.SequenceNode, dict: yaml.MappingNode}
WORDS = {str: "a name", list: "a list", dict: "names with what belongs to each"}


@lru_cache(maxsize=16)
def _read(path: Path, modified: int) -> dict:
    """What a profile file says. ValueError with the file and the line for what is no YAML, or not of a profile's shape."""
    try:
        text = path.read_text()
        root, said = yaml.compose(text, yaml.SafeLoader), yaml.safe_load(text)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: no text ({error}); a profile is a YAML file") from error
    except yaml.MarkedYAMLError as error:
        raise ValueError(f"{path}, line {error.problem_mark.line + 1}: no YAML ({error.problem})") from error
    except yaml.YAMLError as error:  # a character that YAML does not have; it tells only where
        line = text.count("\n", 0, getattr(error, "position", 0)) + 1
        raise ValueError(f"{path}, line {line}: no YAML ({' '.join(str(error).split())})") from error
    check_shape(path, root)
    own = {name: value for name, value in said.items() if value is not None}
    for name in ("profile", "notebooks"):
        if name not in own and (name == "profile" or "like" not in own):
            raise ValueError(f"{path}: it has no entry {name}")
    return own | {"profile": str(own["profile"])}


def check_shape(path: Path, root: yaml.Node | None) -> None:
    """ValueError with the line of the first thing in a profile that is no name, list or mapping where it should be one."""

    def check(node: yaml.Node | None, what: str, *kinds: type) -> None:
        if not isinstance(node, tuple(SHAPES[kind] for kind in kinds)):
            line = node.start_mark.line + 1 if node else 1
            raise ValueError(f"{path}, line {line}: {what} is {' or '.join(WORDS[kind] for kind in kinds)}")

    def entries(node: yaml.MappingNode) -> list[tuple[str, yaml.Node]]:
        """Those that are not empty."""
        return [(key.value, value) for key, value in node.value if value.tag != "tag:yaml.org,2002:null"]

    check(root, "a profile", dict)
    for name, node in entries(root):
        if name not in ENTRIES:
            line, known = node.start_mark.line + 1, ", ".join(sorted(ENTRIES))
            raise ValueError(f"{path}, line {line}: {name}: no such entry; known: {known}")
        check(node, name, ENTRIES[name])
    parts = dict(entries(root))
    for name, group in entries(parts["groups"]) if "groups" in parts else ():
        check(group, name, list)
    for notebook, record in entries(parts["notebooks"]) if "notebooks" in parts else ():
        check(record, notebook, dict)
        for name, value in entries(record):
            if name == "models":
                check(value, f"models of {notebook}", list, str)
            elif name in BLOCKS:
                check(value, f"{name} of {notebook}", list)
                for block in value.value:
                    check(block, f"each of {name} of {notebook}", dict)


def profile(name: str | Path) -> dict:
    """A profile by name or file, with what it takes over from the one that it is like. ValueError for an unknown name, and for
    a file that is no profile."""
    path = paths.PROFILES / f"{name}.yaml" if str(name) in profiles() else Path(name)
    if not path.is_file():
        raise unknown("profile", str(name), profiles())
    own = _read(path, path.stat().st_mtime_ns)
    records = {key: record or {} for key, record in own.get("notebooks", {}).items()}
    if "like" not in own:
        return own | {"notebooks": records}
    base = profile(own["like"])
    merged = base["notebooks"] | {key: base["notebooks"].get(key, {}) | record for key, record in records.items()}
    skipped = [key for key, record in merged.items() if record.get("skip")]
    notebooks = {key: record for key, record in merged.items() if key not in skipped}
    return own | {"groups": base.get("groups", {}) | own.get("groups", {}), "notebooks": notebooks}


def listed(name: str | Path = "quick") -> list[str]:
    """The notebooks of a profile, in its order."""
    return list(profile(name)["notebooks"])


def plan(notebook: str, name: str | Path = "quick", changes: dict | None = None, files: Sequence[str] = ()) -> Plan:
    """A notebook's record. A notebook that no profile lists has an empty one.

    changes: in place of the record's: models, datasets (all their images, unless limit is given too), scales, limit, repeats of
    every block that has them, a whole kind of blocks, or one of its options. files: weight files to measure as well. ValueError
    for what is not known.
    """
    whole = profile(name)
    groups = whole.get("groups", {})
    record = {key: value for key, value in whole["notebooks"].get(notebook, {}).items() if key != "title"}
    after_all = record.pop("after", "") == "all"
    changes = dict(changes or {})
    for kind in BLOCKS.keys() & changes.keys():
        check_kind(notebook, kind, [], changes[kind])
        for block in changes[kind]:
            check_kind(notebook, f"each of {kind}", {}, block)
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
            if entry == "datasets" and "limit" not in changes:
                block.pop("limit", None)  # it was for the sets that stood there
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
    if isinstance(models, list | tuple):
        return list(models)
    if not isinstance(models, str):
        raise ValueError(f"models is a list, or the name of a group of the profile, got {models!r}")
    if models not in groups:
        raise unknown("group of models", models, list(groups))
    return groups[models]
