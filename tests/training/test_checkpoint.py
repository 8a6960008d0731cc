import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

import srlib
from srlib import training
from srlib.training import checkpoint


@pytest.fixture
def begun(tmp_path, small, tiny_encoder):
    """A run of two steps in tmp_path, one of them made; returns its settings."""
    settings = small("compact-liif", steps=2)
    training.fit(settings, tmp_path, progress=False, stop_at=1)
    return settings


def test_the_settings_of_a_run_are_read_without_being_told(tmp_path, begun):
    assert checkpoint.begun(tmp_path) == (begun, 1)
    assert checkpoint.begun(tmp_path / "elsewhere") is None


def test_a_run_with_other_settings_is_refused_in_words(tmp_path, begun):
    with pytest.raises(ValueError, match=r"other settings: seed was 0 \(the default\), now 1 \(given\); .*--restart"):
        training.fit(replace(begun, seed=1), tmp_path, progress=False)


def test_a_run_of_another_model_is_refused(tmp_path, begun):
    with pytest.raises(ValueError, match="model was compact-liif, now compact-lte"):
        training.fit(replace(begun, model="compact-lte"), tmp_path, progress=False)


@pytest.mark.parametrize("size", [0, 10, 1000])
def test_a_truncated_state_is_refused(tmp_path, begun, size):
    path = tmp_path / "state.pt"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ValueError, match="damaged checkpoint"):
        training.fit(begun, tmp_path, progress=False)
    with pytest.raises(ValueError, match="damaged checkpoint"):
        checkpoint.begun(tmp_path)


@pytest.mark.parametrize("part", ["settings", "config", "model", "optimizer", "done"])
@pytest.mark.parametrize("value", [None, {"x": 1}])
def test_a_foreign_state_is_refused(tmp_path, begun, state, part, value):
    torch.save(state(tmp_path) | {part: value}, tmp_path / "state.pt")
    with pytest.raises(ValueError, match="damaged checkpoint"):
        training.fit(begun, tmp_path, progress=False)


def test_a_state_of_other_rules_is_refused(tmp_path, begun, state):
    torch.save(state(tmp_path) | {"rules": 0}, tmp_path / "state.pt")
    with pytest.raises(ValueError, match="trained otherwise"):
        training.fit(begun, tmp_path, progress=False)


def test_a_run_can_start_from_weights(tmp_path, small):
    training.fit(small("compact-liif", steps=1, lr=0.0, init="compact-liif"), tmp_path, progress=False)
    before, after = srlib.load("compact-liif"), srlib.load(tmp_path / "compact-liif.safetensors")
    said = srlib.weights.header(tmp_path / "compact-liif.safetensors")["data"]["init"]
    assert all(torch.equal(tensor, after.state_dict()[name]) for name, tensor in before.state_dict().items())
    assert said["tensors"] == before.origin["tensors"]
    assert said["sha256"] == before.origin["sha256"]
    assert said["training"]["steps"] >= 1000


def test_a_run_keeps_what_it_started_from(tmp_path, small, tiny_encoder):
    """Its normalisation too; and the file is read once."""
    start = srlib.build("compact-liif", seed=3)
    start.mean, start.std = torch.tensor([0.4, 0.5, 0.6]).view(3, 1, 1), 0.25
    file = tmp_path / "start.safetensors"
    srlib.weights.save(start, file, training={"steps": 7}, data={}, metrics={}, commit="abc")
    settings = small("compact-liif", steps=2, lr=0.0, init=str(file))
    training.fit(settings, tmp_path / "a", progress=False, stop_at=1)
    origin = srlib.load(file).origin
    file.unlink()
    training.fit(settings, tmp_path / "a", progress=False)
    made = srlib.load(tmp_path / "a" / "compact-liif.safetensors")
    lr = torch.rand(1, 3, 8, 8)
    torch.testing.assert_close(made(lr, (16, 16)), start(lr, (16, 16)), rtol=0, atol=1e-6)
    said = srlib.weights.header(tmp_path / "a" / "compact-liif.safetensors")["data"]["init"]
    assert said["sha256"] == origin["sha256"]
    assert said["training"] == {"steps": 7}


def test_a_run_can_start_from_weights_of_before_the_digests(tmp_path, small, tiny_encoder):
    start = srlib.build("compact-liif", seed=3)
    said = {"mean": [0.5, 0.5, 0.5], "std": 0.25}
    entries = {"format": "srlib-1", "model": "compact-liif", "commit": "abc", "normalisation": json.dumps(said)}
    save_file(start.state_dict(), tmp_path / "old.safetensors", entries)
    settings = small("compact-liif", steps=1, lr=0.0, init=str(tmp_path / "old.safetensors"))
    training.fit(settings, tmp_path / "a", progress=False)
    made = srlib.load(tmp_path / "a" / "compact-liif.safetensors")
    assert made.origin["tensors"] == srlib.weights.digest_of(start)
    assert made.std == 0.25


def test_a_run_can_start_from_another_models_encoder(tmp_path, small, tiny_encoder):
    start = srlib.build("compact-liif", seed=3)
    srlib.weights.save(start, tmp_path / "start.safetensors", training={}, data={}, metrics={}, commit="abc")
    settings = small("compact-metasr", steps=1, lr=0.0, init=str(tmp_path / "start.safetensors"))
    training.fit(settings, tmp_path, progress=False)
    made = srlib.load(tmp_path / "compact-metasr.safetensors").encoder.state_dict()
    assert all(torch.equal(tensor, made[name]) for name, tensor in start.encoder.state_dict().items())


def test_a_run_cannot_start_from_an_encoder_of_other_sizes(tmp_path, small):
    with pytest.raises(ValueError, match="not the weights of edsr-baseline-liif"):
        training.fit(small("edsr-baseline-liif", init="compact-liif"), tmp_path / "x", progress=False)
