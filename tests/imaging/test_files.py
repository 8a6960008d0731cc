"""Reading image files: strictly for data sets, with everything for people."""

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from srlib.imaging import files, saving

DEEP = np.random.default_rng(1).integers(0, 2**16, (6, 5, 4), dtype=np.uint16)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def write(path, array, **options):
    Image.fromarray(array).save(path, **options)
    return path


def png(path, rows, columns, kind=2, bits=8):
    """A PNG of which only the header is whole."""

    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", columns, rows, bits, kind, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b""))
    return path


@pytest.fixture
def few(rgb):
    """Eight colours."""
    return (rgb // 128) * 255


# For data sets


def test_rgb_is_read_as_it_is(tmp_path, rgb):
    assert np.array_equal(files.read(write(tmp_path / "x.png", rgb)), rgb)


def test_grey_becomes_rgb(tmp_path, rgb):
    assert np.array_equal(files.read(write(tmp_path / "x.png", rgb[..., 0])), rgb[..., [0, 0, 0]])


def test_palettes_become_rgb(tmp_path, few):
    Image.fromarray(few).quantize(8).save(tmp_path / "x.png")
    assert np.array_equal(files.read(tmp_path / "x.png"), few)


def test_opaque_alpha_is_dropped(tmp_path, rgb):
    opaque = np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])
    assert np.array_equal(files.read(write(tmp_path / "x.png", opaque)), rgb)


def test_transparency_is_refused(tmp_path, rgb):
    with pytest.raises(ValueError, match=r"x.png: is transparent.*save it as RGB"):
        files.read(write(tmp_path / "x.png", np.dstack([rgb, rgb[..., 0]])))


DEEP_FILES = {
    "grey.png": lambda path: saving.save(path, DEEP[..., :1]),
    "colour.png": lambda path: saving.save(path, DEEP[..., :3]),
    "grey.tif": lambda path: tifffile.imwrite(path, DEEP[..., 0]),
    "colour.tif": lambda path: tifffile.imwrite(path, DEEP[..., :3], photometric="rgb"),
    "planes.tif": lambda path: tifffile.imwrite(
        path, np.moveaxis(DEEP[..., :3], -1, 0).copy(), photometric="rgb", planarconfig="separate"
    ),
    "colour.ppm": lambda path: path.write_bytes(b"P6 3 2 65535\n" + bytes(36)),
    "float.tif": lambda path: tifffile.imwrite(path, DEEP[..., 0].astype(np.float32)),
}


@pytest.mark.parametrize("name", DEEP_FILES)
def test_more_than_8_bits_are_not_rounded(tmp_path, name):
    DEEP_FILES[name](tmp_path / name)
    with pytest.raises(ValueError, match=f"{name}: has more than 8 bits.*save it with 8 bits"):
        files.read(tmp_path / name)


# For people


def channels(path):
    return files.load(path)[0].shape[2]


@pytest.mark.parametrize("mode, count", [("1", 1), ("L", 1), ("LA", 2), ("P", 3), ("RGB", 3), ("RGBA", 4)])
def test_modes_become_grey_or_rgb(tmp_path, few, mode, count):
    Image.fromarray(few).convert(mode).save(tmp_path / "x.png")
    assert channels(tmp_path / "x.png") == count


@pytest.mark.parametrize("mode, count", [("L", 2), ("P", 4), ("RGB", 4)])
def test_a_transparent_colour_becomes_alpha(tmp_path, few, mode, count):
    key = {"L": 255, "P": 1, "RGB": (255, 255, 255)}[mode]
    Image.fromarray(few).convert(mode).save(tmp_path / "x.png", transparency=key)
    assert channels(tmp_path / "x.png") == count


def test_one_bit_becomes_black_and_white(tmp_path, few):
    Image.fromarray(few).convert("1").save(tmp_path / "x.png")
    assert set(np.unique(files.load(tmp_path / "x.png")[0])) == {0, 255}


def test_cmyk_becomes_rgb_and_says_so(tmp_path, rgb):
    Image.fromarray(rgb).convert("CMYK").save(tmp_path / "x.jpg", icc_profile=SRGB)
    with pytest.warns(UserWarning, match="x.jpg: is CMYK; the result is RGB"):
        assert channels(tmp_path / "x.jpg") == 3


def test_orientation_is_applied(tmp_path, rgb):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held to the right: turn clockwise
    Image.fromarray(rgb).save(tmp_path / "x.png", exif=exif)
    assert np.array_equal(files.load(tmp_path / "x.png")[0], np.rot90(rgb, -1))


@pytest.mark.parametrize("orientation", range(10))
def test_every_orientation_is_as_pillow_has_it(tmp_path, rgb, orientation):
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(rgb).save(tmp_path / "x.png", exif=exif)
    with Image.open(tmp_path / "x.png") as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    assert np.array_equal(files.load(tmp_path / "x.png")[0], expected)


def test_orientation_of_a_16_bit_file_is_applied(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", DEEP[..., :3], photometric="rgb", extratags=[(274, "H", 1, 6, True)])
    assert np.array_equal(files.load(tmp_path / "x.tif")[0], np.rot90(DEEP[..., :3], -1))


@pytest.mark.parametrize("compression", [None, "zlib", "lzw"])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("count", [1, 3, 4])
def test_16_bit_tiffs_are_read(tmp_path, compression, order, count):
    image = DEEP[..., :count]
    options = {"photometric": "rgb" if count > 1 else "minisblack", "byteorder": order, "compression": compression}
    extra = ["unassalpha"] if count == 4 else None
    tifffile.imwrite(tmp_path / "x.tif", image.squeeze(), extrasamples=extra, predictor=bool(compression), **options)
    assert np.array_equal(files.load(tmp_path / "x.tif")[0], image)


def test_planes_are_put_together(tmp_path):
    DEEP_FILES["planes.tif"](tmp_path / "x.tif")
    assert np.array_equal(files.load(tmp_path / "x.tif")[0], DEEP[..., :3])


def test_white_may_be_zero(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", DEEP[..., 0], photometric="miniswhite")
    assert np.array_equal(files.load(tmp_path / "x.tif")[0][..., 0], 65535 - DEEP[..., 0])


def test_colours_multiplied_by_alpha_are_divided_by_it(tmp_path):
    alpha = np.full((6, 5, 1), 40000, np.uint16)
    stored = np.round(DEEP[..., :3] * (alpha / 65535)).astype(np.uint16)
    tifffile.imwrite(tmp_path / "x.tif", np.dstack([stored, alpha]), photometric="rgb", extrasamples=["assocalpha"])
    assert np.abs(files.load(tmp_path / "x.tif")[0][..., :3].astype(int) - DEEP[..., :3]).max() <= 1


def test_a_photograph_with_a_preview_is_one_picture(tmp_path, rgb):
    image = Image.fromarray(rgb)
    image.save(tmp_path / "x.jpg", format="MPO", save_all=True, append_images=[image])
    assert channels(tmp_path / "x.jpg") == 3


def test_the_profile_of_other_colours_is_left_out(tmp_path, rgb):
    write(tmp_path / "x.jpg", rgb[..., 0], icc_profile=SRGB)
    assert files.load(tmp_path / "x.jpg")[1].icc == b""


def test_damaged_exif_is_left_out(tmp_path, rgb):
    write(tmp_path / "x.jpg", rgb, exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff\x0f\x01\x02\0\xff\xff\xff\xff")
    said = files.load(tmp_path / "x.jpg")[1]
    assert said.exif() == b""


# What is refused, by both

ODD = {
    "float.tif": (DEEP_FILES["float.tif"], "32-bit float32.*8 or 16 bits"),
    "floats.tif": (
        lambda path: tifffile.imwrite(path, DEEP[..., :3].astype(np.float32), photometric="rgb"),
        "a TIFF of a kind that is not read",
    ),
    "colour.ppm": (DEEP_FILES["colour.ppm"], "a PPM of more than 8 bits.*PNG or TIFF"),
}


@pytest.mark.parametrize("name", ODD)
def test_samples_of_other_kinds_are_refused(tmp_path, name):
    make, says = ODD[name]
    make(tmp_path / name)
    with pytest.raises(ValueError, match=f"{name}.*{says}"):
        files.load(tmp_path / name)


BOTH = pytest.mark.parametrize("read", [files.read, files.load])


@BOTH
@pytest.mark.parametrize("suffix", ["gif", "png", "webp", "tif"])
def test_animations_and_pages_are_refused(tmp_path, rgb, suffix, read):
    image = Image.fromarray(rgb)
    image.save(tmp_path / f"x.{suffix}", save_all=True, append_images=[Image.fromarray(255 - rgb)])
    with pytest.raises(ValueError, match="is animated or has several pages"):
        read(tmp_path / f"x.{suffix}")


@BOTH
@pytest.mark.parametrize("side", [10_000, 100_000])  # where Pillow warns, and where it raises an error of its own
def test_a_header_that_claims_too_much_is_refused(tmp_path, side, read):
    with pytest.raises(ValueError, match=r"x.png: its header claims more than 89 megapixels.*MAX_IMAGE_PIXELS = None"):
        read(png(tmp_path / "x.png", side, side))


def test_the_limit_can_be_lifted(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(ValueError, match="damaged or truncated"):  # further than its header
        files.load(png(tmp_path / "x.png", 10_000, 10_000, kind=0))


@BOTH
@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif", "bmp"])
def test_truncated_files_are_refused(tmp_path, suffix, read):
    noise = np.random.default_rng(0).integers(0, 256, (80, 80, 3), dtype=np.uint8)
    whole = io.BytesIO()
    Image.fromarray(noise).save(whole, format={"jpg": "jpeg", "tif": "tiff"}.get(suffix, suffix))
    (tmp_path / f"x.{suffix}").write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    with pytest.raises(ValueError, match=f"x.{suffix}: the image file is damaged or truncated"):
        read(tmp_path / f"x.{suffix}")


@pytest.mark.parametrize("name", ["x.png", "x.tif"])
def test_truncated_16_bit_files_are_refused(tmp_path, name):
    saving.save(tmp_path / name, DEEP)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-60])
    with pytest.raises(ValueError, match="damaged or truncated"):
        files.load(tmp_path / name)


@BOTH
def test_other_files_are_refused(tmp_path, read):
    (tmp_path / "x.png").write_bytes(b"no image at all")
    with pytest.raises(ValueError, match="not an image"):
        read(tmp_path / "x.png")


@BOTH
def test_empty_files_are_refused(tmp_path, read):
    (tmp_path / "x.png").write_bytes(b"")
    with pytest.raises(ValueError, match="x.png: is empty"):
        read(tmp_path / "x.png")


@BOTH
def test_missing_files_are_missing(tmp_path, read):
    with pytest.raises(FileNotFoundError, match="no file"):
        read(tmp_path / "x.png")


@BOTH
def test_folders_are_no_files(tmp_path, read):
    with pytest.raises(IsADirectoryError, match="is a folder"):
        read(tmp_path)
