"""Wrong answers as edits of the right one."""

import linecache
import re
import textwrap

import pytest
import torch

from course_utils.exercises import Exercise, NotYet, edits
from course_utils.exercises.probes import as_number, on
from tools.notebooks import ROOT


def middle(low, high):
    """Between the two."""
    total = low + high
    return total / 2


def made(text):
    return [(mistake.answer(1, 4), mistake.message) for mistake in edits.mistakes(middle, text)]


def test_an_edit_an_expression_and_two_edits_at_once():
    text = """
        `/ 2` -> `* 2` | `low + high` -> `low * high` & ` / 2` -> ` ** 0.5`: this is: not
            the middle
        `middle(low, high) + 1`: one too many
        `total = ` -> `low = 0\\n    total = `: a line more
    """
    assert made(text) == [
        (10, "this is: not the middle"),
        (2, "this is: not the middle"),
        (3.5, "one too many"),
        (2, "a line more"),
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("`/ 3` -> `/ 4`: no", "middle: '/ 3' stands there 0 times"),
        ("`total` -> `low`: no", "middle: 'total' stands there 2 times"),
        ("`/ 2` => `/ 4`: no", "write `old` -> `new`: message, not '`/ 2` =>"),
        ("`/ 2` -> `/ 4`", "write `old` -> `new`: message, not"),
    ],
)
def test_a_slip_of_the_author_is_told(text, why):
    with pytest.raises(ValueError, match=why):
        made(text)


def test_the_reference_stays_as_it_is():
    made("`/ 2` -> `/ 4`: no")
    assert middle(1, 4) == 2.5


def test_the_exercise_that_is_shown_to_contributors_works():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"(?s)```python\n(.*?)```", text)
    assert len(shown.strip().splitlines()) <= 25
    file = ROOT / "CONTRIBUTING.md"  # where inspect looks for the source of the reference
    names = {"torch": torch, "Exercise": Exercise, "on": on, "as_number": as_number}
    source = textwrap.dedent(shown)
    linecache.cache[str(file)] = len(source), None, source.splitlines(keepends=True), str(file)
    exec(compile(source, str(file), "exec"), names)
    exercise = names["EX_ABOVE"]
    exercise.examine(exercise.reference)
    assert len(exercise.listed) == 3
    for mistake in exercise.listed:
        with pytest.raises(NotYet) as caught:
            exercise.examine(mistake.answer)
        assert str(caught.value) == mistake.message
    with pytest.raises(NotYet, match="not per cent"):
        exercise.examine(lambda scores, threshold: 100 * exercise.reference(scores, threshold))
