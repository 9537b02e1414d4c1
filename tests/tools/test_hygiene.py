"""The stored lessons obey the rules of tools/hygiene.py, and each rule notices a lesson that breaks it."""

import ast
import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from course_utils.exercises import desk, grading
from tools import hygiene, lessons, notebooks
from tools.notebooks import ROOT, paths


def sample():
    """A small lesson that obeys every rule, with the address unstamped."""
    title = "# A lesson\n\n**Measured:** 3 s on 2 CPU cores\n\nThreat model: none.\n\n![a dot](dot.png)"
    figure = new_output("display_data", {"image/png": "aGk="}, metadata={"image/png": {"alt": "a dot"}})
    stub = new_code_cell("def double(x):\n    raise NotImplementedError  # your code: 1 line", execution_count=2)
    stub.metadata.update(tags=["exercise"], course={"exercise": "1.3"}, nbgrader=hygiene.nbgrader("L01-3"))
    check = new_code_cell(grading.check_cell("1.3", "double"), execution_count=3)
    check.metadata.update(nbgrader=hygiene.nbgrader("L01-3-check", points=2))
    first = new_code_cell(notebooks.bootstrap_cell("", "main"), execution_count=1)
    first.metadata.update(tags=["bootstrap"])
    task = new_markdown_cell(f"Double it.\n\n**Exercise 1.3** {'★' * desk._find('1.3').stars}")
    last = new_code_cell("ledger.table()", outputs=[figure], execution_count=4)
    last.metadata.update(tags=["picture"])
    course = {"seconds": 3, "summary": "You double.", "claims": ["N3"]}
    return nbformat.v4.new_notebook(
        cells=[new_markdown_cell(title), first, task, stub, check, last], metadata={"course": course}
    )


def complaints(book, folder):
    path = folder / "01_sample.ipynb"
    nbformat.write(book, path)
    return hygiene.complaints(path, "", "main")


@pytest.mark.parametrize("path", paths(), ids=lambda path: path.stem)
def test_a_stored_lesson_obeys_every_rule(path):
    assert hygiene.complaints(path, *notebooks.address()) == []


def test_the_sample_obeys_every_rule(tmp_path):
    assert complaints(sample(), tmp_path) == []


def edit(cell, **changes):
    """A change of one cell's source, outputs, count or metadata."""

    def apply(book):
        for name, value in changes.items():
            if name == "metadata":
                book.cells[cell].metadata.update(value)
            else:
                book.cells[cell][name] = value

    return apply


def shows(**kwargs):
    return edit(5, outputs=[new_output(**kwargs)])


BROKEN = {
    "not a valid notebook": edit(5, outputs=[{"output_type": "nonsense"}]),
    "counts are not 1..n": edit(5, execution_count=7),
    "stores an error: ValueError": shows(output_type="error", ename="ValueError", evalue="", traceback=[]),
    "printed to stderr": shows(output_type="stream", name="stderr", text="warning"),
    "is marked raises-exception": edit(5, metadata={"tags": ["picture", "raises-exception"]}),
    "is marked nbval-skip": edit(5, source="# NBVAL_SKIP\nledger.show()"),
    "metadata.widgets": lambda book: book.metadata.update(widgets={}),
    "only this machine has: /home/ada": shows(output_type="stream", name="stdout", text="in\n/home/ada/x"),
    "only this machine has: at 0x7f2a": shows(output_type="stream", name="stdout", text="<f at 0x7f2a00ff>"),
    "image/png without alt text": shows(output_type="display_data", data={"image/png": "aGk="}),
    "image in the text has no alt text": edit(0, source="# A lesson\n\n![](dot.png)"),
    "needs one H1": edit(0, source="# A lesson\n\n# Another"),
    "does not parse": edit(5, source="ledger.table("),
    "has 21 lines of code": edit(5, source="ledger\n" * 21),
    "installs packages": edit(5, source="!pip install ledger"),
    "metadata.course.summary is not a str": lambda book: book.metadata.course.pop("summary"),
    "names 'N33', which is no claim": lambda book: book.metadata.course.update(claims=["N33"]),
    "and states [3]": lambda book: book.metadata.course.update(seconds=4),
    'one cell tagged "picture"': edit(5, metadata={"tags": []}),
    "bootstrap cell is not the one": edit(1, source="import course_utils"),
    "is not its first code cell": lambda book: book.cells.insert(1, book.cells.pop(5)),
    "badges are not those": edit(0, source="# A lesson\n\n[![Open](x)](y)"),
    "belong together": edit(3, metadata={"tags": []}),
    "one stub and then one check": edit(4, source="double(2)"),
    "and to no other cell": edit(5, metadata={"nbgrader": {}}),
    "'2.3' is not numbered 1.n": edit(3, metadata={"course": {"exercise": "2.3"}}),
    "the stub of 1.3 needs": edit(3, metadata={"nbgrader": {"grade_id": "x"}}),
    "the text before the stub of 1.3": edit(2, source="Double it.\n\n**Exercise 1.3** ★★★★"),
    "the check of 1.3 needs metadata": edit(4, metadata={"nbgrader": {"grade_id": "x"}}),
    "the check of 1.3 needs these lines": edit(4, source='double = check("1.3", double)'),
    "no other name that a learner can rebind": lambda book: book.cells[4].update(
        source=book.cells[4].source + "\ndata"
    ),
    "needs these lines, and": edit(4, source='from course_utils.exercises import check\n\nhalf = check("1.3", double)'),
    "names no threat model": edit(0, source="# A lesson"),
    "no row of the claims ledger": edit(5, source="show()"),
    "is larger than": edit(0, source="# A lesson\n" + "x" * hygiene.LARGEST_FILE),
}


@pytest.mark.parametrize("message", BROKEN)
def test_a_broken_rule_is_noticed(message, tmp_path):
    book = sample()
    BROKEN[message](book)
    path = tmp_path / "01_sample.ipynb"
    path.write_text(json.dumps(book))
    assert any(message in complaint for complaint in hygiene.complaints(path, "", "main"))


def test_an_unstamped_lesson_is_noticed_once_the_course_has_an_address(tmp_path):
    path = tmp_path / "01_sample.ipynb"
    nbformat.write(sample(), path)
    found = hygiene.complaints(path, "https://github.com/owner/name", "main")
    assert len(found) == 2 and "bootstrap cell" in found[0] and "badges" in found[1]


def test_the_bootstrap_cell_is_at_most_12_lines_of_the_standard_library():
    cell = notebooks.bootstrap_cell("https://github.com/owner/name", "main")
    assert len(cell.splitlines()) <= 12
    imported = {node.names[0].name for node in ast.walk(ast.parse(cell)) if isinstance(node, ast.Import)}
    imported |= {node.module for node in ast.walk(ast.parse(cell)) if isinstance(node, ast.ImportFrom)}
    assert imported == {"sys", "importlib.util", "os"}


def test_the_lesson_table_and_its_pictures_are_fresh():
    rows, pictures = lessons.table()
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert readme == lessons.with_table(readme, rows), "run: python tools/lessons.py table"
    stored = {path: path.read_bytes() for path in (ROOT / "lessons/pictures").glob("*.png")}
    stale = sorted(path.name for path in stored | pictures if stored.get(path) != pictures.get(path))
    assert not stale, "run: python tools/lessons.py table"
