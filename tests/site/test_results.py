"""What the book reads in a results folder."""

import json
import math
import re

import pandas as pd
import pytest

from srlib.site import board, census, html, notebooks, results
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


@pytest.mark.parametrize(
    "text, said",
    [("('B100', 'Set5')", "B100, Set5"), ("('Set5',)", "Set5"), ("(c - a)", "(c - a)"), ("it's", "it&#x27;s")],
)
def test_a_list_in_a_csv_is_shown_as_words(text, said):
    assert html.number(text) == said


def test_a_scale_is_shown_as_it_is():
    text = html.table(pd.DataFrame({"scale": [2.0, 3.7], "psnr": [31.0, 3.7]}))
    assert re.findall(r"<td class=n>([^<]*)</td>", text) == ["2", "31", "3.7", "3.700"]


@pytest.mark.parametrize("value, said", [(float("inf"), "∞"), (-float("inf"), "−∞"), (float("nan"), "–"), (-2.0, "−2")])
def test_a_number_as_people_read_it(value, said):
    assert html.number(value) == said


def test_the_picture_of_claims_has_interval_value_and_verdict(run):
    text = html.forest(run, depth=0)
    assert text.count('<li><span class="what">') == 2
    assert "−0.070 dB [−0.090, −0.050]" in text
    assert "paper 0.040" in text
    assert "contradicted" in text
    assert 'href="papers/diif.html#diif-table2"' in text


@pytest.fixture(scope="module")
def claims():
    return results.run().claims


def test_every_interval_is_seen_on_its_axis(claims):
    """Beside the paper's value, however far that lies."""
    shown = claims[claims["low"] < claims["high"]]
    assert len(shown) > 80
    for _, row in shown.iterrows():
        at, text = html.axis_of(row), html.forest_row(row, 0)
        wide = float(re.search(r'5h([\d.]+)v8h-[\d.]+z" fill="#\w+" class="bar"', text)[1])
        assert wide >= 3, row["claim"]
        assert abs(wide - max(3, at(row["high"]) - at(row["low"]))) < 0.2, row["claim"]
        inside = [at.ends[0] <= row[name] <= at.ends[1] for name in ("value", "printed") if math.isfinite(row[name])]
        assert all(inside), row["claim"]


def test_where_a_claim_holds_is_shaded_up_to_its_bound(claims):
    row = claims[claims["claim"].str.startswith("DIIF not inferior to LIIF at its lower cost, in scale")].iloc[0]
    at, text = html.axis_of(row), html.forest_row(row, 0)
    assert row["least"] == -0.05
    assert f'<path d="M{at(-0.05)} 1H{html.WIDTH}V17H{at(-0.05)}z" class="holds"/>' in text
    assert f'<path d="M{at(0)} 3v12" class="zero"/>' in text


@pytest.mark.parametrize(
    "unit, low, high, printed, ends",
    [
        ("dB", -0.004, 0.008, 0.03, (-0.03, 0.03)),
        ("times", 0.8, 470.0, 10.5, (0.05, 20)),
        ("times", 2, 3, 4, (0.25, 4)),
    ],
)
def test_an_axis_ends_in_round_numbers(unit, low, high, printed, ends):
    demanded = {"dB": 0.0, "times": 1.0}[unit]
    row = pd.Series({"unit": unit, "low": low, "high": high, "value": low, "printed": printed, "demanded": demanded,
                     "least": demanded, "most": math.nan})  # fmt: skip
    assert html.axis_of(row).ends == pytest.approx(ends)


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
        ("idm above sr3 at ×8: nearness to the original's sharpness, |1 − detail| less", "idm above sr3 at ×8, sharpness"),
        ("[s z] costs no more parameters than [m z]: (e) less (c)", "[s z] costs no more parameters than [m z], (e) less (c)"),
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


def test_costs_are_those_of_a_rows_scale():
    rows = board.board(results.run()).drop_duplicates(["model", "scale"]).set_index(["model", "scale"])
    for scale, side in ((2.5, 120), (8, 384)):
        counted = census.macs("compact-liif", scale, literal=True) / side**2 / 1e3
        assert rows.loc[("compact-liif", scale), "macs_literal"] == counted
    assert (
        rows.loc["compact-liif", "macs_fast"].sort_index().is_monotonic_decreasing
    )  # the encoder's share of a pixel shrinks
    assert rows.loc[("compact-x4", 4), "macs_literal"] > 0
    assert math.isnan(board.macs("compact-x4", 3, literal=True))
    assert math.isnan(board.macs("a-file", 4, literal=True))


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
