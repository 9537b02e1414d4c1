"""Points whose neighbours, dimension and tangent spaces are known."""

import torch

from course_utils.manifold import nearest


def seeded(number=0):
    return torch.Generator().manual_seed(number)


def uniform(*shape, dtype=torch.float32, seed=0):
    return torch.rand(*shape, dtype=dtype, generator=seeded(seed))


def normal(*shape, dtype=torch.float32, seed=0):
    return torch.randn(*shape, dtype=dtype, generator=seeded(seed))


def themselves(points, k, **options):
    """The neighbours of points among themselves."""
    return nearest(points, points, k, own=torch.arange(len(points), device=points.device), progress=False, **options)


def sphere(number, d, pixels, seed=0):
    points = torch.nn.functional.normalize(normal(number, d + 1, dtype=torch.float64, seed=seed), dim=1)
    return points @ torch.linalg.qr(normal(pixels, d + 1, dtype=torch.float64, seed=9))[0].T


def swiss_roll(number):
    turn, along = 1.5 * torch.pi * (1 + 2 * uniform(number, dtype=torch.float64)), uniform(number, seed=1).double()
    return torch.stack([turn * turn.cos(), 21 * along, turn * turn.sin()], 1)


def flat(number, d, pixels):
    return uniform(number, d, dtype=torch.float64) @ normal(d, pixels, dtype=torch.float64, seed=1)


MANIFOLDS = {  # points, their dimension, and how far the estimates with 3,000 points may be off
    "circle": (sphere(3000, 1, 5), 1, 0.05),
    "sphere": (sphere(3000, 2, 20), 2, 0.1),
    "sphere of 5": (sphere(3000, 5, 30), 5, 0.35),
    "swiss roll": (swiss_roll(3000), 2, 0.1),
    "plane": (flat(3000, 2, 50), 2, 0.1),
    "flat piece of 6": (flat(3000, 6, 100), 6, 0.8),
}
POINTS = uniform(6, 1, 2, 2)
ROWS = torch.arange(12).view(6, 2) % 6
