"""The README says what is so: its index, its commands and its numbers."""

import re

import pandas as pd

from srlib.util import paths

README = (paths.ROOT / "README.md").read_text()
REFERENCE = paths.RESULTS / "reference" / "compact"


def test_every_notebook_is_in_the_index():
    indexed = re.findall(r"^\|[^|]*\| `(\w+)` \|", README, re.MULTILINE)
    assert sorted(indexed) == run.notebooks()


def test_every_make_command_exists():
    targets = set(re.findall(r"^([a-z-]+):", (paths.ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z]+)\b(?! alone)", README)) - {"are"} <= targets


def test_every_linked_file_exists():
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        assert link.startswith("http") or (paths.ROOT / link).exists(), link


def test_the_headline_table_is_the_reference_run():
    """Every number repeats results/reference, to the digit; an empty cell is one that was not measured."""
    scores = pd.read_csv(REFERENCE / "diif_table2" / "scores.csv")
    scores["label"] = scores["model"].map(report.label)
    value = scores.set_index(["dataset", "label", "scale"])["psnr"]
    ((header, sets, body),) = re.findall(r"^\| (×2 [×/ \d]+) \|(.*)\|\n\|[-|]+\n((?:\|.*\n)+)", README, re.MULTILINE)
    scales, sets = [float(s) for s in re.findall(r"×(\d+)", header)], [name.strip() for name in sets.split("|")]
    assert len(body.splitlines()) == 8 and sets == ["Set5", "Set14", "B100", "Urban100"]
    for row in body.splitlines():
        name, *cells = [cell.strip(" *") for cell in row.strip("|").split("|")]
        for dataset, cell in zip(sets, cells, strict=True):
            labels = [f"EDSR ×{scale:g}" if name == "EDSR" else name for scale in scales]  # a network for each scale
            expected = [value.get((dataset, label, scale)) for label, scale in zip(labels, scales, strict=True)]
            assert cell == " / ".join("" if x is None else f"{x:.2f}" for x in expected), (dataset, name)


def test_reference_runs_are_whole():
    for name in run.notebooks():
        checks = pd.read_csv(REFERENCE / name / "checks.csv")
        assert len(checks) and (REFERENCE / name / "run.json").exists()


def test_no_path_of_a_machine_is_published():
    for place in [
        *paths.RESULTS.glob("reference/**/*.csv"),
        *paths.RESULTS.glob("reference/**/*.json"),
        *paths.NOTEBOOKS.glob("*.ipynb"),
    ]:
        assert not re.search(r"(?<![\w$.])/(?:home|root|work|tmp|Users|mnt|opt)/", place.read_text()), place
