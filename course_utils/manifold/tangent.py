r"""Tangent spaces: the directions in which an image may change and stay on its manifold.

A renderer makes the image ``f(p)`` of a pose p. To first order, small changes of the pose reach just the images

    f(p + e) = f(p) + J e,    J = df/dp,    J = U S V'  (singular values)

so the columns of U span the tangent space, and the singular value says how far the image moves for a step of length 1
in the pose. Where no renderer is known, the principal components of near images take the place of U: local PCA, as in
Zhang and Zha, "Principal manifolds and nonlinear dimensionality reduction via tangent space alignment", 2004.
"""

import warnings
from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.func import jacfwd

from course_utils.core.checks import check_count
from course_utils.core.tensors import portions
from course_utils.manifold.neighbours import neighbourhoods

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
    images = render(check_poses(poses)[:1])
    if images.ndim != 4 or len(images) != 1:
        raise ValueError(f"render made images of shape {tuple(images.shape)} of one pose, not (1, C, H, W)")
    if images.numel() < poses.shape[1]:
        raise ValueError(f"{images.numel()} pixels are less than the {poses.shape[1]} numbers of a pose: render larger")
    parts = portions(poses, cost=images.numel() / 4)
    return _decompose(jacobians(render, part)[1] for (part,) in parts)


def check_poses(poses: Tensor) -> Tensor:
    """Return ``poses`` if they are floats ``(N, p)``."""
    if not isinstance(poses, Tensor) or not poses.is_floating_point():
        kind = poses.dtype if isinstance(poses, Tensor) else type(poses).__name__
        raise TypeError(f"poses are {kind}, not a float tensor: convert with torch.tensor(..., dtype=torch.float64)")
    if poses.ndim != 2 or not poses.numel():
        raise ValueError(f"poses have shape {tuple(poses.shape)}, not (N, p): for a single pose write pose[None]")
    return poses


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


def _decompose(parts: Iterable[Tensor], dimension: int | None = None) -> Tangent:
    """Orthonormal bases of columns ``(N, D, p)``, and how long these are in their first ``dimension`` directions."""
    found = []
    for columns in parts:
        basis, stretch, _ = torch.linalg.svd(columns, full_matrices=False)
        found.append((basis[..., :dimension], stretch[:, :dimension]))
    return Tangent(*map(torch.cat, zip(*found, strict=True)))


def rank(stretch: Tensor) -> Tensor:
    """How many directions are more than rounding: those stretched over a millionth of the most stretched one.

    From the float64 ``stretch`` ``(N, d)`` of `tangent` at float64 poses to int64 ``(N,)``.

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
    parts = neighbourhoods(queries, points, rows)
    number, pixels = rows.shape[1], points[0].numel()
    if check_count("dimension", dimension) > min(number, pixels):
        span = min(number, pixels)
        raise ValueError(f"dimension={dimension}: {number} neighbours of {pixels} pixels span {span}")
    return _decompose((near.mT / (number + 1) ** 0.5 for near in parts), dimension)
