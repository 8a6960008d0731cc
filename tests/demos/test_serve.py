"""The pages that visitors get."""

import nbformat
import pytest

from srlib.demos import serve
from srlib.util import paths


@pytest.fixture
def site(tmp_path):
    serve.write_pages(tmp_path)
    return tmp_path


def test_there_is_a_page_for_each_demo(site):
    assert {path.stem for path in site.glob("*.ipynb")} == {name.replace("/", "_") for name in serve.PAGES}


def test_a_page_has_no_cells_of_the_batch(site):
    for name in serve.PAGES:
        own = nbformat.read(paths.NOTEBOOKS / f"{name}.ipynb", as_version=4)
        page = nbformat.read(site / f"{name.replace('/', '_')}.ipynb", as_version=4)
        assert 0 < len(page.cells) < len(own.cells)
        assert not any("conclude" in cell.source for cell in page.cells)


def test_the_list_links_them_all(site):
    page = (site / ".share/voila/templates/srlib/tree-lab.html").read_text()
    assert all(f'href="voila/render/{name.replace("/", "_")}.ipynb"' in page for name in serve.PAGES)


def test_it_listens_on_this_machine_unless_told_otherwise(monkeypatch):
    said = []
    monkeypatch.setattr(serve.subprocess, "Popen", lambda command, env: said.append(command) or Waits())
    assert serve.serve() == 0
    serve.serve("0.0.0.0")
    assert ("--Voila.ip=127.0.0.1" in said[0], "--Voila.ip=0.0.0.0" in said[1]) == (True, True)


class Waits:
    def wait(self):
        return 0


def test_nothing_comes_from_other_hosts(site):
    for path in [*(site / ".share").rglob("*"), *(paths.ROOT / "srlib/demos").glob("*.[jc]s*")]:
        text = path.read_text() if path.is_file() else ""
        assert not [word for word in text.split() if "://" in word and "www.w3.org" not in word and "{" not in word], (
            path
        )
