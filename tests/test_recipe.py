"""README's "Add a decoder", carried out: its own example, and a decoder with a fast path that is written here."""

import os
import re
import shlex
import shutil
import subprocess
import sys

import pandas as pd
import pytest
import torch
from conftest import tiny

from srlib import cli, workbook
from srlib.evaluate import mean_scores
from srlib.models import DECODERS, build
from srlib.models.base import Decoder
from srlib.models.catalogue import DecoderRecord
from srlib.util import paths

README = (paths.ROOT / "README.md").read_text()
RECIPE = re.search(r"^## Add a decoder\n(.*?)^## ", README, re.MULTILINE | re.DOTALL)[1]
(EXAMPLE,) = re.findall(r"```python\n(.*?)```", RECIPE, re.DOTALL)
(RECORD,) = re.findall(r"`\"nearest\": (DecoderRecord\(.*?\)),`", RECIPE)
TRAIN, RUN = (shlex.split(line) for line in re.findall(r"^srlib (.*)$", RECIPE, re.MULTILINE))

# The same decoder; the code's share of the first layer is made once a code, not once a pixel.
WITH_FAST_PATH = """
import torch
import torch.nn.functional as F

from srlib.models.base import Decoder
from srlib.models.geometry import nearest_code, relative
from srlib.models.layers import gather


class Nearest(Decoder):
    reach = 0

    def __init__(self, channels, hidden):
        super().__init__()
        self.first = torch.nn.Linear(channels + 2, hidden)
        self.last = torch.nn.Linear(hidden, 3)

    def reference(self, features, grid):
        place = self.places(features, grid)

        def decode_rows(k):
            z, p = place(features.permute(0, 2, 3, 1), k)
            return self.last(F.relu(self.first(torch.cat([z, p.expand(*z.shape[:-1], 2)], -1))))

        return decode_rows

    def fast(self, features, grid):
        content, position = self.first.weight.split([features.shape[1], 2], dim=1)
        codes = F.conv2d(features, content[:, :, None, None], self.first.bias).permute(0, 2, 3, 1)
        place = self.places(features, grid)

        def decode_rows(k):
            z, p = place(codes, k)
            return self.last(F.relu(z + F.linear(p, position)))

        return decode_rows

    def places(self, features, grid):
        rows, columns = (nearest_code(n, out) for n, out in zip(grid.lr, grid.size))
        columns = columns[grid.span]
        x = relative(torch.arange(grid.size[1])[grid.span], grid.size[1], columns, grid.lr[1])

        def place(codes, k):
            y = relative(k, grid.size[0], rows[k], grid.lr[0])
            p = torch.stack(torch.meshgrid(y, x, indexing="ij"), -1).to(codes)
            return gather(codes, rows[k] - grid.top, columns - grid.left), p

        return place
"""


@pytest.fixture(params=[EXAMPLE, WITH_FAST_PATH], ids=["README's example", "one with a fast path"])
def nearest(request, tmp_path, monkeypatch):
    """The decoder as a module of its own, and in the catalogue by README's record."""
    (tmp_path / "nearest.py").write_text(request.param)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "nearest", raising=False)
    from nearest import Nearest

    record = eval(RECORD, {"DecoderRecord": DecoderRecord, "Nearest": Nearest})
    monkeypatch.setitem(DECODERS, "nearest", record)
    for folder in ("RUNS", "MEASUREMENTS", "RESULTS"):
        monkeypatch.setattr(paths, folder, tmp_path / folder)
    yield Nearest
    del sys.modules["nearest"]


@pytest.mark.parametrize("option", Decoder.__annotations__)
def test_the_recipe_names_every_option(option):
    assert re.search(rf"^    {option} = .*  # ", EXAMPLE, re.MULTILINE)


@pytest.mark.parametrize("method", [name for name in vars(Decoder) if not name.startswith("_")])
def test_the_recipe_names_every_method(method):
    assert method in Decoder.__annotations__ or re.search(rf"(also:|;|def) {method}\b", EXAMPLE)


@pytest.mark.parametrize("lr, size", [((7, 9), (16, 25)), ((5, 6), (5, 6)), ((9, 7), (4, 20)), ((3, 2), (90, 60))])
@torch.no_grad()
def test_its_two_paths_are_equal(nearest, lr, size):
    model = tiny("nearest")
    features = model.encode(torch.rand(2, 3, *lr, generator=torch.Generator().manual_seed(1)))
    fast, literal = model.decode(features, size), model.decode(features, size, literal=True)
    assert (fast - literal).abs().max() <= 1e-5 * literal.std().clamp(min=1e-3)


@pytest.mark.parametrize("encoder", ["compact", "edsr-baseline", "rdn"])
def test_it_exists_on_every_encoder(nearest, encoder):
    with torch.device("meta"):
        assert isinstance(build(f"{encoder}-nearest").decoder, nearest)


def smaller(words: list[str], folder: object) -> list[str]:
    """README's training, in three small steps, on the images of a folder."""
    said = dict(zip(words[2::2], words[3::2], strict=True))
    assert set(said) == {"--like", "--steps", "--frozen", "--data"}
    said |= {"--steps": "3", "--frozen": "2", "--data": str(folder), "--batch": "1", "--patch": "12", "--pixels": "100"}
    return [*words[:2], *(word for pair in said.items() for word in pair)]


def test_it_is_trained_and_has_its_row_in_a_table(nearest, set5):
    """README's two commands, the first with fewer steps, the second without its notebook and on fewer images."""
    assert cli.main(smaller(TRAIN, set5)) == 0
    _, notebook, _, asked = RUN
    book = workbook.open(notebook, "smoke", dict([cli.pair(asked)]))
    scores = mean_scores(book.scores()).set_index("model")["psnr"]
    assert set(scores.index) == {"bicubic", "compact-liif", "compact-nearest"}
    assert scores.between(5, 60).all()


@pytest.mark.slow
def test_three_files_are_touched_in_a_copy_of_the_project(tmp_path, set5):
    """Step by step, as a stranger would: in a copy of the project, by the commands as README prints them."""
    for part in ("srlib", "notebooks", "profiles", "data/weights", "tests"):
        shutil.copytree(paths.ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()}

    def run(*words: str, **environment: str) -> None:
        environment = os.environ | {"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"} | environment
        done = subprocess.run([sys.executable, *words], cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-4000:]

    (tmp_path / "srlib/models/nearest.py").write_text(EXAMPLE)
    catalogue = tmp_path / "srlib/models/catalogue.py"
    text = catalogue.read_text().replace(
        "\nDECODERS: dict", "\nfrom srlib.models.nearest import Nearest\n\nDECODERS: dict"
    )
    catalogue.write_text(text.replace('\n    "liif": ', f'\n    "nearest": {RECORD},\n    "liif": ', 1))
    (golden,) = re.findall(r"`PYTHONPATH=tests python (\S+)`", RECIPE)
    run(golden, PYTHONPATH=f"{tmp_path}{os.pathsep}{tmp_path / 'tests'}")
    changed = [path for path in tmp_path.rglob("*.*") if path.is_file() and before.get(path) != path.read_bytes()]
    named = {"srlib/models/nearest.py", "srlib/models/catalogue.py", "tests/models/golden.json"}
    assert {path.relative_to(tmp_path).as_posix() for path in changed} == named

    run("-m", "srlib", *smaller(TRAIN, set5))
    run("-m", "srlib", *RUN, "-p", "profile=smoke")
    scores = pd.read_csv(tmp_path / "results" / "interactive" / "diif" / "table2" / "scores.csv")
    assert "compact-nearest" in set(scores["model"])
