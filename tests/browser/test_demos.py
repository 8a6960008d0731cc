"""The demos in a real browser: what the page shows is what the library makes for that view, and nothing goes wrong."""

import io
import math
import time

import numpy as np
import psutil
import pytest
import torch
from chromium import Recording, pixels, run_all, screenshot, watched
from kept import keep
from PIL import Image

import srlib
from srlib.demos.photographs import embedded, uploaded
from srlib.imaging import windows
from srlib.imaging.files import to_tensor, to_uint8
from srlib.imaging.windows import Window
from srlib.workbook import plan

ZOOM = "document.querySelector('.sr-deep-zoom').srlib"
SHARP = """() => {
  const zoom = document.querySelector('.sr-deep-zoom')?.srlib;
  const is = (name) => (zoom.frames[name] ?? []).some((frame) => frame.seq === zoom.seq && frame.stage === 'sharp');
  return zoom?.image && zoom.view.methods.every(is);
}"""
ANSWERED = """() => {
  const stage = document.querySelector('.sr-stage')?.srlib;
  return stage?.seq > 0 && stage.shown === stage.seq;
}"""
LOOK = plan.profile("quick")["notebooks"]["deep_zoom"]


def settled(page, condition: str) -> None:
    """Until the page shows the answer to the last thing that was asked, twice in a row."""
    for _ in range(2):
        page.wait_for_timeout(120)
        page.wait_for_function(condition)


def shown(page) -> dict:
    """What the deep zoom shows: its view, and the newest frames by method."""
    return page.evaluate(
        f"""() => {{
          const zoom = {ZOOM}, frames = {{}};
          for (const name of zoom.view.methods) {{
            const {{ picture, ...rest }} = zoom.frames[name].at(-1);
            frames[name] = rest;
          }}
          return {{ view: zoom.view, frames, wipe: Number(document.querySelector('.sr-wipe').getAttribute('aria-valuenow')) }};
        }}"""
    )


def expected(photograph, frame: dict) -> np.ndarray:
    """The library's own picture of a frame: the same rows and columns of the whole image."""
    model = srlib.load(frame["method"])
    with torch.inference_mode():
        features = model.encode(to_tensor(photograph.lr))
        whole = model.decode(features, tuple(frame["size"]), rows=torch.arange(*frame["rows"]))
    return to_uint8(whole)[:, slice(*frame["columns"])]


def check_view(page, photograph) -> None:
    """The canvas shows, left and right of the wipe, what the library makes there, within one 8-bit step."""
    state, canvas = shown(page), pixels(page, "canvas.sr-map")
    line = round(state["wipe"] / 100 * canvas.shape[1])
    for name, part in zip(state["view"]["methods"], (slice(0, line - 8), slice(line + 8, None)), strict=True):
        frame = state["frames"][name]
        assert frame["stage"] == "sharp"
        whole, seen = np.full(canvas.shape, -1), []
        for axis, (length, first) in enumerate(zip(frame["shape"], frame["box"], strict=False)):
            beside = (first - state["view"]["centre"][axis]) * state["view"]["scale"] + canvas.shape[axis] / 2
            start = 0 if length == canvas.shape[axis] else math.floor(beside + 0.5)  # an image smaller than the view
            seen.append(slice(start, start + length))
        whole[tuple(seen)] = expected(photograph, frame)
        there = whole[:, part] >= 0
        assert there.any()
        assert np.abs(canvas.astype(int) - whole)[:, part][there].max() <= 1, name


def wheel(page, at: tuple[float, float], turns: int, record: Recording) -> None:
    box = page.locator("canvas.sr-map").bounding_box()
    page.mouse.move(box["x"] + at[0] * box["width"], box["y"] + at[1] * box["height"])
    for _ in range(turns):
        page.mouse.wheel(0, -160)
        page.wait_for_timeout(100)
        record.frame()


def drag(page, dx: float, dy: float, record: Recording | None = None, steps: int = 6) -> None:
    """From the middle of the view, in CSS pixels."""
    box = page.locator("canvas.sr-map").bounding_box()
    x, y = box["x"] + box["width"] * 0.4, box["y"] + box["height"] * 0.4
    page.mouse.move(x, y)
    page.mouse.down()
    for i in range(1, steps + 1):
        page.mouse.move(x + dx * i / steps, y + dy * i / steps)
        page.wait_for_timeout(30)
        if record:
            record.frame()
    page.mouse.up()


def pinch(page, times: float) -> None:
    """Two fingers on the view move apart."""
    box, fingers = page.locator("canvas.sr-map").bounding_box(), page.context.new_cdp_session(page)
    x, y = box["x"] + 0.3 * box["width"], box["y"] + 0.3 * box["height"]
    fingers.send("Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 2})
    for i in range(6):
        apart = 30 * (1 + (times - 1) * i / 5)
        both = [{"x": x - apart, "y": y, "id": 0}, {"x": x + apart, "y": y, "id": 1}]
        fingers.send("Input.dispatchTouchEvent", {"type": "touchMove" if i else "touchStart", "touchPoints": both})
    fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    fingers.send("Emulation.setTouchEmulationEnabled", {"enabled": False})


def upload(page, name: str, content: bytes) -> None:
    page.locator("input[type=file]").set_input_files({"name": name, "mimeType": "image/png", "buffer": content})


def test_deep_zoom_as_a_page(site, page):
    """Zoom, drag, wipe, switch, pinch, upload; and sentences for what cannot be shown."""
    page.goto(site.url("deep_zoom"))
    settled(page, SHARP)
    assert page.locator(".jp-CodeCell .jp-InputArea-editor").count() == 0, "no code cells"
    photograph = embedded(LOOK["images"][0], LOOK["longest"])
    check_view(page, photograph)
    record = Recording(page, ".sr-view")
    record.frame(3)

    wheel(page, (0.36, 0.24), 9, record)
    settled(page, SHARP)
    record.frame(3)
    drag(page, 60, -35, record)
    settled(page, SHARP)
    record.frame(3)
    check_view(page, photograph)
    assert shown(page)["view"]["scale"] > 8

    handle = page.locator(".sr-wipe").bounding_box()
    x, y = handle["x"] + handle["width"] / 2, handle["y"] + 30
    page.mouse.move(x, y)
    page.mouse.down()
    for i in range(1, 8):
        page.mouse.move(x - 20 * i, y)
        record.frame()
    for i in range(7, -6, -1):
        page.mouse.move(x - 20 * i, y)
        record.frame()
    page.mouse.up()
    assert shown(page)["wipe"] > 60
    check_view(page, photograph)
    record.keep("deep_zoom", "deep_zoom", width=400)

    page.get_by_role("combobox", name="right", exact=True).select_option("compact-diinn")
    settled(page, SHARP)
    check_view(page, photograph)
    assert "DIINN:" in page.locator(".sr-read").inner_text()
    page.wait_for_function("document.querySelector('.sr-read').innerText.match(/MAC/g)?.length === 2")

    before = shown(page)["view"]["scale"]
    pinch(page, 2.0)
    settled(page, SHARP)
    assert shown(page)["view"]["scale"] == pytest.approx(2 * before, rel=0.02)
    check_view(page, photograph)

    for name, content, sentence in [
        ("broken.png", b"not a picture", "broken.png: not an image file"),
        ("long.png", bytes(9 * 2**20), "long.png: has 9.0 MiB, and at most 8 MiB are taken"),
        ("huge.png", huge(), "huge.png: has 6000 x 5000 pixels, and at most 24 megapixels"),
        ("moving.gif", animated(), "moving.gif: is animated"),
    ]:
        upload(page, name, content)
        page.get_by_text(sentence).wait_for()

    content = clear_grey()
    upload(page, "own.png", content)
    page.get_by_text("own.png: its transparency is put on white; it is grey.").wait_for()
    settled(page, SHARP)
    wheel(page, (0.5, 0.5), 6, record)
    settled(page, SHARP)
    check_view(page, uploaded(content, "own.png", LOOK["longest"]))
    images = page.get_by_role("combobox", name="image", exact=True)
    for choice, name in (("astronaut", "astronaut"), ("@own", "own.png")):  # there and back
        images.select_option(choice)
        page.wait_for_function(f"{ZOOM}.image.name === '{name}'")
    screenshot(page, "voila_deep_zoom")


def animated() -> bytes:
    frames, buffer = [Image.new("L", (20, 20), 90 * i) for i in range(3)], io.BytesIO()
    frames[0].save(buffer, format="gif", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def huge() -> bytes:
    """Of many pixels, in few bytes."""
    buffer = io.BytesIO()
    Image.new("1", (6000, 5000)).save(buffer, format="png")
    return buffer.getvalue()


def clear_grey() -> bytes:
    """Grey, a part of it transparent."""
    grey = np.random.default_rng(0).integers(0, 256, (48, 64), dtype=np.uint8)
    alpha = np.full_like(grey, 255)
    alpha[:8] = 100
    buffer = io.BytesIO()
    Image.fromarray(np.dstack([grey, alpha])).save(buffer, format="png")
    return buffer.getvalue()


def test_scale_slider_as_a_page(site, page):
    """Dragging the scale shows what the models make of the window that belongs to it."""
    page.goto(site.url("scale_slider"))
    settled(page, ANSWERED)
    record, slider = Recording(page, ".sr-pictures"), page.get_by_role("slider", name="scale", exact=True)
    box = slider.bounding_box()
    page.mouse.move(box["x"] + 10, box["y"] + box["height"] / 2)
    page.mouse.down()
    for i in range(12):
        page.mouse.move(box["x"] + 10 + 12 * i, box["y"] + box["height"] / 2)
        page.wait_for_timeout(80)
        record.frame()
    page.mouse.up()
    settled(page, ANSWERED)
    record.frame(3)
    record.keep("scale_slider", "scale_slider")
    values = page.evaluate("document.querySelector('.sr-stage').srlib.values")
    look = plan.profile("quick")["notebooks"]["scale_slider"]
    photograph = embedded(values["image"], look["longest"])
    side = min(384, round(look["part"] * values["scale"]))
    middle = tuple(n * at for n, at in zip(photograph.size, look["centre"], strict=True))
    window = Window.around(photograph.size, values["scale"], middle, (side, side))
    assert 10 < values["scale"] < 30
    for name, label in ((values["left"], "Bicubic"), (values["right"], "DIIF")):
        model = srlib.load(name)
        made = to_uint8(windows.decode(model, model.encode(to_tensor(photograph.lr)), window))
        canvas = pixels(page, f"canvas[data-name='{label}']")
        assert np.abs(canvas.astype(int) - made).max() <= 1, label
    page.get_by_role("combobox", name="show", exact=True).select_option("grid")
    settled(page, ANSWERED)
    assert page.locator(".sr-picture").count() == 1 + len(look["models"])
    upload(page, "moving.gif", animated())
    page.get_by_text("moving.gif: is animated").wait_for()
    upload(page, "own.png", clear_grey())
    page.get_by_text("own.png: its transparency is put on white; it is grey.").wait_for()
    settled(page, ANSWERED)
    assert pixels(page, ".pointed canvas").shape == (48, 64, 3)
    screenshot(page, "voila_scale_slider")


def test_inside_diif_as_a_page(site, page):
    """Pointing at pixels, and another slicing."""
    page.goto(site.url("inside_diif"))
    settled(page, ANSWERED)
    record, picture = Recording(page, ".sr-columns"), page.locator(".pointed canvas")
    before, told = pixels(page, ".pointed canvas"), page.locator(".sr-side").inner_text()
    box = picture.bounding_box()
    for i in range(8):
        page.mouse.click(box["x"] + (0.2 + 0.07 * i) * box["width"], box["y"] + (0.3 + 0.05 * i) * box["height"])
        settled(page, ANSWERED)
        record.frame()
    assert page.locator(".sr-side").inner_text() != told
    assert np.array_equal(pixels(page, ".pointed canvas"), before)
    for kind in ("constant", "fixed", "linear"):
        page.get_by_role("combobox", name="slicing", exact=True).select_option(kind)
        settled(page, ANSWERED)
        record.frame(4)
        assert np.array_equal(pixels(page, ".pointed canvas"), before) == (kind == "linear")
    record.keep("inside_diif", "inside_diif", width=720, milliseconds=350)
    screenshot(page, "voila_inside_diif")


def test_deep_zoom_in_jupyterlab(lab, page):
    """It drags and zooms there too; run again, the cell makes another one, and both work."""
    run_all(page, lab, "deep_zoom")
    settled(page, SHARP)
    photograph = embedded(LOOK["images"][0], LOOK["longest"])
    page.locator("canvas.sr-map").scroll_into_view_if_needed()
    wheel(page, (0.5, 0.5), 5, Recording(page, ".sr-view"))
    drag(page, 40, 30)
    settled(page, SHARP)
    check_view(page, photograph)
    cell = page.locator(".jp-CodeCell").last
    cell.locator(".jp-InputArea-editor").click()
    page.keyboard.press("Control+Enter")
    page.wait_for_function(
        "() => { const zoom = document.querySelector('.sr-deep-zoom')?.srlib; return zoom?.image && zoom.seq < 5; }"
    )
    settled(page, SHARP)
    wheel(page, (0.3, 0.3), 4, Recording(page, ".sr-view"))
    settled(page, SHARP)
    check_view(page, photograph)
    assert (
        page.locator(
            "[data-mime-type='application/vnd.jupyter.stderr'], [data-mime-type='application/vnd.jupyter.error']"
        ).count()
        == 0
    )
    screenshot(page, "lab_deep_zoom")


# Longer ones


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "control", "times"),
    [("inside_diinn", "channel", 10), ("inside_idm", "after step", 19), ("idm/slider", "seed", 6)],
)
def test_the_others(site, page, name, control, times):
    page.goto(site.url(name))
    settled(page, ANSWERED)
    page.get_by_role("slider", name=control, exact=True).focus()
    if name == "inside_idm":  # from noise to an image
        page.keyboard.press("Home")
        settled(page, ANSWERED)
    record = Recording(page, ".sr-columns")
    record.frame(3)
    for _ in range(times):
        before = page.locator(".sr-pictures").inner_text()
        page.keyboard.press("ArrowRight")
        settled(page, ANSWERED)
        record.frame()
        assert page.locator(".sr-pictures").inner_text() != before
    record.keep(name, name.split("/")[-1], width=720, milliseconds=300)
    screenshot(page, f"voila_{name.replace('/', '_')}")


@pytest.mark.slow
@pytest.mark.parametrize("method", ["compact-diif", "compact-liif", "compact-diinn"])
def test_latency(site, page, method):
    """From the gesture to the first and to the sharp picture, medians of 50 pans and zooms; 512 x 512 of 256 x 256."""
    page.goto(site.url("deep_zoom"))
    settled(page, SHARP)
    for side in ("left", "right"):
        page.get_by_role("combobox", name=side, exact=True).select_option(method)
    settled(page, SHARP)
    wheel(page, (0.5, 0.5), 3, Recording(page, ".sr-view"))
    settled(page, SHARP)
    first, sharp = [], []
    for i in range(50):
        if i % 2:
            page.mouse.wheel(0, -60 if i % 4 == 1 else 60)
        else:
            drag(page, 25 * (-1) ** (i // 2), 15, steps=1)
        settled(page, SHARP)
        seen = page.evaluate(f"{ZOOM}.times.filter((one) => one.sharp).at(-1)")
        first.append(seen["first"])
        sharp.append(seen["sharp"])
    assert pixels(page, "canvas.sr-map").shape == (512, 512, 3)
    quartiles = lambda some: np.percentile(some, [25, 50, 75])  # noqa: E731
    row = {"model": method, "frames": len(first), "view": "512 x 512", "image": "256 x 256"}
    for name, some in (("first_ms", first), ("sharp_ms", sharp)):
        low, middle, high = quartiles(some)
        row |= {name: middle, f"{name}_q1": low, f"{name}_q3": high}
    keep(f"latency_{method}", [row])


@pytest.mark.slow
def test_ten_visitors_for_five_minutes(site, chromium):
    """Each zooms and drags an image of its own: no error, nothing shared, no leak."""
    visitors, wrong, names = [], [], LOOK["images"]
    for i in range(10):
        context = chromium.new_context(viewport={"width": 700, "height": 900})
        visitors.append(context.new_page())
        wrong.append(watched(visitors[-1]))
        visitors[-1].goto(site.url("deep_zoom"))
        settled(visitors[-1], SHARP)
        visitors[-1].get_by_role("combobox", name="image", exact=True).select_option(names[i % len(names)])
        settled(visitors[-1], SHARP)

    def memory() -> float:
        """MB of the server and of all its kernels."""
        family = [psutil.Process(site.process.pid), *psutil.Process(site.process.pid).children(recursive=True)]
        return sum(one.memory_info().rss for one in family) / 1e6

    def use(page, turn: int) -> None:
        page.get_by_role("combobox", name="right", exact=True).select_option(LOOK["models"][1 + turn % 3])
        drag(page, 40 * (-1) ** turn, 25 * (-1) ** turn)
        page.locator("canvas.sr-map").hover(position={"x": 60, "y": 60})  # the wipe is in the middle
        page.mouse.wheel(0, 200 if turn % 2 else -200)
        settled(page, SHARP)

    for turn in range(3):  # all methods have encoded all images
        for page in visitors:
            use(page, turn)
    before, start, turns = memory(), time.monotonic(), 0
    while time.monotonic() - start < 300:
        for page in visitors:
            use(page, turns)
        turns += 1
    after, seconds = memory(), time.monotonic() - start
    errors = [one for some in wrong for one in some]
    row = {"visitors": 10, "seconds": seconds, "gestures": 30 * turns, "errors": len(errors)}
    keep("visitors", [row | {"before_MB": before, "after_MB": after}])
    assert errors == []
    for i, page in enumerate(visitors):
        assert page.evaluate(f"{ZOOM}.image.name") == names[i % len(names)]
        check_view(page, embedded(names[i % len(names)], LOOK["longest"]))
        page.context.close()
    assert after < 1.1 * before
