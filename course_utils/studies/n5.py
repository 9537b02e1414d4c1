"""N5: does a bred pattern lose more when its own repeats are painted over than when as much of the rest is?

The patterns are those that the course stores, bred on MobileNetV2 for the classes of ImageNet, at 50 % or more. The
picture alone says what repeats: of all squares of 28 pixels that are not flat, the one that is found in most places,
without overlap and at a correlation of 0.8. Six places or more are repeats, and half of them are painted over, drawn at
random; in a second picture as many squares that are found in no other place, are not flat, and touch no repeat. Where
there are fewer of these, fewer of both are painted, three at least. Paint is the mean colour of the picture. The value
is what the log-odds of the class lose by the first more than by the second, mean over twelve draws. Repeats that turn
or grow are not found, and the single squares often are the middle of a pattern: either may count more.

Beside it stand both losses, how far each paint changes the picture, and the confidence before and after the repeats are
gone: the article's own comparison.
"""

import functools
from collections.abc import Sequence

import numpy as np
import skimage
import torch
from torch import Tensor

from course_utils import evaluation
from course_utils.attacks.distances import l2
from course_utils.fooling.packing import IMAGENET, unpack
from course_utils.studies import photos
from course_utils.studies.claims import RULES
from course_utils.studies.engine import Study

BOX, STEP, LIKE, FLAT, DRAWS = 28, 14, 0.8, 0.08, 12
REPEATS, SINGLE = 6, 3  # at least
PATTERNS = (  # classes: all at 50 % or more with so many squares, which `squares` found before any network was asked
    *(78, 110, 115, 409, 429, 458, 462, 473, 475, 479, 506, 507, 535, 539, 545, 553, 555, 556, 562, 581, 610, 611, 635),
    *(651, 729, 779, 810, 817, 821, 828, 839, 851, 868, 877, 884, 905, 955),
)


def pattern(label: int) -> Tensor:
    """The picture that was bred for a class, in 256 levels: ``(1, 3, 224, 224)``."""
    stored = _stored()
    drawn = stored.encoding.render({name: genes[label : label + 1] for name, genes in stored.genomes.items()})
    return drawn.mul(255).floor().div(255)


@functools.lru_cache(1)
def _stored():
    return unpack(IMAGENET)


def squares(grey: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Corners of the copies of the element with most copies, and of squares that have no copy: ``(k, 2)`` each."""
    best, single, places = np.zeros((0, 2), int), [], range(0, grey.shape[0] - BOX + 1, STEP)
    flat = np.lib.stride_tricks.sliding_window_view(grey, (BOX, BOX)).std((2, 3)) < FLAT
    for row, column in ((row, column) for row in places for column in places):
        element = grey[row : row + BOX, column : column + BOX]
        if flat[row, column]:
            continue
        likeness = np.where(flat, 0, skimage.feature.match_template(grey, element))
        copies = apart(skimage.feature.peak_local_max(likeness, 1, LIKE, exclude_border=False))
        if len(copies) > len(best):
            best = copies
        if len(copies) == 1:
            single.append((row, column))
    single = [corner for corner in apart(np.array(single).reshape(-1, 2)) if len(apart([*best, corner])) > len(best)]
    return best, np.array(single, int).reshape(-1, 2)


def apart(corners: Sequence[np.ndarray]) -> np.ndarray:
    """Those squares of a list that do not overlap one that comes before."""
    kept = []
    for corner in corners:
        if all(np.abs(corner - other).max() >= BOX for other in kept):
            kept.append(corner)
    return np.array(kept, int).reshape(-1, 2)


def painted(image: Tensor, corners: np.ndarray) -> Tensor:
    """The picture with these squares in its mean colour."""
    image, paint = image.clone(), image.mean((2, 3), keepdim=True)
    for row, column in corners:
        image[..., row : row + BOX, column : column + BOX] = paint
    return image


def odds(model: torch.nn.Module, images: Tensor, label: int) -> Tensor:
    """The log-odds of the class, ``(N,)``."""
    logits, labels = evaluation.logits(model, images).double(), torch.full((len(images),), label)
    return logits[:, label] - evaluation.without(logits, labels).logsumexp(1)


def repeats_lost(label: int, generator: torch.Generator) -> dict:
    """How much more is lost with the repeats; both losses; confidences before and after; the numbers of squares."""
    image, model = pattern(label), photos.namer()
    copies, others = squares(image[0].mean(0).numpy())
    number = min(len(copies) // 2, len(others))
    draws = {"repeats": [], "others": []}
    for _ in range(DRAWS):
        for kind, corners in (("repeats", copies), ("others", others)):
            chosen = torch.randperm(len(corners), generator=generator)[:number].numpy()
            draws[kind].append(painted(image, corners[chosen]))
    before = odds(model, image, label)
    after = {kind: odds(model, torch.cat(each), label) for kind, each in draws.items()}
    lost = {kind: (before - each).mean().item() for kind, each in after.items()}
    changed = {kind: l2(image.expand(DRAWS, -1, -1, -1), torch.cat(each)).mean().item() for kind, each in draws.items()}
    return {
        "value": round(lost["repeats"] - lost["others"], 4),
        "log-odds lost": {kind: round(each, 3) for kind, each in lost.items()},
        "painted, in L2": {kind: round(each, 2) for kind, each in changed.items()},
        "confidence before, after": [round(each.sigmoid().mean().item(), 4) for each in (before, after["repeats"])],
        "repeats, others, painted": [len(copies), len(others), number],
    }


STUDIES = (Study(RULES["N5"], {str(label): label for label in PATTERNS}, repeats_lost),)
