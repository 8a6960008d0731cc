"""The README says what is so: its commands, its links, its numbers."""

import re
import shlex

import pandas as pd
import pytest
import torch
from prose import COMPACT, REFERENCE, RUNS, numbers, paragraphs, printed, read

from srlib import cli
from srlib.models import ModelName
from srlib.util import paths
from srlib.workbook import plan

README = (paths.ROOT / "README.md").read_text()
MAKEFILE = (paths.ROOT / "Makefile").read_text()
PLACES = ("README.md", "data/README.md", "notebooks/README.md", "results/README.md", "results/reference/README.md")
PAGES = [paths.ROOT / place for place in PLACES]
SECTIONS = dict(re.findall(r"^## (.*)\n((?:(?!## ).*\n)*)", README, re.MULTILINE))


def anchors(page: str) -> set[str]:
    """What a heading can be linked by."""
    return {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in re.findall(r"^#+ (.*)$", page, re.M)}


def test_it_is_short():
    assert len(README.split()) < 1200


@pytest.mark.parametrize(
    "target", sorted(set(re.findall(r"(?:^|`|\w )make ([a-z-]+)(?=[ `\n])", README, re.MULTILINE)))
)
def test_every_make_command_exists(target):
    assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE)


COMMANDS = {
    line.partition("  #")[0]
    for page in (*PAGES, paths.ROOT / "CHANGELOG.md")
    for block in [
        *re.findall(r"^```\n(.*?)^```", page.read_text(), re.M | re.S),
        *re.findall(r"`(srlib [a-z]+ .*?)`", page.read_text()),
    ]
    for line in block.splitlines()
    if line.startswith("srlib ")
}


@pytest.mark.parametrize("line", sorted(COMMANDS))
def test_every_command_is_understood(line):
    """The names of commands and options, and the kinds of their values; nothing is run."""
    command, bound, _ = cli.app.parse_args(shlex.split(line)[1:], exit_on_error=False, print_error=False)
    assert callable(command)
    for word in bound.arguments.get("parameters") or []:
        cli.pair(word)


@pytest.mark.parametrize(
    "page, link", [(page, link) for page in PAGES for link in re.findall(r"\]\(([^)]+)\)", page.read_text())]
)  # fmt: skip
def test_every_linked_place_exists(page, link):
    file, _, anchor = link.partition("#")
    target = page.parent / file if file else page
    assert link.startswith("https://") or target.exists()
    assert not anchor or anchor in anchors(target.read_text())


def test_every_link_of_the_tree_is_there():
    """What "Where things are" names."""
    named = [
        name
        for row in SECTIONS["Where things are"].splitlines()
        for name in re.findall(r"`([^`]+)`", row[: row.find("|", 2)])
    ]
    roots = (paths.ROOT, paths.ROOT / "srlib")
    assert [name for name in named if not any((root / name).exists() for root in roots)] == []


def test_its_python_runs(set5, rgb):
    (code,) = re.findall(r"^```python\n(.*?)^```", SECTIONS["Enlarge a picture"], re.MULTILINE | re.DOTALL)
    names = {"image": rgb, "lr": torch.rand(1, 3, 8, 8), "H": 20, "W": 24}
    exec(code, names)
    assert names["bigger"].shape == (63, 85, 3)
    assert names["sr"].shape == (1, 3, 20, 24)


def test_the_headline_table_is_the_reference_run():
    """Every number repeats results/reference, to the digit."""
    scores = read("diif/table2/scores.csv")
    scores = scores.assign(label=scores["model"].map(lambda name: ModelName.of(name).label))
    value = scores.set_index(["dataset", "label", "scale"])["psnr"]
    (found,) = [part for part in paragraphs(SECTIONS["What came out"]) if part.startswith("| ×2 / ×3 / ×4 |")]
    head, _, *body = [[cell.strip() for cell in line.strip("|").split("|")] for line in found.splitlines()]
    labels = {name: [f"EDSR ×{s}" if name == "EDSR" else name for s in (2, 3, 4)] for name, *_ in body}
    expected = [
        [
            name,
            *(
                " / ".join(f"{value[d, label, s]:.2f}" for label, s in zip(of, (2, 3, 4), strict=True))
                for d in head[1:]
            ),
        ]
        for name, of in labels.items()
    ]
    assert (head[1:], body) == (["Set5", "Set14", "B100", "Urban100"], expected)


def test_the_models_are_as_small_as_it_says():
    parameters = read("claims/points.csv")["parameters"] / 1e6
    (intro,) = [part for part in paragraphs(SECTIONS["What came out"]) if part.startswith("Luma PSNR")]
    said = numbers(intro)
    assert said == [
        printed(value, like) for value, like in zip((parameters.min(), parameters.max()), said, strict=True)
    ]


def test_no_other_number_is_said_of_what_came_out():
    others = [part for part in paragraphs(SECTIONS["What came out"]) if not part.startswith(("|", "Luma PSNR"))]
    assert [numbers(part) for part in others if numbers(part)] == []


@pytest.mark.parametrize("name", RUNS)
def test_reference_runs_are_whole(name):
    assert len(pd.read_csv(COMPACT / name / "checks.csv"))
    assert (COMPACT / name / "run.json").exists()


def test_the_reference_has_what_the_pages_name():
    """README, FINDINGS and the book; a notebook that was listed since has no run there yet."""
    pages = [paths.ROOT / "README.md", paths.RESULTS / "FINDINGS.md", *(paths.ROOT / "book").rglob("*.md")]
    text = "\n".join(page.read_text() for page in pages)
    named = [name for name in plan.listed() if re.search(rf"""(?:["'(]|compact/|notebooks/){name}[/"'.]""", text)]
    assert len(named) > 20
    assert [name for name in named if name not in RUNS] == []


NOTEBOOKS = [paths.NOTEBOOKS / f"{name}.ipynb" for name in plan.listed()]
PUBLIC = [*REFERENCE.glob("**/*.csv"), *REFERENCE.glob("**/*.json"), *NOTEBOOKS, *PAGES]


@pytest.mark.parametrize("place", PUBLIC, ids=lambda path: path.relative_to(paths.ROOT).as_posix())
def test_no_path_of_a_machine_is_published(place):
    assert not re.search(r"(?<![\w$.])/(?:home|root|work|tmp|Users|mnt|opt)/", place.read_text())
