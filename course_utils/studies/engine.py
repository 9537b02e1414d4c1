"""Run a study: the same measurement on every unit, on one machine or on many.

A unit is a pure call, ``measure(unit, generator)``: it computes on one thread of the CPU, with a generator of its own
that is seeded by the study's name and the unit's key, so it gives the same bits wherever it runs, in whatever order.
Work goes through any `concurrent.futures.Executor`:

    run(T1)                                                    # local processes
    run(T1, executor=Client("tcp://...").get_executor())       # a Dask cluster

Finished units are kept at once and never run twice. What an interrupt or a lost machine leaves undone is done by the
next run.
"""

import contextlib
import importlib
import multiprocessing
import os
import platform
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from typing import Any

import torch

from course_utils import runtime
from course_utils.core import storage
from course_utils.studies import store
from course_utils.studies.rule import Rule

TRIES = 3  # of a unit whose worker was lost


@dataclass(frozen=True)
class Study:
    """A rule, and how one of its units is measured.

    Args:
        rule: what is decided, and how.
        units: the units by key, each a number, text, or list of them. The key names it in the results.
        measure: ``measure(unit, generator) -> value``, a function of a module. The value is what `verdict.interval`
            takes for the rule's method, or a dict with that as "value" and what else is worth keeping.
        quick: keys of the units of a trial run.
        again: other units, such as other seeds, for a second look that decides nothing.
    """

    rule: Rule
    units: dict[str, Any]
    measure: Callable[[Any, torch.Generator], Any]
    quick: tuple[str, ...] = ()
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
        executor: where the work is done; it stays open. None starts ``workers`` processes (one a CPU core), or none
            at all with ``workers=0``, where everything runs here.
        folder: of the results; None is `store.folder`.
        progress: whether to show how many are done, and the time left.

    Raises:
        ValueError: a key that is no unit, or results that were stored under another rule.
        RuntimeError: a unit failed, or its workers were lost again and again; the others are kept.
    """
    wanted = list(study.units if units is None else units)
    if strangers := [key for key in wanted if key not in study.units]:
        raise ValueError(f"{study.rule.id} has no unit {strangers[0]!r}; its units are {', '.join(study.units)}")
    results = study.results(folder)
    done = results.units()
    left = [key for key in wanted if key not in done]
    with runtime.progress_bar(len(wanted), study.rule.id, progress) as bar:
        bar.update(len(wanted) - len(left))

        def keep(key, unit):
            results.add(key, unit)
            bar.update()

        if executor is not None:
            _collect(study, left, executor, keep)
        elif workers == 0:
            for key in left:
                keep(key, measured(*_where(study), key, study.units[key]))
        elif left:
            _in_processes(study, left, min(workers or os.cpu_count() or 1, len(left)), keep)
    kept = results.units()
    return {key: kept[key] for key in wanted}


def _where(study):
    """A study's measurement by name, as a worker finds it."""
    return study.rule.id, study.measure.__module__, study.measure.__qualname__


def measured(study: str, module: str, name: str, key: str, unit: Any) -> dict[str, Any]:
    """One unit, wherever this runs: its value, with seconds, versions and machine."""
    generator = torch.Generator().manual_seed(int(storage.sha256(f"{study}/{key}".encode())[:12], 16))
    measure, began = getattr(importlib.import_module(module), name), time.perf_counter()
    with runtime.one_thread(), runtime.float32():
        value = measure(unit, generator)
    found = value if isinstance(value, dict) else {"value": value}
    versions = {"python": platform.python_version(), "torch": torch.__version__}
    return found | {"seconds": round(time.perf_counter() - began, 2), "device": "cpu", "versions": versions}


def _in_processes(study, left, workers, keep):
    """In processes of this machine. A pool of which one was killed is given up, and the rest goes into a new one."""
    tries = dict.fromkeys(left, 0)
    while left:
        context = multiprocessing.get_context("spawn")
        with contextlib.ExitStack() as stack:
            pool = stack.enter_context(ProcessPoolExecutor(workers, mp_context=context))
            stack.callback(pool.shutdown, wait=False, cancel_futures=True)
            lost = _collect(study, left, pool, keep)
        for key in lost:
            tries[key] += 1
        if hopeless := [key for key in lost if tries[key] >= TRIES]:
            raise RuntimeError(
                f"{study.rule.id}: the process of unit {hopeless[0]} was lost {TRIES} times; is there enough memory? "
                "What is finished is kept; fewer workers may help"
            )
        left = lost


def _collect(study, left, executor, keep) -> list[str]:
    """Hand the units to an executor and keep each as it comes; the keys of those whose workers were lost."""
    pending = {executor.submit(measured, *_where(study), key, study.units[key]): key for key in left}
    lost = []
    try:
        while pending:
            finished, _ = wait(pending, return_when=FIRST_COMPLETED)
            for future in finished:
                key = pending.pop(future)
                try:
                    unit = future.result()
                except BrokenProcessPool:
                    lost.append(key)
                except (CancelledError, Exception) as error:
                    raise RuntimeError(
                        f"{study.rule.id}: unit {key} failed ({type(error).__name__}: {error}). What is finished is "
                        "kept: run it again for the rest"
                    ) from error
                else:
                    keep(key, unit)
    except BaseException:
        for future in pending:
            future.cancel()
        raise
    return lost
