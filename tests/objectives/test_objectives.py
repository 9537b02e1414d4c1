"""Classifiers by other objectives: right where the answer is known, and open to every attack."""

import copy
import math

import pytest
import torch
from scipy.optimize import minimize_scalar
from sklearn import svm
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier
from torch import nn
from torch.distributions import MultivariateNormal
from torch.nn import functional as F

from course_utils import data, evaluation, models, objectives
from course_utils.attacks import deepfool, distances, pgd
from course_utils.data import Split
from course_utils.objectives import rbf
from course_utils.objectives.temperature import TemperatureScaled

BUILD = {
    "rbf_lenet": lambda split: objectives.rbf_lenet(split, progress=False),
    "shallow_rbf": lambda split: objectives.shallow_rbf(split, progress=False),
    "linear_svm": objectives.linear_svm,
    "rbf_svm": lambda split: objectives.rbf_svm(split, progress=False),
    "hinge": lambda split: lenet(split, lambda net, x, y: hinge(net(x), y)),
    "large_margin": lambda split: lenet(split, objectives.large_margin),
    "nearest": objectives.NearestDigit,
    "gaussians": objectives.gaussians,
}
FREE = ("shallow_rbf", "linear_svm", "rbf_svm", "nearest", "gaussians")  # of the shape of the images
everyone = pytest.mark.parametrize("name", BUILD)
any_shape = pytest.mark.parametrize("name", FREE)


class Constant(nn.Module):
    """Takes the pixels out of the graph."""

    def forward(self, pixels):
        return pixels.detach()


def hinge(logits, labels, margin=1.0):
    """A margin in the logits."""
    return (margin - evaluation.margin(logits, labels)).relu().mean()


def posterior(logits, j):
    """The confidence that goes with `map_criterion`; for j None that of `bernoulli`."""
    if j is None:
        return objectives.confidence(logits)
    return torch.cat([logits, torch.full_like(logits[:, :1], -j)], dim=1).softmax(1)[:, :-1].amax(1)


def lenet(split, loss):
    return objectives.train(models.LeNet5, split, loss, epochs=4, progress=False)


def toy(shape=(3, 4, 5), classes=3, number=60, dtype=torch.float32):
    """Noisy copies of a random image for each class."""
    draw = torch.Generator().manual_seed(3)
    places = torch.rand(classes, *shape, generator=draw)
    labels = torch.arange(number) % classes
    images = places[labels] + 0.2 * torch.randn(number, *shape, generator=draw)
    return Split(images.clamp(0, 1).to(dtype), labels)


@pytest.fixture(scope="module")
def digits():
    return data.mnist("cpu").train[:2000]


@pytest.fixture(scope="module")
def held_out():
    return data.mnist("cpu").test[:300]


@pytest.fixture(scope="module")
def built(digits):
    return {name: build(digits) for name, build in BUILD.items()}


# What every classifier owes


@everyone
def test_it_learns_digits(name, built, held_out):
    assert evaluation.accuracy(built[name], held_out) > 0.82


@everyone
def test_attacks_run_on_it(name, built, held_out):
    model, right = built[name], evaluation.predict(built[name], held_out.images).labels == held_out.labels
    split = held_out[right][:20]
    found = deepfool(model, split.images, split.labels, progress=False)
    assert (evaluation.predict(model, found).labels != split.labels).all()
    length = distances.l2(split.images, found)
    assert 0.05 < length.median() < 5
    noise = torch.randn(20, 784, generator=torch.Generator().manual_seed(0))
    noise = length[:, None, None, None] * F.normalize(noise, dim=1).view_as(found)
    by_chance = (split.images + noise).clamp(0, 1)
    assert (evaluation.predict(model, by_chance).labels == split.labels).float().mean() > 0.8
    inside = pgd(model, split.images, split.labels, 0.05, steps=5, progress=False)
    assert distances.linf(split.images, inside).max() <= 0.05 + 1e-6


@everyone
def test_the_gradient_is_that_of_finite_differences(name, built, held_out):
    model = copy.deepcopy(built[name]).double()
    noise = torch.rand(1, 1, 28, 28, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    image = (0.8 * held_out.images[:1] + 0.2 * noise).requires_grad_()  # no two pixels agree, so no kink of a maximum
    logits = model(image)
    assert logits.dtype == torch.float64 and logits.shape == (1, 10)
    way = torch.randn(image.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for k in (0, 7):
        (slope,) = torch.autograd.grad(logits[0, k], image, retain_graph=True)
        h = 1e-6
        with torch.no_grad():
            measured = (model(image + h * way) - model(image - h * way))[0, k] / (2 * h)
        assert measured == pytest.approx((slope * way).sum().item(), rel=1e-4, abs=1e-6)
        assert slope.abs().max() > 0


@everyone
def test_the_same_classifier_twice_and_the_random_state_stays(name, digits):
    before = torch.get_rng_state()
    first, second = (BUILD[name](digits[:300]) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    assert name == "nearest" or not first.training
    assert torch.equal(evaluation.logits(first, digits.images[:9]), evaluation.logits(second, digits.images[:9]))


@any_shape
@pytest.mark.parametrize("shape,classes", [((3, 4, 5), 3), ((1, 1, 7), 2)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_images_of_any_shape_and_type(name, shape, classes, dtype):
    split = toy(shape, classes, dtype=dtype)
    settings = {"shallow_rbf": dict(epochs=60, lr=0.02, progress=False), "rbf_svm": dict(progress=False)}
    make = objectives.NearestDigit if name == "nearest" else getattr(objectives, name)
    model = make(split, **settings.get(name, {}))
    logits = evaluation.logits(model, split.images)
    assert logits.shape == (60, classes) and logits.dtype == dtype
    assert evaluation.accuracy(model, split) > 0.9


@any_shape
def test_a_split_it_cannot_learn_from(name):
    make, split = BUILD[name], toy()
    with pytest.raises(TypeError, match="want a Split"):
        make(split.images)
    with pytest.raises(ValueError, match="two images of each"):
        make(split[split.labels != 1])
    with pytest.raises(ValueError, match="two classes at least"):
        make(split[split.labels == 0])
    with pytest.raises(ValueError, match="grey levels"):
        make(Split(split.images * 255, split.labels))
    with pytest.raises(ValueError, match="start at 0"):
        make(Split(split.images, split.labels - 1))


@any_shape
def test_images_that_it_was_not_made_for(name, built):
    with pytest.raises(ValueError, match=r"pixels|cannot take"):
        evaluation.logits(built[name], torch.rand(2, 1, 5, 5))
    with pytest.raises(ValueError, match=r"float32|cannot take"):
        evaluation.logits(built[name], torch.rand(2, 1, 28, 28, dtype=torch.float64))


# Agreement with scikit-learn


@pytest.mark.parametrize("classes", [2, 10])
def test_the_linear_machine_is_that_of_scikit_learn(digits, held_out, classes):
    split, others = digits[digits.labels < classes], held_out[held_out.labels < classes]
    theirs = svm.LinearSVC(C=0.01, dual=True, random_state=0, max_iter=5000)
    theirs.fit(split.images.flatten(1).numpy(), split.labels.numpy())
    pixels = others.images.flatten(1).numpy()
    logits = objectives.linear_svm(split)(others.images).detach()
    values = torch.tensor(theirs.decision_function(pixels)).float()
    values = torch.stack([-values, values], dim=1) if classes == 2 else values
    assert torch.allclose(logits, values, atol=1e-4)
    assert (logits.argmax(1).numpy() == theirs.predict(pixels)).all()


def test_the_kernel_machine_is_that_of_scikit_learn(digits, held_out):
    split = digits[:1000]
    theirs = OneVsRestClassifier(svm.SVC(C=10, gamma="scale"))
    theirs.fit(split.images.flatten(1).double().numpy(), split.labels.numpy())
    pixels = held_out.images.flatten(1).double().numpy()
    for dtype, close in ((torch.float64, 1e-6), (torch.float32, 1e-4)):  # the solver stops at 1e-3, its path may round
        exact = Split(split.images.to(dtype), split.labels)
        model = objectives.rbf_svm(exact, progress=False)
        logits = model(held_out.images.to(dtype))
        values = torch.tensor(theirs.decision_function(pixels))
        assert (logits.double() - values).abs().max() < close
        assert (logits.argmax(1).numpy() == theirs.predict(pixels)).mean() >= 0.999


def test_the_nearest_digit_is_that_of_scikit_learn(built, digits, held_out):
    theirs = KNeighborsClassifier(1, algorithm="brute")
    theirs.fit(digits.images.flatten(1).numpy(), digits.labels.numpy())
    logits = built["nearest"](held_out.images)
    assert (logits.argmax(1).numpy() == theirs.predict(held_out.images.flatten(1).numpy())).all()
    plain = torch.cdist(held_out.images.flatten(1).double(), digits.images.flatten(1).double())
    each = torch.stack([plain[:, digits.labels == k].amin(1) for k in range(10)], dim=1)
    assert torch.allclose(-logits.double(), each, atol=1e-4)


# Known answers


def test_gaussians_are_those_of_torch_distributions():
    split = toy(dtype=torch.float64)
    model = objectives.gaussians(split, ridge=0.1)
    pixels = split.images.flatten(1)
    for k in range(3):
        group = pixels[split.labels == k]
        spread = group - group.mean(0)
        covariance = spread.T @ spread / len(group) + 0.1 * torch.eye(60, dtype=torch.float64)
        density = MultivariateNormal(group.mean(0), covariance).log_prob(pixels) + math.log(1 / 3)
        assert torch.allclose(model(split.images)[:, k], density)


def test_a_gaussian_tells_noise_from_digits(built, held_out):
    noise = torch.rand(50, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    density = [built["gaussians"](images).logsumexp(1) for images in (noise, held_out.images)]
    assert density[0].max() < density[1].min()


def test_the_drawings_are_ten_and_far_from_each_other():
    drawings = objectives.bitmaps()
    assert drawings.shape == (10, 84)
    assert torch.cdist(drawings, drawings).add(100 * torch.eye(10)).square().min() >= 4 * 3  # 3 pixels at least


def test_the_map_criterion_is_equation_9():
    y = torch.tensor([[0.5, 3.0, 20.0], [4.0, 1.0, 2.0]], dtype=torch.float64)
    labels = torch.tensor([0, 2])
    plain = [
        y[i, labels[i]].item() + math.log(math.exp(-7) + sum(math.exp(-value) for value in y[i].tolist()))
        for i in range(2)
    ]
    assert rbf.map_criterion(-y, labels, rubbish=7.0).item() == pytest.approx(sum(plain) / 2)


def test_bernoulli_is_one_yes_or_no_a_class():
    logits = torch.tensor([[-0.2, -1.5, -0.7], [-3.0, -0.01, -2.0]], dtype=torch.float64)
    labels = torch.tensor([2, 0])
    plain = F.binary_cross_entropy(logits.exp(), F.one_hot(labels, 3).double(), reduction="none").sum(1).mean()
    assert rbf.bernoulli(logits, labels).item() == pytest.approx(plain.item())
    assert rbf.bernoulli(torch.zeros(1, 2), torch.tensor([0])).isfinite()  # p = 1 for a wrong class


def test_a_confidence_is_not_shared_out():
    far = torch.full((1, 10), -30.0)
    assert objectives.confidence(far) < 1e-12 and objectives.confidence(torch.tensor([[0.0, 0.0]])) == 1
    for wrong in (1.0, math.nan):
        with pytest.raises(ValueError, match="none above 0"):
            objectives.confidence(torch.full((1, 3), wrong))


def test_radial_basis_functions_do_not_take_noise_for_digits(built, held_out):
    noise = torch.rand(100, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    for name, j in (("rbf_lenet", rbf.RUBBISH), ("shallow_rbf", None)):
        sure = [posterior(evaluation.logits(built[name], x), j) for x in (noise, held_out.images)]
        assert (sure[0] > 0.5).float().mean() < 0.05 and (sure[1] > 0.5).float().mean() > 0.5


def test_but_ascent_makes_noise_into_what_they_take_for_digits(built, digits):
    noise = torch.rand(20, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    labels = torch.arange(20) % 10
    for name, j in (("rbf_lenet", rbf.RUBBISH), ("shallow_rbf", None)):
        x = noise
        for step in range(100):
            x = x.detach().requires_grad_()
            (slope,) = torch.autograd.grad(built[name](x).gather(1, labels[:, None]).sum(), x)
            x = (x + 0.02 * (1 - step / 100) * slope.sign()).clamp(0, 1).detach()
        assert (posterior(evaluation.logits(built[name], x), j) > 0.5).float().mean() > 0.9
        assert built["nearest"](x).amax(1).median() < -10  # still far from all digits


def test_a_large_margin_is_the_distance_of_a_linear_model():
    torch.manual_seed(0)
    layer = nn.Linear(12, 4).double()
    model, images = nn.Sequential(nn.Flatten(), layer), torch.rand(6, 3, 2, 2, dtype=torch.float64)
    labels = torch.arange(6) % 4
    logits, losses = model(images), []
    for i, y in enumerate(labels.tolist()):
        best = max((k for k in range(4) if k != y), key=lambda k: logits[i, k])
        slope = (layer.weight[best] - layer.weight[y]).norm() + 1e-3
        losses.append(max(0.0, 0.7 + ((logits[i, best] - logits[i, y]) / slope).item()))
    found = objectives.large_margin(model, images, labels, gamma=0.7)
    assert found.item() == pytest.approx(sum(losses) / 6)
    found.backward()
    assert layer.weight.grad.abs().max() > 0 and images.grad is None


def test_logits_twice_as_large_help_the_hinge_and_not_the_margin_in_the_image(net, held_out):
    louder = TemperatureScaled(net, 0.1)
    x, y = held_out.images, held_out.labels
    assert hinge(louder(x), y, 5.0) < hinge(net(x), y, 5.0)
    quiet, loud = (objectives.large_margin(model, x, y, 3.0).item() for model in (net, louder))
    assert loud == pytest.approx(quiet, rel=0.01)


def test_a_large_margin_moves_the_boundary_away(built, held_out):
    far = [
        distances.l2(held_out.images, deepfool(built[name], *(held_out.images, held_out.labels), progress=False))
        for name in ("large_margin", "hinge")
    ]
    assert far[0].median() > 1.1 * far[1].median()


def test_a_temperature_changes_neither_classes_nor_deepfool(built, held_out):
    model = built["gaussians"]
    cool = objectives.calibrate(model, held_out)
    x, y = held_out.images[:10], held_out.labels[:10]
    assert cool.temperature > 3  # log densities claim too much
    assert torch.equal(cool(x).argmax(1), model(x).argmax(1))
    ways = [deepfool(m, x, y, progress=False) for m in (model, cool)]
    assert torch.allclose(*(distances.l2(x, way) for way in ways), rtol=1e-2, atol=1e-3)
    losses = [F.cross_entropy(m(held_out.images), held_out.labels) for m in (model, cool)]
    assert losses[1] < losses[0]


def test_sharp_logits_hide_the_gradient_from_an_attack(net, held_out):
    sharp, x, y = TemperatureScaled(net, 1e-3), held_out.images, held_out.labels
    errors = [
        1 - evaluation.accuracy(net, Split(pgd(m, x, y, 0.2, steps=10, start="clean", progress=False), y))
        for m in (net, sharp)
    ]
    assert errors[0] > errors[1] + 0.2


def test_the_temperature_is_the_best_one_within_a_step_of_five_percent(built, held_out):
    outputs = built["gaussians"](held_out.images).detach().double()
    best = minimize_scalar(
        lambda log: F.cross_entropy(outputs / math.exp(log), held_out.labels).item(), bounds=(-6, 6), method="bounded"
    )
    assert objectives.calibrate(built["gaussians"], held_out).temperature == pytest.approx(math.exp(best.x), rel=0.05)


def test_dropout_is_drawn_from_the_seed_of_the_training():
    def build():
        return nn.Sequential(nn.Flatten(), nn.Linear(60, 20), nn.BatchNorm1d(20), nn.Dropout(0.5), nn.Linear(20, 3))

    nets = []
    for seed in (1, 2):  # of torch's own generator, which shall not matter
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        nets.append(objectives.train(build, toy(), objectives.large_margin, batch=20, progress=False))
        assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(*(net(toy().images) for net in nets))


@pytest.mark.parametrize("make", [objectives.linear_svm, objectives.rbf_svm, objectives.gaussians])
def test_images_that_a_gradient_was_asked_of(make):
    split = toy()
    asked = Split(split.images.clone().requires_grad_(), split.labels)
    assert torch.equal(make(asked)(split.images), make(split)(split.images))


# Bad input


def test_settings_that_make_no_sense():
    split = toy()
    for make, settings, message in (
        (objectives.linear_svm, dict(C=0), "C=0"),
        (objectives.rbf_svm, dict(C=float("nan")), "C=nan"),
        (objectives.rbf_svm, dict(gamma=-1), "gamma=-1"),
        (objectives.gaussians, dict(ridge=0), "dead pixels"),
        (objectives.shallow_rbf, dict(epochs=0), "epochs=0"),
    ):
        with pytest.raises(ValueError, match=message):
            make(split, **settings)
    with pytest.raises(ValueError, match="every pair"):
        objectives.rbf_svm(Split(torch.rand(20_001, 1, 1, 1), torch.arange(20_001) % 2))
    grey = Split(torch.full((4, 1, 2, 2), 0.5), torch.arange(4) % 2)
    with pytest.raises(ValueError, match="None needs images that differ"):
        objectives.rbf_svm(grey)
    with pytest.raises(TypeError, match="want a Split"):
        objectives.calibrate(nn.Flatten(), grey.images)
    with pytest.raises(ValueError, match="no gradient flows"):
        objectives.large_margin(nn.Sequential(nn.Flatten(), Constant()), grey.images, grey.labels)
    with pytest.raises(TypeError, match="without brackets"):
        objectives.train(lambda: F.relu, split, objectives.large_margin)
    with pytest.raises(ValueError, match="labels run"):
        objectives.train(models.LeNet5, Split(torch.rand(4, 1, 28, 28), torch.full((4,), 10)), objectives.large_margin)


@pytest.mark.parametrize("temperature", [0, -1.0, float("nan")])
def test_a_temperature_is_above_0(temperature):
    with pytest.raises(ValueError, match=f"temperature={temperature}"):
        TemperatureScaled(nn.Flatten(), temperature)
