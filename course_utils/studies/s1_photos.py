"""S1-photos: is there a misclassified image within an RMS distortion of 0.0065 of every photograph, in a file?

The photograph is brought to the 256 levels of a file before anything else, and so is what an attack finds: so small a
change would mostly be rounded away, so it is made up to as many times as large as the distortion allows. Four attacks
try, and the nearest misclassified image counts; PGD steps from level to level. The distortion that each attack needed
without levels stands beside it. A search can fail.
"""

import torch
from torch import Tensor, nn

from course_utils import attacks, evaluation
from course_utils.attacks.distances import distortion
from course_utils.images.physical import eight_bits
from course_utils.studies import photos
from course_utils.studies.claims import RULES
from course_utils.studies.engine import Study

NONE = -100.0  # the logit of a class that is counted with another
NEAR, LEVELS, SIZES = 0.0065, (1, 2, 4), 12  # PGD goes so many levels up or down; sizes tried for each other change
NAMED = ("camera", "cat", "coffee", "motorcycle", "pagoda", *(f"foolbox {k:02}" for k in range(20) if k != 7))


class OneName(nn.Module):
    """A classifier in which some classes are one: the first has the largest of their logits, and the others none."""

    def __init__(self, model: nn.Module, classes: tuple[int, ...]):
        super().__init__()
        self.model, self.classes = model, list(classes)

    def forward(self, images: Tensor) -> Tensor:
        logits = self.model(images)
        best, merged = logits[:, self.classes].amax(1), logits.clone()
        merged[:, self.classes] = NONE
        merged[:, self.classes[0]] = best
        return merged


def named(name: str) -> tuple[nn.Module, Tensor, Tensor]:
    """The classifier, in which all right names of a photograph are one; the photograph in 256 levels; its label.

    Raises:
        ValueError: the classifier does not name it rightly.
    """
    right = photos.labels(name)
    model, label = OneName(photos.namer(), right).eval(), torch.tensor(right[:1])
    image = eight_bits(photos.cropped(name))
    if evaluation.predict(model, image).labels != label:
        raise ValueError(f"the network does not name {name} rightly; are its weights others than those of torchvision?")
    return model, image, label


def searches(model: nn.Module, image: Tensor, label: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
    """What the attacks find without levels."""
    how = dict(generator=generator, progress=False)
    return {
        "DeepFool": attacks.deepfool(model, image, label, **how),
        "Carlini-Wagner": attacks.carlini_wagner(model, image, label, **how),
        "L-BFGS": attacks.lbfgs(model, image, label, **how),
    }


def on_levels(image: Tensor, found: Tensor) -> Tensor:
    """The change in 256 levels, as it is and larger and larger, up to the distortion that is allowed."""
    most = max(NEAR / max(distortion(image, found).item(), 1e-9), 1)
    sizes = torch.logspace(0, torch.tensor(most).log10().item(), SIZES)
    return eight_bits((image + sizes.view(-1, 1, 1, 1) * (found - image)).clamp(0, 1))


def stepped(model: nn.Module, image: Tensor, label: Tensor) -> Tensor:
    """What PGD finds from level to level, for each of LEVELS."""
    how = dict(step_size=1 / 255, loss="margin", start="clean", progress=False)
    return eight_bits(torch.cat([attacks.pgd(model, image, label, levels / 255, **how) for levels in LEVELS]))


def nearest(model: nn.Module, image: Tensor, label: Tensor, tries: Tensor) -> float:
    """The distortion of the nearest misclassified image among several; infinite if there is none."""
    wrong = evaluation.predict(model, tries).labels != label
    return distortion(image.expand_as(tries), tries)[wrong].amin().item() if wrong.any() else float("inf")


def close_one(name: str, generator: torch.Generator) -> dict:
    """Whether there is one within NEAR; the least distortion in 256 levels, and without them by attack."""
    model, image, label = named(name)
    found = searches(model, image, label, generator)
    least = {attack: nearest(model, image, label, on_levels(image, each)) for attack, each in found.items()}
    least["PGD"] = nearest(model, image, label, stepped(model, image, label))
    free = {attack: nearest(model, image, label, each) for attack, each in found.items()}
    shortest = min(least.values())
    return {
        "value": shortest <= NEAR,
        "least distortion": _number(shortest),
        "by": min(least, key=least.get),
        "without levels": {attack: _number(size) for attack, size in free.items()},
    }


def _number(size: float) -> float | None:
    return round(size, 6) if size < float("inf") else None


STUDIES = (Study(RULES["S1-photos"], {name: name for name in NAMED}, close_one),)
