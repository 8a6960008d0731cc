import hashlib
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image

from srlib import data
from srlib.imaging import resize


def test_embedded_images_need_no_download():
    pictures = data.pictures("embedded")
    assert len(pictures) == 9
    for picture in pictures:
        image = picture.read()
        assert image.dtype == np.uint8
        assert image.shape[2] == 3
        assert image.flags.c_contiguous


def test_an_image_that_is_not_embedded_is_told_with_those_that_are():
    with pytest.raises(
        ValueError, match="no image 'nothere' in scikit-image's wheel; it has astronaut, chelsea, coffee"
    ):
        data.embedded("nothere")


def test_any_folder_is_a_data_set(tmp_path, rgb):
    for name in ("b.png", "a.bmp", "notes.txt"):
        (tmp_path / name).write_text("") if name.endswith("txt") else Image.fromarray(rgb).save(tmp_path / name)
    assert [p.name for p in data.pictures(tmp_path)] == ["a", "b"]
    assert [p.name for p in data.pictures(tmp_path, exclude=["a"])] == ["b"]
    with pytest.raises(ValueError, match="cannot leave out c"):
        data.pictures(tmp_path, exclude=["c"])


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no images in"):
        data.pictures(tmp_path)


def test_a_missing_set_names_the_command_that_fetches_it(no_data):
    with pytest.raises(data.MissingDataset, match="srlib data Set14"):
        data.pictures("Set14")
    with pytest.raises(data.MissingDataset, match="bring your own copy"):
        data.pictures("bsd400")
    with pytest.raises(ValueError, match="nearest: Set14"):
        data.pictures("Set41")
    assert data.split(["embedded", "Set5"]) == (["embedded"], {"Set5": data.how_to_fetch("Set5")})


def test_offline_download_says_what_to_do(no_data, monkeypatch):
    import pooch

    def offline(*args, **options):
        raise ConnectionError("no route to host")

    monkeypatch.setattr(pooch, "retrieve", offline)
    with pytest.raises(data.MissingDataset, match="could not download Set5.*Check the connection"):
        data.fetch("Set5")


def archive(tmp_path, rgb):
    """A small archive laid out as the real one, served from a file."""
    folder = tmp_path / "made" / "benchmark" / "Set5" / "HR"
    folder.mkdir(parents=True)
    Image.fromarray(rgb).save(folder / "baby.png")
    with tarfile.open(tmp_path / "benchmark.tar", "w") as tar:
        tar.add(tmp_path / "made" / "benchmark", "benchmark")
    return tmp_path / "benchmark.tar"


def test_fetch_checks_unpacks_and_keeps_what_is_there(no_data, tmp_path, rgb, monkeypatch):
    import pooch

    path = archive(tmp_path, rgb)
    known = "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()

    def retrieve(url, known_hash, *, fname, path, progressbar):
        target = path / fname
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((tmp_path / "benchmark.tar").read_bytes())
        if not pooch.hashes.hash_matches(str(target), known_hash, strict=False):
            raise ValueError("hash mismatch")
        return str(target)

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    with pytest.raises(ValueError, match="damaged or has changed"):
        data.fetch("Set5")
    monkeypatch.setitem(data.DATASETS, "Set5", data.Dataset("benchmark/Set5/HR", 1, "", "file:///benchmark.tar", known))
    mine = no_data / "benchmark" / "Mine"
    mine.mkdir(parents=True)
    assert data.fetch("Set5") == no_data / "benchmark/Set5/HR"
    assert mine.is_dir()
    assert np.array_equal(data.pictures("Set5")[0].read(), rgb)
    assert data.at_hand(["Set5", "Set14", "embedded"]) == ["Set5", "embedded"]


def test_provided_lr_is_found(set5):
    assert data.provided_lr("Set5", "a", 2) is None
    lr = np.zeros((4, 5, 3), np.uint8)
    folder = set5.parent / "LR_bicubic" / "X2"
    folder.mkdir(parents=True)
    Image.fromarray(lr).save(folder / "ax2.png")
    assert data.provided_lr("Set5", "a", 2).shape == lr.shape
    assert data.provided_lr("Set5", "a", 2.5) is None


# sha256 of matlab(astronaut[:507, :509], size), of the implementation that gave the same bytes as 57 of 57 LR files that
# come with Set5 and Set14
GOLDEN = {(253, 254): "cf1a06a3d278bfeb", (169, 169): "f6bf87cc6867f44d", (800, 611): "7bb1a92ed8ad1533"}


@pytest.mark.parametrize("size", GOLDEN)
def test_matlab_bicubic_bytes(size):
    image = resize.matlab(data.embedded("astronaut")[:507, :509], size)
    assert image.shape == (*size, 3)
    assert hashlib.sha256(image.tobytes()).hexdigest()[:16] == GOLDEN[size]


def test_matlab_bicubic_by_hand():
    """Halving an edge: the weights of MATLAB's antialiased cubic at x0.5 are (-3, -9, 29, 111, 111, 29, -9, -3) / 256."""
    column = np.zeros((16, 1, 3), np.uint8)
    column[8:] = 200
    weights = np.array([-3, -9, 29, 111, 111, 29, -9, -3]) / 256
    padded = np.pad(column[:, 0, 0].astype(float), 3, mode="edge")
    expected = [np.clip(np.floor(padded[2 * i : 2 * i + 8] @ weights + 0.5), 0, 255) for i in range(8)]
    assert resize.matlab(column, (8, 1))[:, 0, 0].tolist() == expected
    assert (resize.matlab(np.full((9, 7, 3), 77, np.uint8), (4, 3)) == 77).all()


def test_pil_and_torch_antialiased_are_within_rounding_of_each_other():
    image = data.embedded("chelsea")
    tensor = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() / 255
    a = resize.antialiased_8bit(tensor, (101, 140))[0].permute(1, 2, 0).mul(255).round().numpy()
    assert np.abs(a - resize.pil(image, (101, 140)).astype(float)).max() <= 2


def test_the_list_of_sets_says_what_is_at_hand(set5):
    table = data.listing().set_index("data set")
    assert table.loc[["Set5", "Set14", "bsd400"], "state"].tolist() == [
        "at hand", "can be fetched", "bring your own copy",
    ]  # fmt: skip
