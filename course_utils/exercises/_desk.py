"""What the learner calls: ``check``, ``hint``, ``solution``."""

import html
import importlib
import inspect
import pkgutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from IPython.display import display

from course_utils import runtime
from course_utils.exercises._core import Exercise, NotYet
from course_utils.figures import ADVERSARIAL, DEFENDED, NOISE

_hints_given: Counter[str] = Counter()


def check(id: str, attempt: Callable) -> Callable:
    """Say whether an attempt is right, and hand back what the lesson should go on with.

    Not attempted or not right yet: the message says so, and the reference comes back, so that the rest of the lesson
    works. Right: your own function comes back. With ``COURSE_STRICT=1`` whatever is not right is an AssertionError.

    Raises:
        ValueError: there is no such exercise.
    """
    exercise = _find(id)
    if attempt is exercise.reference:
        text = "this is the reference, from an earlier check: run the cell of your own function, then this one."
        return _fall_back(exercise, Note("○", NOISE, id, text))
    try:
        exercise.examine(attempt)
    except NotImplementedError:
        text = "not attempted yet. The lesson goes on with the reference; "
        return _fall_back(exercise, Note("○", NOISE, id, text + f'`hint("{id}")` gives a first hint.'))
    except NotYet as error:
        return _fall_back(exercise, Note("✗", ADVERSARIAL, id, f"not yet: {error}"), error.picture)
    display(Note("✓", DEFENDED, id, "right. The lesson goes on with your own."))
    return attempt


def hint(id: str) -> "Note":
    """One more hint each time it is called."""
    hints = _find(id).hints
    number = min(_hints_given[id] + 1, len(hints))
    _hints_given[id] = number
    last = f' That was the last one; `solution("{id}")` shows the reference.' if number == len(hints) else ""
    return Note("?", NOISE, id, f"hint {number} of {len(hints)}: {hints[number - 1]}{last}")


def solution(id: str) -> "Listing":
    """The reference solution of an exercise."""
    return Listing(source(id))


def source(id: str) -> str:
    """The text of the reference solution, ready to stand in a cell."""
    return inspect.getsource(_find(id).reference)


def every() -> list[Exercise]:
    """All exercises of the course, in order."""
    package = importlib.import_module("course_utils.exercises")
    names = sorted(found.name for found in pkgutil.iter_modules(package.__path__) if found.name.startswith("lesson_"))
    return [e for name in names for e in importlib.import_module(f"{package.__name__}.{name}").EXERCISES]


@dataclass(frozen=True)
class Note:
    """A short message in a coloured frame; plain text where there is no HTML."""

    sign: str
    color: str
    id: str
    text: str

    def __repr__(self) -> str:
        return runtime.printable(f"{self.sign} {self.id} {self.text}")

    def _repr_html_(self) -> str:
        style = f"border-left: 4px solid {self.color}; padding: 0.3em 0.8em; white-space: pre-wrap"
        return f'<div style="{style}"><b>{self.sign} {self.id}</b> {_code_spans(self.text)}</div>'


@dataclass(frozen=True)
class Listing:
    """Python code, shown as such."""

    code: str

    def __repr__(self) -> str:
        return runtime.printable(self.code)

    def _repr_markdown_(self) -> str:
        return f"```python\n{self.code}```"


def _find(id: str) -> Exercise:
    lesson, _, _ = str(id).partition(".")
    try:
        module = importlib.import_module(f"course_utils.exercises.lesson_{int(lesson):02}")
    except (ValueError, ModuleNotFoundError):
        known = ", ".join(exercise.id for exercise in every())
        raise ValueError(f"there is no exercise {id!r}: the course has {known}") from None
    for exercise in module.EXERCISES:
        if exercise.id == str(id).strip():
            return exercise
    raise ValueError(f"there is no exercise {id!r}: this lesson has {', '.join(e.id for e in module.EXERCISES)}")


def _fall_back(exercise: Exercise, note: Note, picture=None) -> Callable:
    """Show why, and hand back the reference; in strict mode fail instead."""
    if runtime.switch("COURSE_STRICT"):
        raise AssertionError(repr(note))
    display(note)
    if picture:
        display(picture)
    return exercise.reference


def _code_spans(text: str) -> str:
    """Escape for HTML, and set what stands between back quotes as code."""
    parts = html.escape(text).split("`")
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))
