"""Work for people who move on before it is done: the newest request wins, nothing piles up."""

from __future__ import annotations

import threading
from collections.abc import Callable

IDLE = 30.0  # seconds that the thread waits for another request


class Newest:
    """Does in a thread of its own what it was asked last.

    work: called with a request, and with a function that says whether a newer one has come, for the work to end early. A
    request that has not begun when the next one comes is dropped. What `work` raises is given to `failed`.
    """

    def __init__(self, work: Callable[[object, Callable[[], bool]], None], failed: Callable[[Exception], None]):
        self.work, self.failed = work, failed
        self.changed = threading.Condition()
        self.waiting: list[object] = []  # one or none
        self.asked = self.finished = 0
        self.thread: threading.Thread | None = None

    def ask(self, request: object) -> None:
        """Returns at once."""
        with self.changed:
            self.waiting, self.asked = [request], self.asked + 1
            if self.thread is None:
                self.thread = threading.Thread(target=self.run, name="newest", daemon=True)
                self.thread.start()
            self.changed.notify_all()

    def wait(self, seconds: float) -> bool:
        """Until all that was asked is done or dropped; whether it is."""
        with self.changed:
            return self.changed.wait_for(lambda: self.finished == self.asked, seconds)

    def run(self) -> None:
        while True:
            with self.changed:
                if not self.changed.wait_for(lambda: self.waiting, IDLE):
                    self.thread = None
                    return
                (request,), mine = self.waiting, self.asked
                self.waiting = []
            try:
                self.work(request, lambda mine=mine: self.asked != mine)
            except Exception as error:  # said on the page; the next request may do
                self.failed(error)
            with self.changed:
                self.finished = mine
                self.changed.notify_all()
