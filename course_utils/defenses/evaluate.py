r"""How much a defense is worth: what the strongest of many attacks leaves, and signs that they were misled.

A net that withstands one attack may only withstand *that* attack. So climb a ladder, from noise to attacks that need no
gradient, and count for each image the worst that happened to it:

    worst-case accuracy = share of the images x that keep their label under every attack within ||x' - x||_inf <= eps

Each rung is an upper bound of what an ideal attacker would leave, and so is the worst of all; only a proof
(`intervals`, `smoothing`) is a lower one. Croce and Hein 2020 built AutoAttack in this spirit, arXiv 2003.01690.

A ladder can lean against the wrong wall. Where a defense hides its gradients and not its mistakes, attacks that follow
gradients fail and those that do not succeed. `gradient_masking` looks for such contradictions: Athalye, Carlini and
Wagner 2018, arXiv 1802.00420, section 3.1; Carlini et al. 2019, arXiv 1902.06705, section 4.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from course_utils import evaluation, runtime
from course_utils.attacks import base, distances, fgsm, pgd, square
from course_utils.core import checks, tensors
from course_utils.core.checks import check_images, check_labels
from course_utils.figures import Table

DRAWS = 10  # of random signs
ROUNDING = 1e-6  # by which float32 may leave the ball


@dataclass
class RobustnessReport:
    """What a model kept under each attack.

    Attributes:
        eps: the radius of the ball, in pixel units.
        rungs: for each attack, which images the model still names rightly, bool ``(N,)``. An attacker may leave an
            image as it is: one that is wrong without an attack is wrong on every rung.
        images: ``(N, C, H, W)``, for each image the change that fooled the model, or else the one that came nearest.
        notes: what has to be said of a rung, such as that no gradient led there.
    """

    eps: float
    rungs: dict[str, Tensor]
    images: Tensor
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def worst(self) -> Tensor:
        """Which images are still right after every attack, bool ``(N,)``."""
        return torch.stack([*self.rungs.values()]).all(0)

    def accuracy(self) -> dict[str, float]:
        """The share of images that are still right, in [0, 1], on each rung and under the "worst" of all."""
        return {name: right.float().mean().item() for name, right in (self.rungs | {"worst": self.worst}).items()}

    def table(self) -> Table:
        """A row for each attack: its name, and the share of the images that are still right."""
        headers = ["attack", "still right"] + ["note"] * bool(self.notes)
        rows = [[name, f"{share:.1%}", self.notes.get(name, "")] for name, share in self.accuracy().items()]
        return Table(headers, [row[: len(headers)] for row in rows])


def robust_accuracy(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    eps: float,
    *,
    source: nn.Module | None = None,
    restarts: int = 1,
    nearest: int = 4,
    queries: int = 1000,
    generator: torch.Generator | None = None,
    progress: bool = True,
) -> RobustnessReport:
    """Climb from noise to the strongest attacks, each with all images that the model names rightly to begin with.

    The rungs: "clean"; "noise", the worst of 10 draws of random signs; "fgsm"; "pgd-10" and "pgd-40" with steps of one
    length, "pgd-100" with falling ones; "margin", 100 falling steps up the margin of each of the nearest wrong classes
    in turn; "transfer", 40 steps on ``source``; "square", which asks for no gradient. No rung knows what the others
    found. What an attack hands back is checked: inside [0, 1] and the ball, and the model is asked once more.

    A rung that needs gradients where the model has none cannot be climbed: its images count as kept, and a note says
    so. The answers of a model that draws random numbers change from one question to the next; then the figures are
    those of one draw, too good or too bad, and a note says so: average a few draws inside the model first.

    Args:
        model, images, labels: as for `attacks.fgsm`.
        eps: radius of the ball in pixel units, largest change of a pixel.
        source: another net, or a smooth stand-in for this one, whose images are tried on the model; None leaves the
            rung out.
        restarts: of the runs of PGD up the cross-entropy.
        nearest: so many wrong classes for "margin", those with the highest logits.
        queries: of `attacks.square`, for each image. ``nearest=1, queries=200`` is a third of the work.
        generator: for noise, starts and squares; None starts a new one from seed 0.

    Raises:
        TypeError, ValueError: inputs or settings outside the convention; a model without logits.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    >>> x = torch.rand(5, 1, 2, 2)
    >>> climbed = ladder(model, x, model(x).argmax(1), eps=0.1, restarts=1, queries=10, progress=False)
    >>> list(climbed.rungs)
    ['clean', 'noise', 'fgsm', 'pgd-10', 'pgd-40', 'pgd-100', 'margin', 'square']
    >>> climbed.accuracy()["clean"]
    1.0
    """
    checks.check_budget(eps, "linf")
    checks.check_counts(restarts=restarts, nearest=nearest, queries=queries)
    if source is model:
        raise ValueError("source is the model itself: give another net, or None to leave the rung out")
    outputs = evaluation.logits(model, check_images(images))
    check_labels(labels, *outputs.shape)
    generator = runtime.ensure_generator(generator)

    def climb(net: nn.Module, steps: int, **settings) -> Callable[[Tensor, Tensor], Tensor]:
        how = dict(steps=steps, restarts=restarts, generator=generator, progress=False) | settings
        return lambda x, y: pgd(net, x, y, eps, **how)

    attacks = {"noise": lambda x, y: _noise(model, x, y, eps, generator), "fgsm": lambda x, y: fgsm(model, x, y, eps)}
    attacks |= {"pgd-10": climb(model, 10), "pgd-40": climb(model, 40)}
    attacks["pgd-100"] = climb(model, 100, step_size="falling")
    attacks["margin"] = lambda x, y: _towards_each(model, x, y, eps, nearest, generator)
    if source is not None:
        attacks["transfer"] = climb(source, 40, early_exit=False)  # what only just fools the source fools no other net
    attacks["square"] = lambda x, y: square(model, x, y, eps, queries=queries, generator=generator, progress=False)

    labels = labels.to(images.device)
    right, lead = _outcome(outputs, labels)
    found = RobustnessReport(eps, {"clean": right}, images.detach().clone())
    if changing := _changing(model, images, outputs):
        found.notes["clean"] = f"asked twice, the model gives other logits for {changing:.0%} of the images"
    rows = right.nonzero()[:, 0]
    bar = runtime.progress(len(attacks), "ladder", progress)
    try:
        with bar, base.reraise_interrupts():
            for name, attack in attacks.items() if len(rows) else ():
                bar.set_postfix_str(name)
                kept = right.clone()
                try:
                    changed = attack(images[rows], labels[rows])
                except evaluation.NoGradient as error:
                    found.notes[name] = f"could not be climbed: {str(error).partition(':')[0]}"
                else:
                    _check_inside(name, changed, images[rows], eps)
                    kept[rows], higher = _outcome(evaluation.logits(model, changed), labels[rows])
                    nearer = ~kept[rows] & found.worst[rows] | (kept[rows] == found.worst[rows]) & (higher > lead[rows])
                    found.images[rows[nearer]], lead[rows[nearer]] = changed[nearer], higher[nearer]
                found.rungs[name] = kept
                bar.update()
    except KeyboardInterrupt:
        print("Interrupted: these are the rungs so far.")
    if not len(rows):
        found.rungs |= {name: right.clone() for name in attacks}
    return found


def _noise(model: nn.Module, images: Tensor, labels: Tensor, eps: float, generator: torch.Generator) -> Tensor:
    """For each image, of `DRAWS` changes by ``+-eps`` at random, the one that the model is least right about."""
    best, leads = images.clone(), torch.full_like(labels, float("-inf"), dtype=images.dtype)
    for _ in range(DRAWS):
        noisy = tensors.random_signs(images, eps, generator)
        _, lead = _outcome(evaluation.logits(model, noisy), labels)
        better = lead > leads
        best[better], leads[better] = noisy[better], lead[better]
    return best


def _towards_each(
    model: nn.Module, images: Tensor, labels: Tensor, eps: float, nearest: int, generator: torch.Generator
) -> Tensor:
    """Climb the margin of the nearest wrong class, then with what is left that of the second, and so on."""
    outputs = evaluation.without(evaluation.logits(model, images).to(labels.device), labels)
    aims = outputs.topk(min(nearest, outputs.shape[1] - 1)).indices.T
    settings = dict(loss="margin", steps=100, step_size="falling", generator=generator, progress=False)
    best, leads = images.clone(), torch.full_like(outputs[:, 0], float("-inf"))
    rows = torch.arange(len(images), device=images.device)
    for targets in aims:
        changed = pgd(model, images[rows], labels[rows], eps, targets=targets[rows], **settings)
        right, lead = _outcome(evaluation.logits(model, changed), labels[rows])
        better = lead > leads[rows]
        best[rows[better]], leads[rows[better]] = changed[better], lead[better]
        rows = rows[right]
        if not len(rows):
            break
    return best


def _outcome(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Whether the model names each image rightly, and by how much another class leads: bool and float ``(N,)``."""
    logits = logits.to(labels.device)
    return logits.argmax(1) == labels, -evaluation.margin(logits, labels)


def _changing(model: nn.Module, images: Tensor, logits: Tensor) -> float:
    """The share of images that get other logits than these when the model is asked again."""
    return (evaluation.logits(model, images) != logits).any(1).float().mean().item()


def _check_inside(name: str, changed: Tensor, images: Tensor, eps: float) -> None:
    """Refuse what an attack hands back if it is not in [0, 1] and within ``eps``: its figure would mean nothing."""
    low, high = (bound.item() for bound in torch.aminmax(changed))
    far = distances.linf(images.double(), changed.double()).max().item()
    if not (low >= 0 and high <= 1 and far <= eps + ROUNDING):
        raise RuntimeError(
            f"the attack {name!r} left its bounds: pixels from {low:.4g} to {high:.4g}, changed by up to {far:.4g} "
            f"where eps is {eps:g}"
        )
