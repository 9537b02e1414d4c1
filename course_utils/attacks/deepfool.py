r"""DeepFool: step over the nearest boundary of the network's linear model, again and again.

If the logits were linear, the boundary between the label y and class k would lie at distance
``|f_k - f_y| / ||w_k||`` with ``w_k = grad f_k - grad f_y``. Step over the nearest one, and a little further:

    r = |f_k - f_y| / ||w_k||^2 * w_k,    x' = clip(x + (1 + overshoot) * sum of the r so far)

until the class changes. Moosavi-Dezfooli, Fawzi and Frossard, arXiv 1511.04599, algorithm 2. For linf the length is
divided by the sum of |w_k| and the step has its signs.
"""

import torch
from torch import Tensor, nn

from course_utils import runtime
from course_utils.attacks.base import attack_context
from course_utils.core.checks import check_budget, check_counts
from course_utils.core.tensors import spread, steepest
from course_utils.evaluation import without

NEAR = 2  # classes that are looked at after the first step: those whose linear boundary was nearest at the last


def deepfool(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    targets: Tensor | str | None = None,
    norm: str = "l2",
    overshoot: float = 0.02,
    steps: int = 50,
    candidates: int = 10,
    generator: torch.Generator | None = None,
    progress: bool = True,
) -> Tensor:
    """Look for the nearest image that the model misnames, step by linear step.

    Args:
        model, images, labels: as for `fgsm`.
        targets: None takes the nearest wrong class at each step; int64 ``(N,)`` or a rule of `choose_targets`.
        norm: the distance to make small, "l2" or "linf".
        overshoot: how much further than the linear boundary, as a share.
        steps: at most this many; an image that is misnamed leaves the batch.
        candidates: look at this many classes, those with the highest logits on the clean image.

    Returns:
        Images of the same shape, type and device, inside [0, 1]. One that the model misnames already, or for which
        nothing is found, comes back unchanged.

    Raises:
        TypeError, ValueError: inputs or settings outside the convention; a model without logits or without gradients.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(64, 3, bias=False))
    >>> x = torch.full((1, 1, 8, 8), 0.5)
    >>> y = model(x).argmax(1)
    >>> bool(model(deepfool(model, x, y)).argmax(1) == y)
    False
    """
    check_budget(0, norm)
    check_counts(steps=steps, candidates=candidates)
    if candidates < 2 or not 0 <= overshoot < float("inf"):
        raise ValueError(f"candidates={candidates}, overshoot={overshoot:g}: want at least 2, and not below 0")
    bar = runtime.progress(steps, "deepfool", progress)
    with attack_context(model, images, labels, targets, generator) as task, bar:
        best, x, rows = task.images.clone(), task.images, task.rows
        for step in range(steps + 1):
            logits = task.logits(x)
            done = task.fooled(logits, rows)
            best[rows[done]] = x[done]
            rows, x, logits = rows[~done], x[~done], logits[~done]
            if step == steps or not len(rows):
                break
            minus = task.labels[rows]
            if targets is not None:  # the strongest class other than the target
                minus = without(logits, task.targets[rows]).argmax(1)
            if step == 0 and targets is None:
                plus = without(logits, minus).topk(min(candidates, task.classes) - 1).indices
            elif step == 0:
                plus = task.targets[rows, None]
            else:
                plus = plus[~done]
            value, w = task.gradients(x, minus, plus)
            size = w.flatten(2).norm(dim=2) if norm == "l2" else w.flatten(2).abs().sum(2)
            distance = value.abs() / size.clamp_min(1e-8)
            near = distance.argsort(1)[:, :NEAR]
            plus = plus.gather(1, near)
            at = torch.arange(len(rows), device=rows.device)
            far = distance[at, near[:, 0]] + 1e-4  # so that a step is taken even where the two logits agree
            change = (x - task.images[rows]) / (1 + overshoot)
            change = change + spread(far, x) * steepest(w[at, near[:, 0]], norm)
            x = (task.images[rows] + (1 + overshoot) * change).clamp(0, 1)
            bar.update()
        bar.update(steps - bar.n)  # finished early
    return task.finish(best)
