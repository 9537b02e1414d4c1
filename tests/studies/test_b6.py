"""B6: incorrect pixels against a loop, and correlations that are known."""

import pytest
import torch
from torch import nn

from course_utils.studies import b6


def test_incorrect_pixels_are_those_that_a_loop_over_pixels_and_ends_finds():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(9, 8), nn.ReLU(), nn.Linear(8, 3))
    images = torch.rand(4, 1, 3, 3)
    labels = model(images).argmax(1)
    found = b6.incorrect(model, images, labels, 4.0)
    for number, pixel in torch.cartesian_prod(torch.arange(4), torch.arange(9)).tolist():
        harmed = False
        for end in (-4.0, 5.0):
            changed = images[number].clone()
            changed.view(-1)[pixel] = end
            harmed |= model(changed[None]).argmax(1).item() != labels[number].item()
        assert found[number, pixel].item() == harmed
    assert 0 < found.sum() < found.numel()


@pytest.mark.parametrize("alike", [True, False])
def test_phi_is_one_for_pixels_that_go_together_and_about_none_for_independent_ones(alike):
    generator = torch.Generator().manual_seed(0)
    one = torch.rand(2000, 1 if alike else 6, generator=generator) < 0.3
    found = torch.cat([one.expand(-1, 6), torch.zeros(2000, 1, dtype=torch.bool)], 1)
    phi, pixels = b6.correlations(found)
    assert pixels.tolist() == [0, 1, 2, 3, 4, 5]  # one that is never incorrect has no correlation
    apart = phi[~torch.eye(6, dtype=torch.bool)]
    assert apart.min() > 0.999 if alike else apart.abs().max() < 0.1


def test_too_few_pixels_are_refused():
    with pytest.raises(ValueError, match="wider range"):
        b6.correlations(torch.zeros(10, 4, dtype=torch.bool))
