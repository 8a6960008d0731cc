"""The slider in JupyterLab in a real browser. Needs `pip install playwright` and Chromium; see the marker in pyproject.toml."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from srlib.util import paths

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; set CHROMIUM")]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """JupyterLab on a copy of the notebooks; gives its address."""
    scratch = tmp_path_factory.mktemp("lab")
    shutil.copytree(paths.NOTEBOOKS, scratch / "notebooks", ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    environment = os.environ | {name: str(scratch / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR")}
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    options = [
        f"--port={port}",
        "--ServerApp.port_retries=0",
        "--IdentityProvider.token=",
        "--ip=127.0.0.1",
        "--allow-root",
    ]
    with (scratch / "lab.log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", "--no-browser", *options, f"--ServerApp.root_dir={scratch / 'notebooks'}"],
            env=environment, stdout=subprocess.DEVNULL, stderr=log,
        )  # fmt: skip
        for _ in range(240):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/api", timeout=2)
                break
            except OSError:
                assert server.poll() is None, (scratch / "lab.log").read_text()
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}"
        server.terminate()
        server.wait(30)


@pytest.fixture
def page(tmp_path):
    with playwright.sync_playwright() as p:
        size = {"width": 1280, "height": 1400}
        context = p.chromium.launch_persistent_context(
            str(tmp_path / "profile"), executable_path=CHROMIUM, args=FLAGS, viewport=size
        )
        yield context.pages[0]
        context.close()


def run_all(page, lab, notebook, timeout=480_000):
    """Open a notebook, run all its cells, wait until the kernel is idle again."""
    page.goto(f"{lab}/lab/tree/{notebook}.ipynb?reset")
    idle = page.get_by_text(re.compile(r"Python 3.*\| Idle"))
    idle.wait_for(timeout=60_000)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    page.get_by_text(re.compile(r"Python 3.*\| Busy")).wait_for(timeout=60_000)
    waiting = page.locator(".jp-InputPrompt", has_text="[*]")  # a cell that has not ended; idle flickers between cells
    start = time.monotonic()
    while waiting.count() or not idle.is_visible():
        assert time.monotonic() - start < timeout / 1000, f"{notebook} still runs"
        page.wait_for_timeout(1000)


def test_dragging_the_slider_changes_the_pictures(lab, page):
    run_all(page, lab, "scale_slider")
    pictures = page.locator("img.sr-image")
    pictures.first.wait_for(timeout=60_000)
    assert pictures.count() == 3
    before = pictures.nth(2).get_attribute("src")
    page.locator(".widget-slider [role=slider]").first.focus()
    for _ in range(12):
        page.keyboard.press("ArrowRight")
    page.wait_for_function("a => document.querySelectorAll('img.sr-image')[2].src !== a", arg=before, timeout=60_000)
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=f"{folder}/scale_slider.png")


def test_dragging_the_seed_draws_another_picture(lab, page):
    run_all(page, lab, "idm/slider")
    picture = page.locator("img.sr-image")
    picture.wait_for(timeout=60_000)
    before = picture.get_attribute("src")
    page.locator(".widget-slider [role=slider]").nth(1).focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("a => document.querySelector('img.sr-image').src !== a", arg=before, timeout=60_000)
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=f"{folder}/idm_slider.png")


@pytest.mark.parametrize(
    "notebook",
    [
        "idm/scales",
        "idm/x16",
        "idm/sampling",
        "idm/scaling_factor",
        "quickstart",
        "diif/table4",
        "diif/figure7",
        "diinn/figure4",
        "claims",
    ],
)
def test_a_notebook_runs_without_an_error(lab, page, notebook):
    run_all(page, lab, notebook)
    page.get_by_text("measured, interval, verdict").last.scroll_into_view_if_needed()
    assert page.locator(".jp-RenderedText[data-mime-type='application/vnd.jupyter.stderr']").count() == 0
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=f"{folder}/{notebook.replace('/', '_')}.png")
