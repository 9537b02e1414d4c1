"""Caps: against sampling, scipy, the theorem and the papers' numbers; and the pictures of lines."""

import pytest
import torch
from scipy import stats
from torch import nn

from course_utils.dimensions.caps import cap_distance, cap_height, uniform_ratio
from course_utils.dimensions.line_pictures import f_lin, lines


def seeded(number):
    return torch.Generator().manual_seed(number)


def test_the_uniform_ratio_is_what_random_directions_show():
    ratio = uniform_ratio(100, 0.05)
    unit = torch.nn.functional.normalize(torch.randn(400_000, 100, generator=seeded(0)), dim=1)
    assert (unit[:, 0] * ratio > 1).double().mean().item() == pytest.approx(0.05, abs=0.0015)
    assert uniform_ratio(2500, 0.01) >= 15  # the paper's reading of its figure


@pytest.mark.parametrize("d", [2, 10, 784, 2500, 10**6])
@pytest.mark.parametrize("eps", [1e-6, 0.01, 0.05])
def test_the_uniform_ratio_lies_between_the_bounds_of_the_theorem(d, eps):
    ratio = uniform_ratio(d, eps)
    low = max((d / (2 * torch.tensor(2 / eps).log().item())) ** 0.5, 1)
    assert low <= ratio * (1 + 1e-12) and ratio <= (d / (1 - 12 * eps)) ** 0.5


@pytest.mark.parametrize("d", [2, 3, 100, 10**6])
@pytest.mark.parametrize("fraction", [1e-12, 0.01, 0.49])
def test_the_height_of_a_cap_agrees_with_scipy(d, fraction):
    square = stats.beta.isf(2 * fraction, 1 / 2, (d - 1) / 2)  # of one number of a unit vector
    assert cap_height(fraction, d) == pytest.approx(square**0.5, rel=1e-7)


@pytest.mark.parametrize("d, fraction", [(3, 0.1), (20, 0.01), (100, 0.3)])
def test_the_distance_to_a_cap_is_the_mean_over_points(d, fraction):
    height = torch.tensor(cap_height(fraction, d))
    first = nn.functional.normalize(torch.randn(200_000, d, generator=seeded(0)), dim=1)[:, 0]
    far = 2 * ((height.acos() - first.acos()).clamp(max=0).abs() / 2).sin()
    assert cap_distance(fraction, d) == pytest.approx(far.mean().item(), rel=0.005)


def test_in_many_dimensions_a_cap_is_at_the_limit_that_the_paper_quotes():
    for fraction, reported in ((1e-2, 0.104), (1e-3, 0.138), (1e-6, 0.213), (1e-8, 0.251)):
        limit = -stats.norm.ppf(fraction) / 500**0.5
        assert limit == pytest.approx(reported, abs=6e-4)
        assert cap_distance(fraction, 500) == pytest.approx(limit, rel=0.01)
    gaps = [abs(cap_distance(1e-3, d) / (-stats.norm.ppf(1e-3) / d**0.5) - 1) for d in (10, 100, 1000, 10_000)]
    assert gaps == sorted(gaps, reverse=True) and gaps[-1] < 1e-3


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: cap_height(0.5, 10), "between 0 and 1/2"),
        (lambda: cap_distance(0.6, 10), "between 0 and 1/2"),
        (lambda: uniform_ratio(1, 0.1), "at least 2 dimensions"),
        (lambda: lines(10, 0.1), "the square of a whole number"),
    ],
)
def test_bad_input_gets_a_message_that_helps(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# the lines


@pytest.mark.parametrize("d", [4, 100, 2500])
def test_the_lines_have_the_margin_of_the_paper(d):
    shade = 0.1 / d**0.5
    pictures, labels = lines(d, shade)
    side = round(d**0.5)
    assert pictures.shape == (2 * side, 1, side, side) and labels.tolist() == [1] * side + [0] * side
    assert torch.equal(f_lin(pictures) > 0, labels == 1)  # zero risk
    torch.testing.assert_close(f_lin(pictures).abs(), torch.full((2 * side,), 0.1), atol=1e-5, rtol=0)
    ahead = torch.ones(1, d)
    torch.testing.assert_close(f_lin(3 * ahead) - f_lin(2 * ahead), ahead.norm().view(1))  # its weights have length 1
    means = [pictures[labels == each].flatten(1).mean(0) for each in (1, 0)]
    assert (means[0] - means[1]).norm().item() / 2 == pytest.approx(0.1, abs=1e-5)  # no margin can be wider


def test_the_lines_run_as_their_labels_say():
    pictures, labels = lines(9, 0.25)
    for picture, label in zip(pictures[:, 0], labels, strict=True):
        upright = picture if label == 1 else picture.T
        ground = 0.25 if label == 1 else -0.25
        assert (upright == upright[0]).all() and upright[0].sort().values.tolist() == [ground, ground, 1 + ground]
    assert len({tuple(picture.flatten().tolist()) for picture in pictures}) == 6
