"""Tangent spaces: derivatives by hand, principal components by numpy, and bad input."""

import warnings

import numpy as np
import pytest
import torch

from course_utils.core import tensors
from course_utils.manifold import local_pca, local_tangent, mle, nearest, rank, tangent, two_nn
from tests.manifold.known import POINTS, ROWS, normal, sphere, themselves, uniform

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
    along = (basis.mT @ change.flatten(1)[..., None]).norm(dim=(1, 2))
    assert (along / change.flatten(1).norm(dim=1) > 1 - 1e-5).all()
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
    monkeypatch.setitem(tensors.NUMBERS, "cpu", 2 * 288 // 4)
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
    assert [rank(scale * levels).item() for scale in (1e-4, 1, 1e4)] == [2, 2, 2]


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


@pytest.mark.parametrize("dimension, message", [(3, "2 neighbours of 4 pixels span 2"), (0, "at least 1")])
def test_too_many_directions(dimension, message):
    with pytest.raises(ValueError, match=message):
        local_tangent(POINTS, POINTS, ROWS, dimension)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
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
