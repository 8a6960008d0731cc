"""Training: settings and recipes, batches, validation, checkpoints, the loop, export."""

from srlib.training.export import export
from srlib.training.loop import fit
from srlib.training.runs import start_from_nothing, train
from srlib.training.settings import Settings, by_recipe, recipe, suites

__all__ = ["Settings", "by_recipe", "export", "fit", "recipe", "start_from_nothing", "suites", "train"]
