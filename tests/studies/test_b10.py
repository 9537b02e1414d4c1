"""B10: patches and controls that are what they are called, and pictures that do and do not fill the space."""

import numpy as np
import pytest
import torch

from course_utils.images import scenes
from course_utils.studies import b10, photos


def dice():
    return torch.Generator().manual_seed(0)


def test_patches_have_neither_mean_nor_contrast_and_lie_six_pixels_apart():
    picture = torch.rand(1, 1, 30, 40, generator=dice(), dtype=torch.float64)
    found = b10.patches(picture, dice())
    assert found.shape == (4 * 5, 144)
    torch.testing.assert_close(found.mean(1), torch.zeros(20).double())
    torch.testing.assert_close(found.norm(dim=1), torch.ones(20).double())
    at = [picture[0, 0, row : row + 12, column : column + 12] for row in range(0, 19, 6) for column in range(0, 29, 6)]
    twins = b10.normal(torch.stack(at).flatten(1))
    assert torch.cdist(twins, found).amin(1).max() < 1e-6


def test_patches_without_contrast_are_left_out_and_there_are_no_more_than_asked(monkeypatch):
    picture = 0.5 + 0.01 * torch.rand(1, 1, 30, 48, generator=dice(), dtype=torch.float64)
    picture[..., 24:] = torch.rand(1, 1, 30, 24, generator=dice(), dtype=torch.float64)
    assert len(b10.patches(picture, dice())) == 4 * 4  # those that begin at column 18 or further right
    monkeypatch.setattr(b10, "NUMBER", 7)
    assert len(b10.patches(picture, dice())) == 7


def test_the_control_has_the_mean_and_the_covariance_of_the_points():
    mixing = torch.tensor([[2.0, 0, 0], [1, 0.5, 0], [0, 0, 0]]).double()
    points = 3 + torch.rand(4000, 3, generator=dice(), dtype=torch.float64) @ mixing.T
    found = b10.gaussian(points, dice())
    torch.testing.assert_close(found.T.cov(), points.T.cov(), rtol=0, atol=0.03)
    torch.testing.assert_close(found.mean(0), points.mean(0), rtol=0, atol=0.05)
    standard = (found - found.mean(0))[:, 0] / found[:, 0].std()
    assert standard.pow(4).mean().item() == pytest.approx(3, abs=0.3)  # that of a uniform number is 1.8


def test_shuffled_rows_keep_their_numbers_and_lose_their_order():
    points = torch.rand(30, 144, generator=dice())
    found = b10.shuffled(points, dice())
    assert found.sort(1).values.equal(points.sort(1).values) and (found != points).any(1).all()
    assert len((found.argsort(1) - points.argsort(1)).unique(dim=0)) == 30  # each its own


def test_a_view_from_straight_ahead_is_the_middle_of_the_picture(monkeypatch):
    monkeypatch.setattr(scenes, "random_poses", lambda number, **_: torch.zeros(number, 9))
    monkeypatch.setattr(b10, "NUMBER", 3)
    picture = torch.rand(1, 1, 56, 80, generator=dice(), dtype=torch.float64)
    middle = picture[0, 0, :, 12:68].unfold(0, 2, 2).unfold(1, 2, 2).mean((2, 3))
    found = b10.views(picture, dice())
    torch.testing.assert_close(found, middle.flatten().expand(3, -1), rtol=0, atol=1e-4)


def test_colours_become_grey_levels():
    assert photos.grey(np.full((5, 4, 3), 255, np.uint8)).equal(torch.ones(1, 1, 5, 4).double())
    assert photos.grey(np.full((5, 4), 51, np.uint8)).unique().tolist() == [0.2]


def ratio(monkeypatch, picture):
    monkeypatch.setattr(photos, "raw", lambda name: (255 * picture).round().astype(np.uint8))
    monkeypatch.setattr(b10, "views", lambda picture, generator: torch.rand(30, 3, generator=generator))
    return b10.ratio("picture", dice())


def test_noise_fills_the_space_as_its_control_does(monkeypatch):
    found = ratio(monkeypatch, np.random.default_rng(0).random((220, 220)))
    ours, control, chance = found["dimensions"]
    assert found["value"] == pytest.approx(1, abs=0.2) and found["by likelihood"] == pytest.approx(1, abs=0.2)
    assert chance == pytest.approx(ours, rel=0.15) and found["patches"] == 1000
    assert found["value"] == pytest.approx(ours / control, rel=1e-2)


def test_waves_of_three_numbers_do_not(monkeypatch):
    """The patches of a zone plate have a direction, a wavelength and a phase."""
    x = np.arange(260.0) - 130
    found = ratio(monkeypatch, (1 + np.sin(0.004 * (x[:, None] ** 2 + x**2))) / 2)
    assert 1 < found["dimensions"][0] < 5 and found["value"] < 0.5


def test_all_photographs_are_asked_once():
    (study,) = b10.STUDIES
    assert len(study.units) == 41 and len(study.again) == 21
