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


def test_fast_enough():
    book = SimpleNamespace(absent={"idm-small": "train it"})
    times = pd.DataFrame({"seconds": [0.2, 6.0]})
    assert claims_demos.fast_enough(book, "quick", times, 7.0, "less")["verdict"] == "confirmed"
    slow = claims_demos.fast_enough(book, "quick", times, 5.0, "choose less")
    assert slow["verdict"] == "contradicted"
    assert slow["note"] == "if it is slower: choose less"
    none = claims_demos.fast_enough(book, "quick", times[:0], 5.0, "choose less")
    assert none["verdict"] == "not measured"
    assert none["note"] == "train it"
