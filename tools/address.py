"""The address of the course: one line of pyproject.toml, and from there the badges and first cells of the lessons."""

import re
from pathlib import Path

from course_utils import bootstrap
from tools.books import ROOT, paths, read, write

GITHUB = "https://github.com/"
NO_ADDRESS = "no address"
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


def bootstrap_cell(repo: str, ref: str) -> str:
    """The first code cell of a lesson."""
    return BOOTSTRAP.format(repo=repo or NO_ADDRESS, ref=ref)


def current(root: Path = ROOT) -> tuple[str, str]:
    """Where the course can be cloned from and at which ref: ``("", "main")`` where no address is stamped.

    ``pyproject.toml`` holds both in the one URL ``Repository``, a ref other than main as ``.../tree/REF``.
    """
    url = bootstrap.pyproject(root)["project"].get("urls", {}).get("Repository", "")
    repo, _, ref = url.partition("/tree/")
    return repo, ref or "main"


def stamp(root: Path, repo: str, ref: str) -> None:
    """Write the address into ``pyproject.toml`` and every lesson; an empty ``repo`` removes it."""
    repo = repo if not repo or "://" in repo else GITHUB + repo
    line = f'Repository = "{repo}{"" if ref == "main" else f"/tree/{ref}"}"\n' if repo else ""
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
    return "\n".join([head, *(["", line] if line else []), *([rest] if rest else [])])
