r"""Along a whole segment at once: how far a network of ReLUs keeps to its class, without a walk from face to face.

While an image runs from start to end, as t runs from -1 to 1, each value of a layer stays within

    c + g t +- e

a zonotope. An affine layer maps c and g as it maps images, and e by the magnitudes of its weights; a ReLU that may
switch is replaced by the straight line that leaves the smallest gap, which is added to e (Singh, Gehr, Mirman, Pueschel
and Vechev, "Fast and effective robustness certification", 2018). The last layer is that of the label's margins over the
other classes: if the least of these is above 0, the class stays.
"""

import copy

import torch
from torch import Tensor, nn

from course_utils.dimensions.regions import pieces


@torch.no_grad()
def with_margins(model: nn.Module, classes: int, label: int) -> list[tuple[nn.Module, ...]]:
    """The layers, up to the label's margin over each class: as they are, without constant, and as `_magnitude`."""
    layers = [copy.deepcopy(layer).eval() for layer in pieces.piecewise_linear(model)]
    if not isinstance(layers[-1], nn.Linear):
        weight = next(model.parameters(), torch.zeros(()))
        how = dict(bias=False, device=weight.device, dtype=weight.dtype)
        layers.append(nn.utils.skip_init(nn.Linear, classes, classes, **how))
        layers[-1].weight.copy_(torch.eye(classes))
    last = layers[-1]
    last.weight.copy_(last.weight[label] - last.weight)
    if last.bias is not None:
        last.bias.copy_(last.bias[label] - last.bias)
    return [(layer, pieces.without_constant(layer), _magnitude(layer)) for layer in layers]


@torch.no_grad()
def least_margin(layers: list[tuple[nn.Module, ...]], start: Tensor, end: Tensor, label: int) -> tuple[Tensor, Tensor]:
    """A lower bound of the label's margin on the way from ``start`` to ``end``, ``(N,)``, and its scale, ``(N,)``.

    ``layers`` are those of `with_margins`; where a margin is below a small fraction of the scale, rounding decides.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(1, 2, bias=False))
    >>> model[1].weight.data = torch.tensor([[1.0], [-1.0]])
    >>> start, end = torch.tensor([0.25, 1.0]).view(2, 1, 1, 1, 1)
    >>> least_margin(with_margins(model, classes=2, label=0), start, end, label=0)[0]
    tensor([0.5000])
    """
    c, g, e = (start + end) / 2, (end - start) / 2, None
    for layer, linear, magnitude in layers:
        if isinstance(layer, nn.ReLU):
            radius = g.abs() if e is None else g.abs() + e
            low, high = c - radius, c + radius
            slope = (high.clamp_min(0) / (high.clamp_min(0) - low.clamp_max(0))).nan_to_num(0)
            gap = slope * -low.clamp_max(0) / 2
            c, g, e = slope * c + gap, slope * g, gap if e is None else slope * e + gap
        elif isinstance(layer, nn.MaxPool2d):
            winner = pieces.winners(layer, c)
            e = torch.zeros_like(c) if e is None else e
            best = [pieces.select(layer, each, winner) for each in (c, g, e)]
            gap = torch.zeros_like(best[0])  # how far another member may rise above the winner, halved
            for *member, other in pieces.rivals(layer, winner, c, g, e):
                above = member[0] - best[0] + (member[1] - best[1]).abs() + member[2] + best[2]
                gap = torch.where(other, gap.maximum(above / 2), gap)
            c, g, e = best[0] + gap, best[1], best[2] + gap
        else:
            c, g, e = layer(c), linear(g), e if e is None else magnitude(e)
    worst = c - g.abs() if e is None else c - g.abs() - e
    worst[:, label] = torch.inf
    return worst.amin(1), c.abs().amax(1)


def _magnitude(layer: nn.Module) -> nn.Module:
    """An affine layer without its constant, and with the magnitudes of its weights."""
    layer = pieces.without_constant(layer)
    if getattr(layer, "weight", None) is not None:
        layer.weight.abs_()
    return layer
