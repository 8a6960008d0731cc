"""What is measured once is not measured again, and what a number depends on gives it another name."""

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import tiny
from PIL import Image

from srlib.models import Model
from srlib.models.base import Decoder
from srlib.models.encoders import EDSR
from srlib.util import devices, paths, quiet
from srlib.workbook import measure, store
from srlib.workbook.measure import Count, Decoding, Lab, MatrixRate, Memory, ProvidedLR, Quality, Time


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """A lab with two tiny models and a store of its own."""
    monkeypatch.setattr(paths, "MEASUREMENTS", tmp_path / "measurements")
    models = {name: tiny(name.removeprefix("tiny-")).requires_grad_(False) for name in ("tiny-liif", "tiny-metasr")}
    return Lab(loaded=models)


def quality(name="tiny-liif", scale=2.0, **changes):
    return Quality(**{"model": name, "dataset": "Set5", "protocol": "diinn", "scale": scale} | changes)


def test_a_number_is_measured_once(lab, set5):
    first = quality().ask(lab)
    assert [row["image"] for row in first.rows] == ["a", "b"]
    assert quality().ask(lab).rows == first.rows
    assert len(lab.measured) == 1
    assert list(lab.used) == lab.measured


def test_rows_are_the_benchmarks(lab, set5):
    from srlib import evaluate

    rows = evaluate.benchmark(lab.model("tiny-liif"), ["Set5"], [2.0], "diinn", progress=False)
    kept = pd.DataFrame(quality().ask(lab).rows)
    assert kept["psnr"].tolist() == pytest.approx(rows["psnr"].tolist(), abs=1e-9)


def test_the_name_says_what_it_depends_on(lab, set5):
    names = {store.digest(quality().named(lab))}
    requests = quality(scale=3.0), quality(protocol="div2k"), quality(limit=1), quality("tiny-metasr")
    names |= {store.digest(request.named(lab)) for request in requests}
    assert len(names) == 5
    with torch.no_grad():
        lab.model("tiny-liif").decoder.mlp[0].bias[0] += 1e-3
    names.add(store.digest(quality().named(lab)))
    assert len(names) == 6
    lab.model("tiny-liif").std = 0.4  # told beside the weights
    names.add(store.digest(quality().named(lab)))
    assert len(names) == 7
    photograph = np.array(Image.open(set5 / "a.png"))
    photograph[0, 0, 0] ^= 1
    Image.fromarray(photograph).save(set5 / "a.png")
    names.add(store.digest(quality().named(lab)))
    assert len(names) == 8


def test_options_of_a_decoder_are_part_of_the_name(lab, set5):
    """Two slicings have the same tensors and the same class."""
    before = store.digest(quality("tiny-diif").named(Lab(loaded={"tiny-diif": tiny("diif")})))
    after = store.digest(quality("tiny-diif").named(Lab(loaded={"tiny-diif": tiny("diif-cs")})))
    assert before != after


def test_a_models_name_is_no_part_of_the_measurement(lab, set5):
    other = Lab(loaded={"mine": lab.model("tiny-liif")})
    assert store.digest(quality("mine").named(other)) == store.digest(quality().named(lab))


def test_where_nothing_may_be_measured_a_missing_number_is_an_error(lab, set5):
    quality().ask(lab)
    reader = Lab(loaded=lab.loaded, only_read=True)
    assert quality().ask(reader).rows
    with pytest.raises(measure.NotMeasured, match=r"tiny-liif on Set5, diinn; measure it first: srlib measure"):
        quality(scale=4.0).ask(reader)


def test_costs_need_no_weights(lab):
    kept = Count("edsr-baseline-liif", (8, 8), 2.0).ask(lab)
    assert kept.rows[0]["parameters"] == 1_567_299
    assert "model" not in kept.rows[0]
    same = Count("edsr-baseline-diif", (8, 8), 2.0), Count("edsr-baseline-diif-x4only", (8, 8), 2.0)
    assert len({store.digest(request.named(lab)) for request in same}) == 1  # one architecture, two names


def test_times_and_memory_name_the_machine(lab):
    for request in (Time("compact-liif", (4, 4), (8, 8), 1), Memory("compact-liif", (4, 4), 2.0), MatrixRate()):
        assert request.named(lab)[store.HARDWARE] == devices.machine("cpu")
        assert request.exclusive
    kept = Time("compact-liif", (4, 4), (8, 8), 1).ask(lab)
    assert [row["path"] for row in kept.rows] == ["literal", "fast"]
    assert kept.origin["device"]


def test_times_are_measured_with_all_cores(lab, monkeypatch):
    seen, before = [], torch.get_num_threads()
    monkeypatch.setattr(devices, "cores", lambda: 3)
    monkeypatch.setattr(measure.cost, "gemm_rate", lambda device: seen.append(torch.get_num_threads()) or 1.0)
    monkeypatch.setattr(MatrixRate, "needs", lambda self, lab: {store.HARDWARE: "x"})
    MatrixRate().ask(lab)
    assert seen == [3]
    assert torch.get_num_threads() == before


def test_times_of_a_busy_machine_are_marked(lab, monkeypatch):
    monkeypatch.setattr(quiet.Watch, "share", lambda self, computing: 0.5)
    with pytest.warns(UserWarning, match=r"times of compact-liif: the machine was busy: only 50 % of the CPU"):
        kept = Time("compact-liif", (4, 4), (8, 8), 1).ask(lab)
    assert kept.origin[store.DISTURBED] == 0.5
    count = Count("edsr-baseline-liif", (8, 8), 2.0).ask(lab)
    assert store.DISTURBED not in count.origin
    assert sorted(store.listing(measure.is_current)["state"]) == ["current", "disturbed"]
    assert [path.stem for path in store.prune(measure.is_current)] == [kept.name]


def test_times_of_a_quiet_machine_are_not_marked(lab, monkeypatch):
    monkeypatch.setattr(quiet.Watch, "share", lambda self, computing: 0.95)
    assert store.DISTURBED not in Time("compact-liif", (4, 4), (8, 8), 1).ask(lab).origin


def test_of_decoding_only_what_ran_alone_has_to_be_quiet(lab, monkeypatch):
    table = pd.DataFrame({"model": "compact-liif", "busy": [0, 2], "share": [0.9, 0.3], "seconds": 1.0})
    monkeypatch.setattr(measure.speed, "compare", lambda models, device, progress, **said: table)
    monkeypatch.setattr(Decoding, "needs", lambda self, lab: {store.HARDWARE: "x"})
    kept = Decoding("compact-liif", (8,), (2.0,), (1,), (0, 2), ("fast",), "", 1).ask(lab)
    assert store.DISTURBED not in kept.origin
    assert "model" not in kept.rows[0]


def test_the_precision_is_part_of_the_name(lab, set5, monkeypatch):
    monkeypatch.setattr("srlib.util.precision.native_bf16", lambda device: True)
    exact, rough = quality(), quality(precision="bf16")
    needs = [request.named(lab) for request in (exact, rough)]
    assert [one["arithmetic"] for one in needs] == ["float32", "float32, products in bf16"]
    assert needs[0] | {"arithmetic": ""} == needs[1] | {"arithmetic": ""}
    assert exact.ask(lab).rows[0]["psnr"] != rough.ask(lab).rows[0]["psnr"]


def test_lr_files_are_compared(lab, set5):
    kept = ProvidedLR("Set5", (2.0,)).ask(lab)
    assert kept.rows == [{"dataset": "Set5", "compared": 0, "differing": 0}]  # this stand-in brings none


class Doubled(Decoder):
    """A user's own decoder, not part of the package: each pixel twice."""

    def reference(self, features, grid):
        codes = features[:, :3].permute(0, 2, 3, 1)
        return lambda k: codes[:, k // 2].repeat_interleave(2, dim=2)


def test_a_users_own_decoder_is_measured_too(lab, set5):
    mine = Lab(loaded={"mine": Model("mine", EDSR(8, 1), Doubled()).eval()})
    needs = quality("mine").named(mine)
    assert needs["outside"] == ["Doubled"]
    assert measure.is_current(needs)


def test_what_the_code_has_changed_under_is_stale(lab, set5):
    needs = quality().named(lab)
    assert measure.is_current(needs)
    assert not measure.is_current(needs | {"code": "0" * 16})
    assert not measure.is_current(needs | {"libraries": {"torch": "1.0"}})
    assert not measure.is_current(needs | {"roots": ["srlib.evaluate:gone"]})
    assert not measure.is_current({})


def test_touching_one_decoder_leaves_the_others_names(lab, set5, tmp_path):
    """The digest of a copy of the package, one decoder edited: only its measurements get another name."""
    import shutil

    from srlib.util.code import Code

    copy = tmp_path / "srlib"
    shutil.copytree(paths.ROOT / "srlib", copy, ignore=shutil.ignore_patterns("__pycache__"))

    def digests():
        code = Code(copy)
        return {
            name: code.digest(quality(name).named(lab)["roots"], stop=measure.STOP)
            for name in ("tiny-liif", "tiny-metasr")
        }

    before = digests()
    decoder = copy / "models" / "metasr.py"
    decoder.write_text(decoder.read_text().replace('"""', '"""Another description. ', 1) + "\n# a comment\n")
    assert digests() == before
    decoder.write_text(decoder.read_text().replace("n, hidden = self.code_width", "n, hidden = 1 * self.code_width"))
    after = digests()
    assert after["tiny-liif"] == before["tiny-liif"]
    assert after["tiny-metasr"] != before["tiny-metasr"]
    figures = copy / "workbook" / "figures.py"
    figures.write_text(figures.read_text() + "\nNEW = 1\n")
    assert digests() == after


def test_quality_is_measured_in_float32_that_is_float32(lab, set5, monkeypatch):
    """Whatever the process allows: cuDNN's convolutions take TF32 by default."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    names, seen = {store.digest(quality().named(lab))}, []
    take = Quality.take
    monkeypatch.setattr(
        Quality, "take", lambda self, lab: (seen.append(torch.backends.cudnn.allow_tf32), take(self, lab))[1]
    )
    kept = quality().ask(lab)
    assert seen == [False]
    assert torch.backends.cudnn.allow_tf32
    assert kept.needs["arithmetic"] == "float32"
    assert {store.digest(kept.needs)} == names
