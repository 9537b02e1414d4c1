"""Answers for the exercises of lesson 10: right in other ways, and wrong in ways that no list foresees."""

import math

import torch
from torch.nn import functional as F
from torchvision.ops import box_iou

# 10.1


def _box_by_box(boxes, box):
    l, t, r, b = box.tolist()  # noqa: E741
    shares = []
    for left, top, right, bottom in boxes.tolist():
        shared = max(0, min(right, r) - max(left, l)) * max(0, min(bottom, b) - max(top, t))
        shares.append(shared / ((right - left) * (bottom - top) + (r - l) * (b - t) - shared))
    return torch.tensor(shares)


def _by_columns(boxes, box):
    left, top, right, bottom = boxes.T
    width = (right.clamp(max=box[2]) - left.clamp(min=box[0])).relu()
    height = (bottom.clamp(max=box[3]) - top.clamp(min=box[1])).relu()
    both = width * height
    union = (right - left) * (bottom - top) + (box[2] - box[0]) * (box[3] - box[1]) - both
    return both / (union + 1e-9)


def _zero_unless_they_meet(boxes, box):
    low, high = torch.max(boxes[:, :2], box[:2]), torch.min(boxes[:, 2:], box[2:])
    both = torch.where((high > low).all(1), (high - low).prod(1), 0)
    return both / ((boxes[:, 2:] - boxes[:, :2]).prod(1) + (box[2:] - box[:2]).prod() - both)


def _by_the_box_around(boxes, box):
    """Two intervals share what their lengths have too much for the one around both."""

    def shared(begin, end):
        around = boxes[:, end].maximum(box[end]) - boxes[:, begin].minimum(box[begin])
        return (boxes[:, end] - boxes[:, begin] + box[end] - box[begin] - around).relu()

    both = shared(0, 2) * shared(1, 3)
    return both / ((boxes[:, 2:] - boxes[:, :2]).prod(1) + (box[2:] - box[:2]).prod() - both)


def _clamped_at_the_end(boxes, box):
    both = (torch.minimum(boxes[:, 2:], box[2:]) - torch.maximum(boxes[:, :2], box[:2])).prod(1)
    return (both / ((boxes[:, 2:] - boxes[:, :2]).prod(1) + (box[2:] - box[:2]).prod() - both)).clamp(0, 1)


# 10.2


def _by_a_mask(patch, images, row, column):
    _, h, w = patch.shape
    beside = (column, images.shape[3] - column - w, row, images.shape[2] - row - h)
    mask = F.pad(torch.ones_like(patch), beside)
    return images * (1 - mask) + F.pad(patch, beside) * mask


def _chosen_by_a_mask(patch, images, row, column):
    canvas, mask = torch.zeros_like(images), torch.zeros_like(images, dtype=torch.bool)
    part = (..., slice(row, row + patch.shape[-2]), slice(column, column + patch.shape[-1]))
    canvas[part], mask[part] = patch, True
    return torch.where(mask, canvas, images)


def _in_strips(patch, images, row, column):
    bottom, right = row + patch.shape[1], column + patch.shape[2]
    sticker = patch[None].expand(len(images), -1, -1, -1)
    band = torch.cat([images[:, :, row:bottom, :column], sticker, images[:, :, row:bottom, right:]], dim=3)
    return torch.cat([images[:, :, :row], band, images[:, :, bottom:]], dim=2)


def _image_by_image(patch, images, row, column):
    pasted = []
    for image in images:
        image = image.clone()
        image[:, row : row + patch.size(1), column : column + patch.size(2)] = patch
        pasted.append(image)
    return torch.stack(pasted)


def _pixel_by_pixel(patch, images, row, column):
    result = images.clone()
    for i in range(patch.shape[1]):
        for j in range(patch.shape[2]):
            result[:, :, row + i, column + j] = patch[:, i, j]
    return result


def _blackened_first(patch, images, row, column):
    result, part = images * 1, (..., slice(row, row + patch.shape[1]), slice(column, column + patch.shape[2]))
    result[part] *= 0
    result[part] += patch
    return result


def _without_the_channels(patch, images, row, column):
    result = images.clone()
    result[:, row : row + patch.shape[1], column : column + patch.shape[2]] = patch
    return result


def _only_the_part(patch, images, row, column):
    return _by_a_mask(patch, images, row, column)[..., row : row + patch.shape[1], column : column + patch.shape[2]]


def _height_and_width_exchanged(patch, images, row, column):
    covered = images.clone()
    covered[:, :, row : row + patch.shape[2], column : column + patch.shape[1]] = patch
    return covered


# 10.3


def _one_batch(model, x, target, transform, samples):
    x = x.detach().clone().requires_grad_()
    views = torch.cat([transform(x) for _ in range(samples)])
    loss = F.cross_entropy(model(views), target.expand(samples))
    return torch.autograd.grad(loss, x)[0]


def _one_call(model, x, target, transform, samples):
    """The transform draws for each image of a batch."""
    many = x.detach().repeat(samples, 1, 1, 1).requires_grad_()
    loss = F.cross_entropy(model(transform(many)), target.repeat(samples), reduction="sum")
    return torch.autograd.grad(loss, many)[0].mean(0, keepdim=True)


def _mean_of_losses(model, x, target, transform, samples):
    x = x.detach().clone().requires_grad_()
    losses = [-model(transform(x)).log_softmax(1)[0, target.item()] for _ in range(samples)]
    torch.stack(losses).mean().backward(inputs=[x])
    return x.grad


def _list_of_gradients(model, x, target, transform, samples):
    def loss(x):
        return F.cross_entropy(model(transform(x)), target)

    return torch.stack([torch.func.grad(loss)(x) for _ in range(samples)]).mean(0).detach()


def _backward_on_a_copy(model, x, target, transform, samples):
    copy = x.clone().detach().requires_grad_(True)
    for _ in range(samples):
        (F.cross_entropy(model(transform(copy)), target) / samples).backward(inputs=[copy])
    return copy.grad.detach()


def _in_a_change(model, x, target, transform, samples):
    change = torch.zeros_like(x, requires_grad=True)
    for _ in range(samples):
        F.cross_entropy(model(transform(x + change)), target).backward(inputs=change)
    return change.grad / samples


def _worst_draw(model, x, target, transform, samples):
    x = x.clone().requires_grad_()
    losses = torch.stack([F.cross_entropy(model(transform(x)), target) for _ in range(samples)])
    return torch.autograd.grad(losses.max(), x)[0]


def _without_gradients(model, x, target, transform, samples):
    x = x.detach().clone().requires_grad_()
    with torch.no_grad():
        view = transform(x)
    return torch.autograd.grad(F.cross_entropy(model(view), target), x)[0]


def _view_without_gradients(model, x, target, transform, samples):
    x = x.detach().clone().requires_grad_()
    view = transform(x).detach()
    return torch.autograd.grad(F.cross_entropy(model(view), target), x)[0]


def _one_target_for_all(model, x, target, transform, samples):
    x = x.detach().clone().requires_grad_()
    loss = F.cross_entropy(model(torch.cat([transform(x) for _ in range(samples)])), target)
    return torch.autograd.grad(loss, x)[0]


def _same_graph_again(model, x, target, transform, samples):
    x = x.detach().clone().requires_grad_()
    view = transform(x)
    return sum(torch.autograd.grad(F.cross_entropy(model(view), target), x)[0] for _ in range(samples)) / samples


def _adds_tuples(model, x, target, transform, samples):
    x = x.detach().clone().requires_grad_()
    return sum(torch.autograd.grad(F.cross_entropy(model(transform(x)), target), x) for _ in range(samples)) / samples


def _number_for_target(model, x, target, transform, samples):
    return F.cross_entropy(model(transform(x)), int(target))


def _mean_of_twice_as_many(model, x, target, transform, samples):
    return _one_batch(model, x, target, transform, 2 * samples)


# 10.4


def _by_shares(decide, clean, wrong, tolerance):
    """Holds places on the line instead of images, as float64."""
    length = (wrong - clean).abs().max().item()
    low, high, asked = 0.0, 1.0, 0
    while (high - low) * length > tolerance:
        middle = (low + high) / 2
        asked += 1
        if decide(clean + middle * (wrong - clean)):
            high = middle
        else:
            low = middle
    return clean + high * (wrong - clean) if high < 1 else wrong, asked


def _number_of_halvings(decide, clean, wrong, tolerance):
    """Knows beforehand how many questions it takes."""
    length = (wrong - clean).abs().max().item()
    rounds = max(0, math.ceil(math.log2(length / tolerance)))
    right = clean
    for _ in range(rounds):
        middle = torch.lerp(right, wrong, 0.5)
        right, wrong = (right, middle) if decide(middle) else (middle, wrong)
    return wrong, rounds


def _asks_about_the_ends(decide, clean, wrong, tolerance):
    assert not decide(clean) and decide(wrong)
    image, asked = _by_shares(decide, clean, wrong, tolerance)
    return image, asked + 2


def _recursive(decide, clean, wrong, tolerance):
    middle = clean + (wrong - clean) / 2
    if torch.norm(wrong - clean, p=float("inf")) <= tolerance or torch.equal(middle, wrong) or middle.equal(clean):
        return wrong, 0
    ends = (clean, middle) if decide(middle) else (middle, wrong)
    image, asked = _recursive(decide, *ends, tolerance)
    return image, asked + 1


def _until_near(decide, clean, wrong, tolerance):
    """As the task says, without a thought for tolerances that float32 cannot reach."""
    asked = 0
    while (wrong - clean).abs().max() > tolerance:
        middle, asked = (clean + wrong) / 2, asked + 1
        if decide(middle):
            wrong = middle
        else:
            clean = middle
    return wrong, asked


def _at_least_once(decide, clean, wrong, tolerance):
    """Asks first, and measures afterwards; the number is a tensor."""
    right, asked = clean, torch.zeros((), dtype=torch.long)
    for _ in range(60):
        middle = 0.5 * right + 0.5 * wrong
        asked = asked + 1
        if decide(middle):
            wrong = middle
        else:
            right = middle
        if (wrong - right).abs().amax() <= tolerance:
            break
    return [wrong, asked]


def _in_whole_numbers(decide, clean, wrong, tolerance):
    parts = 2 ** max(0, math.ceil(math.log2((wrong - clean).abs().max().item() / tolerance)))
    low, high, asked = 0, parts, 0
    while high - low > 1:
        middle, asked = (low + high) // 2, asked + 1
        low, high = (low, middle) if decide(clean + (wrong - clean) * middle / parts) else (middle, high)
    return clean + (wrong - clean) * (high / parts), asked


def _until_the_floats_end(decide, clean, wrong, tolerance):
    right, asked = clean, 0
    while not torch.equal(middle := (right + wrong) / 2, wrong) and not middle.equal(right):
        asked += 1
        right, wrong = (right, middle) if decide(middle) else (middle, wrong)
    return wrong, asked


def _by_the_sum(decide, clean, wrong, tolerance):
    right, asked = clean, 0
    while (wrong - right).abs().sum() > tolerance:
        middle, asked = (clean + wrong) / 2 if asked == 0 else (right + wrong) / 2, asked + 1
        right, wrong = (right, middle) if decide(middle) else (middle, wrong)
    return wrong, asked


def _half_the_difference(decide, clean, wrong, tolerance):
    while (wrong - clean).abs().max() > tolerance:
        middle = (wrong - clean) / 2
        clean, wrong = (clean, middle) if decide(middle) else (middle, wrong)
    return wrong, 0


def _half_the_tolerance(decide, clean, wrong, tolerance):
    return _by_shares(decide, clean, wrong, tolerance / 2)


def _asks_at_a_third(decide, clean, wrong, tolerance):
    """Not halves, but the same idea, and few questions more."""
    right, asked = clean, 0
    while (wrong - right).abs().max() > max(tolerance, 1e-6):
        between, asked = right + 0.45 * (wrong - right), asked + 1
        right, wrong = (right, between) if decide(between) else (between, wrong)
    return wrong, asked


def _seven_rounds(decide, clean, wrong, tolerance):
    right = clean
    for _ in range(7):
        middle = (right + wrong) / 2
        right, wrong = (right, middle) if decide(middle) else (middle, wrong)
    return wrong, 7


def _beside_the_line(decide, clean, wrong, tolerance):
    image, asked = _by_shares(decide, clean, wrong, tolerance)
    return (image + 0.01 * torch.ones_like(image)), asked


def _numbers(decide, clean, wrong, tolerance):
    return _by_shares(decide, clean, wrong, tolerance)[0].numpy(), 3


def _all_questions_but_one(decide, clean, wrong, tolerance):
    return _by_shares(decide, clean, wrong, tolerance)[0], 1000


def _adds_an_axis(decide, clean, wrong, tolerance):
    return _by_shares(lambda image: decide(image[None]), clean, wrong, tolerance)


def _item(decide, clean, wrong, tolerance):
    return _by_shares(lambda image: decide(image).item(), clean, wrong, tolerance)


# 10.5


def _unit(steps):
    return F.normalize(steps.flatten(1)).view_as(steps)


def _step_by_step(decide, x, radius, samples, generator):
    """One question at a time; the mean is taken away at the end."""
    total, steps, signs = 0, 0, 0
    for _ in range(samples):
        u = torch.randn(x.shape, generator=generator)
        u = u / u.norm()
        sign = 1 if decide(x + radius * u) else -1
        total, steps, signs = total + sign * u, steps + u, signs + sign
    v = total if abs(signs) == samples else total - signs / samples * steps
    return v / v.norm()


def _as_the_text_says(decide, x, radius, samples, generator):
    """Where all answers agree nothing is left, and 0 / 0 is NaN."""
    steps = _unit(torch.randn(samples, *x.shape[1:], generator=generator))
    signs = 2.0 * decide(x + radius * steps) - 1
    v = ((signs - signs.mean()).view(-1, 1, 1, 1) * steps).sum(0, keepdim=True)
    return v / v.norm()


def _nothing_where_alike(decide, x, radius, samples, generator):
    return _as_the_text_says(decide, x, radius, samples, generator).nan_to_num()


def _two_means(decide, x, radius, samples, generator):
    """The mean step to the wrong side minus that to the right side; of no steps it is NaN."""
    steps = _unit(torch.randn(samples, *x.shape[1:], generator=generator))
    answers = decide(x + radius * steps)
    return F.normalize((steps[answers].mean(0) - steps[~answers].mean(0)).flatten(), dim=0).view_as(x)


def _steps_less_their_mean(decide, x, radius, samples, generator):
    """The mean is taken from the steps instead; where all answers agree, only what float32 rounds off is left."""
    steps = _unit(torch.randn(samples, *x.shape[1:], generator=generator))
    signs = 2.0 * decide(x + radius * steps) - 1
    return F.normalize((signs @ (steps - steps.mean(0)).flatten(1))[None]).view_as(x)


def _of_another_length(decide, x, radius, samples, generator):
    return radius * _as_the_text_says(decide, x, radius, samples, generator)


def _along_axes(decide, x, radius, samples, generator):
    """Few pixels move in each step."""
    steps = torch.randn(samples, *x.shape[1:], generator=generator)
    return _weighed(decide, x, radius, _unit(steps**3))


def _smooth(decide, x, radius, samples, generator):
    steps = torch.randn(samples, *x.shape[1:], generator=generator)
    return _weighed(decide, x, radius, _unit(F.avg_pool2d(steps, 3, 1, 1)))


def _from_the_cube(decide, x, radius, samples, generator):
    steps = _unit(2 * torch.rand(samples, *x.shape[1:], generator=generator) - 1)
    answers = decide(x + radius * steps)
    if answers.all() or not answers.any():
        v = steps.mean(0, keepdim=True) * (1.0 if answers.all() else -1.0)
    else:
        v = steps[answers].mean(0, keepdim=True) - steps[~answers].mean(0, keepdim=True)
    return v / torch.linalg.vector_norm(v)


def _zeros_and_ones(decide, x, radius, samples, generator):
    steps = _unit(torch.randn(samples, *x.shape[1:], generator=generator))
    ones = decide(x + radius * steps).float()
    weights = ones - ones.mean()
    if ones.mean() in (0, 1):
        weights = 2 * ones - 1
    return F.normalize(torch.einsum("n,nchw->chw", weights, steps)[None].flatten(1)).view_as(x)


def _in_parts(decide, x, radius, samples, generator):
    steps = _unit(torch.randn((samples, *x.shape[1:]), generator=generator))
    answers = torch.cat([decide(x + radius * part) for part in steps.split(7)])
    signs = torch.where(answers, 1.0, -1.0)
    baseline = signs.mean() if signs.unique().numel() > 1 else 0.0
    v = ((signs - baseline) @ steps.flatten(1)).view_as(x)
    return v / v.norm()


def _in_float64(decide, x, radius, samples, generator):
    steps = _unit(torch.randn(samples, *x.shape[1:], generator=generator, dtype=torch.float64))
    signs = 2.0 * decide((x + radius * steps).clamp(0, 1).float()) - 1
    weights = signs if signs.abs().sum() == signs.sum().abs() else signs - signs.mean()
    v = (weights.double().view(-1, 1, 1, 1) * steps).mean(0, keepdim=True)
    return (v / v.norm()).to(x.dtype)


def _of_signs(decide, x, radius, samples, generator):
    """Steps of +1 and -1, made as long as the others."""
    steps = _unit(torch.randint(2, (samples, *x.shape[1:]), generator=generator).float() - 0.5)
    return _weighed(decide, x, radius, steps)


def _weighed(decide, x, radius, steps):
    signs = decide(x + radius * steps).float() * 2 - 1
    weights = signs - signs.mean() * (signs.min() != signs.max())
    v = (weights[:, None, None, None] * steps).sum(0)[None]
    return v / v.norm()


def _half_of_them(decide, x, radius, samples, generator):
    return _weighed(decide, x, radius, _unit(torch.randn(samples // 2, *x.shape[1:], generator=generator)))


def _double_radius(decide, x, radius, samples, generator):
    return _weighed(decide, x, 2 * radius, _unit(torch.randn(samples, *x.shape[1:], generator=generator)))


def _truths_subtracted(decide, x, radius, samples, generator):
    answers = decide(x + radius * _unit(torch.randn(samples, *x.shape[1:], generator=generator)))
    return answers - answers.float().mean()


def _mean_of_truths(decide, x, radius, samples, generator):
    answers = decide(x + radius * _unit(torch.randn(samples, *x.shape[1:], generator=generator)))
    return answers.mean()


def _one_axis(decide, x, radius, samples, generator):
    steps = torch.randn(samples, *x.shape[1:], generator=generator)
    return decide(x + radius * steps / steps.flatten(1).norm(dim=1))


def _five_axes(decide, x, radius, samples, generator):
    return decide(x + radius * torch.randn(samples, *x.shape, generator=generator))


def _squeezed(decide, x, radius, samples, generator):
    return _from_the_cube(decide, x, radius, samples, generator)[0]


def _best_step(decide, x, radius, samples, generator):
    steps = _unit(torch.randn(samples, *x.shape[1:], generator=generator))
    return steps[decide(x + radius * steps).float().argmax()][None]


RIGHT = {
    "10.1": _box_by_box,
    "10.2": _by_a_mask,
    "10.3": _one_batch,
    "10.4": _by_shares,
    "10.5": _step_by_step,
}

ALSO_RIGHT = [
    ("10.2", lambda patch, images, row, column: _by_a_mask(patch.clone(), images + 0, row, column)),
    ("10.4", lambda decide, clean, wrong, tolerance: list(_until_near(decide, clean, wrong, tolerance / 2))),
    ("10.1", _by_columns),
    ("10.1", _zero_unless_they_meet),
    ("10.1", lambda boxes, box: box_iou(boxes, box[None])[:, 0]),
    ("10.1", lambda boxes, box: box_iou(boxes[:, [1, 0, 3, 2]], box[[1, 0, 3, 2]][None]).squeeze(1)),  # x and y swapped
    ("10.1", lambda boxes, box: _box_by_box(boxes, box).double()),
    ("10.2", _chosen_by_a_mask),
    ("10.2", _in_strips),
    ("10.2", _image_by_image),
    ("10.2", _pixel_by_pixel),
    ("10.3", _one_call),
    ("10.3", _mean_of_losses),
    ("10.3", _list_of_gradients),
    ("10.3", _backward_on_a_copy),
    ("10.4", _number_of_halvings),
    ("10.4", _asks_about_the_ends),
    ("10.4", _recursive),
    ("10.4", _at_least_once),
    ("10.4", _half_the_tolerance),
    ("10.4", _asks_at_a_third),
    ("10.4", _until_near),
    ("10.5", _as_the_text_says),
    ("10.5", _nothing_where_alike),
    ("10.5", _two_means),
    ("10.5", _zeros_and_ones),
    ("10.5", _in_parts),
    ("10.5", _in_float64),
    ("10.1", _by_the_box_around),
    ("10.2", _blackened_first),
    ("10.3", _in_a_change),
    ("10.4", _in_whole_numbers),
    ("10.5", _steps_less_their_mean),
]

UNFORESEEN = {
    "10.1": (
        lambda boxes, box: torch.full((len(boxes),), 0.5),
        "the overlap (the boxes (0, 0, 4, 2) and (2, 1, 6, 3), which share 2 x 1): the shape is right",
    ),
    "10.2": (
        lambda patch, images, row, column: images * 0.5,
        "the images with the patch (3 images, 3 x 4 patch at row 1, column 5): the shape is right",
    ),
    "10.3": (
        lambda model, x, target, transform, samples: _one_batch(model, x, target, transform, samples) + 0.1,
        "the result for 1 draw: the shape is right, but the values are not",
    ),
    "10.4": (
        lambda decide, clean, wrong, tolerance: _until_near(decide, clean, wrong, tolerance / 30),
        "how many questions it takes (ends 0.5 apart, tolerance 0.01): got 11, expected at most 9",
    ),
    "10.5": (
        _best_step,
        "how far the direction is from the sum of (sign - mean sign) * step, of length 1 (200 steps",
    ),
}

ALSO_UNFORESEEN = [
    (
        "10.4",
        lambda decide, clean, wrong, tolerance: _until_near(decide, clean, wrong, 0.005),
        "0.005 is written out",
    ),
    ("10.4", _seven_rounds, "the number of rounds is fixed"),
    (
        "10.5",
        lambda decide, x, radius, *rest: _as_the_text_says(decide, x, 0.35, *rest),
        "(60 steps, few of them to the",
    ),
    (
        "10.5",
        lambda decide, x, r, n, dice: _as_the_text_says(decide, x, r, n, dice.manual_seed(3)),
        "is set back inside",
    ),
    ("10.1", lambda boxes, box: max(boxes[:, 0], box[0]), "torch.maximum, torch.minimum and clamp work"),
    ("10.1", lambda boxes, box: boxes[0] * boxes[1], "boxes has a box a *row*, (N, 4)"),
    ("10.1", lambda boxes, box: _box_by_box(boxes, box).numpy(), "got an ndarray, expected a tensor of shape (1,)"),
    ("10.1", lambda boxes, box: _box_by_box(boxes, box).tolist(), "got a list, expected a tensor of shape (1,)"),
    ("10.2", _height_and_width_exchanged, "rows row to row + h, columns column to column + w"),
    ("10.2", lambda patch, images, row, column: images + patch, "has to be as large as the patch"),
    (
        "10.2",
        lambda patch, images, row, column: _by_a_mask(patch, images, row, column).data,
        "gradient leads from them",
    ),
    (
        "10.2",
        lambda patch, images, row, column: torch.from_numpy(_by_a_mask(patch, images, row, column).numpy()),
        "no gradient leads from them to what they were computed from",
    ),
    ("10.3", lambda *given: _one_batch(*given).double(), "1 draw: got torch.float64, expected torch.float32"),
    ("10.2", lambda *given: _by_a_mask(*given).double(), "got torch.float64, expected torch.float32"),
    ("10.3", _without_gradients, "then transform *that*, without no_grad() and .detach()"),
    ("10.3", _view_without_gradients, "then transform *that*, without no_grad() and .detach()"),
    ("10.3", _one_target_for_all, "one target a picture"),
    ("10.3", _same_graph_again, "compute transform(x) and the loss anew in every round"),
    ("10.3", _adds_tuples, "take its [0]"),
    ("10.3", _number_for_target, "one target a picture, as a tensor"),
    ("10.3", _mean_of_twice_as_many, "`samples` enters with twice its size"),
    ("10.3", lambda model, x, target, transform, samples: transform(x[0]), "transform takes images, (N, C, H, W)"),
    ("10.3", lambda model, x, target, transform, samples: transform, "this returns a function"),
    ("10.4", _beside_the_line, "beside the line from the clean image to the wrong one"),
    ("10.4", _numbers, "the image: got an ndarray, expected a tensor of shape (1, 3, 32, 32)"),
    (
        "10.4",
        _all_questions_but_one,
        "the number returned, less the number of questions asked (ends 0.5 apart, tolerance 0.01): got 994",
    ),
    ("10.4", _adds_an_axis, "the image that decide was asked about: got shape (1, 1, 3, 32, 32), expected"),
    (
        "10.4",
        lambda decide, clean, wrong, tolerance: (0.37, 6),
        "a number, no image (at a place it is clean + place * change)",
    ),
    (
        "10.4",
        lambda decide, clean, wrong, tolerance: wrong if (wrong > clean) else clean,
        "that of their largest pixel",
    ),
    ("10.4", _item, "a plain Python bool"),
    ("10.4", lambda decide, clean, wrong, tolerance: (wrong, None), "this is the wrong image as it was"),
    (
        "10.5",
        _half_of_them,
        "how many different images decide is asked about (200 steps, most of them to the wrong side): got 100",
    ),
    ("10.5", _double_radius, "`radius` enters with twice its size"),
    ("10.5", _from_the_cube, "the steps prefer the corners of the cube"),
    ("10.5", _of_signs, "the steps prefer the corners of the cube"),
    (
        "10.5",
        _along_axes,
        "the directions of the steps (200 steps, most of them to the wrong side): got more",
    ),
    ("10.5", _smooth, "got more along some lines than along others, expected evenly to all sides"),
    ("10.5", _truths_subtracted, "make numbers of them first"),
    ("10.5", _mean_of_truths, "make numbers of them first"),
    ("10.5", _one_axis, "[:, None, None, None] after it"),
    ("10.5", _five_axes, "got shape (1, 1, 3, 8, 8), expected (1, 3, 8, 8)"),
    ("10.5", _squeezed, "the direction: got shape (3, 8, 8), expected (1, 3, 8, 8)"),
    ("10.5", lambda decide, x, radius, samples, generator: x, "images decide is asked about (200 steps"),
    ("10.1", _clamped_at_the_end, "Clamp each side at 0 *first*"),
    ("10.1", lambda boxes, box: _box_by_box(boxes[:1], box)[0], "this is the answer for the first one alone"),
    ("10.2", _without_the_channels, "cover images[:, :, rows, columns]"),
    ("10.2", _only_the_part, "return the whole images"),
    ("10.2", lambda patch, images, row, column: images[..., row : row + patch.shape[1], column:], "got shape"),
    ("10.3", _worst_draw, "the result for 7 draws: the shape is right, but the values are not"),
    ("10.3", lambda *given: _one_batch(*given)[0], "a dimension is lost"),
    ("10.4", _until_the_floats_end, "got 26, expected at most 9: halve what is left until it is within the tolerance"),
    ("10.4", _by_the_sum, "so that you ask too often"),
    ("10.4", _half_the_difference, "The middle (right + wrong) / 2 takes the place"),
    (
        "10.4",
        lambda decide, clean, wrong, tolerance: _until_near(decide, clean, wrong, 9 * (wrong - clean).max().item()),
        "halve *while* (wrong - right).abs().max() is above the tolerance",
    ),
    ("10.5", _of_another_length, "the length of the direction (200 steps, most of them to the wrong side): got 0.35"),
    ("10.5", lambda *given: -_as_the_text_says(*given), "the side where the model is *right*"),
]
