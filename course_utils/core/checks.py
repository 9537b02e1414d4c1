"""What images and labels must look like, checked in one place, with messages that name the likely mistake.

The convention of the course: images are float32 ``(N, C, H, W)`` in [0, 1], labels are int64 ``(N,)``.
"""

import difflib
import operator
from collections.abc import Collection

import torch
from torch import Tensor


def check_count(name: str, number: int) -> int:
    """A number of steps, generations and the like as an int, at least 1."""
    try:
        if isinstance(number, bool) or operator.index(number) < 1:
            raise ValueError
    except (TypeError, ValueError):
        raise ValueError(f"{name}={number!r}: want a whole number, at least 1") from None
    return operator.index(number)


def no_such(kind: str, name: str, known: Collection[str], otherwise: str = "") -> ValueError:
    """The error for a name that is none of ``known``, with the closest one; if none is close, all, or ``otherwise``.

    >>> no_such("network", "lenet-5", ["lenet5", "fc100"])
    ValueError("no network is called 'lenet-5'; did you mean 'lenet5'?")
    """
    close = difflib.get_close_matches(str(name), known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else otherwise or f"there are {', '.join(known)}"
    return ValueError(f"no {kind} is called {name!r}; {hint}")


def check_shape(shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """The shape of an image as a tuple (C, H, W) of ints, with 1 or 3 channels."""
    try:
        channels, height, width = (check_count("side", side) for side in shape)
    except (TypeError, ValueError):
        channels = None
    if channels not in (1, 3):
        raise ValueError(f"shape={shape!r}: want (channels, height, width), 1 or 3 channels, such as (1, 28, 28)")
    return channels, height, width


def check_images(images: Tensor) -> Tensor:
    """Return ``images`` unchanged if they are floats ``(N, C, H, W)`` in [0, 1].

    >>> check_images(torch.zeros(2, 1, 28, 28, dtype=torch.uint8))
    Traceback (most recent call last):
    ...
    TypeError: images are torch.uint8, not floats in [0, 1]: convert with images.float() / 255
    """
    if not isinstance(images, Tensor):
        hint = "torch.as_tensor(...) converts an array; for a split, pass its .images"
        raise TypeError(f"images are a {type(images).__name__}, not a tensor: {hint}")
    if not images.is_floating_point():
        hint = "convert with images.float() / 255" if images.dtype == torch.uint8 else "convert with images.float()"
        raise TypeError(f"images are {images.dtype}, not floats in [0, 1]: {hint}")
    if images.ndim != 4:
        hint = {2: ": for one image write image[None, None]", 3: ": for one image write image[None]"}
        raise ValueError(f"images have shape {tuple(images.shape)}, not (N, C, H, W){hint.get(images.ndim, '')}")
    if images.numel() == 0:
        raise ValueError(f"images have shape {tuple(images.shape)}: the batch is empty, check how it was selected")
    low, high = torch.stack(torch.aminmax(images)).tolist()  # a GPU is waited for once
    if not (low == low and high == high):
        raise ValueError("images hold NaN: look for a division by zero or a logarithm of zero before this call")
    if low < 0 or high > 1:
        hint = "pass the images before normalisation, it lives inside the model; or use .clamp(0, 1)"
        if low >= 0 and 2 < high <= 255:
            hint = "these look like grey levels, divide by 255"
        raise ValueError(f"pixels run from {low:.3g} to {high:.3g}, not 0 to 1: {hint}")
    return images


def levels(images: Tensor) -> Tensor:
    """The levels 0 to 255 that a file of 8 bits keeps of images in [0, 1], as floats; ``/ 255`` brings them back."""
    return (255 * images).round()


def check_labels(labels: Tensor, number: int, classes: int | None = None) -> Tensor:
    """Return ``labels`` unchanged if they are ``number`` int64 class numbers, below ``classes`` where that is given."""
    if not isinstance(labels, Tensor):
        raise TypeError(f"labels are a {type(labels).__name__}, not a tensor: write torch.as_tensor(labels)")
    if labels.shape != (number,):
        one_hot = labels.ndim == 2 and len(labels) == number
        hint = "turn one-hot rows into class numbers with .argmax(1)" if one_hot else "give one class number an image"
        raise ValueError(f"labels have shape {tuple(labels.shape)}, not ({number},): {hint}")
    if labels.dtype != torch.int64:
        raise TypeError(f"labels are {labels.dtype}, not int64 class numbers: convert with labels.long()")
    if classes is not None and number:
        low, high = torch.stack(torch.aminmax(labels)).tolist()
        if low < 0 or high >= classes:
            raise ValueError(f"labels run from {low} to {high}, but the classes are 0 to {classes - 1}")
    return labels


def check_budget(eps: float, norm: str) -> None:
    """Refuse a norm that is not offered, and a budget that is negative or looks like grey levels."""
    if norm not in ("linf", "l2"):
        raise ValueError(f"there is no norm {norm!r} here: choose among linf, l2")
    if not 0 <= eps < float("inf"):
        raise ValueError(f"eps={eps}: a budget is a finite number, not below 0")
    if norm == "linf" and eps > 1:
        raise ValueError(f"eps={eps:g}, but pixels run from 0 to 1: for {eps:g} grey levels write {eps:g}/255")


def check_counts(**counts: int) -> None:
    """Refuse numbers of steps, rounds and the like that are not whole and at least 1."""
    for name, count in counts.items():
        check_count(name, count)
