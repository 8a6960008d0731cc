"""Digests of code, on a package of a few lines and on srlib itself."""

import importlib
import itertools
import linecache
import os
import textwrap

import pytest

from srlib.models import Model
from srlib.models.liif import LIIF
from srlib.models.metasr import MetaSR
from srlib.util.code import Code

TINY = {
    "__init__": """
        from tiny import steps
        from tiny.shapes import Square
    """,
    "shapes": '''
        """Shapes."""
        from __future__ import annotations

        import math
        from dataclasses import dataclass
        from typing import TYPE_CHECKING

        from tiny import steps, tools as t
        from tiny.tools import traced

        if TYPE_CHECKING:
            from tiny.unused import Never

        SIDES = 4

        class Base:
            """A shape."""
            def area(self):  # of all of it
                return steps.first(self) + steps.inner.deep

        class Square(Base):
            side: int = 1
            def area(self, factor=t.default, *, unit: Never = None):
                return SIDES * factor

            def local(self):
                from tiny.late import later
                import tiny.later_still
                return later(), tiny.later_still.last()

        class Circle(Base):
            def area(self):
                return math.pi * second()

        @traced
        def decorated(number: int):
            return number

        def second():
            return first_of_two()

        def first_of_two():
            return second()

        if __name__ == "__main__":
            print(Circle())
    ''',
    "steps": """
        from . import inner
        from .inner import helper as first
    """,
    "inner": """
        deep, other = 3, 4

        def helper(x):
            return 2
    """,
    "tools": """
        default = 5
        state = {}

        def traced(function):
            return function

        def unreached():
            return state
    """,
    "late": "def later(): return 6",
    "later_still": "def last(): return 7",
    "unused": "'All of it.'\nclass Never: number = 1\nclass Ever: pass\nclass Other(Ever): pass",
    "acting/__init__": "import os\nos.environ['TINY'] = '1'",
    "acting/acts": """
        from tiny.tools import state, traced
        from tiny.inner import *

        def calm(): return 1

        class Kind:
            made = 1

        kept = state["kind"] = Kind

        @traced
        def registered(): return 1

        def mark(function): return function

        @mark
        def marked(): return 1

        def plain(): return 2
    """,
    "whole": """
        import tiny.shapes
        from tiny import acting

        def dynamic(name): return getattr(acting, name)

        def place(): return tiny.acting.acts.__file__

        def unknowable(): return tiny.acting.acts.made_at_import

        def hiding(acting): return [tiny for tiny in acting]

        class Holds:
            acting = acting.acts.calm

        def dotted(): return tiny.shapes.Square()
    """,
}


@pytest.fixture
def tiny(tmp_path):
    """A function that writes the tiny package, edited: tiny(("shapes", "old", "new"), ...) -> its Code."""

    def write(*edits):
        for name, text in TINY.items():
            text = textwrap.dedent(text)
            for file, old, new in edits:
                assert file != name or old in text
                text = text.replace(old, new) if file == name else text
            path = tmp_path / "tiny" / f"{name}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return Code(tmp_path / "tiny", "tiny")

    return write


@pytest.fixture
def cell():
    """A function that runs source as ipykernel runs a notebook's cell, and returns the values bound so far."""
    values, number = {"__name__": "__main__"}, itertools.count(1)

    def run(source):
        name = f"<cell {next(number)}>"
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        exec(compile(source, name, "exec"), values)
        return values

    return run


def test_what_a_class_reaches(tiny):
    assert list(tiny().closure(["tiny.shapes:Square"])) == [
        "tiny.inner:deep",
        "tiny.inner:helper",
        "tiny.inner:other",
        "tiny.late:later",
        "tiny.later_still:last",
        "tiny.shapes",
        "tiny.shapes:Base",
        "tiny.shapes:SIDES",
        "tiny.shapes:Square",
        "tiny.tools:default",
        "tiny.tools:traced",
    ]


@pytest.mark.parametrize(
    "edit",
    [
        ("shapes", '"""A shape."""', '"""One shape\nof many."""'),
        ("shapes", '"""Shapes."""', ""),
        ("shapes", '    """A shape."""\n', '    """A shape."""\n    # said twice\n    "an attribute"\n'),
        ("shapes", "  # of all of it", ""),
        ("shapes", "SIDES * factor", "(\n    SIDES\n    * factor  # both\n    )"),
        ("shapes", "unit: Never = None", "unit: float | None = None"),
        ("shapes", "def local(self):", "def local(self) -> tuple[int, int]:"),
        ("shapes", "print(Circle())", "print(Square())"),
        ("shapes", "math.pi * second()", "3 * second()"),
        ("shapes", "return first_of_two()", "return 0"),
        ("shapes", "from tiny import steps, tools as t", "from tiny import tools as t\nfrom tiny import steps"),
        ("unused", "number = 1", "number = 2"),
        ("tools", "return state", "return 0"),
        ("__init__", "from tiny import steps", "from tiny import steps as other"),
    ],
)
def test_edits_that_change_nothing(tiny, edit):
    before = tiny().digest(["tiny.shapes:Square"])
    assert tiny(edit).digest(["tiny.shapes:Square"]) == before


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(("shapes", "SIDES * factor", "SIDES + factor"), id="a method"),
        pytest.param(("shapes", "SIDES = 4", "SIDES = 5"), id="a constant"),
        pytest.param(("shapes", "side: int = 1", "side: float = 1"), id="a field's annotation"),
        pytest.param(("shapes", "number: int", "number: str"), id="an annotation that a decorator may read"),
        pytest.param(("shapes", "first(self) + ", "first(self) - "), id="a base class"),
        pytest.param(("inner", "return 2", "return 3"), id="a function through a module's attribute and a re-export"),
        pytest.param(("inner", "3, 4", "5, 4"), id="a value through two modules' attributes"),
        pytest.param(("steps", "helper as first", "deep as first"), id="what a re-export names"),
        pytest.param(("shapes", "tools as t", "inner as t"), id="what an import binds"),
        pytest.param(("tools", "default = 5", "default = 6"), id="a default argument"),
        pytest.param(("tools", "return function", "return None"), id="a decorator"),
        pytest.param(("late", "6", "7"), id="an import in a function"),
        pytest.param(("later_still", "7", "8"), id="a dotted import in a function"),
    ],
)
def test_edits_that_change_the_digest(tiny, edit):
    before = tiny().digest(["tiny.shapes:Square"])
    assert tiny(edit).digest(["tiny.shapes:Square"]) != before


def test_siblings_do_not_touch_each_other(tiny):
    before, after = tiny(), tiny(("shapes", "math.pi", "3"))
    assert after.digest(["tiny.shapes:Square"]) == before.digest(["tiny.shapes:Square"])
    assert after.digest(["tiny.shapes:Circle"]) != before.digest(["tiny.shapes:Circle"])


def test_an_external_name_counts_by_what_it_is_imported_from(tiny):
    before = tiny().digest(["tiny.shapes:Circle"])
    assert tiny(("shapes", "import math", "import cmath as math")).digest(["tiny.shapes:Circle"]) != before


def test_cycles_end(tiny):
    assert "tiny.shapes:first_of_two" in tiny().closure(["tiny.shapes:second"])


def test_statements_of_a_reached_module_count(tiny):
    closure = tiny().closure(["tiny.acting.acts:calm"])
    assert "tiny.acting.acts" in closure
    assert "tiny.acting.acts:Kind" in closure, "what a statement names"
    assert "tiny.tools:traced" in closure
    assert "tiny.acting" in closure, "statements of the package around it"
    assert "tiny.inner:helper" in closure, "all of a star import"
    assert "tiny.acting.acts:plain" not in closure


@pytest.mark.parametrize("name", ["registered", "marked"])
def test_a_decorator_of_the_package_may_register(tiny, name):
    before = tiny().digest(["tiny.acting.acts:calm"])
    after = tiny(("acting/acts", f"def {name}(): return 1", f"def {name}(): return 2"))
    assert after.digest(["tiny.acting.acts:calm"]) != before


def test_a_package_as_an_object_is_all_of_it(tiny):
    assert "tiny.acting.acts:plain" in tiny().closure(["tiny.whole:dynamic"])


def test_an_attribute_of_a_class_does_not_hide_what_it_is_set_to(tiny):
    assert "tiny.acting.acts:calm" in tiny().closure(["tiny.whole:Holds"])


def test_an_attribute_that_no_statement_defines_is_all_of_the_module(tiny):
    assert "tiny.acting.acts:plain" in tiny().closure(["tiny.whole:unknowable"])
    assert "tiny.acting.acts:plain" not in tiny().closure(["tiny.whole:place"])


def test_a_variable_that_hides_a_module_is_not_the_module(tiny):
    assert list(tiny().closure(["tiny.whole:hiding"])) == ["tiny.whole:hiding"]


def test_a_dotted_name_is_followed_to_its_definition(tiny):
    closure = tiny().closure(["tiny.whole:dotted"])
    assert "tiny.shapes:Square" in closure
    assert "tiny.shapes:Circle" not in closure


def test_a_module_as_root_is_all_of_it(tiny):
    closure = tiny().closure(["tiny.unused"])
    assert list(closure) == ["tiny.unused:Ever", "tiny.unused:Never", "tiny.unused:Other"]


def test_all_of_a_module_is_not_all_of_the_modules_it_imports(tiny):
    closure = tiny().closure(["tiny.shapes"])
    assert "tiny.shapes:Circle" in closure
    assert "tiny.tools:unreached" not in closure


def test_a_root_may_be_a_re_export(tiny):
    code = tiny()
    assert code.digest(["tiny:Square"]) == code.digest(["tiny.shapes:Square"])


@pytest.mark.parametrize("stop", ["tiny.inner", "tiny.inner:helper"])
def test_stop_is_neither_followed_nor_hashed(tiny, stop):
    edit = ("inner", "return 2", "return 3")
    before = tiny().digest(["tiny.shapes:Square"], stop=[stop])
    assert "tiny.inner:helper" not in tiny().closure(["tiny.shapes:Square"], stop=[stop])
    assert tiny(edit).digest(["tiny.shapes:Square"], stop=[stop]) == before


def test_stop_at_a_re_export_stops_at_the_definition(tiny):
    assert "tiny.shapes:Square" not in tiny().closure(["tiny.whole:dotted"], stop=["tiny:Square"])


def test_stop_at_a_package_stops_at_its_modules(tiny):
    assert tiny().closure(["tiny.acting.acts"], stop=["tiny.acting"]) == {}


@pytest.mark.parametrize("name", ["tiny.shapes:Triangle", "tiny.shape:Square", "tiny.shapes:math", "torch"])
def test_an_unknown_root_is_named(tiny, name):
    with pytest.raises(ValueError, match=name):
        tiny().digest([name])
    with pytest.raises(ValueError, match=name):
        tiny().digest(["tiny.shapes:Square"], stop=[name])


def test_a_module_without_source_is_named(tiny):
    code = tiny(("late", "def", "from tiny.gone import it\ndef"), ("late", "return 6", "return it"))
    with pytest.raises(ValueError, match="tiny.gone is imported"):
        code.digest(["tiny.late:later"])


def test_a_file_that_is_no_python_is_named(tiny):
    with pytest.raises(ValueError, match="tiny.late cannot be parsed"):
        tiny(("late", "def later()", "def later(")).digest(["tiny.late:later"])


def test_no_source_at_all(tmp_path):
    with pytest.raises(ValueError, match="no Python source"):
        Code(tmp_path, "tiny")


def test_an_edit_that_keeps_size_and_second_is_seen(tiny, tmp_path):
    before = tiny().digest(["tiny.late:later"])
    stat = (tmp_path / "tiny" / "late.py").stat()
    (tmp_path / "tiny" / "late.py").write_text("def later(): return 9")
    os.utime(tmp_path / "tiny" / "late.py", ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert Code(tmp_path / "tiny", "tiny").digest(["tiny.late:later"]) != before


def test_what_a_text_refers_to(tiny):
    source = (
        "import tiny\nfrom tiny import shapes as s\nsquare = s.Square()\nprint(tiny.steps.first, tiny.late, len([]))"
    )
    assert tiny().roots_in(source) == ["tiny.inner:helper", "tiny.late", "tiny.shapes:Square"]


# Classes from elsewhere

TOY = """
class Toy(LIIF):
    @torch.no_grad()
    def area(self, x=1):
        return scale(x) * WIDTH
"""


def test_a_class_of_a_notebook(cell):
    cell("import torch\nfrom srlib.models.liif import LIIF\nfrom math import sqrt\nWIDTH = 3")
    cell("from functools import cache\n@cache\ndef scale(x):\n    return sqrt(x) if x else Toy")
    toy = cell(TOY)["Toy"]
    closure = Code().closure([], extra=[toy])
    assert {"__main__:Toy", "__main__:scale", "__main__:WIDTH", "srlib.models.liif:LIIF"} <= closure.keys()
    before = Code().digest([], [toy])
    assert Code().digest([], [cell(TOY.replace("x=1", "x=1,  # one\n    "))["Toy"]]) == before
    assert Code().digest([], [cell(TOY.replace("x=1", "x=2"))["Toy"]]) != before


@pytest.mark.parametrize("edit", ["def scale(x):\n    return x", "WIDTH = 4", "from math import cbrt as sqrt"])
def test_other_cells_count(cell, edit):
    cell("import torch\nfrom srlib.models.liif import LIIF\nfrom math import sqrt\nWIDTH = 3")
    cell("from functools import cache\n@cache\ndef scale(x):\n    return sqrt(x)")
    toy = cell(TOY)["Toy"]
    before = Code().digest([], [toy])
    cell(edit)
    assert Code().digest([], [toy]) != before


class Outer(LIIF):
    def width(self):
        return helper()


def helper():
    return MetaSR


def test_a_class_of_a_file():
    closure = Code().closure([], extra=[Outer])
    assert {f"{__name__}:Outer", f"{__name__}:helper"} <= closure.keys()
    assert {"srlib.models.liif:LIIF", "srlib.models.metasr:MetaSR"} <= closure.keys()


def test_an_edited_file(tmp_path, monkeypatch):
    (tmp_path / "decoders_of_mine.py").write_text("class Mine:\n    width = 8\n")
    monkeypatch.syspath_prepend(tmp_path)
    mine = importlib.import_module("decoders_of_mine").Mine
    before = Code().digest([], [mine])
    (tmp_path / "decoders_of_mine.py").write_text("class Mine:\n    width = 16\n")
    assert Code().digest([], [mine]) != before


def test_a_class_in_a_function_counts_as_the_function():
    class Inner(LIIF):
        pass

    closure = Code().closure([], extra=[Inner])
    assert "srlib.models.liif:LIIF" in closure
    assert f"{__name__}:test_a_class_in_a_function_counts_as_the_function" in closure


def test_a_class_without_source():
    with pytest.raises(ValueError, match="the source of Made in"):
        Code().digest([], [type("Made", (), {"__module__": __name__})])


def test_a_class_of_the_package_is_a_root():
    assert Code().digest([], [LIIF]) == Code().digest(["srlib.models.liif:LIIF"])


# srlib itself


def test_roots_of_objects():
    code = Code()
    assert code.root(LIIF) == "srlib.models.liif:LIIF"
    assert code.root(LIIF.fast) == "srlib.models.liif:LIIF"
    with pytest.raises(ValueError, match="Outer"):
        code.root(Outer)


def test_a_decoder_reaches_its_parts_and_no_other_decoder():
    code = Code()
    closure = code.closure([code.root(LIIF)])
    assert "srlib.models.layers:mlp" in closure
    assert not [name for name in closure if "metasr" in name]


def test_the_model_itself_names_no_decoder():
    code = Code()
    closure = code.closure([code.root(Model)])
    assert code.root(LIIF) not in closure
    assert code.root(MetaSR) not in closure


def test_all_of_srlib_can_be_followed():
    code = Code()
    assert {code.root(LIIF), code.root(MetaSR)} <= code.closure(["srlib"]).keys()
