r"""One pixel alone: how far it can go before the class changes, and what many pixels do together.

The blog's argument about high dimensions calls an image *stable* if no single pixel, moved alone over its whole range,
takes it out of its class. If each of n pixels had a bad interval somewhere with probability eps, and those of different
pixels were independent, an image would be stable with probability ``(1 - eps)^n``. All of this can be measured: an
image of n pixels is n straight lines, and `survival` finds on each where the class stays.

That is exact for a network of ReLUs. First the bound of `regions.segment_bound` settles most lines without a walk along
them. What it leaves open is halved, and what is open even then is followed from face to face as in `on_a_line`.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from course_utils import evaluation, runtime
from course_utils.core.checks import check_count, check_images, check_labels
from course_utils.core.tensors import portion
from course_utils.dimensions.regions import on_a_line, pieces, segment_bound

SLACK = 1e-4  # a margin below this fraction of the largest bound could be lost to rounding in float32
HALVINGS = 4  # of a line that the bound leaves open, before it is walked along
EFFECTIVE = 1e-3  # logits that an effective pixel moves


class Survival(NamedTuple):
    """What each pixel may do alone, float64 ``(N, C, H, W)`` each.

    From ``lower`` to ``upper`` around the pixel's present value the class stays; ``fraction`` is the part of the range
    [low, high] in which the class is the label, 1 where the pixel is harmless.
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
    """Move each pixel alone from ``low`` to ``high``: where does the class stay? Exact, but for rounding.

    An interrupted call returns what it found of the images done so far.

    Args:
        model: an ``nn.Sequential`` of piecewise linear layers, as for `pieces.piecewise_linear`.
        labels: what the model predicts.
        low, high: the range of the pixel, which holds [0, 1] and may be larger.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False))
    >>> model[1].weight.data = torch.tensor([[1.0, 1.0], [2.0, 0.0]])
    >>> found = survival(model, torch.tensor([[[[0.25, 0.5]]]]), torch.tensor([0]), progress=False)
    >>> found.lower.flatten().tolist(), found.upper.flatten().tolist()
    ([0.0, 0.25], [0.5, 1.0])
    """
    labels = _check(model, images, labels)
    if not -float("inf") < low <= 0 or not 1 <= high < float("inf"):
        raise ValueError(f"low={low}, high={high}: want a finite range that holds [0, 1], where the pixels are")
    found = []
    with runtime.progress_bar(len(images), "pixels", progress) as bar, evaluation.mode(model, False):
        try:
            for image, label in zip(images.split(1), labels.tolist(), strict=True):
                found.append(_alone(model, image, label, low, high))
                bar.update()
        except KeyboardInterrupt:
            print(f"Interrupted: these are the pixels of the first {len(found)} of {len(images)} images.")
    shape = (-1, *images.shape[1:])
    if not found:
        return Survival(*[images.new_empty(0, *shape[1:], dtype=torch.float64)] * 3)
    return Survival(*(torch.stack(each).view(shape) for each in zip(*found, strict=True)))


def _alone(model: nn.Module, image: Tensor, label: int, low: float, high: float) -> tuple[Tensor, Tensor, Tensor]:
    """The three numbers of `Survival` for the D pixels of one image, ``(D,)`` each."""
    segments = _undecided(model, image.to(evaluation.device_of(model)).contiguous(), label, low, high)
    layers, x = pieces.copy_layers(model, image)
    present, (pixel, start, end) = x.flatten(), (each.to(x.device) for each in segments)
    start, end = start.to(x), end.to(x)
    if len(pixel):
        ends = (_with_pixel(x, pixel, value) for value in (start, end))
        number, at, logits = on_a_line.walk([*layers, pieces.Decide()], *ends)
        bad = (number[1:] == number[:-1]) & ((logits[1:] + logits[:-1]).argmax(1) != label)
        number, first, last = number[1:][bad], at[:-1][bad], at[1:][bad]
        length = (end - start)[number]
        pixel, start, end = pixel[number], start[number] + first * length, start[number] + last * length
    right = start >= present[pixel]
    upper = torch.full_like(present, high).scatter_reduce(0, pixel[right], start[right], "amin")
    lower = torch.full_like(present, low).scatter_reduce(0, pixel[~right], end[~right], "amax")
    bad = torch.zeros_like(present).index_add(0, pixel, end - start)
    return lower.minimum(present), upper.maximum(present), (1 - bad / (high - low)).clamp(0, 1)


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


def _with_pixel(x: Tensor, pixel: Tensor, value: Tensor) -> Tensor:
    """Copies of an image ``(1, C, H, W)``, each with one pixel changed: ``(M, C, H, W)``."""
    many = x.flatten().repeat(len(pixel), 1)
    many.scatter_(1, pixel[:, None], value.to(x)[:, None])
    return many.view(-1, *x.shape[1:])


@torch.no_grad()
def effective(model: nn.Module, images: Tensor) -> Tensor:
    """How many pixels of each image move a logit by more than 0.001 on their way to 0 or to 1: int64 ``(N,)``.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False))
    >>> model[1].weight.data = torch.tensor([[1.0, 0.0], [2.0, 0.0]])
    >>> effective(model, torch.tensor([[[[0.25, 0.5]]]]))
    tensor([1])
    """
    before = evaluation.logits(model, images)
    images, most = images.to(before.device), portion(images)
    value, pixel = torch.cartesian_prod(torch.arange(2), torch.arange(images[0].numel())).to(images.device).T
    found = []
    with evaluation.mode(model, False):
        for image, logits in zip(images.split(1), before, strict=True):
            many = zip(pixel.split(most), value.split(most), strict=True)
            change = torch.cat([model(_with_pixel(image, *part)) for part in many]) - logits
            found.append((change.abs().amax(1).view(2, -1).amax(0) > EFFECTIVE).sum())
    return torch.stack(found)


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

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(2, 2))
    >>> x = torch.rand(1, 1, 1, 2)
    >>> y = model(x).argmax(1)
    >>> joint(model, x, y, torch.tensor([[0], [1]]), progress=False).shape
    torch.Size([1, 2])
    """
    labels = _check(model, images, labels)
    check_count("draws", draws)
    pixels = images[0].numel()
    if not isinstance(subsets, Tensor) or subsets.dtype != torch.int64 or subsets.ndim != 2 or not subsets.numel():
        raise ValueError("subsets: want a tensor of pixel numbers, int64 (S, k); torch.as_tensor(...) converts lists")
    if subsets.min() < 0 or subsets.max() >= pixels:
        raise ValueError(f"subsets run from {subsets.min()} to {subsets.max()}, the pixels from 0 to {pixels - 1}")
    device, source = evaluation.device_of(model), runtime.ensure_generator(generator)
    images, subsets = images.to(device), subsets.to(device)
    most = portion(images, cost=draws)
    measured = []
    with runtime.progress_bar(len(subsets), "subsets", progress) as bar, evaluation.mode(model, False):
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


def _check(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """The labels on the model's device, if they are what the model predicts."""
    logits = evaluation.logits(model, check_images(images))
    labels = check_labels(labels, len(images), logits.shape[1]).to(logits.device)
    wrong = (logits.argmax(1) != labels).sum().item()
    if wrong:
        raise ValueError(f"the model misclassifies {wrong} of {len(images)} images, which cannot stay: leave these out")
    return labels
