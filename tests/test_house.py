"""House rules of course_utils. Which room may import which is in pyproject.toml; `lint-imports` checks it."""

import ast
import re
from collections import defaultdict

import pytest

from tools.notebooks import ROOT

PACKAGE = ROOT / "course_utils"
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")}
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def test_the_root_holds_few_files():
    assert len(list(PACKAGE.glob("*.py"))) <= 15


@pytest.mark.parametrize("name", ["data.py", "models.py"])
def test_only_the_package_itself_is_a_command(name):
    assert "__main__" not in (PACKAGE / name).read_text(encoding="utf-8")


def test_no_function_hides_an_import_of_the_course():
    hidden = {
        f"{path.relative_to(ROOT)}:{line.lineno}"
        for path, tree in TREES.items()
        for function in ast.walk(tree)
        if isinstance(function, FUNCTIONS)
        for line in ast.walk(function)
        if isinstance(line, ast.Import | ast.ImportFrom) and "course_utils" in ast.unparse(line)
    }
    assert not hidden


def test_no_two_public_things_share_a_name():
    places = defaultdict(list)
    for path, tree in TREES.items():
        for thing in tree.body:
            if (
                isinstance(thing, FUNCTIONS | ast.ClassDef)
                and not thing.name.startswith("_")
                and "bank" not in path.parts
                and not re.fullmatch(r"[a-z]\d+(_\w+)?", path.stem)  # a study, whose face is its STUDIES
            ):
                places[thing.name].append(str(path.relative_to(PACKAGE)))
    assert not {name: files for name, files in places.items() if len(files) > 1}


def lines(pattern, *left_out):
    """The lines of the files of that pattern outside some folders."""
    files = [path for path in PACKAGE.rglob(pattern) if path.relative_to(PACKAGE).parts[0] not in left_out]
    return sum(len(path.read_text(encoding="utf-8").splitlines()) for path in files)


def test_the_house_stays_small():
    assert lines("*.py", "exercises", "studies") < 14_500
    assert lines("*.js") + lines("*.css") < 2_200
    judging = ["engine", "edits", "contracts", "relations", "probes", "bank/*"]
    assert sum(lines(f"exercises/{part}.py") for part in judging) < 5_500
