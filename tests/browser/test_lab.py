"""Notebooks in JupyterLab in a real browser, from the first cell to the last."""

import shutil

import numpy as np
import pytest
from chromium import lab_on, pixels, run_all, screenshot

from srlib.util import paths
from srlib.workbook import plan

pytestmark = pytest.mark.slow
PROFILE = r"profile = \"quick\""


@pytest.fixture(scope="module")
def whole_lab(tmp_path_factory):
    """JupyterLab on a copy of all notebooks, each as small as it goes."""
    scratch = tmp_path_factory.mktemp("whole_lab")
    shutil.copytree(paths.NOTEBOOKS, scratch / "notebooks", ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    for path in (scratch / "notebooks").rglob("*.ipynb"):
        text = path.read_text()
        assert PROFILE in text, path
        path.write_text(text.replace(PROFILE, PROFILE.replace("quick", "smoke")))
    with lab_on(scratch / "notebooks", scratch) as address:
        yield address


@pytest.mark.parametrize("notebook", [name for name in plan.listed() if name != "claims"] + ["claims"])
def test_a_notebook_runs_without_an_error(whole_lab, page, notebook):
    run_all(page, whole_lab, notebook)
    page.get_by_text("measured, interval, verdict").last.scroll_into_view_if_needed()
    told = page.locator(".jp-RenderedText[data-mime-type='application/vnd.jupyter.stderr']").all_inner_texts()
    assert [text for text in told if "the machine was busy" not in text] == []  # times say so where they are disturbed
    screenshot(page, f"lab_{notebook.replace('/', '_')}")


def test_dragging_the_seed_draws_another_picture(whole_lab, page):
    run_all(page, whole_lab, "idm/slider")
    page.locator("canvas[data-name='IDM']").wait_for()
    before = pixels(page, "canvas[data-name='IDM']")
    page.get_by_role("slider", name="seed", exact=True).focus()
    page.keyboard.press("ArrowRight")
    page.get_by_text("seed 1").wait_for()
    assert not np.array_equal(pixels(page, "canvas[data-name='IDM']"), before)
