"""B4: how likely is a random change of adversarial length to be misclassified, beside the ordinary error?

The length is the network's own: the median of the shortest changes that DeepFool and a search after it find. All test
digits that are read rightly are changed at random, uniformly on a sphere of that radius, 20 times each: digits near the
boundary carry the mean, so that many digits matter more than many draws of one. The curve over other lengths stands
beside it, and for 20 digits the chance of each by multilevel splitting, where plain draws find nothing.
"""

import math

import torch

from course_utils import evaluation
from course_utils.dimensions import boundary_distance, flip_probability
from course_utils.studies.b6 import read_rightly
from course_utils.studies.claims import RULES
from course_utils.studies.engine import Study
from course_utils.studies.networks import digits, network, seeds

SHORTEST, DRAWS, FEW, LENGTHS = 200, 20, 1_000, (2.0, 3.0, 4.0, 6.0)
RARE, PARTICLES = 20, 20


def chance(model, images, labels, size: float, draws: int, generator: torch.Generator) -> float:
    """The mean chance that a random change of a length is misclassified; nothing found is one in twice the draws."""
    how = dict(law="sphere", samples=draws, generator=generator, progress=False)
    found = flip_probability.flip_probability(model, images, labels, size, **how)
    return max(found.counts.sum().item(), 0.5) / (draws * len(images))


def ratio(seed: int, generator: torch.Generator) -> dict:
    """log10 of chance over error; that length and the error; the same over lengths; medians by splitting."""
    model, test = network("lenet5", seed), digits().test
    images, labels = read_rightly(model, len(test), generator)
    error = 1 - evaluation.accuracy(model, test)
    found = boundary_distance.boundary_distance(model, images[:SHORTEST], labels[:SHORTEST], progress=False)
    size = found.distances.median().item()
    rare = dict(law="sphere", particles=PARTICLES, generator=generator, progress=False)
    curve, medians = {}, {}
    for other in LENGTHS:
        several = chance(model, images[:FEW], labels[:FEW], other, DRAWS, generator)
        curve[str(other)] = round(math.log10(several / error), 3)
    for other in LENGTHS[1:]:
        split = flip_probability.flip_probability_splitting(model, images[:RARE], labels[:RARE], other, **rare)
        medians[str(other)] = round(math.log10(max(split.probabilities.median().item(), 1e-30)), 2)
    return {
        "value": round(math.log10(chance(model, images, labels, size, DRAWS, generator) / error), 4),
        "length": round(size, 3),
        "error": round(error, 5),
        "log10 ratio by length": curve,
        "log10 chance of the median digit, by splitting": medians,
    }


STUDIES = (Study(RULES["B4"], seeds(10), ratio, again=seeds(5, 10)),)
