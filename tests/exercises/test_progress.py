"""The record of what was tried, and how it is shown."""

import pytest

from course_utils import exercises, ledger
from course_utils.exercises import desk
from course_utils.widgets import guess


@pytest.fixture(autouse=True)
def learner(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    monkeypatch.setattr("course_utils.runtime.front_end", lambda: True)
    monkeypatch.setattr(desk, "_hints_given", desk.Counter())


def right(logits):
    return logits.softmax(1).amax(1)


def test_tries_hints_and_the_solution_are_kept_until_it_is_right():
    exercises.check("0.1", lambda logits: logits)
    exercises.check("0.1", lambda logits: logits.softmax(0))
    exercises.hint("0.1")
    exercises.hint("0.1")
    exercises.solution("0.1")
    assert desk.kept(desk.STORE.read()["0.1"]) == desk.Kept("", 2, 2, True)
    exercises.check("0.1", right)
    exercises.check("0.1", lambda logits: logits)
    day, *others = desk.STORE.read()["0.1"]
    assert len(day) == 10 and others == [3, 2, True]


def test_the_record_of_an_earlier_version_is_read():
    desk.STORE.file.parent.mkdir(parents=True, exist_ok=True)
    desk.STORE.file.write_text('{"format": 1, "exercises": {"0.1": "2026-11-30"}}')
    assert "✓" in repr(exercises.progress())
    exercises.hint("1.1")
    assert desk.STORE.read()["0.1"] == "2026-11-30"


@pytest.mark.parametrize("entry", ['"yesterday"', '["", "many"]', "3", "[1, 2, 3, 4, 5, 6]"])
def test_a_damaged_record_is_put_aside(entry):
    desk.STORE.file.parent.mkdir(parents=True, exist_ok=True)
    desk.STORE.file.write_text(f'{{"format": 1, "exercises": {{"0.1": {entry}}}}}')
    with pytest.warns(UserWarning):
        assert not desk.STORE.read()


def test_progress_shows_exercises_guesses_rows_and_minutes():
    before = exercises.progress()
    exercises.check("0.1", right)
    exercises.hint("1.1")
    mine = guess("How many?", unit="digits")
    mine.lock(10)
    other = guess("Where?", choices=["here", "there"])
    other.lock("here")
    mine.reveal(25)
    ledger.record("T1", 0.009, "test error")
    shown, page = repr(exercises.progress()), exercises.progress()._repr_html_()
    for text in (shown, page):
        assert "exercises right: 1" in text and "guesses: 2" in text and "rows in the ledger: 1" in text
        assert "2.5 times too low" in " ".join(text.split()) and "test error" in text
        assert (
            "✓\N{NO-BREAK SPACE}0.1" in text and "✗\N{NO-BREAK SPACE}1.1" in text and "○\N{NO-BREAK SPACE}1.2" in text
        )
    total = sum({1: 5, 2: 15, 3: 30}[each.stars] for each in exercises.every())
    assert f"about {total} minutes" in repr(before) and f"about {total - 5} minutes" in shown
