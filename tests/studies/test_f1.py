"""F1 on a world of four pixels, where the eye's reading and the change are known."""

import pytest
import torch
from torch import nn

from course_utils.data import Split
from course_utils.studies import f1


def world(number, generator):
    """Images of three pixels and a brighter one, whose place is the label."""
    labels = torch.randint(4, (number,), generator=generator)
    images = 0.4 * torch.rand(number, 1, 2, 2, generator=generator)
    images.view(number, 4)[torch.arange(number), labels] += 0.5
    return Split(images, labels)


def test_the_change_goes_to_the_target_as_far_as_it_may_and_takes_the_label():
    generator = torch.Generator().manual_seed(0)
    split, model = world(20, generator), nn.Sequential(nn.Flatten(), nn.Linear(4, 4))
    with torch.no_grad():
        model[1].weight.copy_(torch.eye(4))
        model[1].bias.zero_()
    targets = (split.labels + 1) % 4
    det = f1.changed(model, split, targets, generator, eps=0.2)
    moved = (det.images - split.images).flatten(1)
    assert torch.equal(det.labels, targets) and moved.norm(dim=1).max() <= 0.2 + 1e-5
    assert moved.norm(dim=1).min() > 0.19 and (moved.argmax(1) == targets).all()


@pytest.mark.parametrize(("shift", "expected"), [(0, 1.0), (1, 0.0)])
def test_robust_features_follow_the_labels_that_they_are_taught(shift, expected):
    """Labels of the eye give all, labels of the next class nothing: the control can come out either way."""
    generator = torch.Generator().manual_seed(1)
    split, test = world(200, generator), world(100, generator)
    taught = Split(split.images, (split.labels + shift) % 4)
    assert f1.on_features(nn.Flatten(), taught, test) == pytest.approx(expected, abs=0.02)


def test_digits_are_drawn_by_the_generator():
    first, again, other = (f1.drawn(torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert torch.equal(first.labels, again.labels) and not torch.equal(first.labels, other.labels)
    assert len(first) == f1.NUMBER
