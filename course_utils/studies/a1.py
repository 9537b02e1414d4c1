"""A1: how much of an attacker's success against softmax is left against another objective?

Each unit trains both on 20,000 digits of its own draw, and attacks both on the same test digits, each as what it is.
Small changes: the share misclassified within 0.1 in L-inf under the worst, for each image, of the attacks of
`robust_accuracy`, with logits brought to one scale, where no objective can hide its slope. Pictures of nothing: each
objective accepts what is as sure, in its own measure, as 19 of 20 test digits are; images climb that measure from
noise, and count if they are accepted and have not become digits. Which objective stands for all others was decided on
other trainings and digits.
"""

import functools

import torch
from torch import Tensor, nn

from course_utils import evaluation, models, objectives, training
from course_utils.data import Split
from course_utils.defenses.evaluate import robust_accuracy
from course_utils.fooling import ascend
from course_utils.manifold import nearest
from course_utils.studies.claims import RULES
from course_utils.studies.engine import Study
from course_utils.studies.networks import digits

CHOSEN, LEARNT, MACHINE, NUMBER, EPS, KEPT = "nearest digit", 20_000, 5000, 200, 0.1, 0.95


def hinge(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """The mean of what is missing to a margin of one logit (Crammer and Singer 2001)."""
    return (1 - evaluation.margin(model(images), labels)).relu().mean()


def _trained(build, loss, epochs):
    return functools.partial(objectives.train, build, loss=loss, epochs=epochs, progress=False)


MACHINES = {  # ``make(split, generator=...)``
    "softmax": _trained(models.LeNet5, training.cross_entropy, 2),
    "hinge": _trained(models.LeNet5, hinge, 2),
    "large margin": _trained(functools.partial(models.FC, 100, 100), objectives.large_margin, 4),
    "RBF LeNet-5": functools.partial(objectives.rbf_lenet, epochs=2, progress=False),
    "RBF SVM": lambda split, generator: objectives.rbf_svm(split[:MACHINE], progress=False),
    "nearest digit": lambda split, generator: objectives.NearestDigit(split),
    "Gaussians": lambda split, generator: objectives.gaussians(split),
}
LIKELY = ("softmax", "hinge", "large margin")  # sure by their probability; the others by their own score


class Accepting(nn.Module):
    """A machine's scores, and the logit 0 of "none of these", which wins where no score is as high as for digits."""

    def __init__(self, machine: nn.Module, likely: bool, known: Tensor):
        super().__init__()
        self.machine, self.likely, self.limit, self.unit = machine, likely, 0.0, 1.0
        scores = evaluation.logits(self, known)[:, :-1].amax(1)
        self.limit, self.unit = scores.quantile(1 - KEPT).item(), scores.std().item()

    def forward(self, images: Tensor) -> Tensor:
        scores = self.machine(images)
        scores = scores.log_softmax(1) if self.likely else scores
        return torch.cat([(scores - self.limit) / self.unit, torch.zeros_like(scores[:, :1])], 1)


def become_digits(images: Tensor, labels: Tensor, known: Tensor, kept: Split) -> Tensor:
    """Which images are as near to a kept digit of their class as 19 of 20 known digits are to any, bool ``(N,)``."""
    far = nearest(known, kept.images, 1, progress=False).distances.quantile(KEPT)
    found = nearest(images, kept.images, 1, progress=False)
    return (found.distances[:, 0] <= far) & (kept.labels[found.rows[:, 0]] == labels)


def accepted(name: str, machine: nn.Module, test: Split, kept: Split, generator: torch.Generator) -> float:
    """The share of images climbed to be accepted that are, and have not become digits."""
    known = test[:1000].images
    judge = Accepting(machine, name in LIKELY, known)
    images = ascend(judge, torch.arange(NUMBER) % 10, generator=generator, progress=False)
    says = evaluation.logits(judge, images).argmax(1)
    return ((says < 10) & ~become_digits(images, says, known[:NUMBER], kept)).double().mean().item()


def misled(machine: nn.Module, source: nn.Module | None, test: Split, generator: torch.Generator) -> float:
    """The share of digits that are misread as they are or after the worst of many attacks within 0.1 a pixel."""
    how = dict(source=source, nearest=1, queries=200, generator=generator, progress=False)
    return 1 - robust_accuracy(machine, test.images, test.labels, EPS, **how).accuracy()["worst"]


def successes(seed: int, flaw: str, names: list, test: Split, generator: torch.Generator) -> dict[str, float]:
    """An attacker's success against each of the objectives by name, trained on digits that the seed draws."""
    order = torch.randperm(60_000, generator=torch.Generator().manual_seed(seed))
    train = digits().train
    learnt, held, kept = (train[rows] for rows in order[: LEARNT + 21_000].split((LEARNT, 1000, 20_000)))
    test = test[torch.randperm(len(test), generator=generator)]
    made, found = {}, {}
    for name in names:
        machine = MACHINES[name](learnt, generator=generator)
        made[name] = objectives.calibrate(machine, held).eval()
        if evaluation.accuracy(machine, digits().test) < KEPT:
            continue
        if flaw == "small changes":
            found[name] = misled(made[name], made["softmax"] if found else None, test[:NUMBER], generator)
        else:
            found[name] = accepted(name, machine, test, kept, generator)
    return found


def what_is_left(unit: list, generator: torch.Generator) -> dict:
    """The success against the chosen objective over that against softmax, and both."""
    seed, flaw = unit
    found = successes(seed, flaw, ["softmax", CHOSEN], digits().test[1000:], generator)
    return {"value": round(found[CHOSEN] / found["softmax"], 4), "factor": flaw} | {
        name: round(share, 4) for name, share in found.items()
    }


def _units(small: range, nothing: range) -> dict[str, list]:
    """Trainings of their own for each flaw, so that ten units are ten."""
    return {f"small {seed}": [seed, "small changes"] for seed in small} | {
        f"nothing {seed}": [seed, "pictures of nothing"] for seed in nothing
    }


UNITS, TRIAL, AGAIN = (
    _units(range(small, small + number), range(nothing, nothing + number))
    for small, nothing, number in ((0, 5, 5), (0, 5, 3), (10, 15, 3))
)
STUDIES = (Study(RULES["A1"], UNITS, what_is_left, again=AGAIN),)
