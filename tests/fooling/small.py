"""What the tests of fooling images share: a seed, a small network, grown genomes."""

import math

import torch
from torch import nn


def source(seed=0):
    return torch.Generator().manual_seed(seed)


def network(shape=(1, 7, 5), classes=4, seed=0):
    """A small curved network whose dropout shows who switches it to training."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = nn.Linear(math.prod(shape), 16), nn.Tanh(), nn.Dropout(0.5), nn.Linear(16, classes)
    return nn.Sequential(nn.Flatten(), *layers)


def grown(encoding, number=60, times=40, seed=0):
    """Genomes of many topologies: varied at random, again and again."""
    generator = source(seed)
    genomes = encoding.random(number, generator=generator)
    for _ in range(times):
        genomes = encoding.vary(genomes, torch.arange(number), generation=1, generator=generator)
    return genomes


def whole(genomes, outputs):
    """Whether links join nodes that exist, none leads to an input or from an output, and none closes a loop."""
    linked, used = genomes["linked"], genomes["used"]
    first, last = 4, 4 + outputs
    ways = linked.float()
    for _ in range(linked.shape[1]):
        ways = (ways @ linked.float()).clamp_max(1)
    nowhere = linked[:, :first].any() or linked[:, :, first:last].any() or ways.any()
    return bool(used[:, :last].all() and not nowhere and not (linked & ~(used[:, :, None] & used[:, None, :])).any())
