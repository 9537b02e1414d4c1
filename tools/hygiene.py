"""What a stored lesson must be: one rule a function, each yielding what is wrong, so that silence means clean."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from tools import notebooks

MACHINE_TRACE = re.compile(
    r"(?<![\w.~/-])/(?:home|root|work|tmp|Users|private)/[\w.-]+|[A-Z]:\\Users|\bat 0x[0-9a-fA-F]{6,}"
)
MEASURED = re.compile(r"\*\*Measured:\*\* (\d+) s on \d+ CPU cores")
MARKDOWN_IMAGE = re.compile(r"!\[([^\]]*)\]\(|<img\b([^>]*)>")
CHECK = re.compile(r"\bcheck\(\"([^\"]+)\"")
NBVAL = re.compile(r"(?m)^\s*#\s*(NBVAL_\w+)\s*$")
HIDING = {"nbval-skip", "nbval-raises-exception", "raises-exception", "skip-execution"}
LONGEST_CELL, LARGEST_FILE = 20, 1_000_000


def code_cells(book: NotebookNode) -> Iterator[tuple[str, NotebookNode]]:
    for index, cell in enumerate(book.cells):
        if cell.cell_type == "code":
            yield f"cell {index}", cell


def prose(book: NotebookNode) -> str:
    return "\n\n".join(cell.source for cell in book.cells if cell.cell_type == "markdown")


def tagged(book: NotebookNode, tag: str) -> list[NotebookNode]:
    return [cell for cell in book.cells if tag in cell.metadata.get("tags", [])]


def python(source: str) -> str:
    """The source with IPython's own lines (%magic, !command) as ``pass``."""
    return re.sub(r"(?m)^(\s*)[%!].*$", r"\1pass", source)


# What every notebook must be. --------------------------------------------------------------------


def valid(book: NotebookNode) -> Iterator[str]:
    try:
        nbformat.validate(book)
    except nbformat.ValidationError as error:
        yield f"not a valid notebook: {error.message}"


def run_in_order(book: NotebookNode) -> Iterator[str]:
    counts = [cell.execution_count for _, cell in code_cells(book)]
    if counts != list(range(1, len(counts) + 1)):
        yield "execution counts are not 1..n: run it with tools/lessons.py run"


def clean_outputs(book: NotebookNode) -> Iterator[str]:
    for where, cell in code_cells(book):
        for output in cell.outputs:
            if output.output_type == "error":
                yield f"{where} stores an error: {output.ename}"
            if output.get("name") == "stderr":
                yield f"{where} stores what was printed to stderr"


def nothing_hidden(book: NotebookNode) -> Iterator[str]:
    """No cell that nbval or nbclient would skip, or let fail."""
    for where, cell in code_cells(book):
        marks = {*cell.metadata.get("tags", []), *(m.lower().replace("_", "-") for m in NBVAL.findall(cell.source))}
        for mark in sorted(marks & HIDING):
            yield f"{where} is marked {mark}, so that no test sees it fail"


def no_widget_state(book: NotebookNode) -> Iterator[str]:
    if "widgets" in book.metadata:
        yield "metadata.widgets is stored: GitHub will not render the lesson"


def machine_traces(book: NotebookNode) -> Iterator[str]:
    for index, cell in enumerate(book.cells):
        texts = [cell.source]
        for output in cell.get("outputs", []):
            texts.append(output.get("text", ""))
            texts += [str(v) for kind, v in output.get("data", {}).items() if not kind.startswith("image/")]
        for trace in re.findall(MACHINE_TRACE, "\n".join(texts)):
            yield f"cell {index} holds what only this machine has: {trace}"


def alt_text(book: NotebookNode) -> Iterator[str]:
    for where, cell in code_cells(book):
        for output in cell.outputs:
            for kind in output.get("data", {}):
                if kind.startswith("image/") and not output.metadata.get(kind, {}).get("alt", "").strip():
                    yield f"{where} shows an {kind} without alt text"
    for alt, attributes in MARKDOWN_IMAGE.findall(prose(book)):
        if not alt.strip() and not re.search(r"""\balt=["'][^"']""", attributes):
            yield "an image in the text has no alt text"


def one_title(book: NotebookNode) -> Iterator[str]:
    titles = re.findall(r"(?m)^# .*", re.sub(r"(?s)```.*?```", "", prose(book)))
    if len(titles) != 1 or not book.cells[0].source.startswith("# "):
        yield f"needs one H1, in its first line, and has: {titles}"


def readable_code(book: NotebookNode) -> Iterator[str]:
    for where, cell in code_cells(book):
        try:
            ast.parse(python(cell.source))
        except SyntaxError as error:
            yield f"{where} does not parse: {error.msg}"
        lines = [line for line in cell.source.splitlines() if line.strip() and not line.strip().startswith("#")]
        if len(lines) > LONGEST_CELL:
            yield f"{where} has {len(lines)} lines of code, more than {LONGEST_CELL}"
        if re.search(r"(?m)^\s*[%!]\s*(pip|conda|apt)\b", cell.source):
            yield f"{where} installs packages: that is the bootstrap cell's task"


# What makes it a lesson of this course. ----------------------------------------------------------


def course_metadata(book: NotebookNode) -> Iterator[str]:
    course = book.metadata.get("course", {})
    for key, kind in {"seconds": int, "summary": str, "claims": list}.items():
        if not isinstance(course.get(key), kind):
            yield f"metadata.course.{key} is not a {kind.__name__}"
    from course_utils.studies import RULES

    known = {row.partition("-")[0] for row in RULES}
    for claim in course.get("claims", []):
        if claim not in known:
            yield f"metadata.course.claims names {claim!r}, which is no claim"
    stated = [int(seconds) for seconds in MEASURED.findall(prose(book))]
    if stated != [course.get("seconds")]:
        yield f"needs one line '**Measured:** {course.get('seconds')} s on 2 CPU cores', and states {stated}"
    if len(tagged(book, "picture")) != 1:
        yield 'needs one cell tagged "picture", the source of its picture in the README'


def feeds_the_argument(book: NotebookNode) -> Iterator[str]:
    if "threat model" not in prose(book).lower():
        yield "names no threat model"
    if not any("ledger" in cell.source for _, cell in code_cells(book)):
        yield "feeds no row of the claims ledger"


def addressed(book: NotebookNode, name: str, repo: str, ref: str) -> Iterator[str]:
    """The bootstrap cell and the badges are what ``make badges`` would write."""
    cells = tagged(book, "bootstrap")
    if [cell.source for cell in cells] != [notebooks.bootstrap_cell(repo, ref)]:
        yield "its bootstrap cell is not the one of tools/notebooks.py"
    if cells and cells[0] is not next(cell for _, cell in code_cells(book)):
        yield "its bootstrap cell is not its first code cell"
    title = book.cells[0].source
    if title != notebooks.with_badges(title, notebooks.badges(name, repo, ref)):
        yield "its badges are not those of the address in pyproject.toml"


def exercise_cells(book: NotebookNode, number: str) -> Iterator[str]:
    """Each exercise is a stub and then a graded check, both marked as nbgrader's schema 3 asks."""
    from course_utils import exercises  # with torch, for which conftest.py has to choose the threads first

    marked = [cell for cell in book.cells if "exercise" in cell.metadata.get("course", {})]
    if marked != tagged(book, "exercise"):
        yield 'metadata.course.exercise and the tag "exercise" belong together, on each stub'
    stubs = {cell.metadata.course.exercise: cell for cell in marked}
    checks = {name: cell for _, cell in code_cells(book) for name in re.findall(CHECK, cell.source)}
    if len(stubs) < len(marked) or list(stubs) != list(checks):
        yield f"each exercise needs one stub and then one check; there are {list(stubs)} and {list(checks)}"
    graded = [cell for cell in book.cells if "nbgrader" in cell.metadata]
    if len(graded) != len(stubs) + len(checks):
        yield "metadata.nbgrader belongs to each stub and each check, and to no other cell"
    stars = {each.id: f"**Exercise {each.id}** {'★' * each.stars}" for each in exercises.every()}
    for name, stub in stubs.items():
        if not (before := book.cells[book.cells.index(stub) - 1].source).endswith(stars.get(name, "")):
            yield f"the text before the stub of {name} has to end in {stars[name]!r}, not {before.splitlines()[-1]!r}"
        if not re.fullmatch(rf"{int(number)}\.\d+", name):
            yield f"exercise {name!r} is not numbered {int(number)}.n"
        grade_id = f"L{number}-{name.split('.')[-1]}"
        if stub.metadata.get("nbgrader") != nbgrader(grade_id):
            yield f"the stub of {name} needs metadata.nbgrader = {nbgrader(grade_id)}"
        found = checks[name].metadata.get("nbgrader", {}) if name in checks else {}
        wanted = nbgrader(f"{grade_id}-check", points=found.get("points", 1))
        if found != wanted:
            yield f"the check of {name} needs metadata.nbgrader = {wanted}"
        wanted = exercises.grading.check_cell(name, next(iter(re.findall(r"(?m)^def (\w+)", stub.source)), ""))
        if name in checks and checks[name].source != wanted:
            yield f"the check of {name} needs these lines, and no other name that a learner can rebind:\n{wanted}"


def nbgrader(grade_id: str, points: int | None = None) -> dict:
    """The metadata of a stub, or of a graded check where there are points."""
    graded = points is not None
    marks = {"schema_version": 3, "grade_id": grade_id, "grade": graded, "solution": not graded, "locked": graded}
    return marks | {"task": False} | ({"points": points} if graded else {})


GENERAL = [valid, run_in_order, clean_outputs, nothing_hidden, no_widget_state]
GENERAL += [machine_traces, alt_text, one_title, readable_code]


def complaints(path: Path, repo: str, ref: str) -> list[str]:
    """Everything that is wrong with a stored lesson."""
    book, number = nbformat.read(path, as_version=4), path.name[:2]
    found = [trip for rule in GENERAL for trip in rule(book)]
    found += [*course_metadata(book), *addressed(book, path.name, repo, ref), *exercise_cells(book, number)]
    if number != "00":
        found += feeds_the_argument(book)
    if path.stat().st_size > LARGEST_FILE:
        found.append(f"is larger than {LARGEST_FILE} bytes")
    return found
