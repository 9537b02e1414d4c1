"""One step, and the shortest change, on networks whose boundary is known."""

import pytest
import torch
from torch import nn

from course_utils.data import Split
from course_utils.studies import s4

SPLIT = Split(0.5 + 0.01 * torch.arange(5.0).view(5, 1, 1, 1).expand(5, 1, 2, 2), torch.zeros(5).long())


class ByValue(nn.Module):
    """Class 0 where a function of the pixels is above 0."""

    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, images):
        value = self.value(*images.flatten(1).T)
        return torch.stack([value, -value], 1)


@pytest.mark.parametrize("norm, size", [("l2", 5**0.5), ("linf", 3.0)])
def test_on_a_plane_one_step_is_as_short_as_any(norm, size):
    model = ByValue(lambda a, b, c, d: a + 2 * c - 1.2)
    boundary = (3 * SPLIT.images[:, 0, 0, 0] - 1.2) / size
    _, least = s4.shortest(model, SPLIT, s4.SEARCHES[norm], s4.RULERS[norm])
    for found in (s4.one_step(model, SPLIT, norm), least):
        torch.testing.assert_close(found, boundary, rtol=0.06, atol=1e-3)
    assert s4.ratios(model, SPLIT, norm).median() < 1.1


def test_where_the_slope_turns_round_one_step_misses_what_many_find():
    model = ByValue(lambda a, b, c, d: (a - 0.45).abs() + 0.3 * (b - 0.4))
    _, least = s4.shortest(model, SPLIT, s4.SEARCHES["l2"], s4.l2)
    assert least[0].item() == pytest.approx(0.0125**0.5, rel=0.1) and least.isfinite().all()  # a to 0.45, b to 0.4
    assert (s4.ratios(model, SPLIT, "l2") == s4.NEVER).all()


def test_of_several_searches_the_nearest_success_counts():
    model = ByValue(lambda a, b, c, d: a - 0.3)

    def moved(pixel):
        def search(net, images, labels):
            found = images.clone()
            found[:, 0, 0, 0] = pixel
            return found

        return search

    found, size = s4.shortest(model, SPLIT, [moved(0.4), moved(0.0), moved(0.1)], s4.l2)  # 0.4 is no success
    torch.testing.assert_close(size, SPLIT.images[:, 0, 0, 0] - 0.1)
    assert (found[:, 0, 0, 0] == 0.1).all()
    unchanged, size = s4.shortest(model, SPLIT, [moved(0.4)], s4.l2)
    assert size.isinf().all() and unchanged.equal(SPLIT.images)
