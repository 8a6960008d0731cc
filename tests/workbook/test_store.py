"""A measurement is kept whole, under the name of all that it depends on, and read back as it was."""

import json
import math
import multiprocessing
import shutil
import time

import numpy as np
import pytest

from srlib.util import atomic, paths
from srlib.workbook import store

NEEDS = {"code": "a", "scale": 2.0}
ROWS = [{"image": "baby", "psnr": 30.25}, {"image": "bird", "psnr": 31.5}]
ORIGIN = {"device": "a CPU", "seconds": 1.0}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "MEASUREMENTS", tmp_path / "measurements")
    return tmp_path / "measurements"


def keep(needs=NEEDS, rows=ROWS, picture=None):
    return store.write("quality", needs, {"model": "m"}, rows, origin=ORIGIN, picture=picture)


def test_what_is_written_is_read_back(folder):
    keep()
    kept = store.find("quality", NEEDS)
    assert kept.rows == ROWS
    assert kept.origin["device"] == "a CPU"
    assert kept.origin["commit"]
    assert [path.name for path in folder.iterdir()] == [f"quality-{store.digest(NEEDS)}.json"]


def test_a_picture_is_kept_with_its_rows():
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    keep(picture=picture)
    kept = store.find("quality", NEEDS)
    assert np.array_equal(kept.picture, picture)
    assert kept.rows == ROWS


def test_numbers_that_json_cannot_hold_become_nothing():
    keep(rows=[{"psnr": math.inf, "n": np.int64(3), "x": np.float32(0.5)}])
    assert store.find("quality", NEEDS).rows == [{"psnr": None, "n": 3, "x": 0.5}]


def test_other_needs_are_another_measurement():
    keep()
    assert store.find("quality", NEEDS | {"scale": 3.0}) is None
    assert store.find("time", NEEDS) is None
    assert store.digest({"a": 1, "b": 2}) == store.digest({"b": 2, "a": 1})


@pytest.mark.parametrize("picture", [None, np.zeros((4, 4, 3), np.uint8)])
def test_a_damaged_file_is_not_read_and_is_measured_anew(folder, picture):
    keep(picture=picture)
    (path,) = folder.iterdir()
    whole = path.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], whole.replace(b"30.25", b"39.25")):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="a damaged measurement.*srlib measurements prune"):
            store.read(path)
        assert store.find("quality", NEEDS) is None
    keep(picture=picture)
    assert store.find("quality", NEEDS).rows == ROWS


def test_a_renamed_file_is_not_taken_for_another(folder):
    keep()
    (path,) = folder.iterdir()
    path.rename(folder / f"quality-{store.digest({'scale': 9})}.json")
    assert store.find("quality", {"scale": 9}) is None


def test_a_full_disk_leaves_no_half_file(folder, monkeypatch):
    keep()
    before = {path: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.setattr(store, "canonical", lambda value: json.dumps(value, sort_keys=True, default=str))

    def full(self, text, *args, **options):
        self.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(folder), "write_text", full)
    monkeypatch.setattr(atomic.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 0))
    with pytest.raises(OSError, match="no space left on the disk"):
        keep(needs={"scale": 3.0})
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def write_often(place, number):
    paths.MEASUREMENTS = place
    for _ in range(20):
        store.write("quality", NEEDS, {}, [{"psnr": float(number)}] * 200, origin=ORIGIN)


def test_two_processes_at_once_leave_a_whole_file(folder):
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=write_often, args=(folder, number)) for number in (1, 2)]
    for process in processes:
        process.start()
    while any(process.is_alive() for process in processes):
        for path in folder.glob("quality-*"):
            assert len(store.read(path).rows) == 200
    for process in processes:
        process.join()
    assert [path.suffix for path in folder.iterdir()] == [".json"]
    assert store.find("quality", NEEDS).rows[0]["psnr"] in (1.0, 2.0)


def test_a_killed_process_leaves_no_half_measurement(folder):
    """Killed at some moment of its writing, whichever that is; what it left aside is no measurement, and pruned."""
    folder.mkdir()
    context = multiprocessing.get_context("fork")
    for number in range(5):
        process = context.Process(target=write_often, args=(folder, number))
        process.start()
        time.sleep(0.01 * number)
        process.kill()
        process.join()
        for path in folder.glob("quality-*"):
            assert len(store.read(path).rows) == 200
    store.prune(lambda needs: True)
    assert [path for path in folder.iterdir() if path.suffix != ".json"] == []


def test_times_of_another_machine_are_found_by_all_else():
    here, there = ({"size": 4, store.HARDWARE: {"device": name}} for name in ("here", "there"))
    store.write("time", there, {}, [{"seconds": 1.0}], origin=ORIGIN)
    assert store.find("time", here) is None
    assert store.elsewhere("time", here).rows == [{"seconds": 1.0}]
    assert store.elsewhere("time", here | {"size": 5}) is None


def test_listing_and_pruning(folder):
    keep()
    keep(needs=NEEDS | {"code": "old"})
    keep(needs=NEEDS | {"scale": 4.0})
    damaged = folder / f"quality-{store.digest(NEEDS | {'scale': 4.0})}.json"
    damaged.write_text("{")
    half = folder / ".quality-x.json.abc"
    half.write_text("")
    current = lambda needs: needs["code"] == "a"  # noqa: E731
    states = store.listing(current).set_index("measurement")["state"]
    assert states[damaged.name] == "damaged"
    assert sorted(states) == ["current", "damaged", "stale"]
    gone = store.prune(current, dry=True)
    assert len(gone) == 3
    assert all(path.exists() for path in gone)
    store.prune(current)
    assert [path.name for path in folder.iterdir()] == [f"quality-{store.digest(NEEDS)}.json"]
