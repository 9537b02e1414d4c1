"""B4: the chance against a cap whose size is known, and what counts where nothing is found."""

import pytest
import torch
from torch import nn

from course_utils.studies import b4


@pytest.mark.parametrize("height", [0.2, 0.5])
def test_the_chance_is_that_of_the_cap_beyond_a_flat_boundary(height):
    model = nn.Sequential(nn.Flatten(), nn.Linear(9, 2, bias=False))
    model[1].weight.data = 3 * torch.eye(2, 9)
    image = torch.full((1, 1, 3, 3), 0.5)
    image[0, 0, 0, :2] += height / 2**0.5 * torch.tensor([1.0, -1.0])  # so far from the boundary
    generator = torch.Generator().manual_seed(0)
    found = b4.chance(model, image, torch.tensor([0]), 1.0, 20_000, generator)
    directions = torch.randn(200_000, 9, generator=generator)
    cap = (directions[:, 0] / directions.norm(dim=1) > height).double().mean().item()
    assert abs(found - cap) < 0.012


def test_nothing_found_counts_as_one_in_twice_the_draws():
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    images = torch.rand(5, 1, 2, 2)
    assert b4.chance(model, images, model(images).argmax(1), 1e-9, 10, torch.Generator()) == 0.5 / 50
