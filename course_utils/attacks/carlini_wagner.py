r"""Carlini and Wagner's attack: the smallest perturbation by Adam, with the boundary itself in the objective.

Write each pixel as ``x' = (1 + tanh w) / 2``, which cannot leave the box, and minimise over w

    F = c * ||x' - x||^2 + max(margin + kappa, 0),    margin = f_y(x') - max_{k != y} f_k(x')

(with a target t, ``margin = max_{k != t} f_k - f_t``). The hinge stops pushing once the image is over the boundary by
kappa. As in `lbfgs`, c weighs the *distance* and the largest c that still succeeds is searched for; Carlini and Wagner
(arXiv 1608.04644, section VI) put their constant before the hinge instead, which is 1/c here.
"""

import torch
from torch import Tensor, nn

from course_utils.attacks.base import Best, Bracket, attack_context, keep_rows
from course_utils.core.checks import check_counts
from course_utils.core.tensors import length, spread

EDGE = 0.005  # black and white lie infinitely far out on the line of w: start this much inside
GAIN = 3e-3  # F has settled when a tenth of the steps has not brought this fraction


def carlini_wagner(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    targets: Tensor | str | None = None,
    kappa: float = 0.0,
    search_steps: int = 9,
    steps: int = 100,
    lr: float = 0.1,
    generator: torch.Generator | None = None,
    progress: bool = True,
) -> Tensor:
    """Look for the smallest Euclidean perturbation that puts each image over the boundary by ``kappa``.

    Args:
        kappa: the wanted margin in logits; an image that has it already comes back unchanged.
        search_steps, steps: how many values of c are tried for each image, and at most how many steps of Adam for each.
        lr: Adam's step size in w at the start of each c; it falls to a tenth.

    >>> x = torch.tensor([[[[0.6, 0.5]]]])
    >>> carlini_wagner(nn.Flatten(), x, torch.tensor([0])).argmax().item()
    1
    """
    check_counts(search_steps=search_steps, steps=steps)
    if not 0 <= kappa < float("inf") or not 0 < lr < float("inf"):
        raise ValueError(f"kappa={kappa}, lr={lr}: want finite numbers, at least 0 and above 0")
    with attack_context(model, images, labels, targets, generator, (1, "carlini_wagner", progress)) as task:

        def hinge(logits, rows):
            return (kappa - task.adversarial_margin(logits, rows)).clamp_min(0)

        logits, gap, slope = task.gradient(task.images, hinge, task.rows)
        reach = gap / length(slope).clamp_min(1e-12)  # how far the boundary is, were the logits linear
        bracket = Bracket(gap / (4 * reach**2).clamp_min(1e-12))
        rows = task.rows[~task.is_adversarial(logits, task.rows) | (gap > 0)]
        adam = _Adam(rows, task.images[rows], steps, lr)
        task.bar.reset(len(rows) * search_steps)
        while len(adam.rows):
            rows, x = adam.rows, (1 + adam.w.tanh()) / 2
            c, r = bracket.c[rows], x - task.images[rows]
            logits, gap, slope = task.gradient(x, hinge, rows)
            size, over = length(r), task.is_adversarial(logits, rows) & (gap <= 0)
            adam.won |= task.best.offer(x, rows, torch.where(over, -size, float("-inf")))
            settled = adam.step(x, gap + c * size**2, slope + spread(2 * c, x) * r)
            if settled.any():
                bracket.narrow(rows[settled], adam.won[settled])
                adam.restart(settled, task.best)
                task.bar.update(int(settled.sum()))
                keep_rows(adam, bracket.rounds[rows] < search_steps)
    return task.best.images.to(images)


class _Adam:
    """Adam (Kingma and Ba, arXiv 1412.6980) over w for each image, side by side, each at an age of its own."""

    def __init__(self, rows: Tensor, x: Tensor, steps: int, lr: float):
        self.rows, self.steps, self.lr = rows, steps, lr
        self.w = _to_line(x)
        self.mean, self.square = torch.zeros_like(x), torch.zeros_like(x)  # of the slope
        self.lowest = torch.full_like(x[:, 0, 0, 0], float("inf"))  # F so far
        self.age, self.idle = torch.zeros_like(rows), torch.zeros_like(rows)
        self.won = torch.zeros_like(rows, dtype=torch.bool)  # nearer with this c; all start over the boundary

    def step(self, x: Tensor, value: Tensor, slope: Tensor) -> Tensor:
        """One step down F, whose value and slope in the images x are given; which images have settled?"""
        self.idle = torch.where(value < (1 - GAIN) * self.lowest, 0, self.idle + 1)
        self.lowest, self.age = torch.minimum(self.lowest, value), self.age + 1
        slope = slope * 2 * x * (1 - x)  # dx/dw = 2 x (1 - x)
        self.mean, self.square = 0.9 * self.mean + 0.1 * slope, 0.999 * self.square + 0.001 * slope**2
        t = spread(self.age, x).to(x)
        stride = self.lr * (1 - 0.9 * t / self.steps) / (1 - 0.9**t)
        self.w = self.w - stride * self.mean / ((self.square / (1 - 0.999**t)).sqrt() + 1e-8)
        return (self.age >= self.steps) | (self.idle >= max(10, self.steps // 10))

    def restart(self, settled: Tensor, best: Best) -> None:
        """Begin anew where there is a best image, or go on."""
        found = settled & best.score[self.rows].isfinite()
        self.w[found] = _to_line(best.images[self.rows[found]])
        for state in (self.mean, self.square, self.age, self.idle, self.won):
            state[settled] = 0
        self.lowest[settled] = float("inf")


def _to_line(x: Tensor) -> Tensor:
    return (2 * x.clamp(EDGE, 1 - EDGE) - 1).atanh()
