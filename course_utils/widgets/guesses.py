"""Predict: the learner locks in a guess before the cell that reveals the result.

Who has committed to an answer is surprised by the right one, and remembers it (confident errors are corrected best:
Butterfield and Metcalfe, *J. Exp. Psychol. Learn. Mem. Cogn.* 27, 1491, 2001). Guesses stay on this machine, in the
learner's record. Without a front end nobody is asked, and nothing is read or kept.
"""

import math
import re
import textwrap
import warnings
from collections.abc import Sequence

import traitlets
from IPython.display import display

from course_utils import figures, runtime
from course_utils.core.storage import JsonStore
from course_utils.widgets.base import Widget


def _check(kept: dict) -> None:
    for one in kept.values():
        if {"guess", "revealed"} - one.keys() or not isinstance(one["said"] + one["measured"], str):
            raise ValueError("an entry is no guess")


def _adopt(kept: dict, stem: str, one: dict) -> dict:
    return kept | {one.pop("question"): {"said": str(one["guess"]), "measured": ""} | one}


STORE = JsonStore("guesses", fresh=dict, check=_check, former="predictions/*.json", adopt=_adopt)


def guess(question: str, *, unit: str = "", choices: Sequence[str] | None = None) -> "Guess":
    """Ask for a guess, and show the field for it at once.

    Args:
        question: a sentence; code stands between backticks. The guess is kept under it, so ask each thing once.
        unit: of the number, such as ``"digits"``; with ``"%"``, numbers run up to 100.
        choices: two or more different answers to choose from, in place of a number.

    >>> mine = guess("How many of the 10,000 test digits does it get wrong?", unit="digits")
    Predict: How many of the 10,000 test digits does it get wrong? (digits)
    >>> mine.reveal(83)
    Measured: 83 digits.
    """
    if choices is not None and (isinstance(choices, str) or len(choices) < 2 or len(set(choices)) < len(choices)):
        raise ValueError(f"choices={choices!r}: give two or more answers that differ")
    guess = Guess(question, unit, choices)
    if guess.form:
        guess.load()
        display(guess.form)
    else:
        runtime.say(guess.asked)
    return guess


def guesses() -> list[tuple[str, str, str, str]]:
    """All guesses that were locked in on this machine: question, guess, result, and how near it was; "" before that."""
    return [(asked, one["said"], one["measured"], one.get("verdict", "")) for asked, one in STORE.read().items()]


class Guess:
    """A question and the ``value`` that the learner has locked in: a number, one of the choices, or None."""

    def __init__(self, question: str, unit: str, choices: Sequence[str] | None):
        self.question, self.unit, self.choices = question, unit, choices
        self.value, self.revealed = None, False
        self.form = Form(self) if runtime.front_end() else None

    @property
    def asked(self) -> str:
        """The question as a line of text."""
        answers = " / ".join(self.choices or []) or self.unit
        return f"Predict: {self.question} ({answers})" if answers else f"Predict: {self.question}"

    def reveal(self, result) -> figures.Picture | None:
        """Say how far the guess was from the result, close it, and draw both on a line if they are two numbers.

        ``result`` is a number in the question's unit, also a tensor or array of one element, or the right choice.
        """
        result = self._valid(result)
        if self.value is None:
            name = "Measured" if self.choices is None else "Answer"
            missed = " No guess was locked in this time." if self.form else ""
            runtime.say(f"{name}: {self.text(result)}.{missed}")
            return None
        verdict = self._verdict(result)
        self._keep(self.value, revealed=True, measured=self.text(result), verdict=verdict)
        runtime.say(verdict)
        return _number_line(self, result, verdict) if self.choices is None and math.isfinite(result) else None

    def lock(self, value: float | str) -> None:
        """Take ``value``, a finite number or one of the choices, as the guess, and keep it for later sessions."""
        value = self._valid(value)
        if self.choices is None and not math.isfinite(value):
            raise ValueError(f"{value} is no guess: give a finite number")
        self._keep(value, revealed=False)

    def load(self) -> None:
        """Take up the guess that was kept for this question; one that does not fit the question is left out."""
        if kept := STORE.read().get(self.question):
            try:
                self.value, self.revealed = self._valid(kept["guess"]), bool(kept["revealed"])
            except ValueError as error:
                warnings.warn(f"an earlier guess does not fit this question any more ({error})", stacklevel=3)
        self.form.tell()

    def text(self, value: float | str) -> str:
        """A number with its unit, or a choice in quotes."""
        if self.choices is not None:
            return f"“{value}”"
        if self.unit == "%" and 99 < value < 100:
            return figures.percent(value / 100)
        whole = math.isfinite(value) and (value == int(value) or abs(value) >= 100)
        number = f"{value:,.0f}" if whole else f"{value:.3g}"
        return f"{number} {self.unit}".strip()

    def _verdict(self, result: float | str) -> str:
        said, measured = self.text(self.value), self.text(result)
        if self.value == result:
            return f"You said {said}, and so it is."
        if self.choices is not None:
            return f"You said {said}, but it is {measured}."
        if not math.isfinite(result):
            return f"You said {said}, but the measurement gave {measured}: nothing to compare."
        gap = abs(self.value - result)
        off = f"{gap:.3g} points" if self.unit == "%" else self.text(gap)
        if self.unit != "%" and min(self.value, result) > 0:
            ratio = max(self.value, result) / min(self.value, result)
            if ratio >= 1.1:
                off = f"{ratio:,.0f} times" if ratio >= 10 else f"{ratio:.2g} times"
        return f"You said {said}, measured {measured}: {off} too {'high' if self.value > result else 'low'}."

    def _valid(self, value) -> float | str:
        if self.choices is not None:
            if value not in self.choices:
                raise ValueError(f"{value!r} is none of the choices: {', '.join(self.choices)}")
            return value
        try:
            plain = value.item() if hasattr(value, "item") else value
            if isinstance(plain, str):  # as people write: 1,200 and 12 %
                plain = plain.strip().removesuffix(self.unit).strip()
                plain = plain.replace(",", "") if re.fullmatch(r"\d{1,3}(,\d{3})+(\.\d*)?", plain) else plain
            return float(plain)
        except (TypeError, ValueError, RuntimeError):
            raise ValueError(f"{value!r} is not one number, such as 120 or 0.5") from None

    def _keep(self, value: float | str, *, revealed: bool, measured: str = "", verdict: str = "") -> None:
        kept = dict(guess=value, revealed=revealed, said=self.text(value), measured=measured, verdict=verdict)
        STORE.update(lambda guesses: guesses.update({self.question: kept}))
        self.value, self.revealed = value, revealed
        if self.form:
            self.form.tell()

    def _ipython_display_(self) -> None:
        """Nothing as the last expression of a cell: `guess` has shown the form."""


class Form(Widget):
    """The question in the page, with a field for the guess or with the guess that is locked in."""

    question = traitlets.Unicode().tag(sync=True)
    unit = traitlets.Unicode().tag(sync=True)
    choices = traitlets.List().tag(sync=True)
    locked = traitlets.Unicode().tag(sync=True)
    revealed = traitlets.Bool().tag(sync=True)

    def __init__(self, guess: Guess):
        super().__init__(question=guess.question, unit=guess.unit, choices=list(guess.choices or []))
        self.guess = guess

    def obey(self, do: str, guess: str) -> tuple[dict, list[bytes]]:
        """Lock in what was typed; or say what is wrong with it."""
        try:
            self.guess.lock(guess)
        except (ValueError, OSError) as error:
            return {"trouble": str(error) if guess else "Make a guess first."}, []
        return self._state(), []

    def tell(self) -> None:
        """Tell the page, and each page that opens later, what is locked in."""
        self.locked = "" if self.guess.value is None else self.guess.text(self.guess.value)
        self.revealed = self.guess.revealed
        self.send({"page": None, **self._state()})

    def _state(self) -> dict:
        return {"locked": self.locked, "revealed": self.revealed, "trouble": STORE.trouble}

    def picture(self) -> figures.Picture:
        words = f"{self.guess.asked} Locked in: {self.locked}" if self.locked else self.guess.asked
        lines = textwrap.wrap(words, 90)
        canvas, axis = figures.figure(height=0.25 * len(lines))
        axis.text(0, 0.5, "\n".join(lines), va="center", parse_math=False)
        axis.axis("off")
        return figures.picture(canvas, words)


def _number_line(guess: Guess, result: float, alt: str) -> figures.Picture:
    """Guess (dashed, black) and result (blue) on one line, logarithmic where they differ more than a hundredfold."""
    low, high = sorted((guess.value, result))
    canvas, axis = figures.figure(height=1.3)
    if low > 0 and high / low > 100:
        axis.set(xscale="log", xlim=(low / 4, high * 4))
    else:
        low, high = min(low, 0), max(high, 0)
        room = 0.06 * (high - low) or 1
        axis.set_xlim(low - room if low < 0 else low, high + room)
    axis.set(yticks=[], xlabel=guess.unit)
    axis.spines["left"].set_visible(False)
    lines = [("you said", guess.value, 0.75, figures.THEORY, "--"), ("measured", result, 0.28, figures.CLEAN, "-")]
    for name, value, height, color, style in lines:
        axis.axvline(value, color=color, linestyle=style)
        right = axis.transAxes.inverted().transform(axis.transData.transform((value, 0)))[0] > 0.5
        place, side = ((-7, 0), "right") if right else ((7, 0), "left")  # of the line, in points
        how = dict(xycoords=axis.get_xaxis_transform(), textcoords="offset points", ha=side, va="center", color=color)
        box = dict(facecolor="white", edgecolor="none", pad=1.5)
        axis.annotate(f"{name} {guess.text(value)}", (value, height), place, bbox=box, **how)
    return figures.picture(canvas, alt)
