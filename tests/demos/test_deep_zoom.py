"""What a view is shown is what the model makes there; coarse first; the newest wins."""

import io

import numpy as np
import pytest
import torch
from conftest import tiny, tiny_idm
from PIL import Image

from srlib import cost
from srlib.demos import DeepZoom
from srlib.imaging.files import to_tensor, to_uint8


@pytest.fixture
def zoom(monkeypatch):
    """A deep zoom, and what it sends."""
    made = DeepZoom([tiny("bicubic"), tiny("diif"), tiny("liif")], ["chelsea", "coffee"], longest=32)
    made.sent = []
    monkeypatch.setattr(made, "send", lambda content, buffers=None: made.sent.append((content, buffers)))
    return made


def view(**more):
    return (
        {"kind": "view", "seq": 1, "scale": 9.3, "centre": [10.2, 20.1], "rows": 60, "columns": 50}
        | {"methods": ["bicubic", "tiny-diif"]}
        | more
    )


def ask(zoom, content, buffers=()):
    zoom.hear(zoom, content, list(buffers))
    assert zoom.worker.wait(30)
    return zoom.sent


def frames(zoom):
    return [(content, buffers) for content, buffers in zoom.sent if content["kind"] == "frame"]


def test_the_sharp_frame_is_decode_at_that_window(zoom):
    ask(zoom, view())
    (frame, (pixels,)) = next(f for f in frames(zoom) if f[0]["stage"] == "sharp" and f[0]["method"] == "tiny-diif")
    model, size = zoom.models["tiny-diif"], tuple(frame["size"])
    with torch.inference_mode():
        whole = to_uint8(model(to_tensor(zoom.photograph.lr), size))
    shown = np.frombuffer(pixels, np.uint8).reshape(*frame["shape"], 3)
    step = shown.astype(int) - whole[slice(*frame["rows"]), slice(*frame["columns"])]
    assert (frame["shape"], size) == ((60, 50), (195, 298))
    assert abs(step).max() <= 1


def test_coarse_comes_first(zoom):
    ask(zoom, view())
    assert [(f["method"], f["stage"]) for f, _ in frames(zoom)] == [
        ("bicubic", "coarse"),
        ("tiny-diif", "coarse"),
        ("bicubic", "sharp"),
        ("tiny-diif", "sharp"),
    ]


def test_then_come_the_macs(zoom):
    ask(zoom, view())
    macs = {content["method"]: content["macs"] for content, _ in zoom.sent if content["kind"] == "macs"}
    assert list(macs) == ["bicubic", "tiny-diif"]
    assert macs["tiny-diif"] > 60 * 50 * (18 * 16)


def test_macs_of_the_whole_image_are_those_of_cost(zoom):
    ask(zoom, view(scale=2.0, rows=500, columns=500, methods=["tiny-diif"]))
    (macs,) = [content["macs"] for content, _ in zoom.sent if content["kind"] == "macs"]
    model, lr = zoom.models["tiny-diif"], zoom.photograph.size
    assert macs == cost.count_macs(model, lr, (2 * lr[0], 2 * lr[1]), literal=False, part="decoder")


def test_of_many_views_the_last_is_shown(zoom):
    for seq in range(1, 30):
        zoom.hear(zoom, view(seq=seq, centre=[10, seq]), [])
    assert zoom.worker.wait(60)
    sharp = [f["seq"] for f, _ in frames(zoom) if f["stage"] == "sharp"]
    assert sharp[-2:] == [29, 29]
    assert len(sharp) < 20


def test_another_image_is_told_to_the_page(zoom):
    ask(zoom, {"kind": "image", "name": "coffee"})
    (content, (pixels,)) = zoom.sent[-1]
    assert (content["kind"], content["name"], content["size"]) == ("image", "coffee", (21, 32))
    assert len(pixels) == 21 * 32 * 3


def test_an_upload_can_be_chosen_again(zoom):
    Image.new("RGB", (9, 7)).save(content := io.BytesIO(), format="png")
    ask(zoom, {"kind": "upload", "name": "a.png"}, [content.getvalue()])
    ask(zoom, {"kind": "image", "name": "coffee"})
    ask(zoom, {"kind": "image", "name": "@own"})
    assert [(told["name"], told["own"]) for told, _ in zoom.sent] == [
        ("a.png", True),
        ("coffee", False),
        ("a.png", True),
    ]


@pytest.mark.parametrize(
    "content, sentence",
    [
        ({"kind": "image", "name": "../secret"}, "unknown image"),
        ({"kind": "image", "name": "@own"}, "unknown image"),
        (view(scale=1e9), "beyond ×4096, the largest shown"),
        (view(methods=["nothing"]), "nothing"),
        ({"kind": "upload", "name": "a.png"}, "a.png: is empty"),
    ],
)
def test_a_wrong_message_gets_a_sentence(zoom, content, sentence):
    ask(zoom, content, [b""])
    assert zoom.sent[-1][0]["kind"] == "said"
    assert sentence in zoom.sent[-1][0]["text"]
    ask(zoom, view())
    assert frames(zoom), "it goes on"


def test_other_models_are_refused():
    with pytest.raises(ValueError, match="tiny-idm does not make any scale"):
        DeepZoom([tiny_idm()])
    with pytest.raises(ValueError, match="there is no model to show"):
        DeepZoom([])
