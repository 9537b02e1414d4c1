"""T1: how many of the 10,000 test digits does a freshly trained LeNet-5 get wrong?"""

import torch

from course_utils import evaluation
from course_utils.studies.claims import RULES
from course_utils.studies.engine import Study
from course_utils.studies.networks import digits, network, seeds


def errors(seed: int, generator: torch.Generator) -> list[int]:
    """Misclassified test digits, and all of them."""
    test = digits().test
    right = round(evaluation.accuracy(network("lenet5", seed), test) * len(test.labels))
    return [len(test.labels) - right, len(test.labels)]


STUDIES = (Study(RULES["T1"], seeds(10), errors, again=seeds(5, 10)),)
