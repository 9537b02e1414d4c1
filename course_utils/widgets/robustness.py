r"""A robustness trial: pick a defense, an attacker and eps, and see what is left of the defense's claim.

Two numbers belong to a defense, on the same digits: how many it classifies correctly as they are, and how many after an
attack that may move each pixel by eps. The second is an upper bound, since a better attack may come; so it is drawn
with its exact 95 % interval, beside the number that was claimed, and beside the floor that was proved where there is a
proof:

    proved  <=  right under every attack  <=  right under the attacks tried so far

Digits are attacked 25 at a time: the page, `robustness.js`, asks for the next portion, or for one at the settings where
it stands by then, and what was measured is kept.
"""

import itertools
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from course_utils import attacks, evaluation, figures, runtime
from course_utils.attacks.base import reraise_interrupts
from course_utils.core.checks import check_count, check_images, check_labels
from course_utils.core.stats import clopper_pearson
from course_utils.data import Split
from course_utils.widgets.base import Widget, to_bytes

START = 0.1
STILLS = (0.1, 0.2, 0.3)  # eps of the static twin
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


def robustness_trial(
    nets: Mapping[str, nn.Module],
    split: Split,
    *,
    attackers: Mapping[str, Attack] = ATTACKERS,
    claims: Mapping[str, RobustnessClaim] = {},
    proofs: Mapping[str, Proof] = {},
    number: int = 100,
):
    """Choose a defense, an attacker and eps, and watch both numbers; without a front end, all of them at three eps.

    Args:
        nets: name -> defended net, which maps images ``(N, C, H, W)`` in [0, 1] to logits.
        split: its first ``number`` digits are attacked.
        attackers: name -> ``attack(model, images, labels, eps)``, which returns images within ``eps`` of those given.
            One that cannot attack a net raises, and its message is shown.
        claims: name of a net -> what was claimed of it.
        proofs: name of a net -> ``verified(model, images, labels, eps)``, bool ``(N,)``: images that no perturbation
            within ``eps`` can make it misclassify, such as `defenses.intervals.verified`.

    Raises:
        TypeError, ValueError: no nets or no attackers, a net that does not fit the digits, a claim or a proof of a net
            that is not there.

    >>> from course_utils import data
    >>> nets = {"plain": nn.Sequential(nn.Flatten(), nn.Linear(784, 10))}
    >>> claims = {"plain": RobustnessClaim(0.9, 0.1, "as we hoped")}
    >>> still = robustness_trial(nets, data.mnist().test, claims=claims, number=10)
    """
    return Robustness.show(Trial(nets, split[: check_count("number", number)], attackers, claims, proofs))


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
            if strange := [name for name, one in given.items() if not callable(one)]:
                raise TypeError(f"{strange[0]!r} among the {what} is no function and no network: {given[strange[0]]!r}")
        if strange := [claim for claim in claims.values() if not isinstance(claim, RobustnessClaim)]:
            raise TypeError(f'the claim {strange[0]!r} wants to be RobustnessClaim(0.95, 0.3, "their own test")')
        self.nets, self.split, self.attackers, self.claims = dict(nets), split, dict(attackers), dict(claims)
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
        if self.complete(net, attacker, stop):
            return
        key = net, attacker, stop
        before = self.results.get(key, Result(*(part[:0] for part in self.clean[net])))
        part = self.split[len(before.named) : len(before.named) + PORTION]
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
        return result if result and len(result.named) == len(self) else None

    def together(self, net: str, stop: int) -> Result | None:
        """The digits that are right after every attack that was made with all of them at this eps."""
        tried = [result for name in self.attackers if (result := self.complete(net, name, stop))]
        return tried[0]._replace(right=torch.stack([result.right for result in tried]).all(0)) if tried else None

    def curve(self, net: str, attacker: str) -> list[tuple[int, Result]]:
        """What is complete for this pair, in the order of eps, from the clean digits on."""
        return [(stop, result) for stop in range(STOPS + 1) if (result := self.complete(net, attacker, stop))]

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
    """What an attack makes of a copy of these images; a ValueError if they leave [0, 1] or ``eps``."""
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


class Robustness(Widget):
    """The trial, and where its controls stand."""

    plain = (ValueError,)

    def __init__(self, trial: Trial):
        super().__init__()
        self.trial = trial
        self.settings = {"net": next(iter(trial.nets)), "attacker": next(iter(trial.attackers)), "eps": START}

    @staticmethod
    def still(trial: Trial) -> figures.Picture:
        """For each net a panel with a curve for each attacker, the claim, and the floor that is proved."""
        missing = {}
        for net, attacker in itertools.product(trial.nets, trial.attackers):
            try:
                for stop in (round(100 * eps) for eps in STILLS):
                    while not trial.complete(net, attacker, stop):
                        trial.step(net, attacker, stop)
            except Exception as error:  # the others are worth seeing all the same
                missing[net, attacker] = Robustness.words(error)
        return _picture(trial, missing)

    def picture(self) -> figures.Picture:
        """The panels with what was measured so far: to measure all would take minutes."""
        return _picture(self.trial, {})

    def obey(self, do: str, **choice) -> tuple[dict, list[bytes]]:
        """ "show", or "attack" one more portion of the digits, with ``net``, ``attacker`` and ``eps``.

        What an attack raises stands under ``trouble``. The buffer: the first digits after the attack.
        """
        trouble, trial = "", self.trial
        if do == "attack":
            self.settings = choice
            try:
                trial.step(*self._key())
            except (Exception, KeyboardInterrupt) as error:  # an attack of the learner's may raise anything
                trouble = f"{choice['attacker']} failed against {choice['net']}: {self.words(error)}"
        net, attacker, stop = self._key()
        result, together = trial.so_far(net, attacker, stop), trial.together(net, stop)
        rows = {name: trial.so_far(net, name, stop) for name in trial.attackers}
        seen = result or trial.clean[net]
        pairs = list(zip(trial.split.labels.tolist(), seen.named.tolist(), strict=False))
        answer = {
            "settings": self.settings,
            "trouble": trouble,
            "nets": list(trial.nets),
            "looks": trial.looks,
            "most": STOPS / 100,
            "total": len(trial),
            "done": len(result.named) if result else 0,
            "clean": trial.clean[net].numbers(),
            "rows": {name: one and one.numbers() for name, one in rows.items()},
            "together": together and together.numbers(),
            "curves": {name: _points(trial.curve(net, name)) for name in trial.attackers},
            "claim": self._claim(net),
            "floor": trial.proved[net].double().mean(1).tolist() if net in trial.proved else None,
            "says": self._says(),
            "shape": list(seen.images.shape[1:]),
            "digits": pairs[: len(seen.images)],
        }
        return answer, [to_bytes(seen.images)]

    def _key(self) -> tuple[str, str, int]:
        return self.settings["net"], self.settings["attacker"], round(100 * self.settings["eps"])

    def _claim(self, net: str) -> dict | None:
        claim, fallen = self.trial.claims.get(net), self.trial.fallen(net)
        if claim is None:
            return None
        text = f"Claimed: {_whole(claim.accuracy)} stay right within eps = {claim.eps:g} ({claim.text})."
        if fallen:
            attacker, stop, result = fallen
            text += f" Fallen: {attacker} left {_of(result)} at eps = {stop / 100:g}."
        return {"accuracy": claim.accuracy, "eps": claim.eps, "text": text, "fallen": fallen is not None}

    def _says(self) -> str:
        trial, (net, attacker, stop) = self.trial, self._key()
        result, clean = trial.complete(net, attacker, stop), trial.clean[net]
        if result is None:
            return ""
        if stop == 0:
            return f"Nothing may change at eps = 0: {_of(clean)} clean digits are right."
        low, high = (_whole(result.numbers()[end]) for end in ("low", "high"))
        text = f"{attacker} at eps = {stop / 100:g} leaves {_of(result)} digits right (95 % interval {low} to {high}), "
        text += f"and {int(clean.right.sum())} were before."
        if net in trial.proved:
            sure = trial.proved[net][stop].to(result.right.device)
            wrong = int((sure & ~result.right).sum())
            text += f" Proved, whatever the attack: {int(sure.sum())}."
            if wrong:
                text += f" But {wrong} of them are wrong now: the proof does not hold."
        return text


def _points(curve: list[tuple[int, Result]]) -> list[list[float]]:
    """Eps, the fraction that is right, and the ends of its interval."""
    each = ((stop / 100, result.numbers()) for stop, result in curve)
    return [[eps, numbers["fraction"], numbers["low"], numbers["high"]] for eps, numbers in each]


def _of(result: Result) -> str:
    return f"{int(result.right.sum())} of {len(result.right)}"


def _whole(fraction: float) -> str:
    """In percent, with a digit behind the point only where it is needed."""
    return f"{round(100 * fraction, 1):g} %"


def _picture(trial: Trial, missing: Mapping[tuple[str, str], str]) -> figures.Picture:
    """A panel for each net, with what was measured, and what the attackers raised that are ``missing``."""
    columns = min(3, len(trial.nets))
    rows = -(-len(trial.nets) // columns)
    shared = dict(sharex=True, sharey=True, squeeze=False)
    canvas, axes = figures.figure(figures.ROW, 0.5 + 2.3 * rows, nrows=rows, ncols=columns, **shared)
    for axis in axes.flat[len(trial.nets) :]:
        axis.axis("off")
    texts = [_panel(axis, trial, net, missing) for axis, net in zip(axes.flat, trial.nets, strict=False)]
    handles = {}
    for axis in axes.flat:
        handles |= {label: handle for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    look = dict(ncols=min(4, len(handles)), fontsize=9, frameon=False)
    canvas.legend(handles.values(), handles, loc="outside lower center", **look)
    for axis in axes[:, 0]:
        axis.set_ylabel("digits right")
    what = f"Accuracy on {len(trial)} digits against eps, a panel for each net and a curve for each attacker"
    return figures.picture(canvas, f"{what}. {' '.join(texts)}")


def _panel(axis: "figures.Axes", trial: Trial, net: str, missing: Mapping[tuple[str, str], str]) -> str:
    """Draw one net's panel, and say what it shows."""
    clean, claim, worst = trial.clean[net], trial.claims.get(net), round(100 * STILLS[-1])
    words = []
    axis.plot(0, clean.right.double().mean().item(), "o", color=figures.CLEAN, ms=8, label="clean digits", zorder=4)
    if net in trial.proved:
        floor = trial.proved[net].double().mean(1)
        along = [stop / 100 for stop in range(worst + 1)]
        axis.fill_between(along, floor[: worst + 1].tolist(), color=figures.DEFENDED, alpha=0.25, lw=0, label="proved")
        words.append(f"{int(trial.proved[net][worst].sum())} proved")
    for attacker, (hue, shape) in trial.looks.items():
        if (net, attacker) in missing:
            continue
        along, seen, lows, highs = torch.tensor(_points(trial.curve(net, attacker)), dtype=torch.float64).T
        look = dict(fmt=f"{shape}-", color=hue, ms=5, lw=1.6, elinewidth=0.8, label=attacker)
        axis.errorbar(along, seen, torch.stack([seen - lows, highs - seen]), **look)
        if result := trial.complete(net, attacker, worst):
            words.append(f"{int(result.right.sum())} under {attacker}")
    if claim:
        axis.plot(claim.eps, claim.accuracy, "o", mfc="none", color=figures.THEORY, ms=8, label="claimed", zorder=5)
        words.append(f"{_whole(claim.accuracy)} claimed at {claim.eps:g}")
    gaps = [f"{attacker}: {text}" for (one, attacker), text in missing.items() if one == net]
    axis.set_title(net, fontsize=10)
    axis.set(ylim=(-0.03, 1.05), yticks=[0, 0.5, 1], xticks=[0, *STILLS])
    axis.xaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_major_formatter(lambda fraction, _: _whole(fraction))
    axis.set_xlabel("\n".join(["eps", *(textwrap.fill(f"no {gap}", 42) for gap in gaps)]), fontsize=9)
    axis.grid(axis="y")
    attacked = f"; at eps = {STILLS[-1]:g}, {', '.join(words)}" if words else ""
    return " ".join([f"{net}: {int(clean.right.sum())} right on clean digits{attacked}.", *(f"{gap}." for gap in gaps)])
