"""The dimension: beside scikit-dimension, and where the answer is known."""

import itertools
import warnings

import numpy as np
import pytest
import torch

from course_utils.core import tensors
from course_utils.manifold import local_pca, local_tangent, mle, two_nn
from tests.manifold.known import MANIFOLDS, POINTS, ROWS, normal, sphere, themselves, uniform


def ball_distances(number, d, k, seed=0):
    """Sorted distances from the centre of a d-dimensional ball with an even density to k points: exact, no edge."""
    return uniform(number, k, dtype=torch.float64, seed=seed).pow(1 / d).sort(1).values


@pytest.mark.parametrize("d, k", [(2, 2), (2, 3), (7, 3), (7, 5), (20, 20)])
def test_the_mean_inverse_is_one_over_d_at_any_k(d, k):
    assert mle(ball_distances(100_000, d, k)).item() == pytest.approx(d, rel=0.02)


def test_mle_by_hand():
    distances = torch.tensor([[1.0, 2.0, 8.0], [1.0, 1.0, 1.0]]).double()
    assert mle(distances).item() == pytest.approx(2 / ((np.log(8) + np.log(4)) / 2))
    assert mle(distances.float()).dtype == torch.float32


def test_two_nn_by_hand():
    ratios = torch.tensor([2.0, 3.0, 4.0, 5.0]).double()
    distances = torch.stack([torch.ones(4).double(), ratios], 1)[torch.tensor([2, 0, 3, 1])]
    x, y = np.log([2, 3, 4]), -np.log([3 / 4, 2 / 4, 1 / 4])  # the largest of four is the tenth that is left out
    assert two_nn(distances).item() == pytest.approx(x @ y / (x @ x))


@pytest.mark.parametrize("d", [1, 3, 10])
def test_two_nn_is_right_for_even_densities(d):
    assert two_nn(ball_distances(50_000, d, 2)).item() == pytest.approx(d, rel=0.03)


ESTIMATORS = {  # each of points among themselves
    "mle, k = 20": lambda points: mle(themselves(points, 20).distances),
    "mle, k = 10": lambda points: mle(themselves(points, 10).distances),
    "two_nn": lambda points: two_nn(themselves(points, 2).distances),
    "local_pca": lambda points: local_pca(points, points, themselves(points, 20).rows),
}
every_estimator = pytest.mark.parametrize("estimator", ESTIMATORS)
BENT = ("sphere of 5", "flat piece of 6")  # 3,000 points are too few for components to count so many directions


@every_estimator
@pytest.mark.parametrize("name", MANIFOLDS)
def test_estimates_on_known_manifolds(estimator, name):
    points, d, tolerance = MANIFOLDS[name]
    if estimator != "local_pca" or name not in BENT:
        assert ESTIMATORS[estimator](points).item() == pytest.approx(d, abs=tolerance)


@every_estimator
def test_an_estimate_depends_on_shape_alone(estimator):
    """Neither on scale, place and direction, nor on order and type; and nothing is touched."""
    points = sphere(600, 3, 8)
    copy, state = points.clone(), torch.get_rng_state()
    found = ESTIMATORS[estimator](points)
    assert found.shape == () and found.dtype == torch.float64
    turn = torch.linalg.qr(normal(8, 8, dtype=torch.float64)).Q
    for same in (7 * points, points + 3, points @ turn, points.flip(0)):
        assert ESTIMATORS[estimator](same).item() == pytest.approx(found.item(), rel=1e-6)
    assert ESTIMATORS[estimator](points.float()).item() == pytest.approx(found.item(), rel=1e-3)
    assert ESTIMATORS[estimator](points.float()).dtype == torch.float32
    assert torch.equal(points, copy) and torch.equal(torch.get_rng_state(), state)


def test_noise_adds_dimensions_at_its_own_scale():
    """A plane with noise in 20 directions: two dimensions from afar, many from near."""
    points = torch.nn.functional.pad(10 * uniform(4000, 2), (0, 18)) + 0.05 * normal(4000, 20, seed=1)
    found = themselves(points, 200)
    assert two_nn(found.distances) > mle(found.distances[:, :20]) > mle(found.distances) > 2
    assert two_nn(found.distances) > 3.5 and mle(found.distances) < 2.3
    near, far = (local_pca(points, points, found.rows[:, :k], fraction=0.9) for k in (20, 200))
    assert near > 4 and far < 2.3


def test_the_bias_grows_with_the_dimension():
    """Levina and Bickel's own warning: 2,000 points of a cube leave the estimate too low, the more the higher d is."""
    dimensions, found = [2, 5, 10, 20], []
    for d in dimensions:
        found.append(mle(themselves(uniform(2000, d), 20).distances).item() / d)
    assert all(later < sooner for sooner, later in itertools.pairwise(found))
    assert found[0] > 0.95 and found[2] < 0.85 and found[3] < 0.75


def test_more_points_take_from_the_bias():
    few, many = (mle(themselves(uniform(number, 10), 20).distances) for number in (500, 8000))
    assert few < many < 10


def test_local_pca_counts_what_the_share_asks_for():
    points = normal(400, 3) * torch.tensor([3.0, 2.0, 0.5])
    rows = torch.arange(400).expand(2, -1)  # a neighbourhood is the whole set: variances 9, 4, 0.25
    counts = [local_pca(points[:2], points, rows, fraction=each).item() for each in (0.5, 0.9, 0.95, 0.999, 1.0)]
    assert counts[:4] == [1, 2, 2, 3]
    assert counts[4] >= 3


def test_local_pca_never_counts_more_than_there_are_neighbours():
    points = normal(300, 100)
    assert local_pca(points, points, themselves(points, 5).rows, fraction=0.999) == 5


def test_local_pca_in_batches_of_any_size(monkeypatch):
    points = uniform(60, 2, 3, 5)
    rows = themselves(points, 7).rows
    before = local_pca(points, points, rows)
    monkeypatch.setitem(tensors.NUMBERS, "cpu", 1)
    assert local_pca(points, points, rows).item() == before


@pytest.fixture(scope="module")
def skdim():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("skdim.id")


def noisy(number):
    return torch.nn.functional.pad(sphere(number, 3, 10), (0, 5)) + 0.01 * normal(number, 15, dtype=torch.float64)


OUTSIDE = {name: points[:1000] for name, (points, _, _) in MANIFOLDS.items()} | {"noisy": noisy(1000)}


@pytest.mark.parametrize("name", OUTSIDE)
def test_the_same_as_scikit_dimension(name, skdim):
    points = OUTSIDE[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of numba and scikit-learn about themselves
        found = themselves(points, 15)
        theirs = skdim.MLE().fit(points.numpy(), n_neighbors=15, comb="mle")
        assert mle(found.distances).item() == pytest.approx(theirs.dimension_, rel=1e-6)
        assert two_nn(found.distances).item() == pytest.approx(skdim.TwoNN().fit(points.numpy()).dimension_, rel=1e-6)
        counts = []
        for i in range(100):
            near = torch.cat([points[i : i + 1], points[found.rows[i]]]).numpy()
            counts.append(skdim.lPCA(ver="ratio", alphaRatio=0.9).fit(near).dimension_)
        assert local_pca(points[:100], points, found.rows[:100], fraction=0.9).item() == pytest.approx(np.mean(counts))


DISTANCES = uniform(20, 5).sort(1).values + 0.1


@pytest.mark.parametrize("estimate", [mle, two_nn])
@pytest.mark.parametrize(
    "distances, error, message",
    [
        (DISTANCES.numpy(), TypeError, "pass the .distances"),
        (torch.arange(6).view(2, 3), TypeError, "not a float tensor"),
        (DISTANCES[:, :1], ValueError, "k of at least 2"),
        (DISTANCES[0], ValueError, r"shape \(5,\)"),
        (DISTANCES[:0], ValueError, "shape"),
        (DISTANCES.flip(1), ValueError, "do not grow along each row"),
        (DISTANCES * float("nan"), ValueError, "or hold NaN"),
        (DISTANCES - DISTANCES[:, :1], ValueError, "20 of 20 queries are at distance 0.*own="),
    ],
)
def test_bad_distances(estimate, distances, error, message):
    with pytest.raises(error, match=message):
        estimate(distances)


def test_points_on_a_grid_have_no_estimate():
    with pytest.raises(ValueError, match="grid"):
        mle(torch.ones(5, 4))
    with pytest.raises(ValueError, match="grid"):
        two_nn(torch.ones(20, 4))


def test_two_queries_are_no_fit():
    with pytest.raises(ValueError, match="2 queries: want at least 3"):
        two_nn(DISTANCES[:2])


@pytest.mark.parametrize(
    "wrong, error, message",
    [
        (dict(rows=ROWS.float()), TypeError, "pass the .rows"),
        (dict(rows=ROWS.numpy()), TypeError, "rows: ndarray"),
        (dict(rows=ROWS[:4]), ValueError, r"shape \(4, 2\), not \(6, k\)"),
        (dict(rows=ROWS + 1), ValueError, "rows: from 1 to 6, but the points are 0 to 5"),
        (dict(rows=ROWS - 1), ValueError, "rows: from -1"),
        (dict(points=POINTS.double()), ValueError, r"write queries.to\(points\)"),
        (dict(points=POINTS[:, :, :1]), ValueError, "queries have 4 pixels, points 2"),
    ],
)
def test_bad_neighbourhoods(wrong, error, message):
    call = dict(queries=POINTS, points=POINTS, rows=ROWS) | wrong
    with pytest.raises(error, match=message):
        local_pca(**call)
    with pytest.raises(error, match=message):
        local_tangent(**call, dimension=1)


def test_bad_settings_of_local_pca():
    for wrong in (0, 1.2, float("nan")):
        with pytest.raises(ValueError, match="fraction of the variance"):
            local_pca(POINTS, POINTS, ROWS, fraction=wrong)
    with pytest.raises(ValueError, match="agrees with all of its neighbours"):
        local_pca(torch.ones(6, 3), torch.ones(6, 3), ROWS)
