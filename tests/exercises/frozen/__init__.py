"""The wrong answers of the first edition, and what its checks said to them: test data, made once and not edited.

``lesson_NN.WRONG`` gives the answers of each exercise. Each is told today what it was told then, or what `CHANGED` says.
"""

from typing import Any, NamedTuple

import torch
from torch.nn import functional as F


class Mistake(NamedTuple):
    answer: Any
    message: str


def pixel_slope(model, images, classes, loss=F.cross_entropy):
    images = images.detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(model(images), classes), images)
    return gradient


CUT = (
    "the numbers are right, but no gradient leads from them to what they were computed from, so nothing can be trained "
    "(or attacked) through them: leave out .item(), .detach(), no_grad, numpy and new tensors made of numbers"
)
