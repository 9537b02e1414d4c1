"""Distillation: the loss it says, the teacher left alone, gradients that vanish at T = 1 and come back divided by T."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from course_utils import data, evaluation, models, runtime, training
from course_utils.attacks import pgd
from course_utils.data import Split
from course_utils.defenses import distillation
from course_utils.defenses.distillation import distil, softened_loss

QUIET = dict(progress=False)


def fit(student, teacher, split, *, temperature, **settings):
    loss = softened_loss(temperature, teacher)
    return training.fit(student, split, loss=loss, **dict(decay=0.0, epochs=1) | QUIET | settings)


def linear(seed, classes=3, dtype=torch.float32):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(8, classes)).to(dtype)


def patterns(number=60, dtype=torch.float32):
    """Random images of 2 x 2 pixels in two channels, labelled by a linear rule."""
    torch.manual_seed(7)
    images = torch.rand(number, 2, 2, 2, dtype=dtype)
    return Split(images, linear(9, dtype=dtype)(images).argmax(1))


@pytest.mark.parametrize("taught", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_loss_is_that_of_the_formula(taught, dtype):
    split, student = patterns(dtype=dtype), linear(0, dtype=dtype)
    teacher = linear(1, dtype=dtype) if taught else None
    with torch.no_grad():
        guesses = (student(split.images) / 5).softmax(1).log()
        answers = (teacher(split.images) / 5).softmax(1) if taught else F.one_hot(split.labels, 3)
        expected = -(answers * guesses).sum(1).mean().item()
    history = fit(student, teacher, split, temperature=5.0, epochs=1, batch=len(split), **QUIET)
    assert history.losses == [pytest.approx(expected, rel=1e-5)]


def test_a_student_comes_to_answer_as_its_teacher_does():
    split, student, teacher = patterns(), linear(0), linear(1)

    def apart():
        return ((student(split.images) / 2).softmax(1) - (teacher(split.images) / 2).softmax(1)).abs().max()

    before = apart()
    fit(student, teacher, split, temperature=2.0, epochs=150, lr=0.05, batch=20, generator=runtime.seed(0), **QUIET)
    assert apart() < 0.01 < 0.05 < before


def test_nothing_but_the_student_is_touched():
    split, student, teacher = patterns(), linear(0), linear(1).train()
    images, weights, state = split.images.clone(), copy.deepcopy(teacher.state_dict()), torch.get_rng_state()
    start = copy.deepcopy(student.state_dict())
    fit(student, teacher, split, temperature=5.0, epochs=1, generator=torch.Generator().manual_seed(0), **QUIET)
    assert torch.equal(split.images, images) and torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, weights[name]) for name, value in teacher.state_dict().items())
    assert teacher.training and all(p.grad is None for p in (*teacher.parameters(), *student.parameters()))
    assert not any(torch.equal(value, start[name]) for name, value in student.state_dict().items())


def test_distil_is_a_teacher_of_the_same_layers_and_then_a_student():
    split, settings = patterns(), dict(temperature=5.0, epochs=3, lr=0.02, batch=16, **QUIET)
    student, plain = linear(0), linear(0)
    history = distil(student, split, generator=runtime.seed(3), **settings)
    teacher, generator = linear(0), runtime.seed(3)
    fit(teacher, None, split, generator=generator, **settings)
    fit(plain, teacher, split, generator=generator, **settings)
    assert history.finished and torch.equal(student[1].weight, plain[1].weight)
    assert not torch.equal(student[1].weight, teacher[1].weight)


def test_the_gradient_vanishes_at_1_and_comes_back_divided_by_the_temperature():
    digits = data.mnist("cpu").train[:2000]
    torch.manual_seed(0)
    model = models.FC(32)
    distil(model, digits, temperature=100.0, epochs=10, lr=0.03, generator=runtime.seed(0), **QUIET)
    split = digits[evaluation.predict(model, digits.images).labels == digits.labels][:100]
    assert len(split) == 100
    x = split.images.clone().requires_grad_()

    def still(logits):
        """The share of images whose gradient is exactly 0."""
        (gradient,) = torch.autograd.grad(F.cross_entropy(logits, split.labels, reduction="sum"), x)
        return (gradient.flatten(1).abs().amax(1) == 0).float().mean()

    assert still(model(x)) > 0.5 and still(model(x) / 100) == 0
    cooled = nn.Sequential(*model[:-1], copy.deepcopy(model[-1]))
    with torch.no_grad():
        for parameter in cooled[-1].parameters():
            parameter /= 100
    left = {}
    for name, target in {"naive": model, "divided": cooled}.items():
        images = pgd(target, split.images, split.labels, eps=0.2, start="clean", **QUIET)
        left[name] = evaluation.accuracy(model, Split(images, split.labels))
    assert left["divided"] < 0.1 < 0.5 < left["naive"]


def test_an_interrupted_teacher_has_no_student(monkeypatch):
    calls = []

    def stopped(*arguments, **settings):
        calls.append(arguments)
        return training.History()

    monkeypatch.setattr(distillation, "fit", stopped)
    assert not distil(linear(0), patterns(), temperature=5.0, epochs=1, **QUIET).finished
    assert len(calls) == 1


@pytest.mark.parametrize("temperature", [0, -1.0, float("inf"), float("nan")])
def test_temperatures_that_are_none(temperature):
    with pytest.raises(ValueError, match="temperature"):
        softened_loss(temperature)
    with pytest.raises(ValueError, match="temperature"):
        distil(linear(0), patterns(), temperature=temperature, epochs=1, **QUIET)


def test_bad_input_is_named():
    split = patterns()
    with pytest.raises(TypeError, match=r"not an nn\.Module"):
        fit(linear(0), lambda images: images, split, temperature=5.0)
    with pytest.raises(TypeError, match="a network and a split"):
        distil(linear(0), split.images, temperature=5.0, epochs=1)
    with pytest.raises(ValueError, match="the teacher knows 7 classes and the student"):
        fit(linear(0), nn.Sequential(nn.Flatten(), nn.LazyLinear(7)), split, temperature=5.0)
