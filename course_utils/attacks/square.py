r"""Square: a random search with squares, a black-box attack that asks for logits and never for a gradient.

Inside the ball of radius eps the worst points lie in its corners, where each pixel has moved by the whole of eps. So
stay there: start with vertical stripes of +-eps, then draw a square at a random place, give it one random sign a
channel, and keep it if the margin

    f_y(x') - max_{k != y} f_k(x')        (with a target t: max_{k != t} f_k(x') - f_t(x'))

has fallen. The squares shrink: from `FRACTION` of the image, halved again and again. Andriushchenko, Croce, Flammarion
and Hein 2019, arXiv 1912.00049, algorithms 1 and 2. A defense that hides its gradients does not hide from this.
"""

import torch
from torch import Tensor, nn

from course_utils.attacks.base import attack_context
from course_utils.core.checks import check_budget, check_counts
from course_utils.core.tensors import spread

FRACTION = 0.8  # of the pixels lie in a first square
HALVED = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)  # fractions of the queries after which the area halves


def square(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    eps: float,
    *,
    targets: Tensor | str | None = None,
    queries: int = 1000,
    generator: torch.Generator | None = None,
    progress: bool = True,
) -> Tensor:
    """Look for squares of ``+-eps`` that the model misclassifies, with no more than ``queries`` queries an image.

    >>> square(nn.Flatten(), torch.tensor([[[[0.6, 0.5]]]]), torch.tensor([0]), eps=0.25)
    tensor([[[[0.3500, 0.7500]]]])
    """
    check_budget(eps, "linf")
    check_counts(queries=queries)
    with attack_context(model, images, labels, targets, generator, (queries, "square", progress)) as task:
        rows, source = task.rows, task.generator
        row, column = (torch.arange(size).to(task.images) for size in images.shape[2:])
        row = row[:, None]

        def draw(below, *shape):
            return torch.randint(below, shape, generator=source, device=source.device).to(task.images)

        for query in range(queries):
            clean, old = task.images[rows], task.best.images[rows]
            number, channels, height, width = clean.shape
            if query == 0:
                x = (clean + eps * (2 * draw(2, number, channels, 1, width) - 1)).clamp(0, 1)
            else:
                side = side_at(query / queries, height, width)
                top, left = (draw(size - side + 1, number, 1, 1, 1) for size in (height, width))
                within = (row >= top) & (row < top + side) & (column >= left) & (column < left + side)
                signs = 2 * draw(2, number, channels, 1, 1) - 1
                x = torch.where(within, (clean + eps * signs).clamp(0, 1), old)
                same = (x == old).flatten(1).all(1)  # a wasted query: take the other sign
                x = torch.where(within & spread(same, x), (clean - eps * signs).clamp(0, 1), x)
            logits = task.logits(x)
            task.best.offer(x, rows, task.adversarial_margin(logits, rows))
            rows = rows[~task.is_adversarial(logits, rows)]
            task.bar.update()
            if not len(rows):
                break
    return task.best.images.to(images)


def side_at(spent: float, height: int, width: int) -> int:
    """The side of a square, in pixels, when this fraction of the queries is spent.

    >>> [side_at(spent, 28, 28) for spent in (0.0, 0.03, 0.3, 0.9)]
    [25, 9, 3, 1]
    """
    area = FRACTION * height * width / 2 ** sum(spent > fraction for fraction in HALVED)
    return max(1, min(round(area**0.5), height, width))
