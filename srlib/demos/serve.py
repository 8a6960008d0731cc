"""The demos as web pages: Voilà on copies of their notebooks, without what only a batch run needs."""

from __future__ import annotations

import html
import os
import re
import shutil
import string
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat

from srlib.util import paths
from srlib.workbook import plan

PAGES = ("deep_zoom", "scale_slider", "inside_diif", "inside_diinn", "inside_idm", "idm/slider")
SITE = Path(__file__).parent / "site"
IDLE = 900  # seconds after which a program that nobody uses is ended
PORT = 8866


def write_pages(folder: Path, names: tuple[str, ...] = PAGES) -> dict[str, str]:
    """Copies of the notebooks without the cells tagged "batch"; and Voilà's template. Returns {file: title}."""
    titles, entries = {}, []
    for name in names:
        notebook = nbformat.read(paths.NOTEBOOKS / f"{name}.ipynb", as_version=4)
        notebook.cells = [cell for cell in notebook.cells if "batch" not in cell.metadata.get("tags", [])]
        file = f"{name.replace('/', '_')}.ipynb"
        nbformat.write(notebook, folder / file)
        titles[file] = plan.profile("quick")["notebooks"][name]["title"]
        said = re.sub(r" \(\[[^]]*\]\([^)]*\)[^)]*\)", "", first_words(notebook.cells[0].source))  # (where it stands)
        said = re.sub(r"[*`]|\[([^]]*)\]\([^)]*\)", r"\1", said)
        title = titles[file][0].upper() + titles[file][1:]
        entries.append(
            f'<li><a href="voila/render/{file}"><b>{html.escape(title)}</b><span>{html.escape(said)}</span></a></li>'
        )
    template = folder / ".share" / "voila" / "templates" / "srlib"
    shutil.copytree(SITE, template)
    page = string.Template((template / "list.html").read_text()).substitute(pages="\n".join(entries))
    for file in ("tree.html", "tree-lab.html"):
        (template / file).write_text("{% raw %}" + page + "{% endraw %}")
    (template / "conf.json").write_text('{"base_template": "lab"}')
    return titles


def first_words(markdown: str) -> str:
    """The first two sentences below the heading."""
    text = " ".join(line for line in markdown.splitlines() if not line.startswith("#")).strip()
    return " ".join(re.split(r"(?<=[.!?]) +", text)[:2])


def command(folder: Path, ip: str, port: int) -> list[str]:
    """The command that serves a folder of pages."""
    options = {
        "Voila.ip": ip,
        "Voila.port": port,
        "Voila.port_retries": 0,
        "Voila.open_browser": False,
        "VoilaConfiguration.template": "srlib",
        "VoilaConfiguration.strip_sources": True,
        "VoilaConfiguration.show_tracebacks": False,
        "MappingKernelManager.cull_idle_timeout": IDLE,
        "MappingKernelManager.cull_interval": 30,
        "MappingKernelManager.cull_connected": True,
    }
    told = [f"--{name}={value}" for name, value in options.items()]
    return [sys.executable, "-m", "voila", str(folder), *told]


def environment(folder: Path) -> dict[str, str]:
    """Voilà finds its template in the folder, and keeps its own files there."""
    more = {"JUPYTER_PATH": str(folder / ".share"), "JUPYTER_RUNTIME_DIR": str(folder / ".runtime")}
    return os.environ | more | {"JUPYTER_CONFIG_DIR": str(folder / ".config"), "PYTHONWARNINGS": "ignore"}


def serve(ip: str = "127.0.0.1", port: int = PORT) -> int:
    """Serve the demos until Ctrl-C; returns the exit code. ip: "0.0.0.0" lets other machines in."""
    with tempfile.TemporaryDirectory(prefix="srlib-demos-") as name:
        folder = Path(name)
        write_pages(folder)
        print(f"The demos: http://{'127.0.0.1' if ip == '0.0.0.0' else ip}:{port}/    (Ctrl-C ends them)", flush=True)
        process = subprocess.Popen(command(folder, ip, port), env=environment(folder))
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.terminate()
            return process.wait(30)
