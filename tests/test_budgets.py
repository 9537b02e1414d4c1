"""Every lesson within its time budget: a fresh kernel, an empty cache, nothing else running."""

import pytest

from tools import lessons
from tools.books import paths, read

LONGEST_CELL = 30  # seconds


@pytest.mark.slow
@pytest.mark.parametrize("path", paths(), ids=lambda path: path.stem)
def test_a_lesson_stays_within_its_budget(path, capsys):
    book = read(path)
    if lacking := lessons.lacking(book):
        pytest.skip(lacking)
    budget = book.metadata.course.budget
    total, cells = lessons.execute(book, path.parent)
    slowest = max(cells, key=cells.get)
    with capsys.disabled():
        print(f"\n{path.stem}: {total:.1f} s of {budget} s; slowest is cell {slowest} with {cells[slowest]:.1f} s")
    first_line = book.cells[slowest].source.partition("\n")[0]
    assert cells[slowest] <= LONGEST_CELL, f"{path.stem}, cell {slowest} ({first_line})"
    assert total <= budget, f"{path.stem} takes {total:.1f} s, more than its {budget} s"
