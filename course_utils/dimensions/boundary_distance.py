r"""How far the boundary is: in the worst direction, in a random one, and within a random subspace between the two.

The smallest change r* that flips the class of an image in d dimensions points in one chosen direction. Let it lie in a
random subspace S of m dimensions instead. If the boundary is flat, only the share m / d of the squared length of its
normal lies in S, so that

    || r_S ||  is about  sqrt(d / m) || r* ||

Fawzi, Moosavi-Dezfooli and Frossard, arXiv 1608.08967. m = 1 is a random direction, m = d the worst case. Whether a
network's boundary is flat enough is an experiment: ``sqrt(m / d) ||r_S|| / ||r*||``, their beta, should stay near 1.

`on_a_line` is a problem where all of it can be written down (Fawzi, Fawzi and Frossard, arXiv 1502.02590, section 5):
upright and level lines, on a ground that gives them away. A linear classifier without errors reads the ground alone.

Distances here ignore the borders of pixel space at 0 and 1, as in both papers.
"""

from collections.abc import Callable
from typing import NamedTuple

import scipy
import torch
from torch import Tensor, nn

from course_utils import evaluation, runtime
from course_utils.attacks.base import AttackTask
from course_utils.attacks.deepfool import deepfool
from course_utils.core.checks import check_count, check_images
from course_utils.core.tensors import bisect, length, spread, steepest

REACH = 10.0  # a change of one pixel by more than this is not looked for
GROWTH = 1.1  # from one distance along a ray to the next
HALVINGS = 30


class BoundaryDistance(NamedTuple):
    """The distance to the boundary ``(N,)``, infinite where none was found, and the changes of that length."""

    distances: Tensor
    changes: Tensor


def random_basis(m: int, d: int, *, generator: torch.Generator | None = None) -> Tensor:
    """An orthonormal basis of a random subspace of ``m`` dimensions, all of them equally likely: ``(d, m)``.

    Args:
        generator: draws it; None starts a new one from seed 0. The basis lives on its device.

    Raises:
        ValueError: not 1 <= m <= d.

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
    steps: int = 50,
    turns: int = 5,
    progress: bool = True,
) -> BoundaryDistance:
    """The smallest change within a subspace that flips the class, by `deepfool` and some steps after it.

    DeepFool sees the network with its gradients projected on the subspace, which makes it DeepFool in the coordinates
    of the basis. A bisection finds where the class changes on the way to what it found. The shortest change would stand
    upright on the boundary: so it is turned half way to the gradient there, and kept if the class flips at that length
    or less. What comes out is an upper bound of the distance.

    Args:
        model: maps images ``(N, C, H, W)`` to logits ``(N, K)``; it is asked beyond [0, 1] too.
        images, labels: float ``(N, C, H, W)`` in [0, 1], and int64 ``(N,)``.
        basis: orthonormal columns ``(C * H * W, m)``, as of `random_basis`; None is the whole space.
        steps: of DeepFool, at most.
        turns: towards the gradient; 0 is DeepFool alone, with which the papers measured.

    Returns:
        `BoundaryDistance`, on the device of the images. An image that is misnamed already has distance 0.

    Raises:
        TypeError, ValueError: inputs outside the convention; a basis that does not fit or is not orthonormal; a model
            without logits or without gradients.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False))
    >>> model[1].weight.data = torch.tensor([[0.6, 0.8], [0.0, 0.0]])  # a boundary through 0, with this unit normal
    >>> x = torch.tensor([[[[0.5, 0.5]]]])
    >>> nearest(model, x, torch.tensor([0]), progress=False).distances
    tensor([0.7000])
    >>> nearest(model, x, torch.tensor([0]), torch.tensor([[1.0], [0.0]]), progress=False).distances
    tensor([1.1667])
    """
    check_images(images)
    return _nearest(model, images, labels, basis, steps=steps, turns=turns, progress=progress)


def ray(model: nn.Module, images: Tensor, labels: Tensor, directions: Tensor, *, far: float = 100.0) -> Tensor:
    """How far along its direction the class of each image first changes: ``(N,)``, infinite beyond ``far``.

    The ray is walked in steps that grow by a tenth, from ``far`` / 1000 on, and the first step with a change is halved
    until 30 bits are known. An excursion into another class that is narrower than a step may be missed.

    Args:
        model, images, labels: as for `boundary_distance`.
        directions: one for each image, ``(N, C, H, W)``, of any length but 0.
        far: how far to look, in pixel units.

    Raises:
        TypeError, ValueError: inputs outside the convention; directions of another shape, or 0; a ``far`` not above 0.

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

    def wrong(t: Tensor, rows: Tensor) -> Tensor:
        x = task.images[rows] + spread(t, task.images) * ahead[rows]
        return task.adversarial_margin(task.logits(x), rows) > 0

    with evaluation.mode(model, False):
        low, high = torch.zeros_like(ahead[:, 0, 0, 0]), torch.full_like(ahead[:, 0, 0, 0], float("inf"))
        rows, t = task.rows, far / 1000
        high[rows[wrong(low, rows)]] = 0
        while len(rows := rows[high[rows].isinf()]) and t < far * GROWTH:
            t = min(t, far)
            beyond = wrong(torch.full_like(low[rows], t), rows)
            high[rows[beyond]], low[rows[~beyond]] = t, t
            t = t * GROWTH if t < far else float("inf")
        return _bisect(wrong, low, high).to(images.device)


def lines(d: int, shade: float) -> tuple[Tensor, Tensor]:
    """All pictures of one line: ``(2 sqrt(d), 1, sqrt(d), sqrt(d))`` and their labels, 1 for upright and 0 for level.

    An upright line has the brightness 1 + ``shade`` on a ground of ``shade``, a level one 1 - ``shade`` on -``shade``.
    So pixels leave [0, 1] a little, as in the paper.

    Raises:
        ValueError: d is no square of a whole number above 1.

    >>> pictures, labels = lines(9, 0.1)
    >>> pictures[1, 0], labels
    (tensor([[0.1000, 1.1000, 0.1000],
            [0.1000, 1.1000, 0.1000],
            [0.1000, 1.1000, 0.1000]]), tensor([1, 1, 1, 0, 0, 0]))
    """
    side = round(check_count("d", d) ** 0.5)
    if side * side != d or side < 2:
        raise ValueError(f"d={d}: want the square of a whole number above 1, such as 4, 100 or 2500")
    upright = torch.eye(side)[:, None].expand(side, side, side)
    pictures = torch.cat([upright + shade, upright.mT - shade])[:, None]
    return pictures, torch.arange(2).flip(0).repeat_interleave(side)


def f_lin(pictures: Tensor) -> Tensor:
    r"""The linear classifier of the lines, ``sum(x) / sqrt(d) - 1``: above 0 for upright, ``(N, ...)`` -> ``(N,)``.

    Its weights have length 1, so the size of f is the distance to its boundary. On `on_a_line` that is ``sqrt(d) *
    shade`` everywhere: rho_adv, which no linear classifier without errors surpasses (arXiv 1502.02590, section 5).

    >>> f_lin(lines(2500, 0.1 / 50)[0])[[0, -1]]  # lines that anyone can see, and rho_adv = 0.1
    tensor([ 0.1000, -0.1000])
    """
    pixels = pictures.flatten(1)
    return pixels.sum(1) / pixels.shape[1] ** 0.5 - 1


def uniform_ratio(d: int, eps: float) -> float:
    r"""rho_unif / rho_adv of any linear classifier in ``d`` dimensions, exactly.

    rho_unif is the largest length at which a random direction flips the class with a probability of ``eps`` at most.
    A unit vector has a component along the normal above c with probability eps; then the length is rho_adv / c.
    Theorem 4.2 of arXiv 1502.02590 puts the ratio between max(sqrt(d) / sqrt(2 ln(2 / eps)), 1) and
    sqrt(d) / sqrt(1 - 12 eps).

    Raises:
        ValueError: d below 2, or eps outside (0, 0.5).

    >>> f"{uniform_ratio(2500, 0.01):.1f}"
    '21.5'
    """
    return 1 / cap_height(eps, d)


def cap_height(share: float, d: int) -> float:
    """Above which height lies a ``share`` of the unit sphere in ``d`` dimensions: c with P(u_1 > c) = share.

    (1 + u_1) / 2 has a beta distribution with both parameters (d - 1) / 2.

    Raises:
        ValueError: d below 2, or a share outside (0, 0.5).

    >>> f"{cap_height(0.25, 3):.3f}"  # Archimedes: in 3 dimensions every height is equally likely
    '0.500'
    """
    if check_count("d", d) < 2 or not 0 < share < 0.5:
        raise ValueError(f"d={d}, share={share}: want at least 2 dimensions, and a share between 0 and 1/2")
    return 1 - 2 * float(scipy.special.betaincinv((d - 1) / 2, (d - 1) / 2, share))


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


def _projected(change: Tensor, basis: Tensor | None) -> Tensor:
    """The part of each change ``(N, C, H, W)`` that lies in the span of ``basis``."""
    return change if basis is None else (change.flatten(1) @ basis @ basis.T).view_as(change)


def _nearest(
    model, points: Tensor, labels: Tensor, basis: Tensor | None, *, steps: int, turns: int, progress: bool
) -> BoundaryDistance:
    """`boundary_distance` for points anywhere, ``(N, C, H, W)``."""
    if turns:
        check_count("turns", turns)
    device = evaluation.device_of(model)
    if basis is not None:
        basis = _check_basis(basis, points[0].numel()).to(device, points.dtype)
    low, high = points.min().item() - REACH, points.max().item() + REACH
    within = _Within(model, low, high - low, basis)
    start = ((points - low) / (high - low)).clamp(0, 1)
    end = deepfool(within, start, labels, steps=steps, progress=progress)
    task = AttackTask(within, start, labels)
    change = _projected((end - start).to(device), basis)

    def wrong(t: Tensor, rows: Tensor) -> Tensor:
        return task.adversarial_margin(task.logits(task.images[rows] + spread(t, change) * change[rows]), rows) > 0

    with evaluation.mode(model, False):
        none, whole = torch.zeros_like(change[:, 0, 0, 0]), torch.ones_like(change[:, 0, 0, 0])
        reached = torch.where(wrong(whole, task.rows), whole, float("inf"))
        share = _bisect(wrong, none, torch.where(wrong(none, task.rows), none, reached))
        change = spread(share.nan_to_num(posinf=0), change) * change
        for _ in range(turns):
            before = change
            _, _, normal = task.gradient(task.images + before, task.adversarial_margin, task.rows)
            change = spread(length(before), before) * steepest(steepest(before, "l2") + steepest(normal, "l2"), "l2")
            turned = wrong(whole, task.rows)
            change = torch.where(spread(turned, change), change, before)
            change = (
                spread(_bisect(wrong, none, torch.where(turned, whole, float("inf"))).clamp_max(1), change) * change
            )
    change = (high - low) * change
    distances = torch.where(share.isinf(), share, length(change))
    return BoundaryDistance(distances.to(points.device), change.to(points.device))


def _check_basis(basis: Tensor, d: int) -> Tensor:
    if not isinstance(basis, Tensor) or basis.ndim != 2 or basis.shape[0] != d or not 1 <= basis.shape[1] <= d:
        shape = tuple(basis.shape) if isinstance(basis, Tensor) else type(basis).__name__
        raise ValueError(f"the basis is {shape}: want one column a dimension, ({d}, m), as random_basis(m, {d}) gives")
    if not torch.allclose(basis.T @ basis, torch.eye(basis.shape[1]).to(basis), atol=1e-4):
        raise ValueError("the columns of the basis are not orthonormal: take the Q of torch.linalg.qr(basis)")
    return basis


def _bisect(wrong: Callable[[Tensor, Tensor], Tensor], low: Tensor, high: Tensor) -> Tensor:
    """Where the class changes between ``low``, where it has not, and ``high``, where it has: ``(N,)``.

    Args:
        wrong: whether the classes have changed at ``t`` ``(M,)`` for the images numbered ``rows`` ``(M,)``.
        low, high: ``(N,)``. Where ``high`` is infinite or 0, it is the answer.
    """
    (rows,) = (high.isfinite() & (high > 0)).nonzero(as_tuple=True)
    if not len(rows):
        return high
    high = high.clone()
    _, high[rows] = bisect(low[rows], high[rows], lambda t: wrong(t, rows), HALVINGS)
    return high
