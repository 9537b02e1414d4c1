"""B0: do changes of everyday life, as large as adversarial ones, make a network err more? C4: is it good whatever?

Noise, blur, low contrast, JPEG and rotation, which come from no search. For B0 each test digit suffers each of them in
that strength at which its RMS distortion is the median of the network's own shortest adversarial changes, which
DeepFool, Carlini-Wagner and L-BFGS look for on 200 digits; rotation goes either way. An adversarial change of that size
turns half of the digits that are read rightly. For C4 all digits have one strength, and the worst of four kinds counts;
rotation is no poor quality. Either may come out either way: the change may meet what the network reads by, or not.

Beside both stand the accuracies for five strengths of each kind, and beside B0 their mean RMS distortions with the
quantiles of the adversarial ones, so that both errors can be compared at any size.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils.attacks.distances import distortion, l2
from course_utils.core.tensors import bisect
from course_utils.images import physical
from course_utils.studies.claims import RULES
from course_utils.studies.engine import Study
from course_utils.studies.networks import digits, network, seeds
from course_utils.studies.s2 import error
from course_utils.studies.s4 import SEARCHES, right_digits, shortest

NUMBER, HALVINGS, PORTION, MARGIN = 200, 14, 1000, 8
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
QUALITY, NAMED = ("noise", "blur", "contrast", "JPEG"), 2  # what C4 judges: these kinds in the third strength


class Kind(NamedTuple):
    """A change ``change(images, strengths, generator=...)``, its strength from none to most, and five in between."""

    change: Callable
    none: float
    most: float
    five: tuple[float, ...]


def lower_contrast(images: Tensor, contrast: Tensor, *, generator: torch.Generator) -> Tensor:
    """Each image with its differences from its mean times ``contrast``; nothing is drawn."""
    return physical.expose(images, contrast=contrast)


def turned(images: Tensor, degrees: Tensor, *, generator: torch.Generator, margin: int = 0) -> Tensor:
    """Each image turned by so many degrees one way or the other, with a black margin that may come into view."""
    ways = 2 * torch.randint(2, (len(images),), generator=generator) - 1
    height, width = images.shape[2:]
    seen = physical.rotate(F.pad(images, [margin] * 4), ways * degrees)
    return seen[:, :, margin : margin + height, margin : margin + width]


KINDS = {
    "noise": Kind(physical.sensor_noise, 0.0, 1.0, (0.1, 0.2, 0.3, 0.45, 0.6)),
    "blur": Kind(physical.blur, 0.0, 4.0, (0.5, 1.0, 2.0, 3.0, 4.0)),
    "contrast": Kind(lower_contrast, 1.0, 0.0, (0.7, 0.5, 0.3, 0.2, 0.1)),
    "JPEG": Kind(physical.jpeg, 100.0, 1.0, (50, 25, 10, 5, 2)),
    "rotation": Kind(partial(turned, margin=MARGIN), 0.0, 45.0, (5, 10, 20, 30, 45)),
}


def changed(kind: Kind, images: Tensor, strengths: Tensor, seed: int) -> Tensor:
    """Each image in its strength; the same seed makes the same draws."""
    generator = torch.Generator().manual_seed(seed)
    parts = zip(images.split(PORTION), strengths.split(PORTION), strict=True)
    return torch.cat([kind.change(*part, generator=generator) for part in parts])


def as_far(kind: Kind, images: Tensor, wanted: float, seed: int) -> Tensor:
    """Each image in the strength at which its distortion is the wanted one, or as near to that as the kind gets."""

    def at(place: Tensor) -> Tensor:
        return changed(kind, images, kind.none + place * (kind.most - kind.none), seed)

    start, end = torch.zeros(len(images)), torch.ones(len(images))
    _, place = bisect(start, end, lambda place: distortion(images, at(place)) >= wanted, HALVINGS)
    return at(place)


def by_strength(model: nn.Module, seed: int) -> dict[str, dict[str, list[float]]]:
    """For each kind and each of its five strengths: accuracy on all test digits, and mean distortion."""
    test, found = digits().test, {}
    for name, kind in KINDS.items():
        found[name] = {}
        for strength in kind.five:
            images = changed(kind, test.images, torch.full((len(test),), float(strength)), seed)
            far = distortion(test.images, images).mean().item()
            found[name][str(strength)] = [round(1 - error(model, images, test.labels), 4), round(far, 4)]
    return found


def rise(seed: int, generator: torch.Generator) -> dict:
    """By how much the error rises, in ordinary errors; those by kind; the distortion, and how many digits reach it."""
    model, test = network("lenet5", seed), digits().test
    split = right_digits([model], NUMBER, generator)
    adversarial = shortest(model, split, SEARCHES["l2"], l2)[1] / split.images[0].numel() ** 0.5
    size, draws = adversarial.quantile(0.5).item(), int(torch.randint(2**31, (), generator=generator))
    ordinary, errors, reached = error(model, test.images, test.labels), {}, {}
    for name, kind in KINDS.items():
        images = as_far(kind, test.images, size, draws)
        errors[name] = round(error(model, images, test.labels), 4)
        near = (distortion(test.images, images) / size - 1).abs() < 0.1
        reached[name] = round(near.double().mean().item(), 4)
    return {
        "value": round((sum(errors.values()) / len(errors) - ordinary) / ordinary, 4),
        "ordinary error": round(ordinary, 4),
        "errors": errors,
        "distortion": round(size, 4),
        "within a tenth of it": reached,
        "adversarial distortions": {str(q): round(adversarial.quantile(q).item(), 4) for q in QUANTILES},
        "accuracy, distortion": by_strength(model, draws),
    }


def worst(seed: int, generator: torch.Generator) -> dict:
    """The accuracy for the kind with the lowest, of four in their named strengths; which that is; all accuracies."""
    model, test = network("lenet5", seed), digits().test
    found = by_strength(model, int(torch.randint(2**31, (), generator=generator)))
    named = {name: found[name][str(KINDS[name].five[NAMED])][0] for name in QUALITY}
    return {
        "value": min(named.values()),
        "worst": min(named, key=named.get),
        "unchanged": round(1 - error(model, test.images, test.labels), 4),
        "accuracy, distortion": found,
    }


STUDIES = (
    Study(RULES["B0"], seeds(10), rise, again=seeds(5, 10)),
    Study(RULES["C4"], seeds(10), worst, again=seeds(5, 10)),
)
