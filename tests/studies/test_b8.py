"""B8: sizes, widths and slopes that are known."""

import pytest
import torch

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
