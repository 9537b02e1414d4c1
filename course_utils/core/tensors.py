"""The geometry of perturbations, one an image, and how a batch is portioned so that it fits cache and memory."""

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from course_utils import runtime

NUMBERS = {"cpu": 2**18}  # worked on at once, so that they fit the cache; elsewhere 2**25, so that they fit the memory


def portion(x: Tensor, cost: float = 1) -> int:
    """How many of the items ``x[0], x[1], ...`` are worked on at once: the course's one policy for work in portions.

    ``cost`` is that of a number of an item beside a pixel that goes through a network: 10 for the Jacobian of ten
    logits, less than 1 for what is only added up.

    >>> portion(torch.zeros(5, 1, 32, 32)), portion(torch.zeros(5, 1, 32, 32), cost=16)
    (256, 16)
    """
    return math.ceil(NUMBERS.get(x.device.type, 2**25) / (cost * x.shape[1:].numel()))


def portions(x: Tensor, *others: Tensor, cost: float = 1) -> Iterator[tuple[Tensor, ...]]:
    """Rows of ``x`` and of ``others`` together, as many at once as `portion` says."""
    return zip(*(each.split(portion(x, cost)) for each in (x, *others)), strict=True)


def by_portions(compute: Callable, x: Tensor, *others: Tensor, cost: float = 1) -> tuple[Tensor, ...]:
    """``compute`` on portions, with a gradient in that of ``x``, and the results put together again."""
    found = []
    for part, *rest in portions(x, *others, cost=cost):
        found.append([output.detach() for output in compute(part.detach().requires_grad_(), *rest)])
    return tuple(map(torch.cat, zip(*found, strict=True)))


def spread(values: Tensor, like: Tensor) -> Tensor:
    """One value an image, shaped to multiply images: ``(N,)`` -> ``(N, 1, 1, 1)``."""
    return values.view(-1, *[1] * (like.ndim - 1))


def length(r: Tensor) -> Tensor:
    """The Euclidean length of each image's perturbation: ``(N, C, H, W)`` -> ``(N,)``."""
    return r.flatten(1).square().sum(1).sqrt()


def steepest(gradient: Tensor, norm: str) -> Tensor:
    """The step of length 1 along which a linear function climbs fastest: signs for linf, a unit vector for l2."""
    if norm == "linf":
        return gradient.sign()
    _, exponent = gradient.flatten(1).abs().amax(1).frexp()
    gradient = gradient.ldexp(spread(-exponent.clamp_min(-100), gradient))  # exact, and squares no longer vanish
    return gradient * (1 / spread(length(gradient).clamp_min(1e-12), gradient))


def shorten(r: Tensor, eps: float, norm: str) -> Tensor:
    """The nearest perturbation of length ``eps`` or less."""
    if norm == "linf":
        return r.clamp(-eps, eps)
    return r * spread(eps / length(r).clamp_min(max(eps, 1e-12)), r)


def project(x: Tensor, centre: Tensor, eps: float, norm: str) -> Tensor:
    """The nearest point of the ball of radius ``eps`` around ``centre``, then clipped to [0, 1], which stays in it."""
    return (centre + shorten(x - centre, eps, norm)).clamp(0, 1)


def random_start(centre: Tensor, eps: float, norm: str, generator: torch.Generator | None) -> Tensor:
    """A point drawn uniformly from the ball of radius ``eps`` around each image, clipped to [0, 1]."""
    generator = runtime.ensure_generator(generator)
    how = dict(generator=generator, device=generator.device)
    if norm == "linf":
        r = 2 * torch.rand(centre.shape, **how) - 1
    else:
        r = steepest(torch.randn(centre.shape, **how), "l2")
        r = r * spread(torch.rand(len(centre), **how) ** (1 / centre[0].numel()), r)
    return project(centre + eps * r.to(centre), centre, eps, norm)


def bisect(low: Tensor, high: Tensor, beyond: Callable[[Tensor], Tensor], steps: int) -> tuple[Tensor, Tensor]:
    """Halve each interval from ``low``, where ``beyond`` is False, to ``high``, where it is True, ``steps`` times."""
    for _ in range(steps):
        middle = (low + high) / 2
        past = beyond(middle)
        low, high = torch.where(past, low, middle), torch.where(past, middle, high)
    return low, high
