"""Numbers that papers report: value, source, and how far each can be trusted. They lie in ``papers.csv`` beside this.

    number("deepfool-lenet").value               0.2
    listed("szegedy-distortion-fc100", "T1")     one number, and all that speak to a row of the rules

A number that is compared with a measurement of this course, in a lesson or a study, comes from here.
"""

import csv
import functools
from pathlib import Path
from typing import NamedTuple

from course_utils.core.checks import no_such
from course_utils.figures import Table

MARKS = {"P": "read in the paper", "S": "quoted by a later text", "M": "recalled, unchecked", "C": "computed"}


class Number(NamedTuple):
    """One number of a paper.

    Args:
        key: its name here, such as "szegedy-distortion-fc100".
        row: the rule that it speaks to, such as "S1"; "" if none.
        written: as the paper writes it, such as "0.95 %", "5,000" or "1.05 ± 0.34".
        comparable: whether it is that row's estimand, on the same data, and may be drawn beside a measured interval.
        what: what the number is; where it has a unit other than per cent, with the unit.
        source: authors, year and place; a mark "P" may stand for the authors' own code or data.
        mark: a key of `MARKS`.
    """

    key: str
    row: str
    written: str
    comparable: bool
    what: str
    source: str
    mark: str

    @property
    def value(self) -> float:
        """In the unit that is written: 0.95 for "0.95 %"."""
        return float(self.written.split()[0].replace(",", ""))

    @property
    def plain(self) -> float:
        """Without a unit, as the rules' estimands are: 0.0095 for "0.95 %"."""
        return self.value / 100 if self.written.endswith("%") else self.value

    @property
    def marked(self) -> str:
        """Short, for a field of a table: "0.95 % [P]"."""
        return f"{self.written} [{self.mark}]"

    def __str__(self) -> str:
        return f"{self.written} ({self.source}; {MARKS[self.mark]})"


@functools.cache
def _all() -> dict[str, Number]:
    with Path(__file__).with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        _, *lines = csv.reader(file)
    found = [Number(key, row, value, comparable == "yes", *rest) for key, row, value, comparable, *rest in lines]
    return {each.key: each for each in found}


def number(key: str) -> Number:
    """The number of that name.

    >>> print(number("szegedy-distortion-fc100"))
    0.058 (Szegedy et al. 2013, Table 1; read in the paper)
    """
    if key not in _all():
        raise no_such("number of a paper", key, _all(), "papers.listed() shows them")
    return _all()[key]


def values(prefix: str) -> list[float]:
    """The values of all numbers whose name begins so, in the order of the file: a row or a column of a paper's table.

    >>> values("szegedy-distortion-fc10-")
    [0.062, 0.1, 0.14]
    """
    found = [each.value for key, each in _all().items() if key.startswith(prefix)]
    return found or [number(prefix).value]


def of(row: str) -> list[Number]:
    """The numbers that speak to a row of the rules; none if no paper has one.

    >>> [each.written for each in of("T1")]
    ['0.95 %', '0.8 %', '0.94 %']
    """
    return [each for each in _all().values() if each.row == row]


def listed(*names: str) -> Table:
    """What, value and source, with the mark spelt out. A name is a number's or a row's; without one, all."""
    chosen = [each for name in names for each in (of(name) or [number(name)])] or list(_all().values())
    rows = [[each.what, each.written, f"{each.source} ({MARKS[each.mark]})"] for each in chosen]
    return Table(["what", "value", "source"], rows)
