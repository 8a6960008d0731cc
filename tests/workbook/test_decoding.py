"""The speed page: conditions side by side, time per pixel, marks; from rows made up here."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from srlib.workbook import decoding, figures
from srlib.workbook.book import DECODING


def row(model="compact-liif", side=128, scale=4.0, seconds=0.2, **said):
    plain = {"way": "fast", "threads": 2, "busy": 0, "against": "", "spread": 0.01, "cores": 2.0, "share": 1.0}
    return plain | {"of_gemm_rate": 0.5, "model": model, "side": side, "scale": scale, "seconds": seconds} | said


@pytest.fixture
def rows():
    some = [
        row(),
        row(threads=1, seconds=0.4),
        row(busy=2, seconds=0.3),
        row(way="plain", seconds=2.0),
        row(against="abc", seconds=0.25, before=0.5, ratio=2.0),
        row(side=256, seconds=0.8),
        row(side=512, seconds=4.0),
    ]
    return pd.DataFrame(some, columns=DECODING)


def test_conditions_stand_side_by_side(rows):
    table = decoding.side_by_side(rows)
    assert table["side"].tolist() == [128, 256, 512]
    first = table.iloc[0]
    assert first["seconds"] == 0.2
    assert first[["one thread", "beside 2", "plain", "before"]].tolist() == pytest.approx([2.0, 1.5, 10.0, 2.0])
    assert first["ns_per_pixel"] == pytest.approx(0.2e9 / 512**2)
    assert table.iloc[1][["one thread", "plain", "before"]].isna().all()


def test_time_per_pixel_by_size(rows):
    sizes = decoding.growing(decoding.per_pixel(rows))
    assert sizes["megapixels"].tolist() == [0.25, 1.0, 4.0]
    assert len(decoding.growing(decoding.per_pixel(decoding.smallest(rows)))) == 0


def marks(rows, lost=None):
    memory = pd.DataFrame([("compact-liif", 3840, 3840, 300.0)], columns=["model", "rows", "columns", "peak_MiB"])
    columns = ["model", "scale", "difference"]
    lost = pd.DataFrame([("compact-liif", 2.0, -0.004)] if lost is None else lost, columns=columns)
    return pd.DataFrame(decoding.conclusion(None, rows, memory, lost)).set_index("claim")


def test_marks_follow_from_intervals(rows):
    lines = marks(rows)
    verdicts = {claim.partition(",")[0]: verdict for claim, verdict in lines["verdict"].items()}
    assert verdicts == {
        "compact-liif: times as fast as at abc": "confirmed",
        "compact-liif: share of the machine's own matrix rate": "confirmed",
        "beside 2 busy processes: times the quiet time": "confirmed",
        "compact-liif at ×4: time per output pixel from 0.25 to 4 megapixels": "contradicted",
        "compact-liif: memory added by a pass to 3840×3840": "confirmed",
        "compact-liif: dB that bf16 loses": "confirmed",
    }
    grown = lines.filter(like="time per output pixel", axis=0)["measured"]
    assert float(grown.iloc[0]) == pytest.approx(0.25)


def test_timed_once_is_no_verdict(rows):
    lines = marks(rows.assign(spread=0.0))["verdict"]
    assert set(lines[lines.index.str.contains("times|share of|per output")]) == {"inconclusive"}


def test_without_a_commit_nothing_is_said_of_before(rows):
    lines = marks(rows[rows["against"] == ""])
    assert lines.loc["times as fast as before", "verdict"] == "not measured"
    assert "no commit" in lines.loc["times as fast as before", "note"]


def test_figures_are_drawn(rows):
    small = decoding.smallest(rows)
    conditions = figures.conditions({"all threads": decoding.quiet(small), **decoding.others(small)}, "abc")
    texts = [text.get_text() for text in conditions.legends[0].get_texts()]
    assert texts == [
        "all threads, quiet",
        "one thread",
        "beside 2 busy processes",
        "plain vectorised way",
        "before (abc)",
    ]
    sizes = figures.per_pixel(decoding.per_pixel(rows))
    assert sizes.axes[0].get_ylim()[0] == 0
    assert figures.per_pixel(decoding.per_pixel(rows[:0])).axes
    plt.close("all")
