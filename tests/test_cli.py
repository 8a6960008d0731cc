"""The command line: options, exit codes, sentences."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from srlib import cli
from srlib.training import runs
from srlib.training.settings import DEFAULTS
from srlib.util.errors import NotMeasured
from srlib.workbook import batch, execute

COMMANDS = [
    "upscale", "run", "reproduce", "judge", "measure", "measurements", "train", "suite", "data", "weights", "bench",
    "speed", "book", "demo", "gpu",
]  # fmt: skip


@pytest.fixture
def srlib(capsys):
    """Run a command line: (exit code, standard output, standard error)."""

    def call(*words):
        code = cli.main([str(word) for word in words])
        return (code, *capsys.readouterr())

    return call


@pytest.fixture
def photo(tmp_path, monkeypatch, rgb):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(rgb).save("photo.jpg")
    return Path("photo.jpg")


def is_sentence(text):
    """One line, and no traceback."""
    return text.startswith("srlib: ") and text.count("\n") == 1 and "Traceback" not in text


# As a program


def program(*words, python="-m srlib"):
    call = [sys.executable, *python.split(" ", 1), *words]
    return subprocess.run(call, capture_output=True, text=True, check=False, env=os.environ | {"COLUMNS": "100"})


def test_python_m_srlib_says_its_version():
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", program("--version").stdout)


def test_a_wrong_command_ends_with_2_and_a_sentence():
    done = program("upscal", "x.png")
    assert (done.returncode, is_sentence(done.stderr)) == (2, True)


def test_help_waits_for_no_large_library():
    large = "{'torch', 'matplotlib', 'pandas', 'PIL'}"
    code = f"import sys; from srlib.cli import main; main(['--help']); print(sorted({large} & {{*sys.modules}}))"
    assert program(code, python="-c").stdout.endswith("[]\n")


def test_the_console_script_is_this_one():
    import tomllib

    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert project["scripts"] == {"srlib": "srlib.cli:main"}


# Help


def test_help_names_every_command(srlib):
    assert [name for name in COMMANDS if f" {name} " not in srlib("--help")[1]] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_has_an_example(srlib, command):
    code, out, _ = srlib(command, "--help")
    assert (code, f"srlib {command}" in out.partition("Examples:")[2]) == (0, True)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_explained(command):
    shown = [
        argument for argument in cli.app[command].assemble_argument_collection(parse_docstring=True) if argument.show
    ]
    assert [argument.name for argument in shown if not argument.parameter.help and not argument.children] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_examples_can_be_parsed(command):
    import shlex

    lines = re.findall(rf"^srlib {command}\b.*", cli.app[command].help_epilogue, re.MULTILINE)
    for line in lines:
        cli.app.parse_args(shlex.split(line)[1:], exit_on_error=False, print_error=False)
    assert lines


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_options(shell):
    assert "scale" in cli.app.generate_completion(shell=shell)


def test_completion_is_installed(srlib, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    code = srlib("--install-completion", "--shell", "bash", "--output", tmp_path / "srlib.sh")[0]
    assert (code, "srlib" in (tmp_path / "srlib.sh").read_text()) == (0, True)


# What goes wrong

WRONG = [
    (["upscal", "x"], 'Did you mean "upscale"'),
    (["upscale", "x", "--scle", "2"], "Did you mean --scale"),
    (["upscale", "x", "--scale", "two"], "--scale.*float"),
    (["upscale", "x", "--scale", "2", "y"], "one word too many: 'y'"),
    (["upscale", "x"], "give either --scale"),
    (["upscale", "x", "--scale", "2", "--size", "3", "4"], "give either --scale"),
    (["upscale", "--scale", "2"], "IMAGES requires"),
    (["train", "compact-lif"], "unknown model 'compact-lif'; nearest: compact-liif"),
    (["train", "compact-liif", "--stepps", "3"], "Did you mean --steps"),
    (["train"], "MODEL requires"),
    (["train", "compact-liif", "--device", "cudda"], "unknown device 'cudda'; nearest: cuda"),
    (["run", "quikstart"], "unknown notebook 'quikstart'; nearest: quickstart"),
    (["run"], "give either a notebook"),
    (["run", "quickstart", "-p", "scale"], "-p takes NAME=VALUE"),
    (["run", "quickstart", "-p", "scal=2"], "unknown parameter of quickstart 'scal'"),
    (["reproduce", "quik"], "unknown profile 'quik'; nearest: quick"),
    (["measure", "--profile", "quik"], "unknown profile 'quik'"),
    (["measure", "some-job"], "a job goes with --plan"),
    (["measurements", "prunes"], 'Did you mean "prune"'),
    (["data", "Set41"], "unknown data set 'Set41'; nearest: Set14"),
    (["weights", "compakt-diif"], "unknown model 'compakt-diif'"),
    (["weights", "a", "--check", "b"], "either names or --check"),
]


@pytest.mark.parametrize("words, says", WRONG, ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_wrong_use_ends_with_2_and_a_sentence(srlib, photo, words, says):
    Path("x").touch()
    code, _, err = srlib(*words)
    assert (code, is_sentence(err), bool(re.search(says, err))) == (2, True, True), err


FAILING = [
    (["upscale", "absent.png", "--scale", "2"], "there is no file or folder absent.png"),
    (["upscale", "absent*.png", "--scale", "2"], "no images match"),
    (["upscale", ".", "--scale", "2", "--out", "photo.jpg/x"], ""),
    (["upscale", "photo.jpg", "--scale", "-1"], "positive finite"),
    (["upscale", "photo.jpg", "--scale", "2", "--model", "rdn-liif"], "no weights for rdn-liif"),
    (["upscale", "photo.jpg", "--scale", "2", "--model", "bicubic", "--out", "x.gif"], "not written as .gif"),
    (
        ["upscale", "photo.jpg", "--scale", "2", "--model", "bicubic", "--out", "photo.jpg", "--force"],
        "never overwritten",
    ),
    (["upscale", "empty", "--scale", "2"], "no images in the folder empty"),
    (["train", "compact-liif", "--steps", "0"], "steps must be a positive integer"),
    (["measure", "--profile", "odd.yaml"], "odd.yaml, line 1: no YAML"),
    (["measure", "job", "--plan", "plan.json"], "plan.json: no plan (it has no jobs); srlib reproduce writes one"),
    (["run", "quickstart", "--plan", "plan.json"], "plan.json: no plan (it has no profile, from); srlib reproduce"),
    (["judge", "absent"], "no folder absent"),
    (["weights", "--check", "photo.jpg"], "neither a safetensors file nor"),
]


@pytest.mark.parametrize("words, says", FAILING, ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_a_failure_ends_with_1_and_a_sentence(srlib, photo, no_data, words, says):
    Path("empty").mkdir()
    Path("odd.yaml").write_text("[")
    Path("plan.json").write_text('{"device": "cpu"}')
    code, _, err = srlib(*words)
    assert (code, is_sentence(err), says in err) == (1, True, True), err


def raising(error):
    def fail(*_, **__):
        raise error

    return fail


ENDS = [
    (FloatingPointError("the loss is NaN"), 1, "srlib: the loss is NaN\n"),
    (MemoryError("Unable to allocate 3 TiB"), 1, "srlib: Unable to allocate 3 TiB\n"),
    (NotMeasured("not measured: a; measure it first"), 1, "srlib: not measured: a; measure it first\n"),
    (MemoryError(), 1, "srlib: MemoryError\n"),
    (RuntimeError("DefaultCPUAllocator: can't allocate memory\nat x"), 1, "srlib: not enough memory: Default"),
    (KeyboardInterrupt(), 130, "srlib: stopped\n"),
    (KeyboardInterrupt("saved at step 7"), 130, "srlib: saved at step 7\n"),
]


@pytest.mark.parametrize("error, code, says", ENDS, ids=lambda value: repr(value))
def test_how_a_command_ends(srlib, monkeypatch, error, code, says):
    monkeypatch.setattr(runs, "train", raising(error))
    ended, _, err = srlib("train", "compact-liif")
    assert (ended, err.startswith(says)) == (code, True)


def test_a_mistake_of_ours_keeps_its_traceback(srlib, monkeypatch):
    monkeypatch.setattr(runs, "train", raising(KeyError("x")))
    with pytest.raises(KeyError):
        srlib("train", "compact-liif")


def test_a_warning_is_a_note(srlib, photo, rgb):
    Image.fromarray(rgb).convert("CMYK").save("cmyk.jpg")
    assert srlib("upscale", "cmyk.jpg", "--scale", "2", "--model", "bicubic")[2] == (
        "srlib: note: cmyk.jpg: is CMYK; the result is RGB\n"
    )


# upscale


def upscale(srlib, *words):
    return srlib("upscale", *words, "--model", "bicubic")


def test_upscale_writes_beside_the_picture(srlib, photo):
    assert upscale(srlib, photo, "--scale", "3.7")[:2] == (0, "photo_x3.7.png: 63 rows, 85 columns\n")


def test_upscale_takes_options_first(srlib, photo):
    assert upscale(srlib, "--scale", "2", photo)[0] == 0


def test_upscale_takes_a_size(srlib, photo):
    upscale(srlib, photo, "--size", "20", "30", "--out", "small.tif")
    assert Image.open("small.tif").size == (30, 20)


def test_upscale_takes_the_default_model(srlib, photo):
    import srlib as library

    srlib("upscale", photo, "--scale", "2", "--out", "y.png")
    assert np.array_equal(np.asarray(Image.open("y.png")), np.asarray(library.upscale(photo, 2)))


def test_upscale_in_bf16(srlib, photo, monkeypatch):
    import srlib as library

    monkeypatch.setattr("srlib.util.precision.native_bf16", lambda device: True)
    assert srlib("upscale", photo, "--scale", "2", "--precision", "bf16", "--out", "y.png")[0] == 0
    assert np.array_equal(np.asarray(Image.open("y.png")), np.asarray(library.upscale(photo, 2, precision="bf16")))


def test_upscale_refuses_an_emulated_precision(srlib, photo, monkeypatch):
    monkeypatch.setattr("srlib.util.precision.native_bf16", lambda device: False)
    code, _, err = srlib("upscale", photo, "--scale", "2", "--precision", "bf16")
    assert code == 1
    assert "this machine has no bfloat16 of its own" in err
    assert not Path("photo_x2.png").exists()


def test_upscale_does_not_overwrite(srlib, photo):
    Path("y.png").write_text("mine")
    code, _, err = upscale(srlib, photo, "--scale", "2", "--out", "y.png")
    assert (code, "y.png exists" in err, Path("y.png").read_text()) == (1, True, "mine")


def test_upscale_overwrites_by_force(srlib, photo):
    Path("y.png").write_text("mine")
    assert upscale(srlib, photo, "--scale", "2", "--out", "y.png", "--force")[0] == 0


@pytest.fixture
def folder(photo, rgb):
    """Three pictures, the second of which is broken."""
    Path("in").mkdir()
    for name in ("a", "c"):
        Image.fromarray(rgb).save(f"in/{name}.png")
    Path("in/b.png").write_bytes(b"broken")
    return Path("in")


def test_upscale_goes_on_after_a_failure(srlib, folder):
    upscale(srlib, folder, "--scale", "2")
    assert sorted(p.name for p in folder.glob("*_x2.png")) == ["a_x2.png", "c_x2.png"]


def test_upscale_names_what_failed_at_the_end(srlib, folder):
    code, _, err = upscale(srlib, "in/*.png", "photo.jpg", "--scale", "2", "--out", "out")
    assert (code, err.splitlines()[0]) == (1, "srlib: 1 of 4 pictures failed:")


def test_upscale_says_why_it_failed(srlib, folder):
    assert "\n  in/b.png: not an image" in upscale(srlib, folder, "--scale", "2")[2]


def test_upscale_of_a_folder_leaves_its_results_alone(srlib, folder):
    (folder / "b.png").unlink()
    upscale(srlib, folder, "--scale", "2")
    assert upscale(srlib, folder, "--scale", "2", "--force")[1].count("rows") == 2


def test_upscale_refuses_a_header_that_claims_gigapixels(srlib, photo, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    code, _, err = upscale(srlib, photo, "--scale", "2")
    assert (code, is_sentence(err), "--large" in err) == (1, True, True)


def test_upscale_takes_large_pictures_when_told(srlib, photo, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert upscale(srlib, photo, "--scale", "2", "--large")[0] == 0


# train


@pytest.fixture
def trained(monkeypatch):
    """What `srlib.training.runs.train` was called with."""
    called = {}

    def train(name, changes, **options):
        called.update(name=name, changes=changes, **options)

    monkeypatch.setattr(runs, "train", train)
    return called


def test_train_passes_on_only_the_settings_that_were_given(srlib, trained):
    srlib("train", "compact-liif", "--steps", "200", "--scales", "2", "4")
    assert trained["changes"] == {"steps": 200, "scales": (2.0, 4.0)}


@pytest.mark.parametrize("name", DEFAULTS)
def test_train_has_an_option_for_every_setting(srlib, trained, name):
    value = DEFAULTS[name] if DEFAULTS[name] != "" else "x"
    words = map(str, value if isinstance(value, tuple) else [value])
    srlib("train", "compact-liif", f"--{name.replace('_', '-')}", *words)
    assert trained["changes"] == {name: value}


def test_train_takes_several_names(srlib, trained):
    srlib("train", "compact-liif", "--exclude", "a", "--exclude", "b")
    assert trained["changes"] == {"exclude": ("a", "b")}


def test_train_can_leave_no_image_out(srlib, trained):
    srlib("train", "compact-liif", "--no-exclude")
    assert trained["changes"] == {"exclude": ()}


def test_train_passes_on_its_options(srlib, trained):
    srlib("train", "m", "--like", "n", "--folder", "f", "--device", "cpu", "--from-nothing", "--export", "--restart")
    assert trained == {
        "name": "m", "changes": {}, "like": "n", "folder": Path("f"), "device": "cpu", "from_nothing": True,
        "export": True, "restart": True,
    }  # fmt: skip


# run, reproduce, measure, measurements


@pytest.fixture
def executed(monkeypatch, tmp_path):
    called = []

    def run(notebook, out="", parameters=None):
        called.append((notebook, str(out), parameters))
        return {"seconds": 1.5, "parameters": {"out": "there"}}

    monkeypatch.setattr(execute, "execute", run)
    return called


def test_run_reads_parameters_as_python(srlib, executed):
    srlib("run", "quickstart", "-p", "scale=2.5", "-p", "models=['a']", "-p", "image=baby", "--profile", "compact")
    assert executed == [("quickstart", "", {"scale": 2.5, "models": ["a"], "image": "baby", "profile": "compact"})]


def test_run_says_where_results_are(srlib, executed):
    assert srlib("run", "quickstart", "--out", "x")[:2] == (0, "quickstart: 1.5 s, results in there\n")


def test_run_of_a_plan_reads_it(srlib, monkeypatch):
    monkeypatch.setattr(execute, "run_planned", lambda *a: {"seconds": 0, "parameters": {"out": f"{a[0]} {a[1]}"}})
    assert srlib("run", "a", "--plan", "plan.json")[1] == "a: 0 s, results in a plan.json\n"


def test_a_failed_cell_is_a_sentence(srlib, monkeypatch):
    monkeypatch.setattr(execute, "execute", raising(Exception("cell 3\nTraceback\nRuntimeError: no 42")))
    code, _, err = srlib("run", "quickstart")
    assert (code, is_sentence(err), "RuntimeError: no 42" in err) == (1, True, True)


def test_judging_without_the_rows_is_a_sentence(srlib, tmp_path):
    (tmp_path / "diif" / "table3").mkdir(parents=True)
    (tmp_path / "diif" / "table3" / "run.json").write_text('{"profile": "quick"}')
    code, _, err = srlib("judge", tmp_path, "diif/table3")
    assert (code, is_sentence(err), "cannot be judged again without its rows" in err) == (1, True, True), err


WITHOUT = [
    (["run", "quickstart"], "papermill", "srlib: a notebook needs papermill: pip install 'srlib[notebooks]'\n"),
    (["judge", "."], "papermill", "srlib: a notebook needs papermill: pip install 'srlib[notebooks]'\n"),
    (["reproduce"], "snakemake", "srlib: the batch needs snakemake: pip install 'srlib[batch]'\n"),
    (["book"], "sphinx", "srlib: the book needs sphinx: pip install 'srlib[book]'\n"),
    (["demo"], "voila", "srlib: the pages need voila: pip install 'srlib[demo]'\n"),
]


@pytest.mark.parametrize("words, package, says", WITHOUT, ids=lambda value: str(value))
def test_a_package_that_is_not_here_is_named_with_its_extra(srlib, monkeypatch, words, package, says):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: find(name, *more) if name != package else None)
    code, _, err = srlib(*words)
    assert (code, err) == (1, says)


def test_every_extra_is_one_that_the_project_has():
    import tomllib

    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert cli.EXTRAS.keys() <= project["optional-dependencies"].keys()


def test_summary_is_a_table(srlib, tmp_path):
    code, out, _ = srlib("run", "--summary", tmp_path)
    assert (code, "quickstart" in out, "not run" in out) == (0, True, True)


def test_reproduce_passes_on_snakemakes_options(srlib, monkeypatch, tmp_path):
    called = []
    monkeypatch.setattr(
        batch, "prepare", lambda profile, device, options: tmp_path / f"{profile}-{device}-{len(options)}"
    )
    monkeypatch.setattr(batch, "run", lambda path, options: called.append((path.name, options)) or 3)
    code = srlib("reproduce", "paper", "--executor", "slurm", "-j", "20", "--device", "cpu")[0]
    assert (code, called) == (3, [("paper-cpu-4", ("--executor", "slurm", "-j", "20"))])


def test_measure_asks_for_what_is_missing(srlib, monkeypatch):
    monkeypatch.setattr(batch, "measure_missing", lambda *asked: list(asked))
    words = "measure --profile compact --notebook diif/table2 --only liif --device cpu"
    assert srlib(*words.split())[:2] == (0, "4 measured\n")


def test_measure_says_that_nothing_is_missing(srlib, monkeypatch):
    monkeypatch.setattr(batch, "measure_missing", lambda *_: [])
    assert srlib("measure")[:2] == (0, "nothing is missing\n")


def test_measure_takes_a_job_of_a_plan(srlib, monkeypatch):
    monkeypatch.setattr(batch, "measure_job", lambda key, plan: [key, str(plan)])
    assert srlib("measure", "job-1", "--plan", "plan.json")[:2] == (0, "2 measured\n")


@pytest.fixture
def store(monkeypatch, tmp_path):
    """One damaged measurement."""
    from srlib.util import paths

    monkeypatch.setattr(paths, "MEASUREMENTS", tmp_path)
    (tmp_path / "quality-0.json").write_text("{")
    return tmp_path


def test_measurements_are_listed(srlib, store):
    assert srlib("measurements")[:2] == (0, srlib("measurements", "list")[1])


def test_measurements_are_verified(srlib, store):
    code, out, _ = srlib("measurements", "verify")
    assert (code, out.endswith("1 damaged\n")) == (1, True)


def test_sound_measurements_pass(srlib, store):
    (store / "quality-0.json").unlink()
    assert srlib("measurements", "verify")[:2] == (0, "nothing measured\n")


def test_a_dry_run_removes_nothing(srlib, store):
    srlib("measurements", "prune", "--dry-run")
    assert len(list(store.iterdir())) == 1


def test_pruning_removes_what_is_damaged(srlib, store):
    srlib("measurements", "prune")
    assert list(store.iterdir()) == []


# data, weights, bench


def test_data_lists_the_sets(srlib, no_data):
    assert "bring your own copy" in srlib("data")[1]


def test_data_fetches(srlib, monkeypatch):
    from srlib import data

    monkeypatch.setattr(data, "fetch", lambda name: f"there/{name}")
    assert srlib("data", "Set5", "Set14")[:2] == (0, "Set5: there/Set5\nSet14: there/Set14\n")


def test_no_connection_is_a_failure(srlib, no_data, monkeypatch):
    import pooch

    monkeypatch.setattr(pooch, "retrieve", raising(ConnectionError("no route")))
    code, _, err = srlib("data", "Set5")
    assert (code, is_sentence(err)) == (1, True)


def test_weights_say_how_they_were_trained(srlib):
    assert re.search(r"compact-diif .*5000 steps on bsd400", srlib("weights", "compact-diif")[1])


def test_weights_that_are_missing_are_named(srlib, no_data):
    assert "none at hand" in srlib("weights", "rdn-diif")[1]


def test_weights_list_what_others_have_published(srlib):
    out = srlib("weights")[1]
    assert re.search(r"rdn-liif +LIIF's authors +268.2 +7bf835bc +BSD-3-Clause +DIIF 1, 2 ", out)
    assert "\nSRNO's authors: https://github.com/2y7c3/Super-Resolution-Neural-Operator\n" in out


def test_published_weights_that_are_not_read_say_why(srlib, no_data):
    code, _, err = srlib("weights", "rdn-thera-air")
    assert (code, is_sentence(err)) == (1, True)
    assert "not read here: a pickle of JAX arrays, which would run code; it is at https://huggingface.co/prs-eth" in err


def test_weights_that_nobody_published_are_trained(srlib, no_data):
    assert "No author has published any. Train it: srlib train rdn-diif" in srlib("weights", "rdn-diif")[1]


def test_published_weights_are_fetched(srlib, no_data, monkeypatch):
    from srlib.weights import registry

    fetched = []
    monkeypatch.setattr(
        registry, "fetch", lambda name, progress: fetched.append(name) or registry.released()[name].place
    )
    assert srlib("weights", "rdn-liif", "compact-diif")[0] == 0
    assert fetched == ["rdn-liif"]


def test_each_weight_file_that_is_out_of_reach_is_told(srlib, no_data, monkeypatch):
    from srlib.weights import registry

    def fetch(name, progress):
        raise registry.NotFetched(f"{name} is out of reach")

    monkeypatch.setattr(registry, "fetch", fetch)
    code, _, err = srlib("weights", "rdn-liif")
    assert (code, is_sentence(err)) == (1, True)
    code, out, err = srlib("weights", "rdn-liif", "idm", "compact-diif")
    assert code == 1
    assert "5000 steps" in out
    assert err == "srlib: 2 of 3 were not fetched:\n  rdn-liif is out of reach\n  idm is out of reach\n"


def test_a_weight_file_says_what_it_is(srlib):
    from srlib import weights

    assert srlib("weights", "--check", weights.find("compact-diif"))[1].startswith("model: compact-diif\n")


def test_compiling_is_for_a_gpu(srlib):
    code, _, err = srlib("bench", "--device", "cpu", "--compile")
    assert (code, is_sentence(err)) == (2, True)


def test_a_gpus_work_is_handed_on(srlib, monkeypatch):
    from srlib.workbook import gpu

    asked = []
    monkeypatch.setattr(gpu, "run", lambda *words, **more: asked.append((words, more)) or ["training: no data"])
    code, _, err = srlib("gpu", "times", "training", "--skip", "tables", "--rehearse", "--data", "mine")
    assert asked == [
        ((["times", "training"], ["tables"]), {"device": "auto", "rehearse": True, "dry": False, "dataset": "mine"})
    ]
    assert (code, err) == (1, "srlib: 1 not done:\n  training: no data\n")


def test_bench_writes_its_table(srlib, monkeypatch, tmp_path):
    from srlib import cost

    monkeypatch.setattr(cost, "bench", lambda **options: pd.DataFrame({"repeats": [options["repeats"]]}))
    monkeypatch.setattr(cost, "bench_memory", lambda **_: pd.DataFrame({"peak_MiB_x30": [1.0]}))
    srlib("bench", "--repeats", "2", "--csv", tmp_path / "x.csv")
    assert pd.read_csv(tmp_path / "x.csv")["repeats"].tolist() == [2]
