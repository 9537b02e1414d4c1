r"""A siege: pick a defense, an attacker and eps, and see what is left of the defense's claim.

Two numbers belong to a defense, on the same digits: how many it names rightly as they are, and how many after an attack
that may change each pixel by eps. The second is an upper bound, since a better attack may come; so it is drawn with its
exact 95 % interval, beside the number that was claimed, and beside the floor that was proved where there is a proof:

    proved  <=  right under every attack  <=  right under the attacks tried so far

Attackers that know the defense and others stand in one list. Digits are attacked 25 at a time: the page, `siege.js`,
asks for the next portion, or for one at the settings where it stands by then, and what was measured is kept.
"""

import textwrap
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import anywidget
import torch
from matplotlib.axes import Axes
from torch import Tensor, nn

from course_utils import attacks, figures, runtime, training
from course_utils.attacks._search import random_signs, whole
from course_utils.data import Split
from course_utils.inputs import check_count, check_images, check_labels
from course_utils.shares import interval
from course_utils.widgets import pixels, script

STOPS = 40  # of the slider, above 0, in hundredths: eps up to 0.4
START = 0.1
STILLS = (0.1, 0.2, 0.3)  # eps of the static twin
PORTION = 25  # digits attacked between two looks at the page
SHOWN = 8  # attacked digits in the page
SLACK = 1e-5  # rounding by which an attack may overstep eps
# The hues of attackers other than noise; blue and green belong to clean digits and to proofs.
HUES = ("#E69F00", figures.ADVERSARIAL, figures.FOOLING, "#56B4E9", "#A6761D", "#332288")
SHAPES = "s^DvP"  # of their points, as matplotlib calls them

Attack = Callable[[nn.Module, Tensor, Tensor, float], Tensor]  # (model, images, labels, eps) -> images
Proof = Callable[[nn.Module, Tensor, Tensor, float], Tensor]  # the same -> bool (N,), as `defenses.intervals.verified`


def noise(model: nn.Module, images: Tensor, labels: Tensor, eps: float) -> Tensor:
    """The attacker that knows nothing: each pixel goes up or down by ``eps``, as a coin falls.

    >>> noise(nn.Flatten(), torch.full((1, 1, 2, 2), 0.5), torch.tensor([0]), 0.25).sub(0.5).abs().unique()
    tensor([0.2500])
    """
    return random_signs(images, eps, runtime.source(device=images.device))


ATTACKERS: dict[str, Attack] = {
    "noise": noise,
    "FGSM": attacks.fgsm,
    "PGD-20": partial(attacks.pgd, steps=20, progress=False),
    "margin PGD-20": partial(attacks.pgd, loss="margin", steps=20, progress=False),
    "square-300": partial(attacks.square, queries=300, progress=False),
}


class Claim(NamedTuple):
    """What was said of a defense: the share of digits that stay right within ``eps``, and who said it, how measured."""

    accuracy: float
    eps: float
    text: str


def siege(
    nets: Mapping[str, nn.Module],
    split: Split,
    *,
    attackers: Mapping[str, Attack] | None = None,
    claims: Mapping[str, Claim] | None = None,
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
    return Siege(trial) if runtime.front_end() else _still(trial)


class Result(NamedTuple):
    """What one attacker did so far to a net's digits, from the first on.

    Attributes:
        images: the first attacked digits, ``(8, C, H, W)`` at most.
        named: the class that the net names after the attack, ``(n,)``.
        right: whether it is the label, ``(n,)``.
    """

    images: Tensor
    named: Tensor
    right: Tensor


class Trial:
    """The nets, the attackers and the digits, and all that was measured: (net, attacker, eps in hundredths) -> Result.

    Attributes:
        clean: net -> its `Result` without any attack.
        proved: net -> for each eps in hundredths, which digits are proved, bool ``(41, N)``.
        looks: attacker -> the colour and the shape of its points.
    """

    def __init__(self, nets, split, attackers=None, claims=None, proofs=None):
        self.nets, self.split = _mapping("nets", nets), split
        self.attackers = _mapping("attackers", ATTACKERS if attackers is None else attackers)
        self.claims, proofs = dict(claims or {}), dict(proofs or {})
        check_images(split.images)
        for name, attack in self.attackers.items():
            if not callable(attack):
                raise TypeError(f"the attacker {name!r} is a {type(attack).__name__}: want a function, such as noise")
        for name in [*self.claims, *proofs]:
            if name not in self.nets:
                raise ValueError(f"there is a claim or a proof for {name!r}, and the nets are {', '.join(self.nets)}")
        self.claims = {name: _check_claim(name, claim) for name, claim in self.claims.items()}
        with runtime.one_thread():
            self.clean = {name: self._look(name, split.images) for name in self.nets}
            self.proved = {name: self._prove(name, proof) for name, proof in proofs.items()}
        self.results: dict[tuple[str, str, int], Result] = {}
        others = [name for name in self.attackers if name != "noise"]
        looks = {name: (HUES[i % len(HUES)], SHAPES[i % len(SHAPES)]) for i, name in enumerate(others)}
        self.looks = {name: looks.get(name, (figures.NOISE, "o")) for name in self.attackers}

    def __len__(self) -> int:
        return len(self.split)

    def step(self, net: str, attacker: str, stop: int) -> Result:
        """Attack the next 25 digits, unless all of them were; what the attack raises is raised here."""
        key = net, attacker, stop
        before = self.results.get(key, Result(self.split.images[:0], *(self.clean[net][k][:0] for k in (1, 2))))
        part = self.split[len(before.named) : len(before.named) + PORTION]
        if not len(part):
            return before
        with runtime.one_thread():
            images = assault(self.nets[net], self.attackers[attacker], part.images, part.labels, stop / 100)
            found = training.predict(self.nets[net], images).labels.to(part.labels)
        kept = torch.cat([before.images, images])[:SHOWN]
        right = torch.cat([before.right, found == part.labels])
        self.results[key] = Result(kept, torch.cat([before.named, found]), right)
        return self.results[key]

    def complete(self, net: str, attacker: str, stop: int) -> Result | None:
        """The result for all digits, or None."""
        result = self.clean[net] if stop == 0 else self.results.get((net, attacker, stop))
        return result if result is not None and len(result.named) == len(self) else None

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
                if stop <= 100 * claim.eps + 1e-6 and _ends(result)[1] < claim.accuracy:
                    below.append((attacker, stop, result))
        return min(below, key=lambda one: int(one[2].right.sum()), default=None)

    def _look(self, name: str, images: Tensor) -> Result:
        if not isinstance(self.nets[name], nn.Module):
            raise TypeError(f"the net {name!r} is a {type(self.nets[name]).__name__}, not an nn.Module")
        try:
            outputs = training.logits(self.nets[name], images)
        except ValueError as error:
            raise ValueError(f"the net {name!r} does not fit: {error}") from error
        labels = check_labels(self.split.labels, len(images), outputs.shape[1])
        named = outputs.argmax(1).to(labels)
        return Result(images[:SHOWN], named, named == labels)

    def _prove(self, name: str, proof: Proof) -> Tensor:
        """A ball inside a proved one is proved, so from stop to stop only what is left is asked about."""
        proved = torch.zeros(STOPS + 1, len(self), dtype=torch.bool)
        left = torch.arange(len(self))
        for stop in range(STOPS + 1):
            part = self.split[left.to(self.split.labels.device)]
            sure = proof(self.nets[name], part.images, part.labels, stop / 100)
            if not isinstance(sure, Tensor) or sure.dtype != torch.bool or sure.shape != left.shape:
                raise ValueError(
                    f"the proof of {name!r} gave {_form(sure)}: want one True or False an image, bool (N,)"
                )
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
    with whole():
        attacked = attack(model, images.clone(), labels.clone(), eps)
    if not isinstance(attacked, Tensor) or attacked.shape != images.shape:
        raise ValueError(f"the attack gave {_form(attacked)}: want images {tuple(images.shape)} as it was given")
    attacked = check_images(attacked.detach()).to(images)
    change = (attacked - images).abs().max().item()
    if change > eps + SLACK:
        raise ValueError(
            f"the attack changed a pixel by {change:.3g}, and eps is {eps:g}: clamp what it adds to [-eps, eps]"
        )
    return attacked


class Siege(anywidget.AnyWidget):
    """The live siege: the trial, and where its controls stand."""

    _css = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")
    _esm = script("siege")

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
        return answer, [pixels(seen.images)]

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


def _mapping(what: str, given: Mapping) -> dict:
    if not isinstance(given, Mapping):
        raise TypeError(f"{what} are a {type(given).__name__}: want a dict with a name for each")
    if not given:
        raise ValueError(f"there are no {what}: give a dict with a name for each")
    return dict(given)


def _check_claim(name: str, claim: Claim) -> Claim:
    try:
        claim = Claim(*claim)
        fine = 0 <= claim.accuracy <= 1 and 0 <= claim.eps <= STOPS / 100 and isinstance(claim.text, str)
    except TypeError:
        fine = False
    if not fine:
        hint = (
            f'want (share from 0 to 1, eps from 0 to {STOPS / 100}, text), such as Claim(0.95, 0.3, "their own test")'
        )
        raise ValueError(f"the claim for {name!r} is {claim!r}: {hint}")
    return claim


def _ends(result: Result) -> tuple[float, float]:
    return interval(int(result.right.sum()), len(result.right))


def _count(result: Result) -> dict:
    low, high = _ends(result)
    right, done = int(result.right.sum()), len(result.right)
    return {"share": right / done, "low": low, "high": high, "right": right, "done": done}


def _points(curve: list[tuple[int, Result]]) -> list[list[float]]:
    """Eps, share and the ends of its interval."""
    return [[stop / 100, result.right.double().mean().item(), *_ends(result)] for stop, result in curve]


def _of(result: Result) -> str:
    return f"{int(result.right.sum())} of {len(result.right)}"


def _whole(share: float) -> str:
    """A share in percent, with a digit behind the point only where it is needed."""
    return f"{round(100 * share, 1):g} %"


def _form(value) -> str:
    return f"{value.dtype} {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"


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
