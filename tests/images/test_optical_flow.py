"""Optical flow: known moves are found, warping keeps its equation, and the path of a known move is that move."""

import math

import pytest
import torch
from torch.nn import functional as F

from course_utils import data
from course_utils.images.optical_flow import _warp as warp
from course_utils.images.optical_flow import estimate_flow, flow_path


def texture(dx=0.0, dy=0.0, size=28, dtype=torch.float32):
    """A soft pattern after it has moved dx to the right and dy downwards, known between pixels too."""
    axis = torch.arange(size, dtype=dtype)
    x, y = axis - dx, axis[:, None] - dy
    waves = (0.55 * x + 0.2 * y).sin() + (0.15 * x - 0.5 * y + 1).sin() + (0.4 * x + 0.45 * y + 2).sin()
    return (0.5 + waves / 6)[None, None]


def blob(x, y, size=28):
    axis = torch.arange(size, dtype=torch.float32)
    return (-((axis - x) ** 2 + (axis[:, None] - y) ** 2) / 18).exp()[None, None]


def arrows(dx, dy, like):
    return torch.tensor([dx, dy], dtype=like.dtype).view(1, 2, 1, 1).expand(len(like), 2, *like.shape[2:])


def digits(number=8):
    return data.mnist("cpu").test.images[:number]


def turned(images, degrees):
    angle = math.radians(degrees)
    matrix = torch.tensor([[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0]])
    grid = F.affine_grid(matrix.expand(len(images), 2, 3), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode="bicubic", align_corners=False).clamp(0, 1)


def apart(a, b):
    return (a - b).square().mean().sqrt().item()


@pytest.mark.parametrize(("dx", "dy"), [(1, 0), (0, 1), (-2, 0.5), (1.5, -2.5), (3, 2)])
def test_a_known_move_is_found(dx, dy):
    flow = estimate_flow(texture(), texture(dx, dy))
    inside = flow[:, :, 6:-6, 6:-6]
    assert (inside - arrows(dx, dy, inside)).abs().max() < 0.15
    assert (inside - arrows(dx, dy, inside)).abs().mean() < 0.05


def test_a_blob_to_the_right_has_a_flow_to_the_right():
    flow = estimate_flow(blob(12, 14), blob(14, 11))
    assert flow[0, :, 14, 12].tolist() == pytest.approx([2, -3], abs=0.2)


def test_a_digit_moved_by_three_pixels_is_followed():
    a = digits(20)
    b = F.pad(a, (3, 0))[..., :28]
    ink = a / a.sum((2, 3), keepdim=True)
    moved = (estimate_flow(a, b) * ink).sum((2, 3))
    assert ((moved - torch.tensor([3.0, 0.0])).abs().amax(1) < 0.5).sum() >= 19


def test_the_second_picture_pulled_back_along_the_flow_is_the_first():
    a, b = turned(digits(), -7), turned(digits(), 7)
    flow = estimate_flow(a, b)
    assert apart(warp(b, flow), a) < 0.3 * apart(b, a)
    assert apart(warp(a, flow), b) > apart(b, a)  # the other direction makes it worse


@pytest.mark.parametrize("pair", [(0.3, 0.3), (0.3, 0.7), (0.0, 0.0)])
def test_without_any_texture_nothing_moves(pair):
    a, b = (torch.full((2, 1, 28, 28), grey) for grey in pair)
    assert torch.equal(estimate_flow(a, b), torch.zeros(2, 2, 28, 28))


def test_pairs_do_not_influence_each_other():
    a = torch.cat([texture(), texture(2, 0), digits(1)])
    b = torch.cat([texture(1, 1), texture(0, 0), digits(2)[1:]])
    together = estimate_flow(a, b)
    assert torch.equal(together, torch.cat([estimate_flow(a[i : i + 1], b[i : i + 1]) for i in range(3)]))


def test_a_colour_image_moves_as_its_grey_mean():
    a, b = texture(), texture(1, -1)
    tint = torch.tensor([0.2, 1.0, 0.6]).view(1, 3, 1, 1)
    assert torch.allclose(estimate_flow(a * tint, b * tint), estimate_flow(0.6 * a, 0.6 * b), atol=1e-3)
    assert warp(a * tint, arrows(1, 0, a)).shape == (1, 3, 28, 28)
    assert flow_path(a * tint, b * tint, 3).shape == (3, 1, 3, 28, 28)


def test_type_gradients_and_oblong_images():
    a, b = (texture(s, 0, dtype=torch.float64)[..., :20].requires_grad_() for s in (0.0, 1.0))
    flow = estimate_flow(a, b)
    assert flow.dtype == torch.float64 and flow.shape == (1, 2, 28, 20) and not flow.requires_grad
    assert flow_path(a, b, 3).dtype == torch.float64


@pytest.mark.parametrize(("dx", "dy"), [(0, 0), (3, 0), (0, -2), (-5, 4)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_whole_numbers_move_pixels_exactly_and_the_border_goes_on(dx, dy, dtype):
    images = torch.rand(2, 3, 9, 12, dtype=dtype)
    rows = (torch.arange(9) + dy).clamp(0, 8)
    columns = (torch.arange(12) + dx).clamp(0, 11)
    assert torch.equal(warp(images, arrows(dx, dy, images)), images[:, :, rows][:, :, :, columns])


def test_each_pixel_follows_its_own_arrow():
    images = torch.rand(2, 1, 5, 6)
    flow = torch.randint(-3, 4, (2, 2, 5, 6)).float()
    out = warp(images, flow)
    for n in range(2):
        for y in range(5):
            for x in range(6):
                right, down = flow[n, :, y, x].int().tolist()
                assert out[n, 0, y, x] == images[n, 0, min(max(y + down, 0), 4), min(max(x + right, 0), 5)]


def test_between_pixels_it_agrees_with_the_cubic_interpolation_of_torch():
    images = 0.1 + 0.8 * torch.rand(1, 1, 10, 10, dtype=torch.float64)
    fine = F.interpolate(images, scale_factor=5, mode="bicubic", antialias=True, align_corners=False)
    moved = warp(images, arrows(0.4, -0.2, images))  # the centre of a pixel is number 2 of its five
    assert torch.allclose(moved[..., 3:7, 3:7], fine[..., 2 - 1 :: 5, 2 + 2 :: 5][..., 3:7, 3:7].clamp(0, 1), atol=1e-6)


def test_a_far_arrow_ends_at_the_border():
    images = torch.rand(1, 1, 4, 4)
    assert torch.equal(warp(images, arrows(1e12, 0, images)), images[..., 3:].expand(1, 1, 4, 4))


def test_the_ends_of_a_path_are_the_pictures_themselves():
    a, b = digits(6)[:3], digits(6)[3:]
    for steps in (2, 3, 8):
        way = flow_path(a, b, steps)
        assert way.shape == (steps, 3, 1, 28, 28)
        assert torch.equal(way[0], a) and torch.equal(way[-1], b)
        assert way.min() >= 0 and way.max() <= 1


def test_the_path_of_a_move_is_the_move():
    a, b = texture(), texture(3, -2)
    for s, found in zip((0.25, 0.5, 0.75), flow_path(a, b, 5)[1:4], strict=True):
        true, blend = texture(3 * s, -2 * s), (1 - s) * a + s * b
        assert (found - true)[..., 6:-6, 6:-6].abs().max() < 0.02
        assert apart(blend, true) > 10 * apart(found[..., 6:-6, 6:-6], true[..., 6:-6, 6:-6])


def test_halfway_of_a_turn_the_path_is_nearer_than_the_blend():
    a, b = turned(digits(), -10), turned(digits(), 10)
    assert apart(flow_path(a, b, 3)[1], digits()) < 0.6 * apart((a + b) / 2, digits())


ONE = torch.rand(1, 1, 8, 8)


@pytest.mark.parametrize("make", [estimate_flow, lambda a, b: flow_path(a, b, 3)])
@pytest.mark.parametrize(
    ("a", "b", "kind", "message"),
    [
        (ONE, ONE.expand(2, 1, 8, 8), ValueError, "each image of a needs its own in b"),
        (ONE, torch.rand(1, 1, 8, 9), ValueError, "of the same size"),
        (ONE, torch.rand(1, 3, 8, 8), ValueError, "same channels"),
        (ONE[0], ONE[0], ValueError, r"for one image write image\[None\]"),
        (ONE, ONE * math.nan, ValueError, "hold NaN"),
        (ONE * 255, ONE, ValueError, "divide by 255"),
        (ONE.numpy(), ONE, TypeError, "not a tensor"),
    ],
)
def test_pictures_that_make_no_pair(make, a, b, kind, message):
    with pytest.raises(kind, match=message):
        make(a, b)


@pytest.mark.parametrize("steps", [1, 0, 2.5, True])
def test_too_few_steps(steps):
    with pytest.raises(ValueError, match="steps="):
        flow_path(ONE, ONE, steps)
