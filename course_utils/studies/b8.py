"""B8: by which power of the number of pixels does the shortest change shrink?

The same digits are shown at 14 x 14, 28 x 28 and 42 x 42 pixels, made smaller by averaging and larger by interpolation,
to networks whose width grows with the side: so the dimensions of image and parameters both grow, and what is to be seen
does not. Each learns from 10,000 digits of its seed. The shortest change is the least that three attacks find, as the
root mean square over pixels. The slope of its logarithm over that of the pixels is -0.5 if each new pixel is one more
independent direction, and 0 if resolution changes nothing. Beside it stand the slopes where only the resolution grows,
at the width of 28 x 28, and only the width, at 28 x 28 pixels (over the logarithm of the width squared).
"""

import functools
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils import attacks, evaluation, models, training
from course_utils.attacks.distances import distortion
from course_utils.data import Split
from course_utils.studies.claims import RULES
from course_utils.studies.engine import Study
from course_utils.studies.networks import digits, network
from course_utils.zoo.recipe import Recipe

SIDES, LEARN, NUMBER = (14, 28, 42), 10_000, 40


def at_size(images: Tensor, side: int) -> Tensor:
    """Digits with so many pixels a side."""
    if side <= images.shape[-1]:
        return F.adaptive_avg_pool2d(images, side)
    return F.interpolate(images, (side, side), mode="bilinear").clamp(0, 1)


def dense(side: int, width: int) -> nn.Sequential:
    """Two layers of 16 * width units."""
    units = 16 * width
    layers = nn.Flatten(), nn.Linear(side**2, units), nn.ReLU(), nn.Linear(units, units), nn.ReLU()
    return nn.Sequential(*layers, nn.Linear(units, 10))


def convolutional(side: int, width: int) -> nn.Sequential:
    """`models.Strided` for images of this side, 4 * width / 7 channels in its first layer."""
    channels = 4 * width // 7
    net = models.Strided(channels)
    net[5] = nn.Linear(2 * channels * (side // 4) ** 2, 100)
    return net


BUILD = {"dense": dense, "convolutional": convolutional}


@functools.cache  # one network is on all three paths
def shortest(kind: str, seed: int, side: int, width: int) -> tuple[float, float]:
    """The median distortion of the shortest changes, and the test error, for a resolution and a width."""
    train, test = digits().train, digits().test
    rows = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))[:LEARN]
    split = Split(at_size(train.images[rows], side), train.labels[rows])
    recipe = Recipe(partial(BUILD[kind], side, width), partial(training.fit, epochs=10, lr=3e-3))
    model = network(f"b8-{kind}-{side}-{width}", seed, recipe, split)
    seen = Split(at_size(test.images, side), test.labels)
    right = evaluation.predict(model, seen.images).labels == seen.labels
    images, labels = seen.images[right][:NUMBER], seen.labels[right][:NUMBER]
    generator, least = torch.Generator().manual_seed(seed), torch.full((len(images),), torch.inf)
    for attack in (attacks.deepfool, attacks.carlini_wagner, attacks.lbfgs):
        found = attack(model, images, labels, generator=generator, progress=False)
        wrong = evaluation.predict(model, found).labels != labels
        least = torch.where(wrong, distortion(images, found).minimum(least), least)
    return least.median().item(), 1 - right.double().mean().item()


def slope(sizes: list[int], found: list[float]) -> float:
    """The power of the squared sizes by which a number grows.

    >>> slope([1, 2, 4], [4.0, 2.0, 1.0])
    -0.5
    """
    return round(float(np.polyfit(2 * np.log(sizes), np.log(found), 1)[0]), 4)


def shrinking(unit: list, generator: torch.Generator) -> dict:
    """The slopes, the medians and the errors of an architecture and a seed."""
    kind, seed = unit
    both, side, width = ([shortest(kind, seed, *size) for size in sizes] for sizes in PATHS)
    return {
        "value": slope(SIDES, [median for median, _ in both]),
        "resolution alone": slope(SIDES, [median for median, _ in side]),
        "width alone": slope(SIDES, [median for median, _ in width]),
        "medians": [round(median, 4) for median, _ in both],
        "errors": [round(error, 4) for _, error in both],
        "factor": kind,
    }


PATHS = [(s, s) for s in SIDES], [(s, 28) for s in SIDES], [(28, s) for s in SIDES]
UNITS = {f"{kind} {seed}": [kind, seed] for kind in BUILD for seed in range(5)}
AGAIN = {f"{kind} {seed}": [kind, seed] for kind in BUILD for seed in range(10, 13)}
STUDIES = (Study(RULES["B8"], UNITS, shrinking, quick=("dense 0", "dense 1", "dense 2"), again=AGAIN),)
