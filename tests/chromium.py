"""A browser, JupyterLab and Voilà, and what tests ask of a page.

Needs Chromium on the PATH, or its path in CHROMIUM. SCREENSHOTS=FOLDER keeps pictures of the pages. KEEP=FOLDER keeps
recordings and measurements, below the notebooks' names; KEEP=results/compact, and `make reference PROFILE=compact` takes
them along. DISTURBED=1 notes beside measurements that others used the machine.
"""

import base64
import contextlib
import io
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
PATIENCE = 240_000  # milliseconds: a busy machine is no error


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextlib.contextmanager
def served(command: list[str], environment: dict, address: str, log: Path) -> Iterator[subprocess.Popen]:
    """A server, from when it answers until the block ends."""
    with log.open("w") as stream:
        server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=stream)
        try:
            for _ in range(480):
                try:
                    urllib.request.urlopen(address, timeout=2)
                    break
                except urllib.error.HTTPError:
                    break
                except OSError:
                    assert server.poll() is None, log.read_text()
                    time.sleep(0.5)
            yield server
        finally:
            server.terminate()
            server.wait(60)


def lab_on(folder: Path, scratch: Path) -> contextlib.AbstractContextManager:
    port = free_port()
    environment = os.environ | {name: str(scratch / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR")}
    options = ["--no-browser", f"--port={port}", "--ServerApp.port_retries=0", "--IdentityProvider.token="]
    options += ["--ip=127.0.0.1", "--allow-root", f"--ServerApp.root_dir={folder}"]
    options += [
        "--MappingKernelManager.cull_idle_timeout=30",
        "--MappingKernelManager.cull_interval=10",
    ]  # once the page is closed
    command = [sys.executable, "-m", "jupyterlab", *options]

    @contextlib.contextmanager
    def running():
        with served(command, environment, f"http://127.0.0.1:{port}/api", scratch / "lab.log"):
            yield f"http://127.0.0.1:{port}"

    return running()


class Site:
    """Voilà on the demos. address: of the list of pages. process: the server's."""

    def __init__(self, address: str, process: subprocess.Popen, log: Path):
        self.address, self.process, self.log = address, process, log

    def url(self, name: str) -> str:
        return f"{self.address}voila/render/{name.replace('/', '_')}.ipynb"


def watched(page) -> list[str]:
    """What goes wrong on a page from now on: errors of scripts and of the console, failed kernels, requests to other hosts."""
    wrong: list[str] = []
    ours = re.compile(r"^(https?|ws)://127\.0\.0\.1|^(blob|data):")
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("console", lambda message: wrong.append(f"console: {message.text}") if message.type == "error" else None)
    page.on("request", lambda request: None if ours.match(request.url) else wrong.append(f"host: {request.url}"))
    page.set_default_timeout(PATIENCE)
    return wrong


def screenshot(page, name: str) -> None:
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=f"{folder}/{name}.png")


def pixels(page, selector: str) -> np.ndarray:
    """What a canvas shows, RGB."""
    url = page.locator(selector).evaluate("canvas => canvas.toDataURL('image/png')")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB"))


def run_all(page, address: str, notebook: str) -> None:
    """Open a notebook in JupyterLab, run all its cells, wait until the kernel is idle again."""
    page.goto(f"{address}/lab/tree/{notebook}.ipynb?reset")
    idle = page.get_by_text(re.compile(r"Python 3.*\| Idle"))
    idle.wait_for()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    page.get_by_text(re.compile(r"Python 3.*\| Busy")).wait_for()
    waiting = page.locator(".jp-InputPrompt", has_text="[*]")  # a cell that has not ended; idle flickers between cells
    start = time.monotonic()
    while waiting.count() or not idle.is_visible():
        assert time.monotonic() - start < 2 * PATIENCE / 1000, f"{notebook} still runs"
        page.wait_for_timeout(500)


def on_white(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """At the upper left of a picture of (width, height)."""
    whole = Image.new("RGB", size, "white")
    whole.paste(image)
    return whole


class Recording:
    """Frames of a part of the page, kept as a short WebP if KEEP is set."""

    def __init__(self, page, selector: str):
        self.page, self.selector, self.frames = page, selector, []

    def frame(self, times: int = 1) -> None:
        if os.environ.get("KEEP"):
            shot = self.page.locator(self.selector).screenshot(type="png")
            self.frames += [Image.open(io.BytesIO(shot)).convert("RGB")] * times

    def keep(self, notebook: str, name: str, *, width: int = 480, milliseconds: int = 140) -> None:
        if not self.frames:
            return
        place = Path(os.environ["KEEP"]) / notebook / f"{name}.webp"
        place.parent.mkdir(parents=True, exist_ok=True)
        whole = max(one.width for one in self.frames), max(one.height for one in self.frames)
        self.frames = [on_white(one, whole) for one in self.frames]
        scale = min(1, width / whole[0])
        small = [
            one.resize((round(one.width * scale), round(one.height * scale)), Image.LANCZOS) for one in self.frames
        ]
        times = [milliseconds] * (len(small) - 1) + [1500]
        small[0].save(place, save_all=True, append_images=small[1:], duration=times, loop=0, quality=60, method=6)
        assert place.stat().st_size < 1.5e6
