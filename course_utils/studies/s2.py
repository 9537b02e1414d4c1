"""S2: are images that L-BFGS made against one network misclassified by another, more often than noise is?

Ten networks, two trainings each of five architectures, meet in 45 pairs. Of digits that both read rightly, images are
made against each of the two, towards a class drawn at random, and shown to the other; so is noise of the same length,
clipped as they are. The errors on noise are taken off, for images that a network misreads for any reason are no news.
The plain error, and that of the same changes amplified to a distortion of 0.1 and clipped, stand beside it.

S2-data does the same with two networks of one kind, of which each learns from its own half of MNIST.
"""

import itertools
from functools import partial

import torch
from torch import Tensor, nn

from course_utils import attacks, evaluation, models
from course_utils.attacks.distances import distortion
from course_utils.core.tensors import spread
from course_utils.data import Split
from course_utils.studies.claims import RULES
from course_utils.studies.engine import Study
from course_utils.studies.networks import digits, network
from course_utils.studies.s3 import noisy
from course_utils.studies.s4 import right_digits
from course_utils.training import fit
from course_utils.zoo import mnist
from course_utils.zoo.recipe import Recipe

PAIR, HALF, AMPLIFIED = 100, 500, 0.1  # digits each way, for a pair of networks and for halves of the data
RECIPES = {name: mnist.RECIPES[name] for name in ("lenet5", "caffe_lenet", "fc100", "fc200")}
RECIPES["strided"] = Recipe(models.Strided, partial(fit, epochs=3, lr=4e-3))
NAMES = list(RECIPES)


def error(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The share of images that a network misclassifies."""
    return (evaluation.predict(model, images).labels != labels).double().mean().item()


def shown(maker: nn.Module, reader: nn.Module, split: Split, generator: torch.Generator) -> Tensor:
    """Excess over noise, error, and error of amplified changes, ``(3,)``: images of one network, shown to another."""
    made = attacks.lbfgs(maker, split.images, split.labels, targets="random", generator=generator, progress=False)
    turned = evaluation.predict(maker, made).labels != split.labels
    images, labels, made = split.images[turned], split.labels[turned], made[turned]
    wrong = error(reader, made, labels)
    by_noise = error(reader, noisy(images, made, generator), labels)
    scale = spread(AMPLIFIED / distortion(images, made), images)
    amplified = error(reader, (images + scale * (made - images)).clamp(0, 1), labels)
    return torch.tensor([(wrong - by_noise) / (1 - by_noise), wrong, amplified], dtype=torch.float64)


def both_ways(one: nn.Module, other: nn.Module, number: int, generator: torch.Generator) -> dict:
    """The mean of both directions."""
    split = right_digits([one, other], number, generator)
    means = (shown(one, other, split, generator) + shown(other, one, split, generator)) / 2
    excess, wrong, amplified = (round(mean, 4) for mean in means.tolist())
    return {"value": excess, "error": wrong, "amplified to 0.1": amplified}


def pair(unit: list, generator: torch.Generator) -> dict:
    """Two networks, each by the number of its architecture and its seed: their numbers and the excess."""
    one, other = (network(NAMES[kind], seed, RECIPES[NAMES[kind]]) for kind, seed in unit)
    found = both_ways(one, other, PAIR, generator)
    numbers = [100 * kind + seed for kind, seed in unit]
    level = "the same" if unit[0][0] == unit[1][0] else "another"
    return found | {"value": [*numbers, found["value"]], "factor": level}


def halves(seed: int, generator: torch.Generator) -> dict:
    """A random cut of the training digits, and a network on each side with first weights of its own."""
    order = torch.randperm(60_000, generator=torch.Generator().manual_seed(seed))
    train = digits().train[order]
    sides = (("fc100-p1", 2 * seed), ("fc100-p2", 2 * seed + 1))
    nets = [network(f"{name}-cut{seed}", first, mnist.RECIPES[name], train) for name, first in sides]
    return both_ways(*nets, HALF, generator)


def _pairs(*trainings: int) -> dict[str, list]:
    nets = [[kind, seed] for kind in range(len(NAMES)) for seed in trainings]
    title = "{}-{} {}-{}".format
    return {title(NAMES[a[0]], a[1], NAMES[b[0]], b[1]): [a, b] for a, b in itertools.combinations(nets, 2)}


def _cuts(first: int, last: int) -> dict[str, int]:
    return {str(seed): seed for seed in range(first, last)}


STUDIES = (
    Study(RULES["S2"], _pairs(0, 1), pair, again=_pairs(2)),
    Study(RULES["S2-data"], _cuts(0, 5), halves, again=_cuts(5, 8)),
)
