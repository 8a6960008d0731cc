"""Files are written whole or not at all: to a temporary name beside the target, then renamed."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def disk(folder: Path, what: object) -> Iterator[None]:
    """Turn a failure for lack of space, however a library words it, into an OSError with a sentence."""
    try:
        yield
    except Exception as error:
        number = error.errno if isinstance(error, OSError) else None
        full = number in (errno.ENOSPC, errno.EDQUOT) or re.search(r"os error 28|No space left", str(error))
        # torch.save says nothing of the cause, so look
        if full or (isinstance(error, RuntimeError) and shutil.disk_usage(folder).free < 2**20):
            text = f"no space left on the disk to write {what}; what was there is unchanged. Free some space"
            raise OSError(errno.ENOSPC, text) from error
        raise


@contextlib.contextmanager
def whole(path: str | os.PathLike) -> Iterator[Path]:
    """Give a temporary path to write to; rename it to `path` at the end, or remove it if anything fails.

    OSError with a sentence if the disk is full.
    """
    path = Path(path)
    with disk(path.parent, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            with disk(path.parent, path):  # looks at the disk while the half file still fills it
                yield temporary
            mask = os.umask(0)
            os.umask(mask)
            temporary.chmod(0o666 & ~mask)  # mkstemp makes private files
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def write_json(path: str | os.PathLike, value: object) -> None:
    with whole(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def sha256(path: str | os.PathLike) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
