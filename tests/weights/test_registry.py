"""What is known of published files, and how they are fetched: from a server on this machine, never from theirs."""

from dataclasses import replace

import pytest
from publisher import CONTENT, publish

from srlib.models.catalogue import names
from srlib.weights import loading, registry


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
        assert one.readable or one.unread, one.name
        assert one.model in names(), one.name
        assert set(one.sha256) <= set("0123456789abcdef"), one.name
        assert len(one.sha256) in (0, 8, 64), one.name
        assert not one.url or one.url.startswith("https://"), one.name
        assert "dropbox" not in one.url or one.url.endswith("dl=1"), one.name
        assert set(one.papers) <= {"diif", "diinn", "thera"}, one.name


def test_the_rows_that_a_file_fills():
    files = registry.released()
    assert files["rdn-liif"].rows() == ["DIIF Table 1: RDN-LIIF", "DIIF Table 2: RDN-LIIF"]
    assert files["edsr-baseline-x3"].rows() == ["DIIF Table 1: EDSR-baseline"]
    assert files["rdn-diinn-a"].rows() == ["DIINN Table 5: a"]
    assert files["rdn-liif-mmagic"].rows() == []
    assert files["edsr-baseline-liif"].rows()[-1] == "THERA Table 1: EDSR-baseline-LIIF"
    assert files["edsr-baseline-srno"].rows() == ["THERA Table 1: EDSR-baseline-SRNO"]
    assert files["edsr-baseline-thera-air"].rows() == ["THERA Table 1: EDSR-baseline-Thera Air"]
    assert files["edsr-baseline-thera-plus"].rows() == []  # the table here has no row of it


def test_what_is_not_read_is_not_fetched(one, server, monkeypatch):
    publish(monkeypatch, replace(one, unread="a pickle of something, which would run code"))
    words = "theirs is not fetched, since it is not read here: a pickle of something, which would run code; it is at https://"
    with pytest.raises(registry.NotFetched, match=words):
        registry.fetch("theirs")
    assert server.asked == []


NOBODYS = {
    "rdn-diif",
    "edsr-baseline-diif-cs",
    "swinir-dlte-full",
    "rdn-liif-wo-cell",
    "compact-srno",
    "sr3-small-scales",
}


def test_nobody_has_published_these():
    assert all(registry.nobodys(name) for name in NOBODYS)
    assert not any(
        registry.nobodys(name) for name in ("rdn-lmf", "edsr-baseline-metasr", "rdn-thera-plus", "rdn-x8", "sr3")
    )
    assert not [name for name in registry.released() if registry.nobodys(name)]


@pytest.mark.parametrize("name, words", [
    ("rdn-diif", "No author has published any. Train it: srlib train rdn-diif."),
    ("edsr-baseline-diinn", "No published file of it is known here. Train it: srlib train edsr-baseline-diinn."),
    ("rdn-lmf", "No published file of it is known here; LMF's authors have more in https://drive.google.com/drive/folders/"
        "115AUj4Axh0VBmmozwxRIWqrNR5ZdWzd4, whose content is not known here. Train it: srlib train rdn-lmf."),
    ("rdn-srno", "Fetch the file that SRNO's authors published: srlib weights rdn-srno; or train it: srlib train rdn-srno."),
    ("rdn-thera-air-seed1", "No published file of it is known here. Train it: srlib train rdn-thera-air --seed 1."),
    ("rdn-thera-air", "What Thera's authors published is not read here: a pickle of JAX arrays, which would run code "
        "(https://huggingface.co/prs-eth/thera-rdn-air). Train it: srlib train rdn-thera-air."),
    ("edsr-baseline-lte-plus", "Fetch the file that LTE's authors published: srlib weights edsr-baseline-lte-plus."),
])  # fmt: skip
def test_what_to_do_for_weights_that_are_not_at_hand(name, words):
    assert loading.advice(name) == words
