"""What every defense owes: the contract of its training loss, and that of the model it hands to attacks."""

import copy

import pytest
import torch
from torch import nn

from course_utils import data, evaluation, objectives, training
from course_utils.attacks import pgd
from course_utils.data import Split
from course_utils.defenses import evaluate
from course_utils.defenses.adversarial import ManySteps, OneStep, Trades
from course_utils.defenses.distillation import softened_loss
from course_utils.defenses.intervals import IntervalLoss
from course_utils.defenses.null_class import with_null_class
from course_utils.defenses.smoothing import NoisyLoss, Smoothed
from course_utils.defenses.squeezing import Squeezed, straight_through
from course_utils.objectives.rbf import map_criterion
from course_utils.objectives.temperature import TemperatureScaled

QUIET = dict(progress=False)


def small(dtype=torch.float32, seed=0):
    with training.seeded(seed):
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 16), nn.ReLU(), nn.Linear(16, 10)).to(dtype)


@pytest.fixture(scope="module")
def digits():
    return data.mnist("cpu").train[:200]


def weights(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


# The losses

LOSSES = {
    "cross-entropy": training.cross_entropy,
    "one step": OneStep(0.1),
    "many steps": ManySteps(0.1, steps=2),
    "TRADES": Trades(0.1, steps=2),
    "intervals": IntervalLoss(0.05, shift=1),
    "noise": NoisyLoss(0.25),
    "softened": softened_loss(5.0),
    "distilled": softened_loss(5.0, teacher=small(seed=9)),
    "large margin": objectives.large_margin,
    "MAP": lambda net, x, y: map_criterion(net(x), y),
}
LATEST = ("one step", "many steps", "TRADES", "intervals")  # they become harder on the way
DRAWING = ("one step", "many steps", "TRADES", "intervals", "noise")
every_loss = pytest.mark.parametrize("name", LOSSES)


def run(name, split, model=None, **settings):
    model = small() if model is None else model
    settings = dict(epochs=2, batch=50, generator=torch.Generator().manual_seed(0), **QUIET) | settings
    return model, training.fit(model, split, loss=LOSSES[name], **settings)


@every_loss
def test_a_loss_is_finite_and_reaches_every_weight(name, digits):
    before = weights(small())
    model, history = run(name, digits, decay=0.0)
    assert history.finished and torch.tensor(history.losses).isfinite().all() and len(history.losses) == 8
    moved = [(new != old).any() for new, old in zip(model.parameters(), small().parameters(), strict=True)]
    assert all(moved) and not torch.equal(weights(model), before)


@pytest.mark.parametrize("name", [name for name in LOSSES if name != "distilled"])  # by an untrained teacher
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_loss_teaches_the_network(name, digits, dtype):
    split = Split(digits.images.to(dtype), digits.labels)
    model, _ = run(name, split, epochs=12, lr=0.01)
    assert evaluation.accuracy(model, split) > 0.6 and weights(model).dtype == dtype


@every_loss
def test_the_same_generator_gives_the_same_network(name, digits):
    random = torch.get_rng_state()
    seeds = (torch.Generator().manual_seed(number) for number in (3, 3, 4))
    first, second, third = (weights(run(name, digits, generator=each)[0]) for each in seeds)
    assert torch.equal(first, second) and not torch.equal(first, third)
    assert torch.equal(torch.get_rng_state(), random)


@pytest.mark.parametrize("name", DRAWING)
def test_without_a_generator_torchs_own_draws(name, digits):
    runs = []
    for number in (3, 3, 4):
        torch.manual_seed(number)
        runs.append(weights(run(name, digits, model=small(), generator=None)[0]))
    assert torch.equal(runs[0], runs[1]) and not torch.equal(runs[0], runs[2])


@every_loss
def test_an_interrupt_keeps_the_best_weights_or_the_latest(name, digits, capsys):
    seen = []

    def look(history):
        seen.append(weights(model).clone())
        if len(seen) == 5:
            raise KeyboardInterrupt

    model = small()
    _, history = run(name, digits, model, every=1, on_report=look)
    assert not history.finished and len(history.losses) == 5
    which, row = ("latest", 4) if name in LATEST else ("best", min(range(5), key=history.losses.__getitem__))
    assert torch.equal(weights(model), seen[row]) and f"{which} weights are kept" in capsys.readouterr().out


@every_loss
def test_mode_gradients_and_images_stay_as_they_were(name, digits):
    model, images = small().train(), digits.images.clone()
    model[2].eval()
    run(name, digits, model)
    assert model.training and not model[2].training
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(digits.images, images) and not digits.images.requires_grad


@every_loss
def test_what_cannot_be_trained_is_named(name, digits):
    model = small()
    before = weights(model)
    for split, settings, message in (
        (digits.images, {}, "a network and a split"),
        (Split(digits.images * 255, digits.labels), {}, "divide by 255"),
        (Split(digits.images, digits.labels + 5), {}, "labels run from"),
        (digits, dict(epochs=0), "epochs=0"),
        (digits, dict(batch=0), "batch=0"),
        (digits, dict(lr=10), "lr=10"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            run(name, split, model, **settings)
    assert torch.equal(weights(model), before)


# The models

DEFENDED = {
    "plain": lambda net: net,
    "rounded": lambda net: Squeezed(net, 4),
    "rounded, straight through": lambda net: straight_through(Squeezed(net, 4)),
    "smoothed": lambda net: Smoothed(net, 0.25, samples=4),
    "null class": with_null_class,
    "cooled": lambda net: TemperatureScaled(net, 2.0),
}
FLAT = ("rounded",)  # their gradient is 0 where it exists
every_model = pytest.mark.parametrize("name", DEFENDED)


@pytest.fixture(scope="module")
def trained(digits):
    return run("cross-entropy", digits, epochs=10, lr=0.01)[0].eval()


@every_model
def test_a_defended_model_maps_images_to_logits_and_says_the_same_twice(name, trained, digits):
    model, images = DEFENDED[name](trained), digits.images[:10]
    logits = evaluation.logits(model, images)
    assert logits.shape == (10, 11 if name == "null class" else 10)
    assert torch.equal(logits, evaluation.logits(model, images))
    assert evaluation.accuracy(model, digits) > 0.7
    assert torch.allclose(logits[3:5], evaluation.logits(model, images[3:5]), atol=1e-5)


@every_model
def test_gradients_reach_the_images(name, trained, digits):
    model, images = DEFENDED[name](trained), digits.images[:10].clone().requires_grad_()
    gradient = evaluation.gradient(model(images).square().sum(), images)
    assert gradient.shape == images.shape and (gradient == 0).all() == (name in FLAT)
    attacked = pgd(model, digits.images[:10], digits.labels[:10], 0.1, steps=3, **QUIET)
    assert (attacked - digits.images[:10]).abs().max() <= 0.1 + 1e-6 and attacked.aminmax().min >= 0


@every_model
def test_evaluation_touches_neither_model_nor_images_nor_random_numbers(name, trained, digits):
    model, images = DEFENDED[name](copy.deepcopy(trained)).train(), digits.images[:10].clone()
    state, random = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    report = evaluate.robust_accuracy(model, images, digits.labels[:10], 0.1, nearest=1, queries=5, **QUIET)
    assert 0 <= report.accuracy()["worst"] <= report.accuracy()["clean"]
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert all(module.training for module in model.modules()) and torch.equal(torch.get_rng_state(), random)
    assert all(parameter.grad is None for parameter in model.parameters()) and torch.equal(images, digits.images[:10])
