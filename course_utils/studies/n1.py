"""N1: in how many of the ten niches does evolution, one gene a pixel, reach 99.99 % within 50 generations?

Three runs a network, as published: a population of 200, mutation alone; and three with the released code's crossover,
which the paper does not mention. The value is that of the published settings, the others stand beside it.
"""

import torch

from course_utils.fooling import Direct, map_elites
from course_utils.studies.claims import RULES
from course_utils.studies.engine import Study
from course_utils.studies.networks import network, seeds

RUNS, GENERATIONS, POPULATION, SURE = 3, 50, 200, 0.9999


def niches(seed: int, generator: torch.Generator) -> dict:
    """The mean fraction of niches at 99.99 %, and that of each run with and without crossover."""
    model, found = network("caffe_lenet", seed), {}
    for name, crossover in (("mutation", False), ("crossover", True)):
        encoding, size = Direct(crossover=crossover), dict(generations=GENERATIONS, population=POPULATION)
        runs = [map_elites(model, encoding, **size, generator=generator, progress=False) for _ in range(RUNS)]
        found[name] = [round((run.confidence >= SURE).double().mean().item(), 3) for run in runs]
    return {"value": round(sum(found["mutation"]) / RUNS, 4)} | found


STUDIES = (Study(RULES["N1"], seeds(10), niches, again=seeds(5, 10)),)
