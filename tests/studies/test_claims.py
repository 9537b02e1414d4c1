"""Rules are complete, and what is stored was measured under them."""

import json
import math

import pytest

from course_utils import ledger
from course_utils.studies import RULES, load, names, report, store, verdict


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_rule_can_be_decided_either_way(rule):
    for field in ("sentence", "source", "tested", "estimand", "unit", "reason", "scope"):
        assert len(getattr(rule, field).split()) >= (2 if field != "unit" else 1), field
    assert rule.side in ("below", "above") and rule.method in verdict.METHODS
    assert rule.units >= verdict.FEWEST and math.isfinite(rule.cut) and rule.half_width > 0
    if rule.method in ("fractions", "exact"):
        assert 0 < rule.cut < 1


def test_the_hash_holds_all_that_decides():
    rule = RULES["T1"]
    changed = [dict(cut=0.02), dict(side="above"), dict(units=9), dict(method="t"), dict(sentence="so")]
    hashes = {type(rule)(**(rule.data() | change)).sha256() for change in ({}, *changed)}
    assert len(hashes) == 6 and type(rule)(**json.loads(json.dumps(rule.data()))).sha256() == rule.sha256()


def test_rows_belong_to_claims_and_studies_to_rows():
    assert set(names()) <= set(RULES)
    for name in names():
        study = load(name)
        assert (
            study.rule is RULES[name] and set(study.quick) < set(study.units) and len(study.units) >= study.rule.units
        )
    missing = {"B10", "N9", "N10", "N11", "B0", "B9", "B11", "C4", "C5", "A4", "S5", "F1"}  # not yet in the ledger
    assert {rule.partition("-")[0] for rule in RULES} == set(ledger.CLAIMS) | missing


STORED = sorted(store.SHIPPED.glob("*.json"))


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
def test_what_is_stored_was_measured_under_todays_rule(path):
    rule = RULES[path.stem]
    units = report.results(rule)  # a ValueError where the rule is another
    assert path.stat().st_size < store.LARGEST and set(units) <= set(load(rule.id).units)
    found = report.judged(rule, units)
    assert found.word != "not measured" and rule.id in report.drawn(rule, units).alt


@pytest.mark.slow
@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
def test_a_stored_unit_comes_out_again(path):
    from course_utils.studies import engine

    study = load(path.stem)
    key, unit = next(iter(report.results(study.rule).items()))
    again = engine.measured(study.rule.id, study.measure.__module__, study.measure.__qualname__, key, study.units[key])
    assert again["value"] == pytest.approx(unit["value"], rel=0.1)  # to the bit on the same processor and torch
