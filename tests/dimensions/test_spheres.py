"""The two spheres: their points, caps with known distances, networks with known errors, and bad input."""

import pytest
import torch
from scipy import optimize, stats
from torch import nn

from course_utils.dimensions.caps import cap_distance
from course_utils.dimensions.flip_probability import flip_probability, flip_probability_splitting
from course_utils.dimensions.spheres import dense, nearest_error, spheres, train_spheres


def seeded(number):
    return torch.Generator().manual_seed(number)


def cap(d, height):
    """A model that errs on the points of the inner sphere whose first number is above ``height``."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(d, 2))
    model[1].weight.data = torch.zeros(2, d)
    model[1].weight.data[1, 0] = 1.0
    model[1].bias.data = torch.tensor([height, 0.0])
    return model


def inner(number, d, seed=0):
    points, labels = spheres(3 * number, d, generator=seeded(seed))
    return points[labels == 0][:number]


def test_points_lie_on_their_spheres_in_all_directions_alike():
    points, labels = spheres(4000, 7, generator=seeded(1))
    torch.testing.assert_close(points.norm(dim=1), torch.where(labels == 1, 1.3, 1.0))
    assert 1850 < labels.sum() < 2150
    first = (points / points.norm(dim=1, keepdim=True))[:, 0]
    assert stats.kstest(((1 + first) / 2).numpy(), stats.beta(3, 3).cdf).pvalue > 0.01
    state = torch.get_rng_state()
    assert torch.equal(spheres(5, 3).points, spheres(5, 3, generator=seeded(0)).points)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("radius", [1.0, 1.3])
def test_the_nearest_error_of_a_cap_is_at_its_rim(radius):
    d, height = 30, 0.4
    points = inner(100, d) * radius
    found = nearest_error(cap(d, height), points, torch.zeros(100, dtype=torch.int64), progress=False)
    angle = (points[:, 0] / radius).acos() - torch.tensor(height / radius).acos()
    expected = 2 * radius * (angle.clamp_min(0) / 2).sin()
    torch.testing.assert_close(found, expected, atol=2e-4, rtol=1e-3)


def test_errors_themselves_are_at_0_and_without_errors_there_is_no_distance():
    points = inner(20, 5)
    labels = torch.zeros(20, dtype=torch.int64)
    everywhere = nearest_error(cap(5, -2.0), points, labels, progress=False)
    nowhere = nearest_error(cap(5, 1.5), points, labels, progress=False)
    assert not everywhere.any() and nowhere.isinf().all()


class Ellipsoid(nn.Module):
    """The paper's network whose errors can be computed: its boundary is ``sum_i alpha_i x_i^2 = 1``."""

    def __init__(self, alphas):
        super().__init__()
        self.alphas = nn.Parameter(alphas)

    def forward(self, x):
        f = x.flatten(1).square() @ self.alphas - 1
        return torch.stack([torch.zeros_like(f), f], 1)


def exactly(point, alphas):
    """The straight distance from a point of the unit sphere to the part of it outside the ellipsoid."""

    def end(nu):  # the stationary points of the problem's Lagrangian
        w = point / (1 - nu * alphas)
        return w / w.norm()

    def outside(nu):
        return ((alphas * end(nu) ** 2).sum() - 1).item()

    if outside(0.0) > 0:
        return 0.0
    nu = optimize.brentq(outside, 0.0, (1 - 1e-12) / alphas.max().item(), xtol=1e-15)
    return (end(nu) - point).norm().item()


def test_the_nearest_error_of_an_ellipsoid_is_the_exact_one():
    alphas = torch.cat([torch.linspace(0.7, 0.95, 16), torch.tensor([1.1, 1.2, 1.3, 1.5])])
    points = inner(60, 20)
    found = nearest_error(Ellipsoid(alphas), points, torch.zeros(60, dtype=torch.int64), progress=False)
    expected = torch.tensor([exactly(point.double(), alphas.double()) for point in points])
    assert (found.double() >= expected - 1e-4).all()  # nothing is nearer than the nearest
    assert (found.double() <= 1.02 * expected + 1e-3).double().mean() > 0.9
    assert found.mean().item() == pytest.approx(expected.mean().item(), rel=0.02)


def test_training_learns_the_spheres_and_touches_nothing_else():
    torch.manual_seed(7)
    model, twin = dense(20, 60, 60), dense(20, 60, 60)
    twin.load_state_dict(model.state_dict())
    points, labels = spheres(4000, 20, generator=seeded(9))
    before = (model.eval()(points).argmax(1) != labels).double().mean()
    state = torch.get_rng_state()
    history = train_spheres(model, 20, samples=40_000, lr=0.02, progress=False)
    train_spheres(twin, 20, samples=40_000, lr=0.02, progress=False)
    assert torch.equal(torch.get_rng_state(), state)
    after = (model.eval()(points).argmax(1) != labels).double().mean()
    assert history.finished and len(history.losses) == 160 and after < 0.06 and after < before / 3
    assert torch.equal(model(points), twin.eval()(points))


def test_a_trained_networks_errors_are_no_farther_than_a_cap_of_their_size():
    torch.manual_seed(7)
    model = dense(50, 100, 100)
    train_spheres(model, 50, samples=25_000, progress=False)
    centre, label = torch.zeros(1, 1, 1, 50), torch.tensor([0])
    found = flip_probability_splitting(model, centre, label, 1.0, law="sphere", generator=seeded(3), progress=False)
    counts = flip_probability(
        model, centre, label, 1.0, law="sphere", samples=100_000, generator=seeded(4), progress=False
    ).counts
    share = counts.item() / 100_000
    assert 1e-4 < share < 0.1 and found.probabilities.item() == pytest.approx(share, rel=0.5)
    far = nearest_error(model, inner(200, 50, seed=5), torch.zeros(200, dtype=torch.int64), progress=False)
    assert 0.3 * cap_distance(share, 50) < far.mean() < cap_distance(share, 50)


def test_points_may_be_vectors_or_images():
    points, model = torch.randn(3, 6, generator=seeded(0)), dense(6, 4, 5).eval()
    assert torch.equal(model(points), model(points[:, None, None])) and model(points).shape == (3, 2)


BAD = {
    "those of one sphere": lambda: nearest_error(cap(3, 0.5), torch.eye(3) * torch.tensor([1.0, 1.0, 1.3]), ZEROS),
    "pass the .points": lambda: nearest_error(cap(3, 0.5), torch.ones(3), ZEROS),
    "one class number an image": lambda: nearest_error(cap(3, 0.5), torch.eye(3), ZEROS[:1]),
    "cannot take": lambda: nearest_error(cap(4, 0.5), torch.eye(3), ZEROS),
    "number=0": lambda: spheres(0, 3),
    "d=0.5": lambda: spheres(1, 0.5),
    "samples": lambda: train_spheres(dense(3), 3, samples=0),
}
ZEROS = torch.zeros(3, dtype=torch.int64)


@pytest.mark.parametrize("message", BAD)
def test_bad_input_gets_a_message_that_helps(message):
    with pytest.raises((TypeError, ValueError), match=message):
        BAD[message]()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_trains_and_finds_errors():
    model = dense(20, 40).cuda()
    assert train_spheres(model, 20, samples=20_000, progress=False).finished
    found = nearest_error(model, inner(50, 20).cuda(), torch.zeros(50, dtype=torch.int64), progress=False)
    assert found.is_cuda and found.isfinite().float().mean() > 0.9
