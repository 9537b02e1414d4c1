"""N4: which share of ImageNet's thousand classes does one evolution of painting networks bring to 99 %?

A run is 5,000 generations of 400 children, two million passes through MobileNetV2, which takes days on a laptop. Three
runs are three units, one after the other on a machine with CUDA:

    deep-flaw study N4 --workers 0

What ships with the course is of 80,000 passes (`data/fooling`), a pilot that decides nothing. Beside the share stand
the quantiles of confidence. One GPU rounds its sums in another order than another, so that a run of millions of choices
comes out alike and not to the bit.
"""

import torch

from course_utils import zoo
from course_utils.fooling import CPPN, map_elites
from course_utils.studies.claims import RULES
from course_utils.studies.engine import Study
from course_utils.studies.networks import seeds
from course_utils.studies.pictures import share

GENERATIONS, CHILDREN, HIGH, DEVICE = 5000, 400, 0.99, "cuda"
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)


def reached(seed: int, generator: torch.Generator) -> dict:
    """The share of classes whose image is given to them with 99 %; the quantiles of confidence, and where it was run.

    Raises:
        RuntimeError: there is no CUDA device.
    """
    if DEVICE == "cuda" and not torch.cuda.is_available():
        raise RuntimeError("N4 breeds for two million passes, and there is no CUDA device: it would take days")
    model, generator = zoo.load("mobilenet_v2", device=DEVICE), torch.Generator(DEVICE).manual_seed(seed)
    how = dict(generations=GENERATIONS, population=CHILDREN, generator=generator)
    archive = map_elites(model, CPPN((3, 224, 224)), **how)
    if len(archive.history) < GENERATIONS:
        raise KeyboardInterrupt
    quantiles = archive.confidence.quantile(archive.confidence.new_tensor(QUANTILES)).tolist()
    return {
        "value": share(archive.confidence >= HIGH),
        "confidence": {str(q): round(found, 4) for q, found in zip(QUANTILES, quantiles, strict=True)},
        "device": torch.cuda.get_device_name() if DEVICE == "cuda" else DEVICE,
    }


STUDIES = (Study(RULES["N4"], seeds(3), reached),)
