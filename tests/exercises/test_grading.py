"""Points for a notebook, whatever stands in it."""

import json
import subprocess
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course_utils import exercises
from course_utils.exercises import grading
from tools.notebooks import ROOT

ANSWERS = {  # of lesson 2
    "2.1": "from torch import sqrt\n\ndef distortion(a, b):\n    print('aside')\n    return sqrt(mean_square(b - a))",
    "2.2": "def objective(model, x, r, target, c):\n    raise NotImplementedError",
    "2.3": "def largest_c(works, low, high, steps):\n    return sum(range(10**12))",  # lets no other thread run
    "2.4": "import os\n\ndef pixels_for(change, share=0.9):\n    os._exit(0)",
    "2.5": "def conv_bound(weight, size):\n    return weight.norm()",
    "2.6": "purity = lambda features, labels, directions, k=8: digits",
}
BEFORE = [
    "%matplotlib inline\nimport torch",
    "def mean_square(x):\n    return x.flatten(1).square().mean(1)",
    "digits = slow_to_load()  # is not run\nLIMIT = 3",
    "def check(id, answer):\n    return answer",  # counts for nothing
]


def notebook(path, answers, before=BEFORE):
    cells = [new_markdown_cell("# 2"), *map(new_code_cell, before)]
    for id, answer in answers.items():
        stub = new_code_cell(answer)
        stub.metadata["course"] = {"exercise": id}
        name = exercises.desk._find(id).reference.__name__
        check = new_code_cell(grading.check_cell(id, name))
        check.metadata["nbgrader"] = {"points": 2}
        cells += [stub, check]
    cells[-1].source += "\n# edited"
    nbformat.write(new_notebook(cells=cells), path)
    return path


def test_each_answer_gets_its_points_and_its_reason(tmp_path):
    graded = exercises.grade(notebook(tmp_path / "02 übung.ipynb", ANSWERS), seconds=4)
    found = graded["exercises"]
    states = {id: each["state"] for id, each in found.items()}
    assert states == {
        "2.1": "right",
        "2.2": "not attempted",
        "2.3": "stopped",
        "2.4": "stopped",
        "2.5": "not yet",
        "2.6": "not yet",
    }
    assert (graded["points"], graded["of"]) == (2, 12) and json.loads(json.dumps(graded)) == graded
    assert "Frobenius" in found["2.5"]["message"] and "after 4 s" in found["2.3"]["message"]
    assert "ended the process" in found["2.4"]["message"] and "'digits' is not defined" in found["2.6"]["message"]
    assert [each["locked"] for each in found.values()] == [True] * 5 + [False]


def test_a_notebook_that_changes_the_checks_earns_nothing(tmp_path):
    rebound = "from course_utils.exercises import Exercise\n\nExercise.examine = lambda *given: None\n\n"
    answers = {"2.1": rebound + "def distortion(a, b):\n    return 1"}
    found = exercises.grade(notebook(tmp_path / "02_own.ipynb", answers))["exercises"]
    assert found["2.1"]["state"] == "not yet" and "checks themselves were changed" in found["2.1"]["message"]
    assert found["2.2"]["state"] == "missing" and found["2.2"]["of"] == exercises.desk._find("2.2").stars


@pytest.mark.parametrize("text", ["no JSON", "[]", '{"cells": 3}', '{"cells": [{"cell_type": "code"}]}'])
def test_what_is_no_notebook_is_said(tmp_path, text):
    file = tmp_path / "a.ipynb"
    file.write_text(text)
    with pytest.raises(ValueError, match="is no notebook"):
        exercises.grade(file)


def test_a_notebook_without_exercises_is_said(tmp_path):
    nbformat.write(new_notebook(cells=[new_code_cell("1")]), tmp_path / "a.ipynb")
    with pytest.raises(ValueError, match="has no check of an exercise"):
        exercises.grade(tmp_path / "a.ipynb")


@pytest.mark.slow
def test_the_solved_course_earns_all_points_and_the_unsolved_none(tmp_path):
    for path in sorted((ROOT / "lessons").glob("*.ipynb"))[:-1]:
        book = nbformat.read(path, as_version=4)
        command = [sys.executable, "-m", "course_utils.exercises", path]
        graded = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
        assert graded["points"] == 0 and {each["state"] for each in graded["exercises"].values()} == {"not attempted"}
        for cell in book.cells:
            if id := cell.metadata.get("course", {}).get("exercise"):
                cell.source = exercises.source(id).replace("def ", "def solved_", 1)
                name = exercises.desk._find(id).reference.__name__
                cell.source += f"\n\ndef {name}(*given, **named):\n    return solved_{name}(*given, **named)\n"
        nbformat.write(book, tmp_path / path.name)
        graded = exercises.grade(tmp_path / path.name)
        wrong = {id: each for id, each in graded["exercises"].items() if each["state"] != "right" or not each["locked"]}
        assert not wrong and graded["points"] == graded["of"]
