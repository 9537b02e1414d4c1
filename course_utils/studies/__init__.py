"""Studies: each claim measured over the units that matter, and a verdict by a rule that was fixed before.

    run(study("T1"))            the units that are not stored yet, on all cores of this machine
    report.judged(...)          what they say by the rule

One file a claim, or a row that is measured in another way than the claim's others, with its studies in ``STUDIES``;
their rules are in `claims`.
"""

import functools
import importlib
from pathlib import Path

from course_utils.core.checks import no_such
from course_utils.studies.claims import RULES
from course_utils.studies.engine import Study, run
from course_utils.studies.rule import Rule

__all__ = ["RULES", "Rule", "Study", "run", "study", "study_names"]


@functools.cache
def _studies() -> dict[str, Study]:
    names = [name for rule in RULES for name in (rule.partition("-")[0], rule.replace("-", "_"))]
    names = [name for name in dict.fromkeys(map(str.lower, names)) if Path(__file__).with_name(f"{name}.py").exists()]
    files = [f"{__name__}.{name}" for name in names]
    found = [each for file in files for each in importlib.import_module(file).STUDIES]
    return {each.rule.id: each for each in found}


def study_names() -> list[str]:
    """The rows that have a study."""
    return list(_studies())


def study(name: str) -> Study:
    """The study of a row, such as "T1".

    Raises:
        ValueError: there is no such row, or no study of it yet.

    >>> study("T1").rule.cut
    0.01
    """
    if name not in RULES:
        raise no_such("row", name, RULES)
    if name not in _studies():
        raise ValueError(f"{name} has a rule and no study yet; there are {', '.join(study_names())}")
    return _studies()[name]
