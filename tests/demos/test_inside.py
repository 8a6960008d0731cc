"""What the looks inside say is what the library does."""

import numpy as np
import pytest
import torch
from conftest import tiny, tiny_idm

from srlib import cost
from srlib.demos import InsideDIIF, InsideDIINN, InsideIDM, inside_diif, inside_diinn, inside_idm
from srlib.demos.stage import OWN, table
from srlib.imaging.windows import Window

LR, SIZE = (9, 11), (31, 40)
DIIFS = ["diif", "diif-cs", "diif-wo-ds"]


@pytest.fixture
def diif():
    return InsideDIIF([tiny(name) for name in DIIFS], ["chelsea"], longest=24, part=6, start=4.0)


def ask(demo, point=None, **values):
    return demo.answer(demo.checked(demo.options["values"] | values), point, lambda: False)


@pytest.mark.parametrize("decoder", ["diif", "diif-cs"])
def test_weights_are_areas_of_the_opposite_rectangles(decoder):
    """Eq 11, by hand: a pixel's centre cuts its cell into four rectangles."""
    found = inside_diif.inside(tiny(decoder), LR, SIZE, (13, 22))
    y, x = 13.5 * LR[0] / SIZE[0] - found.code[0], 22.5 * LR[1] / SIZE[1] - found.code[1]
    expected = [(1 - y) * (1 - x), (1 - y) * x, y * (1 - x), y * x]
    assert [vertex.weight for vertex in found.vertices] == pytest.approx(expected, abs=1e-5)
    assert [(v.row - found.code[0], v.column - found.code[1]) for v in found.vertices] == [
        (0, 0),
        (0, 1),
        (1, 0),
        (1, 1),
    ]


@pytest.mark.parametrize("decoder", DIIFS)
def test_every_pixel_lies_in_its_cell_group_and_slice(decoder):
    model = tiny(decoder)
    for pixel in [(0, 0), (13, 22), (30, 39)]:
        found = inside_diif.inside(model, LR, SIZE, pixel)
        top, left, bottom, right = found.group
        assert found.code == tuple(int((k + 0.5) * n / out) for k, n, out in zip(pixel, LR, SIZE, strict=True))
        assert (top <= pixel[0] < bottom, left <= pixel[1] < right) == (True, True)
        assert pixel in found.slice
        assert 0 <= found.number < found.slices


@pytest.mark.parametrize("decoder, slices, pixels", [("diif", 4, 4), ("diif-cs", 1, 16), ("diif-wo-ds", 4, 4)])
def test_slices_of_a_group(decoder, slices, pixels):
    found = inside_diif.inside(tiny(decoder), (9, 11), (36, 44), (13, 22))
    assert (found.slices, len(found.slice)) == (slices, pixels)


@pytest.mark.parametrize("size", [(18, 22), SIZE, (90, 123)])
def test_evaluations_explain_the_macs(size):
    costs = inside_diif.costs([tiny(name) for name in DIIFS], LR, size)
    assert (costs["macs"] == costs["macs_expected"]).all()
    assert costs["macs"].tolist() == [cost.count_macs(tiny(name), LR, size, part="decoder") for name in DIIFS]


def test_another_slicing_is_another_picture(diif):
    pictures = [ask(diif, slicing=kind).pictures[0].image for kind in ("linear", "constant", "fixed")]
    assert not np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[0], pictures[2])


def test_the_pointed_pixel_is_told(diif):
    made = ask(diif, point=(0.0, 0.999))
    window = diif.window(diif.photograph("chelsea").size, 4.0)
    assert f"row {window.rows[0]}, column {window.columns[1] - 1}" in made.text


def test_other_decoders_are_refused():
    with pytest.raises(ValueError, match="tiny-liif is not a DIIF"):
        InsideDIIF([tiny("liif")])
    with pytest.raises(ValueError, match="tiny-liif is not a DIINN"):
        InsideDIINN(tiny("liif"))
    with pytest.raises(ValueError, match="tiny-liif is not an IDM"):
        InsideIDM(tiny("liif"))


def test_layers_are_those_that_ran():
    """The last linear layer of the last product is the picture, which is the model's."""
    model = tiny("diinn")
    with torch.inference_mode():
        features = model.encode(torch.rand(1, 3, *LR))
        window = Window.around(LR, 3.5, (4, 5), (12, 14))
        made, layers = inside_diinn.layers(model, features, window)
        last = model.decoder.last(layers[-1].synthesis).permute(2, 0, 1) * model.std + model.mean
        whole = model.decode(features, window.size)[0, :, slice(*window.rows), slice(*window.columns)]
    assert torch.allclose(last, made[0], atol=1e-5)
    assert torch.allclose(whole, made[0], atol=1e-4)


def test_hooks_are_taken_away():
    model = tiny("diinn")
    inside_diinn.layers(model, model.encode(torch.rand(1, 3, *LR)), Window.around(LR, 2, (4, 5), (6, 6)))
    assert not any(layer._forward_hooks for layer in model.modules())


def test_another_channel_is_another_look():
    demo = InsideDIINN(tiny("diinn"), ["chelsea"], longest=24, part=6, start=3.0)
    looks = [ask(demo, layer=2, channel=k).pictures[1].image for k in range(16)]
    assert len({look.tobytes() for look in looks}) > 4


def test_steps_lead_to_the_image():
    demo = InsideIDM(tiny_idm(), ["chelsea"], longest=6, steps=3, high=3.0, start=2.0)
    _, noisy, image, _ = ask(demo, step=3).pictures
    assert np.array_equal(noisy.image, image.image)
    assert not np.array_equal(ask(demo, step=1).pictures[1].image, image.image)
    levels, pictures, gap = inside_idm.by_step(demo, [1, 3])
    assert (list(levels["step"]), list(pictures["tiny-idm"]), gap) == ([1, 2, 3], ["step 1", "step 3"], 0)


def test_another_factor_is_another_image():
    demo = InsideIDM(tiny_idm(), ["chelsea"], longest=6, steps=2, high=3.0, start=2.0)
    assert not np.array_equal(ask(demo).pictures[2].image, ask(demo, factor="1.25").pictures[2].image)


def test_shares_are_those_of_the_network():
    model = tiny_idm()
    found = inside_idm.shares(model, 0.5)
    assert found["mean"].tolist() == pytest.approx([np.mean(some) for some in model.denoise_fn.shares(0.5).values()])


def test_a_visitors_own_image(diif, monkeypatch):
    sent = []
    monkeypatch.setattr(diif, "send", lambda content, buffers=None: sent.append(content))
    diif.hear(diif, {"kind": "upload", "name": "a.png"}, [b"no picture"])
    assert sent[-1]["text"].startswith("a.png: not an image file")
    with pytest.raises(ValueError, match="unknown image"):
        ask(diif, image=OWN)


def test_a_question_is_answered_on_the_page(diif, monkeypatch):
    sent = []
    monkeypatch.setattr(diif, "send", lambda content, buffers=None: sent.append((content, buffers)))
    diif.hear(diif, {"kind": "ask", "seq": 7, "values": diif.options["values"], "point": [0.5, 0.5]}, [])
    assert diif.worker.wait(60)
    ((content, buffers),) = sent
    assert (content["kind"], content["seq"], len(buffers)) == ("answer", 7, 2)
    assert len(buffers[0]) == 3 * content["pictures"][0]["shape"][0] * content["pictures"][0]["shape"][1]


def test_names_are_no_markup():
    assert "<b>" not in table(["<b>"], [["<b>", "<b>"]])
