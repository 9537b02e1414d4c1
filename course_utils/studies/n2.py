"""N2: how many of the ten digits get a CPPN image that is sure, regular, and not recognised as the digit?

One run of 200 generations on Caffe's LeNet. Regular: some shift of up to four pixels leaves a correlation of 0.5 with
the image itself, which noise never has. Recognisers that took no part judge (`pictures.reading`), and they see each
picture twice, on its grid of 28 pixels and drawn 18 times as finely and averaged back, since stripes finer than a
pixel look like others: a picture that is its digit in either is recognised. A ring for a zero counts as a zero.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from course_utils.fooling import CPPN
from course_utils.studies.claims import RULES
from course_utils.studies.engine import Study
from course_utils.studies.networks import network, seeds
from course_utils.studies.pictures import CLASSES, evolved, reading, recognition, share, sure

GENERATIONS, FINE, REACH, REGULAR = 200, 18 * 28, 4, 0.5


def like_nothing(seed: int, generator: torch.Generator) -> dict:
    """The share of niches that are sure, regular and not recognised, and each of these shares."""
    model, other, every = network("caffe_lenet", seed), network("lenet5", seed), torch.arange(CLASSES)
    run = evolved(model, CPPN(), GENERATIONS, generator)
    averaged = F.interpolate(CPPN().render(run.genomes, size=(FINE, FINE)), size=(28, 28), mode="area").clamp(0, 1)
    arrived, regular = sure(model, run.images, every), regularity(run.images) >= REGULAR
    read, named = zip(*(reading(images, every, other) for images in (run.images, averaged)), strict=True)
    return {
        "value": share(arrived & regular & ~read[0] & ~read[1]),
        "sure": share(arrived),
        "regular": share(regular),
        "recognised, and averaged": [share(each) for each in read],
        "named, and averaged": [share(each) for each in named],
        "sure when averaged": share(sure(model, averaged, every)),
        "recognised of": recognition(other, generator),
    }


def regularity(images: Tensor) -> Tensor:
    """The best correlation of each image with a copy that is shifted by up to four pixels: ``(N,)``."""
    shifts = [
        (down, right) for down in range(REACH + 1) for right in range(-REACH, REACH + 1) if (down, right) > (0, 0)
    ]
    side, found = images.shape[-1], []
    for down, right in shifts:
        one = images[..., down:, max(right, 0) : side + min(right, 0)].flatten(1)
        two = images[..., : side - down, max(-right, 0) : side - max(right, 0)].flatten(1)
        found.append(F.cosine_similarity(one - one.mean(1, keepdim=True), two - two.mean(1, keepdim=True)))
    return torch.stack(found).amax(0)


STUDIES = (Study(RULES["N2"], seeds(10), like_nothing, again=seeds(5, 10)),)
