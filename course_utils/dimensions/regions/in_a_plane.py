r"""In a plane: the polygons into which a network of ReLUs cuts it, and how many there can be.

On the plane ``x(u, v) = origin + u right + v up`` each face is a straight line as long as no earlier winner changes.
So start with a window, and let each layer in turn cut every polygon along its faces: on each the layer's values are

    a + u b + v c

and a polygon carries these three tensors. `planar` does that, exactly.

How many regions can there be? Deep nets can be built whose regions grow exponentially with depth (Montufar, Pascanu,
Cho and Bengio, arXiv 1402.1869), of which `montufar` gives the number. Nets as they are initialised and trained have
about ``N^2 / 2`` in a plane for N units, whatever the depth (Hanin and Rolnick, arXiv 1901.09021 and 1906.00904).
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from course_utils import runtime
from course_utils.core.checks import check_count
from course_utils.core.tensors import portion, spread
from course_utils.dimensions.regions import pieces, polygons

MOST = 20_000  # regions in a window, beyond which it is given up
TURNS = 8  # cuts of a polygon before its pieces are looked at anew


class Plane(NamedTuple):
    """A window of a plane, cut into convex polygons in each of which the network is affine and predicts one class.

    Attributes:
        corners: of each polygon, in order around it, float64 ``(V, 2)``, in units of the directions.
        classes, regions: its class and its linear region, of which the decision boundary may make several polygons:
            int64 ``(P,)``, the regions from 0 to ``number`` - 1.
    """

    corners: list[Tensor]
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

    A polygon costs three forward passes, one for each of its three tensors.

    Args:
        origin, right, up: floats ``(1, C, H, W)``: the middle, and two directions, of any length, not parallel.

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
    square = extent * torch.tensor([[-1.0, -1.0], [1, -1], [1, 1], [-1, 1]]).to(origin)
    maps = torch.stack([origin[0], right[0], up[0]])
    tiny = 1e-14 * 4 * extent**2
    parts, classes, regions, total = [], [], [], 0
    with runtime.progress_bar(1, "regions", progress) as bar:
        for corners, values in _spread(layers, square[None], maps[None], tiny):
            decided, own, _ = _split(pieces.Decide(), corners, values, tiny)  # a single cut
            parts += [polygons.distinct(corner) for corner in decided]
            classes.append(_at(values[own], decided.mean(1)).argmax(1))
            regions.append(total + own)
            total += len(corners)
            bar.set_postfix(regions=total)
            _check_number(total)
        bar.update()
    return Plane(parts, torch.cat(classes), torch.cat(regions), total)


def montufar(*widths: int) -> int:
    """How many regions in a plane a net with layers of these widths can have at least, if its weights are well chosen.

    ``prod over l < L of floor(n_l / 2)^2``, times the ``1 + n + n (n - 1) / 2`` pieces into which n straight lines, the
    last layer's units, cut a plane if they are in general position.

    >>> montufar(32), montufar(32, 32, 32)
    (529, 34668544)
    """
    *before, last = (check_count("width", width) for width in widths)
    number = 1 + last + last * (last - 1) // 2
    for width in before:
        number *= (width // 2) ** 2
    return number


def _spread(layers: list[nn.Module], corners: Tensor, maps: Tensor, tiny: float) -> Iterator[tuple]:
    """Take polygons ``(P, V, 2)`` and their maps ``(P, 3, ...)`` through the layers, depth first, and cut them."""
    for number, layer in enumerate(layers):
        if not isinstance(layer, pieces.CHOICES):
            constant = layer(torch.zeros_like(maps[:1, 0]))
            maps = layer(maps.flatten(0, 1)).unflatten(0, (-1, 3))
            maps[:, 1:] -= constant
            continue
        together = portion(maps, pieces.COST)
        for some, of in zip(corners.split(together), maps.split(together), strict=True):
            parts, own, done = _split(layer, some, of, tiny)
            for part, mine in zip(parts.split(together), own.split(together), strict=True):
                fresh = of[mine]
                if not done:
                    yield from _spread(layers[number:], part, fresh, tiny)
                    continue
                winner = pieces.winners(layer, _at(fresh, part.mean(1)))
                chosen = pieces.select(layer, fresh.flatten(0, 1), winner.repeat_interleave(3, 0)).unflatten(0, (-1, 3))
                yield from _spread(layers[number + 1 :], part, chosen, tiny)
        return
    yield corners, maps


def _split(layer: nn.Module, corners: Tensor, maps: Tensor, tiny: float) -> tuple[Tensor, Tensor, bool]:
    """Cut polygons where a winner of ``layer`` changes: new corners, the old polygon of each, and whether that is all.

    After some cuts it is better to look again which units are open in the smaller polygons, and so to call again.
    """
    number = len(corners)
    middle = corners.mean(1)
    reach = (corners - middle[:, None]).abs().amax(1)
    radius = _at(torch.cat([torch.zeros_like(maps[:, :1]), maps[:, 1:].abs()], 1), reach)
    row, unit = _open(layer, _at(maps, middle), radius).nonzero(as_tuple=True)  # sorted by row
    counts = torch.bincount(row, minlength=number)
    first = counts.cumsum(0) - counts
    values, own = maps.flatten(0, 1), torch.arange(number, device=corners.device)
    cuts = 0
    for turn in range(int(counts.max())):
        if cuts == TURNS:
            return corners, own, False
        todo = (counts[own] > turn).nonzero()[:, 0]
        here = own[todo]
        chosen = unit[first[here] + turn]
        rows = (3 * here[:, None] + torch.arange(3, device=here.device)).flatten()
        planes = pieces.members(layer, values, rows, chosen.repeat_interleave(3)).unflatten(0, (-1, 3))  # (n, 3, w)
        inside = corners[todo]
        at = torch.baddbmm(planes[:, :1], inside, planes[:, 1:])  # (n, V, w), at the corners
        middle = at.mean(1).argmax(1)
        above = at - at.gather(2, middle[:, None, None].expand(-1, at.shape[1], 1))
        cut = above.amax((1, 2)) > 1e-12 * at.abs().amax((1, 2))
        if not cut.any():
            continue
        cuts += 1
        parts, owners = [], []
        for winner in range(planes.shape[2]):
            mine, who = inside[cut], planes[cut]
            for other in range(planes.shape[2]):
                if other != winner:
                    lead = (who[..., winner] - who[..., other])[..., None]
                    mine = polygons.clip(mine, torch.baddbmm(lead[:, :1], mine, lead[:, 1:])[..., 0])
            real = polygons.area(mine) > tiny
            parts.append(mine[real])
            owners.append(here[cut][real])
        stay = torch.ones_like(own, dtype=torch.bool)
        stay[todo[cut]] = False
        corners = polygons.join([corners[stay], *parts])
        own = torch.cat([own[stay], *owners])
        _check_number(len(own))
    return corners, own, True


def _open(layer: nn.Module, middle: Tensor, radius: Tensor) -> Tensor:
    """Which units or windows may change their winner while values stay in ``middle +- radius``: bool ``(P, M)``."""
    if isinstance(layer, nn.ReLU):
        return (middle.abs() < radius).flatten(1)
    winner = pieces.winners(layer, middle)
    low, high = middle - radius, middle + radius
    if isinstance(layer, pieces.Decide):
        return high.scatter(1, winner, -torch.inf).amax(1, keepdim=True) > low.gather(1, winner)
    others = pieces.windows(layer, high).masked_fill(pieces.is_winner(layer, middle, winner), -torch.inf)
    return others.amax((4, 5)).flatten(1) > pieces.select(layer, low, winner).flatten(1)


def _at(maps: Tensor, points: Tensor) -> Tensor:
    """The values at one point ``(P, 2)`` for each map ``a + u b + v c``, ``(P, 3, ...)`` -> ``(P, ...)``."""
    u, v = (spread(each, maps[:, 0]) for each in points.unbind(1))
    return maps[:, 0] + u * maps[:, 1] + v * maps[:, 2]


def _check_number(regions: int) -> None:
    if regions > MOST:
        raise ValueError(f"the window holds more than {MOST} regions: make extent smaller")
