"""Pictures that pages show."""

from conftest import tiny

from srlib.workbook import pictures


def test_a_strip_is_kept_as_files(rgb):
    class Folder:
        model = staticmethod(tiny)
        picture = staticmethod(lambda name, picture: f"{name} {picture.shape[0]}x{picture.shape[1]}")

    name = tiny("bicubic").name
    rows = pictures.keep_strip(Folder, rgb, ["bicubic"], [1.0, 2.5])
    assert rows.to_dict("list") == {
        "model": [name, name], "scale": [1.0, 2.5], "rows": [17, 43], "columns": [23, 58],
        "file": [f"strip_x1_{name} 17x23", f"strip_x2.5_{name} 43x58"],
    }  # fmt: skip
