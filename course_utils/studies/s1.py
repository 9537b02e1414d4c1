"""S1: for how many of the digits that a LeNet-5 gets right is there a misclassified image within distortion 0.1?

The cheapest attack goes first, and each next one gets the digits for which none before it has found such an image.
"""

import torch

from course_utils import attacks, evaluation
from course_utils.attacks.distances import distortion
from course_utils.studies.claims import RULES
from course_utils.studies.engine import Study
from course_utils.studies.networks import digits, network, seeds

NUMBER, NEAR = 1000, 0.1


def close_ones(seed: int, generator: torch.Generator) -> dict:
    """Digits with such an image, and all that were right; and the median distortion of what was found."""
    model, test = network("lenet5", seed), digits().test
    right = evaluation.predict(model, test.images).labels == test.labels
    chosen = right.nonzero().squeeze(1)
    chosen = chosen[torch.randperm(len(chosen), generator=generator)[:NUMBER]]
    images, labels = test.images[chosen], test.labels[chosen]
    nearest, left = torch.full((NUMBER,), torch.inf), torch.arange(NUMBER)
    for attack in (attacks.deepfool, attacks.carlini_wagner, attacks.lbfgs):
        found = attack(model, images[left], labels[left], generator=generator, progress=False)
        wrong = evaluation.predict(model, found).labels != labels[left]
        far = torch.where(wrong, distortion(images[left], found), torch.inf)
        nearest[left] = torch.minimum(nearest[left], far)
        left = (nearest > NEAR).nonzero().squeeze(1)
        if not len(left):
            break
    return {"value": [int((nearest <= NEAR).sum()), NUMBER], "median": round(nearest.median().item(), 4)}


STUDIES = (Study(RULES["S1"], seeds(10), close_ones, quick=("0", "1", "2"), again=seeds(5, 10)),)
