import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

import srlib
from srlib import training
from srlib.models import catalogue
from srlib.models.unet import Enlarged, UNet
from srlib.training import Settings, loop
from srlib.training.batches import Images

QUIET = {"progress": False}
EACH = {"progress": False, "log_every": 1}


def same_log(one, other):
    pd.testing.assert_frame_equal(one.drop(columns="seconds"), other.drop(columns="seconds"))


def same_tensors(one, other):
    assert one.keys() == other.keys()
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


@pytest.mark.parametrize("model", ["compact-diif", "compact-liif"])
def test_an_interrupted_run_goes_on_as_if_unbroken(tmp_path, small, state, tiny_encoder, model):
    settings, options = small(model, steps=6), {"progress": False, "log_every": 2, "valid_every": 6}
    log = training.fit(settings, tmp_path / "a", **options)
    training.fit(settings, tmp_path / "b", **options, stop_at=3)
    assert not (tmp_path / "b" / f"{model}.safetensors").exists()
    same_log(log, training.fit(settings, tmp_path / "b", **options))
    same_tensors(state(tmp_path / "a")["model"], state(tmp_path / "b")["model"])
    same_tensors(srlib.load(tmp_path / "b" / f"{model}.safetensors").state_dict(), state(tmp_path / "b")["model"])


@pytest.mark.parametrize("model", ["compact-liif", "compact-thera-air", "idm-small"])
def test_steps_on_every_device_lose_as_on_the_cpu(small, tiny_encoder, device, model):
    """Two, so that the optimizer's counts."""
    settings = small(model, patch=8, scales=(1.0, 4.0))

    def losses(place: torch.device) -> list[float]:
        network, images = loop.fresh(settings, place), Images(settings, place, progress=False)
        optimizer = loop.optimizer_of(network, settings)
        return [float(loop.make_step(network, optimizer, settings, images, step, place)) for step in (0, 1)]

    with torch.random.fork_rng():
        assert losses(torch.device(device)) == pytest.approx(losses(torch.device("cpu")), rel=2e-3)


def test_a_run_can_be_forgotten(tmp_path, small, tiny_encoder):
    training.fit(small("compact-liif", steps=2), tmp_path, **EACH)
    assert len(training.fit(small("compact-liif", steps=2), tmp_path, **EACH, resume=False, stop_at=1)) == 1


def test_a_complete_run_is_left_alone(tmp_path, small, tiny_encoder):
    file = tmp_path / "compact-metasr.safetensors"
    log = training.fit(small("compact-metasr", steps=2), tmp_path, **QUIET)
    before = file.stat().st_mtime_ns
    same_log(log, training.fit(small("compact-metasr", steps=2), tmp_path, **QUIET))
    assert file.stat().st_mtime_ns == before


def test_a_header_says_what_made_the_weights(tmp_path, small, tiny_encoder):
    training.fit(small("compact-liif", steps=1, seed=4), tmp_path, **QUIET)
    said = srlib.weights.header(tmp_path / "compact-liif.safetensors")["training"]
    assert said["seed"] == 4
    assert said["arithmetic"] == "float32"
    assert said["threads"] == torch.get_num_threads()
    assert said["torch"] == torch.__version__
    assert said["cpu"]


def test_a_killed_run_loses_little(tmp_path, small, state):
    """SIGKILL at a random moment: the saved state is whole, and the run goes on from it."""
    settings = small("compact-diif", steps=100000, batch=1)
    code = f"from srlib.training import *; fit({settings!r}, {str(tmp_path)!r}, save_every=0.2, progress=False)"
    process = subprocess.Popen([sys.executable, "-c", code], env=os.environ | {"OMP_NUM_THREADS": "1"})
    deadline = time.monotonic() + 120
    while not (tmp_path / "state.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    step = state(tmp_path)["done"]["step"]
    assert step > 0
    training.fit(settings, tmp_path, stop_at=step + 2, **QUIET)
    assert state(tmp_path)["done"]["step"] == step + 2


CTRL_C = """
import os, signal, sys
from srlib.training import *
from srlib.training import loop

def interrupted(model, optimizer, settings, examples, step, device, original=loop.make_step):
    if step == 3:
        os.kill(os.getpid(), signal.SIGINT)
    return original(model, optimizer, settings, examples, step, device)

loop.make_step = interrupted
try:
    fit({settings!r}, {folder!r}, progress=False, log_every=2, save_every=1e9)
except KeyboardInterrupt as stop:
    print(stop)
    sys.exit(130)
"""


def test_ctrl_c_saves_the_state_and_the_run_goes_on_as_if_unbroken(tmp_path, small, state):
    settings = small("compact-liif", steps=6)
    words = [sys.executable, "-c", CTRL_C.format(settings=settings, folder=str(tmp_path / "b"))]
    alike = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}  # or sums are rounded in another order
    process = subprocess.run(words, capture_output=True, text=True, env=alike)
    assert process.stdout == "stopped at step 4 of 6; the same command goes on\n"
    assert process.returncode == 130
    assert state(tmp_path / "b")["done"]["step"] == 4
    log = training.fit(settings, tmp_path / "a", progress=False, log_every=2)
    same_log(log, training.fit(settings, tmp_path / "b", progress=False, log_every=2))
    same_tensors(state(tmp_path / "a")["model"], state(tmp_path / "b")["model"])


def test_ctrl_c_in_the_last_step_leaves_a_complete_run(tmp_path, small, tiny_encoder, monkeypatch):
    step = loop.make_step
    monkeypatch.setattr(loop, "make_step", lambda *words: signal.raise_signal(signal.SIGINT) or step(*words))
    with pytest.raises(KeyboardInterrupt, match="^stopped at step 1 of 1$"):
        training.fit(small("compact-liif", steps=1), tmp_path, **QUIET)
    assert (tmp_path / "compact-liif.safetensors").exists()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_ctrl_c_stops_at_once():
    with pytest.raises(KeyboardInterrupt, match="at once"), loop.interrupts_between_steps() as asked:
        signal.raise_signal(signal.SIGINT)
        assert asked.is_set()
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_where_ctrl_c_means_something_else_it_is_left_alone():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with loop.interrupts_between_steps() as asked:
            signal.raise_signal(signal.SIGINT)
        assert not asked.is_set()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_run_can_be_made_in_another_thread(tmp_path, small, tiny_encoder):
    words = {"target": training.fit, "args": (small("compact-liif", steps=1), tmp_path), "kwargs": QUIET}
    thread = threading.Thread(**words)
    thread.start()
    thread.join()
    assert (tmp_path / "compact-liif.safetensors").exists()


def test_the_time_that_is_left_is_said_once(tmp_path, small, tiny_encoder):
    said = []
    training.fit(small("compact-liif", steps=13), tmp_path, **QUIET, say=said.append)
    assert len(said) == 1
    assert said[0].startswith("compact-liif: about ")
    assert "for the 3 steps left" in said[0]


@pytest.mark.parametrize(
    "settings, step, seconds, expected",
    [
        (Settings("m", steps=110), 10, 0.5, "about 50 s for the 100 steps left (0.5 s a step now)"),
        (Settings("m", steps=110, frozen=60), 10, 1.2, "about 3 min for the 100 steps left"),
        (Settings("m", steps=110, frozen=60, stop=30), 10, 1.0, "about 20 s for the 20 steps left"),
        (Settings("m", steps=110), 10, 90, "about 2.5 h for the 100 steps left"),
    ],
)
def test_frozen_steps_take_half_the_time(settings, step, seconds, expected):
    assert expected in loop.estimate(settings, step, seconds)


def test_loss_falls(tmp_path, small):
    settings = small("compact-diif", steps=30, batch=4, lr=3e-3)
    log = training.fit(settings, tmp_path, progress=False, log_every=5)
    assert log["loss"].iloc[-1] < 0.9 * log["loss"].iloc[0]


@pytest.mark.parametrize("log_every", [1, 50])
def test_a_loss_that_is_no_number_is_never_saved(tmp_path, small, state, tiny_encoder, log_every):
    """Rates that make weights overflow: what is saved is from before."""
    settings = small("compact-liif-wo-cell", steps=40, lr=1e30, schedule="constant")
    with pytest.raises(FloatingPointError, match="start over with a lower lr"):
        training.fit(settings, tmp_path, **QUIET | {"log_every": log_every}, save_every=0)
    done = state(tmp_path)["done"]
    losses = done["losses"] + [row["loss"] for row in done["log"]]
    assert losses
    assert np.isfinite(losses).all()
    with pytest.raises(ValueError, match=r"lr was 1e\+30"):
        training.fit(replace(settings, lr=1e-4), tmp_path, **QUIET)
    training.fit(replace(settings, lr=1e-4, steps=2), tmp_path, **QUIET, resume=False)
    assert (tmp_path / "compact-liif-wo-cell.safetensors").exists()


def test_fixed_scales_train_on_their_scales(tmp_path, small, tiny_encoder):
    log = training.fit(small("compact-x234", steps=2, scales=(2.0, 4.0), scale_step=1.0), tmp_path, **QUIET)
    assert {"psnr_x2", "psnr_x3", "psnr_x4"} <= set(log)
    assert (log["loss"] < 2).all()
    with pytest.raises(ValueError, match="enlarges by 2 only"):
        training.fit(small("compact-x2"), tmp_path / "x", **QUIET)


def test_a_run_can_stop_with_a_high_rate_and_go_on_past_it(tmp_path, small, tiny_encoder):
    said = ["step", "loss", "lr"]
    log = training.fit(small("compact-liif", steps=6, stop=3), tmp_path, **EACH)
    unbroken = training.fit(small("compact-liif", steps=6), tmp_path / "b", **EACH)
    pd.testing.assert_frame_equal(log[said], unbroken[said][:3])
    assert (tmp_path / "compact-liif.safetensors").exists()
    on = training.fit(small("compact-liif", steps=6), tmp_path, **EACH)
    pd.testing.assert_frame_equal(on[said], unbroken[said])


def test_a_trained_encoder_can_stay_as_it_is(tmp_path, small, state, tiny_encoder):
    training.fit(small("compact-liif", steps=3, frozen=3), tmp_path, **QUIET)
    before, after = srlib.build("compact-liif", seed=0).state_dict(), state(tmp_path)["model"]
    assert all(torch.equal(after[name], before[name]) == name.startswith("encoder.") for name in before)


def test_a_trained_encoder_can_learn_slowly(tmp_path, small, state, tiny_encoder):
    training.fit(small("compact-liif", steps=3, frozen=1, encoder_rate=0.1, beta2=0.99), tmp_path, **QUIET)
    before, after = srlib.build("compact-liif", seed=0).state_dict(), state(tmp_path)["model"]
    moved = {name: float((after[name] - before[name]).abs().max()) for name in before}
    assert 0 < moved["encoder.head.0.weight"] < 0.2 * moved["decoder.mlp.0.weight"]


@pytest.mark.parametrize("model, scales", [("idm-small", (1.0, 8.0)), ("sr3-small", (8.0, 8.0))])
def test_diffusion_trains_with_an_average_and_goes_on(tmp_path, small, state, one_photograph, model, scales):
    settings = small(model, steps=3, batch=1, patch=4, scales=scales, ema=0.5)
    log = training.fit(settings, tmp_path / "a", **EACH)
    training.fit(settings, tmp_path / "b", **EACH, stop_at=2)
    same_log(log, training.fit(settings, tmp_path / "b", **EACH))
    assert 0 < log["validation_loss"].iloc[-1] < 3
    saved, kept = srlib.load(tmp_path / "a" / f"{model}.safetensors"), state(tmp_path / "a")
    name = "denoise_fn.final_conv.block.3.weight"
    assert saved.trained_scale == 8
    assert torch.equal(saved.state_dict()[name], kept["average"][f"module.{name}"])  # the average is what is saved
    assert not torch.equal(saved.state_dict()[name], kept["model"][name])


def test_the_average_forgets_the_first_weights_and_then_decays_as_told():
    layer = torch.nn.Linear(1, 1)
    average = loop.AveragedModel(layer, multi_avg_fn=loop.moving_average(0.9))
    for value in (1.0, *[0.0] * 100, 1.0):  # from step 80 on (1 + n) / (10 + n) > 0.9
        torch.nn.init.constant_(layer.weight, value)
        average.update_parameters(layer)
    assert average.module.weight.item() == pytest.approx(0.1, abs=1e-6)


def test_dropout_repeats_too_and_torchs_generator_is_left_alone(tmp_path, small, monkeypatch, one_photograph):
    shape = replace(catalogue.SMALL, dropout=0.5)
    record = replace(catalogue.DIFFUSION["sr3"], make=lambda: (Enlarged(), UNet(shape)))
    monkeypatch.setitem(catalogue.DIFFUSION, "sr3", record)
    settings = small("sr3", steps=3, batch=1, patch=4, scales=(4.0, 4.0))
    torch.manual_seed(5)
    before = torch.get_rng_state()
    log = training.fit(settings, tmp_path / "a", **EACH)
    assert torch.equal(torch.get_rng_state(), before)
    training.fit(settings, tmp_path / "b", **EACH, stop_at=2)
    torch.manual_seed(6)
    same_log(log, training.fit(settings, tmp_path / "b", **EACH))


@pytest.mark.parametrize("changes", [{"frozen": 1}, {"scales": (1.0, 1.0)}])
def test_what_diffusion_cannot_follow_is_refused(tmp_path, small, changes):
    with pytest.raises(ValueError, match="a diffusion model learns as a whole"):
        training.fit(small("idm-small", **changes), tmp_path, **QUIET)


def test_an_unknown_model_is_not_trained(tmp_path):
    with pytest.raises(ValueError, match="nearest: compact-liif"):
        training.fit(Settings("compact-lif"), tmp_path, **QUIET)


@pytest.mark.slow
@pytest.mark.parametrize("model", training.suites()["edsr-baseline-methods"]["models"])
def test_full_size_runs_are_rehearsed(tmp_path, model):
    """What a GPU is to do in earnest, for two steps here: the recipe as it is but for the data and the batch."""
    settings = training.by_recipe(model, {"data": "embedded", "exclude": [], "batch": 1, "steps": 2})
    training.fit(settings, tmp_path, **EACH, stop_at=1)
    log = training.fit(settings, tmp_path, **EACH)
    assert list(log["step"]) == [1, 2]
    assert log["loss"].max() < 2
    assert (tmp_path / f"{model}.safetensors").exists()
