import hashlib
import threading

import pytest
from publisher import CONTENT, Server, publish

from srlib.weights import registry
from srlib.weights.registry import Released


@pytest.fixture
def server():
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def one(server, no_data, monkeypatch):
    """A published file on that server; a broken transfer is not taken up again within a call."""
    entry = Released(
        "theirs", "file.pth", "edsr-baseline-liif", "its authors", "https://example.org/page", url=server.url,
        size=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest(), note="a note",
    )  # fmt: skip
    monkeypatch.setattr(registry, "RETRIES", 0)
    return publish(monkeypatch, entry)
