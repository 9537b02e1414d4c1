"""What a network says: logits, classes, accuracy, margins, and the gradient of any of these in the pixels."""

from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from course_utils.core.checks import check_images, check_labels
from course_utils.core.tensors import portion
from course_utils.data import Split


class Prediction(NamedTuple):
    """The class of each image, int64 ``(N,)``, and its softmax confidence in [0, 1], ``(N,)``."""

    labels: Tensor
    confidences: Tensor


def accuracy(model: nn.Module, split: Split) -> float:
    """The fraction of ``split`` that ``model`` classifies correctly, in [0, 1].

    >>> from course_utils import data, models
    >>> 0 <= accuracy(models.LeNet5(), data.mnist().test[:100]) <= 1
    True
    """
    outputs = torch.cat([logits(model, part.images) for part in split.batches()])
    labels = check_labels(split.labels, len(outputs), outputs.shape[1]).to(outputs.device)
    return (outputs.argmax(1) == labels).float().mean().item()


def predict(model: nn.Module, images: Tensor) -> Prediction:
    """The class that ``model`` gives each image, and its confidence.

    >>> from course_utils import models
    >>> predict(models.LeNet5(), torch.rand(3, 1, 28, 28)).confidences.shape
    torch.Size([3])
    """
    outputs = logits(model, images)
    return Prediction(outputs.argmax(1), outputs.softmax(1).amax(1))  # two logits may differ where softmax rounds to 1


def logits(model: nn.Module, images: Tensor, *, least: int = 2) -> Tensor:
    """The outputs of ``model`` for images of any number, ``(N, K)``, computed in portions, in evaluation mode.

    The result lives on the model's device. ``least`` is how many logits an image has to have: two for classes, one
    where logits are only compared.

    >>> from course_utils import models
    >>> logits(models.LeNet5(), torch.rand(3, 1, 28, 28)).shape
    torch.Size([3, 10])
    """
    parts, device = check_images(images).split(portion(images)), device_of(model)
    with torch.no_grad(), mode(model, False), naming(model, images):
        outputs = [check_logits(ask(model, part.to(device)), len(part), least) for part in parts]
    return torch.cat(outputs)


@contextmanager
def naming(model: nn.Module, images: Tensor):
    """What torch says of images that a model cannot take comes with their type and shape, as a ValueError."""
    try:
        yield
    except torch.cuda.OutOfMemoryError:
        raise
    except RuntimeError as error:
        own = dtype_of(model)
        hint = "" if own == images.dtype else f" (its weights are {own}: model.to(images.dtype) brings both together)"
        shape = tuple(images.shape)
        raise ValueError(f"the model cannot take {images.dtype} images of shape {shape}: {error}{hint}") from error


def ask(model: nn.Module, images: Tensor) -> Tensor:
    """What ``model`` makes of a copy of ``images``: one that works in place must not change what somebody still needs.

    >>> images = torch.full((1, 1, 1, 2), -1.0)
    >>> ask(nn.ReLU(inplace=True), images).sum().item(), images.sum().item()
    (0.0, -2.0)
    """
    return model(images.clone())


def check_logits(outputs: Tensor, number: int, least: int = 2) -> Tensor:
    """Return ``outputs`` if they are ``number`` rows of ``least`` finite logits or more.

    >>> check_logits(torch.tensor([[0.25, 0.75]]), 1)
    Traceback (most recent call last):
    ...
    ValueError: the model returns probabilities, not logits: leave out the softmax at its end
    """
    if not isinstance(outputs, Tensor):
        raise ValueError(f"the model returns a {type(outputs).__name__}, not a tensor of logits")
    if outputs.ndim != 2 or len(outputs) != number:
        shape = tuple(outputs.shape)
        raise ValueError(f"the model returns shape {shape} for {number} images, not ({number}, K) logits")
    if outputs.shape[1] < least:
        several = "there have to be at least 2 classes: for a yes or no, return two logits"
        raise ValueError(f"the model returns one logit an image, and {several}")
    if not outputs.isfinite().all():
        raise ValueError("the model returns NaN or infinity: did its training diverge (a high learning rate)?")
    if outputs.shape[1] > 1 and outputs.min() >= 0 and torch.allclose(outputs.sum(1), torch.ones_like(outputs[:, 0])):
        raise ValueError("the model returns probabilities, not logits: leave out the softmax at its end")
    return outputs


def device_of(model: nn.Module) -> torch.device:
    """The device of the model's parameters; a model without any computes on the CPU. A function is no model."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"the model is a {type(model).__name__}, not an nn.Module: wrap it in one")
    parameter = next(model.parameters(), None)
    return torch.device("cpu") if parameter is None else parameter.device


def dtype_of(model: nn.Module) -> torch.dtype:
    """The type of the model's parameters, which is that of the images it takes; float32 for a model without any."""
    device_of(model)
    return next((parameter.dtype for parameter in model.parameters() if parameter.is_floating_point()), torch.float32)


def initialise(model: nn.Module, images: Tensor) -> None:
    """Show lazy layers what they are to take, so that they get their weights; without any, nothing happens."""
    if any(map(is_lazy, (*model.parameters(), *model.buffers()))):
        with torch.inference_mode(False), torch.no_grad(), mode(model, False), naming(model, images):
            ask(model, images.to(device_of(model), dtype_of(model)))


class NoGradient(ValueError):
    """A value has no gradient in the images, or one that no attack can follow."""


def gradient(value: Tensor, images: Tensor, weights: Tensor | None = None, **options) -> Tensor:
    """The gradient of a value that a model made of ``images`` in these alone, so that no parameter gets one.

    ``weights`` and ``options`` are those of ``torch.autograd.grad``. Raises `NoGradient` where none flows.
    """
    found = None
    if value.requires_grad:
        (found,) = torch.autograd.grad(value, images, weights, allow_unused=True, **options)
    if found is None:
        where = "detach, no_grad, argmax, rounding"
        raise NoGradient(f"no gradient flows from the model's logits to the images: look for {where}")
    if not found.isfinite().all():
        where = "a root, logarithm or division at 0 in the model or a penalty"
        raise NoGradient(f"the gradient holds NaN or infinity: look for {where}")
    return found


def gradients(values: Tensor, images: Tensor) -> Tensor:
    """The `gradient` of each of M values an image, ``(N, M)`` -> ``(N, M, C, H, W)``, by one backward pass for all."""
    each = torch.eye(values.shape[1]).to(values)[:, None].expand(-1, *values.shape)
    return gradient(values, images, each, is_grads_batched=True).transpose(0, 1)


@contextmanager
def mode(model: nn.Module, training: bool):
    """Training or evaluation mode for a while; each module gets its own mode back."""
    modes = {module: module.training for module in model.modules()}
    model.train(training)
    try:
        yield
    finally:
        for module, before in modes.items():
            module.training = before


def margin(logits: Tensor, classes: Tensor) -> Tensor:
    """The logit of a class minus that of the best other class: ``(N, K)``, ``(N,)`` -> ``(N,)``.

    >>> margin(torch.tensor([[1.0, 4.0, 2.0]]), torch.tensor([1]))
    tensor([2.])
    """
    own = logits.gather(1, classes[:, None])[:, 0]
    return own - without(logits, classes).amax(1)


def without(logits: Tensor, classes: Tensor, value: float = float("-inf")) -> Tensor:
    """The logits with one class an image out of the running: ``(N, K)``, ``(N,)`` -> ``(N, K)``."""
    return logits.scatter(1, classes[:, None], value)
