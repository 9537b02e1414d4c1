r"""Robust accuracy: what a defense keeps under the strongest of many attacks.

A net that withstands one attack may only withstand *that* attack. So run many, from noise to attacks that need no
gradient, and count for each image the worst that happened to it:

    robust accuracy = fraction of the images x that keep their label under every attack within ||x' - x||_inf <= eps

The accuracy under each attack is an upper bound of what an ideal attacker would leave, and so is the worst of all; only
a proof (`intervals`, `smoothing`) is a lower one. Croce and Hein 2020 built AutoAttack in this spirit, arXiv
2003.01690. Where a defense hides its gradients and not its mistakes, the bound is far too high: see `masking`.
"""

from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor, nn

from course_utils import evaluation, runtime
from course_utils.attacks import base, distances, fgsm, pgd, random_noise, square
from course_utils.core import checks
from course_utils.figures import Table

ROUNDING = 1e-6  # by which float32 may leave the ball


@dataclass
class RobustnessReport:
    """What a model keeps under each attack within ``eps``: which images it still classifies correctly, bool ``(N,)``.

    An attacker may leave an image as it is: one that is misclassified without an attack is so under each. ``notes`` say
    what has to be said of an attack, such as that it found no gradient.
    """

    eps: float
    per_attack: dict[str, Tensor]
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def worst(self) -> Tensor:
        """Which images are still classified correctly after every attack, bool ``(N,)``."""
        return torch.stack([*self.per_attack.values()]).all(0)

    def accuracy(self) -> dict[str, float]:
        """In [0, 1], under each attack and under the "worst" of all, which is the robust accuracy."""
        everything = self.per_attack | {"worst": self.worst}
        return {name: correct.float().mean().item() for name, correct in everything.items()}

    def table(self) -> Table:
        """A row for each attack, with its note where there are any."""
        columns = 3 if self.notes else 2
        rows = [[name, f"{share:.1%}", self.notes.get(name, "")][:columns] for name, share in self.accuracy().items()]
        return Table(["attack", "accuracy", "note"][:columns], rows)


def robust_accuracy(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    eps: float,
    *,
    source: nn.Module | None = None,
    nearest: int = 4,
    queries: int = 1000,
    generator: torch.Generator | None = None,
    progress: bool = True,
) -> RobustnessReport:
    """Attack all images that the model classifies correctly to begin with, from noise to the strongest attacks.

    The attacks: "noise", the worst of 10 draws of random signs; "fgsm"; "pgd-10" and "pgd-40" with steps of one length,
    "pgd-100" with falling ones; "margin", 100 falling steps on the margin to each of the nearest wrong classes in turn;
    "transfer", 40 steps on ``source``; "square", a black-box attack. None knows what the others found. What an attack
    hands back is checked: inside [0, 1] and the ball, and the model is asked once more.

    An attack that needs gradients where the model has none leaves its images as they are, and a note says so. The
    answers of a model that draws random numbers change from one question to the next; then the figures are those of
    one draw, too good or too bad, and a note says so: average a few draws inside the model first.

    Args:
        source: another net, or a smooth stand-in for this one, whose images are tried on the model; None leaves
            "transfer" out.
        nearest: so many wrong classes for "margin", those with the highest logits.
        queries: of `attacks.square`, for each image. ``nearest=1, queries=200`` is a third of the work.

    >>> model, x = nn.Sequential(nn.Flatten(), nn.Linear(4, 3)), torch.rand(5, 1, 2, 2)
    >>> robust_accuracy(model, x, model(x).argmax(1), eps=0.1, queries=10, progress=False).accuracy()["clean"]
    1.0
    """
    checks.check_budget(eps, "linf")
    checks.check_counts(nearest=nearest, queries=queries)
    if source is model:
        raise ValueError("source is the model itself: give another net, or None to leave the transfer out")
    outputs = evaluation.logits(model, images)
    labels = checks.check_labels(labels, *outputs.shape).to(images.device)
    clean = outputs.argmax(1).to(images.device) == labels
    report = RobustnessReport(eps, {"clean": clean})
    if changing := fraction_changing(model, images, outputs):
        report.notes["clean"] = f"asked twice, the model gives other logits for {changing:.0%} of the images"
    generator = runtime.ensure_generator(generator)
    how = dict(eps=eps, generator=generator, progress=False)
    attacks = {
        "noise": partial(random_noise, model, eps=eps, draws=10, generator=generator),
        "fgsm": partial(fgsm, model, eps=eps),
        "pgd-10": partial(pgd, model, steps=10, **how),
        "pgd-40": partial(pgd, model, steps=40, **how),
        "pgd-100": partial(pgd, model, steps=100, step_size="falling", **how),
        "margin": partial(_towards_each, model, nearest=nearest, **how),
    }
    if source is not None:  # what only just fools the source fools no other
        attacks["transfer"] = partial(pgd, source, steps=40, early_exit=False, **how)
    attacks["square"] = partial(square, model, queries=queries, **how)
    images, labels = images.detach()[clean], labels[clean]
    bar = runtime.progress_bar(len(attacks), "attacks", progress)
    try:
        with bar, base.reraise_interrupts():
            for name, attack in attacks.items():
                bar.set_postfix_str(name)
                correct = clean.clone()
                try:
                    if len(images):
                        correct[clean] = _withstood(name, attack(images, labels), model, images, labels, eps)
                except evaluation.NoGradient as error:
                    report.notes[name] = f"could not be run: {str(error).partition(':')[0]}"
                report.per_attack[name] = correct
                bar.update()
    except KeyboardInterrupt:
        print("Interrupted: these are the attacks so far.")
    return report


def _withstood(name: str, attacked: Tensor, model: nn.Module, images: Tensor, labels: Tensor, eps: float) -> Tensor:
    """Which of the images an attack did not turn, bool ``(N,)``, if it kept to its bounds."""
    low, high = (bound.item() for bound in torch.aminmax(attacked))
    far = distances.linf(images.double(), attacked.double()).max().item()
    if not (low >= 0 and high <= 1 and far <= eps + ROUNDING):  # its figure would mean nothing
        raise RuntimeError(
            f"the attack {name!r} left its bounds: pixels from {low:.4g} to {high:.4g}, changed by up to {far:.4g} "
            f"where eps is {eps:g}"
        )
    return evaluation.predict(model, attacked).labels.to(labels.device) == labels


def _towards_each(model: nn.Module, images: Tensor, labels: Tensor, *, nearest: int, **how) -> Tensor:
    """Attack the margin to the nearest wrong class, then with what is left that to the second, and so on."""
    outputs = evaluation.without(evaluation.logits(model, images).to(labels.device), labels)
    found, rows = images.clone(), torch.arange(len(images), device=images.device)
    for targets in outputs.topk(min(nearest, outputs.shape[1] - 1)).indices.T:
        settings = dict(targets=targets[rows], loss="margin", steps=100, step_size="falling")
        found[rows] = pgd(model, images[rows], labels[rows], **settings, **how)
        rows = rows[evaluation.predict(model, found[rows]).labels.to(labels.device) == labels[rows]]
        if not len(rows):
            break
    return found


def fraction_changing(model: nn.Module, images: Tensor, logits: Tensor) -> float:
    """The fraction of images that get other logits than these when the model is asked again."""
    return (evaluation.logits(model, images) != logits).any(1).float().mean().item()
