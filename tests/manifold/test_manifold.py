"""Neighbours, dimension, tangent spaces: beside float64, beside scikit-dimension, and where the answer is known."""

import itertools
import sys
import warnings

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from course_utils import data, runtime
from course_utils.manifold import (
    along_and_across,
    fraction_along,
    inverses,
    local_pca,
    local_tangent,
    mle,
    nearest,
    neighbours,
    rank,
    tangent,
    two_nn,
)

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


def seeded(number=0):
    return torch.Generator().manual_seed(number)


def uniform(*shape, dtype=torch.float32, seed=0):
    return torch.rand(*shape, dtype=dtype, generator=seeded(seed))


def normal(*shape, dtype=torch.float32, seed=0):
    return torch.randn(*shape, dtype=dtype, generator=seeded(seed))


def plain(queries, points, k, own=None):
    """Every distance in float64 from the difference itself, sorted whole."""
    queries, points = queries.double().flatten(1), points.double().flatten(1)
    distances = torch.stack([(points - query).norm(dim=1) for query in queries])
    if own is not None:
        distances[torch.arange(len(own)), own] = float("inf")
    distances, rows = distances.sort(dim=1, stable=True)
    return distances[:, :k], rows[:, :k]


def agree(found, queries, points, k, own=None, rows=True):
    """Whether distances are right to 1e-5, belong to their rows, and no row stands twice."""
    distances, at = plain(queries, points, k, own)
    torch.testing.assert_close(found.distances.double(), distances, rtol=1e-5, atol=0)
    gaps = queries.double().flatten(1)[:, None] - points.double().flatten(1)[found.rows]
    torch.testing.assert_close(found.distances.double(), gaps.norm(dim=2), rtol=1e-5, atol=0)
    assert all(len(row.unique()) == k for row in found.rows)
    if own is not None:
        assert not (found.rows == own[:, None]).any()
    if rows:
        assert torch.equal(found.rows, at)


def themselves(points, k, **options):
    """The neighbours of points among themselves."""
    return nearest(points, points, k, own=torch.arange(len(points), device=points.device), progress=False, **options)


# Neighbours


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("number, shape, k", [(1, (3,), 1), (2, (1, 2, 2), 1), (63, (5,), 62), (65, (3, 5, 7), 9)])
def test_neighbours_are_those_of_a_plain_sort(number, shape, k, dtype):
    points, queries = uniform(number, *shape, dtype=dtype), uniform(17, *shape, dtype=dtype, seed=1)
    found = nearest(queries, points, k, progress=False)
    assert found.distances.shape == found.rows.shape == (17, k)
    assert found.distances.dtype == dtype and found.rows.dtype == torch.int64
    agree(found, queries, points, k)
    if number > 1:
        own = torch.arange(17) % number
        agree(nearest(queries, points, k, own=own, progress=False), queries, points, k, own)


@pytest.mark.parametrize("k", [1, 7, 150, 1499])
def test_neighbours_among_many_points(k):
    points = uniform(1500, 1, 4, 5, dtype=torch.float64)
    own = torch.arange(1400, 1431)
    agree(nearest(points[own], points, k, own=own, progress=False), points[own], points, k, own)


def test_neighbours_of_digits():
    split = data.mnist("cpu")
    points, queries = split.train.images[:5000], split.test.images[:20]
    agree(nearest(queries, points, 20, progress=False), queries, points, 20)


@pytest.mark.parametrize("rows, columns, group", [(1, 64, 64), (7, 100, 10), (1000, 2**16, 3), (33, 13, 1)])
def test_the_size_of_a_tile_changes_nothing(rows, columns, group, monkeypatch):
    points = uniform(777, 11)
    own = torch.arange(777).flip(0)[:100]
    before = nearest(points[own], points, 12, own=own, progress=False)
    monkeypatch.setitem(neighbours.ROWS, "cpu", rows)
    monkeypatch.setattr(neighbours, "COLUMNS", columns)
    monkeypatch.setattr(neighbours, "GROUP", group)
    monkeypatch.setattr(neighbours, "VALUES", 50)
    after = nearest(points[own], points, 12, own=own, progress=False)
    assert torch.equal(before.distances, after.distances) and torch.equal(before.rows, after.rows)


@pytest.mark.parametrize("scale", [1e-3, 1e-5, 1e-6])
def test_near_duplicates_are_not_lost_to_cancellation(scale):
    """Clusters of 100 points, far smaller than the distances between them, far from the origin."""
    centres = 10 * normal(5, 1, 30) + 50
    points = (centres + scale * normal(5, 100, 30, seed=1)).flatten(0, 1)
    found = themselves(points, 20)
    agree(found, points, points, 20, torch.arange(500), rows=False)


def test_the_products_alone_would_have_lost_them(monkeypatch):
    """What the test above relies on: without the search in float64 it fails."""
    points = (10 * normal(5, 1, 30) + 50 + 1e-5 * normal(5, 100, 30, seed=1)).flatten(0, 1)
    monkeypatch.setattr(neighbours, "SLACK", 1.0)
    with pytest.raises(AssertionError):
        agree(themselves(points, 20), points, points, 20, torch.arange(500), rows=False)


def test_most_digits_need_no_second_search(monkeypatch):
    made = []
    start = neighbours._Cloud.__init__
    monkeypatch.setattr(neighbours._Cloud, "__init__", lambda self, *a: (made.append(a[1]), start(self, *a))[1])
    points = data.mnist("cpu").train.images[:3000]
    themselves(points, 20)
    assert made == [torch.float32]


def test_coarse_products_are_noticed_and_made_good(monkeypatch):
    """Products of 10 bits, as TF32 on a GPU has them, or bfloat16 on a CPU."""
    exact = torch.addmm

    def coarse(bias, a, b, *, alpha, out):
        if a.dtype == torch.float64:
            return exact(bias, a, b, alpha=alpha, out=out)
        return out.copy_(exact(bias, a.bfloat16().float(), b.bfloat16().float(), alpha=alpha))

    monkeypatch.setattr(torch, "addmm", coarse)
    points = data.mnist("cpu").train.images[:1000]
    agree(themselves(points, 10), points, points, 10, torch.arange(1000))


def test_duplicates_stay_and_the_query_itself_goes():
    points = torch.cat([uniform(200, 6)] * 2)
    found = themselves(points, 3)
    assert (found.distances[:, 0] == 0).all() and (found.distances[:, 1] > 0).all()
    assert torch.equal(found.rows[:, 0], (torch.arange(400) + 200) % 400)
    assert (nearest(points, points, 2, progress=False).distances == 0).all()


def test_points_that_all_agree():
    found = themselves(torch.full((300, 4), 0.3), 20)
    assert (found.distances == 0).all()


def test_ties_stand_in_the_order_of_rows():
    points = torch.tensor([[1.0, 0], [0, 1], [-1, 0], [0, -1], [0, 0]]).repeat(200, 1)
    rows = nearest(torch.zeros(1, 2), points, 1000, progress=False).rows[0]
    assert rows.tolist() == [*range(4, 1000, 5), *(row for row in range(1000) if row % 5 != 4)]


def test_ties_between_whole_numbers_have_the_right_distances():
    points = (uniform(2000, 40) < 0.5).float()
    agree(themselves(points, 15), points, points, 15, torch.arange(2000), rows=False)


def test_the_memory_is_bounded(monkeypatch):
    class Largest(TorchDispatchMode):
        size = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            made = function(*args, **(kwargs or {}))
            for each in made if isinstance(made, tuple | list) else [made]:
                if isinstance(each, torch.Tensor):
                    self.size = max(self.size, each.numel())
            return made

    monkeypatch.setitem(neighbours.ROWS, "cpu", 16)
    monkeypatch.setattr(neighbours, "COLUMNS", 256)
    monkeypatch.setattr(neighbours, "VALUES", 4096)
    monkeypatch.setattr(neighbours, "GROUP", 16)
    points = uniform(10_000, 2)
    for queries, k in ((points[:300], 3), (points[:20], 700)):
        with Largest() as largest:
            nearest(queries, points, k, progress=False)
        assert largest.size <= max(points.numel(), len(queries) * k)


def test_an_interrupt_hands_back_the_queries_done(monkeypatch, capsys):
    monkeypatch.setitem(neighbours.ROWS, "cpu", 10)
    search = neighbours._Cloud.nearest
    points, calls = uniform(100, 3), []

    def interrupted(after):
        def run(*args):
            calls.append(1)
            if len(calls) > after:
                raise KeyboardInterrupt
            return search(*args)

        return run

    whole = nearest(points, points, 4, progress=False)
    for after in (0, 3):
        calls.clear()
        monkeypatch.setattr(neighbours._Cloud, "nearest", interrupted(after))
        found = nearest(points, points, 4, progress=False)
        assert torch.equal(found.distances, whole.distances[: 10 * after])
        assert torch.equal(found.rows, whole.rows[: 10 * after])
        assert f"first {10 * after} of 100 queries" in capsys.readouterr().out


def test_neighbours_touch_nothing():
    points = uniform(50, 4).requires_grad_()
    before, state = points.detach().clone(), torch.get_rng_state()
    found = themselves(points, 3)
    assert not found.distances.requires_grad and points.grad is None
    assert torch.equal(points, before) and torch.equal(torch.get_rng_state(), state)


def test_a_bar_is_shown_on_request(monkeypatch):
    shown, bar = [], runtime.progress

    def progress(total, text, show):
        shown.append((total, show))
        return bar(total, text, False)

    monkeypatch.setattr(runtime, "progress", progress)
    points = uniform(5, 2)
    nearest(points, points, 1)
    nearest(points, points, 1, progress=False)
    assert shown == [(5, True), (5, False)]


POINTS = uniform(6, 1, 2, 2)


@pytest.mark.parametrize(
    "change, error, message",
    [
        (dict(k=7), ValueError, "k=7: there are only 6 points"),
        (dict(k=6, own=torch.arange(6)), ValueError, "only 5 points besides the query's own"),
        (dict(k=0), ValueError, "k=0: want a whole number"),
        (dict(k=2.5), ValueError, "k=2.5"),
        (dict(queries=POINTS[:, :, 0]), ValueError, "queries have 2 pixels, points 4"),
        (dict(queries=POINTS.double()), ValueError, r"write queries.to\(points\)"),
        (dict(queries=POINTS.half()), TypeError, "float16, not float32 or float64"),
        (dict(points=(255 * POINTS).byte()), TypeError, r"uint8.*points.float\(\)"),
        (dict(points=POINTS.numpy()), TypeError, "points are a ndarray"),
        (dict(points=POINTS / 0), ValueError, "points hold NaN or infinity"),
        (dict(queries=POINTS * float("nan")), ValueError, "queries hold NaN or infinity"),
        (dict(queries=POINTS[0, 0, 0]), ValueError, r"queries\[None\]"),
        (dict(queries=POINTS[:0]), ValueError, "empty"),
        (dict(own=torch.arange(5)), ValueError, r"own has shape \(5,\), not \(6,\)"),
        (dict(own=torch.arange(6).int()), TypeError, "own is torch.int32, not int64"),
        (dict(own=list(range(6))), TypeError, "own is list"),
        (dict(own=torch.arange(6) + 1), ValueError, "own runs from 1 to 6, but the points are 0 to 5"),
        (dict(own=torch.arange(6) - 1), ValueError, "own runs from -1"),
    ],
)
def test_bad_input_to_nearest(change, error, message):
    call = dict(queries=POINTS, points=POINTS, k=2, progress=False) | change
    with pytest.raises(error, match=message):
        nearest(**call)


# Dimension


def ball_distances(number, d, k, seed=0):
    """Sorted distances from the centre of a d-dimensional ball with an even density to k points: exact, no edge."""
    return uniform(number, k, dtype=torch.float64, seed=seed).pow(1 / d).sort(1).values


@pytest.mark.parametrize("d, k", [(2, 2), (2, 3), (7, 3), (7, 5), (20, 20)])
def test_the_inverse_has_mean_one_over_d_at_any_k(d, k):
    found = inverses(ball_distances(100_000, d, k))
    error = found.std().item() / len(found) ** 0.5
    assert found.mean().item() == pytest.approx(1 / d, abs=4 * error) and error < 0.01 / d
    assert mle(ball_distances(100_000, d, k)).item() == pytest.approx(d, rel=0.02)


@pytest.mark.parametrize("k", [4, 5, 10])
def test_the_plain_mean_of_estimates_is_too_large_by_a_known_factor(k):
    found = 1 / inverses(ball_distances(400_000, 6, k))
    assert found.mean().item() == pytest.approx(6 * (k - 1) / (k - 2), rel=0.02)


def test_inverses_by_hand():
    distances = torch.tensor([[1.0, 2.0, 8.0], [1.0, 1.0, 1.0]]).double()
    assert inverses(distances).tolist() == pytest.approx([(np.log(8) + np.log(4)) / 2, 0])
    assert mle(distances).item() == pytest.approx(2 / (np.log(32) / 2))
    assert inverses(distances.float()).dtype == torch.float32


def test_two_nn_by_hand():
    ratios = torch.tensor([2.0, 3.0, 4.0, 5.0]).double()
    distances = torch.stack([torch.ones(4).double(), ratios], 1)[torch.tensor([2, 0, 3, 1])]
    x, y = np.log([2, 3]), -np.log([3 / 4, 2 / 4])
    assert two_nn(distances, discard=0.5).item() == pytest.approx(x @ y / (x @ x))
    x, y = np.log([2, 3, 4]), -np.log([3 / 4, 2 / 4, 1 / 4])
    assert (
        two_nn(distances, discard=0).item() == two_nn(distances, discard=0.2).item() == pytest.approx(x @ y / (x @ x))
    )


@pytest.mark.parametrize("d", [1, 3, 10])
def test_two_nn_is_right_for_even_densities(d):
    assert two_nn(ball_distances(50_000, d, 2)).item() == pytest.approx(d, rel=0.03)


def sphere(number, d, pixels, seed=0):
    points = torch.nn.functional.normalize(normal(number, d + 1, dtype=torch.float64, seed=seed), dim=1)
    return points @ torch.linalg.qr(normal(pixels, d + 1, dtype=torch.float64, seed=9))[0].T


def swiss_roll(number):
    turn, along = 1.5 * torch.pi * (1 + 2 * uniform(number, dtype=torch.float64)), uniform(number, seed=1).double()
    return torch.stack([turn * turn.cos(), 21 * along, turn * turn.sin()], 1)


def flat(number, d, pixels):
    return uniform(number, d, dtype=torch.float64) @ normal(d, pixels, dtype=torch.float64, seed=1)


MANIFOLDS = {  # points, their dimension, and how far the estimates with 3,000 points may be off
    "circle": (sphere(3000, 1, 5), 1, 0.05),
    "sphere": (sphere(3000, 2, 20), 2, 0.1),
    "sphere of 5": (sphere(3000, 5, 30), 5, 0.35),
    "swiss roll": (swiss_roll(3000), 2, 0.1),
    "plane": (flat(3000, 2, 50), 2, 0.1),
    "flat piece of 6": (flat(3000, 6, 100), 6, 0.8),
}
manifold = pytest.mark.parametrize("name", MANIFOLDS)


@manifold
def test_estimates_on_known_manifolds(name):
    points, d, tolerance = MANIFOLDS[name]
    distances = themselves(points, 20).distances
    for found in (mle(distances), mle(distances[:, :10]), two_nn(distances)):
        assert found.item() == pytest.approx(d, abs=tolerance)
    assert mle(distances.float()).item() == pytest.approx(mle(distances).item(), rel=1e-4)


@pytest.mark.parametrize("name", ["circle", "sphere", "swiss roll", "plane"])
def test_local_pca_on_known_manifolds(name):
    points, d, _ = MANIFOLDS[name]
    rows = themselves(points, 20).rows
    assert local_pca(points, points, rows).item() == pytest.approx(d, abs=0.06)
    assert local_pca(points.float(), points.float(), rows).item() == pytest.approx(d, abs=0.06)


def test_noise_adds_dimensions_at_its_own_scale():
    """A plane with noise in 20 directions: two dimensions from afar, many from near."""
    points = torch.nn.functional.pad(10 * uniform(4000, 2), (0, 18)) + 0.05 * normal(4000, 20, seed=1)
    found = themselves(points, 200)
    assert two_nn(found.distances) > mle(found.distances[:, :20]) > mle(found.distances) > 2
    assert two_nn(found.distances) > 3.5 and mle(found.distances) < 2.3
    near, far = (local_pca(points, points, found.rows[:, :k], share=0.9) for k in (20, 200))
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
    counts = [local_pca(points[:2], points, rows, share=each).item() for each in (0.5, 0.9, 0.95, 0.999, 1.0)]
    assert counts[:4] == [1, 2, 2, 3]
    assert counts[4] >= 3


def test_local_pca_never_counts_more_than_there_are_neighbours():
    points = normal(300, 100)
    assert local_pca(points, points, themselves(points, 5).rows, share=0.999) == 5


def test_local_pca_in_batches_of_any_size(monkeypatch):
    points = uniform(60, 2, 3, 5)
    rows = themselves(points, 7).rows
    before = local_pca(points, points, rows)
    monkeypatch.setattr(sys.modules[tangent.__module__], "VALUES", 1)
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
        assert inverses(found.distances).numpy() == pytest.approx(1 / theirs.dimension_pw_, rel=1e-6)
        for discard in (0.1, 0.3):
            other = skdim.TwoNN(discard_fraction=discard).fit(points.numpy()).dimension_
            assert two_nn(found.distances, discard).item() == pytest.approx(other, rel=1e-6)
        counts = []
        for i in range(100):
            near = torch.cat([points[i : i + 1], points[found.rows[i]]]).numpy()
            counts.append(skdim.lPCA(ver="ratio", alphaRatio=0.9).fit(near).dimension_)
        assert local_pca(points[:100], points, found.rows[:100], share=0.9).item() == pytest.approx(np.mean(counts))


DISTANCES = uniform(20, 5).sort(1).values + 0.1


@pytest.mark.parametrize("estimate", [inverses, mle, two_nn])
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


@pytest.mark.parametrize("discard", [1, -0.1, 0.95, float("nan")])
def test_bad_shares_of_two_nn(discard):
    with pytest.raises(ValueError, match="leaves at least 2"):
        two_nn(DISTANCES, discard=discard)


ROWS = torch.arange(12).view(6, 2) % 6


@pytest.mark.parametrize(
    "change, error, message",
    [
        (dict(rows=ROWS.float()), TypeError, "pass the .rows"),
        (dict(rows=ROWS.numpy()), TypeError, "must be tensors"),
        (dict(rows=ROWS[:4]), ValueError, r"not \(6, k\)"),
        (dict(rows=ROWS + 1), ValueError, "rows run from 1 to 6"),
        (dict(rows=ROWS - 1), ValueError, "rows run from -1"),
        (dict(points=POINTS.double()), TypeError, "floats of one type"),
        (dict(points=POINTS[:, :, :1]), ValueError, "differ in shape"),
    ],
)
def test_bad_neighbourhoods(change, error, message):
    call = dict(queries=POINTS, points=POINTS, rows=ROWS) | change
    with pytest.raises(error, match=message):
        local_pca(**call)
    with pytest.raises(error, match=message):
        local_tangent(**call, dimension=1)


def test_bad_settings_of_local_pca():
    for wrong in (0, 1.2, float("nan")):
        with pytest.raises(ValueError, match="share of the variance"):
            local_pca(POINTS, POINTS, ROWS, share=wrong)
    with pytest.raises(ValueError, match="agrees with all of its neighbours"):
        local_pca(torch.ones(6, 3), torch.ones(6, 3), ROWS)


# Tangent spaces

GRID = torch.linspace(-1, 1, 12, dtype=torch.float64)


def blob(poses):
    """A soft spot whose place is (right, down), the first two numbers of a pose."""
    grid = GRID.to(poses)
    right, down = poses[:, 0, None, None], poses[:, 1, None, None]
    return (-((grid - right) ** 2 + (grid[:, None] - down) ** 2) / 0.2).exp()[:, None]


def slopes(poses):
    """The derivatives of `blob` by hand, ``(N, D, 2)``."""
    grid, images = GRID.to(poses), blob(poses)[:, 0]
    right = images * 2 * (grid - poses[:, 0, None, None]) / 0.2
    down = images * 2 * (grid[:, None] - poses[:, 1, None, None]) / 0.2
    return torch.stack([right.flatten(1), down.flatten(1)], 2)


def projector(basis):
    return basis @ basis.mT


def poses(number, dtype=torch.float64):
    return uniform(number, 2, dtype=dtype) - 0.5


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_tangent_space_of_a_blob(dtype):
    at = poses(5, dtype)
    basis, stretch = tangent(blob, at)
    assert basis.shape == (5, 144, 2) and stretch.shape == (5, 2) and basis.dtype == stretch.dtype == dtype
    torch.testing.assert_close(basis.mT @ basis, torch.eye(2, dtype=dtype).expand(5, -1, -1))
    assert (stretch[:, 0] >= stretch[:, 1]).all()
    by_hand = slopes(at)
    torch.testing.assert_close(stretch, torch.linalg.svdvals(by_hand))
    torch.testing.assert_close(projector(basis) @ by_hand, by_hand)


def test_a_small_step_of_the_pose_stays_in_the_tangent_space():
    at, step = poses(4), 1e-4 * normal(4, 2, dtype=torch.float64)
    change = blob(at + step) - blob(at)
    basis, stretch = tangent(blob, at)
    assert (fraction_along(change, basis) > 1 - 1e-5).all()
    lengths = change.flatten(1).norm(dim=1) / step.norm(dim=1)
    assert (lengths <= stretch[:, 0] * 1.001).all() and (lengths >= stretch[:, 1] * 0.999).all()


def test_a_renderer_may_look_at_the_values_of_its_poses():
    def careful(poses):
        if not poses.isfinite().all() or poses.abs().max().item() > 10:
            raise ValueError("no such pose")
        return blob(poses)

    torch.testing.assert_close(tangent(careful, poses(3)), tangent(blob, poses(3)))


def test_tangents_in_batches_of_any_size(monkeypatch):
    at, sizes = poses(7), []

    def counted(poses):
        sizes.append(len(poses))
        return blob(poses)

    before = tangent(counted, at)
    assert max(sizes) == 7
    monkeypatch.setattr(sys.modules[tangent.__module__], "VALUES", 2 * 288)
    sizes.clear()
    torch.testing.assert_close(tangent(counted, at), before)
    assert max(sizes) == 2


def test_tangents_touch_nothing_and_work_in_every_mode():
    at = poses(3).requires_grad_()
    before, state = tangent(blob, at.detach()), torch.get_rng_state()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = tangent(blob, at)
    assert at.grad is None and not found.basis.requires_grad and torch.equal(torch.get_rng_state(), state)
    with torch.inference_mode():
        torch.testing.assert_close(tangent(blob, poses(3)), before)


def test_the_rank_counts_the_directions_that_differ():
    def render(poses):  # the third number does what the first does, the fourth nothing
        return blob(torch.stack([poses[:, 0] + poses[:, 2], poses[:, 1]], 1)) + 0 * poses[:, 3, None, None, None]

    at = torch.nn.functional.pad(poses(6), (0, 2))
    stretch = tangent(render, at).stretch
    assert rank(stretch).tolist() == [2] * 6
    assert rank(tangent(blob, poses(6)).stretch).tolist() == [2] * 6
    assert rank(torch.zeros(1, 3, dtype=torch.float64)).tolist() == [0]
    levels = torch.tensor([[1.0, 1e-3, 1e-8]], dtype=torch.float64)
    for scale in (1e-4, 1, 1e4):
        assert [rank(scale * levels, each).item() for each in (1e-2, 1e-6, 1e-9)] == [1, 2, 3]


def test_local_pca_finds_the_tangent_plane():
    points = sphere(4000, 2, 12)
    rows = nearest(points[:50], points, 15, own=torch.arange(50), progress=False).rows
    basis, stretch = local_tangent(points[:50], points, rows, 2)
    outward = points[:50, :, None]
    assert (outward.mT @ basis).norm(dim=(1, 2)).max() < 0.15
    assert basis.shape == (50, 12, 2) and (stretch[:, 0] >= stretch[:, 1]).all()


def test_local_tangents_are_the_principal_components():
    points = normal(40, 3, 2, 2)
    found = themselves(points, 9)
    basis, stretch = local_tangent(points, points, found.rows, 4)
    for i in (0, 17):
        near = np.concatenate([points[i : i + 1].numpy(), points[found.rows[i]].numpy()]).reshape(10, 12)
        _, sizes, directions = np.linalg.svd(near - near.mean(0), full_matrices=False)
        assert stretch[i].numpy() == pytest.approx(sizes[:4] / 10**0.5, rel=1e-4)
        assert np.abs(basis[i].numpy().T @ directions[:4].T) == pytest.approx(np.eye(4), abs=1e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_change_is_split_in_two(dtype):
    changes = normal(6, 3, 4, 5, dtype=dtype)
    basis = torch.linalg.qr(normal(6, 60, 7, dtype=dtype, seed=1))[0]
    along, across = along_and_across(changes, basis)
    assert along.shape == across.shape == changes.shape and along.dtype == dtype
    torch.testing.assert_close(along + across, changes)
    torch.testing.assert_close((along * across).flatten(1).sum(1), torch.zeros(6, dtype=dtype), rtol=0, atol=1e-4)
    torch.testing.assert_close(along_and_across(along, basis)[0], along)
    torch.testing.assert_close(along_and_across(across, basis)[0], torch.zeros_like(across))
    sizes = [each.flatten(1).square().sum(1) for each in (along, changes)]
    torch.testing.assert_close(fraction_along(changes, basis), sizes[0] / sizes[1])


def test_a_random_direction_has_d_over_D_of_its_length_in_the_tangent_space():
    basis = torch.linalg.qr(normal(60, 7))[0].expand(4000, -1, -1)
    assert fraction_along(normal(4000, 1, 6, 10, seed=1), basis).mean().item() == pytest.approx(7 / 60, rel=0.03)


def test_no_change_has_no_share():
    assert fraction_along(torch.zeros(1, 1, 1, 2), torch.eye(2)[None, :, :1]).isnan().all()


BASIS = torch.linalg.qr(normal(6, 4, 2))[0]


@pytest.mark.parametrize(
    "change, error, message",
    [
        (dict(basis=BASIS[:4]), ValueError, r"not \(6, 4, d\)"),
        (dict(basis=BASIS[0]), ValueError, r"not \(6, 4, d\)"),
        (dict(basis=BASIS.mT), ValueError, r"not \(6, 4, d\)"),
        (dict(basis=2 * BASIS), ValueError, "not orthonormal"),
        (dict(basis=BASIS * float("nan")), ValueError, "not orthonormal"),
        (dict(basis=BASIS.double()), TypeError, "one float type"),
        (dict(basis=(BASIS, None)), TypeError, "pass its .basis"),
        (dict(changes=POINTS.flatten(1)), ValueError, r"not \(N, C, H, W\)"),
    ],
)
def test_bad_input_to_split(change, error, message):
    call = dict(changes=POINTS, basis=BASIS) | change
    for function in (along_and_across, fraction_along):
        with pytest.raises(error, match=message):
            function(**call)


@pytest.mark.parametrize(
    "render, at, error, message",
    [
        (blob, poses(1)[0], ValueError, r"pose\[None\]"),
        (blob, poses(0), ValueError, "not \\(N, p\\)"),
        (blob, torch.zeros(1, 2, dtype=torch.int64), TypeError, "int64, not a float tensor"),
        (blob, [[0.0, 0.0]], TypeError, "poses are list"),
        (lambda p: blob(p)[0], poses(2), ValueError, r"not \(1, C, H, W\)"),
        (lambda p: blob(p).repeat(2, 1, 1, 1), poses(2), ValueError, r"not \(1, C, H, W\)"),
        (lambda p: blob(p)[..., :1, :1], poses(2), ValueError, "less than the 2 numbers of a pose"),
        (
            lambda p: (0 * blob(p)).sqrt(),
            poses(2),
            ValueError,
            "derivative of render is not finite",
        ),
    ],
)
def test_bad_input_to_tangent(render, at, error, message):
    with pytest.raises(error, match=message):
        tangent(render, at)


def test_bad_input_to_rank():
    with pytest.raises(TypeError, match=r"poses.double\(\)"):
        rank(torch.ones(2, 3))
    with pytest.raises(ValueError, match=r"want \(N, d\)"):
        rank(torch.ones(3).double())
    with pytest.raises(ValueError, match="tolerance"):
        rank(torch.ones(2, 3).double(), tolerance=2)


@pytest.mark.parametrize("dimension, message", [(3, "2 neighbours of 4 pixels span 2"), (0, "at least 1")])
def test_too_many_directions(dimension, message):
    with pytest.raises(ValueError, match=message):
        local_tangent(POINTS, POINTS, ROWS, dimension)


# With a GPU


@pytest.mark.gpu
@gpu
def test_a_gpu_finds_the_same_neighbours():
    points = data.mnist("cpu").train.images[:20_000]
    own = torch.arange(5000)
    here = nearest(points[:5000], points, 20, own=own, progress=False)
    there = nearest(points[:5000].cuda(), points.cuda(), 20, own=own, progress=False)
    assert there.distances.is_cuda and there.rows.is_cuda
    torch.testing.assert_close(there.distances.cpu(), here.distances, rtol=2e-6, atol=0)
    assert (there.rows.cpu() == here.rows).float().mean() > 0.9999


@pytest.mark.gpu
@gpu
def test_tf32_products_are_made_good():
    before = torch.get_float32_matmul_precision()
    points = data.mnist("cpu").train.images[:5000].cuda()
    exact = themselves(points, 20)
    torch.set_float32_matmul_precision("high")
    try:
        coarse = themselves(points, 20)
    finally:
        torch.set_float32_matmul_precision(before)
    torch.testing.assert_close(coarse.distances, exact.distances, rtol=1e-5, atol=0)


@pytest.mark.gpu
@gpu
def test_a_gpu_finds_the_same_dimension_and_tangents():
    points = sphere(3000, 2, 20)
    found, remote = themselves(points, 20), themselves(points.cuda(), 20)
    for estimate in (mle, two_nn):
        assert estimate(remote.distances).item() == pytest.approx(estimate(found.distances).item(), rel=1e-6)
    assert local_pca(points.cuda(), points.cuda(), remote.rows).item() == local_pca(points, points, found.rows).item()
    here, there = tangent(blob, poses(3)), tangent(blob, poses(3).cuda())
    torch.testing.assert_close(projector(there.basis).cpu(), projector(here.basis))
    here = local_tangent(points, points, found.rows, 2)
    there = local_tangent(points.cuda(), points.cuda(), remote.rows, 2)
    torch.testing.assert_close(projector(there.basis).cpu(), projector(here.basis))
    changes = normal(3, 1, 12, 12, dtype=torch.float64).cuda()
    assert along_and_across(changes, tangent(blob, poses(3).cuda()).basis)[0].is_cuda
