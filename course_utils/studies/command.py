"""``deep-flaw study``: run studies, list them, and write the page of their verdicts.

deep-flaw study T1                        measure the units that are not kept yet, on all cores
deep-flaw study T1 S1 --quick             a few units of each
deep-flaw study T1 --dask tcp://host:8786 the same on a cluster
deep-flaw study --list                    every row, with what is stored of it
deep-flaw study --report studies.html     the page
"""

import argparse
import contextlib
from collections.abc import Sequence

from course_utils import runtime
from course_utils.studies import RULES, report, run, store, study, study_names


def run_command(arguments: Sequence[str]) -> int:
    """Run ``deep-flaw study`` with these arguments, and return the exit status."""
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("deep-flaw study", description=__doc__, formatter_class=layout)
    parser.add_argument("rows", nargs="*", metavar="row", help=", ".join(study_names()))
    parser.add_argument("--networks", type=int, help="only the first so many units")
    parser.add_argument("--workers", type=int, help="processes on this machine; 0 runs in this one")
    parser.add_argument("--dask", metavar="ADDRESS", help="of a Dask scheduler, such as tcp://127.0.0.1:8786")
    parser.add_argument("--quick", action="store_true", help="a trial run: a few units")
    parser.add_argument("--folder", help="where results are kept, instead of the user's cache")
    parser.add_argument("--list", action="store_true", help="every row and what is stored of it")
    parser.add_argument("--report", metavar="FILE", help="write the page of all verdicts")
    given = parser.parse_args(arguments)
    if not (given.rows or given.list or given.report):
        parser.error("name a row, or give --list or --report")
    try:
        for name in given.rows:
            _study(name, given)
        if given.list:
            _list(given.folder)
        if given.report:
            runtime.say(report.write_page(given.report, given.folder))
    except (ValueError, RuntimeError, OSError) as error:
        runtime.say(error)
        return 1
    return 0


def _study(name, given):
    chosen = study(name)
    keys = list(chosen.quick if given.quick else chosen.units)[: given.networks]
    with contextlib.ExitStack() as stack:
        executor = stack.enter_context(_client(given.dask)).get_executor() if given.dask else None
        units = run(chosen, keys, executor, folder=given.folder, workers=given.workers)
    found = report.judged(chosen.rule, units)
    runtime.say(f"{name} {found.word}: {report.told(found)}" + (" (a trial)" if len(keys) < chosen.rule.units else ""))


def _client(address):
    try:
        from dask.distributed import Client
    except ImportError:
        raise RuntimeError("--dask needs the package dask: pip install 'deep-flaw[cluster]'") from None
    return Client(address, timeout="20s")


def _list(folder):
    for name, rule in RULES.items():
        units = report.results(rule, folder or store.SHIPPED)
        word = report.judged(rule, units).word if name in study_names() else "not measured: no study yet"
        runtime.say(f"{name:12} {len(units):3} of {rule.units:3} units   {word:14} {rule.tested}")
