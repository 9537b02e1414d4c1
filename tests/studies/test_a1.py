"""What accepts pictures of nothing, what has become a digit, and what is misled, for machines that are known."""

import pytest
import torch
from torch import nn

from course_utils.data import Split
from course_utils.studies import a1

GENERATOR = torch.Generator().manual_seed(0)
KEPT = Split(torch.rand(400, 1, 6, 6, generator=GENERATOR), torch.arange(400) % 10)


def test_what_is_as_sure_as_digits_is_accepted():
    machine = nn.Flatten()  # ten pixels are the scores
    known = torch.linspace(0, 1, 101).view(-1, 1, 1, 1).expand(-1, 1, 1, 10).clone()
    judge = a1.Accepting(machine, False, known)
    says = judge(known).argmax(1) < 10
    assert says.sum() == 96 and says[5:].all()  # 95 % of what is known, and nothing that is darker


def test_a_probability_does_not_see_what_all_scores_share():
    known = torch.rand(50, 1, 1, 10, generator=GENERATOR)
    own, likely = (a1.Accepting(nn.Flatten(), likely, known) for likely in (False, True))
    darker = known / 2 + 0.5 * known.amax(3, keepdim=True)
    shifted = known - known.amax()
    torch.testing.assert_close(likely(shifted), likely(known))
    assert (own(shifted)[:, :10].amax(1) < 0).all() and (likely(darker).argmax(1) == 10).sum() >= 3


def test_an_image_becomes_a_digit_by_its_neighbour_and_class():
    images, known = KEPT.images[:20], KEPT.images[100:150] + 0.01
    labels = KEPT.labels[:20].clone()
    labels[10:] = (labels[10:] + 1) % 10
    assert a1.become_digits(images, labels, known, KEPT).tolist() == [True] * 10 + [False] * 10
    assert not a1.become_digits(images + 0.5, labels, known, KEPT).any()


def test_the_hinge_is_what_is_missing_to_a_margin_of_one():
    images = torch.tensor([[0.9, 0.1], [0.2, 0.6]]).view(2, 1, 1, 2)
    assert a1.hinge(nn.Flatten(), images, torch.tensor([0, 0])).item() == pytest.approx((0.2 + 1.4) / 2)


@pytest.mark.parametrize("gap, share", [(0.1, 1.0), (0.5, 0.0)])
def test_a_boundary_nearer_than_eps_is_crossed_and_one_beyond_is_not(gap, share):
    """Two pixels, named by the brighter: each may move by 0.1."""
    images = torch.tensor([0.3 + gap, 0.3]).view(1, 1, 1, 2).repeat(4, 1, 1, 1)
    found = a1.misled(nn.Flatten(), None, Split(images, torch.zeros(4).long()), GENERATOR)
    assert found == pytest.approx(share)
