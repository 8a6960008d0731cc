import math
import os
import threading

import numpy as np
import pandas as pd
import pytest
import torch

import srlib
from srlib import data, evaluate
from srlib.imaging import resize

needs_data = pytest.mark.skipif(
    not data.at_hand(["Set5", "Set14"]) or not os.environ.get("SRLIB_DATA"), reason="benchmark sets are not at hand"
)


def test_one_row_per_image_and_scale(set5):
    rows = evaluate.benchmark("bicubic", ["Set5"], [2, 3.5], "diinn", progress=False)
    assert list(rows.columns) == evaluate.COLUMNS
    assert len(rows) == 4
    assert rows["image"].tolist() == ["a", "a", "b", "b"]
    assert np.isfinite(rows[["psnr", "ssim", "lr_psnr"]]).all(axis=None)
    means = evaluate.mean_scores(rows)
    assert means["images"].tolist() == [2, 2]
    assert means["psnr"].iloc[0] == pytest.approx(rows["psnr"].iloc[[0, 2]].mean())
    assert len(evaluate.benchmark("bicubic", [set5], [2], "div2k", limit=1, progress=False)) == 1


def test_every_device_scores_a_set_as_the_cpu(set5, device):
    rows = [
        evaluate.benchmark(srlib.load("compact-liif", device=place), ["Set5"], [2], "benchmark-y", progress=False)
        for place in ("cpu", device)
    ]
    assert rows[1]["psnr"].to_numpy() == pytest.approx(rows[0]["psnr"].to_numpy(), abs=1e-3)
    assert rows[1]["ssim"].to_numpy() == pytest.approx(rows[0]["ssim"].to_numpy(), abs=1e-4)


def test_rows_are_the_same_whatever_overlaps(set5, monkeypatch):
    """Read ahead and scored beside the next image, or one after the other: every bit but that of the clock."""
    model, scales = srlib.load("compact-liif"), [2, 3.5]
    overlapped = evaluate.benchmark(model, ["Set5"], scales, "benchmark-y", progress=False)
    monkeypatch.setattr(evaluate, "side_by_side", lambda call, items, threads: map(call, items))
    alone = evaluate.benchmark(model, ["Set5"], scales, "benchmark-y", progress=False)
    again = [
        evaluate.score(model, picture.name, "Set5", picture.read(), scale, "benchmark-y", None)
        for picture in data.pictures("Set5")
        for scale in scales
    ]
    parts = [pd.DataFrame(rows).drop(columns="seconds") for rows in (overlapped, alone, again)]
    pd.testing.assert_frame_equal(parts[0], parts[1], check_exact=True)
    pd.testing.assert_frame_equal(parts[0], parts[2], check_exact=True)


def test_one_is_scored_while_the_next_is_enlarged(set5, monkeypatch):
    """The first row waits until the second forward pass has begun."""
    begun, enlarged, row_of = threading.Event(), evaluate.enlarged, evaluate.row_of
    passes, waited = [], []

    def enlarge(*words):
        passes.append(words)
        if len(passes) == 2:
            begun.set()
        return enlarged(*words)

    def judge(*words):
        waited.append(begun.wait(20))
        return row_of(*words)

    monkeypatch.setattr(evaluate, "enlarged", enlarge)
    monkeypatch.setattr(evaluate, "row_of", judge)
    rows = evaluate.benchmark("bicubic", ["Set5"], [2], "diinn", progress=False)
    assert waited == [True, True]
    assert rows["image"].tolist() == ["a", "b"]


def test_few_images_are_held_at_a_time(set5, monkeypatch):
    held, most, make_pair, row_of = set(), [], evaluate.make_pair, evaluate.row_of

    def read(*words):
        pair = make_pair(*words)
        held.add(id(pair))
        most.append(len(held))
        return pair

    def judge(*words):
        held.discard(id(words[5]))
        return row_of(*words)

    monkeypatch.setattr(evaluate, "make_pair", read)
    monkeypatch.setattr(evaluate, "row_of", judge)
    scales = [2, 2.2, 2.4, 2.6, 2.8, 3, 3.2, 3.4]
    assert len(evaluate.benchmark("bicubic", ["Set5"], scales, "diinn", progress=False)) == 16
    assert max(most) <= 8


def test_an_image_that_cannot_be_read_is_told(set5):
    (set5 / "b.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"b\.png"):
        evaluate.benchmark("bicubic", ["Set5"], [2], "diinn", progress=False)


def test_scores_in_bf16_differ_a_little(set5, monkeypatch):
    monkeypatch.setattr("srlib.util.precision.native_bf16", lambda device: True)
    model = srlib.load("compact-liif")
    exact, rough = (
        evaluate.benchmark(model, ["Set5"], [3], "benchmark-y", limit=1, precision=kind, progress=False)["psnr"][0]
        for kind in (None, "bf16")
    )
    assert 0 < abs(exact - rough) < 0.05


def test_two_models_of_one_name_are_not_averaged(set5):
    rows = evaluate.benchmark("bicubic", ["Set5"], [2], "diinn", progress=False)
    with pytest.raises(
        ValueError, match=r"bicubic has more than one row for a of Set5 at x2.*weights=\['long=a.safetensors'"
    ):
        evaluate.mean_scores(pd.concat([rows, rows]))


def test_the_two_paths_of_a_model_are_compared():
    model = srlib.load("compact-liif")
    assert 0 < evaluate.path_error(model, torch.rand(1, 3, 6, 5), (13, 11)) < 1e-5


@pytest.mark.parametrize(
    "protocol, scale, lr, hr",
    [
        ("diinn", 2, (48, 42), (97, 83)),
        ("diinn", 3.5, (28, 24), (97, 83)),
        ("benchmark-y", 3, (32, 27), (96, 81)),
        ("benchmark-y", 6, (16, 13), (96, 78)),
        ("div2k", 3.5, (27, 23), (94, 80)),
    ],
)
def test_sizes_of_each_protocol(protocol, scale, lr, hr):
    image = data.embedded("astronaut")[:97, :83]
    small, large = evaluate.make_pair(image, scale, protocol)
    assert small.shape[-2:] == lr
    assert large.shape[-2:] == hr
    assert torch.allclose(small * 255, (small * 255).round(), atol=1e-4)


def test_a_given_lr_is_used():
    image, given = data.embedded("astronaut")[:97, :83], np.full((48, 41, 3), 9, np.uint8)
    small, large = evaluate.make_pair(image, 2, "benchmark-y", given)
    assert float(small.max()) == pytest.approx(9 / 255)
    assert large.shape[-2:] == (96, 82)


def test_borders():
    assert [evaluate.PROTOCOLS[p].border(3.5) for p in ("diinn", "benchmark-y", "div2k")] == [0, 4, 10]


def test_bicubic_in_the_field_is_matlabs(set5):
    row = evaluate.benchmark("bicubic", ["Set5"], [2], "benchmark-y", limit=1, progress=False).iloc[0]
    hr = data.pictures("Set5")[0].read()[:96, :82]
    sr = resize.matlab(resize.matlab(hr, (48, 41)), (96, 82))
    error = (sr.astype(float) - hr)[2:-2, 2:-2] @ [65.738 / 256, 129.057 / 256, 25.064 / 256] / 255
    assert row["psnr"] == pytest.approx(-10 * math.log10((error**2).mean()), abs=1e-4)


def test_plain_grey_is_bicubics_alone(set5):
    evaluate.PLAIN_GREY.add(("Set5", "a"))
    try:
        for name, lower in (("bicubic", True), ("compact-liif", False)):
            named, folder = (
                evaluate.benchmark(name, [s], [2], "benchmark-y", limit=1, progress=False) for s in ("Set5", set5)
            )
            assert (named["psnr"].iloc[0] < folder["psnr"].iloc[0] - 1) == lower
    finally:
        evaluate.PLAIN_GREY.remove(("Set5", "a"))


def test_bad_requests_are_refused(set5):
    with pytest.raises(ValueError, match="unknown protocol.*diinn"):
        evaluate.benchmark("bicubic", ["Set5"], [2], "dinn")
    with pytest.raises(ValueError, match="positive finite"):
        evaluate.benchmark("bicubic", ["Set5"], [0], "diinn")
    with pytest.raises(ValueError, match="at least 1"):
        evaluate.benchmark("bicubic", ["Set5"], [0.5], "diinn", progress=False)
    with pytest.raises(ValueError, match="too small"):
        evaluate.make_pair(np.zeros((5, 5, 3), np.uint8), 8, "div2k")


def test_networks_beat_bicubic_on_embedded_photographs():
    scores = {}
    names = [f"compact-{m}" for m in ("metasr", "liif", "lte", "diif", "dlte", "diinn")]
    for name in ("bicubic", *names):
        rows = [
            evaluate.score(
                srlib.load(name), image, "embedded", data.embedded(image)[160:320, 160:320], 2.0, "benchmark-y", None
            )
            for image in ("coffee", "astronaut")
        ]
        scores[name] = np.mean([row["psnr"] for row in rows])
    assert all(scores[name] > scores["bicubic"] + 1.5 for name in names), scores


@needs_data
@pytest.mark.slow
@pytest.mark.parametrize("dataset", ["Set5", "Set14"])
def test_bicubic_rows_of_the_papers(dataset):
    paper = srlib.published.table("diinn", 1).query("method == 'Bicubic' and dataset == @dataset").set_index("scale")
    ours = evaluate.mean_scores(evaluate.benchmark("bicubic", [dataset], [2, 3, 4], "diinn")).set_index("scale")
    for quantity, within in {"psnr": 0.01, "ssim": 0.0005, "lr_psnr": 0.02}.items():
        assert (ours[quantity] - paper[quantity]).abs().max() <= within
    field = srlib.published.table("field", 1).query("dataset == @dataset").set_index("scale")["psnr"]
    luma = evaluate.mean_scores(evaluate.benchmark("bicubic", [dataset], [2, 3, 4], "benchmark-y")).set_index("scale")[
        "psnr"
    ]
    assert (luma - field).abs().max() <= 0.02


@needs_data
@pytest.mark.slow
@pytest.mark.parametrize("name", [f"compact-{m}" for m in ("metasr", "liif", "lte", "diif", "dlte", "diinn")])
def test_shipped_weights_on_set5(name):
    """FSRCNN's level (Dong et al., ECCV 2016) at the scales of training; above bicubic beyond them."""
    ours, base = (
        evaluate.mean_scores(evaluate.benchmark(m, ["Set5"], [2, 3, 4, 6, 8], "benchmark-y")).set_index("scale")["psnr"]
        for m in (name, "bicubic")
    )
    assert ours[2] >= 37.0
    assert ours[3] >= 33.1
    assert ours[4] >= 30.8
    assert ours[6] > base[6]
    assert ours[8] > base[8]
