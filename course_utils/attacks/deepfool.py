r"""DeepFool: step over the nearest boundary of the network's linear model, again and again.

If the logits were linear, the boundary between the label y and class k would lie at distance
``|f_k - f_y| / ||w_k||`` with ``w_k = grad f_k - grad f_y``. Step over the nearest one, and a little further:

    r = |f_k - f_y| / ||w_k||^2 * w_k,    x' = clip(x + (1 + overshoot) * sum of the r so far)

until the class changes. Moosavi-Dezfooli, Fawzi and Frossard, arXiv 1511.04599, algorithm 2. For linf the length is
divided by the sum of |w_k| and the step has its signs.
"""

import torch
from torch import Tensor, nn

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
    """Look for the nearest image, in "l2" or "linf", that the model misclassifies, step by linear step.

    Args:
        targets: None takes the nearest wrong class at each step.
        overshoot: how much further than the linear boundary, as a fraction.
        steps: at most this many; an image that is misclassified leaves the batch.
        candidates: look at this many classes, those with the highest logits on the clean image.

    >>> deepfool(nn.Flatten(), torch.tensor([[[[0.7, 0.5]]]]), torch.tensor([0]), overshoot=0.5)
    tensor([[[[0.5499, 0.6501]]]])
    """
    check_budget(0, norm)
    check_counts(steps=steps, candidates=candidates)
    if candidates < 2 or not 0 <= overshoot < float("inf"):
        raise ValueError(f"candidates={candidates}, overshoot={overshoot:g}: want at least 2, and not below 0")
    with attack_context(model, images, labels, targets, generator, (steps, "deepfool", progress)) as task:
        rows, x = task.rows, task.images
        plus = None if targets is None else task.targets[:, None]
        for step in range(steps + 1):
            logits = task.logits(x)
            if plus is None:
                plus = without(logits, task.labels).topk(min(candidates, task.classes) - 1).indices
            rows, x, logits, plus = task.best.settle(task.is_adversarial(logits, rows), rows, x, logits, plus)
            if step == steps or not len(rows):
                break
            minus = task.labels[rows] if targets is None else without(logits, task.targets[rows]).argmax(1)
            value, w = task.gradients(x, minus, plus)
            size = w.flatten(2).norm(dim=2) if norm == "l2" else w.flatten(2).abs().sum(2)
            distance, nearest = (value.abs() / size.clamp_min(1e-8)).sort(1)
            plus = plus.gather(1, nearest[:, :NEAR])
            w = w[torch.arange(len(rows), device=rows.device), nearest[:, 0]]
            far = distance[:, 0] + 1e-4  # so that a step is taken even where the two logits agree
            clean = task.images[rows]
            r = (x - clean) / (1 + overshoot) + spread(far, x) * steepest(w, norm)
            x = (clean + (1 + overshoot) * r).clamp(0, 1)
            task.bar.update()
    return task.best.images.to(images)
