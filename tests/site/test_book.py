"""The book of the reference results, built once: every page is there, whole, and needs no other place."""

import re
import shutil
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest

from srlib.site import build, results
from srlib.util import paths
from srlib.workbook import plan


class Page(HTMLParser):
    """What a page links to, loads and says."""

    def __init__(self, path):
        super().__init__()
        self.links, self.loads, self.ids, self.alts, self.skipped, self.said = [], [], set(), [], 0, []
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        of = dict(attributes)
        self.ids |= {of[name] for name in ("id", "name") if of.get(name)}
        if tag == "a" and of.get("href"):
            self.links.append(of["href"])
        if tag in ("script", "img", "iframe", "source", "audio", "video") and of.get("src"):
            self.loads.append(of["src"])
        if tag == "link" and of.get("href"):
            self.loads.append(of["href"])
        if tag == "img":
            self.alts.append(of.get("alt"))
        self.skipped += tag in ("script", "style", "pre", "code")

    def handle_endtag(self, tag):
        self.skipped -= tag in ("script", "style", "pre", "code")

    def handle_data(self, data):
        if not self.skipped:
            self.said.append(data)


@pytest.fixture(scope="module")
def site(book):
    """Page -> what it has."""
    return {path.relative_to(book).as_posix(): Page(path) for path in sorted(book.rglob("*.html"))}


def test_every_notebook_is_a_page_and_shows_its_figures(book, site):
    run = results.run()
    for name in plan.listed():
        page = site[f"notebooks/{name}.html"]
        figures = [path.name for path in run.files(name, ".png", ".gif", ".svg")]
        assert [figure for figure in figures if not any(load.endswith(f"/{figure}") for load in page.loads)] == []


def test_every_method_of_the_catalogue_has_a_chapter(site):
    missing = [name for name in build.methods() if f"methods/{name}.html" not in site]
    assert missing == []


def test_a_chapter_has_equations_code_and_a_drawing(book):
    """A decoder that nobody has written a chapter for has no equations there but those in its own file."""
    for name in [*build.methods(), "idm"]:
        text = (book / "methods" / f"{name}.html").read_text()
        assert "<math" in text or not (paths.ROOT / "book" / "methods" / f"{name}.md").exists(), name
        assert "def reference(" in re.sub(r"<[^>]+>", "", text), name
        assert re.search(r'<svg role="img" aria-label="Matrix products of [^"]*the equations as they stand', text), name


def test_no_link_is_broken(book, site):
    broken = []
    for name, page in site.items():
        for link in page.links + page.loads:
            if re.match(r"(https?|data|mailto):", link):
                continue
            place, _, anchor = unquote(link).partition("#")
            target = ((book / name).parent / place.partition("?")[0]).resolve() if place else book / name
            there = target.is_file()
            if there and anchor and target.suffix == ".html":
                there = anchor in site[target.relative_to(book.resolve()).as_posix()].ids
            if not there:
                broken.append((name, link))
    assert broken == []


def test_nothing_is_loaded_from_elsewhere(book, site):
    foreign = [(name, load) for name, page in site.items() for load in page.loads if re.match(r"(https?:)?//", load)]
    in_styles = [
        (path.name, found)
        for path in book.rglob("*.css")
        for found in re.findall(r"(?:url\(|@import\s)[\"']?(?:https?:)?//[^)\"']+", path.read_text())
    ]
    assert foreign + in_styles == []


def test_no_page_shows_what_no_reader_should_see(site):
    odd = re.compile(
        r"Traceback|\w+Warning|<[\w.]+ object at|Name: \w+, dtype:|\bnan\b|\('[A-Z]\w+',|\{\{|\}\}|\{%|Not measured in this run"
    )
    found = [(name, text.strip()) for name, page in site.items() for text in page.said if odd.search(text)]
    assert found == []


def test_every_picture_has_words(site):
    assert [name for name, page in site.items() if not all(page.alts)] == []


def test_it_is_small(book, site):
    assert sum(path.stat().st_size for path in book.rglob("*") if path.is_file()) < 40e6
    first = {book / "index.html"} | {(book / load.partition("?")[0]) for load in site["index.html"].loads}
    assert sum(path.stat().st_size for path in first) < 1e6


def test_equations_are_numbered_as_in_the_paper(book):
    text = (book / "methods/diif.html").read_text()
    numbers = [int(n) for n in re.findall(r'<span class="eqno"[^>]*>(\d+)</span>', text)]
    assert numbers == list(range(1, 13))
    assert "def reference" in re.sub(r"<[^>]+>", "", text)


def test_the_origin_of_every_result_is_on_its_page(site):
    run = results.run()
    for name in run.notebooks:
        assert run.origin(name)["commit"] in " ".join(site[f"notebooks/{name}.html"].said)


class TestFilling:
    @pytest.fixture
    def filler(self):
        return build.Filler(results.run())

    def test_a_number_is_that_of_the_table(self, filler):
        asked = (
            '{{ value("diif/table3/growth", "exponent", {"model": "edsr-baseline-liif", "counted": "macs"}, ".1f") }}'
        )
        assert filler.fill(asked, "papers/diif") == "2.0"

    @pytest.mark.parametrize(
        "asked, words",
        [
            ("{{ valu('diif/table3/growth', 'exponent') }}", "'valu' is undefined"),
            ("{{ value('diif/table3/growth', 'exponents', {}) }}", "exponent"),
            ("{{ value('diif/table33/growth', 'exponent', {}) }}", "diif/table3"),
            ("{{ value('diif/table3/growth', 'exponent', {}) }}", "say more"),
            ("{{ readme('Enlarge') }}", "README.md has no section 'Enlarge'"),
        ],
    )
    def test_a_name_that_nobody_makes_is_an_error_that_names_the_page(self, filler, asked, words):
        with pytest.raises(ValueError, match=r"book/papers/diif.md: .*" + re.escape(words)):
            filler.fill(asked, "papers/diif")

    def test_what_was_not_measured_is_said(self, filler):
        asked = '{{ value("diif/table3/growth", "exponent", {"model": "none"}) }}'
        assert filler.fill(asked, "papers/diif") == build.LEFT_OUT
        assert filler.missing == ["papers/diif: diif/table3/growth.csv has no exponent where {'model': 'none'}"]


def test_an_unknown_profile_says_how_to_make_results():
    with pytest.raises(ValueError, match="srlib reproduce nowhere"):
        build.build("nowhere")


def test_a_method_without_a_chapter_gets_one_from_its_file():
    text = build.chapter("liif")
    assert text.startswith("# LIIF\n")
    assert "/code/srlib/models/liif.py" in text
    assert "Local Implicit Image Function" in text
    assert build.chapter("thera").startswith("# Thera Air\n")


def test_sphinx_words_are_the_error(tmp_path, monkeypatch):
    source = tmp_path / "pages"
    source.mkdir()
    (source / "conf.py").write_text("")
    (source / "index.rst").write_text("Title\n=====\n\n:doc:`nowhere`\n")
    monkeypatch.setattr(build, "stage", lambda run, folder: source.rename(folder) and [])
    with pytest.raises(RuntimeError, match="unknown document: 'nowhere'"):
        build.build(out=tmp_path / "site")
    assert not (tmp_path / "site").exists()


def test_a_run_of_one_notebook_fills_every_page(book, tmp_path):
    """What it has not measured is said on the page, and no page fails."""
    folder = tmp_path / "results" / "diif" / "figure7"
    shutil.copytree(results.run().folder / "diif" / "figure7", folder)
    run = results.Run(tmp_path / "results", "compact")
    missing = build.stage(run, tmp_path / "source")
    assert "papers/diinn: diinn/table5/table5.csv is not in this run" in missing
    text = (tmp_path / "source" / "papers" / "diif.md").read_text()
    assert build.LEFT_OUT in text
    assert "data/diif/figure7/seams.png" in text


@pytest.mark.parametrize("notebook", ["deep_zoom", "scale_slider", "inside_diif"])
def test_recordings_are_shown(book, notebook):
    page = (book / "notebooks" / f"{notebook}.html").read_text()
    assert f'data/{notebook}/{notebook}.webp" alt="A recording' in page
