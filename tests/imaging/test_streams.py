"""Results larger than memory are those of `upscale`, whatever the format, and whether or not the run was interrupted."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
from conftest import tiny, tiny_idm
from kept import keep
from PIL import ExifTags, Image

import srlib
from srlib import cli
from srlib.imaging import files, saving, streams
from srlib.imaging.upscale import upscale_file, upscale_files


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch):
    """Many tiles, strips and blocks from small pictures."""
    monkeypatch.setattr(streams, "SIDE", 32)
    monkeypatch.setattr(streams, "LARGE", 1000)
    monkeypatch.setattr(streams, "WHOLE", 1000)


@pytest.fixture
def photo(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (61, 83, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def levels(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.png"))}


def joined(folder: Path, size: tuple[int, int]) -> np.ndarray:
    """The largest level of a pyramid."""
    top = max(folder.iterdir(), key=lambda level: int(level.name))
    out = np.zeros((*size, 3), np.uint8)
    for tile in top.iterdir():
        column, row = map(int, tile.stem.split("_"))
        pixels = np.asarray(Image.open(tile))
        y, x = row * streams.SIDE, column * streams.SIDE
        out[y : y + pixels.shape[0], x : x + pixels.shape[1]] = pixels
    return out


@pytest.mark.parametrize("decoder", ["bicubic", "diif", "liif", "diinn", "diif-cs"])
@pytest.mark.parametrize("scale", [0.7, 2.3, 4])
def test_a_streamed_tiff_is_the_result(photo, tmp_path, decoder, scale):
    model = tiny(decoder)
    size = upscale_file(photo, tmp_path / "y.tif", scale, model, tile=40)
    expected = srlib.upscale(np.asarray(Image.open(photo)), scale, model)
    made = tifffile.imread(tmp_path / "y.tif")
    assert made.shape == (*size, 3)
    assert np.abs(made.astype(int) - expected).max() <= 1


def test_it_is_a_tiled_bigtiff(photo, tmp_path):
    upscale_file(photo, tmp_path / "y.tif", 2, "bicubic")
    with tifffile.TiffFile(tmp_path / "y.tif") as file:
        page = file.pages.first
        assert (file.is_bigtiff, page.is_tiled, page.tilewidth) == (True, True, 32)


def test_pillow_reads_it_too(photo, tmp_path):
    upscale_file(photo, tmp_path / "y.tif", 2, "bicubic")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "y.tif")), tifffile.imread(tmp_path / "y.tif"))


def test_nothing_else_is_left(photo, tmp_path):
    upscale_file(photo, tmp_path / "y.tif", 2, "bicubic")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photo.png", "y.tif"]


def test_a_pyramid_is_the_result(photo, tmp_path):
    size = upscale_file(photo, tmp_path / "y.dzi", 2.3, "bicubic")
    expected = srlib.upscale(np.asarray(Image.open(photo)), 2.3, "bicubic")
    assert np.abs(joined(tmp_path / "y_files", size).astype(int) - expected).max() <= 1


def test_a_pyramid_ends_in_one_pixel(photo, tmp_path):
    upscale_file(photo, tmp_path / "y.dzi", 2.3, "bicubic")
    folders = sorted(int(level.name) for level in (tmp_path / "y_files").iterdir())
    assert folders == list(range(9))  # 191 pixels are below 2^8
    assert Image.open(tmp_path / "y_files/0/0_0.png").size == (1, 1)


def test_a_level_is_half_of_the_one_above(photo, tmp_path):
    size = upscale_file(photo, tmp_path / "y.dzi", 2, "bicubic")
    whole = joined(tmp_path / "y_files", size)[:64, :64].astype(float)
    tile = np.asarray(Image.open(tmp_path / "y_files/7/0_0.png"))
    assert np.abs(whole.reshape(32, 2, 32, 2, 3).mean(axis=(1, 3)) - tile).max() <= 0.5


def test_the_description_names_the_size(photo, tmp_path):
    upscale_file(photo, tmp_path / "y.dzi", 2, "bicubic")
    assert 'Width="166" Height="122"' in (tmp_path / "y.dzi").read_text()


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_kinds_of_pictures(tmp_path, channels, dtype):
    """Grey, colour, each with alpha, 8 and 16 bits: as in memory."""
    top = np.iinfo(dtype).max
    pixels = np.random.default_rng(0).integers(0, top, (40, 50, channels), dtype=dtype, endpoint=True)
    saving.save(tmp_path / "x.png", pixels)
    upscale_file(tmp_path / "x.png", tmp_path / "y.tif", 2, "bicubic")
    expected = srlib.upscale(pixels, 2, "bicubic")
    expected = expected[..., [0, 0, 0, 1]] if channels == 2 else expected
    made = tifffile.imread(tmp_path / "y.tif").reshape(expected.shape)
    assert np.abs(made.astype(int) - expected).max() <= 1


def test_exif_and_profile_go_along(photo, tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation], exif[ExifTags.Base.Copyright] = 6, "me"
    Image.open(photo).save(tmp_path / "x.jpg", exif=exif, dpi=(300, 300))
    size = upscale_file(tmp_path / "x.jpg", tmp_path / "y.tif", 2, "bicubic")
    with Image.open(tmp_path / "y.tif") as made:
        assert (size, made.size) == ((166, 122), (122, 166))
        assert (made.getexif()[ExifTags.Base.Copyright], made.info["dpi"][0]) == ("me", 300)


@pytest.mark.parametrize("tile", [None, (32, 48)])
def test_a_large_tiff_is_read_in_parts(tmp_path, tile):
    pixels = np.random.default_rng(0).integers(0, 256, (100, 130, 3), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "x.tif", pixels, tile=tile, rowsperstrip=None if tile else 7, photometric="rgb")
    source = streams.open_source(tmp_path / "x.tif")
    assert isinstance(source, streams.TiffParts)
    assert np.array_equal(source.region(slice(13, 77), slice(40, 130)), pixels[13:77, 40:130])


INTERRUPTED = """
import os, signal, sys
from pathlib import Path
from srlib.imaging import streams
from srlib.imaging.upscale import upscale_file
streams.SIDE, streams.LARGE = 32, 1000
add, left = streams.Journal.add, [int(sys.argv[3])]
def killed(journal, entry):
    left[0] -= 1
    if left[0] == 0:  # in the middle of a line
        journal.file.write(b'{"strip": 9')
        journal.file.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    add(journal, entry)
streams.Journal.add = killed
upscale_file(sys.argv[1], sys.argv[2], 2.3, "compact-diif", tile=100)
"""


@pytest.mark.parametrize("name", ["y.tif", "y.dzi"])
def test_killed_and_resumed_it_is_the_same_byte_for_byte(photo, tmp_path, name, monkeypatch):
    upscale_file(photo, tmp_path / "whole" / name, 2.3, "compact-diif", tile=100)
    target = tmp_path / "killed" / name
    done = subprocess.run([sys.executable, "-c", INTERRUPTED, photo, target, "4"], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not target.exists()
    written = []
    add = streams.Journal.add
    monkeypatch.setattr(streams.Journal, "add", lambda self, entry: written.append(entry) or add(self, entry))
    upscale_file(photo, target, 2.3, "compact-diif", tile=100)
    whole = {path.name for path in (tmp_path / "whole").iterdir()}
    assert {path.name for path in (tmp_path / "killed").iterdir()} == whole
    assert written[0]["strip"] == 3, "what was written is not made again"
    assert target.read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert levels(tmp_path / "killed") == levels(tmp_path / "whole")


def test_another_picture_starts_anew(photo, tmp_path, monkeypatch):
    add, target = streams.Journal.add, tmp_path / "stopped" / "y.tif"

    def stop(journal: streams.Journal, entry: dict) -> None:
        add(journal, entry)
        if entry["strip"] == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(streams.Journal, "add", stop)
        upscale_file(photo, target, 2.3, "bicubic")
    Image.fromarray(255 - np.asarray(Image.open(photo))).save(photo)
    upscale_file(photo, target, 2.3, "bicubic")
    upscale_file(photo, tmp_path / "y.tif", 2.3, "bicubic")
    assert target.read_bytes() == (tmp_path / "y.tif").read_bytes()


def test_two_processes_do_not_write_one_file(photo, tmp_path):
    import filelock

    with (
        filelock.FileLock(tmp_path / ".y.tif.lock"),
        pytest.raises(ValueError, match="being written by another process"),
    ):
        upscale_file(photo, tmp_path / "y.tif", 2, "bicubic")


def test_a_diffusion_model_cannot(photo, tmp_path):
    with pytest.raises(ValueError, match="tiny-idm sees the whole image at once"):
        upscale_file(photo, tmp_path / "y.dzi", 2, tiny_idm())


def test_from_python(photo, tmp_path):
    assert srlib.upscale(str(photo), 2, "bicubic", out=tmp_path / "y.tif") == tmp_path / "y.tif"
    with pytest.raises(TypeError, match="the image must be the path of a file"):
        srlib.upscale(np.zeros((4, 4, 3), np.uint8), 2, "bicubic", out=tmp_path / "z.tif")


# Frames


def test_frames_of_a_video_go_together(tmp_path, monkeypatch):
    """Of one size they are encoded at once; the results are those of each alone."""
    rng = np.random.default_rng(0)
    for i in range(5):
        shape = (20, 30, 3) if i < 4 else (21, 30, 3)
        Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(tmp_path / f"f{i}.png")
    (tmp_path / "f2.png").write_bytes(b"not a picture")
    model, seen = tiny("diif"), []
    encode = model.encode
    monkeypatch.setattr(model, "encode", lambda lr: seen.append(tuple(lr.shape)) or encode(lr))
    pairs = [(tmp_path / f"f{i}.png", tmp_path / "out" / f"f{i}.png") for i in (0, 1, 3, 2, 4)]
    results = {source.name: result for source, _, result in upscale_files(pairs, 2, model)}
    assert [shape[0] for shape in seen] == [3, 1]
    assert isinstance(results.pop("f2.png"), ValueError)
    assert results == dict.fromkeys(["f0.png", "f1.png", "f3.png"], (40, 60)) | {"f4.png": (42, 60)}
    for name in results:
        alone = srlib.upscale(files.load(tmp_path / name)[0], 2, model)
        assert np.abs(files.load(tmp_path / "out" / name)[0].astype(int) - alone).max() <= 1


def test_the_command_streams(photo, tmp_path):
    assert (
        cli.main(["upscale", str(photo), "--scale", "2", "--model", "bicubic", "--out", str(tmp_path / "y.dzi")]) == 0
    )
    assert (tmp_path / "y_files").is_dir()


# Memory


def start(photo: Path, target: Path, scale: float) -> subprocess.Popen:
    command = [sys.executable, "-m", "srlib", "upscale", str(photo), "--scale", str(scale), "--out", str(target)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def peak(process: subprocess.Popen, seconds: float = 1e9) -> float:
    """The most that a process has held resident, in MB, until it ends or for so long."""
    most, begun = 0.0, time.monotonic()
    while process.poll() is None and time.monotonic() < begun + seconds:
        status = Path(f"/proc/{process.pid}/status").read_text()
        most = max([most, *(int(line.split()[1]) / 1e3 for line in status.splitlines() if line.startswith("VmHWM"))])
        time.sleep(0.02)
    return most


PIXELS = np.random.default_rng(0).integers(
    0, 256, (256, 196, 3), dtype=np.uint8
)  # x30, it is just large enough to be streamed


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_memory_does_not_grow_with_the_result(tmp_path):
    """Cut-outs x30: four times the output, the same memory within 10 %, below 3 GB. Of 24 megapixels, of which all would take
    hours, what the first minutes take."""
    rows = []
    for name, times in (("small", (1, 1, 1)), ("large", (2, 2, 1))):
        photo, target = tmp_path / f"{name}.png", tmp_path / f"{name}.tif"
        pixels = np.tile(PIXELS, times)
        Image.fromarray(pixels).save(photo)
        process, begun = start(photo, target, 30), time.monotonic()
        most = peak(process)
        assert process.returncode == 0
        with tifffile.TiffFile(target) as file:
            assert file.is_bigtiff
        height, width = pixels.shape[:2]
        row = {
            "input": f"{height} x {width}",
            "output": f"{30 * height} x {30 * width}",
            "whole": True,
            "peak_MB": most,
        }
        rows.append(row | {"seconds": time.monotonic() - begun})

    Image.fromarray(np.tile(PIXELS, (16, 31, 1))[:4000, :6000]).save(tmp_path / "photo.png")
    process = start(tmp_path / "photo.png", tmp_path / "photo.tif", 30)
    most = peak(process, float(os.environ.get("SECONDS", "120")))
    assert process.poll() is None
    process.kill()
    process.wait()
    rows.append({"input": "4000 x 6000", "output": "120000 x 180000", "whole": False, "peak_MB": most})
    keep("memory", rows)
    assert rows[1]["peak_MB"] < 1.1 * rows[0]["peak_MB"]
    assert max(row["peak_MB"] for row in rows) < 3000


@pytest.mark.slow
def test_killed_at_a_random_moment_and_resumed_it_is_the_same(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "photo.png")
    begun = time.monotonic()
    assert start(tmp_path / "photo.png", tmp_path / "whole.tif", 30).wait() == 0
    seconds = time.monotonic() - begun
    process = start(tmp_path / "photo.png", tmp_path / "killed.tif", 30)
    time.sleep(random.uniform(0.4, 0.9) * seconds)
    process.kill()
    process.wait()
    assert (tmp_path / ".killed.tif.journal").exists()
    assert not (tmp_path / "killed.tif").exists()
    assert start(tmp_path / "photo.png", tmp_path / "killed.tif", 30).wait() == 0
    assert (tmp_path / "killed.tif").read_bytes() == (tmp_path / "whole.tif").read_bytes()
