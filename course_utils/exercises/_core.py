"""What an exercise is, and how an attempt at it is judged.

An exercise observes: its ``probe`` runs a function on inputs of its own and returns what it saw, in tensors, numbers,
texts, tuples and dicts. An attempt is right if the same is seen as with the reference. If instead the same is seen as
with one of the listed classic mistakes, that mistake's message is shown; otherwise the first difference is described.
"""

import ctypes
import math
import sysconfig
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from course_utils import runtime
from course_utils.figures import Picture

COURSE = str(Path(__file__).resolve().parents[1])
LIBRARIES = ("<frozen", *{sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")}, *torch.__path__)
SECONDS = 10.0  # an attempt that runs longer is taken for an endless loop


class NotYet(Exception):
    """An attempt that is not right yet: a message that helps, and where it can, a picture, drawn when asked for."""

    def __init__(self, message: str, draw: Callable[[], Picture | None] = lambda: None):
        super().__init__(message)
        self._draw = draw

    @cached_property
    def picture(self) -> Picture | None:
        return self._draw()


class TooLong(BaseException):
    """Raised inside a learner's code when its time is up. No ``except Exception`` of theirs catches it."""


@dataclass(frozen=True)
class Mistake:
    """A wrong answer that is known by what it does, and what to say to whoever gives it."""

    answer: Callable
    message: str


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    Args:
        id: lesson and number, "3.1".
        reference: the solution; its source is what `solution` shows, so it reads well.
        probe: ``probe(function) -> observation``. It makes its inputs anew each time.
        mistakes: at least four classic ones. Those that behave alike share the first one's message.
        hints: from a nudge to nearly all of it.
        picture: ``picture(seen, expected) -> Picture`` shown beside the message, if it helps.
    """

    id: str
    reference: Callable
    probe: Callable[[Callable], Any]
    mistakes: tuple[Mistake, ...]
    hints: tuple[str, ...]
    picture: Callable[[Any, Any], Picture] | None = None

    def examine(self, attempt: Callable) -> None:
        """Judge an attempt; returns if it is right.

        Raises:
            NotYet: it is not, and this is why.
            NotImplementedError: it has not been written.
        """
        if not callable(attempt) or isinstance(attempt, torch.nn.Module):
            raise NotYet(
                f"check got {_named(attempt)}, not a function: pass the function itself, "
                "without brackets after its name"
            )
        seen = self._observe(attempt)
        expected = self._observe(self.reference)
        difference = describe_difference(seen, expected)
        if not difference:
            return
        draw = partial(self._draw, seen, expected)
        for mistake in self.mistakes:
            try:
                alike = not describe_difference(seen, self._observe(mistake.answer))
            except NotYet:  # what the probe says to that answer is not for this one
                continue
            if alike:
                raise NotYet(mistake.message, draw)
        raise NotYet(difference, draw)

    def _observe(self, function: Callable) -> Any:
        """What the probe sees, with the same random numbers each time and a limit on its time; or what was raised."""
        try:
            with torch.random.fork_rng(devices=[]), torch.enable_grad(), runtime.float32():
                torch.default_generator.manual_seed(0)
                return _limited(SECONDS, lambda: self.probe(function))
        except NotYet:
            raise
        except TooLong:
            raise NotYet(
                f"your code was stopped after {SECONDS:g} s: is there a loop that never ends? "
                "The inputs are small, a right answer takes well under a second"
            ) from None
        except (Exception, SystemExit) as error:
            if isinstance(error, NotImplementedError) and not error.args:
                raise
            return Raised(f"{type(error).__name__}: {error}", _point_at(error))

    def _draw(self, seen: Any, expected: Any) -> Picture | None:
        """The exercise's picture. One that cannot be drawn from what was seen must not hide the message."""
        try:
            return self.picture(seen, expected) if self.picture else None
        except Exception:
            return None


@dataclass(frozen=True)
class Raised:
    """The observation that a function raised an error."""

    error: str
    message: str


def describe_difference(seen: Any, expected: Any, where: str = "your function") -> str:
    """The first difference between two observations in words; empty if there is none.

    >>> describe_difference(torch.ones(2), torch.ones(2))
    ''
    >>> describe_difference(None, torch.ones(2))
    'your function returned None: is the `return` missing?'
    """
    if isinstance(seen, Raised):
        return "" if isinstance(expected, Raised) and seen.error == expected.error else seen.message
    if isinstance(expected, dict):
        seen = seen if isinstance(seen, dict) else {}
        pairs = [(seen.get(key), value, key) for key, value in expected.items()]
        return next(filter(None, (describe_difference(*pair) for pair in pairs)), "")
    if isinstance(expected, (tuple, list)):
        if not isinstance(seen, (tuple, list)) or len(seen) != len(expected):
            found = f"{len(seen)} values" if isinstance(seen, (tuple, list)) else _named(seen)
            return f"{where}: got {found}, expected {len(expected)}"
        pairs = [(a, b, where) for a, b in zip(seen, expected, strict=True)]
        return next(filter(None, (describe_difference(*pair) for pair in pairs)), "")
    if seen is None and expected is not None:
        return f"{where} returned None: is the `return` missing?"
    if isinstance(expected, Tensor):
        return _describe_tensor(seen, expected, where)
    if isinstance(expected, float) and not isinstance(seen, str):
        if getattr(seen, "ndim", None) == 0:  # a tensor or an array that is one number
            seen = seen.item()
        if not isinstance(seen, (int, float)):
            return f"{where}: got {_named(seen)}, expected one number"
        if math.isnan(seen) and not math.isnan(expected):
            return f"{where}: got NaN, expected {expected:.4g}; look for 0/0, or the mean of nothing"
        same = math.isnan(seen) or math.isclose(seen, expected, rel_tol=1e-3, abs_tol=1e-5)
        return "" if same else f"{where}: got {seen:.4g}, expected {expected:.4g}"
    return "" if type(seen) is type(expected) and seen == expected else f"{where}: got {seen}, expected {expected}"


def _describe_tensor(seen: Any, expected: Tensor, where: str) -> str:
    if not isinstance(seen, Tensor):
        return f"{where}: got {_named(seen)}, expected a tensor of shape {tuple(expected.shape)}"
    if seen.shape != expected.shape:
        return f"{where}: got shape {tuple(seen.shape)}, expected {tuple(expected.shape)}"
    if seen.is_complex():
        return f"{where}: got complex numbers, expected real ones"
    seen = seen.detach().to("cpu", expected.dtype)
    if seen.isnan().any() and not expected.isnan().any():
        return f"{where}: got NaN; look for a division by zero or for an exponential that overflows"
    if torch.allclose(seen, expected, rtol=1e-3, atol=1e-5, equal_nan=True):
        return ""
    worst = (seen - expected).abs().flatten().argmax()
    found, right = seen.flatten()[worst].item(), expected.flatten()[worst].item()
    return f"{where}: the shape is right, but the values are not; for example {found:.4g}, expected {right:.4g}"


def _named(thing: Any) -> str:
    """A value as a learner would call it."""
    if thing is None:
        return "None"
    if isinstance(thing, Tensor):
        return f"a tensor of shape {tuple(thing.shape)}"
    if isinstance(thing, (int, float, bool)):
        return f"the number {thing:.4g}"
    return f"a {type(thing).__name__}"


def _point_at(error: BaseException) -> str:
    """An error told at the learner's own line, however deep in a library it was raised."""
    told = f"{type(error).__name__}: {error}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith((COURSE, *LIBRARIES))]
    if not own:
        return f"your code raised {told}"
    return f"your code raised an error in line {own[-1].lineno} of its cell:\n\n    {own[-1].line}\n\n{told}"


def _limited(seconds: float, call: Callable[[], Any]) -> Any:
    """What ``call()`` returns; `TooLong` is raised in it after ``seconds``, and again until that got through."""
    thread, over = ctypes.c_ulong(threading.get_ident()), threading.Event()

    def watch():
        pause = seconds
        while not over.wait(pause):
            ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, ctypes.py_object(TooLong))
            pause = 0.05

    def stop():
        over.set()
        watcher.join()
        ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, None)

    watcher = threading.Thread(target=watch, daemon=True)
    try:
        watcher.start()
        try:
            return call()
        finally:
            stop()
    except TooLong:  # it may have struck inside stop(); the next one is 50 ms away
        stop()
        raise
