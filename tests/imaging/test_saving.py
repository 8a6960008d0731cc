"""Writing pictures, with what is said about them."""

import os

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms
from PIL.TiffImagePlugin import IFDRational

from srlib.imaging import files, saving

EXIF, GPS, WIDTH = ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo, ExifTags.Base.ExifImageWidth
SAID = files.Metadata(
    tags={ExifTags.Base.Make: "Maker", ExifTags.Base.Copyright: "me"},
    below={EXIF: {ExifTags.Base.ExposureTime: IFDRational(1, 125), WIDTH: 1}, GPS: {1: "N"}},
    icc=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
    dpi=(300.0, 300.0),
)
ALL = [".png", ".tif", ".jpg", ".webp"]


def image(channels, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, (11, 14, channels)).astype(dtype)


@pytest.fixture(params=[*((suffix, np.uint8) for suffix in ALL), (".png", np.uint16), (".tif", np.uint16)])
def written(request, tmp_path):
    """A file of each type, with metadata."""
    suffix, dtype = request.param
    saving.save(tmp_path / f"x{suffix}", image(3, dtype), SAID)
    return tmp_path / f"x{suffix}"


def test_exif_is_kept(written):
    with Image.open(written) as opened:
        assert opened.getexif()[ExifTags.Base.Copyright] == "me"


def test_the_directories_below_are_kept(written):
    with Image.open(written) as opened:
        assert opened.getexif().get_ifd(EXIF)[ExifTags.Base.ExposureTime] == IFDRational(1, 125)


def test_the_place_is_kept(written):
    with Image.open(written) as opened:
        assert opened.getexif().get_ifd(GPS)[1] == "N"


def test_exif_names_the_size_of_the_result(written):
    with Image.open(written) as opened:
        assert opened.getexif().get_ifd(EXIF)[WIDTH] == 14


def test_the_profile_is_kept(written):
    with Image.open(written) as opened:
        assert opened.info["icc_profile"] == SAID.icc


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg"])
def test_dpi_are_kept(tmp_path, suffix):
    saving.save(tmp_path / f"x{suffix}", image(3), SAID)
    with Image.open(tmp_path / f"x{suffix}") as opened:
        assert tuple(map(round, opened.info["dpi"])) == (300, 300)


def test_nothing_said_is_nothing_written(tmp_path):
    saving.save(tmp_path / "x.png", image(3))
    with Image.open(tmp_path / "x.png") as opened:
        assert not opened.info


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_pixels_come_back(tmp_path, suffix, dtype, channels):
    saving.save(tmp_path / f"x{suffix}", image(channels, dtype))
    assert np.array_equal(files.load(tmp_path / f"x{suffix}")[0], image(channels, dtype))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey_with_alpha_comes_back_from_png(tmp_path, dtype):
    saving.save(tmp_path / "x.png", image(2, dtype))
    assert np.array_equal(files.load(tmp_path / "x.png")[0], image(2, dtype))


def test_grey_with_alpha_is_rgb_with_alpha_in_tiff(tmp_path):
    saving.save(tmp_path / "x.tif", image(2))
    assert np.array_equal(files.load(tmp_path / "x.tif")[0], image(2)[..., [0, 0, 0, 1]])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_other_readers_read_our_tiffs(tmp_path, dtype):
    import tifffile

    tall = np.random.default_rng(0).integers(0, 255, (3000, 700, 3)).astype(dtype)  # of several strips
    saving.save(tmp_path / "x.tif", tall)
    assert np.array_equal(tifffile.imread(tmp_path / "x.tif"), tall)


@pytest.mark.parametrize("suffix, channels", [(".webp", 3), (".webp", 4), (".bmp", 3), (".ppm", 3), (".bmp", 1)])
def test_lossless_types_lose_nothing(tmp_path, suffix, channels):
    pixels = image(channels)
    pixels[..., 3:] |= 1  # WebP drops colours that do not show
    saving.save(tmp_path / f"x{suffix}", pixels)
    assert np.array_equal(files.load(tmp_path / f"x{suffix}")[0], pixels)


def test_jpeg_is_of_high_quality(tmp_path):
    smooth = np.add.outer(np.arange(64), np.arange(64))[..., None].repeat(3, axis=2).astype(np.uint8)
    saving.save(tmp_path / "x.jpg", smooth)
    assert np.abs(files.load(tmp_path / "x.jpg")[0].astype(int) - smooth).max() <= 2


@pytest.mark.parametrize("told", ['{"shape": [20, 30, 3]}', "shape=(20, 30, 3)", "<OME><Pixels SizeX='30'/></OME>"])
def test_a_description_that_tells_another_shape_is_left_out(tmp_path, caplog, told):
    import tifffile

    tags = {ExifTags.Base.ImageDescription: told, ExifTags.Base.Make: "Maker"}
    saving.save(tmp_path / "x.tif", image(3), files.Metadata(tags=tags))
    assert np.array_equal(tifffile.imread(tmp_path / "x.tif"), image(3))
    assert caplog.text == ""
    with Image.open(tmp_path / "x.tif") as opened:
        assert opened.getexif()[ExifTags.Base.Make] == "Maker"
        assert ExifTags.Base.ImageDescription not in opened.getexif()


def test_what_tifffile_writes_is_read_by_it_when_enlarged(tmp_path, caplog):
    import tifffile

    from srlib.imaging.upscale import upscale_file
    from srlib.models import build

    tifffile.imwrite(tmp_path / "x.tif", image(1)[..., 0], metadata={})
    upscale_file(tmp_path / "x.tif", tmp_path / "y.tif", 2, build("bicubic"))
    assert tifffile.imread(tmp_path / "y.tif").shape == (22, 28)
    assert caplog.text == ""


def test_a_description_in_words_is_kept(tmp_path):
    said = files.Metadata(tags={ExifTags.Base.ImageDescription: "the shape of things"})
    saving.save(tmp_path / "x.tif", image(3), said)
    with Image.open(tmp_path / "x.tif") as opened:
        assert opened.getexif()[ExifTags.Base.ImageDescription] == "the shape of things"


MISFITS = [
    ("x.jpg", 4, np.uint8, "JPEG has no transparency, and the picture has; write x.png"),
    ("x.bmp", 2, np.uint8, "BMP has no transparency"),
    ("x.jpg", 3, np.uint16, "JPEG has 8 bits, and the picture has 16; write x.png or .tif"),
    ("x.webp", 3, np.uint16, "WebP has 8 bits"),
    ("x.gif", 3, np.uint8, r"not written as .gif; one of .png, .tif"),
    ("x", 3, np.uint8, "not written as files without a suffix"),
]


@pytest.mark.parametrize("name, channels, dtype, says", MISFITS)
def test_what_does_not_fit_is_refused(tmp_path, name, channels, dtype, says):
    with pytest.raises(ValueError, match=says):
        saving.save(tmp_path / name, image(channels, dtype))


def test_a_side_that_is_too_long_is_refused():
    with pytest.raises(ValueError, match="WebP has at most 16383 pixels a side, not 20000; write x.png"):
        saving.check_fits("x.webp", (20000, 5), 3, np.uint8)


def test_long_exif_is_left_out_of_jpeg(tmp_path):
    said = files.Metadata(tags={ExifTags.Base.ImageDescription: "x" * 70000})
    with pytest.warns(UserWarning, match="too long for JPEG"):
        saving.save(tmp_path / "x.jpg", image(3), said)


def test_a_failure_leaves_what_was_there(tmp_path, monkeypatch):
    (tmp_path / "x.png").write_text("before")

    def full(path, *_):
        path.write_text("half")
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(saving, "write_png", full)
    with pytest.raises(OSError, match="no space left"):
        saving.save(tmp_path / "x.png", image(3))
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("x.png", "before")]
