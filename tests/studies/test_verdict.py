"""Verdicts: the words, and how often they are wrong where the truth lies at the cut."""

import numpy as np
import pytest
import scipy

from course_utils.studies import verdict


def share_of_words(networks, digits, p, concentration, studies, method="fractions"):
    """How often simulated studies say "holds" and "fails" where the true mean is p, and "below p" is claimed."""
    chance = np.random.default_rng(0)
    size = (studies, networks)
    own = np.full(size, p) if concentration is None else chance.beta(p * concentration, (1 - p) * concentration, size)
    words = []
    for hits in chance.binomial(digits, own):
        values = [(k, digits) for k in hits] if method == "fractions" else hits / digits
        words.append(verdict.word(verdict.interval(values, method), p, "below"))
    return words.count("holds") / studies, words.count("fails") / studies


@pytest.mark.parametrize("networks", [3, *(pytest.param(n, marks=pytest.mark.slow) for n in (5, 10))])
@pytest.mark.parametrize(("p", "concentration"), [(0.05, None), (0.05, 20), (0.5, None), (0.9, 50)])
def test_few_digits_on_few_networks_seldom_decide_wrongly(networks, p, concentration):
    """10,000 studies of 20 digits a network: 2.5 % at most; 0.4 % more is within three standard errors of the count."""
    holds, fails = share_of_words(networks, 20, p, concentration, 10_000)
    assert max(holds, fails) <= 0.025 + 0.004


def test_students_alone_would_decide_wrongly():
    """Why there is a method for fractions."""
    holds, _ = share_of_words(5, 20, 0.05, 20, 2000, method="t")
    assert holds > 0.05


@pytest.mark.parametrize(("p", "least"), [(0.01, 0.9), (0.03, 0.3), (0.12, 0.1)])
def test_a_truth_away_from_the_cut_is_found(p, least):
    """The power of ten networks of 200 digits each, at the cut 0.05."""
    chance = np.random.default_rng(1)
    own = chance.beta(p * 100, (1 - p) * 100, (300, 10))
    words = [
        verdict.word(verdict.interval([(k, 200) for k in hits], "fractions"), 0.05, "below")
        for hits in chance.binomial(200, own)
    ]
    right = "holds" if p < 0.05 else "fails"
    assert words.count(right) / len(words) >= least and words.count({"holds": "fails"}.get(right, "holds")) == 0


def test_each_method_agrees_with_another_way():
    values = [0.8, 0.9, 1.0, 0.7]
    ours = verdict.interval(values, "t")
    theirs = scipy.stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert np.allclose(ours[1:3], theirs)
    exact = verdict.interval([True] * 9 + [False], "exact")
    assert np.allclose(exact[1:3], scipy.stats.binomtest(9, 10).proportion_ci(0.95, "exact"))
    many = verdict.interval([(300, 1000)] * 20 + [(320, 1000)] * 20, "fractions")
    assert np.allclose(many[1:3], verdict.interval([0.3] * 20 + [0.32] * 20, "t")[1:3], atol=0.004)


def test_pairs_are_judged_by_their_networks():
    """All pairs of 5 networks whose values are sums of what each network brings: the jackknife finds that spread."""
    brings = np.array([0.1, 0.3, 0.2, 0.6, 0.4])
    pairs = [(i, j, brings[i] + brings[j]) for i in range(5) for j in range(5) if i != j]
    found = verdict.interval(pairs, "pairs")
    assert found.estimate == pytest.approx(2 * brings.mean()) and found.units == 5
    half = scipy.stats.t.ppf(0.975, 4) * 2 * brings.std(ddof=1) / 5**0.5
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.35)
    assert (found.high - found.low) > verdict.interval([p[2] for p in pairs], "t").high - found.estimate


def test_depends_needs_a_named_factor_with_both_sides():
    rule = dict(cut=0.5, side="above", method="t")
    values = {f"a{i}": 0.9 + 0.01 * i for i in range(4)} | {f"b{i}": 0.1 + 0.01 * i for i in range(4)}
    factor = {key: key[0] for key in values}
    split = verdict.decide(values, **rule, factor=factor)
    assert split.word == "depends" and set(split.groups) == {"a", "b"}
    assert verdict.decide(values, **rule).word == "undecided"
    one_sided = {key: value for key, value in values.items() if key[0] == "a"}
    assert verdict.decide(one_sided, **rule, factor=factor).word == "holds"


@pytest.mark.parametrize(("method", "of"), [("t", lambda share: share), ("fractions", lambda share: [share * 20, 20])])
def test_levels_that_share_their_networks_are_no_more_networks(method, of):
    shares = (0.5, 0.6, 0.65, 0.8, 0.9)
    values = {f"{level}{i}": of(share) for level in "abcd" for i, share in enumerate(shares)}
    factor, top = {key: key[0] for key in values}, {key: key[1] for key in values}
    rule = dict(cut=0.1, side="above", method=method)
    found = verdict.decide(values, **rule, factor=factor, top=top)
    assert found.interval.units == 5 and len(found.groups) == 4
    assert found.interval.estimate == pytest.approx(sum(shares) / 5)
    if method == "t":
        assert found.interval == pytest.approx(verdict.interval(shares, "t"))
    few = {key: value for key, value in values.items() if key[1] == "0"}
    assert verdict.decide(few, **rule, factor=factor, top=top).word == "undecided"


def test_what_was_not_measured_or_hardly_says_so():
    rule = dict(cut=0.5, side="above", method="t")
    assert verdict.decide({}, **rule).word == "not measured"
    assert verdict.decide({"0": 0.9, "1": 0.9}, **rule).word == "undecided"
    undecided = verdict.decide({"0": 0.9, "1": 0.4, "2": 0.5, "3": 0.8}, **rule)
    assert undecided.word == "undecided" and 5 < undecided.needed < 100
    spread = np.array([0.9, 0.4, 0.5, 0.8])
    more = np.tile(spread, undecided.needed // 4 + 1)
    assert verdict.word(verdict.interval(more, "t"), 0.5, "above") == "holds"


@pytest.mark.parametrize(
    ("values", "method", "why"),
    [
        ([0.1, 0.2], "t", "2 units give no interval"),
        ([(0, 1, 0.5)], "pairs", "2 units give no interval"),
        ([0.1, 0.2, float("nan")], "t", "not finite"),
        ([0.1, 0.2, 0.3], "bootstrap", "is none of t, fractions"),
    ],
)
def test_bad_values_are_named(values, method, why):
    with pytest.raises(ValueError, match=why):
        verdict.interval(values, method)
