"""Files are written whole or not at all."""

import pytest

from srlib.util import atomic


def test_files_are_whole_or_absent(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("before")
    with pytest.raises(RuntimeError), atomic.whole(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
    with atomic.whole(path) as temporary:
        temporary.write_text("after")
    assert path.read_text() == "after"
    assert list(tmp_path.iterdir()) == [path]
