"""The command line, `srlib`: a function for each command, its options made from the signature.

What they do lies in the library, which is imported when a command runs: `srlib --help` waits for nothing. Exit codes: 0 done,
1 failed, 2 wrong use, 130 stopped by Ctrl-C. What went wrong is a sentence on standard error.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, CycloptsError, Parameter, UnusedCliTokensError
from cyclopts.completion.detect import ShellDetectionError

from srlib import __version__
from srlib.util.errors import NotMeasured, Unknown

if TYPE_CHECKING:
    import pandas as pd

FAILURES = (ValueError, TypeError, OSError, FloatingPointError, MemoryError, ShellDetectionError, NotMeasured)
EXTRAS = {  # what is not always installed -> packages that an import would look for
    "notebooks": ("papermill", "ipykernel"),
    "batch": ("snakemake", "papermill", "ipykernel"),
    "book": ("jinja2", "sphinx", "myst_nb", "furo", "sphinx_design", "sphinx_copybutton"),
    "demo": ("voila",),
}

app = App(
    name="srlib",
    help="Arbitrary-scale super-resolution: enlarge pictures, reproduce the papers' tables, train models.",
    help_epilogue="Help with examples: `srlib COMMAND --help`. Shell completion: `srlib --install-completion`.",
    version=__version__,
    default_parameter=Parameter(negative_bool=(), negative_iterable=()),
    suppress_keyboard_interrupt=False,
)
app.register_install_completion_command(help="Install completion for bash, zsh, fish or PowerShell.")


class WrongUse(Exception):
    """Options that do not go together."""


class Failed(Exception):
    """What failed among other things that did not."""


def main(words: Sequence[str] | None = None) -> int:
    """Run a command line, by default the one that the program was called with; returns the exit code."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_: complain(f"note: {message}")
        try:
            done = app(words, exit_on_error=False, print_error=False, result_action="return_value")
            return done if isinstance(done, int) else 0
        except UnusedCliTokensError as error:
            complain(f"one word too many: {error.unused_tokens[0]!r}; options come after all words without a name")
            return 2
        except (CycloptsError, WrongUse, Unknown) as error:
            complain(error)
            return 2
        except KeyboardInterrupt as error:
            complain(str(error) or "stopped")
            return 130
        except (*FAILURES, Failed) as error:
            complain(error if str(error) else type(error).__name__)
            return 1
        except RuntimeError as error:
            if "memory" not in str(error):  # torch's word for too little of it
                raise
            complain(f"not enough memory: {str(error).splitlines()[0]}")
            return 1


def complain(text: object) -> None:
    print(f"srlib: {text if isinstance(text, Failed) else ' '.join(str(text).split())}", file=sys.stderr)


def need(extra: str, words: str) -> None:
    """Failed, with the command that installs it, if an extra of `EXTRAS` is not here. words: what needs it."""
    if lacking := [name for name in EXTRAS[extra] if importlib.util.find_spec(name) is None]:
        raise Failed(f"{words} {', '.join(lacking)}: pip install 'srlib[{extra}]'")


@contextlib.contextmanager
def cells_of(what: str) -> Iterator[None]:
    """What fails in a notebook's cell, or in its kernel, is told in a sentence, with the last line of the traceback."""
    try:
        yield
    except FAILURES:
        raise
    except Exception as error:
        last = str(error).strip().splitlines()[-1:] or [""]
        raise Failed(f"{what} failed ({type(error).__name__}): {last[0]}") from error


def show(table: pd.DataFrame) -> None:
    import pandas as pd

    with pd.option_context("display.width", 250, "display.max_colwidth", 80):
        print(table.to_string(index=False, na_rep="") if len(table) else "none")


def examples(*lines: str) -> str:
    return "\n".join(["Examples:", "", "```", *lines, "```"])


@app.command(
    help_epilogue=examples(
        "srlib upscale photo.jpg --scale 3.7",
        "srlib upscale scan.tif --size 4000 3000 --model compact-liif --out large.tif",
        "srlib upscale holiday/ 'more/*.png' --scale 2 --out enlarged/",
        "srlib upscale photo.jpg --scale 30 --out wall.tif",
        "srlib upscale photo.jpg --scale 30 --out wall.dzi",
    )
)
def upscale(
    images: list[str],
    /,
    *,
    scale: float | None = None,
    size: tuple[int, int] | None = None,
    model: str = "compact-diif",
    out: Path | None = None,
    device: str = "auto",
    threads: int | None = None,
    precision: Literal["float32", "bf16"] = "float32",
    force: bool = False,
    large: bool = False,
) -> None:
    """Enlarge pictures by any factor.

    EXIF, ICC profile, DPI and transparency are kept, 8 and 16 bits too; EXIF's orientation is applied. The result is a PNG
    beside the picture, photo_x3.7.png, or what --out says. A .dzi and a large .tif are written piece by piece in little memory;
    after an interruption the same command goes on. Frames of one size go through the model together.

    Args:
        images: Files, folders (the pictures in them) and patterns such as 'holiday/*.jpg'.
        scale: How many times larger, any positive number.
        size: Rows and columns of the result, instead of a scale.
        model: A model's name (srlib weights lists them) or a weight file.
        out: A file (.png, .tif, .jpg, .webp, .bmp, .ppm; .dzi for a Deep Zoom pyramid), or a folder for PNGs.
        device: auto, cpu or cuda.
        threads: On a CPU, by default all cores ($SRLIB_THREADS); the result is the same for any number.
        precision: bf16 is faster where the processor multiplies it natively; elsewhere it is refused.
        force: Overwrite results that exist; the pictures themselves never are.
        large: Take pictures of more than 89 megapixels too.
    """
    if (scale is None) == (size is None):
        raise WrongUse("give either --scale, for example --scale 2, or --size ROWS COLUMNS")
    from PIL import Image
    from tqdm import tqdm

    from srlib import weights
    from srlib.imaging import many
    from srlib.imaging.upscale import upscale_files
    from srlib.util.sizes import check_scale, check_size
    from srlib.util.threads import THREADS, count

    if threads is not None:
        os.environ[THREADS] = str(count(threads))
    check_scale(scale) if size is None else check_size(size)
    Image.MAX_IMAGE_PIXELS = None if large else Image.MAX_IMAGE_PIXELS
    pairs = many.pairs(many.find(images), out, scale, size)
    network, failed = weights.load(model, device=device).in_precision(precision), []
    live = sys.stderr.isatty()
    made = upscale_files(pairs, scale, network, size=size, force=force, progress=live)
    for source, target, result in tqdm(made, total=len(pairs), desc="pictures", disable=len(pairs) == 1 or not live):
        if not isinstance(result, Exception):
            tqdm.write(f"{target}: {result[0]} rows, {result[1]} columns")
        elif len(pairs) == 1:
            raise result
        else:
            failed.append(str(result) if str(result).startswith(str(source)) else f"{source}: {result}")
    if failed:
        raise Failed("\n  ".join([f"{len(failed)} of {len(pairs)} pictures failed:", *failed]))


@app.command(help_epilogue=examples("srlib demo", "srlib demo --ip 0.0.0.0 --port 80"))
def demo(*, ip: str = "127.0.0.1", port: int = 8866) -> int:
    """Show the demos as web pages, until Ctrl-C.

    Args:
        ip: The address to listen at; 0.0.0.0 lets other machines in.
        port: Its port.
    """
    need("demo", "the pages need")
    from srlib.demos import serve

    return serve.serve(ip, port)


@app.command(
    name="run",
    help_epilogue=examples(
        "srlib run diif/table2",
        "srlib run diif/table2 --profile compact -p limit=3 -p 'datasets=[\"Set5\"]'",
        "srlib run --summary results/quick",
    ),
)
def run_notebook(
    notebook: str | None = None,
    /,
    *,
    out: Path | None = None,
    parameters: Annotated[list[str] | None, Parameter(name=["--parameter", "-p"])] = None,
    profile: str | None = None,
    summary: Path | None = None,
    plan: Annotated[Path | None, Parameter(show=False)] = None,
) -> None:
    """Run a notebook in batch, or say what lies in a folder of results.

    Args:
        notebook: Its name below notebooks/, or a file.
        out: Folder for its results; by default results/interactive/NOTEBOOK.
        parameters: NAME=VALUE, in place of what the notebook or its profile says: a Python literal, or text; once for each.
        profile: quick, compact, paper, smoke or a file.
        summary: A folder of results: print which notebooks ran, and the verdicts.
        plan: What srlib reproduce wrote.
    """
    from srlib.workbook import execute

    if (notebook is None) == (summary is None):
        raise WrongUse("give either a notebook, for example diif/table2, or --summary FOLDER")
    if notebook is None:
        show(execute.summary(summary))
        return
    given = dict(pair(word) for word in parameters or []) | ({"profile": profile} if profile else {})
    need("notebooks", "a notebook needs")
    with cells_of(notebook):  # the executed notebook has the traceback
        content = execute.run_planned(notebook, plan) if plan else execute.execute(notebook, out or "", given)
    print(f"{notebook}: {content['seconds']} s, results in {content['parameters']['out']}")


def pair(word: str) -> tuple[str, object]:
    """NAME=VALUE. WrongUse for anything else."""
    import ast

    name, equals, value = word.partition("=")
    if not equals or not name.isidentifier():
        raise WrongUse(f"-p takes NAME=VALUE, for example -p limit=3, not {word!r}")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


@app.command(
    help_epilogue=examples(
        "srlib reproduce",
        "srlib reproduce paper --resources gpu=4",
        "srlib reproduce paper --executor slurm --jobs 20 --device cuda",
    )
)
def reproduce(
    profile: str = "quick", /, *options: Annotated[str, Parameter(allow_leading_hyphen=True)], device: str = "auto"
) -> int:
    """Measure what a profile lacks, then run its notebooks, with Snakemake.

    Args:
        profile: quick, compact, paper, smoke or a file.
        options: Snakemake's own; by default all cores and GPUs of this machine work.
        device: auto, cpu or cuda.
    """
    from srlib.workbook import batch, execute

    need("batch", "the batch needs")
    path = batch.prepare(profile, device, options)
    code = batch.run(path, options)
    show(execute.summary(path.parent))
    return code


@app.command(
    help_epilogue=examples("srlib judge results/compact", "srlib judge results/reference/compact diif/table2 claims")
)
def judge(folder: Path, /, *names: str) -> None:
    """Judge again what lies in a results folder: tables, figures and verdicts from its rows, without running a model.

    Args:
        folder: Of a profile, as srlib reproduce writes it; its files are renewed in place.
        names: Only these notebooks.
    """
    from srlib.workbook import execute

    if not folder.is_dir():
        raise FileNotFoundError(f"no folder {folder}")
    need("notebooks", "a notebook needs")
    with cells_of(f"judging {folder}"):
        judged = execute.judge(folder, names)
    print("\n".join(f"{name}: judged again" for name in judged) or "nothing that can be judged")


@app.command(
    help_epilogue=examples("srlib measure --profile quick", "srlib measure --notebook diif/table2 --only compact-liif")
)
def measure(
    job: Annotated[str | None, Parameter(show=False)] = None,
    /,
    *,
    profile: str = "quick",
    notebook: str = "",
    only: str = "",
    device: str = "auto",
    plan: Annotated[Path | None, Parameter(show=False)] = None,
) -> None:
    """Measure what a profile, or one notebook of it, still lacks, one after the other.

    Args:
        job: One job of a plan.
        profile: quick, compact, paper, smoke or a file.
        notebook: Only what this one asks for.
        only: Only jobs with this in their name, a model or a data set.
        device: auto, cpu or cuda.
        plan: What srlib reproduce wrote.
    """
    from srlib.workbook import batch

    if (job is None) != (plan is None):
        raise WrongUse("a job goes with --plan FILE; without both, all that is missing is measured")
    done = batch.measure_job(job, plan) if job else batch.measure_missing(profile, notebook, only, device)
    print(f"{len(done)} measured" if done else "nothing is missing")


@app.command(
    help_epilogue=examples("srlib measurements", "srlib measurements verify", "srlib measurements prune --dry-run")
)
def measurements(what: Literal["list", "verify", "prune"] = "list", /, *, dry_run: bool = False) -> int:
    """List, verify or prune what was measured, results/measurements.

    Args:
        what: list: all of it. verify: what is damaged. prune: remove what is damaged, stale as the code has
            changed, or a time that a busy machine disturbed.
        dry_run: Of prune, only say what would be removed.
    """
    from srlib.workbook import store
    from srlib.workbook.measure import is_current

    if what == "prune":
        gone = store.prune(is_current, dry=dry_run)
        print("\n".join([*map(str, gone), f"{len(gone)} {'would be' if dry_run else 'were'} removed"]))
        return 0
    table = store.listing(is_current)
    damaged = table["state"] == "damaged"
    if what == "list" or damaged.any():
        show(table if what == "list" else table[damaged])
    print(", ".join(f"{count} {state}" for state, count in table["state"].value_counts().items()) or "nothing measured")
    return int(what == "verify" and damaged.any())


app.command(
    "srlib.training.command:train",
    name="train",
    help="Train a model, or each model of a suite, by its recipe, or go on with an interrupted run.",
    help_epilogue=examples(
        "srlib train compact-liif --data FOLDER",
        "srlib train compact-methods --export",
        "srlib train edsr-baseline-lte --like edsr-baseline-liif --steps 200 --lr 5e-4",
    ),
)


app.command(
    "srlib.training.command:suite",
    name="suite",
    help="Train every model of a suite with several seeds, unattended; the same command goes on after an interruption.",
    help_epilogue=examples("srlib suite compact --seeds 3 --search", "srlib suite compact-methods --seeds 3 --jobs 4"),
)


@app.command(name="data", help_epilogue=examples("srlib data", "srlib data Set5 Set14"))
def data_sets(names: list[str] | None = None, /) -> None:
    """Fetch data sets, or say which there are and where they lie.

    Args:
        names: Which to download, check and unpack; none: list them.
    """
    from srlib import data
    from srlib.util.errors import unknown

    if odd := [name for name in names or [] if name not in data.DATASETS]:
        raise unknown("data set", odd[0], list(data.DATASETS))
    for name in names or []:
        print(f"{name}: {data.fetch(name)}")
    if not names:
        show(data.listing())


@app.command(
    name="weights",
    help_epilogue=examples("srlib weights", "srlib weights rdn-liif rdn-lte", "srlib weights --check file.pth"),
)
def weight_files(names: list[str] | None = None, /, *, check: Path | None = None, renew: bool = False) -> None:
    """List the weights at hand and those that authors have published, fetch some of these, or say what a file is.

    Args:
        names: Models, or published files: those that are not at hand are downloaded and checked, if anyone has published them.
        check: A file: read it whole and say which model it holds, whether it is a published one, and which table rows it fills.
        renew: Write into our headers what older ones lack: dead units, measured now; the rest is "not recorded".
    """
    from srlib.weights import listing

    if names and check:
        raise WrongUse("give either names or --check FILE")
    if check:
        print("\n".join(f"{name}: {value}" for name, value in listing.describe(check).items()))
        return
    for name in listing.renewed(names or ()) if renew else ():
        print(f"{name}: header renewed")
    table, failed = listing.at_hand(names or ()), []
    for name in names or []:
        try:
            if listing.fetch(name, progress=sys.stderr.isatty()):
                table = listing.at_hand(names)
        except (OSError, ValueError) as error:
            if len(names) == 1:
                raise
            failed.append(str(error))
    show(table)
    if not names:
        print("\nPublished by others; srlib weights NAME fetches one:")
        show(listing.published())
        print("\nWhere:\n" + "\n".join(f"{by}: {page}" for by, page in listing.pages().items()))
    if failed:
        raise Failed("\n  ".join([f"{len(failed)} of {len(names)} were not fetched:", *failed]))


@app.command(help_epilogue=examples("srlib book", "srlib book quick", "srlib book quick --out public/"))
def book(profile: str = "", /, *, out: Path | None = None) -> None:
    """Build the book, a site of a run's results that opens without Python.

    Args:
        profile: Whose results, quick or compact; by default the reference copy.
        out: Folder of the site; by default results/book/PROFILE.
    """
    need("book", "the book needs")
    from srlib.site import build

    print(build.build(profile, out or ""))


@app.command(
    help_epilogue=examples(
        "srlib bench",
        "srlib bench --repeats 3 --device cpu --csv bench.csv",
        "srlib bench --device cuda --compile",
    )
)
def bench(*, csv: Path | None = None, repeats: int = 5, device: str = "auto", compile: bool = False) -> None:
    """Time the fast paths against the literal ones on this machine, and the memory of a large result.

    A GPU is waited for before a clock is read; float32 is without TF32.

    Args:
        csv: Write the times here as well.
        repeats: Calls that a time is the median of.
        device: auto, cpu or cuda.
        compile: On a GPU, instead: the fast paths as they are and through torch.compile, with CUDA graphs where it makes them.
    """
    import torch

    from srlib import cost
    from srlib.util import atomic, provenance
    from srlib.util.devices import choose_device, device_name, exact_float32

    place = choose_device(device)
    if compile and place.type != "cuda":
        raise WrongUse(
            "--compile is for a GPU: on a CPU the fast paths choose among ways that torch.compile cannot read"
        )
    with exact_float32():
        table = (cost.bench_compiled if compile else cost.bench)(repeats=repeats, device=place)
    print(f"{device_name(place)}, torch {torch.__version__}, commit {provenance.commit()}, {provenance.now()}")
    show(table.round(3))
    if csv:
        with atomic.whole(csv) as temporary:
            table.assign(device=device_name(place), commit=provenance.commit()).to_csv(temporary, index=False)
    if not compile:
        show(cost.bench_memory(device=place).round(0))


@app.command(
    help_epilogue=examples("srlib gpu --dry-run", "srlib gpu", "srlib gpu times tables", "srlib gpu --skip training")
)
def gpu(
    stages: list[str] | None = None,
    /,
    *,
    skip: list[str] | None = None,
    data: str = "DIV2K-train",
    device: str = "auto",
    rehearse: bool = False,
    dry_run: bool = False,
) -> None:
    """What a GPU is for: agreement with the CPU, times, seeds, training at full size, tables; each with an estimate first.

    The same command goes on where it was interrupted.

    Args:
        stages: agreement, times, seeds, training, tables; by default all.
        skip: Stages to leave out.
        data: Data set or folder that full-size models are trained on.
        device: auto or cuda.
        rehearse: All of it at tiny size on the CPU, in results/gpu-rehearsal and results/rehearsal.
        dry_run: Only say how long each stage would take.
    """
    from srlib.workbook import gpu as work

    left = work.run(stages or (), skip or (), device=device, rehearse=rehearse, dry=dry_run, dataset=data)
    if left:
        raise Failed("\n  ".join([f"{len(left)} not done:", *left]))


@app.command(
    help_epilogue=examples(
        "srlib speed", "srlib speed --models compact-diif --threads 1 2 --beside 0 2", "srlib speed --against HEAD~10"
    )
)
def speed(
    *,
    models: Annotated[list[str], Parameter(consume_multiple=True)] | None = None,
    scales: Annotated[list[float], Parameter(consume_multiple=True)] | None = None,
    side: int = 128,
    threads: Annotated[list[int], Parameter(consume_multiple=True)] | None = None,
    beside: Annotated[list[int], Parameter(consume_multiple=True)] | None = None,
    ways: Annotated[list[Literal["fast", "plain", "bf16"]], Parameter(consume_multiple=True)] | None = None,
    against: str = "",
    repeats: int = 7,
    csv: Path | None = None,
) -> None:
    """Time decoding on this machine: any models and scales, threads, beside busy processes, against another commit in one run.

    Args:
        models: Names; by default one of each decoder at the shipped width.
        scales: Enlargements, by default 4 and 8.
        side: Of the square LR image.
        threads: Numbers of threads; by default as many as there are cores.
        beside: Numbers of other processes that want a core each; by default none.
        ways: fast; plain: the papers' equations, very many pixels at once; bf16: fast, in half the bits.
        against: A commit, timed in turn with what lies here.
        repeats: Calls that a time is the median of.
        csv: Write the table here as well.
    """
    from srlib import speed
    from srlib.util import atomic, provenance, quiet
    from srlib.util.devices import cpu_name

    table = speed.compare(
        models or speed.MODELS, scales or (4, 8), sides=[side], threads=threads or (), beside=beside or (0,),
        ways=ways or ("fast",), against=against, repeats=repeats, progress=sys.stderr.isatty(),
    )  # fmt: skip
    print(f"{cpu_name()}, commit {provenance.commit()}, {provenance.now()}")
    show(table.round(3))
    if (share := table.loc[table["busy"] == 0, "share"].min()) < quiet.ENOUGH:
        complain(quiet.sentence(share))
    if csv:
        with atomic.whole(csv) as temporary:
            table.assign(device=cpu_name(), commit=provenance.commit(), date=provenance.now()).to_csv(
                temporary, index=False
            )
