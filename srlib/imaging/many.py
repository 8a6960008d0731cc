"""Many pictures at once: which files are meant, and what their results are called."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from srlib.imaging.files import SUFFIXES
from srlib.imaging.saving import TYPES
from srlib.util.sizes import Size

RESULT = re.compile(r"(.+)_(x[\d.]+|\d+x\d+)")  # what `pairs` calls the result of a picture


def find(words: Sequence[str]) -> list[Path]:
    """The pictures that words mean: files, folders (not the folders in them) and glob patterns, ** for folders at any depth.

    Results of an earlier run beside their pictures are left out of folders and patterns. FileNotFoundError or ValueError for
    a word that means nothing.
    """
    found: dict[Path, Path] = {}
    for word in words:
        path = Path(word).expanduser()
        if path.is_dir():
            if not (some := pictures(path.iterdir())):
                raise ValueError(f"no images in the folder {word} (looked for {', '.join(SUFFIXES)})")
        elif path.exists():
            some = [path]
        elif glob.has_magic(word):
            matches = glob.glob(str(path), recursive=True)  # noqa: PTH207 - of any pattern, an absolute one too
            if not (some := pictures(map(Path, matches))):
                raise FileNotFoundError(f"no images match {word} (looked for {', '.join(SUFFIXES)})")
        else:
            raise FileNotFoundError(f"there is no file or folder {word}")
        found |= {one.resolve(): one for one in some if one.resolve() not in found}
    return list(found.values())


def pictures(paths: Iterable[Path]) -> list[Path]:
    """Those that are image files, sorted, without hidden ones and without results of others among them."""
    some = sorted(p for p in paths if p.suffix.lower() in SUFFIXES and not p.name.startswith(".") and p.is_file())
    names = {path.with_suffix("") for path in some}
    made = {path: RESULT.fullmatch(path.stem) for path in some}
    return [path for path, match in made.items() if not match or path.with_name(match[1]) not in names]


def pairs(sources: Sequence[Path], out: Path | None, scale: float | None, size: Size | None) -> list[tuple[Path, Path]]:
    """Each picture with its result's path: `out` if that is a file, else PNGs in the folder `out`, by default the picture's.

    ValueError if two results would have one name, or a result a picture's.
    """
    suffixes = {out.suffix.lower()} - {""} if out and not out.is_dir() else set()
    if out and suffixes and len(sources) == 1:
        return [(sources[0], out)]
    if suffixes & TYPES.keys():
        raise ValueError(f"{out} is one file, for {len(sources)} pictures; give a folder")
    told = f"x{scale:g}" if size is None else f"{size[0]}x{size[1]}"
    made: dict[Path, Path] = {}
    for source in sources:
        target = (out or source.parent) / f"{source.stem}_{told}.png"
        if target in made:
            raise ValueError(
                f"{made[target]} and {source} would both become {target}; rename one, or enlarge them apart"
            )
        if target.resolve() in {one.resolve() for one in sources}:
            raise ValueError(
                f"{source} would become {target}, which is one of the pictures; give another folder with --out"
            )
        made[target] = source
    return [(source, target) for target, source in made.items()]
