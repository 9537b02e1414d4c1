"""B7: the radius of one pixel by hand, and the formula where it is right."""

import torch
from torch import nn

from course_utils.dimensions import single_pixels
from course_utils.studies import b7


def test_the_radius_is_that_of_the_nearest_pixel_and_infinite_where_none_leaves():
    model = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False))
    model[1].weight.data = torch.tensor([[1.0, 1.0], [2.0, 0.0]])  # class 0 while the second pixel is the larger
    images = torch.tensor([[[[0.25, 0.5]]], [[[0.0, 0.625]]]])
    found = single_pixels.survival(model, images, torch.tensor([0, 0]), progress=False)
    torch.testing.assert_close(b7.radius(images, found), torch.tensor([0.25, 0.625], dtype=torch.float64))
    model[1].bias = nn.Parameter(torch.tensor([2.0, 0.0]))
    found = single_pixels.survival(model, images, torch.tensor([0, 0]), progress=False)
    assert b7.radius(images, found).isinf().all()


def test_independent_pixels_follow_the_formula_and_others_do_not():
    eps = torch.linspace(0, 1, 50, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    radii = torch.rand(20_000, 8, generator=generator, dtype=torch.float64).amin(1)
    measured, predicted = b7.curves(radii, torch.full((20_000,), 8), eps)
    assert (measured - predicted).abs().max() < 0.02
    measured, predicted = b7.curves(torch.full((20,), torch.inf), torch.full((20,), 8), eps)
    assert (measured - predicted).abs().max() > 0.9
