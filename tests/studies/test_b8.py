"""B8: sizes, widths and slopes that are known."""

import pytest
import torch
from torch import nn

from course_utils.data import Split
from course_utils.studies import b8


@pytest.mark.parametrize("kind", b8.BUILD)
@pytest.mark.parametrize("side", b8.SIDES)
def test_networks_read_images_of_their_size_and_grow_with_the_width(kind, side):
    images = b8.at_size(torch.rand(3, 1, 28, 28), side)
    assert images.shape == (3, 1, side, side) and images.min() >= 0 and images.max() <= 1
    sizes = []
    for width in b8.SIDES:
        net = b8.BUILD[kind](side, width)
        assert net(images).shape == (3, 10)
        sizes.append(sum(parameter.numel() for parameter in net.parameters()))
    assert sizes == sorted(set(sizes))


def test_what_is_to_be_seen_stays():
    images = torch.rand(2, 1, 28, 28)
    torch.testing.assert_close(b8.at_size(images, 14), images.unfold(2, 2, 2).unfold(3, 2, 2).mean((4, 5)))
    assert torch.equal(b8.at_size(images, 28), images)


def test_the_slope_is_a_half_for_independent_pixels_and_none_where_nothing_changes():
    sides = torch.tensor(b8.SIDES, dtype=torch.float64)
    assert b8.slope(b8.SIDES, (3 / sides).tolist()) == -0.5
    assert b8.slope(b8.SIDES, [0.2, 0.2, 0.2]) == 0
    both = [(14, 14), (28, 28), (42, 42)]
    assert b8.PATHS[0] == both and all(path[1] == (28, 28) for path in b8.PATHS)


def corner(row):
    """Logits 0 and 1 by whether the upper (0) or lower (1) left corner of an image is bright."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 2))
    nn.init.zeros_(net[1].weight), nn.init.zeros_(net[1].bias)
    net[1].weight.data[1, 27 * 28 * row] = 1.0
    net[1].bias.data[0] = 0.5
    return net


def test_digits_are_drawn_among_those_that_all_networks_read():
    images = torch.rand(400, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    upper, lower = (images[:, 0, row, 0] > 0.5 for row in (0, 27))
    test, nets = Split(images, upper.long()), {(28, 28): corner(0), (28, 42): corner(1)}
    found, errors = b8.drawn(nets, test, torch.Generator().manual_seed(1))
    assert errors == pytest.approx({(28, 28): 0, (28, 42): (upper != lower).double().mean().item()})
    assert len(found) == b8.NUMBER and ((found.images[:, 0, 27, 0] > 0.5) == found.labels).all()
    other, _ = b8.drawn(nets, test, torch.Generator().manual_seed(2))
    assert not other.images.equal(found.images)


def test_no_two_units_share_a_seed():
    (study,) = b8.STUDIES
    seeds = [seed for _, seed in (study.units | study.again).values()]
    assert len(set(seeds)) == len(seeds) == 16
