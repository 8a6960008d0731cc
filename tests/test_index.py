"""notebooks/README.md lists the notebooks of profiles/quick.yaml: title, command, minutes, results.

After a change of the profile, or of results/reference/quick.csv: PYTHONPATH=tests python tests/test_index.py
"""

import re

import pandas as pd
import pytest
from prose import COMPACT, REFERENCE, RUNS

from srlib.util import paths
from srlib.workbook import execute, plan

PAGE = paths.NOTEBOOKS / "README.md"
MINUTES = REFERENCE / "quick.csv"
BOUNDS = re.compile(
    r"(?<=<!-- index: from profiles/quick.yaml and results/reference -->\n).*(?=<!-- end of index -->)", re.S
)

# The first place to look, where it is not the table of that name, the means or, without a reference run, the conclusion.
FIRST = {
    "bicubic_check": ["diinn_table1_bicubic.csv"],
    "claims": ["all_claims.png", "claims.csv"],
    "deep_zoom": ["windows.csv", "views.png"],
    "diif/figure6": ["crops.png"],
    "diif/figure7": ["seam_means.png", "seams.csv"],
    "diif/table3": ["table3.csv", "times.csv"],
    "diinn/figure4": ["patch.png"],
    "diinn/table4": ["table4.csv", "times.csv"],
    "diinn/tables": ["table1.csv", "table2.csv", "table3.csv"],
    "idm/sampling": ["samplers.csv"],
    "idm/scaling_factor": ["results.csv"],
    "idm/slider": ["times.csv"],
    "later/methods": ["costs.csv", "savings.csv"],
    "inside_diif": ["costs.csv", "slicing.png"],
    "inside_diinn": ["layers.csv", "layers.png"],
    "inside_idm": ["shares.csv", "steps.png"],
    "quickstart": ["scores.csv"],
    "scale_slider": ["times.csv"],
    "speed": ["conditions.csv", "per_pixel.png"],
    "touch": ["pictures.csv"],
    "train": ["log.csv"],
}


def first(name: str) -> list[str]:
    last = name.rpartition("/")[2]
    usual = f"{last}.csv" if last.startswith("table") else "means.csv"
    return FIRST.get(name) or [usual if name in RUNS else "checks.csv"]


def index() -> str:
    """The table, a line for each notebook of the profile."""
    taken = pd.read_csv(MINUTES).set_index("notebook")["minutes"] if MINUTES.exists() else {}
    lines = ["| what | notebook | command | minutes | first look |", "|---|---|---|---|---|"]
    for name, record in plan.profile("quick")["notebooks"].items():
        look = ", ".join(f"`{file}`" for file in first(name))
        minutes = f"{taken[name]:.1f}" if name in taken else ""
        lines.append(
            f"| {record.get('title', name)} | [`{name}`]({name}.ipynb) | `srlib run {name}` | {minutes} | {look} |"
        )
    if "all" in taken:
        lines.append(f"| all together, on {device()} | | `make reproduce` | {taken['all']:.1f} | |")
    return "\n".join(lines) + "\n"


def device() -> str:
    """The machine that the minutes are of."""
    return str(pd.read_csv(MINUTES)["device"].iloc[-1])


(INDEX,) = BOUNDS.findall(PAGE.read_text())


def test_the_index_says_what_the_profile_says():
    """Line by line; a notebook that was listed since has none until the index is written again."""
    assert len(INDEX.splitlines()) > 20
    assert [line for line in INDEX.splitlines() if line not in index().splitlines()] == []


@pytest.mark.parametrize("name", [name for name in RUNS if f"[`{name}`]" in INDEX])
def test_the_first_look_is_there(name):
    assert all((COMPACT / name / file).exists() for file in first(name))


@pytest.mark.skipif(not MINUTES.exists(), reason="no run of the quick profile has been written down: make minutes")
def test_the_readme_says_what_the_quick_profile_took():
    minutes = pd.read_csv(MINUTES).set_index("notebook")["minutes"]["all"]
    assert f"{minutes:.0f} minutes on {device()}" in " ".join((paths.ROOT / "README.md").read_text().split())


def test_minutes_are_those_of_measurements_and_pages(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "MEASUREMENTS", tmp_path)
    monkeypatch.setattr("srlib.util.provenance.now", lambda: "2026-01-01T10:00Z")
    from srlib.workbook import store

    kept = store.write("quality", {"a": 1}, {}, [], origin={"seconds": 120.0})
    timed = store.write("time", {"a": 1}, {}, [], origin={"seconds": 0.0, "device": "a CPU, all cores"})
    for name in ("one", "diif/two"):
        folder = tmp_path / "results" / name
        folder.mkdir(parents=True)
        said = {
            "notebook": name,
            "date": "2026-01-01T10:05Z",
            "seconds": 30.0,
            "device": "a CPU",
            "measurements": [kept.name, timed.name],
        }
        (folder / "run.json").write_text(pd.Series(said).to_json())
    rows = execute.minutes(tmp_path / "results").to_dict("list")
    assert rows == {
        "notebook": ["diif/two", "one", "all"],
        "minutes": [2.5, 2.5, 7.0],
        "device": ["a CPU", "a CPU", "a CPU, all cores"],
    }


if __name__ == "__main__":
    PAGE.write_text(BOUNDS.sub(lambda _: index(), PAGE.read_text()))
