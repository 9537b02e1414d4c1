r"""One perturbation for all images: universal adversarial perturbations.

Is there a single v that fools the network on most images, also on those that had no part in making it?
Moosavi-Dezfooli et al. (arXiv 1610.08401) asked, and built v from the DeepFool steps of one image after another. On
MNIST the mean loss climbed directly finds a v that fools more images in a tenth of the time (Shafahi et al., arXiv
1811.11304, algorithm 1), so that is what stands here: stochastic gradient ascent

    v <- project(v + a * sign(grad_v mean_i min(loss(x_i + v, y_i), 1)))

The loss is cut at 1 nat: an image that is surely misclassified no longer pulls at v.
"""

import torch
from torch import Tensor, nn

from course_utils.attacks.base import attack_context
from course_utils.core.checks import check_budget, check_counts
from course_utils.core.tensors import shorten, steepest

CUT = 1.0  # nats: the network gives the label 37 % there


def universal(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    eps: float,
    *,
    targets: Tensor | str | None = None,
    norm: str = "linf",
    steps: int = 100,
    batch: int = 100,
    generator: torch.Generator | None = None,
    progress: bool = True,
) -> Tensor:
    """One perturbation ``(1, C, H, W)`` that the model misclassifies most images with: ``(images + v).clamp(0, 1)``.

    Each of the ``steps`` looks at ``batch`` images drawn at random. Keep others to test it on.

    >>> universal(nn.Flatten(), torch.tensor([[[[0.6, 0.5]]]]), torch.tensor([0]), eps=0.25)
    tensor([[[[-0.2500,  0.2500]]]])
    """
    check_budget(eps, norm)
    check_counts(steps=steps, batch=batch)
    with attack_context(model, images, labels, targets, generator, (steps, "universal", progress)) as task:
        v, source = torch.zeros_like(task.images[:1]), task.generator

        def gain(logits, rows):
            loss = task.cross_entropy(logits, rows)
            return loss.clamp_max(CUT) if task.targets is None else -loss.clamp_min(0.5)

        for step in range(steps):
            rows = torch.randint(len(images), (min(batch, len(images)),), generator=source, device=source.device)
            rows = rows.to(v.device)
            moved = task.images[rows] + v
            _, _, slope = task.gradient(moved.clamp(0, 1), gain, rows)
            out = (moved <= 0) & (slope < 0) | (moved >= 1) & (slope > 0)  # would leave [0, 1]
            slope = (slope * ~out).mean(0, keepdim=True)
            v = shorten(v + 0.3 * eps * (1 - step / steps) * steepest(slope, norm), eps, norm)
            task.bar.update()
    return v.to(images)
