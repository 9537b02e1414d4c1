"""Lesson 10: the wrong answers of the first edition, and what it said to them."""

from collections.abc import Callable

import torch
from torch.nn import functional as F

from frozen import Mistake, pixel_slope


def overlap(boxes, box):
    sides = torch.minimum(boxes[:, 2:], box[2:]) - torch.maximum(boxes[:, :2], box[:2])
    shared = sides.clamp(min=0).prod(1)
    areas, area = (boxes[:, 2:] - boxes[:, :2]).prod(1), (box[2:] - box[:2]).prod()
    return shared / (areas + area - shared)


def _sharing(sides=lambda boxes, box: torch.minimum(boxes[:, 2:], box[2:]) - torch.maximum(boxes[:, :2], box[:2]), area=lambda boxes: (boxes[:, 2:] - boxes[:, :2]).prod(1), shared=lambda sides: sides.clamp(min=0).prod(1), ratio=lambda shared, areas, area: shared / (areas + area - shared)):
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


UNCLAMPED = "two boxes that lie apart get an overlap: min(right) - max(left) is negative then, and two negative sides make a positive area. Clamp each side at 0 *before* you multiply"


UNION = "the union is too large: both areas together count what is shared twice. Take it away once, area + area - shared"


ONE_AREA = "this divides by the area of one of the two boxes: a small box inside a large one would overlap with it entirely. Divide by the union, what at least one of the two covers"


CORNERS = "the four numbers are read in another way: a box is left, top, right, bottom, so that its width is boxes[:, 2] - boxes[:, 0] and its height boxes[:, 3] - boxes[:, 1]"


ONE_MORE = "a pixel is added to every side: that is right for corners that *name* the last pixel of a box. Here left and right are places, as in most of today's detectors, and the width is right - left"


SHARED_ALONE = "this is the shared area itself: divide it by the union, so that it runs from 0 to 1 at every size"


ALL_TOGETHER = "prod() without dim multiplies the sides of *all* boxes: prod(dim=1), one area a box"


ONE_A_BOX = "one number a box, (N,): neither the mean nor the largest of them"


def paste(patch, images, row, column):
    _, height, width = patch.shape
    covered = images.clone()
    covered[:, :, row : row + height, column : column + width] = patch
    return covered


NO_WAY_TO_PATCH = "the pictures are right, but no gradient leads from them to the patch, so it can never be trained: leave out .detach(), .data, .item(), numpy, no_grad and torch.tensor(...), and put the patch itself in"


NO_WAY_TO_IMAGES = "the pictures are right, but no gradient leads from them to the images outside of the patch: begin with images.clone(), without .detach(), .data, no_grad or numpy"


def _pasting(first=lambda images: images.clone(), cover=lambda region, patch: patch, place=lambda row, column: (row, column), rows=slice(None)):
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


ADDED = "the patch is mixed with what is behind it: a sticker covers it. The old pixels of that part have no say any more, so assign, without + (or give them the weight 0)"


OFF_BY_ONE = "off by one: the patch's first pixel comes to images[:, :, row, column], and `row : row + h` ends before row + h"


def _expecting(one=lambda model, x, target, transform: _slope(model, x, target, transform), count=lambda samples: samples, each=lambda gradient: gradient, end=lambda total, samples: total / samples):
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


ONE_VIEW = "the transform is drawn once: that is the gradient for one place, one light. Draw anew in every round, `samples` times, and take the mean"


SIGNED = "only the sign is left, or a length of 1: return the mean gradient itself; whoever takes the step scales it"


OTHER_LOSS = "this is the gradient of something else than the cross-entropy: F.cross_entropy(model(transform(x)), target)"


PATIENCE = 300  # questions after which a search is stopped; the longest one needs about 40


ENDLESS = f"your search was stopped after {PATIENCE} questions: does every round bring the two ends nearer to each other? Ask about the middle between them, and let it take the place of the end on its own side: `wrong` if decide says True, the right one otherwise"


IMAGE_AND_COUNT = "the image on the wrong side, and how many questions were asked: return wrong, asked"


def _halving(far: Callable = lambda wrong, right: (wrong - right).abs().max(), answer=lambda decide, middle: decide(middle), count=lambda asked, answer: asked + 1, first=0, middle=lambda right, wrong: (right + wrong) / 2, result=lambda right, wrong, middle, asked: (wrong, asked), stuck=True):
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


OTHER_HALF = "the wrong half is kept: the boundary lies between an image that the model has right and one that it has wrong. If the middle is wrong, it takes the place of `wrong`; if it is right, that of the right end"


FIXED = "the number of rounds is fixed, and for other ends and tolerances it is too small or too large: stop when the largest pixel of what is left, (wrong - right).abs().max(), is at most the tolerance. On a rented model each question costs money, and is seen"


TWICE = "the same image is asked about twice: keep the answer, is_wrong = decide(middle). Every question counts"


LINEAR = "the line is searched step by step, which takes length / tolerance questions: halving takes the logarithm of that. Ask about the middle, keep the half with the boundary in it, and again"


TOO_SOON = "the search stops too soon: the *largest* pixel of what is left is to be within the tolerance, (wrong - right).abs().max()"


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


TO_THE_RIGHT_SIDE = "the direction points to the side where the model is *right*: True (wrong) counts +1, False -1, and the step that is asked about, x + radius * u, is the one that is added up"


NO_MEAN = "the mean of the answers is not taken away. The steps' own mean is then in the sum, as noise: with 9 of 10 answers alike, 1000 questions are worth no more than 360 with it (1 - mean^2). weights = signs - signs.mean()"


NOT_UNIT = "the steps are not of length 1: a vector of d normals has a length near sqrt(d). Divide each by its own, u.flatten(1).norm(dim=1)[:, None, None, None]"


CORNERS_FIRST = "the steps prefer the corners of the cube, which are farther away than its faces: torch.rand is even in every pixel, not in every direction (and signs are nothing but corners). A vector of normals, torch.randn, prefers none"


NO_GENERATOR = "the steps do not come from the generator that was given: torch.randn(..., generator=generator), so that a run can be repeated"


NO_RADIUS = "the radius is missing: ask about x + radius * u. Steps of length 1 may lead far over the boundary"


NOT_ENDED = "the direction has another length than 1: divide it by its norm() at the end"


WRONG = {
    "10.1": (
        Mistake(_sharing(shared=lambda sides: sides.prod(1)), UNCLAMPED),
        Mistake(_sharing(shared=lambda sides: sides.prod(1).clamp(min=0)), "the *area* is clamped at 0, which comes too late where both sides are negative: (-3) * (-2) is 6. Clamp each side, then multiply"),
        Mistake(_sharing(shared=lambda sides: sides.abs().prod(1)), UNCLAMPED),
        Mistake(_sharing(shared=lambda sides: sides[:, 0].clamp(min=0) * sides[:, 1]), UNCLAMPED),
        Mistake(_sharing(shared=lambda sides: sides[:, 0] * sides[:, 1].clamp(min=0)), UNCLAMPED),
        Mistake(_sharing(ratio=lambda shared, areas, area: shared / (areas + area)), UNION),
        Mistake(_sharing(ratio=lambda shared, areas, area: shared / (areas + area + shared)), UNION),
        Mistake(_sharing(ratio=lambda shared, areas, area: shared / (areas + area - 2 * shared)), "what is shared is taken away twice: the union holds it once, area + area - shared. (Equal boxes would divide by 0.)"),
        Mistake(_sharing(ratio=lambda shared, areas, area: 2 * shared / (areas + area)), "twice the shared area over the sum of both areas is Dice's coefficient, which is larger: here divide by the union, area + area - shared"),
        Mistake(_sharing(ratio=lambda shared, areas, area: shared / torch.minimum(areas, area)), ONE_AREA),
        Mistake(_sharing(ratio=lambda shared, areas, area: shared / torch.maximum(areas, area)), ONE_AREA),
        Mistake(_sharing(ratio=lambda shared, areas, area: shared / area), ONE_AREA),
        Mistake(_sharing(ratio=lambda shared, areas, area: shared / areas), ONE_AREA),
        Mistake(_of_the_enclosing, "this divides by the smallest box around both (or multiplies the overlaps in x and in y, which is the same), and that holds corners that neither covers: the union is area + area - shared"),
        Mistake(_read(lambda boxes: torch.cat([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1)), CORNERS),
        Mistake(_read(lambda boxes: torch.cat([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], 1)), CORNERS),
        Mistake(_read(lambda boxes: boxes[:, [0, 2, 1, 3]]), CORNERS),
        Mistake(_sharing(area=lambda boxes: boxes[:, 2:].prod(1)), CORNERS),
        Mistake(_read(lambda boxes: boxes + torch.tensor([0, 0, 1, 1])), ONE_MORE),
        Mistake(_sharing(area=lambda boxes: (boxes[:, 2:] - boxes[:, :2] + 1).prod(1)), "1 is added to the sides of the boxes, but not to those of what they share. Left and right are places here, not numbers of pixels: the width is right - left"),
        Mistake(_sharing(sides=lambda boxes, box: torch.maximum(boxes[:, 2:], box[2:]) - torch.minimum(boxes[:, :2], box[:2])), "this is the box *around* both, min and max are exchanged: what they share begins at the larger left edge and ends at the smaller right one"),
        Mistake(_read(lambda boxes: boxes.clamp(min=0)), "corners are moved to 0: a box may reach beyond the image's left and upper edge. Clamp sides, not corners"),
        Mistake(_sharing(ratio=lambda shared, areas, area: shared), SHARED_ALONE),
        Mistake(_sharing(ratio=lambda shared, areas, area: areas + area - shared), "this is the union: divide the shared area by it"),
        Mistake(_sharing(ratio=lambda shared, areas, area: (areas + area - shared) / shared), "the fraction stands upside down: shared over union"),
        Mistake(lambda boxes, box: 1 - overlap(boxes, box), "1 - overlap is a distance: return the overlap itself"),
        Mistake(lambda boxes, box: (overlap(boxes, box) > 0).float(), "this says whether they share anything: return how much, shared over union"),
        Mistake(lambda boxes, box: 100 * overlap(boxes, box), "this is in per cent: from 0 to 1, please"),
        Mistake(lambda boxes, box: overlap(boxes, box)[:, None], "this is a column, (N, 1): want (N,), without keepdim"),
        Mistake(lambda boxes, box: overlap(boxes, box)[None], "this is a row, (1, N): want (N,)"),
        Mistake(lambda boxes, box: overlap(boxes, box).mean(), ONE_A_BOX),
        Mistake(lambda boxes, box: overlap(boxes, box).amax(), ONE_A_BOX),
        Mistake(_sharing(shared=lambda sides: sides.clamp(min=0).prod()), ALL_TOGETHER),
        Mistake(_sharing(area=lambda boxes: (boxes[:, 2:] - boxes[:, :2]).prod()), ALL_TOGETHER),
        Mistake(_sharing(ratio=lambda shared, areas, area: shared / areas + area - shared), "a division comes before a sum: put the union in brackets, shared / (areas + area - shared)"),
        Mistake(_sharing(ratio=lambda shared, areas, area: shared // (areas + area - shared)), "// leaves only whole numbers, 0 or 1: divide with /"),
        Mistake(_sharing(area=lambda boxes: (boxes[:, 2:] - boxes[:, :2]).sum(1), shared=lambda sides: sides.clamp(min=0).sum(1)), "the sides are added: an area is their product, .prod(1)"),
        Mistake(lambda boxes, box: overlap(boxes[:1], box), "only the first box is looked at: one number a box, (N,)"),
    ),
    "10.2": (
        Mistake(_pasting(place=lambda row, column: (column, row)), "row and column are exchanged: images are (N, C, H, W), so the third axis takes the rows"),
        Mistake(_pasting(cover=lambda region, patch: region + patch), ADDED),
        Mistake(_pasting(cover=lambda region, patch: (region + patch).clamp(0, 1)), ADDED),
        Mistake(_pasting(cover=lambda region, patch: (region + patch) / 2), ADDED),
        Mistake(_pasting(cover=lambda region, patch: region * patch), ADDED),
        Mistake(_pasting(cover=torch.maximum), ADDED),
        Mistake(lambda patch, images, row, column: _padded(patch, images, row, column).expand_as(images).clone(), "everything beside the patch is black: it belongs to the image as it was"),
        Mistake(_pasting(rows=slice(1)), "only the first image gets the patch: all N of them, images[:, ...]"),
        Mistake(lambda patch, images, row, column: paste(patch, images, row, column)[0], "only the first image is returned: all N, (N, C, H, W)"),
        Mistake(lambda patch, images, row, column: paste(patch[:1].expand_as(patch), images, row, column), "all channels show the patch's first one: each channel of the images gets its own, with the whole patch (C, h, w)"),
        Mistake(lambda patch, images, row, column: paste(patch.mean(0, keepdim=True).expand_as(patch), images, row, column), "the patch has lost its colours: put in its channels as they are"),
        Mistake(lambda patch, images, row, column: paste(patch.mT.reshape(patch.shape), images, row, column), "the patch's pixels are in another order: put it in as it is, without transpose or reshape"),
        Mistake(lambda patch, images, row, column: paste(patch.flip(1), images, row, column), "the patch stands on its head: row 0 is at the top, in the patch and in the images"),
        Mistake(lambda patch, images, row, column: paste(patch, images, 0, 0), "the patch is always in the upper left corner: its place is row, column"),
        Mistake(_as_centre, "row and column are taken for the patch's centre: they are its upper left corner"),
        Mistake(_zero_based, OFF_BY_ONE),
        Mistake(_one_on, OFF_BY_ONE),
        Mistake(_but_for_the_last, OFF_BY_ONE),
        Mistake(lambda patch, images, row, column: images[:, :, row : row + patch.shape[1], column : column + patch.shape[2]], "this is the part of the images that the patch would cover: return the whole images, with the patch there"),
        Mistake(lambda patch, images, row, column: images.clone(), "the images are as they were: the patch is not in them"),
        Mistake(_pasting(cover=lambda region, patch: patch.detach()), NO_WAY_TO_PATCH),
        Mistake(_by_data, NO_WAY_TO_PATCH),
        Mistake(_value_by_value, NO_WAY_TO_PATCH),
        Mistake(_pasting(first=lambda images: images.detach().clone()), NO_WAY_TO_IMAGES),
    ),
    "10.3": (
        Mistake(_expecting(count=lambda samples: 1, end=lambda total, samples: total), ONE_VIEW),
        Mistake(_expecting(count=lambda samples: 1), ONE_VIEW),
        Mistake(lambda model, x, target, transform, samples: pixel_slope(model, x, target), "the transform is not used: the loss to follow is that of model(transform(x))"),
        Mistake(_expecting(one=_at_the_view), "this is the gradient in the pixels of the *view*: it says how to change what the camera sees. Ask for the gradient in x, so that it runs back through the transform (a view that is shifted has a gradient that is shifted): torch.autograd.grad(loss, x)"),
        Mistake(_expecting(one=_shown_again), "the transform is applied to the gradient: it belongs in front of the model, model(transform(x)), and autograd finds the way back through it"),
        Mistake(_of_views(lambda model, views: model(torch.stack(views).mean(0))), "the views are averaged before the model sees them: the model never sees a mean of views, but one view at a time. Average the gradients (or the losses)"),
        Mistake(_of_views(lambda model, views: torch.stack([model(view) for view in views]).mean(0)), "the logits are averaged before the loss: a view that is named rightly for certain is outvoted then. Average the losses or their gradients"),
        Mistake(_expecting(end=lambda total, samples: total), "this is the sum: divide by samples, so that the length does not depend on how many views you took"),
        Mistake(_expecting(end=lambda total, samples: total / samples**2), "divided by samples twice: the mean of the losses, or the mean of the gradients, not both"),
        *(Mistake(_last_view(part), "only the last view counts: add up the gradients, and divide by samples at the end") for part in (lambda samples: 1, lambda samples: 1 / samples)),
        Mistake(_expecting(count=lambda samples: samples - 1), "one view too few: for _ in range(samples)"),
        Mistake(_expecting(count=lambda samples: samples + 1), "one view too many: for _ in range(samples)"),
        Mistake(_expecting(end=lambda total, samples: (total / samples).sign()), SIGNED),
        Mistake(_expecting(each=torch.sign), SIGNED),
        Mistake(_expecting(end=lambda total, samples: total / total.norm()), SIGNED),
        Mistake(_expecting(each=lambda gradient: gradient / gradient.norm()), SIGNED),
        Mistake(_expecting(each=torch.abs), "the gradients lose their signs: those of different views may cancel"),
        Mistake(_expecting(end=lambda total, samples: -total / samples), "the sign is turned round: return the gradient of the loss; whoever wants the target named goes against it"),
        Mistake(_steps, "this is x after a step: return the gradient alone"),
        Mistake(_expecting(one=lambda m, x, t, view: _slope(m, x, t, view, lambda logits, t: logits[0, t[0]])), OTHER_LOSS),
        Mistake(_expecting(one=lambda m, x, t, view: _slope(m, x, t, view, lambda logits, t: logits.softmax(1)[0, t[0]])), OTHER_LOSS),
        Mistake(_expecting(one=lambda m, x, t, view: _slope(m, x, t, view, lambda g, t: F.cross_entropy(g.softmax(1), t))), "softmax twice: F.cross_entropy takes logits, and applies the softmax itself"),
        Mistake(_expecting(one=lambda m, x, t, view: _slope(m, x, t, view, lambda g, t: F.cross_entropy(g, g.argmax(1)))), "the loss is that of the class that the model names: take it at `target`"),
    ),
    "10.4": (
        Mistake(_halving(result=lambda right, wrong, middle, asked: (right, asked)), "this is the end on the right side: the model is not fooled by it. Return the other end, `wrong`"),
        Mistake(_halving(answer=lambda decide, middle: not decide(middle)), OTHER_HALF),
        Mistake(_halving(result=lambda right, wrong, middle, asked: (middle, asked)), "the last middle is returned, on whichever side it is: the model has to be wrong there, so return the end on the wrong side"),
        Mistake(_halving(result=lambda right, wrong, middle, asked: ((right + wrong) / 2, asked)), "a middle is returned that nobody has asked about: it may lie on the right side. Return the end on the wrong side, which is known"),
        Mistake(_by_share, "the search stops by the *share* of the way, high - low: the tolerance is meant in pixels. What is left is (high - low) * (wrong - clean).abs().max(), and for ends that are near to each other a few questions are enough"),
        Mistake(_halving(far=lambda wrong, right: (wrong - right).norm()), "the Euclidean length of what is left is compared with the tolerance: it is larger than the largest pixel, so that you ask too often. (wrong - right).abs().max()"),
        Mistake(_halving(far=lambda wrong, right: (wrong - right).abs().mean()), TOO_SOON),
        Mistake(_halving(far=lambda wrong, right: (wrong - right).square().mean().sqrt()), TOO_SOON),
        Mistake(_halving(far=lambda wrong, right: (wrong - right).square().sum()), TOO_SOON),
        Mistake(_halving(far=lambda wrong, right: (wrong - right).max()), "pixels that are darker than before do not count here: (wrong - right).abs().max(), with abs"),
        Mistake(_step_by_step(1, keep_wrong=True), LINEAR),
        Mistake(_step_by_step(0, keep_wrong=False), LINEAR),
        *(Mistake(_rounds(number), FIXED) for number in (5, 8, 10, 16, 20, 30, 50, 100)),
        Mistake(_half_of_what_is_left, "the whole change is halved, and the search ends at the first image that the model has right: the boundary lies somewhere between the last two. Keep both ends, and go on halving between them"),
        Mistake(lambda decide, clean, wrong, tolerance: (wrong, 0), "this is the wrong image as it was: ask about the middle between it and the clean one"),
        Mistake(_halving(far=lambda wrong, right: 1), ENDLESS),
        Mistake(_halving(answer=_twice), TWICE),
        Mistake(_halving(answer=lambda decide, middle: decide(middle) and decide(middle)), TWICE),
        Mistake(_halving(answer=lambda decide, middle: [decide(middle), decide(middle)][0]), TWICE),
        Mistake(_halving(count=lambda asked, answer: asked + answer), "only the questions with the answer True are counted: the others cost as much. Count before the `if`"),
        Mistake(_halving(count=lambda asked, answer: asked + (not answer)), "only the questions with the answer False are counted: the others cost as much. Count before the `if`"),
        Mistake(_halving(first=1), "the number is one too large: begin with asked = 0, and add 1 for each time that decide is called"),
        Mistake(_halving(first=-1), "the number is one too small: begin with asked = 0, and add 1 for each time that decide is called"),
        Mistake(_halving(result=lambda right, wrong, middle, asked: (asked, wrong)), f"the other way round: {IMAGE_AND_COUNT}"),
        Mistake(_halving(result=lambda right, wrong, middle, asked: wrong), f"return two things: {IMAGE_AND_COUNT}"),
    ),
    "10.5": (
        Mistake(_estimating(signs=lambda answers: 1 - 2 * answers.float()), TO_THE_RIGHT_SIDE),
        Mistake(_estimating(ask=lambda decide, x, radius, steps: decide(x - radius * steps)), TO_THE_RIGHT_SIDE),
        Mistake(_estimating(end=lambda direction: -direction / direction.norm()), TO_THE_RIGHT_SIDE),
        Mistake(_estimating(weights=lambda signs: signs), NO_MEAN),
        Mistake(_estimating(signs=lambda answers: answers.float(), weights=lambda signs: signs), "only the steps to the wrong side count: those to the right side tell as much. Weights +1 and -1, minus their mean"),
        Mistake(_estimating(signs=lambda answers: (~answers).float(), weights=lambda signs: -signs), "only the steps to the right side count: those to the wrong side tell as much. Weights +1 and -1, minus their mean"),
        Mistake(
            _estimating(signs=_minus_one_as_truth, weights=lambda signs: signs - signs.mean()),
            "NaN, or infinity, though the answers differ: have they become alike on the way, so that their mean takes all away? What decide returns is of type bool, and -1 stored in it is True. Make numbers first, 2 * decide(...).float() - 1",
        ),
        Mistake(_estimating(weights=lambda signs: torch.ones_like(signs) if signs.std() == 0 else signs - signs.mean()), "where no step leads to the wrong side, the direction is turned round: the signs are all -1 then, so that the mean step counts negatively. Take the signs themselves as weights"),
        Mistake(_estimating(weights=lambda signs: signs * 0 + 1), "the answers have no say: weigh each step by its answer"),
        Mistake(_estimating(unit=lambda steps: steps), NOT_UNIT),
        Mistake(_estimating(unit=lambda steps: steps / steps.norm()), "norm() without dim is the length of all steps together: divide each by its own, u.flatten(1).norm(dim=1)[:, None, None, None]"),
        Mistake(_estimating(unit=lambda steps: steps.sign()), "a step of signs is as long as the square root of the number of pixels: divide each step by its own length"),
        Mistake(_estimating(unit=lambda steps: steps / steps.norm(dim=1, keepdim=True)), "norm(dim=1) runs over the channels: the length of a step is taken over all its pixels, flatten(1) first"),
        Mistake(_estimating(unit=lambda steps: steps / steps.norm(dim=(2, 3), keepdim=True)), "each channel has the length 1: the length of a step is taken over all its pixels, flatten(1) first"),
        Mistake(_estimating(ask=lambda decide, x, radius, steps: decide(x + steps)), NO_RADIUS),
        Mistake(_estimating(ask=lambda decide, x, radius, steps: decide(radius * steps + 0 * x)), "decide is asked about the steps themselves: ask about images near x, x + radius * u"),
        Mistake(_estimating(draw=lambda *shape, generator: 2 * torch.rand(*shape, generator=generator) - 1), CORNERS_FIRST),
        Mistake(_estimating(unit=lambda steps: steps.sign() / steps[0].numel() ** 0.5), CORNERS_FIRST),
        Mistake(_estimating(draw=torch.rand), "torch.rand draws from [0, 1], so that no pixel of a step is negative: take torch.randn, which prefers no direction"),
        Mistake(_estimating(draw=_one_step_for_all), "all steps are the same one: draw one a sample, torch.randn(samples, *x.shape[1:], generator=generator)"),
        Mistake(_estimating(source=lambda generator: None), NO_GENERATOR),
        Mistake(_estimating(source=_reseeded), "the generator is set back inside, so that each call draws the same steps: whoever calls has seeded it"),
        Mistake(_estimating(ask=_asks_twice), "decide is asked twice about the same images: keep its answers in a variable"),
        Mistake(_estimating(ask=_both_ways), "decide is asked about both sides of x: that is twice as many questions as `samples`. For a random step one is enough"),
        Mistake(_estimating(ask=_and_x_itself), "decide is asked about x itself, too: one question more than `samples`, and its answer has no use"),
        Mistake(_estimating(ask=lambda decide, x, radius, steps: decide(x + radius**2 * steps)), "the radius is multiplied in twice: ask about x + radius * u, with steps u of length 1"),
        Mistake(_estimating(end=F.normalize), "F.normalize divides along dim=1, so that each *pixel* has the length 1 over its channels: divide the whole direction by its norm()"),
        Mistake(_estimating(end=lambda direction: direction), NOT_ENDED),
        Mistake(_estimating(end=lambda direction: direction / direction.abs().max()), NOT_ENDED),
        Mistake(_estimating(end=torch.sign), "this is the sign of each pixel, a step for the ruler `linf`: want the direction itself, divided by its norm()"),
    ),
}
