"""What an exercise is, and how an attempt at it is judged.

An exercise observes: its ``probe`` runs a function on inputs of its own and returns what it saw, in tensors, numbers,
texts, tuples and dicts. An attempt is right if the same is seen as with the reference. If instead the same is seen as
with one of the listed classic mistakes, that mistake's message is shown; otherwise the first difference is described.
"""

import contextlib
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import count
from typing import Any

import torch
from torch import Tensor

from course_utils import runtime
from course_utils.exercises.differences import Raised, describe_difference, named
from course_utils.exercises.timeout import SECONDS, TooLong, limited, own_line
from course_utils.figures import Picture


class NotYet(Exception):
    """An attempt that is not right yet: a message that helps, and where it can, a picture, drawn when asked for."""

    def __init__(self, message: str, draw: Callable[[], Picture | None] = lambda: None):
        super().__init__(message)
        self._draw = draw

    @cached_property
    def picture(self) -> Picture | None:
        return self._draw()


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
        probe: ``probe(function) -> observation``. It makes its inputs anew each time. The function is a `civil` one.
        mistakes: at least four classic ones. Those that behave alike share the first one's message.
        hints: from a nudge to nearly all of it.
        picture: ``picture(seen, expected) -> Picture`` shown beside the message, if it helps.
        trains: whether an attempt is to change the network that it is given.
    """

    id: str
    reference: Callable
    probe: Callable[[Callable], Any]
    mistakes: tuple[Mistake, ...]
    hints: tuple[str, ...]
    picture: Callable[[Any, Any], Picture] | None = None
    trains: bool = False

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
            quiet = contextlib.redirect_stderr(sys.stdout)  # nbgrader gives no points where anything is on stderr
            with torch.random.fork_rng(devices=[]), torch.enable_grad(), runtime.float32(), quiet:
                torch.default_generator.manual_seed(0)
                return limited(SECONDS, lambda: self.probe(civil(function, self.trains)))
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


SEED_INSIDE = (
    "a seed is set inside your function, so that from then on all random numbers of the lesson repeat themselves: "
    "leave torch.manual_seed to whoever calls it"
)
IN_PLACE = (
    "this changes what it was given: `-=`, `/=`, `+=`, methods ending in `_` and `x[...] =` do; compute new tensors, "
    "or work on a copy, .clone()"
)
LIST_IN_PLACE = (
    "this changes the list or dict that it was given (pop, sort, del and `[...] =` do): walk through it, or work on a "
    "copy, `sorted(...)` or `list(...)`"
)
ASKS = (
    "`requires_grad_()` or `backward()` leaves its mark on the caller's own tensors: work on a copy, "
    "`.clone().requires_grad_()`, and ask with `torch.autograd.grad`"
)
GRADIENTS = (
    "the weights hold other gradients than before, and the next training step would use them: `backward` fills the "
    ".grad of every weight. `torch.autograd.grad(loss, images)` touches the images alone, and a loss that you return "
    "is for the caller to call backward on"
)
WEIGHTS = (
    "this changes the network that it was given, its weights or its layers: it is used again, so leave it as it is"
)
FROZEN = "the weights ask for no gradient any more: leave their requires_grad alone"
MODE = (
    "the network is in another mode afterwards: `train()` switches dropout on, `eval()` off, and both stay. Leave the "
    "mode as it is"
)
KEPT_FOR_LATER = (
    "the result of an earlier call has other numbers now: the function keeps a tensor from call to call and hands the "
    "same one out again. Make a new one in each call"
)
SWITCH_LEFT = (
    "a switch of torch is thrown and stays so after your function: `with torch.no_grad():` (and no set_grad_enabled, "
    "no set_default_dtype) ends where its block ends"
)
UNASKED = "the result asks for a gradient, though nothing that was given does: end with .detach()"


def civil(attempt: Callable, trains: bool = False) -> Callable:
    """The attempt, refused in words if a call leaves anything behind.

    It may draw random numbers, but not seed them; it may not change the tensors, lists and dicts that it is given, nor
    a network (but one that it ``trains``), nor the switches of torch, nor what an earlier call returned. What it draws
    changes nothing for who asks next.
    """
    seeds, earlier = count(1_000_003), []

    def call(*given, **named):
        everything = given, named
        parts, switches, seed = list(parts_of(everything)), _switches(), next(seeds)
        before = _marks(parts, trains)
        state, over = torch.get_rng_state(), False
        torch.default_generator.manual_seed(seed)
        try:
            result = attempt(*given, **named)
        except TooLong:  # whoever waited for this has put all of it back, and may have gone on long ago
            over = True
            raise
        finally:
            seeded, thrown = torch.initial_seed() != seed, _switches() != switches
            if not over:
                torch.set_rng_state(state)
                torch.set_grad_enabled(switches[0])
                torch.set_default_dtype(switches[1])
        returned = [each for each in parts_of(result) if isinstance(each, Tensor)]
        free = any(isinstance(each, torch.nn.Module) or getattr(each, "requires_grad", False) for each in parts)
        left = {
            SEED_INSIDE: seeded,
            SWITCH_LEFT: thrown,
            LIST_IN_PLACE: [*map(id, parts)] != [*map(id, parts_of(everything))],
            **{message: not _same(mark, before[message]) for message, mark in _marks(parts, trains).items()},
            UNASKED: not free and any(each.requires_grad for each in returned),
            KEPT_FOR_LATER: not all(_same(tensor.detach(), copy) for tensor, copy in earlier),
        }
        for message, is_left in left.items():
            if is_left:
                raise NotYet(message)
        earlier.extend((each, each.detach().clone()) for each in returned)
        return result

    return call


def parts_of(thing: Any) -> Iterator[Any]:
    """A thing, and all that the lists, tuples and dicts in it hold."""
    yield thing
    if isinstance(thing, dict):
        thing = [*thing, *thing.values()]
    if isinstance(thing, (list, tuple)):
        for each in thing:
            yield from parts_of(each)


def _switches():
    return torch.is_grad_enabled(), torch.get_default_dtype()


def _marks(parts, trains):
    """What a call must leave as it is, by what to say if it does not."""
    tensors = [each for each in parts if isinstance(each, Tensor)]
    networks = [each for each in parts if isinstance(each, torch.nn.Module) and not trains]
    layers = [layer for network in networks for layer in network.modules()]
    weights = [each for network in networks for each in network.parameters()]
    numbers = [each for network in networks for each in network.state_dict().values()]
    return {
        WEIGHTS: [*map(str, layers), *(each.clone() for each in numbers)],
        GRADIENTS: [each.grad.clone() if each.grad is not None and each.grad.any() else None for each in weights],
        FROZEN: [each.requires_grad for each in weights],
        MODE: [layer.training for layer in layers],
        IN_PLACE: [each.detach().clone() for each in tensors],
        ASKS: [(each.requires_grad, each.is_leaf and each.grad is not None) for each in tensors],
    }


def _same(a, b):
    """Whether two nests of lists hold equal tensors and things; NaN equals NaN."""
    if isinstance(a, list):
        return len(a) == len(b) and all(map(_same, a, b))
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        alike = a.shape == b.shape and a.dtype == b.dtype
        return alike and (torch.equal(a, b) or bool(((a == b) | ((a != a) & (b != b))).all()))
    return type(a) is type(b) and a == b


def point_at(error: BaseException) -> str:
    """An error told at the learner's own line, however deep in a library it was raised."""
    told = f"{type(error).__name__}: {error}"
    line = own_line(traceback.extract_tb(error.__traceback__))
    return f"your code raised an error{line}{told}" if line else f"your code raised {told}"
