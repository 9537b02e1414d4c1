"""The claims ledger: your number stands in its row, among the study's units, and is never lost."""

import json

import pytest

from course_utils import ledger
from course_utils.studies import RULES, report


@pytest.fixture(autouse=True)
def empty(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))


def test_your_number_stands_beside_sentence_study_and_report():
    shown = ledger.record("T1", 0.0093, "one LeNet-5")
    text, page = " ".join(repr(shown).split()), shown._repr_html_()
    for part in ("LeNet-5: 0.95", "LeCun", "Tested:", "T1 holds", "over 10 units", "Yours is 0.0093.", "one LeNet-5"):
        assert part in text and part in page
    assert page.count("<img alt=") == 1 and shown.picture.png.startswith(b"\x89PNG")


def test_what_is_recorded_again_is_replaced_and_in_the_order_of_the_debate():
    ledger.record("N1", 0.9)
    ledger.record("T1", 0.01, "first")
    ledger.record("T1", 0.009, "second")
    assert list(ledger.rows().items()) == [("T1", (0.009, "second")), ("N1", (0.9, ""))]


def test_a_row_without_a_study_or_a_number_says_so():
    row = next(row for row, word in ledger.standing().items() if word == ledger.WAITING)
    shown = ledger.record(row, note="seen by eye")
    assert "not measured" in repr(shown) and "Yours" not in repr(shown) and "seen by eye" in repr(shown)
    assert ledger.rows() == {row: (None, "seen by eye")}


def test_a_note_with_signs_of_html_is_shown_as_it_is():
    page = ledger.record("T1", 0.01, "<b>5 < 6</b>")._repr_html_()
    assert "&lt;b&gt;5 &lt; 6&lt;/b&gt;" in page and "<b>" not in page


@pytest.mark.parametrize(
    ("row", "mine", "message"),
    [
        ("Z9", 1.0, "no row is called 'Z9'; there are T1, S1"),
        ("N1", 87, r"not between 0 and 1, and N1 asks for a share: .*; 87 % is 0.87"),
        ("T1", -0.1, "not between 0 and 1"),
        ("T1", float("nan"), "is no number: what was measured"),
        ("S4", float("inf"), "is no number"),
    ],
)
def test_what_cannot_be_a_value_of_the_row_is_refused(row, mine, message):
    with pytest.raises(ValueError, match=message):
        ledger.record(row, mine)
    assert ledger.rows() == {}


def test_the_table_holds_all_rows_or_those_of_some_claims():
    ledger.record("T1", 0.0093, "mine")
    lines = ledger.table().rows
    assert [line[0] for line in lines] == list(RULES)
    (line,) = ledger.table("T1").rows
    assert line[-1] == "holds" and line[-2] == "0.0093; mine" and "over 10 units" in line[2]
    assert [line[0] for line in ledger.table("B5").rows] == [row for row in RULES if row.startswith("B5-")]
    assert [line[0] for line in ledger.table("B5-span", "T1").rows] == ["T1", "B5-span"]
    with pytest.raises(ValueError, match="no claim is called 'Z9'"):
        ledger.table("Z9")


def test_the_verdicts_are_the_studies():
    assert ledger.standing() == {row: report.judged(rule, report.results(rule)).word for row, rule in RULES.items()}
    assert set(ledger.standing().values()) <= set(ledger.VERDICTS)


def test_the_overview_counts_verdicts_and_your_numbers():
    before = ledger.overview()
    ledger.record("T1", 0.0093)
    after = ledger.overview()
    assert after.png != before.png and after.alt.endswith("You have a number in 1.")
    words = list(ledger.standing().values())
    assert f"Of {len(RULES)} rows, {words.count('holds')} holds: T1" in after.alt
    assert f"{words.count('not measured')} not measured." in after.alt


def test_a_note_alone_leaves_the_number():
    ledger.record("T1", 0.0093, "mine")
    assert "Yours is 0.0093" in repr(ledger.record("T1", note="again"))
    assert ledger.rows() == {"T1": (0.0093, "again")}
    ledger.record("N8", note="by eye")
    assert ledger.overview().alt.endswith("You have a number in 1.")


def test_rows_of_the_first_edition_are_put_aside_with_a_word(tmp_path):
    old = dict(claim="T1", what="w", measured="1", reported="", mark="", verdict="holds", condition="c")
    ledger.STORE.file.parent.mkdir(parents=True, exist_ok=True)
    ledger.STORE.file.write_text(json.dumps({"format": 1, "ledger": [old]}))
    with pytest.warns(UserWarning, match="rows of the course's first edition, which were judged by other rules"):
        ledger.record("T1", 0.01)
    assert list(ledger.rows()) == ["T1"]
    assert any("first" in file.read_text() or "what" in file.read_text() for file in tmp_path.rglob("ledger*damaged*"))


@pytest.mark.parametrize("contents", [[], {"T1": 3}, {"T1": ["a", ""]}, {"T1": [1.0, 2]}, {"T1": [1.0]}])
def test_what_is_no_ledger_is_not_taken_for_one(contents):
    with pytest.raises((ValueError, TypeError)):
        ledger.STORE.check(contents)
