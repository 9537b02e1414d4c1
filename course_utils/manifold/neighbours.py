r"""Nearest neighbours by brute force, at the price of one matrix product.

    ||a - b||^2 = ||a - c||^2 + ||b - c||^2 - 2 (a - c).b + 2 (a - c).c

with c the mean of the points. Only the product ``(a - c).b`` needs all pairs, and for one query the first and the last
term are the same for all points: they do not matter for the order.

The product is a difference of large numbers, and of two images that nearly agree it leaves little but rounding error.
So it only nominates candidates, some more than k, and these are measured anew as the root of ``sum((a - b)^2)``.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from course_utils import runtime
from course_utils.core.checks import check_count
from course_utils.core.tensors import portion, portions

LARGEST = 1e15  # the summed squares of larger values leave float32
SPARE = 16  # candidates beyond k


class Neighbours(NamedTuple):
    """The k nearest points of each query, the nearest first.

    Euclidean ``distances`` ``(Q, k)``, and the ``rows`` where they stand among the points, int64 ``(Q, k)``.
    """

    distances: Tensor
    rows: Tensor


@torch.no_grad()
def nearest(queries: Tensor, points: Tensor, k: int, *, own: Tensor | None = None, progress: bool = True) -> Neighbours:
    """Find the ``k`` points that are nearest to each query.

    Args:
        queries, points: float32 or float64 ``(Q, ...)`` and ``(N, ...)`` of equally many pixels; they are flattened.
        k: how many, at most N, or N - 1 with ``own``.
        own: int64 ``(Q,)``, the row of each query among the points, which is left out. A duplicate of it elsewhere
            stays, at distance 0. None leaves nothing out.

    Returns:
        `Neighbours`. Among equal distances the lower row stands first; which of several points at the very distance of
        the k-th is taken is left open. The distances are exact but for the last digits. Where more than k + 16 points
        lie within a thousandth (float32) of what all points spread over, some neighbours may be missed: pass float64.
        An interrupt hands back the queries done so far.

    Raises:
        TypeError: not tensors of float32 or float64, or ``own`` not int64.
        ValueError: shapes, types or devices that do not match, NaN, or more neighbours than there are points.

    >>> points = torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]])
    >>> distances, rows = nearest(points, points, k=2, own=torch.arange(3))
    >>> rows[0], distances[0]
    (tensor([2, 1]), tensor([1., 5.]))
    """
    queries, points = _flat(queries, points)
    left = len(points) if own is None else len(points) - 1
    if check_count("k", k) > left:
        besides = "" if own is None else " besides the query's own"
        raise ValueError(f"k={k}: there are only {left} points{besides}")
    if own is not None:
        _check_rows("own", own, (len(queries),), points)
        own = own.to(points.device)
    centre = points.mean(0)
    heights = torch.cat([(part - centre).square().sum(1) for (part,) in portions(points)])
    size = portion(queries[:, :1], cost=len(points) / 16)  # a distance of one product costs little
    found, done = [], 0
    with runtime.progress_bar(len(queries), "neighbours", progress) as bar:
        try:
            for block in queries.split(size):
                products = torch.addmm(heights, block - centre, points.T, alpha=-2)
                if own is not None:
                    products.scatter_(1, own[done : done + len(block), None], float("inf"))
                candidates = products.topk(min(k + SPARE, left), largest=False).indices
                found.append(_sorted(block, points, candidates, k))
                done += len(block)
                bar.update(len(block))
        except KeyboardInterrupt:
            print(f"Interrupted: these are the neighbours of the first {done} of {len(queries)} queries.")
    found = found or [(points.new_empty(0, k), torch.empty(0, k, dtype=torch.int64, device=points.device))]
    return Neighbours(*(torch.cat(each) for each in zip(*found, strict=True)))


def _sorted(queries: Tensor, points: Tensor, rows: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k nearest of the candidates in ``rows`` ``(q, m)``, by distances without cancellation."""
    rows = rows.sort(1).values  # so that the lower row stands first where distances agree
    parts = portions(queries, rows, cost=rows.shape[1] / 2)
    distances = torch.cat([(points[near] - some[:, None]).norm(dim=2) for some, near in parts])
    distances, order = distances.sort(dim=1, stable=True)
    return distances[:, :k].contiguous(), rows.gather(1, order)[:, :k]


def neighbourhoods(queries: Tensor, points: Tensor, rows: Tensor) -> Iterator[Tensor]:
    """Each query with its neighbours, less their mean, in batches ``(q, k + 1, D)`` of bounded size."""
    queries, points = _flat(queries, points)
    _check_rows("rows", rows, (len(queries), "k"), points)
    parts = portions(queries, rows, cost=(rows.shape[1] + 1) / 4)
    together = (torch.cat([some[:, None], points[at]], 1) for some, at in parts)
    return (near - near.mean(1, keepdim=True) for near in together)


def _flat(queries: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """Both as rows of pixels, ``(Q, D)`` and ``(N, D)``."""
    for name, images in (("queries", queries), ("points", points)):
        if not isinstance(images, Tensor):
            hint = "torch.as_tensor(...) converts an array; for a split, pass its .images"
            raise TypeError(f"{name} are a {type(images).__name__}, not a tensor: {hint}")
        if images.dtype not in (torch.float32, torch.float64):
            raise TypeError(f"{name} are {images.dtype}, not float32 or float64: convert with {name}.float()")
        if images.ndim < 2 or not images.numel():
            hint = f"want (N, ...), and some; for a single one write {name}[None]"
            raise ValueError(f"{name} have shape {tuple(images.shape)}: {hint}")
        low, high = torch.aminmax(images.detach())  # no copy of the points, and NaN if there is one
        if not (low > -LARGEST and high < LARGEST):
            hint = "look for a division by zero or a logarithm of zero before this"
            raise ValueError(f"{name} hold NaN or infinity, or values above {LARGEST:g}: {hint}")
    if queries[0].numel() != points[0].numel():
        sizes = f"{queries[0].numel()} pixels, points {points[0].numel()}"
        raise ValueError(f"queries have {sizes}: bring them to one size")
    ours, theirs = (f"{images.dtype} on {images.device}" for images in (queries, points))
    if ours != theirs:
        raise ValueError(f"queries are {ours}, points {theirs}: write queries.to(points)")
    return queries.detach().flatten(1), points.detach().flatten(1)


def _check_rows(name: str, rows: Tensor, shape: tuple, points: Tensor) -> None:
    """Refuse what are no row numbers of the points, in this shape; "k" stands for any size."""
    if not isinstance(rows, Tensor) or rows.dtype != torch.int64:
        kind = rows.dtype if isinstance(rows, Tensor) else type(rows).__name__
        hint = "pass the .rows that `nearest` returns, or torch.arange(len(points)) for points themselves"
        raise TypeError(f"{name}: {kind}, not int64 row numbers: {hint}")
    if rows.ndim != len(shape) or len(rows) != shape[0] or not rows.numel():
        want = str(shape).replace("'", "")
        raise ValueError(f"{name}: shape {tuple(rows.shape)}, not {want}: want row numbers for each query")
    low, high = torch.stack(rows.aminmax()).tolist()
    if low < 0 or high >= len(points):
        raise ValueError(f"{name}: from {low} to {high}, but the points are 0 to {len(points) - 1}")
