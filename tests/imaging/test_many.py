"""Which pictures are meant, and what their results are called."""

from pathlib import Path

import pytest

from srlib.imaging import many


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("b.jpg", "a.PNG", "notes.txt", ".hidden.png", "a_x2.png", "a_30x40.png", "other_x2.png", "in/c.png"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()
    return tmp_path


def found(*words):
    return [path.name for path in many.find(words)]


def test_a_folder_is_its_pictures_without_their_results(folder):
    assert found(".") == ["a.PNG", "b.jpg", "other_x2.png"]


def test_a_pattern_is_the_pictures_that_match(folder):
    assert found("*.png", "b*") == ["a_30x40.png", "a_x2.png", "other_x2.png", "b.jpg"]


def test_two_stars_go_into_folders(folder):
    assert found("**/c.png") == ["c.png"]


def test_an_absolute_pattern_works(folder):
    assert found(f"{folder}/in/*") == ["c.png"]


def test_a_file_is_taken_whatever_it_is_called(folder):
    assert found("a_x2.png", "notes.txt") == ["a_x2.png", "notes.txt"]


def test_brackets_may_be_part_of_a_name(folder):
    Path("d[1].png").touch()
    assert found("d[1].png") == ["d[1].png"]


def test_each_picture_counts_once(folder):
    assert found("b.jpg", "./b.jpg", "b*") == ["b.jpg"]


def test_a_folder_without_pictures_is_refused(folder):
    Path("empty").mkdir()
    with pytest.raises(ValueError, match=r"no images in the folder empty \(looked for .png"):
        found("empty")


def test_a_pattern_without_pictures_is_refused(folder):
    with pytest.raises(FileNotFoundError, match=r"no images match \*.txt"):
        found("*.txt")


def test_a_missing_file_is_missing(folder):
    with pytest.raises(FileNotFoundError, match=r"no file or folder absent.png"):
        found("absent.png")


def targets(*sources, out=None, scale=3.7, size=None):
    return [str(target) for _, target in many.pairs([Path(s) for s in sources], out and Path(out), scale, size)]


def test_results_lie_beside_their_pictures(folder):
    assert targets("b.jpg", "in/c.png") == ["b_x3.7.png", "in/c_x3.7.png"]


def test_a_size_is_in_the_name(folder):
    assert targets("b.jpg", size=(40, 50)) == ["b_40x50.png"]


def test_one_picture_may_become_a_file(folder):
    assert targets("b.jpg", out="c.tif") == ["c.tif"]


def test_a_folder_takes_results(folder):
    assert targets("b.jpg", "in/c.png", out="new") == ["new/b_x3.7.png", "new/c_x3.7.png"]


def test_an_existing_folder_may_have_a_dot(folder):
    Path("v1.2").mkdir()
    assert targets("b.jpg", out="v1.2") == ["v1.2/b_x3.7.png"]


def test_several_pictures_do_not_go_into_one_file(folder):
    with pytest.raises(ValueError, match=r"c.png is one file, for 2 pictures"):
        targets("b.jpg", "in/c.png", out="c.png")


def test_two_results_of_one_name_are_refused(folder):
    with pytest.raises(ValueError, match=r"b.jpg and in/b.png would both become new/b_x3.7.png"):
        targets("b.jpg", "in/b.png", out="new")


def test_a_result_that_is_another_picture_is_refused(folder):
    with pytest.raises(ValueError, match=r"a.PNG would become a_x2.png, which is one of the pictures"):
        targets("a.PNG", "a_x2.png", scale=2)
