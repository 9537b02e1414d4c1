r"""How big is a perturbation? Four rulers for two batches ``(N, C, H, W)``, each one number an image, ``(N,)``.

With r = x' - x and n values an image (pixels times channels), in pixel units:

    linf = max |r_i|,   l2 = sqrt(sum r_i^2),   l0 = number of values that changed,
    distortion = l2 / sqrt(n), Szegedy's root mean square (arXiv 1312.6199, section 4.2).
"""

from torch import Tensor


def linf(a: Tensor, b: Tensor) -> Tensor:
    """The largest change of one value."""
    return _change(a, b).abs().amax(dim=1)


def l2(a: Tensor, b: Tensor) -> Tensor:
    """The Euclidean distance."""
    return _change(a, b).norm(dim=1)


def l0(a: Tensor, b: Tensor) -> Tensor:
    """How many values changed at all, int64."""
    return (_change(a, b) != 0).sum(dim=1)


def distortion(a: Tensor, b: Tensor) -> Tensor:
    """Szegedy's root mean square change.

    >>> import torch
    >>> distortion(torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), 0.3))
    tensor([0.3000])
    """
    return l2(a, b) / a[0].numel() ** 0.5


def _change(a: Tensor, b: Tensor) -> Tensor:
    if a.shape != b.shape:
        raise ValueError(f"the two batches differ in shape: {tuple(a.shape)} and {tuple(b.shape)}")
    return (b - a).flatten(1)
