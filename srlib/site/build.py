"""Building the book: its pages are filled with a run's results, then Sphinx makes the site."""

from __future__ import annotations

import importlib
import json
import shutil
import tempfile
from functools import lru_cache, partial
from pathlib import Path

import jinja2
import pandas as pd
import yaml

from srlib import cost
from srlib.models.catalogue import DECODERS, ModelName
from srlib.site import board, census, figures, html, notebooks, results, touch
from srlib.site.results import Missing, Run
from srlib.util import paths

SOURCE = paths.ROOT / "book"
LEFT_OUT = "*Not measured in this run.*"


def methods() -> list[str]:
    """The chapters on decoders: one for each of the catalogue and its variants, "liif", "thera"."""
    return list(dict.fromkeys(ModelName("", name).family for name in DECODERS))


class Filler:
    """What the pages may ask for in {{ ... }}: everything comes from a run, the code or the README. A page that asks for what
    nobody makes is an error; what this run has not measured is said on the page, and counted in `missing`."""

    def __init__(self, run: Run):
        self.run, self.missing = run, []
        self.environment = jinja2.Environment(
            undefined=jinja2.StrictUndefined, keep_trailing_newline=True, comment_start_string="{##"
        )

    def fill(self, text: str, page: str) -> str:
        """A page's text with its {{ ... }} filled in. page: its name, "papers/diif". ValueError that names it."""
        try:
            return self.environment.from_string(text).render(self.names(page.count("/"), page))
        except (jinja2.TemplateError, ValueError) as error:
            raise ValueError(f"book/{page}.md: {error}") from error

    def names(self, depth: int, page: str) -> dict:
        run = self.run

        def or_missing(make):
            def asked(*given, **more):
                try:
                    return make(*given, **more)
                except Missing as error:
                    self.missing.append(f"{page}: {error}")
                    return LEFT_OUT

            return asked

        def value(table: str, column: str, where: dict | None = None, form: str = ".2f", times: float = 1.0) -> str:
            found = run.value(table, column, where)
            return found if isinstance(found, str) else format(times * float(found), form).replace("-", "−")

        def gap(better: str, worse: str, protocol: str) -> str:
            return signed(run.gap(f"compact-{better}", f"compact-{worse}", protocol))

        def speedup(slow: str, quick: str, scale: float, path: str) -> str:
            by_scale = run.speedups("diif/table3", path, full(slow), full(quick))
            if scale not in by_scale:
                raise Missing(f"nothing was timed at ×{scale:g}")
            return f"{by_scale[scale]:.1f}"

        def faster(slow: str, quick: str) -> str:
            ratios = [run.speedups("diif/table3", path, full(slow), full(quick)) for path in ("literal", "fast")]
            wins = [ratio > 1 for by_scale in ratios for ratio in by_scale.values()]
            return "Yes." if all(wins) else "Not at every scale." if any(wins) else "No."

        def agreed(*names: str) -> str:
            cells = pd.concat([run.table(name)["agrees"] for name in names]).dropna().astype(bool)
            return f"{cells.sum()} of {len(cells)}"

        def speedups(notebook: str, *pairs: tuple[str, str]) -> str:
            columns = {}
            for slow, quick in pairs:
                name = f"{ModelName('', quick).label} over {ModelName('', slow).label}"
                for path in ("literal", "fast"):
                    columns[f"{name}, {path}"] = run.speedups(notebook, path, full(slow), full(quick))
                columns[f"{name}, paper"] = results.printed_speedups("diif", 3, slow, quick)
            frame = pd.DataFrame(columns).sort_index()
            frame.insert(0, "scale", [f"×{scale:g}" for scale in frame.index])
            return html.table(frame, "times as fast", dict.fromkeys(columns, 1))

        def table(name: str, quantity: str, *, only_measured: bool = False) -> str:
            shown = html.beside(run.table(name), quantity, only_measured=only_measured)
            if not shown:
                raise Missing(f"{name}.csv has no {quantity}")
            return shown

        def rows(name: str, columns: list[str] | None = None, **digits: int) -> str:
            frame = run.table(name)
            return html.table(frame[columns] if columns else frame, name, digits)

        def made(notebook: str) -> str:
            inside = html.made(run, notebook, depth=depth)
            return f'<details class="how"><summary>How this was made</summary>{inside}</details>'

        def pareto(cost: str, label: str, title: str) -> str:
            points = board.front(leaderboard(run)).dropna(subset=[cost])
            points = points[points[cost] > 0]
            if points.empty:
                raise Missing(f"no {cost}")
            return figures.pareto(points, cost, label, title)

        offered = {
            "value": value,
            "gap": gap,
            "speedup": speedup,
            "faster": faster,
            "agreed": agreed,
            "speedups": speedups,
            "table": table,
            "costs": lambda name, *quantities: html.costs(run.table(name), *quantities),
            "rows": rows,
            "made": made,
            "pareto": pareto,
            "figure": lambda file, alt, caption=None: html.figure(run, file, alt, depth=depth, caption=caption),
            "claims": lambda notebook: html.claims(run, notebook, depth=depth),
            "forest": lambda paper="": html.forest(run, paper, depth=depth),
            "tally": lambda: html.tally(run),
            "headline": lambda: html.headline(run),
            "leaderboard": lambda: board.table(leaderboard(run), depth=depth),
            "wipe": lambda image="": touch.wipe(run, depth=depth, image=image),
            "lens": lambda: touch.lens(run, depth=depth),
            "strip": lambda: touch.strip(run, depth=depth),
        }
        return {name: or_missing(make) for name, make in offered.items()} | {
            "readme": html.readme,
            "has": lambda file: (run.folder / file).is_file(),
            "printed_gap": lambda *asked: signed(results.printed_gap(*asked)),
            "printed_speedup": lambda slow, quick, scale: (
                f"{results.printed_speedups('diif', 3, slow, quick)[scale]:.1f}"
            ),
            "drawing": lambda decoder: figures.resolutions(full(decoder)),
            "levels": figures.levels,
            "slices": figures.slices,
            "savings": lambda decoder: saved(full(decoder)),
            "share": share,
            "decoder_parameters": decoder_parameters,
            "bibtex": bibtex,
            "changes": changes,
            "methods": methods(),
            "notebooks": notebooks.listed(run),
        }


@lru_cache(maxsize=2)
def leaderboard(run: Run) -> pd.DataFrame:
    return board.board(run)


def signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


def full(decoder: str) -> str:
    """The model whose costs a chapter shows: the decoder on EDSR-baseline."""
    return str(ModelName("edsr-baseline", decoder))


def decoder_parameters(decoder: str) -> str:
    return f"{cost.count_parameters(census.encoded(full(decoder))[0], 'decoder'):,}"


def share(decoder: str, place: str, *, literal: bool = True) -> str:
    """The percentage of a decoder's multiply-accumulates at ×8 that are done once per "code", "slice" or "pixel"."""
    products = census.take(full(decoder), literal=literal)
    part = sum(p.macs for p in products if p.place == place) / sum(p.macs for p in products)
    return f"{100 * part:.0f} %"


def saved(model: str) -> str:
    """A table of what the fast path leaves of a model's multiply-accumulates, decoder and all, by scale."""
    rows = []
    for scale in (2, 4, 8, 16):
        whole = {literal: census.macs(model, scale, literal=literal) for literal in (True, False)}
        decoding = {literal: macs - census.encoded(model)[2] for literal, macs in whole.items()}
        rows.append(
            {
                "scale": f"×{scale}",
                "decoder, equations": f"{figures.amount(decoding[True])}MAC",
                "decoder, fast": f"{figures.amount(decoding[False])}MAC",
                "of it": f"{100 * decoding[False] / decoding[True]:.0f} %",
                "with encoder, equations": f"{figures.amount(whole[True])}MAC",
                "with encoder, fast": f"{figures.amount(whole[False])}MAC",
            }
        )
    return html.table(pd.DataFrame(rows), f"multiply-accumulates of {model}")


def doc(module: str) -> str:
    """A module's docstring as literal text."""
    text = importlib.import_module(module).__doc__ or ""
    return f"```text\n{text.strip()}\n```"


def bibtex() -> str:
    """BibTeX of CITATION.cff: this software and the papers it is about."""
    cited = yaml.safe_load((paths.ROOT / "CITATION.cff").read_text())
    entries = [entry(cited, "software", "srlib")]
    for one in cited["references"]:
        key = one["authors"][0]["family-names"].lower() + str(one["year"])
        entries.append(entry(one, one["type"], key))
    return "```bibtex\n" + "\n\n".join(entries) + "\n```"


def entry(one: dict, kind: str, key: str) -> str:
    people = [a["name"] if "name" in a else f"{a['family-names']}, {a['given-names']}" for a in one["authors"]]
    people = ["{" + name + "}" if "," not in name else name for name in people]
    fields = {"title": "{" + one["title"] + "}", "author": " and ".join(people)}
    if "conference" in one:
        fields["booktitle"] = one["conference"]["name"]
    fields |= {name: str(one[name]) for name in ("version", "year", "doi", "url") if name in one}
    sort = {"software": "software", "article": "article", "conference-paper": "inproceedings"}[kind]
    return (
        "@" + sort + "{" + key + ",\n" + ",\n".join(f"  {name} = {{{text}}}" for name, text in fields.items()) + "\n}"
    )


def changes() -> str:
    """CHANGELOG.md less its title."""
    return (paths.ROOT / "CHANGELOG.md").read_text().partition("\n")[2].strip()


def chapter(method: str) -> str:
    """The chapter of a decoder that nobody has written one for: what its file says, what it computes, its code."""
    decoder = next(name for name in DECODERS if ModelName("", name).family == method)
    record = DECODERS[decoder]
    module = (record.make.func if isinstance(record.make, partial) else record.make).__module__
    return "\n\n".join(
        [
            f"# {record.label}", doc(module), "## What is computed where", f"{{{{ drawing('{decoder}') }}}}",
            "## What the fast path saves", f"{{{{ savings('{decoder}') }}}}", "## The code",
            f"```{{literalinclude}} /code/{module.replace('.', '/')}.py\n:language: python\n```",
        ]
    ) + "\n"  # fmt: skip


def stage(run: Run, folder: Path) -> list[str]:
    """Write Sphinx's source: the filled pages, a notebook for each page, code to quote. Returns what is not in this run."""
    shutil.copytree(SOURCE, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    for name in methods():
        page = folder / "methods" / f"{name}.md"
        if not page.exists():
            page.write_text(chapter(name))
    filler = Filler(run)
    for page in sorted(folder.rglob("*.md")):
        name = page.relative_to(folder).with_suffix("").as_posix()
        page.write_text(filler.fill(page.read_text(), name))
    for notebook in notebooks.listed(run):
        path = folder / "notebooks" / f"{notebook}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(notebooks.page(run, notebook), ensure_ascii=False))
    shutil.copytree(
        paths.ROOT / "srlib", folder / "code" / "srlib", ignore=shutil.ignore_patterns("__pycache__", "*.csv")
    )
    data = folder / "results" / "data"
    for notebook in run.notebooks:
        for file in run.files(notebook, ".csv", ".json", ".png", ".svg", ".gif", ".webp"):
            target = data / notebook / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)
    return filler.missing


def build(profile: str = "", out: str | Path = "") -> Path:
    """Build the book of a profile's results, by default of the reference copy; returns its first page.

    out: by default results/book/{profile}. The folder is replaced when the new book is whole. RuntimeError with Sphinx's
    words if anything is wrong: a broken link, a missing anchor, a warning.
    """
    from sphinx.cmd.build import build_main

    run = results.run(profile)
    out = Path(out) if out else paths.RESULTS / "book" / run.name
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as scratch:
        source, made, cache = (Path(scratch) / name for name in ("source", "made", "cache"))
        missing = stage(run, source)
        if missing and run.name == "reference":
            raise RuntimeError("the reference run does not have: " + "; ".join(missing))
        words = Path(scratch) / "warnings.txt"
        code = build_main(
            ["-b", "html", "-q", "-W", "--keep-going", "-w", str(words), "-d", str(cache), str(source), str(made)]
        )
        if code:
            raise RuntimeError(
                "Sphinx found something wrong:\n" + (words.read_text() if words.exists() else "see above")
            )
        (made / "objects.inv").unlink(missing_ok=True)
        shutil.rmtree(made / "_sources", ignore_errors=True)
        if out.exists():
            shutil.rmtree(out)
        made.rename(out)
    return out / "index.html"
