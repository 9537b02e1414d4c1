"""A2: is a LeNet-5 fooled again after five rounds of retraining with a class "none of these" for fooling images?

A series: in each round evolution with one gene a pixel, evolution of CPPNs and gradient ascent from noise make 300
different images against the network as it is. It is trained on with digits and with all images so far in an eleventh
class (`defenses.null_class`). So each searcher meets a network that was taught what this searcher makes.

A unit is one searcher against the end of one series: the share of the ten digits that it brings to 99 % in images that
are not recognised as the digit. The fourth searcher is evolution with three times the time. Beside it stand the same
search against the network before the series, which it has to fool for "again" to make sense; the share that is sure,
recognised or not, at 99 and at 99.99 %; and the clean error after the series, where "none of these" is an error too.
"""

from functools import partial

import torch
from torch import Tensor, nn

from course_utils import evaluation, models
from course_utils.data import Split
from course_utils.defenses.null_class import null_class_rounds, with_null_class
from course_utils.fooling import CPPN, Direct
from course_utils.studies.claims import RULES
from course_utils.studies.engine import Study
from course_utils.studies.networks import digits, network
from course_utils.studies.pictures import CLASSES, climbed, evolved, recognised, share
from course_utils.training import History
from course_utils.zoo.recipe import Recipe

SERIES, ROUNDS, SEARCHES, GENERATIONS = 5, 5, 3, 200
ENCODINGS = {"one gene a pixel": Direct(), "CPPN": CPPN()}
LESSONS = {"one gene a pixel": 5, "CPPN": 10, "ascent": 15}  # images a class and round
LONGER, HIGH = "one gene a pixel, longer", (0.99, 0.9999)


def fooled_again(unit: list, generator: torch.Generator) -> dict:
    """For a unit [series, searcher]: the share of digits after the series, and before it; the clean error."""
    seed, searcher = unit
    other, after = network("fc500-150", seed), series(seed)
    before = fooled(network("lenet5", seed), searcher, generator, other)
    clean = {"clean error": round(1 - evaluation.accuracy(after, digits().test), 4), "factor": searcher}
    return fooled(after, searcher, generator, other) | {"before": before, "top": seed} | clean


def fooled(model: nn.Module, searcher: str, generator: torch.Generator, other: nn.Module) -> dict:
    """The shares of digits, over three searches, that the model is sure of: not recognised ("value"), or either."""
    times = 3 if searcher == LONGER else 1
    images = search(model, searcher.removesuffix(", longer"), SEARCHES, generator, times * GENERATIONS)
    labels = torch.arange(CLASSES).repeat(SEARCHES)
    confidences = evaluation.logits(model, images).softmax(1).gather(1, labels[:, None])[:, 0]
    sure, strange = [confidences >= high for high in HIGH], ~recognised(images, labels, other)
    return {"value": share(sure[0] & strange), "sure at 99, 99.99 %": [share(each) for each in sure]}


def search(model: nn.Module, searcher: str, runs: int, generator: torch.Generator, generations: int) -> Tensor:
    """What a searcher finds for the digits 0 to 9, ``runs`` times: images ``(10 runs, 1, 28, 28)``."""
    if searcher == "ascent":
        return climbed(model, runs, generator)[0]
    bred = [evolved(model, ENCODINGS[searcher], generations, generator) for _ in range(runs)]
    return torch.cat([each.images[:CLASSES] for each in bred])  # without the class for fooling images


def series(seed: int) -> nn.Module:
    """LeNet-5 after the rounds of retraining, with eleven outputs; from the cache, or taught now."""
    return network("a2-series", seed, Recipe(eleven, partial(teach, seed=seed, rounds=ROUNDS)))


def eleven() -> nn.Sequential:
    """A LeNet-5 with an output for "none of these"."""
    return with_null_class(models.LeNet5())


def teach(
    model: nn.Module, split: Split, *, seed: int, rounds: int, generator: torch.Generator, progress: bool
) -> History:
    """Give the model the weights that LeNet-5 of this seed has after so many rounds."""
    how = dict(test=digits().test[:1000], rounds=rounds + 1, generator=generator, progress=progress)
    *_, last = null_class_rounds(network("lenet5", seed), split, lessons, **how)
    model.load_state_dict(last.model.state_dict())
    return History(finished=last.number == rounds + 1)


def lessons(model: nn.Module, generator: torch.Generator) -> Tensor:
    """The images of one round, of all searchers."""
    return torch.cat([search(model, each, runs, generator, GENERATIONS // 2) for each, runs in LESSONS.items()])


def _units(numbers) -> dict[str, list]:
    return {f"series {seed}, {searcher}": [seed, searcher] for seed in numbers for searcher in (*LESSONS, LONGER)}


UNITS = _units(range(SERIES))
STUDIES = (Study(RULES["A2"], UNITS, fooled_again, again=_units(range(SERIES, 2 * SERIES))),)
