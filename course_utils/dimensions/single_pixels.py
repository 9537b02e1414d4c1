r"""One pixel alone: how far it can go before the class changes, and what many pixels do together.

The blog's argument about high dimensions calls an image *stable* if no single pixel, moved alone over its whole range,
takes it out of its class. If each of n pixels had a bad interval somewhere with probability eps, and those of different
pixels were independent, an image would be stable with probability ``(1 - eps)^n``. All of this can be measured: an
image of n pixels is n straight lines, and `survival` finds on each where the class stays.

For a network of ReLUs that is exact. First the bound of `regions.segment_bound` settles most lines without a walk along
them. What it leaves open is halved, and what is open even then is followed from face to face as in `on_a_line`. For any
other network the line is sampled, and each change of class that the samples show is narrowed down by bisection.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from course_utils import evaluation, runtime
from course_utils.core.checks import check_count, check_images, check_labels
from course_utils.core.tensors import bisect, portion
from course_utils.dimensions.regions import on_a_line, pieces, segment_bound

SLACK = 1e-4  # a margin below this fraction of the largest bound could be lost to rounding in float32
HALVINGS = 4  # of a line that the bound leaves open, before it is walked along
SAMPLES = 33  # on a line of a network that is not piecewise linear
BISECTIONS = 10  # of an interval between two samples
EFFECTIVE = 1e-3  # logits that an effective pixel moves


class Survival(NamedTuple):
    """What each pixel may do alone, ``(N, C, H, W)`` each, float64.

    Attributes:
        lower, upper: the interval around the pixel's present value in which the class stays.
        fraction: the part of the range [low, high] in which the class is the label, 1 where the pixel is harmless.
    """

    lower: Tensor
    upper: Tensor
    fraction: Tensor


@torch.no_grad()
def survival(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    low: float = 0.0,
    high: float = 1.0,
    *,
    progress: bool = True,
) -> Survival:
    """Move each pixel alone from ``low`` to ``high``: where does the class stay?

    Exact, but for rounding, if ``model`` is an ``nn.Sequential`` of piecewise linear layers. Otherwise 33 samples a
    line, and the edges they show to ``(high - low) / 32768``; an interval that fits between two samples is missed.

    Args:
        labels: what the model predicts.
        low, high: the range of the pixel, which holds [0, 1] and may be larger.

    Returns:
        `Survival`, on the model's device. An interrupted call returns it for the images done so far.

    Raises:
        ValueError: an image that the model misclassifies.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False))
    >>> model[1].weight.data = torch.tensor([[1.0, 1.0], [2.0, 0.0]])
    >>> found = survival(model, torch.tensor([[[[0.25, 0.5]]]]), torch.tensor([0]), progress=False)
    >>> found.lower.flatten().tolist(), found.upper.flatten().tolist()
    ([0.0, 0.25], [0.5, 1.0])
    """
    labels = _check(model, images, labels)
    if not -float("inf") < low <= 0 or not 1 <= high < float("inf"):
        raise ValueError(f"low={low}, high={high}: want a finite range that holds [0, 1], where the pixels are")
    search = _exactly if _is_piecewise_linear(model) else _by_samples
    found = []
    with runtime.progress(len(images), "pixels", progress) as bar, evaluation.mode(model, False):
        try:
            for image, label in zip(images.split(1), labels.tolist(), strict=True):
                pixel, start, end = search(model, image, label, low, high)
                found.append(_summary(image.flatten().to(start), pixel, start, end, low, high))
                bar.update()
        except KeyboardInterrupt:
            print(f"Interrupted: these are the pixels of the first {len(found)} of {len(images)} images.")
    shape = (-1, *images.shape[1:])
    if not found:
        return Survival(*[images.new_empty(0, *shape[1:], dtype=torch.float64)] * 3)
    return Survival(*(torch.stack(each).view(shape) for each in zip(*found, strict=True)))


def _summary(
    present: Tensor, pixel: Tensor, start: Tensor, end: Tensor, low: float, high: float
) -> tuple[Tensor, Tensor, Tensor]:
    """What the bad intervals, from ``start`` to ``end`` of a pixel, leave: lower, upper and fraction, ``(D,)`` each."""
    right = start >= present[pixel]
    upper = torch.full_like(present, high).scatter_reduce(0, pixel[right], start[right], "amin")
    lower = torch.full_like(present, low).scatter_reduce(0, pixel[~right], end[~right], "amax")
    lower, upper = lower.minimum(present), upper.maximum(present)
    bad = torch.zeros_like(present).index_add(0, pixel, end - start)
    return lower, upper, (1 - bad / (high - low)).clamp(0, 1)


def _exactly(model: nn.Module, image: Tensor, label: int, low: float, high: float) -> tuple[Tensor, Tensor, Tensor]:
    """The bad intervals of a piecewise linear network: pixels ``(B,)``, where they start and where they end."""
    segments = _undecided(model, image.to(evaluation.device_of(model)).contiguous(), label, low, high)
    layers, x = pieces.copy_layers(model, image)
    pixel, start, end = (each.to(x.device) for each in segments)
    start, end = start.to(x), end.to(x)
    if not len(pixel):
        return pixel, start, end
    ends = (_with_pixel(x, pixel, value) for value in (start, end))
    number, at, logits = on_a_line.walk([*layers, pieces.Decide()], *ends)
    bad = (number[1:] == number[:-1]) & ((logits[1:] + logits[:-1]).argmax(1) != label)
    number, first, last = number[1:][bad], at[:-1][bad], at[1:][bad]
    length = (end - start)[number]
    return pixel[number], start[number] + first * length, start[number] + last * length


def _undecided(model: nn.Module, x: Tensor, label: int, low: float, high: float) -> tuple[Tensor, Tensor, Tensor]:
    """The intervals that the bound leaves open, halved a few times: pixels ``(B,)``, where they start and end."""
    layers = segment_bound.with_margins(model, evaluation.ask(model, x).shape[1], label)
    pixel = torch.arange(x.numel(), device=x.device)
    start, end = torch.full_like(x.flatten(), low), torch.full_like(x.flatten(), high)
    for turn in range(HALVINGS + 1):
        if turn:
            middle = (start + end) / 2
            pixel, start, end = pixel.repeat(2), torch.cat([start, middle]), torch.cat([middle, end])
        unsure = []
        for part in zip(*(each.split(portion(x, cost=20)) for each in (pixel, start, end)), strict=True):
            margin, scale = segment_bound.least_margin(layers, *(_with_pixel(x, part[0], t) for t in part[1:]), label)
            unsure.append(~(margin > SLACK * scale))
        pixel, start, end = (each[torch.cat(unsure)] for each in (pixel, start, end))
        if not len(pixel):
            break
    return pixel, start, end


def _by_samples(model: nn.Module, image: Tensor, label: int, low: float, high: float) -> tuple[Tensor, Tensor, Tensor]:
    """The bad intervals of any network, as far as samples show them."""
    device = evaluation.device_of(model)
    x = image.to(device)
    values = torch.linspace(low, high, SAMPLES, dtype=x.dtype, device=device)
    pixel = torch.arange(x.numel(), device=device)
    grid = torch.cat([values.expand(len(pixel), -1), x.view(-1, 1)], 1).sort(1).values  # the present value among them
    good = _kept(model, x, pixel.repeat_interleave(SAMPLES + 1), grid.flatten(), label).view(grid.shape)
    good |= grid == x.view(-1, 1)
    row, column = (good[:, 1:] != good[:, :-1]).nonzero(as_tuple=True)
    left, right, was = grid[row, column], grid[row, column + 1], good[row, column]
    left, right = bisect(left, right, lambda value: _kept(model, x, row, value, label) != was, BISECTIONS)
    edge = torch.zeros_like(grid[:, 1:])
    edge[row, column] = (left + right) / 2
    changed = good[:, 1:] != good[:, :-1]
    bad = changed | ~good[:, 1:]
    start = torch.where(changed & good[:, :-1], edge, grid[:, :-1])
    end = torch.where(changed & ~good[:, :-1], edge, grid[:, 1:])
    return bad.nonzero()[:, 0], start[bad].double(), end[bad].double()


def _kept(model: nn.Module, x: Tensor, pixel: Tensor, value: Tensor, label: int) -> Tensor:
    """Whether the image stays in its class if this one pixel has that value, bool ``(M,)``."""
    most = portion(x)
    parts = zip(pixel.split(most), value.split(most), strict=True)
    found = [model(_with_pixel(x, *part)).argmax(1) == label for part in parts]
    return torch.cat(found) if found else pixel.bool()


def _with_pixel(x: Tensor, pixel: Tensor, value: Tensor) -> Tensor:
    """Copies of an image ``(1, C, H, W)``, each with one pixel changed: ``(M, C, H, W)``."""
    many = x.flatten().repeat(len(pixel), 1)
    many.scatter_(1, pixel[:, None], value.to(x)[:, None])
    return many.view(-1, *x.shape[1:])


@torch.no_grad()
def effects(model: nn.Module, images: Tensor) -> Tensor:
    """How far each pixel can move the logits: the largest change of any logit as the pixel goes to 0 or to 1.

    ``(N, C, H, W)`` -> the same shape, in logits, on the model's device.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False))
    >>> model[1].weight.data = torch.tensor([[1.0, 0.0], [2.0, 0.0]])
    >>> effects(model, torch.tensor([[[[0.25, 0.5]]]])).flatten().tolist()
    [1.5, 0.0]
    """
    before = evaluation.logits(model, images)
    found = []
    with evaluation.mode(model, False):
        for image, logits in zip(images.to(before.device).split(1), before, strict=True):
            pixel = torch.arange(image.numel(), device=image.device)
            change = torch.zeros_like(image.flatten())
            for value in (0.0, 1.0):
                some = pixel.split(portion(image))
                parts = [model(_with_pixel(image, part, torch.full_like(part, value))) for part in some]
                change = change.maximum((torch.cat(parts) - logits).abs().amax(1))
            found.append(change.view(image.shape[1:]))
    return torch.stack(found)


def effective(model: nn.Module, images: Tensor) -> Tensor:
    """How many pixels of each image move a logit by more than 0.001 on their way to 0 or to 1: int64 ``(N,)``.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False))
    >>> model[1].weight.data = torch.tensor([[1.0, 0.0], [2.0, 0.0]])
    >>> effective(model, torch.tensor([[[[0.25, 0.5]]]]))
    tensor([1])
    """
    return (effects(model, images) > EFFECTIVE).flatten(1).sum(1)


@torch.no_grad()
def joint(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    subsets: Tensor,
    *,
    draws: int = 100,
    low: float = 0.0,
    high: float = 1.0,
    generator: torch.Generator | None = None,
    progress: bool = True,
) -> Tensor:
    """Set k pixels to random values at once: how often does the class survive? Float64 ``(N, S)`` in [0, 1].

    If the pixels were independent, it would be the product of the single fractions of `survival`, with the same ``low``
    and ``high``.

    Args:
        subsets: int64 ``(S, k)``: the pixels of each subset, as numbers in the flattened image.
        draws: random values a subset and image, uniform in [low, high]; the same for all images.

    Raises:
        ValueError: pixels that do not exist; an image that the model misclassifies.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(2, 2))
    >>> x = torch.rand(1, 1, 1, 2)
    >>> y = model(x).argmax(1)
    >>> joint(model, x, y, torch.tensor([[0], [1]]), progress=False).shape
    torch.Size([1, 2])
    """
    labels = _check(model, images, labels)
    check_count("draws", draws)
    _check_subsets(subsets, images[0].numel())
    device, source = evaluation.device_of(model), runtime.ensure_generator(generator)
    images, subsets = images.to(device), subsets.to(device)
    most = portion(images, cost=draws)
    measured = []
    with runtime.progress(len(subsets), "subsets", progress) as bar, evaluation.mode(model, False):
        for part in subsets.split(most):
            values = torch.rand(len(part), draws, part.shape[1], generator=source, device=source.device)
            values = (low + (high - low) * values).to(images).flatten(0, 1)
            places = part.repeat_interleave(draws, 0)
            kept = []
            for image, label in zip(images, labels, strict=True):
                many = image.flatten().repeat(len(places), 1).scatter_(1, places, values)
                right = model(many.view(-1, *image.shape)).argmax(1) == label
                kept.append(right.view(-1, draws).double().mean(1))
            measured.append(torch.stack(kept))
            bar.update(len(part))
    return torch.cat(measured, 1)


def _is_piecewise_linear(model: nn.Module) -> bool:
    try:
        list(pieces.piecewise_linear(model))
    except (TypeError, ValueError):
        return False
    return True


def _check(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """The labels on the model's device, if they are what the model predicts."""
    logits = evaluation.logits(model, check_images(images))
    labels = check_labels(labels, len(images), logits.shape[1]).to(logits.device)
    wrong = (logits.argmax(1) != labels).sum().item()
    if wrong:
        raise ValueError(f"the model misclassifies {wrong} of {len(images)} images, which cannot stay: leave these out")
    return labels


def _check_subsets(subsets: Tensor, pixels: int) -> None:
    if not isinstance(subsets, Tensor):
        raise TypeError(f"subsets are a {type(subsets).__name__}, not a tensor: write torch.as_tensor(subsets)")
    if subsets.dtype != torch.int64 or subsets.ndim != 2 or not subsets.numel():
        shape = tuple(subsets.shape)
        raise ValueError(f"subsets are {subsets.dtype} of shape {shape}: want int64 (S, k) pixel numbers")
    if subsets.min() < 0 or subsets.max() >= pixels:
        raise ValueError(f"subsets run from {subsets.min()} to {subsets.max()}, the pixels from 0 to {pixels - 1}")
