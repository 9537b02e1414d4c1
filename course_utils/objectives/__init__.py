"""Other objectives than softmax and cross-entropy, on the same digits: would one of them cure the flaw?

Each is a module that maps images ``(N, C, H, W)`` in [0, 1] to logits ``(N, K)``, differentiable in the images, so that
every attack runs on it. `train` trains a network by any loss, such as `large_margin`; `rbf_lenet` and `shallow_rbf` are
radial basis functions with losses of their own. `linear_svm` and `rbf_svm` are scikit-learn's, `NearestDigit` keeps the
digits themselves, `gaussians` one density a class. `calibrate` brings logits of any unit to one scale.
"""

from course_utils.objectives.fitting import train
from course_utils.objectives.gaussian import gaussians
from course_utils.objectives.margin import large_margin
from course_utils.objectives.nearest import NearestDigit
from course_utils.objectives.rbf import bitmaps, confidence, rbf_lenet, shallow_rbf
from course_utils.objectives.svm import linear_svm, rbf_svm
from course_utils.objectives.temperature import calibrate

__all__ = [
    "NearestDigit",
    "bitmaps",
    "calibrate",
    "confidence",
    "gaussians",
    "large_margin",
    "linear_svm",
    "rbf_lenet",
    "rbf_svm",
    "shallow_rbf",
    "train",
]
