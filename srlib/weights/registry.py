"""The weight files that authors have published, `released.toml`: what is known of each, and how it is fetched.

A download is checked against what is known of it and comes to its place whole or not at all; a broken one goes on where it
ended. Nothing here reads weights.
"""

from __future__ import annotations

import tomllib
import warnings
from collections.abc import Collection
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlparse

from srlib.models.catalogue import ModelName, names, without_seed
from srlib.util import atomic, paths
from srlib.util.errors import unknown

TABLE = Path(__file__).with_name("released.toml")
# Models, by patterns, of which it is known that nobody has published weights. DIIF's authors' repository holds a page only, the
# page of LIIF's names two models; what is compact or small here is of this project.
NOBODYS = ("*-diif", "*-diif-*", "*-dlte", "*-dlte-full", "*-liif-wo-*", "compact-*", "*-small", "*-small-*")
RETRIES, PATIENCE = 3, 60  # times that a broken transfer is taken up again; seconds without a byte


class NotFetched(OSError):
    """A released file that could not be fetched; the message says where to find it by hand."""


@dataclass(frozen=True)
class Released:
    """A published file: the fields of released.toml, and the name that it goes by here."""

    name: str
    file: str
    model: str
    by: str
    page: str
    url: str = ""
    drive: str = ""
    size: int = 0
    sha256: str = ""
    licence: str = ""
    papers: tuple[str, ...] = ()
    fills: tuple[str, ...] = ()
    note: str = ""
    more: str = ""
    unread: str = ""

    @property
    def readable(self) -> bool:
        """Whether this version reads it: it has the model that it holds, and nothing speaks against the file."""
        return self.model in names() and not self.unread

    @property
    def place(self) -> Path:
        """Where it goes, and is found by name: weights/ beside the user's data sets."""
        return paths.data() / "weights" / f"{self.name}{Path(self.file).suffix}"

    @property
    def found(self) -> Path | None:
        """The file at hand that goes by its name, or None; whether it is the published one only its SHA-256 tells."""
        suffix = Path(self.file).suffix
        candidates = [folder / f"{self.name}{suffix}" for folder in paths.weight_folders()]
        return next((path for path in candidates if path.is_file()), None)

    @property
    def by_hand(self) -> str:
        """The sentence that says how to get it without this program."""
        folder, name = paths.shown(self.place.parent), self.place.name
        return f"fetch {self.file} by hand from {self.page} and put it into {folder} as {name}"

    def rows(self) -> list[str]:
        """The table rows and figures that it fills: "DIIF Table 2: RDN-LIIF"."""
        return [*self.fills, *rows_of(self.model, self.papers)]

    def is_it(self, digest: str) -> bool:
        """Whether a SHA-256 is this file's, as far as that is known."""
        return bool(self.sha256) and digest.startswith(self.sha256)


def rows_of(model: str, papers: Collection[str] | None = None) -> list[str]:
    """The rows of a model in the tables of some papers, or of all: "DIIF Table 2: RDN-LIIF"."""
    from srlib.workbook import published

    rows = []
    for paper, number in sorted(published.TABLES):
        if papers is None or paper in papers:
            cells = published.cells(paper, number)
            ours = cells[cells["encoder"] + "-" + cells["decoder"] == published.first_name(model)]
            rows += [f"{paper.upper()} Table {number}: {method}" for method in ours["method"].unique()]
    return rows


@lru_cache(maxsize=1)
def released() -> dict[str, Released]:
    """All of them, by name."""
    said = tomllib.loads(TABLE.read_text())
    lists = {
        name: {key: tuple(v) if isinstance(v, list) else v for key, v in entry.items()} for name, entry in said.items()
    }
    return {name: Released(name, **entry) for name, entry in lists.items()}


def known(digest: str) -> Released | None:
    """The published file with this SHA-256, or None."""
    return next((one for one in released().values() if one.is_it(digest)), None)


def called(path: Path) -> Released | None:
    """The published file that a file is called as: by the name here, or by the published name where only one has it. Ours,
    which may bear a model's name, are none."""
    if path.suffix == ".safetensors":
        return None
    theirs = [one for one in released().values() if one.file == path.name]
    return released().get(path.stem) or (theirs[0] if len(theirs) == 1 else None)


def meant(path: Path) -> str:
    """The model that a file's name means: that of the published file called so, else a model's own name; "" for free names."""
    one, plain = called(path), without_seed(path.stem)[0]
    return one.model if one else plain if plain in names() else ""


def nobodys(model: str) -> bool:
    """Whether it is known that nobody has published weights of a model; False where it is not known."""
    return any(fnmatch(model, pattern) for pattern in NOBODYS)


def remark(path: Path, digest: str, *, holds: str = "") -> str:
    """What a file's size, name and SHA-256 say of it beside what is in it: "" or a sentence. holds: the model that was read
    from it; "" if it could not be read."""
    size, one, named = path.stat().st_size, known(digest), called(path)
    if one is not None and named not in (None, one):
        return f"this is {one.name}, published by {one.by}, under another name"
    if holds and meant(path) not in ("", holds, *ModelName.of(holds).aliases):
        return f"it is called {path.stem} but holds {holds}"
    if one is not None:
        return ""
    whole = [one for one in released().values() if len(one.sha256) == 64]
    if alike := [one for one in whole if one.size == size]:
        alike = " or ".join(one.name for one in alike)
        return f"it has the size of the published {alike}, but not the SHA-256: a changed byte, or another training"
    if not holds:
        short = named is not None and size < named.size
        return f"it has {size:,} of the {named.size:,} bytes of the published {named.name}" if short else ""
    if named is not None and named.sha256:
        return (
            f"it is called as the {named.name} that {named.by} published, but has not its SHA-256 (begins "
            f"{named.sha256[:8]}): changed, or another training"
        )
    return ""


def fetch(name: str, *, progress: bool = True) -> Path:
    """The file that was published under this name: at hand, or downloaded, with progress, and checked.

    Downloads lie in weights/downloads until they are whole and what is known of them is so; a broken one goes on there.
    ValueError: no such name, or it arrived as something else. NotFetched: out of reach.
    """
    from filelock import FileLock

    if name not in released():
        raise unknown("released file", name, list(released()))
    one = released()[name]
    if one.unread:
        raise NotFetched(f"{name} is not fetched, since it is not read here: {one.unread}; it is at {one.page}")
    if (found := one.found) is not None:
        return found
    if not (one.url or one.drive):
        raise NotFetched(f"{name} has no direct link: {one.by_hand}")
    arriving = one.place.parent / "downloads" / one.place.name
    with atomic.disk(paths.data(), arriving):
        arriving.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{arriving}.lock"):
            if one.found is None:  # another process may have fetched it meanwhile
                arriving.unlink(missing_ok=True)  # of a time before, and not what it should have been
                download(one, arriving, progress)
                check(one, arriving)
                arriving.replace(one.place)
    return one.place


def download(one: Released, target: Path, progress: bool) -> None:
    """From the first of its sources that gives it. NotFetched with what each of them answered."""
    import requests
    from gdown.exceptions import DownloadError

    failures = []
    for source in [{"url": one.url}] * bool(one.url) + [{"id": one.drive}] * bool(one.drive):
        where = urlparse(one.url).hostname if "url" in source else "Google Drive"
        try:
            take(source, target, one, progress)
        except (DownloadError, requests.RequestException) as error:
            failures.append(f"{where}: {reason(error)}")
            continue
        with target.open("rb") as file:
            page = is_page(file.read(64))
        if not page:
            return
        target.unlink()
        failures.append(f"{where}: {page} instead of the file")
    kept = (
        "; what has come is kept, and the same command goes on"
        if list(target.parent.glob(f"{target.name}*.part"))
        else ""
    )
    raise NotFetched(f"{one.name} was not fetched ({'; '.join(failures)}){kept}. Try again later, or {one.by_hand}")


def reason(error: Exception) -> str:
    """Why a transfer failed, in few words."""
    import requests

    cause = error.__cause__ if isinstance(error.__cause__, requests.RequestException) else error
    if isinstance(cause, requests.HTTPError):
        return f"HTTP {cause.response.status_code}, {cause.response.reason}"
    if isinstance(cause, requests.Timeout):
        return "no answer"
    if isinstance(cause, requests.ConnectionError):
        return "no connection"
    return " ".join(str(error).split())[:200]


def take(source: dict, target: Path, one: Released, progress: bool) -> None:
    """One source: gdown takes up a broken transfer, also one of an earlier call, whose part lies beside the target."""
    import gdown
    from gdown.exceptions import DownloadError
    from tqdm.auto import tqdm

    with tqdm(desc=one.name, total=one.size or None, unit="B", unit_scale=True, disable=not progress) as bar:

        def show(sofar: int, total: int | None) -> None:
            bar.total = total or bar.total
            bar.update(sofar - bar.n)

        def call() -> None:
            gdown.download(
                **source, output=str(target), quiet=True, use_cookies=False, resume=True, progress=show,
                timeout=PATIENCE, retries=RETRIES,
            )  # fmt: skip

        try:
            call()
        except DownloadError as error:
            parts = list(target.parent.glob(f"{target.name}*.part"))
            if not parts or not any(word in str(error) for word in ("byte range", "temporary files")):
                raise
            for part in parts:  # this source cannot go on, or its file has changed since
                part.unlink()
            call()


def check(one: Released, path: Path) -> None:
    """ValueError if what arrived is not what was published."""
    size, digest = path.stat().st_size, atomic.sha256(path)
    kept = f"it is kept as {paths.shown(path)}: srlib weights --check says what it is"
    if one.size and size != one.size:
        raise ValueError(f"{one.name} arrived with {size:,} bytes, and {one.size:,} were published; {kept}")
    if one.sha256 and not one.is_it(digest):
        raise ValueError(
            f"{one.name} arrived with SHA-256 {digest}, and {one.sha256} was published: damaged on its way, or replaced at its "
            f"source; {kept}"
        )
    if not one.sha256:
        warnings.warn(f"{one.name}: no SHA-256 is known to check it against; what arrived has {digest}", stacklevel=2)


def is_page(start: bytes) -> str:
    """What a file is that begins like this and holds no weights at all: "a web page", "a Git LFS pointer", or ""."""
    if start.lstrip()[:1] == b"<":
        return "a web page"
    return "a Git LFS pointer" if start.startswith(b"version https://git-lfs") else ""
