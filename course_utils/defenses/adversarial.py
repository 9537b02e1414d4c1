r"""Train on the worst perturbation within a budget, instead of on the digits as they are.

    min over the weights of  E [ max over |r| <= eps of  loss(x + r, y) ]

Madry et al., arXiv 1706.06083, equation 2.1. The inner maximum is out of reach, so each step of the training attacks
by gradients in the pixels, and then descends in the weights at the image found. How it attacks is the method, and each
is a loss for `training.fit`:

- `ManySteps`: some steps of projected gradient ascent from a random point of the ball (Madry et al.).
- `OneStep`: one step of length 1.25 eps from there (Wong, Rice and Kolter, arXiv 2001.03994). Twice the price of an
  ordinary training, not k + 1 times. But a net can learn to stop this one step and no other; from then on its
  accuracy under one step rises while that under PGD falls to nothing: catastrophic overfitting.
- `Trades`: steps up the divergence between the answers to the two images, for a loss that trades accuracy against
  stability, CE(f(x), y) + beta * KL(f(x) || f(x + r)) (Zhang et al., arXiv 1901.08573).

A net that meets the whole budget from its first step may never start to learn. So ``eps`` grows from 0 in a warm-up.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils import evaluation
from course_utils.core.checks import check_budget, check_count
from course_utils.core.tensors import project
from course_utils.training import Moment, TimedLoss


@dataclass(frozen=True)
class _Adversarial(TimedLoss):
    """What the methods share: the budget, L-inf in pixel units, and the part of the training in which it grows."""

    eps: float
    warmup: float = 0.3
    steps = 1
    way = 2.5  # the length of all steps, in units of eps: a net may learn to stop few long ones and not many short ones
    keep = "latest"  # while the budget grows the loss does too

    def __post_init__(self):
        check_budget(self.eps, "linf")
        check_count("steps", self.steps)
        if not 0 <= self.warmup <= 1:
            raise ValueError(f"warmup={self.warmup}: want the part of the training in which eps grows, from 0 to 1")

    def attacked(self, model: nn.Module, images: Tensor, value: Callable[[Tensor], Tensor], moment: Moment) -> Tensor:
        """Images within the budget of this moment, where ``value(logits)`` is larger, in evaluation mode."""
        growth = self.warmup * moment.steps
        eps = self.eps * min(1.0, moment.step / growth) if growth else self.eps
        start = 2 * torch.rand(images.shape, generator=moment.generator, device=moment.generator.device) - 1
        x = images + eps * start.to(images)  # not clipped: one step would take each black pixel to the same corner
        with evaluation.mode(model, False):
            for _ in range(self.steps):
                gradient = evaluation.gradient(value(evaluation.ask(model, x.requires_grad_())), x)
                x = project(x.detach() + self.way / self.steps * eps * gradient.sign(), images, eps, "linf")
        return x

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor, moment: Moment) -> Tensor:
        value = partial(F.cross_entropy, target=labels)
        return value(model(self.attacked(model, images, value, moment)))


@dataclass(frozen=True)
class OneStep(_Adversarial):
    """The cross-entropy after one long step from a random start.

    >>> from course_utils import data, models, training
    >>> training.fit(models.Strided(), data.mnist().train[:256], loss=OneStep(0.1), epochs=1, progress=False).finished
    True
    """

    way = 1.25


@dataclass(frozen=True)
class ManySteps(_Adversarial):
    """The cross-entropy after ``steps`` of projected gradient ascent."""

    steps: int = 5


@dataclass(frozen=True)
class Trades(_Adversarial):
    """The cross-entropy of the images as they are, and ``beta`` times the divergence that ``steps`` bring about."""

    steps: int = 5
    beta: float = 6.0

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor, moment: Moment) -> Tensor:
        answers = evaluation.ask(model, images)
        attacked = self.attacked(model, images, partial(_divergence, answers.detach()), moment)
        return F.cross_entropy(answers, labels) + self.beta * _divergence(answers, model(attacked))


def _divergence(logits: Tensor, others: Tensor) -> Tensor:
    """The mean of KL(softmax(logits) || softmax(others)) over the images, in nats."""
    return F.kl_div(others.log_softmax(1), logits.log_softmax(1), reduction="batchmean", log_target=True)
