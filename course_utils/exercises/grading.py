"""Points for a notebook's exercises, without running the lesson: ``grade("02_szegedy.ipynb")``.

From a shell, a line of JSON for each notebook: ``python -m course_utils.exercises *.ipynb``

An answer is judged by the course that is installed here, not by the notebook's own check cells, so nothing that a
notebook rebinds counts. It runs in a process of its own, which is ended when its time is up, whatever it waits for. Of
the other cells only imports, definitions and plain constants are run: an answer that needs what the lesson computes
does not stand alone. It is no jail: the code has your own rights on this computer; take a container for strangers.
"""

import ast
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from course_utils.exercises import desk
from course_utils.exercises.engine import Exercise, NotYet

CHECK = re.compile(r"""(?m)^\w+ = check\(\s*["']([\d.]+)["']""")
STARTUP = 120  # seconds for a process to start and to import torch
LOOK = 0.05


def grade(notebook: str | Path, *, seconds: float = 60.0) -> dict[str, Any]:
    """What each exercise of a notebook earns, as data that goes into JSON.

    Args:
        notebook: a lesson's file, with the learner's answers.
        seconds: for one exercise; an answer that takes longer is stopped.

    Returns:
        ``{"notebook", "points", "of", "exercises": {id: {"points", "of", "state", "message", "locked"}}}``. The state
        is "right", "not yet", "not attempted", "stopped" or "missing"; ``locked`` is False where the check cell is not
        as the course wrote it. The points are those of the check cell's nbgrader metadata, otherwise the stars.

    Raises:
        ValueError: the file is no notebook of the course.
    """
    path = Path(notebook)
    cells = _cells(path)
    checks = {id: cell for cell in cells for id in CHECK.findall(cell["source"])}
    lessons = {id.partition(".")[0] for id in checks} | set(re.findall(r"^0?(\d+)_", path.name))
    exercises = [each for each in desk.every() if each.id.partition(".")[0] in lessons]
    if not exercises:
        raise ValueError(f'{path} has no check of an exercise in it, such as fgsm = check("3.1", fgsm)')
    found = _in_processes(path, [each.id for each in exercises], seconds)
    graded = {}
    for each in exercises:
        cell = checks.get(each.id, {"source": "", "metadata": {}})
        of = cell["metadata"].get("nbgrader", {}).get("points", each.stars)
        state, message = found[each.id]
        graded[each.id] = {
            "points": of if state == "right" else 0,
            "of": of,
            "state": state,
            "message": message,
            "locked": cell["source"].strip() == check_cell(each.id, each.reference.__name__),
        }
    points, of = (sum(each[key] for each in graded.values()) for key in ("points", "of"))
    return {"notebook": str(path), "points": points, "of": of, "exercises": graded}


def check_cell(exercise: str, name: str) -> str:
    """The source of an exercise's check. It imports afresh what a cell before it may have rebound.

    >>> print(check_cell("1.3", "softmax"))
    from course_utils.exercises import check
    <BLANKLINE>
    softmax = check("1.3", softmax)
    """
    return f'from course_utils.exercises import check\n\n{name} = check("{exercise}", {name})'


def _cells(path):
    """The code cells of a notebook, each with its source as one text."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = [cell for cell in cells if cell["cell_type"] == "code"]
        return [cell | {"source": "".join(cell["source"])} for cell in code]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no notebook: {type(error).__name__}: {error}") from None


def _in_processes(path, ids, seconds):
    """State and message of each exercise; a process that hangs at one is ended, and the next begins after it."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        while left := [id for id in ids if id not in found]:
            file = Path(folder) / f"{left[0]}.jsonl"
            file.touch()
            command = [sys.executable, "-m", "course_utils.exercises", "--judge", str(file), str(path), *left]
            environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "MPLBACKEND": "agg"}
            quiet = dict(stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            with subprocess.Popen(command, env=environment, **quiet) as worker:
                until, told = time.monotonic() + STARTUP, 0
                try:
                    while worker.poll() is None and time.monotonic() < until:
                        time.sleep(LOOK)
                        if len(lines := file.read_text(encoding="utf-8").splitlines()) > told:
                            until, told = time.monotonic() + seconds, len(lines)
                finally:
                    ended = worker.poll() is not None
                    worker.kill()
            for line in file.read_text(encoding="utf-8").splitlines()[1:]:
                with contextlib.suppress(ValueError):  # the last one may be cut off
                    id, state, message = json.loads(line)
                    found[id] = state, message
            if (hung := next((id for id in left if id not in found), None)) is not None:
                why = "it ended the process that judges it" if ended else f"stopped after {seconds:g} s"
                found[hung] = "stopped", why
    return found


def work(file: str, path: str, ids: list[str]) -> None:
    """In the process of its own: judge these exercises, a line for each, after one that says that it has begun."""
    cells = _cells(Path(path))
    with open(file, "a", encoding="utf-8", buffering=1) as told:
        told.write("begun\n")
        for id in ids:
            told.write(json.dumps([id, *_judged(desk._find(id), cells)]) + "\n")


def _judged(exercise: Exercise, cells: list[dict]) -> tuple[str, str]:
    name = exercise.reference.__name__
    own = [i for i, cell in enumerate(cells) if cell["metadata"].get("course", {}).get("exercise") == exercise.id]
    if not own:
        return "missing", f"there is no cell of exercise {exercise.id}"
    names = {"__name__": "__main__"}
    for cell in cells[: own[0]]:
        for statement in _statements(cell["source"]):
            if _is_definition(statement):
                with contextlib.suppress(Exception):
                    _run([statement], names)
    names.pop(name, None)
    try:
        _run(_statements(cells[own[0]]["source"], strict=True), names)
        if name not in names:
            return "missing", f"the cell of exercise {exercise.id} defines no `{name}`"
        if desk._is_ours(names[name], exercise):
            return "not attempted", "this is the reference itself"
        exercise.examine(names[name])
    except NotImplementedError:
        return "not attempted", ""
    except (NotYet, Exception) as error:
        return "not yet", str(error) if isinstance(error, NotYet) else f"{type(error).__name__}: {error}"
    with contextlib.suppress(NotYet):
        exercise.examine(lambda *given, **named: None)
        return "not yet", "the checks themselves were changed by this notebook: they take anything for right"
    return "right", ""


def _statements(source, strict=False):
    lines = [line for line in source.splitlines() if not line.lstrip().startswith(("%", "!"))]
    try:
        return ast.parse("\n".join(lines)).body
    except SyntaxError:
        if strict:
            raise
        return []


def _is_definition(statement: ast.stmt) -> bool:
    """Whether a statement costs nothing: an import, a function, a class, or a name for what needs no call."""
    if isinstance(statement, ast.Assign):
        return not any(isinstance(part, ast.Call) for part in ast.walk(statement.value))
    return isinstance(statement, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef)


def _run(statements, names):
    exec(compile(ast.Module(statements, []), "<the notebook>", "exec"), names)
