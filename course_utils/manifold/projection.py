r"""The nearest picture that a camera can take: project an image on the manifold.

    minimise  || render(p) - x ||^2   over the pose p

by damped Gauss-Newton steps (Levenberg 1944, Marquardt 1963): with J the derivative of the picture in the pose,

    (J'J + damping diag(J'J)) step = J' (x - render(p))

A step that helps is taken and the damping falls; one that does not is forgotten and the damping grows. The search ends
in a valley near its start, so the start matters: the distance found is an upper bound of the true one.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from course_utils import runtime
from course_utils.core.checks import check_count, check_images
from course_utils.core.tensors import spread
from course_utils.manifold.tangent import check_poses, jacobians

TINY = 1e-10  # keeps a number that changes nothing in the picture where it is


class Closest(NamedTuple):
    """The poses found ``(N, p)``, their pictures ``(N, C, H, W)``, and how far these are from the images, ``(N,)``."""

    poses: Tensor
    images: Tensor
    distances: Tensor


@torch.no_grad()
def closest(
    render: Callable[[Tensor], Tensor],
    images: Tensor,
    poses: Tensor,
    *,
    bound: Tensor | None = None,
    steps: int = 20,
    progress: bool = True,
) -> Closest:
    """The pose whose picture is nearest to each image in Euclidean distance, by descent from a first guess.

    Args:
        render: poses ``(N, p)`` -> images ``(N, C, H, W)``, differentiable.
        images: pixels in [0, 1], ``(N, C, H, W)``.
        poses: where to start, one for each image, ``(N, p)``.
        bound: no number of a pose leaves plus or minus these, ``(p,)``, so that the search stays where ``render``
            works; a `Scene` needs it. None sets no bound.
        steps: of the descent.

    Returns:
        `Closest`; no distance is larger than at the start. An interrupted search returns the best so far.

    >>> def ramp(poses):
    ...     return (poses.view(-1, 1, 1, 1) * torch.linspace(0, 1, 4)).clamp(0, 1)
    >>> closest(ramp, ramp(torch.tensor([[0.7]])), torch.tensor([[0.2]]), progress=False).poses
    tensor([[0.7000]])
    """
    check_images(images)
    if len(check_poses(poses)) != len(images):
        raise ValueError(f"poses have shape {tuple(poses.shape)} for {len(images)} images: give a first guess for each")
    if poses.dtype != images.dtype:
        raise ValueError(f"poses are {poses.dtype}, images {images.dtype}: bring them to one type with .to(images)")
    bound = torch.full_like(poses[0], math.inf) if bound is None else torch.as_tensor(bound).to(poses)
    if bound.shape != poses.shape[1:]:
        raise ValueError(f"bound has shape {tuple(bound.shape)}, and a pose {poses.shape[1]} numbers: one for each")
    if (poses.abs() > bound).any():
        raise ValueError("a first guess lies outside the bound: clamp it, poses.clamp(-bound, bound)")
    best = poses.detach().clone()
    shown, slopes = jacobians(render, best)
    if shown.shape != images.shape:
        raise ValueError(f"render makes {tuple(shown.shape)} of the poses, and the images are {tuple(images.shape)}")
    gap = (images - shown).flatten(1)
    damping = torch.full_like(gap[:, 0], 1e-2)
    with runtime.progress_bar(check_count("steps", steps), "nearest pose", progress) as bar:
        try:
            for _ in range(steps):
                normal = slopes.mT @ slopes
                ridge = torch.diag_embed(damping[:, None] * normal.diagonal(dim1=1, dim2=2) + TINY)
                step = torch.linalg.solve(normal + ridge, slopes.mT @ gap[..., None])[..., 0]
                trial = (best + step).clamp(-bound, bound)
                try:
                    new, new_slopes = jacobians(render, trial)
                except ValueError as error:
                    raise ValueError(f"a step left the poses that render takes, so give a bound: {error}") from error
                better = (images - new).flatten(1).norm(dim=1) < gap.norm(dim=1)
                best, shown, slopes = (
                    torch.where(spread(better, old), fresh, old)
                    for old, fresh in ((best, trial), (shown, new), (slopes, new_slopes))
                )
                gap = (images - shown).flatten(1)
                damping = torch.where(better, damping / 4, damping * 8).clamp(1e-9, 1e9)
                bar.update()
        except KeyboardInterrupt:
            print("Interrupted: these are the nearest poses so far.")
    return Closest(best, shown, (images - shown).flatten(1).norm(dim=1))
