r"""Tangent spaces: the directions in which an image may change and stay on its manifold.

A renderer makes the image ``f(p)`` of a pose p. To first order, small changes of the pose reach just the images

    f(p + e) = f(p) + J e,    J = df/dp,    J = U S V'  (singular values)

so the columns of U span the tangent space, and the singular value says how far the image moves for a step of length 1
in the pose. Where no renderer is known, the principal components of near images take the place of U: local PCA, as in
Zhang and Zha, "Principal manifolds and nonlinear dimensionality reduction via tangent space alignment", 2004.
"""

import warnings
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.func import jacfwd

from course_utils.core.checks import check_count
from course_utils.core.tensors import portions

ROUNDING = 1e-6  # of the longest stretch; float64 errs by 1e-15 of it, and a camera sees larger changes than this


class Tangent(NamedTuple):
    """Orthonormal directions at each of N images, the most stretched first.

    Attributes:
        basis: one direction a column, ``(N, D, d)`` with D = C * H * W pixels.
        stretch: ``(N, d)``. From `tangent`, how far the image moves for a step of length 1 in the pose; from
            `local_tangent`, the root mean square of the neighbours along the direction.
    """

    basis: Tensor
    stretch: Tensor


@torch.no_grad()
def tangent(render: Callable[[Tensor], Tensor], poses: Tensor) -> Tangent:
    """The exact tangent space of a renderer's images at ``poses``.

    Args:
        render: maps poses ``(N, p)`` to images ``(N, C, H, W)``, each from its own pose alone, smoothly.
        poses: float ``(N, p)``; float64 to count directions with `rank`.

    Returns:
        `Tangent` with d = p directions. Where ``stretch`` is 0 the direction is arbitrary.

    Raises:
        ValueError: fewer pixels than numbers in a pose, or a derivative that is not finite.

    >>> def slide(poses):  # a soft edge, moved to the right by the pose
    ...     return torch.sigmoid(torch.arange(5.0) - poses[:, :, None, None])
    >>> basis, stretch = tangent(slide, torch.tensor([[2.0]]))
    >>> basis.shape, stretch.shape
    (torch.Size([1, 5, 1]), torch.Size([1, 1]))
    """
    if not isinstance(poses, Tensor) or not poses.is_floating_point():
        kind = poses.dtype if isinstance(poses, Tensor) else type(poses).__name__
        raise TypeError(f"poses are {kind}, not a float tensor: convert with torch.tensor(..., dtype=torch.float64)")
    if poses.ndim != 2 or not poses.numel():
        raise ValueError(f"poses have shape {tuple(poses.shape)}, not (N, p): for a single pose write pose[None]")
    images = render(poses[:1])
    if images.ndim != 4 or len(images) != 1:
        raise ValueError(f"render made images of shape {tuple(images.shape)} of one pose, not (1, C, H, W)")
    if images.numel() < poses.shape[1]:
        raise ValueError(f"{images.numel()} pixels are less than the {poses.shape[1]} numbers of a pose: render larger")
    parts = portions(poses, cost=images.numel() / 4)
    return _join(_decompose(jacobians(render, part)[1]) for (part,) in parts)


def jacobians(render: Callable[[Tensor], Tensor], poses: Tensor) -> tuple[Tensor, Tensor]:
    """The images ``(N, C, H, W)``, and one matrix of derivatives for each, ``(N, D, p)``.

    An image depends on no pose but its own. So the derivative in a shift that all poses share is the derivative of
    each image in its own pose, and one batch of poses needs one call.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`torch.jit", FutureWarning)  # raised inside torch by its own forward mode
        found, images = jacfwd(lambda shift: (render(poses + shift),) * 2, has_aux=True)(torch.zeros_like(poses[0]))
    if not found.isfinite().all():
        raise ValueError("a derivative of render is not finite: look for a root, division or norm at 0 in it")
    return images, found.flatten(1, 3)


def _decompose(columns: Tensor) -> Tangent:
    """An orthonormal basis of the columns ``(N, D, d)``, and how long they are in its directions."""
    basis, stretch, _ = torch.linalg.svd(columns, full_matrices=False)
    return Tangent(basis, stretch)


def _join(parts) -> Tangent:
    return Tangent(*(torch.cat(each) for each in zip(*parts, strict=True)))


def rank(stretch: Tensor) -> Tensor:
    """How many directions are more than rounding: those stretched over a millionth of the most stretched one.

    Args:
        stretch: float64 ``(N, d)`` from `tangent` at float64 poses.

    Returns:
        int64 ``(N,)``.

    Raises:
        TypeError: not float64, in which rounding alone can reach a millionth.

    >>> rank(torch.tensor([[3.0, 1.0, 1e-12]], dtype=torch.float64))
    tensor([2])
    """
    if not isinstance(stretch, Tensor) or stretch.dtype != torch.float64:
        raise TypeError("stretch is not float64, and rounding would count: call tangent on poses.double()")
    if stretch.ndim != 2 or not stretch.shape[1]:
        raise ValueError(f"stretch has shape {tuple(stretch.shape)}: want (N, d), as `tangent` returns it")
    return (stretch > ROUNDING * stretch.amax(1, keepdim=True)).sum(1)


def neighbourhoods(queries: Tensor, points: Tensor, rows: Tensor) -> Iterator[Tensor]:
    """Each query with its neighbours, less their mean, in batches ``(q, k + 1, D)`` of bounded size."""
    check_rows(queries, points, rows)
    queries, points = queries.flatten(1), points.flatten(1)
    for some, at in portions(queries, rows, cost=(rows.shape[1] + 1) / 4):
        near = torch.cat([some[:, None], points[at]], 1)
        yield near - near.mean(1, keepdim=True)


def check_rows(queries: Tensor, points: Tensor, rows: Tensor) -> None:
    """Refuse queries, points and rows that are not those of one call of `nearest`."""
    if not all(isinstance(each, Tensor) for each in (queries, points, rows)):
        raise TypeError("queries, points and rows must be tensors: pass those of `nearest`, and rows=found.rows")
    if rows.dtype != torch.int64:
        raise TypeError(f"rows are {rows.dtype}, not int64: pass the .rows that `nearest` returns, not its .distances")
    if not queries.is_floating_point() or queries.dtype != points.dtype:
        raise TypeError(f"queries are {queries.dtype}, points {points.dtype}: want floats of one type")
    if queries.ndim < 2 or queries.shape[1:] != points.shape[1:]:
        raise ValueError(f"queries {tuple(queries.shape)} and points {tuple(points.shape)}: the images differ in shape")
    if rows.ndim != 2 or len(rows) != len(queries) or not rows.numel():
        raise ValueError(
            f"rows have shape {tuple(rows.shape)}, not ({len(queries)}, k): pass them as `nearest` returns"
        )
    low, high = rows.min().item(), rows.max().item()
    if low < 0 or high >= len(points):
        raise ValueError(f"rows run from {low} to {high}, the points from 0 to {len(points) - 1}: pass the same points")


@torch.no_grad()
def local_tangent(queries: Tensor, points: Tensor, rows: Tensor, dimension: int) -> Tangent:
    """The tangent space that neighbours suggest: the first principal components of a query and its k nearest points.

    Args:
        queries, points, rows: ``(Q, ...)``, ``(N, ...)`` and int64 ``(Q, k)``, as given to and returned by `nearest`.
        dimension: how many directions, at most k and at most the number of pixels.

    Returns:
        `Tangent` with d = dimension directions at each query.

    >>> line = torch.arange(6.0)[:, None] * torch.tensor([[0.6, 0.8]])
    >>> rows = torch.tensor([[1, 2]])
    >>> local_tangent(line[:1], line, rows, dimension=1).basis.abs()
    tensor([[[0.6000],
             [0.8000]]])
    """
    check_rows(queries, points, rows)
    most = min(rows.shape[1], points[0].numel())
    if check_count("dimension", dimension) > most:
        raise ValueError(f"dimension={dimension}: {rows.shape[1]} neighbours of {points[0].numel()} pixels span {most}")
    size = (rows.shape[1] + 1) ** 0.5
    found = _join(_decompose(near.mT / size) for near in neighbourhoods(queries, points, rows))
    return Tangent(found.basis[..., :dimension].contiguous(), found.stretch[:, :dimension].contiguous())


def along_and_across(perturbations: Tensor, basis: Tensor) -> tuple[Tensor, Tensor]:
    """Take each perturbation apart: the part along the tangent space, and the rest across it.

    Args:
        perturbations: floats ``(N, C, H, W)``, such as an adversarial image minus the clean one.
        basis: orthonormal columns ``(N, D, d)``, as in `Tangent`.

    Returns:
        Two tensors shaped like ``perturbations``, whose sum they are, at right angles to each other.

    >>> along, across = along_and_across(torch.tensor([[[[3.0, 4.0]]]]), torch.tensor([[[1.0], [0.0]]]))
    >>> along, across
    (tensor([[[[3., 0.]]]]), tensor([[[[0., 4.]]]]))
    """
    _check_basis(perturbations, basis)
    flat = perturbations.flatten(1)[..., None]
    along = (basis @ (basis.mT @ flat)).view(perturbations.shape)
    return along, perturbations - along


def fraction_along(perturbations: Tensor, basis: Tensor) -> Tensor:
    """The fraction of each squared length that lies along the tangent space: ``(N, C, H, W)`` -> ``(N,)``.

    0 is straight across, 1 is along, and a random direction has d / D on average. It is NaN where nothing changed.

    >>> fraction_along(torch.tensor([[[[3.0, 4.0]]]]), torch.tensor([[[1.0], [0.0]]]))
    tensor([0.3600])
    """
    along, _ = along_and_across(perturbations, basis)
    return along.flatten(1).square().sum(1) / perturbations.flatten(1).square().sum(1)


def _check_basis(perturbations: Tensor, basis: Tensor) -> None:
    given = (perturbations, basis)
    if not all(isinstance(each, Tensor) for each in given) or perturbations.dtype != basis.dtype:
        kinds = [each.dtype if isinstance(each, Tensor) else type(each).__name__ for each in given]
        hint = "want tensors of one float type; of a Tangent pass its .basis"
        raise TypeError(f"perturbations are {kinds[0]}, the basis {kinds[1]}: {hint}")
    if perturbations.ndim != 4:
        shape = tuple(perturbations.shape)
        raise ValueError(f"perturbations have shape {shape}, not (N, C, H, W): for one write perturbation[None]")
    number, pixels = len(perturbations), perturbations[0].numel()
    if basis.ndim != 3 or basis.shape[:2] != (number, pixels):
        shape = tuple(basis.shape)
        raise ValueError(f"the basis has shape {shape}, not ({number}, {pixels}, d): give one basis a perturbation")
    off = (basis.mT @ basis - torch.eye(basis.shape[2]).to(basis)).abs().max()
    if not off < 1e-3:
        raise ValueError(f"the basis is not orthonormal, off by {off:.2g}: torch.linalg.qr makes its columns so")
