r"""Along a straight line: the points where a network of ReLUs passes from one affine piece to the next.

On the line ``x(t) = start + t (end - start)`` all that is affine in x is affine in t, so the faces can be met one by
one, without a grid. Carry the values of a layer at both ends of the pieces found so far; where these have different
winners, two straight lines intersect between them, and there lies the new face. If a unit has the input z at one end
and z' at the other, it switches at the fraction

    z / (z - z')

of the way. At the end the class is one more winner. `crossings` does that, exactly: Sotoudeh and Thakur, arXiv
1908.06214.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from course_utils.core.tensors import portion, portions
from course_utils.dimensions.regions.pieces import (
    CHOICES,
    COST,
    Decide,
    check_points,
    copy_layers,
    members,
    select,
    winners,
)

SAME = 1e-12  # faces that are nearer to each other than this, as a fraction of the line, count as one


class Line(NamedTuple):
    """What a network does between two images, at ``start + t (end - start)``.

    Attributes:
        at: the t in (0, 1) where the linear piece changes, sorted, float64 ``(K,)``; there are K + 1 pieces.
        logits: at t = 0, at each of ``at``, and at t = 1, float64 ``(K + 2, classes)``; straight lines in between.
        decisions: the t in (0, 1) where the class changes, sorted, ``(D,)``.
        classes: what the network says between them, in order, int64 ``(D + 1,)``.
    """

    at: Tensor
    logits: Tensor
    decisions: Tensor
    classes: Tensor


@torch.no_grad()
def crossings(model: nn.Module, start: Tensor, end: Tensor) -> list[Line]:
    """The faces that the straight line from each start to its end meets: exact, in float64, on the model's device.

    Args:
        model: as for `pieces.piecewise_linear`.
        start, end: floats ``(N, C, H, W)``, which may leave [0, 1].

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(1, 1), nn.ReLU(), nn.Linear(1, 2))
    >>> for layer, weight, bias in ((model[1], [[1.0]], [-0.25]), (model[3], [[1.0], [0.0]], [0.0, 0.5])):
    ...     layer.weight.data, layer.bias.data = torch.tensor(weight), torch.tensor(bias)
    >>> (line,) = crossings(model, torch.zeros(1, 1, 1, 1), torch.ones(1, 1, 1, 1))
    >>> line.at.tolist(), line.decisions.tolist(), line.classes.tolist()
    ([0.25], [0.75], [1, 0])
    """
    if check_points("start", start).shape != check_points("end", end).shape:
        raise ValueError(f"start has shape {tuple(start.shape)}, end {tuple(end.shape)}: give one end for each start")
    layers, start = copy_layers(model, start)
    lines, *pieces = walk(layers, start, end.to(start))
    names, *decided = _together(_walk([Decide()], lines, *pieces))
    found = []
    for number in range(len(start)):
        low, _, ends = (each[lines == number] for each in pieces)
        begin, _, between = (each[names == number] for each in decided)
        classes = between.mean(1).argmax(1)
        new = classes[1:] != classes[:-1]
        logits = torch.cat([ends[:, 0], ends[-1:, 1]])
        found.append(Line(low[1:], logits, begin[1:][new], torch.cat([classes[:1], classes[1:][new]])))
    return found


def walk(layers: list[nn.Module], start: Tensor, end: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """All pieces of several lines, sorted: lines ``(P,)``, t where each starts and ends, logits there ``(P, 2, K)``.

    ``layers`` are those of `copy_layers`.
    """
    low = start.new_zeros(len(start))
    ends, lines = torch.stack([start, end], 1), torch.arange(len(start), device=start.device)
    parts = portions(ends, lines, low, low + 1, cost=COST)
    return _together(piece for ends, *line in parts for piece in _walk(layers, *line, ends))


def _together(found: Iterable[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    return tuple(map(torch.cat, zip(*found, strict=True)))


def _walk(
    layers: list[nn.Module], lines: Tensor, low: Tensor, high: Tensor, ends: Tensor
) -> Iterator[tuple[Tensor, ...]]:
    """Take pieces of lines, as values at both ends ``(P, 2, ...)``, through the layers, depth first, and cut them."""
    for number, layer in enumerate(layers):
        if not isinstance(layer, CHOICES):
            ends = layer(ends.flatten(0, 1)).unflatten(0, (-1, 2))
            continue
        for piece, cuts in zip(*(each.split(portion(ends)) for each in _cut(layer, high - low, ends)), strict=True):
            inner = torch.lerp(*ends[piece].split(1, 1), cuts.view(-1, 2, *[1] * (ends.ndim - 2)))
            t = torch.lerp(low[piece, None], high[piece, None], cuts)
            chosen = select(layer, inner, winners(layer, inner.mean(1)))
            yield from _walk(layers[number + 1 :], lines[piece], *t.unbind(1), chosen)
        return
    yield lines, low, high, ends


def _cut(layer: nn.Module, length: Tensor, ends: Tensor) -> tuple[Tensor, Tensor]:
    """Where winners change: the old piece of each new one ``(Q,)``, and its ends, as fractions of that ``(Q, 2)``."""
    left, right = ends.unbind(1)
    piece, unit = (winners(layer, left) != winners(layer, right)).nonzero(as_tuple=True)
    fraction = _envelope(members(layer, left, piece, unit), members(layer, right, piece, unit))
    least = SAME / length
    row, column = (fraction.minimum(1 - fraction) > least[piece, None]).nonzero(as_tuple=True)
    piece = torch.cat([torch.arange(len(ends), device=ends.device), piece[row]])
    begin = torch.cat([torch.zeros_like(length), fraction[row, column]])
    order = begin.argsort()
    order = order[piece[order].argsort(stable=True)]
    piece, begin = piece[order], begin[order]
    new = torch.ones_like(piece, dtype=torch.bool)
    new[1:] = (piece[1:] != piece[:-1]) | (begin[1:] - begin[:-1] > least[piece[1:]])
    piece, begin = piece[new], begin[new]
    finish = begin.roll(-1)
    return piece, torch.stack([begin, torch.where(finish > 0, finish, 1)], 1)  # the next that starts at 0 is another's


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
