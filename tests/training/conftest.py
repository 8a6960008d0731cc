from functools import partial

import pytest
import torch

from srlib.models import catalogue
from srlib.models.encoders import EDSR
from srlib.training import Settings, validation

SMALL = {"data": "embedded", "exclude": (), "batch": 2, "patch": 12, "pixels": 200, "precision": "float32"}


@pytest.fixture
def small():
    """Makes the settings of a run that takes seconds."""
    return lambda model, **changes: Settings(model, **SMALL | changes)


@pytest.fixture
def state():
    """Reads the state.pt of a folder."""
    return lambda folder: torch.load(folder / "state.pt", weights_only=True)


@pytest.fixture
def tiny_encoder(monkeypatch):
    """Models on "compact" have one block of 8 channels and 16 hidden units."""
    record = catalogue.EncoderRecord(partial(EDSR, channels=8, blocks=1), 16)
    monkeypatch.setitem(catalogue.ENCODERS, "compact", record)


@pytest.fixture
def one_photograph(monkeypatch):
    """Validation in a quarter of the time."""
    monkeypatch.setattr(validation, "PHOTOGRAPHS", ("astronaut",))
