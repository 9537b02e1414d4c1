"""The geometry of perturbations, one an image, and how a batch is portioned so that it fits cache and memory."""

from collections.abc import Callable

import torch
from torch import Tensor

from course_utils import runtime

VALUES = {"cpu": 2**20}  # pixels in one pass, so that it fits the cache; elsewhere 2**25, so that it fits the memory


def steepest(gradient: Tensor, norm: str) -> Tensor:
    """The step of length 1 along which a linear function climbs fastest: signs for linf, a unit vector for l2."""
    if norm == "linf":
        return gradient.sign()
    _, exponent = gradient.flatten(1).abs().amax(1).frexp()
    gradient = gradient.ldexp(spread(-exponent.clamp_min(-100), gradient))  # exact, and squares no longer vanish
    return gradient * (1 / spread(length(gradient).clamp_min(1e-12), gradient))


def length(change: Tensor) -> Tensor:
    """The Euclidean length of each image's change: ``(N, C, H, W)`` -> ``(N,)``."""
    return change.flatten(1).square().sum(1).sqrt()


def random_signs(images: Tensor, eps: float, generator: torch.Generator) -> Tensor:
    """The images with each pixel ``eps`` up or down, as a coin falls, cut off at 0 and 1."""
    signs = torch.randint(2, images.shape, generator=generator, device=generator.device) * 2 - 1
    return (images + eps * signs.to(images)).clamp(0, 1)


def project(x: Tensor, centre: Tensor, eps: float, norm: str) -> Tensor:
    """The nearest point of the ball of radius ``eps`` around ``centre``, then clipped to [0, 1], which stays in it."""
    return (centre + shorten(x - centre, eps, norm)).clamp(0, 1)


def shorten(change: Tensor, eps: float, norm: str) -> Tensor:
    """The nearest change of length ``eps`` or less."""
    if norm == "linf":
        return change.clamp(-eps, eps)
    return change * spread(eps / length(change).clamp_min(max(eps, 1e-12)), change)


def random_start(centre: Tensor, eps: float, norm: str, generator: torch.Generator | None) -> Tensor:
    """A point drawn uniformly from the ball of radius ``eps`` around each image, clipped to [0, 1]."""
    generator = runtime.ensure_generator(generator)
    if norm == "linf":
        change = 2 * torch.rand(centre.shape, generator=generator, device=generator.device) - 1
    else:
        change = steepest(torch.randn(centre.shape, generator=generator, device=generator.device), "l2")
        share = torch.rand(len(centre), generator=generator, device=generator.device)
        change = change * spread(share ** (1 / centre[0].numel()), change)
    return project(centre + eps * change.to(centre), centre, eps, norm)


def spread(values: Tensor, like: Tensor) -> Tensor:
    """One value an image, shaped to multiply images: ``(N,)`` -> ``(N, 1, 1, 1)``."""
    return values.view(-1, *[1] * (like.ndim - 1))


def bisect(low: Tensor, high: Tensor, beyond: Callable[[Tensor], Tensor], steps: int) -> tuple[Tensor, Tensor]:
    """Halve each interval from ``low``, where ``beyond`` is False, to ``high``, where it is True, ``steps`` times."""
    for _ in range(steps):
        middle = (low + high) / 2
        past = beyond(middle)
        low, high = torch.where(past, low, middle), torch.where(past, middle, high)
    return low, high


def portion(x: Tensor, cost: int = 1) -> int:
    """How many images go through the model at once; ``cost`` is how many times each is there."""
    return max(1, VALUES.get(x.device.type, 2**25) // (cost * x[0].numel()))


def by_portions(compute: Callable, x: Tensor, *others: Tensor, cost: int = 1) -> tuple[Tensor, ...]:
    """``compute`` on as many images at once as one pass holds, and the results put together again."""
    found = []
    for part, *rest in zip(*(each.split(portion(x, cost)) for each in (x, *others)), strict=True):
        found.append([output.detach() for output in compute(part.detach().requires_grad_(), *rest)])
    return tuple(map(torch.cat, zip(*found, strict=True)))
