"""A4: by accident, does a face detector see a face with 95 % or more where there is none?

One hundred squares are cut out of a photograph at random, with sides between a quarter of its shorter side and all of
it, even in their logarithm, and shown at 224 x 224 pixels. A photograph counts once, if one of them or more has such a
detection, since its crops share their things; beside it stand how many do, how many have a face by the detector's own
threshold, 70 %, and how many MobileNetV2 names with 95 % or more, rightly or wrongly, which is no error by itself.

That `NOBODY` shows nobody was settled by looking at each photograph in full, before the detector was asked. Left out
are those with a person or a part of one (astronaut, camera, officer, foolbox 00 and 02), with portraits (coins), and
with an animal's face from the front (cat, foolbox 16 and 17), which does look like something; and those that the
detector had been shown before (coffee, motorcycle, rocket).
"""

import math

import numpy as np
import torch
from torch import Tensor

from course_utils import evaluation, faces
from course_utils.faces.detector import Cascade
from course_utils.images import photographs
from course_utils.studies import photos
from course_utils.studies.claims import RULES
from course_utils.studies.engine import Study

NOBODY = (
    *("dahlia", "pagoda", "brick", "cell", "clock", "grass", "gravel", "hubble_deep_field", "immunohistochemistry"),
    *("moon", "page", "retina", "text"),
    *(name for name in photos.FOOLBOX if name[-2:] not in ("00", "02", "16", "17")),
)
CROPS, LEAST, SURE, PORTION = 100, 1 / 4, 0.95, 20


def natural_crops(pixels: np.ndarray, number: int, generator: torch.Generator) -> Tensor:
    """So many squares out of a photograph, at random places and of random sizes: ``(number, 3, 224, 224)``."""
    height, width = pixels.shape[:2]
    found = []
    for size, down, right in torch.rand(number, 3, generator=generator).tolist():
        side = round(min(height, width) * math.exp(size * math.log(LEAST)))
        top, left = int(down * (height - side + 1)), int(right * (width - side + 1))
        found.append(photographs.crop(pixels[top : top + side, left : left + side]).cpu())
    return torch.cat(found)


def surest(images: Tensor, cascade: Cascade) -> Tensor:
    """The probability of the surest face that the detector sees in each image; 0 where it sees none."""
    found = [each for part in images.split(PORTION) for each in faces.detect(part, cascade)]
    return torch.tensor([max(each.probabilities.tolist(), default=0.0) for each in found])


def accident(name: str, generator: torch.Generator) -> dict:
    """Whether one crop or more has a face at 95 %; how many, and how many at 70 %; how many a classifier names."""
    crops = natural_crops(photos.raw(name), CROPS, generator)
    probability = surest(crops, faces.nets("cpu"))
    named = evaluation.logits(photos.namer(), crops).softmax(1).amax(1) >= SURE
    sure = int((probability >= SURE).sum())
    return {
        "value": sure > 0,
        "crops with a face at 95 %": sure,
        "crops with a face": int((probability > 0).sum()),
        "surest": round(probability.max().item(), 4),
        "crops named at 95 %": int(named.sum()),
    }


STUDIES = (Study(RULES["A4"], {name: name for name in NOBODY}, accident),)
