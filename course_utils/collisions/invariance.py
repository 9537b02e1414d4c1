r"""Excessive invariance: the picture becomes another digit, and the net's answer stays.

An adversarial example changes the answer and not what people see. Its mirror image changes what people see and not the
answer (Jacobsen et al., arXiv 1811.00401). Tramer et al., arXiv 2002.04599, make it by hand and by machine: take a
picture t of another class, shifted a little so that it fits, and go to it as far as the budget allows,

    x' = clip(t, x - eps, x + eps)

with the t that this leaves the nearest to x'. A net that is proved robust within eps must still call x' what it called
x. Whether people do is for people to say; `nearest_label` asks the nearest neighbour among known pictures instead.
"""

import itertools
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils import evaluation, runtime
from course_utils.attacks.deepfool import deepfool
from course_utils.core.checks import check_budget, check_images, check_labels
from course_utils.core.tensors import bisect, length, project, spread
from course_utils.data import Split
from course_utils.manifold.neighbours import nearest

SHIFTS = range(-2, 3)  # pixels by which a picture of another class may move, both ways
HALVINGS = 12


class Invariant(NamedTuple):
    """Perturbed images ``(N, C, H, W)``, and whether the net predicts what it predicted before, bool ``(N,)``."""

    images: Tensor
    held: Tensor


def invariant(
    model: nn.Module, images: Tensor, labels: Tensor, others: Split, eps: float, *, progress: bool = True
) -> Invariant:
    """Change each image towards a picture of another class, within ``eps`` of each pixel, and keep the model's answer.

    Where the answer changes at the end of the way, DeepFool looks for the smallest perturbation that brings it back. If
    that does not fit the budget, the way is cut short where the answer still holds. An interrupt hands back the first
    images, those for which a picture was chosen by then.

    Args:
        labels: what people see in the images.
        others: pictures and their labels, such as training digits; the time grows with their number, 1,000 will do.

    Raises:
        ValueError: an image without a picture of another class.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    >>> others = Split(torch.rand(6, 1, 8, 8), torch.tensor([0, 0, 1, 1, 2, 2]))
    >>> x = torch.rand(1, 1, 8, 8)
    >>> found = invariant(model, x, torch.tensor([0]), others, eps=0.1, progress=False)
    >>> found.held, bool((found.images - x).abs().max() <= 0.1 + 1e-6)
    (tensor([True]), True)
    """
    check_budget(eps, "linf")
    before = _says(model, images)
    kinds = check_labels(labels, len(images)).to(images.device)
    pictures, known = _known(others, images), others.labels.to(images.device)
    images, ends = images.detach(), []
    with runtime.progress_bar(len(images), "other digits", progress) as bar:
        try:
            for image, kind in zip(images, kinds, strict=True):
                if (known == kind).all():
                    raise ValueError(f"others hold no picture of a class other than {kind.item()}: give a whole split")
                ends.append(_nearest_result(image, pictures[known != kind], eps))
                bar.update()
        except KeyboardInterrupt:
            if not ends:
                raise
            print(f"Interrupted: these are the first {len(ends)} of {len(images)} images.")
    images, before = images[: len(ends)], before[: len(ends)]
    ends = _bring_back(model, images, torch.stack(ends), before, eps)

    def at(fraction: Tensor) -> Tensor:
        return torch.lerp(images, ends, spread(fraction, images)).clamp(0, 1)

    def lost(fraction: Tensor) -> Tensor:
        return _says(model, at(fraction)) != before

    low, high = torch.zeros_like(images[:, 0, 0, 0]), torch.ones_like(images[:, 0, 0, 0])
    low, _ = bisect(torch.where(lost(high), low, high), high, lost, HALVINGS)
    return Invariant(at(low), ~lost(low))


def nearest_label(images: Tensor, known: Split) -> Tensor:
    """The label of the nearest known picture in Euclidean distance, int64 ``(N,)``: no person, but no network either.

    >>> known = Split(torch.tensor([0.0, 1.0]).view(2, 1, 1, 1), torch.arange(2))
    >>> nearest_label(torch.full((1, 1, 1, 1), 0.9), known)
    tensor([1])
    """
    rows = nearest(check_images(images), _known(known, images), 1, progress=False).rows[:, 0]
    return known.labels.to(images.device)[rows]


def _known(split: Split, images: Tensor) -> Tensor:
    """The pictures of a split, where and as the images are."""
    if not isinstance(split, Split):
        raise TypeError(f"the other pictures are a {type(split).__name__}, not a Split, such as digits.train[:1000]")
    ours, theirs = (tuple(each.shape[1:]) for each in (images, check_images(split.images)))
    if ours != theirs:
        raise ValueError(f"the other pictures are {theirs}, images {ours}: want one size")
    return split.images.to(images)


def _says(model: nn.Module, images: Tensor) -> Tensor:
    """The classes that the model predicts, where the images are."""
    return evaluation.logits(model, images).argmax(1).to(images.device)


def _nearest_result(image: Tensor, pictures: Tensor, eps: float) -> Tensor:
    """Over all pictures and shifts, the end of the way that lies nearest to where it leads."""
    best, result = float("inf"), image
    for down, right in itertools.product(*([s for s in SHIFTS if abs(s) < side] for side in image.shape[1:])):
        moved = F.pad(pictures, (right, -right, down, -down))  # what comes in from outside is black
        ends = project(moved, image[None], eps, "linf")
        left = length(moved - ends)
        at = int(left.argmin())
        if left[at] < best:
            best, result = left[at], ends[at]
    return result


def _bring_back(model: nn.Module, images: Tensor, ends: Tensor, before: Tensor, eps: float) -> Tensor:
    """The ends, with the least perturbation that makes the model predict what it did, as far as the budget allows."""
    says = _says(model, ends)
    (lost,) = (says != before).nonzero(as_tuple=True)
    if not len(lost):
        return ends
    mended = deepfool(model, ends[lost], says[lost], targets=before[lost], overshoot=0.1, progress=False)
    mended = project(mended, images[lost], eps, "linf")
    kept = _says(model, mended) == before[lost]
    return ends.index_copy(0, lost[kept], mended[kept])
