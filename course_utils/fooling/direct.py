"""The direct encoding: one gene for each pixel.

Every gene starts anywhere in [0, 1]. In a child each gene changes with chance 0.1, halved every 1000 generations, by a
step of polynomial mutation. Nguyen, Yosinski and Clune 2014, arXiv 1412.1897, section 2.2; the rates are those of the
released code. That code also crosses the parents, which the paper does not mention: ``crossover=True``.
"""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from course_utils.core.checks import check_shape
from course_utils.fooling._genomes import Genomes, happens, hls_to_rgb, polynomial, uniform

RATE, ETA = 0.1, 15.0  # chance that a gene mutates, and how much shorter than 1 its steps are
CROSSING, ETA_CROSSING = 0.5, 10.0  # the same for two parents


@dataclass(frozen=True)
class Direct:
    """Images with a gene for each pixel; in colour, three.

    Args:
        shape: ``(C, H, W)`` of the images. With C = 3 the genes are hue, lightness and saturation.
        crossover: whether each pair of parents is crossed with chance 0.5 (simulated binary crossover, eta 10).

    >>> Direct((1, 28, 28)).random(5, generator=torch.Generator())["pixels"].shape
    torch.Size([5, 1, 28, 28])
    """

    shape: tuple[int, int, int] = (1, 28, 28)
    crossover: bool = False

    def __post_init__(self):
        object.__setattr__(self, "shape", check_shape(self.shape))

    def random(self, number: int, *, generator: torch.Generator, device: torch.device | str = "cpu") -> Genomes:
        """``number`` genomes with every gene drawn evenly from [0, 1]."""
        return {"pixels": uniform(number, *self.shape, generator=generator, device=torch.device(device))}

    def vary(self, genomes: Genomes, parents: Tensor, *, generation: int, generator: torch.Generator) -> Genomes:
        """One child of each of these rows of ``genomes``; with crossover, the first two are a pair, and so on."""
        pixels = genomes["pixels"][parents]
        if self.crossover:
            half = len(pixels) // 2
            pixels[: 2 * half] = _cross(pixels[: 2 * half], generator)
        rate = RATE * 0.5 ** (generation // 1000)
        genes = pixels.view(-1)
        places = happens(len(genes), rate, generator=generator, device=genes.device)
        steps = polynomial(uniform(len(places), generator=generator, device=genes.device), ETA)
        genes[places] = steps.to(genes.dtype).add_(genes[places]).clamp_(0, 1)
        return {"pixels": pixels}

    def render(self, genomes: Genomes) -> Tensor:
        """The images in [0, 1], ``(P, C, H, W)``."""
        return hls_to_rgb(genomes["pixels"]) if self.shape[0] == 3 else genomes["pixels"]


def _cross(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Simulated binary crossover inside [0, 1] (Deb and Agrawal 1995), of half the pairs and half of their genes."""
    first, second = pixels[0::2], pixels[1::2]
    low, high = torch.minimum(first, second), torch.maximum(first, second)
    gap, middle = high - low, (low + high) / 2

    draw = partial(uniform, generator=generator, device=pixels.device)

    def reach(room):
        """How far from the middle a child lands, in half gaps, if ``room`` is left beyond its parent."""
        alpha = 2 - (1 + 2 * room / gap.clamp_min(1e-9)) ** -(ETA_CROSSING + 1)
        inside = draws * alpha
        return torch.where(inside <= 1, inside, 1 / (2 - inside)) ** (1 / (ETA_CROSSING + 1))

    draws = draw(*gap.shape)
    below = (middle - reach(low) * gap / 2).clamp(0, 1)
    above = (middle + reach(1 - high) * gap / 2).clamp(0, 1)
    swapped = draw(*gap.shape) < 0.5
    pair = draw(len(gap), 1, 1, 1) < CROSSING
    crossed = pair & (draw(*gap.shape) < 0.5) & (gap > 1e-6)
    children = torch.empty_like(pixels)
    children[0::2] = torch.where(crossed, torch.where(swapped, above, below), first)
    children[1::2] = torch.where(crossed, torch.where(swapped, below, above), second)
    return children
