"""What a robustness trial measures: a defense, an attacker and eps, digit by digit; `robustness` shows it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from course_utils import attacks, evaluation, figures, runtime
from course_utils.attacks.base import reraise_interrupts
from course_utils.core.checks import check_images, check_labels
from course_utils.core.stats import clopper_pearson

STOPS = 40  # of the slider, above 0, in hundredths: eps up to 0.4
PORTION = 25  # digits attacked between two looks at the page
SHOWN = 8  # attacked digits in the page
SLACK = 1e-5  # rounding by which an attack may overstep eps
# The hues of attackers other than noise; blue and green belong to clean digits and to proofs.
HUES = ("#E69F00", figures.ADVERSARIAL, figures.FOOLING, "#56B4E9", "#A6761D", "#332288")
SHAPES = "s^DvP"  # of their points, as matplotlib calls them

Attack = Callable[[nn.Module, Tensor, Tensor, float], Tensor]  # (model, images, labels, eps) -> images
Proof = Callable[[nn.Module, Tensor, Tensor, float], Tensor]  # the same -> bool (N,), as `defenses.intervals.verified`

ATTACKERS: dict[str, Attack] = {
    "noise": attacks.random_noise,
    "FGSM": attacks.fgsm,
    "PGD-20": partial(attacks.pgd, steps=20, progress=False),
    "margin PGD-20": partial(attacks.pgd, loss="margin", steps=20, progress=False),
    "square-300": partial(attacks.square, queries=300, progress=False),
}


@dataclass(frozen=True)
class RobustnessClaim:
    """What was said of a defense: the fraction of digits that stay right within ``eps``; who said it, how measured."""

    accuracy: float
    eps: float
    text: str

    def __post_init__(self):
        if not (0 <= self.accuracy <= 1 and 0 <= self.eps <= STOPS / 100):
            raise ValueError(
                f"{self}: want a fraction from 0 to 1, an eps from 0 to {STOPS / 100} and a text, such as "
                'RobustnessClaim(0.95, 0.3, "their own test")'
            )


class Result(NamedTuple):
    """What one attacker did so far to a net's digits, from the first on."""

    images: Tensor  # the first attacked digits, ``(8, C, H, W)`` at most
    named: Tensor  # the class that the net names after the attack, ``(n,)``
    right: Tensor  # whether it is the label, ``(n,)``

    def numbers(self) -> dict:
        """The fraction of digits that are right, its 95 % interval, and both counts."""
        right, done = int(self.right.sum()), len(self.right)
        low, high = clopper_pearson(right, done)
        return {"fraction": right / done, "low": low, "high": high, "right": right, "done": done}


class Trial:
    """The nets, the attackers and the digits, and all that was measured. A ``stop`` is an eps in hundredths."""

    def __init__(self, nets, split, attackers, claims, proofs):
        for what, given in (("nets", nets), ("attackers", attackers)):
            if not isinstance(given, Mapping) or not given:
                raise TypeError(f"the {what} are {given!r}: want a dict with a name for each")
        self.nets, self.split, self.attackers, self.claims = nets, split, attackers, claims
        for name in [*claims, *proofs]:
            if name not in nets:
                raise ValueError(f"there is a claim or a proof for {name!r}, and the nets are {', '.join(nets)}")
        with runtime.one_thread():
            self.clean = {name: self._look(name) for name in nets}
            self.proved = {name: self._prove(name, proof) for name, proof in proofs.items()}  # bool (stops, N)
        self.results: dict[tuple[str, str, int], Result] = {}
        others = [name for name in attackers if name != "noise"]
        looks = {name: (HUES[i % len(HUES)], SHAPES[i % len(SHAPES)]) for i, name in enumerate(others)}
        self.looks = {name: looks.get(name, (figures.NOISE, "o")) for name in attackers}

    def __len__(self) -> int:
        return len(self.split)

    def step(self, net: str, attacker: str, stop: int) -> None:
        """Attack the next 25 digits, unless all of them were; what the attack raises is raised here."""
        key = net, attacker, stop
        before = self.results.get(key, Result(*(part[:0] for part in self.clean[net])))
        part = self.split[len(before.named) : len(before.named) + PORTION]
        if not len(part):
            return
        with runtime.one_thread():
            images = assault(self.nets[net], self.attackers[attacker], part.images, part.labels, stop / 100)
            found = evaluation.predict(self.nets[net], images).labels.to(part.labels)
        after = Result(images, found, found == part.labels)
        images, named, right = (torch.cat(both) for both in zip(before, after, strict=True))
        self.results[key] = Result(images[:SHOWN], named, right)

    def so_far(self, net: str, attacker: str, stop: int) -> Result | None:
        """The result for all digits or for the first of them, or None where none was attacked."""
        return self.clean[net] if stop == 0 else self.results.get((net, attacker, stop))

    def complete(self, net: str, attacker: str, stop: int) -> Result | None:
        """The result for all digits, or None."""
        result = self.so_far(net, attacker, stop)
        return result if result is not None and len(result.named) == len(self) else None

    def together(self, net: str, stop: int) -> Result | None:
        """The digits that are right after every attack that was made with all of them at this eps."""
        tried = [result for name in self.attackers if (result := self.complete(net, name, stop))]
        return tried[0]._replace(right=torch.stack([result.right for result in tried]).all(0)) if tried else None

    def curve(self, net: str, attacker: str) -> list[tuple[int, Result]]:
        """What is complete for this pair, in the order of eps, from the clean digits on."""
        found = ((stop, self.complete(net, attacker, stop)) for stop in range(STOPS + 1))
        return [(stop, result) for stop, result in found if result is not None]

    def fallen(self, net: str) -> tuple[str, int, Result] | None:
        """The attack that left least of a claim: within its eps, and below it with the whole interval."""
        claim = self.claims.get(net)
        below = []
        for attacker in self.attackers if claim else ():
            for stop, result in self.curve(net, attacker):
                if stop <= 100 * claim.eps + 1e-6 and result.numbers()["high"] < claim.accuracy:
                    below.append((attacker, stop, result))
        return min(below, key=lambda one: int(one[2].right.sum()), default=None)

    def _look(self, name: str) -> Result:
        try:
            outputs = evaluation.logits(self.nets[name], self.split.images)
        except ValueError as error:
            raise ValueError(f"the net {name!r} does not fit: {error}") from error
        labels = check_labels(self.split.labels, *outputs.shape)
        named = outputs.argmax(1).to(labels)
        return Result(self.split.images[:SHOWN], named, named == labels)

    def _prove(self, name: str, proof: Proof) -> Tensor:
        """A ball inside a proved one is proved, so from stop to stop only what is left is asked about."""
        proved = torch.zeros(STOPS + 1, len(self), dtype=torch.bool)
        left = torch.arange(len(self))
        for stop in range(STOPS + 1):
            part = self.split[left.to(self.split.labels.device)]
            sure = proof(self.nets[name], part.images, part.labels, stop / 100)
            if not isinstance(sure, Tensor) or sure.dtype != torch.bool or sure.shape != left.shape:
                want = "want one True or False an image, bool (N,)"
                raise ValueError(f"the proof of {name!r} gave {_form(sure)}: {want}")
            left = left[sure.cpu()]
            if not len(left):
                break
            proved[stop, left] = True
        return proved


def assault(model: nn.Module, attack: Attack, images: Tensor, labels: Tensor, eps: float) -> Tensor:
    """What an attack makes of a copy of these images. It is not called for ``eps`` 0.

    Raises:
        TypeError, ValueError: it hands back something else than images in [0, 1], as many, within ``eps``.

    >>> x = torch.full((1, 1, 2, 2), 0.5)
    >>> assault(nn.Flatten(), lambda model, images, labels, eps: images + 1.5 * eps, x, torch.tensor([0]), 0.1)
    Traceback (most recent call last):
    ...
    ValueError: the attack changed a pixel by 0.15, and eps is 0.1: clamp what it adds to [-eps, eps]
    """
    if eps == 0:
        return images
    with reraise_interrupts():
        attacked = attack(model, images.clone(), labels.clone(), eps)
    if not isinstance(attacked, Tensor) or attacked.shape != images.shape:
        raise ValueError(f"the attack gave {_form(attacked)}: want images {tuple(images.shape)} as it was given")
    attacked = check_images(attacked.detach()).to(images)
    largest = (attacked - images).abs().max().item()
    if largest > eps + SLACK:
        hint = "clamp what it adds to [-eps, eps]"
        raise ValueError(f"the attack changed a pixel by {largest:.3g}, and eps is {eps:g}: {hint}")
    return attacked


def _form(value) -> str:
    return f"{value.dtype} {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
