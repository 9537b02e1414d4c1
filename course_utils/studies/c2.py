"""C2: how many fooling images are left when a network learns from sixty times as many images, patterns among them?

Two LeNet-5 of eleven classes start from the same weights and take the same number of steps: one on 1,000 digits, one on
48,000 digits and 12,000 abstract patterns, the eleventh class. Images climb from noise against each of them. They count
where the network names a digit with 99 %, and they have not become digits. All is done with ordinary training and with
training against attacks, for which more data is known to matter more (Schmidt et al. 2018). What the same data does to
small changes, within 0.1 in L-inf, stands beside it: the comment does not speak of those.
"""

import functools

import torch
from torch import Tensor, nn

from course_utils import attacks, evaluation, models
from course_utils.data import Split
from course_utils.defenses.adversarial import OneStep
from course_utils.fooling import ascend
from course_utils.studies.a1 import become_digits
from course_utils.studies.claims import RULES
from course_utils.studies.engine import Study
from course_utils.studies.networks import digits, network
from course_utils.training import cross_entropy, fit
from course_utils.zoo.recipe import Recipe

FEW, MANY, PATTERNS, NONE, BATCH = 1000, 48_000, 12_000, 10, 125
CLIMBED, DIGITS, EPS, SURE = 200, 500, 0.1, 0.99
LOSSES = {"ordinary": cross_entropy, "against attacks": OneStep(EPS)}
SIDE = torch.arange(28.0)


def patterns(number: int, kept: Tensor, generator: torch.Generator) -> Tensor:
    """Pictures of no digit in [0, 1], in equal parts: noise, gratings, blots, and the pixels of digits, shuffled."""
    quarter, draw = number // 4, functools.partial(torch.rand, generator=generator)
    noise = draw(quarter, 1, 28, 28) * draw(quarter, 1, 1, 1)
    across, down, phase = draw(3, quarter, 1, 1, 1)
    gratings = (((3 * across - 1.5) * SIDE + (3 * down - 1.5) * SIDE[:, None] + 6.3 * phase).sin() + 1) / 2
    blur = torch.exp(-((SIDE[:, None] - SIDE) ** 2) / 8)
    field = blur @ torch.randn(quarter, 1, 28, 28, generator=generator) @ blur
    blots = (field > 0.6 * field.std((1, 2, 3), keepdim=True)).float()
    shuffled = kept[:quarter].flatten(1).gather(1, draw(quarter, 784).argsort(1)).view_as(blots)
    return torch.cat([noise, gratings, blots, shuffled])


def lenet_with_none() -> nn.Sequential:
    """LeNet-5 with an eleventh output."""
    return nn.Sequential(*list(models.LeNet5())[:-1], nn.Linear(84, NONE + 1))


def learnt(seed: int, many: bool) -> Split:
    """The images that a network learns from: the first of the seed's order, or many and the patterns."""
    generator = torch.Generator().manual_seed(seed)
    train = digits().train[torch.randperm(60_000, generator=generator)]
    if not many:
        return train[:FEW]
    others = patterns(PATTERNS, train[MANY:].images, generator)
    labels = torch.cat([train[:MANY].labels, torch.full((PATTERNS,), NONE)])
    return Split(torch.cat([train[:MANY].images, others]), labels)


def fooled(model: nn.Module, generator: torch.Generator) -> float:
    """The share of climbed images that are a digit to the network, at 99 %, and to a look at their neighbours none."""
    images = ascend(model, torch.arange(CLIMBED) % 10, generator=generator, progress=False)
    said, (train, test) = evaluation.predict(model, images), digits()
    named = (said.labels < NONE) & (said.confidences >= SURE)
    digit = become_digits(images, said.labels, test[:200].images, train[-20_000:])
    return (named & ~digit).double().mean().item()


def misled(model: nn.Module, generator: torch.Generator) -> float:
    """The share of test digits that PGD turns, or that are misread as they are."""
    test = digits().test[:DIGITS]
    how = dict(loss="margin", step_size="falling", generator=generator, progress=False)
    found = attacks.pgd(model, test.images, test.labels, EPS, **how)
    return (evaluation.predict(model, found).labels != test.labels).double().mean().item()


def what_is_left(unit: list, generator: torch.Generator) -> dict:
    """Fooling images left by more data, as a share; the shares, those of digits misled, and the errors."""
    seed, training = unit
    shares = {}
    for many, epochs in ((False, 60), (True, 1)):
        train = functools.partial(fit, epochs=epochs, batch=BATCH, loss=LOSSES[training])
        name = f"c2-{'many' if many else 'few'}-{training.replace(' ', '-')}"
        model = network(name, seed, Recipe(lenet_with_none, train), learnt(seed, many))
        error = 1 - evaluation.accuracy(model, digits().test)
        measured = fooled(model, generator), misled(model, generator), error
        shares["many" if many else "few"] = [round(share, 4) for share in measured]
    few, many = shares["few"][0], shares["many"][0]
    return {"value": round(many / few, 4) if few else 1.0, "factor": training} | shares


def _units(first: int, number: int) -> dict[str, list]:
    """So many seeds for ordinary training, and others, ten on, against attacks: twenty units are twenty."""
    return {
        f"{training} {seed}": [seed, training]
        for place, training in enumerate(LOSSES)
        for seed in range(first + 10 * place, first + 10 * place + number)
    }


STUDIES = (Study(RULES["C2"], _units(0, 10), what_is_left, again=_units(20, 5)),)
