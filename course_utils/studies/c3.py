"""C3: for how many digits does a search find another image with the same ten logits?

That there is one is certain and not counted: 784 pixels of 256 levels make more images than ten float32 numbers have
values. A search from noise shows some, or fails: for each digit it looks for the picture nearest to noise that has the
digit's logits, each within 1e-4. Beside the count stands how far it is from the digit, in L2.
"""

import torch

from course_utils.attacks.distances import l2
from course_utils.collisions.match_logits import match_logits
from course_utils.studies.claims import RULES
from course_utils.studies.engine import Study
from course_utils.studies.networks import digits, network, seeds

NUMBER, FAR = 20, 1.0  # nearer in L2 it would be the digit itself


def collisions(seed: int, generator: torch.Generator) -> dict:
    """Digits with such a picture, and all that were looked at; the median distance of the two."""
    test = digits().test
    images = test[torch.randperm(len(test), generator=generator)[:NUMBER]].images
    noise = torch.rand(images.shape, generator=generator)
    met = match_logits(network("lenet5", seed), noise, images, progress=False)
    distance = l2(met.images, images)
    other = met.found & (distance > FAR)
    return {"value": [int(other.sum()), NUMBER], "median distance": round(distance.quantile(0.5).item(), 2)}


STUDIES = (Study(RULES["C3"], seeds(10), collisions, again=seeds(5, 10)),)
