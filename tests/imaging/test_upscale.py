import math

import numpy as np
import pytest
import torch
from conftest import tiny
from PIL import ExifTags, Image

import srlib
from srlib import cost
from srlib.imaging import files, saving
from srlib.imaging.upscale import upscale, upscale_file
from srlib.models import DECODERS
from srlib.models.geometry import tiles


@pytest.mark.parametrize("decoder", ["bicubic", *DECODERS])
@pytest.mark.parametrize("scale", [1, 2.3, (0.4, 1.7), (3, 0.9)])
def test_tiles_do_not_change_the_image(decoder, scale):
    model = tiny(decoder).requires_grad_(False)
    image = np.random.default_rng(1).random((81, 93, 3), dtype=np.float32)
    whole = srlib.upscale(image, scale, model)
    tiled = srlib.upscale(image, scale, model, tile=40)
    assert np.abs(whole - tiled).max() < 1e-5


COVERED = pytest.mark.parametrize("n, out, reach", [(100, 250, 4), (600, 300, 34), (2000, 2000, 131), (7, 3, 4)])


@COVERED
def test_tiles_cover_every_pixel_once(n, out, reach):
    made = [k for t in tiles(n, out, reach, 4, 512) for k in range(t.out.start, t.out.stop)]
    assert made == list(range(out))


@COVERED
def test_tiles_are_small(n, out, reach):
    assert all(t.seen.stop - t.seen.start <= 600 for t in tiles(n, out, reach, 4, 512))


def test_tiles_on_every_device_are_the_whole_of_the_cpu(device):
    model = tiny("diif").requires_grad_(False)
    image = np.random.default_rng(1).random((41, 53, 3), dtype=np.float32)
    whole = srlib.upscale(image, 2.3, model)
    assert np.abs(whole - srlib.upscale(image, 2.3, model.to(device), tile=20)).max() < 1e-4


def test_upscale_is_the_model_clamped():
    model = tiny("diif").requires_grad_(False)
    image = np.random.default_rng(1).random((9, 8, 3), dtype=np.float32)
    tensor = torch.from_numpy(image).permute(2, 0, 1)[None]
    expected = model(tensor, (20, 31)).clamp(0, 1)[0].permute(1, 2, 0).numpy()
    assert np.allclose(srlib.upscale(image, size=(20, 31), model=model), expected, atol=1e-6)


def test_memory_of_a_large_decode_is_bounded():
    """x15 of 64 x 64: one layer's activations of all pixels at once would take 236 MB."""
    added = cost.peak_memory(srlib.load("compact-diif"), (64, 64), (960, 960))
    assert math.isnan(added) or added < 960**2 * 3 * 4 + 1.2e8


# From file to file


@pytest.fixture
def photo(tmp_path, rgb):
    """A JPEG of 17 rows that the camera took upright, EXIF, DPI and all."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation], exif[ExifTags.Base.Copyright] = 6, "me"
    Image.fromarray(rgb).save(tmp_path / "photo.jpg", exif=exif, dpi=(300, 300))
    return tmp_path / "photo.jpg"


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg", ".webp"])
def test_a_photograph_stays_upright(photo, tmp_path, suffix):
    upscale_file(photo, tmp_path / f"y{suffix}", 2, "bicubic")
    with Image.open(tmp_path / f"y{suffix}") as result:
        assert (result.size, result.getexif().get(ExifTags.Base.Orientation, 1)) == ((34, 46), 1)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg", ".webp"])
def test_a_photograph_keeps_its_exif(photo, tmp_path, suffix):
    upscale_file(photo, tmp_path / f"y{suffix}", 2, "bicubic")
    with Image.open(tmp_path / f"y{suffix}") as result:
        assert result.getexif()[ExifTags.Base.Copyright] == "me"


def test_a_photograph_keeps_its_dpi(photo, tmp_path):
    upscale_file(photo, tmp_path / "y.png", 2, "bicubic")
    with Image.open(tmp_path / "y.png") as result:
        assert tuple(map(round, result.info["dpi"])) == (300, 300)


@pytest.mark.parametrize("source", ["x.png", "x.tif"])
@pytest.mark.parametrize("target", ["y.png", "y.tif"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bits_go_from_file_to_file(tmp_path, source, target, channels):
    deep = np.random.default_rng(0).integers(0, 2**16, (7, 9, channels), dtype=np.uint16)
    saving.save(tmp_path / source, deep)
    upscale_file(tmp_path / source, tmp_path / target, 2, "bicubic")
    assert np.array_equal(files.load(tmp_path / target)[0], srlib.upscale(deep, 2, "bicubic"))


def test_a_file_and_an_array_give_the_same(tmp_path, rgb):
    Image.fromarray(rgb).save(tmp_path / "x.png")
    upscale_file(tmp_path / "x.png", tmp_path / "y.png", 3.7)
    assert np.array_equal(files.load(tmp_path / "y.png")[0], srlib.upscale(rgb, 3.7))


def test_opaque_alpha_is_dropped_for_types_without(tmp_path, rgb):
    Image.fromarray(rgb).convert("RGBA").save(tmp_path / "x.png")
    upscale_file(tmp_path / "x.png", tmp_path / "y.jpg", 2, "bicubic")
    assert files.load(tmp_path / "y.jpg")[0].shape == (34, 46, 3)


def test_transparency_does_not_go_into_jpeg(tmp_path, rgb):
    Image.fromarray(np.dstack([rgb, rgb[..., 0]])).save(tmp_path / "x.png")
    with pytest.raises(ValueError, match="JPEG has no transparency.*write y.png"):
        upscale_file(tmp_path / "x.png", tmp_path / "y.jpg", 2, "bicubic")


def test_a_result_that_exists_is_not_overwritten(photo, tmp_path):
    (tmp_path / "y.png").write_text("mine")
    with pytest.raises(FileExistsError, match="y.png exists.*--force"):
        upscale_file(photo, tmp_path / "y.png", 2, "bicubic")


def test_a_result_that_exists_is_overwritten_by_force(photo, tmp_path):
    (tmp_path / "y.png").write_text("mine")
    upscale_file(photo, tmp_path / "y.png", 2, "bicubic", force=True)
    assert files.load(tmp_path / "y.png")[0].shape == (46, 34, 3)


def test_the_picture_itself_is_never_overwritten(photo, tmp_path):
    (tmp_path / "link.jpg").symlink_to(photo)
    with pytest.raises(ValueError, match="link.jpg is the picture itself"):
        upscale_file(photo, tmp_path / "link.jpg", 2, "bicubic", force=True)


def test_any_number_of_threads_makes_the_same_bits(rgb):
    one, three = (upscale(rgb, scale=9, model=tiny("diif"), threads=count) for count in (1, 3))
    assert np.array_equal(one, three)


def test_a_number_of_threads_that_is_none_is_a_sentence(rgb):
    with pytest.raises(ValueError, match="threads .* whole number of at least 1, got 0"):
        upscale(rgb, scale=2, model=tiny("bicubic"), threads=0)


def test_what_does_not_fit_into_memory_is_a_sentence(photo, tmp_path):
    with pytest.raises(MemoryError, match=r"does not fit into memory; write a .tif or .dzi"):
        upscale_file(photo, tmp_path / "y.png", model="bicubic", size=(2**30, 2**30))
