"""tools/lessons.py on small notebooks."""

import base64
import subprocess
import sys

import pytest
from nbclient.exceptions import CellExecutionError, CellTimeoutError
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from course_utils import __main__, exercises
from course_utils.core import storage
from tools import lessons
from tools.notebooks import ROOT, paths, read, write

TITLE = "# Doubling\n\n**Measured:** 0 s on 8 CPU cores"
STUB = "def double(x):\n    raise NotImplementedError  # your code: 1 line"
REFERENCE = 'def double(x):\n    """Twice x."""\n    # on both sides\n    y = x + x\n    return y\n'


@pytest.fixture
def root(tmp_path):
    """A course of one lesson."""
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "small"\n\n[project.urls]\n\n[tool.x]\n')
    book = new_notebook(cells=[new_markdown_cell(TITLE), new_code_cell("", metadata={"tags": ["bootstrap"]})])
    book.metadata.course = {"seconds": 0, "summary": "You double.", "claims": ["N3", "B7"]}
    write(book, tmp_path / "lessons/01_doubling.ipynb")
    return tmp_path


def add(root, *cells):
    """Append cells to the lesson and return its path."""
    path = root / "lessons/01_doubling.ipynb"
    book = read(path)
    book.cells += cells
    write(book, path)
    return path


def test_run_stores_outputs_counts_and_time_and_reports_stderr(root):
    code = "import os, sys\nprint(os.environ['COURSE_STATIC'], os.listdir(os.environ['COURSE_HOME']))"
    bar = "print('\\r 10%|#    | 1/10 [00:00<00:09]', 'beware', sep='\\n', file=sys.stderr)"
    path = add(root, new_code_cell(code), new_code_cell(bar))
    assert lessons.run(path) == ["cell 3 on stderr: beware"]
    book = read(path)
    assert [c.execution_count for c in book.cells[2:]] == [1, 2]
    assert book.cells[2].outputs[0].text == "1 []\n" and book.cells[3].outputs == []
    assert set(book.metadata) == {"course", "kernelspec", "language_info"}
    assert f"**Measured:** {book.metadata.course.seconds} s on " in book.cells[0].source
    assert all("execution" not in cell.metadata for cell in book.cells)


def test_run_drops_widgets_that_the_web_cannot_show():
    view = new_output("display_data", {lessons.WIDGET: {}, "text/plain": " 0%|   | 0/9"})
    book = new_notebook(cells=[new_code_cell("bar()", outputs=[view])], metadata={"widgets": {}})
    assert lessons.tidy(book) == []
    assert book.cells[0].outputs == [] and "widgets" not in book.metadata


@pytest.mark.parametrize(
    ("code", "error", "message"),
    [("1 / 0", CellExecutionError, "ZeroDivisionError"), ("object()", SystemExit, "cell 2 holds .* at 0x")],
)
def test_run_stores_nothing_when_a_cell_fails_or_leaves_traces_of_the_machine(root, code, error, message):
    path = add(root, new_code_cell(code))
    before = path.read_bytes()
    with pytest.raises(error, match=message):
        lessons.run(path)
    assert path.read_bytes() == before


def test_solve_marks_the_body_only_and_clears_outputs():
    stub = new_code_cell(STUB, metadata={"course": {"exercise": "1.1"}}, execution_count=3)
    stub.outputs = [new_output("stream", text="x")]
    solved = lessons.solve(new_notebook(cells=[new_markdown_cell(TITLE), stub]), {"1.1": REFERENCE}.get)
    assert solved.cells[1].source == (
        'def double(x):\n    """Twice x."""\n    ### BEGIN SOLUTION\n    # on both sides\n    y = x + x\n    return y\n'
        "    ### END SOLUTION"
    )
    assert solved.cells[1].outputs == [] and solved.cells[1].execution_count is None
    assert solved.cells[0].source == TITLE


def test_an_interrupted_run_stores_nothing(root):
    code = "import os, signal, time\ntry:\n    os.kill(os.getppid(), signal.SIGINT)\n    time.sleep(60)\n"
    path = add(root, new_code_cell(code + "except KeyboardInterrupt:\n    print('stopped early')"))
    before = path.read_bytes()
    command = "import pathlib, sys; from tools import lessons; lessons.run(pathlib.Path(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", command, path], cwd=ROOT, capture_output=True)
    assert done.returncode != 0 and path.read_bytes() == before


def test_a_run_that_loses_outputs_stores_nothing(root, monkeypatch):
    monkeypatch.setattr(lessons, "OUTPUT_TIMEOUT", 1)
    kernel = (
        "kernel = get_ipython().kernel\nkernel._publish_status = kernel._publish_status_and_flush = lambda *a, **k: 0"
    )
    path = add(root, new_code_cell(kernel))
    before = path.read_bytes()
    with pytest.raises(CellTimeoutError, match="waiting for IOPub output"):
        lessons.run(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "reference", ["def twice(x):\n    return 2 * x", "def double(y):\n    return 2 * y", "double = 2"]
)
def test_solve_refuses_a_reference_that_does_not_fit_its_stub(reference):
    with pytest.raises(ValueError, match=r"the stub is double\(x\)|expected one function"):
        lessons.solution(STUB, reference)


def test_the_table_has_a_row_and_a_picture_for_each_lesson(root):
    png = base64.b64encode(b"png").decode()
    figure = new_output("display_data", {"image/png": png}, metadata={"image/png": {"alt": 'a "3"'}})
    add(root, new_code_cell("show()", metadata={"tags": ["picture"]}, outputs=[figure]))
    rows, pictures = lessons.table(root)
    assert rows.splitlines()[2] == (
        '| <img src="lessons/pictures/01.png" width="220" alt="a &quot;3&quot;"> '
        "| [Doubling](lessons/01_doubling.ipynb) | You double. | N3, B7 | 0 s |"
    )
    assert pictures == {root / "lessons/pictures/01.png": b"png"}
    readme = f"before\n{lessons.MARKS[0]}\nold\n{lessons.MARKS[1]}\nafter\n"
    assert lessons.with_table(readme, "new") == readme.replace("old", "new")


def test_a_lesson_without_a_picture_is_named(root):
    with pytest.raises(ValueError, match="01_doubling: no figure"):
        lessons.table(root)


def test_a_lesson_lacks_what_it_names_and_nobody_can_fetch(root, monkeypatch):
    def fail():
        raise storage.Missing("the weights could not be fetched")

    def refuse():
        raise storage.DamagedFile("the weights are not those of the course")

    monkeypatch.setattr(__main__, "FETCHED", {"here": lambda: None, "away": fail, "damaged": refuse})
    book = read(root / "lessons/01_doubling.ipynb")
    assert lessons.lacking(book) == ""
    book.metadata.course.needs = ["here"]
    assert lessons.lacking(book) == ""
    book.metadata.course.needs = ["here", "away"]
    assert lessons.lacking(book) == "the weights could not be fetched"
    assert storage.Missing("no weights")._render_traceback_()[0] == "Not here: no weights"  # in a notebook
    book.metadata.course.needs = ["damaged"]
    with pytest.raises(storage.DamagedFile):  # no reason to skip
        lessons.lacking(book)


@pytest.mark.parametrize("path", paths(), ids=lambda path: path.stem)
def test_a_lesson_needs_what_can_be_fetched_and_can_be_solved(path):
    book = read(path)
    assert set(book.metadata.course.get("needs", [])) <= set(__main__.FETCHED)
    assert "### BEGIN SOLUTION" in str(lessons.solve(book, exercises.source)) or path.stem.startswith("11")
