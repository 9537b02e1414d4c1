"""What both encodings share: populations, random draws, polynomial mutation, colours.

A population of P genomes is a dict of tensors with P rows each. Random numbers are drawn on the generator's device and
brought to that of the genomes, so that a run can be repeated.
"""

import math

import torch
from torch import Tensor

Genomes = dict[str, Tensor]


def take(genomes: Genomes, rows: Tensor) -> Genomes:
    """The genomes in these rows, copied."""
    return {name: genes[rows] for name, genes in genomes.items()}


def typed(genomes: Genomes, dtype: torch.dtype) -> Genomes:
    """The genomes, and so the images painted from them, with their real numbers in this type."""
    return {name: genes.to(dtype) if genes.is_floating_point() else genes for name, genes in genomes.items()}


def uniform(*shape: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """Numbers drawn evenly from [0, 1), in float32."""
    return torch.rand(shape, generator=generator, device=generator.device, dtype=torch.float32).to(device)


def polynomial(draws: Tensor, eta: float) -> Tensor:
    r"""Steps of polynomial mutation, in (-1, 1), from uniform draws u in [0, 1).

        (2u)^(1 / (eta + 1)) - 1   if u < 1/2,    1 - (2 - 2u)^(1 / (eta + 1))   otherwise

    Most are small: for eta = 15 half of them are shorter than 0.042 (Deb and Goyal 1996).
    """
    signed = 2 * draws - 1
    return (1 - (1 - signed.abs()).pow_(1 / (eta + 1))).copysign_(signed)


def happens(number: int, chance: float, *, generator: torch.Generator, device: torch.device) -> Tensor:
    """Which of ``number`` independent events of one chance happen, in order; the gaps between them are drawn."""
    if number * chance < 1e-9:
        return torch.empty(0, dtype=torch.int64, device=device)
    if chance >= 1:
        return torch.arange(number, device=device)
    enough = int(number * chance + 10 * (number * chance) ** 0.5 + 20)
    draws = uniform(enough, generator=generator, device=device)
    gaps = draws.neg_().log1p_().div_(math.log1p(-chance)).clamp_max_(number).int().add_(1)
    places = gaps.cumsum(0).sub_(1)
    return places[: int(torch.searchsorted(places, number))]


def choose(allowed: Tensor, *, generator: torch.Generator) -> Tensor:
    """The place of one true entry of each row, all equally likely; it means nothing for a row without any."""
    counts = allowed.sum(1)
    rank = (uniform(len(allowed), generator=generator, device=allowed.device) * counts).long()
    places = allowed.nonzero()[:, 1]
    if not len(places):
        return torch.zeros_like(counts)
    first = counts.cumsum(0) - counts
    return places[(first + rank.minimum(counts - 1).clamp_min(0)).clamp_max(len(places) - 1)]


def hls_to_rgb(hls: Tensor) -> Tensor:
    """Hue, lightness, saturation in [0, 1] -> red, green, blue in [0, 1], ``(P, 3, H, W)``."""
    hue, lightness, saturation = hls.split(1, 1)
    reach = saturation * torch.minimum(lightness, 1 - lightness)
    turns = torch.cat([hue + n / 12 for n in (0, 8, 4)], 1).frac() * 12
    waves = torch.minimum(turns - 3, 9 - turns).clamp(-1, 1)
    return torch.addcmul(lightness, reach, waves, value=-1).clamp(0, 1)
