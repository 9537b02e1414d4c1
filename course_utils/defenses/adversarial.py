r"""Train on the worst change within a budget, instead of on the digits as they are.

    min over the weights of  E [ max over |r| <= eps of  loss(x + r, y) ]

Madry et al., arXiv 1706.06083, equation 2.1. The inner maximum is out of reach, so each step of the training climbs
towards it by gradients in the pixels, and then descends in the weights at the image found. How the climb is made is the
method:

- "pgd": some steps of projected gradient ascent from a random point of the ball (Madry et al.).
- "fast": one step of length 1.25 eps from there (Wong, Rice and Kolter, arXiv 2001.03994). Twice the price of an
  ordinary training, not k + 1 times. But a net can learn to stop this one step and no other; from then on its
  accuracy under one step rises while that under PGD falls to nothing: catastrophic overfitting.
- "trades": steps that climb the divergence between the answers to the two images, for a loss that trades accuracy
  against stability, CE(f(x), y) + beta * KL(f(x) || f(x + r)) (Zhang et al., arXiv 1901.08573).

A net that meets the whole budget from its first step may never start to learn. So ``eps`` grows from 0 in a warm-up.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils import evaluation, runtime, training
from course_utils.core.checks import check_budget, check_counts
from course_utils.core.tensors import project
from course_utils.data import Split
from course_utils.training import History

METHODS = ("fast", "pgd", "trades")


def fit(
    model: nn.Module,
    split: Split,
    *,
    eps: float,
    method: str = "fast",
    epochs: int,
    lr: float = 4e-3,
    batch: int = 128,
    warmup: float = 0.3,
    steps: int = 5,
    beta: float = 6.0,
    generator: torch.Generator | None = None,
    progress: bool = True,
    on_epoch: Callable[[History], None] | None = None,
) -> History:
    """Train ``model`` in place to name the labels of ``split`` after any change of ``eps`` a pixel.

    The losses of the history are those at the changed images, with "trades" the sum above. Interrupting the kernel ends
    the training and leaves the latest weights in the model: while ``eps`` grows the loss does too, so its lowest value
    says nothing.

    Args:
        model, split, epochs, lr, batch: as in `training.fit`. The attack meets the model in evaluation mode.
        eps: the budget in pixel units, for each pixel (L-inf).
        method: how the worst change is looked for, one of `METHODS`.
        warmup: the share of the training, in [0, 1], over which the budget grows from 0 to ``eps``.
        steps: of "pgd" and "trades", each of length ``2.5 * eps / steps``. Few are long, and a net may learn to stop
            these and not the short ones of a patient attacker.
        beta: what stability is worth to "trades".
        generator: draws the order of the images and the starts; None starts a new one from seed 0.
        on_epoch: called with the `History` so far after each round through the split, for plots.

    Raises:
        TypeError, ValueError: images, labels or settings that cannot be trained on; a model without gradients.
        FloatingPointError: the loss became NaN or infinite; the model keeps its latest weights before that.

    >>> from course_utils import data, models
    >>> digits = data.mnist().train[:256]
    >>> fit(models.Strided(), digits, eps=0.1, epochs=1, progress=False).finished
    True
    """
    check_budget(eps, "linf")
    check_counts(steps=steps, epochs=epochs, batch=batch)
    if method not in METHODS:
        raise ValueError(f"there is no method {method!r}: choose among {', '.join(METHODS)}")
    if not 0 <= warmup <= 1:
        raise ValueError(f"warmup={warmup}: want the share of the training in which eps grows, from 0 to 1")
    if not 0 <= beta < float("inf"):
        raise ValueError(f"beta={beta}: want a finite weight of the divergence, not below 0")
    training.prepare(model, split)
    generator = runtime.ensure_generator(generator)
    step_size = 1.25 if method == "fast" else 2.5 / steps  # in units of the budget
    done, growth = 0, warmup * epochs * training.steps_of(len(split), batch)

    def climb(images: Tensor, rise: Callable[[Tensor], Tensor], budget: float) -> Tensor:
        """Images within the budget, where ``rise(logits)`` is larger."""
        start = 2 * torch.rand(images.shape, generator=generator, device=generator.device) - 1
        x = images + budget * start.to(images)  # not clipped: one step would take each black pixel to the same corner
        with evaluation.mode(model, False):
            for _ in range(1 if method == "fast" else steps):
                gradient = evaluation.gradient(rise(evaluation.ask(model, x.requires_grad_())), x)
                x = project(x.detach() + step_size * budget * gradient.sign(), images, budget, "linf")
        return x

    def loss(rows: Tensor) -> Tensor:
        nonlocal done
        done += 1
        budget = eps * min(1.0, done / growth) if growth else eps
        images, labels = split.images[rows], split.labels[rows]
        if method != "trades":
            return F.cross_entropy(model(climb(images, partial(F.cross_entropy, target=labels), budget)), labels)
        answers = evaluation.ask(model, images)
        apart = partial(_divergence, answers.detach())
        return F.cross_entropy(answers, labels) + beta * _divergence(answers, model(climb(images, apart, budget)))

    settings = dict(epochs=epochs, lr=lr, batch=batch, decay=0.01, generator=generator, progress=progress)
    return training.descend(model, loss, len(split), **settings, on_epoch=on_epoch, hardening=True)


def _divergence(logits: Tensor, others: Tensor) -> Tensor:
    """The mean of KL(softmax(logits) || softmax(others)) over the images, in nats."""
    return F.kl_div(others.log_softmax(1), logits.log_softmax(1), reduction="batchmean", log_target=True)
