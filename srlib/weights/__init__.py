"""Weight files: ours (`ours`) and the authors' released ones (`released`), told apart by their content."""

from srlib.weights.ours import fill, find, header, load, load_present, save, training_of

__all__ = ["fill", "find", "header", "load", "load_present", "save", "training_of"]
