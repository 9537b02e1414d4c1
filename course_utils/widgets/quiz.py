"""A quiz in which the reader competes with a network: pictures flash up, and each of the two says what they were.

That a person would not be fooled was an objection in the thread. It can be tested, if the person gets no more time than
a network's single pass: Elsayed, Shankar, Cheung, Papernot, Kurakin, Goodfellow and Sohl-Dickstein (arXiv 1802.08195)
showed pictures for about 63 ms, covered each by a mask at once, and found that people err more often on those that fool
networks too. The page, `quiz.js`, does the same: a cross, the picture, a mask of random patches between the picture's
darkest and brightest pixel, then the questions. A screen shows whole frames only, so the time on it is measured.

A picture of a digit has a right answer. A fooling image or noise has none; there "none of them" is the sensible one,
and a network without such a class can only be less sure. Few pictures carry little evidence, so each fraction has its
exact confidence interval. Answers stay in the learner's record on this machine. Without a front end nobody is asked,
and no answer is made up.
"""

import hashlib
import json
import math
import statistics
import warnings
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from course_utils import evaluation, figures, runtime
from course_utils.core.stats import clopper_pearson
from course_utils.core.storage import JsonStore
from course_utils.widgets.base import Widget, img, to_bytes

TIMES = [60, 100, 250, 500, 2000]  # ms
SURE = ["a guess", "unsure", "fairly sure", "certain"]  # 1 to 4
CERTAIN = 0.99  # from this confidence on a network counts as certain
EVENTS = "you", "network", "you certain", "network certain"
SHOWN = 30  # pictures at most that somebody got wrong


def _check_kept(quizzes: dict) -> None:
    if not all(isinstance(answers, list) for answers in quizzes.values()):
        raise ValueError("the answers to a quiz are no list")


STORE = JsonStore(
    "quizzes",
    fresh=dict,
    check=_check_kept,
    former="quizzes/*.json",
    adopt=lambda quizzes, key, document: quizzes | {key: document["answers"]},
)


def human_quiz(pictures: Tensor, truths: Sequence[int | None], kinds: Sequence[str], model: nn.Module):
    """Flash pictures in random order, ask what they were and how sure you are, and compare with ``model``.

    Returns the live widget, with `results`; without a front end its static twin, a `figures.Picture`.

    Args:
        truths: N right answers, or None where there is none and "none of them" is sensible.
        kinds: N words such as "digit" or "fooling". Within a kind, either all pictures have a right answer or none has.
        model: has 2 to 10 classes, the digits from 0.

    >>> from course_utils import models
    >>> still = human_quiz(torch.rand(2, 1, 28, 28), [None, None], ["noise", "noise"], models.LeNet5())
    """
    confidence = evaluation.logits(model, pictures).cpu().double().softmax(1)
    truths, kinds = [None if truth is None else int(truth) for truth in truths], list(kinds)
    number, classes = confidence.shape
    if not 2 <= classes <= 10:
        raise ValueError(f"the model has {classes} classes: the quiz has keys for 2 to 10 of them")
    for name, given in (("truths", truths), ("kinds", kinds)):
        if len(given) != number:
            raise ValueError(f"{len(given)} {name} for {number} pictures: give one for each")
    answered = {}
    for kind, truth in zip(kinds, truths, strict=True):
        if truth not in (None, *range(classes)):
            known = f"the classes 0 to {classes - 1}"
            raise ValueError(f"the right answer {truth} is none of {known}: None means no answer")
        if answered.setdefault(kind, truth is not None) != (truth is not None):
            raise ValueError(f"some pictures of kind {kind!r} have a right answer and some None: give them two kinds")
    order = torch.randperm(number, generator=runtime.ensure_generator()).tolist()
    return Quiz.show(pictures.detach().cpu(), truths, kinds, confidence, order)


class Quiz(Widget):
    """The live quiz. Each message from the page holds all answers so far, so that none is lost with a message."""

    def __init__(self, pictures: Tensor, truths: list, kinds: list, confidence: Tensor, order: list):
        super().__init__()
        self.pictures, self.truths, self.kinds, self.order = pictures, truths, kinds, order
        self.confidence, self.said = (values.tolist() for values in confidence.max(1))
        self.classes, self.answers = confidence.shape[1], []
        asked = json.dumps([truths, kinds, self.classes, list(pictures.shape)]).encode()
        self._key = hashlib.sha256(asked + to_bytes(pictures)).hexdigest()[:16]  # what the answers are kept under
        try:
            self.answers = self._valid(STORE.read().get(self._key, []))
        except (ValueError, TypeError, KeyError) as error:
            warnings.warn(f"earlier answers do not fit this quiz and are left out ({error!r})", stacklevel=2)

    @staticmethod
    def still(pictures: Tensor, truths: list, kinds: list, confidence: Tensor, order: list) -> figures.Picture:
        """The pictures in the order of the quiz, the network's answers, and blanks for the reader's."""
        best, said = (values.tolist() for values in confidence.max(1))
        captions = [f"network: {said[k]}\n{figures.percent(best[k])}\nyou: ____" for k in order]
        title = "What is it: a digit, or none of them? How sure are you?"
        shown = [kinds[k] if truths[k] is None else f"{kinds[k]} {truths[k]}" for k in range(len(kinds))]
        each = "; ".join(f"{shown[k]}: {said[k]}, {figures.percent(best[k])}" for k in order)
        alt = f"The pictures of the quiz with a blank for your answer. What the network says: {each}."
        return figures.images(pictures[order], captions, title=title, alt=alt)

    def picture(self) -> figures.Picture:
        """The comparison once all is answered; before that the pictures, which give nothing away."""
        if len(self.answers) == len(self.order):
            return self.compare()
        alt = "The pictures of the quiz, with blanks for answers."
        return figures.images(self.pictures[self.order], ["you: ____"] * len(self.order), alt=alt)

    @property
    def results(self) -> list[dict]:
        """One dict for each answer given: what was shown, for how long, and what you and the network said of it.

        The keys: ``picture`` (its place in the batch), ``kind``, ``truth``, ``label`` (yours; None is "none of them"),
        ``sure`` (1 a guess to 4 certain), ``wanted`` and ``shown`` (ms), ``network`` and ``confidence``.
        """
        known = dict(kind=self.kinds, truth=self.truths, network=self.said, confidence=self.confidence)
        return [one | {name: values[one["picture"]] for name, values in known.items()} for one in self.answers]

    def compare(self) -> figures.Picture:
        """You against the network, by kind, over the pictures that you have answered, and those that one got wrong."""
        if not self.answers:
            raise ValueError("there are no answers yet: press Start in the quiz first")
        results = sorted(self.results, key=lambda one: one["picture"])
        shown = [one["shown"] for one in results]
        stood = f"shown for {min(shown):.0f} to {max(shown):.0f} ms, median {statistics.median(shown):.0f} ms"
        parts = {f"You against the network: {len(results)} pictures, {stood}": _chart(score_quiz(results))}
        if wrong := [one for one in results if not one["label"] == one["truth"] == one["network"]][:SHOWN]:
            captions = []
            for one in wrong:
                what = one["kind"] if one["truth"] is None else f"{one['kind']}: {one['truth']}"
                you = "none" if one["label"] is None else one["label"]
                captions.append(f"{what}\nyou: {you}\nnetwork: {one['network']}")
            alt = "; ".join(caption.replace("\n", ", ") for caption in captions) + "."
            grid = figures.images(self.pictures[[one["picture"] for one in wrong]], captions, alt=alt)
            parts["On these you or the network erred: a wrong digit, or a digit where there is none"] = grid
        return figures.tile(parts, columns=1)

    def obey(self, do: str, answers: Sequence[dict] = ()) -> tuple[dict, list[bytes]]:
        """ "show", or "keep" all ``answers``. The buffer: the pictures."""
        if do == "keep":
            answers = self._valid(answers)
            STORE.update(lambda quizzes: quizzes.update({self._key: answers}))
            self.answers = answers
        done = len(self.answers) == len(self.order)
        texts = {"times": TIMES, "sure": SURE, "classes": self.classes, "trouble": STORE.trouble}
        state = {"order": self.order, "answers": self.answers, "shape": list(self.pictures.shape[1:])}
        return {**texts, **state, "comparison": img(self.compare()) if done else ""}, [to_bytes(self.pictures)]

    def _valid(self, answers: Sequence[dict]) -> list[dict]:
        valid = {}
        for one in answers:
            one = {name: one[name] for name in ("picture", "label", "sure", "wanted", "shown")}
            fine = one["picture"] in range(len(self.order)) and one["label"] in (None, *range(self.classes))
            fine = fine and one["sure"] in range(1, 5) and one["wanted"] in TIMES and 0 < one["shown"] < math.inf
            if not fine or one["picture"] in valid:
                raise ValueError(f"{one} is no answer, or the second, to one of {len(self.order)} pictures")
            valid[one["picture"]] = one
        return list(valid.values())


def score_quiz(results: Sequence[dict]) -> dict[str, dict]:
    """Fractions by kind, each as ``(fraction, low, high)`` with its 95 % confidence interval; see `Quiz.results`.

    For each kind: ``number``; ``you`` and ``network``, who gave the right answer: where there is none, for you "none of
    them", and None for the network; ``you certain`` and ``network certain``, of whatever was said.
    """
    scores = {}
    for kind in dict.fromkeys(one["kind"] for one in results):
        of = [one for one in results if one["kind"] == kind]
        hits = [
            sum(one["label"] == one["truth"] for one in of),
            sum(one["network"] == one["truth"] for one in of),
            sum(one["sure"] == len(SURE) for one in of),
            sum(one["confidence"] >= CERTAIN for one in of),
        ]
        fractions = {name: (k / len(of), *clopper_pearson(k, len(of))) for name, k in zip(EVENTS, hits, strict=True)}
        if of[0]["truth"] is None:
            fractions["network"] = None
        scores[kind] = {"number": len(of), **fractions}
    return scores


def _chart(scores: dict[str, dict]) -> figures.Picture:
    canvas, axes = figures.figure(figures.ROW, 1.4 + 0.5 * len(scores), ncols=2, sharey=True)
    certain = f"certain (the network: at least {figures.percent(CERTAIN)})"
    for axis, ending, title in zip(axes, ("", " certain"), ("right, or “none” where nothing is", certain), strict=True):
        for who, color, marker, lift in (("you", figures.CLEAN, "o", -0.13), ("network", figures.NOISE, "s", 0.13)):
            for row, one in enumerate(scores.values()):
                if one[who + ending] is None:
                    axis.text(0, row + lift, "the network cannot say “none”", va="center", fontsize=8, color=color)
                    continue
                fraction, low, high = one[who + ending]
                how = dict(fmt=marker, color=color, capsize=3, label=who if row == 0 else None)
                axis.errorbar(fraction, row + lift, xerr=[[fraction - low], [high - fraction]], **how)
        axis.set(xlim=(-0.03, 1.03), xlabel="fraction, with its 95 % confidence interval", title=title)
        axis.grid(axis="x")
    axes[0].set_yticks(range(len(scores)), [f"{kind} ({one['number']})" for kind, one in scores.items()])
    axes[0].set_ylim(len(scores) - 0.5, -0.5)
    canvas.legend(*axes[1].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    alt = ""
    for kind, one in scores.items():
        said = [figures.percent(one[name][0]) if one[name] else "cannot be" for name in EVENTS]
        alt += f"{kind}: right were you {said[0]}, the network {said[1]}; "
        alt += f"certain were you {said[2]}, the network {said[3]}. "
    return figures.picture(canvas, alt.strip())
