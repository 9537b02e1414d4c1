"""Lesson 10: how much two boxes share, a patch, a gradient that expects change, and two searches by questions alone."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

from course_utils import figures
from course_utils.exercises.differences import describe_difference, named
from course_utils.exercises.engine import Exercise, Mistake, NotYet
from course_utils.exercises.probes import (
    EVENLY,
    SIDE,
    advised,
    as_number,
    evenly_spread,
    in_stages,
    looks,
    pixel_slope,
    small_network,
    up_to_the_first_difference,
    want_like,
    want_new,
    want_two,
    want_type,
    watch,
)


def _seeded(seed):
    return torch.Generator().manual_seed(seed)


# 10.1


def overlap(boxes, box):
    sides = torch.minimum(boxes[:, 2:], box[2:]) - torch.maximum(boxes[:, :2], box[:2])
    shared = sides.clamp(min=0).prod(1)
    areas, area = (boxes[:, 2:] - boxes[:, :2]).prod(1), (box[2:] - box[:2]).prod()
    return shared / (areas + area - shared)


PAIRS = {
    "which share 2 x 1": ((0, 0, 4, 2), (2, 1, 6, 3)),
    "one inside the other": ((1, 1, 3, 2), (0, 0, 5, 4)),
    "which are equal": ((2, 3, 7, 5), (2, 3, 7, 5)),
    "one beside the other": ((0, 0, 2, 2), (5, 0, 7, 3)),
    "one below the other": ((0, 0, 2, 2), (0, 5, 2, 8)),
    "apart in both directions": ((0, 0, 2, 2), (5, 4, 8, 6)),
    "which touch": ((0, 0, 2, 2), (2, 0, 4, 2)),
    "with negative corners": ((-6, -4, -1, -2), (-3, -5, 2, -3)),
}
COLUMN = (
    "boxes has a box a *row*, (N, 4): boxes[:, 0] are all left edges, boxes[:, 2] all right ones; box is one box, (4,)"
)
EACH_BOX = (
    "Python's own max, min and `if` take one truth value, and here are N: torch.maximum, torch.minimum and clamp work "
    "box by box"
)


@cache
def _boxes():
    """Boxes and the box to compare them with, by name."""
    cases = {
        f"the boxes {a} and {b}, {how}": ((torch.tensor([a]).float(), torch.tensor(b).float()),)
        for how, (a, b) in PAIRS.items()
    }
    return cases | {
        "4 boxes, in fractions of the image": ((_some_boxes(4, 1, seed=0), _some_boxes(1, 1, seed=1)[0]),),
        "60 boxes of a photograph": ((_some_boxes(60, 200, seed=2), torch.tensor([40.0, 60.0, 170.0, 150.0])),),
    }


def _some_boxes(number, size, seed):
    corners = torch.rand(number, 2, 2, generator=_seeded(seed)).sort(1).values
    return size * (corners + torch.tensor([[0.0, 0.0], [0.05, 0.1]])).flatten(1)


def _probe_overlap(attempt):
    advice = dict.fromkeys(("ambiguous", "Boolean value"), EACH_BOX)
    advice |= dict.fromkeys(("out of bounds", "must match the size", "too many indices", "out of range"), COLUMN)
    return looks(advised(attempt, advice), "the overlap", _boxes())


def _draw_overlap(seen, expected):
    """The first pair that is judged wrongly."""
    name = next(key for key, right in expected.items() if describe_difference(seen.get(key), right))
    (boxes, box) = next(inputs for what, (inputs,) in _boxes().items() if f"({what})" in name)
    if len(boxes) > 1:
        return None
    found, right = seen[name].item(), expected[name].item()
    canvas, axis = figures.figure(3.6, 2.6)
    for (left, top, width, height), color in zip(_drawn(boxes[0], box), (figures.CLEAN, figures.NOISE), strict=True):
        axis.bar(left, height, width, top, align="edge", color=color, alpha=0.5, edgecolor=color)
    axis.set(aspect="equal", title=f"overlap {right:.3g}; yours {found:.3g}")
    axis.invert_yaxis()
    return figures.picture(canvas, f"Two boxes whose overlap is {right:.3g}; yours says {found:.3g}.")


def _drawn(*boxes):
    return [(left, top, right - left, bottom - top) for left, top, right, bottom in (box.tolist() for box in boxes)]


def _sharing(
    sides=lambda boxes, box: torch.minimum(boxes[:, 2:], box[2:]) - torch.maximum(boxes[:, :2], box[:2]),
    area=lambda boxes: (boxes[:, 2:] - boxes[:, :2]).prod(1),
    shared=lambda sides: sides.clamp(min=0).prod(1),
    ratio=lambda shared, areas, area: shared / (areas + area - shared),
):
    """The overlap with one part exchanged: the source of the classic mistakes."""

    def share(boxes, box):
        return ratio(shared(sides(boxes, box)), area(boxes), area(box[None]))

    return share


def _read(corners):
    """The overlap of boxes whose four numbers are read in another way."""
    return lambda boxes, box: overlap(corners(boxes), corners(box[None])[0])


def _of_the_enclosing(boxes, box):
    around = torch.maximum(boxes[:, 2:], box[2:]) - torch.minimum(boxes[:, :2], box[:2])
    return _sharing(ratio=lambda shared, areas, area: shared)(boxes, box) / around.prod(1)


UNCLAMPED = (
    "two boxes that lie apart get an overlap: min(right) - max(left) is negative then, and two negative sides make a "
    "positive area. Clamp each side at 0 *before* you multiply"
)
UNION = (
    "the union is too large: both areas together count what is shared twice. Take it away once, area + area - shared"
)
ONE_AREA = (
    "this divides by the area of one of the two boxes: a small box inside a large one would overlap with it entirely. "
    "Divide by the union, what at least one of the two covers"
)
CORNERS = (
    "the four numbers are read in another way: a box is left, top, right, bottom, so that its width is "
    "boxes[:, 2] - boxes[:, 0] and its height boxes[:, 3] - boxes[:, 1]"
)
ONE_MORE = (
    "a pixel is added to every side: that is right for corners that *name* the last pixel of a box. Here left and "
    "right are places, as in most of today's detectors, and the width is right - left"
)
SHARED_ALONE = "this is the shared area itself: divide it by the union, so that it runs from 0 to 1 at every size"
ALL_TOGETHER = "prod() without dim multiplies the sides of *all* boxes: prod(dim=1), one area a box"
ONE_A_BOX = "one number a box, (N,): neither the mean nor the largest of them"

EX_OVERLAP = Exercise(
    id="10.1",
    reference=overlap,
    probe=_probe_overlap,
    picture=_draw_overlap,
    mistakes="",
    also=(
        Mistake(_sharing(shared=lambda sides: sides.prod(1)), UNCLAMPED),
        Mistake(
            _sharing(shared=lambda sides: sides.prod(1).clamp(min=0)),
            "the *area* is clamped at 0, which comes too late where both sides are negative: (-3) * (-2) is 6. Clamp "
            "each side, then multiply",
        ),
        Mistake(_sharing(shared=lambda sides: sides.abs().prod(1)), UNCLAMPED),
        Mistake(_sharing(shared=lambda sides: sides[:, 0].clamp(min=0) * sides[:, 1]), UNCLAMPED),
        Mistake(_sharing(shared=lambda sides: sides[:, 0] * sides[:, 1].clamp(min=0)), UNCLAMPED),
        Mistake(_sharing(ratio=lambda shared, areas, area: shared / (areas + area)), UNION),
        Mistake(_sharing(ratio=lambda shared, areas, area: shared / (areas + area + shared)), UNION),
        Mistake(
            _sharing(ratio=lambda shared, areas, area: shared / (areas + area - 2 * shared)),
            "what is shared is taken away twice: the union holds it once, area + area - shared. (Equal boxes would "
            "divide by 0.)",
        ),
        Mistake(
            _sharing(ratio=lambda shared, areas, area: 2 * shared / (areas + area)),
            "twice the shared area over the sum of both areas is Dice's coefficient, which is larger: here divide by "
            "the union, area + area - shared",
        ),
        Mistake(_sharing(ratio=lambda shared, areas, area: shared / torch.minimum(areas, area)), ONE_AREA),
        Mistake(_sharing(ratio=lambda shared, areas, area: shared / torch.maximum(areas, area)), ONE_AREA),
        Mistake(_sharing(ratio=lambda shared, areas, area: shared / area), ONE_AREA),
        Mistake(_sharing(ratio=lambda shared, areas, area: shared / areas), ONE_AREA),
        Mistake(
            _of_the_enclosing,
            "this divides by the smallest box around both (or multiplies the overlaps in x and in y, which is the "
            "same), and that holds corners that neither covers: the union is area + area - shared",
        ),
        Mistake(_read(lambda boxes: torch.cat([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1)), CORNERS),
        Mistake(
            _read(lambda boxes: torch.cat([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], 1)),
            CORNERS,
        ),
        Mistake(_read(lambda boxes: boxes[:, [0, 2, 1, 3]]), CORNERS),
        Mistake(_sharing(area=lambda boxes: boxes[:, 2:].prod(1)), CORNERS),
        Mistake(_read(lambda boxes: boxes + torch.tensor([0, 0, 1, 1])), ONE_MORE),
        Mistake(
            _sharing(area=lambda boxes: (boxes[:, 2:] - boxes[:, :2] + 1).prod(1)),
            "1 is added to the sides of the boxes, but not to those of what they share. Left and right are places "
            "here, not numbers of pixels: the width is right - left",
        ),
        Mistake(
            _sharing(
                sides=lambda boxes, box: torch.maximum(boxes[:, 2:], box[2:]) - torch.minimum(boxes[:, :2], box[:2])
            ),
            "this is the box *around* both, min and max are exchanged: what they share begins at the larger left edge "
            "and ends at the smaller right one",
        ),
        Mistake(
            _read(lambda boxes: boxes.clamp(min=0)),
            "corners are moved to 0: a box may reach beyond the image's left and upper edge. Clamp sides, not corners",
        ),
        Mistake(_sharing(ratio=lambda shared, areas, area: shared), SHARED_ALONE),
        Mistake(
            _sharing(ratio=lambda shared, areas, area: areas + area - shared),
            "this is the union: divide the shared area by it",
        ),
        Mistake(
            _sharing(ratio=lambda shared, areas, area: (areas + area - shared) / shared),
            "the fraction stands upside down: shared over union",
        ),
        Mistake(lambda boxes, box: 1 - overlap(boxes, box), "1 - overlap is a distance: return the overlap itself"),
        Mistake(
            lambda boxes, box: (overlap(boxes, box) > 0).float(),
            "this says whether they share anything: return how much, shared over union",
        ),
        Mistake(lambda boxes, box: 100 * overlap(boxes, box), "this is in per cent: from 0 to 1, please"),
        Mistake(
            lambda boxes, box: overlap(boxes, box)[:, None], "this is a column, (N, 1): want (N,), without keepdim"
        ),
        Mistake(lambda boxes, box: overlap(boxes, box)[None], "this is a row, (1, N): want (N,)"),
        Mistake(lambda boxes, box: overlap(boxes, box).mean(), ONE_A_BOX),
        Mistake(lambda boxes, box: overlap(boxes, box).amax(), ONE_A_BOX),
        Mistake(_sharing(shared=lambda sides: sides.clamp(min=0).prod()), ALL_TOGETHER),
        Mistake(_sharing(area=lambda boxes: (boxes[:, 2:] - boxes[:, :2]).prod()), ALL_TOGETHER),
        Mistake(
            _sharing(ratio=lambda shared, areas, area: shared / areas + area - shared),
            "a division comes before a sum: put the union in brackets, shared / (areas + area - shared)",
        ),
        Mistake(
            _sharing(ratio=lambda shared, areas, area: shared // (areas + area - shared)),
            "// leaves only whole numbers, 0 or 1: divide with /",
        ),
        Mistake(
            _sharing(
                area=lambda boxes: (boxes[:, 2:] - boxes[:, :2]).sum(1), shared=lambda sides: sides.clamp(min=0).sum(1)
            ),
            "the sides are added: an area is their product, .prod(1)",
        ),
        Mistake(lambda boxes, box: overlap(boxes[:1], box), "only the first box is looked at: one number a box, (N,)"),
    ),
    hints=(
        "What two boxes share is a box again, or nothing. It begins at the larger of the two left edges and ends at "
        "the smaller of the two right ones, and the same from top to bottom.",
        "If they lie apart, a side of that box is negative: clamp each side at 0, then multiply. The union is both "
        "areas together, less what was counted twice.",
        "sides = torch.minimum(boxes[:, 2:], box[2:]) - torch.maximum(boxes[:, :2], box[:2]); "
        "shared = sides.clamp(min=0).prod(1); return shared / (areas + area - shared)",
    ),
)

# 10.2


def paste(patch, images, row, column):
    _, height, width = patch.shape
    covered = images.clone()
    covered[:, :, row : row + height, column : column + width] = patch
    return covered


REGION = (
    "the part of the images that is covered has to be as large as the patch. patch is (C, h, w), without an axis for "
    "images: rows row to row + h, columns column to column + w, images[:, :, row : row + h, column : column + w]"
)
NO_WAY_TO_PATCH = (
    "the pictures are right, but no gradient leads from them to the patch, so it can never be trained: leave out "
    ".detach(), .data, .item(), numpy, no_grad and torch.tensor(...), and put the patch itself in"
)
NO_WAY_TO_IMAGES = (
    "the pictures are right, but no gradient leads from them to the images outside of the patch: begin with "
    "images.clone(), without .detach(), .data, no_grad or numpy"
)
WROTE_OVER = (
    "this writes into the images that it was given, and whoever called needs them again: make the copy first, "
    "images.clone()"
)


@cache
def _pasted():
    """A patch, which is loud, the images, which are pale, and where the patch goes, by name."""

    def draw(number, channels, size, patch, row, column, seed):
        images = 0.55 + 0.4 * torch.rand(number, channels, *size, generator=_seeded(seed))
        loud = 0.4 * torch.rand(channels, *patch, generator=_seeded(seed + 50))
        loud[0] += 0.6
        return (loud, images), row, column

    return {
        "3 colour images, a patch of 3 x 4 at row 1, column 5": draw(3, 3, (9, 10), (3, 4), 1, 5, seed=0),
        "3 other colour images, a patch of 3 x 4 at row 1, column 5": draw(3, 3, (9, 10), (3, 4), 1, 5, seed=5),
        "1 grey image, a patch of 2 x 2 at row 0, column 0": draw(1, 1, (5, 5), (2, 2), 0, 0, seed=1),
        "2 colour images, a patch in the lower right corner": draw(2, 3, (7, 8), (4, 2), 3, 6, seed=2),
        "3 images of 3 channels, a patch of 3 x 3": draw(3, 3, (6, 6), (3, 3), 2, 1, seed=3),
        "2 images, a patch as large as they are": draw(2, 1, (4, 3), (4, 3), 0, 0, seed=4),
    }


def _probe_paste(attempt):
    advice = dict.fromkeys(
        ("must match", "expand", "broadcast", "shape", "not enough values", "too many values"), REGION
    )
    advice |= {"Can't call numpy": NO_WAY_TO_PATCH, "leaf Variable": WROTE_OVER}
    attempt = advised(attempt, advice)
    cases = [{name: case} for name, case in _pasted().items()]
    seen = up_to_the_first_difference(in_stages(attempt, paste, "the images with the patch", *cases))
    if set(seen) >= {f"the images with the patch ({name})" for name in _pasted()}:
        seen |= up_to_the_first_difference(
            (_flow(attempt, name, case), _flow(paste, name, case)) for name, case in _pasted().items()
        )
        for name, ((patch, images), *corner) in _pasted().items():
            want_type(attempt(patch, images, *corner), images, f"the images with the patch ({name})")
    return seen


def _flow(attempt, name, case):
    """The gradients of pictures, whose values are right, in the patch and in the images."""
    (patch, images), row, column = case
    patch, images = patch.clone().requires_grad_(), images.clone().requires_grad_()
    result = attempt(patch, images, row, column)
    want_new(result, "what it was given", patch, images)
    weights = torch.linspace(1, 2, images.numel()).view(images.shape)
    if not isinstance(result, Tensor) or not result.requires_grad:
        raise NotYet(NO_WAY_TO_PATCH)
    in_patch, in_images = torch.autograd.grad((result * weights).sum(), (patch, images), allow_unused=True)
    if in_patch is None:
        raise NotYet(NO_WAY_TO_PATCH)
    if in_images is None and name in list(_pasted())[:-1]:  # of images that are all covered nothing is left
        raise NotYet(NO_WAY_TO_IMAGES)
    return {
        f"the gradient in the patch ({name})": in_patch,
        f"the gradient in the images ({name})": torch.zeros_like(images) if in_images is None else in_images,
    }


def _draw_paste(seen, expected):
    """The first case with a wrong picture: the image, what it should be, and yours."""
    for name, ((_, images), _, _) in _pasted().items():
        key = f"the images with the patch ({name})"
        if key in seen and describe_difference(seen[key], expected[key]):
            rows = list(zip(images, expected[key], seen[key].reshape(images.shape), strict=True))[:2]
            canvas, axes = figures.figure(5.0, 1.9 * len(rows), nrows=len(rows), ncols=3, squeeze=False)
            for line, pictures in zip(axes, rows, strict=True):
                for axis, pixels, title in zip(line, pictures, ("the image", "with the patch", "yours"), strict=True):
                    figures.show(axis, pixels, title=title)
            return figures.picture(canvas, f"{name}: the images, what they should become, and yours.")
    return None


def _pasting(
    first=lambda images: images.clone(),
    cover=lambda region, patch: patch,
    place=lambda row, column: (row, column),
    rows=slice(None),
):
    """The pictures with one part exchanged: the source of the classic mistakes."""

    def put(patch, images, row, column):
        covered, (top, left) = first(images), place(row, column)
        region = (rows, slice(None), slice(top, top + patch.shape[1]), slice(left, left + patch.shape[2]))
        covered[region] = cover(covered[region], patch)
        return covered

    return put


def _padded(patch, images, row, column, fill=0.0):
    """The patch on a canvas of the images' size."""
    _, h, w = patch.shape
    height, width = images.shape[2:]
    return F.pad(patch, (column, width - column - w, row, height - row - h), value=fill)


def _by_data(patch, images, row, column):
    covered = images.clone()
    covered.data[:, :, row : row + patch.shape[1], column : column + patch.shape[2]] = patch.data
    return covered


def _value_by_value(patch, images, row, column):
    return _pasting(cover=lambda region, p: torch.tensor(p.tolist()))(patch, images, row, column)


def _as_centre(patch, images, row, column):
    return paste(patch, images, max(0, row - patch.shape[1] // 2), max(0, column - patch.shape[2] // 2))


def _zero_based(patch, images, row, column):
    return paste(patch, images, max(0, row - 1), max(0, column - 1))


def _one_on(patch, images, row, column):
    covered = images.clone()
    _, h, w = patch.shape
    part = covered[:, :, row + 1 : row + 1 + h, column + 1 : column + 1 + w]
    part.copy_(patch[:, : part.shape[2], : part.shape[3]].expand_as(part))
    return covered


def _but_for_the_last(patch, images, row, column):
    covered = images.clone()
    _, h, w = patch.shape
    covered[:, :, row : row + h - 1, column : column + w - 1] = patch[:, :-1, :-1]
    return covered


ADDED = (
    "the patch is mixed with what is behind it: a sticker covers it. The old pixels of that part have no say any more, "
    "so assign, without + (or give them the weight 0)"
)
OFF_BY_ONE = (
    "off by one: the patch's first pixel comes to images[:, :, row, column], and `row : row + h` ends before row + h"
)

EX_PASTE = Exercise(
    id="10.2",
    reference=paste,
    probe=_probe_paste,
    picture=_draw_paste,
    mistakes="",
    also=(
        Mistake(
            _pasting(place=lambda row, column: (column, row)),
            "row and column are exchanged: images are (N, C, H, W), so the third axis takes the rows",
        ),
        Mistake(_pasting(cover=lambda region, patch: region + patch), ADDED),
        Mistake(_pasting(cover=lambda region, patch: (region + patch).clamp(0, 1)), ADDED),
        Mistake(_pasting(cover=lambda region, patch: (region + patch) / 2), ADDED),
        Mistake(_pasting(cover=lambda region, patch: region * patch), ADDED),
        Mistake(_pasting(cover=torch.maximum), ADDED),
        Mistake(
            lambda patch, images, row, column: _padded(patch, images, row, column).expand_as(images).clone(),
            "everything beside the patch is black: it belongs to the image as it was",
        ),
        Mistake(
            _pasting(rows=slice(1)),
            "only the first image gets the patch: all N of them, images[:, ...]",
        ),
        Mistake(
            lambda patch, images, row, column: paste(patch, images, row, column)[0],
            "only the first image is returned: all N, (N, C, H, W)",
        ),
        Mistake(
            lambda patch, images, row, column: paste(patch[:1].expand_as(patch), images, row, column),
            "all channels show the patch's first one: each channel of the images gets its own, with the whole patch "
            "(C, h, w)",
        ),
        Mistake(
            lambda patch, images, row, column: paste(patch.mean(0, keepdim=True).expand_as(patch), images, row, column),
            "the patch has lost its colours: put in its channels as they are",
        ),
        Mistake(
            lambda patch, images, row, column: paste(patch.mT.reshape(patch.shape), images, row, column),
            "the patch's pixels are in another order: put it in as it is, without transpose or reshape",
        ),
        Mistake(
            lambda patch, images, row, column: paste(patch.flip(1), images, row, column),
            "the patch stands on its head: row 0 is at the top, in the patch and in the images",
        ),
        Mistake(
            lambda patch, images, row, column: paste(patch, images, 0, 0),
            "the patch is always in the upper left corner: its place is row, column",
        ),
        Mistake(
            _as_centre,
            "row and column are taken for the patch's centre: they are its upper left corner",
        ),
        Mistake(_zero_based, OFF_BY_ONE),
        Mistake(_one_on, OFF_BY_ONE),
        Mistake(_but_for_the_last, OFF_BY_ONE),
        Mistake(
            lambda patch, images, row, column: images[
                :, :, row : row + patch.shape[1], column : column + patch.shape[2]
            ],
            "this is the part of the images that the patch would cover: return the whole images, with the patch there",
        ),
        Mistake(
            lambda patch, images, row, column: images.clone(), "the images are as they were: the patch is not in them"
        ),
        Mistake(_pasting(cover=lambda region, patch: patch.detach()), NO_WAY_TO_PATCH),
        Mistake(_by_data, NO_WAY_TO_PATCH),
        Mistake(_value_by_value, NO_WAY_TO_PATCH),
        Mistake(_pasting(first=lambda images: images.detach().clone()), NO_WAY_TO_IMAGES),
    ),
    hints=(
        "Begin with a copy, images.clone(): the gradient runs through it. Then one assignment to a part of it.",
        "The part is covered[:, :, rows, columns], with `rows` from row to row + h. The patch is (C, h, w), and the "
        "assignment repeats it for all N images.",
        "covered[:, :, row : row + h, column : column + w] = patch, with _, h, w = patch.shape",
    ),
)

# 10.3


def expected_gradient(model, x, target, transform, samples):
    x = x.detach().clone().requires_grad_()
    total = torch.zeros_like(x)
    for _ in range(samples):
        loss = F.cross_entropy(model(transform(x)), target)
        total += torch.autograd.grad(loss, x)[0]
    return total / samples


THROUGH = (
    "the loss does not depend on the tensor whose gradient you ask for: make x = x.detach().clone().requires_grad_() "
    "first, compute transform(x) from *that*, and not inside of torch.no_grad()"
)
ONE_TARGET = (
    "one target a view, as a tensor: target fits a single view as it is, and for a batch of `samples` views write "
    "target.expand(samples)"
)
FIRST_OF_TUPLE = (
    "torch.autograd.grad wants a loss that is one number, and returns a tuple, one gradient an input: take its [0]"
)
ANEW = (
    "the graph of one view was used up by its gradient: compute loss and view anew in every round (or add the losses "
    "up, and take one gradient of their mean)"
)


@cache
def _drawn_views():
    """Brightness, shift and noise of the views, one after the other."""
    source = _seeded(5)
    return [
        (
            0.4 + 1.6 * torch.rand(1, generator=source).item(),
            int(torch.randint(1, SIDE, (1,), generator=source)),
            0.3 * torch.randn(1, SIDE, SIDE, generator=source),
        )
        for _ in range(64)
    ]


class _Views:
    """A transform that draws for each image how bright it is, where it stands, and noise; it counts its draws."""

    def __init__(self):
        self.count = 0

    def __call__(self, images):
        if not isinstance(images, Tensor) or images.ndim != 4:
            raise NotYet(f"transform takes images, (N, C, H, W); it was given {named(images)}")
        return torch.stack([self._view(image) for image in images])

    def _view(self, image):
        bright, shift, noise = _drawn_views()[self.count % len(_drawn_views())]
        self.count += 1
        return bright * image.roll(shift, 2) + noise


def _probe_expected(attempt):
    advice = {"second time": ANEW} | dict.fromkeys(("does not require grad", "not have been used"), THROUGH)
    advice |= dict.fromkeys(("batch_size", "batch size", "argument 'target'"), ONE_TARGET)
    advice |= dict.fromkeys(("'tuple'", "only for scalar"), FIRST_OF_TUPLE)
    attempt = advised(attempt, advice)
    cases = (("1 view", 1, 0), ("7 views", 7, 1), ("7 other views", 7, 3), ("12 views", 12, 2))
    return up_to_the_first_difference(
        (_averaged(attempt, *case), _averaged(expected_gradient, *case)) for case in cases
    )


def _averaged(attempt, name, samples, target):
    torch.default_generator.manual_seed(target)
    network, transform = small_network(), _Views()
    x = 0.2 + 0.6 * torch.rand(1, 1, SIDE, SIDE)

    seen = watch(name, x, lambda x: attempt(network, x, torch.tensor([target]), transform, samples))
    return {f"how many views were drawn ({name})": f"{transform.count}", **seen}


def _draw_expected(seen, expected):
    """The right gradient beside yours, for the first case in which they differ."""
    for name in ("1 view", "7 views", "7 other views", "12 views"):
        key = f"the result for {name}"
        if key in seen and describe_difference(seen[key], expected[key]):
            canvas, axes = figures.figure(4.6, 2.4, ncols=2)
            pairs = zip(axes, (expected[key], seen[key]), ("the gradient", "yours"), strict=True)
            for axis, gradient, title in pairs:
                scale = max(gradient.abs().max().item(), 1e-9)
                axis.imshow((gradient[0, 0] / scale).numpy(), cmap="RdBu_r", vmin=-1, vmax=1)
                axis.set(xticks=[], yticks=[], title=f"{title} ({name})", xlabel=f"largest: {scale:.3g}")
            return figures.picture(canvas, f"The expected gradient over {name}, and yours.")
    return None


def _expecting(
    one=lambda model, x, target, transform: _slope(model, x, target, transform),
    count=lambda samples: samples,
    each=lambda gradient: gradient,
    end=lambda total, samples: total / samples,
):
    """The mean gradient with one part exchanged: the source of the classic mistakes."""

    def expect(model, x, target, transform, samples):
        total = torch.zeros_like(x)
        for _ in range(count(samples)):
            total = total + each(one(model, x, target, transform))
        return end(total, samples)

    return expect


def _slope(model, x, target, transform, loss=F.cross_entropy):
    return pixel_slope(lambda pixels: model(transform(pixels)), x, target, loss)


def _at_the_view(model, x, target, transform):
    return pixel_slope(model, transform(x.detach()), target)


def _shown_again(model, x, target, transform):
    """The plain gradient, sent through the transform."""
    return transform(pixel_slope(model, x, target))


def _of_views(combine, loss=F.cross_entropy):
    """The gradient of the loss of one combination of all views, or of what the model says about them."""

    def expect(model, x, target, transform, samples):
        x = x.detach().clone().requires_grad_()
        value = loss(combine(model, [transform(x) for _ in range(samples)]), target)
        return torch.autograd.grad(value, x)[0]

    return expect


def _last_view(part):
    def expect(model, x, target, transform, samples):
        for _ in range(samples):
            gradient = _slope(model, x, target, transform)
        return part(samples) * gradient

    return expect


def _steps(model, x, target, transform, samples):
    return x + _expecting()(model, x, target, transform, samples)


ONE_VIEW = (
    "the transform is drawn once: that is the gradient for one place, one light. Draw anew in every round, `samples` "
    "times, and take the mean"
)
SIGNED = "only the sign is left, or a length of 1: return the mean gradient itself; whoever takes the step scales it"
OTHER_LOSS = (
    "this is the gradient of something else than the cross-entropy: F.cross_entropy(model(transform(x)), target)"
)

EX_EXPECTED = Exercise(
    id="10.3",
    reference=expected_gradient,
    probe=_probe_expected,
    picture=_draw_expected,
    mistakes="",
    also=(
        Mistake(_expecting(count=lambda samples: 1, end=lambda total, samples: total), ONE_VIEW),
        Mistake(_expecting(count=lambda samples: 1), ONE_VIEW),
        Mistake(
            lambda model, x, target, transform, samples: pixel_slope(model, x, target),
            "the transform is not used: the loss to follow is that of model(transform(x))",
        ),
        Mistake(
            _expecting(one=_at_the_view),
            "this is the gradient in the pixels of the *view*: it says how to change what the camera sees. Ask for the "
            "gradient in x, so that it runs back through the transform (a view that is shifted has a gradient that is "
            "shifted): torch.autograd.grad(loss, x)",
        ),
        Mistake(
            _expecting(one=_shown_again),
            "the transform is applied to the gradient: it belongs in front of the model, model(transform(x)), and "
            "autograd finds the way back through it",
        ),
        Mistake(
            _of_views(lambda model, views: model(torch.stack(views).mean(0))),
            "the views are averaged before the model sees them: the model never sees a mean of views, but one view at "
            "a time. Average the gradients (or the losses)",
        ),
        Mistake(
            _of_views(lambda model, views: torch.stack([model(view) for view in views]).mean(0)),
            "the logits are averaged before the loss: a view that is named rightly for certain is outvoted then. "
            "Average the losses or their gradients",
        ),
        Mistake(
            _expecting(end=lambda total, samples: total),
            "this is the sum: divide by samples, so that the length does not depend on how many views you took",
        ),
        Mistake(
            _expecting(end=lambda total, samples: total / samples**2),
            "divided by samples twice: the mean of the losses, or the mean of the gradients, not both",
        ),
        *(
            Mistake(
                _last_view(part), "only the last view counts: add up the gradients, and divide by samples at the end"
            )
            for part in (lambda samples: 1, lambda samples: 1 / samples)
        ),
        Mistake(_expecting(count=lambda samples: samples - 1), "one view too few: for _ in range(samples)"),
        Mistake(_expecting(count=lambda samples: samples + 1), "one view too many: for _ in range(samples)"),
        Mistake(_expecting(end=lambda total, samples: (total / samples).sign()), SIGNED),
        Mistake(_expecting(each=torch.sign), SIGNED),
        Mistake(_expecting(end=lambda total, samples: total / total.norm()), SIGNED),
        Mistake(_expecting(each=lambda gradient: gradient / gradient.norm()), SIGNED),
        Mistake(_expecting(each=torch.abs), "the gradients lose their signs: those of different views may cancel"),
        Mistake(
            _expecting(end=lambda total, samples: -total / samples),
            "the sign is turned round: return the gradient of the loss; whoever wants the target named goes against it",
        ),
        Mistake(_steps, "this is x after a step: return the gradient alone"),
        Mistake(
            _expecting(one=lambda m, x, t, view: _slope(m, x, t, view, lambda logits, t: logits[0, t[0]])), OTHER_LOSS
        ),
        Mistake(
            _expecting(one=lambda m, x, t, view: _slope(m, x, t, view, lambda logits, t: logits.softmax(1)[0, t[0]])),
            OTHER_LOSS,
        ),
        Mistake(
            _expecting(one=lambda m, x, t, view: _slope(m, x, t, view, lambda g, t: F.cross_entropy(g.softmax(1), t))),
            "softmax twice: F.cross_entropy takes logits, and applies the softmax itself",
        ),
        Mistake(
            _expecting(one=lambda m, x, t, view: _slope(m, x, t, view, lambda g, t: F.cross_entropy(g, g.argmax(1)))),
            "the loss is that of the class that the model names: take it at `target`",
        ),
    ),
    hints=(
        "The mean of the gradients is the gradient of the mean. So for each draw: the loss of model(transform(x)), its "
        "gradient in x; add up, divide.",
        "The transform is a part of the function, like the model: x has to ask for its gradient *before* it goes "
        "through, x = x.detach().clone().requires_grad_(). Then autograd finds the way back through both.",
        "loss = F.cross_entropy(model(transform(x)), target); total += torch.autograd.grad(loss, x)[0]",
    ),
)

# 10.4


def walk_back(decide, clean, wrong, tolerance):
    right, asked = clean, 0
    while (wrong - right).abs().max() > tolerance:
        middle = (right + wrong) / 2
        if middle.equal(right) or middle.equal(wrong):
            break  # the numbers are no finer
        asked += 1
        if decide(middle):
            wrong = middle
        else:
            right = middle
    return wrong, asked


TO_SPARE = 3  # questions: about the two ends, and one more halving
PATIENCE = 300  # questions after which a search is stopped; the longest one needs about 40
ENDLESS = (
    f"your search was stopped after {PATIENCE} questions: does every round bring the two ends nearer to each other? "
    "Ask about the middle between them, and let it take the place of the end on its own side: `wrong` if decide says "
    "True, the right one otherwise"
)
ONE_DISTANCE = "how far two images are apart is one number, that of their largest pixel: (wrong - right).abs().max()"
A_PLACE = "this is a place on the line, a number: return the image there, clean + place * (wrong - clean)"
PLAIN_BOOL = "decide answers True or False, a plain Python bool: `if decide(image):`"


@dataclass(frozen=True)
class _Asked:
    """What was asked on the way, for the picture; it is not judged."""

    places: list[float] = field(compare=False)
    answers: list[bool] = field(compare=False)
    end: float = field(compare=False)
    boundary: float = field(compare=False)


class _Line:
    """A clean image, a wrong one, and a boundary between them; it counts what it is asked."""

    def __init__(self, shape, length, boundary, tolerance, sign, seed):
        source = _seeded(seed)
        self.boundary, self.length, self.tolerance = boundary, length, tolerance
        change = torch.rand(*shape, generator=source) ** 3 * torch.rand(*shape, generator=source).sub(0.5).sign()
        change = torch.where(change > 0, change, 0.2 * change)
        change.view(-1)[7] = 1  # the largest change, and it has the sign
        change = sign * length * change
        low, high = (-change).clamp(min=0), 1 - change.clamp(min=0)
        self.clean = low + (high - low) * torch.rand(*shape, generator=source)
        self.wrong = self.clean + change
        self.places = []

    def place(self, image):
        """How far an image is along the line, and how far away from it."""
        change, offset = (each.double() - self.clean.double() for each in (self.wrong, image))
        share = (offset * change).sum() / change.square().sum()
        return share.item(), (offset - share * change).abs().max().item()

    def decide(self, image):
        want_like(image, self.clean, "the image that decide was asked about")
        if len(self.places) == PATIENCE:
            raise NotYet(ENDLESS)
        self.places.append(self.place(image.detach())[0])
        return self.places[-1] > self.boundary


# Just above 3/8 of the way a search that stops too soon ends too far away; just below 13/16 and at 0.586 the last image
# that is asked about, or the middle of what is left, is on the right side.
LINES = {
    "ends 0.5 apart, tolerance 0.01": lambda: _Line((1, 3, 32, 32), 0.5, 0.3751, 0.01, sign=1, seed=0),
    "ends 0.9 apart, tolerance 0.005": lambda: _Line((1, 1, 5, 6), 0.9, 0.8124, 0.005, sign=1, seed=1),
    "other ends 0.9 apart, tolerance 0.005": lambda: _Line((1, 1, 5, 6), 0.9, 0.2876, 0.005, sign=1, seed=4),
    "ends 0.02 apart, tolerance 0.001": lambda: _Line((1, 1, 8, 8), 0.02, 0.586, 0.001, sign=-1, seed=2),
    "ends 0.2 apart, tolerance 0.3": lambda: _Line((1, 1, 8, 8), 0.2, 0.313, 0.3, sign=1, seed=3),
}
IMAGE_AND_COUNT = "the image on the wrong side, and how many questions were asked: return wrong, asked"
THERE = "on the line, on the wrong side, within the tolerance of the right one"
ONCE_EACH = "once an image"
COUNTED = "as many as decide was asked"


def _probe_walk_back(attempt):
    advice = dict.fromkeys(("'bool' object has no attribute", "'bool' object is not"), PLAIN_BOOL)
    attempt = advised(attempt, advice | {"Boolean value of Tensor": ONE_DISTANCE})
    seen = {}
    for name, line in LINES.items():
        seen |= up_to_the_first_difference(_walked(attempt, name, line()))
    return seen


def _walked(attempt, name, line):
    """What is seen of one walk back, beside what should be."""
    result = attempt(line.decide, line.clean.clone(), line.wrong.clone(), line.tolerance)
    want_two(result, IMAGE_AND_COUNT)
    image, said = result
    if isinstance(said, Tensor) and said.shape == line.clean.shape:
        raise NotYet(f"the other way round: {IMAGE_AND_COUNT}")
    if isinstance(as_number(image), float):
        raise NotYet(A_PLACE)
    want_like(image, line.clean, "the image")
    asked = len(line.places)
    answers = [place > line.boundary for place in line.places]
    path = _Asked(line.places, answers, line.place(image)[0], line.boundary)
    yield {f"the walk ({name})": path}, {f"the walk ({name})": path}
    what = f"where the image lies ({name})"
    yield {what: _side(line, image)}, {what: THERE}
    what = f"how often decide is asked ({name})"
    yield {what: _twice_the_same(path, line)}, {what: ONCE_EACH}
    needed = max(0, math.ceil(math.log2(line.length / line.tolerance)))
    few = (
        f"at most {needed + TO_SPARE}: {needed} halvings lead from {line.length:g} to the tolerance in the largest "
        "pixel, (wrong - right).abs().max(), and the ends may be asked about once"
    )
    what = f"how many questions it takes ({name})"
    yield {what: few if asked <= needed + TO_SPARE else f"{asked}"}, {what: few}
    what = f"the number returned ({name})"
    said = as_number(said)
    yield {what: _counted(said, answers) if isinstance(said, (int, float)) else said}, {what: COUNTED}


def _side(line, image):
    share, away = line.place(image)
    if not math.isfinite(share + away):
        return "NaN or infinity"
    if away > 1e-4 * line.length:
        return "beside the line from the clean image to the wrong one"
    if share <= line.boundary:
        return "on the right side, where the model is not wrong"
    if (share - line.boundary) * line.length <= 1.001 * line.tolerance + 2e-6:
        return THERE
    at_end = share > 1 - 1e-4
    return "where it began" if at_end else "on the wrong side, but farther from the right one than the tolerance"


def _twice_the_same(path, line):
    """Whether an image far from the end is asked about again; a search that goes on too long does so at its end."""
    far = [place for place in path.places if abs(place - path.end) * line.length > 2 * line.tolerance]
    between = [place for place in far if 1e-6 < place < 1 - 1e-6]
    return ONCE_EACH if len(set(between)) == len(between) else "twice about the same image"


def _counted(said, answers):
    asked = len(answers)
    words = {asked: COUNTED, asked + 1: "one more", asked - 1: "one less"}
    words = {sum(answers): "the True ones alone", asked - sum(answers): "the False ones alone"} | words
    return words.get(said, f"{said:g}, after {asked} questions")


def _draw_walk(seen, expected):
    """The questions of the first walk that differs, as places on the line, beside those of the reference."""
    wrong = next(key for key, right in expected.items() if describe_difference(seen.get(key), right))
    name = next(name for name in LINES if f"({name})" in wrong)
    canvas, axis = figures.figure(6.0, 1.9)
    for height, observed in ((1, expected), (0, seen)):
        walk = observed[f"the walk ({name})"]
        colors = [figures.ADVERSARIAL if answer else figures.CLEAN for answer in walk.answers]
        axis.scatter(walk.places, [height] * len(walk.places), c=colors, s=25, zorder=3)
        axis.scatter([walk.end], [height], s=130, facecolors="none", edgecolors="black", zorder=4)
    axis.axvline(walk.boundary, color=figures.THEORY, linewidth=1, linestyle=":")
    axis.set(yticks=[0, 1], yticklabels=["yours", "reference"], ylim=(-0.6, 1.6), xlim=(-0.05, 1.05))
    axis.set(xticks=[0, walk.boundary, 1], xticklabels=["clean", "boundary", "wrong"])
    axis.set_title(f"asked about, and (circle) returned; {name}")
    alt = "The places on the line from the clean to the wrong image that the reference asks about, and yours."
    return figures.picture(canvas, alt)


def _halving(
    far: Callable = lambda wrong, right: (wrong - right).abs().max(),
    answer=lambda decide, middle: decide(middle),
    count=lambda asked, answer: asked + 1,
    first=0,
    middle=lambda right, wrong: (right + wrong) / 2,
    result=lambda right, wrong, middle, asked: (wrong, asked),
    stuck=True,
):
    """The walk back with one part exchanged: the source of the classic mistakes."""

    def walk(decide, clean, wrong, tolerance):
        right, asked, between = clean, first, wrong
        while far(wrong, right) > tolerance:
            between = middle(right, wrong)
            if stuck and (between.equal(right) or between.equal(wrong)):
                break
            is_wrong = answer(decide, between)
            asked = count(asked, is_wrong)
            right, wrong = (right, between) if is_wrong else (between, wrong)
        return result(right, wrong, between, asked)

    return walk


def _by_share(decide, clean, wrong, tolerance):
    """Stops by the share of the way, whatever its length."""
    low, high, asked = 0.0, 1.0, 0
    while high - low > tolerance:
        middle, asked = (low + high) / 2, asked + 1
        low, high = (low, middle) if decide(clean + middle * (wrong - clean)) else (middle, high)
    return clean + high * (wrong - clean), asked


def _rounds(number):
    def walk(decide, clean, wrong, tolerance):
        right = clean
        for _ in range(number):
            middle = (right + wrong) / 2
            right, wrong = (right, middle) if decide(middle) else (middle, wrong)
        return wrong, number

    return walk


def _step_by_step(begin, keep_wrong):
    """Asks about one place after the other, a tolerance apart."""

    def walk(decide, clean, wrong, tolerance):
        change, asked = wrong - clean, 0
        step = tolerance / change.abs().max().item()
        share, found = float(begin), wrong
        while 0 <= share <= 1:
            share += step if begin == 0 else -step
            image, asked = clean + share * change, asked + 1
            is_wrong = decide(image)
            found = image if is_wrong else found
            if is_wrong != keep_wrong:
                break
        return found, asked

    return walk


def _half_of_what_is_left(decide, clean, wrong, tolerance):
    """Halves the change until the model is right, and leaves it there."""
    image, asked = wrong, 0
    while (image - clean).abs().max() > tolerance:
        image, asked = (image + clean) / 2, asked + 1
        if not decide(image):
            return 2 * image - clean, asked
    return image, asked


def _twice(decide, middle):
    if decide(middle):
        return True
    return decide(middle) is not False


OTHER_HALF = (
    "the wrong half is kept: the boundary lies between an image that the model has right and one that it has wrong. If "
    "the middle is wrong, it takes the place of `wrong`; if it is right, that of the right end"
)
FIXED = (
    "the number of rounds is fixed, and for other ends and tolerances it is too small or too large: stop when the "
    "largest pixel of what is left, (wrong - right).abs().max(), is at most the tolerance. On a rented model each "
    "question costs money, and is seen"
)
TWICE = "the same image is asked about twice: keep the answer, is_wrong = decide(middle). Every question counts"
LINEAR = (
    "the line is searched step by step, which takes length / tolerance questions: halving takes the logarithm of that. "
    "Ask about the middle, keep the half with the boundary in it, and again"
)
TOO_SOON = (
    "the search stops too soon: the *largest* pixel of what is left is to be within the tolerance, "
    "(wrong - right).abs().max()"
)

EX_WALK_BACK = Exercise(
    id="10.4",
    reference=walk_back,
    probe=_probe_walk_back,
    picture=_draw_walk,
    mistakes="",
    also=(
        Mistake(
            _halving(result=lambda right, wrong, middle, asked: (right, asked)),
            "this is the end on the right side: the model is not fooled by it. Return the other end, `wrong`",
        ),
        Mistake(_halving(answer=lambda decide, middle: not decide(middle)), OTHER_HALF),
        Mistake(
            _halving(result=lambda right, wrong, middle, asked: (middle, asked)),
            "the last middle is returned, on whichever side it is: the model has to be wrong there, so return the end "
            "on the wrong side",
        ),
        Mistake(
            _halving(result=lambda right, wrong, middle, asked: ((right + wrong) / 2, asked)),
            "a middle is returned that nobody has asked about: it may lie on the right side. Return the end on the "
            "wrong side, which is known",
        ),
        Mistake(
            _by_share,
            "the search stops by the *share* of the way, high - low: the tolerance is meant in pixels. What is left is "
            "(high - low) * (wrong - clean).abs().max(), and for ends that are near to each other a few questions are "
            "enough",
        ),
        Mistake(
            _halving(far=lambda wrong, right: (wrong - right).norm()),
            "the Euclidean length of what is left is compared with the tolerance: it is larger than the largest pixel, "
            "so that you ask too often. (wrong - right).abs().max()",
        ),
        Mistake(_halving(far=lambda wrong, right: (wrong - right).abs().mean()), TOO_SOON),
        Mistake(_halving(far=lambda wrong, right: (wrong - right).square().mean().sqrt()), TOO_SOON),
        Mistake(_halving(far=lambda wrong, right: (wrong - right).square().sum()), TOO_SOON),
        Mistake(
            _halving(far=lambda wrong, right: (wrong - right).max()),
            "pixels that are darker than before do not count here: (wrong - right).abs().max(), with abs",
        ),
        Mistake(_step_by_step(1, keep_wrong=True), LINEAR),
        Mistake(_step_by_step(0, keep_wrong=False), LINEAR),
        *(Mistake(_rounds(number), FIXED) for number in (5, 8, 10, 16, 20, 30, 50, 100)),
        Mistake(
            _half_of_what_is_left,
            "the whole change is halved, and the search ends at the first image that the model has right: the boundary "
            "lies somewhere between the last two. Keep both ends, and go on halving between them",
        ),
        Mistake(
            lambda decide, clean, wrong, tolerance: (wrong, 0),
            "this is the wrong image as it was: ask about the middle between it and the clean one",
        ),
        Mistake(_halving(far=lambda wrong, right: 1), ENDLESS),
        Mistake(_halving(answer=_twice), TWICE),
        Mistake(_halving(answer=lambda decide, middle: decide(middle) and decide(middle)), TWICE),
        Mistake(_halving(answer=lambda decide, middle: [decide(middle), decide(middle)][0]), TWICE),
        Mistake(
            _halving(count=lambda asked, answer: asked + answer),
            "only the questions with the answer True are counted: the others cost as much. Count before the `if`",
        ),
        Mistake(
            _halving(count=lambda asked, answer: asked + (not answer)),
            "only the questions with the answer False are counted: the others cost as much. Count before the `if`",
        ),
        Mistake(
            _halving(first=1),
            "the number is one too large: begin with asked = 0, and add 1 for each time that decide is called",
        ),
        Mistake(
            _halving(first=-1),
            "the number is one too small: begin with asked = 0, and add 1 for each time that decide is called",
        ),
        Mistake(
            _halving(result=lambda right, wrong, middle, asked: (asked, wrong)),
            f"the other way round: {IMAGE_AND_COUNT}",
        ),
        Mistake(
            _halving(result=lambda right, wrong, middle, asked: wrong),
            f"return two things: {IMAGE_AND_COUNT}",
        ),
    ),
    hints=(
        "Hold two images of the line, one that the model has right and one that it has wrong: the boundary is between "
        "them. What does the answer about their middle tell?",
        "The middle takes the place of the end on its own side, and what is left is half as long. Until the largest "
        "pixel of wrong - right is within the tolerance; return the end on the wrong side.",
        "while (wrong - right).abs().max() > tolerance: middle = (right + wrong) / 2, asked += 1, and decide(middle) "
        "says which end it replaces. (A tolerance finer than float32 would never be reached: the reference stops where "
        "the middle equals an end.)",
    ),
)

# 10.5


def normal(decide, x, radius, samples, generator):
    steps = torch.randn(samples, *x.shape[1:], generator=generator, device=x.device, dtype=x.dtype)
    steps = steps / steps.flatten(1).norm(dim=1)[:, None, None, None]
    signs = 2 * decide(x + radius * steps).to(x) - 1
    weights = signs - signs.mean()
    if not weights.any():
        weights = signs  # all answers are alike
    direction = (weights[:, None, None, None] * steps).sum(0, keepdim=True)
    return direction / direction.norm()


AS_NUMBERS = (
    "decide answers with True and False, which neither subtract nor have a mean: make numbers of them first, "
    "2 * decide(...).float() - 1"
)
FOUR_AXES = (
    "one number a step, (samples,), has to stand beside steps of shape (samples, C, H, W): write "
    "[:, None, None, None] after it. x is (1, C, H, W), and the steps are (samples, *x.shape[1:])"
)
HOW_FAR = "radius, each"
ENOUGH = 200  # steps that show whether they prefer some direction
TOLD = "the sum of the steps, each weighed with its sign less the mean sign"
ALIKE = {
    1.0: "the mean step, since all answers are True and sign minus mean leaves nothing",
    -1.0: "minus the mean step, since all answers are False and sign minus mean leaves nothing",
}


class _Boundary:
    """Who is wrong on the far side of a plane near x; it keeps what it was asked and what it answered."""

    def __init__(self, shape, radius, share, seed):
        source = _seeded(seed)
        self.x = 0.4 + 0.2 * torch.rand(*shape, generator=source)
        self.radius = radius
        across = torch.randn(*shape, generator=source).double()
        self.across = across / across.norm()
        if share in (0, 1):
            self.offset = 10.0 if share == 0 else -10.0
        else:
            quantile = torch.special.ndtri(torch.tensor(1 - share, dtype=torch.float64)).item()
            self.offset = radius * quantile / self.x.numel() ** 0.5
        self.images, self.answers = [], []

    def decide(self, images):
        if not isinstance(images, Tensor) or images.shape[1:] != self.x.shape[1:] or images.ndim != 4:
            shape = "(N, " + ", ".join(map(str, self.x.shape[1:])) + ")"
            raise NotYet(f"decide was asked about {named(images)}; it takes images of shape {shape}")
        if images.dtype != self.x.dtype:
            raise NotYet(f"decide was asked about images of type {images.dtype}; x is {self.x.dtype}")
        self.images.append(images.detach().clone())
        answer = ((images.detach().double() - self.x.double()) * self.across).flatten(1).sum(1) > self.offset
        self.answers.append(answer)
        return answer

    def steps(self):
        """From x to the images that were asked about, and +1 or -1 for each: both in float64."""
        images = torch.cat(self.images) if self.images else self.x[:0]
        answers = torch.cat(self.answers) if self.answers else torch.zeros(0, dtype=torch.bool)
        return (images.double() - self.x.double()).flatten(1), 2 * answers.double() - 1


PLANES = {
    "200 steps, most of them to the wrong side": (lambda: _Boundary((1, 3, 8, 8), 0.35, 0.85, seed=0), ENOUGH),
    "the same radius and number, another boundary": (lambda: _Boundary((1, 3, 8, 8), 0.35, 0.6, seed=4), ENOUGH),
    "60 steps, few of them to the wrong side": (lambda: _Boundary((1, 1, 7, 5), 0.2, 0.2, seed=1), 60),
    "40 steps, all to the wrong side": (lambda: _Boundary((1, 1, 6, 6), 0.3, 1, seed=2), 40),
    "40 steps, none to the wrong side": (lambda: _Boundary((1, 1, 6, 6), 0.3, 0, seed=3), 40),
}


def _probe_normal(attempt):
    advice = dict.fromkeys(("bool tensor", "Bool", "could not infer output dtype", "mean()"), AS_NUMBERS)
    advice |= dict.fromkeys(("must match the size", "not broadcastable", "mat1", "cannot be multiplied"), FOUR_AXES)
    attempt = advised(attempt, advice)
    return up_to_the_first_difference(
        pair for name, (plane, samples) in PLANES.items() for pair in _estimated(attempt, name, plane, samples)
    )


def _estimated(attempt, name, plane, samples):
    """What is seen of one estimate, beside what should be."""

    def ask(seed):
        boundary, source = plane(), _seeded(seed)
        return boundary, attempt(boundary.decide, boundary.x.clone(), boundary.radius, samples, source)

    boundary, result = ask(0)
    want_like(result, boundary.x, "the direction")
    steps, signs = boundary.steps()
    what = f"how many images decide is asked about ({name})"
    yield {what: _number(steps)}, {what: f"{samples}"}
    what = f"the lengths of the steps ({name})"
    yield {what: _lengths(steps, boundary.x, boundary.radius)}, {what: HOW_FAR}
    if samples >= ENOUGH:
        what = f"the directions of the steps ({name})"
        yield {what: evenly_spread(F.normalize(steps))}, {what: EVENLY}
    again, others = (ask(seed)[0].steps()[0] for seed in (0, 1))
    what = f"the steps of a second call ({name})"
    same, right = _same(steps, again, others), "the same with the same seed, others with another"
    yield {what: same}, {what: right}
    what = f"the direction ({name})"
    alike, length = (signs == signs[0]).all(), result.detach().double().norm()
    told = ALIKE[signs[0].item()] if alike else TOLD
    nothing_left = alike and not length > 1e-9  # sign minus mean is 0 for all, and so is their sum; or it is 0 / 0
    yield {what: told if nothing_left else _told(result.detach().double(), steps, signs, told)}, {what: told}
    what = f"the length of the direction ({name})"
    yield {what: "1" if nothing_left or abs(length - 1) < 1e-3 else "not 1"}, {what: "1"}


def _number(steps):
    different = len(steps.unique(dim=0))
    return f"{len(steps)}" + (f", {different} of them different" if different < len(steps) else "")


def _lengths(steps, x, radius):
    """How far the images are that were asked about, in words."""
    lengths, typical = steps.norm(dim=1), steps.shape[1] ** 0.5
    if not lengths.isfinite().all():
        return "NaN or infinity"
    if (lengths / radius - 1).abs().max() < 1e-3:
        return HOW_FAR
    if (lengths - 1).abs().max() < 1e-3:
        return "1, whatever the radius"
    if ((steps + x.double().flatten()).norm(dim=1) / radius - 1).abs().max() < 1e-3:
        return "those of x itself: the image without x has the length of a step"
    if lengths.max() < 1.001 * lengths.min():
        root = abs(lengths[0] / radius / typical - 1) < 1e-3
        return "radius times the square root of the number of pixels" if root else f"{lengths[0]:.3g}, each"
    for unit, text in ((radius, "near radius times"), (1, "near")):
        if (lengths.median() / unit / typical - 1).abs() < 0.1:
            return f"{text} the square root of the number of pixels"
    return f"from {lengths.min():.3g} to {lengths.max():.3g}; radius is {radius:g}"


def _same(steps, again, others):
    if not steps.equal(again):
        return "others with the same seed: draw them with the generator"
    if steps.equal(others):
        return "the same whatever the seed: leave the generator's seed alone"
    return "the same with the same seed, others with another"


def _told(found, steps, signs, told):
    """In words which sum of the steps a direction is."""
    if not found.isfinite().all():
        return "NaN or infinity"
    if found.norm() < 1e-9:
        return "0"
    right = (signs - signs.mean() if told == TOLD else signs) @ steps
    found, pixels = found.flatten(), F.normalize(right.view_as(found))
    sums = {
        told: right,
        "every answer for itself": signs @ steps,
        "the steps to the wrong side alone": (signs > 0).double() @ steps,
        "the steps to the right side alone": (signs < 0).double() @ steps,
        "all steps, whatever the answers": steps.sum(0),
        "the sign of each pixel": right.sign(),
        "that sum, each pixel divided by its length over the channels": pixels.flatten(),
    }
    for name, right in sums.items():
        likeness = F.cosine_similarity(found, right, dim=0)
        if likeness.abs() > 1 - 1e-5:
            return name if likeness > 0 else f"minus: {name}"
    return "another one"


def _estimating(
    draw=torch.randn,
    unit=lambda steps: steps / steps.flatten(1).norm(dim=1)[:, None, None, None],
    ask=lambda decide, x, radius, steps: decide(x + radius * steps),
    signs=lambda answers: 2 * answers.float() - 1,
    weights=lambda signs: signs if signs.std() == 0 else signs - signs.mean(),
    end=lambda direction: direction / direction.norm(),
    source=lambda generator: generator,
):
    """The estimate with one part exchanged: the source of the classic mistakes."""

    def estimate(decide, x, radius, samples, generator):
        steps = unit(draw(samples, *x.shape[1:], generator=source(generator)))
        weight = weights(signs(ask(decide, x, radius, steps)))
        return end((weight[:, None, None, None] * steps).sum(0, keepdim=True))

    return estimate


def _minus_one_as_truth(answers):
    signs = answers.clone()
    signs[~signs] = -1
    return signs.float()


def _one_step_for_all(samples, *shape, generator):
    return torch.randn(1, *shape, generator=generator).repeat(samples, 1, 1, 1)


def _reseeded(generator):
    return generator.manual_seed(0)


def _asks_twice(decide, x, radius, steps):
    decide(x + radius * steps)
    return decide(x + radius * steps)


def _both_ways(decide, x, radius, steps):
    answers = decide(x + radius * steps)
    decide(x - radius * steps)
    return answers


def _and_x_itself(decide, x, radius, steps):
    decide(x)
    return decide(x + radius * steps)


TO_THE_RIGHT_SIDE = (
    "the direction points to the side where the model is *right*: True (wrong) counts +1, False -1, and the step that "
    "is asked about, x + radius * u, is the one that is added up"
)
NO_MEAN = (
    "the mean of the answers is not taken away. The steps' own mean is then in the sum, as noise: with 9 of 10 answers "
    "alike, 1000 questions are worth no more than 360 with it (1 - mean^2). weights = signs - signs.mean()"
)
NOT_UNIT = (
    "the steps are not of length 1: a vector of d normals has a length near sqrt(d). Divide each by its own, "
    "u.flatten(1).norm(dim=1)[:, None, None, None]"
)
CORNERS_FIRST = (
    "the steps prefer the corners of the cube, which are farther away than its faces: torch.rand is even in every "
    "pixel, not in every direction (and signs are nothing but corners). A vector of normals, torch.randn, prefers none"
)
NO_GENERATOR = (
    "the steps do not come from the generator that was given: torch.randn(..., generator=generator), so that a run can "
    "be repeated"
)
NO_RADIUS = "the radius is missing: ask about x + radius * u. Steps of length 1 may lead far over the boundary"
NOT_ENDED = "the direction has another length than 1: divide it by its norm() at the end"

EX_NORMAL = Exercise(
    id="10.5",
    reference=normal,
    probe=_probe_normal,
    mistakes="",
    also=(
        Mistake(_estimating(signs=lambda answers: 1 - 2 * answers.float()), TO_THE_RIGHT_SIDE),
        Mistake(_estimating(ask=lambda decide, x, radius, steps: decide(x - radius * steps)), TO_THE_RIGHT_SIDE),
        Mistake(_estimating(end=lambda direction: -direction / direction.norm()), TO_THE_RIGHT_SIDE),
        Mistake(_estimating(weights=lambda signs: signs), NO_MEAN),
        Mistake(
            _estimating(signs=lambda answers: answers.float(), weights=lambda signs: signs),
            "only the steps to the wrong side count: those to the right side tell as much. Weights +1 and -1, minus "
            "their mean",
        ),
        Mistake(
            _estimating(signs=lambda answers: (~answers).float(), weights=lambda signs: -signs),
            "only the steps to the right side count: those to the wrong side tell as much. Weights +1 and -1, minus "
            "their mean",
        ),
        Mistake(
            _estimating(signs=_minus_one_as_truth, weights=lambda signs: signs - signs.mean()),
            "NaN, or infinity, though the answers differ: have they become alike on the way, so that their mean takes "
            "all away? What decide returns is of type bool, and -1 stored in it is True. Make numbers first, "
            "2 * decide(...).float() - 1",
        ),
        Mistake(
            _estimating(weights=lambda signs: torch.ones_like(signs) if signs.std() == 0 else signs - signs.mean()),
            "where no step leads to the wrong side, the direction is turned round: the signs are all -1 then, so that "
            "the mean step counts negatively. Take the signs themselves as weights",
        ),
        Mistake(
            _estimating(weights=lambda signs: signs * 0 + 1), "the answers have no say: weigh each step by its answer"
        ),
        Mistake(_estimating(unit=lambda steps: steps), NOT_UNIT),
        Mistake(
            _estimating(unit=lambda steps: steps / steps.norm()),
            "norm() without dim is the length of all steps together: divide each by its own, "
            "u.flatten(1).norm(dim=1)[:, None, None, None]",
        ),
        Mistake(
            _estimating(unit=lambda steps: steps.sign()),
            "a step of signs is as long as the square root of the number of pixels: divide each step by its own length",
        ),
        Mistake(
            _estimating(unit=lambda steps: steps / steps.norm(dim=1, keepdim=True)),
            "norm(dim=1) runs over the channels: the length of a step is taken over all its pixels, flatten(1) first",
        ),
        Mistake(
            _estimating(unit=lambda steps: steps / steps.norm(dim=(2, 3), keepdim=True)),
            "each channel has the length 1: the length of a step is taken over all its pixels, flatten(1) first",
        ),
        Mistake(_estimating(ask=lambda decide, x, radius, steps: decide(x + steps)), NO_RADIUS),
        Mistake(
            _estimating(ask=lambda decide, x, radius, steps: decide(radius * steps + 0 * x)),
            "decide is asked about the steps themselves: ask about images near x, x + radius * u",
        ),
        Mistake(
            _estimating(draw=lambda *shape, generator: 2 * torch.rand(*shape, generator=generator) - 1),
            CORNERS_FIRST,
        ),
        Mistake(
            _estimating(unit=lambda steps: steps.sign() / steps[0].numel() ** 0.5),
            CORNERS_FIRST,
        ),
        Mistake(
            _estimating(draw=torch.rand),
            "torch.rand draws from [0, 1], so that no pixel of a step is negative: take torch.randn, which prefers no "
            "direction",
        ),
        Mistake(
            _estimating(draw=_one_step_for_all),
            "all steps are the same one: draw one a sample, torch.randn(samples, *x.shape[1:], generator=generator)",
        ),
        Mistake(_estimating(source=lambda generator: None), NO_GENERATOR),
        Mistake(
            _estimating(source=_reseeded),
            "the generator is set back inside, so that each call draws the same steps: whoever calls has seeded it",
        ),
        Mistake(
            _estimating(ask=_asks_twice), "decide is asked twice about the same images: keep its answers in a variable"
        ),
        Mistake(
            _estimating(ask=_both_ways),
            "decide is asked about both sides of x: that is twice as many questions as `samples`. For a random step "
            "one is enough",
        ),
        Mistake(
            _estimating(ask=_and_x_itself),
            "decide is asked about x itself, too: one question more than `samples`, and its answer has no use",
        ),
        Mistake(
            _estimating(ask=lambda decide, x, radius, steps: decide(x + radius**2 * steps)),
            "the radius is multiplied in twice: ask about x + radius * u, with steps u of length 1",
        ),
        Mistake(
            _estimating(end=F.normalize),
            "F.normalize divides along dim=1, so that each *pixel* has the length 1 over its channels: divide the "
            "whole direction by its norm()",
        ),
        Mistake(_estimating(end=lambda direction: direction), NOT_ENDED),
        Mistake(_estimating(end=lambda direction: direction / direction.abs().max()), NOT_ENDED),
        Mistake(
            _estimating(end=torch.sign),
            "this is the sign of each pixel, a step for the ruler `linf`: want the direction itself, divided by its "
            "norm()",
        ),
    ),
    hints=(
        "Steps that end on the wrong side point, on average, across the boundary to that side, and those that end on "
        "the right side away from it. So add up the steps, each with the sign of its answer.",
        "Steps: torch.randn(samples, *x.shape[1:], generator=generator), each divided by its own length. Signs: "
        "2 * decide(x + radius * steps).float() - 1, and the mean of the signs is taken away, for most of them may be "
        "alike.",
        "weights = signs - signs.mean(), or the signs themselves where all are alike and nothing would be left; "
        "(weights[:, None, None, None] * steps).sum(0, keepdim=True), divided by its norm().",
    ),
)

EXERCISES = [EX_OVERLAP, EX_PASTE, EX_EXPECTED, EX_WALK_BACK, EX_NORMAL]
