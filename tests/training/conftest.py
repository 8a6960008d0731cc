from functools import partial

import pytest
import torch

from srlib.models import catalogue
from srlib.models.encoders import EDSR
from srlib.training import Settings, runs, settings, suite, units, validation
from srlib.util import paths

SMALL = {"data": "embedded", "exclude": (), "batch": 2, "patch": 12, "pixels": 200, "precision": "float32"}
AS_WRITTEN = SMALL | {"exclude": [], "steps": 4}  # in a recipe
SUITES = {
    "tiny-start": {"models": ["compact-x16"], "settings": AS_WRITTEN | {"scales": [16.0, 16.0]}},
    "tiny-rest": {
        "models": ["compact-liif", "compact-metasr"],
        "settings": AS_WRITTEN | {"init": "compact-x16", "frozen": 2},
    },
}


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


@pytest.fixture
def tiny_suites(tmp_path, monkeypatch, tiny_encoder, one_photograph):
    """Recipes of a few steps; runs, weights and data in a folder of the test's own."""
    monkeypatch.setattr(units, "SIDE", 12)
    for place in (settings, suite, runs):
        monkeypatch.setattr(place, "suites", lambda: SUITES)
    monkeypatch.setattr(paths, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(paths, "WEIGHTS", tmp_path / "weights")
    monkeypatch.setenv("SRLIB_DATA", str(tmp_path))
