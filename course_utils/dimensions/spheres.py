r"""Two concentric spheres: a task without noise, where the nearest error can be compared with the best possible.

Class 0 is the unit sphere in d dimensions, class 1 the sphere of radius 1.3, and a point is drawn uniformly from
either. Gilmer, Metz, Faghri, Schoenholz, Raghu, Wattenberg and Goodfellow, arXiv 1801.02774. If a network errs on a
share mu of the inner sphere, how far is a point from its nearest error, on average? No set of that size is farther away
than a cap, by the isoperimetric inequality, and a cap is about

    -Phi^-1(mu) / sqrt(d)

away, which is small for any mu that could be measured. Dimension alone forces that, for whatever network has the error
mu.

The networks here start with ``nn.Flatten``, so that they take vectors ``(N, d)`` as well as the course's images: a
point is an image ``(1, 1, d)``. Then `flip_probability.flips` and `flip_probability.rare` give mu, as noise around 0
that lies on a sphere:

    rare(model, torch.zeros(1, 1, 1, d), torch.tensor([0]), size=1.0, law="sphere")
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils import evaluation, runtime, training
from course_utils.core.checks import check_count
from course_utils.data import Split
from course_utils.dimensions.boundary_distance import _nearest, cap_height

OUTER = 1.3  # radius of the sphere of class 1


class Points(NamedTuple):
    """Points of the two spheres ``(N, d)``, and which sphere, int64 ``(N,)``: 0 the inner, 1 the outer."""

    points: Tensor
    labels: Tensor


def spheres(number: int, d: int, *, generator: torch.Generator | None = None) -> Points:
    """Draw ``number`` points: each sphere with probability 1/2, each of its points equally likely.

    They live on the generator's device.

    >>> points, labels = spheres(4, 100)
    >>> torch.allclose(points.norm(dim=1), 1 + 0.3 * labels)
    True
    """
    source = runtime.ensure_generator(generator)
    labels = torch.randint(2, (check_count("number", number),), generator=source, device=source.device)
    points = torch.randn(number, check_count("d", d), generator=source, device=source.device)
    return Points(points * ((1 + (OUTER - 1) * labels) / points.norm(dim=1))[:, None], labels)


def dense(d: int, *hidden: int) -> nn.Sequential:
    """A network of dense layers with batch normalisation and ReLU, the paper's, from d numbers to two logits.

    >>> dense(100, 200, 200)(torch.zeros(3, 100)).shape
    torch.Size([3, 2])
    """
    layers, width = [nn.Flatten()], d
    for units in hidden:
        layers += [nn.Linear(width, units), nn.BatchNorm1d(units), nn.ReLU()]
        width = units
    return nn.Sequential(*layers, nn.Linear(width, 2))


class Quadratic(nn.Module):
    r"""The paper's network whose errors can be computed: ``f(x) = scale * sum_j (w_j x)^2 + bias``, logits (0, f).

    Its boundary is an ellipsoid, ``sum_i alpha_i z_i^2 = 1`` in suitable axes. There is no error if and only if every
    alpha lies in [1 / 1.3^2, 1]: `alphas`.

    >>> Quadratic(100, 200)(torch.zeros(3, 100)).shape
    torch.Size([3, 2])
    """

    def __init__(self, d: int, hidden: int):
        super().__init__()
        self.flatten, self.linear = nn.Flatten(), nn.Linear(d, hidden, bias=False)
        self.scale, self.bias = nn.Parameter(torch.tensor(1.0)), nn.Parameter(torch.tensor(-1.0))

    def forward(self, x: Tensor) -> Tensor:
        """``(N, ...)`` -> logits ``(N, 2)``."""
        f = self.scale * self.linear(self.flatten(x)).square().sum(1) + self.bias
        return torch.stack([torch.zeros_like(f), f], dim=1)

    def alphas(self) -> Tensor:
        """The coefficients of the ellipsoid, ``(d,)``, in rising order."""
        weight = self.linear.weight.detach()
        return (torch.linalg.eigvalsh(weight.T @ weight) * (-self.scale / self.bias).detach()).sort().values


def train_spheres(
    model: nn.Module,
    d: int,
    *,
    samples: int = 500_000,
    batch: int = 250,
    lr: float = 3e-3,
    generator: torch.Generator | None = None,
    progress: bool = True,
) -> training.History:
    """Train ``model`` in place to tell the spheres apart. Every point is drawn anew and seen once.

    Args:
        samples: points, in all.
        batch, lr, progress: as for `training.fit`, and so is what an interrupt does.
        generator: draws the points, on the model's device. The weights, and the points to measure with, should come
            from other seeds, or they share their random numbers.

    >>> train_spheres(dense(10, 20), 10, samples=1000, progress=False).finished
    True
    """
    device, dtype = evaluation.device_of(model), evaluation.dtype_of(model)
    source = runtime.ensure_generator(generator, device)
    evaluation.initialise(model, torch.zeros(1, d, dtype=dtype))
    places = torch.zeros(1, 1, 1, 1, dtype=dtype, device=device).expand(check_count("samples", samples), 1, 1, 1)

    def loss(model: nn.Module, places: Tensor, _: Tensor) -> Tensor:
        points, labels = spheres(len(places), d, generator=source)
        return F.cross_entropy(model(points.to(places)), labels.to(places.device))

    split, order = Split(places, places), runtime.ensure_generator()
    how = dict(epochs=1, lr=lr, batch=batch, decay=0.0, generator=order, progress=progress)
    return training.fit(model, split, loss=loss, **how)


def nearest_error(
    model: nn.Module, points: Tensor, labels: Tensor, *, steps: int = 50, turns: int = 10, progress: bool = True
) -> Tensor:
    """The straight distance from each point to the nearest error that was found on its sphere: ``(N,)``.

    The network is made a function of directions, ``v -> model(R v / |v|)``, whose gradients lie along the sphere.
    There `boundary_distance` searches: DeepFool, a bisection on the great circle to what that finds, and turns of that
    circle towards the gradient where it meets the errors. The distance is 0 for a point that is an error itself and
    infinite if nothing is found. As an attack's, it is an upper bound.

    Args:
        model: maps ``(N, d)`` to two logits or more, as `dense` and `Quadratic` do; it must take ``(N, 1, 1, d)`` too.
        points: ``(N, d)``, all on one sphere around 0.
        labels: int64 ``(N,)``.
        steps, turns: as for `boundary_distance`.

    Raises:
        TypeError, ValueError: points that are not on one sphere.

    >>> half = nn.Sequential(nn.Flatten(), nn.Linear(3, 2, bias=False))
    >>> half[1].weight.data = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]])  # errs on the upper half
    >>> nearest_error(half, torch.tensor([[0.6, 0.0, -0.8]]), torch.tensor([0]), progress=False) ** 2
    tensor([0.8000])
    """
    if not isinstance(points, Tensor) or points.ndim != 2 or not len(points) or not points.is_floating_point():
        raise TypeError("points are not floats (N, d): pass the .points that `spheres` returns")
    radius = points.norm(dim=1)
    if not torch.allclose(radius, radius[0].expand_as(radius), rtol=1e-4) or not radius[0] > 0:
        raise ValueError(
            f"the points lie at distances {radius.min():.3g} to {radius.max():.3g} from 0: pass those of one sphere, "
            "such as points[labels == 0]"
        )
    onto = nn.Sequential(_Onto(radius[0].item()), model)
    found = _nearest(onto, points[:, None, None], labels, None, steps=steps, turns=turns, progress=progress)
    end = F.normalize(points + found.changes[:, 0, 0]) * radius[:, None]
    return torch.where(found.distances.isfinite(), (end - points).norm(dim=1), found.distances)


def cap_distance(share: float, d: int) -> float:
    r"""The mean distance from a point of the unit sphere in ``d`` dimensions to a cap that holds ``share`` of it.

    Exact for each d, where ``-Phi^-1(share) / sqrt(d)``, which is ``half_space_distance(share, d**-0.5)``, is the limit
    for many dimensions. No set of this share is farther away.

    Raises:
        ValueError: d below 2, or a share outside (0, 0.5).

    >>> f"{cap_distance(1e-6, 500):.3f}"
    '0.212'
    """
    rim = torch.tensor(cap_height(share, d), dtype=torch.float64).acos()
    angle = torch.linspace(0, torch.pi, 20_001, dtype=torch.float64)
    weight = angle.sin() ** (d - 2)  # how much of the sphere lies at this angle from the middle of the cap
    gap = (angle - rim).clamp_min(0)
    return ((2 * (gap / 2).sin() * weight).sum() / weight.sum()).item()


class _Onto(nn.Module):
    """The point of a sphere around 0 in the direction of each vector: ``(N, 1, 1, d)`` -> the same."""

    def __init__(self, radius: float):
        super().__init__()
        self.radius = radius

    def forward(self, x: Tensor) -> Tensor:
        return self.radius * F.normalize(x, dim=-1)
