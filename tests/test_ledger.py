"""The claims ledger: rows are kept, replaced, shown beside their claim, and never lost."""

import pytest

from course_utils import ledger


@pytest.fixture(autouse=True)
def empty(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))


GOOD = dict(measured="0.9 %", reported="0.8 %", mark="M", verdict="holds", condition="one seed")


def test_a_row_stands_beside_its_claim_and_its_report():
    shown = repr(ledger.record("T1", "LeNet-5", **GOOD))
    for part in ("T1", "LeNet-5", "0.9 %", "0.8 % (reported,", "holds: one seed"):
        assert part in shown


def test_running_a_lesson_again_replaces_its_rows():
    ledger.record("T1", "LeNet-5", **GOOD)
    ledger.record("T1", "Caffe", **GOOD)
    ledger.record("T1", "LeNet-5", **GOOD | dict(measured="0.7 %"))
    assert [(row.what, row.measured) for row in ledger.rows()] == [("Caffe", "0.9 %"), ("LeNet-5", "0.7 %")]


def test_show_lists_every_claim_and_says_where_the_rest_is_tested():
    ledger.record("T1", "LeNet-5", **GOOD)
    rows = ledger.table().rows
    assert [row[0] for row in rows] == list(ledger.CLAIMS)
    assert ["B8", ledger.CLAIMS["B8"].text, "lesson 07, 09", "-", "-", "not measured yet"] in rows
    assert len(ledger.table("S1", "T1").rows) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(claim="Z9"), "no claim is called 'Z9'; there are T1, S1"),
        (dict(verdict="true"), "holds, depends, undecided, fails"),
        (dict(mark=""), "needs one of P, S, M, C"),
        (dict(mark="Q"), "needs one of P, S, M, C"),
        (dict(reported=""), "needs one of P, S, M, C"),
        (dict(condition=" "), "which network, how many images"),
    ],
)
def test_a_row_without_its_grounds_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        ledger.record(**dict(claim="T1", what="x") | GOOD | change)
    assert ledger.rows() == []


def test_show_refuses_unknown_claims():
    with pytest.raises(ValueError, match="no claim is called 'Z9'; there are T1, S1"):
        ledger.table("Z9")


def test_a_row_of_another_claim_is_kept():
    row = dict(claim="X9", what="w", measured="1", reported="", mark="", verdict="holds", condition="c")
    ledger.STORE.update(lambda rows: rows.append(row))
    ledger.record("T1", "LeNet-5", **GOOD)
    assert row in ledger.STORE.read() and len(ledger.rows()) == 1


@pytest.mark.parametrize("contents", [{}, [1, 2], [{"claim": "T1"}]])
def test_what_is_no_ledger_is_not_taken_for_one(contents):
    with pytest.raises((ValueError, TypeError)):
        ledger.STORE.check(contents)
