"""Guesses: locked in, kept, revealed; and nothing of it without a front end."""

import math

import numpy as np
import pytest
import torch

from course_utils import figures
from course_utils.core import storage
from course_utils.widgets import guess

QUESTION = "How many of the 10,000 test digits does `LeNet5` get <wrong>?"


@pytest.fixture
def live(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_STATIC", "0")
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    return tmp_path


def type_and_lock(mine, value):
    """What the page sends when a learner fills in the field and presses the button; returns what it hears."""
    heard = []
    mine.form.send = heard.append
    answer, _ = mine.form.answer({"page": 7, "do": "lock", "guess": value})
    return {name: said for one in (*heard, answer) for name, said in one.items() if name != "page"}


def said(mine, result, capsys):
    capsys.readouterr()
    picture = mine.reveal(result)
    return picture, capsys.readouterr().out.strip()


def test_without_a_front_end_nobody_is_asked(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("COURSE_STATIC", "1")
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    mine = guess(QUESTION, unit="digits")
    assert capsys.readouterr().out == f"Predict: {QUESTION} (digits)\n"
    assert said(mine, torch.tensor(83), capsys) == (None, "Measured: 83 digits.")
    assert list(tmp_path.iterdir()) == []
    mine = guess("Which?", choices=["a", "b"])
    assert capsys.readouterr().out == "Predict: Which? (a / b)\n"
    assert said(mine, "b", capsys) == (None, "Answer: “b”.")


def test_a_guess_is_locked_kept_and_revealed(live, capsys):
    mine = guess(QUESTION, unit="digits")
    assert (mine.form.question, mine.form.unit, mine.form.locked) == (QUESTION, "digits", "")
    assert type_and_lock(mine, "120") == {"locked": "120 digits", "revealed": False, "trouble": ""}
    assert mine.value == 120
    mine = guess(QUESTION, unit="digits")  # the cell is run once more
    assert (mine.value, mine.form.locked) == (120, "120 digits")
    picture, text = said(mine, 83, capsys)
    assert text == "You said 120 digits, measured 83 digits: 1.4 times too high."
    assert isinstance(picture, figures.Picture)
    assert picture.alt == text
    assert mine.form.revealed
    assert guess(QUESTION, unit="digits").form.revealed


def test_one_may_guess_again_before_the_reveal(live):
    mine = guess(QUESTION)
    type_and_lock(mine, "120")
    type_and_lock(mine, "60")
    assert guess(QUESTION).value == 60


def test_a_guess_that_was_not_locked_in_is_missed_kindly(live, capsys):
    mine = guess(QUESTION, unit="digits")
    text = "Measured: 83 digits. No guess was locked in this time."
    assert said(mine, 83, capsys) == (None, text)
    type_and_lock(mine, "90")
    assert mine.value == 90


@pytest.mark.parametrize(
    ("typed", "value"), [("1,200", 1200), (" 12 % ", 12), ("1e-3", 0.001), ("-4", -4), ("1,234,567.5", 1234567.5)]
)
def test_numbers_as_people_write_them(live, typed, value):
    mine = guess("How much?", unit="%")
    type_and_lock(mine, typed)
    assert mine.value == value


@pytest.mark.parametrize(
    ("typed", "message"),
    [("", "Make a guess first"), ("lots", "not one number"), ("0,5", "not one number"), ("nan", "finite")],
)
def test_what_is_no_number_is_said_so_in_place(live, typed, message):
    mine = guess(QUESTION)
    assert message in type_and_lock(mine, typed)["trouble"]
    assert mine.value is None


def test_choices(live, capsys):
    mine = guess("Which?", choices=["a", "b"])
    assert type_and_lock(mine, "") == {"trouble": "Make a guess first."}
    type_and_lock(mine, "a")
    assert said(mine, "b", capsys) == (None, "You said “a”, but it is “b”.")
    assert said(mine, "a", capsys) == (None, "You said “a”, and so it is.")
    with pytest.raises(ValueError, match="'c' is none of the choices: a, b"):
        mine.reveal("c")


@pytest.mark.parametrize("choices", [[], ["a"], ["a", "a"], "ab"])
def test_choices_must_differ(choices):
    with pytest.raises(ValueError, match="two or more answers that differ"):
        guess("Which?", choices=choices)


@pytest.mark.parametrize(
    ("value", "result", "unit", "text"),
    [
        (83, 83, "digits", "You said 83 digits, and so it is."),
        (60, 83, "digits", "You said 60 digits, measured 83 digits: 1.4 times too low."),
        (80, 83, "digits", "You said 80 digits, measured 83 digits: 3 digits too low."),
        (0, 83, "", "You said 0, measured 83: 83 too low."),
        (-2, 3, "", "You said -2, measured 3: 5 too low."),
        (1000, 0.5, "x", "You said 1,000 x, measured 0.5 x: 2,000 times too high."),
        (90, 99.96, "%", "You said 90 %, measured 99.96 %: 9.96 points too low."),
        (5, math.nan, "x", "You said 5 x, but the measurement gave nan x: nothing to compare."),
        (1234.5, 12345.6, "", "You said 1,234, measured 12,346: 10 times too low."),
    ],
)
def test_the_verdict_is_honest(live, capsys, value, result, unit, text):
    mine = guess("How much?", unit=unit)
    mine.lock(value)
    picture, verdict = said(mine, result, capsys)
    assert verdict == text
    assert (picture is None) == math.isnan(result)


@pytest.mark.parametrize("result", [83, 83.0, torch.tensor(83), torch.tensor([83.0]), np.float32(83), np.array([83])])
def test_a_result_may_be_any_one_number(live, capsys, result):
    mine = guess(QUESTION)
    mine.lock(83)
    assert said(mine, result, capsys)[1] == "You said 83, and so it is."


@pytest.mark.parametrize("result", [None, torch.rand(3), np.arange(3), [1], "many"])
def test_other_results_are_refused(live, result):
    with pytest.raises(ValueError, match="is not one number"):
        guess(QUESTION).reveal(result)


def test_a_guess_that_does_not_fit_its_question_any_more_is_said_so(live):
    guess(QUESTION, choices=["a", "b"]).lock("a")
    with pytest.warns(UserWarning, match="an earlier guess does not fit this question"):
        mine = guess(QUESTION)
    assert mine.value is None
    type_and_lock(mine, "7")
    assert guess(QUESTION).value == 7


def test_a_disk_that_is_full_is_said_in_place_and_the_guess_counts(live, monkeypatch):
    mine = guess(QUESTION)

    def full(*_):
        raise OSError("No space left")

    monkeypatch.setattr(storage, "write_atomically", full)
    with pytest.warns(UserWarning, match="No space left"):
        heard = type_and_lock(mine, "7")
    assert heard["locked"] == "7" and "No space left" in heard["trouble"] and mine.value == 7


def test_a_folder_that_cannot_be_written_is_said_in_place(live, monkeypatch):
    mine = guess(QUESTION)
    blocked = live / "file"
    blocked.write_text("")
    monkeypatch.setenv("COURSE_HOME", str(blocked))
    assert "cannot make the folder" in type_and_lock(mine, "7")["trouble"]
    assert mine.value is None


def test_each_question_has_its_own_guess(live):
    guess("One?").lock(1)
    guess("Two?").lock(2)
    assert (guess("One?").value, guess("Two?").value) == (1, 2)


def test_a_page_without_a_kernel_shows_what_was_asked_and_guessed(live):
    mine = guess(QUESTION, unit="digits")
    type_and_lock(mine, "7")
    picture = mine.form.picture()
    assert picture.alt == f"Predict: {QUESTION} (digits) Locked in: 7 digits" and picture.png


@pytest.mark.slow
def test_a_guess_in_a_browser_in_two_views(live, stage):
    mine = guess("How many does `f` get?", unit="digits")
    page = stage(mine.form, views=2)
    first, second = page.locator(".guess").all()
    first.locator("input").fill("lots")
    first.get_by_role("button", name="Lock in").click()
    first.get_by_text("'lots' is not one number").wait_for()
    assert first.locator("code").inner_text() == "f"
    first.locator("input").fill("1,200")
    page.keyboard.press("Enter")
    second.get_by_text("Locked in: 1,200 digits").wait_for()
    assert mine.value == 1200
    second.get_by_role("button", name="Guess again").click()
    page.keyboard.type("120")  # the field has the focus
    page.keyboard.press("Enter")
    first.get_by_text("Locked in: 120 digits").wait_for()
    assert page.locator(".course-trouble:visible").count() == 0
