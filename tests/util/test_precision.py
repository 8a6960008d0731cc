"""Products in bfloat16: where they are native, and refused where not."""

import pytest
import torch

from srlib.util import precision


def test_an_unknown_precision_names_the_known_ones():
    with pytest.raises(ValueError, match=r"unknown precision 'bf61'; nearest: bf16"):
        precision.check("bf61")


def test_an_emulated_precision_is_refused_in_one_sentence(monkeypatch):
    monkeypatch.setattr(precision, "native_bf16", lambda device: False)
    with pytest.raises(
        ValueError, match=r"'bf16' but this machine has no bfloat16 of its own.* use 'float32'"
    ) as error:
        precision.check("bf16")
    assert "." not in str(error.value)
    assert precision.check("float32") == "float32"


@pytest.mark.parametrize(
    "line, native",
    [
        ("flags\t\t: fpu avx2 avx512f avx512_bf16 avx512_fp16", True),
        ("Features\t: fp asimd bf16 sve", True),
        ("flags\t\t: fpu avx2 avx512f", False),
        ("", False),
    ],
)
def test_the_processor_says_what_it_can(tmp_path, monkeypatch, line, native):
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    info = tmp_path / "cpuinfo"
    info.write_text(f"processor\t: 0\n{line}\n\nprocessor\t: 1\n{line}\n")
    flags = precision.cpu_flags(info)
    monkeypatch.setattr(precision, "cpu_flags", lambda: flags)
    assert precision.native_bf16(torch.device("cpu")) == (native and torch.backends.mkldnn.is_available())


def test_products_held_down_to_less_are_not_native(monkeypatch):
    monkeypatch.setattr(precision, "cpu_flags", lambda: {"amx_bf16"})
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    assert not precision.native_bf16(torch.device("cpu"))


def test_another_systems_processor_is_not_asked(tmp_path):
    assert precision.cpu_flags(tmp_path / "missing") == set()


def test_other_devices_have_none():
    assert not precision.native_bf16(torch.device("mps"))
