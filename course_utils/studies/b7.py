"""B7: how often is a digit stable against its pixels, each moved alone, and is that (1 - eps)^n?

To the letter eps is the radius of a neighbourhood. `single_pixels.survival` follows each pixel of 200 digits from face
to face, so that the radius within which no pixel alone changes the class is exact, and n is each digit's number of
effective pixels: (1 - eps)^n, mean over digits, is set beside the share of digits whose radius is larger, for eps from
0 to 1.

In a kinder reading, ours, eps is the share of pixels with an incorrect value. Pixels are then set alone to both ends of
a range that is widened on both sides until half of the digits are unstable, since only there the formula is at risk.
"""

import torch
from torch import Tensor

from course_utils.dimensions import single_pixels
from course_utils.studies.b6 import incorrect, read_rightly
from course_utils.studies.claims import RULES
from course_utils.studies.engine import Study
from course_utils.studies.networks import network, seeds

LITERAL, NUMBER, WIDEST, HALVINGS = 200, 60, 16.0, 6
RADII = torch.logspace(-5, 0, 500, dtype=torch.float64)


def radius(images: Tensor, found: single_pixels.Survival) -> Tensor:
    """How far every pixel can go alone, either way, ``(N,)``; infinite where none can do harm within [0, 1]."""
    up = (found.upper - images).masked_fill(found.upper >= 1, torch.inf)
    down = (images - found.lower).masked_fill(found.lower <= 0, torch.inf)
    return up.minimum(down).flatten(1).amin(1)


def curves(radii: Tensor, effective: Tensor, eps: Tensor) -> tuple[Tensor, Tensor]:
    """Shares of stable images for each eps, as measured and as the formula has it, ``(E,)`` each."""
    return (radii > eps[:, None]).double().mean(1), (1 - eps[:, None]).pow(effective).mean(1)


def literal(seed: int, generator: torch.Generator) -> dict:
    """The largest difference on the curve, where it is, and the shares of stable digits for some eps."""
    model = network("lenet5", seed)
    images, labels = read_rightly(model, LITERAL, generator)
    radii = radius(images, single_pixels.survival(model, images, labels, progress=False))
    effective = single_pixels.effective(model, images)
    measured, predicted = curves(radii, effective, RADII)
    apart = (measured - predicted).abs()
    some = torch.tensor([0.001, 0.01, 0.1, 1.0], dtype=torch.float64)
    told = zip(some.tolist(), *(each.tolist() for each in curves(radii, effective, some)), strict=True)
    return {
        "value": round(apart.max().item(), 4),
        "at eps": round(RADII[apart.argmax()].item(), 5),
        "effective pixels": round(effective.double().mean().item(), 1),
        "eps, measured, predicted": [[eps, round(share, 4), round(formula, 6)] for eps, share, formula in told],
    }


def kinder(seed: int, generator: torch.Generator) -> dict:
    """The difference on the range at which half of the digits are stable, that range, and both shares."""
    model = network("lenet5", seed)
    images, labels = read_rightly(model, NUMBER, generator)
    effective = single_pixels.effective(model, images)
    low, high = 0.0, WIDEST
    for _ in range(HALVINGS):
        reach = (low + high) / 2
        found = incorrect(model, images, labels, reach)
        stable = (~found.any(1)).double().mean()
        low, high = (reach, high) if stable > 0.5 else (low, reach)
    eps = found.sum() / effective.sum()
    predicted = (1 - eps.double()).pow(effective).mean()
    return {
        "value": round((stable - predicted).abs().item(), 4),
        "range": [-reach, 1 + reach],
        "eps": round(eps.item(), 5),
        "measured, predicted": [round(stable.item(), 4), round(predicted.item(), 6)],
    }


STUDIES = (
    Study(RULES["B7"], seeds(10), literal, again=seeds(5, 10)),
    Study(RULES["B7-ours"], seeds(10), kinder, again=seeds(5, 10)),
)
