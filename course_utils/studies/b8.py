"""B8: by which power of the number of pixels does the shortest change shrink?

The same digits are shown at 14 x 14, 28 x 28 and 42 x 42 pixels, made smaller by averaging and larger by interpolation,
to networks whose width grows with the side: so the dimensions of image and parameters both grow, and what is to be seen
does not. Each learns from 10,000 digits of its seed, and each architecture has seeds of its own. A unit draws its test
digits among those that all its networks read rightly. The shortest change is the least that three attacks find, as the
root mean square over pixels. The slope of its logarithm over that of the pixels is -0.5 if each new pixel is one more
independent direction, and 0 if resolution changes nothing. Beside it stand the slopes where only the resolution grows,
at the width of 28 x 28, and only the width, at 28 x 28 pixels (over the logarithm of the width squared).
"""

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


def learnt(kind: str, seed: int, side: int, width: int) -> nn.Module:
    """A network of a resolution and a width, trained on the digits of its seed."""
    train = digits().train
    rows = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))[:LEARN]
    split = Split(at_size(train.images[rows], side), train.labels[rows])
    recipe = Recipe(partial(BUILD[kind], side, width), partial(training.fit, epochs=10, lr=3e-3))
    return network(f"b8-{kind}-{side}-{width}", seed, recipe, split)


def drawn(nets: dict, test: Split, generator: torch.Generator) -> tuple[Split, dict]:
    """Test digits, drawn among those that all networks read rightly, and each network's error, by side and width."""
    right = {
        size: evaluation.predict(net, at_size(test.images, size[0])).labels == test.labels for size, net in nets.items()
    }
    rows = torch.stack(list(right.values())).all(0).nonzero()[:, 0]
    some = rows[torch.randperm(len(rows), generator=generator)[:NUMBER]]
    return test[some], {size: 1 - read.double().mean().item() for size, read in right.items()}


def shortest(model: nn.Module, images: Tensor, labels: Tensor, generator: torch.Generator) -> float:
    """The median distortion of the shortest changes that any attack finds."""
    least = torch.full((len(images),), torch.inf)
    for attack in (attacks.deepfool, attacks.carlini_wagner, attacks.lbfgs):
        found = attack(model, images, labels, generator=generator, progress=False)
        wrong = evaluation.predict(model, found).labels != labels
        least = torch.where(wrong, distortion(images, found).minimum(least), least)
    return least.median().item()


def slope(sizes: list[int], found: list[float]) -> float:
    """The power of the squared sizes by which a number grows.

    >>> slope([1, 2, 4], [4.0, 2.0, 1.0])
    -0.5
    """
    return round(float(np.polyfit(2 * np.log(sizes), np.log(found), 1)[0]), 4)


def shrinking(unit: list, generator: torch.Generator) -> dict:
    """The slopes, the medians and the errors of an architecture and a seed."""
    kind, seed = unit
    nets = {size: learnt(kind, seed, *size) for size in SIZES}
    test, errors = drawn(nets, digits().test, generator)
    medians = {size: shortest(nets[size], at_size(test.images, size[0]), test.labels, generator) for size in SIZES}
    both, side, width = ([medians[size] for size in path] for path in PATHS)
    return {
        "value": slope(SIDES, both),
        "resolution alone": slope(SIDES, side),
        "width alone": slope(SIDES, width),
        "medians": [round(median, 4) for median in both],
        "errors": [round(errors[size], 4) for size in PATHS[0]],
        "factor": kind,
    }


def _units(first: int, number: int) -> dict[str, list]:
    """So many seeds for each architecture, of its own, so that ten units are ten."""
    return {
        f"{kind} {seed}": [kind, seed]
        for place, kind in enumerate(BUILD)
        for seed in range(first + number * place, first + number * (place + 1))
    }


PATHS = [(s, s) for s in SIDES], [(s, 28) for s in SIDES], [(28, s) for s in SIDES]  # (side, width)
SIZES = sorted({size for path in PATHS for size in path})  # one network is on all three paths
STUDIES = (Study(RULES["B8"], _units(0, 5), shrinking, again=_units(10, 3)),)
