"""The claims ledger: rows are kept, replaced, shown beside their claim, and never lost."""

import json
import subprocess
import sys
import warnings

import pytest

from course_utils import ledger


@pytest.fixture(autouse=True)
def empty(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    return tmp_path / "ledger.json"


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
        (dict(claim="Z9"), "there is no claim 'Z9'"),
        (dict(verdict="true"), "holds, fails, depends"),
        (dict(mark=""), "needs one of P, S, M, C"),
        (dict(mark="Q"), "needs one of P, S, M, C"),
        (dict(reported=""), "needs one of P, S, M, C"),
        (dict(condition=" "), "which network, how many images"),
    ],
)
def test_a_row_without_its_grounds_is_refused(change, message, empty):
    with pytest.raises(ValueError, match=message):
        ledger.record(**dict(claim="T1", what="x") | GOOD | change)
    assert not empty.exists()


def test_show_refuses_unknown_claims():
    with pytest.raises(ValueError, match="there is no claim 'Z9'"):
        ledger.table("Z9")


def test_two_lessons_at_once_lose_no_row(empty):
    code = "import sys; from course_utils import ledger\n" + (
        "for i in range(20): ledger.record('T1', sys.argv[1] + str(i), measured='1', verdict='holds', condition='x')"
    )
    runs = [subprocess.Popen([sys.executable, "-c", code, name]) for name in "ab"]
    assert [run.wait() for run in runs] == [0, 0]
    assert len(ledger.rows()) == 40


def test_a_row_of_a_newer_course_is_kept(empty):
    row = dict(claim="X9", what="w", measured="1", reported="", mark="", verdict="holds", condition="c")
    empty.write_text(json.dumps([row]))
    ledger.record("T1", "LeNet-5", **GOOD)
    assert row in json.loads(empty.read_text()) and len(ledger.rows()) == 1


@pytest.mark.parametrize("content", ["{}", "{half", "[1, 2]", '[{"claim": "T1"}]'])
def test_a_damaged_ledger_is_put_aside_and_said_so(content, empty):
    empty.write_text(content)
    with pytest.warns(UserWarning, match="could not be read"):
        ledger.record("T1", "LeNet-5", **GOOD)
    assert empty.with_suffix(".damaged.json").read_text() == content
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(ledger.rows()) == 1
