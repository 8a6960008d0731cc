"""Training: settings and recipes, batches, validation, checkpoints, the loop, export."""

from srlib.training.runs import train

__all__ = ["train"]
