"""B2: surfaces against a plain walk along the ray, motions that are known, and geodesics of sheets that are flat."""

import math

import pytest
import torch
from torch.nn import functional as F

from course_utils.images.scenes import DESK, REACH, directions, rotations
from course_utils.studies import b2


def dice(seed=0):
    return torch.Generator().manual_seed(seed)


def poses_of(**moves):
    names = ("yaw", "pitch", "roll", "right", "up", "forward", "zoom")
    return torch.stack([torch.zeros(7), torch.tensor([moves.get(name, 0.0) for name in names])]).double()


@pytest.mark.parametrize("gap", b2.GAPS.values())
def test_a_pair_is_as_far_apart_as_it_says_and_within_the_reach(gap):
    generator = dice()
    for _ in range(20):
        pair = b2.pair(gap, generator) / REACH[:7].double()
        assert (pair[0] - pair[1]).abs().max().item() == pytest.approx(2 * gap)
        assert pair.abs().max() <= 1


def radius(points):
    """|A (x - c)| of each solid, by the definition: ``(..., 3)`` -> ``(M, ...)``."""
    found = []
    for solid in DESK.solids:
        (turn,) = rotations(torch.tensor([solid.turn]).double())
        local = (points - torch.tensor(solid.centre).double()) @ turn
        found.append((local / torch.tensor(solid.radii).double()).norm(dim=-1))
    return torch.stack(found)


def test_surfaces_are_the_first_places_of_a_walk_along_the_ray():
    pose = b2.pair(0.5, dice(5))[0]
    places = 1.6 * torch.rand(40, 2, generator=dice(6), dtype=torch.float64) - 0.8
    points, depth, inside = b2.surfaces(pose, places)
    turn, camera, focal, _ = DESK.camera(pose[None])
    rays = torch.cat([places / focal, -torch.ones(40, 1).double()], 1) @ turn[0]
    steps = torch.linspace(1.0, 7.0, 6001).double()
    walked = radius(camera @ turn[0] + steps[:, None, None] * rays) <= 1  # (M, steps, P)
    hits = walked.any(1)
    assert hits.equal(inside > 0) and hits.any(1).all()
    first = steps[walked.int().argmax(1)]
    assert (first - depth)[hits].abs().max() < 2e-3
    assert (radius(points).diagonal(dim1=0, dim2=1).T[hits] - 1).abs().max() < 1e-6


def test_a_camera_sees_a_point_where_its_ray_came_from():
    pose = b2.pair(0.5, dice(5))[1]
    places = 2 * torch.rand(30, 2, generator=dice(7), dtype=torch.float64) - 1
    points, _, _ = b2.surfaces(pose, places)
    torch.testing.assert_close(b2.project(pose[None], points)[0], places.expand_as(points[..., :2]))


def test_clear_is_what_is_well_inside_and_behind_nothing():
    depth = torch.tensor([[3.0, 3.0, 3.0, 3.0, 3.0], [2.0, 3.1, 4.0, 2.0, 2.0]])
    inside = torch.tensor([[5.0, 5.0, 5.0, 5.0, 2.0], [5.0, 5.0, 5.0, -5.0, -1.0]])
    expected = [[False, False, True, True, False], [True, False, False, False, False]]
    assert b2.clear(depth, inside).tolist() == expected


def test_motions_that_need_no_depth_are_found_exactly():
    """A zoom moves each place away from the middle, a roll turns all by one angle, whatever is there."""
    counts, (start, other), points = b2.middle(poses_of(zoom=0.2))
    torch.testing.assert_close(other, math.exp(0.2) * start)
    x = directions(56, start)[:2].T[counts]
    torch.testing.assert_close((start + other) / 2, x, atol=1e-3, rtol=0)
    assert counts.double().mean() > 0.3 and len(points) == counts.sum()
    _, (start, other), _ = b2.middle(poses_of(roll=0.3))
    a, b = (torch.view_as_complex(each.contiguous()) for each in (start, other))
    torch.testing.assert_close((b / a).abs(), torch.ones_like(b.real))
    torch.testing.assert_close((b / a).angle().abs(), torch.full_like(b.real, 0.3))
    assert (b / a).angle().sign().unique().numel() == 1


def test_what_counts_is_hidden_from_neither_camera():
    """A point that is seen has nothing before it on the way to the camera, and shows one grey at both ends."""
    for seed in range(3):
        poses, counts, ends, points = b2.views("50 %", dice(seed))
        assert b2.FEWEST <= counts.double().mean() < 0.9
        for pose in poses:
            turn, camera, _, _ = DESK.camera(pose[None])
            way = torch.linspace(0.001, 0.98, 200).double()[:, None, None]
            between = points + way * (camera @ turn[0] - points)
            assert radius(between).min() > 1 - 1e-9
        a, b = (b2.greys(*each) for each in zip(poses, ends, strict=True))
        assert (a - b).abs().max() < 0.04 and torch.stack([a, b]).std() > 0.05


def test_what_only_one_camera_sees_does_not_count():
    poses = poses_of(right=0.3, yaw=0.6)
    counts = b2.middle(poses)[0]
    home = b2.middle(torch.stack([poses[0], poses[0]]))[0]
    assert 0 < counts.sum() < home.sum()


def test_greys_between_pixels_are_those_of_the_renderer():
    pose = b2.pair(0.5, dice(1))[0]
    middles = directions(56, pose)[:2].T
    assert (b2.greys(pose, middles) - b2.SEEN(pose[None]).flatten()).abs().max() < 3e-3


def test_geodesics_of_a_bent_parameter_are_straight_in_the_picture():
    def seen(poses):  # a flat sheet, whose numbers are no even measure of it
        numbers = poses / REACH[:7].to(poses)
        line = (numbers + numbers**3) * torch.tensor([30.0, 9, 3, 1, 1, 0.5, 0.3]).double()
        return F.pad(line, (0, 3))[:, None, :, None]

    ends = torch.tensor([[-0.9, 0.9, 0.1, 0.2, -0.5, 0.7, -0.8], [0.1, 0.2, 0.8, -0.3, 0.6, 0.7, 0.4]]).double()
    path = b2.shortest(seen, ends * REACH[:7].double())
    torch.testing.assert_close(seen(path)[4], seen(path[[0, -1]]).mean(0), atol=2e-4, rtol=0)
    assert b2._straightness(seen(path)) == pytest.approx(1, abs=1e-6)
    assert (seen(path)[4] - seen(b2.straight(ends * REACH[:7].double()))[4]).norm() > 0.3  # it had to move


def test_straightness_of_half_a_circle_is_its_diameter_over_its_length():
    angle = torch.linspace(0, math.pi, 9)
    circle = torch.stack([angle.cos(), angle.sin()], 1)[:, None, :, None]
    assert b2._straightness(circle) == pytest.approx(2 / (16 * math.sin(math.pi / 16)))


def test_no_pose_of_a_geodesic_leaves_the_reach():
    def seen(poses):  # the shortest way would go round outside
        yaw, rest = poses[:, :1] / REACH[0], poses[:, 1:]
        return torch.cat([3 * (yaw - 0.5).square() + rest[:, :1], yaw / 10, rest], 1)[:, None, :, None]

    ends = torch.zeros(2, 7).double()
    ends[:, 1] = torch.tensor([0.5, -0.5])
    ends[:, 0] = 0.59
    assert (b2.shortest(seen, ends).abs() <= REACH[:7].double() + 1e-9).all()


def paths(pictures, flow):
    """In place of `shortest`: the line of poses, moved by such shares of itself in the middle."""

    def found(seen, ends):
        path = b2.straight(ends).clone()
        path[4] = torch.lerp(*ends, pictures if seen is b2.SEEN else flow)
        return path

    return found


@pytest.mark.parametrize("pictures, flow, value", [(0.3, 0.3, 0.0), (0.3, 0.5, 0.5), (0.5, 0.3, 1.0)])
def test_by_flow_is_a_share_from_none_to_all(monkeypatch, pictures, flow, value):
    monkeypatch.setattr(b2, "shortest", paths(pictures, flow))
    found = b2.by_flow("15 %", dice())
    assert found["value"] == pytest.approx(value, abs=1e-4) and found["factor"] == "15 %"
    assert found["straightness"]["flow"] < 1 >= found["straightness"]["pictures"]


def test_ratio_compares_flow_and_blend(monkeypatch):
    """Where the geodesic's midpoint is the camera's, flow is almost there; at an end, neither is."""
    monkeypatch.setattr(b2, "shortest", paths(0.5, 0.5))
    found = b2.ratio("5 %", dice())
    assert found["value"] < 0.3 and found["from the geodesic's midpoint"]["straight line of poses"] == 0
    apart = found["from the geodesic's midpoint"]
    assert found["value"] == pytest.approx(apart["flow"] / apart["blend"], rel=0.02)
    monkeypatch.setattr(b2, "shortest", paths(0.0, 0.5))
    assert b2.ratio("5 %", dice())["value"] == pytest.approx(1, abs=0.2)


def test_units_are_those_of_the_rule():
    study = b2.STUDIES[0]
    assert len(study.units) == study.rule.units == 150
    assert all(list(study.units.values()).count(gap) == 50 for gap in b2.GAPS)
