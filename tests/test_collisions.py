"""Collisions: the logits agree, the box holds, and small problems come out as the books say."""

import itertools

import numpy as np
import pytest
import torch
from scipy.optimize import lsq_linear, minimize
from torch import nn

from course_utils import data, models
from course_utils.attacks import deepfool
from course_utils.attacks._search import length
from course_utils.collisions import _box, blind, invariance, meet


@pytest.fixture(scope="module")
def pairs():
    """Twelve test digits, and as many of other classes."""
    split = data.mnist("cpu").test[:400]
    first = split[:12]
    rows = [int((split.labels != label).nonzero()[20 + n]) for n, label in enumerate(first.labels)]
    return first, split[torch.tensor(rows)]


def dense(*widths):
    torch.manual_seed(3)
    layers = [nn.Flatten()]
    for number, (into, out) in enumerate(itertools.pairwise(widths)):
        layers += [nn.ReLU()] * (number > 0) + [nn.Linear(into, out)]
    return nn.Sequential(*layers)


def nearest_with(weight, image, goal):
    """The nearest to goal within the box that a linear net cannot tell from image: a heavy weight makes it obey."""
    rows = np.concatenate([1e5 * weight, np.eye(weight.shape[1])])
    right = np.concatenate([1e5 * weight @ image.flatten().numpy(), goal.flatten().numpy()])
    return lsq_linear(rows, right, bounds=(0, 1), tol=1e-14).x


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_project_agrees_with_a_solver(dtype):
    generator = torch.Generator().manual_seed(1)
    y = 2 * torch.rand(5, 20, generator=generator, dtype=dtype) - 0.5
    matrix = torch.randn(5, 3, 20, generator=generator, dtype=dtype)
    values = (matrix @ torch.rand(5, 20, 1, generator=generator, dtype=dtype))[..., 0]
    found = _box.project(y, matrix, values)
    assert found.dtype == dtype and found.min() >= 0 and found.max() <= 1
    assert torch.allclose((matrix @ found[..., None])[..., 0], values, atol=1e-5)
    for one, start, rows, value in zip(found, y, matrix, values, strict=True):
        start, rows, value = (each.double().numpy() for each in (start, rows, value))
        best = minimize(
            lambda x, start=start: ((x - start) ** 2).sum() / 2,
            np.full(20, 0.5),
            jac=lambda x, start=start: x - start,
            bounds=[(0, 1)] * 20,
            constraints={"type": "eq", "fun": lambda x, a=rows, b=value: a @ x - b, "jac": lambda x, a=rows: a},
            options={"ftol": 1e-12},
        )
        assert np.abs(best.x - one.numpy()).max() < 1e-3


def test_the_jacobian_is_that_of_torch():
    model, x = dense(6, 5, 4), torch.rand(3, 1, 2, 3)
    logits, slopes = _box.jacobian(model, x)
    for one, row, outputs in zip(x, slopes, logits, strict=True):
        assert torch.allclose(outputs, model(one[None])[0])
        whole = torch.autograd.functional.jacobian(lambda image: model(image)[0], one[None])
        assert torch.allclose(row, whole.flatten(1), atol=1e-6)


def test_collide_gives_digits_the_logits_of_others(net, pairs):
    start, others = pairs
    net.train()
    twin = meet.collide(net, start.images, others.images, progress=False)
    assert net.training and all(p.grad is None for p in net.parameters())
    net.eval()
    assert twin.found.float().mean() >= 0.9
    wanted = net(others.images)
    errors = (net(twin.images) - wanted).abs().amax(1)
    assert torch.allclose(errors, twin.errors, atol=2e-5)
    assert torch.equal(twin.found, twin.errors <= 1e-4)
    assert twin.images.min() >= 0 and twin.images.max() <= 1
    way, whole = length(twin.images - start.images), length(others.images - start.images)
    assert way.median() < 0.7 * whole.median()
    fooled = deepfool(net, start.images, start.labels, targets=others.labels, progress=False)
    assert way.median() > length(fooled - start.images).median()  # ten numbers cost more than a name
    by_logits = meet.collide(net, start.images, wanted.detach(), progress=False)
    assert torch.equal(by_logits.images, twin.images)


def test_an_image_that_collides_already_stays_where_it_is(net, pairs):
    x = pairs[0].images
    assert torch.equal(meet.collide(net, x, x, steps=2, progress=False).images, x)


def test_collide_comes_as_near_as_a_linear_net_allows():
    torch.manual_seed(0)
    model, x, goal = dense(20, 3).double(), torch.rand(2, 1, 4, 5).double(), torch.rand(2, 1, 4, 5).double()
    twin = meet.collide(model, x, goal, progress=False)
    assert twin.found.all()
    weight = model[1].weight.detach().numpy()
    for one, start, to in zip(twin.images, x, goal, strict=True):
        assert np.abs(nearest_with(weight, to, start) - one.flatten().numpy()).max() < 1e-3


def test_collide_says_where_it_found_nothing():
    model = dense(4, 2)
    twin = meet.collide(model, torch.rand(2, 1, 2, 2), torch.full((2, 2), 100.0), steps=2, progress=False)
    assert not twin.found.any() and (twin.errors > 90).all()


def test_the_matrix_of_a_convolution_is_the_convolution():
    layer = nn.Sequential(models.Normalise([0.1], [0.3]), nn.Conv2d(1, 4, 3, padding=1))
    x = torch.rand(3, 1, 6, 5)
    rows = blind.matrix(layer, (1, 6, 5))
    black = layer(torch.zeros(1, 1, 6, 5)).flatten(1)
    assert torch.allclose(x.flatten(1) @ rows.T + black, layer(x).flatten(1), atol=1e-4)


@pytest.mark.parametrize(("model", "dimension"), [(models.FC(100), 684), (models.FC(), 774), (models.LeNet5(), 0)])
def test_the_null_space_has_the_dimension_that_counting_gives(model, dimension):
    rows = blind.matrix(blind.first_layer(model), (1, 28, 28))
    basis = blind.null_space(rows)
    assert basis.shape == (784, dimension)
    assert torch.allclose(basis.T @ basis, torch.eye(dimension), atol=1e-5)
    assert dimension == 0 or (rows @ basis).abs().max() < 1e-4


def test_invisible_changes_are_large_and_unseen(pairs):
    model, (start, others) = dense(784, 50, 10), pairs
    twin = blind.invisible(model, start.images, others.images)
    assert twin.found.all() and twin.images.min() >= 0 and twin.images.max() <= 1
    assert torch.allclose(model[:2](twin.images), model[:2](start.images), atol=1e-4)
    assert (length(twin.images - others.images) < length(start.images - others.images)).all()
    sighted = models.LeNet5()
    assert torch.equal(blind.invisible(sighted, start.images, others.images).images, start.images)


def test_a_straight_line_is_unseen_to_first_order_alone(pairs):
    start, others = (each.images.double() for each in pairs)
    torch.manual_seed(0)
    net = models.FC(40, activation=nn.Sigmoid).double()  # smooth, and curved enough
    net[1].weight.data *= 8
    ends = blind.unseen(net, start, others)
    along, straight = ((net(torch.lerp(start, to, 1e-6)) - net(start)).abs().amax(1) for to in (ends, others))
    assert (along < 1e-3 * straight).all()
    near, far = (blind.reach(net, start, ends, amount) for amount in (0.01, 1e3))
    whole = length(ends - start)
    assert torch.allclose(far, whole) and (near < whole).all()
    stop = start + (near / whole).view(-1, 1, 1, 1) * (ends - start)
    moved = (net(stop) - net(start)).abs().amax(1)
    assert torch.allclose(moved, torch.full_like(moved, 0.01), atol=1e-5)


@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.4), ("l2", 4.0)])
def test_invariant_keeps_the_budget_and_the_answer(net, pairs, norm, eps):
    start, _ = pairs
    known = data.mnist("cpu").train[:300]
    found = invariance.invariant(net, start.images, start.labels, known, eps, norm=norm, progress=False)
    change = (found.images - start.images).flatten(1)
    assert (change.abs().amax(1) if norm == "linf" else change.norm(dim=1)).max() <= eps + 1e-5
    assert found.images.min() >= 0 and found.images.max() <= 1
    held = net(found.images).argmax(1) == net(start.images).argmax(1)
    assert torch.equal(held, found.held) and held.all()
    assert (found.labels != start.labels).all() and ((found.shares >= 0) & (found.shares <= 1)).all()
    assert found.shares.mean() > 0.5


def test_invariant_goes_to_the_shifted_picture_where_the_budget_is_the_whole_box():
    image = torch.zeros(1, 1, 8, 8)
    picture = torch.zeros(1, 8, 8)
    picture[0, 2:5, 3:6] = 1.0
    image[0, 0, 3:6, 3:6] = 0.9  # the same square, one row lower
    known = data.Split(picture[None], torch.tensor([1]))
    model = dense(64, 2)
    found = invariance.invariant(model, image, torch.tensor([0]), known, 0.2, progress=False)
    lowered = torch.roll(picture[None], 1, 2)
    assert torch.allclose(found.images, lowered, atol=1e-5) or found.shares < 1


def test_the_judge_knows_its_own_pictures():
    known = data.mnist("cpu").train[:50]
    assert torch.equal(invariance.judge(known.images, known), known.labels)


X = torch.full((2, 1, 2, 2), 0.5)
BAD = {
    "give one for each image": lambda m: meet.collide(m, X, X[:1]),
    "take them from this model": lambda m: meet.collide(m, X, torch.rand(2, 5)),
    "difference of logits above 0": lambda m: meet.collide(m, X, X, tolerance=0),
    "steps=0": lambda m: meet.collide(m, X, X, steps=0),
    "divide by 255": lambda m: meet.collide(m, 255 * X, X),
    "not an nn.Sequential": lambda m: blind.first_layer(m[1]),
    "which is not affine": lambda m: blind.first_layer(nn.Sequential(nn.ReLU(), *m)),
    "before the first nonlinearity": lambda m: blind.matrix(nn.Sequential(nn.Flatten(), nn.Tanh()), (1, 2, 2)),
    "cannot take images": lambda m: blind.matrix(m, (1, 3, 3)),
    "want a matrix": lambda m: blind.null_space(torch.rand(3)),
    "largest singular value": lambda m: blind.null_space(torch.rand(3, 4), tolerance=0),
    "change of a logit above 0": lambda m: blind.reach(m, X, X, 0),
    "give a whole split": lambda m: invariance.invariant(
        m, X, torch.tensor([0, 0]), data.Split(X, torch.tensor([0, 0])), 0.1
    ),
    "want one size": lambda m: invariance.invariant(
        m, X, torch.tensor([0, 0]), data.Split(torch.rand(1, 1, 3, 3), torch.tensor([1])), 0.1
    ),
    "8 grey levels": lambda m: invariance.invariant(m, X, torch.tensor([0, 0]), data.Split(X, torch.tensor([1, 1])), 8),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_gets_a_message_that_helps(message):
    with pytest.raises((TypeError, ValueError)) as caught:
        BAD[message](dense(4, 3))
    assert message in str(caught.value)
