r"""Optical flow: how a picture moves, and the way between two pictures along it.

The flow u says where each pixel x of picture a lies in picture b, so that b pulled back along it is a again:

    a(x) = b(x + u(x))

TV-L1 looks for the u that minimises ``sum |grad u| + lambda * sum |a(x) - b(x + u(x))|``: neighbours move alike, and
what moves keeps its grey. Zach, Pock and Bischof 2007, "A duality based approach for realtime TV-L1 optical flow".

The blog that this course follows claims that pictures of a scene form a manifold whose shortest paths follow optical
flow. So halfway between two pictures there should be one in which all things have moved half of their way:

    path_s(x) = (1 - s) a(x - s u(x)) + s b(x + (1 - s) u(x)),    s from 0 to 1

in place of the blend (1 - s) a + s b, in which each thing is there twice. The path is the true one where u is the same
everywhere, and nearly where it changes slowly. It has no remedy for what comes out from behind something else, nor for
light that changes.
"""

from itertools import product

import numpy as np
import skimage
import torch
from torch import Tensor

from course_utils.core.checks import check_count, check_images

WARPS = 20  # linear models of b, one after the other; scikit-image's own 5 lose half of the digits moved by 3 pixels
CUBIC = ((0, -1, 2, -1), (2, 0, -5, 3), (0, 1, 4, -3), (0, 0, -1, 1))  # halves of the powers 0 to 3, for four pixels


def estimate_flow(a: Tensor, b: Tensor) -> Tensor:
    """Where each pixel of a lies in b: ``(N, 2, H, W)`` in pixels, channel 0 to the right, channel 1 downwards.

    Colours are averaged first. scikit-image computes it on the CPU in 40 ms for a pair of 28 x 28 pixels; no gradient
    flows through it. When a digit moves by 3 pixels that is nearly always found, 5 pixels seldom.

    >>> a = torch.linspace(0, 6, 28).sin().square().expand(1, 1, 28, 28)
    >>> estimate_flow(a, a.roll(1, dims=3))[0, :, 14, 14].round().int().tolist()
    [1, 0]
    """
    if check_images(a).shape != check_images(b).shape:
        hint = "each image of a needs its own in b, of the same size and with the same channels"
        raise ValueError(f"a has shape {tuple(a.shape)}, b {tuple(b.shape)}: {hint}")
    grey = (images.detach().mean(1).float().cpu().numpy() for images in (a, b))
    tvl1 = skimage.registration.optical_flow_tvl1
    found = [tvl1(one, other, num_warp=WARPS) for one, other in zip(*grey, strict=True)]
    return torch.from_numpy(np.stack(found)[:, ::-1].copy()).to(a)  # scikit-image names the rows first


def flow_path(a: Tensor, b: Tensor, steps: int) -> Tensor:
    """Images on the way from each a to its b along the flow: ``(steps, N, C, H, W)``, the first are a, the last b.

    >>> a, b = torch.rand(2, 3, 1, 8, 8)
    >>> way = flow_path(a, b, steps=5)
    >>> way.shape, torch.equal(way[0], a), torch.equal(way[4], b)
    (torch.Size([5, 3, 1, 8, 8]), True, True)
    """
    if check_count("steps", steps) < 2:
        raise ValueError(f"steps={steps}: want at least 2, for both ends")
    flow = estimate_flow(a, b)
    places = torch.linspace(0, 1, steps).tolist()
    return torch.stack([(1 - s) * _warp(a, -s * flow) + s * _warp(b, (1 - s) * flow) for s in places])


def _warp(images: Tensor, flow: Tensor) -> Tensor:
    """Pull each pixel from where the flow points: ``out(x) = image(x + flow(x))``.

    Between pixels the picture is made of cubic pieces (Keys 1981), cut off at 0 and 1; beyond the border it goes on as
    at the border. Whole numbers move pixels exactly.
    """
    height, width = images.shape[2:]
    x = torch.arange(width, device=flow.device) + flow[:, 0]
    y = torch.arange(height, device=flow.device)[:, None] + flow[:, 1]
    flat, pulled = images.flatten(2), 0
    for (row, down), (column, right) in product(_around(y, height), _around(x, width)):
        pixel = (row * width + column).flatten(1)[:, None].expand_as(flat)
        pulled = pulled + (down * right)[:, None] * flat.gather(2, pixel).view_as(images)
    return pulled.clamp(0, 1)


def _around(places: Tensor, side: int) -> list[tuple[Tensor, Tensor]]:
    """The four pixels around each place in a line of ``side``, and how much each of them counts there."""
    first = places.floor()
    rest = places - first
    powers = torch.stack([torch.ones_like(rest), rest, rest**2, rest**3], dim=-1) / 2
    weights = (powers @ powers.new_tensor(CUBIC).T).unbind(-1)
    return [((first + k - 1).clamp(0, side - 1).long(), weight) for k, weight in enumerate(weights)]
