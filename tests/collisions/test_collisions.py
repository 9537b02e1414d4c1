"""Collisions: the logits agree, the box holds, and small problems come out as the books say."""

import copy
import itertools
import sys

import numpy as np
import pytest
import torch
from scipy.optimize import lsq_linear, minimize
from torch import nn

from course_utils import data, models
from course_utils.attacks import deepfool
from course_utils.collisions import invariance, null_space
from course_utils.collisions.match_logits import jacobian, match_logits, project_to_logits
from course_utils.core.tensors import length


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
    found = project_to_logits(y, matrix, values)
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
    logits, slopes = jacobian(model, x)
    for one, row, outputs in zip(x, slopes, logits, strict=True):
        assert torch.allclose(outputs, model(one[None])[0])
        whole = torch.autograd.functional.jacobian(lambda image: model(image)[0], one[None])
        assert torch.allclose(row, whole.flatten(1), atol=1e-6)


def test_match_logits_gives_digits_the_logits_of_others(net, pairs):
    start, others = pairs
    net = copy.deepcopy(net).train()
    net.zero_grad()
    twin = match_logits(net, start.images, others.images, progress=False)
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


def test_an_image_that_collides_already_stays_where_it_is(net, pairs):
    x = pairs[0].images
    assert torch.equal(match_logits(net, x, x, steps=2, progress=False).images, x)


def test_match_logits_comes_as_near_as_a_linear_net_allows():
    torch.manual_seed(0)
    model, x, goal = dense(20, 3).double(), torch.rand(2, 1, 4, 5).double(), torch.rand(2, 1, 4, 5).double()
    twin = match_logits(model, x, goal, progress=False)
    assert twin.found.all()
    weight = model[1].weight.detach().numpy()
    for one, start, to in zip(twin.images, x, goal, strict=True):
        assert np.abs(nearest_with(weight, to, start) - one.flatten().numpy()).max() < 1e-3


def test_match_logits_starts_from_black_and_white():
    """No pixel is between 0 and 1, so the first linear model seems to have nothing to change."""
    model, draw = dense(30, 4), torch.Generator().manual_seed(0)
    x, goal = (torch.rand(6, 1, 5, 6, generator=draw) for _ in range(2))
    twin = match_logits(model, x.round(), goal, progress=False)
    assert twin.found.all()
    weight = model[1].weight.detach().double().numpy()
    for one, start, to in zip(twin.images, x.round().double(), goal.double(), strict=True):
        assert np.abs(nearest_with(weight, to, start) - one.flatten().double().numpy()).max() < 1e-3


@pytest.mark.parametrize("find", [match_logits, null_space.null_space_perturbation, null_space.jacobian_null_space])
def test_no_graph_and_no_gradient_is_left(find):
    model = dense(60, 5, 4).train()
    model[1].weight.requires_grad_(False)
    x, y = torch.rand(2, 2, 3, 4, 5, generator=torch.Generator().manual_seed(2)).requires_grad_()
    before = torch.get_rng_state()
    found = find(model, x, y)
    images = found if isinstance(found, torch.Tensor) else found.images
    assert not images.requires_grad and images.shape == x.shape
    assert model.training and [p.requires_grad for p in model.parameters()] == [False, True, True, True]
    assert all(p.grad is None for p in model.parameters()) and torch.equal(torch.get_rng_state(), before)
    with torch.inference_mode():
        again = find(model, x, y)
    again = again if isinstance(again, torch.Tensor) else again.images
    assert torch.equal(again, images)


def test_an_interrupt_hands_back_what_there_is(net, pairs, monkeypatch):
    start, others = pairs

    def stop_at(module, name, number):
        calls, inner = itertools.count(1), getattr(module, name)

        def counted(*given):
            if next(calls) == number:
                raise KeyboardInterrupt
            return inner(*given)

        monkeypatch.setattr(module, name, counted)

    stop_at(sys.modules[match_logits.__module__], "tangent_step", 30)
    twin = match_logits(net, start.images[:3], others.images[:3], steps=3, progress=False)
    assert twin.found.any() and torch.equal(twin.found, twin.errors <= 1e-4)
    stop_at(invariance, "_nearest_result", 3)
    found = invariance.invariant(net, start.images, start.labels, others, 0.2, progress=False)
    assert all(len(each) == 2 for each in found)
    stop_at(invariance, "_nearest_result", 1)
    with pytest.raises(KeyboardInterrupt):
        invariance.invariant(net, start.images, start.labels, others, 0.2, progress=False)


def test_an_image_of_one_row_can_move_sideways_alone():
    image, picture = torch.tensor([0.0, 0, 0, 1, 0]), torch.tensor([0.0, 0, 1, 0, 0])
    known = data.Split(picture.view(1, 1, 1, 5), torch.tensor([1]))
    found = invariance.invariant(dense(5, 2), image.view(1, 1, 1, 5), torch.tensor([0]), known, 0.5, progress=False)
    assert torch.equal(found.images.flatten(), image)


def test_match_logits_says_where_it_found_nothing():
    grey, ends = torch.full((2, 1, 2, 2), 0.5), torch.tensor([0.0, 1.0]).view(2, 1, 1, 1).expand(2, 1, 2, 2)
    bump = nn.Sequential(nn.Flatten(), nn.Linear(4, 1), nn.Hardtanh(0.8, 1), nn.Linear(1, 2))  # flat below 0.8
    bump[1].weight.data.fill_(0.25), bump[1].bias.data.zero_()
    twin = match_logits(bump, grey, ends, steps=2, progress=False)
    assert torch.equal(twin.images, grey) and twin.found.tolist() == [True, False] and twin.errors[1] > 0.01


def test_the_matrix_of_a_convolution_is_the_convolution():
    layer = nn.Sequential(models.Normalise([0.1], [0.3]), nn.Conv2d(1, 4, 3, padding=1))
    x = torch.rand(3, 1, 6, 5)
    rows = null_space.first_layer_matrix(nn.Sequential(layer, nn.ReLU(), nn.Flatten()), (1, 6, 5))
    assert torch.equal(rows, null_space.first_layer_matrix(layer, (1, 6, 5)))
    black = layer(torch.zeros(1, 1, 6, 5)).flatten(1)
    assert torch.allclose(x.flatten(1) @ rows.T + black, layer(x).flatten(1), atol=1e-4)


@pytest.mark.parametrize(("model", "dimension"), [(models.FC(100), 684), (models.FC(), 774), (models.LeNet5(), 0)])
def test_the_null_space_has_the_dimension_that_counting_gives(model, dimension):
    rows = null_space.first_layer_matrix(model, (1, 28, 28))
    seen = null_space._row_space(rows)
    assert seen.shape == (784 - dimension, 784)
    assert torch.allclose(seen @ seen.T, torch.eye(len(seen)), atol=1e-5)
    assert torch.allclose(rows @ seen.T @ seen, rows, atol=1e-4)


def test_a_null_space_perturbation_is_large_and_unseen(pairs):
    model, (start, others) = dense(784, 50, 10), pairs
    twin = null_space.null_space_perturbation(model, start.images, others.images)
    assert twin.found.all() and twin.images.min() >= 0 and twin.images.max() <= 1
    assert torch.allclose(model[:2](twin.images), model[:2](start.images), atol=1e-4)
    assert (length(twin.images - others.images) < length(start.images - others.images)).all()
    sighted = models.LeNet5()
    assert torch.equal(null_space.null_space_perturbation(sighted, start.images, others.images).images, start.images)


def test_a_straight_line_is_unseen_to_first_order_alone(pairs):
    start, others = (each.images.double() for each in pairs)
    torch.manual_seed(0)
    net = models.FC(40, activation=nn.Sigmoid).double()  # smooth, and curved enough
    net[1].weight.data *= 8
    ends = null_space.jacobian_null_space(net, start, others)
    along, straight = ((net(torch.lerp(start, to, 1e-6)) - net(start)).abs().amax(1) for to in (ends, others))
    assert (along < 1e-3 * straight).all()
    near, far = (null_space.distance_until_logits_move(net, start, ends, amount) for amount in (0.01, 1e3))
    whole = length(ends - start)
    assert torch.allclose(far, whole) and (near < whole).all()
    stop = start + (near / whole).view(-1, 1, 1, 1) * (ends - start)
    moved = (net(stop) - net(start)).abs().amax(1)
    assert torch.allclose(moved, torch.full_like(moved, 0.01), atol=1e-5)


def test_invariant_keeps_the_budget_and_the_answer(net, pairs):
    start, _ = pairs
    known = data.mnist("cpu").train[:300]
    found = invariance.invariant(net, start.images, start.labels, known, 0.4, progress=False)
    change = (found.images - start.images).flatten(1).abs().amax(1)
    assert change.max() <= 0.4 + 1e-5 and (change > 0.2).float().mean() > 0.5
    assert found.images.min() >= 0 and found.images.max() <= 1
    held = net(found.images).argmax(1) == net(start.images).argmax(1)
    assert torch.equal(held, found.held) and held.all()


def test_invariant_goes_to_the_shifted_picture_where_the_budget_is_the_whole_box():
    image = torch.zeros(1, 1, 8, 8)
    picture = torch.zeros(1, 8, 8)
    picture[0, 2:5, 3:6] = 1.0
    image[0, 0, 3:6, 3:6] = 0.9  # the same square, one row lower
    known = data.Split(picture[None], torch.tensor([1]))
    model = dense(64, 2)
    found = invariance.invariant(model, image, torch.tensor([0]), known, 0.2, progress=False)
    lowered = torch.roll(picture[None], 1, 2)
    assert torch.allclose(found.images, lowered, atol=1e-5)


def test_nearest_label_knows_its_own_pictures():
    known = data.mnist("cpu").train[:50]
    assert torch.equal(invariance.nearest_label(known.images, known), known.labels)


X = torch.full((2, 1, 2, 2), 0.5)
BAD = {
    "give one for each image": lambda m: match_logits(m, X, X[:1]),
    "steps=0": lambda m: match_logits(m, X, X, steps=0),
    "which is not affine": lambda m: null_space.first_layer_matrix(nn.Sequential(nn.ReLU(), *m), (1, 2, 2)),
    "cannot take torch.float32 images": lambda m: null_space.first_layer_matrix(m, (1, 3, 3)),
    "starts with nothing": lambda m: null_space.first_layer_matrix(nn.Sequential(), (1, 2, 2)),
    "change of a logit above 0": lambda m: null_space.distance_until_logits_move(m, X, X, 0),
    "give a whole split": lambda m: invariance.invariant(
        m, X, torch.tensor([0, 0]), data.Split(X, torch.tensor([0, 0])), 0.1
    ),
    "want one size": lambda m: invariance.invariant(
        m, X, torch.tensor([0, 0]), data.Split(torch.ones(1, 1, 3, 3), torch.tensor([1])), 0.1
    ),
    "not a Split": lambda m: invariance.nearest_label(X, X),
    "pixels run from 128": lambda m: invariance.nearest_label(X, data.Split(255 * X, torch.tensor([0, 1]))),
    "8 grey levels": lambda m: invariance.invariant(m, X, torch.tensor([0, 0]), data.Split(X, torch.tensor([1, 1])), 8),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_gets_a_message_that_helps(message):
    with pytest.raises((TypeError, ValueError)) as caught:
        BAD[message](dense(4, 3))
    assert message in str(caught.value)
