"""Uploads: what is taken, what is said, and that nothing reaches the disk."""

import io

import numpy as np
import pytest
from conftest import tiny
from PIL import Image

from srlib.demos import photographs
from srlib.demos.photographs import Encodings, embedded, uploaded


def encoded(image: Image.Image, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, **{"format": "png"} | options)
    return buffer.getvalue()


COLOUR = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8))


def test_a_picture_is_taken_as_it_is():
    made = uploaded(encoded(COLOUR), "a.png", 64)
    assert np.array_equal(made.lr, np.asarray(COLOUR))
    assert (made.said, made.shrunk) == ("", 1)


def test_a_large_one_is_shrunk_and_remembered():
    made = uploaded(encoded(COLOUR), "a.png", 30)
    assert (made.size, made.full.shape, made.shrunk) == ((20, 30), (40, 60, 3), 2)
    assert made.said == "a.png: its 40 × 60 pixels are shrunk to 20 × 30, to be enlarged again."


def test_the_truth_is_known_up_to_its_size():
    made = uploaded(encoded(COLOUR), "a.png", 30)
    assert made.truth((30, 45)).shape == (30, 45, 3)
    assert np.array_equal(made.truth((40, 60)), made.full)
    assert made.truth((41, 61)) is None


def test_grey_becomes_colour():
    made = uploaded(encoded(COLOUR.convert("L")), "a.png", 64)
    assert made.said == "a.png: it is grey."
    assert (made.lr[..., 0] == made.lr[..., 2]).all()


def test_transparency_is_put_on_white():
    clear = Image.new("RGBA", (8, 8), (10, 20, 30, 0))
    made = uploaded(encoded(clear), "a.png", 64)
    assert made.said == "a.png: its transparency is put on white."
    assert (made.lr == 255).all()


def test_16_bits_are_rounded():
    deep = Image.fromarray(np.full((8, 8), 40000, dtype=np.uint16))
    made = uploaded(encoded(deep), "a.png", 64)
    assert "its 16 bits are rounded to 8" in made.said
    assert made.lr[0, 0].tolist() == [156] * 3


def test_it_stands_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    made = uploaded(encoded(COLOUR, format="jpeg", exif=exif), "a.jpg", 64)
    assert made.size == (60, 40)


FRAMES = [Image.new("RGB", (8, 8), (i, 0, 0)) for i in (0, 200)]
WRONG = {
    "a.gif: is animated": encoded(FRAMES[0], format="gif", save_all=True, append_images=FRAMES[1:]),
    "a.gif: not an image file": b"GIF but no picture of any kind",
    "a.gif: the image file is damaged": encoded(COLOUR)[:200],
    "a.gif: is empty": b"",
    "a.gif: has 8.0 MiB, and at most 8 MiB are taken": bytes(photographs.UPLOAD + 1),
    "a.gif: has 6000 x 5000 pixels, and at most 24 megapixels": encoded(Image.new("1", (6000, 5000))),
    "a.gif: its header claims more than": encoded(Image.new("1", (20000, 10000))),
}


@pytest.mark.parametrize("sentence", WRONG)
def test_what_cannot_be_shown_gets_a_sentence(sentence):
    with pytest.raises(ValueError, match=sentence):
        uploaded(WRONG[sentence], "a.gif", 64)


def test_a_name_cannot_name_a_folder():
    assert uploaded(encoded(COLOUR), "../../etc\\<b>.png", 64).name == "<b>.png"


def test_nothing_is_written(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a file was opened")

    uploaded(encoded(COLOUR), "a.png", 64)  # codecs are loaded
    monkeypatch.setattr("builtins.open", refuse)
    monkeypatch.setattr("pathlib.Path.open", refuse)
    assert uploaded(encoded(COLOUR), "a.png", 64).size == (40, 60)


def test_an_encoder_runs_once_for_a_picture(monkeypatch):
    model, encodings, runs = tiny("diif"), Encodings(), []
    encode = model.encode
    monkeypatch.setattr(model, "encode", lambda lr: runs.append(1) or encode(lr))
    picture = embedded("chelsea", 32)
    first = encodings.of(picture, model)
    assert encodings.of(embedded("chelsea", 32), model) is first
    assert len(runs) == 1


def test_features_are_kept_within_bounds():
    model = tiny("diif")
    encodings = Encodings(kept=60_000)
    for name in ("chelsea", "astronaut", "coffee", "rocket"):
        encodings.of(embedded(name, 32), model)
    assert 1 <= len(encodings.made) < 4
    assert sum(features.nbytes for features in encodings.made.values()) <= 60_000
