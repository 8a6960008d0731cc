"""What is known of published files, and how they are fetched: from a server on this machine, never from theirs."""

import contextlib
import hashlib
import http.server
import threading
from dataclasses import replace

import pytest
import torch

import srlib
from srlib.models.encoders import EDSR
from srlib.models.liif import LIIF
from srlib.weights import listing, registry
from srlib.weights.registry import Released

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


def publish(monkeypatch, entry):
    monkeypatch.setattr(registry, "released", lambda: {entry.name: entry})
    return entry


def left(entry):
    """What lies in the folder of weights, locks left out."""
    folder = entry.place.parent
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file() and p.suffix != ".lock")


def test_a_file_arrives_whole(one):
    assert registry.fetch("theirs", progress=False).read_bytes() == CONTENT
    assert left(one) == ["theirs.pth"]


def test_what_is_at_hand_is_not_fetched_again(one, server):
    registry.fetch("theirs", progress=False)
    server.asked.clear()
    assert registry.fetch("theirs") == one.place
    assert server.asked == []


def test_a_broken_transfer_goes_on_with_the_next_call(one, server):
    server.cut = [700_000]
    with pytest.raises(
        registry.NotFetched, match="received .* bytes.*what has come is kept, and the same command goes on"
    ):
        registry.fetch("theirs", progress=False)
    assert [name.startswith("downloads/theirs.pth") for name in left(one)] == [True]
    server.asked.clear()
    assert registry.fetch("theirs", progress=False).read_bytes() == CONTENT
    assert server.asked[-1].startswith("bytes=")
    assert left(one) == ["theirs.pth"]


def test_a_broken_transfer_goes_on_within_a_call(one, server, monkeypatch):
    monkeypatch.setattr(registry, "RETRIES", 1)
    monkeypatch.setattr("random.uniform", lambda *_: 0)
    server.cut = [700_000]
    assert registry.fetch("theirs", progress=False).read_bytes() == CONTENT
    assert server.asked[-1].startswith("bytes=")


def test_a_server_that_cannot_go_on_is_asked_for_all_of_it(one, server):
    server.cut, server.ranges = [700_000], False
    with pytest.raises(registry.NotFetched):
        registry.fetch("theirs", progress=False)
    assert registry.fetch("theirs", progress=False).read_bytes() == CONTENT


def test_another_hash_is_told_and_the_file_kept_aside(one, server):
    server.content = CONTENT[:-1] + b"?"
    with pytest.raises(
        ValueError, match="theirs arrived with SHA-256 .*: damaged on its way, or replaced at its source"
    ):
        registry.fetch("theirs", progress=False)
    assert left(one) == ["downloads/theirs.pth"]
    server.content = CONTENT  # and does not stand in the way of another try
    registry.fetch("theirs", progress=False)
    assert left(one) == ["theirs.pth"]


def test_the_first_digits_of_a_hash_are_enough(one, monkeypatch):
    publish(monkeypatch, replace(one, sha256=one.sha256[:8]))
    assert registry.fetch("theirs", progress=False) == one.place
    publish(monkeypatch, replace(one, name="other", sha256="00000000"))
    with pytest.raises(ValueError, match="00000000 was published"):
        registry.fetch("other", progress=False)


def test_another_size_is_told(one, monkeypatch):
    publish(monkeypatch, replace(one, size=5))
    with pytest.raises(ValueError, match="arrived with 1,024,000 bytes, and 5 were published"):
        registry.fetch("theirs", progress=False)


def test_without_a_known_hash_its_own_is_told(one, monkeypatch):
    publish(monkeypatch, replace(one, sha256=""))
    with pytest.warns(UserWarning, match=f"no SHA-256 is known to check it against; what arrived has {one.sha256}"):
        registry.fetch("theirs", progress=False)


HAND = "fetch file.pth by hand from https://example.org/page and put it into .SRLIB_DATA/weights as theirs.pth"


@pytest.mark.parametrize(
    "start", [b"<!DOCTYPE html><html>", b"\n<html>", b"version https://git-lfs.github.com/spec/v1\noid"]
)
def test_a_page_in_place_of_the_file_is_told(one, server, start):
    server.content, server.kind = start + b" Google Drive can't scan this file for viruses", "text/html"
    words = f"127.0.0.1: a (web page|Git LFS pointer) instead of the file.. Try again later, or {HAND}"
    with pytest.raises(registry.NotFetched, match=words):
        registry.fetch("theirs", progress=False)
    assert left(one) == []


def test_a_file_that_is_gone_is_told(one, server):
    server.status = 404
    with pytest.raises(
        registry.NotFetched, match=f"not fetched .127.0.0.1: HTTP 404, Not Found.. Try again later, or {HAND}"
    ):
        registry.fetch("theirs", progress=False)


def test_no_connection_is_told(one, monkeypatch):
    publish(monkeypatch, replace(one, url="http://127.0.0.1:9/file.pth"))
    with pytest.raises(registry.NotFetched, match=f"127.0.0.1: no connection.*{HAND}"):
        registry.fetch("theirs", progress=False)


def test_the_next_source_is_tried(one, server, monkeypatch):
    """Drive as gdown tells of it when it gets a page that it cannot see through."""
    import gdown
    from gdown.exceptions import FileURLRetrievalError

    asked, real = [], gdown.download

    def download(**words):
        asked.append(words.get("id") or "url")
        if "id" in words:
            raise FileURLRetrievalError(
                "Failed to retrieve file url:\n\n\tCannot retrieve the public link of the file."
            )
        return real(**words)

    monkeypatch.setattr(gdown, "download", download)
    publish(monkeypatch, replace(one, drive="1abc"))
    server.status = 404
    with pytest.raises(
        registry.NotFetched, match="HTTP 404.*; Google Drive: Failed to retrieve file url: Cannot retrieve"
    ):
        registry.fetch("theirs", progress=False)
    assert asked == ["url", "1abc"]


def test_a_folder_is_fetched_by_hand(one, server, monkeypatch):
    publish(monkeypatch, replace(one, url=""))
    with pytest.raises(registry.NotFetched, match=f"theirs has no direct link: {HAND}"):
        registry.fetch("theirs")
    assert server.asked == []


def test_unknown_names_are_told():
    with pytest.raises(ValueError, match="unknown released file 'rdn-lif'; nearest: rdn-liif"):
        registry.fetch("rdn-lif")


# the table


def test_the_table_is_whole():
    for one in registry.released().values():
        assert one.page.startswith("https://"), one.name
        assert one.readable or one.model.startswith("edsr-baseline-lmf"), one.name
        assert set(one.sha256) <= set("0123456789abcdef"), one.name
        assert len(one.sha256) in (0, 8, 64), one.name
        assert not one.url or one.url.startswith("https://"), one.name
        assert "dropbox" not in one.url or one.url.endswith("dl=1"), one.name
        assert set(one.papers) <= {"diif", "diinn"}, one.name


def test_the_rows_that_a_file_fills():
    files = registry.released()
    assert files["rdn-liif"].rows() == ["DIIF Table 1: RDN-LIIF", "DIIF Table 2: RDN-LIIF"]
    assert files["edsr-baseline-x3"].rows() == ["DIIF Table 1: EDSR-baseline"]
    assert files["rdn-diinn-a"].rows() == ["DIINN Table 5: a"]
    assert files["rdn-liif-mmagic"].rows() == []


def test_nobody_has_published_these():
    assert {"rdn-diif", "edsr-baseline-diif", "edsr-baseline-metasr", "rdn-x2", "rdn-dlte"}.isdisjoint(
        registry.released()
    )


# what a file is


@pytest.fixture
def released(one, monkeypatch):
    """A released LIIF on disk under its name, and what is known of it."""
    path = one.place
    path.parent.mkdir()
    torch.manual_seed(0)
    body, decoder = EDSR(8, 2), LIIF(8, 16)
    tensors = {f"encoder.{key}": tensor for key, tensor in body.state_dict().items()}
    tensors |= {key.replace("mlp", "imnet.layers"): tensor for key, tensor in decoder.state_dict().items()}
    args = {"encoder_spec": {"name": "edsr-baseline", "args": {"no_upsampling": True}}}
    torch.save({"model": {"name": "liif", "args": args, "sd": tensors}}, path, _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    entry = replace(one, size=len(content), sha256=hashlib.sha256(content).hexdigest(), papers=("diif",))
    publish(monkeypatch, entry)
    return path


def test_a_published_file_is_known_by_its_hash(released):
    facts = listing.describe(released)
    assert facts["model"] == "edsr-baseline-liif"
    assert facts["published"] == "as theirs by its authors, https://example.org/page"
    assert facts["fills"].startswith("DIIF Table 1: EDSR-baseline-LIIF; DIIF Table 3: ")
    assert "but" not in facts


def test_it_is_found_by_its_published_name(released):
    model = srlib.load("theirs")
    assert model.name == "theirs"
    assert model.origin["known"] == "theirs, by its authors"


def test_a_published_file_that_is_not_at_hand_says_who_has_it(one):
    with pytest.raises(
        FileNotFoundError, match="theirs is not at hand; srlib weights theirs fetches it from its authors"
    ):
        srlib.load("theirs")


def test_a_renamed_file_is_known(released, monkeypatch):
    other = replace(registry.released()["theirs"], name="others", sha256="0" * 64, size=7)
    monkeypatch.setattr(registry, "released", lambda: {"others": other, "theirs": entry})
    entry = Released(**{**vars(other), "name": "theirs", "sha256": hashlib.sha256(released.read_bytes()).hexdigest()})
    renamed = released.rename(released.with_name("others.pth"))
    assert listing.describe(renamed)["but"] == "this is theirs, published by its authors, under another name"
    with pytest.warns(UserWarning, match="this is theirs, published by its authors, under another name"):
        srlib.load(renamed)


def test_a_flipped_byte_without_checksums_is_told(released):
    """In a file from before torch 1.6 only its SHA-256 shows it."""
    content = bytearray(released.read_bytes())
    content[-50] ^= 1
    released.write_bytes(content)
    words = "it has the size of the published theirs, but not the SHA-256: a changed byte, or another training"
    assert listing.describe(released)["but"] == words
    assert listing.describe(released)["published"] == "not a file that is known here"
    with pytest.warns(UserWarning, match=words):
        srlib.load(released)


def test_a_truncated_file_says_how_much_is_missing(released):
    content = released.read_bytes()
    released.write_bytes(content[:-100])
    words = f"truncated: .*; it has {len(content) - 100:,} of the {len(content):,} bytes of the published theirs"
    with pytest.raises(ValueError, match=words):
        listing.describe(released)


def test_a_saved_page_is_told(tmp_path):
    (tmp_path / "a.pth").write_bytes(b"<!DOCTYPE html>")
    with pytest.raises(ValueError, match="a.pth: a web page that was saved in place of the file that it stands for"):
        srlib.load(tmp_path / "a.pth")


def test_what_is_published_but_not_read_says_what_it_is(one, monkeypatch):
    one.place.parent.mkdir()
    torch.save({"model": {"name": "lmciaosr", "args": {}, "sd": {}}}, one.place)
    digest = hashlib.sha256(one.place.read_bytes()).hexdigest()
    publish(monkeypatch, replace(one, model="none here", sha256=digest))
    with pytest.raises(ValueError, match="holds LMF's 'lmciaosr'.*it is the file that its authors published as theirs"):
        listing.describe(one.place)


def test_a_file_without_a_known_hash_must_hold_what_was_published(one, server, monkeypatch, released):
    server.content = released.read_bytes()
    released.unlink()
    entry = publish(monkeypatch, replace(registry.released()["theirs"], sha256="", model="rdn-liif"))
    with (
        pytest.warns(UserWarning),
        pytest.raises(ValueError, match="holds edsr-baseline-liif, where its authors published"),
    ):
        listing.fetch("theirs", progress=False)
    entry.place.unlink()
    publish(monkeypatch, replace(entry, model="edsr-baseline-liif"))
    with pytest.warns(UserWarning):
        assert listing.fetch("theirs", progress=False)
    assert not listing.fetch("theirs")


def test_the_list_says_what_is_at_hand(released):
    table = listing.published().set_index("name")
    assert table.loc["theirs", "state"] == "at hand"
    assert table.loc["theirs", "tables"] == "DIIF 1, 3, 4"
