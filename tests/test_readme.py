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


def test_headline_tables_are_the_reference_runs():
    """Each table of a data set repeats results/reference, to the digit; an empty cell is one that was not measured."""
    scores = pd.read_csv(REFERENCE / "diif_table2" / "scores.csv")
    scores["label"] = scores["model"].map(report.label)
    tables = re.findall(r"^\| (Set5|Set14|B100|Urban100) \|(.*)\|\n\|[-|]+\n((?:\|.*\n)+)", README, re.MULTILINE)
    assert tables
    for dataset, header, body in tables:
        scales = [float(s) for s in re.findall(r"×(\d+)", header)]
        value = scores[scores["dataset"] == dataset].set_index(["label", "scale"])["psnr"]
        for row in body.splitlines():
            name, *cells = [cell.strip(" *") for cell in row.strip("|").split("|")]
            for scale, cell in zip(scales, cells, strict=True):
                names = [f"EDSR ×{scale:g}"] if name == "EDSR" else [name]  # EDSR is a network for each scale
                some = value.reindex([(n, scale) for n in names]).dropna()
                assert cell == (f"{some.iloc[0]:.2f}" if len(some) else ""), (dataset, name, scale)


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
