"""Gradient masking: contradictions between attacks, which show that a robust accuracy is too good to be true."""

from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from course_utils import evaluation, runtime
from course_utils.attacks import base, pgd
from course_utils.defenses.evaluate import RobustnessReport, _changing, _outcome, robust_accuracy

FOLLOWERS = ("fgsm", "pgd-10", "pgd-40", "pgd-100", "margin")  # rungs that follow the model's own gradient
SLACK = 0.02  # share of the images by which two attacks may differ by chance, and two images at least


class MaskingCheck(NamedTuple):
    """One check of whether attacks found what there was to find.

    ``measured`` is a share of the images, in [0, 1], or a difference of two such shares; the larger, the worse.
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
    climbed: RobustnessReport | None = None,
    source: nn.Module | None = None,
    generator: torch.Generator | None = None,
    progress: bool = True,
) -> list[MaskingCheck]:
    """Look for contradictions between attacks, which show that gradients are hidden and a figure is too good.

    A check fails where the attack that ought to be weaker leaves less, by more than 2 % of the images and more than two
    of them. Failing one proves that the stronger attack was misled; passing all proves nothing.

    Args:
        model, images, labels, eps, source, generator: as for `robust_accuracy`. 100 images are enough.
        climbed: the ladder of just these, if it has been climbed; None climbs it here with one restart.

    Returns:
        Every check, passed or not: ``[f for f in masked(...) if not f.passed]`` are the signs of masked gradients.

    Raises:
        TypeError, ValueError: as for `robust_accuracy`; a ladder of other images, or one that was interrupted.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    >>> x = torch.rand(5, 1, 2, 2)
    >>> [f.name for f in masked(model, x, model(x).argmax(1), eps=0.1, progress=False) if not f.passed]
    []
    """
    generator = runtime.ensure_generator(generator)
    if climbed is None:
        climbed = robust_accuracy(
            model, images, labels, eps, source=source, restarts=1, generator=generator, progress=progress
        )
    elif climbed.images.shape != images.shape or climbed.eps != eps:
        raise ValueError("the ladder was climbed with other images or another eps: leave climbed out")
    if "square" not in climbed.rungs:
        raise ValueError("the ladder was interrupted before its last rung: climb it once more")
    right, share = climbed.rungs["clean"], climbed.accuracy()
    if not right.any():
        raise ValueError("the model names none of the images rightly, so there is nothing to hide: check the labels")
    x, y = images[right], labels.to(images.device)[right]

    def kept(radius: float) -> float:
        """The share of the images that PGD leaves right within ``radius``."""
        try:
            changed = pgd(model, x, y, radius, generator=generator, progress=False)
        except evaluation.NoGradient:
            return share["clean"]
        return _outcome(evaluation.logits(model, changed), y)[0].sum().item() / len(images)

    with base.reraise_interrupts():
        changing, flat = _changing(model, x, evaluation.logits(model, x)), _flat(model, x, y)
        within = [kept(eps / 2), share["pgd-40"], kept(min(2 * eps, 1))]
        anything = kept(1.0)
    follower = torch.stack([climbed.rungs[name] for name in FOLLOWERS]).all(0).float().mean().item()
    steps = [share["pgd-10"], share["pgd-40"], share["pgd-100"]]
    checks = [
        (
            "the same answer twice",
            changing,
            "the model's answers are random: average many in the model, then attack that",
        ),
        ("a gradient everywhere", flat, "the loss is flat or has no gradient: look for rounding, and climb the margin"),
        (
            "many steps beat one",
            share["pgd-40"] - share["fgsm"],
            "one step does better than many: the gradient misleads",
        ),
        ("more steps, more fooled", max(b - a for a, b in pairwise(steps)), "more steps do worse than fewer"),
        ("a larger ball, more fooled", max(b - a for a, b in pairwise(within)), "a larger eps fools fewer images"),
        ("all fooled where all is allowed", anything, "PGD fails although any image at all is allowed"),
        ("gradients beat noise", share["pgd-40"] - share["noise"], "random signs do better than gradients"),
        ("gradients beat squares", follower - share["square"], "an attack that asks for no gradient does better"),
    ]
    if "transfer" in climbed.rungs:
        wrong = "images made on another net do better than those made on this one"
        checks.append(("own gradients beat borrowed ones", follower - share["transfer"], wrong))
    limit = max(SLACK, 2 / len(images))
    return [MaskingCheck(name, m <= limit, m, "as it should be" if m <= limit else wrong) for name, m, wrong in checks]


def _flat(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The share of images where the cross-entropy has no gradient, or one that is 0 in every pixel."""
    try:
        with base.attack_context(model, images, labels) as task:
            _, _, slope = task.gradient(task.images, task.cross_entropy, task.rows)
    except evaluation.NoGradient:
        return 1.0
    return (slope == 0).flatten(1).all(1).float().mean().item()
