"""Where, on its way from an image, a point first meets what is looked for: by a grid, and by halving its last step."""

from collections.abc import Callable

import torch
from torch import Tensor

from course_utils.core.tensors import bisect

HALVINGS = 30


def first_crossing(beyond: Callable[[Tensor, Tensor], Tensor], grid: Tensor, number: int) -> Tensor:
    """The first t at which each of ``number`` ways is beyond, ``(N,)``; infinite where it is so at no t of the grid.

    An excursion that is narrower than a step of the grid may be missed.

    Args:
        beyond: t ``(M,)`` and int64 ``(M,)``, which ways are asked -> bool ``(M,)``.
        grid: rising t, ``(G,)``; who is beyond at the first has that for an answer.

    >>> ends = torch.tensor([0.25, 0.6, 2.0])
    >>> first_crossing(lambda t, rows: t >= ends[rows], torch.tensor([0.0, 0.5, 1.0]), 3)
    tensor([0.2500, 0.6000,    inf])
    """
    low, high = grid[0].repeat(number), grid.new_full((number,), float("inf"))
    rows = torch.arange(number, device=grid.device)
    for t in grid:
        past = beyond(t.expand(len(rows)), rows)
        high[rows[past]] = t
        rows = rows[~past]
        low[rows] = t
        if not len(rows):
            break
    (rows,) = (high.isfinite() & (low < high)).nonzero(as_tuple=True)
    if len(rows):
        _, high[rows] = bisect(low[rows], high[rows], lambda t: beyond(t, rows), HALVINGS)
    return high
