"""Collisions of a network that sees a few pixels, and of one that sees them all."""

import pytest
import torch
from torch import nn

from course_utils.data import MNIST, Split
from course_utils.studies import c3


@pytest.mark.parametrize("outputs, met", [(4, 5), (64, 0)])
def test_what_has_fewer_outputs_than_pixels_collides(monkeypatch, outputs, met):
    """A random linear map of 16 pixels to 4 numbers collides, and one to 64 numbers tells all images apart."""
    generator = torch.Generator().manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, outputs))
    model[1].weight.data = torch.randn(outputs, 16, generator=generator)
    images = 0.3 + 0.4 * torch.rand(5, 1, 4, 4, generator=generator)
    split = Split(images, torch.zeros(5).long())
    monkeypatch.setattr(c3, "digits", lambda: MNIST(split, split))
    monkeypatch.setattr(c3, "network", lambda name, seed: model)
    monkeypatch.setattr(c3, "NUMBER", 5)
    monkeypatch.setattr(c3, "FAR", 0.1)
    assert c3.collisions(0, generator)["value"] == [met, 5]
