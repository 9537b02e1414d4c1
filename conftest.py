"""How the lessons run under pytest with nbval: quietly, fast on two cores, and no further than their first failure."""

import atexit
import os
import shutil
import tempfile
from collections import defaultdict

import pytest

from tools import lessons
from tools.books import read

if "PYTEST_XDIST_WORKER" not in os.environ:  # workers inherit from their parent; a learner's own files stay out of it
    os.environ["COURSE_STATIC"] = "1"
    os.environ.pop("COURSE_DEVICE", None)
    os.environ["COURSE_HOME"] = tempfile.mkdtemp(prefix="course-home-")
    atexit.register(shutil.rmtree, os.environ["COURSE_HOME"], ignore_errors=True)
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # two kernels on two cores


def _is_lesson_cell(item):
    return type(item).__module__.startswith("nbval")


def pytest_itemcollected(item):
    if _is_lesson_cell(item):
        item.output_timeout = 60  # seconds; nbval's own 5 are too few for a slow machine


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    if _is_lesson_cell(item) and outcome.get_result().failed:
        item.parent.first_failure = item.name


def pytest_runtest_setup(item):
    if not _is_lesson_cell(item):
        return
    if hasattr(item.parent, "first_failure"):
        pytest.skip(f"the lesson failed at {item.parent.first_failure}")
    if not hasattr(item.parent, "lacking"):
        item.parent.lacking = lessons.lacking(read(item.parent.path))
    if item.parent.lacking:
        pytest.skip(item.parent.lacking)


def pytest_terminal_summary(terminalreporter):
    seconds = defaultdict(float)
    for reports in terminalreporter.stats.values():
        for report in reports:
            lesson, _, cell = getattr(report, "nodeid", "").partition("::")
            if lesson.endswith(".ipynb") and cell:
                seconds[lesson] += getattr(report, "duration", 0)
    if seconds:
        terminalreporter.section("seconds per lesson")
        for lesson, total in sorted(seconds.items()):
            terminalreporter.write_line(f"{total:7.1f}  {lesson}")
