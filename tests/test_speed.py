"""Decoding timed: on the spot, beside busy processes, against another commit."""

import pytest

from srlib import speed


def test_two_commits_in_one_run():
    table = speed.compare(
        ["compact-metasr"], [2], side=8, threads=[1], beside=[1], against="HEAD", repeats=2, progress=False
    )
    assert list(table.columns) == [
        "model", "scale", "threads", "busy", "seconds", "spread", "cores", "of_gemm_rate", "before", "ratio",
    ]  # fmt: skip
    assert table.loc[0, ["model", "threads", "busy"]].tolist() == ["compact-metasr", 1, 1]
    assert table.loc[0, "ratio"] == pytest.approx(table.loc[0, "before"] / table.loc[0, "seconds"])
    assert (table[["seconds", "before", "of_gemm_rate", "cores"]] > 0).all(axis=None)


def test_an_unknown_commit_is_a_sentence():
    with pytest.raises(ValueError, match="no commit 'nosuch'"):
        speed.compare(["compact-metasr"], [2], against="nosuch", progress=False)


def test_a_process_that_dies_is_told():
    worker = speed.Timed(speed.paths.ROOT)
    with pytest.raises(RuntimeError, match="died with exit code 1"):
        worker.ask(model="compact-nosuch", lr_size=(8, 8), size=(16, 16), threads=1, device="cpu", gemm=64)
    worker.close()
