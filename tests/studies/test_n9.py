"""N9: shares of volume that are known by geometry."""

import pytest
import torch
from torch import nn

from course_utils.studies import n9, verdict


def linear(weight, bias=0.0):
    """Ten logits of the first ten pixels."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    model[1].weight.data = torch.zeros(10, 784)
    model[1].weight.data[:, :10] = weight
    model[1].bias.data = torch.as_tensor(bias).expand(10).clone()
    return model


def test_shares_are_those_of_geometry():
    points = torch.rand(20_000, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    even = n9.owned(linear(torch.eye(10)), points)  # whose pixel is the largest of ten
    assert sum(even["each"]) == pytest.approx(1) and even["value"] == pytest.approx(0.1, abs=0.01)
    half = torch.zeros(10, 10)
    half[0, 0], bias = 1.0, torch.tensor([-0.75, 0.0] + [-9.0] * 8)
    corner = n9.owned(linear(half, bias), points)  # class 0 where the first pixel is above 3/4
    assert corner["each"][0] == pytest.approx(0.25, abs=0.015) and corner["value"] == 0


def test_directions_start_at_the_mean_digit_and_reach_the_radius(monkeypatch):
    seen = []
    monkeypatch.setattr(n9, "network", lambda name, seed: None)
    monkeypatch.setattr(n9, "owned", lambda model, points: seen.append(points) or {"value": 0.0})
    monkeypatch.setattr(n9, "POINTS", 50)
    assert n9.of_directions([0, 28], torch.Generator().manual_seed(0)) == {"value": [0, 0, 0.0], "factor": "28"}
    away = (seen[0] - n9.digits().train.images.mean(0)).flatten(1)
    assert torch.allclose(away.norm(dim=1), torch.full((50,), 28.0), atol=1e-3)
    assert away.mean(0).norm() < 28 * 3 / 50**0.5


def test_units_are_trainings_at_radii():
    cube, ours = n9.STUDIES
    assert len(cube.units) == 10 and len(ours.units) == 30
    assert ours.units["4 at 28"] == [4, 28] and not set(ours.again) & set(ours.units)
    means = [0.01 * seed**2 for seed in range(10)]
    values = [[seed, seed, means[seed] + 0.001 * (radius - 346)] for seed, radius in ours.units.values()]
    assert verdict.interval(values, ours.rule.method) == pytest.approx(verdict.interval(means, "t"))  # ten, not 30
