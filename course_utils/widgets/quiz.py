"""A quiz in which the reader competes with a network: pictures flash up, and each of the two says what they were.

That a person would not be fooled was an objection in the thread. It can be tested, if the person gets no more time than
a network's single pass: Elsayed, Shankar, Cheung, Papernot, Kurakin, Goodfellow and Sohl-Dickstein (arXiv 1802.08195)
showed pictures for about 63 ms, covered each by a mask at once, and found that people err more often on those that fool
networks too. The page, `quiz.js`, does the same: a cross, the picture, a mask of random patches between the picture's
darkest and brightest pixel, then the questions. A screen shows whole frames only, so the time on it is measured.

A picture of a digit has a right answer. A fooling image or noise has none; there "none of them" is the sensible one,
and a network without such a class can only be less sure. Answers stay in the learner's record on this machine. Without
a front end nobody is asked, and no answer is made up.
"""

import functools
import hashlib
import json
import math
import warnings
from collections.abc import Sequence

import torch
import traitlets
from torch import Tensor, nn

from course_utils import evaluation, figures, runtime
from course_utils.core.storage import JsonStore
from course_utils.widgets import quiz_scores
from course_utils.widgets.base import Widget, img, to_bytes

TIMES = [60, 100, 250, 500, 2000]  # ms


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


def human_quiz(
    pictures: Tensor,
    truths: Sequence[int | None],
    kinds: Sequence[str],
    model: nn.Module,
    *,
    generator: torch.Generator | None = None,
):
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
    truths = [None if truth is None else int(truth) for truth in truths]
    kinds = list(kinds)
    number, classes = confidence.shape
    if not 2 <= classes <= 10:
        raise ValueError(f"the model has {classes} classes: the quiz has keys for 2 to 10 of them")
    for name, given in (("truths", truths), ("kinds", kinds)):
        if len(given) != number:
            raise ValueError(f"{len(given)} {name} for {number} pictures: give one for each")
    answered = {(kind, truth is not None) for kind, truth in zip(kinds, truths, strict=True)}
    for kind in kinds:
        if {(kind, True), (kind, False)} <= answered:
            raise ValueError(f"some pictures of kind {kind!r} have a right answer and some None: give them two kinds")
    for truth in truths:
        if truth not in (None, *range(classes)):
            known = f"the classes 0 to {classes - 1}"
            raise ValueError(f"the right answer {truth} is none of {known}: None means no answer")
    source = runtime.ensure_generator(generator)
    order = torch.randperm(len(pictures), generator=source, device=source.device).tolist()
    game = dict(pictures=pictures.detach().cpu(), truths=truths, kinds=kinds, confidence=confidence, order=order)
    return Quiz.show(**game)


class Quiz(Widget):
    """The live quiz. Each message from the page holds all answers so far, so that none is lost with a message."""

    answers = traitlets.List()

    def __init__(self, pictures: Tensor, truths: list, kinds: list, confidence: Tensor, order: list):
        super().__init__()
        self.pictures, self.truths, self.kinds, self.order = pictures, truths, kinds, order
        self.confidence, self.said = (values.tolist() for values in confidence.max(1))
        self.classes = confidence.shape[1]
        try:  # what was kept for these pictures
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
        """You against the network, by kind, over the pictures that you have answered."""
        if not self.answers:
            raise ValueError("there are no answers yet: press Start in the quiz first")
        return quiz_scores.compare(self.pictures, sorted(self.results, key=lambda one: one["picture"]))

    def obey(self, do: str, answers: Sequence[dict] = ()) -> tuple[dict, list[bytes]]:
        """Do "show", or "keep" all ``answers``: returns what to write, and one buffer, the pictures."""
        if do == "keep":
            answers = self._valid(answers)
            STORE.update(lambda quizzes: quizzes.update({self._key: answers}))
            self.answers = answers
        done = len(self.answers) == len(self.order)
        texts = {"times": TIMES, "sure": quiz_scores.SURE, "classes": self.classes, "trouble": STORE.trouble}
        state = {"order": self.order, "answers": self.answers, "shape": list(self.pictures.shape[1:])}
        return {**texts, **state, "comparison": img(self.compare()) if done else ""}, [to_bytes(self.pictures)]

    def _valid(self, answers: list[dict]) -> list[dict]:
        valid = {}
        for one in answers:
            picture, label, sure = one["picture"], one["label"], one["sure"]
            wanted, shown = float(one["wanted"]), float(one["shown"])
            fine = picture in range(len(self.order)) and (label is None or label in range(self.classes))
            fine = fine and sure in range(1, len(quiz_scores.SURE) + 1) and wanted in TIMES and 0 < shown < math.inf
            if not fine or picture in valid:
                raise ValueError(f"{one} is no answer, or the second, to one of {len(self.order)} pictures")
            valid[picture] = {"picture": picture, "label": label, "sure": sure, "wanted": wanted, "shown": shown}
        return list(valid.values())

    @functools.cached_property
    def _key(self) -> str:
        """What the answers are kept under: a hash of all that was asked."""
        asked = json.dumps([self.truths, self.kinds, self.classes, list(self.pictures.shape)]).encode()
        return hashlib.sha256(asked + to_bytes(self.pictures)).hexdigest()[:16]
