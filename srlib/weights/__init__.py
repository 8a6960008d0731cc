"""Weights: our files (`ours`), the layouts of the authors' released ones (`released`), which of those there are and how to
fetch them (`registry`), and finding and loading either (`loading`)."""

from srlib.weights.loading import find, load, load_present, training_of, trainings
from srlib.weights.ours import digest_of, fill, header, save

__all__ = ["digest_of", "fill", "find", "header", "load", "load_present", "save", "training_of", "trainings"]
