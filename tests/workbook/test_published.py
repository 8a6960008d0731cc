"""The papers' numbers as data, and measured ones beside them."""

import numpy as np
import pandas as pd
import pytest

from srlib import cost
from srlib.models import catalogue
from srlib.models.catalogue import ModelName
from srlib.util import paths
from srlib.workbook import published

ARBITRARY = ("metasr", "liif", "diif", "lte", "dlte")
ABLATIONS = [f"edsr-baseline-{decoder}" for decoder in published.ABLATIONS.values()]
MEASURED = ["model", "dataset", "scale", "quantity", "measured"]
# table -> what is counted for it, cells that are compared, known exceptions among them
TABLES = {
    1: ([f"{e}-{d}" for e in ("edsr-baseline", "rdn") for d in (*ARBITRARY, "x16")], (90, 160), [16], 24, 1),
    3: ([f"edsr-baseline-{d}" for d in ARBITRARY], (180, 320), [2, 3, 4, 6, 12, 18, 24], 70, 10),
    4: (ABLATIONS, (90, 160), [16], 16, 3),
}


@pytest.fixture(scope="module", params=TABLES, ids=lambda number: f"table{number}")
def costs(request):
    """A table of DIIF's costs: its number, the counted ones beside the printed ones, cells compared, known exceptions."""
    names, lr_size, scales, compared, known = TABLES[request.param]
    counts = cost.sweep(names, lr_size, scales, fast=False)
    return request.param, published.join_published(published.tidy_costs(counts), "diif", request.param), compared, known


def test_costs_of_diif_come_out_to_the_printed_digits(costs):
    _, table, compared, known = costs
    assert published.agreement(table)[:2] == (compared - known, compared - known)


def test_every_cost_that_does_not_come_out_is_a_known_exception(costs):
    _, table, _, known = costs
    off = table[table["agrees"].eq(False)]
    assert len(off) == known
    assert (off["note"] != "").all()


def test_another_number_in_an_exceptions_cell_is_none(costs):
    number, table, compared, _ = costs
    wrong = table.assign(measured=table["measured"] * 1.01)[MEASURED].dropna(subset=["measured"])
    agree, of, exceptions = published.agreement(published.join_published(wrong, "diif", number))
    assert of == compared
    assert agree < of
    assert exceptions == ""


def test_every_exception_is_of_a_printed_cell():
    exceptions = published.exceptions()
    assert exceptions["why"].notna().all()
    for row in exceptions.itertuples():
        cells = published.cells(row.paper, row.table)
        same = cells["method"].eq(row.method) & cells["quantity"].eq(row.quantity)
        assert (same & (pd.isna(row.scale) | cells["scale"].eq(row.scale))).any(), row


@pytest.fixture(scope="module")
def table2():
    """Three scores beside DIIF's Table 2: of a stand-in, of a model of the paper, and of a set that the paper has not."""
    scores = [("compact-liif", "Set14", 2, 30.0), ("rdn-diif", "Set14", 2, 34.01), ("compact-liif", "Set5", 2, 31.0)]
    scores = pd.DataFrame(scores, columns=["model", "dataset", "scale", "measured"]).assign(quantity="psnr")
    return published.join_published(scores, "diif", 2, needs={"B100": "fetch B100"})


def test_a_results_table_has_the_schema(table2):
    assert list(table2.columns) == published.SCHEMA


def test_a_small_model_stands_beside_the_papers_row(table2):
    here = table2.set_index(["model", "dataset"])
    assert here.loc[("compact-liif", "Set14"), "method"] == "RDN-LIIF"
    assert here.loc[("rdn-diif", "Set14"), "gap"] == pytest.approx(0.01)


def test_what_the_paper_does_not_have_stays(table2):
    assert np.isnan(table2.set_index(["model", "dataset"]).loc[("compact-liif", "Set5"), "published"])


def test_an_empty_cell_says_what_fills_it(table2):
    empty = table2[table2["measured"].isna()]
    assert len(empty) + 2 == len(published.cells("diif", 2))
    assert (empty["note"] != "").all()
    assert (empty.loc[empty["dataset"] == "B100", "note"] == "fetch B100").all()
    assert empty["note"].str.contains("rdn-dlte on Set14 at").any()


def test_a_missing_model_is_known_by_either_of_its_names():
    none = pd.DataFrame(columns=MEASURED)
    table = published.join_published(none, "diinn", 5, needs={"rdn-diinn-f": "train it"})
    assert set(table.loc[table["method"] == "f", "note"]) == {"train it"}
    assert "train it" not in set(table.loc[table["method"] == "e", "note"])


@pytest.mark.parametrize("paper, number", sorted(published.TABLES))
def test_every_published_cell_names_a_model(paper, number):
    cells = published.cells(paper, number)
    names = {str(ModelName(*pair)) for pair in zip(cells["encoder"], cells["decoder"], strict=True)}
    assert names
    assert names <= set(catalogue.names())


def test_a_table_that_is_not_here_is_refused():
    with pytest.raises(ValueError, match="known: .*diif 3"):
        published.table("diif", 9)


def test_scales_of_a_table():
    scores = pd.DataFrame({"scale": [2.0, 2.5, 4.0, 3.5, 6.0], "psnr": range(5)})
    assert published.at_scales(scores, "diinn", 1)["psnr"].tolist() == [0, 2]
    assert published.at_scales(scores, "diinn", 2)["psnr"].tolist() == [1, 3]
    assert published.at_scales(scores, "diinn", 3)["psnr"].tolist() == [4]


@pytest.mark.parametrize("paper", ["diinn", "field"])
def test_every_cell_of_bicubics_rows_has_one_tolerance(paper):
    none = pd.DataFrame(columns=MEASURED)
    printed = published.printed_bicubic(published.join_published(none, paper, 1))
    with_tolerance = published.within_tolerance(printed)
    assert len(printed)
    assert len(with_tolerance) == len(printed)
    assert (with_tolerance["within"] > 0).all()


def test_the_units_that_diif_prints():
    assert published.printed_macs(5.117e12) == pytest.approx(5.117)
    assert published.printed_macs(512e9) == pytest.approx(0.5)
    assert published.macs_of(published.printed_macs(512e9)) == pytest.approx(512e9)
    assert round(published.printed_kilo(346_883)) == 355


def test_every_statement_is_one_that_can_be_judged():
    told = pd.read_csv(paths.PUBLISHED / "claims.csv", keep_default_na=False)
    assert set(told["kind"]) == {"above", "not inferior", "at most"}
    assert set(told["scales"]) == {"in", "out", "larger"}
    assert set(told["quantity"]) <= set(published.UNITS)
    assert set(told["margin"]) - {""} <= set(published.margins()["name"])
    assert (told["margin"] == "").eq(told["kind"] == "above").all()
    assert not told.duplicated(["paper", "table", "better", "worse", "quantity", "scales", "kind"]).any()


def test_the_papers_own_difference_of_a_pair():
    gaps = published.gaps(published.cells("diif", 4), "diif", "diif-cs", "psnr")
    assert len(gaps) == 8
    assert (gaps.round(6) <= 0).all()  # the text says that linear order is better
    assert published.gaps(published.cells("diinn", 5), "diinn-f", "diinn-d", "psnr").round(2).tolist() == [
        0.07,
        0.07,
        0.04,
    ]
    assert len(published.gaps(published.cells("diif", 4), "diif", "dlte", "psnr")) == 0
