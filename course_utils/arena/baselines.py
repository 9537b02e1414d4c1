"""The references of the arena: what the course itself can do with the same budget."""

from collections.abc import Callable

from torch import Tensor, nn

from course_utils import attacks, runtime
from course_utils.core.tensors import random_signs

Attack = Callable[[nn.Module, Tensor, Tensor, float, int], Tensor]


# The references: what the course itself can do with the same budget. ------------------------------------------------


def random_noise(model: nn.Module, images: Tensor, labels: Tensor, eps: float, budget: int) -> Tensor:
    """One draw of random signs; asks the model nothing."""
    return random_signs(images, eps, runtime.ensure_generator())


def one_step(model: nn.Module, images: Tensor, labels: Tensor, eps: float, budget: int) -> Tensor:
    """The fast gradient sign method."""
    return attacks.fgsm(model, images, labels, eps)


def pgd_40(model: nn.Module, images: Tensor, labels: Tensor, eps: float, budget: int) -> Tensor:
    """Forty steps up the cross-entropy."""
    return attacks.pgd(model, images, labels, eps, steps=40, progress=False)


def margin_40(model: nn.Module, images: Tensor, labels: Tensor, eps: float, budget: int) -> Tensor:
    """Forty steps up the margin between two logits."""
    return attacks.pgd(model, images, labels, eps, steps=40, loss="margin", progress=False)


def squares(model: nn.Module, images: Tensor, labels: Tensor, eps: float, budget: int) -> Tensor:
    """A random search that never asks for a gradient, with all of the budget but one question."""
    return attacks.square(model, images, labels, eps, queries=budget - 1, progress=False)


REFERENCES: dict[str, Attack] = {
    "random signs": random_noise,
    "one step": one_step,
    "PGD, 40 steps": pgd_40,
    "margin, 40 steps": margin_40,
    "squares": squares,
}
