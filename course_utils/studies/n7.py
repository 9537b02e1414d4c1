"""N7: which share of the images that were bred to 99.99 % on one network does another surely give the same class?

Ten networks of four families. On each, evolution runs once for 200 generations with one gene a pixel, and once with
CPPNs, or on until three images reach 99.99 %; those that do are shown to the nine others, and a unit is one such pair
with one encoding. A reader that calls everything one digit can score no more than the share of that digit, about a
tenth.
"""

import functools

import torch

from course_utils import evaluation, models, training
from course_utils.core import storage
from course_utils.data import Split
from course_utils.fooling import CPPN, Direct
from course_utils.studies.claims import RULES
from course_utils.studies.engine import Study
from course_utils.studies.networks import network
from course_utils.studies.pictures import CLASSES, evolved, longer, share, sure
from course_utils.zoo.recipe import Recipe

GENERATIONS, TURNS, HIGH = 200, 10, 0.99
FEWEST = 3  # images; where fewer are there after 200 generations, evolution goes on, for up to 2,000
STRIDED = Recipe(models.Strided, functools.partial(training.fit, epochs=3, lr=3e-3))
FAMILIES = {"lenet5": 3, "caffe_lenet": 3, "strided": 2, "fc500-150": 2}  # and how many trainings of each
ENCODINGS = {"one gene a pixel": Direct(), "CPPN": CPPN()}


def carried(unit: list, generator: torch.Generator) -> dict:
    """For a unit [source, reader, encoding]: both numbers, and the share that the reader takes in."""
    source, reader, encoding = unit
    bred = bred_on(source, encoding)
    confidences = evaluation.logits(of_family(reader), bred.images).softmax(1).gather(1, bred.labels[:, None])
    return {"value": [source, reader, share(confidences >= HIGH)], "factor": encoding, "images": len(bred)}


@functools.lru_cache(2 * sum(FAMILIES.values()))
def bred_on(source: int, encoding: str) -> Split:
    """The images that reach 99.99 % on a network, three or more, the same for all readers."""
    seed = int(storage.sha256(f"{source}/{encoding}".encode())[:12], 16)
    model, every = of_family(source), torch.arange(CLASSES)
    first = evolved(model, ENCODINGS[encoding], GENERATIONS, torch.Generator().manual_seed(seed))
    how = dict(generations=GENERATIONS, population=200, progress=False)
    for run in longer(first, TURNS, model, ENCODINGS[encoding], **how):
        found = Split(run.images, every)[sure(model, run.images, every)]
        if len(found) >= FEWEST:
            return found
    raise ValueError(
        f"{len(found)} images reached 99.99 % on network {source} with {encoding}: its pairs have no value"
    )


def of_family(number: int) -> torch.nn.Module:
    """Network 0, 1, ...: a training of a family; from ten on, other trainings of the same."""
    names = [(name, seed) for name, trainings in FAMILIES.items() for seed in range(trainings)]
    name, seed = names[number % len(names)]
    return network(name, seed + number // len(names) * len(names), {"strided": STRIDED}.get(name))


def _pairs(numbers) -> dict[str, list]:
    return {
        f"{source} to {reader}, {encoding}": [source, reader, encoding]
        for encoding in ENCODINGS
        for source in numbers
        for reader in numbers
        if source != reader
    }


STUDIES = (Study(RULES["N7"], _pairs(range(10)), carried, again=_pairs((10, 13, 16, 18))),)
