"""Rounded inputs: the right levels, a gradient that is 0, and one that passes the rounding."""

import pytest
import torch
from torch import nn

from course_utils.attacks import pgd
from course_utils.core import checks
from course_utils.defenses.squeezing import Squeezed, straight_through


def small(shape=(1, 5, 7), classes=4, dtype=torch.float32):
    """A net with a mode, and six random images."""
    torch.manual_seed(0)
    channels, height, width = shape
    layers = nn.Conv2d(channels, 3, 3, padding=1), nn.Tanh(), nn.Flatten(), nn.Dropout()
    model = nn.Sequential(*layers, nn.Linear(3 * height * width, classes)).to(dtype)
    return model.eval(), torch.rand(6, *shape, dtype=dtype)


def squeeze(images, levels):
    return Squeezed(nn.Identity(), levels)(images)


@pytest.mark.parametrize("levels", [2, 3, 4, 8, 256])
def test_each_pixel_goes_to_the_nearest_level(levels):
    images = torch.rand(4, 1, 6, 6, dtype=torch.float64)
    steps = torch.linspace(0, 1, levels, dtype=torch.float64)
    nearest = steps[(images[..., None] - steps).abs().argmin(-1)]
    assert torch.allclose(squeeze(images, levels), nearest, atol=1e-12)
    assert torch.equal(squeeze(squeeze(images, levels), levels), squeeze(images, levels))


def test_256_levels_are_those_of_a_file():
    images = torch.rand(4, 1, 6, 6)
    assert torch.equal(squeeze(images, 256), checks.levels(images) / 255)


def test_black_and_white_stay():
    ends = torch.tensor([0.0, 1.0])
    assert all(torch.equal(squeeze(ends, levels), ends) for levels in (2, 3, 10))


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 5, 9), (4, 1, 1)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_both_modules_answer_for_the_rounded_images(shape, dtype):
    model, images = small(shape, dtype=dtype)
    squeezed = Squeezed(model, 3)
    expected = model(squeeze(images, 3))
    assert torch.equal(squeezed(images), expected)
    assert torch.equal(straight_through(squeezed)(images), expected)


def test_the_true_gradient_is_0_and_the_other_is_that_at_the_rounded_image():
    model, images = small()
    squeezed = Squeezed(model, 4)
    images.requires_grad_()
    (true,) = torch.autograd.grad(squeezed(images).square().sum(), images)
    (through,) = torch.autograd.grad(straight_through(squeezed)(images).square().sum(), images)
    rounded = squeeze(images.detach(), 4).requires_grad_()
    (expected,) = torch.autograd.grad(model(rounded).square().sum(), rounded)
    assert true.abs().max() == 0 and expected.abs().max() > 0
    assert torch.equal(through, expected)


def test_it_shares_the_weights_and_the_mode():
    model, images = small()
    squeezed = Squeezed(model, 2)
    through = straight_through(squeezed)
    with torch.no_grad():
        model[-1].bias += 1
    assert torch.equal(through(images), squeezed(images))
    assert not model.training
    squeezed.train()
    assert through.model.training


class Ink(nn.Module):
    """Class 1 if the image holds more than half of its ink."""

    def forward(self, images):
        ink = images.flatten(1).mean(1)
        return torch.stack([0.5 - ink, ink - 0.5], 1)


def test_an_attack_by_the_true_gradient_stands_still_and_the_other_wins():
    squeezed = Squeezed(Ink(), levels=2)
    images, labels = torch.full((3, 1, 4, 4), 0.45), torch.zeros(3, dtype=torch.int64)
    settings = dict(eps=0.1, start="clean", progress=False)
    blind = pgd(squeezed, images, labels, **settings)
    knows = pgd(straight_through(squeezed), images, labels, **settings)
    assert torch.equal(blind, images)
    assert (squeezed(knows).argmax(1) == 1).all() and (knows - images).abs().max() <= 0.1 + 1e-6


def test_within_reach_of_no_threshold_nothing_changes():
    squeezed = Squeezed(Ink(), levels=2)
    images, labels = torch.full((3, 1, 4, 4), 0.3), torch.zeros(3, dtype=torch.int64)
    knows = pgd(straight_through(squeezed), images, labels, eps=0.1, progress=False)
    assert torch.equal(squeezed(knows), squeezed(images))


@pytest.mark.parametrize("levels", [1, 0, -2, 2.5, True, "2", None])
def test_levels_that_are_none(levels):
    with pytest.raises(ValueError, match="levels"):
        Squeezed(nn.Flatten(), levels)


def test_models_that_are_none():
    with pytest.raises(TypeError, match="wrap it in one"):
        Squeezed(lambda images: images, 2)
    with pytest.raises(TypeError, match="wants a Squeezed model, not a Flatten"):
        straight_through(nn.Flatten())
