import pytest
import torch
from PIL import Image

from srlib import data
from srlib.training import Settings, fit
from srlib.training.batches import Images, draw_scale, generator

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def examples():
    return Images(
        Settings("compact-diif", data="embedded", exclude=(), patch=8, scales=(1.0, 8.0)), CPU, progress=False
    )


def test_batches_repeat_by_seed_and_step(examples, small):
    settings = small("compact-diif")
    one, again, other = (examples.batch(settings, step) for step in (5, 5, 6))
    assert torch.equal(one.lr, again.lr)
    assert torch.equal(one.hr, again.hr)
    assert torch.equal(one.rows, again.rows)
    assert not torch.equal(one.lr, other.lr)


def test_a_batch_shows_one_crop_in_two_sizes(examples, small):
    batch = examples.batch(small("compact-diif"), 5)
    assert batch.lr.shape == (2, 3, 12, 12)
    assert 12 <= batch.hr.shape[-1] <= 48
    assert batch.rows.max() < batch.hr.shape[-2]
    assert abs(float(batch.lr.mean() - batch.hr.mean())) < 0.02


def test_every_device_crops_and_shrinks_as_the_cpu(examples, small, device):
    """Where shrinking ends midway between two 8-bit steps, either will do."""
    there = Images(Settings("compact-diif", data="embedded", exclude=()), torch.device(device), progress=False)
    here, other = (images.batch(small("compact-diif"), 5) for images in (examples, there))
    assert other.lr.device.type == device
    assert torch.equal(other.hr.cpu(), here.hr)
    assert torch.equal(other.rows, here.rows)
    assert (other.lr.cpu() - here.lr).abs().max() <= 1.01 / 255


def test_diffusion_batches_show_whole_crops(examples, small):
    settings = small("idm-small", patch=8, scales=(1.0, 8.0))
    sizes = set()
    for step in range(6):
        batch, again = examples.diffusion_batch(settings, step), examples.diffusion_batch(settings, step)
        assert torch.equal(batch.lr, again.lr)
        assert torch.equal(batch.hr, again.hr)
        assert torch.equal(batch.generator.get_state(), again.generator.get_state())
        assert batch.lr.shape == (2, 3, 8, 8)
        assert 8 <= batch.hr.shape[-1] <= 64
        assert (batch.lr.mean(dim=(2, 3)) - batch.hr.mean(dim=(2, 3))).abs().max() < 0.02
        sizes.add(batch.hr.shape[-1])
    assert len(sizes) > 3


@pytest.mark.parametrize(
    "scales, step, expected", [((1, 4), 2, {1, 3}), ((2, 4), 1, {2, 3, 4}), ((1, 4), 1.7, {1, 2.7})]
)
def test_the_grid_of_scales_ends_at_the_largest(scales, step, expected):
    settings = Settings("m", scales=scales, scale_step=step)
    assert {round(draw_scale(settings, generator(settings, i)), 6) for i in range(200)} == expected


def test_a_fine_grid_loses_no_scale_to_rounding():
    settings = Settings("m", scales=(1, 2), scale_step=0.1)
    drawn = {round(draw_scale(settings, generator(settings, i)), 6) for i in range(200)}
    assert len(drawn) == 11
    assert max(drawn) == 2


def test_images_that_are_too_small_are_refused(tmp_path, rgb):
    Image.fromarray(rgb).save(tmp_path / "small.png")
    with pytest.raises(ValueError, match=r"17 x 23 pixels.*needs 192"):
        Images(Settings("compact-liif", data=str(tmp_path), exclude=()), CPU, progress=False)


def test_missing_training_data_says_what_to_do(tmp_path, no_data):
    with pytest.raises(data.MissingDataset, match="bring your own copy"):
        fit(Settings("compact-liif"), tmp_path / "x", progress=False)
