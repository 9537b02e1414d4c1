"""What tests ask of interval bounds beyond whether something is proved."""

import torch

from course_utils import evaluation
from course_utils.defenses import intervals


def bounds(net, images, eps):
    """Lower and upper bounds of each logit, ``(N, K)`` twice."""
    layers = intervals._checked_layers(net, images, eps)
    with torch.no_grad(), evaluation.mode(net, False):
        return intervals._through(layers, *intervals._box(images, eps))


def margins(net, images, labels, eps):
    """Lower bounds of f_y - f_j for the label y and each class j, ``(N, K)``."""
    layers = intervals._checked_layers(net, images, eps)
    with torch.no_grad(), evaluation.mode(net, False):
        return intervals._margins(layers, *intervals._box(images, eps), labels)
