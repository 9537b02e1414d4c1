r"""Two concentric spheres: a task without noise, where the nearest error can be compared with the best possible.

Class 0 is the unit sphere in d dimensions, class 1 the sphere of radius 1.3, and a point is drawn uniformly from
either. Gilmer, Metz, Faghri, Schoenholz, Raghu, Wattenberg and Goodfellow, arXiv 1801.02774. If a network errs on a
fraction mu of the inner sphere, how far is a point from its nearest error, on average? No set of that size is farther
away than a cap, by the isoperimetric inequality, and a cap is about ``-Phi^-1(mu) / sqrt(d)`` away (exactly:
`caps.cap_distance`): small for any mu that could be measured. Dimension alone forces that, for whatever network errs.

The networks here start with ``nn.Flatten``, so that they take vectors ``(N, d)`` as well as the course's images: a
point is an image ``(1, 1, d)``. Then `flip_probability` and `flip_probability_splitting` give mu, as noise around 0
that lies on a sphere:

    flip_probability_splitting(model, torch.zeros(1, 1, 1, d), torch.tensor([0]), size=1.0, law="sphere")
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils import evaluation, runtime, training
from course_utils.core.checks import check_count
from course_utils.data import Split
from course_utils.dimensions.boundary_distance import boundary_distance

OUTER = 1.3  # radius of the sphere of class 1


class Points(NamedTuple):
    """Points of the two spheres ``(N, d)``, and which sphere, int64 ``(N,)``: 0 the inner, 1 the outer."""

    points: Tensor
    labels: Tensor


def spheres(number: int, d: int, *, generator: torch.Generator | None = None) -> Points:
    """Draw points on the generator's device: each sphere with probability 1/2, each of its points equally likely.

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

    how = dict(epochs=1, lr=lr, batch=batch, decay=0.0, progress=progress)
    return training.fit(model, Split(places, places), loss=loss, generator=runtime.ensure_generator(), **how)


def nearest_error(model: nn.Module, points: Tensor, labels: Tensor, *, progress: bool = True) -> Tensor:
    """The straight distance from each point to the nearest error that was found on its sphere: ``(N,)``.

    The network is made a function of directions, ``v -> model(R v / |v|)``, whose gradients lie along the sphere.
    There `boundary_distance` searches, along great circles. The distance is 0 for a point that is an error itself and
    infinite if nothing is found. As an attack's, it is an upper bound.

    Args:
        model: maps ``(N, 1, 1, d)`` to two logits or more, as `dense` does.
        points: ``(N, d)``, all on one sphere around 0.

    >>> half = nn.Sequential(nn.Flatten(), nn.Linear(3, 2, bias=False))
    >>> half[1].weight.data = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]])  # errs on the upper half
    >>> nearest_error(half, torch.tensor([[0.6, 0.0, -0.8]]), torch.tensor([0]), progress=False) ** 2
    tensor([0.8000])
    """
    if not isinstance(points, Tensor) or points.ndim != 2 or not len(points) or not points.is_floating_point():
        raise TypeError("points are not floats (N, d): pass the .points that `spheres` returns")
    radius = points.norm(dim=1)
    if not torch.allclose(radius, radius[0].expand_as(radius), rtol=1e-4) or not radius[0] > 0:
        lie = f"the points lie at distances {radius.min():.3g} to {radius.max():.3g} from 0"
        raise ValueError(f"{lie}: pass those of one sphere, such as points[labels == 0]")
    onto = nn.Sequential(_Onto(radius[0].item()), model)
    images = (0.5 + points / (2 * radius[0]))[:, None, None].clamp(0, 1)
    found = boundary_distance(onto, images, labels, turns=10, progress=progress)
    end = F.normalize((images - 0.5 + found.perturbations)[:, 0, 0]) * radius[:, None]
    found_one = found.distances.isfinite() & (found.distances > 0)
    return torch.where(found_one, (end - points).norm(dim=1), found.distances)


class _Onto(nn.Module):
    """The points of a sphere around 0 in the direction of images ``(N, 1, 1, d)``, as seen from grey, 0.5."""

    def __init__(self, radius: float):
        super().__init__()
        self.radius = radius

    def forward(self, images: Tensor) -> Tensor:
        return self.radius * F.normalize(images - 0.5, dim=-1)
