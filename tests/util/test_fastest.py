"""What this machine does fastest: measured once, kept, and never trusted blindly."""

import json

import pytest
import torch

from srlib.util import fastest


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv(fastest.CACHE, str(tmp_path))
    fastest.answers.cache_clear()
    yield tmp_path
    fastest.answers.cache_clear()


@pytest.mark.parametrize("way", fastest.WAYS)
@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("biased", [False, True])
def test_all_ways_give_the_same_product(way, relu, biased):
    x, weight = torch.randn(2, 5, 7), torch.randn(3, 7)
    bias = torch.randn(3) if biased else None
    expected = fastest.linear(x, weight, bias, relu)
    if way != "onednn" or fastest.has_onednn(x.dtype):
        assert torch.allclose(fastest.WAYS[way](x, weight, bias, relu), expected, atol=1e-5)


def test_an_answer_is_measured_once_and_kept(cache):
    asked = []
    for _ in range(2):
        assert fastest.choice("product 1 x 1", lambda: asked.append(1) or "linear") == "linear"
    fastest.answers.cache_clear()  # as in another process
    assert fastest.choice("product 1 x 1", lambda: asked.append(1) or "linear") == "linear"
    assert len(asked) == 1
    assert json.loads(fastest.file().read_text())["answers"] == {"product 1 x 1": "linear"}


@pytest.mark.parametrize(
    "text", ["", "{}", '{"answers": {"block 64": 3}}', '{"answers": {"product": "rm"}}', '{"answers": 1}']
)
def test_a_file_that_makes_no_sense_is_measured_anew(cache, text):
    fastest.file().write_text(text)
    assert fastest.answers() == {}


def test_without_a_place_to_write_each_process_measures(cache, monkeypatch):
    monkeypatch.setenv(fastest.CACHE, "/dev/null/nowhere")
    assert fastest.choice("block 64", lambda: 4096) == 4096


def test_a_block_is_one_of_the_candidates(cache):
    assert fastest.block(16) in fastest.BLOCKS
