"""Studies: each claim measured over the units that matter, and a verdict by a rule that was fixed before.

    run(load("T1"))            the units that are not stored yet, on all cores of this machine
    verdict.judge(...)         what they say by the rule

One file a study; its rule is in `claims`. `names` lists those that there are.
"""

import importlib
import pkgutil

from course_utils.core.checks import no_such
from course_utils.studies.claims import RULES
from course_utils.studies.engine import Study, run
from course_utils.studies.rule import Rule

__all__ = ["RULES", "Rule", "Study", "load", "names", "run"]

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


def names() -> list[str]:
    """The rows that have a study."""
    found = (module.name for module in pkgutil.iter_modules(__path__) if module.name not in ROOMS)
    return sorted(name.upper().replace("_", "-") for name in found)


def load(name: str) -> Study:
    """The study of a row, such as "T1".

    >>> load("T1").rule.cut
    0.01
    """
    if name not in names():
        raise no_such("study", name, names())
    return importlib.import_module(f"{__name__}.{name.lower().replace('-', '_')}").STUDY
