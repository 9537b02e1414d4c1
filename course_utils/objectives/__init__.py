"""Other objectives than softmax and cross-entropy, on the same digits: would one of them cure the flaw?

Each is a module that maps images ``(N, C, H, W)`` in [0, 1] to logits ``(N, K)``, differentiable in the images, so that
every attack runs on it. `train` trains a network by any loss: `map_criterion` and `bernoulli` for the radial basis
functions of `rbf_lenet` and `shallow_rbf`, `hinge` and `large_margin`. `linear_svm` and `rbf_svm` are scikit-learn's,
`NearestDigit` keeps the digits themselves, `Gaussians` one density a class. `calibrate` brings logits of any unit to
one scale.
"""

from course_utils.objectives.fitting import train
from course_utils.objectives.gaussian import Gaussians, gaussians
from course_utils.objectives.margin import hinge, large_margin
from course_utils.objectives.nearest import NearestDigit
from course_utils.objectives.rbf import bernoulli, bitmaps, confidence, map_criterion, rbf_lenet, shallow_rbf
from course_utils.objectives.svm import linear_svm, rbf_svm
from course_utils.objectives.temperature import TemperatureScaled, calibrate

__all__ = [
    "Gaussians",
    "NearestDigit",
    "TemperatureScaled",
    "bernoulli",
    "bitmaps",
    "calibrate",
    "confidence",
    "gaussians",
    "hinge",
    "large_margin",
    "linear_svm",
    "map_criterion",
    "rbf_lenet",
    "rbf_svm",
    "shallow_rbf",
    "train",
]
