r"""Pictures that fool people: a stereogram, ink blots, and a tiling of two kinds of birds.

People see depth in flat dots, faces in blots, and either the dark birds or the light ones. Each picture here is made
from its definition, so that a lesson knows what is really in it.

A random-dot autostereogram shows a relief z(x, y) to two eyes that look past the paper. One point of the relief is
seen by the left eye through one place of the paper and by the right eye through another, at a distance of

    s(z) = E (1 - mu z) / (2 - mu z)

with E the distance of the eyes and mu the depth of the relief as a fraction of that of the far plane. Both places must
have one colour; all else is chance. So colours are drawn for the connected components of the graph of these pairs.
Thimbleby, Inglis and Witten, "Displaying 3D images: algorithms for single-image random-dot stereograms", 1994.
"""

import math
from itertools import product

import numpy as np
import scipy
import skimage
import torch
from torch import Tensor
from torch.nn import functional as F

from course_utils import runtime
from course_utils.core.checks import check_count, check_images

MU, PERIOD = 1 / 3, 48  # of a stereogram: the depth of the relief; pixels between two copies of its far plane
WINDOW = 9  # pixels on a side that are compared to find a disparity
INK = 0.3  # fraction of the sheet under a blot
OVERSAMPLING = 4  # of the tiling, so that its edges are soft
LIGHT, DARK = 0.96, 0.06

# The light bird, from its tail (-1, 0) to its beak (1, 0), between the tips of its wings at (SWEEP, +-1).
# These are the two free edges; the other two are theirs, mirrored: there begins the dark bird.
SWEEP = -0.5
TAIL_EDGE = ((-1, 0), (-0.8, -0.1), (-0.86, -0.2), (-0.62, -0.17), (-0.4, -0.22), (-0.36, -0.42), (-0.5, -1))
BEAK_EDGE = ((1, 0), (0.86, -0.09), (0.74, -0.17), (0.5, -0.22), (0.2, -0.25), (0.08, -0.5), (-0.16, -0.8), (-0.5, -1))
STRETCH = 1.6  # length of a bird, in spans of its wings
DETAILS = (  # in the colour of the other kind: an eye, and the edges of two feathers
    tuple((0.8 + 0.03 * math.cos(t), -0.02 + 0.05 * math.sin(t)) for t in np.linspace(0, 6.28, 24)),
    ((0.02, -0.22), (-0.16, -0.45), (-0.3, -0.72), (-0.2, -0.44), (-0.02, -0.2)),
    ((-0.12, -0.2), (-0.26, -0.4), (-0.38, -0.62), (-0.31, -0.4), (-0.17, -0.18)),
)


def autostereogram(depth: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
    """Random black and white dots in which two eyes see a relief: look at something behind the screen.

    From a depth ``(H, W)`` in [0, 1], 0 far and 1 near, at least two `PERIOD` wide, to ``(1, 1, H, W)``, pixels 0 or 1.
    The far plane repeats after `PERIOD` pixels, the nearest one after 4/5 of that.

    >>> flat = autostereogram(torch.zeros(4, 100))
    >>> torch.equal(flat[..., PERIOD:], flat[..., :-PERIOD])  # nothing to see but a wall
    True
    """
    if not isinstance(depth, Tensor) or depth.ndim != 2:
        raise ValueError("depth wants a tensor (H, W): for a digit write image[0]")
    _check(depth[None, None])
    height, width = depth.shape
    relief = depth.detach().cpu().double()
    apart = (2 * PERIOD * (1 - MU * relief) / (2 - MU * relief)).round().long()
    left = torch.arange(width) - apart // 2
    right = left + apart
    seen = (left >= 0) & (right < width)
    for step in range(1, PERIOD):  # what stands before a point on the line of sight of an eye hides it
        line = relief + 2 * (2 - MU * relief) * step / (MU * 2 * PERIOD)
        if (line >= 1).all():
            break
        edge = F.pad(relief, (step, step), value=0.0)
        seen &= (edge[:, : -2 * step] < line) & (edge[:, 2 * step :] < line)
    start = width * torch.arange(height)[:, None]
    pairs = (start + left)[seen].numpy(), (start + right)[seen].numpy()
    graph = scipy.sparse.coo_matrix((np.ones(len(pairs[0]), dtype=np.int8), pairs), shape=(depth.numel(),) * 2)
    number, component = scipy.sparse.csgraph.connected_components(graph, directed=False)
    generator = runtime.ensure_generator(generator)
    colours = (torch.rand(number, generator=generator, device=generator.device) < 0.5).to(depth)
    return colours[torch.from_numpy(component).long().to(depth.device)].view(1, 1, height, width)


def disparity(picture: Tensor) -> Tensor:
    """What two eyes compute from a stereogram ``(N, 1, H, W)``: the relief, of the same shape, in [0, 1].

    Around each pixel, the distance of repetition is the one at which the picture agrees best with itself, in a window
    of 9 x 9. Half a period at the left and right edge is left at 0.
    """
    _check(picture)
    nearest = round(2 * PERIOD * (1 - MU) / (2 - MU))
    costs = []
    for apart in range(PERIOD, nearest - 1, -1):  # far planes first: they win where nothing can be told
        differs = (picture[..., apart:] - picture[..., : picture.shape[3] - apart]).abs()
        differs = F.pad(differs, (apart // 2, apart - apart // 2), value=1.0)
        costs.append(F.avg_pool2d(differs, WINDOW, 1, WINDOW // 2, count_include_pad=False))
    apart = PERIOD - torch.stack(costs).argmin(0).to(picture)
    relief = ((2 * PERIOD - 2 * apart) / (MU * (2 * PERIOD - apart))).clamp(0, 1)
    side = PERIOD // 2 + WINDOW // 2
    return F.pad(relief[..., side:-side], (side, side))


def _check(picture: Tensor) -> None:
    if check_images(picture).shape[1] != 1:
        raise ValueError(f"the picture has shape {tuple(picture.shape)}: want one channel")
    if picture.shape[-1] < 2 * PERIOD:
        raise ValueError(f"{picture.shape[-1]} pixels wide: want at least two periods of picture, {2 * PERIOD}")


@runtime.float32()
def ink_blots(number: int, *, size: int = 112, generator: torch.Generator | None = None) -> Tensor:
    """Blots as of ink in a folded sheet, smooth noise, mirrored, dark where it is high: ``(number, 1, size, size)``.

    They are dark on white, on the generator's device; ``1 - blots`` is chalk on a board, as digits are.
    """
    if check_count("size", size) < 16:
        raise ValueError(f"size={size}: want at least 16 pixels")
    generator = runtime.ensure_generator(generator)
    shape, device = (check_count("number", number), 4, size, size), generator.device
    noise = torch.fft.rfft2(torch.randn(shape, generator=generator, device=device))
    down = size * torch.fft.fftfreq(size, device=device)[:, None]
    right = size * torch.fft.rfftfreq(size, device=device)
    frequency = (down**2 + right**2).sqrt()  # in waves a picture
    widths = torch.tensor([2.0, 5.0, 12.0, 4.0], device=device)
    smooth = torch.fft.irfft2(noise * torch.exp(-((frequency / widths[:, None, None]) ** 2)), s=(size, size))
    smooth = smooth + smooth.flip(3)
    smooth = smooth / smooth.std(dim=(2, 3), keepdim=True)
    line = torch.linspace(-1, 1, size, device=device)
    height = (smooth[:, :3] * torch.tensor([1.0, 0.6, 0.3], device=device)[:, None, None]).sum(1, keepdim=True)
    height = height - 3 * (line[:, None] ** 4 + line**4) ** 0.5  # the sheet's border stays white
    height = height - height.flatten(2).quantile(1 - INK, dim=2)[..., None, None]
    cover = torch.sigmoid(size / 14 * height)
    wash = 0.55 + 0.42 * torch.sigmoid(1.5 * smooth[:, 3:] + 1.5 * height - 0.5)
    return 1 - cover * wash


def tiling(*, height: int = 200, width: int = 400, rows: int = 6, fade: bool = True) -> Tensor:
    """Dark birds fly left and light birds fly right, and each kind is the ground of the other.

    In the spirit of Escher's woodcut "Day and Night" of 1938, with a bird of our own. One kind is the mirror image of
    the other, moved up by half a row; their areas are equal.

    Args:
        rows: of birds of one kind. A bird spans ``height / rows`` pixels, at least 8, and is 8/5 of that long.
        fade: fields below turn into birds, by day at the left and by night at the right. False is the plain tiling.

    >>> tiling(height=50, width=80, rows=1).shape
    torch.Size([1, 1, 50, 80])
    """
    if check_count("height", height) < 8 * check_count("rows", rows):
        raise ValueError(f"height={height}, rows={rows}: a bird wants at least 8 pixels")
    check_count("width", width)
    tall, wide = OVERSAMPLING * height, OVERSAMPLING * width
    b = tall / rows / 2  # half the span of the wings
    a = STRETCH * b
    light = np.zeros((tall, wide), dtype=bool)
    reach = math.ceil(wide / a / 4) + 1
    for row, column, dark in product(range(-1, rows + 1), range(-reach, reach + 1), (0, 1)):
        flip = 1 - 2 * dark  # the light bird flies right, and the dark one at its wing left
        size, centre = (flip * a, b), (wide / 2 + (2 * column + (1 + SWEEP) * dark) * a, (2 * row + dark + 1) * b)
        grown = [_growth((centre[1] + side * b / 2) / tall, fade) for side in (-1, 1)]
        grown_up = min(grown) > 0.95
        forward = flip * (centre[0] / wide - 0.5)
        front = 0.3 + 0.25 * centre[1] / tall if fade and grown_up else 1e9  # beyond it there is open sky
        if dark == (forward > front):
            light[_inside(_outline(*grown), centre, size, light.shape)] = True
        if grown_up and -forward < front >= forward:
            for shape in DETAILS:
                light[_inside(np.array(shape), centre, size, light.shape)] ^= True
    y, x = np.arange(tall)[:, None] / tall, np.arange(wide) / wide
    bird = _growth(y, fade)
    white, black = LIGHT - 0.35 * (1 - bird) * x, DARK + 0.35 * (1 - bird) * (1 - x)
    canvas = torch.from_numpy(np.where(light, white, black)).float()[None, None]
    return F.avg_pool2d(canvas, OVERSAMPLING)


def _growth(y: np.ndarray | float, fade: bool) -> np.ndarray | float:
    """How much of a bird there is at height y, from 0 at the top to 1: 0 is a field."""
    part = np.clip((1 - y) / 0.55, 0, 1) if fade else np.ones_like(y)
    return part * part * (3 - 2 * part)


def _outline(above: float, below: float) -> np.ndarray:
    """The light bird around (0, 0), ``(n, 2)``, with its edges above and below grown so far from straight lines."""
    tip = np.array([SWEEP, 1.0])
    edges = []
    for amount, points in product((above, below), (TAIL_EDGE, BEAK_EDGE)):
        t = np.r_[0, np.hypot(*np.diff(points, axis=0).T).cumsum()]
        curve = scipy.interpolate.PchipInterpolator(t / t[-1], points)(np.linspace(0, 1, 48))
        chord = np.linspace(points[0], points[-1], 48)
        edges.append(chord + amount * (curve - chord))
    mirrored = [tip + (edge - edge[0]) * (-1, 1) for edge in edges[2:]]  # from the wing below to tail and beak
    return np.concatenate([edges[0], edges[1][::-1], mirrored[1][::-1], mirrored[0]])


def _inside(outline: np.ndarray, centre, size, shape) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the pixels of a polygon."""
    columns, rows = (outline * size + centre).T
    return skimage.draw.polygon(rows - 0.5, columns - 0.5, shape)
