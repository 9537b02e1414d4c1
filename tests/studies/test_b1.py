"""B1: directions that are known, estimates of flat sheets, and a scene that the camera cannot enter."""

import math

import pytest
import torch
from torch.nn import functional as F

from course_utils.images.scenes import REACH
from course_utils.manifold import tangent
from course_utils.studies import b1


def dice(seed=0):
    return torch.Generator().manual_seed(seed)


class Flat:
    """A scene whose picture is the first numbers of the pose, in units of the reach, times a weight each."""

    def __init__(self, weights, mixed=None):
        self.weights, self.mixed = torch.tensor(weights), torch.eye(len(weights)) if mixed is None else mixed

    def render(self, poses):
        numbers = poses[:, : len(self.weights)] / REACH[: len(self.weights)].to(poses)
        line = numbers @ self.mixed.to(poses) * self.weights.to(poses)
        return F.pad(line, (0, 784 - line.shape[1])).view(-1, 1, 28, 28)


def test_rounding_is_what_256_levels_lose():
    picture = torch.rand(100_000, generator=dice(), dtype=torch.float64)
    lost = (picture * 255).round() / 255 - picture
    assert lost.square().mean().sqrt().item() == pytest.approx(b1.ROUNDING, rel=0.01)


@pytest.mark.parametrize("name", b1.SCENES)
def test_stretches_agree_with_finite_differences(name):
    scene, step = b1.SCENES[name], 1e-5
    pose = 2 * torch.rand(1, 7, generator=dice(3), dtype=torch.float64) - 1
    aside = pose + step * torch.cat([torch.eye(7), -torch.eye(7)]).double()
    ahead, back = scene.render(aside * REACH[:7].double()).flatten(1).split(7)
    expected = torch.linalg.svdvals((ahead - back) / (2 * step)) / 28
    torch.testing.assert_close(b1.stretches(scene, pose)[0], expected, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("last, directions", [(2 * b1.ROUNDING * 28, 7), (0.5 * b1.ROUNDING * 28, 6), (0.0, 6)])
def test_a_direction_counts_if_it_moves_more_than_rounding(monkeypatch, last, directions):
    monkeypatch.setitem(b1.SCENES, "flat", Flat([9.0, 8, 7, 6, 5, 4, last]))
    found = b1.seven("flat", dice())
    assert (found["value"], found["directions"]) == (directions == 7, directions)
    assert (found["first"], found["seventh"]) == pytest.approx((9 / 28, last / 28), abs=1e-5)


def test_two_numbers_that_move_the_picture_alike_are_one_direction(monkeypatch):
    alike = torch.eye(7)
    alike[6, 6], alike[6, 5] = 0.0, 1.0
    monkeypatch.setitem(b1.SCENES, "flat", Flat([1.0] * 7, alike))
    found = b1.seven("flat", dice())
    assert not found["value"] and found["directions"] == 6
    assert found["first"] == pytest.approx(math.sqrt(2) / 28, abs=1e-5)


@pytest.mark.parametrize("free", [2, 4])
def test_bias_of_flat_sheets_is_how_far_they_are_from_seven(monkeypatch, free):
    monkeypatch.setattr(b1, "VIEWS", 2000)
    monkeypatch.setitem(b1.SCENES, "flat", Flat([1.0] * free))
    found = b1.bias(["flat", "half of it"], dice())
    assert found["estimates"] == pytest.approx([free] * 3, rel=0.12) and found["factor"] == "half of it"
    assert found["value"] == pytest.approx(7 - sum(found["estimates"]) / 3, abs=1e-3)
    assert found["its distance from 7"] == pytest.approx(7 - sum(found["flat cube"]) / 3, abs=1e-3)
    assert all(5 < each < 7 for each in found["flat cube"])


def test_what_is_above_and_below_seven_does_not_cancel(monkeypatch):
    monkeypatch.setattr(b1, "VIEWS", 50)
    monkeypatch.setattr(b1, "estimates", lambda points: [6.0, 8.0, 7.0])
    assert b1.bias(["mushroom", "whole reach"], dice())["value"] == pytest.approx(2 / 3, abs=1e-4)


def test_views_of_a_tenth_of_the_reach_are_nearer(monkeypatch):
    spreads = []
    monkeypatch.setattr(b1, "VIEWS", 100)
    monkeypatch.setattr(b1, "estimates", lambda points: spreads.append(points.flatten(1).var(0).sum()) or [7.0] * 3)
    for spread in b1.SPREADS:
        b1.bias(["desk", spread], dice())
    assert spreads[0] > spreads[2] > 3 * spreads[4]  # every other is the cube's


def test_any_drawn_scene_lets_the_camera_go_its_whole_reach():
    corner = REACH[None, :7] * torch.tensor([[1.0, 1, 1, 1, 1, 1, 1], [-1, -1, -1, -1, -1, 1, 1]])
    for seed in range(20):
        assert b1.drawn(dice(seed)).render(corner).isfinite().all()
    assert b1.drawn(dice(0)) == b1.SCENES["drawn"] != b1.drawn(dice(1))


def test_units_are_those_of_the_rules():
    one, other = b1.STUDIES
    assert len(one.units) == one.rule.units == 300 and len(other.units) == other.rule.units == 90
    assert all(list(one.units.values()).count(name) == 100 for name in b1.SCENES)
    assert all(list(other.units.values()).count([name, spread]) == 10 for name in b1.SCENES for spread in b1.SPREADS)


def test_tangent_is_asked_in_float64():
    """In float32 a seventh direction as thin as these could be rounding."""
    pose = torch.zeros(1, 7, dtype=torch.float64)
    assert b1.stretches(b1.SCENES["desk"], pose).dtype == torch.float64
    plain = tangent(lambda poses: b1.SCENES["desk"].render(poses * REACH[:7].double()), pose).stretch / 28
    torch.testing.assert_close(b1.stretches(b1.SCENES["desk"], pose), plain)
