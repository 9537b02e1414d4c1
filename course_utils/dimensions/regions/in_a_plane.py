r"""In a plane: the polygons into which a network of ReLUs cuts it, and how many there can be.

On the plane ``x(u, v) = origin + u right + v up`` each face is a straight line as long as no earlier winner changes.
So start with a window, and let each layer in turn cut every polygon along its faces: on each the layer's values are

    a + u b + v c

and a polygon carries these three tensors. `planar` does that, exactly.

How many regions can there be? n straight lines in general position cut a plane into

    1 + n + n (n - 1) / 2

pieces, which is `arrangement`. Deep nets can be built whose regions grow exponentially with depth (Montufar, Pascanu,
Cho and Bengio, arXiv 1402.1869), of which `montufar` gives the number. Nets as they are initialised and trained have
about ``N^2 / 2`` in a plane for N units, whatever the depth (Hanin and Rolnick, arXiv 1901.09021 and 1906.00904).
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from course_utils import runtime
from course_utils.core.checks import check_count
from course_utils.core.tensors import spread
from course_utils.dimensions.regions import pieces

MOST = 20_000  # regions in a window, beyond which it is given up


class Plane(NamedTuple):
    """A window of a plane, cut into convex polygons in each of which the network is affine and predicts one class.

    Attributes:
        corners: of each polygon, in order around it, float64 ``(V, 2)``, in units of the directions.
        areas: of the polygons ``(P,)``, in the same units.
        classes: int64 ``(P,)``.
        regions: the linear region that each polygon belongs to, int64 ``(P,)``. A region that the decision boundary
            cuts is several polygons.
        number: how many regions there are.
    """

    corners: list[Tensor]
    areas: Tensor
    classes: Tensor
    regions: Tensor
    number: int


@torch.no_grad()
def planar(
    model: nn.Module,
    origin: Tensor,
    right: Tensor,
    up: Tensor,
    extent: float,
    *,
    progress: bool = True,
) -> Plane:
    """All linear regions in the window ``origin + u right + v up`` with u and v from -extent to extent: exact.

    Args:
        model: as for `pieces.piecewise_linear`.
        origin, right, up: floats ``(1, C, H, W)``: the middle, and two directions of any length.

    Raises:
        ValueError: parallel directions, or more than 20,000 regions.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
    >>> model[1].weight.data, model[1].bias.data = torch.eye(2), torch.zeros(2)
    >>> axes = torch.eye(2).view(2, 1, 1, 1, 2)
    >>> planar(model, torch.zeros(1, 1, 1, 2), *axes, extent=1, progress=False).number
    4
    """
    for name, image in dict(origin=origin, right=right, up=up).items():
        if pieces.check_points(name, image).shape != origin.shape or len(image) != 1:
            raise ValueError(f"{name} has shape {tuple(image.shape)}: want one image (1, C, H, W), as is the origin")
    if not 0 < extent < float("inf"):
        raise ValueError(f"extent={extent}: want a finite number above 0")
    layers, origin = pieces.copy_layers(model, origin)
    right, up = right.to(origin), up.to(origin)
    lengths = right.norm() * up.norm()
    if not lengths > 0 or (right * up).sum().abs() > (1 - 1e-9) * lengths:
        raise ValueError("right and up are parallel, or one is zero: they must span a plane")
    corners = extent * torch.tensor([[[-1.0, -1.0], [1, -1], [1, 1], [-1, 1]]]).to(origin)
    maps = torch.stack([origin, right, up], 1)
    tiny = 1e-14 * 4 * extent**2
    with runtime.progress(len(layers), "regions", progress) as bar:
        for layer in layers:
            if isinstance(layer, pieces.CHOICES):
                corners, own = _cut(layer, corners, maps, tiny)
                maps = maps[own]
                maps = pieces.select(layer, maps, pieces.winners(layer, _at(maps, corners.mean(1))))
            else:
                maps = pieces.affine(layer, maps)
            bar.set_postfix(regions=len(corners))
            bar.update()
    decided, own = _cut(pieces.Decide(), corners, maps, tiny)
    distinct = [each[(each != each.roll(1, 0)).any(1)] for each in decided]
    classes = _at(maps[own], decided.mean(1)).argmax(1)
    return Plane(distinct, _area(decided), classes, own, len(corners))


def arrangement(lines: int) -> int:
    """The pieces into which straight lines in general position cut a plane: ``1 + n + n (n - 1) / 2``.

    It is the most that one hidden layer of n units can do in a plane.

    >>> [arrangement(n) for n in (0, 1, 2, 3, 30)]
    [1, 2, 4, 7, 466]
    """
    return 1 + lines + lines * (lines - 1) // 2


def montufar(*widths: int) -> int:
    """How many regions in a plane a net with layers of these widths can have at least, if its weights are well chosen.

    ``prod over l < L of floor(n_l / 2)^2``, times `arrangement` of the last width: Montufar et al. 2014.

    >>> montufar(32), montufar(32, 32, 32)
    (529, 34668544)
    """
    for width in widths:
        check_count("width", width)
    number = arrangement(widths[-1])
    for width in widths[:-1]:
        number *= (width // 2) ** 2
    return number


def _cut(layer: nn.Module, corners: Tensor, maps: Tensor, tiny: float) -> tuple[Tensor, Tensor]:
    """Cut polygons ``(P, V, 2)`` wherever a winner of ``layer`` changes: new corners, and the old polygon of each."""
    own = torch.arange(len(corners), device=corners.device)
    for unit in range(pieces.winners(layer, maps[:1, 0]).shape[1]):
        rows = torch.arange(3 * len(maps), device=own.device)
        planes = pieces.members(layer, maps.flatten(0, 1), rows, torch.full_like(rows, unit)).unflatten(0, (-1, 3))[own]
        at = _evaluate(planes, corners)
        middle = at.mean(1).argmax(1)
        above = at - at.gather(2, middle[:, None, None].expand(-1, at.shape[1], 1))
        cut = above.amax((1, 2)) > 1e-12 * at.abs().amax((1, 2))
        if not cut.any():
            continue
        parts, owners = [corners[~cut]], [own[~cut]]
        for winner in range(planes.shape[2]):
            mine, who = corners[cut], planes[cut]
            for other in range(planes.shape[2]):
                if other != winner:
                    mine = _clip(mine, _evaluate((who[..., winner] - who[..., other])[..., None], mine)[..., 0])
            real = _area(mine) > tiny
            parts.append(mine[real])
            owners.append(own[cut][real])
        sides = max(part.shape[1] for part in parts)
        corners = torch.cat(
            [torch.cat([part, part[:, -1:].expand(-1, sides - part.shape[1], -1)], 1) for part in parts]
        )
        own = torch.cat(owners)
        if len(own) > MOST:
            raise ValueError(f"the window holds more than {MOST} regions: make extent smaller")
    return corners, own


def _clip(corners: Tensor, height: Tensor) -> Tensor:
    """The part of each convex polygon where an affine function with these values ``(P, V)`` is not negative.

    Corners go round counter-clockwise. A polygon with fewer than others repeats its last one; one of which nothing is
    left shrinks to a point.
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
    return slots.gather(1, order.gather(1, index)[..., None].expand(-1, -1, 2))


def _area(corners: Tensor) -> Tensor:
    x, y = (corners - corners[:, :1]).unbind(2)
    return (x * y.roll(-1, 1) - y * x.roll(-1, 1)).sum(1) / 2


def _at(maps: Tensor, points: Tensor) -> Tensor:
    """The values at one point ``(P, 2)`` for each map ``a + u b + v c``, ``(P, 3, ...)`` -> ``(P, ...)``."""
    u, v = (spread(each, maps[:, 0]) for each in points.unbind(1))
    return maps[:, 0] + u * maps[:, 1] + v * maps[:, 2]


def _evaluate(planes: Tensor, corners: Tensor) -> Tensor:
    """The values of w affine functions ``(P, 3, w)`` at the corners ``(P, V, 2)``: ``(P, V, w)``."""
    return torch.baddbmm(planes[:, :1], corners, planes[:, 1:])
