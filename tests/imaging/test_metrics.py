import math

import numpy as np
import pytest
import torch

from srlib.imaging import metrics


def pair(difference, shape=(1, 3, 20, 24)):
    a = torch.full(shape, 0.5)
    return a, a + torch.as_tensor(difference).view(-1, 1, 1)


def test_psnr_by_hand():
    assert metrics.psnr(*pair([0.1, 0.1, 0.1])) == pytest.approx(20.0, abs=1e-5)
    assert metrics.psnr(*pair([0.1, 0.0, 0.0])) == pytest.approx(20 + 10 * math.log10(3), abs=1e-5)
    white = (65.738 + 129.057 + 25.064) / 256
    assert metrics.psnr(*pair([0.1] * 3), channel="y") == pytest.approx(20 - 20 * math.log10(white), abs=1e-5)
    assert metrics.psnr(*pair([0.1] * 3), channel="grey") == pytest.approx(20, abs=1e-5)
    assert metrics.psnr(*pair([0.0] * 3)) == math.inf


def test_crop_leaves_the_border_out():
    a, b = pair([0.1] * 3)
    b[..., 0, :] = 0
    assert metrics.psnr(a, b) < 20
    assert metrics.psnr(a, b, crop=1) == pytest.approx(20, abs=1e-5)


def test_ssim_is_the_gaussian_window_definition():
    """Against the formula with an explicit 11 x 11 window, valid positions only."""
    g = torch.Generator().manual_seed(0)
    a = torch.rand(1, 3, 19, 17, generator=g, dtype=torch.float64)
    b = (a + 0.2 * torch.rand(1, 3, 19, 17, generator=g, dtype=torch.float64)).clamp(0, 1)
    line = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    window = torch.tensor(np.outer(line, line) / line.sum() ** 2).expand(3, 1, 11, 11)

    def mean(x):
        return torch.nn.functional.conv2d(x, window, groups=3)

    ma, mb = mean(a), mean(b)
    va, vb, cab = mean(a * a) - ma**2, mean(b * b) - mb**2, mean(a * b) - ma * mb
    expected = ((2 * ma * mb + 1e-4) * (2 * cab + 9e-4) / ((ma**2 + mb**2 + 1e-4) * (va + vb + 9e-4))).mean()
    assert metrics.ssim(a, b) == pytest.approx(float(expected), abs=2e-5)
    assert metrics.ssim(a, a) == pytest.approx(1)
    assert math.isnan(metrics.ssim(a[..., :9, :9], b[..., :9, :9]))


def test_lr_psnr_ignores_what_downsampling_removes():
    hr = torch.full((1, 3, 64, 64), 0.5)
    checkered = hr + 0.2 * (-1) ** (torch.arange(64)[:, None] + torch.arange(64))
    assert metrics.psnr(checkered, hr) < 15
    assert metrics.lr_psnr(checkered, hr, (16, 16)) > 40
    assert metrics.lr_psnr(hr + 0.1, hr, (16, 16)) == pytest.approx(20, abs=1e-4)


@pytest.mark.parametrize("channel", metrics.CHANNELS)
def test_every_device_scores_as_the_cpu(device, channel):
    if device == "mps":
        pytest.skip("mps has no double precision")
    g = torch.Generator().manual_seed(0)
    a, b = torch.rand(2, 1, 3, 33, 27, generator=g)
    scores = [
        [*metrics.psnr_and_ssim(*pair, channel=channel, crop=2), metrics.lr_psnr(*pair, (11, 9)), metrics.detail(*pair)]
        for pair in ((a, b), (a.to(device), b.to(device)))
    ]
    assert scores[1] == pytest.approx(scores[0], abs=1e-5)


@pytest.mark.parametrize("metric", [metrics.psnr, metrics.ssim])
def test_pairs_that_do_not_match_are_refused(metric):
    a = torch.rand(1, 3, 20, 20)
    with pytest.raises(ValueError, match="one size"):
        metric(a, a[..., :19])
    with pytest.raises(ValueError, match="leaves nothing"):
        metric(a, a, crop=10)
    with pytest.raises(ValueError, match="channel must be"):
        metric(a, a, channel="luma")


def test_consistency_diversity_and_detail():
    g = torch.Generator().manual_seed(0)
    lr = torch.rand(1, 3, 6, 8, generator=g)
    sr = torch.nn.functional.interpolate(lr, scale_factor=4)
    assert metrics.consistency(torch.full((1, 3, 24, 32), 0.5), torch.full((1, 3, 6, 8), 0.4)) == pytest.approx(
        0.01, rel=1e-4
    )
    assert metrics.consistency(sr[0], lr[0]) == metrics.consistency(sr, lr) < metrics.consistency(sr.flip(-1), lr)
    assert metrics.diversity(sr.expand(3, -1, -1, -1)) == 0
    assert metrics.diversity(torch.stack([torch.zeros(3, 4, 4), torch.ones(3, 4, 4)])) == pytest.approx(255 * 0.5**0.5)
    with pytest.raises(ValueError, match="at least two"):
        metrics.diversity(sr)
    smooth = torch.nn.functional.interpolate(lr, (24, 32), mode="bicubic")
    assert metrics.detail(sr, sr) == pytest.approx(1)
    assert metrics.detail(0.5 * sr, sr) == pytest.approx(0.5)
    assert metrics.detail(smooth, torch.rand(1, 3, 24, 32, generator=g)) < 0.9
