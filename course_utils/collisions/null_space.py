r"""What a network does not see: the null space of its first layer, and of its Jacobian.

A first layer ``W x + b`` with fewer units than pixels is blind to the D - rank(W) dimensions of the null space of W:
change the picture along them by any amount, and nothing that follows can know. A layer with more units than pixels may
have rank D, and then it sees all. But the whole network has K outputs, so at each image its Jacobian has a null space
of at least D - K dimensions. That is blindness to first order alone: along a straight line the logits move after a
while, and how far one gets says how curved, or how finely folded, the network is.
"""

import itertools

import torch
from torch import Tensor, nn

from course_utils import evaluation
from course_utils.collisions.match_logits import (
    Collision,
    answers,
    check_pair,
    collision,
    project_to_logits,
    tangent_step,
)
from course_utils.core.checks import check_shape
from course_utils.core.tensors import length, spread
from course_utils.dimensions.crossing import first_crossing
from course_utils.dimensions.regions.pieces import AFFINE
from course_utils.layers import flattened, oddity

TOLERANCE = 1e-5  # fraction of the largest singular value up to which another counts as 0
GRID = 64  # steps along a line, to find where a logit first moves by the amount


def first_layer_matrix(model: nn.Module, shape: tuple[int, int, int]) -> Tensor:
    """The matrix ``(M, D)`` of the layers up to the first that is not affine, from images of one ``shape``, (C, H, W).

    Its columns are what these layers make of each pixel alone, less what they make of black.

    Raises:
        ValueError: not even the first layer is known to be affine, or it cannot take such images.

    >>> first_layer_matrix(nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU()), (1, 5, 5)).shape
    torch.Size([27, 25])
    """
    shape = check_shape(shape)
    size = shape[0] * shape[1] * shape[2]
    layers = list(itertools.takewhile(lambda layer: not oddity(layer, AFFINE), flattened(model)))
    if not layers:
        first = next(flattened(model), None)
        name, reason = ("nothing", "there is no layer") if first is None else (first, oddity(first, AFFINE))
        raise ValueError(f"the model starts with {name}, which is not affine: no null space is known ({reason})")
    affine = nn.Sequential(*layers)
    how = dict(device=evaluation.device_of(model), dtype=evaluation.dtype_of(model))
    pixels = torch.eye(size, **how).view(size, *shape)
    with torch.no_grad(), evaluation.mode(affine, False), evaluation.naming(model, pixels):
        black = affine(torch.zeros(1, *shape, **how)).flatten(1)
        return (affine(pixels).flatten(1) - black).T.contiguous()


def _row_space(weight: Tensor) -> Tensor:
    """Orthonormal rows ``(rank, D)`` that span what a matrix ``(M, D)`` sees."""
    small = weight.cpu().double()
    if len(small) > small.shape[1]:
        small = torch.linalg.qr(small, mode="r").R  # the same null space, in fewer rows
    _, stretch, rows = torch.linalg.svd(small)
    return rows[: int((stretch > TOLERANCE * stretch[:1]).sum())].to(weight)


def null_space_perturbation(model: nn.Module, images: Tensor, towards: Tensor) -> Collision:
    """The picture nearest to ``towards`` within [0, 1] that the first layer cannot tell from each image.

    Where nothing is invisible, images come back as they are. The first layer is that of `first_layer_matrix`.

    Returns:
        `Collision`, with the logits of the whole model compared, to 1e-4. Where few pixels of a picture lie between 0
        and 1, the search may miss the one there is, and says so: the image itself is always one.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 1), nn.ReLU())
    >>> null_space_perturbation(model, torch.full((1, 1, 2, 2), 0.5), torch.rand(1, 1, 2, 2)).found
    tensor([True])
    """
    check_pair(images, towards, "towards")
    before, images = answers(model, images), images.detach()
    seen = _row_space(first_layer_matrix(model, images.shape[1:]).to(images))
    found = images.clone()
    if len(seen) < seen.shape[1]:
        pairs = zip(images.flatten(1), towards.flatten(1), strict=True)  # one by one: the solver's matrix is large
        found = torch.cat([project_to_logits(y[None], seen[None], (seen @ x)[None]) for x, y in pairs]).view_as(images)
    return collision(model, found, before)


def jacobian_null_space(model: nn.Module, images: Tensor, towards: Tensor) -> Tensor:
    """The pictures nearest to ``towards`` that would have the logits of each image if the net were linear around it.

    The straight line from an image to its picture lies in [0, 1] and in the null space of the Jacobian: see
    `distance_until_logits_move`. On an even ground all pixels of a max-pooling window tie; there a net has a kink, and
    no derivative is the one.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(2, 1, bias=False))
    >>> model[1].weight.data = torch.tensor([[1.0, 1.0]])
    >>> jacobian_null_space(model, torch.tensor([[[[0.2, 0.2]]]]), torch.tensor([[[[0.9, 0.1]]]]))
    tensor([[[[0.4000, 0.0000]]]])
    """
    check_pair(images, towards, "towards")
    answers(model, images[:1])
    device = evaluation.device_of(model)
    return tangent_step(model, images.to(device), towards.to(device)).to(images)


@torch.no_grad()
def distance_until_logits_move(model: nn.Module, images: Tensor, ends: Tensor, amount: float) -> Tensor:
    """How far one can go from each image straight towards its end until a logit has moved by ``amount``: ``(N,)``.

    The line is looked at in 64 places, and the first with a larger change is refined by halving. The answer is a
    Euclidean length, that of the whole line where no logit moves so far.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(2, 1, bias=False))
    >>> model[1].weight.data = torch.tensor([[1.0, 0.0]])
    >>> x, end = torch.zeros(1, 1, 1, 2), torch.tensor([[[[1.0, 0.0]]]])
    >>> distance_until_logits_move(model, x, end, amount=0.25)
    tensor([0.2500])
    """
    check_pair(images, ends, "ends")
    if not 0 < amount < float("inf"):
        raise ValueError(f"amount={amount}: want a change of a logit above 0")
    before = answers(model, images).to(images.device)

    def moved(t: Tensor, rows: Tensor) -> Tensor:
        at = torch.lerp(images[rows], ends[rows], spread(t, images)).clamp(0, 1)
        return (answers(model, at).to(images.device) - before[rows]).abs().amax(1) > amount

    fraction = first_crossing(moved, torch.linspace(0, 1, GRID + 1).to(images), len(images))
    return fraction.clamp_max(1) * length(ends - images)
