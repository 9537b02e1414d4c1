"""Lessons as files: find, read and write them."""

from pathlib import Path

import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[1]


def paths(root: Path = ROOT, names: list[str] | None = None) -> list[Path]:
    """The lessons in their order; ``names`` keeps those whose file name starts with one of them.

    Raises:
        SystemExit: a name fits no lesson.
    """
    found = sorted((root / "lessons").glob("*.ipynb"))
    for name in names or []:
        if not any(path.name.startswith(Path(name).name) for path in found):
            raise SystemExit(f"no lesson starts with {name!r} in {root / 'lessons'}")
    return [p for p in found if not names or any(p.name.startswith(Path(name).name) for name in names)]


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def write(book: NotebookNode, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(book, path)
