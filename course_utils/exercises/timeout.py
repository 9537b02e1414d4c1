"""A time limit for code that may never end."""

import contextlib
import contextvars
import ctypes
import os
import sys
import sysconfig
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

import torch

COURSE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LIBRARIES = ("<frozen", *{sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")}, *torch.__path__)
GRACE, LOOK = 0.5, 0.05  # seconds for an attempt to end when it is told to; between two looks at it
QUICK = "The inputs are small, a right answer takes well under a second"
SECONDS = 10.0  # an attempt that runs longer is taken for an endless loop


class TooLong(BaseException):
    """Raised inside a learner's code when its time is up, where no ``except Exception`` of theirs catches it; and where
    that code was called, with a message."""


def limited(seconds: float, call: Callable[[], Any]) -> Any:
    """What ``call()`` returns or raises, in a thread of its own, which is waited for no longer than ``seconds``.

    After that `TooLong` is raised in the thread too, where it ends every loop. What waits outside of Python (a sleep, a
    lock, another program, one huge product) does not notice it before that is over: such a thread is left behind, and
    what it does from then on is ignored. Code that keeps Python itself busy in one step, like ``sum(range(10**12))``,
    lets no other thread run, and nothing here can end it.

    Raises:
        TooLong: the time is up; says where the code was.

    >>> limited(1.0, lambda: 6 * 7)
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
    """A thread, the one that waits for it in `limited`, and so on."""
    caller = getattr(thread, "caller", None)
    return [thread, *(_callers(caller) if caller else [])]


def _stopped(thread: threading.Thread, over: threading.Event, seconds: float) -> str:
    """End a thread, and tell where it was."""
    frame = sys._current_frames().get(thread.ident)
    line = own_line(traceback.extract_stack(frame)) if frame else ""
    if _end(thread, over):
        return f"your code was stopped after {seconds:g} s{line or '. '}Is there a loop that never ends? {QUICK}"
    return (
        f"the check stopped waiting for your code after {seconds:g} s{line or '. '}It could not be ended: does it wait "
        "for something (a sleep, a lock, an input, another program), compute something huge in one step, or catch "
        "everything (`except:`) in a loop that never ends? It may go on unseen until the kernel is restarted. " + QUICK
    )


def own_line(frames: traceback.StackSummary) -> str:
    """The innermost line of the learner's own among some frames, in words; empty if there is none."""
    own = [frame for frame in frames if not frame.filename.startswith((COURSE, *LIBRARIES))]
    return f" in line {own[-1].lineno} of its cell:\n\n    {own[-1].line}\n\n" if own else ""
