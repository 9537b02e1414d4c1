"""The references of the arena: what the course itself can do with the same budget."""

from collections.abc import Callable

from torch import Tensor, nn

from course_utils import attacks

Contender = Callable[[nn.Module, Tensor, Tensor, float, int], Tensor]  # attack(model, images, labels, eps, budget)


def _with(attack: Callable, **settings) -> Contender:
    return lambda model, images, labels, eps, budget: attack(model, images, labels, eps, **settings)


def _square(model: nn.Module, images: Tensor, labels: Tensor, eps: float, budget: int) -> Tensor:
    return attacks.square(model, images, labels, eps, queries=budget - 1, progress=False)


REFERENCES: dict[str, Contender] = {
    "random signs": _with(attacks.random_noise),
    "one step": _with(attacks.fgsm),
    "PGD, 40 steps": _with(attacks.pgd, steps=40, progress=False),
    "margin, 40 steps": _with(attacks.pgd, steps=40, loss="margin", progress=False),
    "squares": _square,
}
