"""What the learner calls: ``check``, ``hint``, ``solution``; and what is kept of it in their record."""

import contextlib
import datetime
import functools
import html
import importlib
import inspect
import os
import pkgutil
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from IPython.display import display

from course_utils import runtime
from course_utils.core.storage import JsonStore
from course_utils.exercises.differences import named
from course_utils.exercises.engine import Exercise, NotYet
from course_utils.figures import ADVERSARIAL, DEFENDED, NOISE

_hints_given: Counter[str] = Counter()


class Kept(NamedTuple):
    """What is kept of an exercise: the day on which it was first right, and what it took until then."""

    right: str = ""
    tries: int = 0
    hints: int = 0
    solution: bool = False


def kept(entry: str | list) -> Kept:
    """An entry of the record; one of an earlier version was the day alone."""
    right, tries, hints, solution = Kept(entry) if isinstance(entry, str) else Kept(*entry)
    if right:
        datetime.date.fromisoformat(right)
    return Kept(right, int(tries), int(hints), bool(solution))


STORE = JsonStore("exercises", fresh=dict, check=lambda entries: [*map(kept, entries.values())])


def _keep(id: str, change: Callable[[Kept], Kept]) -> None:
    """Take something down of an exercise that is not right yet, where there is a learner."""

    def update(entries):
        before = kept(entries.get(id, []))
        entries[id] = list(before if before.right else change(before))

    if runtime.front_end():
        STORE.update(update)


class Unclear(ValueError):
    """What the desk is asked cannot be answered, and the message says how to ask. A notebook shows that line alone."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


def check(id: str = ..., attempt: Callable = ...) -> Callable:
    """Say whether an attempt is right, and hand back what the lesson should go on with.

    Not attempted or not right yet: the message says so, and the reference comes back, so that the rest of the lesson
    works. Right: your own function comes back. Under nbgrader, and with ``COURSE_STRICT=1``, whatever is not right is
    an AssertionError.

    Raises:
        Unclear: there is no such exercise, or no attempt was given.
    """
    if callable(id) and isinstance(attempt, str):
        raise Unclear(f'the other way round: check("{attempt}", {getattr(id, "__name__", "your_function")})')
    exercise = _find(id)
    id = exercise.id
    if attempt is ...:
        raise Unclear(f'check wants your function, too: check("{id}", {exercise.reference.__name__})')
    if _is_ours(attempt, exercise):
        text = "this is the reference, from an earlier check: run the cell of your own function, then this one."
        return _fall_back(exercise, Note("○", NOISE, id, text))
    _keep(id, lambda entry: entry._replace(tries=entry.tries + 1))
    goes_on = f'The lesson goes on with the reference; `hint("{id}")`'
    try:
        exercise.examine(attempt)
    except NotImplementedError:
        return _fall_back(exercise, Note("○", NOISE, id, "not attempted yet."), f" {goes_on} gives a first hint.")
    except NotYet as error:
        note = Note("✗", ADVERSARIAL, id, f"not yet: {error}")
        return _fall_back(exercise, note, f"\n\n{goes_on} helps.", error.picture)
    display(Note("✓", DEFENDED, id, "right. The lesson goes on with your own."))
    _keep(id, lambda entry: entry._replace(right=datetime.date.today().isoformat()))
    return attempt


def hint(id: str = ...) -> "Note":
    """One more hint each time it is called."""
    exercise = _find(id)
    id, hints = exercise.id, exercise.hints
    number = min(_hints_given[id] + 1, len(hints))
    _hints_given[id] = number
    _keep(id, lambda entry: entry._replace(hints=max(entry.hints, number)))
    last = f' That was the last one; `solution("{id}")` shows the reference.' if number == len(hints) else ""
    return Note("?", NOISE, id, f"hint {number} of {len(hints)}: {hints[number - 1]}{last}")


def solution(id: str = ...) -> "Listing":
    """The reference solution of an exercise."""
    listing = Listing(source(id))
    _keep(_find(id).id, lambda entry: entry._replace(solution=True))
    return listing


def source(id: str = ...) -> str:
    """The text of the reference solution, ready to stand in a cell."""
    return inspect.getsource(_find(id).reference)


def every() -> list[Exercise]:
    """All exercises of the course, in order."""
    package = importlib.import_module("course_utils.exercises.bank")
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
    asked = str(id).strip()
    with contextlib.suppress(ValueError, ModuleNotFoundError):
        module = importlib.import_module(f"course_utils.exercises.bank.lesson_{int(asked.partition('.')[0]):02}")
        for exercise in module.EXERCISES:
            if exercise.id == asked:
                return exercise
    exercises, lessons = [exercise.id for exercise in every()], {}
    for known in exercises:
        lessons.setdefault(known.partition(".")[0], []).append(known)
    spans = {lesson: f"{own[0]} to {own[-1]}" if own[1:] else own[0] for lesson, own in lessons.items()}
    course = f"the course has {', '.join(spans.values())}"
    if id is ...:
        raise Unclear(f'say which exercise, as in hint("1.2"): {course}')
    if not isinstance(id, (str, int, float)):
        raise Unclear(f'name the exercise by its number, as in hint("1.2"), not by {named(id)}: {course}')
    numbers = [str(int(digits)) for digits in re.findall(r"\d+", asked)]
    meant = ".".join(numbers[:2])
    if meant in exercises:
        raise Unclear(f'there is no exercise {id!r}: do you mean "{meant}"?')
    if numbers and numbers[0] in spans:
        raise Unclear(f"there is no exercise {id!r}: lesson {numbers[0]} has {spans[numbers[0]]}")
    raise Unclear(f"there is no exercise {id!r}: {course}")


def _is_ours(attempt: Callable, exercise: Exercise) -> bool:
    """Whether an attempt is the course's own code: a reference, also one of a module that was loaded again since."""
    while isinstance(attempt, functools.partial):
        attempt = attempt.func
    with contextlib.suppress(ValueError):  # it wraps itself
        attempt = inspect.unwrap(attempt)
    file = getattr(getattr(attempt, "__code__", None), "co_filename", "")
    return os.path.dirname(file) == os.path.dirname(exercise.reference.__code__.co_filename)


def _strict() -> bool:
    """Whether what is not right has to fail its cell: under nbgrader it must, whatever ``COURSE_STRICT`` says."""
    return bool(os.environ.get("NBGRADER_EXECUTION") or runtime.switch("COURSE_STRICT"))


def _fall_back(exercise: Exercise, note: Note, advice: str = "", picture=None) -> Callable:
    """Show why, with advice, and hand back the reference; in strict mode fail instead."""
    if _strict():
        raise AssertionError(repr(note))
    display(replace(note, text=note.text + advice))
    if picture:
        display(picture)
    return exercise.reference


def _code_spans(text: str) -> str:
    """Escape for HTML, and set what stands between back quotes as code."""
    parts = html.escape(text).split("`")
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))
