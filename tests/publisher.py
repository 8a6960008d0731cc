"""A publisher of weights on this machine, and what the registry then knows."""

import contextlib
import http.server

from srlib.weights import registry

CONTENT = bytes(range(256)) * 4000  # about a megabyte: more than one piece of a transfer


class Server(http.server.ThreadingHTTPServer):
    """Serves `content` at any path. cut: bytes after which the next transfers break off, one each. ranges: whether a transfer
    may go on. asked: the Range of each request."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.kind, self.status = CONTENT, "application/octet-stream", 200
        self.cut, self.ranges, self.asked = [], True, []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/file.pth?dl=1"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server, wanted = self.server, self.headers.get("Range")
        server.asked.append(wanted)
        first = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and server.ranges else 0
        body = server.content[first:]
        self.send_response(206 if first else server.status)
        self.send_header("Content-Type", server.kind)
        self.send_header("Content-Length", str(len(body)))
        if first:
            self.send_header("Content-Range", f"bytes {first}-{len(server.content) - 1}/{len(server.content)}")
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # who wants to go on leaves the first answer
            self.wfile.write(body[: server.cut.pop(0)] if server.cut else body)

    def log_message(self, *_):
        pass


def publish(monkeypatch, entry):
    monkeypatch.setattr(registry, "released", lambda: {entry.name: entry})
    return entry
