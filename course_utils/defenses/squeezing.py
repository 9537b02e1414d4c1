r"""Fewer grey levels: round every pixel before the network sees it, so that a small perturbation is rounded away.

    q(x) = round((L - 1) x) / (L - 1),        L levels from 0 to 1

With two levels it is a threshold at 1/2. Feature squeezing (Xu, Evans and Qi, arXiv 1704.01155) does this. A step
function is flat: the gradient of the network behind it is 0, so that an attack by gradients finds nothing and reports
a perfect defense. Backward pass differentiable approximation (BPDA; Athalye, Carlini and Wagner, arXiv 1802.00420)
keeps the rounding forward and takes the gradient as if it were the identity, which it is but for half a level.
"""

import torch
from torch import Tensor, nn

from course_utils import evaluation
from course_utils.core.checks import check_count


class Squeezed(nn.Module):
    """``model`` behind that rounding, to ``levels`` from 0 to 1. Its gradient in the images is 0 wherever it exists.

    >>> Squeezed(nn.Flatten(), levels=3)(torch.tensor([[[[0.2, 0.3]]]]))
    tensor([[0.0000, 0.5000]])
    """

    def __init__(self, model: nn.Module, levels: int):
        super().__init__()
        evaluation.device_of(model)
        if check_count("levels", levels) < 2:
            raise ValueError("levels=1 makes all images the same: want at least 2, black and white")
        self.model, self.levels = model, levels

    def squeeze(self, images: Tensor) -> Tensor:
        """The nearest level, pixel by pixel: shape in, shape out."""
        return torch.round((self.levels - 1) * images) / (self.levels - 1)

    def forward(self, images: Tensor) -> Tensor:
        return self.model(self.squeeze(images))


class _StraightThrough(Squeezed):
    def forward(self, images: Tensor) -> Tensor:
        fixed = images.detach()
        return self.model(self.squeeze(fixed) + (images - fixed))  # the bracket is 0, and its gradient 1


def straight_through(squeezed: Squeezed) -> nn.Module:
    """The same network with the same outputs, whose gradient passes the rounding as if it were not there (BPDA).

    It shares the weights: attack this one, and judge the images by ``squeezed``.

    >>> squeezed = Squeezed(nn.Flatten(), levels=2)
    >>> images = torch.tensor([[[[0.2, 0.7]]]], requires_grad=True)
    >>> torch.autograd.grad(straight_through(squeezed)(images).sum(), images)
    (tensor([[[[1., 1.]]]]),)
    """
    if not isinstance(squeezed, Squeezed):
        raise TypeError(f"straight_through wants a Squeezed model, not a {type(squeezed).__name__}")
    return _StraightThrough(squeezed.model, squeezed.levels)
