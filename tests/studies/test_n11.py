"""N11: far is farther than other digits are, by brute force; a network that is sure nowhere gives no such image."""

import pytest
import torch
from torch import nn

from course_utils.data import Split
from course_utils.studies import n11


@pytest.fixture
def few(monkeypatch):
    """Few digits at hand, so that all distances can be taken."""
    chance = torch.Generator().manual_seed(0)
    sets = [Split(torch.rand(60, 1, 28, 28, generator=chance) * 0.5, torch.arange(10).repeat(6)) for _ in range(2)]
    digits = type("Digits", (), {"train": sets[0], "test": sets[1]})
    monkeypatch.setattr(n11, "digits", lambda: digits)
    return digits


def test_distances_and_limits_are_those_of_brute_force(few):
    images = torch.cat([few.train.images[:10], torch.ones(10, 1, 28, 28)])
    labels = torch.arange(10).repeat(2)
    far, distances, limits = n11.farther(images, labels)
    every = torch.cdist(images.flatten(1).double(), few.train.images.flatten(1).double())
    others = torch.cdist(few.test.images.flatten(1).double(), few.train.images.flatten(1).double())
    for k in range(10):
        mine = few.train.labels == k
        assert limits[k] == pytest.approx(others[few.test.labels != k][:, mine].amin(1).median().item(), abs=1e-3)
        assert distances[labels == k] == pytest.approx(every[labels == k][:, mine].amin(1).float(), abs=1e-3)
    assert far.tolist() == [False] * 10 + [True] * 10


@pytest.mark.parametrize("scale, value", [(30.0, 1.0), (0.0, 0.0)])
def test_a_network_that_is_sure_nowhere_gives_no_such_image(few, monkeypatch, scale, value):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    model[1].weight.data.mul_(scale)
    model[1].bias.data.zero_()
    monkeypatch.setattr(n11, "network", lambda name, seed: model)
    monkeypatch.setattr(n11, "seen", lambda images: images)  # these digits are noise, and blurred noise is near them
    monkeypatch.setattr(n11, "GENERATIONS", 10)
    monkeypatch.setattr(n11, "RUNS", 1)
    found = n11.far_ones(0, torch.Generator().manual_seed(0))
    assert found["climbed"] == found["value"] == value and found["bred"] <= value


def test_a_digit_in_noise_is_far_by_its_pixels_and_mostly_near_as_it_is_seen(monkeypatch):
    test = n11.digits().test[:100]
    monkeypatch.setattr(n11, "OTHERS", 100)
    noise = torch.rand(test.images.shape, generator=torch.Generator().manual_seed(0))
    faint = 0.4 * test.images + 0.6 * noise
    assert n11.farther(faint, test.labels)[0].double().mean() >= 0.9
    assert n11.farther(faint, test.labels, n11.seen)[0].double().mean() <= 0.35
    assert n11.farther(noise, test.labels, n11.seen)[0].all()
