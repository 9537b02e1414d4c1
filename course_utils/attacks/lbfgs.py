r"""Szegedy's box-constrained L-BFGS: the attack that began the debate, for a whole batch at once.

The smallest perturbation r that makes the network say ``target`` is what one would like to know. Szegedy et al.
(arXiv 1312.6199, section 4.1) minimise instead, for a fixed c,

    F(r) = c * |r| + loss(x + r, target)    subject to    0 <= x + r <= 1

and search over c: the larger c, the smaller the perturbation. The paper speaks of the *minimum* c. With c in front of
|r| the smallest perturbation belongs to the **largest c whose minimiser still has the target class**, and that one is
searched for. ``|r|`` is read as the squared Euclidean length (``norm="squared_l2"``) or as the length itself
(``"l2"``): the paper can be read in both ways.

L-BFGS (Liu and Nocedal 1989) walks towards the minimum with a picture of the curvature made from its last steps. Here
each image has its own history, its own step length and its own c, and all images share each pass through the network.
Pixels that stand at 0 or 1 and want to go beyond are held there (two-metric projection, Bertsekas 1982).
"""

import torch
from torch import Tensor, nn

from course_utils.attacks.base import Bracket, attack_context, keep_rows
from course_utils.core.checks import check_counts
from course_utils.core.tensors import length, spread

MEMORY = 5  # steps that make up the picture of the curvature
DECREASE = 1e-4  # a step must gain this fraction of what the slope promises (Armijo)
ROUND = 0.2  # |r| has a kink at 0, where L-BFGS gets stuck: rounded off within this fraction of the way to the target
ENOUGH = 2e-5  # the minimum is reached when a step gains less than this fraction of F


def lbfgs(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    targets: Tensor | str | None = None,
    c: float | None = None,
    norm: str = "squared_l2",
    search_steps: int = 9,
    steps: int = 100,
    generator: torch.Generator | None = None,
    progress: bool = True,
) -> Tensor:
    """Minimise ``c * |r| + loss(x + r, target)`` in the box, and search for the largest c that reaches the target.

    Args:
        targets: None takes "nearest".
        c: None searches, and returns the smallest perturbation seen that reaches the target. A number minimises for
            that c alone and returns the minimiser, whether it reaches the target or not.
        norm: the reading of |r|: "squared_l2" or "l2".
        search_steps, steps: how many values of c are tried for each image, and at most how many steps for each.

    >>> x = torch.tensor([[[[0.6, 0.5]]]])
    >>> lbfgs(nn.Flatten(), x, torch.tensor([0])).argmax().item()
    1
    """
    check_counts(search_steps=search_steps, steps=steps)
    if norm not in ("squared_l2", "l2"):
        raise ValueError(f"norm={norm!r} is no reading of |r|: choose among squared_l2, l2")
    if c is not None and not 0 <= c < float("inf"):
        raise ValueError(f"c={c}: want a finite number, not below 0; None searches for it")
    search_steps = search_steps if c is None else 1
    targets = "nearest" if targets is None else targets
    with attack_context(model, images, labels, targets, generator, (1, "lbfgs", progress)) as task:
        logits, loss, slope = task.gradient(task.images, task.cross_entropy, task.rows)
        reach = loss / length(slope).clamp_min(1e-12)  # how far the target is, were the loss linear
        # The first c: a linear loss would be given up for a perturbation about half way to the target.
        first = loss / (2 * reach.clamp_min(1e-12)) ** (2 if norm == "squared_l2" else 1)
        bracket = Bracket(first if c is None else torch.full_like(loss, c))
        walk = _Walk(task.rows, task.images.clone(), slope, reach)
        if c is None:
            keep_rows(walk, ~task.is_adversarial(logits, task.rows))
        task.bar.reset(len(walk.rows) * search_steps)
        while len(walk.rows):
            rows, trial = walk.rows, (walk.x + spread(walk.stride, walk.x) * walk.direction).clamp(0, 1)
            logits, loss, slope = task.gradient(trial, task.cross_entropy, rows)
            r, reached = trial - task.images[rows], task.is_adversarial(logits, rows)
            size, weight = length(r), bracket.c[rows]
            if c is None:
                task.best.offer(trial, rows, torch.where(reached, -size, float("-inf")))
            else:
                task.best.images[rows] = trial
            if norm == "squared_l2":
                loss, slope = loss + weight * size**2, slope + spread(2 * weight, r) * r
            else:
                rounded = (size**2 + (ROUND * reach[rows]) ** 2).sqrt()
                loss, slope = loss + weight * rounded, slope + spread(weight / rounded, r) * r
            settled = walk.move(trial, loss, slope, reached, steps)
            if settled.any():
                bracket.narrow(rows[settled], walk.reached[settled])
                task.bar.update(int(settled.sum()))
                keep_rows(walk, bracket.rounds[rows] < search_steps)
    return task.best.images.to(images)


class _Walk:
    """L-BFGS for each image, side by side: where it stands, what it has seen, the step that it tries next."""

    def __init__(self, rows: Tensor, x: Tensor, slope: Tensor, reach: Tensor):
        self.rows, self.x, self.slope = rows, x, slope
        self.value = torch.full_like(reach, float("inf"))  # of F at x; infinite: unknown, any step is taken
        self.reached = torch.zeros_like(rows, dtype=torch.bool)  # the target, at x
        self.unit = reach / length(slope).clamp_min(1e-12)  # step per slope, while there is no history
        self.stride = torch.zeros_like(reach)  # fraction of the direction that is tried; the first trial is x itself
        self.taken = torch.zeros_like(rows)  # steps since c changed
        self.direction = torch.zeros_like(x)
        self.steps = torch.zeros(len(x), MEMORY, x[0].numel()).to(x)
        self.turns = torch.zeros_like(self.steps)  # by how much each step changed the slope
        self.slot = 0

    def move(self, trial: Tensor, value: Tensor, slope: Tensor, reached: Tensor, steps: int) -> Tensor:
        """Accept the trial points that gain enough, shorten the step of the others; which images have settled?"""
        moved = (trial - self.x).flatten(1)
        promised = (self.slope.flatten(1) * moved).sum(1)
        fresh = self.value.isinf()
        gain = self.value - value
        accepted = fresh | (gain >= -DECREASE * promised) & (promised < 0)
        known = (accepted & ~fresh).to(moved)[:, None]
        self.steps[:, self.slot] = moved * known
        self.turns[:, self.slot] = (slope - self.slope).flatten(1) * known
        self.slot = (self.slot + 1) % MEMORY

        shorter = -promised * self.stride / (2 * (-gain - promised)).clamp_min(1e-20)  # the parabola's lowest point
        shorter = torch.minimum(torch.maximum(shorter, 0.1 * self.stride), 0.5 * self.stride)
        self.taken = self.taken + accepted.long()
        enough = accepted & ~fresh & (gain < ENOUGH * value.abs())
        self.stride = torch.where(accepted, 1.0, shorter)
        stuck = ~accepted & (self.stride < 1e-4)
        self.value = torch.where(accepted, value, self.value)
        self.reached = torch.where(accepted, reached, self.reached)
        self.x = torch.where(spread(accepted, trial), trial, self.x)
        self.slope = torch.where(spread(accepted, trial), slope, self.slope)
        self.direction = torch.where(spread(accepted, trial), self._downhill(), self.direction)
        still = accepted & (self.direction.abs().amax((1, 2, 3)) < 1e-7)
        settled = enough | stuck | still | (self.taken > steps)
        self.taken[settled], self.stride[settled], self.value[settled] = 0, 0, float("inf")
        return settled

    def _downhill(self) -> Tensor:
        """The L-BFGS direction among the pixels that are free to follow it: a sum of the last steps, turns and slope.

        The method's two loops run over the factors of that sum. The pixels are needed twice only: for all products of
        two vectors, and for the sum (Chen, Wang and Zhou, *Large-scale L-BFGS using MapReduce*, 2014).
        """
        x, slope = self.x.flatten(1), self.slope.flatten(1)
        free = ~((x <= 0) & (slope > 0) | (x >= 1) & (slope < 0))
        vectors = torch.cat([self.steps, self.turns, slope[:, None]], 1) * free[:, None]
        products = vectors @ vectors.mT
        factors = torch.zeros_like(products[:, 0])
        factors[:, -1] = -1
        order, alphas = [(self.slot - 1 - j) % MEMORY for j in range(MEMORY)], {}
        bend = products[:, :MEMORY, MEMORY:-1].diagonal(dim1=1, dim2=2)  # of each step with its own turn
        usable = bend > 1e-10
        inverse = torch.where(usable, 1 / bend.clamp_min(1e-10), 0.0)
        for k in order:
            alphas[k] = inverse[:, k] * (products[:, k] * factors).sum(1)
            factors[:, MEMORY + k] -= alphas[k]
        unit = self.unit
        for k in reversed(order):  # the latest that is usable stays
            unit = torch.where(usable[:, k], bend[:, k] / products[:, MEMORY + k, MEMORY + k].clamp_min(1e-20), unit)
        factors *= unit[:, None]
        for k in reversed(order):
            factors[:, k] += alphas[k] - inverse[:, k] * (products[:, MEMORY + k] * factors).sum(1)
        return (factors[:, None] @ vectors).view_as(self.x)
