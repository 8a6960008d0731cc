"""Decoding timed: on the spot, beside busy processes, against another commit."""

import pytest

from srlib import speed


def test_two_commits_in_one_run():
    table = speed.compare(
        ["compact-metasr"], [2], sides=[8], threads=[1], beside=[1], against="HEAD", repeats=2, progress=False
    )
    assert list(table.columns) == [
        "model", "side", "scale", "way", "threads", "busy", "seconds", "spread", "cores", "share", "of_gemm_rate", "before",
        "ratio",
    ]  # fmt: skip
    assert table.loc[0, ["model", "threads", "busy"]].tolist() == ["compact-metasr", 1, 1]
    assert table.loc[0, "ratio"] == pytest.approx(table.loc[0, "before"] / table.loc[0, "seconds"])
    assert 0 < table.loc[0, "share"] <= 1
    assert (table[["seconds", "before", "of_gemm_rate", "cores"]] > 0).all(axis=None)


def test_ways_and_sizes_beyond_what_is_encoded(monkeypatch):
    """Features of 130 LR pixels are those of 128, repeated."""
    monkeypatch.setattr(speed, "LARGE", 300**2)
    table = speed.compare(
        ["compact-metasr"], [2], sides=[8, 130], threads=[1], ways=["fast", "plain"], repeats=3, progress=False
    )
    assert table[["side", "way"]].to_numpy().tolist() == [[8, "fast"], [8, "plain"], [130, "fast"], [130, "plain"]]
    assert (table["seconds"] > 0).all()


def test_a_commit_is_known_or_not():
    assert not speed.known("nosuch")


def test_bf16_is_refused_before_anything_is_timed(monkeypatch):
    monkeypatch.setattr("srlib.util.precision.native_bf16", lambda device: False)
    with pytest.raises(ValueError, match="no bfloat16 of its own"):
        speed.compare(["compact-metasr"], [2], ways=["bf16"], progress=False)


def test_an_unknown_commit_is_a_sentence():
    with pytest.raises(ValueError, match="no commit 'nosuch'"):
        speed.compare(["compact-metasr"], [2], against="nosuch", progress=False)


def test_a_process_that_dies_is_told():
    worker = speed.Timed(speed.paths.ROOT)
    with pytest.raises(RuntimeError, match="died with exit code 1"):
        worker.ask(model="compact-nosuch", lr_size=(8, 8), size=(16, 16), threads=1, device="cpu", gemm=64)
    worker.close()
