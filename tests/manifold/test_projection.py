"""The nearest picture of a camera: where the answer is known, where it is bounded, and bad input."""

import pytest
import torch

from course_utils.images.scenes import DESK, REACH, random_poses
from course_utils.manifold import closest, tangent

BOUND = 1.3 * REACH[:7]


def line(poses: torch.Tensor) -> torch.Tensor:
    """Images on a straight line through image space."""
    return (0.5 + poses[:, :1, None, None] * torch.linspace(-1, 1, 4, dtype=poses.dtype)).expand(-1, 1, 1, 4)


def parabola(poses: torch.Tensor) -> torch.Tensor:
    return torch.stack([poses, poses**2, 0.5 + 0 * poses], dim=-1).unsqueeze(1)


def test_on_a_straight_line_it_is_the_foot_of_the_perpendicular():
    images = torch.rand(5, 1, 1, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    direction = torch.linspace(-1, 1, 4, dtype=torch.float64)
    feet = (images - 0.5).flatten(1) @ direction / direction.square().sum()
    found = closest(line, images, torch.zeros(5, 1, dtype=torch.float64), progress=False)
    torch.testing.assert_close(found.poses[:, 0], feet)
    torch.testing.assert_close(found.images, line(feet[:, None]))
    torch.testing.assert_close(found.distances, (images - found.images).flatten(1).norm(dim=1))


def test_on_a_curve_it_agrees_with_a_search_of_all_poses():
    images = torch.rand(200, 1, 1, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    every = torch.linspace(0, 1, 10_001, dtype=torch.float64)[:, None]
    apart = torch.cdist(images.flatten(1), parabola(every).flatten(1))
    far, start = apart.amin(1), every[::1000][apart[:, ::1000].argmin(1)]  # the nearest of eleven: in the right valley
    found = closest(parabola, images, start, bound=torch.ones(1), progress=False)
    assert (found.distances <= far + 1e-6).all()


def test_a_hidden_pose_is_found_from_nearby_and_the_rest_is_at_right_angles():
    truth = random_poses(4, generator=torch.Generator().manual_seed(4))[:, :7].double()
    images = DESK.render(truth)
    found = closest(DESK.render, images, truth + 0.05 * REACH[:7], bound=BOUND, progress=False)
    torch.testing.assert_close(found.poses, truth, rtol=0, atol=1e-5)
    noisy = (images + 0.05 * torch.randn(images.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    found = closest(DESK.render, noisy, truth, steps=40, progress=False)
    rest = (noisy - found.images).flatten(1)[:, None]
    cosines = (rest @ tangent(DESK.render, found.poses).basis)[:, 0] / found.distances[:, None]
    assert cosines.abs().max() < 1e-4


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_never_ends_farther_than_it_started_nor_beyond_its_bound(dtype):
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(10, 1, 28, 28, generator=generator).to(dtype)
    start = random_poses(10, generator=generator)[:, :7].to(dtype)
    before = (images - DESK.render(start)).flatten(1).norm(dim=1)
    found = closest(DESK.render, images, start, bound=BOUND, steps=5, progress=False)
    assert (found.distances <= before).all() and (found.distances < before).any()
    assert (found.poses.abs() <= BOUND * 1.0001).all() and found.poses.dtype == dtype
    torch.testing.assert_close(found.images, DESK.render(found.poses))


def test_each_image_is_searched_for_itself():
    truth = random_poses(4, generator=torch.Generator().manual_seed(5))[:, :7].double()
    images, start = DESK.render(truth), truth + 0.1
    together = closest(DESK.render, images, start, steps=4, progress=False)
    alone = [closest(DESK.render, images[i : i + 1], start[i : i + 1], steps=4, progress=False) for i in range(4)]
    torch.testing.assert_close(together.poses, torch.cat([each.poses for each in alone]))


def test_an_interrupt_returns_the_best_so_far(capsys):
    truth = random_poses(3)[:, :7]
    images, start, calls = DESK.render(truth), truth + 0.1, []

    def stopped(poses):
        calls.append(len(poses))
        if len(calls) > 7:
            raise KeyboardInterrupt
        return DESK.render(poses)

    found = closest(stopped, images, start, bound=BOUND, progress=False)
    before = (images - DESK.render(start)).flatten(1).norm(dim=1)
    assert "Interrupted" in capsys.readouterr().out
    assert (found.distances < before).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(images=torch.rand(1, 28, 28)), "write image"),
        (dict(images=torch.rand(2, 1, 14, 14)), "render makes"),
        (dict(poses=torch.zeros(3, 7)), "a first guess for each"),
        (dict(poses=torch.zeros(7)), r"pose\[None\]"),
        (dict(poses=torch.zeros(2, 7, dtype=torch.float64)), "one type"),
        (dict(steps=0), "steps=0"),
        (dict(bound=torch.ones(3)), "bound"),
    ],
)
def test_bad_input(change, message):
    asked = dict(images=torch.rand(2, 1, 28, 28), poses=torch.zeros(2, 7)) | change
    with pytest.raises(ValueError, match=message):
        closest(DESK.render, **asked, progress=False)


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        (dict(poses=[[0.0] * 7] * 2), TypeError, "poses are list"),
        (dict(bound=1.0), ValueError, r"bound has shape \(\), and a pose 7 numbers"),
        (dict(poses=torch.full((2, 7), torch.nan)), ValueError, "NaN"),
        (dict(poses=torch.ones(2, 7), bound=torch.ones(7) / 2), ValueError, "outside the bound"),
    ],
)
def test_bad_poses_and_bounds(change, kind, message):
    asked = dict(images=torch.rand(2, 1, 28, 28), poses=torch.zeros(2, 7)) | change
    with pytest.raises(kind, match=message):
        closest(DESK.render, **asked, progress=False)


def test_a_step_that_render_refuses_asks_for_a_bound():
    def picky(poses):
        if (poses.abs() > 0.5).any():
            raise ValueError("too far")
        return line(poses)

    far = line(torch.tensor([[3.0]])).clamp(0, 1)
    with pytest.raises(ValueError, match="give a bound: too far"):
        closest(picky, far, torch.zeros(1, 1), progress=False)
    assert closest(picky, far, torch.zeros(1, 1), bound=torch.full((1,), 0.5), progress=False).poses.abs() <= 0.5
