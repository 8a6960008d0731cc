"""Servers and pages for the tests in a browser; what they use of them is in chromium.py."""

from pathlib import Path

import pytest
from chromium import CHROMIUM, FLAGS, Site, free_port, lab_on, served, watched

from srlib.demos import serve


def pytest_collection_modifyitems(items):
    """All tests here drive a browser."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; set CHROMIUM"))


@pytest.fixture(scope="session")
def pages(tmp_path_factory):
    """The demos' notebooks without what only a batch run needs."""
    folder = tmp_path_factory.mktemp("pages")
    serve.write_pages(folder)
    return folder


@pytest.fixture(scope="session")
def lab(pages, tmp_path_factory):
    """JupyterLab on the demos; gives its address."""
    with lab_on(pages, tmp_path_factory.mktemp("lab")) as address:
        yield address


@pytest.fixture(scope="session")
def site(pages, tmp_path_factory):
    port, log = free_port(), tmp_path_factory.mktemp("voila") / "voila.log"
    address = f"http://127.0.0.1:{port}/"
    command = serve.command(pages, "127.0.0.1", port)
    with served(command, serve.environment(pages), address, log) as process:
        yield Site(address, process, log)


@pytest.fixture(scope="session")
def chromium():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium):
    """A page of which nothing may go wrong."""
    context = chromium.new_context(viewport={"width": 1280, "height": 1000})
    made = context.new_page()
    wrong = watched(made)
    yield made
    context.close()
    assert wrong == []
