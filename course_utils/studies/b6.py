"""B6: do two pixels, each moved alone, have an incorrect value for the same digits?

Each pixel of 100 digits is set alone to both ends of a range from -4 to 5, five times as wide as [0, 1] on both sides,
since within [0, 1] hardly any pixel can do harm. Where the network then says another class, the pixel is incorrect for
that digit. Its value is 1 or 0 for each digit, and the correlation is taken over the digits, for all pairs of pixels
that are incorrect for 5 of them at least and correct for 5 at least. Beside it stands the correlation of neighbours.
"""

import torch
from torch import Tensor, nn

from course_utils import evaluation
from course_utils.core.tensors import portion
from course_utils.studies.claims import RULES
from course_utils.studies.engine import Study
from course_utils.studies.networks import digits, network, seeds

NUMBER, REACH, LEAST = 100, 4.0, 5


def read_rightly(model: nn.Module, number: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Test digits that the network reads rightly, so many, drawn at random, and their labels."""
    test = digits().test
    (rows,) = (evaluation.predict(model, test.images).labels == test.labels).nonzero(as_tuple=True)
    rows = rows[torch.randperm(len(rows), generator=generator)[:number]]
    return test.images[rows], test.labels[rows]


@torch.no_grad()
def incorrect(model: nn.Module, images: Tensor, labels: Tensor, reach: float) -> Tensor:
    """Which pixels, alone at -reach or at 1 + reach, take an image out of its class: bool ``(N, D)``."""
    found = torch.zeros(len(images), images[0].numel(), dtype=torch.bool)
    pixels = torch.eye(images[0].numel(), dtype=torch.bool).view(-1, *images.shape[1:])
    for part, rows in zip(pixels.split(portion(images)), torch.arange(len(pixels)).split(portion(images)), strict=True):
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            for end in (-reach, 1 + reach):
                found[number, rows] |= model(image.where(~part, end)).argmax(1) != label
    return found


def correlations(found: Tensor, least: int = LEAST) -> tuple[Tensor, Tensor]:
    """Of pixels that are incorrect, and correct, for ``least`` images: phi of all pairs ``(K, K)``, and the pixels.

    Raises:
        ValueError: fewer than two such pixels.
    """
    counts = found.sum(0)
    (pixels,) = ((counts >= least) & (counts <= len(found) - least)).nonzero(as_tuple=True)
    if len(pixels) < 2:
        raise ValueError(f"{len(pixels)} pixels are incorrect for {least} images at least: take a wider range")
    return torch.corrcoef(found[:, pixels].double().T), pixels


def correlation(seed: int, generator: torch.Generator) -> dict:
    """Mean phi over pairs, that of pixels beside one another, how many pixels, and digits that no pixel harms."""
    model = network("lenet5", seed)
    found = incorrect(model, *read_rightly(model, NUMBER, generator), REACH)
    phi, pixels = correlations(found)
    row, column = pixels // 28, pixels % 28
    steps = (row[:, None] - row).abs() + (column[:, None] - column).abs()
    return {
        "value": round(phi[steps > 0].mean().item(), 4),
        "neighbours": round(phi[steps == 1].mean().item(), 4),
        "pixels": len(pixels),
        "digits without": int((~found.any(1)).sum()),
    }


STUDIES = (Study(RULES["B6"], seeds(10), correlation, again=seeds(5, 10)),)
