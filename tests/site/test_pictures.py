"""The pictures that the book shows are what the models made, pixel for pixel."""

import numpy as np
import pandas as pd
from PIL import Image

import srlib
from srlib import data, evaluate
from srlib.imaging.files import to_uint8
from srlib.util import paths

FOLDER = paths.RESULTS / "reference" / "compact" / "touch"


def test_a_kept_picture_is_the_part_of_what_bicubic_makes():
    small, whole = evaluate.make_pair(data.embedded("chelsea"), 4, "benchmark-y")
    made = srlib.upscale(to_uint8(small), size=tuple(whole.shape[-2:]), model="bicubic")
    kept = np.asarray(Image.open(FOLDER / "chelsea_x4_bicubic.webp"))
    assert np.abs(kept.astype(int) - made[60:300, 80:400]).max() <= 1  # another machine may round another way


def test_every_file_that_is_named_is_there_and_of_its_size():
    for name in ("pictures", "strip"):
        for row in pd.read_csv(FOLDER / f"{name}.csv").itertuples():
            with Image.open(FOLDER / row.file) as picture:
                assert picture.size == (row.columns, row.rows)


def test_they_are_small():
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 4e6
