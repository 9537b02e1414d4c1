"""B11: how many pictures, taken as vectors of 784 components in [0, 1], have every component above 0.01?

For independent, uniform components the share is 0.99^784 = 0.0004, which is a theorem and not counted. The blog claims
such vectors for real applications; so 1,000 patches of 28 x 28 pixels of each photograph are asked, and the training
digits of each class. Beside each share stands what independence would make of the picture's own dark pixels.
"""

import torch
from torch import Tensor

from course_utils.images.photographs import PHOTOS
from course_utils.studies import photos
from course_utils.studies.claims import RULES
from course_utils.studies.engine import Study
from course_utils.studies.networks import digits

EPS, SIDE, PATCHES = 0.01, 28, 1000


def patches(grey: Tensor, number: int, generator: torch.Generator) -> Tensor:
    """Squares at random places of a picture ``(height, width)``: ``(number, 784)``."""
    every = grey.unfold(0, SIDE, 1).unfold(1, SIDE, 1)
    rows, columns = (torch.randint(size, (number,), generator=generator) for size in every.shape[:2])
    return every[rows, columns].flatten(1)


def shares(vectors: Tensor) -> tuple[int, float]:
    """Of vectors ``(N, n)``, how many have every component above EPS, and the share if these were independent."""
    above = vectors > EPS
    return int(above.all(1).sum()), round(above.double().mean().item() ** vectors.shape[1], 6)


def all_above(unit: str | int, generator: torch.Generator) -> dict:
    """(every component above, vectors) for the photograph of a name, or for a class of digits."""
    if isinstance(unit, str):
        vectors = patches(photos.grey(photos.raw(unit))[0, 0], PATCHES, generator)
    else:
        train = digits().train
        vectors = train.images[train.labels == unit].flatten(1)
    number, independent = shares(vectors)
    return {
        "value": [number, len(vectors)],
        "if independent": independent,
        "factor": "photograph" if isinstance(unit, str) else "digit",
    }


UNITS = {name: name for name in PHOTOS} | {f"digit {k}": k for k in range(10)}
STUDIES = (Study(RULES["B11"], UNITS, all_above),)
