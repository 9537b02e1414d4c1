"""Random noise: the attacker that knows nothing, and the yardstick of those who do.

Each pixel goes up or down by eps, as a coin falls: a random corner of the ball in which `pgd` and `square` search.
Without a budget for anything better one can still draw often, and keep the draw that troubles the model most.
"""

import torch
from torch import Tensor, nn

from course_utils import runtime
from course_utils.attacks.base import attack_context
from course_utils.core.checks import check_budget, check_counts, check_images


def random_noise(
    model: nn.Module, images: Tensor, labels: Tensor, eps: float, *, draws: int = 1, generator=None
) -> Tensor:
    """Of ``draws`` perturbations by ``+-eps`` at random, for each image the one with the least margin.

    One draw alone is not compared with any: then the model is asked nothing.

    >>> x = torch.full((1, 1, 1, 2), 0.5)
    >>> (random_noise(nn.Flatten(), x, torch.tensor([0]), 0.25) - x).abs()
    tensor([[[[0.2500, 0.2500]]]])
    """
    check_budget(eps, "linf")
    check_counts(draws=draws)
    generator = runtime.ensure_generator(generator)
    if draws == 1:
        return _signs(check_images(images).detach(), eps, generator)
    with attack_context(model, images, labels) as task:
        for _ in range(draws):
            noisy = _signs(task.images, eps, generator)
            task.best.offer(noisy, task.rows, task.adversarial_margin(task.logits(noisy), task.rows))
    return task.best.images.to(images)


def _signs(images: Tensor, eps: float, generator: torch.Generator) -> Tensor:
    signs = torch.randint(2, images.shape, generator=generator, device=generator.device) * 2 - 1
    return (images + eps * signs.to(images)).clamp(0, 1)
