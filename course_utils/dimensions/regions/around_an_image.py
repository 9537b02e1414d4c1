r"""Around an image: the faces of its linear region, and how near they are.

Inside the region that holds an image x, whatever a unit or window chooses between is affine in a perturbation r of x,
so each face is a piece of a hyperplane

    value + normal . r = 0,    |value| / ||normal||  away

and the region is convex, so the nearest hyperplane is the nearest face. The hyperplanes on which two classes tie are
the decision boundary, as far as the region reaches; the least step to such a one is that of DeepFool. Croce,
Andriushchenko and Hein, arXiv 1810.07481, train networks to keep both away.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from course_utils import runtime
from course_utils.core.tensors import portion
from course_utils.dimensions.regions import pieces


class RegionFaces(NamedTuple):
    """The hyperplanes ``values + normals . r = 0`` that bound the region of an image x, for a perturbation r of x.

    A value, ``(M,)``, is the input of a ReLU unit, or by how much a max-pool window's winner is above another of its
    members; the normals, ``(M, D)``, are the gradients in the pixels.
    """

    values: Tensor
    normals: Tensor


class NearestFaces(NamedTuple):
    """Euclidean distances ``(N,)``: to the edge of the linear region, exact; and to the decision boundary, if the
    present linear piece went on for ever."""

    face: Tensor
    decision: Tensor


@torch.no_grad()
def region_faces(model: nn.Module, image: Tensor) -> RegionFaces:
    """Every hyperplane that bounds, or would bound if others did not, the region around an image ``(1, C, H, W)``.

    Faces that no pixel can move, and those of a max-pool window between its winner and a unit that a ReLU has switched
    off (which is the face of the winner's own ReLU), are left out. The rest have the image's type.

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
    """How far images ``(N, C, H, W)`` are from the edge of their region, and the decision boundary of their piece.

    They are computed in float64; infinity stands where there is no face. The border of the box [0, 1] does not count.
    An image with a flat background lies *on* faces, those of the max-pool windows there, whose members tie. A little
    noise takes it off them.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(2, 2))
    >>> model[1].weight.data, model[1].bias.data = torch.tensor([[3.0, 4.0], [0.0, 0.0]]), torch.zeros(2)
    >>> found = nearest_faces(model, torch.ones(1, 1, 1, 2), progress=False)
    >>> print(f"{found.decision.item():.2f}", found.face.item())
    1.40 inf
    """
    layers, images = pieces.copy_layers(model, pieces.check_points("images", images))
    found = []
    with runtime.progress_bar(len(images), "faces", progress) as bar:
        for image in images.split(1):
            bounds, logits, slopes = _faces(layers, image)
            faces = bounds.values.abs() / bounds.normals.norm(dim=1)
            best = logits.argmax()
            far = (logits[best] - logits) / (slopes - slopes[best]).norm(dim=1)
            far = far.nan_to_num(float("inf"), float("inf"))  # of the best itself, and of a class that never wins
            found.append((torch.cat([faces, far.new_tensor([float("inf")])]).min(), far.min()))
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
    directions = torch.eye(image.numel()).to(image).view(-1, *image.shape[1:])
    linear = [pieces.without_constant(layer) for layer in layers]
    columns = []
    for slopes in directions.split(portion(image, cost=24)):
        x, values, normals = image, [image.new_empty(1, 0)], [image.new_empty(len(slopes), 0)]
        for layer, slope in zip(layers, linear, strict=True):
            if isinstance(layer, pieces.CHOICES):
                winner = pieces.winners(layer, x)
                values.append(_gaps(layer, x, x, winner))
                normals.append(_gaps(layer, x, slopes, winner))
                slopes = pieces.select(layer, slopes, winner.expand(len(slopes), -1))
            else:
                slopes = slope(slopes)
            x = layer(x)
        columns.append((torch.cat(normals, 1), slopes))
    values, (normals, slopes) = torch.cat(values, 1)[0], (torch.cat(each).T for each in zip(*columns, strict=True))
    real = (normals != 0).any(1)
    return RegionFaces(values[real], normals[real]), x[0], slopes


def _gaps(layer: nn.Module, at: Tensor, values: Tensor, winner: Tensor) -> Tensor:
    """What has to stay positive or negative, as a function of ``values``: ``(B, faces)``.

    For a ReLU its input; for a window the winner at ``at`` less each other member that is not 0 there.
    """
    if isinstance(layer, nn.ReLU):
        return values.flatten(1)
    best = pieces.select(layer, values, winner.expand(len(values), -1))[..., None, None]
    bounds = ~pieces.is_winner(layer, at, winner) & (pieces.windows(layer, at) != 0)
    return (best - pieces.windows(layer, values)).flatten(1)[:, bounds.flatten()]
