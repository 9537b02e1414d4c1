"""N8: a partial rank correlation that scikit-like regression gives too, and networks that do and do not look."""

import numpy as np
import pytest
import scipy
import torch
from torch import nn

from course_utils.data import Split
from course_utils.studies import n8


def test_partial_is_the_correlation_of_what_regression_leaves():
    chance = np.random.default_rng(0)
    given = chance.normal(size=300)
    first, second = given + chance.normal(size=300), given - chance.normal(size=300) ** 3
    ranks = [scipy.stats.rankdata(each) for each in (first, second, given)]
    left = [each - np.polyval(np.polyfit(ranks[2], each, 1), ranks[2]) for each in ranks[:2]]
    assert n8.partial(first, second, given) == pytest.approx(np.corrcoef(*left)[0, 1])
    assert n8.partial(np.exp(first), second**3, given) == pytest.approx(n8.partial(first, second, given))


def test_what_only_the_boundary_explains_is_near_zero_and_what_nearness_adds_is_found():
    chance = np.random.default_rng(1)
    boundary, hidden = chance.normal(size=(2, 1000))
    near = boundary + hidden  # the two distances go together
    assert abs(n8.partial(boundary + 0.3 * chance.normal(size=1000), near, boundary)) < 0.1
    assert n8.partial(boundary + 0.5 * hidden, near, boundary) > 0.6
    assert n8.partial(boundary - 0.5 * hidden, near, boundary) < -0.6


def test_measures_of_a_linear_network(monkeypatch):
    """Odds of the softmax, distances by brute force, and the distance to a plane."""
    chance = torch.Generator().manual_seed(0)
    train = Split(torch.rand(40, 1, 28, 28, generator=chance), torch.arange(2).repeat(20))
    monkeypatch.setattr(n8, "digits", lambda: type("Digits", (), {"train": train}))
    torch.manual_seed(0)
    model, images = nn.Sequential(nn.Flatten(), nn.Linear(784, 2)), torch.rand(6, 1, 28, 28, generator=chance)
    odds, near, boundary = n8.measures(model, images)
    with torch.no_grad():
        logits = model(images).double()
        p, labels = logits.softmax(1).amax(1), logits.argmax(1)
        normal = (model[1].weight[0] - model[1].weight[1]).norm()
    assert odds == pytest.approx((p / (1 - p)).log().numpy(), abs=1e-5)
    assert boundary == pytest.approx(((logits[:, 0] - logits[:, 1]).abs() / normal).numpy(), rel=1e-3)
    far = torch.cdist(images.flatten(1), train.images.flatten(1))
    expected = [-far[i, train.labels == labels[i]].min().item() for i in range(6)]
    assert near == pytest.approx(expected, abs=1e-4)


def test_within_kinds_what_only_differs_from_kind_to_kind_does_not_count(monkeypatch):
    """Confidence and nearness both rise from kind to kind, and within a kind go with the boundary or nothing."""
    chance = np.random.default_rng(2)

    def of_kind(model, level):
        noise = chance.normal(size=(3, 170))
        return noise + np.array([[10.0], [10.0], [0.0]]) * level

    monkeypatch.setattr(n8, "network", lambda name, seed: None)
    monkeypatch.setattr(n8, "kinds", lambda model, generator: {str(level): level for level in range(6)})
    monkeypatch.setattr(n8, "measures", of_kind)
    assert n8.regard(0, None)["value"] > 0.9
    assert n8.regard_within(0, None)["value"] < 0.2
    monkeypatch.setattr(n8, "measures", lambda model, level: of_kind(model, level)[[0, 0, 2]] * [[1], [-1], [1]])
    assert n8.regard_within(0, None)["value"] == pytest.approx(1)  # less where nearer, in each kind
