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


class Decide(nn.Module):
    """The last choice of a winner: the class."""

    def forward(self, logits: Tensor) -> Tensor:
        return logits


CHOICES = (nn.ReLU, nn.MaxPool2d, Decide)


def piecewise_linear(model: nn.Module) -> Iterator[nn.Module]:
    """The layers of an ``nn.Sequential``, nested ones unpacked, all of them piecewise linear in evaluation mode.

    Raises:
        TypeError: the model is no ``nn.Sequential``, or one that does more than run its layers.
        ValueError: the first layer that is not piecewise linear, or not known here.

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
        pools = isinstance(layer, nn.MaxPool2d)
        if pools and (layer.padding not in (0, (0, 0)) or layer.dilation not in (1, (1, 1)) or layer.ceil_mode):
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
    layers = list(piecewise_linear(model))
    device = evaluation.device_of(model)
    if device.type == "mps" and dtype == torch.float64:  # which has none
        device = torch.device("cpu")
    plain = torch.contiguous_format
    layers = [copy.deepcopy(layer).to(device, dtype, memory_format=plain) for layer in layers]
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


def affine(layer: nn.Module, maps: Tensor) -> Tensor:
    """An affine layer on functions ``a + u b + ...``, ``(P, n, ...)``: itself on a, its linear part on the rest."""
    rest = without_constant(layer)(maps[:, 1:].flatten(0, 1)).unflatten(0, (len(maps), -1))
    return torch.cat([layer(maps[:, 0])[:, None], rest], 1)


def select(layer: nn.Module, maps: Tensor, winner: Tensor) -> Tensor:
    """The linear function that a layer is while the winners are these ``(P, M)``, of each of ``(P, n, ...)``."""
    if isinstance(layer, Decide):
        return maps
    if isinstance(layer, nn.ReLU):
        return maps * winner.view(maps[:, :1].shape)
    chosen = winner.view(len(maps), 1, maps.shape[2], -1).expand(-1, maps.shape[1], -1, -1)
    return maps.flatten(3).gather(3, chosen).unflatten(3, windows(layer, maps[:, 0]).shape[2:4])


def windows(layer: nn.MaxPool2d, values: Tensor) -> Tensor:
    """The members of each window, a view ``(P, C, h, w, kernel height, kernel width)``."""
    (height, width), (down, right) = (
        (size, size) if isinstance(size, int) else size for size in (layer.kernel_size, layer.stride)
    )
    return values.unfold(2, height, down).unfold(3, width, right)


def is_winner(layer: nn.MaxPool2d, values: Tensor, winner: Tensor) -> Tensor:
    """Which members of the windows of `windows` are the winners ``(P, M)``."""
    height, width = values.shape[2:]
    places = windows(layer, torch.arange(height * width, device=values.device).view(1, 1, height, width))
    return places == winner.view(*values.shape[:2], *places.shape[2:4], 1, 1)


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
