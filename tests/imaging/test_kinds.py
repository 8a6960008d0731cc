"""What goes into `upscale` comes out as the same kind."""

import numpy as np
import pytest
from conftest import tiny
from PIL import Image

import srlib
from srlib.imaging import saving


def up(image, **options):
    return srlib.upscale(image, scale=2, model="bicubic", **options)


ARRAYS = {
    "rgb": lambda a: a,
    "grey": lambda a: a[..., 0],
    "one channel": lambda a: a[..., :1],
    "grey and alpha": lambda a: a[..., :2],
    "rgb and alpha": lambda a: a[..., [0, 1, 2, 0]],
}


@pytest.mark.parametrize("layout", ARRAYS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16, np.float32, np.float64, np.bool_])
def test_arrays_keep_their_layout_and_type(rgb, layout, dtype):
    steps = {"u": np.iinfo(dtype).max if np.dtype(dtype).kind == "u" else 1, "f": 1, "b": 1}[np.dtype(dtype).kind]
    image = (ARRAYS[layout](rgb) / 255 * steps).astype(dtype)
    result = up(image)
    assert (result.shape, result.dtype) == ((34, 46, *image.shape[2:]), np.dtype(dtype))


MODES = {"RGB": "RGB", "RGBA": "RGBA", "L": "L", "LA": "LA", "P": "RGB", "PA": "RGBA", "1": "L", "YCbCr": "RGB"}


@pytest.mark.parametrize("mode", MODES)
def test_pil_images_keep_their_mode(rgb, mode):
    result = up(Image.fromarray(rgb).convert(mode))
    assert (result.size, result.mode) == ((46, 34), MODES[mode])


def test_a_palette_with_transparency_becomes_rgba(rgb):
    image = Image.fromarray(rgb).convert("P")
    image.info["transparency"] = 3
    assert up(image).mode == "RGBA"


def test_pil_images_of_16_bit_grey_stay_so(rgb):
    assert up(Image.fromarray(rgb[..., 0].astype(np.uint16) * 257)).mode.startswith("I;16")


def test_16_bits_are_not_rounded_to_8(rgb):
    assert np.unique(up(rgb.astype(np.uint16) * 257) % 257).size > 1


def test_pil_and_arrays_agree(rgb):
    assert np.array_equal(np.asarray(up(Image.fromarray(rgb))), up(rgb))


def test_pil_images_keep_what_they_say(rgb):
    image = Image.fromarray(rgb)
    image.info["dpi"] = (300, 300)
    assert up(image).info["dpi"] == (300, 300)


@pytest.mark.parametrize("convert", [str, lambda path: path])
def test_a_file_of_8_bits_comes_back_as_a_pil_image(tmp_path, rgb, convert):
    Image.fromarray(rgb).save(tmp_path / "x.png")
    assert np.array_equal(np.asarray(up(convert(tmp_path / "x.png"))), up(rgb))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_file_of_16_bits_comes_back_as_an_array(tmp_path, rgb, channels):
    deep = rgb[..., :channels].astype(np.uint16) * 257
    saving.save(tmp_path / "x.png", deep)
    assert np.array_equal(up(tmp_path / "x.png"), up(deep).squeeze())


BAD = [
    (np.zeros((3, 8, 8), np.uint8), "channels come last"),
    (np.zeros((8, 8, 5), np.uint8), r"shape \(8, 8, 5\)"),
    (np.zeros((2, 8, 8, 3), np.uint8), "one image at a time"),
    (np.zeros((0, 8, 3), np.uint8), "empty"),
    (np.zeros((8, 8, 3), np.int64), "int64"),
    (np.full((8, 8, 3), np.nan, np.float32), "NaN"),
    (np.full((8, 8, 3), 200.0, np.float32), r"expected \[0, 1\]"),
    (np.full((8, 8, 3), -0.5), r"expected \[0, 1\]"),
    (Image.new("RGB", (0, 8)), "empty"),
    (Image.new("F", (8, 8)), "mode F"),
    (Image.new("LAB", (8, 8)), "mode LAB"),
]


@pytest.mark.parametrize("bad, says", BAD)
def test_bad_images_are_refused_with_a_sentence(bad, says):
    with pytest.raises(ValueError, match=says):
        up(bad)


def test_16_bit_colour_that_pillow_would_halve_is_refused(tmp_path, rgb):
    saving.save(tmp_path / "x.png", rgb.astype(np.uint16) * 257)
    with Image.open(tmp_path / "x.png") as image, pytest.raises(ValueError, match="pass the file's path"):
        up(image)


def test_other_things_are_refused():
    with pytest.raises(TypeError, match="a path, a NumPy array or a PIL image, got list"):
        up([1, 2])


def test_missing_files_are_missing():
    with pytest.raises(FileNotFoundError, match="no file absent.png"):
        up("absent.png")


def test_one_of_scale_and_size_is_needed(rgb):
    with pytest.raises(ValueError, match="either scale or size"):
        srlib.upscale(rgb, model="bicubic")


def test_a_negative_scale_is_refused(rgb):
    with pytest.raises(ValueError, match="positive finite"):
        srlib.upscale(rgb, scale=-1, model="bicubic")


def test_an_unknown_model_names_the_nearest(rgb):
    with pytest.raises(ValueError, match="nearest: compact-diif"):
        srlib.upscale(rgb, scale=2, model="compakt-diif")


# Transparency


def disc(hidden, soft=False):
    """A red disc, RGBA, with `hidden` as the colour that does not show."""
    y, x = np.mgrid[:24, :24] - 11.5
    distance = 8 - np.hypot(y, x)
    alpha = (distance + 0.5).clip(0, 1) if soft else distance > 0
    image = np.full((24, 24, 4), 0.0)
    image[..., :3] = np.where(alpha[..., None] > 0, (0.8, 0.1, 0.1), hidden)
    image[..., 3] = alpha
    return (image * 255).round().astype(np.uint8)


@pytest.mark.parametrize("hidden", [(0, 0, 0), (1, 1, 1), (0, 1, 0)])
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("scale", [3.3, 0.6])
@pytest.mark.parametrize("model", ["bicubic", "compact-diif"])
def test_a_shape_gets_no_fringe(hidden, soft, scale, model):
    """The disc keeps its colour up to its edge, whatever colour is hidden around it."""
    result = srlib.upscale(disc(hidden, soft), scale, model).astype(int)
    seen = result[result[..., 3] > 0][:, :3]
    assert np.abs(seen - (204, 26, 26)).max() <= (1 if model == "bicubic" else 6)


def test_hidden_colours_change_nothing():
    results = [srlib.upscale(disc(hidden), 2.5, tiny("diif")) for hidden in ((0, 0, 0), (1, 1, 1))]
    assert np.array_equal(*results)


def test_alpha_is_enlarged_by_bicubic(rgb):
    image = np.dstack([rgb, rgb[..., 0]])
    assert np.array_equal(srlib.upscale(image, 2.5, tiny("liif"))[..., 3], up_grey(rgb[..., 0], 2.5))


def up_grey(image, scale):
    return srlib.upscale(image, scale, "bicubic")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_opaque_stays_opaque(rgb, dtype):
    top = 1 if dtype == np.float32 else np.iinfo(dtype).max
    image = np.dstack([rgb / 255 * top, np.full(rgb.shape[:2], top)]).astype(dtype)
    assert np.allclose(up(image)[..., 3], top, rtol=1e-6)


def test_opaque_alpha_changes_no_colour(rgb):
    image = np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])
    assert np.array_equal(up(image)[..., :3], up(rgb))


def test_an_image_that_shows_nothing_is_enlarged_too(rgb):
    assert up(np.dstack([rgb, np.zeros_like(rgb[..., 0])])).shape == (34, 46, 4)


def test_tiles_do_not_change_alpha(rgb):
    image = np.dstack([rgb, rgb[..., 0]]).repeat(5, axis=0).repeat(5, axis=1)
    assert np.abs(up(image).astype(int) - up(image, tile=40)).max() <= 1
