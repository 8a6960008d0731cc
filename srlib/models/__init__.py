"""Models: the interfaces (`base`), the catalogue of names, and one decoder a file."""

from srlib.models.base import Batch, Decoder, Encoder, Model, Sampling, SRModel
from srlib.models.catalogue import DECODERS, DIFFUSION, ENCODERS, TAILS, ModelName, build, names
from srlib.models.diffusion import Diffusion

__all__ = [
    "DECODERS",
    "DIFFUSION",
    "ENCODERS",
    "TAILS",
    "Batch",
    "Decoder",
    "Diffusion",
    "Encoder",
    "Model",
    "ModelName",
    "SRModel",
    "Sampling",
    "build",
    "names",
]
