"""Distances in subspaces and along rays: exact for linear models, in agreement with plain twins for networks."""

import pytest
import torch
from scipy import stats
from torch import nn

from course_utils import data, evaluation
from course_utils.attacks import deepfool, distances
from course_utils.dimensions.boundary_distance import boundary_distance, random_basis, ray


def seeded(number):
    return torch.Generator().manual_seed(number)


def linear(d, classes=4, seed=0):
    """A linear model of ``d`` pixels in double precision."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(d, classes)).double()
    model[1].weight.data = torch.randn(classes, d, generator=seeded(seed), dtype=torch.float64)
    model[1].bias.data = torch.randn(classes, generator=seeded(seed + 1), dtype=torch.float64)
    return model


def boundaries(model, images, labels):
    """The differences of logits to each other class ``(N, K - 1)``, and their gradients ``(N, K - 1, d)``."""
    logits, weight = model(images).detach(), model[1].weight.detach()
    classes = len(weight)
    others = torch.stack([torch.tensor([k for k in range(classes) if k != label]) for label in labels.tolist()])
    value = logits.gather(1, labels[:, None]) - logits.gather(1, others)
    return value, weight[others] - weight[labels][:, None]


@pytest.fixture(scope="module")
def digits(net):
    images = data.mnist("cpu").test[:60].images
    return images, evaluation.predict(net, images).labels


@pytest.mark.parametrize("m", [None, 24, 6, 2, 1])
def test_for_a_linear_model_the_distance_is_exact(m):
    model, images = linear(24), torch.rand(30, 1, 4, 6, generator=seeded(3), dtype=torch.float64)
    images[:, :, 0] = 0  # black and white pixels are no wall
    labels = model(images).argmax(1)
    basis = None if m is None else random_basis(m, 24, generator=seeded(m)).double()
    found = boundary_distance(model, images, labels, basis, progress=False)
    value, normals = boundaries(model, images, labels)
    within = normals if m is None else normals @ basis
    expected = (value / within.norm(dim=2)).amin(1)
    torch.testing.assert_close(found.distances, expected, rtol=1e-6, atol=1e-8)
    perturbations = found.perturbations.flatten(1)
    torch.testing.assert_close(perturbations.norm(dim=1), found.distances)
    if m is not None:
        torch.testing.assert_close(perturbations @ basis @ basis.T, perturbations)
    at_end = model(images + found.perturbations).detach().topk(2).values
    assert (at_end[:, 0] - at_end[:, 1]).abs().max() < 1e-5
    assert (model(images + 1.001 * found.perturbations).argmax(1) != labels).all()


def smooth(d):
    """A model with a curved boundary."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(d, 20), nn.Tanh(), nn.Linear(20, 3)).double()
    for layer, seed in ((model[1], 1), (model[3], 2)):
        layer.weight.data = torch.randn(layer.weight.shape, generator=seeded(seed), dtype=torch.float64) / d**0.25
        layer.bias.data.zero_()
    return model


def test_it_is_deepfool_in_the_coordinates_of_the_basis():
    model, images = smooth(30), torch.rand(8, 1, 5, 6, generator=seeded(4), dtype=torch.float64)
    labels, basis = model(images).argmax(1), random_basis(6, 30, generator=seeded(1)).double()
    found = boundary_distance(model, images, labels, basis, turns=0, progress=False)
    for i in range(8):

        class Coordinates(nn.Module):
            def __init__(self, image):
                super().__init__()
                self.image = image

            def forward(self, z):
                return model(self.image + 20 * ((z.flatten(1) - 0.5) @ basis.T).view(-1, 1, 5, 6))

        start = torch.full((1, 1, 1, 6), 0.5, dtype=torch.float64)
        plain = deepfool(Coordinates(images[i]), start, labels[i : i + 1], progress=False)
        length = 20 * distances.l2(plain, start).item()
        assert 0.95 * length - 0.01 < found.distances[i].item() < length  # the overshoot is bisected away


@pytest.mark.parametrize("m", [None, 8])
def test_turned_perturbations_are_shorter_and_stand_upright_on_the_boundary(m):
    model, images = smooth(30), torch.rand(40, 1, 5, 6, generator=seeded(4), dtype=torch.float64)
    labels = model(images).argmax(1)
    basis = None if m is None else random_basis(m, 30, generator=seeded(1)).double()
    plain = boundary_distance(model, images, labels, basis, turns=0, progress=False)
    turned = boundary_distance(model, images, labels, basis, turns=30, progress=False)
    assert (turned.distances <= plain.distances + 1e-9).all() and turned.distances.mean() < plain.distances.mean()
    at_end = (images + turned.perturbations).requires_grad_()
    logits = model(at_end)
    rival = logits.detach().scatter(1, labels[:, None], -torch.inf).argmax(1)
    lead = logits.gather(1, rival[:, None]) - logits.gather(1, labels[:, None])
    assert lead.abs().max() < 1e-5
    normal = evaluation.gradient(lead.sum(), at_end).flatten(1)
    normal = normal if m is None else normal @ basis @ basis.T
    assert nn.functional.cosine_similarity(normal, turned.perturbations.flatten(1)).quantile(0.2) > 0.99


def test_for_a_network_it_is_nearer_than_deepfool_in_the_box(net, digits):
    images, labels = digits
    plain = boundary_distance(net, images, labels, turns=0, progress=False)
    found = boundary_distance(net, images, labels, progress=False)
    boxed = distances.l2(deepfool(net, images, labels, progress=False), images)
    assert (found.distances <= plain.distances + 1e-4).all() and (plain.distances <= 1.1 * boxed).all()
    assert found.distances.mean() < 0.95 * plain.distances.mean() and found.distances.mean() > 0.5 * boxed.mean()
    assert (net(images + 1.01 * found.perturbations).argmax(1) != labels).float().mean() > 0.95


def test_for_a_network_the_distance_grows_like_the_root_of_d_over_m(net, digits):
    images, labels = digits
    for turns in (0, 5):
        whole = boundary_distance(net, images, labels, turns=turns, progress=False).distances
        for m, low, high in ((196, 0.9, 1.15), (49, 0.75, 1.3)):
            basis = random_basis(m, 784, generator=seeded(m))
            found = boundary_distance(net, images, labels, basis, turns=turns, progress=False)
            beta = (m / 784) ** 0.5 * found.distances / whole
            assert low < beta.mean() < high


def test_a_basis_is_orthonormal_and_no_direction_is_preferred():
    basis = random_basis(5, 40, generator=seeded(0))
    torch.testing.assert_close(basis.T @ basis, torch.eye(5), atol=1e-5, rtol=0)
    assert torch.equal(basis, random_basis(5, 40)) and not torch.equal(basis, random_basis(5, 40, generator=seeded(1)))
    generator = seeded(2)
    caught = torch.stack([random_basis(5, 40, generator=generator).square().sum(1) for _ in range(2000)])
    torch.testing.assert_close(caught.mean(0), torch.full((40,), 5 / 40), atol=0.01, rtol=0)  # of each axis
    assert stats.kstest(caught[:, 0].numpy(), stats.beta(5 / 2, 35 / 2).cdf).pvalue > 0.01


def test_misclassified_images_are_at_0_and_what_cannot_be_reached_at_infinity():
    model = linear(4, classes=2)
    model[1].weight.data = torch.tensor([[1.0, 0, 0, 0], [0, 0, 0, 0]], dtype=torch.float64)
    model[1].bias.data.zero_()
    images = torch.full((2, 1, 2, 2), 0.5, dtype=torch.float64)
    basis = torch.eye(4, dtype=torch.float64)[:, 1:]  # the model does not see these pixels
    found = boundary_distance(model, images, torch.tensor([0, 1]), basis, progress=False)
    assert found.distances.tolist() == [float("inf"), 0] and not found.perturbations.any()


# rays


def test_along_a_ray_the_crossing_of_a_linear_model_is_exact():
    model, images = linear(24), torch.rand(40, 1, 4, 6, generator=seeded(5), dtype=torch.float64)
    labels = model(images).argmax(1)
    directions = torch.randn(images.shape, generator=seeded(6), dtype=torch.float64)
    value, normals = boundaries(model, images, labels)
    unit = directions.flatten(1) / directions.flatten(1).norm(dim=1, keepdim=True)
    speed = (normals @ unit[..., None])[..., 0]
    expected = torch.where(speed > 0, value / speed, torch.inf).amin(1)
    expected = torch.where(expected > 100, torch.inf, expected)
    torch.testing.assert_close(ray(model, images, labels, 7 * directions), expected, rtol=1e-6, atol=0)
    assert expected.isfinite().any()


def test_along_a_ray_a_network_crosses_where_a_fine_walk_says(net, digits):
    images, labels = digits[0][:3], digits[1][:3]
    directions = torch.randn(images.shape, generator=seeded(7))
    found = ray(net, images, labels, directions, far=60.0)
    unit = directions / directions.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    walk = torch.linspace(0, 60, 6001)
    for i in range(3):
        with torch.no_grad():
            changed = net(images[i] + walk.view(-1, 1, 1, 1) * unit[i]).argmax(1) != labels[i]
        expected = walk[changed][0].item() if changed.any() else float("inf")
        assert found[i].item() == pytest.approx(expected, abs=0.011)


class Band(nn.Module):
    """Class 1 between two brightnesses of the first pixel, as one comes from 0."""

    def forward(self, images):
        x = images.flatten(1)[:, :1]
        return torch.cat([torch.zeros_like(x), 0.5 - (x - 2.5).abs()], 1)


def test_the_first_crossing_counts_even_where_the_class_returns():
    image, ahead = torch.zeros(1, 1, 1, 2), torch.tensor([[[[1.0, 0.0]]]])
    assert ray(Band(), image, torch.tensor([0]), ahead).item() == pytest.approx(2.0, abs=1e-6)
    assert ray(Band(), image, torch.tensor([0]), ahead, far=2.001).item() == pytest.approx(2.0, abs=1e-6)
    assert ray(Band(), image, torch.tensor([0]), ahead, far=1.99).item() == float("inf")
    assert ray(Band(), image, torch.tensor([0]), -ahead).item() == float("inf")
    assert ray(Band(), image, torch.tensor([1]), ahead).item() == 0


# bad input

MODEL = linear(4).float()
IMAGES, LABELS = torch.rand(2, 1, 2, 2, generator=seeded(0)), torch.tensor([0, 1])

BAD = {
    "as random_basis": lambda: boundary_distance(MODEL, IMAGES, LABELS, torch.eye(3), progress=False),
    "the basis is list": lambda: boundary_distance(MODEL, IMAGES, LABELS, [1.0], progress=False),
    "not orthonormal": lambda: boundary_distance(MODEL, IMAGES, LABELS, 2 * torch.eye(4), progress=False),
    "turns": lambda: boundary_distance(MODEL, IMAGES, LABELS, turns=-1, progress=False),
    "the shape of the images": lambda: ray(MODEL, IMAGES, LABELS, torch.ones(1, 2, 2)),
    "a direction is 0": lambda: ray(MODEL, IMAGES, LABELS, torch.zeros_like(IMAGES)),
    "a distance above 0": lambda: ray(MODEL, IMAGES, LABELS, IMAGES, far=0),
    "at most the d dimensions": lambda: random_basis(5, 4),
    "m=0": lambda: random_basis(0, 4),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_gets_a_message_that_helps(message):
    with pytest.raises((TypeError, ValueError), match=message):
        BAD[message]()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_finds_the_same(net, digits):
    images, labels = digits
    basis = random_basis(49, 784)
    here = boundary_distance(net, images, labels, basis, progress=False).distances
    there = boundary_distance(net.cuda(), images, labels, basis, progress=False).distances
    net.cpu()
    assert there.device.type == "cpu" and ((here - there).abs() < 0.02 * here).float().mean() > 0.9
