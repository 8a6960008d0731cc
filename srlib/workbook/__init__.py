"""The workbook: notebooks that ask for measurements, set them beside the published numbers, judge claims and draw.

>>> book = workbook.open("diif/table2", profile="quick")
>>> scores = book.scores()
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def open(
    notebook: str,
    profile: str = "quick",
    changes: dict | None = None,
    weights: Sequence[str] = (),
    device: str = "auto",
    out: str | Path = "",
):
    """A notebook's `Book`: device, models and data sets at hand, what is missing, in one line.

    notebook: its record in the profile. changes: in place of the record's, for example {"datasets": ["Set14"]}.
    weights: files to measure as well, "my.safetensors" or "short=my.safetensors". device: "auto", "cpu" or "cuda".
    out: the results' folder; by default results/interactive/ and the name of the running notebook.
    ValueError for what is not known.
    """
    from srlib.workbook.book import Book  # here, so that the library does not load the figures' libraries

    return Book(notebook, profile, changes or {}, weights, device, out)
