r"""How big is a change? Four rulers, each one number an image.

With r = x' - x and n values an image (pixels times channels):

    linf = max |r_i|,   l2 = sqrt(sum r_i^2),   l0 = number of values that changed,
    distortion = l2 / sqrt(n), Szegedy's root mean square (arXiv 1312.6199, section 4.2).
"""

from torch import Tensor


def linf(a: Tensor, b: Tensor) -> Tensor:
    """The largest change of one value: two batches ``(N, C, H, W)`` -> ``(N,)`` in pixel units.

    >>> import torch
    >>> linf(torch.zeros(2, 1, 2, 2), torch.tensor([0.5, 0.25]).view(2, 1, 1, 1).expand(2, 1, 2, 2))
    tensor([0.5000, 0.2500])
    """
    return _change(a, b).abs().amax(dim=1)


def l2(a: Tensor, b: Tensor) -> Tensor:
    """The Euclidean distance: two batches ``(N, C, H, W)`` -> ``(N,)`` in pixel units."""
    return _change(a, b).norm(dim=1)


def l0(a: Tensor, b: Tensor) -> Tensor:
    """How many values changed at all: two batches ``(N, C, H, W)`` -> int64 ``(N,)``."""
    return (_change(a, b) != 0).sum(dim=1)


def distortion(a: Tensor, b: Tensor) -> Tensor:
    """Szegedy's root mean square change: two batches ``(N, C, H, W)`` -> ``(N,)`` in pixel units.

    >>> import torch
    >>> distortion(torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), 0.3))
    tensor([0.3000])
    """
    change = _change(a, b)
    return change.norm(dim=1) / change.shape[1] ** 0.5


def _change(a: Tensor, b: Tensor) -> Tensor:
    if a.shape != b.shape:
        raise ValueError(f"the two batches differ in shape: {tuple(a.shape)} and {tuple(b.shape)}")
    return (b - a).flatten(1)
