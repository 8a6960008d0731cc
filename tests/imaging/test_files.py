import io

import numpy as np
import pytest
from PIL import Image

import srlib
from srlib.imaging import files


def write(path, array, **options):
    Image.fromarray(array).save(path, **options)
    return path


def test_grey_palette_and_opaque_alpha_files_become_rgb(tmp_path, rgb):
    assert np.array_equal(files.read(write(tmp_path / "rgb.png", rgb)), rgb)
    grey = files.read(write(tmp_path / "grey.png", rgb[..., 0]))
    assert grey.shape == rgb.shape and np.array_equal(grey[..., 2], rgb[..., 0])
    few = (rgb // 128) * 255
    Image.fromarray(few).quantize(8).save(tmp_path / "palette.png")
    assert np.array_equal(files.read(tmp_path / "palette.png"), few)
    opaque = np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])
    assert np.array_equal(files.read(write(tmp_path / "rgba.png", opaque)), rgb)


def test_transparent_files_are_refused(tmp_path, rgb):
    alpha = np.dstack([rgb, rgb[..., 0]])
    with pytest.raises(ValueError, match="transparent.*RGBA.*pass RGB"):
        files.read(write(tmp_path / "x.png", alpha))


def test_16_bit_files_are_refused_not_rounded(tmp_path, rgb):
    with pytest.raises(ValueError, match="16-bit.*8 bits"):
        files.read(write(tmp_path / "grey16.png", rgb[..., 0].astype(np.uint16) * 257))
    import tifffile

    tifffile.imwrite(tmp_path / "colour16.tif", rgb.astype(np.uint16) * 257, photometric="rgb")
    with pytest.raises(ValueError):
        files.read(tmp_path / "colour16.tif")
    (tmp_path / "colour16.png").write_bytes(png16(rgb.astype(np.uint16) * 257))
    with pytest.raises(ValueError, match="16-bit"):
        files.read(tmp_path / "colour16.png")


def png16(image):
    """A 16-bit RGB PNG, which Pillow cannot write."""
    import struct
    import zlib

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", image.shape[1], image.shape[0], 16, 2, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in image)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_truncated_and_foreign_files_are_refused(tmp_path, suffix):
    noise = np.random.default_rng(0).integers(0, 256, (80, 80, 3), dtype=np.uint8)
    whole = io.BytesIO()
    Image.fromarray(noise).save(whole, format={"jpg": "jpeg"}.get(suffix, suffix))
    path = tmp_path / f"x.{suffix}"
    path.write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    with pytest.raises(ValueError, match=f"x.{suffix}.*(truncated|not an image)"):
        files.read(path)
    path.write_bytes(b"no image at all")
    with pytest.raises(ValueError, match="not an image"):
        files.read(path)
    with pytest.raises(FileNotFoundError):
        files.read(tmp_path / "absent.png")


def test_the_same_kind_comes_back(rgb):
    def up(image):
        return srlib.upscale(image, scale=2, model="bicubic")

    assert up(rgb).dtype == np.uint8 and up(rgb).shape == (34, 46, 3)
    assert up(rgb[..., 0]).shape == (34, 46)
    assert up(rgb[..., :1]).shape == (34, 46, 1)
    wide = up(rgb.astype(np.uint16) * 257)
    assert wide.dtype == np.uint16 and wide.max() > 255
    for dtype in (np.float32, np.float64, np.float16):
        assert up((rgb / 255).astype(dtype)).dtype == dtype
    assert up(rgb[..., 0] > 99).dtype == bool
    for mode in ("RGB", "L", "P", "1"):
        picture = up(Image.fromarray(rgb).convert(mode))
        assert picture.size == (46, 34) and picture.mode == {"L": "L", "1": "L"}.get(mode, "RGB")
    deep = up(Image.fromarray(rgb[..., 0].astype(np.uint16) * 257))
    assert deep.mode.startswith("I;16")
    assert np.array_equal(np.asarray(up(Image.fromarray(rgb))), up(rgb))


@pytest.mark.parametrize(
    "bad, says",
    [
        (np.zeros((8, 8, 4), np.uint8), "four-channel"),
        (np.zeros((3, 8, 8), np.uint8), "channels come last"),
        (np.zeros((2, 8, 8, 3), np.uint8), "one image at a time"),
        (np.zeros((0, 8, 3), np.uint8), "empty"),
        (np.zeros((8, 8, 3), np.int64), "int64"),
        (np.full((8, 8, 3), np.nan, np.float32), "NaN"),
        (np.full((8, 8, 3), 200.0, np.float32), r"expected \[0, 1\]"),
        (np.full((8, 8, 3), -0.5), r"expected \[0, 1\]"),
        (Image.new("RGBA", (8, 8), (1, 2, 3, 4)), "transparent"),
        (Image.new("RGB", (0, 8)), "empty"),
        (Image.new("F", (8, 8)), "mode F"),
    ],
)
def test_bad_images_are_refused_with_a_sentence(bad, says):
    with pytest.raises(ValueError, match=says):
        srlib.upscale(bad, scale=2, model="bicubic")


def test_other_things_are_refused(rgb):
    with pytest.raises(TypeError, match=r"NumPy array or a PIL image, got str"):
        srlib.upscale("picture.png", scale=2, model="bicubic")
    with pytest.raises(ValueError, match="either scale or size"):
        srlib.upscale(rgb, model="bicubic")
    with pytest.raises(ValueError, match="positive finite"):
        srlib.upscale(rgb, scale=-1, model="bicubic")
    with pytest.raises(ValueError, match="nearest: compact-diif"):
        srlib.upscale(rgb, scale=2, model="compakt-diif")
