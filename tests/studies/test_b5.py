"""B5: each ruler on networks whose faces are known."""

import pytest
import torch
from torch import nn

from course_utils import models
from course_utils.dimensions import single_pixels
from course_utils.dimensions.regions import on_a_line
from course_utils.studies import b5


def small(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12, 3)).eval()


def test_logits_are_straight_between_faces_and_not_across_one_that_was_missed():
    model, (start, end) = small(), torch.rand(2, 1, 1, 6, 6, generator=torch.Generator().manual_seed(1))
    (line,) = on_a_line.crossings(model, start, end)
    assert len(line.at) > 2
    assert b5.bend(model, start, end, line) < 1e-12
    missed = on_a_line.Line(line.at[:0], line.logits[[0, -1]], line.decisions)
    assert b5.bend(model, start, end, missed) > 1e-4


def test_the_boundary_bends_at_the_one_unit_it_meets_and_not_where_nothing_depends_on_it():
    model = nn.Sequential(nn.Flatten(), nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2))
    # units 1 and 2 both switch at y = 0.5, but nothing depends on 2; unit 0 is always on
    model[1].weight.data = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    model[1].bias.data = torch.tensor([5.0, -0.5, -0.5])
    model[3].weight.data = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.5, 0.0]])
    model[3].bias.data = torch.tensor([0.0, -5.7])
    image, label = torch.tensor([[[[0.3, 0.5]]]]), torch.tensor([0])
    found = b5.bends(model, image, label, 4, torch.Generator().manual_seed(0))
    assert found.tolist() == [False, True, False]


def test_who_wins_and_what_the_margin_needs_are_those_of_small_changes():
    model, images = small(3), torch.rand(5, 1, 6, 6, generator=torch.Generator().manual_seed(2))
    labels = model(images).argmax(1)
    winners, felt = b5.switches(model, images, labels)
    before = model[0](images)
    assert torch.equal(winners[:, :48], (before > 0).flatten(1).long())
    assert winners.shape == felt.shape == (5, 48 + 12)
    nudged = before.relu().flatten(1)[:, None] + 1e-3 * torch.eye(48)
    margin = b5.evaluation.margin(model[2:](nudged.view(-1, 3, 4, 4)), labels.repeat_interleave(48)).view(5, 48)
    base = b5.evaluation.margin(model(images), labels)
    assert torch.equal((margin - base[:, None]).abs() > 1e-6, felt[:, :48])
    assert (felt[:, :48] & (winners[:, :48] == 0)).any()  # in windows where nothing is on
    assert 0 < felt.sum() < felt.numel()


def test_effective_pixels_are_as_many_as_are_counted_elsewhere():
    model, image = small(), torch.rand(1, 1, 7, 7)  # the last row and column fall to no pooling window
    assert b5.effective(model, image).sum() == single_pixels.effective(model, image) < 49


@pytest.mark.parametrize(("bias", "gone", "near"), [(0.0, True, True), (1e3, True, False), (1e9, False, False)])
def test_a_pixel_leaves_where_its_line_meets_the_boundary(bias, gone, near):
    model = models.FC()
    model[1].weight.data.zero_()
    model[1].weight.data[1, 5] = 1.0
    model[1].bias.data = (
        torch.full((10,), -1e10).index_fill(0, torch.tensor([0]), bias).index_fill(0, torch.tensor([1]), -0.5)
    )
    found = b5.leaving(model, torch.zeros(1, 1, 28, 28), torch.tensor([5, 6]))
    assert [each.tolist() for each in found] == [[gone, False], [near, False]]
