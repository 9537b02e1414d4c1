"""Train a fresh network by any loss, and only the loss is another; and what the objectives of this package share."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from course_utils import runtime
from course_utils.core.checks import check_images, check_labels
from course_utils.data import Split
from course_utils.training import Loss, fit, seeded


def train(
    build: Callable[[], nn.Module],
    split: Split,
    loss: Loss,
    *,
    epochs: int = 3,
    generator: torch.Generator | None = None,
    **settings,
) -> nn.Module:
    """The network that ``build()`` makes, trained by `training.fit` with ``loss`` and ``settings``, in evaluation mode.

    ``generator`` draws the first weights, the order of the images and what is dropped out, on the CPU.

    >>> from course_utils import data, models, training
    >>> _ = train(models.LeNet5, data.mnist("cpu").train[:256], training.cross_entropy, epochs=1, progress=False)
    """
    check_split(split)
    generator = runtime.ensure_generator(generator)
    with seeded(generator):
        model = build()
        if not isinstance(model, nn.Module):
            kind = type(model).__name__
            raise TypeError(f"build() makes a {kind}, not an nn.Module: pass models.LeNet5 without brackets")
        fit(model, split, loss=loss, epochs=epochs, generator=generator, **settings)
    return model.eval()


def check_split(split: Split, every: bool = False) -> int:
    """The number of classes of a split in order; with ``every``, each has to have two images at least."""
    if not isinstance(split, Split):
        raise TypeError(f"want a Split, such as data.mnist().train[:10_000], not a {type(split).__name__}")
    check_labels(split.labels, len(check_images(split.images)))
    if split.labels.min() < 0:
        raise ValueError(f"there is a label {split.labels.min().item()}: the classes start at 0")
    counts = split.labels.bincount()
    if every and (len(counts) < 2 or counts.min() < 2):
        raise ValueError(
            f"the classes 0 to {len(counts) - 1} have {counts.tolist()} images: want two classes at least, and two "
            "images of each, so take a larger part of the split"
        )
    return len(counts)


def frozen(values: Tensor) -> nn.Parameter:
    """A constant of a model that is never trained: it moves with the model, and tells where the model is."""
    return nn.Parameter(values.detach(), requires_grad=False)


def flat(images: Tensor, like: Tensor) -> Tensor:
    """Pixels in a row ``(N, D)``, for a classifier whose own images stand in the last dimension of ``like``."""
    pixels = images.flatten(1)
    if pixels.shape[1] != like.shape[-1]:
        raise ValueError(f"the classifier was made for {like.shape[-1]} pixels an image, not {pixels.shape[1]}")
    if pixels.dtype != like.dtype:
        raise ValueError(f"the classifier works in {like.dtype}, not {pixels.dtype}: convert with images.to(...)")
    return pixels
