"""N3: how often does plain gradient ascent from noise end at 99.99 % in an image that is not recognised as its digit?

Three starts for each of the ten digits on Caffe's LeNet. Recognisers that took no part judge the result
(`pictures.recognised`), the network among them a LeNet-5; what they recognise of digits, of faint digits in noise and
of noise stands beside it. So do the shares that arrive, that are recognised, and that one of the two names rightly, be
there a digit to see or not: of noise it would be a fifth.
"""

import torch

from course_utils.studies.claims import RULES
from course_utils.studies.engine import Study
from course_utils.studies.networks import network, seeds
from course_utils.studies.pictures import climbed, reading, recognition, share, sure

STARTS = 3


def unrecognised(seed: int, generator: torch.Generator) -> dict:
    """The share of climbs that arrive at an unrecognised image; of those that arrive; of those recognised."""
    model, other = network("caffe_lenet", seed), network("lenet5", seed)
    images, labels = climbed(model, STARTS, generator)
    arrived, (read, named) = sure(model, images, labels), reading(images, labels, other)
    return {
        "value": share(arrived & ~read),
        "arrived": share(arrived),
        "recognised": share(read),
        "named": share(named),
        "recognised of": recognition(other, generator),
    }


STUDIES = (Study(RULES["N3"], seeds(10), unrecognised, again=seeds(5, 10)),)
