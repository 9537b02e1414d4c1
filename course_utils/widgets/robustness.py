r"""A siege: pick a defense, an attacker and eps, and see what is left of the defense's claim.

Two numbers belong to a defense, on the same digits: how many it names rightly as they are, and how many after an attack
that may change each pixel by eps. The second is an upper bound, since a better attack may come; so it is drawn with its
exact 95 % interval, beside the number that was claimed, and beside the floor that was proved where there is a proof:

    proved  <=  right under every attack  <=  right under the attacks tried so far

Attackers that know the defense and others stand in one list. Digits are attacked 25 at a time: the page,
`robustness.js`, asks for the next portion, or for one at the settings where it stands by then, and what was measured is
kept.
"""

import textwrap
from collections.abc import Mapping
from pathlib import Path

import anywidget
import torch
from matplotlib.axes import Axes
from torch import nn

from course_utils import figures, runtime
from course_utils.core.checks import check_count
from course_utils.data import Split
from course_utils.widgets.base import script, to_bytes
from course_utils.widgets.trial import STOPS, Attack, Proof, Result, RobustnessClaim, Trial, _count, _ends

START = 0.1
STILLS = (0.1, 0.2, 0.3)  # eps of the static twin


def robustness_trial(
    nets: Mapping[str, nn.Module],
    split: Split,
    *,
    attackers: Mapping[str, Attack] | None = None,
    claims: Mapping[str, RobustnessClaim] | None = None,
    proofs: Mapping[str, Proof] | None = None,
    number: int = 100,
):
    """Choose a defense, an attacker and eps, and watch both numbers; without a front end, all of them at three eps.

    Args:
        nets: name -> defended net, which maps images ``(N, C, H, W)`` in [0, 1] to logits.
        split: its first ``number`` digits are attacked.
        attackers: name -> ``attack(model, images, labels, eps)``, which returns images within ``eps`` of those given;
            None takes `ATTACKERS`. One that cannot attack a net raises, and its message is shown.
        claims: name of a net -> what was claimed of it.
        proofs: name of a net -> ``verified(model, images, labels, eps)``, bool ``(N,)``: images that no change within
            ``eps`` can make it name wrongly, such as `defenses.intervals.verified`.

    Returns:
        The live widget; without a front end its static twin, a `figures.Picture`.

    Raises:
        TypeError, ValueError: no nets or no attackers, a net that does not fit the digits, a claim or a proof of a net
            that is not there, a claim outside its range.

    >>> from course_utils import data
    >>> nets = {"plain": nn.Sequential(nn.Flatten(), nn.Linear(784, 10))}
    >>> still = siege(nets, data.mnist().test, claims={"plain": Claim(0.9, 0.1, "as we hoped")}, number=10)
    """
    trial = Trial(nets, split[: check_count("number", number)], attackers, claims, proofs)
    return Robustness(trial) if runtime.front_end() else _still(trial)


class Robustness(anywidget.AnyWidget):
    """The live siege: the trial, and where its controls stand."""

    _css = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")
    _esm = script("robustness")

    def __init__(self, trial: Trial):
        super().__init__()
        self.trial = trial
        self.settings = {"net": next(iter(trial.nets)), "attacker": next(iter(trial.attackers)), "eps": START}
        self.on_msg(lambda _, message, buffers: self.send(*self.answer(message)))

    def answer(self, message: dict) -> tuple[dict, list[bytes]]:
        """Attack one more portion of the digits, and say how things stand; an error becomes the answer.

        Args:
            message: ``page``, which comes back with the answer, and ``do``: "show", or "siege" with ``net``,
                ``attacker`` and ``eps``.

        Returns:
            What to write, and one buffer: the first digits after the attack, bytes ``(8, H, W, C)``. What an attack
            raises stands under ``trouble``, and the rest is as it was.
        """
        trouble = ""
        try:
            if message["do"] == "siege":
                trouble = self._obey(message["net"], message["attacker"], message["eps"])
        except (Exception, KeyboardInterrupt) as error:
            return {"page": message["page"], "error": _words(error)}, []
        trial, (net, attacker, stop) = self.trial, self._key()
        result = trial.complete(net, attacker, stop) or trial.results.get((net, attacker, stop))
        seen = result or trial.clean[net]
        answer = {"page": message["page"], "settings": self.settings, "trouble": trouble, "total": len(trial)}
        answer |= {"nets": list(trial.nets), "looks": trial.looks, "most": STOPS / 100}
        answer |= {"done": len(result.named) if result else 0, "clean": _count(trial.clean[net])}
        answer |= {"rows": self._rows(net, stop), "together": self._together(net, stop)}
        answer |= {"curves": {name: _points(trial.curve(net, name)) for name in trial.attackers}}
        answer |= {"claim": self._claim(net), "floor": None, "says": self._says(), "shape": list(seen.images.shape[1:])}
        if net in trial.proved:
            answer["floor"] = (trial.proved[net].sum(1) / len(trial)).tolist()
        pairs = zip(trial.split.labels.tolist(), seen.named.tolist(), strict=False)
        answer["digits"] = list(pairs)[: len(seen.images)]
        return answer, [to_bytes(seen.images)]

    def _obey(self, net: str, attacker: str, eps: float) -> str:
        """Take over these settings and attack a portion; what the attack raised, or ""."""
        for kind, name, known in (("net", net, self.trial.nets), ("attacker", attacker, self.trial.attackers)):
            if name not in known:
                raise ValueError(f"there is no {kind} {name!r} here: choose among {', '.join(known)}")
        if not 0 <= eps <= STOPS / 100:
            raise ValueError(f"eps={eps}: want a number from 0 to {STOPS / 100}")
        self.settings = {"net": net, "attacker": attacker, "eps": round(100 * eps) / 100}
        try:
            self.trial.step(*self._key())
        except (Exception, KeyboardInterrupt) as error:  # an attack of the learner's may raise anything
            return f"{attacker} failed against {net}: {_words(error)}"
        return ""

    def _key(self) -> tuple[str, str, int]:
        return self.settings["net"], self.settings["attacker"], round(100 * self.settings["eps"])

    def _rows(self, net: str, stop: int) -> dict[str, dict | None]:
        """For each attacker how many digits are right at this eps, or None where it was not tried."""
        trial = self.trial
        tried = {name: trial.complete(net, name, stop) or trial.results.get((net, name, stop)) for name in trial.looks}
        return {name: _count(result) if result else None for name, result in tried.items()}

    def _together(self, net: str, stop: int) -> dict | None:
        """The digits that are right after every attack that was made with all of them at this eps."""
        tried = [result for name in self.trial.attackers if (result := self.trial.complete(net, name, stop))]
        if not tried:
            return None
        right = torch.stack([result.right for result in tried]).all(0)
        return _count(tried[0]._replace(right=right)) | {"tried": len(tried)}

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
        """The finding at these settings in a few sentences."""
        trial, (net, attacker, stop) = self.trial, self._key()
        result, clean = trial.complete(net, attacker, stop), trial.clean[net]
        if result is None:
            return ""
        if stop == 0:
            return f"Nothing may change at eps = 0: {_of(clean)} clean digits are right."
        low, high = map(_whole, _ends(result))
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
    """Eps, share and the ends of its interval."""
    return [[stop / 100, result.right.double().mean().item(), *_ends(result)] for stop, result in curve]


def _of(result: Result) -> str:
    return f"{int(result.right.sum())} of {len(result.right)}"


def _whole(share: float) -> str:
    """A share in percent, with a digit behind the point only where it is needed."""
    return f"{round(100 * share, 1):g} %"


def _words(error: BaseException) -> str:
    """An error as a sentence; ValueErrors are written for people."""
    return str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"


def _still(trial: Trial) -> figures.Picture:
    """For each net a panel with a curve for each attacker, the claim, and the floor that is proved."""
    columns = min(3, len(trial.nets))
    rows = -(-len(trial.nets) // columns)
    canvas, axes = figures.figure(
        figures.ROW * columns / 3 if columns > 1 else figures.PLOT,
        0.5 + 2.3 * rows,
        nrows=rows,
        ncols=columns,
        sharex=True,
        sharey=True,
        squeeze=False,
    )
    for axis in axes.flat[len(trial.nets) :]:
        axis.axis("off")
    texts = [_panel(axis, trial, net) for axis, net in zip(axes.flat, trial.nets, strict=False)]
    handles = {}
    for axis in axes.flat:
        handles |= {label: handle for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    look = dict(ncols=min(4, len(handles)), fontsize=9, frameon=False)
    canvas.legend(handles.values(), handles, loc="outside lower center", **look)
    for axis in axes[:, 0]:
        axis.set_ylabel("digits right")
    what = f"Accuracy on {len(trial)} digits against eps, a panel for each net and a curve for each attacker"
    return figures.picture(canvas, f"{what}. {' '.join(texts)}")


def _panel(axis: Axes, trial: Trial, net: str) -> str:
    """Draw one net's panel, and say what it shows."""
    clean, claim, worst = trial.clean[net], trial.claims.get(net), round(100 * STILLS[-1])
    words, missing = [], []
    axis.plot(0, clean.right.double().mean().item(), "o", color=figures.CLEAN, ms=8, label="clean digits", zorder=4)
    if net in trial.proved:
        floor = trial.proved[net].double().mean(1)
        along = [stop / 100 for stop in range(worst + 1)]
        axis.fill_between(along, floor[: worst + 1].tolist(), color=figures.DEFENDED, alpha=0.25, lw=0, label="proved")
        words.append(f"{int(trial.proved[net][worst].sum())} proved")
    for attacker, (hue, shape) in trial.looks.items():
        try:
            for stop in (round(100 * eps) for eps in STILLS):
                while trial.complete(net, attacker, stop) is None:
                    trial.step(net, attacker, stop)
        except Exception as error:  # the others are worth seeing all the same
            missing.append(f"{attacker}: {_words(error)}")
            continue
        along, shares, lows, highs = torch.tensor(_points(trial.curve(net, attacker)), dtype=torch.float64).T
        look = dict(fmt=f"{shape}-", color=hue, ms=5, lw=1.6, elinewidth=0.8, label=attacker)
        axis.errorbar(along, shares, torch.stack([shares - lows, highs - shares]), **look)
        words.append(f"{int(trial.complete(net, attacker, worst).right.sum())} under {attacker}")
    if claim:
        axis.plot(claim.eps, claim.accuracy, "o", mfc="none", color=figures.THEORY, ms=8, label="claimed", zorder=5)
        words.append(f"{_whole(claim.accuracy)} claimed at {claim.eps:g}")
    axis.set_title(net, fontsize=10)
    axis.set(ylim=(-0.03, 1.05), yticks=[0, 0.5, 1], xticks=[0, *STILLS])
    axis.xaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_major_formatter(lambda share, _: _whole(share))
    axis.set_xlabel("\n".join(["eps", *(textwrap.fill(f"no {each}", 42) for each in missing)]), fontsize=9)
    axis.grid(axis="y")
    text = f"{net}: {int(clean.right.sum())} right on clean digits; at eps = {STILLS[-1]:g}, {', '.join(words)}."
    return " ".join([text, *(f"{each}." for each in missing)])
