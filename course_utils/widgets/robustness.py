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
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import nn

from course_utils import figures
from course_utils.core.checks import check_count
from course_utils.data import Split
from course_utils.widgets.base import Widget, to_bytes
from course_utils.widgets.trial import ATTACKERS, STOPS, Attack, Proof, Result, RobustnessClaim, Trial

if TYPE_CHECKING:
    from matplotlib.axes import Axes

START = 0.1
STILLS = (0.1, 0.2, 0.3)  # eps of the static twin


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
                    while trial.complete(net, attacker, stop) is None:
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
        result = trial.so_far(net, attacker, stop)
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
            "rows": {name: _numbers(trial.so_far(net, name, stop)) for name in trial.attackers},
            "together": _numbers(trial.together(net, stop)),
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


def _numbers(result: Result | None) -> dict | None:
    return result.numbers() if result else None


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


def _panel(axis: "Axes", trial: Trial, net: str, missing: Mapping[tuple[str, str], str]) -> str:
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
