"""Convex polygons, many at once: corners ``(P, V, 2)``, counter-clockwise, the last repeated where there are fewer."""

import torch
from torch import Tensor


def clip(corners: Tensor, height: Tensor) -> Tensor:
    """The part of each polygon ``(P, V, 2)`` where an affine function with these values ``(P, V)`` is not negative.

    A polygon with fewer corners than others repeats its last one. One of which nothing is left shrinks to a point.
    """
    if not len(corners):
        return corners
    height = torch.where(height.abs() <= 1e-13 * height.abs().amax(1, keepdim=True), 0, height)
    following, beyond = corners.roll(-1, 1), height.roll(-1, 1)
    crossed = height * beyond < 0
    fraction = torch.where(crossed, height / torch.where(crossed, height - beyond, 1), 0)
    slots = torch.stack([corners, torch.lerp(corners, following, fraction[..., None])], 2).flatten(1, 2)
    kept = torch.stack([height >= 0, crossed], 2).flatten(1)
    counts = kept.sum(1)
    order = torch.argsort((~kept).to(torch.uint8), dim=1, stable=True)[:, : max(1, int(counts.max()))]
    index = torch.arange(order.shape[1], device=order.device).minimum((counts[:, None] - 1).clamp_min(0))
    order = order.gather(1, index)
    return slots.gather(1, order[..., None].expand(-1, -1, 2))


def join(polygons: list[Tensor]) -> Tensor:
    """Polygons of different numbers of corners in one tensor: the last corner is repeated."""
    sides = max(each.shape[1] for each in polygons)
    return torch.cat([torch.cat([each, each[:, -1:].expand(-1, sides - each.shape[1], -1)], 1) for each in polygons])


def area(corners: Tensor) -> Tensor:
    """Of polygons ``(P, V, 2)`` that are walked round counter-clockwise, ``(P,)``."""
    x, y = (corners - corners[:, :1]).unbind(2)
    return (x * y.roll(-1, 1) - y * x.roll(-1, 1)).sum(1) / 2


def distinct(corners: Tensor) -> Tensor:
    """A polygon without its repeated corners."""
    return corners[(corners != corners.roll(1, 0)).any(1)]
