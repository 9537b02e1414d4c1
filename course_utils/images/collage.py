"""Scissors and glue: shuffle the patches of a picture, paste a thing into another, repeat it.

To ask a classifier what it looks at, change one relation and keep the rest. `shuffle` keeps every patch of an image and
loses where they were; `mirror` cuts along the same seams, but keeps each patch in its place. The bag-of-features
networks of Brendel and Bethge 2019 (arXiv 1904.00760) are blind to the order of patches by design. `repeat` sets the
same thing into more or fewer cells of a grid, as Nguyen, Yosinski and Clune 2014 (arXiv 1412.1897) removed repeated
elements from their fooling images.

A thing to paste is an *element*: ``(1, C + 1, h, w)`` in [0, 1], the colours of an image and then alpha, 1 where the
thing is and 0 where the background shows through; `cutouts.cutout` has some. With N in the place of 1 it is another for
each image. Where alpha lies between 0 and 1 the two mix:

    pixel = alpha * colour + (1 - alpha) * background
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from course_utils import runtime
from course_utils.core.checks import check_count, check_images


def shuffle(images: Tensor, parts: int, *, generator: torch.Generator | None = None) -> Tensor:
    """The images with their ``parts`` x ``parts`` patches in another order, for each image its own.

    All orders but the true one are equally likely. Rows and columns that are left over, at the bottom and at the right,
    stay where they are.

    >>> shuffle(torch.rand(2, 1, 28, 28), 4).shape
    torch.Size([2, 1, 28, 28])
    """
    patches, number = _cut(images, parts), len(images)
    generator = runtime.ensure_generator(generator)
    order = places(number, parts, generator=generator).flatten(1)
    while parts > 1 and len(same := (order == torch.arange(parts**2, device=order.device)).all(1).nonzero()[:, 0]):
        order[same] = places(len(same), parts, generator=generator).flatten(1)
    moved = patches.flatten(1, 2)[torch.arange(number)[:, None], order.to(images.device)]
    return _join(moved.view_as(patches), images)


def mirror(images: Tensor, parts: int) -> Tensor:
    """The images with every other patch, as on a chessboard, mirrored left to right in its place.

    >>> mirror(torch.tensor([[[[0.1, 0.2, 0.3, 0.4]] * 2]]), 2)[0, 0]
    tensor([[0.1000, 0.2000, 0.4000, 0.3000],
            [0.2000, 0.1000, 0.3000, 0.4000]])
    """
    patches = _cut(images, parts)
    number = torch.arange(parts, device=images.device)
    black = ((number[:, None] + number) % 2 == 1)[..., None, None, None]
    return _join(torch.where(black, patches.flip(-1), patches), images)


def paste(backgrounds: Tensor, element: Tensor, corners: Tensor | Sequence[int], side: int) -> Tensor:
    """The backgrounds with an element in front of them, its longer side ``side`` pixels. Gradients flow to both.

    Args:
        element: ``(1, C + 1, h, w)`` or ``(N, C + 1, h, w)`` in [0, 1], the last channel alpha; it must not stick out.
        corners: row and column of its upper left pixel, whole numbers: two for all images, or ``(N, 2)``.

    >>> dot = torch.ones(1, 2, 8, 8)
    >>> paste(torch.zeros(1, 1, 28, 28), dot, (10, 20), side=4).sum()
    tensor(16.)
    """
    _check_element(backgrounds, element, len(backgrounds))
    number, _, height, width = backgrounds.shape
    layer = _resize(element, check_count("side", side) / max(element.shape[2:]))
    corners = torch.as_tensor(corners)
    if corners.shape not in {(2,), (number, 2)} or corners.is_floating_point():
        raise ValueError(f"corners={corners.tolist()}: want row and column, whole numbers, or one such pair an image")
    room = height - layer.shape[2], width - layer.shape[3]
    if (corners < 0).any() or (corners > torch.tensor(room, device=corners.device)).any():
        raise ValueError(
            f"an element of {layer.shape[2]} x {layer.shape[3]} pixels at {corners.tolist()} sticks out of images of "
            f"{height} x {width}: rows run from 0 to {room[0]}, columns from 0 to {room[1]}"
        )
    pairs = zip(layer.expand(number, -1, -1, -1), corners.expand(number, 2).tolist(), strict=True)
    placed = [F.pad(one, (x, room[1] - x, y, room[0] - y)) for one, (y, x) in pairs]
    return _lay(backgrounds, torch.stack(placed))


def places(number: int, grid: int, *, generator: torch.Generator | None = None) -> Tensor:
    """The cells of a grid, numbered at random from 0: int64 ``(number, grid, grid)``, each row with its own order.

    ``places(1, 3) < 4`` are four cells of nine. ``places(1, 3) < 3`` are the same less one: a copy removed.

    >>> (places(2, 3) < 4).sum((1, 2)).tolist()
    [4, 4]
    """
    number, grid = check_count("number", number), check_count("grid", grid)
    generator = runtime.ensure_generator(generator)
    draws = torch.rand(number, grid**2, generator=generator, device=generator.device)
    return draws.argsort(1).view(number, grid, grid)


def repeat(backgrounds: Tensor, element: Tensor, cells: Tensor) -> Tensor:
    """The backgrounds with a copy of an element in every cell that is True, as large as a cell. Gradients flow to both.

    Cells are bool ``(N, grid, grid)``, of ``H // grid`` x ``W // grid`` pixels; what is left over at the bottom and at
    the right stays background. With a single background, N is the number of sets of cells.

    >>> dot = torch.ones(1, 2, 8, 8)
    >>> fewer_and_fewer = places(1, 2) < torch.tensor([4, 3, 2, 1, 0]).view(-1, 1, 1)
    >>> repeat(torch.zeros(1, 1, 28, 28), dot, fewer_and_fewer).mean((1, 2, 3))
    tensor([1.0000, 0.7500, 0.5000, 0.2500, 0.0000])
    """
    from torchvision.transforms.v2.functional import center_crop

    given = isinstance(cells, Tensor)
    if not given or cells.dtype != torch.bool or cells.ndim != 3 or cells.shape[1] != cells.shape[2]:
        found = f"{cells.dtype} {tuple(cells.shape)}" if given else type(cells).__name__
        raise ValueError(f"cells are {found}: want bool (N, grid, grid), such as places(N, grid) < k for k copies")
    _check_element(backgrounds, element, len(cells))
    number, (height, width) = len(backgrounds), backgrounds.shape[2:]
    if number not in {1, len(cells)} or not 1 <= cells.shape[1] <= min(height, width):
        raise ValueError(f"{number} backgrounds of {height} x {width} pixels do not go with cells {tuple(cells.shape)}")
    grid = cells.shape[1]
    high, wide = height // grid, width // grid
    layer = _resize(element, min(high / element.shape[2], wide / element.shape[3]))
    layer = center_crop(layer, [high, wide]).repeat(1, 1, grid, grid)
    there = cells[:, None].to(layer).repeat_interleave(high, 2).repeat_interleave(wide, 3)
    return _lay(backgrounds, F.pad(there * layer, (0, width - grid * wide, 0, height - grid * high)))


def _cut(images: Tensor, parts: int) -> Tensor:
    """The patches of images: ``(N, C, H, W)`` -> ``(N, parts, parts, C, h, w)``."""
    height, width = check_images(images).shape[2:]
    if check_count("parts", parts) > min(height, width):
        raise ValueError(f"parts={parts}: images of {height} x {width} pixels have at most {min(height, width)} a side")
    inner = images[:, :, : height // parts * parts, : width // parts * parts]
    return inner.unflatten(3, (parts, -1)).unflatten(2, (parts, -1)).permute(0, 2, 4, 1, 3, 5)


def _join(patches: Tensor, images: Tensor) -> Tensor:
    """Patches put together again, with what was left over of the images at the bottom and at the right."""
    inner = patches.permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)
    height, width = inner.shape[2:]
    return torch.cat([torch.cat([inner, images[:, :, :height, width:]], 3), images[:, :, height:]], 2)


def _check_element(backgrounds: Tensor, element: Tensor, number: int) -> None:
    channels = check_images(backgrounds).shape[1] + 1
    if not isinstance(element, Tensor) or element.ndim != 4 or element.shape[1] != channels:
        found = tuple(element.shape) if isinstance(element, Tensor) else type(element).__name__
        raise ValueError(
            f"the element is {found}: on images with {channels - 1} channels want (1, {channels}, h, w), the last one "
            "alpha; torch.cat([image, torch.ones_like(image[:, :1])], 1) makes an image an element"
        )
    if len(check_images(element)) not in {1, number}:
        raise ValueError(f"{len(element)} elements for {number} images: want 1 for all, or one an image")


def _resize(element: Tensor, scale: float) -> Tensor:
    """The element at another size, its colours times alpha, so that what it was cut from does not seep in."""
    size = [max(1, round(scale * length)) for length in element.shape[2:]]
    layer = torch.cat([element[:, :-1] * element[:, -1:], element[:, -1:]], 1)
    return F.interpolate(layer, size, mode="bilinear", antialias=True, align_corners=False).clamp(0, 1)


def _lay(backgrounds: Tensor, layers: Tensor) -> Tensor:
    layers = layers.to(backgrounds)
    return (layers[:, :-1] + (1 - layers[:, -1:]) * backgrounds).clamp(0, 1)
