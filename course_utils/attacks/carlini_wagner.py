r"""Carlini and Wagner's attack: the smallest change by Adam, with the boundary itself in the objective.

Write each pixel as ``x' = (1 + tanh w) / 2``, which cannot leave the box, and minimise over w

    F = c * ||x' - x||^2 + max(margin + kappa, 0),    margin = f_y(x') - max_{k != y} f_k(x')

(with a target t, ``margin = max_{k != t} f_k - f_t``). The hinge stops pushing once the image is over the boundary by
kappa. As in `lbfgs`, c weighs the *distance* and the largest c that still succeeds is searched for; Carlini and Wagner
(arXiv 1608.04644, section VI) put their constant before the hinge instead, which is 1/c here.
"""

import torch
from torch import Tensor, nn

from course_utils import runtime
from course_utils.attacks.base import Bracket, attack_context
from course_utils.core.checks import check_counts
from course_utils.core.tensors import length, spread

EDGE = 0.005  # black and white lie infinitely far out on the line of w: start this much inside
GAIN = 3e-3  # F has settled when a tenth of the steps has not brought this share


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
    """Look for the smallest Euclidean change that puts each image over the boundary by ``kappa``.

    Each value of c starts from the best image so far; an image whose F has settled goes on to its next c at once.

    Args:
        model, images, labels: as for `fgsm`.
        targets: None takes any wrong class; int64 ``(N,)`` or a rule of `choose_targets` that class.
        kappa: the wanted lead in logits.
        search_steps: how many values of c are tried for each image.
        steps: at most this many steps of Adam for each c.
        lr: its step size in w at the start of each c; it falls to a tenth.

    Returns:
        Images of the same shape, type and device, inside [0, 1]. One that has the lead already, or for which none is
        found, comes back unchanged.

    Raises:
        TypeError, ValueError: inputs or settings outside the convention; a model without logits or without gradients.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(64, 3, bias=False))
    >>> x = torch.full((1, 1, 8, 8), 0.5)
    >>> y = model(x).argmax(1)
    >>> bool(model(carlini_wagner(model, x, y)).argmax(1) == y)
    False
    """
    check_counts(search_steps=search_steps, steps=steps)
    if not 0 <= kappa < float("inf") or not 0 < lr < float("inf"):
        raise ValueError(f"kappa={kappa}, lr={lr}: want finite numbers, at least 0 and above 0")
    with attack_context(model, images, labels, targets, generator) as task:

        def hinge(logits, rows):
            return (kappa - task.lead(logits, rows)).clamp_min(0)

        best = task.images.clone()
        shortest = torch.full_like(best[:, 0, 0, 0], float("inf"))
        logits, gap, slope = task.gradient(best, hinge, task.rows)
        reach = gap / length(slope).clamp_min(1e-12)  # how far the boundary is, were the logits linear
        bracket = Bracket(gap / (4 * reach**2).clamp_min(1e-12))
        rows = task.rows[~task.fooled(logits, task.rows) | (gap > 0)]
        w = _to_line(best[rows])
        mean, square = torch.zeros_like(w), torch.zeros_like(w)
        lowest = torch.full_like(shortest[rows], float("inf"))
        age, idle, rounds = torch.zeros_like(rows), torch.zeros_like(rows), torch.zeros_like(rows)
        won = torch.zeros_like(rows, dtype=torch.bool)
        bar = runtime.progress(len(rows) * search_steps, "carlini_wagner", progress)
        while len(rows):
            x, c = (1 + w.tanh()) / 2, bracket.c[rows]
            logits, gap, slope = task.gradient(x, hinge, rows)
            change = x - task.images[rows]
            size, over = length(change), task.fooled(logits, rows) & (gap <= 0)
            better = over & (size < shortest[rows])
            won |= better  # being over the boundary is no success: each c starts there
            best[rows[better]], shortest[rows[better]] = x[better], size[better]

            value = gap + c * size**2
            idle = torch.where(value < (1 - GAIN) * lowest, 0, idle + 1)
            lowest, age = torch.minimum(lowest, value), age + 1
            slope = (slope + spread(2 * c, x) * change) * 2 * x * (1 - x)  # dx/dw = 2 x (1 - x)
            mean, square = 0.9 * mean + 0.1 * slope, 0.999 * square + 0.001 * slope**2
            t = spread(age, w).to(w)
            stride = lr * (1 - 0.9 * t / steps) / (1 - 0.9**t)
            w = w - stride * mean / ((square / (1 - 0.999**t)).sqrt() + 1e-8)

            settled = (age >= steps) | (idle >= max(10, steps // 10))
            if settled.any():
                there = rows[settled]
                bracket.narrow(there, won[settled])
                found = settled & (shortest[rows] < float("inf"))
                w[found] = _to_line(best[rows[found]])
                rounds[settled] += 1
                for state in (mean, square, age, idle, won):
                    state[settled] = 0
                lowest[settled] = float("inf")
                stay = rounds < search_steps
                states = (rows, w, mean, square, lowest, age, idle, rounds, won)
                rows, w, mean, square, lowest, age, idle, rounds, won = (state[stay] for state in states)
                bar.update(len(there))
        bar.close()
    return task.finish(best)


def _to_line(x: Tensor) -> Tensor:
    """The w of pixels."""
    return (2 * x.clamp(EDGE, 1 - EDGE) - 1).atanh()
