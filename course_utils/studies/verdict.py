"""How the values of a study's units become a verdict.

A rule names its cut beforehand, and the side on which the sentence lies. With the 95 % interval of the estimand over
the units: wholly on the claimed side *holds*, wholly on the other *fails*, across the cut *undecided*. *Depends* is
said only where a named factor splits the units into groups of which one holds and another fails.

Units are the top level: ten networks of 1,000 digits are ten units. The interval is

- "t": Student's t over the units' values (Student, Biometrika 6, 1, 1908);
- "fractions": where each value is k of n. Few networks that agree by chance, as when none of 20 digits fails on any,
  have no spread, and Student's interval is too short or a point; and it leans to the wrong side where the fraction is
  small. So networks are taken to have fractions of their own, drawn from a beta distribution, whose mean is the
  estimand (the beta-binomial; Skellam, J. R. Stat. Soc. B 10, 257, 1948). Its parameters are at least 1/2: networks of
  one recipe do not fall into those that always fail and those that never do. The interval holds the means that the
  counts do not contradict, at any concentration of that distribution, and Student's on top. With Student's quantile
  for two fitted numbers, m networks, and the log-likelihood l, a mean is contradicted where

      2 (max l - l(mean)) > m log(1 + t^2 / (m - 2));
- "pairs": values of pairs of networks, which share them, or several of one network, which is then both. Leaving out one
  network after the other gives pseudo-values, and Student's t over these (the jackknife; Tukey, Ann. Math. Stat. 29,
  614, 1958);
- "exact": each unit is one draw, yes or no: Clopper and Pearson.

Where levels of a factor are measured on the same networks, ten networks stay ten: the interval over all levels is over
the networks' means, and only that of a level is over its own values.
"""

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy

from course_utils.core.stats import clopper_pearson

LEVEL = 0.95
FEWEST = 3  # units for an interval
WORDS = ("holds", "fails", "depends", "undecided", "not measured")
METHODS = ("t", "fractions", "pairs", "exact")


class Interval(NamedTuple):
    """An estimate with its 95 % interval, from so many units."""

    estimate: float
    low: float
    high: float
    units: int


class Decision(NamedTuple):
    """A word, the interval behind it, those of the groups of a factor, and how many units a decision would take."""

    word: str
    interval: Interval | None
    groups: dict[str, Interval]
    needed: int | None


def interval(values: Sequence, method: str) -> Interval:
    """The interval of the estimand over units.

    Args:
        values: a number for each unit ("t"), ``(k, n)`` ("fractions"), ``(i, j, value)`` for networks i and j
            ("pairs"), or True and False ("exact").
        method: one of `METHODS`.

    Raises:
        ValueError: fewer than three units (three networks, for pairs), a value that is not finite, an unknown method.

    >>> round(interval([0.8, 0.9, 1.0], "t").high, 3)
    1.148
    """
    if method not in METHODS:
        raise ValueError(f"method={method!r} is none of {', '.join(METHODS)}")
    table = np.asarray(values, dtype=float)
    if not np.isfinite(table).all():
        raise ValueError("a unit's value is not finite: mend the measurement, or say beforehand what it counts as")
    units = len(np.unique(table[:, :2])) if method == "pairs" and len(table) else len(table)
    if units < FEWEST:
        raise ValueError(f"{units} units give no interval: measure at least {FEWEST}")
    if method == "exact":
        k = int(table.sum())
        return Interval(k / units, *clopper_pearson(k, units, LEVEL), units)
    if method == "pairs":
        return _students(_pseudo_values(table), units)
    if method == "t":
        return _students(table, units)
    counts = _beta_binomial(tuple(sorted((int(k), int(n)) for k, n in values)))
    found = _students(table[:, 0] / table[:, 1], units)
    low, high = min(found.low, counts[0]), max(found.high, counts[1])
    return Interval(found.estimate, max(low, 0.0), min(high, 1.0), units)


CONCENTRATIONS = np.geomspace(0.02, 1e7, 60)


@functools.lru_cache(4096)
def _beta_binomial(counts):
    """Where the means of the beta distribution end that (k, n) of the units do not contradict."""
    (k, n), units = np.array(counts, dtype=float).T[:, :, None], len(counts)
    quantile = scipy.stats.t.ppf((1 + LEVEL) / 2, units - 2)
    allowed = units * math.log1p(quantile**2 / (units - 2)) / 2

    def fit(logit):
        mean = scipy.special.expit(logit)
        a, b = mean * CONCENTRATIONS, (1 - mean) * CONCENTRATIONS
        fits = (scipy.special.betaln(k + a, n - k + b) - scipy.special.betaln(a, b)).sum(0)
        return fits[np.minimum(a, b) >= 0.5].max(initial=-np.inf)

    grid = np.linspace(-14.0, 14.0, 113)
    fits = np.array([fit(logit) for logit in grid])
    best = fits.argmax()
    around = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    fine = scipy.optimize.minimize_scalar(lambda logit: -fit(logit), bounds=around, method="bounded")
    peak, top = (fine.x, -fine.fun) if -fine.fun > fits[best] else (grid[best], fits[best])
    ends = []
    for side, border in ((grid[grid < peak][::-1], 0.0), (grid[grid > peak], 1.0)):
        beyond = next((logit for logit in side if top - fit(logit) > allowed), None)
        end = beyond and scipy.optimize.brentq(lambda logit: top - fit(logit) - allowed, *sorted((peak, beyond)))
        ends.append(border if end is None else float(scipy.special.expit(end)))
    return ends


def _students(values, units):
    half = scipy.stats.t.ppf((1 + LEVEL) / 2, units - 1) * values.std(ddof=1) / math.sqrt(units)
    return Interval(float(values.mean()), float(values.mean() - half), float(values.mean() + half), units)


def _pseudo_values(table):
    """For each network: n times the mean over all pairs, less n - 1 times the mean over the pairs without it."""
    networks, values = np.unique(table[:, :2]), table[:, 2]
    n, without = len(networks), [values[(table[:, :2] != each).all(1)].mean() for each in networks]
    return n * values.mean() - (n - 1) * np.array(without)


def word(found: Interval, cut: float, side: str) -> str:
    """The verdict of an interval: ``side`` is where the sentence lies, "below" or "above" the cut.

    >>> word(Interval(0.8, 0.7, 0.9, 10), cut=1.0, side="below")
    'holds'
    """
    below, above = found.high < cut, found.low > cut
    if not below and not above:
        return "undecided"
    return "holds" if below == (side == "below") else "fails"


def needed(found: Interval, cut: float, most: int = 10_000) -> int | None:
    """About how many units would decide, if estimate and spread stay as they are; None if more than ``most`` would.

    The half-width shrinks with the root of the units, and with Student's quantile.
    """
    half, gap = (found.high - found.low) / 2, abs(found.estimate - cut)

    def width(units):
        quantile = scipy.stats.t.ppf((1 + LEVEL) / 2, units - 1)
        return quantile / math.sqrt(units)

    scale = half / width(found.units)
    return next((n for n in range(FEWEST, most + 1) if scale * width(n) < gap), None) if gap else None


def decide(
    values: Mapping[str, Any],
    *,
    cut: float,
    side: str,
    method: str,
    factor: Mapping[str, str] | None = None,
    top: Mapping[str, Any] | None = None,
):
    """The verdict over units.

    Args:
        values: a value for each unit, by its key, as `interval` takes them.
        cut, side, method: of the rule.
        factor: the level of the named factor, such as the architecture, by the unit's key.
        top: what a unit shares with units of other levels, such as the network, by the unit's key. The interval over
            all of them is then over these; within a group of the factor each comes once.

    Returns:
        A `Decision`; "not measured" where there is no unit at all.
    """
    if not values:
        return Decision("not measured", None, {}, None)
    groups = {}
    for key, value in values.items():
        groups.setdefault((factor or {}).get(key, ""), []).append(value)
    intervals = {level: interval(group, method) for level, group in groups.items() if len(group) >= FEWEST}
    words = {word(found, cut, side) for found in intervals.values()}
    pooled = _pooled(values, top, method) if top else list(values.values())
    if len(pooled) < FEWEST:
        return Decision("undecided", None, intervals if factor else {}, None)
    whole = interval(pooled, method)
    said = "depends" if factor and {"holds", "fails"} <= words else word(whole, cut, side)
    return Decision(said, whole, intervals if factor else {}, needed(whole, cut) if said == "undecided" else None)


def _pooled(values, top, method):
    """One value for what units share: the mean of theirs, or all of their k of all of their n."""
    shared = {}
    for key, value in values.items():
        shared.setdefault(top[key], []).append(value)
    one = np.sum if method == "fractions" else np.mean
    return [one(each, axis=0) for each in shared.values()]
