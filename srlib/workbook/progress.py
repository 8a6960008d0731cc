"""What a batch is doing: which jobs run, how many are done, and about how long the rest may take."""

from __future__ import annotations

import logging
import sys
import time
from pathlib import Path

from tqdm import tqdm


def show(logger: logging.Logger, seconds: dict[str, float]) -> None:
    """Show the progress of a Snakemake run in place of Snakemake's own lines, which stay in its log file.

    seconds: what each measurement job may take, by its key.
    """
    for handler in list(logger.handlers):
        if handler.name == "DefaultStreamHandler":
            logger.removeHandler(handler)
    logger.addHandler(Progress(seconds))


class Progress(logging.Handler):
    """Reads Snakemake's events: a bar on a terminal, a plain line for each started job elsewhere (a CI's log, a file).

    The time left is the time gone, times what is left over what is done, both in expected seconds.
    """

    NOTEBOOK = 5.0  # seconds: a notebook only reads
    SHOWN = 4  # jobs named on a line

    def __init__(self, seconds: dict[str, float]):
        super().__init__()
        self.seconds = seconds
        self.running: dict[int, tuple[str, float]] = {}  # by Snakemake's number of a job: its label, expected seconds
        self.total = self.done = 0
        self.gone = self.left = 0.0
        self.start = time.monotonic()
        self.bar: tqdm | None = None

    def emit(self, record: logging.LogRecord) -> None:
        said = vars(record)
        match said.get("event"):
            case "run_info":
                self.begin(said["stats"])
            case "job_info" if said["rule_name"] != "all":
                key = said["wildcards"].get("key")
                self.running[said["jobid"]] = said["rule_msg"], self.seconds.get(key, self.NOTEBOOK)
                self.draw()
            case "job_finished" if said["job_id"] in self.running:
                self.finish(said["job_id"])
            case "job_error":
                self.fail(said)
            case "error" if said["exception"] != "RuleException":  # those come again as a job's error
                say(record.getMessage())
            case None if record.levelno >= logging.ERROR or record.getMessage().startswith("Nothing to be done"):
                say(record.getMessage())

    def begin(self, stats: dict[str, int]) -> None:
        """The graph is known. stats: how many jobs of each rule, and their total."""
        self.total = stats["total"] - stats.get("all", 0)
        self.left = sum(self.seconds.values()) + self.NOTEBOOK * stats.get("notebook", 0)
        self.start = time.monotonic()
        if sys.stderr.isatty():
            self.bar = tqdm(total=self.total, bar_format="{n_fmt} of {total_fmt} |{bar:20}| {desc}", dynamic_ncols=True)

    def finish(self, number: int) -> None:
        _, seconds = self.running.pop(number)
        self.done += 1
        self.gone += seconds
        self.left -= seconds
        if self.bar is not None or self.done == self.total:
            self.draw()

    def fail(self, said: dict) -> None:
        """Say which job failed and how its own log ends."""
        label, _ = self.running.pop(said["jobid"], (said["rule_name"], 0.0))
        logs = [path for path in map(Path, said["log"]) if path.is_file() and path.stat().st_size]
        ends = logs[0].read_text(errors="replace").splitlines()[-8:] if logs else []
        where = [f"its log {logs[0]} ends:"] if logs else []
        cluster = [said["rule_msg"]] if said["rule_msg"] else []
        say("\n    ".join(["; ".join([f"failed: {label}", *cluster, *where]), *ends]))

    def draw(self) -> None:
        labels = [label for label, _ in self.running.values()]
        more = [f"{len(labels) - self.SHOWN} more"] if len(labels) > self.SHOWN else []
        running = "running: " + ", ".join(labels[: self.SHOWN] + more) if labels else ""
        time_left = self.left * (time.monotonic() - self.start) / self.gone if self.gone and labels else None
        parts = [f"about {duration(time_left)} left"] if time_left is not None else []
        words = "; ".join([*parts, running] if running else parts)
        if self.bar is None:
            say(f"{self.done} of {self.total} done" + (f", {words}" if words else ""))
        else:
            self.bar.n = self.done
            self.bar.set_description_str(words)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
        super().close()


def say(line: str) -> None:
    tqdm.write(line, file=sys.stderr)


def duration(seconds: float) -> str:
    """'40 s', '4 min', '2 h 10 min'."""
    if seconds < 90:
        return f"{round(seconds)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
