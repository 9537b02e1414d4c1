"""Gradient masking: contradictions between attacks, which show that a robust accuracy is too good to be true.

Where a defense hides its gradients and not its mistakes, attacks that follow gradients fail and those that do not
succeed. Athalye, Carlini and Wagner 2018, arXiv 1802.00420, section 3.1; Carlini et al. 2019, arXiv 1902.06705,
section 4.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from course_utils import evaluation, runtime
from course_utils.attacks import base, pgd
from course_utils.defenses.evaluate import RobustnessReport, fraction_changing, robust_accuracy

WHITE_BOX = ("fgsm", "pgd-10", "pgd-40", "pgd-100", "margin")  # attacks that follow the model's own gradient
SLACK = 0.02  # fraction of the images by which two attacks may differ by chance, and two images at least
RANDOM = "the model's answers are random: average many in the model, then attack that"
FLAT = "the loss is flat or has no gradient: look for rounding, and attack the margin"


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
    """What should hold between attacks and a net that hides nothing, each with whether it does.

    A check fails where the attack that ought to be weaker leaves less, by more than 2 % of the images and more than two
    of them. Failing one proves that the stronger attack was misled; passing all proves nothing.

    100 images are enough. ``report`` is what `robust_accuracy` found for just these, ``source`` as there; None runs it
    here.
    """
    generator = runtime.ensure_generator(generator)
    if report is None:
        report = robust_accuracy(model, images, labels, eps, source=source, generator=generator, progress=progress)
    elif len(report.worst) != len(images) or report.eps != eps:
        raise ValueError("the report is of other images or another eps: leave it out")
    if "square" not in report.per_attack:
        raise ValueError("the report was interrupted before its last attack: run robust_accuracy once more")
    clean = report.per_attack["clean"]
    if not clean.any():
        raise ValueError("the model classifies none of the images correctly, so there is nothing to hide: check labels")
    images, labels = images[clean], labels.to(images.device)[clean]

    def under(*names: str) -> float:
        """The accuracy under the worst of these attacks."""
        return torch.stack([report.per_attack[name] for name in names]).all(0).float().mean().item()

    def within(eps: float) -> float:
        """The accuracy under PGD in another ball."""
        try:
            attacked = pgd(model, images, labels, min(eps, 1), generator=generator, progress=False)
        except evaluation.NoGradient:
            return under("clean")
        correct = evaluation.predict(model, attacked).labels.to(labels.device) == labels
        return correct.sum().item() / len(clean)

    def flat() -> float:
        """The fraction of the images at which the loss has no slope."""
        try:
            with base.attack_context(model, images, labels) as task:
                _, _, slope = task.gradient(task.images, task.cross_entropy, task.rows)
        except evaluation.NoGradient:
            return 1.0
        return (slope == 0).flatten(1).all(1).float().mean().item()

    with base.reraise_interrupts():
        changing, level = fraction_changing(model, images, evaluation.logits(model, images)), flat()
        smaller, larger, whole = within(eps / 2), within(2 * eps), within(1.0)
    own, best = under("pgd-40"), under(*WHITE_BOX)
    longer = max(own - under("pgd-10"), under("pgd-100") - own)
    found = [  # what should hold, by how much it does not, and what that means
        ("the same answer twice", changing, RANDOM),
        ("a gradient everywhere", level, FLAT),
        ("many steps beat one", own - under("fgsm"), "one step does better than many: the gradient misleads"),
        ("more steps, more fooled", longer, "more steps do worse than fewer"),
        ("a larger ball, more fooled", max(own - smaller, larger - own), "a larger eps fools fewer images"),
        ("all fooled where all is allowed", whole, "PGD fails although any image at all is allowed"),
        ("gradients beat noise", own - under("noise"), "random signs do better than gradients"),
        ("gradients beat squares", best - under("square"), "an attack that asks for no gradient does better"),
    ]
    if "transfer" in report.per_attack:
        wrong = "images made on another net do better than those made on this one"
        found.append(("own gradients beat borrowed ones", best - under("transfer"), wrong))
    limit = max(SLACK, 2 / len(clean))
    return [MaskingCheck(name, m <= limit, m, "as it should be" if m <= limit else wrong) for name, m, wrong in found]
