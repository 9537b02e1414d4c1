"""The geometry of perturbations, and work in portions."""

import pytest
import torch

from course_utils.attacks import distances
from course_utils.core import tensors


def test_a_portion_fits_the_cache_and_is_never_empty():
    x = torch.zeros(7, 1, 4, 4)
    assert tensors.portion(x) == 2**18 // 16 and tensors.portion(x, cost=2**20) == 1
    assert tensors.portion(torch.zeros(0, 3, 2, 2)) == -(-(2**18) // 12)


def test_portions_put_together_are_the_whole(monkeypatch):
    monkeypatch.setitem(tensors.NUMBERS, "cpu", 3 * 16)
    x, labels = torch.rand(7, 1, 4, 4), torch.arange(7)
    parts = list(tensors.portions(x, labels))
    assert [len(part) for part, _ in parts] == [3, 3, 1]
    assert torch.equal(torch.cat([part for part, _ in parts]), x)
    assert torch.equal(torch.cat([part for _, part in parts]), labels)
    double, sums = tensors.by_portions(lambda part, own: (2 * part, part.flatten(1).sum(1) + own), x, labels)
    assert torch.equal(double, 2 * x) and not double.requires_grad
    torch.testing.assert_close(sums, x.flatten(1).sum(1) + labels)


def test_projection_finds_the_nearest_point_of_the_ball_and_the_box():
    torch.manual_seed(0)
    centre, x = torch.rand(50, 3, 5, 5), 3 * torch.randn(50, 3, 5, 5)
    for norm, eps in (("linf", 0.2), ("l2", 1.5), ("linf", 0.0), ("l2", 0.0)):
        inside = tensors.project(x, centre, eps, norm)
        assert inside.min() >= 0 and inside.max() <= 1
        assert getattr(distances, norm)(centre, inside).max() <= eps + 1e-6
        assert torch.allclose(tensors.project(inside, centre, eps, norm), inside, atol=1e-6)
    near = centre.clamp(0.3, 0.7) + 0.01
    assert torch.allclose(tensors.project(near, centre.clamp(0.3, 0.7), 0.2, "l2"), near, atol=1e-6)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_random_starts_fill_the_ball(norm):
    centre = torch.full((4000, 1, 1, 2), 0.5)
    start = tensors.random_start(centre, 0.3, norm, None)
    size = getattr(distances, norm)(centre, start)
    assert size.max() <= 0.3 + 1e-6
    assert (size < 0.3 / 2**0.5).float().mean() == pytest.approx(0.5, abs=0.03)  # half the area


def test_the_steepest_step_has_length_1_however_small_the_gradient():
    torch.manual_seed(0)
    gradient = torch.randn(3, 1, 4, 4)
    for scale in (1e-30, 1e-12, 1.0, 1e20):
        step = tensors.steepest(gradient * scale, "l2")
        assert torch.allclose(step, gradient / gradient.flatten(1).norm(dim=1).view(-1, 1, 1, 1), atol=1e-5)
    assert not tensors.steepest(torch.zeros(1, 1, 2, 2), "l2").any()
