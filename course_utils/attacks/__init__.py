"""Attacks: ``attack(model, images, labels, *, targets=None, ...) -> images`` of the same shape, inside [0, 1].

One file an idea. `fgsm` and `pgd` keep inside a budget and go for the largest loss; `lbfgs`, `deepfool` and
`carlini_wagner` look for the smallest perturbation that is enough, and hand back unchanged an image for which they find
none; `universal` looks for one perturbation for many images, `eot` for one that survives what happens to it on its way
to the model; `hop_skip_jump` asks the model for nothing but its answers; `random_noise` asks it nothing and is the
control of all others. ``targets`` is None (untargeted: any wrong class will do), one class an image, or a rule of
`choose_targets`. `faces.attack` attacks a face detector, which has no classes.
"""

from course_utils.attacks import distances
from course_utils.attacks.base import TARGET_RULES, choose_targets
from course_utils.attacks.carlini_wagner import carlini_wagner
from course_utils.attacks.deepfool import deepfool
from course_utils.attacks.eot import eot
from course_utils.attacks.fgsm import fgsm
from course_utils.attacks.hop_skip_jump import hop_skip_jump
from course_utils.attacks.lbfgs import lbfgs
from course_utils.attacks.noise import random_noise
from course_utils.attacks.pgd import pgd
from course_utils.attacks.square import square
from course_utils.attacks.universal import universal

__all__ = [
    "TARGET_RULES",
    "carlini_wagner",
    "choose_targets",
    "deepfool",
    "distances",
    "eot",
    "fgsm",
    "hop_skip_jump",
    "lbfgs",
    "pgd",
    "random_noise",
    "square",
    "universal",
]
