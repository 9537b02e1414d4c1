"""The references of the arena: what the course itself can do with the same budget."""

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from course_utils import attacks

Contender = Callable[[nn.Module, Tensor, Tensor, float, int], Tensor]  # attack(model, images, labels, eps, budget)


def _noise(model: nn.Module, images: Tensor, labels: Tensor, eps: float, budget: int) -> Tensor:
    return attacks.random_noise(model, images, labels, eps)


def _fgsm(model: nn.Module, images: Tensor, labels: Tensor, eps: float, budget: int) -> Tensor:
    return attacks.fgsm(model, images, labels, eps)


def _pgd(model: nn.Module, images: Tensor, labels: Tensor, eps: float, budget: int, *, loss: str) -> Tensor:
    return attacks.pgd(model, images, labels, eps, steps=40, loss=loss, progress=False)


def _square(model: nn.Module, images: Tensor, labels: Tensor, eps: float, budget: int) -> Tensor:
    """A black-box attack, with all of the budget but one query."""
    return attacks.square(model, images, labels, eps, queries=budget - 1, progress=False)


REFERENCES: dict[str, Contender] = {
    "random signs": _noise,
    "one step": _fgsm,
    "PGD, 40 steps": partial(_pgd, loss="cross_entropy"),
    "margin, 40 steps": partial(_pgd, loss="margin"),
    "squares": _square,
}
