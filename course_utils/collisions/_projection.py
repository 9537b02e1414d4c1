"""What all collisions share: logits with their Jacobian, and the nearest point of a plane within pixel space."""

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from course_utils import evaluation
from course_utils.core.checks import check_images
from course_utils.core.tensors import by_portions

answers = partial(evaluation.logits, least=1)  # outputs that are compared: no class is named here
ROUNDS, HALVINGS = 20, 8  # of Newton's method for the multipliers, and of a step of it
RIDGE = 1e-7  # fraction of the largest entry that keeps a matrix invertible


class Collision(NamedTuple):
    """Images ``(N, C, H, W)`` in [0, 1], by how much their worst logit is off ``(N,)``, and whether that is allowed.

    Attributes:
        errors: measured by a fresh forward pass, on the images that are returned.
        found: bool ``(N,)``, the error is within the tolerance.
    """

    images: Tensor
    errors: Tensor
    found: Tensor


def check_pair(images: Tensor, others: Tensor, name: str) -> None:
    """Two batches of one shape and type."""
    check_images(images)
    check_images(others)
    if others.shape != images.shape or others.dtype != images.dtype:
        theirs, ours = (f"{tuple(each.shape)} {each.dtype}" for each in (others, images))
        raise ValueError(f"{name} are {theirs}, images {ours}: give one for each image, of the same shape and type")


def as_float64(values: Tensor) -> Tensor:
    """In float64, where the values are, or on the CPU if there is no float64 there."""
    return values.to("cpu" if values.device.type == "mps" else values.device, torch.float64)


def jacobian(model: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """The logits ``(N, K)`` and how each changes with each pixel, ``(N, K, D)``, in evaluation mode."""

    def differentiate(part: Tensor) -> tuple[Tensor, Tensor]:
        logits = evaluation.ask(model, part)
        each = torch.eye(logits.shape[1]).to(logits)[:, None].expand(-1, *logits.shape)
        rows = evaluation.gradient(logits, part, each, is_grads_batched=True)
        return logits, rows.transpose(0, 1).flatten(2)

    with torch.inference_mode(False), torch.enable_grad(), evaluation.mode(model, False):
        return by_portions(differentiate, images.clone(), cost=10)  # a copy, as it may come from inference mode


def tangent_step(model: nn.Module, images: Tensor, points: Tensor, wanted: Tensor | None = None) -> Tensor:
    """The nearest pictures to ``points`` that have the wanted logits, if the net were linear around ``images``."""
    logits, slopes = jacobian(model, images)
    values = (slopes @ images.flatten(1)[..., None])[..., 0]
    if wanted is not None:
        values = values + wanted - logits
    return project_to_logits(points.flatten(1), slopes, values).view_as(images)


@torch.no_grad()
def project_to_logits(points: Tensor, matrix: Tensor, values: Tensor) -> Tensor:
    r"""The nearest x to each point with ``0 <= x <= 1`` and ``A x = b``: ``(N, D)``, ``(N, K, D)``, ``(N, K)``.

    Its form is known: ``x = clip(y + A' m)``. Only the K multipliers m are looked for, as the top of a concave function
    whose gradient is ``b - A x`` and whose curvature is ``-A A'`` over the pixels that are not at a border. Newton's
    steps, halved while they do not lead up, find it. Where none does, because too few pixels are free, the next counts
    all of them: such a step always leads up. Where no such x exists, the last one comes back.

    >>> project_to_logits(torch.tensor([[0.5, 0.9]]), torch.tensor([[[1.0, 1.0]]]), torch.tensor([[1.8]]))
    tensor([[0.8000, 1.0000]])
    """

    def at(multipliers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        free = points + (multipliers[:, None] @ matrix)[:, 0]
        x = free.clamp(0, 1)
        height = (multipliers * values).sum(1) + ((x - points).square() / 2 - x * (free - points)).sum(1)
        return x, height, (free > 0) & (free < 1)

    kind, device = points.dtype, points.device
    points, matrix, values = map(as_float64, (points, matrix, values))
    ridge = RIDGE * torch.diag_embed((matrix.square().sum(2).amax(1) + 1e-20)[:, None].expand_as(values))
    multipliers = torch.zeros_like(values)
    x, height, inside = at(multipliers)
    stuck = torch.zeros_like(height, dtype=torch.bool)
    for _ in range(ROUNDS):
        gap = values - (matrix @ x[..., None])[..., 0]
        todo = (gap.abs() > 1e-8 * (1 + values.abs())).any(1)
        if not todo.any():
            break
        counted = (inside | stuck[:, None])[:, None]
        step = torch.linalg.solve((matrix * counted) @ matrix.mT + ridge, gap)
        for halving in range(HALVINGS):
            if not todo.any():
                break
            trial = multipliers + step / 2**halving
            new, higher, within = at(trial)
            up = todo & (higher > height)
            multipliers, x = torch.where(up[:, None], trial, multipliers), torch.where(up[:, None], new, x)
            height, inside = torch.where(up, higher, height), torch.where(up[:, None], within, inside)
            todo = todo & ~up
        stuck = todo
    return x.to(device, kind)
