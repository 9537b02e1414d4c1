r"""How many numbers describe a set of images: its intrinsic dimension, read off small neighbourhoods.

In d dimensions a ball of radius T holds a fraction of the points that grows like T^d. Three ways to read d off that:

- `mle`: the logarithms ``log(T_k / T_j)`` of the distances to the k nearest points are exponential with mean 1 / d
  where the density is even. Levina and Bickel, NIPS 2004, with the average of MacKay and Ghahramani, "Comments on
  'Maximum likelihood estimation of intrinsic dimension'", 2005.
- `two_nn`: the ratio of the second distance to the first alone, ``mu = T_2 / T_1``, has ``F(mu) = 1 - mu^-d``. Facco,
  d'Errico, Rodriguez and Laio, arXiv 1803.06992.
- `local_pca`: the neighbours of a point fill a flat piece of d dimensions, which principal components count. Fukunaga
  and Olsen, IEEE Transactions on Computers C-20, 1971.

The first two need nothing but the sorted distances of `nearest`: one search with the largest k serves every smaller
one, as ``distances[:, :k]``. All three underestimate a high dimension: the points are then so few that their
neighbourhoods reach the edge of the set.
"""

import torch
from torch import Tensor

from course_utils.manifold.neighbours import neighbourhoods

DISCARDED = 0.1  # the fraction of the queries, those with the largest ratios, that TwoNN leaves out of its fit


def mle(distances: Tensor) -> Tensor:
    r"""The dimension for which the distances to the k nearest points are the most likely: ``(Q, k)`` -> ``()``.

        1 / d = mean over the queries of 1/(k-1) * sum over j < k of log(T_k / T_j)

    Averaging the inverses treats the queries as one sample, and the result for an even density is right at any k. Two
    variants are not. The plain mean of Levina and Bickel's estimates, one a query, is too large by (k-1)/(k-2), which
    k - 2 as denominator would cure. The code of Pope et al., arXiv 2104.08894, keeps k - 2 where it averages the
    inverses, and so arrives at ``mle(distances) * (k - 2) / (k - 1)``: half of it at k = 3, 95 % at k = 20.

    Raises:
        ValueError: no sorted distances to at least two neighbours, a query that has a duplicate, or distances that do
            not differ.

    >>> from course_utils.manifold import nearest
    >>> angle = 6.28 * torch.rand(1000, generator=torch.Generator().manual_seed(0))
    >>> circle = torch.stack([angle.cos(), angle.sin()], 1)
    >>> print(f"{mle(nearest(circle, circle, 20, own=torch.arange(1000)).distances):.1f}")
    1.0
    """
    _check(distances)
    logs = distances.log()
    mean = (logs[:, -1:] - logs[:, :-1]).mean(1).mean()
    if mean == 0:
        raise ValueError("all distances of a query agree: the points stand on a grid, or are too few for this")
    return 1 / mean


def two_nn(distances: Tensor) -> Tensor:
    r"""The dimension from the two nearest points alone, ``(Q, 2 or more)`` -> ``()``.

    The slope of the line through 0 that fits ``-log(1 - F)`` over ``log mu`` best, where F is the fraction of queries
    with a ratio up to mu; the tenth of the queries with the largest ratios is left out of the fit, as in the paper. It
    sees the finest scale that the points have, and whatever noise there is at that scale.

    Raises:
        ValueError: as for `mle`; fewer than 3 queries.

    >>> from course_utils.manifold import nearest
    >>> cube = torch.rand(2000, 3, generator=torch.Generator().manual_seed(0))
    >>> print(f"{two_nn(nearest(cube, cube, 2, own=torch.arange(2000)).distances):.1f}")
    3.0
    """
    _check(distances)
    number = len(distances)
    if number < 3:
        raise ValueError(f"{number} queries: want at least 3, of which the fit leaves one out, and far more in earnest")
    ratios = (distances[:, 1] / distances[:, 0]).log().sort().values[: int(number * (1 - DISCARDED))]
    if not ratios.any():
        raise ValueError("the two nearest points are equally far from every query: the points stand on a grid")
    up_to = torch.arange(1, len(ratios) + 1, dtype=ratios.dtype, device=ratios.device) / number
    return (ratios @ -torch.log1p(-up_to)) / (ratios @ ratios)


@torch.no_grad()
def local_pca(queries: Tensor, points: Tensor, rows: Tensor, fraction: float = 0.95) -> Tensor:
    """The mean number of principal components that hold a ``fraction`` of the variance near a query, ``()``.

    A neighbourhood is a query with its neighbours, about their own mean. The weakness: the number depends on the
    fraction as much as on the set, since noise and the bend of the manifold count as directions too, and k neighbours
    never have more than k. Queries, points and rows are as given to and returned by `nearest`, the fraction is above 0
    and at most 1.

    Raises:
        ValueError: neighbours that all agree.

    >>> plane = torch.rand(50, 2, generator=torch.Generator().manual_seed(0)) @ torch.tensor([[1.0, 0, 1], [0, 1, 1]])
    >>> rows = torch.cdist(plane, plane).topk(11, largest=False).indices[:, 1:]
    >>> local_pca(plane, plane, rows)
    tensor(2.)
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction={fraction}: want a fraction of the variance, above 0 and at most 1")
    counts = []
    for near in neighbourhoods(queries, points, rows):
        products = near @ near.mT if near.shape[1] <= near.shape[2] else near.mT @ near  # the smaller: equal variances
        variance = torch.linalg.eigvalsh(products).flip(1).clamp_min(0).cumsum(1)
        if not (variance[:, -1] > 0).all():
            raise ValueError("a query agrees with all of its neighbours: remove the duplicates or take more neighbours")
        counts.append((variance < fraction * variance[:, -1:]).sum(1) + 1)
    return torch.cat(counts).to(points.dtype).mean()


def _check(distances: Tensor) -> None:
    if not isinstance(distances, Tensor) or not distances.is_floating_point():
        raise TypeError("distances are not a float tensor: pass the .distances that `nearest` returns")
    if distances.ndim != 2 or distances.shape[1] < 2 or not len(distances):
        raise ValueError(f"distances have shape {tuple(distances.shape)}: want (Q, k) with k of at least 2")
    if not (distances[:, 1:] >= distances[:, :-1]).all():
        raise ValueError("distances do not grow along each row, or hold NaN: pass them as `nearest` sorts them")
    if same := (distances[:, 0] <= 0).sum().item():
        raise ValueError(
            f"{same} of {len(distances)} queries are at distance 0 from a point: pass own= to `nearest` if these are "
            "the queries themselves, and leave out those that have a duplicate"
        )
