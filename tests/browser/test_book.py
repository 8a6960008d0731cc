"""The book in a real browser, from the file system and from a web server, by mouse, key and finger. Needs Chromium."""

import functools
import http.server
import io
import os
import re
import shutil
import threading

import numpy as np
import pytest
from PIL import Image

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; set CHROMIUM")]
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def served(book):
    handler = functools.partial(Quiet, directory=str(book))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture
def opened(browser, book):
    """Open a page of the book; at the end, nothing was asked of another place and the console said nothing."""
    contexts, asked, complaints = [], [], []

    def page(name, root="", **how):
        contexts.append(browser.new_context(viewport=how.pop("viewport", WIDE), **how))
        page = contexts[-1].new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on(
            "console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{root or book.as_uri()}/{name}.html")
        return page

    yield page
    for context in contexts:
        context.close()
    assert complaints == []
    assert [url for url in asked if not re.match(r"file:|data:|blob:|http://127\.0\.0\.1:", url)] == []


def pixels(locator) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(locator.screenshot())).convert("RGB")).astype(int)


@pytest.mark.parametrize("place", ["file", "http"])
def test_the_front_page_opens(opened, served, place):
    page = opened("index", **({"root": served} if place == "http" else {}))
    assert page.locator("h1").inner_text().startswith("The workbook of arbitrary-scale super-resolution")
    assert page.locator("ul.forest li").count() > 50
    loaded = page.evaluate(
        "[...document.images].filter(i => i.loading !== 'lazy').every(i => i.complete && i.naturalWidth > 0)"
    )
    assert loaded


def test_the_leaderboard_sorts_by_its_heads(opened):
    page = opened("leaderboard")
    head = page.locator('th[data-key="psnr"]')
    column = page.locator("table.sortable tbody tr:not([hidden]) td:nth-child(4)")

    def shown():
        return [float(text) for text in column.all_inner_texts() if text != "–"]

    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert shown() == sorted(shown(), reverse=True)
    assert len(shown()) > 20
    head.locator("button").focus()
    page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    assert shown() == sorted(shown())


def test_the_leaderboard_filters(opened):
    page = opened("leaderboard")
    rows = page.locator("table.sortable tbody tr:not([hidden])")
    page.locator('select[data-key="method"]').select_option("DIIF")
    page.locator('select[data-key="dataset"]').select_option("Set14")
    assert {text.split("\t")[0].strip() for text in rows.all_inner_texts()} == {"DIIF"}
    assert page.locator(".board output").inner_text().startswith(f"{rows.count()} of ")
    page.locator('select[data-key="method"]').select_option("")
    page.locator('select[data-key="scale"]').select_option("2")
    page.locator('input[data-key="any"]').fill("lte")
    assert {text.split("\t")[0].strip() for text in rows.all_inner_texts()} == {"LTE", "DLTE"}


def wiped(page, left: str, right: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What the frame shows, and the two whole pictures as they would show."""
    frame, range_ = page.locator(".wipe .frame"), page.locator(".wipe .frame input")
    now = range_.input_value()
    seen = pixels(frame)
    range_.fill("100")
    one = pixels(frame)
    range_.fill("0")
    other = pixels(frame)
    range_.fill(now)
    return seen, one, other


def share_of_left(seen, left, right) -> float:
    """Up to which part of the width the left picture shows, where the two differ."""
    differ = np.abs(left - right).sum(axis=2) > 24
    is_left = np.abs(seen - left).sum(axis=2) < np.abs(seen - right).sum(axis=2)
    columns = np.where(
        differ.sum(axis=0) > 10, (differ & is_left).sum(axis=0) / np.maximum(differ.sum(axis=0), 1), np.nan
    )
    return float(np.nanmean(columns > 0.5))


def test_the_wipe_moves_by_mouse_and_by_key(opened):
    page = opened("index")
    frame, range_ = page.locator(".wipe .frame"), page.locator(".wipe .frame input")
    frame.scroll_into_view_if_needed()
    assert abs(share_of_left(*wiped(page, "Bicubic", "DIIF")) - 0.5) < 0.1
    box = frame.bounding_box()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.2 * box["width"], box["y"] + 100, steps=5)
    page.mouse.up()
    assert abs(float(range_.input_value()) - 20) < 3
    assert abs(share_of_left(*wiped(page, "Bicubic", "DIIF")) - 0.2) < 0.1
    range_.focus()
    for _ in range(40):
        page.keyboard.press("ArrowRight")
    assert abs(float(range_.input_value()) - 60) < 3
    assert abs(share_of_left(*wiped(page, "Bicubic", "DIIF")) - 0.6) < 0.1
    assert re.fullmatch(r"\d+ % Bicubic, \d+ % DIIF", range_.get_attribute("aria-valuetext"))
    assert range_.evaluate("e => e.type") == "range"  # the role of a slider, to whoever asks


def test_the_wipe_moves_under_a_finger(opened):
    page = opened("index", viewport=NARROW, has_touch=True, is_mobile=True)
    frame, range_ = page.locator(".wipe .frame"), page.locator(".wipe .frame input")
    frame.scroll_into_view_if_needed()
    box = frame.bounding_box()
    page.touchscreen.tap(box["x"] + 0.8 * box["width"], box["y"] + box["height"] / 2)
    assert abs(float(range_.input_value()) - 80) < 6


def test_the_wipe_shows_the_methods_that_are_chosen(opened):
    page = opened("pictures")
    before = pixels(page.locator(".wipe .frame"))
    page.locator('.wipe select[data-key="right"]').select_option("Original")
    page.wait_for_function("document.querySelector('.wipe .under').complete")
    page.wait_for_timeout(200)
    after = pixels(page.locator(".wipe .frame"))
    half = before.shape[1] // 2
    change = np.abs(before - after).mean(axis=(0, 2))
    assert change[20 : half - 40].max() < 1
    assert change[half + 40 : -20].mean() > 1


def test_the_lens_shows_the_same_place_in_all_methods(opened):
    page = opened("pictures")
    frame, tiles = page.locator(".lens .frame"), page.locator(".lens .tile")
    frame.scroll_into_view_if_needed()

    def places():
        return {tile.evaluate("e => e.style.backgroundPosition + ' ' + e.style.backgroundSize") for tile in tiles.all()}

    assert tiles.count() > 6
    (before,) = places()
    shown = pixels(tiles.nth(1))
    box = frame.bounding_box()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.3 * box["height"])
    page.mouse.down()
    page.mouse.up()
    (after,) = places()
    assert after != before
    page.wait_for_timeout(200)
    assert not np.array_equal(shown, pixels(tiles.nth(1)))
    page.locator('.lens input[data-key="x"]').focus()
    page.keyboard.press("ArrowRight")
    assert places() != {after}
    loaded = [tile.evaluate("e => e.style.backgroundImage") for tile in tiles.all()]
    assert len(set(loaded)) == tiles.count()


def test_the_slider_over_scales_changes_the_patch(opened):
    page = opened("pictures")
    picture, range_ = page.locator(".strip img").last, page.locator(".strip input")
    range_.focus()
    before = picture.get_attribute("src")
    page.keyboard.press("ArrowRight")
    assert picture.get_attribute("src") != before
    assert page.locator(".strip output").inner_text() in picture.get_attribute("alt")
    page.keyboard.press("End")
    assert page.locator(".strip output").inner_text() == "×8"


PAGES = ["index", "papers/diif", "papers/idm", "leaderboard", "methods/diif", "methods/dlte", "pictures",
         "notebooks/diif/table2", "notebooks/claims", "api", "cite", "add"]  # fmt: skip


@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["1280", "390"])
def test_no_page_is_wider_than_the_window(opened, book, viewport):
    page = opened("index", viewport=viewport)
    wide = []
    for name in PAGES:
        page.goto(f"{book.as_uri()}/{name}.html")
        if page.evaluate("document.documentElement.scrollWidth") > viewport["width"]:
            wide.append(name)
        if folder := os.environ.get("SCREENSHOTS"):
            page.screenshot(path=f"{folder}/{name.replace('/', '_')}_{viewport['width']}.png", full_page=True)
    assert wide == []


@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["1280", "390"])
def test_an_equations_number_covers_none_of_it(opened, book, viewport):
    page, seen = opened("index", viewport=viewport), 0
    for name in ("thera", "lmf", "diif"):
        page.goto(f"{book.as_uri()}/methods/{name}.html")
        covered = page.locator(".eqno").evaluate_all("""numbers => numbers.map(number => {
            const a = number.getBoundingClientRect();
            return [...number.closest("div.math").querySelectorAll("math *")].some(part => {
                const b = part.getBoundingClientRect();
                return b.width && b.right > a.left && b.left < a.right && b.bottom > a.top + 1 && b.top < a.bottom - 1;
            });
        })""")
        assert not any(covered), (name, covered)
        seen += len(covered)
    assert seen > 10


@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["1280", "390"])
def test_every_claims_interval_is_seen_on_the_front_page(opened, viewport):
    page = opened("index", viewport=viewport)
    boxes = page.locator("ul.forest .bar").evaluate_all(
        "bars => bars.map(bar => { const box = bar.getBoundingClientRect(); return [box.left, box.width, box.height]; })"
    )
    assert len(boxes) > 80
    assert min(width for _, width, _ in boxes) > 2.5
    assert min(height for *_, height in boxes) > 6
    assert min(left for left, *_ in boxes) >= 0
    assert max(left + width for left, width, _ in boxes) <= viewport["width"]


def test_three_clicks_to_whether_diif_is_faster_by_how_much_and_how_that_was_measured(opened):
    page = opened("index")
    page.get_by_role("link", name="Is DIIF really faster than LIIF, and by how much?").click()  # 1
    page.wait_for_load_state()
    assert page.url.endswith("papers/diif.html#diif-table3")
    section = page.locator("section#diif-table3")
    assert section.get_by_text("Is DIIF really faster than LIIF? Yes.").is_visible()
    faster = section.locator("table").first
    assert "DIIF over LIIF, fast" in faster.inner_text()
    row = next(text.split("\t") for text in faster.locator("tbody tr").all_inner_texts() if text.startswith("×12"))
    assert float(row[2]) > 3
    section.get_by_text("How this was made").click()  # 2
    how = section.locator("table.made")
    assert how.is_visible()
    for said in ("srlib run diif/table3", "Commit", "Device", "Seconds", "times.csv"):
        assert said in how.inner_text()
    section.get_by_role("link", name="The whole notebook").click()  # 3
    page.wait_for_load_state()
    assert page.locator("h1").inner_text().startswith("DIIF, Table 3")


def test_in_the_dark_pictures_stay_on_white(opened):
    page = opened("leaderboard", color_scheme="dark")
    drawn = page.locator("figure.drawn svg").first
    assert drawn.evaluate("e => getComputedStyle(e).backgroundColor") == "rgb(255, 255, 255)"
    corner = pixels(drawn)[3:6, 20:40]
    assert corner.min() > 240
