"""The model zoo: every network of the course, by name.

    zoo.load("lenet5", seed=3)      trained on MNIST by its recipe, or taken from the cache: `mnist.RECIPES`
    zoo.load("small-fast")          trained to resist, shipped in ``data/models``: `robust.RECIPES`
    zoo.load("mobilenet_v2")        trained on ImageNet, by others: any classifier of torchvision

A name that is none of these is refused, with the closest one.
"""

import torch
from torch import nn

from course_utils import runtime
from course_utils.core.checks import no_such
from course_utils.zoo import imagenet, mnist, robust

__all__ = ["imagenet", "load", "mnist", "robust"]


def load(name: str, *, seed: int = 0, device: torch.device | str | None = None, progress: bool = True) -> nn.Sequential:
    """A network by its name, in evaluation mode on ``device``; None is `runtime.device`.

    ``seed`` is for a network that is trained here: another one, of first weights and of the order of the images, is
    another network. An OSError says what to do where a file is damaged, or missing and not to be had.

    >>> load("lenet-5")
    Traceback (most recent call last):
    ...
    ValueError: no network is called 'lenet-5'; did you mean 'lenet5'?
    """
    device = runtime.device() if device is None else torch.device(device)
    ours = [*mnist.RECIPES, *robust.RECIPES]
    if name not in ours and name not in imagenet.names():
        raise no_such("network", name, ours + imagenet.names(), f"there are {', '.join(ours)} and torchvision's")
    if seed and name not in mnist.RECIPES:
        raise ValueError(f"seed={seed}: {name!r} is stored as one network; seeds are for {', '.join(mnist.RECIPES)}")
    if name in mnist.RECIPES:
        net = mnist.trained(name, seed=seed, device=device, progress=progress)
    else:
        net = robust.shipped(name)[0] if name in ours else imagenet.classifier(name)
    return net.to(device, memory_format=torch.channels_last).eval()
