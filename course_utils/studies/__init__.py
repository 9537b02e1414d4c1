"""Studies: each claim measured over the units that matter, and a verdict by a rule that was fixed before.

    run(study("T1"))            the units that are not stored yet, on all cores of this machine
    verdict.decide(...)         what they say by the rule

One file a study; its rule is in `claims`. `study_names` lists those that there are.
"""

import importlib
import pkgutil

from course_utils.core.checks import no_such
from course_utils.studies.claims import RULES
from course_utils.studies.engine import Study, run
from course_utils.studies.rule import Rule

__all__ = ["RULES", "Rule", "Study", "run", "study", "study_names"]

ROOMS = {
    "claims",
    "command",
    "engine",
    "networks",
    "report",
    "rule",
    "rules_digits",
    "rules_photos",
    "store",
    "verdict",
}


def study_names() -> list[str]:
    """The rows that have a study."""
    found = (module.name for module in pkgutil.iter_modules(__path__) if module.name not in ROOMS)
    return sorted(name.upper().replace("_", "-") for name in found)


def study(name: str) -> Study:
    """The study of a row, such as "T1".

    >>> study("T1").rule.cut
    0.01
    """
    if name not in study_names():
        raise no_such("study", name, study_names())
    return importlib.import_module(f"{__name__}.{name.lower().replace('-', '_')}").STUDY
