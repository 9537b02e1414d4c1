"""Every wrong answer of the first edition is still refused, for the same mistake."""

import importlib
import json
from pathlib import Path

import pytest

from course_utils.exercises import NotYet, desk

FROZEN = Path(__file__).parent / "frozen"
# What is said today in place of a message of then: its beginning, and its kind where any exercise can meet the mistake.
CHANGED = json.loads((FROZEN / "changed.json").read_text(encoding="utf-8"))
ROWS = [
    (id, number, row)
    for path in sorted(FROZEN.glob("lesson_*.py"))
    for id, rows in importlib.import_module(f"frozen.{path.stem}").WRONG.items()
    for number, row in enumerate(rows)
]


def test_all_of_them_are_here():
    assert len(ROWS) == 1359 and len({row.message for *_, row in ROWS}) == 946


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("id", "number", "row"), ROWS, ids=[f"{id}-{number}" for id, number, _ in ROWS])
def test_a_wrong_answer_of_then_shows_the_same_mistake(id, number, row):
    with pytest.raises(NotYet) as caught:
        desk._find(id).examine(row.answer)
    kind, message = CHANGED.get(f"{id}-{number}", ["", row.message])
    assert caught.value.kind == kind and str(caught.value).startswith(message)
