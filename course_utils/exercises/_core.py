"""What an exercise is, and how an attempt at it is judged.

An exercise observes: its ``probe`` runs a function on inputs of its own and returns what it saw, in tensors, numbers,
texts, tuples and dicts. An attempt is right if the same is seen as with the reference. If instead the same is seen as
with one of the listed classic mistakes, that mistake's message is shown; otherwise the first difference is described.
"""

import contextlib
import contextvars
import ctypes
import math
import os
import sys
import sysconfig
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import count
from typing import Any

import torch
from torch import Tensor

from course_utils import runtime
from course_utils.figures import Picture

COURSE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LIBRARIES = ("<frozen", *{sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")}, *torch.__path__)
SECONDS = 10.0  # an attempt that runs longer is taken for an endless loop
GRACE, LOOK = 0.5, 0.05  # seconds for an attempt to end when it is told to; between two looks at it
QUICK = "The inputs are small, a right answer takes well under a second"


class NotYet(Exception):
    """An attempt that is not right yet: a message that helps, and where it can, a picture, drawn when asked for."""

    def __init__(self, message: str, draw: Callable[[], Picture | None] = lambda: None):
        super().__init__(message)
        self._draw = draw

    @cached_property
    def picture(self) -> Picture | None:
        return self._draw()


class TooLong(BaseException):
    """Raised inside a learner's code when its time is up, where no ``except Exception`` of theirs catches it; and where
    that code was called, with a message."""


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
            quiet = contextlib.redirect_stderr(sys.stdout)  # nbgrader gives no points where anything is on stderr
            with torch.random.fork_rng(devices=[]), torch.enable_grad(), runtime.float32(), quiet:
                torch.default_generator.manual_seed(0)
                return _limited(SECONDS, lambda: self.probe(civil(function, self.trains)))
        except (NotYet, KeyboardInterrupt):
            raise
        except TooLong as error:
            raise NotYet(str(error)) from None
        except BaseException as error:  # sys.exit, a task that was cancelled
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
    line = _own_line(traceback.extract_tb(error.__traceback__))
    return f"your code raised an error{line}{told}" if line else f"your code raised {told}"


def _own_line(frames: traceback.StackSummary) -> str:
    """The innermost line of the learner's own among some frames, in words; empty if there is none."""
    own = [frame for frame in frames if not frame.filename.startswith((COURSE, *LIBRARIES))]
    return f" in line {own[-1].lineno} of its cell:\n\n    {own[-1].line}\n\n" if own else ""


def _limited(seconds: float, call: Callable[[], Any]) -> Any:
    """What ``call()`` returns or raises, in a thread of its own, which is waited for no longer than ``seconds``.

    After that `TooLong` is raised in the thread too, where it ends every loop. What waits outside of Python (a sleep, a
    lock, another program, one huge product) does not notice it before that is over: such a thread is left behind, and
    what it does from then on is ignored. Code that keeps Python itself busy in one step, like ``sum(range(10**12))``,
    lets no other thread run, and nothing here can end it.

    Raises:
        TooLong: the time is up; says where the code was.

    >>> _limited(1.0, lambda: 6 * 7)
    42
    """
    found, over = [], threading.Event()
    gradients = torch.is_grad_enabled()  # torch keeps this for each thread

    def work():
        with contextlib.suppress(TooLong):  # it may strike once more after the end
            try:
                with torch.set_grad_enabled(gradients):
                    found.append((call(), None))
            except BaseException as error:
                found.append((None, error))
            finally:
                over.set()

    thread = threading.Thread(target=contextvars.copy_context().run, args=(work,), daemon=True)
    thread.caller = threading.current_thread()
    thread.start()
    until = time.monotonic() + seconds
    try:
        while not over.wait(LOOK) and time.monotonic() < until:  # short waits, for an interrupt on every system
            pass
    except TooLong:  # a limit around this one, which ends both
        raise
    except BaseException:  # that interrupt
        _end(thread, over)
        raise
    if not found:
        raise TooLong(_stopped(thread, over, seconds))
    result, error = found.pop()
    if error is None:
        return result
    try:
        raise error
    finally:
        del error  # it holds this frame, and with it all that the learner made


def _end(thread: threading.Thread, over: threading.Event) -> bool:
    """Raise `TooLong` in a thread, and in those that it waits for, until it got through; whether it has in ``GRACE`` s.

    An interrupted ``thread.join`` takes the thread for dead (in Python before 3.13), so ``over`` is what is waited for.
    """

    def strike():
        while alive := [each for each in threading.enumerate() if each.ident and thread in _callers(each)]:
            for each in alive:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(each.ident), ctypes.py_object(TooLong))
            alive[0].join(LOOK / 5)

    threading.Thread(target=strike, daemon=True).start()
    return over.wait(GRACE)


def _callers(thread: threading.Thread) -> list[threading.Thread]:
    """A thread, the one that waits for it in `_limited`, and so on."""
    caller = getattr(thread, "caller", None)
    return [thread, *(_callers(caller) if caller else [])]


def _stopped(thread: threading.Thread, over: threading.Event, seconds: float) -> str:
    """End a thread, and tell where it was."""
    frame = sys._current_frames().get(thread.ident)
    line = _own_line(traceback.extract_stack(frame)) if frame else ""
    if _end(thread, over):
        return f"your code was stopped after {seconds:g} s{line or '. '}Is there a loop that never ends? {QUICK}"
    return (
        f"the check stopped waiting for your code after {seconds:g} s{line or '. '}It could not be ended: does it wait "
        "for something (a sleep, a lock, an input, another program), compute something huge in one step, or catch "
        "everything (`except:`) in a loop that never ends? It may go on unseen until the kernel is restarted. " + QUICK
    )
