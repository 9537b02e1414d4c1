"""The first lesson as a learner meets it: opened in JupyterLab in a browser, and run from first cell to last."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time

import pytest

from tools.notebooks import ROOT, paths, read

LAB = pytest.mark.skipif(not importlib.util.find_spec("jupyterlab"), reason="needs jupyterlab: pip install -e '.[lab]'")
pytestmark = [pytest.mark.slow, LAB]
LESSON = paths()[0]
MINUTES = 5
KERNEL = "window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
CLEAR = "window.jupyterapp.commands.execute('notebook:clear-all-cell-outputs')"
RUN = "window.jupyterapp.commands.execute('notebook:run-all-cells')"
COUNTS = """[...window.jupyterapp.shell.currentWidget.content.model.cells].filter(cell => cell.type === 'code')
    .every(cell => cell.executionCount !== null)"""


@pytest.fixture
def lab(tmp_path):
    """The address of the lesson in a JupyterLab of its own, which shows all cells at once."""
    (tmp_path / "work").mkdir()
    shutil.copy(LESSON, tmp_path / "work")
    tracker = tmp_path / "settings/@jupyterlab/notebook-extension/tracker.jupyterlab-settings"
    tracker.parent.mkdir(parents=True)
    tracker.write_text(json.dumps({"windowingMode": "none"}))
    homes = {"COURSE_HOME": "course", "JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTER_CONFIG_DIR": "config"}
    env = os.environ | {name: str(tmp_path / folder) for name, folder in homes.items()}
    env |= {"COURSE_STATIC": "", "PYTHONPATH": str(ROOT)}
    options = ["--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=0", "--IdentityProvider.token="]
    options += [f"--ServerApp.root_dir={tmp_path / 'work'}", "--LabApp.expose_app_in_browser=True"]
    command, log = [sys.executable, "-m", "jupyterlab", *options], tmp_path / "log"
    with log.open("w") as file, subprocess.Popen(command, stderr=file, stdout=file, env=env) as server:
        try:
            while not (address := re.search(r"http://127\.0\.0\.1:\d+", log.read_text())) and server.poll() is None:
                time.sleep(0.2)
            yield address[0]
        finally:
            server.terminate()


def test_the_first_lesson_runs_in_a_browser(browser, lab):
    page = browser.new_page()
    page.goto(f"{lab}/doc/tree/{LESSON.name}", timeout=90_000)
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=90_000)
    page.wait_for_function(KERNEL, timeout=90_000)
    page.evaluate(CLEAR)
    assert not page.evaluate(COUNTS)
    page.evaluate(RUN)
    page.wait_for_function(f"{KERNEL} && {COUNTS}", timeout=MINUTES * 60_000)
    assert page.locator("[data-mime-type='application/vnd.jupyter.error']").all_inner_texts() == []
    assert "model not found" not in page.locator("body").inner_text()
    pictures = sum("image/png" in str(cell.get("outputs")) for cell in read(LESSON).cells)
    assert page.locator(".jp-OutputArea img").count() >= pictures
    assert page.locator(".jp-OutputArea .lm-Widget button").count() > 0  # live widgets
    page.close()
