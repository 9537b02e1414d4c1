"""N8: of images at equal distance from the boundary, are those nearer to their class given more confidence?

Six kinds of images in equal parts, so that nearness to the class and distance from the boundary do not go together as
they do among digits alone: test digits, perturbed digits (PGD, eps 0.2), images bred for 10 to 170 generations and
climbed for 6 to 102 steps, ink blots and noise. Each is judged for the class that the LeNet-5 names. Confidence is
taken as log p / (1 - p), which orders the images as p does and does not saturate. Nearness is the distance to the
nearest training digit of the class; the distance from the boundary is that of the shortest change found, inside [0, 1]
or beyond. Beside the value stand its sign, the plain correlations, and the same within each kind.

The kinds differ in more than the two distances. What else goes with nearness from kind to kind counts over all images;
within a kind it does not, but there the far ones are not compared with the near. So there are two rows, one for each.
"""

import numpy as np
import scipy
import torch
from torch import Tensor

from course_utils import attacks, evaluation
from course_utils.dimensions.boundary_distance import boundary_distance
from course_utils.fooling import Direct, ascend
from course_utils.images.illusions import ink_blots
from course_utils.manifold import nearest
from course_utils.studies.claims import RULES
from course_utils.studies.engine import Study
from course_utils.studies.networks import digits, network, seeds
from course_utils.studies.pictures import CLASSES, evolved

ROUNDS = range(1, 18)  # of ten images: 170 of a kind


def regard(seed: int, generator: torch.Generator) -> dict:
    """The size of the partial rank correlation of confidence with nearness over all images."""
    model = network("lenet5", seed)
    three = {kind: measures(model, some) for kind, some in kinds(model, generator).items()}
    together = np.concatenate(list(three.values()), 1)
    plain = [round(scipy.stats.spearmanr(together[0], other).statistic, 3) for other in together[1:]]
    signed = partial(*together)
    return {
        "value": round(abs(signed), 4),
        "signed": round(signed, 4),
        "plain, with nearness and with the boundary": plain,
        "within": {kind: round(partial(*some), 3) for kind, some in three.items()},
    }


def regard_within(seed: int, generator: torch.Generator) -> dict:
    """The same within each kind: the mean of the six sizes."""
    model = network("lenet5", seed)
    signed = {kind: partial(*measures(model, some)) for kind, some in kinds(model, generator).items()}
    value = sum(abs(one) for one in signed.values()) / len(signed)
    return {"value": round(value, 4), "signed": {kind: round(one, 4) for kind, one in signed.items()}}


def kinds(model: torch.nn.Module, generator: torch.Generator) -> dict[str, Tensor]:
    """170 images of each kind."""
    number, every = CLASSES * len(ROUNDS), torch.arange(CLASSES)
    how, test = dict(generator=generator, progress=False), digits().test[: CLASSES * len(ROUNDS)]
    return {
        "digits": test.images,
        "perturbed": attacks.pgd(model, test.images, test.labels, eps=0.2, **how),
        "bred": torch.cat([evolved(model, Direct(), 10 * k, generator, population=50).images for k in ROUNDS]),
        "climbed": torch.cat([ascend(model, every, steps=6 * k, **how) for k in ROUNDS]),
        "blots": 1 - ink_blots(number, size=28, generator=generator),
        "noise": torch.rand(number, 1, 28, 28, generator=generator),
    }


def measures(model: torch.nn.Module, images: Tensor) -> np.ndarray:
    """Confidence as log odds, nearness to the named class, distance from the boundary: ``(3, N)``."""
    logits, train = evaluation.logits(model, images).double(), digits().train
    labels, near = logits.argmax(1), torch.zeros(len(images))
    odds = logits.amax(1) - evaluation.without(logits, labels).logsumexp(1)
    for k in labels.unique():
        own = train.images[train.labels == k]
        near[labels == k] = -nearest(images[labels == k], own, 1, progress=False).distances[:, 0]
    boundary = boundary_distance(model, images, labels, progress=False).distances
    return torch.stack([odds, near.double(), boundary.double()]).numpy()


def partial(first: np.ndarray, second: np.ndarray, given: np.ndarray) -> float:
    """The rank correlation of two lists of numbers with the third held fixed."""
    ranks = np.corrcoef(scipy.stats.rankdata([first, second, given], axis=1))
    one, two, both = ranks[0, 1], ranks[0, 2], ranks[1, 2]
    return float((one - two * both) / ((1 - two**2) * (1 - both**2)) ** 0.5)


STUDIES = (
    Study(RULES["N8"], seeds(10), regard, again=seeds(5, 10)),
    Study(RULES["N8-within"], seeds(10), regard_within, again=seeds(5, 10)),
)
