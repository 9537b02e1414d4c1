"""Run, solve, stamp and list the lessons.

usage: python tools/lessons.py run [01 ...]   execute lessons from scratch and store outputs, counts and times
       python tools/lessons.py solve          write every lesson with its reference solutions to build/solved/
       python tools/lessons.py badges         write badges and first cells, from the address in pyproject.toml
       python tools/lessons.py badges --repo owner/name [--ref TAG]   the same after setting the address
       python tools/lessons.py badges --unstamp                       the same after removing it
       python tools/lessons.py table          write the lesson table of README.md and its pictures
"""

import argparse
import ast
import base64
import os
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tools import hygiene, notebooks  # noqa: E402
from tools.notebooks import paths, read, write  # noqa: E402

PROGRESS_BAR = re.compile(r"\d+%\||\d+it \[")
WIDGET = "application/vnd.jupyter.widget-view+json"
OUTPUT_TIMEOUT = 60  # seconds in which the outputs of a cell that has run must come, on a slow machine too


def execute(book: NotebookNode, folder: Path, kernel: str = "python3") -> float:
    """Run a notebook in place, in a fresh kernel with an empty ``COURSE_HOME`` and without a front end.

    Returns the seconds that it took, the start of the kernel included.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell failed.
        nbclient.exceptions.CellTimeoutError: a cell, or its output, did not come to its end in time.
    """
    from nbclient import NotebookClient

    client = NotebookClient(
        book,
        timeout=600,
        iopub_timeout=OUTPUT_TIMEOUT,
        raise_on_iopub_timeout=True,
        kernel_name=kernel,
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
    )

    def stop(**_):  # the client answers an interrupt by ending the kernel; a cell that catches it would end as usual
        if client.km.shutting_down:
            raise KeyboardInterrupt

    client.on_cell_executed = stop
    with tempfile.TemporaryDirectory() as home:
        env = os.environ | {"COURSE_STATIC": "1", "COURSE_HOME": home}
        before = time.perf_counter()
        client.execute(env=env)
    return time.perf_counter() - before


def lacking(book: NotebookNode) -> str:
    """Why a lesson cannot run here, "" if it can: what ``metadata.course.needs`` names is fetched if it is not here."""
    needs = book.metadata.get("course", {}).get("needs", [])
    if needs:
        from course_utils.__main__ import FETCHED
        from course_utils.core import storage
    for name in needs:
        try:
            FETCHED[name]()
        except storage.Missing as error:
            return str(error)
    return ""


def run(path: Path) -> list[str]:
    """Execute a lesson and store it; return notes on what it printed to stderr, which is not stored."""
    book = read(path)
    seconds = round(execute(book, path.parent))
    notes = tidy(book)
    stamp_time(book, seconds)
    if trips := [*hygiene.machine_traces(book)]:
        raise SystemExit(f"{path.name} was not stored:\n" + "\n".join(trips))
    write(book, path)
    return notes


def tidy(book: NotebookNode) -> list[str]:
    """Drop what differs from run to run or shows nothing on the web; return what else went to stderr."""
    notes = []
    for index, cell in enumerate(book.cells):
        cell.metadata.pop("execution", None)
        if cell.cell_type != "code":
            continue
        noise = [o for o in cell.outputs if o.get("name") == "stderr"]
        lines = [line for o in noise for line in re.split(r"[\r\n]+", o.text) if line.strip()]
        notes += [f"cell {index} on stderr: {line}" for line in lines if not PROGRESS_BAR.search(line)]
        cell.outputs = [o for o in cell.outputs if o not in noise and WIDGET not in o.get("data", {})]
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    course = book.metadata.get("course", {})
    book.metadata = nbformat.from_dict({"course": course, "kernelspec": kernel, "language_info": {"name": "python"}})
    return notes


def stamp_time(book: NotebookNode, seconds: int) -> None:
    """Write the measured time into the metadata and into the line that states it."""
    book.metadata.setdefault("course", NotebookNode()).seconds = seconds
    stated = f"**Measured:** {seconds} s on {os.cpu_count()} CPU cores"
    for cell in book.cells:
        if cell.cell_type == "markdown":
            cell.source = hygiene.MEASURED.sub(stated, cell.source)


def solve(book: NotebookNode, source) -> NotebookNode:
    """Put ``source(exercise)`` in the place of each stub, between nbgrader's marks, and clear all outputs."""
    for cell in book.cells:
        if exercise := cell.metadata.get("course", {}).get("exercise"):
            cell.source = solution(cell.source, source(exercise))
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return book


def solution(stub: str, reference: str) -> str:
    """The reference function with nbgrader's marks around its body.

    Raises:
        ValueError: stub and reference are not one function each, with the same name and parameters.
    """
    heads = [_head(text) for text in (stub, reference)]
    if heads[0] != heads[1]:
        raise ValueError(f"the stub is {heads[0]} and its reference {heads[1]}")
    function, lines = _function(reference), reference.rstrip().splitlines()
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    first, indent = body[0].lineno - 1, " " * body[0].col_offset
    while lines[first - 1].strip().startswith("#"):
        first -= 1
    marks = f"{indent}### BEGIN SOLUTION", f"{indent}### END SOLUTION"
    return "\n".join([*lines[:first], marks[0], *lines[first:], marks[1]])


def _function(text: str) -> ast.FunctionDef:
    found = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    if len(found) != 1:
        raise ValueError(f"expected one function, found {len(found)}:\n{text}")
    return found[0]


def _head(text: str) -> str:
    function = _function(text)
    return f"{function.name}({', '.join(a.arg for a in ast.walk(function.args) if isinstance(a, ast.arg))})"


MARKS = "<!-- lessons -->", "<!-- /lessons -->"


def table(root: Path = ROOT) -> tuple[str, dict[Path, bytes]]:
    """The lesson table in Markdown, and the contents of the picture files that it shows."""
    rows = ["| | Lesson | What you do | Claims | Runs in |", "|---|---|---|---|---|"]
    pictures = {}
    for path in paths(root):
        book, number = read(path), path.name[:2]
        course = book.metadata.course
        title = book.cells[0].source.splitlines()[0].lstrip("# ")
        png, alt = picture(book, path.stem)
        pictures[root / f"lessons/pictures/{number}.png"] = png
        image = f'<img src="lessons/pictures/{number}.png" width="220" alt="{alt}">'
        claims = ", ".join(course.claims)
        lesson = f"[{title}](lessons/{path.name})"
        rows.append(f"| {image} | {lesson} | {course.summary} | {claims} | {course.seconds} s |")
    return "\n".join(rows), pictures


def picture(book: NotebookNode, name: str) -> tuple[bytes, str]:
    """The figure of the cell tagged "picture", and its alt text.

    Raises:
        ValueError: there is no such figure.
    """
    for cell in book.cells:
        if "picture" in cell.metadata.get("tags", []):
            for output in cell.outputs:
                if "image/png" in output.get("data", {}):
                    alt = output.metadata["image/png"]["alt"].replace('"', "&quot;")
                    return base64.b64decode(output.data["image/png"]), alt
    raise ValueError(f'{name}: no figure in a cell tagged "picture"')


def with_table(readme: str, rows: str) -> str:
    before, _, rest = readme.partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    return f"{before}{MARKS[0]}\n{rows}\n{MARKS[1]}{after}"


def main() -> None:
    ask = argparse.ArgumentParser(usage=__doc__.partition("usage: ")[2])
    commands = ask.add_subparsers(dest="command", required=True)
    commands.add_parser("run").add_argument("lessons", nargs="*")
    commands.add_parser("solve")
    badge = commands.add_parser("badges")
    which = badge.add_mutually_exclusive_group()
    which.add_argument("--repo")
    which.add_argument("--unstamp", dest="repo", action="store_const", const="")
    badge.add_argument("--ref", default="main")
    commands.add_parser("table")
    asked = ask.parse_args()

    if asked.command == "run":
        from course_utils import runtime

        for path in paths(names=asked.lessons):
            print(path.stem, flush=True)
            for note in run(path):
                runtime.say(f"    {note}")
    elif asked.command == "solve":
        from course_utils import exercises

        folder = ROOT / "build/solved"
        shutil.rmtree(folder, ignore_errors=True)  # a lesson that is gone is not run again
        for path in paths():
            write(solve(read(path), exercises.source), folder / path.name)
    elif asked.command == "badges":
        notebooks.stamp(ROOT, *(notebooks.address() if asked.repo is None else (asked.repo, asked.ref)))
    else:
        rows, pictures = table()
        readme = ROOT / "README.md"
        readme.write_text(with_table(readme.read_text(encoding="utf-8"), rows), encoding="utf-8")
        for path, png in pictures.items():
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(png)


if __name__ == "__main__":
    main()
