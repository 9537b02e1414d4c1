r"""The fast gradient sign method: one step, as long as the budget allows.

Near an image a network is almost linear. A linear function climbs fastest, within ``|r_i| <= eps``, along the signs of
its gradient:

    x' = clip(x + eps * sign(grad_x loss(x, y)))

Goodfellow, Shlens and Szegedy, arXiv 1412.6572, section 4. With ``norm="l2"`` the step goes along the gradient itself,
with length eps; with targets it goes down the loss of the target.
"""

import torch
from torch import Tensor, nn

from course_utils.attacks.base import attack_context
from course_utils.core.checks import check_budget
from course_utils.core.tensors import project, steepest


def fgsm(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    eps: float,
    *,
    targets: Tensor | str | None = None,
    norm: str = "linf",
    generator: torch.Generator | None = None,
) -> Tensor:
    """Change each image by one step along the gradient of its loss.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    >>> x = torch.full((2, 1, 2, 2), 0.5)
    >>> (fgsm(model, x, torch.tensor([0, 1]), eps=0.25) - x).abs().unique()
    tensor([0.2500])
    """
    check_budget(eps, norm)
    with attack_context(model, images, labels, targets, generator) as task:
        best = task.images
        _, _, gradient = task.gradient(best, task.cross_entropy, task.rows)
        best = project(best + task.direction * eps * steepest(gradient, norm), best, eps, norm)
    return task.finish(best)
