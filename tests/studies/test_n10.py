"""N10: digits are organised as their class, noise is not; what place a share stands at is known for both."""

import pytest
import torch
from torch import nn

from course_utils.data import Split
from course_utils.studies import n10


@pytest.fixture
def layers():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 5))


def bars(chance, number=20):
    """Ten classes of bars, each picture with noise of its own."""
    images = torch.zeros(10, 1, 28, 28)
    for k in range(10):
        images[k, :, :, 2 + 2 * k : 6 + 2 * k] = 1
    images = images.repeat(number, 1, 1, 1)
    return Split(images + 0.1 * torch.rand(images.shape, generator=chance), torch.arange(10).repeat(number))


def test_bars_are_like_their_class_and_noise_is_at_chance_for_all_classes(layers):
    chance = torch.Generator().manual_seed(0)
    train, test = bars(chance), bars(chance, 2)
    share, own, others = n10.own_and_others(layers, test, train)
    assert share == 1 and own > 0.9 and others < 0.5
    noise = torch.rand(20, 1, 28, 28, generator=chance).repeat_interleave(10, 0)
    anybody = Split(noise, torch.arange(10).repeat(20))
    share, own, others = n10.own_and_others(layers, anybody, train)
    assert share == pytest.approx(0.5, abs=1e-4) and own == pytest.approx(others, abs=2e-4)
    assert n10.own_and_others(layers, Split(test.images, (test.labels + 5) % 10), train)[0] < 0.5


def test_likeness_is_correlation_of_maps(layers):
    """One image and one class, by numpy's corrcoef map by map where the maps have one deviation."""
    images = torch.rand(2, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    one, two = n10.activations(nn.Sequential(layers[0]), images).unflatten(1, (4, -1))
    assert one.mean(1).abs().max() < 1e-5 and two.mean(1).abs().max() < 1e-5
    plain = layers(images)[0].flatten(1)
    assert torch.allclose(one, plain - plain.mean(1, keepdim=True), atol=1e-5)
    brighter = n10.activations(layers, images + 0.3).unflatten(1, (2 * [4, 576])[:2])
    assert torch.allclose(brighter[0], one, atol=1e-4)  # how much they are stimulated in all does not count


def test_the_layers_are_those_of_caffes_lenet():
    from course_utils.models import CaffeLeNet

    model, images = CaffeLeNet(), torch.rand(2, 1, 28, 28)
    sizes = {layer: n10.activations(model[:end], images).shape[1] for layer, end in n10.LAYERS.items()}
    assert sizes == {"convolution 1": 20 * 24 * 24, "convolution 2": 50 * 8 * 8, "dense 1": 500}
