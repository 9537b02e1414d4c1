"""Lesson 10: how much two boxes share, a patch, a gradient that expects change, and two searches by questions alone."""

import math
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional as F

from course_utils import figures
from course_utils.exercises import probes
from course_utils.exercises.differences import describe_difference, named
from course_utils.exercises.engine import Exercise, NotYet


def overlap(boxes, box):
    sides = torch.minimum(boxes[:, 2:], box[2:]) - torch.maximum(boxes[:, :2], box[:2])
    shared = sides.clamp(min=0).prod(1)
    areas, area = (boxes[:, 2:] - boxes[:, :2]).prod(1), (box[2:] - box[:2]).prod()
    union = areas + area - shared
    return shared / union


PAIRS = {
    "which share 2 x 1": ((0, 0, 4, 2), (2, 1, 6, 3)),
    "one inside the other": ((1, 1, 3, 2), (0, 0, 5, 4)),
    "one beside the other": ((0, 0, 2, 2), (5, 0, 7, 3)),
    "one below the other": ((0, 0, 2, 2), (0, 5, 2, 8)),
    "apart in both directions": ((0, 0, 2, 2), (5, 4, 8, 6)),
    "out of the picture": ((-6, -4, -1, -2), (-3, -5, 2, -3)),
}
COLUMN = "boxes has a box a *row*, (N, 4): boxes[:, 0] are all left edges, boxes[:, 2] all right ones; box is (4,)"
EACH_BOX = "max, min and `if` take one truth value: torch.maximum, torch.minimum and clamp work box by box"


def _boxes():
    some = torch.rand(5, 2, 2).sort(1).values.flatten(1)
    pairs = {
        f"the boxes {a} and {b}, {how}": (torch.tensor([a]).float(), torch.tensor(b).float())
        for how, (a, b) in PAIRS.items()
    }
    return pairs | {"4 boxes, in fractions of the image": (some[1:], some[0])}


def _draw_overlap(seen, expected):
    """The first pair that is judged wrongly."""
    name = next(key for key, right in expected.items() if describe_difference(seen.get(key), right))
    pair = next(pair for how, pair in PAIRS.items() if f"{how})" in name)
    found, right = seen[name].item(), expected[name].item()
    canvas, axis = figures.figure(3.6, 2.6)
    for (left, top, right_edge, bottom), color in zip(pair, (figures.CLEAN, figures.NOISE), strict=True):
        size = {"height": bottom - top, "width": right_edge - left}
        axis.bar(left, bottom=top, align="edge", color=color, alpha=0.5, edgecolor=color, **size)
    axis.set(aspect="equal", title=f"overlap {right:.3g}; yours {found:.3g}")
    axis.invert_yaxis()
    return figures.picture(canvas, f"Two boxes whose overlap is {right:.3g}; yours says {found:.3g}.")


EX_OVERLAP = Exercise(
    "10.1",
    overlap,
    probe=probes.on(
        _boxes,
        what="the overlap",
        advice=dict.fromkeys(("ambiguous", "Boolean value"), EACH_BOX)
        | dict.fromkeys(("out of bounds", "must match the size", "too many indices", "out of range"), COLUMN),
    ),
    picture=_draw_overlap,
    mistakes="""
`.clamp(min=0)` -> `` | `.clamp(min=0)` -> `.abs()` | `sides.clamp(min=0).prod(1)` -> `sides[:, 0].clamp(min=0) *
    sides[:, 1]` | `sides.clamp(min=0).prod(1)` -> `sides[:, 0] * sides[:, 1].clamp(min=0)` | `.clamp(min=0).prod(1)` ->
    `.prod(1).clamp(min=0)` | `.clamp(min=0)` -> `` & `shared / union` -> `(shared / union).clamp(0, 1)`: boxes that lie
    apart overlap here: min(right) - max(left) is negative there, and (-3) * (-2) is 6. Clamp each side at 0 *first*
`- shared` -> `` | `- shared` -> `+ shared` | `- shared` -> `- 2 * shared`: this is not the union: both areas together
    count what is shared twice, and it is there once, area + area - shared
`shared / union` -> `2 * shared / (areas + area)`: twice the shared area over the sum of both areas is another measure,
    and a larger one: divide by the union, area + area - shared
`/ union` -> `/ torch.minimum(areas, area)` | `/ union` -> `/ torch.maximum(areas, area)` | `/ union` -> `/ area` | `/
    union` -> `/ areas`: this divides by the area of one of the two boxes: a small box inside a large one would overlap
    with it entirely. Divide by the union, what at least one of the two covers
`/ union` -> `/ (torch.maximum(boxes[:, 2:], box[2:]) - torch.minimum(boxes[:, :2], box[:2])).prod(1)`: this divides by
    the smallest box around both, and that holds corners that neither covers: the union is area + area - shared
`overlap(boxes + F.pad(boxes[:, :2], (2, 0)), box + F.pad(box[:2], (2, 0)))` | `overlap(boxes + F.pad(boxes[:, :2], (2,
    0)) - boxes[:, 2:].repeat(1, 2) / 2, box + F.pad(box[:2], (2, 0)) - box[2:].repeat(2) / 2)` | `overlap(boxes[:, [0,
    2, 1, 3]], box[[0, 2, 1, 3]])` | `(boxes[:, 2:] - boxes[:, :2]).prod(1), (box[2:] - box[:2]).prod()` -> `boxes[:,
    2:].prod(1), box[2:].prod()`: the four numbers are read in another way: a box is left, top, right, bottom, so that
    its width is boxes[:, 2] - boxes[:, 0] and its height boxes[:, 3] - boxes[:, 1]
`overlap(boxes + torch.tensor([0, 0, 1, 1]), box + torch.tensor([0, 0, 1, 1]))` | `:2]).prod(1), (box[2:] - box[:2])` ->
    `:2] + 1).prod(1), (box[2:] - box[:2] + 1)`: 1 is added to sides, as if corners were the last pixels of a box. Left
    and right are places here: the width is right - left
`torch.minimum` -> `torch.maximum` & `torch.maximum(boxes[:, :2]` -> `torch.minimum(boxes[:, :2]`: this is the box
    *around* both: what they share begins at the larger left edge and ends at the smaller right one
`overlap(boxes.clamp(min=0), box.clamp(min=0))`: corners are moved to 0: boxes may reach out of the image. Clamp sides
`shared / union` -> `shared`: this is the shared area itself: divide it by the union, so that 1 is the most
`shared / ` -> ``: this is the union: divide the shared area by it
`/ union` -> `/ areas + area - shared`: a division comes before a sum: put the union in brackets
`min=0).prod(1)` -> `min=0).sum(1)` & `:2]).prod(1)` -> `:2]).sum(1)` & `.prod()` -> `.sum()`: the sides are added: an
    area is their product, .prod(1)
""",
    hints=(
        "What two boxes share is a box again, or nothing: it begins at the larger of the two left edges, ends at the "
        "smaller of the two right ones, and the same from top to bottom.",
        "If they lie apart, a side of that box is negative: clamp each at 0, then multiply. And count it only once.",
        "sides = torch.minimum(boxes[:, 2:], box[2:]) - torch.maximum(boxes[:, :2], box[:2]); "
        "shared = sides.clamp(min=0).prod(1); the union is both areas together, less what is shared",
    ),
    stars=2,
)


def paste(patch, images, row, column):
    _, height, width = patch.shape
    covered = images.clone()
    covered[:, :, row : row + height, column : column + width] = patch
    return covered


REGION = "cover images[:, :, rows, columns], as large as the patch: rows row to row + h, columns column to column + w"


def _draw_paste(seen, expected):
    """The first case with a wrong picture: what it should be, and below it yours."""
    name = next(key for key, right in expected.items() if describe_difference(seen.get(key), right))
    pictures = [expected[name][:3], seen[name].detach().reshape(expected[name].shape)[:3].clamp(0, 1)]
    n = len(pictures[0])
    captions = ["with the patch"] * n + ["yours"] * n
    return figures.images(torch.cat(pictures), captions, columns=n, alt=f"{name}: what they should be, and yours.")


EX_PASTE = Exercise(
    "10.2",
    paste,
    probe=probes.on(
        lambda: {"3 images, 3 x 4 patch at row 1, column 5": (torch.rand(3, 3, 4) / 4, torch.rand(3, 3, 9, 10), 1, 5)},
        lambda: {
            "a grey image, a 2 x 2 patch at row 0, column 0": (torch.rand(1, 2, 2) / 4, torch.rand(1, 1, 5, 5), 0, 0),
            "2 images, a patch in the lower right corner": (torch.rand(3, 4, 2) / 4, torch.rand(2, 3, 7, 8), 3, 6),
        },
        what="the images with the patch",
        typed=True,
        gradient=True,
        advice=dict.fromkeys(("must match", "expand", "broadcast", "shape", " values to unpack"), REGION)
        | {"Can't call numpy": probes.CUT},
    ),
    picture=_draw_paste,
    mistakes=r"""
`] = patch` -> `] += patch` | `] = patch` -> `] *= patch` | `] = patch` -> `] += patch` & `return covered` -> `return
    covered.clamp(0, 1)` | `(paste(patch, images, row, column) + images) / 2` | `torch.maximum(paste(patch, images, row,
    column), images)`: the patch is mixed with what is behind it: a sticker covers it, so assign, without +
`images.clone()` -> `torch.zeros_like(images)`: everything beside the patch is black: it belongs to the image as it was
`images[:, :, row : row + patch.shape[1], column : column + patch.shape[2]]` | `return covered` -> `return covered[:, :,
    row : row + height, column : column + width]`: this is only the part where the patch is: return the whole images
`[:, :, row` -> `[:1, :, row`: only the first image gets the patch: all N of them, images[:, ...]
`] = patch` -> `] = patch[:1]` | `] = patch` -> `] = patch.mean(0)`: the patch has lost its colours: each channel of the
    images gets its own, with the whole patch (C, h, w)
`] = patch` -> `] = patch.flip(1)`: the patch stands on its head: row 0 is at the top, in the patch and in the images
`paste(patch, images, 0, 0)`: the patch is always in the upper left corner: its place is row, column
`paste(patch, images, row - patch.shape[1] // 2, column - patch.shape[2] // 2)`: row and column are taken for the
    patch's centre: they are its upper left corner
`paste(patch, images, row - 1, column - 1)` | `paste(patch, images, row + 1, column + 1)` | `row + height` -> `row +
    height - 1` & `column + width` -> `column + width - 1` & `] = patch` -> `] = patch[:, :-1, :-1]`: off by one: the
    patch's first pixel comes to images[:, :, row, column], and `row : row + h` ends before row + h
""",
    hints=(
        "Begin with a copy, images.clone(): the gradient runs through it. Then one assignment to a part of it.",
        "The part has the rows from row to row + h. The assignment repeats the patch, (C, h, w), for all N images.",
        "covered[:, :, row : row + h, column : column + w] = patch, with _, h, w = patch.shape",
    ),
    stars=2,
)


def expected_gradient(model, x, target, transform, samples):
    x = x.detach().clone().requires_grad_()
    total = torch.zeros_like(x)
    for _ in range(samples):
        loss = F.cross_entropy(model(transform(x)), target)
        total += torch.autograd.grad(loss, x)[0]
    return total / samples


THROUGH = "make x = x.detach().clone().requires_grad_() first, then transform *that*, without no_grad() and .detach()"
ONE_TARGET = "one target a picture, as a tensor: for a batch of `samples` pictures write target.expand(samples)"
FIRST_OF_TUPLE = "torch.autograd.grad wants one number, and returns a tuple, one gradient an input: take its [0]"
ANEW = "the graph of one draw is used up by its gradient: compute transform(x) and the loss anew in every round"


class _Draws:
    """A transform that draws for each image how bright it is, where it stands, and noise; it counts its draws."""

    def __init__(self):
        self.count, self.chance = 0, dict(generator=torch.Generator().manual_seed(0))

    def __call__(self, images):
        if not isinstance(images, Tensor) or images.ndim != 4:
            raise NotYet(f"transform takes images, (N, C, H, W); it was given {named(images)}")
        self.count += len(images)
        return torch.stack([self._one(image) for image in images])

    def _one(self, image):
        bright, shift = (
            0.4 + 1.6 * torch.rand(1, **self.chance),
            int(torch.randint(1, probes.SIDE, (1,), **self.chance)),
        )
        return bright * image.roll(shift, 2) + 0.3 * torch.randn(1, probes.SIDE, probes.SIDE, **self.chance)


def _probe_expected(attempt):
    advice = {"second time": ANEW} | dict.fromkeys(("does not require grad", "not have been used"), THROUGH)
    advice |= dict.fromkeys(("batch_size", "batch size", "argument 'target'"), ONE_TARGET)
    advice |= dict.fromkeys(("'tuple'", "only for scalar"), FIRST_OF_TUPLE)
    attempt, counts, gradients = probes.advised(attempt, advice), {}, {}
    for name, samples, goal in (("1 draw", 1, 0), ("7 draws", 7, 2), ("7 other draws", 7, 3)):
        given = probes.small_network(), torch.tensor([goal]), _Draws(), samples
        x = 0.2 + 0.6 * torch.rand(1, 1, probes.SIDE, probes.SIDE)
        gradients |= probes.watch(name, x, lambda x, given=given: attempt(given[0], x, *given[1:]))
        counts[f"how often the transform draws ({name})"] = given[2].count
    yield counts
    yield from ({name: gradient} for name, gradient in gradients.items())


def _draw_expected(seen, expected):
    """The right gradient beside yours, for the first case in which they differ."""
    key = next(key for key, right in expected.items() if describe_difference(seen.get(key), right))
    both = torch.cat([expected[key], seen[key]])
    return figures.images(0.5 + both / both.abs().max() / 2, ["the gradient", "yours"], alt=f"{key}, and yours.")


EX_EXPECTED = Exercise(
    "10.3",
    expected_gradient,
    _probe_expected,
    picture=_draw_expected,
    mistakes=r"""
`range(samples)` -> `range(1)` | `range(samples)` -> `range(1)` & `total / samples` -> `total`: the transform is drawn
    once: that is the gradient for one place, one light. Draw anew in every round, `samples` times, and take the mean
`model(transform(x))` -> `model(x)`: the transform is not used: the loss to follow is that of model(transform(x))
`loss = F.cross_entropy(model(transform(x))` -> `picture = transform(x)\n        loss = F.cross_entropy(model(picture)`
    & `grad(loss, x)` -> `grad(loss, picture)`: this is the gradient in the pixels of the *transformed* picture, of what
    the camera sees. Ask for the gradient in x, torch.autograd.grad(loss, x), so that it runs back through the transform
`model(transform(x))` -> `model(x)` & `torch.autograd.grad(loss, x)[0]` -> `transform(torch.autograd.grad(loss, x)[0])`:
    the transform is applied to the gradient: it belongs in front of the model, model(transform(x))
`probes.pixel_slope(lambda x: model(sum(transform(x) for _ in range(samples)) / samples), x, target)`: the transformed
    pictures are averaged before the model sees them: average the gradients (or the losses)
`probes.pixel_slope(lambda x: sum(model(transform(x)) for _ in range(samples)) / samples, x, target)`: the logits are
    averaged before the loss: one draw may outvote the others then. Average the losses or their gradients
`total / samples` -> `total`: this is the sum: divide by samples, so that its size does not depend on them
`total / samples` -> `total / samples**2`: divided by samples twice: once is enough
`total +=` -> `total =` | `total +=` -> `total =` & `total / samples` -> `total`: only the last draw counts: add up the
    gradients, and divide by samples at the end
`total / samples` -> `(total / samples)[0]`: a dimension is lost: the gradient is (1, C, H, W), like x
`total / samples` -> `total / total.norm()`: only the direction is left: return the mean gradient itself
`total / samples` -> `x.detach() + total / samples`: this is x after a step: return the gradient alone
`F.cross_entropy(model(transform(x)), target)` -> `model(transform(x))[0, target[0]]` |
    `F.cross_entropy(model(transform(x)), target)` -> `model(transform(x)).softmax(1)[0, target[0]]`: this is the
    gradient of another loss: F.cross_entropy(...)
`loss = F.cross_entropy(model(transform(x)), target)` -> `said = model(transform(x))\n        loss =
    F.cross_entropy(said, said.argmax(1))`: the loss is that of the class that the model names: take it at `target`
""",
    hints=(
        "The mean of the gradients is the gradient of the mean: add up the gradients in x of all draws, and divide.",
        "The transform is a part of the function, like the model: x has to ask for its gradient *before* it goes "
        "through, x = x.detach().clone().requires_grad_(). Then autograd finds the way back through both.",
        "loss = F.cross_entropy(model(transform(x)), target); total += torch.autograd.grad(loss, x)[0]",
    ),
    stars=2,
)


def walk_back(decide, clean, wrong, tolerance):
    right, asked = clean, 0
    while (wrong - right).abs().max() > tolerance:
        middle = (right + wrong) / 2
        asked += 1
        if decide(middle):
            wrong = middle
        else:
            right = middle
    return wrong, asked


ENDLESS = (
    "your search was stopped after 300 questions: does every round halve what is left? The middle (right + wrong) / 2 "
    "takes the place of the end on its own side: of `wrong` if decide says True, else of the right one"
)
FIXED = (
    "the number of rounds is fixed, and for other ends and tolerances it is too small or too large: stop when the "
    "largest pixel of what is left, (wrong - right).abs().max(), is at most the tolerance. Every question counts"
)
LINEAR = (
    "the line is searched step by step, which takes length / tolerance questions: halving takes the logarithm of that. "
    "Ask about the middle, keep the half with the boundary in it, and again"
)
ONE_NUMBER = "how far two images are apart is one number, that of their largest pixel: (wrong - right).abs().max()"
A_BOOL = "decide answers True or False, a plain Python bool: `if decide(image):`"
BOTH = "the image on the wrong side, and how many questions were asked: return wrong, asked"


@dataclass(frozen=True)
class _Walk:
    """The places that were asked about, and the end; for the picture, it is not judged."""

    places: list[float] = field(compare=False)


class _Line:
    """A clean image, a wrong one, and a boundary between them; it counts what it is asked."""

    def __init__(self, shape, length, boundary, tolerance, sign=1):
        self.length, self.boundary, self.tolerance = length, boundary, tolerance
        change = torch.rand(shape) ** 3 * (1.1 * torch.rand(shape).round() - 0.1)  # much up, a little down
        change.view(-1)[7] = 1
        change *= sign * length
        low, high = (-change).clamp(min=0), 1 - change.clamp(min=0)
        self.clean = low + (high - low) * torch.rand(shape)
        self.wrong = self.clean + change

    def walk(self, attempt):
        self.places = []
        return attempt(self.decide, self.clean.clone(), self.wrong.clone(), self.tolerance)

    def decide(self, image):
        probes.want_like(image, self.clean, "the image that decide was asked about")
        if len(self.places) == 300:
            raise NotYet(ENDLESS)
        self.places.append(self.place(image.detach())[0])
        return self.places[-1] > self.boundary

    def place(self, image):
        """How far an image is along the line, and how far away from it."""
        change, offset = (each.double() - self.clean.double() for each in (self.wrong, image))
        share = (offset * change).sum() / change.square().sum()
        return share.item(), (offset - share * change).abs().max().item()

    def side(self, image):
        """Where an image lies, in words."""
        share, away = self.place(image)
        if not away <= 1e-4 * self.length:
            return "beside the line from the clean image to the wrong one, or NaN"
        if share <= self.boundary:
            return "on the right side, where the model is not wrong"
        if (share - self.boundary) * self.length <= 1.001 * self.tolerance + 2e-6:
            return "on the wrong side, within the tolerance of the right one"
        return "on the wrong side, but farther from the right one than the tolerance"


# Just above 3/8, just below 13/16 and at 0.586: there the middles lie where one does not expect them.
LINES = {
    "ends 0.5 apart, tolerance 0.01": ((1, 3, 32, 32), 0.5, 0.3751, 0.01),
    "ends 0.9 apart, tolerance 0.001": ((1, 1, 5, 6), 0.9, 0.8124, 0.001),
    "ends 0.9 apart, tolerance 0.005": ((1, 1, 5, 6), 0.9, 0.2876, 0.005),
    "ends 0.02 apart, tolerance 0.001": ((1, 1, 8, 8), 0.02, 0.586, 0.001, -1),
}


def _probe_walk_back(attempt):
    advice = {"'bool' object": A_BOOL, "Boolean value of Tensor": ONE_NUMBER}
    attempt, lines = probes.advised(attempt, advice), {name: _Line(*line) for name, line in LINES.items()}
    one, two, *_ = lines.values()
    for line in (one, two):
        line.walk(attempt)
        steps = [after - before for before, after in pairwise(line.places)]
        if len(steps) > 3 and max(steps) - min(steps) < 1e-3 * abs(steps[0]):
            raise NotYet(LINEAR)
    if len(one.places) == len(two.places) > 0:
        raise NotYet(FIXED)
    for name, line in lines.items():
        result = line.walk(attempt)
        probes.want_two(result, BOTH)
        image, said = result
        if isinstance(probes.as_number(image), (int, float)):
            raise NotYet(f"a number, no image (at a place it is clean + place * change): return two things, {BOTH}")
        probes.want_like(image, line.clean, "the image")
        asked, needed = len(line.places), math.ceil(math.log2(line.length / line.tolerance))
        yield {f"the walk ({name})": _Walk([*line.places, line.place(image)[0]])}
        there, path = line.side(image), {"the walk itself": line.places}  # it tells mistakes apart
        yield {f"where the image lies ({name})": there} | ({} if "within" in there else path)
        twice = any(a == b for a, b in pairwise(line.places[:needed]))
        yield {f"whether an image is asked about twice ({name})": twice}
        few, fine = f"at most {needed + 3}: halve what is left until it is within the tolerance", asked <= needed + 3
        yield {f"how many questions it takes ({name})": few if fine else f"{asked}"} | ({} if fine else path)
        said = probes.as_number(said)
        less = float(said - asked) if isinstance(said, (int, float)) else said
        yield {f"the number returned, less the number of questions asked ({name})": less}


def _draw_walk(seen, expected):
    """The questions of the first walk that differs, as places on the line, beside those of the reference."""
    wrong = next(key for key, right in expected.items() if describe_difference(seen.get(key), right))
    name = next(name for name in LINES if f"({name})" in wrong)
    boundary = LINES[name][2]
    canvas, axis = figures.figure(6.0, 1.9)
    for height, observed in ((1, expected), (0, seen)):
        *places, end = observed[f"the walk ({name})"].places
        colors = [figures.ADVERSARIAL if place > boundary else figures.CLEAN for place in places]
        axis.scatter(places, [height] * len(places), c=colors, s=25, zorder=3)
        axis.scatter([end], [height], s=130, facecolors="none", edgecolors="black", zorder=4)
    axis.axvline(boundary, color=figures.THEORY, linewidth=1, linestyle=":")
    axis.set(yticks=[0, 1], yticklabels=["yours", "reference"], ylim=(-0.6, 1.6), xlim=(-0.05, 1.05))
    axis.set(xticks=[0, boundary, 1], xticklabels=["clean", "boundary", "wrong"])
    axis.set_title(f"asked about, and (circle) returned; {name}")
    return figures.picture(canvas, "The places between clean and wrong that the reference asks about, and yours.")


EX_WALK_BACK = Exercise(
    "10.4",
    walk_back,
    _probe_walk_back,
    picture=_draw_walk,
    mistakes=r"""
`return wrong` -> `return right`: this is the end on the right side: the model is not fooled by it. Return `wrong`
`if decide` -> `if not decide`: the wrong half is kept: the boundary lies between an image that the model has right and
    one that it has wrong. If the middle is wrong, it takes the place of `wrong`; if it is right, that of the right end
`return wrong` -> `return middle`: the last middle is returned, or one that nobody has asked about, on whichever side it
    is: the model has to be wrong there, so return the end on the wrong side, which is known
`asked = clean, 0` -> `asked, whole = clean, 0, (wrong - clean).abs().max()` & `> tolerance` -> `> tolerance * whole`:
    the search stops by the *share* of the way: the tolerance is meant in pixels. What is left is that share times
    (wrong - clean).abs().max(), and for ends that are near to each other a few questions are enough
`.abs().max()` -> `.norm()` | `.abs().max()` -> `.abs().sum()`: the length of what is left, or its sum, is larger than
    its largest pixel, so that you ask too often: (wrong - right).abs().max()
`.abs().max()` -> `.abs().mean()` | `.abs().max()` -> `.square().mean().sqrt()` | `.abs().max()` -> `.square().sum()`:
    the search stops too soon: the *largest* pixel of what is left counts, (wrong - right).abs().max()
`.abs().max()` -> `.max()`: pixels that are darker than before do not count here: (wrong - right).abs().max(), with abs
`right = middle` -> `break`: the whole change is halved, and the search ends at the first image that the model has
    right: the boundary lies somewhere between the last two. Keep both ends, and go on halving between them
`(wrong, 0)`: this is the wrong image as it was: halve *while* (wrong - right).abs().max() is above the tolerance
`if decide(middle)` -> `if decide(middle) and decide(middle)`: the same image is asked about twice: keep the answer,
    is_wrong = decide(middle). Every question counts
`        asked += 1\n` -> `` & `wrong = middle` -> `wrong, asked = middle, asked + 1` | `        asked += 1\n` -> `` &
    `right = middle` -> `right, asked = middle, asked + 1`: only the questions with one of the two answers are counted:
    the others cost as much. Count before the `if`
""",
    hints=(
        "Hold two images of the line, one that the model has right and one that it has wrong: the boundary is between "
        "them. What does the answer about their middle tell?",
        "The middle takes the place of the end on its own side, and what is left is half as long.",
        "while (wrong - right).abs().max() > tolerance: middle = (right + wrong) / 2, asked += 1, and decide(middle) "
        "says which end it replaces.",
    ),
    stars=2,
)


def normal(decide, x, radius, samples, generator):
    steps = torch.randn(samples, *x.shape[1:], generator=generator, device=x.device, dtype=x.dtype)
    steps = F.normalize(steps.flatten(1)).view_as(steps)
    signs = 2 * decide(x + radius * steps).to(x) - 1
    weights = signs - signs.mean()
    if not weights.any():
        weights = signs  # all answers are alike
    direction = (weights[:, None, None, None] * steps).sum(0, keepdim=True)
    return direction / direction.norm()


AS_NUMBERS = "decide answers with True and False: make numbers of them first, 2 * decide(...).float() - 1"
FOUR_AXES = "the steps are (samples, *x.shape[1:]): one number a step needs [:, None, None, None] after it"


class _Boundary:
    """Who is wrong on the far side of a plane near x; it keeps what it was asked and what it answered."""

    def __init__(self, shape, radius, share):
        self.x, self.radius = 0.4 + 0.2 * torch.rand(shape), radius
        self.across = F.normalize(torch.randn(shape).double().flatten(), dim=0)
        quantile = torch.special.ndtri(torch.tensor(1 - share).double()).item()
        self.offset = radius * quantile / self.x.numel() ** 0.5

    def ask(self, attempt, samples, seed):
        """The direction found, the steps from x to what was asked about, and +1 or -1 for each, in float64."""
        self.steps, self.answers = [torch.empty(0, self.x.numel())], [torch.empty(0)]
        found = attempt(self.decide, self.x.clone(), self.radius, samples, torch.Generator().manual_seed(seed))
        probes.want_like(found, self.x, "the direction")
        return found.detach().double().flatten(), torch.cat(self.steps), 2 * torch.cat(self.answers).double() - 1

    def decide(self, images):
        probes.want_like(images[:1], self.x, "the first image that decide was asked about")
        self.steps.append((images.detach().double() - self.x.double()).flatten(1))
        answers = self.steps[-1] @ self.across > self.offset
        self.answers.append(answers.float())
        return answers


PLANES = (
    ("200 steps, most of them to the wrong side", (1, 3, 8, 8), 0.35, 0.85, 200),
    ("60 steps, few of them to the wrong side", (1, 1, 7, 5), 0.2, 0.2, 60),
    ("40 steps, none to the wrong side", (1, 1, 6, 6), 0.3, 0, 40),
)


def _probe_normal(attempt):
    advice = dict.fromkeys(("bool tensor", "Bool", "could not infer output dtype", "mean()"), AS_NUMBERS)
    advice |= dict.fromkeys(("must match the size", "not broadcastable", "mat1", "cannot be multiplied"), FOUR_AXES)
    attempt = probes.advised(attempt, advice)
    for name, shape, radius, share, samples in PLANES:
        boundary = _Boundary(shape, radius, share)
        found, steps, signs = boundary.ask(attempt, samples, seed=0)
        yield {f"how many different images decide is asked about ({name})": len(steps.unique(dim=0))}
        yield {f"how many images decide is asked about ({name})": len(steps)}
        yield {f"how far from x these images are, divided by radius ({name})": steps.norm(dim=1) / radius}
        if samples == 200:  # enough to show whether they prefer some direction
            yield {f"the directions of the steps ({name})": probes.evenly_spread(F.normalize(steps))}
        again, others = (boundary.ask(attempt, samples, seed)[1] for seed in (0, 1))
        yield {f"whether the same seed gives the same steps ({name})": steps.equal(again)}
        yield {f"whether another seed gives the same steps ({name})": steps.equal(others)}
        alike = len(signs.unique()) == 1  # and nothing is left
        right = F.normalize((signs if alike else signs - signs.mean()) @ steps, dim=0)
        gap = 0 * right if alike and not found @ right < -0.9 else found - right
        yield {f"the length of the direction ({name})": 1.0 if alike else found.norm().item()}
        how = f"how far the direction is from the sum of (sign - mean sign) * step, of length 1 ({name})"
        yield {how: round(gap.norm().item(), 5), f"{how}, along each step": steps @ gap}


EX_NORMAL = Exercise(
    "10.5",
    normal,
    _probe_normal,
    mistakes=r"""
`direction / direction` -> `-direction / direction` | `x + radius` -> `x - radius`: the direction points to the side
    where the model is *right*: True (wrong) counts +1, False -1, for the step u of x + radius * u
`- signs.mean()` -> ``: the mean of the answers is not taken away. The steps' own mean is then in the sum, as noise:
    with 9 of 10 answers alike, 1000 questions are worth no more than 360 with it. weights = signs - signs.mean()
`- signs.mean()` -> `+ 1` | `- signs.mean()` -> `- 1`: only the steps to one of the two sides count: those to the other
    tell as much. Weights +1 and -1, minus their mean
`signs - signs.mean()` -> `0 * signs` & `weights = signs  #` -> `weights = weights  #`: NaN, though the answers differ.
    Have they become alike? decide answers in bools, and -1 stored in one is True: make numbers first, 2 *
    decide(...).float() - 1
`weights = signs  #` -> `weights = signs.abs()  #`: where no step leads to the wrong side, the direction is turned
    round: the signs are all -1 then, so that the mean step counts negatively
`signs - signs.mean()` -> `torch.ones_like(signs)`: the answers have no say: weigh each step by its answer
`F.normalize(steps.flatten(1)).view_as(steps)` -> `steps` | `F.normalize(steps.flatten(1)).view_as(steps)` ->
    `steps.sign()` | `F.normalize(steps.flatten(1)).view_as(steps)` -> `steps / steps.norm()` | `steps.flatten(1)` ->
    `steps` | `F.normalize(steps.flatten(1)).view_as(steps)` -> `steps / steps.norm(dim=(2, 3), keepdim=True)`: the
    steps are not of length 1 (d normals have a length near sqrt(d)). Divide each by its own length over all its pixels
    and channels, u.flatten(1).norm(dim=1)[:, None, None, None]; norm() alone is that of all together
`x + radius * steps` -> `x + steps`: the radius is missing: ask about x + radius * u
`x + radius * steps` -> `radius * steps`: decide is asked about the steps alone: ask about images near x, x + radius * u
`torch.randn` -> `2 * torch.rand` & `dtype=x.dtype)` -> `dtype=x.dtype) - 1`: the steps prefer the corners of the cube,
    which are farther away than its faces: torch.rand is even in every pixel, not in every direction (and signs are
    nothing but corners). A vector of normals, torch.randn, prefers none
`torch.randn(samples, ` -> `torch.randn(1, ` & `dtype=x.dtype)` -> `dtype=x.dtype).repeat(samples, 1, 1, 1)`: all steps
    are the same one: draw one a sample, torch.randn(samples, *x.shape[1:], generator=generator)
`generator=generator, ` -> ``: the steps do not come from the generator that was given: torch.randn(...,
    generator=generator), so that a run can be repeated
`generator=generator` -> `generator=generator.manual_seed(0)`: the generator is set back inside, so that each call draws
    the same steps: whoever calls has seeded it
`signs = 2 *` -> `decide(x + radius * steps)\n    signs = 2 *` | `signs = 2 *` -> `decide(x - radius * steps)\n    signs
    = 2 *` | `signs = 2 *` -> `decide(x)\n    signs = 2 *`: decide is asked more than `samples` questions: about the
    same images again, about x itself, or on both sides of it. Once about each step is enough: keep the answers
`/ direction.norm()` -> `` | `/ direction.norm()` -> `/ direction.abs().max()` | `/ direction.norm()` -> `/ samples`:
    the direction has another length than 1: divide it by its norm() at the end
`direction / direction.norm()` -> `F.normalize(direction)`: F.normalize divides along dim=1, each *pixel* by its length
    over its channels: divide the whole direction by its norm()
""",
    hints=(
        "Steps that end on the wrong side point, on average, across the boundary to that side, and those that end on "
        "the right side away from it. So add up the steps, each with the sign of its answer.",
        "Steps: torch.randn(samples, *x.shape[1:], generator=generator), each divided by its own length. Signs: "
        "2 * decide(x + radius * steps).float() - 1, and the mean of the signs is taken away.",
        "(weights[:, None, None, None] * steps).sum(0, keepdim=True) of weights signs - signs.mean(), over its norm()",
    ),
    stars=3,
)

EXERCISES = (EX_OVERLAP, EX_PASTE, EX_EXPECTED, EX_WALK_BACK, EX_NORMAL)
