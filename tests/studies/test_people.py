"""Rows that only people can decide: what is published, and how a learner's answers become a verdict."""

import pytest

from course_utils.studies import RULES, papers, report, study_names

QUIZ = ("C1-you", "S5-you")


@pytest.mark.parametrize("row", ["C1", "S5", "C5", "A2-imagenet", *QUIZ])
def test_what_nobody_measured_is_not_measured(row):
    assert row not in study_names()
    assert report.judged(RULES[row], report.results(RULES[row])).word == "not measured"


@pytest.mark.parametrize("row", ["C1", "S5", "C5"])
def test_what_was_published_on_people_is_at_hand(row):
    assert len(papers.of(row)) >= 2


@pytest.mark.parametrize("row", QUIZ)
def test_a_learners_trials_are_judged_either_way(row):
    rule = RULES[row]

    def said(yes):
        return report.judged(rule, {str(k): {"value": k < yes} for k in range(rule.units)})

    assert said(0).word == "holds" and said(rule.units).word == "fails"
    middle = said(round(rule.cut * rule.units))
    assert middle.word == "undecided"
    low, high = middle.interval[1:3]
    assert (high - low) / 2 == pytest.approx(rule.half_width, abs=0.03)
