"""N4: which share of ImageNet's thousand classes does one evolution of painting networks bring to 99 %?

The whole run is 5,000 generations of 400 children, two million passes through MobileNetV2: minutes on a large GPU, days
on a laptop. It is run once in a process, and each unit is a class of it; so the study wants one process on a machine
with CUDA:

    deep-flaw study N4 --workers 0

What ships with the course are runs of 80,000 passes (`data/fooling`), which are pilots and decide nothing. Beside each
class stand its confidence and the generation that found its image. A GPU's sums are rounded in another order than
another's, so that a run of millions of choices comes out alike and not to the bit.
"""

import functools

import torch

from course_utils import zoo
from course_utils.fooling import CPPN, map_elites
from course_utils.fooling.map_elites import Archive
from course_utils.studies.claims import RULES
from course_utils.studies.engine import Study

GENERATIONS, CHILDREN, HIGH, DEVICE = 5000, 400, 0.99, "cuda"


@functools.lru_cache(1)
def bred() -> Archive:
    """The whole run, from seed 0.

    Raises:
        RuntimeError: there is no CUDA device.
    """
    if DEVICE == "cuda" and not torch.cuda.is_available():
        raise RuntimeError("N4 breeds for two million passes, and there is no CUDA device: it would take days")
    model, generator = zoo.load("mobilenet_v2", device=DEVICE), torch.Generator(DEVICE).manual_seed(0)
    how = dict(generations=GENERATIONS, population=CHILDREN, generator=generator)
    archive = map_elites(model, CPPN((3, 224, 224)), **how)
    if len(archive.history) < GENERATIONS:
        raise KeyboardInterrupt
    return archive


def reached(label: int, generator: torch.Generator) -> dict:
    """Whether the image of a class is given to it with 99 %, and with what; when it was found, and where."""
    archive = bred()
    confidence = archive.confidence[label].item()
    name = torch.cuda.get_device_name() if DEVICE == "cuda" else DEVICE
    return {
        "value": confidence >= HIGH,
        "confidence": round(confidence, 5),
        "generation": int(archive.born[label]),
        "device": name,
    }


STUDIES = (Study(RULES["N4"], {str(label): label for label in range(1000)}, reached),)
