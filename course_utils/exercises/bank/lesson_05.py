"""Lesson 05: 256 levels, a network that paints, copies of one element, patches in another order, what carries over."""

from itertools import pairwise

import torch
from torch import Tensor

from course_utils import figures
from course_utils.exercises.contracts import copied
from course_utils.exercises.differences import describe_difference, named
from course_utils.exercises.engine import Exercise, NotYet
from course_utils.exercises.probes import CUT, advised, as_number, on, want_new


def _images(cases, words=lambda *given: {}, advice=None, gradient=False):
    """A probe of the images made of each case; ``advice`` goes with errors that contain one of the parts of its key."""

    def probe(attempt):
        attempt = advised(attempt, {key: word for keys, word in (advice or {}).items() for key in keys.split("|")})
        seen, results, all_given = {}, [], cases()
        for name, given in all_given.items():
            copies = copied(given)
            result = attempt(*copies)
            results.append((result, copies))
            seen[f"the result ({name})"] = result if result is None else named(result)
            if isinstance(result, Tensor):
                result = result.detach()
                seen |= {f"{what} ({name})": word for what, word in words(result.real.float(), *given).items()}
            seen |= {f"given ({name})": given[0], f"the pixels ({name})": result}
        yield seen
        for result, copies in results:
            want_new(result, "what it was given", *copies)
            if result.dtype != torch.float32:
                told = f"the values are right, but their type is {result.dtype}, and the networks of this course take "
                raise NotYet(told + "float32 only: .float() at the end")
        if gradient:
            yield from on(all_given, what="the image", gradient=True)(attempt)

    return probe


def _draw_beside(title=""):
    """Draws, for the first case that is wrong, what the reference and the attempt make; with a title, of what."""

    def draw(seen, expected):
        pixels = [key for key in expected if key.startswith("the pixels (")]
        wrong = next(key for key in pixels if describe_difference(seen[key], expected[key]))
        shown = {title: expected[wrong.replace("the pixels", "given")]} if title else {}
        shown |= {"the reference's": expected[wrong], "yours": seen[wrong]}
        theirs, mine = [*shown.values()][-2:]
        worst = (mine - theirs).abs().flatten(1).amax(1).argmax() if mine.shape == theirs.shape else 0
        canvas, axes = figures.figure(2.2 * len(shown), 2.4, ncols=len(shown))
        for axis, (what, images) in zip(axes, shown.items(), strict=True):
            figures.show(axis, images.reshape(-1, *images.shape[-3:])[worst], title=what)
        return figures.picture(canvas, f"What the reference makes and what yours makes, side by side: {wrong}.")

    return draw


def _cells(images, per_side):
    """The cells of images, numbered row by row: (cells, N, C, h, w)."""
    grid = images.unflatten(3, (per_side, -1)).unflatten(2, (per_side, -1))
    return grid.permute(2, 4, 0, 1, 3, 5).flatten(0, 1)


def round_trip(images):
    levels = (images * 255).round().to(torch.uint8)
    return levels.float() / 255


def _greys():
    """Images by name; no pixel lies half-way between two levels, where either would be right."""

    def near(levels):
        return ((levels + 0.9 * torch.rand(levels.shape) - 0.45) / 255).clamp(0, 1)

    row = [0, 0.001, 0.003, 0.25, 0.6, 0.998, 0.999, 1]
    return {
        f"one row, {row}": (torch.tensor([[[row]]]),),
        "2 colour images of 5 x 7": (near(torch.randint(0, 256, (2, 3, 5, 7))),),
        "a dark colour image of 2 x 4": (near(torch.arange(24).view(1, 3, 2, 4)),),
        "all 256 levels, which come back as they are": (torch.arange(256).view(1, 1, 16, 16) / 255,),
        "4 grey images of 3 x 3, none brighter than 0.4": (near(torch.randint(0, 103, (4, 1, 3, 3))),),
    }


def _in_levels(pixels, images):
    off = (255 * pixels - (255 * pixels).round()).abs().max()
    return {"the pixels, in levels": "whole" if off < 0.1 else f"off by {off:.2g}"}


EX_ROUND_TRIP = Exercise(
    "5.1",
    round_trip,
    _images(
        _greys,
        _in_levels,
        {
            "__round__|converted to Python scalars|a Tensor with": "Python's own round() and int() take one number: "
            "(images * 255).round() rounds each pixel"
        },
    ),
    mistakes="""
`.round()` -> ``: this cuts off what follows the point, as .to(torch.uint8), .int() and floor do: each pixel ends at the
    level *below* it, half a level darker on average. The nearest level: .round() before the whole numbers
`((images * 255).floor() + 1) / 255` | `.round()` -> `.ceil()`: this is the level *above*: the nearest is .round()
`(images * 255.9).floor() / 255` | `(images * 255.99).floor() / 255` | `(images * 255.999).floor() / 255`: this cuts [0,
    1] into 256 pieces of the same width, and not every pixel comes to the nearest level: multiply by 255 and .round()
`(images * 255 + 0.5).round() / 255` | `(images * 255 + 0.5).ceil() / 255`: this rounds up twice: .round() alone is
    right (+ 0.5 goes with floor and .to(torch.uint8))
` / 255` -> `` | `(images * 255).floor()`: these are levels from 0 to 255: a network of this course takes pixels in [0,
    1]. Divide by 255 at the end (and round, where this cuts off)
`(images * 256).round() / 256` | `(images * 256).round() % 256 / 256` | `(images * 256).round().clamp(max=255) / 256` |
    `(images * 256).floor() / 256` | `(images * 256).floor() % 256 / 256` | `(images * 256).floor().clamp(max=255) /
    256` | `(images * 256).round() / 255` | `(images * 256).round() % 256 / 255` | `(images *
    256).round().clamp(max=255) / 255` | `(images * 256).floor() / 255` | `(images * 256).floor() % 256 / 255` |
    `(images * 256).floor().clamp(max=255) / 255` | `(images * 255).round() / 256` | `(images * 255).floor() / 256` |
    `(images * 254).round() / 254` | `(images * 128).round() / 128`: 8 bits have 256 levels, from 0 to 255, and white is
    level 255 (256 wraps round to 0, black). Multiply by 255, round, divide by 255
`images.round(decimals=1)` | `images.round(decimals=2)` | `images.round(decimals=3)` | `images.round(decimals=4)`: this
    rounds to decimal places: the levels of a PNG are 1/255 apart. Multiply by 255, round, divide by 255
`uint8` -> `int8` | `.round().to(torch.uint8)` -> `.long().to(torch.int8)`: torch.int8 counts from -128 to 127, so
    bright pixels wrap round below 0: torch.uint8 counts from 0 to 255
`images.round()` | `images.round() / 255` | ` / ` -> ` // `: only black and white are left: pixels in [0, 1] are
    rounded, and there whole numbers are 0 and 1. First times 255 (in the end / 255, for // rounds down)
`images.floor()` | `images.floor() / 255` | `images.floor() * 255`: nearly all is black: .to(torch.uint8) meets pixels
    in [0, 1] here, and makes 0 of all but white. Multiply by 255 first, and round
`images.clone()` | `images * 255`: nothing is rounded: a PNG keeps 256 levels. Times 255, round, / 255
`(images / 255).round() * 255` | `(images / 255).round() / 255`: all is black: first times 255, .round(), then / 255
`round_trip(images / images.max())` | `round_trip(images / images.amax((1, 2, 3), keepdim=True))` | `round_trip((images
    - images.min()) / (images.max() - images.min()))`: the contrast is stretched, until the brightest pixel is white:
    some programs show a PNG so, but the file keeps the levels
`round_trip(images).permute(0, 2, 3, 1)`: the channels come last: the course has them first, (N, C, H, W)
`round_trip(images).mean(1, keepdim=True)`: the colours are gone: each channel is rounded for itself
""",
    hints=(
        "A level is a whole number from 0 to 255, and level 255 is white, the pixel 1. Which factor leads there?",
        "The nearest level comes from rounding: .to(torch.uint8) alone cuts off. Then back to [0, 1].",
        "(images * 255).round().to(torch.uint8) is what the file holds; .float() / 255 makes pixels of it.",
    ),
)


def paint(weights, height, width):
    rows, columns = (torch.linspace(-1, 1, number).to(weights[0]) for number in (height, width))
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    values = torch.stack([x, y, (x**2 + y**2).sqrt(), torch.ones_like(x)]).flatten(1)
    for weight in weights[:-1]:
        values = (weight @ values).sin()
    return (weights[-1] @ values).sigmoid().view(1, 3, height, width)


PLAIN = torch.tensor([[2.0, 0, 0, 0], [0, 2.0, 0, 0], [0, 0, 2.0, -1.0]])


def _drawn(*sizes):
    """Matrices from each number of values to the next."""
    return [1.5 * torch.randn(b, a) for a, b in pairwise(sizes)]


EX_PAINT = Exercise(
    "5.2",
    paint,
    _images(
        lambda: {
            "one matrix, red from x, green from y, blue from the radius, 9 x 13 pixels": ([PLAIN], 9, 13),
            "4 - 3, 5 x 4 pixels": (_drawn(4, 3), 5, 4),
            "4 - 8 - 3, 16 x 24 pixels": (_drawn(4, 8, 3), 16, 24),
            "4 - 5 - 6 - 3, 8 x 8 pixels": (_drawn(4, 5, 6, 3), 8, 8),
        },
        advice={
            "cannot be multiplied|size mismatch|Expected size for first": "each matrix is (outputs, inputs), so weight "
            "@ values wants the inputs in the *rows* of values. The first one takes four of them, x, y, radius and 1, "
            "and each of the others takes what the one before gives",
            "same dtype|same data type|but found Double": "numpy's grids are float64, the weights float32: .float()",
            "Can't call numpy()": CUT,
        },
        gradient=True,
    ),
    mistakes=r"""
`.to(` -> `.add(1).mul((number - 1) / 2).to(` | `.to(` -> `.mul((number - 1) / 2).to(`: x and y are counted in pixels
    here, so a larger picture is another picture: both run from -1 to 1, torch.linspace(-1, 1, width)
`.to(` -> `.add(1).div(2).to(` | `.to(` -> `.div(2).to(` | `.to(` -> `.neg().to(` | `.to(` -> `.mul(number / max(height,
    width)).to(` | `.to(` -> `.add(1).mul((number - 1) / number / 2).to(` | `.to(` -> `.add(1).mul((number - 1) / number
    / 2).sub(0.5).to(` | `.to(` -> `.add(1).mul((number - 1) / number).sub(1).to(`: x runs from -1 at the left to 1 at
    the right, whatever the width, and y from -1 at the top to 1 at the bottom: torch.linspace(-1, 1, width)
`.to(` -> `.mul((number - 1) / number).to(`: these are the pixels' centres, which never reach the ends: the first pixel
    is at -1 and the last one at 1, torch.linspace(-1, 1, width)
`(rows,` -> `(rows.flip(0),`: the picture is upside down: y is -1 at the top and 1 at the bottom, as rows are counted
`columns, i` -> `columns.flip(0), i`: the picture is mirrored: x is -1 at the left and 1 at the right
`.sqrt()` -> `` | `.sqrt()` -> `.div(2).sqrt()` | `x**2 + y**2` -> `(x.abs() + y.abs()) ** 2` | `x**2 + y**2` ->
    `torch.maximum(x**2, y**2)` | `x**2 + y**2` -> `(x + y) ** 2` | `(x**2 + y**2).sqrt()` -> `x * y` | `x**2 + y**2` ->
    `0 * x` | `x**2 + y**2` -> `0 * x + 1`: the radius is the distance from the middle, the root of x^2 + y^2
`(1)` -> `(1)[[1, 0, 2, 3]]` | `(1)` -> `(1)[[0, 1, 3, 2]]` | `(1)` -> `(1)[[3, 0, 1, 2]]` | `(1)` -> `(1)[[2, 0, 1,
    3]]`: the inputs stand in another order: x (left to right), y (top to bottom), radius, 1
`ones_like` -> `zeros_like`: the last input is 0: it is 1 everywhere, and its weights shift the others (the bias)
`paint(weights, width, height)` | `paint(weights, height, width).mT`: rows and columns are exchanged: a tensor's rows
    come first, so y, x = torch.meshgrid(rows, columns, indexing="ij") with `height` rows and `width` columns
`paint(weights, height, width).mT.reshape(1, 3, height, width)` | `paint(weights, width, height).view(1, 3, height,
    width)` | `.view(` -> `.T.reshape(`: the pixels are scrambled: view and reshape only count through. (height * width,
    3) becomes an image by .T.reshape(1, 3, height, width), and height has to be the slower one in the grid
`.flatten(1)` -> `.reshape(-1, 4).T`: the inputs are scrambled: reshape(-1, 4) only counts through.
    torch.stack([...]).flatten(1) gives a row an input, torch.stack([...], dim=-1).reshape(-1, 4) a row a pixel
`.sin()` -> `` | `.sin()` -> `.sin() if weight is weights[0] else weight @ values` | `.sin()` -> `.sin() if weight is
    not weights[0] else weight @ values`: a sine is missing after the first matrix, or after a later one: without it,
    two matrices are no more than one. A sine follows every matrix but the last, weights[:-1]
`.sigmoid()` -> `.sin().sigmoid()`: there is a sine after the last matrix: only the sigmoid follows that one
`(1)` -> `(1).sin()` | `.sin()` -> `` & `(1)` -> `(1).sin()`: the inputs go through a sine before the first matrix: it
    comes *after* a matrix, sin(weight @ values)
`.sin()` -> `.cos()` | `.sin()` -> `.tanh()` | `.sin()` -> `.relu()` | `.sin()` -> `.sigmoid()` | `.sin()` ->
    `.sin().sigmoid()` | `.sin()` -> `.mul(2 * torch.pi).sin()`: another function than the sine follows the first
    matrices (a cosine, tanh, ReLU, the last one's sigmoid), or the sine is of 2 pi times the numbers: .sin()
`.sigmoid()` -> `` | `.sigmoid()` -> `.clamp(0, 1)` | `.sigmoid()` -> `.sin()` | `.sigmoid()` -> `.tanh()` |
    `.sigmoid()` -> `.sin().abs()` | `.sigmoid()` -> `.sin().add(1).div(2)`: the last matrix makes any number, and a
    pixel lies in [0, 1]: .sigmoid() (neither a clamp nor a sine, whose slope is 0 where it cuts or turns)
`.sigmoid()` -> `.mul(2).sigmoid()` | `.sigmoid()` -> `.sigmoid().sigmoid()` | `.sigmoid()` -> `.neg().sigmoid()`: this
    is a sigmoid of a sigmoid, of minus the numbers, or of twice the numbers (which is (tanh + 1) / 2): only .sigmoid()
`return (weights[-1] @ values).sigmoid()` -> `last = weights[-1] @ values\n    return ((last - last.min()) / (last.max()
    - last.min()))`: the contrast is stretched, so every pixel depends on all others: each number for itself, .sigmoid()
`.sigmoid()` -> `.softmax(0)` | `.sigmoid()` -> `.softmax(1)` | `.sigmoid()` -> `.log_softmax(0)`: softmax makes shares
    that sum to 1, so that no pixel can be white and none black: each number for itself, .sigmoid()
`.view(1, 3, height, width)` -> `` | `.view(1, 3, height, width)` -> `.T` | `.view(1, ` -> `.view(`: the result is a
    batch of one image, (1, 3, height, width): .view makes it of (3, height * width), .T.reshape of (height * width, 3)
`.view(1, 3, height, width)` -> `.T.view(1, height, width, 3)` | `.view(1, 3, height, width)` -> `.T.view(height, width,
    3)`: the channels come last here, as matplotlib likes it: the course has them first, (1, 3, height, width)
`paint(weights, height, width).mean(1, keepdim=True)`: this is grey: the three outputs are red, green and blue
`round_trip(paint(weights, height, width))`: the levels of a PNG have no slope: no rounding here
""",
    hints=(
        "Four numbers go in at each pixel, and all pixels can go at once: a matrix (4, height * width), a row an "
        "input, a column a pixel. Then weight @ values is one layer.",
        'y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij"), and '
        "torch.stack([x, y, radius, one]).flatten(1) with radius = (x**2 + y**2).sqrt(), one = torch.ones_like(x). "
        "(.to(weights[0]) takes them to where the weights are.)",
        "for weight in weights[:-1]: values = (weight @ values).sin(). The last one is followed by .sigmoid() instead.",
        "(weights[-1] @ values).sigmoid().view(1, 3, height, width)",
    ),
    stars=3,
    picture=_draw_beside(),
)


def repeat(element, cells, per_side):
    channels, height, width = element.shape
    canvas = element.new_full((1, channels, per_side * height, per_side * width), 0.5)
    for cell in cells:
        row, column = divmod(cell, per_side)
        top, left = row * height, column * width
        canvas[0, :, top : top + height, left : left + width] = element
    return canvas


def _elements():
    """An element with black corners, cells, and their number on a side, by name."""

    def disc(channels, height, width):
        y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
        return (0.1 + 0.9 * torch.rand(channels, height, width)) * (x**2 + y**2 < 1.3)

    return {
        "a colour element of 6 x 8, cells [1, 2, 6], per_side = 3": (disc(3, 6, 8), [1, 2, 6], 3),
        "a grey element of 5 x 3, cells [14, 2, 7, 0, 9], per_side = 4": (disc(1, 5, 3), [14, 2, 7, 0, 9], 4),
        "a grey element of 4 x 4, cells [0], per_side = 1": (disc(1, 4, 4), [0], 1),
        "a grey element of 1 x 2, all 9 cells": (disc(1, 3, 6)[:, 1:2, 2:4], list(range(9)), 3),
    }


def _held(canvas, element, cells, per_side):
    """What stands in each cell, in words."""
    channels, height, width = element.shape
    if canvas.shape != (1, channels, per_side * height, per_side * width):
        return {}
    known, held = {"the element": element, "grey": 0.5, "black": 0.0, "white": 1.0}, {}
    for number, cell in enumerate(_cells(canvas, per_side)):
        level = cell.flatten()[0]
        names = [name for name, value in known.items() if (cell - value).abs().max() < 1e-3]
        names += [f"{level:.3g} all over" if (cell == level).all() else "something else"]
        held[f"cell {number}"] = names[0]
    return held


EX_REPEAT = Exercise(
    "5.3",
    repeat,
    _images(
        _elements,
        _held,
        {
            "expanded size|must match|shape mismatch|broadcast|output with shape": "the part of the canvas that you "
            "write to is not as large as the element. Counted from 0, a cell takes the pixels row * h to (row + 1) * h "
            "down and column * w to (column + 1) * w across, in all channels; C, h, w = element.shape",
            "out of bounds|out of range": "cells are numbered from 0, and the last one is per_side * per_side - 1",
        },
    ),
    mistakes="""
`row, column =` -> `column, row =`: the cells are numbered column by column here: row by row, so cell 1 is to the
    *right* of cell 0. row, column = divmod(cell, per_side)
`(cell,` -> `((cell - 1) % per_side**2,` | `in cells` -> `in [cell - 1 for cell in cells if cell]` | `(cell,` -> `((cell
    + 1) % per_side**2,`: the copies stand one cell too early or too late: cell 0 is the one in the top left corner
`(cell,` -> `(per_side**2 - 1 - cell,` | `row *` -> `(per_side - 1 - row) *`: the cells are counted from the bottom:
    cell 0 is in the *top* left corner
`row * height, column * width` -> `row, column`: row and column count cells, not pixels: the cell begins at the pixel
    row * h and column * w, where h, w = element.shape[1:]
`row * height, column * width` -> `row * width, column * height` & `0.5)` -> `0.5).repeat(1, 1, 2, 2)` & `return canvas`
    -> `return canvas[..., : per_side * height, : per_side * width]` | `column * width` -> `column * height` & `0.5)` ->
    `0.5).repeat(1, 1, 2, 2)` & `return canvas` -> `return canvas[..., : per_side * height, : per_side * width]` | `row
    * height` -> `row * width` & `0.5)` -> `0.5).repeat(1, 1, 2, 2)` & `return canvas` -> `return canvas[..., : per_side
    * height, : per_side * width]`: height and width are exchanged: the cell begins at the pixel row * h, column * w
`0.5` -> `0.0` | `0.5` -> `1.0` | `0.5` -> `128.0` | `0.5` -> `127.5` | `0.5` -> `127.0` | `0.5` -> `128 / 255` | `0.5`
    -> `127 / 255` | `0.5` -> `0.05` | `0.5` -> `0.25` | `0.5` -> `element.mean()`: the cells without a copy are grey,
    0.5: begin with element.new_full((1, C, per_side * h, per_side * w), 0.5)
`] = element` -> `] += element` | `] = element` -> `] = (element + 0.5).clamp(0, 1)` | `] = element` -> `] = (element +
    0.5) / 2` | `] = element` -> `] = element.clamp(min=0.5)` | `] = element` -> `] *= element`: the element is mixed
    with the grey under it: it *replaces* what is there, canvas[0, :, rows, columns] = element
`] = element` -> `] = element.where(element != 0, 0.5)`: the element's own black pixels turn grey: make the canvas grey
    first and place the copies then, so that nobody has to guess which pixels are background
`element.repeat(1, 1, per_side, per_side)` | `element.repeat(1, per_side, per_side)`: each cell has a copy: only `cells`
    do
`in cells` -> `in set(range(per_side**2)) - set(cells)`: the other way round: the cells in the list have a copy
`in cells` -> `in range(len(cells))`: the first cells are filled, as many as the list is long: it says *which* ones
`in cells` -> `in cells[-1:]` | `in cells` -> `in cells[:1]`: only one copy shows: is `return` inside the loop, or is
    the canvas made anew in each round? Make it before the loop, and return it after
`in cells` -> `in cells[:-1]` | `in cells` -> `in cells[1:]`: the first or the last cell of the list is left out
`return canvas` -> `return _cells(canvas, per_side).reshape(canvas.shape)` | `return canvas` -> `return _cells(canvas,
    per_side).transpose(0, 2).reshape(canvas.shape)` | `return canvas` -> `return _cells(canvas, per_side).unflatten(0,
    (per_side, per_side)).permute(3, 4, 0, 5, 1, 2).reshape(canvas.shape)`: the canvas is scrambled: view and reshape
    only count through. From (rows, columns, C, h, w) it is made by .permute(2, 0, 3, 1, 4), then reshape
`return canvas` -> `return canvas[..., ::per_side, ::per_side]` | `element[None].repeat_interleave(per_side,
    2).repeat_interleave(per_side, 3)`: nothing is scaled: a copy is as large as the element
`return canvas` -> `return canvas[0]` | `return canvas` -> `return canvas.permute(0, 2, 3, 1)` |
    `torch.cat([repeat(element, [cell], per_side) for cell in cells])`: the canvas is a batch of one image with all
    copies, (1, C, H, W), the channels first: [None] adds the first dimension
`] = element` -> `] = element.flip(2)` | `] = element` -> `] = element.flip(1)` | `] = element` -> `] = element /
    len(cells)`: a copy is the element as it is, neither mirrored nor darkened
`return canvas` -> `return canvas.mean(1, keepdim=True)`: the colours are gone: the canvas has the element's channels
""",
    hints=(
        "A grey canvas first: element.new_full((1, C, per_side * h, per_side * w), 0.5), with C, h, w = element.shape.",
        "In which row and in which column of cells does cell 5 stand, if there are 3 in a row? divmod(5, 3) says it. "
        "It begins at the pixel top = row * h, left = column * w.",
        "canvas[0, :, top : top + h, left : left + w] = element, for each cell of the list",
    ),
    stars=2,
    picture=_draw_beside(),
)


def shuffle(images, parts, order):
    height, width = images.shape[2] // parts, images.shape[3] // parts

    def patch(number):
        row, column = divmod(number, parts)
        return ..., slice(row * height, (row + 1) * height), slice(column * width, (column + 1) * width)

    shuffled = torch.empty_like(images)
    for place, source in enumerate(order):
        shuffled[patch(place)] = images[patch(source)]
    return shuffled


def _scenes():
    """Images, parts and an order that is not its own inverse, by name."""

    def painted(number, channels, *size):
        return torch.cat([paint(_drawn(4, 8, 3), *size)[:, :channels] for _ in range(number)])

    mixed, many, grey = [4, 0, 7, 1, 8, 3, 2, 6, 5], torch.randperm(16).tolist(), painted(1, 1, 8, 8)
    return {
        f"2 colour images of 18 x 24, parts = 3, order {mixed}": (painted(2, 3, 18, 24), 3, mixed),
        "a grey image of 8 x 8, parts = 2, order [1, 3, 0, 2]": (grey, 2, [1, 3, 0, 2]),
        "the same image, order [3, 0, 2, 1]": (grey, 2, [3, 0, 2, 1]),
        "another grey image of 8 x 8, order [3, 0, 2, 1]": (painted(1, 1, 8, 8), 2, [3, 0, 2, 1]),
        f"5 grey images of 20 x 16, parts = 4, order {many}": (painted(5, 1, 20, 16), 4, many),
        "a colour image of 5 x 3, parts = 1, order [0]": (painted(1, 3, 5, 3), 1, [0]),
    }


def _shown(shuffled, images, parts, order):
    """Which patch of the images stands at each place, in words."""
    if shuffled.shape != images.shape:
        return {}
    same = (_cells(shuffled, parts)[:, None] - _cells(images, parts)).abs().flatten(3).amax(3) < 1e-3
    told = {}
    for place, is_patch in enumerate(same):  # (patches, N)
        numbers = is_patch.int().argmax(0).tolist()
        one = f"patch {numbers[0]}" if len(set(numbers)) == 1 else f"patch {str(numbers)[1:-1]} (image by image)"
        told[f"place {place}"] = one if is_patch.any(0).all() else "no patch of the images"
    return told


EX_SHUFFLE = Exercise(
    "5.4",
    shuffle,
    _images(
        _scenes,
        _shown,
        {
            "out of bounds|out of range|too many indices": "`order` numbers patches: to index with it, these need a "
            "dimension of their own (or go place by place)",
            "'list' object has no|must be Tensor, not list|not tuple, but list": "`order` is a list of whole numbers, "
            "not a tensor: torch.tensor(order) makes one of it",
            "view size is not compatible": "after a permute the numbers do not stand in a row any more: .reshape "
            "copies them, .view cannot",
            "is invalid for input of size": "a batch cut into patches is (N, C, parts, H // parts, parts, W // parts)",
            "must match": "the two parts are not of the same size: a patch is H // parts high and W // parts wide, and "
            "begins at the pixel row * (H // parts), column * (W // parts), with row and column counted from 0",
            "divisible by the product of kernel_size": "F.unfold gives (N, C * h * w, parts * parts): the patches are "
            "its *last* dimension, [..., order]",
        },
    ),
    mistakes="""
`place, source` -> `source, place`: this is the inverse: patch i goes to place order[i] here. Patch order[i] goes to
    place i, so the *source* is order[i]: shuffled[place i] = images[patch order[i]]. (patches[order] does it at once.)
`empty_like` -> `clone` & `images[patch` -> `shuffled[patch` | `empty_like` -> `clone` & `images[patch` ->
    `shuffled[patch` & `place, source` -> `source, place`: some patches show twice and others never: the loop reads from
    the tensor that it writes to, where a patch may be overwritten before it is read. Read from `images`
`row, column =` -> `column, row =` | `row, column =` -> `column, row =` & `place, source` -> `source, place`: the
    patches are numbered column by column here: row by row, so patch 1 is to the *right* of patch 0
`(source)` -> `(source % parts * parts + source // parts)` | `(place)` -> `(place % parts * parts + place // parts)`:
    the patches are read row by row and written column by column, or the reverse: row by row on both sides
`empty_like` -> `clone` & `= images[patch(source)]` -> `, shuffled[patch(source)] = shuffled[patch(source)].clone(),
    shuffled[patch(place)].clone()`: each round *swaps* two patches, so the next ones are no longer where `order` takes
    them to be: read all from `images`, and write into torch.empty_like(images)
`images.view(*images.shape[:2], parts * parts, -1)[:, :, order].view(images.shape)` | `images.view(len(images), parts *
    parts, -1)[:, order].view(images.shape)` | `torch.cat([images.chunk(parts, 2)[k] for k in order if k < parts], 2)`:
    these are strips of rows, not patches (view only counts through): cut both ways, into (N, C, parts, H // parts,
    parts, W // parts), and bring both `parts` to the front
`return shuffled` -> `return _cells(shuffled, parts).flatten(2).permute(1, 2, 0).reshape(images.shape)` | `return
    shuffled` -> `return _cells(shuffled, parts).reshape(images.shape)` | `return shuffled` -> `return _cells(shuffled,
    parts).transpose(0, 1).reshape(images.shape)` | `return shuffled` -> `return _cells(shuffled, parts).permute(1, 2,
    0, 3, 4).reshape(images.shape)` | `return shuffled` -> `return _cells(shuffled, parts).unflatten(0, (parts,
    parts)).permute(2, 3, 4, 0, 5, 1).reshape(images.shape)`: the patches are cut right, but put together wrongly:
    reshape alone counts through. Undo the cut: F.fold after F.unfold; else .unflatten(0, (parts, parts)), and permute
    to (N, C, parts, H // parts, parts, W // parts)
`torch.pixel_shuffle(torch.pixel_unshuffle(images, parts).unflatten(1, (-1, parts**2))[:, :, order].flatten(1, 2),
    parts)`: every `parts`-th pixel makes a patch here: neighbours belong together. The cut is (N, C, parts, H // parts,
    parts, W // parts), with `parts` *before* the pixels
`(source)]` -> `(place)].flatten(2)[..., order + [*range(parts**2, height * width)]].unflatten(2, (height, width))`: the
    pixels inside the patches move, and the patches stay: `order` moves whole patches
`empty` -> `zeros` & `(order)` -> `(order[:-1])` | `empty_like` -> `clone` & `(order)` -> `(order[:-1])` | `empty` ->
    `zeros` & `(order)` -> `(order[:parts])` | `empty_like` -> `clone` & `(order)` -> `(order[:parts])` | `empty` ->
    `zeros` & `enumerate(order)` -> `[*enumerate(order)][1:]` | `empty_like` -> `clone` & `enumerate(order)` ->
    `[*enumerate(order)][1:]`: some places are left out, the first, the last, or all rows but the first: the places are
    0 to parts * parts - 1
`images.shape[2] // parts, images.shape[3] // parts` -> `parts, parts` & `empty` -> `zeros` | `images.shape[2] // parts,
    images.shape[3] // parts` -> `parts, parts` & `empty_like` -> `clone`: `parts` is the number of patches on a side,
    not their pixels: a patch is H // parts x W // parts
`(source)]` -> `(source)].flip(3)` | `(source)]` -> `(source)].flip(2)` | `(source)]` -> `(source)].flip(2, 3)`: the
    patches are turned or mirrored: copy each as it is
`images.clone()`: the images come back as they were: patch order[i] goes to place i
`(order)` -> `(order[::-1])`: the order is read backwards: patch order[i] goes to place i
`shuffle(shuffle(images, parts, order), parts, order)`: the patches are shuffled twice: once
`torch.cat([shuffle(image[None], parts, order[n:] + order[:n]) for n, image in enumerate(images)])` |
    `torch.cat([shuffle(images[:1], parts, order), images[1:]])`: the images of the batch are not all shuffled in the
    same order, and nothing but the picture is to differ: images[..., rows, columns] takes all at once
`torch.cat([shuffle(images[:, :1], parts, order), images[:, 1:]], 1)`: only one channel is shuffled: a patch has all
`_cells(images, parts)[order]` | `_cells(images, parts)[order].transpose(0, 1)`: these are the patches in their new
    order, but one by one: put them together to images again, (N, C, H, W)
""",
    hints=(
        "Go place by place: which patch comes to place 0, and where in the image is it?",
        "Patch k stands in row, column = divmod(k, parts), from pixel row * (H // parts), column * (W // parts) on.",
        "Make the result with torch.empty_like(images), and copy for each place i the patch order[i] from `images`: "
        "whoever writes into `images` itself overwrites patches that are still needed.",
        "shuffled[..., r * h : (r + 1) * h, c * w : (c + 1) * w] = images[..., s * h : (s + 1) * h, t * w : (t + 1) * "
        "w], where r, c = divmod(i, parts) and s, t = divmod(order[i], parts)",
    ),
    stars=2,
    picture=_draw_beside("the image"),
)


def carried_over(truth, before, source, other):
    counted = (source != truth) & (before == truth)
    return (other != truth)[counted].float().mean().item()


def _labels(*digits):
    return tuple(torch.tensor([*map(int, each)]) for each in digits)


EX_CARRIED_OVER = Exercise(
    "5.5",
    carried_over,
    probe=on(
        lambda: {
            "8 images, of which 5 count and 3 carry over": _labels("01230123", "01230100", "11002203", "12203112"),
            "200 images of 10 classes": tuple(torch.randint(0, 10, (4, 200))),
            "150 images of 3 classes": tuple(torch.randint(0, 3, (4, 150))),
        },
        {
            "one image that carries over": _labels("3", "3", "1", "2"),
            "one image that does not": _labels("3", "3", "1", "3"),
            "3 images, none fools the source network": _labels("012", "012", "012", "022"),
            "3 images that the other network had wrong before": _labels("012", "120", "120", "122"),
        },
        what="the share",
        plain=lambda result: str(result) if isinstance(result, bool) else as_number(result),
        advice={
            "could not infer output dtype": "a mean of True and False needs floats: .float().mean()",
            "mean(): input dtype": "a mean of True and False, or of whole numbers, needs floats: .float().mean()",
            "ambiguous": "Python's `and`, `or`, `not` and `if` take one truth value: & and ~ go image by image, with "
            "brackets round each comparison, (source != truth) & (before == truth), for & binds tighter than ==",
            "division by zero": "where no image counts there is nothing to carry over, and 0 / 0 stops Python: the "
            'share is then float("nan"), which the mean of an empty tensor is by itself',
            "must match the size": "one side has only the images that count, the other all: (other != truth)[counted]",
            "no attribute 'item'": "Python's own sum of nothing is no tensor: (other != truth)[counted].sum()",
        },
    ),
    mistakes="""
` & (before == truth)` -> ``: images count here that the other network had wrong *before* the attack: nothing was
    carried over to it there. Keep those with before == truth
`(source != truth) & ` -> ``: images count here that did not even fool the network they were made for: nothing was there
    to carry over. Keep those with source != truth
`(other != truth).float().mean().item()` | `(other != before).float().mean().item()`: all images count here: keep those
    that fool the source network *and* that the other one had right before, (source != truth) & (before == truth)
` & ` -> ` | `: `or` lets images in that meet one of the two conditions: both, (source != truth) & (before == truth)
`(other != truth)[counted]` -> `(counted & (other != truth))` | `(other != truth)[counted]` -> `(counted & (other !=
    truth))[before == truth]` | `(other != truth)[counted]` -> `(counted & (other != truth))[source != truth]` |
    `((source != truth) & (other != truth)).float().mean().item()` | `((before == truth) & (other !=
    truth)).float().mean().item()`: this is divided by too many images: only those count that fool the source network
    *and* that the other one had right before. Of these, which share does it get wrong?
`(other != truth)[counted]` -> `counted[other != truth]`: divided by the images that the other network gets wrong, for
    whatever reason: divide by those that fool the source network and that the other one had right before
`other != truth` -> `other == source` | `other != truth` -> `other == source` & ` & (before == truth)` -> `` | `(other
    == source).float().mean().item()` | `(other != truth)[counted]` -> `(counted & (other == source))` | `((other ==
    source) & (source != truth)).float().mean().item()`: this asks whether both networks give the *same* wrong answer,
    which is rarer: to be wrong, in any way, is enough, other != truth
`(other != truth)[source != before].float().mean().item()`: the source network's answers are compared with the *other*
    network's: fooled are those with source != truth, and the other one was right where before == truth
`(other != before)[source != truth].float().mean().item()`: this asks whether the other network *changed* its answer: an
    image that it had wrong before and has wrong after did not carry over. Keep those with before == truth
`other != truth` -> `other == truth`: this is the share that the other network still has right: take other != truth
`other != truth` -> `other != source`: this compares the two networks: the other one is wrong where other != truth
`(before == truth)` -> `before`: labels are no True and False: compare first, before == truth, and combine by &
`before == truth` -> `before != truth` | `source != truth` -> `source == truth`: a comparison is turned round: those
    count that fool the source network and that the other one had right before
`.float().mean()` -> `.sum() // counted.sum().clamp(min=1)`: `//` rounds down to 0: divide with /
`.float().mean().item()` -> `` | `(other != truth) & (source != truth) & (before == truth)`: this says of each image
    whether it carried over: their share is asked for, .float().mean()
`(other != truth)[counted]` -> `counted`: this is the share that counts: which share of *those* has other != truth?
`(other != truth)[counted].float().mean()` -> `((other != truth).float().mean() / counted.float().mean())` | `((source
    != truth).float().mean() * (before == truth).float().mean() * (other != truth).float().mean()).item()` | `((before
    == truth).float().mean() - (other == truth).float().mean()).item()` | `((other != truth).float().mean() / (source !=
    truth).float().mean()).item()`: shares of different images are multiplied, divided or subtracted: you know which
    images count, so look at these, (other != truth)[counted]
`.mean()` -> `.mean().nan_to_num()` | `.mean()` -> `.mean().nan_to_num(1)` | `.mean()` -> `.mean().nan_to_num(-1)` |
    `.mean()` -> `.mean().nan_to_num(torch.inf)` | `return` -> `return None if not counted.any() else`: the share of
    nothing is no number: where no image counts, return float("nan") (0 would say that nothing carried over)
""",
    hints=(
        "Two questions: which images count, and which of these does the other network get wrong?",
        "An image counts if it fools the source network (source != truth) and if the other network had it right before "
        "(before == truth). & asks for both, image by image, with brackets round each comparison.",
        "(other != truth)[counted] keeps the images that count, and .float().mean() is their share: nan if there are "
        "none, by itself.",
    ),
    stars=2,
)

EXERCISES = (EX_ROUND_TRIP, EX_PAINT, EX_REPEAT, EX_SHUFFLE, EX_CARRIED_OVER)
