"""How the lessons run under pytest with nbval: quietly, no further than their first failure or timeout, and timed.

Without an option several lessons may run at once (``-n 2``) and share the networks that they train. ``--budgets`` runs
one after the other, each in a fresh kernel from an empty cache, and adds to each a test of its time budget. The
networks trained on the way are kept in ``build/nets``; the next run with ``--warm`` starts from them, once.

Tests skip what a machine lacks. With ``--complete``, as in CI, a skip is a failure, but for the `EXCUSES` below.
"""

import atexit
import os
import shutil
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from queue import Empty

import pytest

from tools import lessons
from tools.books import read

WORKER = "PYTEST_XDIST_WORKER" in os.environ
NETS = Path(__file__).parent / "build/nets"
STOPPED = "the lesson failed at"
EXCUSES = "no CUDA device", STOPPED

if WORKER:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # two processes on two cores
else:  # workers inherit from their parent; a learner's own files stay out of it
    os.environ["COURSE_STATIC"] = "1"
    os.environ.pop("COURSE_DEVICE", None)
    HOMES = tempfile.mkdtemp(prefix="course-home-")
    os.environ["COURSE_HOME"] = HOMES
    atexit.register(shutil.rmtree, HOMES, ignore_errors=True)


def pytest_addoption(parser):
    group = parser.getgroup("lessons")
    group.addoption("--budgets", action="store_true", help="run each lesson alone and judge its time budget")
    group.addoption("--warm", action="store_true", help="start from the networks that a run with --budgets trained")
    group.addoption("--complete", action="store_true", help="a test that is skipped fails, unless it needs a GPU")


def pytest_configure(config):
    if WORKER:
        return
    if config.option.budgets:
        if getattr(config.option, "numprocesses", None):
            raise pytest.UsageError("--budgets measures lessons one after the other: leave -n out")
        shutil.rmtree(NETS, ignore_errors=True)
    if config.option.warm and NETS.exists():
        shutil.move(NETS, Path(HOMES, "models"))


def _is_lesson_cell(item):
    return type(item).__module__.startswith("nbval")


def _belongs_to_lesson(item):
    return type(item.parent).__module__.startswith("nbval")


def pytest_itemcollected(item):
    if _is_lesson_cell(item):
        item.output_timeout = lessons.OUTPUT_TIMEOUT


def pytest_collection_modifyitems(config, items):
    if config.option.budgets:
        for lesson in dict.fromkeys(item.parent for item in items if _is_lesson_cell(item)):
            last = max(place for place, item in enumerate(items) if item.parent is lesson)
            items.insert(last + 1, Budget.from_parent(lesson, name="budget"))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item):
    """Before the first cell of a lesson, and before its clock starts: fetch and prepare what it needs."""
    if not _belongs_to_lesson(item) or hasattr(item.parent, "book"):
        return
    lesson = item.parent
    lesson.book, lesson.cells, lesson.seconds = read(lesson.path), {}, 0.0
    try:
        lesson.lacking = lessons.lacking(lesson.book)
    except OSError as error:
        lesson.damaged = error
    if item.config.option.budgets:
        from tools import budgets

        os.environ["COURSE_HOME"] = tempfile.mkdtemp(dir=HOMES)
        lesson.yardstick = budgets.yardstick()


def pytest_runtest_setup(item):
    if not _belongs_to_lesson(item):
        return
    if hasattr(item.parent, "first_failure"):
        pytest.skip(f"{STOPPED} {item.parent.first_failure}")
    if hasattr(item.parent, "damaged"):
        raise item.parent.damaged
    if item.parent.lacking:
        pytest.skip(item.parent.lacking)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """A cell fails that ran out of time, however it took the interrupt: nbval fails only what then raises or is silent.

    What it prints is awaited for ``output_timeout`` in all; nbval would wait as long again after each line.
    """
    if not _is_lesson_cell(item):
        return (yield)
    lesson, ends = item.parent, None

    def get_kernel_message(timeout, stream="iopub"):
        nonlocal ends
        ends = ends or time.monotonic() + timeout
        if time.monotonic() > ends:
            raise Empty
        return type(lesson).get_kernel_message(lesson, timeout, stream)

    lesson.get_kernel_message = get_kernel_message
    result = yield
    if lesson.timed_out:
        seconds = item.config.option.nbval_cell_timeout
        item.raise_cell_error(f"Timeout of {seconds:g} seconds exceeded; the cell took the interrupt as its end.")
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = _excused(item, (yield))
    if _is_lesson_cell(item):
        if report.failed:
            item.parent.first_failure = item.name
        item.parent.seconds += call.duration  # the first cell's set-up starts the kernel
        if call.when == "call":
            item.parent.cells[f"{item.name} ({item.cell.source.partition(chr(10))[0]})"] = call.duration
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


class Budget(pytest.Item):
    """The last test of a lesson: were its cells quick enough?"""

    def runtest(self):
        from tools import budgets

        lesson, budget = self.parent, self.parent.book.metadata.course.budget
        slowness = budgets.slowness(lesson.yardstick, budgets.yardstick())
        self.user_properties.append(("budget", f"of {budget} s; everything takes {slowness:.2f} times as long here"))
        if too_long := budgets.excess(lesson.cells, lesson.seconds, budget, slowness):
            pytest.fail(too_long, pytrace=False)

    def teardown(self):
        trained = Path(os.environ["COURSE_HOME"], "models")
        if trained.exists():
            shutil.copytree(trained, NETS, dirs_exist_ok=True)

    def reportinfo(self):
        return self.path, None, f"budget of {self.path.stem}"


def pytest_terminal_summary(terminalreporter):
    seconds, notes = defaultdict(float), {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            lesson, _, cell = getattr(report, "nodeid", "").partition("::")
            if lesson.endswith(".ipynb") and cell.startswith("Cell"):
                seconds[lesson] += getattr(report, "duration", 0)
            if budget := dict(getattr(report, "user_properties", [])).get("budget"):
                notes[lesson] = budget
    if seconds:
        terminalreporter.section("seconds per lesson")
        for lesson, total in sorted(seconds.items()):
            terminalreporter.write_line(f"{total:7.1f}  {lesson}  {notes.get(lesson, '')}".rstrip())
