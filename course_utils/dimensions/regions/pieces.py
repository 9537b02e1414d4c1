r"""Behind lines, planes and faces: a network of ReLUs is one affine function in each of very many convex pieces.

A ReLU unit is ``max(z, 0)`` and a max-pool window is ``max(z_1, ..., z_w)``. Both choose a winner among affine
functions, and as long as every winner stays, the network is

    f(x) = A x + b

Where a winner changes lies a *face*, a piece of the hyperplane on which two of these functions agree. All points with
the same winners form a *region*, a convex polyhedron. (Where a unit changes that no later layer looks at, two regions
have one function: what is counted here are the regions of the winners, the activation regions of Hanin and Rolnick,
arXiv 1906.00904.)

Here are the layers of such a network, checked and copied, in float64 where faces are to be exact; and for a layer that
chooses, who wins, among whom, and what the layer is while the winners stay.
"""

import copy
import itertools
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils import evaluation
from course_utils.layers import flattened, oddity
from course_utils.models import Normalise

AFFINE = (
    *(Normalise, nn.Linear, nn.Conv2d, nn.AvgPool2d, nn.Flatten, nn.BatchNorm1d, nn.BatchNorm2d),
    *(nn.Dropout, nn.Identity),
)
KNOWN = (*AFFINE, nn.ReLU, nn.MaxPool2d)
COST = 4  # of a point that is cut into pieces, in `core.tensors.portion`: memory grows with one portion's regions


class Decide(nn.Identity):
    """The last choice of a winner: the class."""


CHOICES = (nn.ReLU, nn.MaxPool2d, Decide)


def piecewise_linear(model: nn.Module) -> Iterator[nn.Module]:
    """The layers of an ``nn.Sequential``, nested ones unpacked, all of them piecewise linear in evaluation mode.

    Raises:
        TypeError: the model is no ``nn.Sequential``, or one that does more than run its layers.
        ValueError: a layer that is not piecewise linear, or not known here; the message names the first.

    >>> list(piecewise_linear(nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Sigmoid()))))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    ValueError: layer 1, Sigmoid(), is not piecewise linear, or not known to be: it is none of Normalise, Linear, ...
    """
    if reason := oddity(model, [nn.Sequential]):
        kind = type(model).__name__
        raise TypeError(f"the model is a {kind}, not an nn.Sequential that only runs layer after layer: {reason}")
    for number, layer in enumerate(flattened(model)):
        name = f"layer {number}, {' '.join(str(layer).split())}"
        if reason := oddity(layer, KNOWN):
            raise ValueError(f"{name}, is not piecewise linear, or not known to be: {reason}")
        if isinstance(layer, nn.MaxPool2d):
            plain = layer.padding in (0, (0, 0)) and layer.dilation in (1, (1, 1)) and not layer.ceil_mode
            if not plain:
                raise ValueError(f"{name}: max-pooling is known here without padding, dilation, ceil_mode")
        yield layer


@torch.no_grad()
def without_constant(layer: nn.Module) -> nn.Module:
    """A copy of an affine layer that is its linear part, ``A x`` instead of ``A x + b``."""
    layer = copy.deepcopy(layer)
    for name in ("bias", "mean", "running_mean"):
        if getattr(layer, name, None) is not None:
            getattr(layer, name).zero_()
    return layer


def copy_layers(model: nn.Module, images: Tensor, dtype: torch.dtype = torch.float64) -> tuple[list[nn.Module], Tensor]:
    """The layers of a piecewise linear model, copied in this precision and in evaluation mode, and the images."""
    evaluation.initialise(model, images[:1])
    device = evaluation.device_of(model)
    if device.type == "mps" and dtype == torch.float64:  # which has none
        device = torch.device("cpu")
    plain = torch.contiguous_format
    layers = [copy.deepcopy(layer).to(device, dtype, memory_format=plain) for layer in piecewise_linear(model)]
    for layer in layers:
        layer.eval().requires_grad_(False)
        if isinstance(layer, nn.ReLU):
            layer.inplace = False
    return layers, images.detach().to(device, dtype).contiguous()


def check_points(name: str, images: Tensor) -> Tensor:
    """Floats ``(N, C, H, W)`` that may leave [0, 1]."""
    if not isinstance(images, Tensor) or not images.is_floating_point():
        kind = images.dtype if isinstance(images, Tensor) else type(images).__name__
        raise TypeError(f"{name} is {kind}, not a float tensor: convert with torch.as_tensor(...).float()")
    if images.ndim != 4 or not images.numel():
        raise ValueError(f"{name} has shape {tuple(images.shape)}, not (N, C, H, W): for one image write image[None]")
    if not images.isfinite().all():
        raise ValueError(f"{name} holds NaN or infinity: look for a division by zero before this call")
    return images


def winners(layer: nn.Module, values: Tensor) -> Tensor:
    """Who wins in each unit or window, ``(P, M)``: on or off, a place in the picture, a class."""
    if isinstance(layer, nn.ReLU):
        return values.flatten(1) > 0
    if isinstance(layer, Decide):
        return values.argmax(1, keepdim=True)
    return F.max_pool2d(values, layer.kernel_size, layer.stride, return_indices=True)[1].flatten(1)


def select(layer: nn.Module, values: Tensor, winner: Tensor) -> Tensor:
    """What the layer makes of ``values`` if the winners are these ``(P, M)``: its linear part in one region."""
    if isinstance(layer, nn.ReLU):
        return values * winner.view(values.shape)
    shape = windows(layer, values).shape[:4]
    return values.flatten(2).gather(2, winner.view(*shape[:2], -1)).view(shape)


def windows(layer: nn.MaxPool2d, values: Tensor) -> Tensor:
    """The members of each window, a view ``(P, C, h, w, kernel height, kernel width)``."""
    (height, width), (down, right) = (
        (size, size) if isinstance(size, int) else size for size in (layer.kernel_size, layer.stride)
    )
    return values.unfold(2, height, down).unfold(3, width, right)


def _places(layer: nn.MaxPool2d, values: Tensor) -> Tensor:
    """Where in the picture the members of each window are, as `winners` counts: ``(1, 1, h, w, height, width)``."""
    height, width = values.shape[2:]
    return windows(layer, torch.arange(height * width, device=values.device).view(1, 1, height, width))


def is_winner(layer: nn.MaxPool2d, values: Tensor, winner: Tensor) -> Tensor:
    """Which members of the windows of `windows` are the winners ``(P, M)``."""
    places = _places(layer, values)
    return places == winner.view(len(values), values.shape[1], *places.shape[2:4], 1, 1)


def rivals(layer: nn.MaxPool2d, winner: Tensor, *values: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Position by position in the windows: the members ``(P, C, h, w)`` of several tensors, and which are no winner."""
    views = [*(windows(layer, each) for each in values), _places(layer, values[0])]
    for y, x in itertools.product(*map(range, views[0].shape[4:])):
        *members, place = (view[..., y, x] for view in views)
        yield *members, place != winner.view(members[0].shape)


def members(layer: nn.Module, values: Tensor, rows: Tensor, units: Tensor) -> Tensor:
    """Between what some units or windows choose: rows ``(n,)`` and units ``(n,)`` -> ``(n, w)``."""
    if isinstance(layer, nn.ReLU):
        value = values.flatten(1)[rows, units]
        return torch.stack([value, torch.zeros_like(value)], 1)
    if isinstance(layer, Decide):
        return values[rows]
    view = windows(layer, values)
    channel, y, x = torch.unravel_index(units, view.shape[1:4])
    return view[rows, channel, y, x].flatten(1)
