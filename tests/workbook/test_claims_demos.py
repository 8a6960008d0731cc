"""What the demos' pages conclude."""

from types import SimpleNamespace

import pandas as pd

from srlib.workbook import claims_demos


def test_what_is_shown_is_what_the_models_make():
    windows = pd.DataFrame({"largest_step": [0, 2]})
    assert claims_demos.any_view(windows)["verdict"] == "contradicted"
    assert claims_demos.any_view(windows[:1])["verdict"] == "confirmed"
    costs = pd.DataFrame({"macs": [8.0, 9.0], "macs_expected": [8.0, 8.0]})
    assert claims_demos.evaluations_cost(costs)["measured"] == "1.125"
    assert claims_demos.last_layer(1e-6)["verdict"] == "confirmed"
    assert claims_demos.last_layer(1e-4)["verdict"] == "contradicted"
    assert claims_demos.last_step(1)["verdict"] == "contradicted"


def test_the_times_of_a_page_are_shown_and_not_judged():
    book = SimpleNamespace(absent={"idm-small": "train it"})
    times = pd.DataFrame({"seconds": [0.2, 6.0]})
    for line in (claims_demos.drags_at_once(book, times), claims_demos.draws_soon(book, times)):
        assert line["measured"] == "6"
        assert line["verdict"] == "not comparable"
        assert "shown, not judged" in line["note"]
    none = claims_demos.draws_soon(book, times[:0])
    assert none["verdict"] == "not measured"
    assert none["note"] == "train it"
