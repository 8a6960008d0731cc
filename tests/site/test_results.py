"""What the book reads in a results folder."""

import json

import pandas as pd
import pytest

from srlib.site import board, html, notebooks, results
from srlib.site.results import Run


@pytest.fixture
def run(tmp_path):
    """A run of one notebook, whose checks have intervals."""
    folder = tmp_path / "diif" / "table2"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({"commit": "c", "date": "d", "device": "a CPU", "seconds": 1}))
    lines = {"paper": ["DIIF", "DIIF", ""], "claim": ["DIIF above LIIF: mean (paper: +0.04)", "order of times", "other"],
             "expected": ["above 0", "10 ± 2", "1"], "measured": ["-0.07", "8", "1"], "low": ["-0.09", "", "1"],
             "high": ["-0.05", "", "1"], "unit": ["dB", "times", ""],
             "verdict": ["contradicted", "not comparable", "confirmed"], "cause": ["not known", "", ""]}  # fmt: skip
    pd.DataFrame(lines).to_csv(folder / "checks.csv", index=False)
    return Run(tmp_path, "compact")


def test_claims_are_those_of_papers_with_their_numbers(run):
    rows = run.claims[["value", "demanded", "printed", "low", "high"]].astype(object)
    assert rows.where(rows.notna(), None).to_numpy().tolist() == [
        [-0.07, 0, 0.04, -0.09, -0.05], [8, 10, None, None, None]
    ]  # fmt: skip


def test_todays_and_later_verdicts_have_marks_of_their_own():
    marks = {name: html.VERDICTS[name] for name in html.VERDICTS if name != "not confirmed"}
    assert len({path for _, path in marks.values()}) == len({colour for colour, _ in marks.values()}) == len(marks) == 5


def test_a_paper_without_a_chapter_comes_last(run):
    path = run.folder / "diif" / "table2" / "checks.csv"
    lines = pd.read_csv(path)
    other = lines.iloc[:1].assign(paper="Other")
    pd.concat([other, lines]).to_csv(path, index=False)
    again = Run(run.folder, "compact")
    assert again.claims["paper"].tolist() == ["DIIF", "DIIF", "Other"]
    assert ">Other<" in html.tally(again)


@pytest.mark.parametrize("value, said", [(float("inf"), "∞"), (-float("inf"), "−∞"), (float("nan"), "–"), (-2.0, "−2")])
def test_a_number_as_people_read_it(value, said):
    assert html.number(value) == said


def test_the_picture_of_claims_has_interval_value_and_verdict(run):
    text = html.forest(run, depth=0)
    assert text.count('<li><span class="what">') == 2
    assert "−0.07000 dB [−0.09000, −0.05000]" in text
    assert "paper +0.04" in text
    assert "contradicted" in text
    assert 'href="papers/diif.html#diif-table2"' in text


def test_a_name_without_results_says_so(run):
    assert html.made(run, "diif/table1", depth=2) == "<p>This run has no results of this notebook.</p>"
    with pytest.raises(results.Missing, match="diif/table2/scores.csv is not in this run"):
        run.table("diif/table2/scores")


@pytest.mark.parametrize(
    "claim, said",
    [
        ("DIIF not below LIIF: compact-diif less compact-liif", "DIIF not below LIIF"),
        ("DIINN above LIIF: a less b, ssim, mean over (paper: +0.0025)", "DIINN above LIIF, SSIM"),
        ("LIIF / DIIF: share of the MACs saved at ×16", "LIIF / DIIF: share of the MACs saved at ×16"),
        ("DIIF more than 10 times as fast, both (paper: RTX 2080 Ti): smallest", "DIIF more than 10 times as fast, both"),
        ("cells that come out, of 23; known exceptions aside: RDN", "cells that come out, of 23"),
    ],
)  # fmt: skip
def test_a_claim_in_short(claim, said):
    assert results.short(claim) == said


def test_published_numbers_stand_beside_the_measured_ones():
    rows = board.board(results.run())
    row = rows[(rows["model"] == "compact-diif") & (rows["dataset"] == "Set14") & (rows["scale"] == 2)
               & (rows["protocol"] == "benchmark-y")].iloc[0]  # fmt: skip
    assert (row["published"], row["source"]) == (34.00, "DIIF Table 2, RDN")
    assert row["images"] == 14
    only = rows[rows["psnr"].isna()]
    assert "DIV2K-valid" in set(only["dataset"])
    assert only["published"].notna().all()


def test_speedups_are_ratios_of_seconds():
    run = results.run()
    times = run.table("diif/table3/times").set_index(["model", "path", "scale"])["seconds"]
    by_scale = run.speedups("diif/table3", "fast", "edsr-baseline-liif", "edsr-baseline-diif")
    assert by_scale[4] == times["edsr-baseline-liif", "fast", 4] / times["edsr-baseline-diif", "fast", 4]
    assert results.printed_speedups("diif", 3, "liif", "diif")[4] == pytest.approx(1.00 / 0.04)


class TestNotebook:
    def test_links_to_code_are_words_on_the_site(self):
        text = "see [`degrade.py`](../srlib/imaging/degrade.py) and [it](https://a.b/c.py)"
        assert notebooks.CODE_LINK.sub(r"\1", text) == "see `degrade.py` and [it](https://a.b/c.py)"

    def test_a_cell_has_the_files_that_it_made(self):
        found = notebooks.names('book.figure("macs", f(table))\nbook.figure(f"shipped_{suite}", g)\nbook.conclude(x)')
        assert found == [("figure", "macs"), ("figure", "shipped_*"), ("table", "checks")]

    def test_outputs_of_an_executed_one_are_shown_without_its_noise(self):
        shown = [
            notebooks.of_output(output, pictures=True)
            for output in (
                {"output_type": "stream", "name": "stderr", "text": "100%|####| 3/3"},
                {"output_type": "stream", "name": "stdout", "text": "<a> is absent"},
                {"output_type": "display_data", "data": {"text/html": "<table></table>", "text/plain": "repr"}},
                {"output_type": "execute_result", "data": {"text/plain": "<object at 0x1>"}},
                {"output_type": "display_data", "data": {"application/vnd.jupyter.widget-view+json": {}, "text/plain": "VBox"}},
            )
        ]  # fmt: skip
        assert shown[0] == shown[3] == ""
        assert shown[1] == "<pre>&lt;a&gt; is absent</pre>"
        assert "repr" not in shown[2]
        assert "JupyterLab" in shown[4]
