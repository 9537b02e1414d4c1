"""What a failed, a slow and a skipped lesson is under pytest: conftest.py in a course of its own."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from nbformat.v4 import new_code_cell, new_notebook

from tools.notebooks import ROOT, write

GRACEFUL = "import time\ntry:\n    time.sleep(60)\nexcept KeyboardInterrupt:\n    print('stopped early')"
DEAF = """import time
while True:
    try:
        time.sleep(0.1)
        print("on")
    except KeyboardInterrupt:
        print("no")"""
LESSONS = {
    "broken": ["1", "1 / 0", "2"],
    "deaf": ["1", DEAF, "2"],
    "graceful": ["1", GRACEFUL, "2"],
    "lacking": ["1"],
    "right": ["1", "2", "3"],
}
PLUGIN = """from tools import lessons
lessons.OUTPUT_TIMEOUT = 1
lessons.lacking = lambda book: book.metadata.get("lacking", "")
"""
UNITS = """import pytest
@pytest.mark.skip(reason="no CUDA device")
def test_of_a_gpu(): pass
@pytest.mark.skip(reason="needs a browser")
def test_of_a_page(): pass
"""


@pytest.mark.slow
def test_lessons_stop_at_their_first_failure_and_their_work_is_reported(tmp_path):
    for name, cells in LESSONS.items():
        book = new_notebook(cells=[new_code_cell(cell) for cell in cells])
        if name == "lacking":
            book.metadata.lacking = "no way to the weights"
        write(book, tmp_path / f"lessons/{name}.ipynb")
    shutil.copy(ROOT / "conftest.py", tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]")
    (tmp_path / "plugin.py").write_text(PLUGIN)
    (tmp_path / "test_units.py").write_text(UNITS)
    nbval = ["--nbval-lax", "--nbval-current-env", "--nbval-cell-timeout=1", "-n2", "--dist=loadscope"]
    command = ["-m", "pytest", "-pno:cacheprovider", "-pplugin", "-rA", "--color=no", "--complete", *nbval, "."]
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    env["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(tmp_path)])
    done = subprocess.run([sys.executable, *command], cwd=tmp_path, env=env, capture_output=True, text=True)
    found = re.findall(r"^(PASSED|FAILED|ERROR|SKIPPED).*?(\w+)\.(?:ipynb|py)::(?:Cell )?(\w+)", done.stdout, re.M)
    outcomes = {(where, what): word for word, where, what in found}
    for name in ("broken", "deaf", "graceful"):
        assert outcomes[name, "0"] == "PASSED" and outcomes[name, "1"] == "FAILED", done.stdout
    assert outcomes["right", "2"] == "PASSED"
    assert outcomes["lacking", "0"] == outcomes["test_units", "test_of_a_page"] == "ERROR"
    assert "3 failed, 6 passed, 4 skipped, 2 errors in" in done.stdout
    for reason in ("needs a browser", "no way to the weights"):
        assert f"skipped, which --complete does not excuse: {reason}" in done.stdout
    table = (tmp_path / "build/lessons.md").read_text()
    assert re.search(r"\| lessons/right.ipynb \| \d\.\d \| -?\d+ \|", table) and table in done.stdout
    assert re.search(r"\| lessons/graceful.ipynb \| [1-9]\d?\.\d \|", table)
