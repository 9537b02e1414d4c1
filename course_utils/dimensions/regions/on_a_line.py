r"""Along a straight line: the points where a network of ReLUs passes from one affine piece to the next.

On the line ``x(t) = start + t (end - start)`` all that is affine in x is affine in t, so the faces can be met one by
one, without a grid. Carry the values of a layer at the points found so far; where two neighbours have different
winners, two straight lines intersect between them, and there lies the new face. If a unit has the input z at one point
and z' at the next, it switches at the fraction

    z / (z - z')

of the way. At the end the class is one more winner. `crossings` does that, exactly: Sotoudeh and Thakur, arXiv
1908.06214.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from course_utils.core.tensors import portion, portions, spread
from course_utils.dimensions.regions.pieces import CHOICES, COST, Decide, check_points, copy_layers, members, winners

SAME = 1e-12  # faces that are nearer to each other than this, as a fraction of the line, count as one


class Line(NamedTuple):
    """What a network does between two images, at ``start + t (end - start)``.

    Attributes:
        at: the t in (0, 1) where the linear piece changes, sorted, float64 ``(K,)``; there are K + 1 pieces.
        logits: at t = 0, at each of ``at``, and at t = 1, float64 ``(K + 2, classes)``; straight lines in between.
        decisions: the t in (0, 1) where the class changes, sorted, ``(D,)``.
    """

    at: Tensor
    logits: Tensor
    decisions: Tensor


@torch.no_grad()
def crossings(model: nn.Module, start: Tensor, end: Tensor) -> list[Line]:
    """The faces that the straight line from each start to its end meets, images ``(N, C, H, W)``: one `Line` a pair.

    They are exact, by affine functions of t, in float64, and on the model's device.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(1, 1), nn.ReLU(), nn.Linear(1, 2))
    >>> for layer, weight, bias in ((model[1], [[1.0]], [-0.25]), (model[3], [[1.0], [0.0]], [0.0, 0.5])):
    ...     layer.weight.data, layer.bias.data = torch.tensor(weight), torch.tensor(bias)
    >>> (line,) = crossings(model, torch.zeros(1, 1, 1, 1), torch.ones(1, 1, 1, 1))
    >>> line.at.tolist(), line.decisions.tolist()
    ([0.25], [0.75])
    """
    if check_points("start", start).shape != check_points("end", end).shape:
        raise ValueError(f"start has shape {tuple(start.shape)}, end {tuple(end.shape)}: give one end for each start")
    layers, start = copy_layers(model, start)
    lines, at, logits = walk(layers, start, end.to(start))
    cut = _put_together(_walk([Decide()], lines, at, logits))
    found = []
    for number in range(len(start)):
        here = lines == number
        t, values = (each[cut[0] == number] for each in cut[1:])
        classes = (values[1:] + values[:-1]).argmax(1)  # in the middle of each piece
        found.append(Line(at[here][1:-1], logits[here], t[1:-1][classes[1:] != classes[:-1]]))
    return found


def walk(layers: list[nn.Module], start: Tensor, end: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """All faces on several lines, as points sorted by line and t: lines ``(P,)``, t ``(P,)``, logits ``(P, K)``.

    Both ends of each line are among the points. ``layers`` are those of `copy_layers`.
    """
    found, every = [], torch.arange(len(start), device=start.device)
    for *ends, lines in portions(start, end, every, cost=COST):
        at = torch.tensor([0.0, 1.0]).to(start).repeat(len(lines))
        found += _walk(layers, lines.repeat_interleave(2), at, torch.stack(ends, 1).flatten(0, 1))
    return _put_together(found)


def _put_together(found: Iterable[tuple[Tensor, ...]]) -> tuple[Tensor, Tensor, Tensor]:
    """The portions of `_walk`, of which neighbours have a point in common."""
    lines, at, logits = map(torch.cat, zip(*found, strict=True))
    new = torch.ones_like(lines, dtype=torch.bool)
    new[1:] = (lines[1:] != lines[:-1]) | (at[1:] != at[:-1])
    return lines[new], at[new], logits[new]


def _walk(layers: list[nn.Module], lines: Tensor, at: Tensor, values: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Take points on lines through the layers, depth first, adding those where a winner changes."""
    for number, layer in enumerate(layers):
        if not isinstance(layer, CHOICES):
            values = layer(values)
            continue
        piece, fraction, unit = _cuts(layer, lines, at, values)
        t = at[piece] + fraction * (at[piece + 1] - at[piece])
        apart = torch.ones_like(piece, dtype=torch.bool)
        apart[1:] = (piece[1:] != piece[:-1]) | (t[1:] - t[:-1] > SAME)
        position = apart.cumsum(0) - 1
        old = torch.arange(len(at), device=at.device)
        before = torch.cat([old, piece[apart]])  # a point is (1 - fraction) of one old point and fraction of the next
        weight = torch.cat([torch.zeros_like(at), fraction[apart]])
        order = torch.argsort(torch.cat([2 * old, 2 * piece[apart] + 1]), stable=True)
        place = torch.empty_like(order)
        place[order] = torch.arange(len(order), device=at.device)
        place = place[len(at) + position]  # where the crossing of each unit has come to stand
        before, weight = before[order], weight[order]
        most = max(2, portion(values, 1 / 2))
        for first in range(0, max(1, len(order) - 1), most):
            part = slice(first, first + most + 1)
            low, w = before[part], weight[part]
            high = (low + 1).clamp_max(len(at) - 1)
            fresh = torch.lerp(values[low], values[high], spread(w, values)).contiguous()
            if isinstance(layer, nn.ReLU):
                here = (place >= first) & (place < first + len(low))
                fresh.view(len(low), -1)[place[here] - first, unit[here]] = 0  # exactly, not but for rounding
            t = torch.lerp(at[low], at[high], w)
            yield from _walk(layers[number + 1 :], lines[low], t, layer(fresh))
        return
    yield lines, at, values


def _cuts(layer: nn.Module, lines: Tensor, at: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Where winners change between neighbours: the point before, the fraction of the way, and the unit or window.

    Sorted by point and fraction; those within `SAME` of an old point are left out.
    """
    winner = winners(layer, values)
    changed = (winner[1:] != winner[:-1]) & (lines[1:] == lines[:-1])[:, None]
    piece, unit = changed.nonzero(as_tuple=True)
    fraction = _envelope(members(layer, values, piece, unit), members(layer, values, piece + 1, unit))
    length = (at[piece + 1] - at[piece])[:, None]
    row, column = ((fraction * length > SAME) & ((1 - fraction) * length > SAME)).nonzero(as_tuple=True)
    piece, unit, fraction = piece[row], unit[row], fraction[row, column]
    order = torch.argsort(fraction)
    order = order[torch.argsort(piece[order], stable=True)]
    return piece[order], fraction[order], unit[order]


def _envelope(left: Tensor, right: Tensor) -> Tensor:
    """Where the highest of w straight lines changes: values at both ends ``(M, w)`` -> fractions of the way.

    Shape ``(M, w - 1)``, filled up with infinity. Start with the line that is highest at the left, and turn to the
    first steeper one that meets it.
    """
    slope = right - left
    top = left.amax(1, keepdim=True)
    best = torch.where(left == top, slope, -torch.inf).argmax(1, keepdim=True)
    found = []
    for _ in range(left.shape[1] - 1):
        steeper = slope - slope.gather(1, best)
        meet = (left.gather(1, best) - left) / steeper
        fraction, following = torch.where(steeper > 0, meet, torch.inf).min(1, keepdim=True)
        best = torch.where(fraction < torch.inf, following, best)
        found.append(fraction)
    return torch.cat(found, 1) if found else left.new_empty(len(left), 0)
