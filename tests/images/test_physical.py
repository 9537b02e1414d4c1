"""Prints and photographs: against plain twins, PIL, finite differences, and poses whose picture is known."""

import io
import math

import numpy as np
import pytest
import scipy.ndimage
import torch
from PIL import Image
from torch.nn import functional as F

from course_utils.images import physical, scenes
from course_utils.images.physical import WORLD

EVERY = pytest.mark.parametrize("name", [*WORLD, "all"])


def happen(name):
    return physical.world if name == "all" else WORLD[name]


def pictures(number=2, side=16, channels=3, seed=0):
    draws = torch.rand(number, channels, side, side, generator=torch.Generator().manual_seed(seed), dtype=torch.double)
    return draws


def smooth(side=64):
    """A colour picture without anything finer than a few pixels."""
    found = physical.blur(pictures(1, side), 4.0)
    return (found - found.min()) / (found.max() - found.min())


def poses(number=1, **numbers):
    found = torch.zeros(number, 9, dtype=torch.double)
    for name, value in numbers.items():
        found[:, scenes.POSE.index(name.replace("_", " "))] = value
    return found


@EVERY
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_stay_pictures_and_a_call_can_be_repeated(name, dtype, channels):
    images = pictures(channels=channels).to(dtype)
    kept, state = images.clone(), torch.get_rng_state()
    found = happen(name)(images)
    assert found.shape == images.shape and found.dtype == dtype and found.min() >= 0 and found.max() <= 1
    assert torch.equal(found, happen(name)(images))
    assert not torch.equal(found, happen(name)(images, generator=torch.Generator().manual_seed(1)))
    assert torch.equal(images, kept) and torch.equal(torch.get_rng_state(), state)


@EVERY
def test_each_image_draws_its_own(name):
    found = happen(name)(pictures(1).expand(3, -1, -1, -1))
    assert not torch.equal(found[0], found[1]) and not torch.equal(found[1], found[2])


@EVERY
def test_gradients_reach_every_picture(name):
    images = (0.3 + 0.4 * pictures()).requires_grad_()
    (slope,) = torch.autograd.grad(happen(name)(images).sum(), images)
    assert slope.isfinite().all() and (slope.flatten(1).abs().sum(1) > 0).all()


@EVERY
def test_what_is_no_picture_is_refused(name):
    with pytest.raises(TypeError, match="/ 255"):
        happen(name)(torch.zeros(1, 3, 8, 8, dtype=torch.uint8))
    with pytest.raises(ValueError, match="0 to 1"):
        happen(name)(torch.full((1, 3, 8, 8), 2.0))
    with pytest.raises(TypeError, match="not a tensor"):
        happen(name)(np.zeros((1, 3, 8, 8)))


def test_blur_is_scipys_gaussian_with_a_sigma_for_each():
    images = pictures(3)
    found = physical.blur(images, torch.tensor([0.4, 1.0, 2.0]))
    for one, result, sigma, reach in zip(images, found, [0.4, 1.0, 2.0], [6, 6, 6], strict=True):
        plain = scipy.ndimage.gaussian_filter(one.numpy(), (0, sigma, sigma), mode="nearest", radius=(0, reach, reach))
        np.testing.assert_allclose(result.numpy(), plain, atol=1e-12)
    assert torch.equal(physical.blur(images, 0.0), images)
    mixed = physical.blur(images, torch.tensor([0.0, 1.0, 0.0]))
    torch.testing.assert_close(mixed[::2], images[::2])
    assert not torch.equal(mixed[1], images[1])


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_quarter_turn_is_rot90(turns):
    images = pictures()
    torch.testing.assert_close(physical.rotate(images, 90.0 * turns), images.rot90(turns, (2, 3)))


def test_a_turn_agrees_with_scipy():
    image = smooth()
    plain = scipy.ndimage.rotate(image[0].numpy(), 20.0, axes=(2, 1), reshape=False, order=1, cval=0.5)
    middle = (slice(None), slice(16, 48), slice(16, 48))
    np.testing.assert_allclose(physical.rotate(image, 20.0)[0][middle].numpy(), plain[middle], atol=1e-6)


def test_a_turn_shows_the_wall_in_the_corners():
    found = physical.rotate(torch.ones(1, 1, 33, 33), 45.0)[0, 0]
    assert found[0, 0] == physical.WALL.background and found[16, 16] == 1


def test_exposure_has_known_answers():
    image = torch.tensor([0.2, 0.4, 0.6, 0.4], dtype=torch.double).view(1, 1, 2, 2)
    np.testing.assert_allclose(physical.expose(image, 0.5).flatten(), [0.1, 0.2, 0.3, 0.2])
    np.testing.assert_allclose(physical.expose(image, contrast=0.5).flatten(), [0.3, 0.4, 0.5, 0.4])
    np.testing.assert_allclose(physical.expose(image, 2.0, 2.0).flatten(), [0.0, 0.8, 1.0, 0.8])


def test_noise_has_the_variance_that_was_asked_for():
    change = physical.sensor_noise(torch.full((2, 1, 200, 200), 0.5), torch.tensor([0.02, 0.1])) - 0.5
    np.testing.assert_allclose(change.flatten(1).std(1), [0.02, 0.1], rtol=0.02)
    assert abs(change.mean()) < 1e-3


def test_eight_bits_are_what_a_file_holds_and_the_gradient_goes_through():
    images = pictures().requires_grad_()
    found = physical.eight_bits(images)
    levels = (images.detach().numpy() * 255).round().astype(np.uint8)
    np.testing.assert_array_equal(found.detach().numpy(), levels / 255)
    assert torch.equal(torch.autograd.grad(found.sum(), images)[0], torch.ones_like(images))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("quality", [1, 50, 95])
def test_jpeg_is_pils_to_the_last_bit(channels, quality):
    images = pictures(2, 24, channels).float().requires_grad_()
    found = physical.jpeg(images, quality)
    for one, result in zip(images.detach(), found.detach(), strict=True):
        levels = (one * 255).round().byte().permute(1, 2, 0).numpy()
        file = io.BytesIO()
        Image.fromarray(levels.squeeze()).save(file, format="JPEG", quality=quality)
        plain = np.asarray(Image.open(file)).reshape(levels.shape)
        assert torch.equal(result, torch.from_numpy(plain.copy()).permute(2, 0, 1).float() / 255)
    assert torch.equal(torch.autograd.grad(found.sum(), images)[0], torch.ones_like(images))


def test_each_jpeg_has_its_own_quality():
    images = pictures(1, 32).expand(2, -1, -1, -1)
    found = physical.jpeg(images, torch.tensor([5, 95]))
    assert torch.equal(found[:1], physical.jpeg(images[:1], 5)) and torch.equal(
        found[1:], physical.jpeg(images[:1], 95)
    )


@pytest.mark.parametrize("channels, quality", [(2, 75), (3, 101), (3, 0), (3, (102.0, 110.0))])
def test_an_impossible_jpeg_is_refused(channels, quality):
    with pytest.raises(ValueError, match="quality"):
        physical.jpeg(pictures(40, 8, channels), quality)


def test_at_home_the_camera_sees_the_sheet():
    sheets = pictures()
    torch.testing.assert_close(physical.view(sheets, poses(2)), sheets, rtol=0, atol=1e-12)


def test_a_roll_of_a_quarter_turn_is_rot90():
    sheets = pictures()
    torch.testing.assert_close(physical.view(sheets, poses(2, roll=math.pi / 2)), sheets.rot90(1, (2, 3)))


def test_zoom_and_forward_enlarge_the_middle():
    sheet = smooth()
    middle = sheet[:, :, 16:48, 16:48]
    zoomed = physical.view(sheet, poses(zoom=math.log(2)))
    enlarged, inside = F.interpolate(middle, scale_factor=2, mode="bilinear"), (..., slice(1, -1), slice(1, -1))
    torch.testing.assert_close(zoomed[inside], enlarged[inside], atol=1e-9, rtol=0)
    torch.testing.assert_close(physical.view(sheet, poses(forward=2.0)), zoomed)


def test_the_camera_moves_right_and_up_and_the_sheet_left_and_down():
    sheet = smooth()
    found = physical.view(sheet, poses(right=0.5, up=0.25))  # 64 pixels are 2 units wide
    torch.testing.assert_close(found[:, :, 8:, :48], sheet[:, :, :56, 16:])
    assert (found[:, :, :8] == physical.WALL.background).all()


def test_a_plain_ray_caster_sees_the_same():
    pose = scenes.random_poses(1, generator=torch.Generator().manual_seed(5)).double()
    sheet = smooth()
    found = physical.view(sheet, pose[:, :7] * 0.5)
    yaw, pitch, roll, right, up, forward, zoom = (0.5 * pose[0, :7]).tolist()
    y = np.array([[math.cos(yaw), 0, math.sin(yaw)], [0, 1, 0], [-math.sin(yaw), 0, math.cos(yaw)]])
    x = np.array([[1, 0, 0], [0, math.cos(pitch), -math.sin(pitch)], [0, math.sin(pitch), math.cos(pitch)]])
    z = np.array([[math.cos(roll), -math.sin(roll), 0], [math.sin(roll), math.cos(roll), 0], [0, 0, 1]])
    turn = (z @ x @ y).T
    seen = 0
    for row, column in np.random.default_rng(0).integers(0, 64, (200, 2)):
        across, down = (2 * column + 1) / 64 - 1, (2 * row + 1) / 64 - 1
        focal = 4 * math.exp(zoom)
        origin, ray = turn @ [right, up, 4 - forward], turn @ [across / focal, -down / focal, -1]
        point = origin - origin[2] / ray[2] * ray
        if np.abs(point[:2]).max() < 0.95:
            place = [[(1 - point[1]) * 32 - 0.5], [(point[0] + 1) * 32 - 0.5]]
            plain = [scipy.ndimage.map_coordinates(layer.numpy(), place, order=1)[0] for layer in sheet[0]]
            np.testing.assert_allclose(found[0, :, row, column], plain, atol=0.02)  # shrunk sheets are blurred a little
            seen += 1
    assert seen > 50


def test_what_is_far_away_is_averaged_not_picked():
    board = (torch.arange(64)[:, None] + torch.arange(64)).remainder(2).double()[None, None]
    far = physical.view(board, poses(zoom=-math.log(4.0)))[0, 0, 26:38, 26:38]
    assert (far - 0.5).abs().max() < 0.02


def test_light_from_the_front_is_brighter_than_light_from_the_side():
    sheet = torch.full((1, 1, 8, 8), 0.5, dtype=torch.double)
    front = physical.view(sheet, poses(light_azimuth=0.5, light_elevation=-0.6)).mean()
    side = physical.view(sheet, poses(light_azimuth=-0.8)).mean()
    cosine = math.cos(0.5) * math.cos(0.6)
    assert front.item() == pytest.approx(0.5 / (0.3 + 0.7 * (1 + cosine) / 2))
    assert side < 0.5 < front


def test_gradients_agree_with_finite_differences():
    pose = 0.5 * scenes.random_poses(2, 9, generator=torch.Generator().manual_seed(3)).double()
    sheets = (0.2 + 0.6 * pictures(2, 6, 1)).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: physical.view(physical.ink(x), pose), sheets)
    assert torch.autograd.gradcheck(lambda x: physical.blur(x, torch.tensor([0.5, 1.5])), sheets)
    assert torch.autograd.gradcheck(lambda x: physical.expose(x, 0.9, torch.tensor([0.8, 1.1])), sheets)
    onto, disc = pictures(2, 8, 1), physical.disc(sheets.detach())[:, 1:]
    assert torch.autograd.gradcheck(lambda x: physical.stick(torch.cat([x, disc], 1), onto, 0.3, 20.0), sheets)


def test_ink_reaches_neither_black_nor_white():
    assert physical.ink(torch.zeros(1, 1, 4, 4)).unique().item() == pytest.approx(0.05)
    assert physical.ink(torch.ones(1, 1, 4, 4)).unique().item() == pytest.approx(0.95)
    ramp = physical.ink(torch.linspace(0, 1, 9).view(9, 1, 1, 1)).flatten()
    assert (ramp.diff() > 0).all() and ramp[4] < 0.5


def test_a_photograph_at_home_is_ink_with_noise_in_eight_bits():
    sheets = pictures(1, 64)
    found = physical.photograph(sheets, poses())
    levels = found * 255
    torch.testing.assert_close(levels, levels.round())
    assert (found - physical.ink(sheets)).std() == pytest.approx(physical.SENSOR, rel=0.1)


@pytest.mark.parametrize(
    "sheet, pose, message",
    [
        (torch.rand(1, 3, 8, 9), torch.zeros(1, 7), "square"),
        (torch.rand(2, 3, 8, 8), torch.zeros(1, 7), "one pose a sheet"),
        (torch.rand(1, 3, 8, 8), torch.zeros(7), r"pose\[None\]"),
        (torch.rand(1, 3, 8, 8), torch.tensor([[0, 0, 0, 0, 0, 3.5, 0]]), "forward"),
    ],
)
def test_impossible_views_are_refused(sheet, pose, message):
    with pytest.raises(ValueError, match=message):
        physical.view(sheet, pose)


def test_a_sheet_seen_on_edge_leaves_the_wall():
    found = physical.view(torch.ones(1, 1, 8, 8), torch.tensor([[math.pi / 2, 0, 0, 0, 0, 0, 0]]))
    assert found.isfinite().all() and (found == physical.WALL.background).float().mean() > 0.7


@pytest.mark.parametrize("area", [0.01, 0.1, 0.3])
def test_a_sticker_covers_the_area_that_was_asked_for(area):
    things = physical.disc(torch.ones(20, 1, 60, 60))
    found = physical.stick(things, torch.zeros(20, 1, 100, 100), area, (-180.0, 180.0))
    np.testing.assert_allclose(found.mean((1, 2, 3)), area, rtol=0.02)  # all of it is inside, wherever it lies


def test_stickers_lie_all_over_the_picture():
    things = physical.disc(torch.ones(1, 1, 40, 40)).expand(400, -1, -1, -1)
    found = physical.stick(things, torch.zeros(400, 1, 100, 100), 0.1)[:, 0]
    room = 1 - math.sqrt(0.1 * 4 / math.pi)
    middles = torch.arange(100) * 0.02 - 0.99
    mass = found.sum((1, 2))
    for axis in (1, 2):
        places = (found.sum(axis) * middles).sum(1) / mass
        np.testing.assert_allclose([places.min(), places.mean(), places.max()], [-room, 0, room], atol=0.05)
        assert places.std().item() == pytest.approx(room / math.sqrt(3), rel=0.1)


def test_a_square_sticker_of_full_size_hides_the_picture_and_an_empty_one_shows_it():
    colours, onto = pictures(), pictures(seed=1)
    whole = torch.cat([colours, torch.ones(2, 1, 16, 16)], 1)
    torch.testing.assert_close(physical.stick(whole, onto, 1.0), colours)
    turned = physical.stick(whole, onto, 1.0, 90.0)
    torch.testing.assert_close(turned, colours.rot90(1, (2, 3)))
    hole = torch.cat([colours, torch.zeros(2, 1, 16, 16)], 1)
    torch.testing.assert_close(physical.stick(hole, onto, 0.5), onto)


def test_colours_outside_the_thing_never_show():
    colours = torch.ones(1, 1, 40, 40)
    colours[..., 14:26, 14:26] = 0.5
    cover = torch.zeros(1, 1, 40, 40)
    cover[..., 15:25, 15:25] = 1
    found = physical.stick(torch.cat([colours, cover], 1), torch.zeros(1, 1, 50, 50), 0.02, 30.0)
    assert 0.4 < found.max() <= 0.5 + 1e-6


@pytest.mark.parametrize(
    "how, message",
    [
        (dict(area=0.0), "area"),
        (dict(area=torch.tensor([0.1, 0.1, 0.1])), "one an image"),
        (dict(area=float("nan")), "area"),
        (dict(area=(0.1, 0.2, 0.3)), "or a pair"),
    ],
)
def test_impossible_stickers_are_refused(how, message):
    with pytest.raises(ValueError, match=message):
        physical.stick(torch.rand(2, 4, 8, 8), torch.rand(2, 3, 16, 16), **how)


def test_a_canvas_without_its_shape_is_no_sticker():
    with pytest.raises(ValueError, match="one channel more"):
        physical.stick(torch.rand(2, 3, 8, 8), torch.rand(2, 3, 16, 16), 0.1)


def test_what_is_not_square_is_refused():
    with pytest.raises(ValueError, match=r"canvases have shape.*want squares"):
        physical.disc(torch.rand(1, 3, 8, 9))
    with pytest.raises(ValueError, match=r"pictures have shape.*want squares"):
        physical.stick(torch.rand(1, 4, 8, 8), torch.rand(1, 3, 16, 20), 0.1)


@pytest.mark.parametrize("height, width", [(30, 41), (41, 30), (40, 40), (9, 2)])
def test_a_framed_thing_keeps_its_shape_and_its_place_in_the_middle(height, width):
    found = physical.framed(torch.ones(1, 4, height, width, dtype=torch.double), 82)[0, 3]
    longer = max(height, width)
    middles = torch.arange(82) - 40.5
    np.testing.assert_allclose(found.mean(), height * width / longer**2, rtol=1e-3)
    for axis in (0, 1):
        assert abs((found.sum(axis) * middles).sum() / found.sum()) < 82 / longer
    assert (found.amax(0) > 0).float().mean() == pytest.approx(width / longer, abs=2.5 / longer)
