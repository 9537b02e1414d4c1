"""Rules are complete, and what is stored was measured under them."""

import json
import math
import statistics

import pytest

from course_utils.studies import RULES, engine, report, store, study, study_names, verdict


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


def test_studies_belong_to_rows():
    assert set(study_names()) <= set(RULES)
    for name in study_names():
        one = study(name)
        assert one.rule is RULES[name] and len(one.units) >= one.rule.units
        assert set(one.again).isdisjoint(one.units)


STORED = sorted(store.SHIPPED.rglob("*.json"))


def test_what_is_stored_was_measured_under_todays_rules():
    for path in STORED:
        rule, one = RULES[path.stem], study(path.stem)
        units = report.results(rule, path.parent)  # a ValueError where the rule is another
        known = one.again if path.parent.name == "again" else one.units
        assert path.stat().st_size < store.LARGEST and set(units) <= set(known)
        found = report.judged(rule, units)
        assert found.word != "not measured" and rule.id in report.drawn(rule, units).alt


QUICK = 5  # seconds that a unit takes in the middle: longer ones are measured again among the slow tests only


def one_stored_unit_of_each():
    for path in STORED:
        if path.parent == store.SHIPPED:
            units = report.results(RULES[path.stem])
            key = min(units, key=lambda key: units[key]["seconds"])
            slow = statistics.median(unit["seconds"] for unit in units.values()) > QUICK
            marks = [pytest.mark.slow] if slow else []
            yield pytest.param(path.stem, key, id=path.stem, marks=marks)


@pytest.mark.parametrize(("row", "key"), [*one_stored_unit_of_each()])
def test_a_stored_unit_of_each_comes_out_again(row, key):
    """To the bit on a machine of the same kind; elsewhere no farther off than the units are from each other."""
    one = study(row)
    units = report.results(one.rule)
    again = engine.measured(row, one.measure.__module__, one.measure.__qualname__, key, one.units[key])
    numbers = [report.one_number(one.rule, unit["value"]) for unit in units.values()]
    spread = max(numbers) - min(numbers) + 1e-9
    assert report.one_number(one.rule, again["value"]) == pytest.approx(numbers[list(units).index(key)], abs=spread)


def test_the_page_holds_every_row_and_the_picture_of_those_that_were_measured(tmp_path):
    rule = RULES["T1"]
    results = study("T1").results(tmp_path)
    for seed, errors in enumerate((84, 81, 87, 83, 85, 82)):
        results.add(str(seed), {"value": [errors, 10_000]})
    page = report.write_page(tmp_path / "page.html", tmp_path).read_text(encoding="utf-8")
    assert page.count("<h2") == len(RULES) and page.count("<img") == 1
    assert "T1: holds" in page and "N1: not measured" in page and "over 6 units" in page
    alt = report.drawn(rule, results.units(), mine=0.0093).alt
    assert "6 units" in alt and "Yours is 0.0093" in alt


def test_a_share_has_no_interval_beyond_0_and_1_and_what_depends_names_its_groups():
    few = {str(seed): {"value": value} for seed, value in enumerate((0.0, 0.002, 0.009))}
    found = report.judged(RULES["N9"], few)
    assert found.interval.low == 0 and "from 0.000" in report.told(found)
    kinds = {"photograph": [900, 1000], "digit": [0, 6000]}
    units = {
        f"{kind} {k}": {"value": [value[0] + k, value[1]], "factor": kind}
        for kind, value in kinds.items()
        for k in range(4)
    }
    found = report.judged(RULES["B11"], units)
    assert found.word == "depends" and "photograph: 0.9" in report.told(found) and "digit: 0.000" in report.told(found)
    assert "photograph" in report.drawn(RULES["B11"], units).alt
