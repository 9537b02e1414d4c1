r"""What happens to a picture on its way through the world: print it, hang it up, photograph it, send it.

A perturbation that fools a network in a file is printed, hung on a wall, seen from somewhere under some light, blurred
by a lens, disturbed by the sensor, rounded to 8 bits, and stored as a JPEG before it fools a camera. Each of these is a
function of images here, and gradients flow through all of them, so that an attack can take them into account
(expectation over transformation, EOT: Athalye et al. 2017, arXiv 1707.07397). Where a true derivative is zero almost
everywhere, in rounding and in JPEG, the gradient passes as if nothing had happened: straight through.

The camera is that of `scenes`, with the same numbers for a pose. A sheet lies in the plane z = 0 and reaches from -1 to
1; the ray o + t d of a pixel meets it at t = -o_z / d_z, and what the pixel sees there is interpolated between the
sheet's own pixels.

How strong a thing is, is a number; or one number for each image, ``(N,)``; or a pair ``(low, high)`` between which each
image draws its own, where torchvision draws one for a whole batch from the global generator.
"""

import io
import math
from functools import partial

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from course_utils import runtime
from course_utils.core.checks import check_count, check_images, levels
from course_utils.core.tensors import spread
from course_utils.images import scenes

WALL = scenes.Scene((scenes.Solid((0.0, 0.0, 0.0), (1.0, 1.0, 1e-3)),), background=0.5, distance=4.0, focal=4.0)
INK = (0.05, 0.95)  # the darkest and the lightest grey that paper shows
GAMMA = 1.1  # of the printer: middle greys come out a little darker
SENSOR = 0.01  # standard deviation of a camera's noise

Strength = float | Tensor | tuple[float, float]


def blur(images: Tensor, sigma: Strength, *, generator: torch.Generator | None = None) -> Tensor:
    """Each image under a Gaussian of standard deviation ``sigma`` in pixels; beyond the edge, its edge goes on.

    >>> blur(torch.eye(3)[None, None], 9.0).std() < 0.1
    tensor(True)
    """
    sigma = _strengths("sigma", sigma, images, generator)
    n, c, h, w = images.shape
    reach = math.ceil(3 * sigma.max().item())
    if reach == 0:
        return images
    steps = torch.arange(-reach, reach + 1).to(images)
    kernel = (-0.5 * (steps / sigma.clamp_min(1e-3)[:, None]) ** 2).exp()
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(c, 0)[:, None]
    planes = F.pad(images, [reach] * 4, mode="replicate").view(1, n * c, h + 2 * reach, w + 2 * reach)
    planes = F.conv2d(planes, kernel[..., None], groups=n * c)
    return F.conv2d(planes, kernel[:, :, None], groups=n * c).view(n, c, h, w).clamp(0, 1)


def rotate(images: Tensor, degrees: Strength, *, generator: torch.Generator | None = None) -> Tensor:
    """Each image, turned anticlockwise in its plane; what comes into view is a grey wall.

    >>> rotate(torch.ones(1, 1, 8, 8), 45.0)[0, 0, 0, 0]
    tensor(0.5000)
    """
    turn = _strengths("degrees", degrees, images, generator, least=-math.inf).deg2rad()
    return view(images, F.pad(turn[:, None], (2, 4)))


def expose(
    images: Tensor, brightness: Strength = 1.0, contrast: Strength = 1.0, *, generator: torch.Generator | None = None
) -> Tensor:
    """Each image with its differences from its mean times ``contrast``, then all of it times ``brightness``.

    >>> expose(torch.full((1, 1, 2, 2), 0.5), brightness=0.5).unique()
    tensor([0.2500])
    """
    generator = runtime.ensure_generator(generator)
    brightness = spread(_strengths("brightness", brightness, images, generator), images)
    contrast = spread(_strengths("contrast", contrast, images, generator), images)
    mean = images.mean((1, 2, 3), keepdim=True)
    return (brightness * (mean + contrast * (images - mean))).clamp(0, 1)


def sensor_noise(images: Tensor, sigma: Strength, *, generator: torch.Generator | None = None) -> Tensor:
    """What a sensor adds: at each pixel an independent normal number of standard deviation ``sigma``."""
    generator = runtime.ensure_generator(generator)
    sigma = _strengths("sigma", sigma, images, generator)
    draws = torch.randn(images.shape, generator=generator, device=generator.device)
    return (images + spread(sigma, images) * draws.to(images)).clamp(0, 1)


def eight_bits(images: Tensor) -> Tensor:
    """Each pixel rounded to one of 256 levels; gradients go straight through.

    >>> eight_bits(torch.full((1, 1, 1, 1), 0.5)) * 255
    tensor([[[[128.]]]])
    """
    return levels(check_images(images).detach()) / 255 + (images - images.detach())


def jpeg(images: Tensor, quality: Strength = 75, *, generator: torch.Generator | None = None) -> Tensor:
    """Each image, written as a JPEG of this quality (1 to 100) and read again; gradients go straight through.

    >>> jpeg(torch.rand(2, 3, 16, 16), (50, 90)).shape
    torch.Size([2, 3, 16, 16])
    """
    qualities = _strengths("quality", quality, check_images(images), generator, least=1).round().int().tolist()
    if images.shape[1] not in (1, 3) or max(qualities) > 100:
        raise ValueError(f"{images.shape[1]} channels, quality {quality}: a JPEG has 1 or 3, and a quality of 1 to 100")
    read = []
    for pixels, q in zip(levels(images.detach()).byte().movedim(1, 3).cpu().numpy(), qualities, strict=True):
        file = io.BytesIO()
        Image.fromarray(pixels if pixels.shape[2] == 3 else pixels[..., 0]).save(file, "JPEG", quality=q)
        read.append(np.asarray(Image.open(file)).reshape(pixels.shape))
    return torch.from_numpy(np.stack(read)).movedim(3, 1).to(images) / 255 + (images - images.detach())


def ink(images: Tensor) -> Tensor:
    """On paper: black is not quite black and white not quite white, and neighbouring dots run into each other.

    >>> ink(torch.zeros(1, 1, 4, 4)).unique()
    tensor([0.0500])
    """
    return INK[0] + (INK[1] - INK[0]) * blur(images, 0.5) ** GAMMA


def view(sheets: Tensor, poses: Tensor) -> Tensor:
    """What the camera of `scenes` sees of each flat, square sheet, before a grey wall.

    At a pose of zeros, see `scenes.Scene.render`, it sees the sheet, the whole sheet and nothing but the sheet, as
    bright as it is. Gradients flow to the sheets.

    >>> torch.allclose(view(torch.eye(8)[None, None], torch.zeros(1, 7)), torch.eye(8), atol=1e-5)
    True
    """
    paper = F.pad(check_images(sheets), (0, 0, 0, 0, 0, 1), value=1.0)  # one channel more, which tells where it is
    seen, there = _sample(paper, poses, sheets.shape[2]).split([sheets.shape[1], 1], 1)
    poses = poses.to(sheets)
    home, here = (scenes.brightness(scenes.light_from(each)[:, 2]) for each in (poses[:, :7], poses))
    return ((seen + (1 - there) * WALL.background) * spread(here / home, seen)).clamp(0, 1)


def photograph(sheets: Tensor, poses: Tensor | None = None, *, generator: torch.Generator | None = None) -> Tensor:
    """Print each sheet, hang it before a grey wall, and take a picture of it: ink, pose, light, sensor, 8 bits.

    Without ``poses`` they are drawn evenly within half of `scenes.REACH`.
    """
    generator = runtime.ensure_generator(generator)
    if poses is None:
        poses = scenes.random_poses(len(check_images(sheets)), 9, spread=0.5, generator=generator).to(sheets)
    return eight_bits(sensor_noise(view(ink(sheets), poses), SENSOR, generator=generator))


def disc(canvas: Tensor) -> Tensor:
    """The largest disc of each square canvas, as a thing for `stick`: colours, and 1 where the disc is."""
    side = _side(check_images(canvas), "canvases")
    radius = torch.hypot(*scenes.directions(side, canvas)[:2]).view(side, side)
    cover = ((1 - radius) * side / 2 + 0.5).clamp(0, 1)  # the edge is one pixel wide
    return torch.cat([canvas, cover.expand(len(canvas), 1, side, side)], 1)


def framed(thing: Tensor, side: int = 224) -> Tensor:
    """A thing of any shape, in the middle of a square that is empty around it: ``(N, C, side, side)``.

    >>> framed(torch.ones(1, 4, 30, 40), 20)[0, 3].sum().item()  # a quarter of 20 x 20 stays empty
    300.0
    """
    from torchvision.transforms.v2.functional import center_crop, resize

    longer = max(check_images(thing).shape[2:])
    return resize(center_crop(thing, [longer] * 2), [check_count("side", side)] * 2, antialias=True).clamp(0, 1)


def stick(
    things: Tensor, onto: Tensor, area: Strength, degrees: Strength = 0.0, *, generator: torch.Generator | None = None
) -> Tensor:
    """Each picture with a thing anywhere on it: a sticker on a photograph, or something that stands before a wallpaper.

    Args:
        things: ``(N, C + 1, h, h)``, squares whose last channel is 1 where the thing is and 0 where it is not.
        onto: the pictures, ``(N, C, H, H)``.
        area, degrees: the fraction of the picture that the thing covers, and how far it is turned, anticlockwise.

    >>> round(stick(disc(torch.ones(1, 1, 50, 50)), torch.zeros(1, 1, 100, 100), area=0.1).mean().item(), 3)
    0.1
    """
    generator = runtime.ensure_generator(generator)
    number, channels = check_images(onto).shape[:2]
    if check_images(things).shape[:2] != (number, channels + 1):
        raise ValueError(
            f"things of shape {tuple(things.shape)} on pictures of {tuple(onto.shape)}: want as many, and one channel "
            "more, 1 where the thing is: physical.disc adds it, and .expand(number, -1, -1, -1) makes one thing many"
        )
    _side(onto, "pictures")
    area = _strengths("area", area, onto, generator, least=1e-6)
    turn = _strengths("degrees", degrees, onto, generator, least=-math.inf)
    right, up = (_strengths("place", (-1.0, 1.0), onto, generator, least=-1) for _ in range(2))  # 0 is the middle
    cover = things[:, -1:].detach()
    side = (area / cover.mean((1, 2, 3)).clamp_min(1e-6)).sqrt()  # of the thing's square, in sides of the picture
    room = (1 / side - 1).clamp_min(0)
    home = torch.zeros_like(side)
    poses = torch.stack([home, home, turn.deg2rad(), -right * room, -up * room, home, side.log()], 1)
    seen = _sample(torch.cat([things[:, :-1] * cover, cover], 1), poses, onto.shape[2])
    return (seen[:, :-1] + (1 - seen[:, -1:]) * onto).clamp(0, 1)


WORLD = {  # what can happen to a picture, each with the strengths that it has in lesson 10
    "photographed": photograph,
    "rotated": partial(rotate, degrees=(-30.0, 30.0)),
    "blurred": partial(blur, sigma=(0.5, 2.0)),
    "brighter or darker": partial(expose, brightness=(0.6, 1.4), contrast=(0.6, 1.4)),
    "noisy": partial(sensor_noise, sigma=(0.02, 0.1)),
    "JPEG": partial(jpeg, quality=(50, 90)),
}


def world(images: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
    """All that `WORLD` knows, one after the other."""
    generator = runtime.ensure_generator(generator)
    for happen in WORLD.values():
        images = happen(images, generator=generator)
    return images


def _sample(sheets: Tensor, poses: Tensor, size: int) -> Tensor:
    """What each pixel of the camera sees of each sheet; 0 beside it."""
    side = _side(sheets, "sheets")
    WALL.check(poses)
    if len(poses) != len(sheets):
        raise ValueError(f"{len(sheets)} sheets and {len(poses)} poses: want one pose a sheet")
    poses = poses.detach().to(sheets)
    turn, camera, focal, lens = WALL.camera(poses)
    ray = turn.mT @ (lens[:, :, None] * scenes.directions(size, poses))
    origin = turn.mT @ camera[:, :, None]
    steps = -origin[:, 2:] / ray[:, 2:]
    point = (origin + steps * ray)[:, :2] * poses.new_tensor([[1], [-1]])  # rows go down
    point = torch.where(steps > 0, point, 9.0).nan_to_num(9.0).clamp(-9, 9)  # behind the camera: off the sheet
    crowd = side / size * camera[:, 2] / focal  # the sheet's pixels in one of the picture's, along a side
    fine = blur(sheets, 0.5 * (crowd**2 - 1).clamp_min(0).sqrt())
    return F.grid_sample(fine, point.mT.view(-1, size, size, 2), align_corners=False)


def _side(images: Tensor, name: str) -> int:
    if images.shape[2] != images.shape[3]:
        raise ValueError(f"{name} have shape {tuple(images.shape)}: want squares, cut or pad them first")
    return images.shape[2]


def _strengths(name: str, strength: Strength, images: Tensor, generator, least: float = 0.0) -> Tensor:
    """One strength for each image, ``(N,)``."""
    number = len(check_images(images))
    if isinstance(strength, tuple) and len(strength) == 2:
        generator = runtime.ensure_generator(generator)
        low, high = strength
        strength = low + (high - low) * torch.rand(number, generator=generator, device=generator.device)
    values = torch.as_tensor(strength).to(images)
    if values.shape not in ((), (number,)) or not (values >= least).all() or values.isinf().any():
        hint = f"a number, at least {least:g}; or {number} of them, one an image; or a pair (low, high) to draw from"
        raise ValueError(f"{name}={strength}: want {hint}")
    return values.expand(number)
