"""Lessons are held against their budgets, on a machine of any speed. The budgets themselves: ``make test-all``."""

import os
import shutil
import subprocess
import sys
import types

import pytest
import torch
from nbformat.v4 import new_code_cell, new_notebook

from course_utils import models
from tools import budgets
from tools.books import ROOT, write

TRAIN = """import os
home = os.environ["COURSE_HOME"]
assert os.listdir(home) == []
os.mkdir(home + "/models")
open(home + "/models/NAME", "w").close()"""


def lesson(budget, *sources):
    book = new_notebook(cells=[new_code_cell(source) for source in sources])
    book.metadata.course = {"budget": budget}
    return book


@pytest.fixture
def course(tmp_path):
    """A course of no lessons, and how pytest runs the ones that are written to it."""
    shutil.copy(ROOT / "conftest.py", tmp_path)
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")

    def run(*options):
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--nbval-lax", "--nbval-current-env"]
        env = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
        env["PYTHONPATH"] = str(ROOT)
        done = subprocess.run([*command, *options, "lessons"], cwd=tmp_path, env=env, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    return tmp_path, run


def test_each_lesson_starts_from_an_empty_cache_and_its_networks_warm_the_next_run_once(course):
    folder, run = course
    write(lesson(60, TRAIN.replace("NAME", "01")), folder / "lessons/01_quick.ipynb")
    write(lesson(0.1, TRAIN.replace("NAME", "02"), "import time\ntime.sleep(0.2)"), folder / "lessons/02_late.ipynb")
    write(lesson(0.1, "1 / 0", "'never'"), folder / "lessons/03_broken.ipynb")
    code, out = run("--budgets")
    assert code == 1 and "2 failed, 4 passed, 2 skipped" in out, out
    assert "lessons/01_quick.ipynb  of 60 s; everything takes" in out
    assert "FAILED lessons/02_late.ipynb::budget - Failed: the lesson takes" in out
    assert "FAILED lessons/03_broken.ipynb::Cell 0" in out
    assert {path.name for path in (folder / "build/nets").iterdir()} == {"01", "02"}

    shutil.rmtree(folder / "lessons")
    look = "import os\nassert sorted(os.listdir(os.environ['COURSE_HOME'] + '/models')) == ['01', '02']"
    write(lesson(0, look), folder / "lessons/04_not_judged.ipynb")
    code, out = run("--warm", "-n", "2")
    assert code == 0 and "1 passed" in out and "lessons/04_not_judged.ipynb\n" in out, out
    assert not (folder / "build/nets").exists()


def test_budgets_are_not_measured_while_another_lesson_runs(course):
    folder, run = course
    write(lesson(60, "1"), folder / "lessons/01_first.ipynb")
    code, out = run("--budgets", "-n", "2")
    assert code != 0 and "one after the other: leave -n out" in out, out


def test_a_cell_may_take_30_s_and_a_lesson_its_budget():
    cells = {"Cell 0": 29.0, "Cell 1": 30.0}
    assert budgets.excess(cells, 60.0, 60) == ""
    assert budgets.excess(cells, 60.1, 60) == "the lesson takes 60.1 s, more than 60.0 s"
    assert budgets.excess(cells | {"Cell 2": 31.0}, 60.0, 60) == "Cell 2 takes 31.0 s, more than 30.0 s"
    assert len(budgets.excess(cells | {"Cell 2": 31.0}, 95.0, 60).split(";")) == 2


def test_a_slower_machine_gets_longer_in_proportion():
    cells = {"Cell 0": 44.0}
    assert budgets.excess(cells, 89.0, 60, slowness=1.5) == ""
    assert "more than 45.0 s" in budgets.excess({"Cell 0": 46.0}, 89.0, 60, slowness=1.5)
    assert "more than 90.0 s" in budgets.excess(cells, 91.0, 60, slowness=1.5)


@pytest.mark.parametrize("threads", [1, 2, 8])
def test_the_slower_of_two_looks_counts_and_a_quick_machine_gets_no_less(threads, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    usual = budgets.REFERENCE[min(threads, 2)]
    assert budgets.slowness(usual, 1.5 * usual) == budgets.slowness(1.5 * usual, usual) == pytest.approx(1.5)
    assert budgets.slowness(0.5 * usual, 0.9 * usual) == 1.0


@pytest.mark.parametrize("hiccup", [None, 50])
def test_the_yardstick_is_the_time_of_100_steps_whatever_happens_to_one(hiccup, monkeypatch):
    steps, LeNet5 = [], models.LeNet5

    def watched():
        model = LeNet5()
        model.register_forward_pre_hook(lambda _, inputs: steps.append(7 if len(steps) == hiccup else 0.01))
        assert model.training
        return model

    monkeypatch.setattr(models, "LeNet5", watched)
    monkeypatch.setattr(budgets, "time", types.SimpleNamespace(perf_counter=lambda: sum(steps)))
    assert budgets.yardstick() == pytest.approx(1.0)


def test_the_yardstick_leaves_random_numbers_and_settings_alone():
    state = torch.get_rng_state()
    with torch.no_grad():
        assert budgets.yardstick() > 0
        assert not torch.is_grad_enabled()
    assert torch.equal(torch.get_rng_state(), state)
