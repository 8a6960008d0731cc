"""What `srlib gpu` does, rehearsed on the CPU; there is no GPU here to try it on."""

import dataclasses
import os
import shutil
import subprocess
import sys
from functools import partial

import pandas as pd
import pytest
import torch
import yaml

from srlib import training
from srlib.models import ModelName, catalogue
from srlib.models.encoders import EDSR
from srlib.training import suite, validation
from srlib.training.search import TRIALS
from srlib.util import paths
from srlib.workbook import gpu, plan
from srlib.workbook.measure import Lab

no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")


@pytest.fixture
def work(tmp_path, monkeypatch, no_data):
    """A rehearsal in a folder of its own, without weights, "compact" one block of 8 channels."""
    monkeypatch.setattr(paths, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(paths, "MEASUREMENTS", tmp_path / "results" / "measurements")
    monkeypatch.setattr(paths, "WEIGHTS", tmp_path / "no-weights")
    monkeypatch.setattr(validation, "PHOTOGRAPHS", ("astronaut",))
    record = catalogue.EncoderRecord(partial(EDSR, channels=8, blocks=1), 16)
    monkeypatch.setitem(catalogue.ENCODERS, "compact", record)
    gpu.macs_of.cache_clear()
    yield dataclasses.replace(gpu.rehearsal(), compared=("compact-liif", "compact-x2"))
    gpu.macs_of.cache_clear()


@pytest.fixture
def lab():
    return Lab(torch.device("cpu"))


@no_gpu
@pytest.mark.parametrize(
    "asked, why", [("auto", "would take years: srlib gpu --rehearse"), ("cuda", "torch sees no GPU here")]
)
def test_without_a_gpu_it_says_what_can_be_done(asked, why):
    with pytest.raises(ValueError, match=why):
        gpu.run(device=asked)


def test_unknown_stages_are_named():
    with pytest.raises(ValueError, match="unknown stage 'tabels'; nearest: tables"):
        gpu.run(["tabels"])
    with pytest.raises(ValueError, match="unknown stage 'time'"):
        gpu.run(skip=["time"])


@pytest.fixture
def told(work, monkeypatch):
    """Runs a rehearsal at rates of 1, 2 and 0.5e9 that does nothing; what it says, and which stages it would have done."""
    monkeypatch.setattr(gpu, "rehearsal", lambda: work)
    monkeypatch.setattr(gpu, "rates", lambda work: gpu.Rates(1e9, 2e9, 5e8))
    monkeypatch.setattr(gpu, "seeds_macs", lambda work: 1e9)
    macs = {"times": lambda soon: 7.2e12, "tables": lambda soon: 6e10 * len(soon)}
    monkeypatch.setattr(gpu, "measuring_macs", lambda work, lab, stage, soon=(): macs[stage](soon))
    lines, done = [], []
    for stage in gpu.STAGES:
        name = {"training": "train"}.get(stage, stage)
        monkeypatch.setattr(
            gpu, name, lambda work, lab, say, stage=stage: done.append(stage) or [f"not {stage}"] * (stage == "times")
        )
    return lambda *words, **more: (gpu.run(*words, rehearse=True, say=lines.append, **more), lines, done)


def test_every_stage_says_how_long_it_takes_before_any_begins(told):
    left, lines, done = told(dry=True)
    assert (left, done) == ([], [])
    assert [line.partition(": about ")[0] for line in lines[1:6]] == list(gpu.STAGES)
    assert "1 GMAC/s forward, 2 in training, 0.5 in that of small models" in lines[0]
    assert lines[2] == "times: about 2.0 h; the papers' running times, both paths"
    assert lines[3].startswith("seeds: about 2 s; every small model")
    assert lines[5].startswith("tables: about 3.0 min; scores of all weights")  # 3 models to come


def test_without_training_the_tables_wait_for_no_model(told):
    lines = told(["tables"], dry=True)[1]
    assert lines[1].startswith("tables: about 0 s")
    (sentence,) = (line for line in lines if "stay 'not measured': " in line)
    assert "compact-x2, " in sentence


def test_stages_are_chosen_and_left_out(told):
    assert told(["tables", "times"])[2] == ["times", "tables"]
    assert told(skip=["training", "seeds", "tables"])[2][2:] == ["agreement", "times"]


def test_what_was_not_done_is_told(told):
    assert told()[0] == ["times: not times"]


def test_the_estimate_of_training(work, monkeypatch):
    """3 forward passes of every image of every step, less the steps that are done."""
    encoder, decoder = gpu.macs_of("compact-liif")
    one = dataclasses.replace(work, trained={"compact-liif": ""})
    step = 3 * 2 * (encoder * 12**2 + decoder * 144)
    assert gpu.training_macs(one) == pytest.approx(4 * step)
    monkeypatch.setattr(gpu, "begun", lambda folder: (one.settings("compact-liif") if folder == "x" else settings, 3))
    settings = training.settings.by_recipe("compact-liif", one.changes)
    assert gpu.training_macs(one) == pytest.approx(step)


def test_the_estimate_of_a_run_with_a_frozen_encoder_and_of_whole_crops(work):
    """A frozen encoder goes forward only; a diffusion model decodes all of its crops, on average of s uniform in [1, 4]: 7."""
    encoder, decoder = gpu.macs_of("compact-liif")
    frozen = training.Settings("compact-liif", steps=5, frozen=3, batch=1, patch=10, pixels=50)
    assert gpu.run_macs(frozen) == pytest.approx(5 * 3 * (100 * encoder + 50 * decoder) - 3 * 2 * 100 * encoder)
    assert gpu.run_macs(frozen, 4) == pytest.approx(3 * (100 * encoder + 50 * decoder))
    encoder, decoder = gpu.macs_of("idm-small")
    drawn = training.Settings("idm-small", steps=1, batch=1, patch=10, scales=(1.0, 4.0))
    assert gpu.run_macs(drawn) == pytest.approx(3 * (100 * encoder + 700 * decoder))


def test_the_estimate_of_the_seeds(work, monkeypatch):
    """A search's trials and two seeds, all of 4 steps; what is done is not counted again."""
    step = gpu.run_macs(training.settings.by_recipe("compact-x234", work.changes_small)) / 4
    assert gpu.seeds_macs(work) == pytest.approx(step * 4 * (TRIALS + 2))
    monkeypatch.setattr(suite.Task, "step", property(lambda task: task.steps))
    assert gpu.seeds_macs(work) == 0


def test_the_estimate_of_the_tables_counts_the_models_that_training_will_have_made(work, lab, tmp_path):
    blocks = [{"protocol": "div2k", "datasets": ["embedded"], "scales": [2], "limit": 1}]
    profile = tmp_path / "one.yaml"
    record = {"diif/table2": {"models": ["compact-liif", "compact-lte"], "scores": blocks}}
    profile.write_text(yaml.safe_dump({"profile": "one", "notebooks": record}))
    one = dataclasses.replace(work, profile=str(profile))
    assert gpu.measuring_macs(one, lab, "tables") == 0
    soon = gpu.coming(one)
    assert "compact-liif" in soon
    assert gpu.measuring_macs(one, lab, "tables", soon) == pytest.approx(gpu.macs_at("compact-liif", 2**16, 2**18))
    assert gpu.staying(one, soon)[0].endswith("their rows stay 'not measured': compact-lte")


def test_macs_are_counted_by_pixel():
    """EDSR's last layer makes 3 of 64 channels by 3 x 3 at the output's resolution."""
    gpu.macs_of.cache_clear()
    encoder, decoder = gpu.macs_of("edsr-baseline-x2")
    assert encoder == 9 * (3 * 64 + 33 * 64**2)
    assert decoder == 9 * (64 * 256 / 4 + 64 * 3)


def test_agreement_is_a_table_and_goes_on(work, lab, monkeypatch):
    said = []
    monkeypatch.setattr(gpu, "tests", lambda work, say: [])
    assert gpu.agreement(work, lab, said.append) == []
    table = pd.read_csv(work.folder / "agreement.csv")
    assert table["model"].tolist() == ["compact-liif"] * 3 + ["compact-x2"] * 3
    assert table.loc[table["arithmetic"] == "float32", "largest"].max() <= 1e-5
    assert table.loc[table["arithmetic"] == "bf16", "largest"].min() > 1e-5
    monkeypatch.setattr(gpu, "compare", lambda *_: pytest.fail("was compared already"))
    gpu.agreement(work, lab, said.append)
    assert said == ["agreement: 6 comparisons in " + paths.shown(work.folder / "agreement.csv")] * 2


def test_a_model_that_does_not_agree_is_named(work, lab, monkeypatch):
    rows = [
        {"model": "m", "path": "fast", "arithmetic": kind, "largest": 2e-4, "rms": 0.0} for kind in ("float32", "bf16")
    ]
    monkeypatch.setattr(gpu, "compare", lambda name, device: [row | {"model": name} for row in rows])
    monkeypatch.setattr(gpu, "tests", lambda work, say: ["the tests fail"])
    expected = ["compact-liif, compact-x2: further than 0.0001 from the CPU in float32", "the tests fail"]
    assert gpu.agreement(work, lab, print) == expected


def test_times_are_kept(work, lab, tmp_path):
    block = {"models": ["compact-liif"], "lr": [4, 4], "scales": [2], "repeats": 1}
    profile = tmp_path / "one.yaml"
    profile.write_text(
        yaml.safe_dump({"profile": "one", "notebooks": {"diif/table3": {"models": [], "times": [block]}}})
    )
    one, said = dataclasses.replace(work, profile=str(profile)), []
    assert gpu.measuring_macs(one, lab, "times") == pytest.approx(3 * 2 * gpu.macs_at("compact-liif", 16, 64))
    gpu.times(one, lab, said.append)
    assert said[-1].startswith("times: 2 measured")  # with the machine's own rate
    assert gpu.measuring_macs(one, lab, "times") == 0
    gpu.times(one, lab, said.append)
    assert said[-1].startswith("times: 0 measured")


def test_training_goes_on_and_says_which_data_it_lacks(work, lab):
    one = dataclasses.replace(work, trained={"compact-liif": ""})
    assert gpu.train(one, lab, lambda line: None) == []
    file = one.runs / "compact-liif" / "compact-liif.safetensors"
    when = file.stat().st_mtime_ns
    gpu.train(one, lab, lambda line: None)
    assert file.stat().st_mtime_ns == when
    lacking = dataclasses.replace(
        one,
        trained={"compact-liif": "", "compact-lte": ""},
        changes=work.changes | {"data": "DIV2K-train"},
        runs=work.folder,
    )
    (sentence,) = gpu.train(lacking, lab, lambda line: None)
    assert "fetch it with: srlib data DIV2K-train" in sentence


def test_a_run_that_comes_to_nothing_does_not_end_the_others(work, lab, monkeypatch):
    def train(name, *words, **more):
        if name == "compact-liif":
            raise FloatingPointError("the loss is NaN")
        done.append(name)

    done = []
    monkeypatch.setattr(gpu.runs, "train", train)
    assert gpu.train(work, lab, print) == ["compact-liif: the loss is NaN"]
    assert done == ["compact-x2", "idm-small"]


def test_what_is_trained_at_full_size():
    trained = gpu.trainable("paper")
    assert (
        trained["edsr-baseline-liif"] == trained["edsr-baseline-srno"] == trained["rdn-diinn-a"] == trained["idm"] == ""
    )
    assert trained["rdn-diif"] == "edsr-baseline-diif"
    assert list(trained)[-1] in catalogue.DIFFUSION
    work = gpu.whole(torch.device("cuda"), "DIV2K-train")
    assert work.settings("rdn-x3").scales == (3.0, 3.0)
    assert {work.settings(name).steps for name in trained} == {1_000_000}
    assert {work.settings(name).data for name in trained} == {"DIV2K-train"}


def test_after_all_stages_every_model_of_the_paper_profile_has_weights(no_data, tmp_path, monkeypatch):
    """The small ones that it names are shipped; on another data set too, and of what is not at hand the names are said."""
    monkeypatch.setattr(paths, "RUNS", tmp_path)
    work = gpu.whole(torch.device("cuda"), "Set5")
    said = gpu.staying(work, gpu.coming(work))
    assert said[0] == "Every model of the tables will have weights."
    assert {"Set5", "Urban100", "DIV2K-valid", "bsd400"} <= set(said[1].partition(": ")[2].split(", "))
    assert "rdn-liif" in gpu.staying(work, [])[0]


@pytest.mark.parametrize("free, cores, jobs", [(40, 16, 10), (40, 4, 4), (3, 16, 1)])
def test_as_many_small_runs_as_fit_share_a_gpu(monkeypatch, free, cores, jobs):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free * 2**30, 2**40))
    monkeypatch.setattr(gpu.devices, "cores", lambda: cores)
    assert gpu.side_by_side(torch.device("cuda")) == jobs
    assert gpu.side_by_side(torch.device("cpu")) == cores


def test_seeds_are_a_suite_of_their_own_device_and_folder(work, lab, monkeypatch):
    asked = []
    monkeypatch.setattr(gpu.suite, "train_suite", lambda name, **how: asked.append((name, how)) or ["compact-x234"])
    assert gpu.seeds(work, lab, print) == [f"compact-x234: see output.txt in {paths.shown(work.runs)}"]
    name, how = asked[0]
    assert (name, how["seeds"], how["search"], how["device"]) == ("compact-start", 2, True, "cpu")
    assert (how["changes"], how["runs"], how["fixed"]) == (work.changes_small, work.runs, False)
    whole = dataclasses.replace(gpu.whole(torch.device("cpu"), "DIV2K-train"), changes_small={"data": "embedded"})
    gpu.seeds(whole, lab, print)
    assert (asked[1][0], asked[1][1]["runs"], asked[1][1]["fixed"]) == ("compact", None, True)
    (sentence,) = gpu.seeds(gpu.whole(torch.device("cpu"), "DIV2K-train"), lab, print)
    assert "bsd400" in sentence


def test_the_tests_of_the_stage_are_those_that_ask_for_a_device(work, monkeypatch):
    commands, said = [], []

    def run(command, **how):
        commands.append(command)
        return subprocess.CompletedProcess(command, 1, "...\n2 failed in 3 s\n")

    monkeypatch.setattr(gpu.subprocess, "run", run)
    one = dataclasses.replace(work, device=torch.device("cuda", 1), tests=("-x",))
    assert gpu.tests(one, said.append) == ["tests fail on cuda: 2 failed in 3 s"]
    assert said == ["agreement: tests on cuda: 2 failed in 3 s"]
    assert commands[0][3:9] == [str(paths.ROOT / "tests"), "-q", "-m", "device and not slow", "--device", "cuda"]
    assert commands[0][-1] == "-x"


def test_a_test_that_asks_for_a_device_is_marked(device, request):
    assert request.node.get_closest_marker("device")


def test_another_is_not(request):
    assert request.node.get_closest_marker("device") is None


def test_the_rehearsal_is_the_paper_profile_made_small(no_data, tmp_path):
    made, paper = gpu.tiny_profile("paper"), plan.profile("paper")
    assert list(made["notebooks"]) == list(paper["notebooks"])
    file = tmp_path / "rehearsal.yaml"
    file.write_text(yaml.safe_dump(made))
    for name, record in made["notebooks"].items():
        small, of = plan.plan(name, file), plan.plan(name, "paper")
        named = [*small.models, *(m for blocks in small.blocks.values() for b in blocks for m in small.named(b))]
        assert {ModelName.of(m).encoder for m in named} <= {"", "compact"}, name
        assert {kind: len(blocks) > 0 for kind, blocks in small.blocks.items()} == {
            kind: len(blocks) > 0 for kind, blocks in of.blocks.items()
        }, name
        assert all(block["limit"] == 1 for block in record.get("scores", []))


@pytest.mark.slow
def test_the_whole_rehearsal(tmp_path):
    """All five stages of the paper profile at tiny size, in a copy of the project on a machine without data sets."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(listed, cwd=paths.ROOT, capture_output=True, text=True, check=True).stdout
    for file in filter(None, files.split("\0")):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(paths.ROOT / file, tmp_path / file)
    (tmp_path / "no-data").mkdir()
    environment = os.environ | {"SRLIB_DATA": str(tmp_path / "no-data"), "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-m", "srlib", "gpu", "--rehearse"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-6000:]
    runs = list((tmp_path / "results" / "rehearsal").glob("**/run.json"))
    assert len(runs) == len(plan.listed("paper"))
    folder = tmp_path / "results" / "gpu-rehearsal"
    assert pd.read_csv(folder / "agreement.csv")["largest"].max() < 0.1
    assert set(pd.read_csv(folder / "runs" / "suite.csv")["state"]) == {"complete"}
    trained = ("compact-liif", "compact-x2", "idm-small", "compact-x234-seed1")
    assert all(list((folder / "runs" / name).glob("*.safetensors")) for name in trained)
    assert not (tmp_path / "runs").exists()
