"""tools/lessons.py and tools/address.py on small notebooks, and what conftest.py needs of nbval."""

import base64
import os
import subprocess
import sys

import pytest
from nbclient.exceptions import CellExecutionError, CellTimeoutError
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from nbval.plugin import IPyNbCell

from course_utils.core import storage
from tools import address, hygiene, lessons
from tools.books import ROOT, paths, read, write

TITLE = "# Doubling\n\n**Measured:** 0 s on 8 CPU cores"
STUB = "def double(x):\n    raise NotImplementedError  # your code: 1 line"
REFERENCE = 'def double(x):\n    """Twice x."""\n    # on both sides\n    y = x + x\n    return y\n'


@pytest.fixture
def root(tmp_path):
    """A course of one lesson."""
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "small"\n\n[project.urls]\n\n[tool.x]\n')
    book = new_notebook(cells=[new_markdown_cell(TITLE), new_code_cell("", metadata={"tags": ["bootstrap"]})])
    book.metadata.course = {"budget": 30, "seconds": 0, "summary": "You double.", "claims": ["N3", "B7"]}
    write(book, tmp_path / "lessons/01_doubling.ipynb")
    return tmp_path


def add(root, *cells):
    """Append cells to the lesson and return its path."""
    path = root / "lessons/01_doubling.ipynb"
    book = read(path)
    book.cells += cells
    write(book, path)
    return path


def test_lessons_are_found_by_the_start_of_their_names(root):
    write(new_notebook(), root / "lessons/00_start.ipynb")
    assert [p.name for p in paths(root)] == ["00_start.ipynb", "01_doubling.ipynb"]
    assert [p.name for p in paths(root, ["01"])] == ["01_doubling.ipynb"]
    assert [p.name for p in paths(root, ["lessons/01_doubling.ipynb"])] == ["01_doubling.ipynb"]
    with pytest.raises(SystemExit, match="no lesson starts with '07'"):
        paths(root, ["07"])


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


def test_a_time_on_a_slow_machine_says_so(root):
    book = read(add(root))
    for seconds, slowness, text in (
        (90, 2.34, "90 s on 2 CPU cores (at 1/2.3 of the usual speed)"),
        (40, 1.2, "40 s on 2 CPU cores"),
    ):
        lessons.stamp_time(book, seconds, slowness)
        assert book.cells[0].source.replace(f"on {os.cpu_count()} CPU", "on 2 CPU").endswith(text)
        assert hygiene.MEASURED.findall(book.cells[0].source) == [str(seconds)]


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


@pytest.mark.parametrize("signal", ["SIGINT", "SIGTERM"])
def test_an_interrupted_run_stores_nothing(signal, root):
    code = f"import os, signal, time\ntry:\n    os.kill(os.getppid(), signal.{signal})\n    time.sleep(60)\n"
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


def test_the_exercises_of_a_lesson_run_without_what_stands_between_them():
    stub, check = ({"nbgrader": hygiene.nbgrader("L01-1", points=points)} for points in (None, 1))
    cells = [
        new_markdown_cell(TITLE),
        new_code_cell("import math\n%time\nslow = math.factorial(9)"),
        new_code_cell("1 / 0"),
        new_code_cell("def double(x):\n    return 2 * x", metadata=stub),
        new_code_cell("from math import pi\nimport math"),
        new_code_cell(hygiene.check_cell("1.1", "def double(x):"), metadata=check),
    ]
    book = lessons.exercises_only(new_notebook(cells=cells, metadata={"course": {"needs": ["imagenet"]}}))
    assert [cell.source for cell in book.cells] == [
        "import math\nfrom math import pi\nfrom course_utils.exercises import check",
        cells[3].source,
        cells[5].source,
    ]
    assert not book.metadata.course


@pytest.mark.parametrize(
    "reference", ["def twice(x):\n    return 2 * x", "def double(y):\n    return 2 * y", "double = 2"]
)
def test_solve_refuses_a_reference_that_does_not_fit_its_stub(reference):
    with pytest.raises(ValueError, match=r"the stub is double\(x\)|expected one function"):
        lessons.solution(STUB, reference)


@pytest.mark.parametrize("ref", ["main", "v1.0"])
def test_badges_are_stamped_once_and_taken_off_without_a_trace(root, ref):
    address.stamp(root, "", "main")  # fills in the bootstrap cell
    files = [root / "pyproject.toml", root / "lessons/01_doubling.ipynb"]
    bare = [path.read_text() for path in files]
    address.stamp(root, "owner/name", ref)
    stamped = [path.read_text() for path in files]
    assert address.current(root) == ("https://github.com/owner/name", ref)
    title, bootstrap = (cell.source for cell in read(files[1]).cells)
    assert title.startswith(
        "# Doubling\n\n[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
    )
    assert f"/github/owner/name/blob/{ref}/lessons/01_doubling.ipynb)" in title
    assert f"/gh/owner/name/{ref}?urlpath=lab/tree/lessons/01_doubling.ipynb)" in title
    assert f'repo, ref = "https://github.com/owner/name", "{ref}"' in bootstrap
    address.stamp(root, *address.current(root))
    assert [path.read_text() for path in files] == stamped
    address.stamp(root, "", "main")
    assert [path.read_text() for path in files] == bare


def test_a_course_that_is_not_on_github_gets_no_badges(root):
    address.stamp(root, "file:///srv/course", "main")
    title, bootstrap = (cell.source for cell in read(paths(root)[0]).cells)
    assert title == TITLE
    assert 'repo, ref = "file:///srv/course", "main"' in bootstrap


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


def test_nbval_still_has_the_attribute_that_conftest_sets():
    assert "output_timeout" in IPyNbCell.__init__.__code__.co_names


def test_pytest_stops_a_lesson_at_its_first_failure(root):
    path = add(root, new_code_cell("x = 1"), new_code_cell("1 / 0"), new_code_cell("x"))
    (root / "conftest.py").write_bytes((ROOT / "conftest.py").read_bytes())
    nbval = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--nbval-lax", "--nbval-current-env", str(path)]
    done = subprocess.run(nbval, cwd=root, capture_output=True, text=True)
    assert done.returncode == 1
    assert "1 failed, 2 passed, 1 skipped" in done.stdout
    assert "lessons/01_doubling.ipynb" in done.stdout.split("seconds per lesson")[1]


def test_a_lesson_lacks_what_it_names_and_nobody_can_fetch(root, monkeypatch):
    from course_utils import faces
    from course_utils.zoo import imagenet

    def fail():
        raise storage.Missing("the weights could not be fetched")

    monkeypatch.setattr(imagenet, "fetch", lambda: None)
    monkeypatch.setattr(faces, "fetch", fail)
    book = read(root / "lessons/01_doubling.ipynb")
    assert lessons.lacking(book) == ""
    book.metadata.course.needs = ["imagenet"]
    assert lessons.lacking(book) == ""
    book.metadata.course.needs = ["imagenet", "faces"]
    assert lessons.lacking(book) == "the weights could not be fetched"

    def refuse():
        raise storage.DamagedFile("the weights are not those of the course")

    monkeypatch.setattr(faces, "fetch", refuse)
    with pytest.raises(storage.DamagedFile):  # no reason to skip
        lessons.lacking(book)


def test_without_weights_a_lesson_says_so_and_keeps_its_stored_outputs(root):
    stored = new_output("stream", name="stdout", text="0.99\n")
    code = "from course_utils import runtime\nraise storage.Missing('no weights here')"
    path = add(root, new_code_cell(code), new_code_cell("print(1)", outputs=[stored]))
    book = read(path)
    with pytest.raises(CellExecutionError):
        lessons.execute(book, path.parent)
    [shown] = book.cells[2].outputs
    assert shown.traceback[0] == "Not here: no weights here" and "Traceback" not in "".join(shown.traceback)
    assert book.cells[3].outputs == [stored]


def test_without_weights_a_lesson_is_skipped_by_nbval(root, tmp_path):
    path = add(root, new_code_cell("raise ValueError"))
    book = read(path)
    book.metadata.course.needs = ["faces"]
    write(book, path)
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "-p", "no:xdist", "--nbval-lax"]
    command += ["--nbval-current-env", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT)]
    command += ["--confcutdir", str(ROOT), "-p", "conftest", str(path)]
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": os.devnull, "TORCH_HOME": str(tmp_path)}
    env = os.environ | offline | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=ROOT)
    assert "2 skipped" in done.stdout and "connect to the internet" in done.stdout, done.stdout + done.stderr
