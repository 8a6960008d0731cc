import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import srlib
from srlib import data, models
from srlib.models.unet import Enlarged, UNet

SMALL = {"data": "embedded", "exclude": (), "batch": 2, "patch": 12, "pixels": 200, "precision": "float32"}


def states(*folders):
    return [torch.load(f / "state.pt", weights_only=True) for f in folders]


@pytest.mark.parametrize("model", ["compact-diif", "compact-liif"])
def test_an_interrupted_run_goes_on_as_if_unbroken(tmp_path, model):
    settings = train.Settings(model, steps=6, **SMALL)
    options = {"progress": False, "log_every": 2, "valid_every": 6}
    log = train.fit(settings, tmp_path / "a", **options)
    train.fit(settings, tmp_path / "b", **options, stop_at=3)
    assert not (tmp_path / "b" / f"{model}.safetensors").exists()
    again = train.fit(settings, tmp_path / "b", **options)
    pd.testing.assert_frame_equal(log.drop(columns="seconds"), again.drop(columns="seconds"))
    a, b = states(tmp_path / "a", tmp_path / "b")
    assert all(torch.equal(v, b["model"][k]) for k, v in a["model"].items())
    trained = srlib.load(tmp_path / "b" / f"{model}.safetensors")
    assert all(torch.equal(v, b["model"][k]) for k, v in trained.state_dict().items())
    fresh = train.fit(settings, tmp_path / "b", **options, resume=False, stop_at=1)
    assert len(fresh) == 0


def test_a_killed_run_loses_little(tmp_path):
    """SIGKILL at a random moment: the saved state is whole, and the run goes on from it."""
    words = [
        "--model",
        "compact-diif",
        "--steps",
        "100000",
        "--data",
        "embedded",
        "--exclude",
        "--batch",
        "1",
        "--patch",
        "12",
        "--pixels",
        "100",
    ]
    call = "train.fit(train.Settings('compact-diif', steps=100000, data='embedded', exclude=(), batch=1, patch=12, pixels=100)"
    code = f"from srlib import train; {call}, {str(tmp_path)!r}, save_every=0.2, progress=False)"
    process = subprocess.Popen([sys.executable, "-c", code], env=os.environ | {"OMP_NUM_THREADS": "1"})
    deadline = time.monotonic() + 120
    while not (tmp_path / "state.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (state,) = states(tmp_path)
    assert state["done"]["step"] > 0
    for rest in tmp_path.glob(".state.pt.*"):  # a temporary file may be left behind, never a half state.pt
        rest.unlink()
    settings = train.Settings("compact-diif", steps=100000, data="embedded", exclude=(), batch=1, patch=12, pixels=100)
    train.fit(settings, tmp_path, stop_at=state["done"]["step"] + 2, progress=False)
    assert states(tmp_path)[0]["done"]["step"] == state["done"]["step"] + 2
    assert train.main([*words, "--batch", "2", "--folder", str(tmp_path)]) == 1  # other settings are refused


def test_loss_falls(tmp_path):
    log = train.fit(
        train.Settings("compact-diif", steps=30, **SMALL | {"batch": 4, "lr": 3e-3}),
        tmp_path,
        progress=False,
        log_every=5,
    )
    assert log["loss"].iloc[-1] < 0.9 * log["loss"].iloc[0]


def test_batches_repeat_by_seed_and_step():
    settings = train.Settings("compact-diif", **SMALL)
    images = train.Images(settings, torch.device("cpu"), progress=False)
    (lr, hr, rows), again = images.batch(settings, 5), images.batch(settings, 5)
    assert all(torch.equal(a, b) for a, b in zip((lr, hr, rows), again, strict=True))
    assert lr.shape == (2, 3, 12, 12) and 12 <= hr.shape[-1] <= 48 and rows.max() < hr.shape[-2]
    assert not torch.equal(images.batch(settings, 6)[0], lr)
    assert abs(float(lr.mean() - hr.mean())) < 0.02


def test_settings_are_checked(tmp_path, rgb):
    for bad in (
        {"schedule": "linear"}, {"precision": "fp16"}, {"steps": 0}, {"steps": None}, {"steps": "many"}, {"batch": 1.5},
        {"batch": 16.0}, {"scales": (0, 4)}, {"scales": (4,)}, {"scales": (1, 2, 3)}, {"seed": 1.5}, {"seed": 2**31},
        {"stop": 0.5},
    ):  # fmt: skip
        with pytest.raises(ValueError, match=next(iter(bad))):
            train.Settings("compact-liif", **bad)
    with pytest.raises(ValueError, match="nearest: compact-liif"):
        train.fit(train.Settings("compact-lif"), tmp_path / "a", progress=False)
    Image.fromarray(rgb).save(tmp_path / "small.png")
    with pytest.raises(ValueError, match="17 x 23 pixels.*needs 192"):
        train.fit(train.Settings("compact-liif", data=str(tmp_path), exclude=()), tmp_path / "b", progress=False)


def test_damaged_and_foreign_states_are_refused(tmp_path):
    settings = train.Settings("compact-liif", steps=2, **SMALL)
    train.fit(settings, tmp_path, progress=False)
    other = train.Settings("compact-liif", steps=2, **SMALL | {"seed": 1})
    with pytest.raises(ValueError, match="seed was 0, now 1"):
        train.fit(other, tmp_path, progress=False)
    whole = (tmp_path / "state.pt").read_bytes()
    (tmp_path / "state.pt").write_bytes(whole[:1000])
    with pytest.raises(ValueError, match="damaged checkpoint"):
        train.fit(settings, tmp_path, progress=False)
    (tmp_path / "state.pt").write_bytes(whole)
    (state,) = states(tmp_path)
    for part in ("settings", "model", "done"):
        for value in (None, {"x": 1}):
            torch.save(state | {part: value}, tmp_path / "state.pt")
            with pytest.raises(ValueError, match="damaged checkpoint|other settings"):
                train.fit(settings, tmp_path, progress=False)
    torch.save(state | {"rules": 0}, tmp_path / "state.pt")
    with pytest.raises(ValueError, match="trained otherwise"):
        train.fit(settings, tmp_path, progress=False)


@pytest.mark.parametrize("log_every", [1, 50])
def test_a_loss_that_is_no_number_is_never_saved(tmp_path, log_every, capsys):
    """Rates that make weights overflow: what is saved is from before, and the command line says what to do."""
    settings = train.Settings("compact-liif-wo-cell", steps=40, **SMALL | {"lr": 1e30, "schedule": "constant"})
    with pytest.raises(FloatingPointError, match="start over with a lower lr"):
        train.fit(settings, tmp_path, progress=False, log_every=log_every, save_every=0)
    losses = states(tmp_path)[0]["done"]["losses"] + [row["loss"] for row in states(tmp_path)[0]["done"]["log"]]
    assert np.isfinite(losses).all() and losses
    words = "--model compact-liif-wo-cell --steps 40 --data embedded --exclude --batch 2 --patch 12 --pixels 200"
    words = [*words.split(), "--precision", "float32", "--folder", str(tmp_path), "--schedule", "constant", "--lr"]
    assert train.main([*words, "1e30"]) == 1 and "--restart" in capsys.readouterr().err
    assert train.main([*words, "1e-4"]) == 1 and "lr was 1e+30" in capsys.readouterr().err
    assert train.main([*words, "1e-4", "--restart"]) == 0


def test_missing_training_data_says_what_to_do(tmp_path, no_data):
    with pytest.raises(data.MissingDataset, match="bring your own copy"):
        train.fit(train.Settings("compact-liif"), tmp_path / "x", progress=False)


def test_schedules():
    cosine, halving = train.Settings("m", steps=1000), train.Settings("m", steps=1000, schedule="halving")
    assert cosine.rate(100) == pytest.approx(1e-3, rel=0.05) and cosine.rate(999) < 1e-7 and cosine.rate(0) < 2e-5
    assert [halving.rate(s) for s in (0, 199, 200, 999)] == [1e-3, 1e-3, 5e-4, 1e-3 / 16]
    assert train.Settings("m", steps=1000, schedule="constant").rate(999) == 1e-3


def test_a_run_can_start_from_weights(tmp_path):
    settings = train.Settings("compact-liif", steps=1, **SMALL | {"lr": 0.0}, init="compact-liif")
    train.fit(settings, tmp_path, progress=False)
    before, after = srlib.load("compact-liif"), srlib.load(tmp_path / "compact-liif.safetensors")
    assert all(torch.equal(v, after.state_dict()[k]) for k, v in before.state_dict().items())
    said = srlib.weights.header(tmp_path / "compact-liif.safetensors")
    assert (
        said["data"]["init"]["sha256"] == before.origin["sha256"] and said["data"]["init"]["training"]["steps"] >= 1000
    )
    assert said["training"]["arithmetic"] == "float32"


def test_a_run_keeps_what_it_started_from(tmp_path):
    """Its normalisation too; and the file is read once."""
    start = srlib.build("compact-liif", seed=3)
    start.mean, start.std = torch.tensor([0.4, 0.5, 0.6]).view(3, 1, 1), 0.25
    file = tmp_path / "start.safetensors"
    srlib.weights.save(start, file, training={"steps": 7}, data={}, metrics={}, commit="abc")
    settings = train.Settings("compact-liif", steps=2, **SMALL | {"lr": 0.0}, init=str(file))
    train.fit(settings, tmp_path / "a", progress=False, stop_at=1)
    origin = srlib.load(file).origin
    file.unlink()
    train.fit(settings, tmp_path / "a", progress=False)
    made = srlib.load(tmp_path / "a" / "compact-liif.safetensors")
    lr = torch.rand(1, 3, 8, 8)
    torch.testing.assert_close(made(lr, (16, 16)), start(lr, (16, 16)), rtol=0, atol=1e-6)
    said = srlib.weights.header(tmp_path / "a" / "compact-liif.safetensors")["data"]["init"]
    assert said["sha256"] == origin["sha256"] and said["training"] == {"steps": 7}


def test_a_run_can_start_from_another_models_encoder(tmp_path):
    settings = train.Settings("compact-metasr", steps=1, **SMALL | {"lr": 0.0}, init="compact-liif")
    train.fit(settings, tmp_path, progress=False)
    before, after = srlib.load("compact-liif").encoder, srlib.load(tmp_path / "compact-metasr.safetensors").encoder
    assert all(torch.equal(v, after.state_dict()[k]) for k, v in before.state_dict().items())
    with pytest.raises(ValueError, match="not the weights of edsr-baseline-liif"):
        train.fit(train.Settings("edsr-baseline-liif", **SMALL, init="compact-liif"), tmp_path / "x", progress=False)


def test_fixed_scales_train_on_their_scales(tmp_path):
    settings = train.Settings("compact-x234", steps=2, **SMALL | {"scales": (2.0, 4.0), "scale_step": 1.0})
    log = train.fit(settings, tmp_path, progress=False)
    assert {"psnr_x2", "psnr_x3", "psnr_x4"} <= set(log) and (log["loss"] < 2).all()
    with pytest.raises(ValueError, match="enlarges by 2 only"):
        train.fit(train.Settings("compact-x2", **SMALL), tmp_path / "x", progress=False)
    assert train.by_recipe("rdn-x3").scales == (3.0, 3.0)


def test_the_grid_of_scales_ends_at_the_largest():
    for scales, step, expected in (
        ((1, 4), 2, {1, 3}),
        ((2, 4), 1, {2, 3, 4}),
        ((1, 4), 1.7, {1, 2.7}),
        ((1, 2), 0.1, None),
    ):
        settings = train.Settings("m", scales=scales, scale_step=step)
        drawn = {round(train.draw_scale(settings, train.generator(settings, i)), 6) for i in range(200)}
        assert max(drawn) <= scales[1] and (len(drawn) == 11 if expected is None else drawn == expected)


def test_a_run_can_stop_with_a_high_rate(tmp_path):
    settings = train.Settings("compact-liif", steps=6, stop=3, **SMALL)
    log = train.fit(settings, tmp_path, progress=False, log_every=1)
    whole = train.fit(train.Settings("compact-liif", steps=6, **SMALL), tmp_path / "b", progress=False, log_every=1)
    pd.testing.assert_frame_equal(log[["step", "loss", "lr"]], whole[["step", "loss", "lr"]][:3])
    assert (tmp_path / "compact-liif.safetensors").exists()
    on = train.fit(train.Settings("compact-liif", steps=6, **SMALL), tmp_path, progress=False, log_every=1)
    pd.testing.assert_frame_equal(on[["step", "loss", "lr"]], whole[["step", "loss", "lr"]])
    with pytest.raises(ValueError, match="stop must be a step of the 6"):
        train.Settings("compact-liif", steps=6, stop=7)


def test_a_trained_encoder_can_learn_slowly_or_not_at_all(tmp_path):
    start = srlib.models.build("compact-liif", seed=0)
    for frozen in (3, 1):
        settings = train.Settings("compact-liif", steps=3, frozen=frozen, encoder_rate=0.1, beta2=0.99, **SMALL)
        train.fit(settings, tmp_path / str(frozen), progress=False)
    still, slow = (state["model"] for state in states(tmp_path / "3", tmp_path / "1"))
    before = start.state_dict()
    assert all(torch.equal(still[k], before[k]) == k.startswith("encoder.") for k in before)
    moved = {k: float((slow[k] - before[k]).abs().max()) for k in before}
    assert 0 < moved["encoder.head.0.weight"] < 0.2 * moved["decoder.mlp.0.weight"]
    for wrong in ({"frozen": 6001}, {"encoder_rate": -1.0}, {"beta2": 1.0}, {"lr": -1.0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            train.Settings("compact-liif", **wrong)


def test_a_complete_run_is_left_alone_and_can_be_shipped(tmp_path):
    settings = train.Settings("compact-metasr", steps=2, **SMALL)
    with pytest.raises(FileNotFoundError, match="no weight file"):
        train.ship(tmp_path, "compact-metasr")
    train.fit(settings, tmp_path, progress=False)
    before = (tmp_path / "compact-metasr.safetensors").stat().st_mtime_ns
    train.fit(settings, tmp_path, progress=False)
    assert (tmp_path / "compact-metasr.safetensors").stat().st_mtime_ns == before
    path = train.ship(tmp_path, "compact-metasr", to=tmp_path / "there")
    assert path.with_suffix(".csv").read_text() == (tmp_path / "log.csv").read_text()
    own, shipped = srlib.load(tmp_path / "compact-metasr.safetensors"), srlib.load(path)
    assert all(torch.equal(v.half().float(), shipped.state_dict()[k]) for k, v in own.state_dict().items())
    assert path.stat().st_size < 0.6 * (tmp_path / "compact-metasr.safetensors").stat().st_size
    header = srlib.weights.header(path)
    assert header["training"]["steps"] == 2 and header["metrics"]["half precision"].startswith("True: ")


def test_every_recipe_is_a_run(capsys):
    recipes = [model for suite in train.suites().values() for model in suite["models"]]
    assert len(set(recipes)) == len(recipes) and set(recipes) <= set(srlib.models.ALL) and train.recipe("rdn-lte") == {}
    assert train.recipe("compact-diinn-f") == train.recipe("compact-diinn") != {}
    for model in recipes:
        settings = train.Settings(model, **train.recipe(model))
        assert not settings.init or settings.init in recipes
        with torch.device("meta"):
            srlib.build(model)
    for suite in train.suites().values():
        assert set(suite) - {"models", "settings"} <= set(suite["models"])
    options = dict(train.arguments(train.recipe("compact-x234")))
    assert options["steps"]["default"] == 18000 and options["batch"]["default"] == 16 and options["model"]["required"]
    with pytest.raises(SystemExit):
        train.main(["--mod", "compact-methods"])
    assert train.main(["--model", "compact-lif"]) == 1 and "compact-liif" in capsys.readouterr().err


def test_a_suite_is_trained_alike_and_from_nothing(tmp_path, monkeypatch, capsys):
    small = {k: list(v) if isinstance(v, tuple) else v for k, v in SMALL.items()} | {"steps": 1}
    suites = {
        "start": {"models": ["compact-x16"], "settings": small | {"scales": [16.0, 16.0], "data": "nothing"}},
        "rest": {
            "models": ["compact-liif", "compact-diif-x4only"],
            "settings": small | {"init": "compact-x16", "seed": 5},
            "compact-diif-x4only": {"scales": [4.0, 4.0]},
        },
    }
    monkeypatch.setattr(train, "suites", lambda: suites)
    monkeypatch.setattr(train.paths, "ROOT", tmp_path)
    assert train.main(["--model", "rest"]) == 1 and "no weights for compact-x16" in capsys.readouterr().err
    assert train.main(["--model", "rest", "--folder", "x"]) == 1 and "for one model" in capsys.readouterr().err
    assert train.main(["--model", "rest", "--from-nothing", "--batch", "3"]) == 0
    runs = {m: tmp_path / "runs" / m for m in ("compact-x16", "compact-liif", "compact-diif-x4only")}
    start, liif, only = (srlib.weights.header(runs[m] / f"{m}.safetensors") for m in runs)
    assert (start["training"]["batch"], liif["training"]["batch"], liif["training"]["seed"]) == (2, 3, 5)
    assert liif["training"]["scales"] == [1.0, 4.0] and only["training"]["scales"] == [4.0, 4.0]
    assert liif["data"]["init"]["sha256"] == only["data"]["init"]["sha256"] != ""


def test_a_recipe_can_be_changed_by_known_settings_only():
    settings = train.by_recipe("compact-x234", {"steps": 5, "scales": [2, 3]})
    assert (settings.steps, settings.scales, settings.scale_step) == (5, (2, 3), 1.0)
    for wrong in ("stpes", "model"):
        with pytest.raises(ValueError, match="unknown setting"):
            train.by_recipe("compact-x234", {wrong: 5})


@pytest.mark.parametrize("model, scales", [("idm-small", (1.0, 8.0)), ("sr3-small", (8.0, 8.0))])
def test_diffusion_trains_with_an_average_and_goes_on(tmp_path, model, scales):
    small = {
        "data": "embedded",
        "exclude": (),
        "batch": 1,
        "patch": 4,
        "scales": scales,
        "ema": 0.5,
        "precision": "float32",
    }
    settings = train.Settings(model, steps=3, **small)
    options = {"progress": False, "log_every": 1}
    whole = train.fit(settings, tmp_path / "a", **options)
    train.fit(settings, tmp_path / "b", **options, stop_at=2)
    again = train.fit(settings, tmp_path / "b", **options)
    pd.testing.assert_frame_equal(whole.drop(columns="seconds"), again.drop(columns="seconds"))
    assert 0 < whole["validation_loss"].iloc[-1] < 3
    (state,) = states(tmp_path / "a")
    saved = srlib.load(tmp_path / "a" / f"{model}.safetensors")
    name = "denoise_fn.final_conv.block.3.weight"
    assert torch.equal(saved.state_dict()[name], state["average"][f"module.{name}"])  # the average is what is saved
    assert not torch.equal(saved.state_dict()[name], state["model"][name]) and saved.trained_scale == 8
    path = train.ship(tmp_path / "a", model, to=tmp_path / "there")
    assert srlib.load(path).trained_scale == 8
    train.fit(replace(settings, seed=1), tmp_path / "a", **options, resume=False, stop_at=1)
    with pytest.raises(FileNotFoundError):  # nothing of the run before
        train.ship(tmp_path / "a", model, to=tmp_path / "there")


def test_the_average_forgets_the_first_weights_and_then_decays_as_told():
    layer = torch.nn.Linear(1, 1)
    average = train.AveragedModel(layer, multi_avg_fn=train.moving_average(0.9))
    for value in (1.0, *[0.0] * 100, 1.0):  # from step 80 on (1 + n) / (10 + n) > 0.9
        torch.nn.init.constant_(layer.weight, value)
        average.update_parameters(layer)
    assert average.module.weight.item() == pytest.approx(0.1, abs=1e-6)


def test_dropout_repeats_too(tmp_path, monkeypatch):
    monkeypatch.setitem(models.DIFFUSION, "sr3", lambda: (Enlarged(), UNet(replace(models.SMALL, dropout=0.5))))
    settings = train.Settings(
        "sr3", steps=3, data="embedded", exclude=(), batch=1, patch=4, scales=(4.0, 4.0), precision="float32"
    )
    options = {"progress": False, "log_every": 1}
    torch.manual_seed(5)
    before = torch.get_rng_state()
    whole = train.fit(settings, tmp_path / "a", **options)
    assert torch.equal(torch.get_rng_state(), before)
    train.fit(settings, tmp_path / "b", **options, stop_at=2)
    torch.manual_seed(6)
    again = train.fit(settings, tmp_path / "b", **options)
    pd.testing.assert_frame_equal(whole.drop(columns="seconds"), again.drop(columns="seconds"))


def test_what_diffusion_cannot_follow_is_refused(tmp_path):
    for changes in ({"frozen": 1}, {"scales": (1.0, 1.0)}):
        with pytest.raises(ValueError, match="a diffusion model learns as a whole"):
            train.fit(train.Settings("idm-small", data="embedded", exclude=(), **changes), tmp_path, progress=False)


def test_zooms_show_one_crop_at_two_sizes():
    settings = train.Settings("idm-small", data="embedded", exclude=(), batch=2, patch=8, scales=(1.0, 8.0))
    images = train.Images(settings, torch.device("cpu"), progress=False)
    sizes = set()
    for step in range(6):
        lr, hr, g = images.zooms(settings, step)
        again = images.zooms(settings, step)
        assert (
            torch.equal(lr, again[0]) and torch.equal(hr, again[1]) and torch.equal(g.get_state(), again[2].get_state())
        )
        assert lr.shape == (2, 3, 8, 8) and 8 <= hr.shape[-1] <= 64
        assert (lr.mean(dim=(2, 3)) - hr.mean(dim=(2, 3))).abs().max() < 0.02
        sizes.add(hr.shape[-1])
    assert len(sizes) > 3


@pytest.mark.slow
@pytest.mark.parametrize("model", train.suites()["edsr-baseline-methods"]["models"])
def test_full_size_runs_are_rehearsed(tmp_path, model):
    """What a GPU is to do in earnest, for two steps here: the recipe as it is but for the data and the batch."""
    settings = train.by_recipe(model, {"data": "embedded", "exclude": [], "batch": 1, "steps": 2})
    train.fit(settings, tmp_path, progress=False, stop_at=1, log_every=1)
    log = train.fit(settings, tmp_path, progress=False, log_every=1)
    assert list(log["step"]) == [1, 2] and log["loss"].max() < 2 and (tmp_path / f"{model}.safetensors").exists()


def test_curves_of_any_validation():
    for column in ("psnr_x8", "validation_loss"):
        log = pd.DataFrame({"step": [1, 2, 3], "loss": [3.0, 2.0, 1.0], column: [1.0, None, 2.0]})
        assert len(plots.training_curves({"compact-x8": log}).axes) == 2
    assert len(plots.training_curves({"compact-x8": log[["step", "loss"]]}).axes) == 1
