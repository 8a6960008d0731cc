"""What goes to the page: scripts and style, and how things are called there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from srlib.models.base import SRModel
from srlib.models.catalogue import ModelName

HERE = Path(__file__).parent
STYLE = (HERE / "demos.css").read_text()


def script(name: str) -> str:
    """One of the scripts, what they share before it."""
    return (HERE / "common.js").read_text() + (HERE / name).read_text()


def chosen(models: Sequence[SRModel]) -> list[dict]:
    """What a page says of models: name, label, colour."""
    parts = [(model.name, ModelName.of(model.name)) for model in models]
    return [{"name": name, "label": part.label, "colour": part.colour} for name, part in parts]


def check_decoders(models: Sequence[SRModel]) -> None:
    """ValueError unless there are models, and each decodes any window at any scale."""
    if not models:
        raise ValueError("there is no model to show; name some whose weights are at hand")
    for model in models:
        if model.draws or model.scales is not None:
            raise ValueError(
                f"{model.name} does not make any scale; the demo takes models that do, such as compact-diif"
            )


def said(error: Exception) -> str:
    """An error as the page says it."""
    return " ".join(str(error).split()) or type(error).__name__
