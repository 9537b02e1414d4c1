"""What an exercise is, and how an attempt at it is judged.

An exercise observes: its ``probe`` runs a function on inputs of its own and tells what it saw, in tensors, numbers,
texts, tuples and dicts. An attempt is right if the same is seen as with the reference. If not, the exercise looks for
the mistake: first among its own, which are edits of its reference (`edits`), then in the table of all exercises
(`relations`), then for a property that is broken (`contracts`). What no one knows is described (`differences`).
"""

import contextlib
import inspect
import io
import sys
import traceback
import warnings
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import torch

from course_utils import runtime
from course_utils.exercises import contracts, edits
from course_utils.exercises.differences import NotYet, Raised, describe_difference, named
from course_utils.exercises.edits import Mistake
from course_utils.exercises.relations import related
from course_utils.exercises.timeout import SECONDS, TooLong, limited, own_line
from course_utils.figures import Picture

# Kinds of mistake that can be told where words or NaN are seen.
COARSE = {"first", "transposed", "shape", "levels", "constant", "chance", "border", "cut"}


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    Args:
        id: lesson and number, "3.1".
        reference: the solution; its source is what `solution` shows, so it reads well.
        probe: ``probe(function) -> observation``, a dict; or a generator of dicts, from the coarse to the fine, of
            which no more are asked for once one is wrong. It makes its inputs anew each time. `on` makes one of cases.
        mistakes: the classic ones, as `edits` of the reference.
        hints: from a nudge to nearly all of it.
        stars: 1 for a line, 2 for some lines, 3 for half an hour.
        also: mistakes that are another algorithm. Of those that behave alike the first one's message is shown.
        picture: ``picture(seen, expected) -> Picture`` shown beside the message, if it helps.
        trains: whether an attempt is to change the network that it is given.
    """

    id: str
    reference: Callable
    probe: Callable[[Callable], Any]
    mistakes: str
    hints: tuple[str, ...]
    stars: int = 1
    also: tuple[Mistake, ...] = ()
    picture: Callable[[Any, Any], Picture] | None = None
    trains: bool = False

    @cached_property
    def listed(self) -> tuple[Mistake, ...]:
        """The exercise's own mistakes."""
        return (*edits.mistakes(self.reference, self.mistakes), *self.also)

    def examine(self, attempt: Callable) -> None:
        """Judge an attempt; returns if it is right.

        Raises:
            NotYet: it is not, and this is why.
            NotImplementedError: it has not been written.
        """
        if not callable(attempt) or isinstance(attempt, torch.nn.Module):
            raise NotYet(
                f"check got {named(attempt)}, not a function: pass the function itself, without brackets after its name"
            )
        calls = []
        expected = self._observe(self.reference, calls=calls)
        seen = self._observe(attempt, expected)
        difference = describe_difference(seen, expected)
        if not difference:
            if found := self._lacks(contracts.remembered, attempt, calls):
                raise NotYet(found.message, kind=found.kind)
            return
        draw = partial(self._draw, seen, expected)
        mistake = self._recognised(attempt, seen, expected, calls)
        if mistake is None:
            raise NotYet(difference, draw)
        raise NotYet(f"{mistake.message}\n\n{difference}" if mistake.kind else mistake.message, draw, mistake.kind)

    def _recognised(self, attempt: Callable, seen: Any, expected: Any, calls: list[tuple]) -> Mistake | None:
        """The mistake that does the same: one of the exercise's own or of the table; or a property that is broken."""

        def does_as(mistake):
            with contextlib.suppress(NotYet, NotImplementedError):  # the probe refuses that answer in words
                found = self._observe(mistake.answer, seen, so_far=True)
                right = {key: expected.get(key) for key in found} if isinstance(found, dict) else expected
                return not describe_difference(found, seen) and describe_difference(found, right)

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = next(filter(does_as, self.listed), None)
            shown, right = _first_difference(seen, expected)
            if found or shown is None or (isinstance(shown, (str, Raised)) and not isinstance(right, str)):
                return found
            fine = _are_numbers(shown, right)
            table = filter(does_as, (each for each in related(self.reference, calls) if fine or each.kind in COARSE))
            return (
                self._lacks(contracts.unsteady, attempt, calls)
                or next(table, None)
                or self._lacks(contracts.broken, attempt, calls)
            )

    def _lacks(self, look: Callable, attempt: Callable, calls: list[tuple]) -> Mistake | None:
        """What a look at a property finds, without a word; what cannot be asked again has no property."""
        silent = io.StringIO()
        with contextlib.suppress(Exception, TooLong), redirect_stdout(silent), redirect_stderr(silent):
            return limited(SECONDS, lambda: look(attempt, self.reference, calls))

    def _observe(
        self, function: Callable, guide: Any = None, *, so_far: bool = False, calls: list | None = None
    ) -> Any:
        """What the probe sees, up to where that differs from the guide; or what was raised.

        The random numbers are the same each time, and the time is limited. ``so_far`` says that the guide may end where
        an attempt went wrong; ``calls`` takes down what is asked.
        """
        try:
            quiet = redirect_stderr(sys.stdout)  # nbgrader gives no points where anything is on stderr
            with torch.random.fork_rng(devices=[]), torch.enable_grad(), runtime.float32(), quiet:
                torch.default_generator.manual_seed(0)
                watched = contracts.civil(function, self.trains, calls)
                return limited(SECONDS, lambda: _gathered(self.probe(watched), guide, so_far))
        except (NotYet, KeyboardInterrupt):
            raise
        except TooLong as error:
            raise NotYet(str(error)) from None
        except BaseException as error:  # sys.exit, a task that was cancelled
            if isinstance(error, NotImplementedError) and not error.args:
                raise
            return Raised(f"{type(error).__name__}: {error}", point_at(error))

    def _draw(self, seen: Any, expected: Any) -> Picture | None:
        """The exercise's picture. One that cannot be drawn from what was seen must not hide the message."""
        try:
            return self.picture(seen, expected) if self.picture else None
        except Exception:
            return None


def _first_difference(seen, expected):
    """What is wrong first, and what is right there."""
    if not isinstance(expected, dict) or isinstance(seen, Raised):
        return seen, expected
    seen = seen if isinstance(seen, dict) else {}
    key = next(key for key, right in expected.items() if describe_difference(seen.get(key), right))
    return seen.get(key), expected[key]


def _are_numbers(shown, right):
    """Whether these are numbers beside numbers, and not words, yes and no, or NaN."""
    numbers = [each for each in contracts.parts_of(shown) if isinstance(each, (torch.Tensor, float))]
    nan = any(bool(torch.as_tensor(each).isnan().any()) for each in numbers)
    return contracts.is_numbers(right) and not isinstance(right, bool) and not nan


def _gathered(observation, guide, so_far):
    """All that a probe tells; the stages of a generator up to the first that the guide lacks or has otherwise."""
    if not inspect.isgenerator(observation):
        return observation
    seen = {}
    for stage in observation:
        seen |= stage
        if guide is not None:
            told = isinstance(guide, dict) and stage.keys() <= guide.keys()
            if not told or describe_difference(stage, {key: guide[key] for key in stage}):
                break
            if so_far and guide.keys() <= seen.keys():
                break
    return seen


def point_at(error: BaseException) -> str:
    """An error told at the learner's own line, however deep in a library it was raised."""
    told = f"{type(error).__name__}: {error}"
    line = own_line(traceback.extract_tb(error.__traceback__))
    return f"your code raised an error{line}{told}" if line else f"your code raised {told}"
