"""Intervals for a share: against SciPy's own test, against binomial tails, and where the answer is a formula."""

import pytest
import torch
from scipy import stats

from course_utils.core.stats import clopper_pearson


@pytest.mark.parametrize("n", [1, 7, 1000, 10**6, 10**8])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_the_interval_is_that_of_clopper_and_pearson(n, level):
    k = torch.tensor(sorted({0, 1, n // 3, n // 2, n - 1, n}))
    low, high = clopper_pearson(k, n, level)
    tail = (1 - level) / 2
    expected_low = [stats.beta.ppf(tail, each, n - each + 1) if each else 0 for each in k.tolist()]
    expected_high = [stats.beta.isf(tail, each + 1, n - each) if each < n else 1 for each in k.tolist()]
    torch.testing.assert_close(low, torch.tensor(expected_low, dtype=torch.float64), rtol=1e-8, atol=0)
    torch.testing.assert_close(high, torch.tensor(expected_high, dtype=torch.float64), rtol=1e-8, atol=0)
    assert low.dtype == torch.float64


@pytest.mark.parametrize("k, n", [(0, 10), (3, 40), (10, 10), (37, 5000)])
def test_scipys_own_test_of_a_fraction_gives_the_same(k, n):
    expected = stats.binomtest(k, n).proportion_ci(0.95, method="exact")
    assert clopper_pearson(k, n) == pytest.approx((expected.low, expected.high), rel=1e-6)


def test_at_the_ends_the_tails_hold_exactly_half_of_the_rest():
    low, high = clopper_pearson(4, 50, 0.9)
    assert stats.binom.sf(3, 50, low) == pytest.approx(0.05) and stats.binom.cdf(4, 50, high) == pytest.approx(0.05)


def test_no_event_in_n_draws_has_a_formula():
    low, high = clopper_pearson(0, 10**8)
    assert low == 0 and high == pytest.approx(1 - 0.025 ** (1 / 10**8), rel=1e-6)
    assert clopper_pearson(10**8, 10**8) == (pytest.approx(1 - high, rel=1e-12), 1.0)


def test_numbers_give_numbers_and_tensors_give_tensors():
    assert all(isinstance(end, float) for end in clopper_pearson(3, 9))
    low, high = clopper_pearson(torch.tensor([[3, 4]]), torch.tensor([[9], [10]]))
    assert low.shape == high.shape == (2, 2)
    assert (low[0, 0].item(), high[0, 0].item()) == clopper_pearson(3, 9)


def test_the_interval_covers_as_often_as_it_says():
    generator = torch.Generator().manual_seed(0)
    seen = (torch.rand(4000, 60, generator=generator) < 0.07).sum(1)
    low, high = clopper_pearson(seen, 60)
    assert 0.95 <= ((low <= 0.07) & (high >= 0.07)).double().mean() < 0.99


@pytest.mark.parametrize("k, n", [(-1, 5), (6, 5), (0, 0), (1.5, 5), (torch.tensor([1, 6]), 5), (float("nan"), 5)])
def test_impossible_counts_are_refused(k, n):
    with pytest.raises(ValueError, match="0 <= k <= n"):
        clopper_pearson(k, n)


@pytest.mark.parametrize("level", [0, 1, 95, -0.1])
def test_a_level_in_percent_is_refused(level):
    with pytest.raises(ValueError, match=r"such as 0\.95"):
        clopper_pearson(1, 5, level)
