"""A rule: what was said, what is tested, and what decides, fixed before the study runs.

A `Rule` is data. Its SHA-256 is stored with every result, so that a verdict cannot be moved after the fact: changing
what decides means measuring anew. One sentence, one row, one verdict; rows are never added up.
"""

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

from course_utils.core import storage

ARTICLE = "Mike James, The Deep Flaw In All Neural Networks, I Programmer, 10 December 2014"
BLOG = "Mirror Image, Some thoughts about deep learning criticism, 14 December 2014"
COMMENTS = f"comments to {BLOG}"


@dataclass(frozen=True)
class Rule:
    """How one claim is decided.

    Args:
        id: of the row, such as "B5-span"; the claim is what stands before the dash.
        sentence, source: the author's own words, and where they stand.
        tested: what is tested, in one sentence; ``ours`` says that these are our words for it, and how they differ.
        estimand: the one number, with its unit.
        unit, units: what the measurement is repeated over, and how often.
        method: how units become an interval, one of `verdict.METHODS`.
        cut, side, reason: where the sentence's side ends, "below" or "above" it, and the words that justify it.
        half_width: of the interval aimed at.
        scope: for which networks and data a verdict speaks.
        factor: the named factor that "depends" may name; "" if there is none.
    """

    id: str
    sentence: str
    source: str
    tested: str
    estimand: str
    unit: str
    units: int
    method: str
    cut: float
    side: str
    reason: str
    half_width: float
    scope: str
    ours: str = ""
    factor: str = ""

    @property
    def is_share(self) -> bool:
        """Whether the estimand lies between 0 and 1."""
        difference = " less " in self.estimand or " minus " in self.estimand
        return self.method in ("fractions", "exact") or (
            self.estimand.startswith(("share of", "smallest of ten shares")) and not difference
        )

    def data(self) -> dict[str, Any]:
        """The rule as it goes into JSON."""
        return dataclasses.asdict(self)

    def sha256(self) -> str:
        """Of all that decides: the rule as JSON, with sorted keys."""
        return storage.sha256(json.dumps(self.data(), sort_keys=True, ensure_ascii=False).encode())
