"""Weight files: ours (`ours`) and the authors' released ones (`released`), told apart by their content."""

from srlib.weights.ours import digest_of, fill, find, header, load, load_present, save, training_of

__all__ = ["digest_of", "fill", "find", "header", "load", "load_present", "save", "training_of"]
