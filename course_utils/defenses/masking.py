"""Gradient masking: contradictions between attacks, which show that a robust accuracy is too good to be true.

Where a defense hides its gradients and not its mistakes, attacks that follow gradients fail and those that do not
succeed. Athalye, Carlini and Wagner 2018, arXiv 1802.00420, section 3.1; Carlini et al. 2019, arXiv 1902.06705,
section 4.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from course_utils import evaluation, runtime
from course_utils.attacks import base, pgd
from course_utils.defenses.evaluate import RobustnessReport, fraction_changing, robust_accuracy

WHITE_BOX = ("fgsm", "pgd-10", "pgd-40", "pgd-100", "margin")  # attacks that follow the model's own gradient
SLACK = 0.02  # fraction of the images by which two attacks may differ by chance, and two images at least


class MaskingCheck(NamedTuple):
    """Whether attacks found what there was to find; the larger ``measured``, a fraction or a difference, the worse."""

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

    Every check is returned, passed or not. 100 images are enough. ``report`` is what `robust_accuracy` found for just
    these, ``source`` as there; None runs it here.
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

    def random_answers(self) -> float:
        return fraction_changing(self.model, self.images, evaluation.logits(self.model, self.images))

    def flat_loss(self) -> float:
        try:
            with base.attack_context(self.model, self.images, self.labels) as task:
                _, _, slope = task.gradient(task.images, task.cross_entropy, task.rows)
        except evaluation.NoGradient:
            return 1.0
        return (slope == 0).flatten(1).all(1).float().mean().item()

    def more_steps(self) -> float:
        return max(self.under("pgd-40") - self.under("pgd-10"), self.under("pgd-100") - self.under("pgd-40"))

    def larger_balls(self) -> float:
        small, own, large = self.within(self.report.eps / 2), self.under("pgd-40"), self.within(2 * self.report.eps)
        return max(own - small, large - own)


def _beaten(stronger: tuple[str, ...], by: str) -> Callable[[_Case], float]:
    """By how much the attacks that ought to be stronger leave more."""
    return lambda case: case.under(*stronger) - case.under(by)


RANDOM = "the model's answers are random: average many in the model, then attack that"
FLAT = "the loss is flat or has no gradient: look for rounding, and attack the margin"
EVERYTHING = "PGD fails although any image at all is allowed"
CHECKS = [  # what should hold, by how much it does not, and what that means
    ("the same answer twice", _Case.random_answers, RANDOM),
    ("a gradient everywhere", _Case.flat_loss, FLAT),
    ("many steps beat one", _beaten(("pgd-40",), "fgsm"), "one step does better than many: the gradient misleads"),
    ("more steps, more fooled", _Case.more_steps, "more steps do worse than fewer"),
    ("a larger ball, more fooled", _Case.larger_balls, "a larger eps fools fewer images"),
    ("all fooled where all is allowed", lambda case: case.within(1.0), EVERYTHING),
    ("gradients beat noise", _beaten(("pgd-40",), "noise"), "random signs do better than gradients"),
    ("gradients beat squares", _beaten(WHITE_BOX, "square"), "an attack that asks for no gradient does better"),
]
WRONG = "images made on another net do better than those made on this one"
BORROWED = ("own gradients beat borrowed ones", _beaten(WHITE_BOX, "transfer"), WRONG)
