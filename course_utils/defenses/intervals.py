r"""Interval bounds: what the logits can be, at least and at most, for every image of a box around the given one.

The box |x' - x| <= eps, cut off at 0 and 1, goes through the net layer by layer, and what leaves a layer is wrapped in
a new box. A linear layer moves the centre c = (l + h) / 2 and spreads the radius r = (h - l) / 2,

    c' = W c + b,        r' = |W| r,

and a layer that never falls, such as ReLU or max pooling, maps both ends by itself. The last layer is merged with the
question: the margin f_y - f_j of the label is one linear map of what comes before, and

    f_y - f_j  >=  (w_y - w_j) c + b_y - b_j - |w_y - w_j| r.

If that is above 0 for all j, no image of the box is classified as anything but y: this is a proof, not the failure of
an attack. The reverse does not hold. Each box is wider than what it wraps, so that most nets prove nothing;
`IntervalLoss` trains one to be provable, on the worst logits z_y = 0, z_j = -(lower bound of f_y - f_j). Gowal et al.,
arXiv 1810.12715.

Rounding. The network, too, computes with rounded numbers, so what is bounded is each number that it computes, not an
ideal. A sum of n products is off by no more than (n + 1) u / (1 - (n + 1) u) times |W| |x| + |b|, in whichever order it
is summed (Higham 2002, chapter 3), with u = 2^-24 in float32. Such an error enters three times, in W c + b, in |W| r
and in the network's own W x' + b. So r grows by 4 (n + 8) u (|c| + r) before it goes through |W|, and r' by as much of
|b|: the proof then holds for the computed numbers as it does for the ideal ones. What numbers below 1e-38 lose is
left out.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from course_utils import evaluation, models
from course_utils.core.checks import check_budget, check_images, check_labels
from course_utils.core.tensors import portions
from course_utils.layers import flattened, oddity
from course_utils.training import Moment, TimedLoss

LINEAR = (nn.Linear, nn.Conv2d, nn.AvgPool2d, nn.BatchNorm2d)
RISING = (nn.ReLU, nn.MaxPool2d, nn.Flatten, nn.Dropout, nn.Identity, models.Normalise)  # rounding keeps their order
CURVED = (nn.Sigmoid, nn.Tanh)  # rise as well, but are computed to a few units in the last place only
COST = 13  # of a box beside an image, in `core.tensors.portion`: 100 digits go through at once


def Provable() -> nn.Sequential:
    """The net that the course trains to be proved: `models.Strided`, half as wide again. 255,198 parameters."""
    return models.Strided(24)


def verified(model: nn.Module, images: Tensor, labels: Tensor, eps: float) -> Tensor:
    """Whether it is proved that ``model`` gives each image its label within all of ``eps`` and [0, 1]: bool ``(N,)``.

    False says that there is no proof, which need not be a mistake: there may be no attack either. The model is a
    sequence of `LINEAR`, `CURVED` and `RISING` layers, and taken in evaluation mode. A layer that may compute anything
    else than these do, by a ``forward`` of its own or a hook, is refused with a ValueError.

    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(1, 2, bias=False))
    >>> net[1].weight.data = torch.tensor([[1.0], [0.9]])  # class 0 leads wherever the pixel is above 0
    >>> verified(net, torch.tensor([[[[0.5]]], [[[0.1]]]]), torch.tensor([0, 0]), eps=0.2)
    tensor([ True, False])
    """
    layers, device = _checked_layers(model, images, eps), evaluation.device_of(model)
    classes = evaluation.logits(model, images[:1]).shape[1]  # says what is wrong where the images do not fit
    labels = check_labels(labels, len(images), classes).to(device)
    with torch.no_grad(), evaluation.mode(model, False):
        parts = portions(images.detach().to(device), labels, cost=COST)
        margins = torch.cat([_margins(layers, *_box(part, eps), own) for part, own in parts])
    return ((margins > 0).sum(1) == classes - 1).to(images.device)


@dataclass(frozen=True)
class IntervalLoss(TimedLoss):
    """A loss for `training.fit`: ``k * CE(logits) + (1 - k) * CE(worst logits within e)``. Train without decay.

    In the first ``warmup`` part of the steps e grows from 0 to ``eps`` and k falls from 1 to ``kappa``; with the whole
    box from the start, the bounds of a fresh net are so wide that it learns to answer the same to all images.

    Somewhat more ``eps`` than that of the proofs makes these easier. Each batch is moved as a whole by up to ``shift``
    pixels along both axes; where this uncovers something, the edge is repeated. A net proves fewer digits that it has
    not seen than digits of its training, and moving them narrows that gap.
    """

    eps: float
    warmup: float = 0.5
    kappa: float = 0.5
    shift: int = 0
    keep = "latest"

    def __post_init__(self):
        check_budget(self.eps, "linf")
        for name, value in (("warmup", self.warmup), ("kappa", self.kappa)):
            if not 0 <= value <= 1:
                raise ValueError(f"{name}={value}: want a number in [0, 1]")

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor, moment: Moment) -> Tensor:
        if moment.step == 1:
            _checked_layers(model, images[:1], self.eps)
        images = self._moved(images, moment.generator)
        growing = int(self.warmup * moment.steps)
        grown = torch.linspace(0, 1, growing)[moment.step - 1].item() if moment.step <= growing else 1.0
        with evaluation.mode(model, False):
            box = _box(images, grown * self.eps)
            worst = -_margins(list(flattened(model)), *box, labels, rounding=False)
        weight = grown * (1 - self.kappa)
        value = weight * F.cross_entropy(worst, labels)
        return value if weight == 1 else value + (1 - weight) * F.cross_entropy(model(images), labels)

    def _moved(self, images: Tensor, generator: torch.Generator) -> Tensor:
        height, width = images.shape[2:]
        if not isinstance(self.shift, int) or self.shift not in range(min(height, width)):
            most = min(height, width) - 1
            raise ValueError(f"shift={self.shift!r}: want a whole number of pixels, from 0 to {most} for these images")
        if not self.shift:
            return images
        top, left = torch.randint(2 * self.shift + 1, (2,), generator=generator).tolist()
        return F.pad(images, 4 * [self.shift], mode="replicate")[:, :, top : top + height, left : left + width]


def _checked_layers(model: nn.Module, images: Tensor, eps: float) -> list[nn.Module]:
    """The layers of a net through which a box can be carried, in order; refuse anything else."""
    check_budget(eps, "linf")
    device = evaluation.device_of(model)
    evaluation.initialise(model, check_images(images)[:1])
    layers = list(flattened(model))
    for number, layer in enumerate(layers):
        if reason := oddity(layer, (*LINEAR, *CURVED, *RISING)):
            kind = type(layer).__name__
            raise ValueError(f"the model holds a {kind}, and no rule here leads through it. Layer {number}: {reason}")
    if images.dtype not in (torch.float32, torch.float64) or torch.is_autocast_enabled(device.type):
        raise ValueError("no proof is known for half precision: want float32 or float64, and no torch.autocast")
    return layers


def _box(images: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """The lowest and the highest pixels within ``eps`` and [0, 1], one unit in the last place farther than that."""
    eps = eps + torch.finfo(images.dtype).eps
    return (images - eps).clamp(0, 1), (images + eps).clamp(0, 1)


def _through(layers: list[nn.Module], low: Tensor, high: Tensor, rounding: bool = True) -> tuple[Tensor, Tensor]:
    for layer in layers:
        if isinstance(layer, LINEAR):
            low, high = _linear(layer, low, high, rounding)
        else:
            low, high = layer(low), layer(high)
            if isinstance(layer, CURVED) and rounding:
                slack = _slack(layer, low)
                low, high = low - slack * low.abs(), high + slack * high.abs()
    return low, high


def _linear(layer: nn.Module, low: Tensor, high: Tensor, rounding: bool) -> tuple[Tensor, Tensor]:
    """The box that leaves a linear layer."""
    slack = _slack(layer, low) if rounding else 0.0
    centre = torch.lerp(low, high, 0.5)
    radius = high - centre
    size = {name: weights.abs() for name, weights in layer.named_parameters()}
    if "bias" in size:
        size["bias"] = slack * size["bias"]
    if isinstance(layer, nn.BatchNorm2d):
        size["running_mean"] = torch.zeros_like(layer.running_mean)
    if rounding:
        radius.mul_(1 + slack).add_(centre.abs(), alpha=slack)
        if isinstance(layer, nn.BatchNorm2d):  # W (x - mean) + b
            radius.add_(layer.running_mean.abs()[:, None, None], alpha=slack)
    centre, radius = layer(centre), functional_call(layer, size, radius)
    return centre - radius, centre + radius


def _margins(layers: list[nn.Module], low: Tensor, high: Tensor, labels: Tensor, rounding: bool = True) -> Tensor:
    """Lower bounds of f_y - f_j for the label y and each class j, ``(N, K)``, with 0 for j = y."""
    *body, head = [layer for layer in layers if not isinstance(layer, nn.Identity | nn.Dropout)]
    own = labels[:, None]
    if not isinstance(head, nn.Linear):
        low, high = _through(layers, low, high, rounding)
        return (low.gather(1, own) - high).scatter(1, own, 0.0)
    low, high = _through(body, low, high, rounding)
    centre, weight = torch.lerp(low, high, 0.5), head.weight
    radius, logits = high - centre, head(centre)
    apart = (weight[labels][:, None] - weight).abs()  # (N, K, units)
    lower = logits.gather(1, own) - logits - (apart @ radius[:, :, None])[:, :, 0]
    if rounding:
        size = F.linear(centre.abs() + radius, weight.abs(), None if head.bias is None else head.bias.abs())
        lower = lower - _slack(head, low) * (size.gather(1, own) + size)
    return lower.scatter(1, own, 0.0)


def _slack(layer: nn.Module, values: Tensor) -> float:
    """By how much of |W| |x| + |b| a box grows, so that the sums of products stay in it as they are computed."""
    terms = 1
    if isinstance(layer, nn.AvgPool2d):
        sides = layer.kernel_size
        terms = sides**2 if isinstance(sides, int) else math.prod(sides)
    elif isinstance(layer, nn.Linear | nn.Conv2d):
        terms = layer.weight[0].numel()
    slack = 2 * (terms + 8) * torch.finfo(values.dtype).eps
    if values.is_cuda and values.dtype == torch.float32:
        slack += 2**-7  # TF32 keeps 10 bits of each factor
    return slack
