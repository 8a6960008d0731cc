import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from srlib import data
from srlib.models import DECODERS, TAILS, Model, build
from srlib.models.diffusion import Diffusion
from srlib.models.encoders import EDSR
from srlib.models.idm import ImplicitUNet, LRConditioning
from srlib.models.unet import Shape


def pytest_addoption(parser):
    parser.addoption(
        "--device", action="append", choices=["cpu", "cuda", "mps"],
        help="where the numerical tests run, once for each; by default on every device that is here",
    )  # fmt: skip


def devices_here() -> list[str]:
    """The CPU, and what else torch sees."""
    here = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    return [name for name, there in here.items() if there]


def pytest_configure(config):
    if odd := set(config.getoption("--device") or ()) - set(devices_here()):
        raise pytest.UsageError(f"torch sees no {', '.join(odd)} here")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False  # or nothing agrees to 1e-4
    if os.environ.get("PYTEST_XDIST_WORKER"):
        torch.set_num_threads(1)  # two processes share the cores


LONGEST = ("test_notebooks.py", "test_book.py")  # first, so that no process ends alone


def pytest_collection_modifyitems(items):
    """Files that take longest come first."""
    items.sort(key=lambda item: LONGEST.index(item.path.name) if item.path.name in LONGEST else len(LONGEST))


def pytest_itemcollected(item):
    """Marks what runs on every device, so that -m device chooses it."""
    if {"device", "other_device"} & set(item.fixturenames):
        item.add_marker("device")


def pytest_generate_tests(metafunc):
    """device: the CPU and every other; other_device: those others (where there is none, the test is skipped)."""
    asked = metafunc.config.getoption("--device") or devices_here()
    if "device" in metafunc.fixturenames:
        metafunc.parametrize("device", asked)
    if "other_device" in metafunc.fixturenames:
        metafunc.parametrize("other_device", [name for name in asked if name != "cpu"])


def tiny(decoder: str, seed: int = 0) -> Model:
    """A twin of a model with 8 channels, one block and 16 hidden units; "bicubic" too."""
    if decoder == "bicubic":
        return build("bicubic")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        record = (DECODERS | TAILS)[decoder]
        return Model(f"tiny-{decoder}", EDSR(8, 1), record.make(8, 16)).eval()


def tiny_idm(name: str = "tiny-idm", seed: int = 0) -> Diffusion:
    """A twin of idm-small with 8 channels and two levels."""
    shape = Shape(width=8, multipliers=(1, 2), blocks=1, groups=4, dropout=0.0, residual=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Diffusion(name, LRConditioning(8, 1), ImplicitUNet(shape)).eval()
        for p in model.parameters():  # fresh ones end in zeros
            p.data.add_(0.1 * torch.randn_like(p))
    return model.requires_grad_(False)


@pytest.fixture(scope="session")
def book(tmp_path_factory):
    """The folder of the book of the reference results, built once; or $BOOK, one that was built before."""
    from srlib.site import build

    if built := os.environ.get("BOOK"):
        return Path(built).resolve()
    return build.build(out=tmp_path_factory.mktemp("book") / "site").parent


@pytest.fixture
def no_data(tmp_path, monkeypatch):
    """A data folder with nothing in it."""
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("SRLIB_DATA", str(folder))
    return folder


@pytest.fixture
def set5(no_data):
    """A stand-in for Set5 under $SRLIB_DATA: two small crops of an embedded photograph."""
    folder = no_data / "benchmark" / "Set5" / "HR"
    folder.mkdir(parents=True)
    photograph = data.embedded("astronaut")
    for i, name in enumerate(("a", "b")):
        Image.fromarray(photograph[40 * i : 40 * i + 97, 100:183]).save(folder / f"{name}.png")
    return folder


@pytest.fixture
def rgb():
    return np.random.default_rng(0).integers(0, 256, (17, 23, 3), dtype=np.uint8)
