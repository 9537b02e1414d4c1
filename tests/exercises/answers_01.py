"""Answers for the exercises of lesson 01: right in other ways, and wrong in ways that no list foresees."""

import copy
import functools
import math

import numpy as np
import torch
from torch import nn

from course_utils.exercises.bank import lesson_01
from course_utils.exercises.contracts import LEFT_BEHIND
from course_utils.models import Normalise

F = torch.nn.functional

# 1.1


def _lazy():
    """As d2l writes its networks: the sizes come from the first images."""
    sizes = nn.LazyConv2d(6, 5, padding="same"), nn.LazyConv2d(16, 5), *map(nn.LazyLinear, (120, 84, 10))
    first, second, *dense = sizes
    acts = nn.ReLU(), nn.MaxPool2d(2)
    return nn.Sequential(
        Normalise(0.1307, 0.3081),
        first,
        *acts,
        second,
        *acts,
        nn.Flatten(),
        dense[0],
        acts[0],
        dense[1],
        acts[0],
        dense[2],
    )


def _one_relu_for_all():
    relu, pool, layers = nn.ReLU(inplace=True), nn.MaxPool2d((2, 2), stride=2), lesson_01.lenet5()
    return nn.Sequential(
        *(relu if isinstance(x, nn.ReLU) else pool if isinstance(x, nn.MaxPool2d) else x for x in layers)
    )


def _layers_at_hand(layers):
    return lambda: nn.Sequential(*layers)


def _first_is_shared(layer):
    return lambda: nn.Sequential(*(layer if i == 8 else each for i, each in enumerate(lesson_01.lenet5())))


def _of_width_3():
    return nn.Sequential(lesson_01.lenet5()[0], nn.Conv2d(1, 6, 3, padding=1), *lesson_01.lenet5()[2:])


def _seeded():
    torch.manual_seed(0)
    return lesson_01.lenet5()


# 1.2


def _by_closure(model, images, labels, optimiser):
    def closure():
        optimiser.zero_grad(set_to_none=False)
        loss = nn.CrossEntropyLoss()(model(images), labels)
        loss.backward()
        return loss

    return float(optimiser.step(closure).detach())


def _in_training_mode(model, images, labels, optimiser):
    model.train()
    model.zero_grad()
    loss = -model(images).log_softmax(1)[torch.arange(len(labels)), labels].mean()
    loss.backward()
    optimiser.step()
    return np.float32(loss.detach().numpy())


def _own_optimiser(model, images, labels, optimiser):
    return lesson_01.train_step(model, images, labels, torch.optim.SGD(model.parameters(), lr=0.5))


def _clips_the_slope(model, images, labels, optimiser):
    loss = F.cross_entropy(model(images), labels)
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
    return loss.item()


def _scales_the_batch(model, images, labels, optimiser):
    images /= images.max()
    return lesson_01.train_step(model, images, labels, optimiser)


def _same_batch(step=lesson_01.train_step, first=None):
    kept = []

    def train(model, images, labels, optimiser):
        kept.append((images, labels))
        return step(model, *kept[0], optimiser)

    return train


def _clears_at_the_end(model, images, labels, optimiser):
    loss = F.cross_entropy(model(images), labels)
    loss.backward()
    optimiser.step()
    optimiser.zero_grad()
    return loss.item()


# 1.3


class _Repaired:
    def __init__(self, model, mean, std):
        self.model, self.mean, self.std = model, mean, std

    def __call__(self, images):
        self.model.eval()
        return self.model((images - self.mean) / self.std)


def _asked_early(model, mean, std):
    return model((torch.rand(10, 1, 28, 28) - mean) / std)


def _asked_with_a_global(model, mean, std):
    return model((images - mean) / std)  # noqa: F821


_last = {}


def _by_globals(model, mean, std):
    _last.update(model=model, mean=mean, std=std)
    return lambda images: _last["model"]((images - _last["mean"]) / _last["std"])


def _inserts(model, mean, std):
    return model.insert(0, Normalise([mean], [std]))


def _in_training(model, mean, std):
    return lambda images: model.train()((images - mean) / std)


def _in_place(images, mean, std):
    return images.data.sub_(mean).div_(std)


def _in_place_on_a_leaf(images, mean, std):
    images -= mean
    images /= std
    return images


# 1.4


def _by_histograms(confidences, correct, bins=15):
    edges = np.linspace(0, 1, bins + 1)
    count, sure, right = (
        np.histogram(confidences.numpy(), edges, weights=w)[0]
        for w in (None, confidences.numpy(), correct.float().numpy())
    )
    return np.abs(sure - right).sum() / count.sum()


def _in_plain_python(confidences, correct, bins=15):
    drawers = {}
    for c, right in zip(confidences.tolist(), correct.tolist(), strict=True):
        drawers.setdefault(max(math.ceil(c * bins), 1), []).append(c - right)
    return sum(abs(sum(gaps)) for gaps in drawers.values()) / len(correct)


def _bucketed(confidences, correct, bins=15):
    place = torch.bucketize(confidences, torch.linspace(0, 1, bins + 1)[1:-1])
    member = F.one_hot(place, bins).double()
    return (member.T @ (confidences.double() - correct.double())).abs().sum() / len(correct)


def _by_middles(confidences, correct, bins=15):
    places = (confidences * bins).long().clamp(max=bins - 1)
    gaps = [((k + 0.5) / bins - correct[places == k].float()).sum() for k in range(bins)]
    return sum(map(abs, gaps)) / len(correct)


def _equally_full(confidences, correct, bins=15):
    order = confidences.argsort()
    gaps = (confidences[order] - correct[order].float()).chunk(bins)
    return sum(abs(gap.mean()) for gap in gaps) / bins


def _gaps(confidences, correct, bins):
    places = (confidences * bins).long().clamp(max=bins - 1)
    return [abs((confidences - correct.float())[places == k].mean().item()) for k in places.unique()]


def _clamps_to_14(confidences, correct, bins=15):
    places = (confidences * bins).long().clamp(max=14)
    return sum(abs((confidences[places == k] - correct[places == k].float()).sum().item()) for k in range(bins)) / len(
        correct
    )


def _fifteen_rounds(confidences, correct, bins=15):
    places = (confidences * bins).long().clamp(max=bins - 1)
    return sum(abs((confidences[places == k] - correct[places == k].float()).sum().item()) for k in range(15)) / len(
        correct
    )


def _in_drawers(number):
    """A loop over the drawers; ``number`` gives each confidence its drawer."""

    def error(confidences, correct, bins=15):
        places, shares = number(confidences * bins).long().clamp(max=bins - 1), []
        for inside in (places == k for k in range(bins)):
            if inside.any():
                gap = confidences[inside].mean() - correct[inside].float().mean()
                shares.append(inside.float().mean().item() * gap.abs().item())
        return shares

    return error


def _keeps_its_gaps(confidences, correct, bins=15, gaps=[]):  # noqa: B006
    gaps.append(lesson_01.expected_calibration_error(confidences, correct, bins))
    return sum(gaps)


def _sorts_in_place(confidences, correct, bins=15):
    confidences.copy_(confidences.sort().values)
    return 0.1


# 1.5


def _brier(logits, labels, candidates):
    def score(t):
        return ((logits / t).softmax(1) - F.one_hot(labels, logits.shape[1])).square().sum(1).mean()

    return min(candidates, key=score)


def _calibrated_in(bins):
    def choose(logits, labels, candidates):
        errors = []
        for t in candidates:
            sure, named = (logits / t).softmax(1).max(1)
            errors.append(lesson_01.expected_calibration_error(sure, named == labels, bins))
        return candidates[errors.index(min(errors))]

    return choose


def _sorts_the_list(logits, labels, candidates):
    candidates.sort()
    return lesson_01.best_temperature(logits, labels, candidates)


def _own_list(logits, labels, candidates):
    return lesson_01.best_temperature(logits, labels, [1.0, 0.25, 0.5, 2.0, 4.0, 8.0])


ALSO_RIGHT = [
    ("1.1", _lazy),
    ("1.1", _one_relu_for_all),
    ("1.1", lambda: lesson_01.lenet5().eval()),
    ("1.1", lambda: nn.Sequential(Normalise((0.1307,), (0.3081,)), *lesson_01.lenet5()[1:])),
    ("1.2", _by_closure),
    ("1.2", _in_training_mode),
    ("1.2", _clears_at_the_end),
    ("1.3", _Repaired),
    ("1.3", lambda model, mean, std: nn.Sequential(Normalise(mean, std), model)),
    ("1.3", lambda model, mean, std: nn.Sequential(Normalise([mean], [std]), model)),
    ("1.3", lambda model, mean, std: lambda images: model((images - mean) / (std + 1e-8))),
    ("1.4", _by_histograms),
    ("1.4", _in_plain_python),
    ("1.4", _bucketed),
    ("1.4", lambda *given: sum(_in_drawers(torch.floor)(*given))),
    ("1.5", lambda z, y, candidates: min(candidates, key=lambda t: F.cross_entropy(z / t, y, reduction="sum"))),
    (
        "1.5",
        lambda z, y, candidates: torch.tensor(candidates)[
            torch.stack([F.cross_entropy(z.double() / t, y) for t in candidates]).argmin()
        ],
    ),
    ("1.5", lambda z, y, candidates: sorted((F.cross_entropy(z / t, y).item(), t) for t in candidates)[0][1]),
]

ALSO_UNFORESEEN = [
    ("1.1", functools.cache(lesson_01.lenet5), "every call returns the same layers"),
    ("1.1", _layers_at_hand(lesson_01.lenet5()), "every call returns the same layers"),
    ("1.1", _first_is_shared(nn.Linear(400, 120)), "every call returns the same layers"),
    ("1.1", functools.partial(copy.copy, lesson_01.lenet5()), "every call returns the same layers"),
    ("1.1", functools.partial(copy.deepcopy, lesson_01.lenet5()), "or the same first weights"),
    ("1.1", _seeded, LEFT_BEHIND["seed"]),
    ("1.1", lambda: lesson_01.lenet5().requires_grad_(False), "some weights ask for no gradient"),
    ("1.1", _of_width_3, "got (6, 1, 3, 3), expected (6, 1, 5, 5)"),
    ("1.1", lambda: nn.Sequential(Normalise(0.3081, 0.1307), *lesson_01.lenet5()[1:]), "have changed places"),
    ("1.1", lambda: nn.Sequential(Normalise(0.1307, 0.3082), *lesson_01.lenet5()[1:]), "your 55,000 images"),
    ("1.2", lambda model, *given: lesson_01.train_step(model.eval(), *given), "leave the mode as it is"),
    ("1.1", lambda: nn.Sequential(*lesson_01.lenet5(), nn.LogSoftmax(1)), "or its logarithm"),
    ("1.1", lambda: nn.Sequential(*lesson_01.lenet5()[:6], *lesson_01.lenet5()[7:]), "a pooling is missing"),
    ("1.2", lambda model, *given: lesson_01.train_step(nn.Sequential(model, nn.Softmax(1)), *given), "softmax twice"),
    ("1.2", _own_optimiser, "the weights after 3 batches and another network"),
    ("1.2", _clips_the_slope, "the weights after 3 batches and another network"),
    ("1.2", _same_batch(), "the weights after 3 batches and another network"),
    ("1.2", _scales_the_batch, LEFT_BEHIND["in place"]),
    ("1.3", _asked_early, "return a function and do not ask the model yet"),
    ("1.3", _asked_with_a_global, "return a function and do not ask the model yet"),
    ("1.3", _by_globals, "by the first function, mean 0.13, std 0.31, after a second one was made"),
    ("1.3", _inserts, LEFT_BEHIND["weights"]),
    ("1.3", _in_training, LEFT_BEHIND["mode"]),
    ("1.3", lambda model, mean, std: lambda images: model(_in_place(images, mean, std)), LEFT_BEHIND["in place"]),
    ("1.3", lambda model, mean, std: lambda x: model(_in_place_on_a_leaf(x, mean, std)), LEFT_BEHIND["in place"]),
    ("1.3", lambda model, mean, std: lambda images: model((images - mean) * std), "multiplied by std"),
    ("1.3", lambda model, mean, std: lambda images: model(images - mean), "one of two steps is missing"),
    ("1.3", lambda model, mean, std: lambda images: (model(images) - mean) / std, "normalise the images"),
    ("1.3", lambda model, mean, std: nn.Sequential(Normalise(mean, std), model, nn.Softmax(1)), "one softmax too many"),
    ("1.4", _by_middles, "the middle of the drawer"),
    ("1.4", _equally_full, "drawers of equal *width*"),
    (
        "1.4",
        lambda c, right, bins=15: lesson_01.expected_calibration_error(c, right, bins) / bins,
        "do not divide by `bins`",
    ),
    ("1.4", lambda confidences, correct, bins=15: max(_gaps(confidences, correct, bins)), "the largest gap"),
    ("1.4", lambda *given: sum(_in_drawers(torch.ceil)(*given)), "these drawers are rounded"),
    ("1.4", lambda *given: sum(_in_drawers(torch.round)(*given)), "these drawers are rounded"),
    ("1.4", lambda *given: _in_drawers(torch.floor)(*given)[0], "the share of one drawer"),
    ("1.4", lambda *given: _in_drawers(torch.floor)(*given)[-1], "the share of one drawer"),
    (
        "1.4",
        lambda confidences, correct, bins=15: abs((confidences - correct.float()).mean().item()),
        "over all answers",
    ),
    ("1.4", _clamps_to_14, "600 answers in 30 drawers"),
    ("1.4", _fifteen_rounds, "600 answers in 30 drawers"),
    ("1.4", _keeps_its_gaps, "1,800 answers that are too modest"),
    ("1.4", _sorts_in_place, LEFT_BEHIND["in place"]),
    ("1.5", _brier, "at which confidence and accuracy agree best"),
    ("1.5", _calibrated_in(10), "at which confidence and accuracy agree best"),
    ("1.5", _calibrated_in(30), "at which confidence and accuracy agree best"),
    ("1.5", lambda logits, labels, candidates: max(candidates), "or unsure"),
    ("1.5", _sorts_the_list, LEFT_BEHIND["list in place"]),
    ("1.5", _own_list, "3 candidates alone"),
]
