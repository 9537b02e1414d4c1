r"""Projected gradient descent: many small steps, each brought back into the budget.

    x_0 = x + noise,    x_{t+1} = project(x_t + a * sign(grad_x loss(x_t, y)))

where ``project`` finds the nearest point within eps of the clean image and inside [0, 1]. Madry et al., arXiv
1706.06083, section 2.1. With ``norm="l2"`` the step is the gradient scaled to length a.

The loss is the cross-entropy, or the margin by which a wrong class leads, as in `carlini_wagner`:

    max_{k != y} f_k(x) - f_y(x)        (with a target t: f_t(x) - max_{k != t} f_k(x))

The cross-entropy of a net that is very sure rounds to 0, and its gradient with it. The margin does not round.

Steps of one length a are a compromise: long ones cannot settle, short ones cannot leave the hill where they start.
Steps that fall from long to short do both, as the halved steps of Croce and Hein do (arXiv 2003.01690, section 3).
"""

import torch
from torch import Tensor, nn

from course_utils.attacks.base import attack_context
from course_utils.core.checks import check_budget, check_counts
from course_utils.core.tensors import project, random_start, steepest

FALL = 1 / 200  # the last of the falling steps as a fraction of the first


def pgd(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    eps: float,
    *,
    targets: Tensor | str | None = None,
    norm: str = "linf",
    loss: str = "cross_entropy",
    steps: int = 40,
    step_size: float | str | None = None,
    restarts: int = 1,
    start: str = "random",
    early_exit: bool = True,
    generator: torch.Generator | None = None,
    progress: bool = True,
) -> Tensor:
    """Raise the loss of each image, "cross_entropy" or "margin", within ``eps`` of it.

    Args:
        step_size: length of a step in pixel units; None takes ``2.5 * eps / steps``, enough to cross the ball.
            "falling" goes from ``2 * eps`` down to ``eps / 100``, each step shorter by the same factor.
        restarts: how many times to start, each with the images not misclassified so far; the best try counts.
        start: "random", a point of the ball, or "clean", the image itself.
        early_exit: an image that is misclassified leaves the batch as it is. False takes all steps with all images,
            for the largest loss.

    >>> pgd(nn.Flatten(), torch.tensor([[[[0.6, 0.5]]]]), torch.tensor([0]), eps=0.25, early_exit=False)
    tensor([[[[0.3500, 0.7500]]]])
    """
    check_budget(eps, norm)
    check_counts(steps=steps, restarts=restarts)
    if loss not in ("cross_entropy", "margin"):
        raise ValueError(f"there is no loss {loss!r} here: choose among cross_entropy, margin")
    if start not in ("random", "clean"):
        raise ValueError(f'start={start!r}: want "random" or "clean"')
    step_size = 2.5 * eps / steps if step_size is None else step_size
    if step_size == "falling":
        lengths = [2 * eps * FALL ** (step / max(1, steps - 1)) for step in range(steps)]
    elif isinstance(step_size, str) or not 0 <= step_size < float("inf"):
        raise ValueError(f'step_size={step_size!r}: want a length in pixel units, such as eps / 10, or "falling"')
    else:
        lengths = [step_size] * steps
    with attack_context(model, images, labels, targets, generator, (restarts * steps, "pgd", progress)) as task:
        margin = task.adversarial_margin, 1
        objective, direction = margin if loss == "margin" else (task.cross_entropy, task.direction)
        for _ in range(restarts):
            rows = task.rows[task.best.score <= 0] if early_exit else task.rows
            if not len(rows):
                break
            clean = task.images[rows]
            x = random_start(task.images, eps, norm, task.generator)[rows] if start == "random" else clean
            try:
                for length in lengths:
                    logits, _, gradient = task.gradient(x, objective, rows)
                    if early_exit:
                        done = task.is_adversarial(logits, rows)
                        rows, x, clean, gradient = task.best.settle(done, rows, x, clean, gradient)
                        if not len(rows):
                            break
                    x = project(x + direction * length * steepest(gradient, norm), clean, eps, norm)
                    task.bar.update()
            finally:  # also when interrupted
                if restarts == 1 or not len(rows):
                    task.best.images[rows] = x
                else:
                    task.best.offer(x, rows, task.adversarial_margin(task.logits(x), rows))
    return task.best.images.to(images)
