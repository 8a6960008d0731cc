"""The newest request wins; what came between is dropped; what runs is told."""

import threading

from srlib.demos.newest import Newest


def test_only_the_first_and_the_last_are_done():
    begun, go, done, told = threading.Event(), threading.Event(), [], []

    def work(request, stale):
        begun.set()
        go.wait(10)
        told.append(stale())
        done.append(request)

    newest = Newest(work, lambda error: None)
    newest.ask(0)
    begun.wait(10)
    for request in range(1, 50):
        newest.ask(request)
    go.set()
    assert newest.wait(10)
    assert (done, told) == ([0, 49], [True, False])


def test_an_error_is_told_and_the_next_request_is_done():
    wrong, done = [], []

    def work(request, stale):
        if request == "bad":
            raise ValueError("so it is")
        done.append(request)

    newest = Newest(work, wrong.append)
    newest.ask("bad")
    assert newest.wait(10)
    newest.ask("good")
    assert newest.wait(10)
    assert ([str(error) for error in wrong], done) == (["so it is"], ["good"])
