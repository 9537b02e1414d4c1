"""N3: recognisers that see digits, faint digits and sketches in noise, and none in noise."""

import pytest
import torch
from torch import nn

from course_utils.data import Split
from course_utils.studies import n3, pictures


class Templates(nn.Module):
    """Names the nearest of ten pictures by correlation: a recogniser that needs no training."""

    def __init__(self, templates):
        super().__init__()
        self.templates = nn.functional.normalize((templates - templates.mean((1, 2, 3), keepdim=True)).flatten(1))

    def forward(self, images):
        return 50 * images.flatten(1) @ self.templates.T


@pytest.fixture
def bars(monkeypatch):
    """Ten classes of bars in place of digits, and a network that reads them; recognisers know ten of each."""
    bars = torch.zeros(10, 1, 28, 28)
    for k in range(10):
        bars[k, :, :, 2 + 2 * k : 5 + 2 * k] = 1
    labels = torch.arange(10)
    train = Split((bars.repeat(10, 1, 1, 1) * torch.linspace(0.5, 1, 100)[:, None, None, None]), labels.repeat(10))
    digits = type("Digits", (), {"train": train, "test": Split(bars, labels)})
    monkeypatch.setattr(pictures, "digits", lambda: digits)
    return bars, Templates(pictures.seen(bars))


def test_faint_bars_in_noise_are_recognised_and_noise_and_other_bars_are_not(bars):
    bars, other = bars
    labels, noise = torch.arange(10), torch.rand(10, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    assert pictures.recognised(bars, labels, other).all()
    assert pictures.recognised(0.25 * bars + 0.75 * noise, labels, other).double().mean() >= 0.9
    assert pictures.recognised(noise, labels, other).sum() <= 3
    assert not pictures.recognised(bars.roll(5, 0), labels, other).any()


def test_what_is_seen_has_no_contrast_of_its_own():
    images = torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(pictures.seen(images), pictures.seen(0.3 * images + 0.4), atol=1e-4)
    assert torch.allclose(pictures.seen(images).std((1, 2, 3)), torch.full((3,), pictures.MNIST_STD), atol=1e-4)
    assert pictures.seen(torch.zeros(1, 1, 28, 28)).isfinite().all()


@pytest.mark.parametrize("scale, value", [(1.0, 1.0), (0.0, 0.0)])
def test_a_network_that_noise_moves_is_fooled_and_one_that_never_is_sure_is_not(bars, monkeypatch, scale, value):
    monkeypatch.setattr(pictures, "STEPS", 100)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    model[1].weight.data.mul_(scale * 20)
    model[1].bias.data.zero_()
    monkeypatch.setattr(n3, "network", lambda name, seed: model if name == "caffe_lenet" else bars[1])
    found = n3.unrecognised(0, torch.Generator().manual_seed(0))
    assert found["arrived"] == value and abs(found["value"] - value) <= 0.1


def test_a_sketch_in_the_climb_counts_as_recognised(bars, monkeypatch):
    """Where the weights are the bars themselves, ascent draws them, and the row comes out against the claim."""
    templates = Templates(bars[0])
    monkeypatch.setattr(n3, "network", lambda name, seed: templates if name == "caffe_lenet" else bars[1])
    found = n3.unrecognised(0, torch.Generator().manual_seed(0))
    assert found["arrived"] >= 0.9 and found["value"] < 0.75  # 0.5 or so, by the number of threads
