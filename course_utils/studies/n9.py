"""N9: what share of the image space does the class own that owns least?

To the letter the image space is the cube of all images with pixels in [0, 1], and the share of its volume that a class
owns is the chance that an image of even random pixels is called so. The course's own reading looks in all directions
instead, from the mean of all digits to a distance of 10, somewhat farther than digits are, of 28, the length of the
cube's diagonal, and of 1,000; nearly all images of the cube lie at 14. Every class may be the smallest; beside the
value stands what each owns. The three radii share their networks, so their pooled interval leaves out one network, with
all of its values, after the other.
"""

import torch

from course_utils import evaluation
from course_utils.core.tensors import steepest
from course_utils.studies.claims import RULES
from course_utils.studies.engine import Study
from course_utils.studies.networks import digits, network, seeds

POINTS, RADII = 10_000, (10, 28, 1000)


def owned(model: torch.nn.Module, points: torch.Tensor) -> dict:
    """The share of the points, ``(N, 1, 28, 28)``, that the class with the fewest owns, and the share of each."""
    with torch.no_grad():
        named = torch.cat([evaluation.ask(model, some).argmax(1) for some in points.split(500)])
    shares = (named.bincount(minlength=10).double() / len(points)).tolist()
    return {"value": min(shares), "each": shares}


def of_the_cube(seed: int, generator: torch.Generator) -> dict:
    """Shares of the volume of [0, 1]^784."""
    return owned(network("lenet5", seed), torch.rand(POINTS, 1, 28, 28, generator=generator))


def of_directions(unit: list, generator: torch.Generator) -> dict:
    """Shares of the directions from the mean digit to a radius, of a unit [seed, radius]."""
    seed, radius = unit
    directions = steepest(torch.randn(POINTS, 1, 28, 28, generator=generator), "l2")
    mean = digits().train.images.mean(0)
    found = owned(network("lenet5", seed), mean + radius * directions)
    return found | {"value": [seed, seed, found["value"]], "factor": str(radius)}


def _at_radii(trainings: dict[str, int]) -> dict[str, list]:
    return {f"{key} at {radius}": [seed, radius] for radius in RADII for key, seed in trainings.items()}


ALL, AGAIN = _at_radii(seeds(10)), _at_radii(seeds(5, 10))
STUDIES = (
    Study(RULES["N9"], seeds(10), of_the_cube, again=seeds(5, 10)),
    Study(RULES["N9-ours"], ALL, of_directions, again=AGAIN),
)
