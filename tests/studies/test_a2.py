"""A2 on a network of one layer, where it is known what can be found."""

import pytest
import torch
from torch import nn

from course_utils.data import Split
from course_utils.studies import a2, pictures


def halves(scale, outputs=10):
    """Each digit's logit is the light of its own row of pixels, and the null class's, where there is one, is 0."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, outputs))
    weight = torch.zeros(outputs, 784)
    for k in range(10):
        weight[k, 28 * 2 * k : 28 * (2 * k + 1)] = scale
    with torch.no_grad():
        model[1].weight.copy_(weight)
        model[1].bias.zero_()
    return model


@pytest.mark.parametrize("searcher", a2.LESSONS)
def test_each_searcher_makes_an_image_for_each_digit_and_none_for_the_null_class(monkeypatch, searcher):
    monkeypatch.setattr(pictures, "STEPS", 3)
    images = a2.search(halves(1.0, outputs=11), searcher, 2, torch.Generator().manual_seed(0), 1)
    assert images.shape == (20, 1, 28, 28) and images.min() >= 0 and images.max() <= 1


@pytest.mark.parametrize(("scale", "digit", "expected"), [(1.0, False, 1.0), (0.0, False, 0.0), (1.0, True, 0.0)])
def test_digits_count_where_the_network_is_sure_and_nobody_recognises_them(monkeypatch, scale, digit, expected):
    lit = halves(1.0)[1].weight.detach().view(10, 1, 28, 28)
    asked = []
    monkeypatch.setattr(a2, "search", lambda *how: asked.append(how[1:]) or lit.repeat(3, 1, 1, 1))
    monkeypatch.setattr(a2, "recognised", lambda images, labels, other: torch.full((len(images),), digit))
    generator = torch.Generator()
    found = a2.fooled(halves(scale), a2.LONGER, generator, nn.Identity())
    assert found == {"value": expected, "sure at 99, 99.99 %": [scale, scale]}
    assert asked == [("one gene a pixel", 3, generator, 600)]


def test_a_series_ends_with_the_weights_of_its_last_round(monkeypatch):
    generator = torch.Generator().manual_seed(0)
    start, met = halves(1.0), []

    def lessons(model, generator):
        met.append(model)
        return torch.rand(10, 1, 28, 28, generator=generator)

    split = Split(torch.rand(60, 1, 28, 28, generator=generator), torch.arange(10).repeat(6))
    monkeypatch.setattr(a2, "network", lambda name, seed: start)
    monkeypatch.setattr(a2, "digits", lambda: type("Digits", (), dict(test=split)))
    monkeypatch.setattr(a2, "lessons", lessons)
    model = halves(5.0, outputs=11)
    assert a2.teach(model, split, seed=0, rounds=2, generator=generator, progress=False).finished
    assert [each[-1].out_features for each in met] == [10, 11, 11]
    assert torch.equal(model[1].weight, met[-1][1].weight) and torch.equal(start[1].weight, halves(1.0)[1].weight)
