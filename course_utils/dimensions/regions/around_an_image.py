r"""Around an image: the faces of its linear region, and how near they are.

Inside the region that holds an image x, whatever a unit or window chooses between is affine in a perturbation r of x,
so each face is a piece of a hyperplane

    value + normal . r = 0,    |value| / ||normal||  away

and the region is convex, so the nearest hyperplane is the nearest face. The hyperplanes on which two classes tie are
the decision boundary, as far as the region reaches; the least step to such a one is that of DeepFool. Croce,
Andriushchenko and Hein, arXiv 1810.07481, train networks to keep both away.

`region_faces` lists the hyperplanes, `nearest_faces` the distances; `alignment` tells how much a face belongs to one
pixel, and `units` how many units and windows there are to have faces.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from course_utils import runtime
from course_utils.dimensions.regions import pieces


class RegionFaces(NamedTuple):
    """The hyperplanes ``values + normals . r = 0`` that bound the region of an image x, for a perturbation r of x.

    Attributes:
        values: ``(M,)``: the input of a ReLU unit, or a max-pool window's winner less another of its members.
        normals: their gradients in the pixels, ``(M, D)``.
        layers: which layer each belongs to, counted without containers, int64 ``(M,)``.
    """

    values: Tensor
    normals: Tensor
    layers: Tensor


class NearestFaces(NamedTuple):
    """The nearest faces of some images, as Euclidean distances ``(N,)``.

    Attributes:
        face: to the edge of the linear region; exact.
        decision: to the decision boundary, if the present linear piece went on for ever.
        inside: whether it does go on as far as that nearest boundary point, bool ``(N,)``: there ``decision`` is exact.
    """

    face: Tensor
    decision: Tensor
    inside: Tensor


@torch.no_grad()
def region_faces(model: nn.Module, image: Tensor) -> RegionFaces:
    """Every hyperplane that bounds, or would bound if others did not, the linear region around an image (1, C, H, W).

    The network (see `pieces.piecewise_linear`) is affine there, so one forward pass of the D unit images through its
    linear part gives all normals. Faces that no pixel can move, and those of a max-pool window between its winner and
    a unit that a ReLU has switched off (which is the face of the winner's own ReLU), are left out. The result has the
    type of the image and is on the model's device.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2))
    >>> found = region_faces(model, torch.rand(1, 1, 1, 2))
    >>> torch.equal(found.normals, model[1].weight)
    True
    """
    if len(pieces.check_points("image", image)) != 1:
        raise ValueError(f"image has shape {tuple(image.shape)}: want one image (1, C, H, W), write images[:1]")
    layers, x = pieces.copy_layers(model, image, image.dtype)
    return _faces(layers, x)[0]


@torch.no_grad()
def nearest_faces(model: nn.Module, images: Tensor, *, progress: bool = True) -> NearestFaces:
    """How far each image is from the edge of its linear region, and from the decision boundary of its linear piece.

    The region is a convex polyhedron, so the distance to its edge is the smallest ``|value| / ||normal||``. The border
    of the box [0, 1] does not count. An image with a flat background lies *on* faces, at distance 0: those of the
    max-pool windows there, whose members tie. A little noise takes it off them. All is computed in float64, and
    infinite where there is no face.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(2, 2))
    >>> model[1].weight.data, model[1].bias.data = torch.tensor([[3.0, 4.0], [0.0, 0.0]]), torch.zeros(2)
    >>> found = nearest_faces(model, torch.ones(1, 1, 1, 2), progress=False)
    >>> print(f"{found.decision.item():.2f}", found.face.item(), found.inside.item())
    1.40 inf True
    """
    layers, images = pieces.copy_layers(model, pieces.check_points("images", images))
    found = []
    with runtime.progress(len(images), "faces", progress) as bar:
        for image in images.split(1):
            bounds, logits, slopes = _faces(layers, image)
            far = bounds.values.abs() / bounds.normals.norm(dim=1)
            face = torch.cat([far, far.new_tensor([torch.inf])]).min()
            best = logits.argmax()
            margin, direction = logits[best] - logits, slopes - slopes[best]
            far = (margin / direction.norm(dim=1)).nan_to_num(torch.inf, torch.inf)  # of the class itself 0 / 0
            decision, second = far.min(0)
            inside = torch.isfinite(decision)
            if inside:
                step = direction[second] * margin[second] / direction[second].square().sum()
                inside = ((bounds.values + bounds.normals @ step) * bounds.values >= 0).all()
            found.append((face, decision, inside))
            bar.update()
    return NearestFaces(*(torch.stack(each) for each in zip(*found, strict=True)))


def alignment(normals: Tensor) -> Tensor:
    """How much each normal points along one axis, ``(M, D)`` -> ``(M,)``: its largest squared component, of the sum.

    1 is a face that only one pixel can cross; a random direction has about ``2 log(D) / D``.

    >>> alignment(torch.tensor([[0.0, 2.0], [3.0, 3.0]]))
    tensor([1.0000, 0.5000])
    """
    squares = normals.square()
    return squares.amax(1) / squares.sum(1)


def units(model: nn.Module, images: Tensor) -> int:
    """How many ReLU units and max-pool windows choose a winner: the N of Hanin and Rolnick, from one image's shape.

    >>> from course_utils import models
    >>> units(models.FC(100, 50), torch.zeros(1, 1, 28, 28))
    150
    """
    layers, x = pieces.copy_layers(model, pieces.check_points("images", images)[:1])
    number = 0
    for layer in layers:
        x = layer(x)
        number += x[0].numel() if isinstance(layer, pieces.CHOICES) else 0
    return number


def _faces(layers: list[nn.Module], image: Tensor) -> tuple[RegionFaces, Tensor, Tensor]:
    """The faces around an image, its logits ``(K,)``, and their gradients in the pixels ``(K, D)``."""
    directions = torch.eye(image.numel(), dtype=image.dtype, device=image.device).view(-1, *image.shape[1:])
    maps = torch.cat([image, directions])[None]  # what a layer makes of the image, and of each pixel's unit step
    bounds, numbers = [maps.new_empty(maps.shape[1], 0)], []
    for number, layer in enumerate(layers):
        if not isinstance(layer, pieces.CHOICES):
            maps = pieces.affine(layer, maps)
            continue
        winner = pieces.winners(layer, maps[:, 0])
        chosen = pieces.select(layer, maps, winner)
        bound = maps[0].flatten(1)  # has to keep its sign: a unit's input, or a winner less another that is not 0
        if isinstance(layer, nn.MaxPool2d):
            rivals = ~pieces.is_winner(layer, maps[:, 0], winner) & (pieces.windows(layer, maps[:, 0]) != 0)
            bound = (chosen[0][..., None, None] - pieces.windows(layer, maps[0])).flatten(1)[:, rivals.flatten()]
        bounds.append(bound)
        numbers += [number] * bound.shape[1]
        maps = chosen
    values, normals = torch.cat(bounds, 1).split([1, image.numel()])
    normals = normals.T
    real = (normals != 0).any(1)
    faces = RegionFaces(
        values[0][real], normals[real], torch.tensor(numbers, dtype=torch.int64, device=image.device)[real]
    )
    return faces, maps[0, 0], maps[0, 1:].T
