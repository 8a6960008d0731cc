"""The README says what is so: its index, its commands and its numbers."""

import re

import pandas as pd

from srlib import paths, report, run

README = (paths.ROOT / "README.md").read_text()
REFERENCE = paths.RESULTS / "reference" / "quick"


def test_every_notebook_is_in_the_index():
    indexed = re.findall(r"^\|[^|]*\| `(\w+)` \|", README, re.MULTILINE)
    assert sorted(indexed) == run.notebooks()


def test_every_make_command_exists():
    targets = set(re.findall(r"^([a-z-]+):", (paths.ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z]+)\b(?! alone)", README)) - {"are"} <= targets


def test_every_linked_file_exists():
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        assert link.startswith("http") or (paths.ROOT / link).exists(), link


def test_set5_table_is_the_reference_runs():
    """The headline table repeats results/reference, to the digit."""
    scores = pd.read_csv(REFERENCE / "diif_table2" / "scores.csv").query("dataset == 'Set5'")
    header, *rows = re.findall(r"^\| (?:Set5|Bicubic|LIIF \(compact\)|DIIF \(compact\)) \|.*$", README, re.MULTILINE)
    scales = [float(s) for s in re.findall(r"×(\d+)", header)]
    for row in rows:
        name, *values = [cell.strip() for cell in row.strip("|").split("|")]
        decoder = name.split()[0].lower()
        some = scores[scores["model"].map(report.method) == decoder].set_index("scale")["psnr"]
        assert [f"{some[s]:.2f}" for s in scales] == values


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
