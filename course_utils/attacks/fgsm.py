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

    >>> fgsm(nn.Flatten(), torch.tensor([[[[0.6, 0.5]]]]), torch.tensor([0]), eps=0.25)
    tensor([[[[0.3500, 0.7500]]]])
    """
    check_budget(eps, norm)
    with attack_context(model, images, labels, targets, generator) as task:
        x = task.images
        _, _, gradient = task.gradient(x, task.cross_entropy, task.rows)
        x = project(x + task.direction * eps * steepest(gradient, norm), x, eps, norm)
    return x.to(images)
