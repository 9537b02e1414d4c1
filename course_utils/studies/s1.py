"""S1: for how many of the digits that a LeNet-5 gets right is there a misclassified image within distortion 0.1?

Of each digit the shortest change counts that any of three attacks finds. A search shows that there is such an image and
never that there is none; so what interval bounds prove stands beside it, in their norm: the share of the same digits
that have no misclassified image within eps a pixel.
"""

import torch

from course_utils import attacks, evaluation
from course_utils.attacks.distances import distortion
from course_utils.defenses import intervals
from course_utils.studies.claims import RULES
from course_utils.studies.engine import Study
from course_utils.studies.networks import digits, network, seeds

NUMBER, NEAR, PROVED = 1000, 0.1, (0.001, 0.002, 0.005, 0.01)


def close_ones(seed: int, generator: torch.Generator) -> dict:
    """Digits with such an image, of all looked at; the median distortion; the shares that are proved, by eps."""
    model, test = network("lenet5", seed), digits().test
    chosen = (evaluation.predict(model, test.images).labels == test.labels).nonzero().squeeze(1)
    chosen = chosen[torch.randperm(len(chosen), generator=generator)[:NUMBER]]
    images, labels = test.images[chosen], test.labels[chosen]
    shortest = torch.full((NUMBER,), torch.inf)
    for attack in (attacks.deepfool, attacks.carlini_wagner, attacks.lbfgs):
        found = attack(model, images, labels, generator=generator, progress=False)
        wrong = evaluation.predict(model, found).labels != labels
        shortest = torch.where(wrong, distortion(images, found).minimum(shortest), shortest)
    proved = {
        str(eps): round(intervals.verified(model, images, labels, eps).double().mean().item(), 4) for eps in PROVED
    }
    median = round(shortest.median().item(), 4)
    return {"value": [int((shortest <= NEAR).sum()), NUMBER], "median distortion": median, "proved within": proved}


STUDIES = (Study(RULES["S1"], seeds(10), close_ones, again=seeds(5, 10)),)
