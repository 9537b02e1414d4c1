"""Lesson 05: 256 levels, a network that paints, copies of one element, patches in another order, what carries over."""

import math
from copy import deepcopy
from functools import cache
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional as F

from course_utils import figures
from course_utils.exercises.differences import describe_difference, named
from course_utils.exercises.engine import Exercise, Mistake, NotYet
from course_utils.exercises.probes import (
    CUT,
    advised,
    as_number,
    in_stages,
    slopes,
    up_to_the_first_difference,
    want_new,
)

PIXELS = "the pixels"


def _seeded(seed):
    return torch.Generator().manual_seed(seed)


def _no_words(result, *given):
    return {}


@cache
def _right(reference, cases, words):
    told = (_told(name, reference(*given), given, words) for name, given in cases().items())
    return {what: value for each in told for what, value in each.items()}


def _images(attempt, reference, cases, words=_no_words):
    """From the coarse to the fine, found and right: the images of each case, whose memory they are in, the type."""
    found, calls = {}, []
    for name, given in cases().items():
        copies = deepcopy(given)
        calls.append((attempt(*copies), copies))
        found |= _told(name, calls[-1][0], given, words)
    yield found, _right(reference, cases, words)
    for result, copies in calls:
        want_new(result, "what it was given", *copies)
    types = {str(result.dtype) for result, _ in calls} - {"torch.float32"}
    if types:
        raise NotYet(
            f"the values are right, but their type is {', '.join(sorted(types))}, and the networks of this course take "
            "float32 only: .float() at the end"
        )


def _told(name, result, given, words):
    """A result: its shape, what it shows in words where that can be said, and its values."""
    told = {f"the result ({name})": None if result is None else named(result)}
    if isinstance(result, Tensor):
        result = result.detach().cpu().clone()
        told |= {f"{what} ({name})": word for what, word in words(result.real.float(), *given).items()}
    return told | {f"{PIXELS} ({name})": result}


def _matches(found, known):
    """Which of the known images (K, ...) each of those found (P, ...) is, image by image of a batch: (P, K, N)."""
    return ((found[:, None] - known).abs().flatten(3).amax(3) < 1e-3).tolist()


def _draw_beside(cases, first=None):
    """Draws, for the first case that is wrong, what the reference makes and what the attempt makes of it."""

    def draw(seen, expected):
        name = next(n for n in cases() if describe_difference(seen[f"{PIXELS} ({n})"], expected[f"{PIXELS} ({n})"]))
        mine, theirs = (_as_batch(observed[f"{PIXELS} ({name})"]) for observed in (seen, expected))
        worst = (mine - theirs).abs().flatten(1).amax(1).argmax() if mine.shape == theirs.shape else 0
        shown = {"the reference's": theirs[worst], "yours": mine[worst]}
        if first:
            title, take = first
            shown = {title: take(*cases()[name])[worst]} | shown
        canvas, axes = figures.figure(2.2 * len(shown), 2.4, ncols=len(shown))
        for axis, (title, image) in zip(axes, shown.items(), strict=True):
            figures.show(axis, image, title=title)
        alt = f"What the reference makes and what yours makes, side by side, for {name}."
        return figures.picture(canvas, alt)

    return draw


def _as_batch(images):
    """What can be shown as images with the channels first."""
    images = images.real.float().nan_to_num()
    images = images[None] if images.ndim == 3 else images
    return images if images.shape[1] in (1, 3) else images.permute(0, 3, 1, 2)


# 5.1


def round_trip(images):
    levels = (images * 255).round().to(torch.uint8)
    return levels.float() / 255


TORCH_ROUNDS = (
    "Python's own round() and int() take one number: (images * 255).round() rounds each pixel, .to(torch.uint8) makes "
    "whole numbers of them"
)


@cache
def _greys():
    """Images by name; no pixel lies half-way between two levels, where either would be right."""

    def near(levels, seed):
        offsets = 0.9 * torch.rand(levels.shape, generator=_seeded(seed)) - 0.45
        return ((levels + offsets) / 255).clamp(0, 1)

    levels = torch.randint(0, 256, (2, 3, 5, 7), generator=_seeded(0))
    return {
        "one row, 0, 0.001, 0.003, 0.25, 0.6, 0.998, 0.999, 1": (
            torch.tensor([[[[0, 0.001, 0.003, 0.25, 0.6, 0.998, 0.999, 1]]]]),
        ),
        "2 colour images of 5 x 7": (near(levels, 1),),
        "2 other colour images of 5 x 7": (near(levels.flip(0), 4),),
        "a dark colour image of 2 x 4": (near(torch.arange(24).view(1, 3, 2, 4), 2),),
        "all 256 levels, which come back as they are": (torch.arange(256).view(1, 1, 16, 16) / 255,),
        "4 grey images of 3 x 3, none brighter than 0.4": (near(levels.flatten()[:36].view(4, 1, 3, 3) * 2 // 5, 3),),
    }


def _probe_round_trip(attempt):
    advice = dict.fromkeys(("__round__", "converted to Python scalars", "a Tensor with"), TORCH_ROUNDS)
    attempt = advised(attempt, advice)

    def stages():
        yield from _images(attempt, round_trip, _greys)
        off = max((255 * pixels - (255 * pixels).round()).abs().max() for pixels in map(attempt, _one_each()))
        yield (
            {"the pixels, in levels": "whole" if off < 1e-3 else f"off by {off:.2g}"},
            {"the pixels, in levels": "whole"},
        )

    return up_to_the_first_difference(stages())


def _one_each():
    return [images.clone() for (images,) in _greys().values()]


def _through(scale=255, whole=torch.round, store=lambda levels: levels, back=255):
    """The way there and back with one part exchanged: the source of the classic mistakes."""
    return lambda images: store(whole(images * scale)) / back


def _wraps(levels):
    return levels.long() % 256


def _signed(levels):
    return levels.long().to(torch.int8)


def _at_most_255(levels):
    return levels.clamp(max=255)


TRUNCATES = (
    "this cuts off what follows the point, as .to(torch.uint8), .int() and floor do, so every pixel ends at the level "
    "*below* it: on average half a level darker, and a perturbation of less than a level upwards is lost. The nearest "
    "level: .round() before the whole numbers"
)
BY_256 = (
    "256 levels are numbered from 0 to 255, so white is 255 and not 256 (which does not fit into 8 bits, and wraps "
    "round to 0, black). Multiply by 255, round, divide by 255"
)
NOT_DIVIDED = (
    "these are levels from 0 to 255: a network of this course takes pixels in [0, 1]. Divide by 255 at the end"
)
UNTOUCHED = (
    "the pixels come back as they were, to all digits: a PNG keeps 256 levels only. Multiply by 255, round, and divide "
    "by 255"
)
DECIMALS = "this rounds to decimal places: the levels of a PNG are 1/255 apart. Multiply by 255, round, divide by 255"
TWO_LEVELS = (
    "only black and white are left: the rounding meets pixels in [0, 1], where whole numbers are 0 and 1. Multiply by "
    "255 first (and divide with / at the end, for // rounds down)"
)
STRETCHED = (
    "the contrast is stretched, so that the brightest pixel becomes white: a PNG does not do that (some programs that "
    "show one do). Multiply by 255, round, divide by 255"
)
TOO_DARK = (
    "nearly all is black: .to(torch.uint8) meets pixels in [0, 1] here, and makes 0 of all but white. Multiply by 255 "
    "first, and round"
)

EX_ROUND_TRIP = Exercise(
    id="5.1",
    reference=round_trip,
    probe=_probe_round_trip,
    mistakes="",
    also=(
        Mistake(_through(whole=torch.floor), TRUNCATES),
        *(
            Mistake(_through(whole=whole), "this takes the level *above* each pixel: the nearest one, .round()")
            for whole in (torch.ceil, lambda levels: levels.floor() + 1)
        ),
        *(
            Mistake(
                _through(scale, torch.floor),
                "this cuts [0, 1] into 256 pieces of the same width, which moves pixels to a level that is not the "
                "nearest: multiply by 255 and .round()",
            )
            for scale in (255.9, 255.99, 255.999)
        ),
        *(
            Mistake(
                _through(whole=whole),
                "this rounds up twice: .round() alone is right (+ 0.5 goes with floor and .to(torch.uint8))",
            )
            for whole in (lambda levels: (levels + 0.5).round(), lambda levels: (levels + 0.5).ceil())
        ),
        Mistake(_through(back=1), NOT_DIVIDED),
        Mistake(_through(whole=torch.floor, back=1), NOT_DIVIDED + " (and round, where this cuts off)"),
        *(
            Mistake(_through(scale, whole, store, back), BY_256)
            for scale, back in ((256, 256), (256, 255), (255, 256))
            for whole in (torch.round, torch.floor)
            for store in (lambda levels: levels, _wraps, _at_most_255)
        ),
        Mistake(_through(254, back=254), "8 bits have 256 levels, 0 to 255: multiply and divide by 255"),
        Mistake(_through(100, back=100), DECIMALS),
        Mistake(_through(1000, back=1000), DECIMALS),
        Mistake(lambda images: images.round(decimals=1), DECIMALS),
        Mistake(lambda images: images.round(decimals=4), DECIMALS),
        Mistake(
            _through(128, back=128),
            "this has 129 levels: 8 bits have 256 of them, 0 to 255. Multiply and divide by 255",
        ),
        Mistake(
            _through(store=_signed),
            "torch.int8 counts from -128 to 127, so bright pixels wrap round below 0: torch.uint8 counts from 0 to 255",
        ),
        Mistake(
            _through(whole=torch.floor, store=_signed),
            "torch.int8 counts from -128 to 127, so bright pixels wrap round below 0: torch.uint8 counts from 0 to 255",
        ),
        Mistake(lambda images: images.round(), TWO_LEVELS),
        Mistake(lambda images: (images * 255).round() // 255, TWO_LEVELS),
        Mistake(lambda images: images.floor(), TOO_DARK),
        Mistake(lambda images: images.floor() / 255, TOO_DARK),
        Mistake(lambda images: images.floor() * 255, TOO_DARK),
        Mistake(lambda images: images.round() / 255, TWO_LEVELS),
        Mistake(lambda images: images.clone(), UNTOUCHED),
        Mistake(
            lambda images: images * 255,
            "nothing is rounded, and the division is missing: multiply by 255, round, and divide by 255",
        ),
        Mistake(lambda images: (images / 255).round() * 255, "the wrong way round: first times 255, then / 255"),
        Mistake(lambda images: (images / 255).round() / 255, "the wrong way round: first times 255, then / 255"),
        Mistake(lambda images: round_trip(images / images.max()), STRETCHED),
        Mistake(lambda images: round_trip(images / images.amax((1, 2, 3), keepdim=True)), STRETCHED),
        Mistake(
            lambda images: round_trip((images - images.min()) / (images.max() - images.min()).clamp(min=1e-12)),
            STRETCHED,
        ),
        Mistake(
            lambda images: round_trip(images)[0],
            "this is the first image only: all of them, (N, C, H, W)",
        ),
        Mistake(
            lambda images: round_trip(images).permute(0, 2, 3, 1),
            "the channels come last here, (N, H, W, C), as in files: the course has them first, (N, C, H, W)",
        ),
        Mistake(
            lambda images: round_trip(images).mean(1, keepdim=True),
            "the colours are gone: each channel is rounded for itself",
        ),
    ),
    hints=(
        "A level is a whole number from 0 to 255, and level 255 is white, the pixel 1. Which number makes levels of "
        "pixels?",
        "The nearest level comes from rounding: .to(torch.uint8) alone cuts off. Then back to [0, 1].",
        "(images * 255).round().to(torch.uint8) is what the file holds; .float() / 255 makes pixels of it.",
    ),
)

# 5.2


def paint(weights, height, width):
    rows, columns = (torch.linspace(-1, 1, number).to(weights[0]) for number in (height, width))
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    values = torch.stack([x, y, (x**2 + y**2).sqrt(), torch.ones_like(x)]).flatten(1)
    for weight in weights[:-1]:
        values = (weight @ values).sin()
    return (weights[-1] @ values).sigmoid().view(1, 3, height, width)


FOUR_INPUTS = (
    "each matrix is (outputs, inputs), so weight @ values wants the inputs in the *rows* of values. The first one "
    "takes four of them, x, y, radius and 1: torch.stack([...]).flatten(1) is (4, height * width). Each of the others "
    "takes what the one before gives, and nothing else"
)
NUMPY_GRID = "numpy's grids are float64, the weights are float32: .float(), or torch.linspace"


@cache
def _genomes():
    """Weights, height and width, by name."""

    def drawn(*sizes, seed, scale=1.5):
        generator = _seeded(seed)
        return [scale * torch.randn(b, a, generator=generator) for a, b in pairwise(sizes)]

    plain = torch.tensor([[2.0, 0, 0, 0], [0, 2.0, 0, 0], [0, 0, 2.0, -1.0]])
    return {
        "one matrix, red from x, green from y, blue from the radius, 9 x 13 pixels": ([plain], 9, 13),
        "4 - 3, 5 x 4 pixels": (drawn(4, 3, seed=0), 5, 4),
        "4 - 8 - 3, 16 x 24 pixels": (drawn(4, 8, 3, seed=3), 16, 24),
        "4 - 5 - 6 - 3, 8 x 8 pixels": (drawn(4, 5, 6, 3, seed=2), 8, 8),
        "4 - 4 - 4 - 4 - 3, 7 x 2 pixels": (drawn(4, 4, 4, 4, 3, seed=4, scale=1.0), 7, 2),
    }


def _probe_paint(attempt):
    advice = dict.fromkeys(("cannot be multiplied", "size mismatch", "Expected size for first"), FOUR_INPUTS)
    advice |= dict.fromkeys(("same dtype", "same data type", "but found Double"), NUMPY_GRID)
    return up_to_the_first_difference(_paintings(advised(attempt, advice | {"Can't call numpy()": CUT})))


def _paintings(attempt):
    yield from _images(attempt, paint, _genomes)
    cases = {name: (weights, *size) for name, (weights, *size) in _genomes().items()}
    yield tuple(
        slopes(lambda *given, f=answer: f(list(given[:-2]), *given[-2:]), "the image", cases)
        for answer in (attempt, paint)
    )


def _span(number):
    return torch.linspace(-1, 1, number)


def _four(x, y):
    return [x, y, (x**2 + y**2).sqrt(), torch.ones_like(x)]


def _as_image(values, height, width):
    return values.view(1, 3, height, width)


def _painter(
    rows=_span,
    columns=_span,
    inputs=_four,
    link=lambda weight, values: weight @ values,
    wave=lambda values, layer: values.sin(),
    last=torch.sigmoid,
    end=_as_image,
):
    """The painter with one part exchanged: the source of the classic mistakes."""

    def draw(weights, height, width):
        y, x = torch.meshgrid(rows(height), columns(width), indexing="ij")
        values = torch.stack(inputs(x, y)).flatten(1)
        for layer, weight in enumerate(weights[:-1]):
            values = wave(link(weight, values), layer)
        return end(last(link(weights[-1], values)), height, width)

    return draw


def _both(span):
    return _painter(rows=span, columns=span)


def _with_radius(radius):
    return _painter(inputs=lambda x, y: [x, y, radius(x, y), torch.ones_like(x)])


def _by_the_longer_side(weights, height, width):
    longer = max(height, width)
    span = lambda number: _span(number) * (number / longer)  # noqa: E731
    return _both(span)(weights, height, width)


def _radius_up_to_1(x, y):
    return (x**2 + y**2).sqrt() / math.sqrt(2)


def _counts_through_inputs(weights, height, width):
    """The inputs (4, height, width), read as if they were (height * width, 4)."""

    def scrambled(x, y):
        return list(torch.stack(_four(x, y)).reshape(-1, 4).T.reshape(4, *x.shape))

    return _painter(inputs=scrambled)(weights, height, width)


FROM_MINUS_1 = (
    "x runs from -1 at the left to 1 at the right, whatever the width, and y from -1 at the top to 1 at the bottom: "
    "torch.linspace(-1, 1, width). Both ends belong to it"
)
CENTRES = (
    "these are the pixels' centres, which never reach the ends: the first pixel is at -1 and the last one at 1, "
    "torch.linspace(-1, 1, width)"
)
RADIUS = "the radius is the distance from the middle, the root of x^2 + y^2, neither squared nor divided by anything"
IN_ORDER = (
    "the inputs stand in another order: x (left to right), y (top to bottom), radius, 1, for each weight belongs to one"
)
WHICH_FIRST = (
    "rows and columns are exchanged: a tensor's rows come first, so y, x = torch.meshgrid(rows, columns, "
    'indexing="ij") with `height` rows and `width` columns'
)
SINES = "a sine follows every matrix but the last: weights[:-1] are those"
LAST_SINE = "there is a sine after the last matrix: only the sigmoid follows that one"
SQUASH = (
    "the last matrix makes any number, and a pixel lies in [0, 1]: .sigmoid() (neither a clamp nor a sine, whose "
    "slope is 0 where it cuts or turns)"
)
SHARES = (
    "softmax makes shares that sum to 1, so that no pixel can be white and none black: each number for itself, "
    ".sigmoid()"
)
SCRAMBLED = (
    "the shape is right but the pixels are scrambled: view and reshape only count through, they never turn rows into "
    "columns. (height * width, 3) becomes an image by .T.reshape(1, 3, height, width), and height has to be the slower "
    "one in the grid"
)
BATCH = "the result is a batch of one image, (1, 3, height, width): [None] adds the first dimension"
LAST_CHANNEL = (
    "the channels come last here, as matplotlib likes it: the course has them first, (1, 3, height, width), "
    ".permute(0, 3, 1, 2)"
)

EX_PAINT = Exercise(
    id="5.2",
    reference=paint,
    probe=_probe_paint,
    picture=_draw_beside(_genomes),
    mistakes="",
    also=(
        Mistake(
            _both(lambda number: torch.arange(number).float()),
            "x and y are counted in pixels here, so a larger picture is another picture: " + FROM_MINUS_1,
        ),
        Mistake(
            _both(lambda number: torch.arange(number) - (number - 1) / 2),
            "x and y are counted in pixels here, so a larger picture is another picture: " + FROM_MINUS_1,
        ),
        *(
            Mistake(_both(span), FROM_MINUS_1)
            for span in (
                lambda number: torch.linspace(0, 1, number),
                lambda number: torch.linspace(-0.5, 0.5, number),
                lambda number: torch.arange(number) / number,
                lambda number: 2 * torch.arange(number) / number - 1,
                lambda number: torch.arange(number) / number - 0.5,
                lambda number: torch.linspace(1, -1, number),
            )
        ),
        Mistake(_by_the_longer_side, FROM_MINUS_1),
        Mistake(_both(lambda number: (2 * torch.arange(number) + 1) / number - 1), CENTRES),
        Mistake(
            _painter(rows=lambda number: _span(number).flip(0)),
            "the picture is upside down: y is -1 at the top and 1 at the bottom, as rows are counted",
        ),
        Mistake(
            _painter(columns=lambda number: _span(number).flip(0)),
            "the picture is mirrored: x is -1 at the left and 1 at the right",
        ),
        Mistake(_with_radius(lambda x, y: x**2 + y**2), RADIUS),
        Mistake(_with_radius(_radius_up_to_1), RADIUS),
        Mistake(_with_radius(lambda x, y: x.abs() + y.abs()), RADIUS),
        Mistake(_with_radius(lambda x, y: torch.maximum(x.abs(), y.abs())), RADIUS),
        Mistake(_with_radius(lambda x, y: (x + y).abs()), RADIUS),
        Mistake(_with_radius(lambda x, y: x * y), RADIUS),
        Mistake(_with_radius(lambda x, y: 0 * x), RADIUS),
        Mistake(_with_radius(lambda x, y: 0 * x + 1), RADIUS),
        *(
            Mistake(_painter(inputs=lambda x, y, o=order: [_four(x, y)[i] for i in o]), IN_ORDER)
            for order in ((1, 0, 2, 3), (0, 1, 3, 2), (3, 0, 1, 2), (2, 0, 1, 3))
        ),
        Mistake(
            _painter(inputs=lambda x, y: [*_four(x, y)[:3], 0 * x]),
            "the last input is 0: it is 1 everywhere, and its weights shift the others (the bias)",
        ),
        Mistake(lambda weights, height, width: paint(weights, width, height), WHICH_FIRST),
        Mistake(lambda weights, height, width: paint(weights, height, width).transpose(2, 3), WHICH_FIRST),
        Mistake(
            lambda weights, height, width: paint(weights, height, width).transpose(2, 3).reshape(1, 3, height, width),
            SCRAMBLED,
        ),
        Mistake(
            lambda weights, height, width: paint(weights, width, height).reshape(1, 3, height, width),
            SCRAMBLED,
        ),
        Mistake(_painter(end=lambda values, height, width: values.T.reshape(1, 3, height, width)), SCRAMBLED),
        Mistake(
            _counts_through_inputs,
            "the inputs are scrambled: reshape(-1, 4) only counts through. torch.stack([...]).flatten(1) gives a row "
            "an input, torch.stack([...], dim=-1).reshape(-1, 4) a row a pixel",
        ),
        Mistake(
            _painter(wave=lambda values, layer: values),
            "without a sine between them, the matrices together are one matrix, and one matrix paints only a slope: "
            + SINES,
        ),
        Mistake(
            _painter(last=lambda values: values.sin().sigmoid()),
            LAST_SINE,
        ),
        Mistake(
            _painter(wave=lambda values, layer: values if layer else values.sin()),
            "only the first matrix is followed by a sine: " + SINES,
        ),
        Mistake(
            _painter(wave=lambda values, layer: values.sin() if layer else values),
            "no sine follows the first matrix: " + SINES,
        ),
        Mistake(
            _painter(inputs=lambda x, y: [each.sin() for each in _four(x, y)]),
            "the inputs go through a sine before the first matrix: it comes *after* a matrix, sin(weight @ values)",
        ),
        Mistake(
            _painter(inputs=lambda x, y: [each.sin() for each in _four(x, y)], wave=lambda values, layer: values),
            "the inputs go through a sine before the first matrix: it comes *after* a matrix, sin(weight @ values)",
        ),
        Mistake(_painter(wave=lambda values, layer: values.cos()), "these are cosines: .sin()"),
        Mistake(_painter(wave=lambda values, layer: values.tanh()), "tanh gives soft blots, no waves: .sin()"),
        Mistake(_painter(wave=lambda values, layer: values.relu()), "ReLU gives kinks, no waves: .sin()"),
        Mistake(
            _painter(wave=lambda values, layer: values.sigmoid()),
            "the sigmoid belongs to the last matrix alone: the others are followed by .sin()",
        ),
        Mistake(
            _painter(wave=lambda values, layer: values.sin().sigmoid()),
            "the sigmoid belongs to the last matrix alone: the others are followed by .sin()",
        ),
        Mistake(
            _painter(wave=lambda values, layer: (2 * math.pi * values).sin()),
            "the sine is taken of 2 pi times the numbers: of the numbers themselves, .sin()",
        ),
        Mistake(_painter(last=lambda values: values), SQUASH),
        Mistake(_painter(last=lambda values: values.clamp(0, 1)), SQUASH),
        Mistake(_painter(last=torch.sin), SQUASH),
        Mistake(_painter(last=torch.tanh), SQUASH),
        Mistake(_painter(last=lambda values: values.sin().abs()), SQUASH),
        Mistake(_painter(last=lambda values: (values.sin() + 1) / 2), SQUASH),
        Mistake(
            _painter(last=lambda values: (values.tanh() + 1) / 2),
            "(tanh + 1) / 2 is a sigmoid twice as steep: .sigmoid()",
        ),
        Mistake(_painter(last=lambda values: values.sigmoid().sigmoid()), "the sigmoid is applied twice: once"),
        Mistake(_painter(last=lambda values: (-values).sigmoid()), "the sign: .sigmoid() of the numbers as they are"),
        Mistake(
            _painter(last=lambda values: (values - values.min()) / (values.max() - values.min()).clamp(min=1e-12)),
            "the contrast is stretched, so every pixel depends on all others: each number for itself, .sigmoid()",
        ),
        Mistake(_painter(last=lambda values: values.softmax(0)), SHARES),
        Mistake(_painter(last=lambda values: values.softmax(1)), SHARES),
        Mistake(_painter(last=lambda values: values.log_softmax(0)), SHARES),
        Mistake(lambda *given: paint(*given)[0], BATCH),
        Mistake(lambda *given: paint(*given).permute(0, 2, 3, 1), LAST_CHANNEL),
        Mistake(lambda *given: paint(*given)[0].permute(1, 2, 0), LAST_CHANNEL),
        Mistake(
            lambda *given: paint(*given).flatten(2)[0],
            "this is (3, height * width), a row a channel: .view(1, 3, height, width) makes an image of it",
        ),
        Mistake(
            lambda *given: paint(*given).flatten(2)[0].T,
            "this is (height * width, 3), a row a pixel: .T.reshape(1, 3, height, width) makes an image of it",
        ),
        Mistake(
            lambda *given: paint(*given).mean(1, keepdim=True),
            "the mean over the channels is grey: the three outputs are red, green and blue",
        ),
        Mistake(lambda *given: 255 * paint(*given), "pixels lie in [0, 1]: without the 255"),
        Mistake(
            lambda *given: round_trip(paint(*given)),
            "the levels of a PNG have no slope: leave the pixels as the sigmoid makes them",
        ),
        Mistake(lambda *given: paint(*given).detach(), CUT),
        Mistake(lambda *given: torch.tensor(paint(*given).tolist()), CUT),
        Mistake(
            lambda weights, *size: paint([*(weight.detach() for weight in weights[:-1]), weights[-1]], *size),
            CUT,
        ),
    ),
    hints=(
        "Four numbers go in at each pixel, and all pixels can go at once: a matrix (4, height * width), a row an "
        "input, a column a pixel. Then weight @ values is one layer.",
        'y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij"), and '
        "torch.stack([x, y, radius, one]).flatten(1) with radius = (x**2 + y**2).sqrt(), one = torch.ones_like(x). "
        "(.to(weights[0]) takes them to where the weights are.)",
        "for weight in weights[:-1]: values = (weight @ values).sin(). The last one is followed by .sigmoid() instead.",
        "(weights[-1] @ values).sigmoid().view(1, 3, height, width)",
    ),
)

# 5.3


def repeat(element, cells, per_side):
    channels, height, width = element.shape
    canvas = element.new_full((1, channels, per_side * height, per_side * width), 0.5)
    for cell in cells:
        row, column = divmod(cell, per_side)
        top, left = row * height, column * width
        canvas[0, :, top : top + height, left : left + width] = element
    return canvas


ITS_CELL = (
    "the part of the canvas that you write to is not as large as the element. Cells, their rows and columns are "
    "counted from 0, and a cell takes the pixels row * h to (row + 1) * h down and column * w to (column + 1) * w "
    "across, in all C channels, where C, h, w = element.shape"
)
FROM_0 = "cells are numbered from 0: the last one of per_side x per_side cells is per_side * per_side - 1"


@cache
def _elements():
    """An element with black corners, cells, and their number on a side, by name."""

    def disc(channels, height, width, seed):
        y, x = torch.meshgrid(_span(height), _span(width), indexing="ij")
        colours = torch.rand(channels, 1, 1, generator=_seeded(seed)) * 0.6 + 0.4
        grain = 0.3 * torch.rand(channels, height, width, generator=_seeded(seed + 10))
        return (colours - grain) * (x**2 + y**2 < 1.3)

    return {
        "a colour element of 6 x 8, cells [1, 2, 6], per_side = 3": (disc(3, 6, 8, 0), [1, 2, 6], 3),
        "a grey element of 5 x 3, cells [14, 2, 7, 0, 9], per_side = 4": (disc(1, 5, 3, 1), [14, 2, 7, 0, 9], 4),
        "a colour element of 4 x 4, cells [2], per_side = 2": (disc(3, 4, 4, 2), [2], 2),
        "another colour element of 6 x 8, the same cells": (disc(3, 6, 8, 3), [1, 2, 6], 3),
        "a colour element of 5 x 5, cells [0], per_side = 1": (disc(3, 5, 5, 4), [0], 1),
        "a grey element of 1 x 2, all 9 cells": (disc(1, 3, 6, 5)[:, 1:2, 2:4], list(range(9)), 3),
    }


def _cells(images, per_side):
    """The cells of images, numbered row by row: (cells, N, C, h, w)."""
    number, channels, height, width = images.shape
    grid = images.reshape(number, channels, per_side, height // per_side, per_side, width // per_side)
    return grid.permute(2, 4, 0, 1, 3, 5).flatten(0, 1)


def _held(canvas, element, cells, per_side):
    """What stands in each cell, in words."""
    if canvas.shape != repeat(element, cells, per_side).shape:
        return {}
    known = {"the element": element} | {
        name: torch.full_like(element, value) for name, value in (("grey", 0.5), ("black", 0), ("white", 1))
    }
    found = _cells(canvas, per_side)
    matches = _matches(found, torch.stack(list(known.values()))[:, None])
    held = {}
    for i, (cell, row) in enumerate(zip(found, matches, strict=True)):
        names = [name for name, (same,) in zip(known, row, strict=True) if same]
        plain = f"{cell.flatten()[0].item():.3g} all over" if (cell == cell.flatten()[0]).all() else "something else"
        held[f"cell {i}"] = (names or [plain])[0]
    return held


def _probe_repeat(attempt):
    advice = dict.fromkeys(
        ("expanded size", "must match", "shape mismatch", "broadcast", "output with shape"), ITS_CELL
    )
    attempt = advised(attempt, advice | {"out of bounds": FROM_0, "out of range": FROM_0})
    return up_to_the_first_difference(_images(attempt, repeat, _elements, _held))


def _placing(
    background=lambda element: 0.5,
    where=divmod,
    put=lambda old, new: new,
    step=lambda height, width: (height, width),
    number=lambda cells, per_side: cells,
):
    """The canvas with one part exchanged: the source of the classic mistakes."""

    def place(element, cells, per_side):
        channels, height, width = element.shape
        canvas = torch.ones(1, channels, per_side * height, per_side * width) * background(element)
        down, right = step(height, width)
        for cell in number(cells, per_side):
            row, column = where(cell, per_side)
            spot = canvas[0, :, row * down : row * down + height, column * right : column * right + width]
            spot.copy_(put(spot, element)[:, : spot.shape[1], : spot.shape[2]])
        return canvas

    return place


def _by_columns(cell, per_side):
    return divmod(cell, per_side)[::-1]


def _counted_in_a_view(together):
    """All cells in a stack, and then put together in some way."""

    def place(element, cells, per_side):
        stack = torch.full((per_side * per_side, *element.shape), 0.5)
        stack[cells] = element
        return together(stack, element, per_side)

    return place


def _size(element, per_side):
    channels, height, width = element.shape
    return 1, channels, per_side * height, per_side * width


def _blacks_turn_grey(element, cells, per_side):
    canvas = _placing(background=lambda element: 0.0)(element, cells, per_side)
    canvas[canvas == 0] = 0.5
    return canvas


def _leaves_the_loop(element, cells, per_side):
    return repeat(element, cells[:1], per_side)


def _one_by_one(element, cells, per_side):
    return torch.cat([repeat(element, [cell], per_side) for cell in cells])


def _shrunk(element, cells, per_side):
    return F.interpolate(repeat(element, cells, per_side), element.shape[1:])


BY_ROWS = (
    "the cells are numbered column by column here: row by row, so cell 1 is to the *right* of cell 0. "
    "row, column = divmod(cell, per_side)"
)
FROM_1 = "the cells are counted from 1 here: cell 0 is the one in the top left corner"
BACKGROUND = (
    "the cells without a copy are grey, 0.5: begin with element.new_full((1, C, per_side * h, per_side * w), 0.5)"
)
PLACED = (
    "the element is mixed with the grey under it: it *replaces* what is there, canvas[0, :, rows, columns] = element"
)
FULL_SIZE = (
    "the copies are as large as the element, and the canvas is per_side times as high and as wide: nothing is scaled"
)
ALL_FULL = "every cell has a copy: only those in `cells`, the others are grey"
BLACKS = (
    "the element's own black pixels turn grey: make the canvas grey first and place the copies then, so that nobody "
    "has to guess which pixels are background"
)
SPREAD = (
    "the cells are right but the canvas is scrambled: view and reshape only count through. From (rows, columns, C, h, "
    "w) the way to the canvas is .permute(2, 0, 3, 1, 4), then reshape"
)
ONE_PLACE = (
    "only one copy shows: is `return` inside the loop, or is the canvas made anew in each round? Make it before the "
    "loop, and return it after"
)
STEPS = (
    "row and column count cells, not pixels: the cell begins at the pixel row * h and column * w, where "
    "h, w = element.shape[1:]"
)

EX_REPEAT = Exercise(
    id="5.3",
    reference=repeat,
    probe=_probe_repeat,
    picture=_draw_beside(_elements),
    mistakes="",
    also=(
        Mistake(_placing(where=_by_columns), BY_ROWS),
        Mistake(
            _placing(number=lambda cells, per_side: [(cell - 1) % per_side**2 for cell in cells]),
            FROM_1,
        ),
        Mistake(_placing(number=lambda cells, per_side: [cell - 1 for cell in cells if cell]), FROM_1),
        Mistake(
            _placing(number=lambda cells, per_side: [(cell + 1) % per_side**2 for cell in cells]),
            "each copy stands one cell too late: the first cell is 0",
        ),
        Mistake(
            _placing(number=lambda cells, per_side: [per_side**2 - 1 - cell for cell in cells]),
            "the cells are counted from the bottom right corner: cell 0 is in the top left one",
        ),
        Mistake(
            _placing(where=lambda cell, per_side: (per_side - 1 - cell // per_side, cell % per_side)),
            "the rows are counted from the bottom: cell 0 is in the top left corner",
        ),
        Mistake(_placing(step=lambda height, width: (1, 1)), STEPS),
        Mistake(_placing(step=lambda height, width: (width, height)), "height and width are exchanged: " + STEPS),
        Mistake(_placing(step=lambda height, width: (height, height)), "height and width are exchanged: " + STEPS),
        Mistake(_placing(step=lambda height, width: (width, width)), "height and width are exchanged: " + STEPS),
        *(
            Mistake(_placing(background=lambda element, level=level: level), BACKGROUND)
            for level in (0.0, 1.0, 128.0, 127.5, 127.0, 128 / 255, 127 / 255, 0.05, 0.25)
        ),
        Mistake(_placing(background=torch.mean), BACKGROUND),
        Mistake(_placing(put=torch.add), PLACED),
        Mistake(_placing(put=lambda old, new: (old + new).clamp(0, 1)), PLACED),
        Mistake(_placing(put=lambda old, new: (old + new) / 2), PLACED),
        Mistake(_placing(put=torch.maximum), PLACED),
        Mistake(_placing(put=torch.mul), PLACED),
        Mistake(_placing(put=lambda old, new: torch.where(new == 0, old, new)), BLACKS),
        Mistake(_blacks_turn_grey, BLACKS),
        Mistake(lambda element, cells, per_side: element.repeat(1, 1, per_side, per_side), ALL_FULL),
        Mistake(lambda element, cells, per_side: element.repeat(1, per_side, per_side), ALL_FULL),
        Mistake(
            _placing(number=lambda cells, per_side: [c for c in range(per_side**2) if c not in cells]),
            "it is the other way round: the cells in the list have a copy, the others are grey",
        ),
        Mistake(
            _placing(number=lambda cells, per_side: range(len(cells))),
            "the first cells are filled, as many as the list is long: its numbers say *which* cells",
        ),
        Mistake(
            _placing(number=lambda cells, per_side: cells[-1:]),
            ONE_PLACE,
        ),
        Mistake(_placing(number=lambda cells, per_side: cells[:1]), ONE_PLACE),
        Mistake(_leaves_the_loop, ONE_PLACE),
        Mistake(
            _placing(number=lambda cells, per_side: cells[:-1]),
            "the last cell of the list is left out: for cell in cells",
        ),
        Mistake(_placing(number=lambda cells, per_side: cells[1:]), "the first cell of the list is left out"),
        Mistake(
            lambda element, cells, per_side: torch.full(_size(element, per_side), 0.5),
            "the canvas is grey all over: the element has still to be placed, canvas[0, :, rows, columns] = element",
        ),
        Mistake(
            _counted_in_a_view(lambda stack, element, per_side: stack.view(_size(element, per_side))),
            SPREAD,
        ),
        Mistake(
            _counted_in_a_view(
                lambda stack, element, per_side: (
                    stack.unflatten(0, (per_side, per_side)).permute(2, 0, 1, 3, 4).reshape(_size(element, per_side))
                )
            ),
            SPREAD,
        ),
        Mistake(
            _counted_in_a_view(
                lambda stack, element, per_side: (
                    stack.unflatten(0, (per_side, per_side)).permute(2, 3, 0, 4, 1).reshape(_size(element, per_side))
                )
            ),
            SPREAD,
        ),
        Mistake(_shrunk, FULL_SIZE),
        Mistake(
            lambda element, cells, per_side: F.interpolate(element[None], scale_factor=per_side),
            "the element itself is blown up: it keeps its size, and the canvas has a *copy* in each of `cells`",
        ),
        Mistake(lambda *given: repeat(*given)[0], "the canvas is a batch of one image, (1, C, H, W): [None] adds that"),
        Mistake(
            lambda *given: repeat(*given).permute(0, 2, 3, 1),
            "the channels come last here: the course has them first, (1, C, H, W)",
        ),
        Mistake(_one_by_one, "this is a canvas for each cell: one canvas with all copies, (1, C, H, W)"),
        Mistake(
            _placing(put=lambda old, new: new.flip(2)),
            "the copies are mirrored: place the element as it is",
        ),
        Mistake(_placing(put=lambda old, new: new.flip(1)), "the copies are upside down: place the element as it is"),
        Mistake(
            lambda element, cells, per_side: repeat(element / max(len(cells), 1), cells, per_side),
            "the copies share the element's brightness: each is a full copy",
        ),
        Mistake(
            lambda *given: repeat(*given).mean(1, keepdim=True),
            "the colours are gone: the canvas has the element's channels",
        ),
        Mistake(lambda *given: 255 * repeat(*given), "pixels lie in [0, 1]: without the 255"),
    ),
    hints=(
        "A grey canvas first: element.new_full((1, C, per_side * h, per_side * w), 0.5), with C, h, w = element.shape.",
        "In which row and in which column of cells does cell 5 stand, if there are 3 in a row? divmod(5, 3) says it.",
        "The cell begins at the pixel top = row * h, left = column * w.",
        "canvas[0, :, top : top + h, left : left + w] = element, for each cell of the list",
    ),
)

# 5.4


def shuffle(images, parts, order):
    height, width = images.shape[2] // parts, images.shape[3] // parts

    def patch(number):
        row, column = divmod(number, parts)
        return ..., slice(row * height, (row + 1) * height), slice(column * width, (column + 1) * width)

    shuffled = torch.empty_like(images)
    for place, source in enumerate(order):
        shuffled[patch(place)] = images[patch(source)]
    return shuffled


OWN_DIMENSION = (
    "`order` numbers patches: to index with it, the parts * parts patches need a dimension of their own. (Or go place "
    "by place, and copy the patch order[place] with slices.)"
)
A_LIST = "`order` is a list of whole numbers, not a tensor: order[i] is one of them, torch.tensor(order) makes a tensor"
AFTER_PERMUTE = "after a permute the numbers do not stand in a row any more: .reshape copies them, .view cannot"
HIGH_AND_WIDE = (
    "the two parts are not of the same size: a patch is H // parts high and W // parts wide, and begins at the pixel "
    "row * (H // parts), column * (W // parts), with row and column counted from 0"
)
PATCHES_LAST = "F.unfold gives (N, C * h * w, parts * parts): the patches are its *last* dimension, [..., order]"
CUT_IN_SIX = (
    "a batch cut into patches is (N, C, parts, H // parts, parts, W // parts): the patch's row stands before the rows "
    "in it, and its column before the columns in it"
)


@cache
def _scenes():
    """Images, parts and an order that is not its own inverse, by name."""

    def painted(number, channels, height, width, seed):
        generator = _seeded(seed)
        genomes = [[2 * torch.randn(8, 4, generator=generator), torch.randn(3, 8, generator=generator)]]
        genomes += [
            [2 * torch.randn(b, a, generator=generator) for a, b in ((4, 8), (8, 3))] for _ in range(number - 1)
        ]
        return torch.cat([paint(genome, height, width)[:, :channels] for genome in genomes])

    mixed = [4, 0, 7, 1, 8, 3, 2, 6, 5]
    many = torch.randperm(16, generator=_seeded(1)).tolist()
    return {
        f"2 colour images of 18 x 24, parts = 3, order {mixed}": (painted(2, 3, 18, 24, 0), 3, mixed),
        "a grey image of 8 x 8, parts = 2, order [1, 3, 0, 2]": (painted(1, 1, 8, 8, 1), 2, [1, 3, 0, 2]),
        "the same image, order [3, 0, 2, 1]": (painted(1, 1, 8, 8, 1), 2, [3, 0, 2, 1]),
        "another grey image of 8 x 8, order [3, 0, 2, 1]": (painted(1, 1, 8, 8, 6), 2, [3, 0, 2, 1]),
        f"5 grey images of 16 x 20, parts = 4, order {many}": (painted(5, 1, 16, 20, 2), 4, many),
        "3 colour images of 15 x 9, parts = 3, order [2, 0, 1, 5, 3, 4, 8, 6, 7]": (
            painted(3, 3, 15, 9, 3),
            3,
            [2, 0, 1, 5, 3, 4, 8, 6, 7],
        ),
        "a colour image of 5 x 3, parts = 1, order [0]": (painted(1, 3, 5, 3, 4), 1, [0]),
        "a colour image of 4 x 10, parts = 2, order [0, 1, 2, 3]": (painted(1, 3, 4, 10, 5), 2, [0, 1, 2, 3]),
    }


def _shown(shuffled, images, parts, order):
    """Which patch of the images stands at each place, in words."""
    if shuffled.shape != images.shape:
        return {}
    patches = _cells(images, parts)
    matches = _matches(_cells(shuffled, parts), patches)
    return {f"place {i}": _which(row) for i, row in enumerate(matches)}


def _which(row):
    """The patch at a place, in words; ``row[k][n]`` says whether it is patch k in image n."""
    whole = [k for k, images in enumerate(row) if all(images)]
    if whole:
        return f"patch {whole[0]}"
    own = [[k for k, images in enumerate(row) if images[n]] for n in range(len(row[0]))]
    if all(own):
        return "patch " + ", ".join(str(ks[0]) for ks in own) + " (image by image)"
    return "no patch of the images"


def _probe_shuffle(attempt):
    advice = dict.fromkeys(("out of bounds", "out of range", "too many indices"), OWN_DIMENSION)
    advice |= dict.fromkeys(("'list' object has no", "must be Tensor, not list", "not tuple, but list"), A_LIST)
    advice |= {"view size is not compatible": AFTER_PERMUTE, "is invalid for input of size": CUT_IN_SIX}
    advice |= {"must match": HIGH_AND_WIDE, "divisible by the product of kernel_size": PATCHES_LAST}
    return up_to_the_first_difference(_images(advised(attempt, advice), shuffle, _scenes, _shown))


def _box(images, parts):
    """The number of pixels of a patch, down and across."""
    return images.shape[2] // parts, images.shape[3] // parts


def _row_by_row(number, parts):
    return divmod(number, parts)


def _column_by_column(number, parts):
    return divmod(number, parts)[::-1]


def _moving(
    size=_box,
    read=_row_by_row,
    write=_row_by_row,
    places=enumerate,
    canvas=torch.zeros_like,
    turn=lambda patch: patch,
    reads=lambda images, canvas: images,
):
    """The loop over the patches with one part exchanged: the source of the classic mistakes."""

    def move(images, parts, order):
        height, width = size(images, parts)
        moved = canvas(images)

        def patch(of, number, where):
            row, column = where(number, parts)
            return of[..., row * height : (row + 1) * height, column * width : (column + 1) * width]

        for place, source in places(order):
            patch(moved, place, write)[:] = turn(patch(reads(images, moved), source, read))
        return moved

    return move


def _backwards(order):
    return [(source, place) for place, source in enumerate(order)]


def _all_but_last(order):
    return list(enumerate(order))[:-1]


def _stacked(cut, glue):
    """All patches in a stack, (parts * parts, N, C, h, w), indexed and put together again."""

    def move(images, parts, order):
        return glue(cut(images, parts)[order], images, parts)

    return move


def _glued(patches, images, parts):
    return patches.unflatten(0, (parts, parts)).permute(2, 3, 0, 4, 1, 5).reshape(images.shape)


def _straight(patches, images, parts):
    return patches.reshape(images.shape)


def _pixels_in_patches(images, parts, order):
    """Every patch stays, and within it the pixels move: blocks of the size of a patch's share are in the order."""
    patches = _cells(images, parts)
    flat = patches.flatten(3)
    count = min(len(order), flat.shape[3])
    chosen = torch.arange(flat.shape[3])
    chosen[:count] = torch.tensor([k for k in order if k < count])
    return _glued(flat[..., chosen].view(patches.shape), images, parts)


def _every_kth_pixel(images, parts, order):
    number, channels, height, width = images.shape
    grid = images.view(number, channels, height // parts, parts, width // parts, parts)
    stack = grid.permute(3, 5, 0, 1, 2, 4).flatten(0, 1)[order].unflatten(0, (parts, parts))
    return stack.permute(2, 3, 4, 0, 5, 1).reshape(images.shape)


def _counts_through(images, parts, order):
    height, width = _box(images, parts)
    return images.view(*images.shape[:2], parts * parts, height, width)[:, :, order].view(images.shape)


def _never_folded(images, parts, order):
    size = _box(images, parts)
    return F.unfold(images, size, stride=size)[..., order].reshape(images.shape)


def _swaps(images, parts, order):
    """Patch order[i] and the one at place i change places, one swap after the other."""
    patches = list(_cells(images, parts).clone())
    for place, source in enumerate(order):
        patches[place], patches[source] = patches[source], patches[place]
    return _glued(torch.stack(patches), images, parts)


def _another_each(images, parts, order):
    orders = [order[n:] + order[:n] for n in range(len(images))]
    return torch.cat([shuffle(image[None], parts, own) for image, own in zip(images, orders, strict=True)])


def _drawn_each(images, parts, order):
    return torch.cat([shuffle(image[None], parts, torch.randperm(parts * parts).tolist()) for image in images])


def _strips(images, parts, order):
    rows = [k for k in order if k < parts]
    return torch.cat([images.chunk(parts, 2)[k] for k in rows], 2)


INVERSE = (
    "this is the inverse: patch i goes to place order[i] here. Patch order[i] goes to place i, so the *source* is "
    "order[i]: shuffled[place i] = images[patch order[i]]. (patches[order] does it at once.)"
)
OVERWRITTEN = (
    "some patches show twice and others never: the loop reads from the tensor that it writes to, where a patch may be "
    "overwritten before it is read. Read from `images`, write into torch.empty_like(images)"
)
BY_COLUMNS = (
    "the patches are numbered column by column here: row by row, so patch 1 is to the *right* of patch 0. "
    "row, column = divmod(number, parts)"
)
MIXED_NUMBERS = (
    "the patches are read row by row and written column by column, or the other way round: the same numbering on both "
    "sides, row, column = divmod(number, parts)"
)
COUNTED_THROUGH = (
    "view only counts through the pixels, so these are strips of rows, not patches: cut into (N, C, parts, H // parts, "
    "parts, W // parts) and bring both `parts` to the front with permute"
)
NOT_PUT_BACK = (
    "the patches are cut right, but put together wrongly: reshape alone counts through. Undo the cut: .unflatten(0, "
    "(parts, parts)), then permute so that each row of patches is followed by the rows in them, (N, C, parts, "
    "H // parts, parts, W // parts)"
)
SIZE_OF_A_PATCH = "`parts` is the number of patches on a side, not their pixels: a patch is H // parts x W // parts"
ONE_MISSING = "the last patch is missing: a loop over the places 0 ... parts * parts - 1, all of them"
AS_IT_IS = "the patches are turned or mirrored: copy each as it is"
SAME_FOR_ALL = (
    "the images of the batch are shuffled each in another order: the same for all, so that nothing but the picture "
    "differs"
)
GIVEN_ORDER = "the order is drawn here: it is given, patch order[i] goes to place i"

EX_SHUFFLE = Exercise(
    id="5.4",
    reference=shuffle,
    probe=_probe_shuffle,
    picture=_draw_beside(_scenes, first=("the image", lambda images, parts, order: images)),
    mistakes="",
    also=(
        Mistake(_moving(places=_backwards), INVERSE),
        Mistake(_moving(canvas=torch.clone, reads=lambda images, canvas: canvas), OVERWRITTEN),
        Mistake(
            _moving(canvas=torch.clone, places=_backwards, reads=lambda images, canvas: canvas),
            OVERWRITTEN + ". And the source is order[i], the place i",
        ),
        Mistake(_moving(read=_column_by_column, write=_column_by_column), BY_COLUMNS),
        Mistake(_moving(read=_column_by_column, write=_column_by_column, places=_backwards), BY_COLUMNS),
        Mistake(_moving(read=_column_by_column), MIXED_NUMBERS),
        Mistake(_moving(write=_column_by_column), MIXED_NUMBERS),
        Mistake(
            _swaps,
            "each round *swaps* two patches, so the next ones are no longer where `order` takes them to be: read all "
            "from `images`, and write into torch.empty_like(images)",
        ),
        Mistake(_counts_through, COUNTED_THROUGH),
        Mistake(
            lambda images, parts, order: images.view(len(images), parts * parts, -1)[:, order].view(images.shape),
            COUNTED_THROUGH,
        ),
        Mistake(
            _never_folded,
            "F.unfold's patches come back as they lie, (N, C * h * w, parts * parts): F.fold with the same sizes makes "
            "images of them",
        ),
        Mistake(_stacked(_cells, _straight), NOT_PUT_BACK),
        Mistake(
            _stacked(_cells, lambda patches, images, parts: _straight(patches.transpose(0, 1), images, parts)),
            NOT_PUT_BACK,
        ),
        Mistake(
            _stacked(
                _cells,
                lambda patches, images, parts: (
                    patches.unflatten(0, (parts, parts)).permute(2, 3, 0, 1, 4, 5).reshape(images.shape)
                ),
            ),
            NOT_PUT_BACK,
        ),
        Mistake(
            _stacked(
                _cells,
                lambda patches, images, parts: (
                    patches.unflatten(0, (parts, parts)).permute(2, 3, 4, 0, 5, 1).reshape(images.shape)
                ),
            ),
            NOT_PUT_BACK,
        ),
        Mistake(
            _stacked(
                _cells,
                lambda patches, images, parts: (
                    patches.unflatten(0, (parts, parts)).permute(2, 3, 1, 4, 0, 5).reshape(images.shape)
                ),
            ),
            MIXED_NUMBERS,
        ),
        Mistake(
            _every_kth_pixel,
            "every `parts`-th pixel makes a patch here: neighbours belong together. The cut is (N, C, parts, "
            "H // parts, parts, W // parts), with `parts` *before* the pixels",
        ),
        Mistake(
            _pixels_in_patches,
            "the pixels inside the patches move, and the patches stay: `order` moves whole patches (with F.unfold "
            "they are the *last* dimension, [..., order])",
        ),
        Mistake(_moving(places=_all_but_last), ONE_MISSING),
        Mistake(_moving(places=_all_but_last, canvas=torch.clone), ONE_MISSING),
        *(
            Mistake(
                _moving(places=lambda order: list(enumerate(order))[: math.isqrt(len(order))], canvas=canvas),
                "only the first row is there: there are parts * parts patches, not parts",
            )
            for canvas in (torch.zeros_like, torch.clone)
        ),
        Mistake(
            _moving(places=lambda order: list(enumerate(order))[1:]),
            "place 0 is missing: places are numbered from 0",
        ),
        Mistake(
            _moving(places=lambda order: list(enumerate(order))[1:], canvas=torch.clone),
            "place 0 is missing: places are numbered from 0",
        ),
        Mistake(_moving(size=lambda images, parts: (parts, parts)), SIZE_OF_A_PATCH),
        Mistake(_moving(size=lambda images, parts: (parts, parts), canvas=torch.clone), SIZE_OF_A_PATCH),
        Mistake(_moving(turn=lambda patch: patch.flip(3)), AS_IT_IS),
        Mistake(_moving(turn=lambda patch: patch.flip(2)), AS_IT_IS),
        Mistake(_moving(turn=lambda patch: patch.flip(2, 3)), AS_IT_IS),
        Mistake(
            lambda images, parts, order: images.clone(),
            "the images come back as they were: patch order[i] goes to place i",
        ),
        Mistake(
            lambda images, parts, order: shuffle(images, parts, order[::-1]),
            "the order is read backwards: patch order[i] goes to place i",
        ),
        Mistake(
            lambda images, parts, order: shuffle(shuffle(images, parts, order), parts, order),
            "the patches are shuffled twice: once",
        ),
        Mistake(
            lambda images, parts, order: shuffle(images, parts, torch.randperm(parts * parts).tolist()),
            GIVEN_ORDER,
        ),
        Mistake(_drawn_each, GIVEN_ORDER + ", the same for all images"),
        Mistake(_another_each, SAME_FOR_ALL),
        Mistake(
            lambda images, parts, order: torch.cat([shuffle(images[:1], parts, order), images[1:]]),
            "only the first image is shuffled: all of them, images[..., rows, columns]",
        ),
        Mistake(
            lambda images, parts, order: shuffle(images[:1], parts, order),
            "this is the first image only: all of them, (N, C, H, W)",
        ),
        Mistake(
            lambda images, parts, order: torch.cat(
                [shuffle(images[:, :1], parts, order), images[:, 1:]],
                1,
            ),
            "only the first channel is shuffled: a patch has all channels",
        ),
        Mistake(_strips, "these are strips: cut both ways, a patch is H // parts x W // parts"),
        Mistake(
            lambda images, parts, order: _cells(images, parts)[order],
            "these are the patches in their new order, but one by one: put them together to images again, (N, C, H, W)",
        ),
        Mistake(
            lambda images, parts, order: _cells(images, parts)[order].transpose(0, 1),
            "these are the patches in their new order, but one by one: put them together to images again, (N, C, H, W)",
        ),
    ),
    hints=(
        "Go place by place: which patch comes to place 0, and where in the image is it?",
        "Number k stands in row, column = divmod(k, parts), and begins at the pixel row * (H // parts), "
        "column * (W // parts).",
        "Make the result with torch.empty_like(images), and copy for each place i the patch order[i] from `images`: "
        "whoever writes into `images` itself overwrites patches that are still needed.",
        "shuffled[..., r * h : (r + 1) * h, c * w : (c + 1) * w] = images[..., s * h : (s + 1) * h, t * w : (t + 1) * "
        "w], where r, c = divmod(i, parts) and s, t = divmod(order[i], parts)",
    ),
)

# 5.5


def carried_over(truth, before, source, other):
    counted = (source != truth) & (before == truth)
    return (other != truth)[counted].float().mean().item()


ENTRY_BY_ENTRY = (
    "Python's `and`, `or`, `not` and `if` take one truth value: & and ~ go image by image, with brackets round each "
    "comparison, (source != truth) & (before == truth), for & binds tighter than =="
)
AS_FLOATS = "a mean of True and False (or of whole numbers) needs floats: .float().mean()"
BOTH_CUT = (
    "one side has only the images that count and the other one all of them: other[counted] != truth[counted], or "
    "(other != truth)[counted]"
)
A_SUM = "Python's own sum of an empty tensor is the whole number 0, not a tensor: (other != truth)[counted].sum()"
COMPARE = "labels are no True and False: compare them first, before == truth, and combine the comparisons with &"
OF_NONE = (
    "where no image fools the source network there is nothing to carry over, and 0 / 0 stops Python: the share is then "
    'float("nan"), which the mean of an empty tensor is by itself'
)


@cache
def _transfers():
    """Labels and answers, by name; and those of which none count."""

    def case(*rows):
        return (tuple(torch.tensor(row) for row in rows),)

    def drawn(number, classes, seed, right=0.8, fooled=0.6, falls=0.4):
        generator = _seeded(seed)
        truth = torch.randint(0, classes, (number,), generator=generator)

        def answers(share):
            shift = torch.randint(1, classes, (number,), generator=generator)
            return torch.where(torch.rand(number, generator=generator) < share, truth, (truth + shift) % classes)

        before, source, other = answers(right), answers(1 - fooled), answers(1 - falls)
        agree = torch.rand(number, generator=generator) < 0.2
        return ((truth, before, source, torch.where(agree, source, other)),)

    eight = case([0, 1, 2, 3, 0, 1, 2, 3], [0, 1, 2, 3, 0, 1, 0, 0], [1, 1, 0, 0, 2, 2, 0, 3], [1, 2, 2, 0, 3, 1, 1, 2])
    return {
        "8 images, of which 5 count and 3 carry over": eight,
        "200 images of 10 classes": drawn(200, 10, 0),
        "150 images of 3 classes, another network that is often wrong": drawn(150, 3, 1, right=0.5, falls=0.7),
        "one image that carries over": case([3], [3], [1], [2]),
        "one image that does not": case([3], [3], [1], [3]),
        "4 images that all carry over": case([0, 1, 2, 3], [0, 1, 2, 3], [1, 2, 3, 0], [1, 3, 3, 2]),
    }, {
        "3 images, none fools the source network": case([0, 1, 2], [0, 1, 2], [0, 1, 2], [0, 2, 2]),
        "3 images that the other network had wrong before": case([0, 1, 2], [1, 2, 0], [1, 2, 0], [1, 2, 2]),
    }


def _probe_carried_over(attempt):
    advice = dict.fromkeys(("could not infer output dtype", "mean(): input dtype"), AS_FLOATS)
    attempt = advised(attempt, advice | {"ambiguous": ENTRY_BY_ENTRY, "division by zero": OF_NONE})
    attempt = advised(
        attempt, {"must match the size": BOTH_CUT, "out of bounds": COMPARE, "no attribute 'item'": A_SUM}
    )
    return up_to_the_first_difference(in_stages(attempt, carried_over, "the share", *_transfers(), plain=_share))


def _share(result):
    """A number, whatever it came in; True and False are no numbers here."""
    return as_number(result) if not isinstance(result, bool) else str(result)


def _carrying(
    fools=lambda truth, source: source != truth,
    knew=lambda truth, before: before == truth,
    falls=lambda truth, before, source, other: other != truth,
    both=torch.logical_and,
    share=lambda fell, counted: fell[counted].float().mean(),
):
    """The share with one part exchanged: the source of the classic mistakes."""

    def carry(truth, before, source, other):
        return share(falls(truth, before, source, other), both(fools(truth, source), knew(truth, before)))

    return carry


def _every(truth, answers):
    return torch.ones_like(truth, dtype=torch.bool)


def _among(counted):
    """The share with all three conditions in the count, of other images than those that count."""

    def carry(truth, before, source, other):
        fell = (source != truth) & (before == truth) & (other != truth)
        return fell.sum() / counted(truth, before, source, other).sum()

    return carry


def _default(value):
    def carry(*answers):
        share = carried_over(*answers)
        return value if math.isnan(share) else share

    return carry


WRONG_BEFORE = (
    "images count here that the other network had wrong *before* the attack: nothing was carried over to it there. "
    "Keep those with before == truth"
)
NOT_FOOLED = (
    "images count here that did not even fool the network they were made for: nothing was there to carry over. Keep "
    "those with source != truth"
)
ALL_COUNT = (
    "all images count here: keep those that fool the source network *and* that the other one had right before, "
    "(source != truth) & (before == truth)"
)
OF_WHICH = (
    "the images that carried over are counted right, but divided by too many: of those that fool the source network "
    "*and* that the other one had right before, which share?"
)
SAME_CLASS = (
    "this asks whether both networks give the *same* wrong answer, which is rarer: to be wrong, in any way, is enough, "
    "other != truth. (The same class is a good question, too, but another one.)"
)
NOTHING = (
    "the share of nothing is no number: where no image counts, return nan. (0 would say that nothing carried over, and "
    'it was never tried.) float("nan"), or the mean of an empty tensor'
)
TURNED = "this is the share that the other network still has right: carried over are those with other != truth"
EITHER = "`or` lets images in that meet one of the two conditions: both, (source != truth) & (before == truth)"

EX_CARRIED_OVER = Exercise(
    id="5.5",
    reference=carried_over,
    probe=_probe_carried_over,
    mistakes="",
    also=(
        Mistake(_carrying(knew=_every), WRONG_BEFORE),
        Mistake(_carrying(fools=_every), NOT_FOOLED),
        Mistake(_carrying(fools=_every, knew=_every), ALL_COUNT),
        Mistake(lambda t, b, s, o: (o != b).float().mean(), ALL_COUNT),
        Mistake(_carrying(both=torch.logical_or), EITHER),
        Mistake(_among(lambda t, b, s, o: torch.ones_like(t)), OF_WHICH),
        Mistake(_among(lambda t, b, s, o: s != t), OF_WHICH),
        Mistake(_among(lambda t, b, s, o: b == t), OF_WHICH),
        Mistake(
            _among(lambda t, b, s, o: o != t),
            "divided by the images that the other network gets wrong, for whatever reason: divide by those that fool "
            "the source network and that the other one had right before",
        ),
        Mistake(lambda t, b, s, o: ((s != t) & (o != t)).sum() / len(t), OF_WHICH + " And keep before == truth"),
        Mistake(lambda t, b, s, o: ((b == t) & (o != t)).sum() / len(t), OF_WHICH + " And keep source != truth"),
        Mistake(_carrying(falls=lambda t, b, s, o: o == s), SAME_CLASS),
        Mistake(_carrying(falls=lambda t, b, s, o: o == s, knew=_every), SAME_CLASS + " And keep before == truth"),
        Mistake(_carrying(falls=lambda t, b, s, o: o == s, fools=_every, knew=_every), SAME_CLASS),
        Mistake(lambda t, b, s, o: ((o == s) & (s != t) & (b == t)).float().mean(), SAME_CLASS),
        Mistake(lambda t, b, s, o: ((o == s) & (s != t)).float().mean(), SAME_CLASS),
        Mistake(
            lambda t, b, s, o: (o != t)[s != b].float().mean(),
            "the source network's answers are compared with the *other* network's: fooled are those with "
            "source != truth, and the other one was right where before == truth",
        ),
        Mistake(
            _carrying(falls=lambda t, b, s, o: o != b, knew=_every),
            "this asks whether the other network *changed* its answer: an image that it had wrong before and has wrong "
            "after did not carry over. Keep those with before == truth",
        ),
        Mistake(_carrying(falls=lambda t, b, s, o: o == t), TURNED),
        Mistake(_carrying(falls=lambda t, b, s, o: o == b), TURNED),
        Mistake(lambda *answers: 1 - carried_over(*answers), TURNED),
        Mistake(
            _carrying(falls=lambda t, b, s, o: o != s),
            "this compares the two networks with each other: the other one is wrong where other != truth",
        ),
        Mistake(
            _carrying(knew=lambda t, b: b != t),
            "these are the images that the other network had wrong *before*: those that it had right, before == truth",
        ),
        Mistake(
            _carrying(fools=lambda t, s: s == t),
            "these are the images that the source network still has right: those that fool it, source != truth",
        ),
        Mistake(
            lambda t, b, s, o: carried_over(t, s, b, o),
            "`before` and `source` have changed places: `before` are the *other* network's answers to the clean "
            "images, right where before == truth; `source` the source network's to the attacked ones, fooled where "
            "source != truth",
        ),
        Mistake(
            lambda t, b, s, o: carried_over(t, b, o, s),
            "`source` and `other` are exchanged: which share of what fools the *source* fools the other one, too",
        ),
        Mistake(
            _carrying(share=lambda fell, counted: (fell & counted).sum()),
            "this is their number: the share of the images that count",
        ),
        Mistake(
            _carrying(share=lambda fell, counted: (fell & counted).sum() // counted.sum().clamp(min=1)),
            "`//` rounds down to 0: divide with /",
        ),
        Mistake(
            _carrying(share=lambda fell, counted: fell[counted]),
            "this says of each image that counts whether it carried over: their share, .float().mean()",
        ),
        Mistake(
            _carrying(share=lambda fell, counted: fell & counted),
            "this says of each image whether it carried over: the share of those that count, a number",
        ),
        Mistake(
            _carrying(share=lambda fell, counted: counted.float().mean()),
            "this is the share of the images that count: which share of *those* does the other network get wrong?",
        ),
        Mistake(
            _carrying(share=lambda fell, counted: fell.float().mean() / counted.float().mean()),
            "the images above the line have to be among those below it: (other != truth)[counted]",
        ),
        Mistake(
            lambda t, b, s, o: (s != t).float().mean() * (b == t).float().mean() * (o != t).float().mean(),
            "shares multiply only if they have nothing to do with each other: you know which images they are, so count "
            "them, (other != truth)[counted]",
        ),
        Mistake(
            lambda t, b, s, o: (b == t).float().mean() - (o == t).float().mean(),
            "this is how far the other network's accuracy falls: which share of the images that fool the *source* does "
            "it get wrong?",
        ),
        Mistake(
            lambda t, b, s, o: (o != t).float().mean() / (s != t).float().mean(),
            "one error rate is divided by the other: which of the *same* images fool both? (other != truth)[counted]",
        ),
        Mistake(lambda *answers: 100 * carried_over(*answers), "this is in per cent: a share runs from 0 to 1"),
        *(Mistake(_default(value), NOTHING) for value in (0.0, 1.0, None, -1.0, math.inf)),
    ),
    hints=(
        "Two questions: which images count, and which of these does the other network get wrong?",
        "An image counts if it fools the source network (source != truth) and if the other network had it right before "
        "(before == truth). & asks for both, image by image, with brackets round each comparison.",
        "(other != truth)[counted] keeps the images that count, and .float().mean() is their share: nan if there are "
        "none, by itself.",
    ),
)

EXERCISES = [EX_ROUND_TRIP, EX_PAINT, EX_REPEAT, EX_SHUFFLE, EX_CARRIED_OVER]
