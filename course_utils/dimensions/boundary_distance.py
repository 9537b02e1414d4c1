r"""How far the boundary is: in the worst direction, in a random one, and within a random subspace between the two.

The smallest perturbation r* that flips the class of an image in d dimensions points in one chosen direction. Let it
lie in a random subspace S of m dimensions instead. If the boundary is flat, only the fraction m / d of the squared
length of its normal lies in S, so that

    || r_S ||  is about  sqrt(d / m) || r* ||

Fawzi, Moosavi-Dezfooli and Frossard, arXiv 1608.08967. m = 1 is a random direction, m = d the worst case. Whether a
network's boundary is flat enough is an experiment: ``sqrt(m / d) ||r_S|| / ||r*||``, their beta, should stay near 1.

Distances here ignore the borders of pixel space at 0 and 1, as in the paper: models are asked beyond them.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from course_utils import evaluation, runtime
from course_utils.attacks.base import AttackTask
from course_utils.attacks.deepfool import deepfool
from course_utils.core.checks import check_count, check_images
from course_utils.core.tensors import length, spread, steepest
from course_utils.dimensions.crossing import first_crossing

REACH = 10.0  # a perturbation of one pixel by more than this is not looked for
STEPS = 74  # along a ray, each a tenth longer than the last: 1.1 ** 73 = 1000


class BoundaryDistance(NamedTuple):
    """The distance to the boundary ``(N,)``, infinite where none was found, and the perturbations of that length."""

    distances: Tensor
    perturbations: Tensor


def random_basis(m: int, d: int, *, generator: torch.Generator | None = None) -> Tensor:
    """An orthonormal basis of a random subspace, all equally likely: ``(d, m)``, on the device of the generator.

    >>> basis = random_basis(3, 784)
    >>> torch.allclose(basis.T @ basis, torch.eye(3), atol=1e-6)
    True
    """
    if check_count("m", m) > check_count("d", d):
        raise ValueError(f"m={m}, d={d}: a subspace has at most the d dimensions of the space")
    source = runtime.ensure_generator(generator)
    return torch.linalg.qr(torch.randn(d, m, generator=source, device=source.device)).Q


def boundary_distance(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    basis: Tensor | None = None,
    *,
    turns: int = 5,
    progress: bool = True,
) -> BoundaryDistance:
    """The smallest perturbation within a subspace that flips the class, by `deepfool` and some steps after it.

    With its gradients projected on the subspace, it is DeepFool in the coordinates of the basis. A bisection finds
    where the class changes on the way to what it found. The shortest perturbation would stand upright on the boundary:
    so it is turned half way to the gradient there, and kept if the class flips at that length or less. What comes out
    is an upper bound of the distance; 0 for an image that is misclassified already.

    Args:
        basis: orthonormal columns ``(C * H * W, m)``, as of `random_basis`; None is the whole space.
        turns: towards the gradient; 0 is DeepFool alone, with which the papers measured.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False))
    >>> model[1].weight.data = torch.tensor([[0.6, 0.8], [0.0, 0.0]])  # a boundary through 0, with this unit normal
    >>> x = torch.tensor([[[[0.5, 0.5]]]])
    >>> boundary_distance(model, x, torch.tensor([0]), progress=False).distances
    tensor([0.7000])
    >>> boundary_distance(model, x, torch.tensor([0]), torch.tensor([[1.0], [0.0]]), progress=False).distances
    tensor([1.1667])
    """
    check_images(images)
    if turns:
        check_count("turns", turns)
    device = evaluation.device_of(model)
    if basis is not None:
        basis = _check_basis(basis, images[0].numel()).to(device, images.dtype)
    low, high = images.min().item() - REACH, images.max().item() + REACH
    within = _Within(model, low, high - low, basis)
    start = ((images - low) / (high - low)).clamp(0, 1)
    end = deepfool(within, start, labels, progress=progress)
    task = AttackTask(within, start, labels)
    ends = torch.tensor([0.0, 1.0]).to(task.images)
    with evaluation.mode(model, False):
        perturbation = _projected((end - start).to(device), basis)
        fraction = _first_flip(task, perturbation, ends)
        reached = fraction.isfinite()
        perturbation = spread(fraction.nan_to_num(posinf=0), perturbation) * perturbation
        for _ in range(turns):
            _, _, normal = task.gradient(task.images + perturbation, task.adversarial_margin, task.rows)
            between = steepest(steepest(perturbation, "l2") + steepest(normal, "l2"), "l2")
            turned = spread(length(perturbation), between) * between
            fraction = _first_flip(task, turned, ends)
            perturbation = torch.where(spread(fraction <= 1, turned), spread(fraction, turned) * turned, perturbation)
    perturbation = (high - low) * perturbation
    distances = length(perturbation).masked_fill(~reached, float("inf"))
    return BoundaryDistance(distances.to(images.device), perturbation.to(images.device))


def ray(model: nn.Module, images: Tensor, labels: Tensor, directions: Tensor, *, far: float = 100.0) -> Tensor:
    """How far along its direction the class of each image first changes: ``(N,)``, infinite beyond ``far``.

    The ray is walked in steps that grow by a tenth, from ``far`` / 1000 on; an excursion into another class that is
    narrower than a step may be missed.

    Args:
        directions: one for each image, ``(N, C, H, W)``, of any length but 0.
        far: how far to look, in pixel units.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False))
    >>> model[1].weight.data = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> ray(model, torch.tensor([[[[0.75, 0.5]]]]), torch.tensor([0]), torch.tensor([[[[0.0, 3.0]]]]))
    tensor([0.2500])
    """
    task = AttackTask(model, images, labels)
    if not isinstance(directions, Tensor) or directions.shape != images.shape:
        raise ValueError(f"directions want the shape of the images, {tuple(images.shape)}: one for each image")
    if not 0 < far < float("inf"):
        raise ValueError(f"far={far}: want a distance above 0, in pixel units")
    ahead = steepest(directions.to(task.images), "l2")
    if not length(ahead).gt(0.5).all():
        raise ValueError("a direction is 0 or NaN: draw it with torch.randn")
    grid = torch.cat([torch.zeros(1), far * torch.logspace(-3, 0, STEPS)]).to(task.images)
    with evaluation.mode(model, False):
        return _first_flip(task, ahead, grid).to(images.device)


def _first_flip(task: AttackTask, directions: Tensor, grid: Tensor) -> Tensor:
    """How many times its direction each image goes until its class first changes, as by `first_crossing`: ``(N,)``."""

    def misclassified(t: Tensor, rows: Tensor) -> Tensor:
        x = task.images[rows] + spread(t, directions) * directions[rows]
        return task.adversarial_margin(task.logits(x), rows) > 0

    return first_crossing(misclassified, grid, len(directions))


class _Within(nn.Module):
    """A model as a function of u in [0, 1], for points ``low + width * u``, with gradients that stay in a subspace."""

    def __init__(self, model: nn.Module, low: float, width: float, basis: Tensor | None):
        super().__init__()
        self.model, self.low, self.width, self.basis = model, low, width, basis

    def forward(self, u: Tensor) -> Tensor:
        points = self.low + self.width * u
        if points.requires_grad and self.basis is not None:  # the same values, and projected gradients
            still = points.detach()
            points = still + _projected(points - still, self.basis)
        return self.model(points)


def _projected(perturbation: Tensor, basis: Tensor | None) -> Tensor:
    """The part of each perturbation ``(N, C, H, W)`` that lies in the span of ``basis``."""
    if basis is None:
        return perturbation
    return (perturbation.flatten(1) @ basis @ basis.T).view_as(perturbation)


def _check_basis(basis: Tensor, d: int) -> Tensor:
    if not isinstance(basis, Tensor) or basis.ndim != 2 or basis.shape[0] != d or not 1 <= basis.shape[1] <= d:
        shape = tuple(basis.shape) if isinstance(basis, Tensor) else type(basis).__name__
        raise ValueError(f"the basis is {shape}: want one column a dimension, ({d}, m), as random_basis(m, {d}) gives")
    if not torch.allclose(basis.T @ basis, torch.eye(basis.shape[1]).to(basis), atol=1e-4):
        raise ValueError("the columns of the basis are not orthonormal: take the Q of torch.linalg.qr(basis)")
    return basis
