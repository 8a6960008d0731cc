"""Data sets: where they are, how they are fetched, and lists of images.

A data set is a name of `DATASETS`, "embedded" (the colour images in scikit-image's wheel; needs no download), or any
folder of images. Folders are found under $SRLIB_DATA, else data/, laid out as the field does.
"""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from srlib.imaging import files
from srlib.util import atomic, paths
from srlib.util.errors import unknown


@dataclass(frozen=True)
class Dataset:
    """folder: below the data folder. url, hash: of the archive; unpack: the folder the archive unpacks into."""

    folder: str
    count: int
    about: str
    url: str = ""
    hash: str = ""
    unpack: str = "."


EDSR_BENCHMARK = {
    "url": "https://cv.snu.ac.kr/research/EDSR/benchmark.tar",
    "hash": "md5:4ace41d33c2384b97e6b320cd0afd6ba",
}
DIV2K = "http://data.vision.ee.ethz.ch/cvl/DIV2K/"

DATASETS: dict[str, Dataset] = {
    "Set5": Dataset("benchmark/Set5/HR", 5, "Bevilacqua et al. 2012", **EDSR_BENCHMARK),
    "Set14": Dataset("benchmark/Set14/HR", 14, "Zeyde et al. 2010", **EDSR_BENCHMARK),
    "B100": Dataset("benchmark/B100/HR", 100, "Martin et al. 2001, 100 test images of BSDS300", **EDSR_BENCHMARK),
    "Urban100": Dataset("benchmark/Urban100/HR", 100, "Huang et al. 2015", **EDSR_BENCHMARK),
    "DIV2K-train": Dataset(
        "DIV2K_train_HR",
        800,
        "Timofte et al. 2017",
        DIV2K + "DIV2K_train_HR.zip",
        "md5:bdc2d9338d4e574fe81bf7d158758658",
    ),
    "DIV2K-valid": Dataset(
        "DIV2K_valid_HR",
        100,
        "Timofte et al. 2017",
        DIV2K + "DIV2K_valid_HR.zip",
        "md5:9fcdda83005c5e5997799b69f955ff88",
    ),
    "bsd400": Dataset("train/bsd400", 400, "BSDS500 train + test (Arbelaez et al. 2011); bring your own copy"),
}

EMBEDDED = (
    "astronaut",
    "chelsea",
    "coffee",
    "rocket",
    "immunohistochemistry",
    "stereo_motorcycle",
    "colorwheel",
    "hubble_deep_field",
    "retina",
)


class MissingDataset(FileNotFoundError):
    """A known data set that is not on this machine; the message names the command that fetches it."""


@dataclass(frozen=True)
class Picture:
    """One image of a data set: its name and how to read it as RGB uint8 (H, W, 3)."""

    name: str
    read: Callable[[], np.ndarray]
    path: Path | None = None


def pictures(dataset: str | Path, *, exclude: Sequence[str] = ()) -> list[Picture]:
    """The images of a data set by name or folder, sorted by name. `exclude`: image names (without suffix) to leave out.

    MissingDataset if a known set is not there; ValueError if the name is unknown or the folder holds no images.
    """
    if dataset == "embedded":
        found = [Picture(name, lambda name=name: embedded(name)) for name in EMBEDDED]
    else:
        folder = locate(dataset)
        found_files = sorted(
            p for p in folder.iterdir() if p.suffix.lower() in files.SUFFIXES and not p.name.startswith(".")
        )
        if not found_files:
            raise ValueError(f"no images in {folder} (looked for {', '.join(files.SUFFIXES)})")
        found = [Picture(p.stem, lambda p=p: files.read(p), p) for p in found_files]
    missing = set(exclude) - {p.name for p in found}
    if missing:
        raise ValueError(f"cannot leave out {', '.join(sorted(missing))}: no such image in {dataset}")
    return [p for p in found if p.name not in exclude]


def embedded(name: str) -> np.ndarray:
    """A colour image out of scikit-image's wheel, RGB uint8. ValueError with the names that there are."""
    import skimage.data

    if name not in EMBEDDED:
        raise ValueError(f"no image {name!r} in scikit-image's wheel; it has {', '.join(EMBEDDED)}")

    image = getattr(skimage.data, name)()
    return np.ascontiguousarray((image[0] if isinstance(image, tuple) else image)[..., :3])


def locate(dataset: str | Path) -> Path:
    """The folder of a data set. MissingDataset or ValueError with what to do if it is not there."""
    if str(dataset) in DATASETS:
        folder = paths.data() / DATASETS[str(dataset)].folder
        if not has_images(folder):
            raise MissingDataset(f"data set {dataset} is not in {folder}; {how_to_fetch(str(dataset))}")
        return folder
    folder = Path(dataset).expanduser()
    for candidate in (folder, paths.data() / folder):
        if candidate.is_dir():
            return candidate
    if folder.is_file():
        raise ValueError(f"{dataset} is a file; a data set is a folder of images or one of {', '.join(DATASETS)}")
    raise unknown("data set or folder", str(dataset), ["embedded", *DATASETS])


def how_to_fetch(dataset: str) -> str:
    if not DATASETS[dataset].url:
        return f"it has no download here ({DATASETS[dataset].about}): put the images there, or set SRLIB_DATA"
    return f"fetch it with: srlib data {dataset} (or set SRLIB_DATA to the folder that has it)"


def at_hand(names: Sequence[str] = tuple(DATASETS)) -> list[str]:
    """Which of these data sets can be read on this machine."""
    return [name for name in names if name == "embedded" or has_images(paths.data() / DATASETS[name].folder)]


def listing() -> pd.DataFrame:
    """The data sets: name, images, whether it is at hand or can be fetched, folder."""
    rows = []
    for name, dataset in DATASETS.items():
        state = "at hand" if name in at_hand() else "can be fetched" if dataset.url else "bring your own copy"
        rows.append((name, dataset.count, state, paths.shown(paths.data() / dataset.folder)))
    return pd.DataFrame(rows, columns=["data set", "images", "state", "folder"])


def has_images(folder: Path) -> bool:
    return folder.is_dir() and any(p.suffix.lower() in files.SUFFIXES for p in folder.iterdir())


def split(names: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Data sets at hand, and for each missing one the sentence that says how to get it."""
    here = at_hand([n for n in names if n == "embedded" or n in DATASETS])
    here += [n for n in names if n != "embedded" and n not in DATASETS and locate(n)]
    return [n for n in names if n in here], {n: how_to_fetch(n) for n in names if n not in here}


def provided_path(dataset: str, name: str, scale: float) -> Path | None:
    """The file of the LR image that comes with a set, or None: {..}LR_bicubic/X{scale}/{name}x{scale}.*, beside {..}HR."""
    if dataset not in DATASETS or float(scale) != int(scale):
        return None
    hr = locate(dataset)
    folder = hr.parent / hr.name.replace("HR", "LR_bicubic") / f"X{int(scale)}"
    candidates = (folder / f"{name}x{int(scale)}{suffix}" for suffix in files.SUFFIXES)
    return next((path for path in candidates if path.is_file()), None)


def provided_lr(dataset: str, name: str, scale: float) -> np.ndarray | None:
    """The LR image that comes with a set, RGB uint8, or None."""
    path = provided_path(dataset, name, scale)
    return None if path is None else files.read(path)


def fetch(name: str) -> Path:
    """Download a data set (with progress, checked against its hash), unpack it, and return its folder."""
    import pooch

    if name not in DATASETS:
        raise unknown("data set", name, list(DATASETS))
    dataset, root = DATASETS[name], paths.data()
    if not dataset.url:
        raise MissingDataset(f"{name}: {how_to_fetch(name)}")
    folder = root / dataset.folder
    if has_images(folder):
        return folder
    archive = dataset.url.rsplit("/", 1)[1]
    try:
        path = Path(pooch.retrieve(dataset.url, dataset.hash, fname=archive, path=root / "downloads", progressbar=True))
    except ValueError as error:  # pooch's word for a hash that does not match
        raise ValueError(f"{archive} arrived damaged or has changed at its source: {error}") from error
    except OSError as error:  # requests' errors are OSErrors
        raise MissingDataset(
            f"could not download {name} from {dataset.url} ({type(error).__name__}: {error}). "
            f"Check the connection and the space in {root}, or put the images into {folder} yourself"
        ) from error
    with atomic.disk(root, root):
        unpack(path, root)
    if not has_images(folder):
        raise MissingDataset(f"{archive} did not unpack to {folder}; look into {root}")
    return folder


def unpack(archive: Path, root: Path) -> None:
    """Unpack next to the data, then move folders into place, so that a broken unpacking leaves no half data set."""
    scratch = root / "downloads" / f"{archive.stem}.unpacking"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        if archive.suffix == ".zip":
            shutil.unpack_archive(archive, scratch)
        else:
            with tarfile.open(archive) as tar:
                tar.extractall(scratch, filter="data")
        merge(scratch, root)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def merge(source: Path, target: Path) -> None:
    """Move what lies in `source` into `target`, keeping what is there already."""
    for item in source.iterdir():
        place = target / item.name
        if place.is_dir() and item.is_dir():
            merge(item, place)
        elif not place.exists():
            item.replace(place)
