"""Nearest neighbours: beside every distance in float64, among ties and duplicates, and bad input."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from course_utils import data, runtime
from course_utils.core import tensors
from course_utils.manifold import nearest
from tests.manifold.known import POINTS, normal, themselves, uniform


def plain(queries, points, k, own=None):
    """Every distance in float64 from the difference itself, sorted whole."""
    queries, points = queries.double().flatten(1), points.double().flatten(1)
    distances = torch.cdist(queries, points, compute_mode="donot_use_mm_for_euclid_dist")
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
    points, queries = split.train.images[:3000], split.test.images[:20]
    agree(nearest(queries, points, 20, progress=False), queries, points, 20)


@pytest.mark.parametrize("size", [1, 777, 10_000])
def test_the_size_of_a_portion_changes_nothing(size, monkeypatch):
    points = uniform(777, 11)
    own = torch.arange(777).flip(0)[:100]
    before = nearest(points[own], points, 12, own=own, progress=False)
    monkeypatch.setitem(tensors.NUMBERS, "cpu", size)
    after = nearest(points[own], points, 12, own=own, progress=False)
    torch.testing.assert_close(after.distances, before.distances, rtol=1e-6, atol=0)
    assert torch.equal(before.rows, after.rows)


@pytest.mark.parametrize("scale, dtype", [(0.3, torch.float32), (1e-3, torch.float64), (1e-5, torch.float64)])
def test_near_duplicates_are_not_lost_to_cancellation(scale, dtype):
    """Clusters of 100 points, far smaller than the distances between them, far from the origin."""
    centres = 10 * normal(5, 1, 30, dtype=dtype) + 50
    points = (centres + scale * normal(5, 100, 30, dtype=dtype, seed=1)).flatten(0, 1)
    agree(themselves(points, 20), points, points, 20, torch.arange(500), rows=False)


def test_a_few_near_duplicates_are_found_and_measured_in_float32():
    points = uniform(1000, 30)
    points[500:510] = points[:10] + 1e-6
    found, own = themselves(points, 5), torch.arange(1000)
    agree(found, points, points, 5, own, rows=False)
    _, rows = plain(points, points, 5, own)
    others = (
        own != 0
    )  # of point 0 a duplicate's duplicate and a third point are equally far to 1e-7: either may be first
    assert torch.equal(found.rows[others], rows[others])
    assert found.rows[0, 0] == 500 and torch.equal(found.rows[0].sort().values, rows[0].sort().values)


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
    points = (uniform(1000, 40) < 0.5).float()
    agree(themselves(points, 15), points, points, 15, torch.arange(1000), rows=False)


def test_the_memory_is_bounded(monkeypatch):
    class Largest(TorchDispatchMode):
        size = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            made = function(*args, **(kwargs or {}))
            for each in made if isinstance(made, tuple | list) else [made]:
                if isinstance(each, torch.Tensor):
                    self.size = max(self.size, each.numel())
            return made

    monkeypatch.setitem(tensors.NUMBERS, "cpu", 1250)
    points = uniform(10_000, 2)
    for queries, k in ((points[:300], 3), (points[:20], 700)):
        with Largest() as largest:
            nearest(queries, points, k, progress=False)
        assert largest.size <= max(points.numel(), len(queries) * k)


def test_an_interrupt_hands_back_the_queries_done(monkeypatch, capsys):
    points, calls, multiply = uniform(100, 3), [], torch.addmm
    monkeypatch.setitem(tensors.NUMBERS, "cpu", 1000 / 16)  # ten queries at once
    whole = nearest(points, points, 4, progress=False)

    def interrupted(after):
        def run(*args, **kwargs):
            calls.append(1)
            if len(calls) > after:
                raise KeyboardInterrupt
            return multiply(*args, **kwargs)

        return run

    for after in (0, 3):
        calls.clear()
        monkeypatch.setattr(torch, "addmm", interrupted(after))
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
    shown, bar = [], runtime.progress_bar

    def progress(total, text, show):
        shown.append((total, show))
        return bar(total, text, False)

    monkeypatch.setattr(runtime, "progress_bar", progress)
    points = uniform(5, 2)
    nearest(points, points, 1)
    nearest(points, points, 1, progress=False)
    assert shown == [(5, True), (5, False)]


@pytest.mark.parametrize(
    "wrong, error, message",
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
        (dict(queries=POINTS[:0]), ValueError, "and some"),
        (dict(own=torch.arange(5)), ValueError, r"own: shape \(5,\), not \(6,\)"),
        (dict(own=torch.arange(6).int()), TypeError, "own: torch.int32, not int64"),
        (dict(own=list(range(6))), TypeError, "own: list"),
        (dict(own=torch.arange(6) + 1), ValueError, "own: from 1 to 6, but the points are 0 to 5"),
        (dict(own=torch.arange(6) - 1), ValueError, "own: from -1"),
    ],
)
def test_bad_input(wrong, error, message):
    call = dict(queries=POINTS, points=POINTS, k=2, progress=False) | wrong
    with pytest.raises(error, match=message):
        nearest(**call)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_finds_the_same_neighbours():
    points = data.mnist("cpu").train.images[:20_000]
    own = torch.arange(5000)
    here = nearest(points[:5000], points, 20, own=own, progress=False)
    there = nearest(points[:5000].cuda(), points.cuda(), 20, own=own, progress=False)
    assert there.distances.is_cuda and there.rows.is_cuda
    torch.testing.assert_close(there.distances.cpu(), here.distances, rtol=2e-6, atol=0)
    assert (there.rows.cpu() == here.rows).float().mean() > 0.9999
