import torch

import srlib
from srlib.training import validation


def test_the_photographs_come_in_pairs_of_the_scale():
    found = validation.pairs((3,))
    assert [(lr.shape[-1], hr.shape[-1]) for lr, hr in found[3]] == [(85, 255)] * 4


def test_bicubic_is_scored_at_the_scales_that_are_asked_for():
    scores = validation.scores(srlib.build("bicubic"), validation.pairs((2, 4)))
    assert 30 < scores["psnr_x2"] < 40
    assert scores["psnr_x4"] < scores["psnr_x2"] - 3


def test_scoring_leaves_a_model_in_the_mode_that_it_was_in(tiny_encoder):
    model = srlib.build("compact-x2", seed=0)
    before = torch.get_rng_state()
    for mode in (True, False):
        model.train(mode)
        assert set(validation.scores(model)) == {"psnr_x2"}
        assert model.training == mode
    assert torch.equal(torch.get_rng_state(), before)
