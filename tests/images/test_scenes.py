"""The camera: against a plain ray caster, against finite differences, and against what its sliders are called."""

import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from course_utils.images import scenes
from course_utils.images.scenes import DESK, OBJECTS, POSE, REACH, Scene, Solid, random_poses
from course_utils.manifold.tangent import jacobians


def cast(scene: Scene, pose: list[float], size: int) -> np.ndarray:
    """Ray by ray, the nearest root of the quadratic equation: hard edges, pure numpy."""
    yaw, pitch, roll, right, up, forward, zoom = pose

    def turned(angles):
        a, b, c = angles
        about_y = np.array([[math.cos(a), 0, math.sin(a)], [0, 1, 0], [-math.sin(a), 0, math.cos(a)]])
        about_x = np.array([[1, 0, 0], [0, math.cos(b), -math.sin(b)], [0, math.sin(b), math.cos(b)]])
        about_z = np.array([[math.cos(c), -math.sin(c), 0], [math.sin(c), math.cos(c), 0], [0, 0, 1]])
        return about_z @ about_x @ about_y

    turn = turned((yaw, pitch + scene.pitch, roll))
    camera = turn.T @ np.array([right, up, scene.distance - forward])
    focal = scene.focal * math.exp(zoom)
    azimuth, elevation = scenes.LIGHT
    light = np.array(
        [math.sin(azimuth) * math.cos(elevation), math.sin(elevation), math.cos(azimuth) * math.cos(elevation)]
    )
    image = np.full((size, size), scene.background)
    for row in range(size):
        for column in range(size):
            across, down = (2 * column + 1) / size - 1, (2 * row + 1) / size - 1
            direction = turn.T @ np.array([across / focal, -down / focal, -1])
            first = math.inf
            for solid in scene.solids:
                matrix = np.diag(1 / np.array(solid.radii)) @ turned(solid.turn).T
                o, d = matrix @ (camera - np.array(solid.centre)), matrix @ direction
                root = (o @ d) ** 2 - (d @ d) * (o @ o - 1)
                if root <= 0 or (t := (-(o @ d) - math.sqrt(root)) / (d @ d)) >= first:
                    continue
                first, point = t, o + t * d
                normal = matrix.T @ point
                slope = normal @ light / np.linalg.norm(normal)
                pattern = math.prod(math.sin(np.dot(wave, point)) for wave in solid.waves)
                grey = solid.grey + scenes.RELIEF * min(solid.grey, 1 - solid.grey) * pattern
                image[row, column] = grey * (scenes.AMBIENT + (1 - scenes.AMBIENT) * (1 + slope) / 2)
    return image


@pytest.mark.parametrize("scene", [DESK, *OBJECTS.values()], ids=["desk", *OBJECTS])
def test_with_hard_edges_it_is_a_plain_ray_caster(scene):
    pose = random_poses(1, generator=torch.Generator().manual_seed(3)).double()[:, :7]
    hard = replace(scene, softness=1e-7).render(pose, 24)[0, 0].numpy()
    difference = np.abs(hard - cast(scene, pose[0].tolist(), 24))
    assert (difference < 1e-3).mean() > 0.99  # a ray that grazes an edge may fall to either side
    assert hard.std() > 0.05


def test_derivatives_agree_with_finite_differences():
    pose = random_poses(2, 9, generator=torch.Generator().manual_seed(1)).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda p: DESK.render(p, 6), pose)
    assert torch.autograd.gradgradcheck(lambda p: DESK.render(p, 3), pose)


def test_forward_mode_agrees_with_backward_mode():
    poses = random_poses(3, generator=torch.Generator().manual_seed(2)).double()
    backward = torch.autograd.functional.jacobian(lambda p: DESK.render(p, 8).sum(0), poses)[0].movedim(2, 0)
    torch.testing.assert_close(jacobians(partial(DESK.render, size=8), poses)[1], backward.flatten(1, 2))


def test_seven_numbers_move_the_image_in_seven_directions():
    poses = random_poses(100, generator=torch.Generator().manual_seed(0)).double()[:, :7]
    _, slopes = jacobians(DESK.render, poses)
    stretch = torch.linalg.svdvals(slopes)
    assert slopes.shape == (100, 784, 7)
    assert (stretch[:, -1] / stretch[:, 0] > 1e-4).all()


def test_a_batch_is_the_same_as_one_by_one_and_gives_the_poses_dtype():
    poses = random_poses(5, 9)
    batch = DESK.render(poses, 200)  # two portions
    torch.testing.assert_close(batch, torch.cat([DESK.render(pose[None], 200) for pose in poses]))
    assert batch.dtype == torch.float32 and DESK.render(poses.double()).dtype == torch.float64
    torch.testing.assert_close(DESK.render(random_poses(5)[:, :7]), DESK.render(random_poses(5)))


def test_images_stay_in_the_box_for_any_scene():
    draw = torch.Generator().manual_seed(0)
    for _ in range(20):
        numbers = torch.rand(4, 6, generator=draw).tolist()
        solids = tuple(
            Solid((a - 0.5, b - 0.5, c - 0.5), (d + 0.1, e + 0.1, 0.3), grey=f) for a, b, c, d, e, f in numbers
        )
        images = Scene(solids, background=1.0).render(random_poses(20, 9, generator=draw))
        assert images.isfinite().all() and images.min() >= 0 and images.max() <= 1


def pose(**numbers: float) -> torch.Tensor:
    return torch.tensor([[numbers.get(name.replace(" ", "_"), 0.0) for name in POSE]])


def centroid(images: torch.Tensor) -> tuple[float, float]:
    """Mean column and row of what is brighter than the background."""
    weights = (images[0, 0] - images.min()).double()
    side = torch.arange(len(weights)).double()
    return ((weights.sum(0) @ side) / weights.sum()).item(), ((weights.sum(1) @ side) / weights.sum()).item()


def test_sliders_do_what_their_names_say():
    lone = Scene((Solid((0.3, 0.3, 0.0), (0.4, 0.4, 0.4)),), background=0.0)
    column, row = centroid(lone.render(pose()))
    assert column > 14 and row < 13  # the solid is right of the middle, and above it
    assert centroid(lone.render(pose(right=0.3)))[0] < column - 1
    assert centroid(lone.render(pose(up=0.3)))[1] > row + 1
    light = lone.render(pose()).sum()
    assert lone.render(pose(forward=0.5)).sum() > 1.1 * light
    assert lone.render(pose(zoom=0.2)).sum() > 1.1 * light
    turned = centroid(lone.render(pose(roll=math.pi / 2)))
    assert turned[0] < 13 and turned[1] < 13  # from right above to left above: against the clock
    assert centroid(lone.render(pose(pitch=math.pi / 2)))[1] > 12  # what was above comes to the front
    near = Scene((Solid((0.0, 0.0, 0.6), (0.3, 0.3, 0.3)),), background=0.0)
    assert centroid(near.render(pose(yaw=0.6)))[0] > 14  # what was in front goes to the right
    left, right = (DESK.render(pose(light_azimuth=angle)) for angle in (-0.8, 0.8))
    assert (left - right).abs().max() > 0.05


def test_zoom_is_not_forward():
    bigger, nearer = DESK.render(pose(zoom=math.log(4 / 3.5))), DESK.render(pose(forward=0.5))
    assert 0.005 < (bigger - nearer).abs().mean() < (bigger - DESK.render(pose())).abs().mean() / 4


def test_the_nearer_solid_hides_the_other_whatever_their_order():
    front, back = Solid((0, 0, 0.8), (0.4,) * 3, grey=0.9), Solid((0, 0, -0.8), (0.4,) * 3, grey=0.1)
    one, two = (Scene(solids).render(pose()) for solids in ((front, back), (back, front)))
    torch.testing.assert_close(one, two)
    assert one[0, 0, 14, 14] > 0.3 and Scene((back,)).render(pose())[0, 0, 14, 14] < 0.15


def test_objects_are_built_of_the_same_parts():
    parts = {
        tuple(sorted((solid.radii, solid.grey, solid.waves) for solid in scene.solids)) for scene in OBJECTS.values()
    }
    assert len(OBJECTS) == 5 and len(parts) == 1
    views = torch.cat([scene.render(pose()) for scene in OBJECTS.values()])
    assert torch.pdist(views.flatten(1)).min() > 1


def test_random_poses():
    poses = random_poses(4000, 3, spread=0.5, generator=torch.Generator().manual_seed(0))
    assert poses.shape == (4000, 9) and (poses[:, 3:] == 0).all()
    torch.testing.assert_close(poses[:, :3].amax(0), 0.5 * REACH[:3], rtol=0, atol=1e-3)
    torch.testing.assert_close(poses[:, :3].amin(0), -0.5 * REACH[:3], rtol=0, atol=1e-3)
    state = torch.get_rng_state()
    assert torch.equal(random_poses(3), random_poses(3)) and torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("poses", "kind", "message"),
    [
        ([[0.0] * 7], TypeError, "list"),
        (torch.zeros(1, 7, dtype=torch.int64), TypeError, "int64"),
        (torch.zeros(7), ValueError, r"pose\[None\]"),
        (torch.zeros(1, 8), ValueError, "7 numbers a pose, or 9"),
        (torch.zeros(0, 7), ValueError, r"\(0, 7\)"),
        (torch.full((1, 7), torch.nan), ValueError, "NaN"),
        (pose(forward=3.9), ValueError, "keep forward below"),
    ],
)
def test_bad_poses(poses, kind, message):
    with pytest.raises(kind, match=message):
        DESK.render(poses)


def test_bad_numbers():
    with pytest.raises(ValueError, match="size=0"):
        DESK.render(pose(), 0)
    with pytest.raises(ValueError, match="a pose has 9 numbers, yaw"):
        random_poses(2, 10)
    with pytest.raises(ValueError, match="number=0"):
        random_poses(0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_it_renders_the_same_on_a_gpu():
    poses = random_poses(8, 9)
    torch.testing.assert_close(DESK.render(poses.cuda()).cpu(), DESK.render(poses), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Scene(()),
        lambda: Scene(DESK.solids, background=2.0),
        lambda: Scene(DESK.solids, softness=0.0),
        lambda: Scene(DESK.solids, focal=-1.0),
    ],
)
def test_impossible_scenes(make):
    with pytest.raises(ValueError, match="want a"):
        make()


def test_neither_a_camera_behind_the_scene_nor_a_light_that_is_nan():
    for bad in (pose(forward=20.0), pose(yaw=math.nan), pose(light_azimuth=math.inf)):
        with pytest.raises(ValueError, match="keep forward below"):
            DESK.render(bad)
