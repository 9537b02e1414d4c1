"""How the lessons run under pytest (nbval): quietly, no further than their first failure, and with a table of what they
took, on the screen and in ``build/``.

Tests skip what a machine lacks. With ``--complete``, as in CI, a skip is a failure, but for the `EXCUSES` below.
"""

import atexit
import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import defaultdict
from functools import cache
from pathlib import Path

import psutil
import pytest

from tools import lessons
from tools.notebooks import read

STOPPED = "the lesson failed at"
EXCUSES = "no CUDA device", STOPPED
END = 1.25  # of the time that a cell may take; at 1 it is interrupted, here its kernel ends
TORCH = """
import ipykernel.kernelapp, torch
weight = torch.zeros(1, requires_grad=True)
weight.grad = torch.zeros(1)
torch.optim.AdamW([weight]).step()  # loads the compiler, of which no lesson asks for anything
print(open("/proc/self/status").read())
"""

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # two processes on two cores
else:  # workers inherit from their parent; a learner's own files stay out of it
    os.environ["COURSE_STATIC"] = "1"
    os.environ.pop("COURSE_DEVICE", None)
    os.environ["COURSE_HOME"] = tempfile.mkdtemp(prefix="course-home-")
    atexit.register(shutil.rmtree, os.environ["COURSE_HOME"], ignore_errors=True)

failed = {}  # lesson -> its first cell that failed
lacking = cache(lambda path: lessons.lacking(read(path)))


def pytest_addoption(parser):
    parser.addoption("--complete", action="store_true", help="a test that is skipped fails, unless it needs a GPU")


def is_cell(item):
    return type(item).__module__.startswith("nbval")


def pytest_runtest_setup(item):
    if is_cell(item):
        item.output_timeout = lessons.OUTPUT_TIMEOUT
        if item.path in failed:
            pytest.skip(f"{STOPPED} {failed[item.path]}")
        if reason := lacking(item.path):
            pytest.skip(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """nbval interrupts a cell that takes too long. One that goes on, or on printing, loses its kernel."""
    if not is_cell(item):
        return (yield)
    kernel = psutil.Process(item.parent.kernel.km.provisioner.pid)
    end = threading.Timer(END * item.config.option.nbval_cell_timeout, kernel.kill)
    end.start()
    try:
        return (yield)
    finally:
        end.cancel()
        status = Path("/proc", str(kernel.pid), "status")
        if status.exists():  # on Linux
            item.user_properties.append(("peak", peak(status.read_text())))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = _excused(item, (yield))
    if is_cell(item):
        if call.when == "call" and report.passed and item.parent.timed_out:
            report.outcome, report.longrepr = "failed", "the cell took too long, and took its interrupt as its end"
        if report.failed:
            failed[item.path] = item.name
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    return _excused(collector, (yield))


def _excused(node, report):
    """The report, or with ``--complete`` a failure in the place of a skip that none of the excuses covers."""
    if node.config.option.complete and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if not reason.startswith(EXCUSES):
            report.outcome, report.longrepr = "failed", f"skipped, which --complete does not excuse: {reason}"
    return report


def peak(status):
    """The most memory that a process ever held, in MB, from the text of its /proc/PID/status; 0 if that is silent."""
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) * 1024 / 1e6 if found else 0.0


def pytest_terminal_summary(terminalreporter):
    seconds, memory = defaultdict(float), defaultdict(float)
    for report in itertools.chain(*terminalreporter.stats.values()):
        lesson = getattr(report, "nodeid", "").partition("::")[0]
        if lesson.endswith(".ipynb") and getattr(report, "when", "") == "call":
            seconds[lesson] += report.duration
            memory[lesson] = max(memory[lesson], dict(report.user_properties).get("peak", 0.0))
    if not seconds:
        return
    torch = peak(subprocess.run([sys.executable, "-c", TORCH], capture_output=True, text=True).stdout)
    head = f"peak memory beyond the {torch:.0f} MB of a kernel that has loaded torch and its optimiser, MB"
    rows = [f"| lesson | seconds | {head} |", "|---|---:|---:|"]
    for lesson in sorted(seconds):
        beyond = f"{memory[lesson] - torch:.0f}" if memory[lesson] else "not known on this system"
        rows.append(f"| {lesson} | {seconds[lesson]:.1f} | {beyond} |")
    table = "\n".join(rows) + "\n"
    terminalreporter.section("lessons")
    terminalreporter.write(table)
    file = Path("build", Path(min(seconds)).parent.name + ".md")
    file.parent.mkdir(exist_ok=True)
    file.write_text(table, encoding="utf-8")
