"""Lessons are found, read and written, and stamped with the address of the course."""

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tools import notebooks
from tools.notebooks import paths, read, write

TITLE = "# Doubling\n\nWhat is twice as much?"


@pytest.fixture
def root(tmp_path):
    """A course of one lesson."""
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "small"\n\n[project.urls]\n\n[tool.x]\n')
    book = new_notebook(cells=[new_markdown_cell(TITLE), new_code_cell("", metadata={"tags": ["bootstrap"]})])
    write(book, tmp_path / "lessons/01_doubling.ipynb")
    return tmp_path


def test_lessons_are_found_by_the_start_of_their_names(root):
    write(new_notebook(), root / "lessons/00_start.ipynb")
    assert [p.name for p in paths(root)] == ["00_start.ipynb", "01_doubling.ipynb"]
    assert [p.name for p in paths(root, ["01"])] == ["01_doubling.ipynb"]
    assert [p.name for p in paths(root, ["lessons/01_doubling.ipynb"])] == ["01_doubling.ipynb"]
    with pytest.raises(SystemExit, match="no lesson starts with '07'"):
        paths(root, ["07"])


@pytest.mark.parametrize("ref", ["main", "v1.0"])
def test_badges_are_stamped_once_and_taken_off_without_a_trace(root, ref):
    notebooks.stamp(root, "", "main")  # fills in the bootstrap cell
    files = [root / "pyproject.toml", root / "lessons/01_doubling.ipynb"]
    bare = [path.read_text() for path in files]
    notebooks.stamp(root, "owner/name", ref)
    stamped = [path.read_text() for path in files]
    assert notebooks.address(root) == ("https://github.com/owner/name", ref)
    title, bootstrap = (cell.source for cell in read(files[1]).cells)
    assert title.startswith(
        "# Doubling\n\n[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
    )
    assert f"/github/owner/name/blob/{ref}/lessons/01_doubling.ipynb)" in title
    assert f"/gh/owner/name/{ref}?urlpath=lab/tree/lessons/01_doubling.ipynb)" in title
    assert f'repo, ref = "https://github.com/owner/name", "{ref}"' in bootstrap
    notebooks.stamp(root, *notebooks.address(root))
    assert [path.read_text() for path in files] == stamped
    notebooks.stamp(root, "", "main")
    assert [path.read_text() for path in files] == bare


def test_a_course_that_is_not_on_github_gets_no_badges(root):
    notebooks.stamp(root, "file:///srv/course", "main")
    title, bootstrap = (cell.source for cell in read(paths(root)[0]).cells)
    assert title == TITLE
    assert 'repo, ref = "file:///srv/course", "main"' in bootstrap
