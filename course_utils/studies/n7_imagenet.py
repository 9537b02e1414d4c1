"""N7-imagenet: which share of the images bred on one ImageNet network does another surely give the same name?

Four networks of four families. On each, one evolution of painting networks breeds an image for each of the thousand
classes, 80,000 passes, or on until three reach 90 %, for up to ten times as long. Those that do are shown to the three
others. A unit is an ordered pair. On a laptop an evolution takes the better part of an hour, so that this wants a CUDA
device, and one process, since each breeds for itself:

    deep-flaw study N7-imagenet --workers 0

Beside the share stands that of images with any name at more than 50 %, and how many were shown.
"""

import functools

import torch

from course_utils import evaluation, runtime, zoo
from course_utils.data import Split
from course_utils.fooling import CPPN, map_elites
from course_utils.studies.claims import RULES
from course_utils.studies.engine import Study
from course_utils.studies.pictures import longer, share

NETWORKS = ("mobilenet_v2", "efficientnet_lite0", "resnet18", "squeezenet1_1")
CHILDREN, GENERATIONS, TURNS, FEWEST = 400, 199, 10, 3
BRED, READ, SEED = 0.9, 0.5, 0
SHAPE = (3, 224, 224)


@functools.lru_cache(len(NETWORKS))
def bred_on(source: str) -> Split:
    """The images that reach BRED on a network, FEWEST or more, and their classes.

    Raises:
        ValueError: evolution ended with fewer.
    """
    model, device = zoo.load(source), runtime.device()
    how = dict(generations=GENERATIONS, population=CHILDREN)
    first = map_elites(model, CPPN(SHAPE), generator=torch.Generator(device).manual_seed(SEED), **how)
    for run in longer(first, TURNS, model, CPPN(SHAPE), **how):
        labels = torch.arange(len(run.images), device=run.images.device)
        found = Split(run.images, labels)[run.confidence >= BRED]
        if len(found) >= FEWEST:
            return found
    raise ValueError(f"{len(found)} images reached {BRED:.0%} on {source}: its pairs have no value")


def carried(unit: list, generator: torch.Generator) -> dict:
    """For [source, reader] by number: both, and the share with the same name; with any; how many images."""
    source, reader = unit
    bred = bred_on(NETWORKS[source])
    confidences = evaluation.logits(zoo.load(NETWORKS[reader]), bred.images).softmax(1)
    same = confidences.gather(1, bred.labels[:, None])[:, 0] > READ
    return {
        "value": [source, reader, share(same)],
        "any name": share(confidences.amax(1) > READ),
        "images": len(bred),
        "device": str(runtime.device()),
    }


NUMBERS = range(len(NETWORKS))
UNITS = {f"{NETWORKS[a]} to {NETWORKS[b]}": [a, b] for a in NUMBERS for b in NUMBERS if a != b}
STUDIES = (Study(RULES["N7-imagenet"], UNITS, carried),)
