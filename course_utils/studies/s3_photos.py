"""S3-photos: over how many pixels of a photograph is the shortest change spread, beside noise on all pixels?

As S3 for digits: the pixels that carry 90 % of the squared length, its three colours together, divided by those that
Gaussian noise of the same length takes on the same photograph, clipped as the change is. L-BFGS changes it into a class
drawn at random, as the paper did. The distortion stands beside it, and how much of the squared length lies in the
middle quarter of the photograph, where things mostly are.
"""

import torch
from torch import Tensor

from course_utils import attacks, evaluation
from course_utils.attacks.distances import distortion
from course_utils.images.photographs import SIDE
from course_utils.studies.claims import RULES
from course_utils.studies.engine import Study
from course_utils.studies.s1_photos import NAMED, named
from course_utils.studies.s3 import noisy, share_of_pixels

MIDDLE = slice(SIDE // 4, 3 * SIDE // 4)


def by_pixel(change: Tensor) -> Tensor:
    """The length of each pixel's change, over its colours: ``(N, 1, H, W)``."""
    return torch.linalg.vector_norm(change.double(), dim=1, keepdim=True)


def evenness(name: str, generator: torch.Generator) -> dict:
    """The ratio of the two shares of pixels, and both; the distortion, and the share of the middle quarter."""
    model, image, label = named(name)
    found = attacks.lbfgs(model, image, label, targets="random", generator=generator, progress=False)
    if evaluation.predict(model, found).labels.item() == label.item():
        raise ValueError(f"L-BFGS found nothing for {name}")
    change, noise = (by_pixel(each - image) for each in (found, noisy(image, found, generator)))
    ours, even = (share_of_pixels(each).item() for each in (change, noise))
    middle = change[..., MIDDLE, MIDDLE].square().sum() / change.square().sum()
    return {
        "value": round(ours / even, 4),
        "pixels of the change": round(ours, 4),
        "pixels of noise": round(even, 4),
        "distortion": round(distortion(image, found).item(), 6),
        "in the middle quarter": round(middle.item(), 4),
    }


STUDIES = (Study(RULES["S3-photos"], {name: name for name in NAMED}, evenness),)
