"""What a failed, a slow and a skipped lesson is under pytest: conftest.py in a course of its own."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from tools.books import ROOT, write

GRACEFUL = """import time
try:
    time.sleep(60)
except KeyboardInterrupt:
    print("stopped early")"""
DEAF = """import time
while True:
    try:
        time.sleep(0.1)
        print("on")
    except KeyboardInterrupt:
        print("no")"""
NEVER_IDLE = (
    "kernel = get_ipython().kernel\nkernel._publish_status = kernel._publish_status_and_flush = lambda *a, **k: 0"
)
PLUGIN = """from tools import lessons
lessons.OUTPUT_TIMEOUT = 1
def lacking(book):
    if "damaged" in book.metadata.course:
        raise OSError("the weights are damaged")
    return book.metadata.course.get("lacks", "")
lessons.lacking = lacking
"""
UNITS = """import pytest
@pytest.mark.skipif(True, reason="no CUDA device")
def test_of_a_gpu():
    pass
@pytest.mark.skip(reason="needs a browser")
def test_of_a_page():
    pass
def test_of_nothing():
    pass
"""
MODULE = """import pytest
pytest.importorskip("no_such_package")
"""


@pytest.fixture
def course(tmp_path):
    """A course of no lessons, and how pytest runs the ones that are written to it."""
    shutil.copy(ROOT / "conftest.py", tmp_path)
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    (tmp_path / "plugin.py").write_text(PLUGIN)

    def run(*options):
        nbval = ["--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout", "2", "-p", "plugin"]
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rA", "--color=no", *nbval, *options]
        env = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
        env["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(tmp_path)])
        done = subprocess.run([*command, "."], cwd=tmp_path, env=env, capture_output=True, text=True)
        outcomes = re.findall(r"^([A-Z]+) (?:\S+/)?(\S+?)\.(?:ipynb|py)::(?:Cell )?(\S+)", done.stdout, re.MULTILINE)
        return done.returncode, done.stdout + done.stderr, {(where, cell): word for word, where, cell in outcomes}

    return tmp_path, run


def lesson(*cells, **course):
    cells = [new_code_cell(cell) if isinstance(cell, str) else cell for cell in cells]
    return new_notebook(cells=cells, metadata={"course": course})


in_pairs_or_not = pytest.mark.parametrize(
    "options", [[], ["-n", "2", "--dist", "loadscope"]], ids=["one after the other", "in pairs"]
)


@in_pairs_or_not
def test_a_cell_that_ran_out_of_time_fails_its_lesson(options, course):
    folder, run = course
    expected = new_code_cell("import time\ntime.sleep(60)", metadata={"tags": ["raises-exception"]})
    slow = {"graceful": GRACEFUL, "deaf": DEAF, "never_idle": NEVER_IDLE, "expected": expected}
    for name, cell in slow.items():
        write(lesson("1", cell, "2", "3"), folder / f"lessons/{name}.ipynb")
    code, out, outcomes = run(*options)
    assert code == 1 and "4 failed, 4 passed, 8 skipped in" in out, out
    for name in slow:
        assert outcomes[name, "0"] == "PASSED" and outcomes[name, "1"] == "FAILED", out
    failures = out.partition("short test summary")[0]  # which repeats them where CI is set
    assert [failures.count(f"Timeout of {seconds} seconds exceeded") for seconds in (1, 2)] == [1, 3], out


@in_pairs_or_not
def test_a_skip_is_a_failure_where_all_must_run(options, course):
    folder, run = course
    write(lesson("1", "2", lacks="no way to the weights"), folder / "lessons/lacking.ipynb")
    (folder / "test_units.py").write_text(UNITS)
    (folder / "test_module.py").write_text(MODULE)
    code, out, _ = run(*options)
    assert code == 0 and "1 passed, 5 skipped in" in out, out
    code, out, outcomes = run("--complete", "--continue-on-collection-errors", *options)
    assert code == 1 and "1 passed, 2 skipped, 3 errors in" in out, out
    assert outcomes["test_units", "test_of_a_page"] == outcomes["lacking", "0"] == "ERROR", out
    for reason in ("needs a browser", "no way to the weights", "could not import 'no_such_package'"):
        assert f"skipped, which --complete does not excuse: {reason}" in out, out


def test_damaged_weights_are_no_reason_to_skip_a_lesson(course):
    folder, run = course
    write(lesson("1", "2", damaged=True), folder / "lessons/damaged.ipynb")
    write(lesson("1"), folder / "lessons/other.ipynb")
    code, out, _ = run()
    assert code == 1 and "1 passed, 1 skipped, 1 error in" in out and "OSError: the weights are damaged" in out, out
