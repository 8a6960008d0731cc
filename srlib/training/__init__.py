"""Training: settings and recipes, batches, validation, health, checkpoints, the loop, search, suites, export."""

from srlib.training.export import export
from srlib.training.loop import fit
from srlib.training.runs import start_from_nothing, train
from srlib.training.search import search
from srlib.training.settings import Settings, by_recipe, recipe, suites
from srlib.training.units import health

__all__ = [
    "Settings",
    "by_recipe",
    "export",
    "fit",
    "health",
    "recipe",
    "search",
    "start_from_nothing",
    "suites",
    "train",
]
