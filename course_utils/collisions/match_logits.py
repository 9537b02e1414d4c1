r"""Two different pictures, one answer: the nearest picture that has the logits of another.

A network f maps D pixels to K logits, with K far below D. Wanted is, for a picture a and another with logits z,

    the x nearest to a    with    f(x) = z    and    0 <= x <= 1

Sequential quadratic programming replaces f by its linear model around the present x, where the answer P(x) is known:
the point of the plane ``J (P - x) = z - f(x)`` that lies nearest to a within the box. A ReLU network is linear only up
to its next kink, so x goes a fraction of the way to P(x) alone, a fraction that fades; Newton's method then takes back
what is left of the error. Rounds of this, each with smaller fractions, come nearer, and the nearest x is kept.

The search starts at a and ends at a local optimum.
"""

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from course_utils import evaluation, runtime
from course_utils.core.checks import check_count, check_images
from course_utils.core.tensors import by_portions, length, spread

TOLERANCE = 1e-4  # by how much each logit may be off
ROUNDS, FIRST, NEWTON = 5, 0.5, 25  # FIRST is the fraction of the very first step; NEWTON are steps of Newton's method
LEAST = 1e-3  # fraction of a step of Newton's below which it gives up
CLIMBS, HALVINGS = 20, 8  # steps of Newton's method for the multipliers, and halvings of one of them
RIDGE = 1e-7  # fraction of the largest entry that keeps a matrix invertible

answers = partial(evaluation.logits, least=1)  # outputs that are compared: no class is named here


class Collision(NamedTuple):
    """Images in [0, 1], by how much each one's worst logit is off ``(N,)``, and whether that is little enough."""

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


def collision(model: nn.Module, images: Tensor, wanted: Tensor) -> Collision:
    """What images are worth that are to have the ``wanted`` logits."""
    errors = (answers(model, images) - wanted).abs().amax(1).to(images.device)
    return Collision(images, errors, errors <= TOLERANCE)


def match_logits(
    model: nn.Module, images: Tensor, others: Tensor, *, steps: int = 20, progress: bool = True
) -> Collision:
    """Change each image as little as it takes to have the logits of the other one in its place, to 1e-4.

    Each of the five rounds takes ``steps``. Where nothing was found, the last image of the search comes back, and after
    an interrupt the best so far.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    >>> twin = match_logits(model, torch.full((1, 1, 8, 8), 0.5), torch.rand(1, 1, 8, 8), progress=False)
    >>> twin.found, bool(twin.errors < 1e-4)
    (tensor([True]), True)
    """
    check_pair(images, others, "others")
    wanted = answers(model, others)
    check_count("steps", steps)

    def met(x: Tensor) -> Tensor:
        return (answers(model, x) - wanted).abs().amax(1) <= TOLERANCE / 2

    start = best = images.detach().to(wanted.device)
    found = met(best)
    with runtime.progress_bar(ROUNDS * steps, "colliding", progress) as bar:
        try:
            for turn in range(ROUNDS):
                x = best
                for step in range(steps):
                    fraction = FIRST / (turn + 1) * (1 - step / steps)
                    x = torch.lerp(x, tangent_step(model, x, start, wanted), fraction)
                    bar.update()
                x = _newton(model, x, wanted)
                good = met(x)
                better = ~found | good & (length(x - start) < length(best - start))
                best, found = torch.where(spread(better, x), x, best), found | good
        except KeyboardInterrupt:
            print("Interrupted: these are the images so far.")
    return collision(model, best.to(images), wanted)


def jacobian(model: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """The logits ``(N, K)`` and how each changes with each pixel, ``(N, K, D)``, in evaluation mode."""

    def differentiate(part: Tensor) -> tuple[Tensor, Tensor]:
        logits = evaluation.ask(model, part)
        return logits, evaluation.gradients(logits, part).flatten(2)

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
    exact = "cpu" if device.type == "mps" else device  # mps has no float64
    points, matrix, values = (each.to(exact, torch.float64) for each in (points, matrix, values))
    ridge = RIDGE * torch.diag_embed((matrix.square().sum(2).amax(1) + 1e-20)[:, None].expand_as(values))
    multipliers = torch.zeros_like(values)
    x, height, inside = at(multipliers)
    stuck = torch.zeros_like(height, dtype=torch.bool)
    for _ in range(CLIMBS):
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


def _newton(model: nn.Module, images: Tensor, wanted: Tensor) -> Tensor:
    """Damped Gauss-Newton steps until each image has the wanted logits: the best images met."""
    best, rows = images.clone(), torch.arange(len(images), device=images.device)
    logits = answers(model, images)
    fraction = torch.ones_like(logits[:, 0])  # of the gap that a step tries to close
    for _ in range(NEWTON):
        rows = rows[((logits[rows] - wanted[rows]).abs().amax(1) > TOLERANCE / 2) & (fraction[rows] > LEAST)]
        if not len(rows):
            break
        gap = wanted[rows] - logits[rows]
        x = best[rows]
        trial = tangent_step(model, x, x, logits[rows] + fraction[rows, None] * gap)
        new = answers(model, trial)
        good = (wanted[rows] - new).norm(dim=1) < (1 - fraction[rows] / 4) * gap.norm(dim=1)
        best[rows[good]], logits[rows[good]] = trial[good], new[good]
        fraction[rows] = torch.where(good, 2 * fraction[rows], fraction[rows] / 4).clamp_max(1)
    return best
