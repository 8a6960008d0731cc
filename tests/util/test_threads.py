"""Work side by side: the same bits, settings restored, errors told."""

import threading

import pytest
import torch
from conftest import tiny

from srlib.models import DECODERS
from srlib.util import threads


@pytest.fixture(autouse=True)
def torch_threads():
    before = torch.get_num_threads()
    yield
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("decoder", list(DECODERS))
def test_bits_are_the_same_for_any_number_of_threads(decoder):
    model = tiny(decoder).requires_grad_(False)
    features = model.encode(torch.rand(1, 3, 40, 9, generator=torch.Generator().manual_seed(3)))
    made = [model.decode(features, (90, 23), queries=60, threads=count) for count in (1, 2, 5)]
    assert torch.equal(made[0], made[1])
    assert torch.equal(made[0], made[2])


def test_convolutions_have_the_same_bits_for_any_number_of_threads(monkeypatch):
    model, lr, made = tiny("liif").requires_grad_(False), torch.rand(1, 3, 130, 11), []
    for count in ("1", "3"):
        monkeypatch.setenv(threads.THREADS, count)
        made.append(model.encode(lr))
    assert torch.equal(*made)


def test_each_works_with_one_of_torchs_threads():
    def counted(_: int) -> tuple[int, int]:
        torch.rand(200_000).exp()  # the first parallel operator of a thread
        return threading.get_ident(), torch.get_num_threads()

    seen = list(threads.side_by_side(counted, range(40), 3))
    assert {number for _, number in seen} == {1}
    assert threading.get_ident() not in {thread for thread, _ in seen}


def test_results_come_in_order():
    assert list(threads.side_by_side(lambda n: n * n, range(50), 4)) == [n * n for n in range(50)]


def test_work_inside_work_is_done_one_after_the_other():
    def inner(n: int) -> list[int]:
        return list(threads.side_by_side(lambda k: n + k, range(3), 2))

    assert list(threads.side_by_side(inner, range(3), 2)) == [[n, n + 1, n + 2] for n in range(3)]


def test_an_error_is_that_of_the_piece():
    def fail(n: int) -> int:
        raise ValueError(f"piece {n}")

    with pytest.raises(ValueError, match="piece 0"):
        list(threads.side_by_side(fail, range(9), 2))


@pytest.mark.parametrize("gradients", [True, False])
def test_gradients_are_as_for_the_caller(gradients):
    with torch.set_grad_enabled(gradients):
        assert set(threads.side_by_side(lambda _: torch.is_grad_enabled(), range(4), 2)) == {gradients}


def test_the_number_is_that_of_the_call_then_of_the_environment(monkeypatch):
    monkeypatch.setenv(threads.THREADS, "3")
    assert threads.count() == 3
    assert threads.count(5) == 5
    with threads.one_of_torch(2):
        assert threads.count() == 2
        assert torch.get_num_threads() == 1
    assert threads.count() == 3


@pytest.mark.parametrize("said", ["0", "-1", "two", "1.5", ""])
def test_a_number_that_is_none_is_a_sentence(monkeypatch, said):
    monkeypatch.setenv(threads.THREADS, said)
    if said == "":
        assert threads.count() >= 1
    else:
        with pytest.raises(ValueError, match="whole number of at least 1"):
            threads.count()


@pytest.mark.parametrize("said", [0, True, 1.5, "x"])
def test_a_wrong_argument_is_a_sentence(said):
    with pytest.raises(ValueError, match="whole number of at least 1"):
        threads.count(said)
