"""The pictures are what they claim: a relief that can be computed back, mirrored blots, two kinds of birds alike."""

import pytest
import torch
from torch.nn import functional as F

from course_utils import data
from course_utils.images import illusions


@pytest.fixture(scope="module")
def relief():
    """A test digit as a relief of 200 x 400 pixels."""
    digit = F.interpolate(data.mnist("cpu").test.images[:1], size=(196, 196), mode="bilinear")
    return F.pad(digit, (102, 102, 2, 2))[0, 0]


def apart(z):
    """The distance of repetition of the paper, written down again with E = 2 periods of 48 and mu = 1/3."""
    return round(96 * (1 - z / 3) / (2 - z / 3))


@pytest.mark.parametrize("z", [0.0, 0.5, 1.0])
def test_a_plane_repeats_at_the_distance_of_the_paper(z):
    dots = illusions.autostereogram(torch.full((6, 200), z))
    shift = apart(z)
    assert torch.equal(dots[..., shift:], dots[..., :-shift])
    assert 0.3 < dots.mean() < 0.7 and set(dots.unique().tolist()) == {0.0, 1.0}
    assert not torch.equal(dots[..., shift - 1 :], dots[..., : -(shift - 1)])


def test_the_digit_is_in_the_dots_and_no_single_row_shows_it(relief):
    dots = illusions.autostereogram(relief, generator=torch.Generator().manual_seed(5))
    assert dots.shape == (1, 1, 200, 400)
    found = illusions.disparity(dots)[0, 0]
    assert torch.corrcoef(torch.stack([found.flatten(), relief.flatten()]))[0, 1] > 0.85
    assert (found - relief)[:, 60:-60].abs().mean() < 0.04
    blind = torch.corrcoef(torch.stack([dots.flatten(), relief.flatten()]))[0, 1]
    assert blind.abs() < 0.05  # the brightness alone tells nothing


def test_disparity_takes_batches_and_finds_nothing_in_noise(relief):
    dots = torch.cat(
        [
            illusions.autostereogram(relief),
            torch.rand(1, 1, 200, 400, generator=torch.Generator().manual_seed(1)).round(),
        ]
    )
    found = illusions.disparity(dots)
    assert torch.equal(found[:1], illusions.disparity(dots[:1]))
    noise = torch.corrcoef(torch.stack([found[1, 0].flatten(), relief.flatten()]))[0, 1]
    assert noise.abs() < 0.15


@pytest.mark.parametrize("make", [
    lambda generator: illusions.autostereogram(torch.zeros(8, 120), generator=generator),
    lambda generator: illusions.ink_blots(3, size=32, generator=generator),
])  # fmt: skip
def test_a_seed_is_a_picture_and_the_global_generator_rests(make):
    before = torch.get_rng_state()
    first, second = (make(torch.Generator().manual_seed(seed)) for seed in (1, 2))
    assert torch.equal(first, make(torch.Generator().manual_seed(1))) and not torch.equal(first, second)
    assert torch.equal(make(None), make(torch.Generator().manual_seed(0)))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("size", [28, 45, 112])
def test_blots_are_mirrored_soft_and_cover_their_share(size):
    blots = illusions.ink_blots(5, size=size)
    assert blots.shape == (5, 1, size, size) and blots.min() >= 0 and blots.max() <= 1
    assert torch.allclose(blots, blots.flip(3), atol=1e-6)
    assert ((blots.flatten(1) < 0.7).float().mean(1) - illusions.INK).abs().max() < 0.08
    soft = ((blots > 0.1) & (blots < 0.9)).float().mean()
    assert soft > 0.1  # edges and washes, not two colours alone
    assert blots[..., 0, :].mean() > 0.9  # the border of the sheet stays white


def test_one_kind_of_bird_is_the_negative_of_the_other():
    birds = illusions.tiling(height=200, width=384, rows=5, fade=False)
    ends = illusions.LIGHT + illusions.DARK
    moved = birds.flip(3).roll((20, 16), (2, 3))  # half a row, and (1 + SWEEP) / 2 of a bird's length
    assert (ends - birds - moved).abs().mean() < 1e-3
    assert (ends - birds - birds.flip(3)).abs().mean() > 0.1
    assert torch.allclose(birds, birds.roll(40, 2), atol=1e-5) and torch.allclose(birds, birds.roll(64, 3), atol=1e-5)
    assert abs(birds.mean() - ends / 2) < 1e-3  # equal areas
    assert ((birds == illusions.LIGHT) | (birds == illusions.DARK)).float().mean() < 1  # soft edges


def test_birds_grow_out_of_fields_between_day_and_night():
    picture = illusions.tiling()
    assert picture.shape == (1, 1, 200, 400) and picture.min() >= 0 and picture.max() <= 1
    assert picture[..., :30, :40].mean() > 0.9 and picture[..., :30, -40:].mean() < 0.1
    plain = illusions.tiling(fade=False)
    middle = (..., slice(0, 60), slice(150, 250))
    assert (picture[middle] - plain[middle]).abs().mean() < 0.05
    assert (picture - plain)[..., 150:, :].abs().mean() > 0.1


BAD = {
    "write image[0]": lambda: illusions.autostereogram(torch.zeros(1, 28, 28)),
    "not 0 to 1": lambda: illusions.autostereogram(torch.full((4, 200), 2.0)),
    "two periods of picture": lambda: illusions.autostereogram(torch.zeros(28, 28)),
    "one channel": lambda: illusions.disparity(torch.zeros(1, 3, 20, 200)),
    "at least 16": lambda: illusions.ink_blots(1, size=4),
    "number=0": lambda: illusions.ink_blots(0),
    "8 pixels": lambda: illusions.tiling(height=20, rows=5),
    "width=0": lambda: illusions.tiling(width=0),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_gets_a_message_that_helps(message):
    with pytest.raises((TypeError, ValueError)) as caught:
        BAD[message]()
    assert message in str(caught.value)
