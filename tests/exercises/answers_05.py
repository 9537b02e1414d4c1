"""Answers for the exercises of lesson 05: right in other ways, and wrong in ways that no list foresees."""

import io
import math

import numpy as np
import PIL.Image
import torch

from course_utils.exercises.contracts import LEFT_BEHIND

F = torch.nn.functional

# 5.1


def _through_a_file(images):
    """A real PNG, in memory."""
    back = []
    for image in images:
        pixels = (image.permute(1, 2, 0).numpy() * 255 + 0.5).astype(np.uint8)
        file = io.BytesIO()
        PIL.Image.fromarray(pixels.squeeze(2) if len(image) == 1 else pixels).save(file, "png")
        loaded = torch.from_numpy(np.array(PIL.Image.open(file)))
        back.append((loaded[None] if len(image) == 1 else loaded.permute(2, 0, 1)) / 255)
    return torch.stack(back)


def _nearest_of_all(images):
    levels = torch.arange(256) / 255
    return levels[(images.unsqueeze(-1) - levels).abs().argmin(-1)]


def _as_save_image(images):
    """The recipe of torchvision's save_image."""
    return images.clone().mul(255).add_(0.5).clamp_(0, 255).to(torch.uint8) / 255


# 5.2


def _pixel_by_pixel(weights, height, width):
    image = torch.zeros(1, 3, height, width)
    for row in range(height):
        for column in range(width):
            x, y = 2 * column / (width - 1) - 1, 2 * row / (height - 1) - 1
            values = torch.tensor([x, y, math.hypot(x, y), 1.0])
            for weight in weights[:-1]:
                values = torch.sin(weight @ values)
            image[0, :, row, column] = torch.sigmoid(weights[-1] @ values)
    return image


def _by_convolutions(weights, height, width):
    x = torch.linspace(-1, 1, width).expand(height, width)
    y = torch.linspace(-1, 1, height)[:, None].expand(height, width)
    values = torch.stack([x, y, torch.hypot(x, y), torch.ones(height, width)])[None]
    *hidden, last = weights
    for weight in hidden:
        values = F.conv2d(values, weight[:, :, None, None]).sin()
    return F.conv2d(values, last[:, :, None, None]).sigmoid()


def _a_row_a_pixel(weights, height, width):
    points = torch.cartesian_prod(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width)).flip(1)
    values = torch.cat([points, points.norm(dim=1, keepdim=True), torch.ones(len(points), 1)], 1)
    for number, weight in enumerate(weights):
        values = F.linear(values, weight)
        values = values.sigmoid() if number == len(weights) - 1 else values.sin()
    return values.T.reshape(1, 3, height, width)


def _channels_last_and_back(weights, height, width):
    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    inputs = np.stack([columns, rows, np.sqrt(rows**2 + columns**2), np.ones_like(rows)], -1)
    values = torch.from_numpy(inputs).float()
    for weight in weights[:-1]:
        values = (values @ weight.T).sin()
    return (1 / (1 + torch.exp(-(values @ weights[-1].T)))).permute(2, 0, 1).unsqueeze(0)


def _einsum(weights, height, width):
    x, y = torch.meshgrid(torch.linspace(-1, 1, width), torch.linspace(-1, 1, height), indexing="xy")
    values = torch.stack((x, y, (x * x + y * y) ** 0.5, x * 0 + 1), 0)
    for weight in weights[:-1]:
        values = torch.einsum("oi,ihw->ohw", weight, values).sin()
    return torch.einsum("oi,ihw->ohw", weights[-1], values).sigmoid()[None]


# 5.3


def _cell_by_cell(element, cells, per_side):
    grey = torch.full_like(element, 0.5)
    rows = [
        torch.cat([element if r * per_side + c in cells else grey for c in range(per_side)], 2) for r in range(per_side)
    ]
    return torch.cat(rows, 1).unsqueeze(0)


def _masked(element, cells, per_side):
    mask = torch.zeros(per_side**2)
    mask[cells] = 1
    mask = mask.view(per_side, per_side).repeat_interleave(element.shape[1], 0).repeat_interleave(element.shape[2], 1)
    return (element.repeat(1, per_side, per_side) * mask + 0.5 * (1 - mask))[None]


def _folded(element, cells, per_side):
    stack = torch.full((per_side * per_side, element.numel()), 0.5)
    stack[cells] = element.flatten()
    height, width = element.shape[1:]
    size = per_side * height, per_side * width
    return F.fold(stack.T[None], size, (height, width), stride=(height, width))


def _kronecker(element, cells, per_side):
    """Marks of the cells, and the difference to grey in each."""
    marks = torch.tensor([float(i in cells) for i in range(per_side**2)]).view(1, per_side, per_side)
    return 0.5 + torch.kron(marks, element - 0.5).unsqueeze(0)


def _permuted(element, cells, per_side):
    channels, height, width = element.shape
    grid = torch.full((per_side, per_side, channels, height, width), 0.5)
    for cell in cells:
        grid[cell // per_side, cell % per_side] = element
    return grid.permute(2, 0, 3, 1, 4).reshape(1, channels, per_side * height, per_side * width)


def _pixel_loop(element, cells, per_side):
    channels, height, width = element.shape
    canvas = torch.ones(1, channels, per_side * height, per_side * width) / 2
    for row in range(per_side * height):
        for column in range(per_side * width):
            if (row // height) * per_side + column // width in cells:
                canvas[0, :, row, column] = element[:, row % height, column % width]
    return canvas


def _indexed(element, cells, per_side):
    """By a tensor of whole numbers, which torch.tensor makes of any list but an empty one."""
    stack = torch.full((per_side**2, *element.shape), 0.5)
    stack[torch.tensor(cells)] = element
    grid = stack.unflatten(0, (per_side, per_side)).permute(2, 0, 3, 1, 4)
    return grid.flatten(3).flatten(1, 2)[None]


def _in_numpy(element, cells, per_side):
    channels, height, width = element.shape
    canvas = np.full((1, channels, per_side * height, per_side * width), 0.5, dtype=np.float32)
    for cell in cells:
        row, column = cell // per_side * height, cell % per_side * width
        canvas[:, :, row : row + height, column : column + width] = element.numpy()
    return torch.from_numpy(canvas)


# 5.4


def _permutes(images, parts, order):
    n, c, h, w = images.shape
    patches = images.reshape(n, c, parts, h // parts, parts, w // parts).permute(0, 2, 4, 1, 3, 5)
    patches = patches.flatten(1, 2)[:, order]
    patches = patches.view(n, parts, parts, c, h // parts, w // parts)
    return patches.permute(0, 3, 1, 4, 2, 5).reshape(n, c, h, w)


def _chunks(images, parts, order):
    patches = [patch for row in images.chunk(parts, 2) for patch in row.chunk(parts, 3)]
    moved = [patches[k] for k in order]
    rows = [torch.cat(moved[r * parts : (r + 1) * parts], 3) for r in range(parts)]
    return torch.cat(rows, 2)


def _unfolded(images, parts, order):
    size = images.shape[2] // parts, images.shape[3] // parts
    return F.fold(F.unfold(images, size, stride=size)[:, :, order], images.shape[2:], size, stride=size)


def _gathered(images, parts, order):
    """Where each pixel comes from, as one index."""
    height, width = images.shape[2:]
    where = torch.arange(height * width).view(1, 1, height, width)
    return images.flatten(2)[:, :, _chunks(where, parts, order).flatten()].view(images.shape)


def _inverse_of_the_inverse(images, parts, order):
    """Each patch is sent to its place: place i has patch order[i]."""
    result = images.clone()
    h, w = images.shape[-2] // parts, images.shape[-1] // parts
    for patch in range(parts * parts):
        place = order.index(patch)
        r, c = place // parts * h, place % parts * w
        s, t = patch // parts * h, patch % parts * w
        result[:, :, r : r + h, c : c + w] = images[:, :, s : s + h, t : t + w]
    return result


def _with_unfold(images, parts, order):
    h, w = images.size(2) // parts, images.size(3) // parts
    tiles = images.unfold(2, h, h).unfold(3, w, w).contiguous().view(*images.shape[:2], parts * parts, h, w)
    tiles = tiles[:, :, torch.tensor(order)].unflatten(2, (parts, parts))
    return tiles.transpose(3, 4).flatten(2, 3).flatten(3, 4)


def _image_by_image(images, parts, order):
    return torch.stack([_chunks(image[None], parts, order)[0] for image in images])


def _by_index(images, parts, order):
    h, w = images.shape[2] // parts, images.shape[3] // parts
    row, column = torch.arange(images.shape[2])[:, None], torch.arange(images.shape[3])
    source = torch.tensor(order)[row // h * parts + column // w]
    return images[..., source // parts * h + row % h, source % parts * w + column % w]


# 5.5


def _counted_one_by_one(truth, before, source, other):
    all_images = carried = 0
    for t, b, s, o in zip(truth.tolist(), before.tolist(), source.tolist(), other.tolist(), strict=True):
        if s != t and b == t:
            all_images += 1
            carried += o != t
    return carried / all_images if all_images else math.nan


RIGHT = {
    "5.1": _through_a_file,
    "5.2": _pixel_by_pixel,
    "5.3": _cell_by_cell,
    "5.4": _permutes,
    "5.5": _counted_one_by_one,
}

ALSO_RIGHT = [
    ("5.1", lambda images: torch.bucketize(images.contiguous(), (torch.arange(255) + 0.5) / 255).float() / 255),
    ("5.5", lambda t, b, s, o: torch.where((s != t) & (b == t), (o != t).double(), math.nan).nanmean().item()),
    ("5.1", _nearest_of_all),
    ("5.1", _as_save_image),
    ("5.1", lambda images: (images * 255).round() / 255),
    ("5.1", lambda images: torch.floor(images * 255 + 0.5) / 255),
    ("5.1", lambda images: images.mul(255).round().byte().div(255)),
    ("5.1", lambda images: (images.clamp(0, 1) * 255).round().clamp(0, 255).to(torch.uint8).to(torch.float32) / 255.0),
    ("5.1", lambda images: torch.from_numpy(np.rint(images.numpy() * 255).astype("uint8").astype("float32") / 255)),
    ("5.1", lambda images: torch.stack([(image * 255).round().int() / 255 for image in images])),
    ("5.1", lambda images: ((images.double() * 255).round() / 255).float()),
    ("5.1", lambda images: images - (images * 255 - (images * 255).round()) / 255),
    ("5.2", _by_convolutions),
    ("5.2", _a_row_a_pixel),
    ("5.2", _channels_last_and_back),
    ("5.2", _einsum),
    (
        "5.2",
        lambda weights, height, width: _by_convolutions([w.double().float() for w in tuple(weights)], height, width),
    ),
    ("5.3", _masked),
    ("5.3", _folded),
    ("5.3", _kronecker),
    ("5.3", _permuted),
    ("5.3", _pixel_loop),
    ("5.3", _in_numpy),
    ("5.3", lambda element, cells, per_side: _permuted(element.clone(), sorted(cells, reverse=True), per_side)),
    ("5.4", _chunks),
    ("5.4", _unfolded),
    ("5.4", _gathered),
    ("5.4", _inverse_of_the_inverse),
    ("5.4", _with_unfold),
    ("5.4", _image_by_image),
    ("5.4", _by_index),
    ("5.4", lambda images, parts, order: torch.from_numpy(_chunks(images, parts, order).numpy().copy())),
    ("5.5", lambda t, b, s, o: ((o != t) & (s != t) & (b == t)).sum() / ((s != t) & (b == t)).sum()),
    ("5.5", lambda t, b, s, o: (o != b)[(s != b) & (b == t)].double().mean()),
    ("5.5", lambda t, b, s, o: 1 - (o == t)[torch.logical_and(s != t, t == b)].float().mean().item()),
    ("5.5", lambda t, b, s, o: (o != t)[b == t][(s != t)[b == t]].float().mean()),
    ("5.5", lambda t, b, s, o: torch.masked_select(o.ne(t), s.ne(t) * b.eq(t)).float().mean().numpy()),
    ("5.5", lambda t, b, s, o: torch.where((s != t) & (b == t), (o != t).float(), torch.nan).nanmean()),
    ("5.5", lambda t, b, s, o: np.float64(_counted_one_by_one(t, b, s, o))),
    ("5.3", _indexed),
]


# Wrong in ways that no list foresees.


def _dithered(images):
    return (images * 255 + torch.rand_like(images)).floor() / 255


def _a_bend_at_the_edge(weights, height, width):
    image = _by_convolutions(weights, height, width)
    return torch.cat([image[..., :1], image[..., :-1]], 3)


def _with_a_frame(element, cells, per_side):
    element = element.clone()
    element[:, 0] = 0.5
    return _cell_by_cell(element, cells, per_side)


def _turned_patches(images, parts, order):
    return _chunks(images.transpose(2, 3), parts, order).transpose(2, 3)


UNFORESEEN = {
    "5.1": (_dithered, "the pixels ("),
    "5.2": (_a_bend_at_the_edge, "the pixels (one matrix, red from x, green from y"),
    "5.3": (_with_a_frame, "per_side = 3): got something else, expected the element"),
    "5.4": (lambda images, parts, order: _chunks(images.roll(1, 3), parts, order), "got no patch of the images"),
    "5.5": (lambda t, b, s, o: 0.6, "the share (200 images of 10 classes): got 0.6, expected"),
}

ONE_NUMBER = "Python's own round() and int() take one number"
FLOAT32 = "their type is torch.float64, and the networks of this course take float32 only"
NO_GRADIENT = "no gradient leads from them to what they were computed from"
FOUR_INPUTS = "The first one takes four of them, x, y, radius and 1"
NOT_AS_LARGE = "is not as large as the element"


def _numpy_painter(weights, height, width):
    values = np.stack(np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height)))
    values = np.concatenate([values, np.hypot(*values)[None], np.ones((1, height, width))]).reshape(4, -1)
    for weight in weights[:-1]:
        values = np.sin(weight.numpy() @ values)
    return torch.from_numpy(1 / (1 + np.exp(-weights[-1].numpy() @ values))).float().view(1, 3, height, width)


def _without_radius(weights, height, width):
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    values = torch.stack([x, y, torch.ones_like(x)]).flatten(1)
    for weight in weights[:-1]:
        values = (weight @ values).sin()
    return (weights[-1] @ values).sigmoid().view(1, 3, height, width)


def _in_float64(weights, height, width):
    return _by_convolutions(weights, height, width).double()


def _float64_grid(weights, height, width):
    grid = torch.from_numpy(np.random.default_rng(0).random((4, height * width)))
    return (weights[0] @ grid).view(1, 3, height, width)


def _steps_of_one(element, cells, per_side):
    channels, height, width = element.shape
    canvas = torch.full((1, channels, per_side * height, per_side * width), 0.5)
    for cell in cells:
        row, column = divmod(cell, per_side)
        canvas[0, :, row : (row + 1) * height, column : (column + 1) * width] = element
    return canvas


def _counts_from_1(element, cells, per_side):
    channels, height, width = element.shape
    canvas = torch.full((1, channels, per_side * height, per_side * width), 0.5)
    for cell in cells:
        row, column = divmod(cell - 1, per_side)
        top, left = row * height, column * width
        canvas[0, :, top : top + height, left : left + width] = element
    return canvas


def _canvas_in_the_loop(element, cells, per_side):
    for cell in cells:
        canvas = _masked(element, [cell], per_side)
    return canvas


def _cells_as_rows(element, cells, per_side):
    grid = torch.full((per_side, *element.shape), 0.5)
    grid[cells] = element
    return grid


def _into_the_images(images, parts, order):
    h, w = images.shape[2] // parts, images.shape[3] // parts
    given = images.clone()
    for i, k in enumerate(order):
        (r, c), (s, t) = divmod(i, parts), divmod(k, parts)
        images[..., r * h : (r + 1) * h, c * w : (c + 1) * w] = given[..., s * h : (s + 1) * h, t * w : (t + 1) * w]
    return images


def _sorts_the_order(images, parts, order):
    shuffled = _chunks(images, parts, order)
    order.sort()
    return shuffled


def _height_for_both(images, parts, order):
    shuffled, h = images.clone(), images.shape[2] // parts
    for i, k in enumerate(order):
        (r, c), (s, t) = divmod(i, parts), divmod(k, parts)
        shuffled[..., r * h : r * h + h, c * h : c * h + h] = images[..., s * h : s * h + h, t * h : t * h + h]
    return shuffled


def _forgets_reshape(images, parts, order):
    n, c, h, w = images.shape
    patches = images.view(n, c, parts, h // parts, parts, w // parts).permute(0, 2, 4, 1, 3, 5).flatten(1, 2)[:, order]
    return patches.unflatten(1, (parts, parts)).permute(0, 3, 1, 4, 2, 5).view(n, c, h, w)


ALSO_UNFORESEEN = [
    ("5.1", lambda images: round(images * 255) / 255, ONE_NUMBER),
    ("5.1", lambda images: int(images * 255 + 0.5) / 255, ONE_NUMBER),
    ("5.1", lambda images: (images * 255).to(torch.uint8) / 255, "this cuts off what follows the point"),
    ("5.1", lambda images: (images * 255).byte().round().float() / 255, "this cuts off what follows the point"),
    ("5.1", lambda images: torch.trunc(images * 255) / 255, "this cuts off what follows the point"),
    ("5.1", lambda images: (images * 256).to(torch.uint8).float() / 255, "white is level 255"),
    ("5.1", lambda images: (images * 256).floor().clamp(0, 255) / 255, "white is level 255"),
    ("5.1", lambda images: (images * 255).round().to(torch.uint8), "these are levels from 0 to 255"),
    ("5.1", lambda images: (images * 255).round().to(torch.uint8) // 255, "only black and white are left"),
    ("5.1", lambda images: (images * 127).round() / 254, "the pixels, in levels"),
    ("5.1", lambda images: (images * 128).round() / 128, "8 bits have 256 levels"),
    ("5.1", lambda images: (images / 255).round().to(torch.uint8) * 255.0, "all is black"),
    ("5.1", lambda images: images.to(torch.uint8).float() / 255, "nearly all is black"),
    ("5.1", lambda images: torch.round(images, decimals=1), "the levels of a PNG are 1/255 apart"),
    ("5.1", lambda images: torch.fake_quantize_per_tensor_affine(images, 1 / 255, 128, 0, 255), "the values are not"),
    ("5.1", lambda images: (images.double() * 255).round() / 255, FLOAT32),
    ("5.1", lambda images: (images * 255).round().half() / 255, "their type is torch.float16"),
    (
        "5.1",
        lambda images: 0.9995 * (images * 255).round() / 255,
        "the pixels, in levels (one row, [0, 0.001, 0.003, 0.25, 0.6, 0.998, 0.999, 1]): got off by 0.13, expected",
    ),
    ("5.1", lambda images: ((images * 255).round() / 255).requires_grad_(), LEFT_BEHIND["graph"]),
    ("5.1", lambda images: images.mul_(255).round_().div_(255), LEFT_BEHIND["in place"]),
    ("5.1", lambda images: np.rint(images.numpy() * 255) / 255, "got an ndarray, expected a tensor"),
    ("5.2", _numpy_painter, NO_GRADIENT),
    ("5.2", torch.no_grad()(_einsum), NO_GRADIENT),
    ("5.2", lambda weights, *size: _einsum([w.data for w in weights], *size), NO_GRADIENT),
    ("5.2", lambda weights, *size: _einsum(weights, *size).numpy(), "got an ndarray, expected a tensor"),
    ("5.2", _without_radius, FOUR_INPUTS),
    ("5.2", _float64_grid, "numpy's grids are float64"),
    ("5.2", _in_float64, FLOAT32),
    ("5.2", lambda weights, *size: _einsum([w.T for w in weights], *size), "your code raised an error in line"),
    ("5.2", lambda weights, height, width: torch.rand(1, 3, height, width), "the values are not"),
    ("5.2", lambda weights, height, width: _einsum(weights, 9, 13), "expected a tensor of shape (1, 3, 5, 4)"),
    ("5.3", _steps_of_one, NOT_AS_LARGE),
    ("5.3", _counts_from_1, NOT_AS_LARGE),
    ("5.3", _canvas_in_the_loop, "Make it before the loop"),
    ("5.3", lambda element, cells, per_side: _masked(element * 0 + 0.25, cells, per_side), "got 0.25 all over"),
    ("5.3", _cells_as_rows, "cells are numbered from 0"),
    ("5.3", lambda *given: _masked(*given).double(), FLOAT32),
    ("5.3", lambda *given: _masked(*given)[0], "the canvas is a batch of one image"),
    (
        "5.3",
        lambda element, cells, per_side: _masked(element, [c // 2 for c in cells], per_side),
        "cell 0 (a colour element of 6 x 8, cells [1, 2, 6], per_side = 3): got the element, expected grey",
    ),
    ("5.4", _sorts_the_order, LEFT_BEHIND["list in place"]),
    (
        "5.4",
        lambda images, parts, order: images if parts == 1 else _chunks(images, parts, order),
        "hands back what it was",
    ),
    ("5.4", _height_for_both, "a patch is H // parts high and W // parts wide"),
    (
        "5.4",
        lambda images, parts, order: F.fold(F.unfold(images, 6, stride=6)[:, order], (18, 24), 6, stride=6),
        "the patches are its *last* dimension",
    ),
    ("5.4", _into_the_images, LEFT_BEHIND["in place"]),
    ("5.4", _forgets_reshape, "after a permute the numbers do not stand in a row any more"),
    ("5.4", _turned_patches, "the patches are numbered column by column here"),
    ("5.4", lambda images, parts, order: images[:, order], "`order` numbers patches: to index with it"),
    ("5.4", lambda images, parts, order: images[order], "`order` numbers patches: to index with it"),
    ("5.4", lambda images, parts, order: _chunks(images, parts, order.argsort()), "`order` is a list of whole numbers"),
    ("5.4", lambda images, parts, order: _chunks(images, parts, order).double(), FLOAT32),
    (
        "5.4",
        lambda images, parts, order: images.view(len(images), parts, parts, -1).flatten(1, 2)[:, order],
        "expected a tensor of shape (2, 3, 18, 24)",
    ),
    (
        "5.4",
        lambda images, parts, order: images.view(*images.shape[:2], parts, parts, 7, 7),
        "a batch cut into patches is (N, C, parts, H // parts, parts, W // parts)",
    ),
    (
        "5.4",
        lambda images, parts, order: _chunks(images, parts, [*order[1:], order[0]]),
        "place 0 (2 colour images of 18 x 24, parts = 3, order [4, 0, 7, 1, 8, 3, 2, 6, 5]): got patch 0, expected "
        "patch 4",
    ),
    (
        "5.4",
        lambda images, parts, order: torch.cat(
            [
                _chunks(image[None], parts, order[k:] + order[:k])
                for image, k in zip(images, (0, 2, 1, 4, 3), strict=False)
            ]
        ),
        "got patch 4, 7 (image by image), expected patch 4",
    ),
    ("5.5", lambda t, b, s, o: (o != t)[s != t and b == t].float().mean(), "& and ~ go image by image"),
    ("5.5", lambda t, b, s, o: (o != t)[s != t & b == t].float().mean(), "& binds tighter than =="),
    ("5.5", lambda t, b, s, o: (o != t)[(s != t) & (b == t)].mean(), "a mean of True and False"),
    (
        "5.5",
        lambda t, b, s, o: sum((o != t)[(s != t) & (b == t)].tolist()) / ((s != t) & (b == t)).sum().item(),
        'and 0 / 0 stops Python: the share is then float("nan"), which the mean of an empty tensor is by itself',
    ),
    ("5.5", lambda t, b, s, o: (o[s != t] != t).float().mean(), "one side has only the images that count"),
    ("5.5", lambda t, b, s, o: (o != t)[(s != t) & b].float().mean(), "labels are no True and False"),
    ("5.5", lambda t, b, s, o: sum((o != t)[(s != t) & (b == t)]).item() / len(t), "divided by too many"),
    (
        "5.5",
        lambda t, b, s, o: sum((o != t)[(s != t) & (b == t)]).item() / sum((s != t) & (b == t)),
        "Python's own sum",
    ),
    ("5.5", lambda t, b, s, o: sum((o != t)[s != t].tolist()) / (s != t).sum().item(), "had wrong *before* the attack"),
    ("5.5", lambda t, b, s, o: _counted_one_by_one(t, s, b, o), "`before` and `source` are exchanged"),
    ("5.5", lambda t, b, s, o: _counted_one_by_one(t, b, o, s), "`source` and `other` are exchanged"),
    ("5.5", lambda t, b, s, o: f"{_counted_one_by_one(t, b, s, o):.2f}", "this returns a text"),
    ("5.5", lambda t, b, s, o: round(_counted_one_by_one(t, b, s, o) * 10) / 10, "(150 images of 3 classes): got"),
    ("5.5", lambda t, b, s, o: {"share": 0.6}, "got a dict, expected one number"),
    ("5.5", lambda t, b, s, o: (o != b).sum() / (s != t).sum(), "the share (8 images, of which 5 count and 3 carry"),
]
