"""Run a study: the same measurement on every unit, on one machine or on many.

A unit is a pure call, ``measure(unit, generator)``: it computes on one thread of the CPU, with a generator of its own
that is seeded by the study's name and the unit's key, so it gives the same bits wherever it runs, in whatever order.
Work goes through any `concurrent.futures.Executor`:

    run(T1)                                                    # local processes
    run(T1, executor=Client("tcp://...").get_executor())       # a Dask cluster

Finished units are kept at once and never run twice: a run looks before it begins a unit, so that two runs at once share
the work, but for the units that both begin. What an interrupt or a lost machine leaves undone is done by the next run.
"""

import contextlib
import importlib
import multiprocessing
import os
import platform
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from typing import Any

import torch

from course_utils import runtime
from course_utils.core import storage
from course_utils.studies import store
from course_utils.studies.rule import Rule

TRIES = 3  # of a unit whose process was lost


@dataclass(frozen=True)
class Study:
    """A rule, and how one of its units is measured.

    Args:
        rule: what is decided, and how.
        units: the units by key, each a number, text, or list of them. The key names it in the results.
        measure: ``measure(unit, generator) -> value``, a function of a module. The value is what `verdict.interval`
            takes for the rule's method, or a dict with that as "value" and what else is worth keeping.
        again: other units, such as other seeds, for a second look that decides nothing.
    """

    rule: Rule
    units: dict[str, Any]
    measure: Callable[[Any, torch.Generator], Any]
    again: Mapping[str, Any] = field(default_factory=dict)

    def results(self, folder: str | os.PathLike | None = None) -> store.Results:
        """What is stored of it in a folder; None is the user's."""
        name = f"{self.rule.id}.json"
        return store.Results(store.folder(folder) / name, self.rule.id, self.rule.data(), self.rule.sha256())


def run(
    study: Study,
    units: Iterable[str] | None = None,
    executor: Executor | None = None,
    *,
    folder: str | os.PathLike | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> dict[str, dict]:
    """Measure the units that are not stored yet, and return all of them by key.

    Args:
        units: keys; None is all.
        executor: where the work is done; it gets all units at once, and stays open. None starts ``workers`` processes
            (one a CPU core), or none at all with ``workers=0``, where everything runs here.
        folder: of the results; None is `store.folder`.
        progress: whether to show how many are done, and the time left.

    Raises:
        ValueError: a key that is no unit, a negative number of workers, or results stored under another rule.
        RuntimeError: a unit failed, returned what cannot be stored, or lost its process again and again. All others
            are measured before this is raised.
    """
    wanted = list(dict.fromkeys(study.units if units is None else units))
    if strangers := [key for key in wanted if key not in study.units]:
        raise ValueError(f"{study.rule.id} has no unit {strangers[0]!r}; its units are {', '.join(study.units)}")
    if workers is not None and workers < 0:
        raise ValueError(f"workers={workers}: want a whole number, at least 0")
    results = study.results(folder)
    stored = results.units()
    waiting = deque(key for key in wanted if key not in stored)
    with runtime.progress_bar(len(wanted), study.rule.id, progress) as bar, contextlib.ExitStack() as stack:
        bar.initial = bar.n = len(wanted) - len(waiting)  # the time left is reckoned from what this run does
        if executor is not None:
            hands = [executor] * len(waiting)
        elif workers == 0:
            hands = [_Here()]
        else:
            hands = [_Process(stack) for _ in range(min(workers or os.cpu_count() or 1, len(waiting)))]
        failed = _work(study, waiting, hands, results, bar.update)
    if failed:
        raise RuntimeError(f"{study.rule.id}: {_told(failed)}") from next(iter(failed.values()))
    kept = results.units()
    return {key: kept[key] for key in wanted}


def _work(study, waiting, hands, results, tick):
    """Give each waiting unit to a free hand, and keep what comes back; what went wrong, by key."""
    failed, lost, busy = {}, Counter(), {}
    try:
        while waiting or busy:
            stored = results.units() if waiting else {}
            while waiting and hands:
                key = waiting.popleft()
                if key in stored:  # by another run, meanwhile
                    tick()
                else:
                    hand = hands.pop()
                    busy[hand.submit(measured, *_where(study), key, study.units[key])] = key, hand
            for future in wait(busy, return_when=FIRST_COMPLETED).done:
                key, hand = busy.pop(future)
                hands.append(hand)
                try:
                    unit = future.result()
                except (CancelledError, Exception) as error:
                    lost[key] += isinstance(hand, _Process) and isinstance(error, BrokenProcessPool)
                    if 0 < lost[key] < TRIES:
                        waiting.append(key)
                        continue
                    failed[key] = error
                else:
                    try:
                        results.add(key, unit)
                    except ValueError as error:
                        failed[key] = error
                tick()
    finally:
        for future in busy:
            future.cancel()
    return failed


class _Here(Executor):
    """Works at once, in this process."""

    def submit(self, call, *arguments):
        future = Future()
        try:
            future.set_result(call(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future


class _Process(Executor):
    """One process of this machine, and another where it is lost: the loss is of the one unit that it was at."""

    def __init__(self, stack):
        self.stack, self.pool = stack, None

    def submit(self, call, *arguments):
        with contextlib.suppress(AttributeError, BrokenProcessPool):
            return self.pool.submit(call, *arguments)
        self.pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
        self.stack.callback(self.pool.shutdown, wait=False, cancel_futures=True)
        return self.pool.submit(call, *arguments)


def _told(failed):
    """What went wrong with units, in words."""
    (key, error), *others = failed.items()
    why = f"{type(error).__name__}: {error}"
    if isinstance(error, BrokenProcessPool):
        why = "its process was lost again and again; is there enough memory? Fewer workers need less"
    elif isinstance(error, CancelledError):
        why = "it was given up; is the scheduler still there?"
    more = f"; {len(others)} more failed, too: {', '.join(other for other, _ in others)}" if others else ""
    return f"unit {key} failed ({why}){more}. What is finished is kept: run it again for the rest"


def _where(study):
    """A study's measurement by name, as a worker finds it."""
    return study.rule.id, study.measure.__module__, study.measure.__qualname__


def measured(study: str, module: str, name: str, key: str, unit: Any) -> dict[str, Any]:
    """One unit, wherever this runs: its value, with seed, seconds, device and versions."""
    generator = torch.Generator().manual_seed(int(storage.sha256(f"{study}/{key}".encode())[:12], 16))
    measure, began = getattr(importlib.import_module(module), name), time.perf_counter()
    with runtime.one_thread(), runtime.float32():
        value = measure(unit, generator)
    found = value if isinstance(value, dict) else {"value": value}
    seconds, seed = round(time.perf_counter() - began, 2), generator.initial_seed()
    versions = {"python": platform.python_version(), "torch": torch.__version__}
    return {"device": "cpu"} | found | {"seed": seed, "seconds": seconds, "versions": versions}
