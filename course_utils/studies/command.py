"""``deep-flaw study``: run studies, list them, and write the page of their verdicts.

deep-flaw study T1                        measure the units that are not kept yet, on all cores
deep-flaw study --quick                   a trial: the first unit of every study, or of those named
deep-flaw study T1 --again                other seeds, which decide nothing; they are kept in the subfolder again
deep-flaw study T1 --dask tcp://host:8786 the same on a cluster
deep-flaw study --list                    every row, with what is stored of it
deep-flaw study --report studies.html     the page
"""

import argparse
import contextlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from course_utils import runtime
from course_utils.core.checks import check_count
from course_utils.studies import RULES, report, run, store, study, study_names

PATIENCE = 20  # seconds to wait for a Dask scheduler


def run_command(arguments: Sequence[str]) -> int:
    """Run ``deep-flaw study`` with these arguments, and return the exit status.

    Raises:
        SystemExit: the arguments do not go together; says which.
    """
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("deep-flaw study", description=__doc__, formatter_class=layout)
    parser.add_argument("rows", nargs="*", metavar="row", help=", ".join(study_names()))
    parser.add_argument("--networks", type=int, help="only the first so many units")
    parser.add_argument("--workers", type=int, help="processes on this machine, without --dask; 0 runs in this one")
    parser.add_argument("--dask", metavar="ADDRESS", help="of a Dask scheduler, such as tcp://127.0.0.1:8786")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--quick", action="store_true", help="a trial run: the first unit")
    which.add_argument("--again", action="store_true", help="a second set of units, which decides nothing")
    parser.add_argument(
        "--folder", help="of results, instead of the user's cache or, in --list and --report, the course's"
    )
    parser.add_argument("--list", action="store_true", help="every row and what is stored of it")
    parser.add_argument("--report", metavar="FILE", help="write the page of all verdicts")
    given = parser.parse_args(arguments)
    if not (given.rows or given.quick or given.list or given.report):
        parser.error("name a row, or give --quick, --list or --report")
    try:
        if given.networks is not None:
            check_count("--networks", given.networks)
        chosen = [study(name) for name in given.rows or (study_names() if given.quick else [])]
        failed = 0
        if given.quick:
            failed = _trials(chosen, given)
        else:
            for one in chosen:
                _run(one, given, workers=given.workers)
        if given.list:
            _list(given.folder)
        if given.report:
            runtime.say(report.write_page(given.report, given.folder))
    except (ValueError, RuntimeError, OSError) as error:
        runtime.say(error)
        return 1
    except KeyboardInterrupt:
        runtime.say("stopped; what is finished is kept")
        return 130
    return min(failed, 1)


def _trials(chosen, given):
    """The first unit of each study, as many studies side by side as there are workers; how many failed."""
    hands = (os.cpu_count() or 1) if given.workers is None else given.workers
    if given.dask:
        hands = 0

    def fails(one):
        try:
            _run(one, given, workers=min(hands, 1), progress=False)
        except (ValueError, RuntimeError, OSError) as error:
            runtime.say(error)
            return True
        return False

    if hands < 2:
        return sum(map(fails, chosen))
    with ThreadPoolExecutor(hands) as pool:
        return sum(pool.map(fails, chosen))


def _run(chosen, given, *, workers, progress=True):
    name, folder, keys = chosen.rule.id, store.folder(given.folder), chosen.units
    if given.again:
        if not chosen.again:
            raise ValueError(f"{name} has no second set of units")
        chosen, folder, keys = replace(chosen, units=dict(chosen.again)), folder / "again", chosen.again
    keys = list(keys)[: 1 if given.quick else given.networks]
    with contextlib.ExitStack() as stack:
        executor = stack.enter_context(_client(given.dask)).get_executor() if given.dask else None
        units = run(chosen, keys, executor, folder=folder, workers=workers, progress=progress)
    found = report.judged(chosen.rule, units)
    if not found.interval:
        numbers = ", ".join(f"{report.one_number(chosen.rule, unit['value']):.4g}" for unit in units.values())
        runtime.say(f"{name}: {numbers} (a trial, too few units for a verdict)")
        return
    trial = " (a trial)" if len(keys) < chosen.rule.units else ""
    note = " (a second set, which decides nothing)" if given.again else trial
    runtime.say(f"{name} {found.word}: {report.told(found)}{note}")


def _client(address):
    try:
        from dask.distributed import Client
    except ImportError:
        raise RuntimeError("--dask needs the package dask: pip install 'deep-flaw[cluster]'") from None
    try:
        return Client(address, timeout=PATIENCE)
    except (OSError, ValueError) as error:
        raise RuntimeError(f"no Dask scheduler answers at {address}: {error}") from None


def _list(folder):
    for name, rule in RULES.items():
        units = report.results(rule, folder or store.SHIPPED)
        word = report.judged(rule, units).word if name in study_names() else "not measured: no study yet"
        runtime.say(f"{name:12} {len(units):3} of {rule.units:3} units   {word:14} {rule.tested}")
