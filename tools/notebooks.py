"""Lessons as files: find, read and write them, and stamp them with the address of the course."""

import re
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from course_utils import bootstrap

ROOT = Path(__file__).resolve().parents[1]
GITHUB = "https://github.com/"
BOOTSTRAP = """\
import sys  # this cell does nothing where the course is installed; alone, as in Colab, it fetches the course
from importlib.util import find_spec
from os import path, system

if not find_spec("course_utils"):
    repo, ref = "{repo}", "{ref}"
    root = next((r for r in (".", "..", "../..") if path.isdir(f"{{r}}/course_utils")), "deep-flaw")
    if not path.isdir(root) and system(f'git clone -qb {{ref}} --depth 1 -c advice.detachedHead=0 "{{repo}}" {{root}}'):
        raise SystemExit(f"Cannot fetch the course ({{repo}}). Open this lesson inside a copy of the whole course.")
    sys.path.insert(0, path.abspath(root))
    if root == "deep-flaw":
        __import__("course_utils.bootstrap").bootstrap.install_missing()"""


def paths(root: Path = ROOT, names: list[str] | None = None) -> list[Path]:
    """The lessons in their order; ``names`` keeps those whose file name starts with one of them.

    Raises:
        SystemExit: a name fits no lesson.
    """
    found = sorted((root / "lessons").glob("*.ipynb"))
    if not names:
        return found
    for name in names:
        if not any(path.name.startswith(Path(name).name) for path in found):
            raise SystemExit(f"no lesson starts with {name!r} in {root / 'lessons'}")
    return [path for path in found if path.name.startswith(tuple(Path(name).name for name in names))]


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def write(book: NotebookNode, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(book, path)


def bootstrap_cell(repo: str, ref: str) -> str:
    """The first code cell of a lesson."""
    return BOOTSTRAP.format(repo=repo or "no address", ref=ref)


def address(root: Path = ROOT) -> tuple[str, str]:
    """Where the course can be cloned from and at which ref: ``("", "main")`` where no address is stamped.

    ``pyproject.toml`` holds both in the one URL ``Repository``, a ref other than main as ``.../tree/REF``.
    """
    url = bootstrap.pyproject(root)["project"].get("urls", {}).get("Repository", "")
    repo, _, ref = url.partition("/tree/")
    return repo, ref or "main"


def stamp(root: Path, repo: str, ref: str) -> None:
    """Write the address into ``pyproject.toml`` and every lesson; an empty ``repo`` removes it."""
    repo = repo if not repo or "://" in repo else GITHUB + repo
    url = repo if ref == "main" else f"{repo}/tree/{ref}"
    line = f'Repository = "{url}"\n' if repo else ""
    path = root / "pyproject.toml"
    text = re.sub(r"(?m)^Repository = .*\n", "", path.read_text(encoding="utf-8"))
    path.write_text(text.replace("[project.urls]\n", "[project.urls]\n" + line), encoding="utf-8")
    for lesson in paths(root):
        book = read(lesson)
        for cell in book.cells:
            if "bootstrap" in cell.metadata.get("tags", []):
                cell.source = bootstrap_cell(repo, ref)
        book.cells[0].source = with_badges(book.cells[0].source, badges(lesson.name, repo, ref))
        write(book, lesson)


def badges(name: str, repo: str, ref: str) -> str:
    """The badge line of a lesson; empty for a course that is not on GitHub, which neither service could open."""
    if not repo.startswith(GITHUB):
        return ""
    course, lesson = repo.removeprefix(GITHUB).removesuffix(".git"), f"lessons/{name}"
    colab = f"https://colab.research.google.com/github/{course}/blob/{ref}/{lesson}"
    binder = f"https://mybinder.org/v2/gh/{course}/{ref}?urlpath=lab/tree/{lesson}"
    return (
        f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({colab}) "
        f"[![Open in Binder](https://mybinder.org/badge_logo.svg)]({binder})"
    )


def with_badges(title: str, line: str) -> str:
    """The title cell with this badge line, or none, under its first line."""
    head, _, rest = re.sub(r"\n+\[!\[.*", "", title, count=1).partition("\n")
    parts = [head]
    if line:
        parts += ["", line]
    if rest:
        parts.append(rest)
    return "\n".join(parts)
