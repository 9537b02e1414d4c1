"""Defenses, and the ladder of attacks by which one is judged: a defense is worth what the attack that knows it leaves.

`adversarial` trains on the worst changes, `rejection` on fooling images as a class of their own, `distillation` on
another network's soft answers; `squeezing` rounds the input. `smoothing` and `intervals` prove what no attack within a
ball can change. `evaluate` climbs the ladder and looks for signs that it leads nowhere. `load` takes a network that was
trained in one of these ways from the `shelf`.
"""

from course_utils.defenses import (
    adversarial,
    distillation,
    evaluate,
    intervals,
    rejection,
    shelf,
    smoothing,
    squeezing,
)
from course_utils.defenses.shelf import load

__all__ = [
    "adversarial",
    "distillation",
    "evaluate",
    "intervals",
    "load",
    "rejection",
    "shelf",
    "smoothing",
    "squeezing",
]
