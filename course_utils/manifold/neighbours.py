r"""Nearest neighbours by brute force, at the price of one matrix product.

    ||a - b||^2 = ||a - c||^2 + ||b - c||^2 - 2 (a - c).b + 2 (a - c).c

with c the mean of the points. Only the product ``(a - c).b`` needs all pairs, and for one query the first and the last
term are the same for all points: they do not matter for the order. A tile of pairs is computed at a time, so the memory
does not grow with their number, and of each tile a few candidates are kept. They are found cheaply because the k
nearest lie in the k groups of columns with the smallest minima.

The product is a difference of large numbers, and of two images that nearly agree it leaves little but rounding error.
So the candidates, a few more than k, are measured anew as the root of ``sum((a - b)^2)``. That also shows how far the
products were off, hence whether a point that was left out could be among the nearest after all; such queries, which are
rare, are searched once more in float64.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from course_utils import runtime
from course_utils.core.checks import check_count

ROWS = {"cpu": 512}  # queries in a tile; elsewhere 4096, so that a GPU has enough to do
COLUMNS = 2**16  # points in a tile
GROUP = 64  # columns whose minimum is looked at first
LARGEST = 1e15  # the summed squares of larger values leave float32
SPARE = 8  # candidates beyond k
SLACK = 1e-5  # share of a squared distance by which a point that was left out may be nearer
VALUES = 2**21  # numbers in a batch of differences, so that it fits the cache


class Neighbours(NamedTuple):
    """The k nearest points of each query, the nearest first.

    Attributes:
        distances: Euclidean, ``(Q, k)``, in the unit of the points.
        rows: where they stand among the points, int64 ``(Q, k)``.
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
        `Neighbours`, right to 1e-5 of each distance, while that is more than a millionth of what the points spread
        over. Among equal distances the lower row stands first; which of several points at the very distance of the
        k-th is taken is left open. An interrupt hands back the queries done so far.

    Raises:
        TypeError: not tensors of float32 or float64, or ``own`` not int64.
        ValueError: shapes, types or devices that do not match, NaN, or more neighbours than there are points.

    >>> points = torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]])
    >>> distances, rows = nearest(points, points, k=2, own=torch.arange(3))
    >>> rows[0], distances[0]
    (tensor([2, 1]), tensor([1., 5.]))
    """
    queries, points = _flat("queries", queries), _flat("points", points)
    _check_pair(queries, points)
    left = len(points) if own is None else len(points) - 1
    if check_count("k", k) > left:
        besides = "" if own is None else " besides the query's own"
        raise ValueError(f"k={k}: there are only {left} points{besides}")
    own = None if own is None else _check_own(own, queries, points)
    cloud, exact = _Cloud(points, points.dtype), None
    found, done = [], 0
    portion = ROWS.get(points.device.type, 4096)
    with runtime.progress(len(queries), "neighbours", progress) as bar:
        try:
            for block in queries.split(portion):
                mine = None if own is None else own[done : done + len(block)]
                distances, rows, sure = cloud.nearest(block, k, left, mine)
                if points.dtype != torch.float64 and not sure.all():
                    exact = exact or _Cloud(points, torch.float64)
                    again = ~sure
                    mine = None if own is None else mine[again]
                    better = exact.nearest(block[again], k, left, mine)
                    distances[again], rows[again] = better[0].to(distances), better[1].to(rows.device)
                found.append((distances, rows))
                done += len(block)
                bar.update(len(block))
        except KeyboardInterrupt:
            print(f"Interrupted: these are the neighbours of the first {done} of {len(queries)} queries.")
    found = found or [(points.new_empty(0, k), torch.empty(0, k, dtype=torch.int64, device=points.device))]
    return Neighbours(*(torch.cat(each) for each in zip(*found, strict=True)))


class _Cloud:
    """The points that are searched, and all that is computed of them once, in one precision."""

    def __init__(self, points: Tensor, dtype: torch.dtype):
        if dtype == torch.float64 and points.device.type == "mps":  # which has no float64
            points = points.cpu()
        self.points, self.dtype, self.memory = points, dtype, None
        parts = points.split(max(1, VALUES // points.shape[1]))
        self.centre = sum(part.to(dtype).sum(0) for part in parts) / len(points)
        self.heights = torch.cat([(part.to(dtype) - self.centre).square().sum(1) for part in parts])

    def nearest(self, queries: Tensor, k: int, left: int, own: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Distances and rows ``(q, k)``, and whether no point that was left out could be nearer, bool ``(q,)``."""
        queries = queries.to(self.points.device, self.dtype)
        number = min(k + SPARE, left)
        offsets = queries - self.centre
        products, rows = self._candidates(offsets, number, own)
        constant = offsets.square().sum(1, keepdim=True) + 2 * (offsets @ self.centre)[:, None]
        squares = products + constant
        rows, order = rows.sort(1)
        distances = self._measure(queries, rows)
        error = 4 * (squares.gather(1, order) - distances.square()).abs().max()
        distances, order = distances.sort(dim=1, stable=True)
        distances, rows = distances[:, :k], rows.gather(1, order)[:, :k]
        bound = (squares.amax(1) - error).clamp_min(0)
        sure = (distances[:, -1].square() * (1 - SLACK) <= bound) | (number == left)
        return distances.contiguous(), rows, sure

    def _measure(self, queries: Tensor, rows: Tensor) -> Tensor:
        """The distance of each query to its points, without cancellation: ``(q, m)``."""
        portion = max(1, VALUES // (rows.shape[1] * queries.shape[1]))
        pairs = zip(queries.split(portion), rows.split(portion), strict=True)
        return torch.cat([(self.points[r].to(self.dtype) - q[:, None]).norm(dim=2) for q, r in pairs])

    def _candidates(self, offsets: Tensor, number: int, own: Tensor | None) -> tuple[Tensor, Tensor]:
        """The smallest ``||b - c||^2 - 2 (a - c).b`` of each query and their rows, ``(q, number)`` each."""
        values = rows = None
        for start in range(0, len(self.points), COLUMNS):
            tile = self._tile(offsets, start)
            if own is not None:
                here = ((own >= start) & (own < start + COLUMNS)).nonzero()[:, 0]
                tile[here, own[here] - start] = float("inf")
            new, columns = _smallest(tile, min(number, len(self.points) - start, COLUMNS))
            columns += start
            if values is not None:
                new, columns = torch.cat([values, new], 1), torch.cat([rows, columns], 1)
            values, order = new.topk(min(number, new.shape[1]), largest=False)
            rows = columns.gather(1, order)
        return values, rows

    def _tile(self, offsets: Tensor, start: int) -> Tensor:
        """``||b - c||^2 - 2 (a - c).b`` for some of the points, ``(q, columns)``; infinity fills up the last group."""
        part = self.points[start : start + COLUMNS].to(self.dtype)
        width = -(-len(part) // GROUP) * GROUP
        if self.memory is None or self.memory.numel() < len(offsets) * width:
            self.memory = offsets.new_empty(len(offsets) * width)  # used again: fresh memory is slow
        tile = self.memory[: len(offsets) * width].view(-1, width)
        tile[:, len(part) :] = float("inf")
        heights = self.heights[start : start + COLUMNS]
        torch.addmm(heights, offsets, part.T, alpha=-2, out=tile[:, : len(part)])
        return tile


def _smallest(tile: Tensor, number: int) -> tuple[Tensor, Tensor]:
    """The ``number`` smallest values of each row and their columns."""
    lows = tile.unflatten(1, (-1, GROUP)).amin(2)
    if lows.shape[1] <= number:
        return tile.topk(number, largest=False)
    groups = lows.topk(number, largest=False, sorted=False).indices
    columns = (GROUP * groups[..., None] + torch.arange(GROUP, device=tile.device)).flatten(1)
    values, order = tile.gather(1, columns).topk(number, largest=False)
    return values, columns.gather(1, order)


def _flat(name: str, images: Tensor) -> Tensor:
    """Images as rows of pixels ``(N, D)``."""
    if not isinstance(images, Tensor):
        hint = "torch.as_tensor(...) converts an array; for a split, pass its .images"
        raise TypeError(f"{name} are a {type(images).__name__}, not a tensor: {hint}")
    if images.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"{name} are {images.dtype}, not float32 or float64: convert with {name}.float()")
    if images.ndim < 2:
        raise ValueError(f"{name} have shape {tuple(images.shape)}: want (N, ...), for a single one write {name}[None]")
    if images.numel() == 0:
        raise ValueError(f"{name} have shape {tuple(images.shape)}: they are empty, check how they were selected")
    images = images.detach().flatten(1)
    low, high = torch.aminmax(images)  # no copy of the points, and NaN if there is one
    if not (low > -LARGEST and high < LARGEST):
        hint = "look for a division by zero or a logarithm of zero before this"
        raise ValueError(f"{name} hold NaN or infinity, or values above {LARGEST:g}: {hint}")
    return images


def _check_pair(queries: Tensor, points: Tensor) -> None:
    if queries.shape[1] != points.shape[1]:
        raise ValueError(f"queries have {queries.shape[1]} pixels, points {points.shape[1]}: bring them to one size")
    for name in ("dtype", "device"):
        ours, theirs = getattr(queries, name), getattr(points, name)
        if ours != theirs:
            raise ValueError(f"queries are {ours}, points {theirs}: write queries.to(points)")


def _check_own(own: Tensor, queries: Tensor, points: Tensor) -> Tensor:
    if not isinstance(own, Tensor) or own.dtype != torch.int64:
        kind = own.dtype if isinstance(own, Tensor) else type(own).__name__
        raise TypeError(f"own is {kind}, not int64 row numbers: write torch.arange(len(points)) for points themselves")
    if own.shape != (len(queries),):
        raise ValueError(f"own has shape {tuple(own.shape)}, not ({len(queries)},): give one row number a query")
    low, high = own.min().item(), own.max().item()
    if low < 0 or high >= len(points):
        raise ValueError(f"own runs from {low} to {high}, but the points are 0 to {len(points) - 1}")
    return own.to(points.device)
