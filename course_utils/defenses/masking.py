"""Gradient masking: contradictions between attacks, which show that a robust accuracy is too good to be true.

Where a defense hides its gradients and not its mistakes, attacks that follow gradients fail and those that do not
succeed. Athalye, Carlini and Wagner 2018, arXiv 1802.00420, section 3.1; Carlini et al. 2019, arXiv 1902.06705,
section 4.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from course_utils import evaluation, runtime
from course_utils.attacks import base, pgd
from course_utils.defenses.evaluate import RobustnessReport, fraction_changing, robust_accuracy

WHITE_BOX = ("fgsm", "pgd-10", "pgd-40", "pgd-100", "margin")  # attacks that follow the model's own gradient
SLACK = 0.02  # fraction of the images by which two attacks may differ by chance, and two images at least


class MaskingCheck(NamedTuple):
    """One check of whether attacks found what there was to find.

    ``measured`` is a fraction of the images, in [0, 1], or a difference of two such fractions; the larger, the worse.
    """

    name: str
    passed: bool
    measured: float
    message: str


def gradient_masking(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    eps: float,
    *,
    report: RobustnessReport | None = None,
    source: nn.Module | None = None,
    generator: torch.Generator | None = None,
    progress: bool = True,
) -> list[MaskingCheck]:
    """Look for contradictions between attacks, which show that gradients are hidden and a figure is too good.

    A check fails where the attack that ought to be weaker leaves less, by more than 2 % of the images and more than two
    of them. Failing one proves that the stronger attack was misled; passing all proves nothing.

    Args:
        model, images, labels, eps, source, generator: as for `robust_accuracy`. 100 images are enough.
        report: what that found for just these; None runs it here.

    Returns:
        Every check, passed or not.

    Raises:
        ValueError: a report of other images, or one that was interrupted.

    >>> _ = torch.manual_seed(0)
    >>> model, x = nn.Sequential(nn.Flatten(), nn.Linear(4, 3)), torch.rand(5, 1, 2, 2)
    >>> [c.name for c in gradient_masking(model, x, model(x).argmax(1), eps=0.1, progress=False) if not c.passed]
    []
    """
    generator = runtime.ensure_generator(generator)
    if report is None:
        report = robust_accuracy(model, images, labels, eps, source=source, generator=generator, progress=progress)
    elif report.images.shape != images.shape or report.eps != eps:
        raise ValueError("the report is of other images or another eps: leave it out")
    if "square" not in report.per_attack:
        raise ValueError("the report was interrupted before its last attack: run robust_accuracy once more")
    clean = report.per_attack["clean"]
    if not clean.any():
        raise ValueError("the model classifies none of the images correctly, so there is nothing to hide: check labels")
    case = _Case(model, images[clean], labels.to(images.device)[clean], report, generator)
    checks = [*CHECKS, BORROWED] if "transfer" in report.per_attack else CHECKS
    limit = max(SLACK, 2 / len(images))
    with base.reraise_interrupts():
        found = [(name, measure(case), wrong) for name, measure, wrong in checks]
    return [MaskingCheck(name, m <= limit, m, "as it should be" if m <= limit else wrong) for name, m, wrong in found]


class _Case(NamedTuple):
    """What is to be explained: the images that are classified correctly without an attack, and what attacks left."""

    model: nn.Module
    images: Tensor
    labels: Tensor
    report: RobustnessReport
    generator: torch.Generator

    def under(self, *names: str) -> float:
        """The accuracy under the worst of these attacks."""
        return torch.stack([self.report.per_attack[name] for name in names]).all(0).float().mean().item()

    def within(self, eps: float) -> float:
        """The accuracy under PGD in another ball."""
        eps = min(eps, 1)
        try:
            attacked = pgd(self.model, self.images, self.labels, eps, generator=self.generator, progress=False)
        except evaluation.NoGradient:
            return self.under("clean")
        correct = evaluation.predict(self.model, attacked).labels.to(self.labels.device) == self.labels
        return correct.sum().item() / len(self.report.images)


def _random_answers(case: _Case) -> float:
    return fraction_changing(case.model, case.images)


def _flat_loss(case: _Case) -> float:
    try:
        with base.attack_context(case.model, case.images, case.labels) as task:
            _, _, slope = task.gradient(task.images, task.cross_entropy, task.rows)
    except evaluation.NoGradient:
        return 1.0
    return (slope == 0).flatten(1).all(1).float().mean().item()


def _more_steps(case: _Case) -> float:
    return _largest_rise(*(case.under(name) for name in ("pgd-10", "pgd-40", "pgd-100")))


def _larger_balls(case: _Case) -> float:
    eps = case.report.eps
    return _largest_rise(case.within(eps / 2), case.under("pgd-40"), case.within(2 * eps))


def _whole_box(case: _Case) -> float:
    return case.within(1.0)


def _largest_rise(*accuracies: float) -> float:
    return max(after - before for before, after in pairwise(accuracies))


def _beaten(stronger: tuple[str, ...], by: str) -> Callable[[_Case], float]:
    """By how much the attacks that ought to be stronger leave more."""
    return lambda case: case.under(*stronger) - case.under(by)


RANDOM = "the model's answers are random: average many in the model, then attack that"
FLAT = "the loss is flat or has no gradient: look for rounding, and attack the margin"
CHECKS = [  # what should hold, by how much it does not, and what that means
    ("the same answer twice", _random_answers, RANDOM),
    ("a gradient everywhere", _flat_loss, FLAT),
    ("many steps beat one", _beaten(("pgd-40",), "fgsm"), "one step does better than many: the gradient misleads"),
    ("more steps, more fooled", _more_steps, "more steps do worse than fewer"),
    ("a larger ball, more fooled", _larger_balls, "a larger eps fools fewer images"),
    ("all fooled where all is allowed", _whole_box, "PGD fails although any image at all is allowed"),
    ("gradients beat noise", _beaten(("pgd-40",), "noise"), "random signs do better than gradients"),
    ("gradients beat squares", _beaten(WHITE_BOX, "square"), "an attack that asks for no gradient does better"),
]
WRONG = "images made on another net do better than those made on this one"
BORROWED = ("own gradients beat borrowed ones", _beaten(WHITE_BOX, "transfer"), WRONG)
