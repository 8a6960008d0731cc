"""What the page on later methods concludes from: differences image by image with intervals, and what is saved."""

import pandas as pd
import pytest
from gains import book, scores

from srlib.workbook import later


def test_methods_are_compared_image_by_image():
    images = scores(
        {"compact-liif": {"bicubic": 1.0, "noise": 0.0}, "compact-lmf": {"bicubic": 1.3, "noise": 0.0}}, spread=0.02
    )
    found = later.against(images[images["degradation"] == "bicubic"], "compact-liif").set_index("model")
    assert found.loc["compact-lmf", "low"] < 0.3 < found.loc["compact-lmf", "high"]
    assert found.loc["bicubic", "high"] < 0


def test_what_lmf_saves():
    rows = [
        ("edsr-baseline-liif", 2.0, 100, 80, 50),
        ("edsr-baseline-lmf", 2.0, 10, 8, 20),
        ("edsr-baseline-lte", 2.0, 90, 80, 60),
    ]
    counts = pd.DataFrame(rows, columns=["model", "scale", "macs", "macs_fast", "decoder_parameters"])
    (row,) = later.saved(counts).to_dict("records")
    assert (row["MACs"], row["MACs, fast paths"], row["decoder parameters"]) == (90, 90, 60)


COUNTS = pd.DataFrame(
    [
        ("edsr-baseline-diif", 2.0, 100, 7),
        ("edsr-baseline-lmf", 2.0, 10, 7),
        ("edsr-baseline-liif", 2.0, 90, 70),
        ("edsr-baseline-thera-air", 2.0, 20, 6),
    ],
    columns=["model", "scale", "macs", "decoder_parameters"],
)
TIMES = pd.DataFrame(
    [
        (f"edsr-baseline-{decoder}", scale, path, seconds * scale, 0.01, "a processor")
        for decoder, seconds in {"liif": 1.0, "lmf": 0.25, "srno": 1.5}.items()
        for scale in (2.0, 4.0)
        for path in ("literal", "fast")
    ],
    columns=["model", "scale", "path", "seconds", "spread", "device"],
)
SAVINGS = pd.DataFrame({"MACs": [99.4, 90.0], "decoder parameters": [70.0, 60.0]})


def concluded(gain):
    images = scores({"compact-liif": {"bicubic": 1.0, "noise": 0.0}, "compact-lmf": {"bicubic": gain, "noise": 0.0}})
    shown = images[images["degradation"] == "bicubic"].assign(protocol="benchmark-y")
    needs = {"compact-srno": "no weights for compact-srno"}
    lines = later.conclusion(book("compact-lmf", "compact-srno", needs=needs), COUNTS, SAVINGS, TIMES, shown)
    return {line["claim"].partition(":")[0]: line for line in lines}


@pytest.mark.parametrize("gain, verdict", [(1.5, "confirmed"), (0.5, "contradicted")])
def test_a_later_method_is_judged_by_its_interval(gain, verdict):
    line = concluded(gain)["LM-LIIF not inferior to LIIF at its lower cost, in scale"]
    assert (line["paper"], line["place"]) == ("LMF", "Abstract")
    assert (line["verdict"], line["cause"]) == (verdict, "not known" if verdict == "contradicted" else "")
    assert float(line["low"]) < gain - 1.0 < float(line["high"])


def test_what_cannot_be_judged_says_why():
    lines = concluded(1.5)
    assert lines["SRNO above LIIF, in scale"]["verdict"] == "not measured"
    assert lines["SRNO above LIIF, in scale"]["note"] == "no weights for compact-srno"
    saved = next(line for words, line in lines.items() if words.startswith("LMF saves up to 99.9 %"))
    assert (saved["verdict"], saved["published"], saved["measured"]) == ("not comparable", "99.9", "99.4")


def test_what_is_said_of_time_and_parameters_is_judged():
    lines = concluded(1.5)
    faster = next(line for words, line in lines.items() if words.startswith("LMF is up to 57 times"))
    assert (faster["verdict"], faster["measured"], faster["published"]) == ("not comparable", "4", "57")
    slower = lines["SRNO faster than LIIF at ×4, fast path"]
    assert (slower["verdict"], slower["cause"], slower["note"]) == ("contradicted", "not known", "times of a processor")
    assert float(slower["low"]) < 2 / 3 < float(slower["high"])
    assert lines["SRNO faster than LTE, fast path"]["verdict"] == "not measured"
    fewer = lines["LIIF's decoder has more parameters than Thera Air's"]
    assert (fewer["verdict"], fewer["measured"], fewer["expected"]) == ("confirmed", "11.6667", "above 1")
