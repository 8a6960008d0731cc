import pytest
import torch

import srlib
from srlib import training


@pytest.fixture
def run(tmp_path, small, tiny_encoder):
    """The folder of a complete run."""
    folder = tmp_path / "run"
    training.fit(small("compact-metasr", steps=2), folder, progress=False)
    return folder


def test_weights_and_log_are_exported_in_half_precision(tmp_path, run):
    path = training.export("compact-metasr", folder=run, to=tmp_path / "there")
    own, exported = srlib.load(run / "compact-metasr.safetensors").state_dict(), srlib.load(path).state_dict()
    assert path == tmp_path / "there" / "compact-metasr.safetensors"
    assert path.with_suffix(".csv").read_text() == (run / "log.csv").read_text()
    assert all(torch.equal(tensor.half().float(), exported[name]) for name, tensor in own.items())
    assert path.stat().st_size < 0.8 * (run / "compact-metasr.safetensors").stat().st_size


def test_the_exported_header_is_the_runs(tmp_path, run):
    before = srlib.weights.header(run / "compact-metasr.safetensors")
    after = srlib.weights.header(training.export("compact-metasr", folder=run, to=tmp_path / "there"))
    assert after["training"] == before["training"]
    assert after["data"] == before["data"]
    assert after["commit"] == before["commit"]
    assert after["metrics"]["half precision"].startswith("True: ")


def test_weights_that_half_precision_would_change_are_exported_as_they_are(tmp_path, run, monkeypatch):
    scores = iter([{"psnr_x2": 30.0}, {"psnr_x2": 30.1}])
    monkeypatch.setattr("srlib.training.validation.scores", lambda model: next(scores))
    path = training.export("compact-metasr", folder=run, to=tmp_path / "there")
    before, after = srlib.load(run / "compact-metasr.safetensors"), srlib.load(path)
    assert after.origin["tensors"] == before.origin["tensors"]
    assert srlib.weights.header(path)["metrics"]["half precision"] == "False: changes them by 0.1"


def test_a_diffusion_model_is_exported_with_its_scale(tmp_path, small, one_photograph):
    settings = small("sr3-small", steps=1, batch=1, patch=4, scales=(4.0, 4.0))
    training.fit(settings, tmp_path / "run", progress=False)
    assert srlib.load(training.export("sr3-small", folder=tmp_path / "run", to=tmp_path)).trained_scale == 4


def test_what_is_not_complete_is_not_exported(tmp_path, small, tiny_encoder):
    with pytest.raises(
        FileNotFoundError, match="the run of compact-metasr in .* has not begun; srlib train compact-metasr"
    ):
        training.export("compact-metasr", folder=tmp_path, to=tmp_path / "there")
    training.fit(small("compact-metasr", steps=2), tmp_path, progress=False, stop_at=1)
    with pytest.raises(FileNotFoundError, match="is at step 1 of 2"):
        training.export("compact-metasr", folder=tmp_path, to=tmp_path / "there")


def test_nothing_of_the_run_before_is_exported(tmp_path, small, run):
    training.fit(small("compact-metasr", steps=2, seed=1), run, progress=False, resume=False, stop_at=1)
    with pytest.raises(FileNotFoundError):
        training.export("compact-metasr", folder=run, to=tmp_path / "there")
