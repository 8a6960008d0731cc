"""Whether the machine had time: what a process wanted and had."""

import os
import subprocess
import sys
import time

import pytest

from srlib.util import quiet


def test_waiting_is_counted_by_thread():
    assert quiet.waited({"1": 2.0, "2": 1.0}, {"1": 2.5, "3": 0.25}) == 0.75
    assert quiet.waited({}, {}) == 0


def test_what_was_had_of_what_was_wanted():
    assert quiet.part(3.0, 1.0) == 0.75
    assert quiet.part(0.0, 0.0) == 1.0


def test_a_process_that_is_gone_has_no_threads():
    assert quiet.waiting(2**22 + 1) == {}


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs one core for two processes: Linux alone")
@pytest.mark.skipif(not quiet.waiting(), reason="this system does not count waiting")
def test_two_on_one_core_have_half_each():
    """In processes of their own, both on the same core."""
    core = min(os.sched_getaffinity(0))
    pin = f"import os; os.sched_setaffinity(0, [{core}])\n"
    other = subprocess.Popen([sys.executable, "-c", pin + "while True: pass"])
    try:
        code = pin + (
            "import time\nfrom srlib.util.quiet import Watch\nwatch, end = Watch(), time.monotonic() + 0.5\n"
            "while time.monotonic() < end: pass\nprint(watch.share(computing=False))"
        )
        said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    finally:
        other.kill()
        other.wait()
    assert float(said) < quiet.ENOUGH


def test_one_that_sleeps_did_not_compute(monkeypatch):
    monkeypatch.setattr(quiet, "waiting", lambda process="self": {"1": 0.0})
    watch = quiet.Watch()
    time.sleep(0.05)
    assert watch.share(computing=True) < 0.5
    assert watch.share(computing=False) == 1.0


def test_the_sentence_says_the_share():
    assert "only 41 % of the CPU time" in quiet.sentence(0.41)
