"""LeNet and friends: a model maps images ``(N, 1, 28, 28)`` in [0, 1] to logits ``(N, 10)``.

Normalisation is a layer of the model. So an attack, a drawing or a learner meets pixels in [0, 1] everywhere, and
nobody can forget to normalise, or do it twice.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

MNIST_MEAN, MNIST_STD = 0.1307, 0.3081  # of the 47 million training pixels


class Normalise(nn.Module):
    """``(x - mean) / std``, channel by channel, with constants that travel with the model and are never trained.

    ``mean`` and ``std`` are in pixel units [0, 1]; a single number serves all channels.

    >>> Normalise([0.5], [0.25])(torch.ones(1, 1, 2, 2)).unique()
    tensor([2.])
    """

    def __init__(self, mean: Sequence[float] | float, std: Sequence[float] | float):
        super().__init__()
        mean, std = ([value] if isinstance(value, (int, float)) else value for value in (mean, std))
        if len(mean) != len(std) or min(std) <= 0:
            raise ValueError(f"mean {mean} and std {std}: give one number a channel in both, and every std above 0")
        self.register_buffer("mean", torch.tensor(mean)[:, None, None])
        self.register_buffer("std", torch.tensor(std)[:, None, None])

    def forward(self, images: Tensor) -> Tensor:
        return (images - self.mean) / self.std


def LeNet5() -> nn.Sequential:
    """LeNet-5 of LeCun et al. 1998, adapted: ReLU, max pooling, full connections. 61,706 parameters.

    >>> sum(p.numel() for p in LeNet5().parameters())
    61706
    """
    return nn.Sequential(
        Normalise([MNIST_MEAN], [MNIST_STD]),
        nn.Conv2d(1, 6, 5, padding=2),  # (N, 6, 28, 28)
        nn.ReLU(),
        nn.MaxPool2d(2),  # (N, 6, 14, 14)
        nn.Conv2d(6, 16, 5),  # (N, 16, 10, 10)
        nn.ReLU(),
        nn.MaxPool2d(2),  # (N, 16, 5, 5)
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


def CaffeLeNet() -> nn.Sequential:
    """The LeNet that ships with Caffe, the net that Nguyen et al. fooled. 431,080 parameters.

    The convolutions are linear: the only ReLU stands after the first dense layer. Pixels are used as they are.

    >>> sum(p.numel() for p in CaffeLeNet().parameters())
    431080
    """
    return nn.Sequential(
        nn.Conv2d(1, 20, 5),  # (N, 20, 24, 24)
        nn.MaxPool2d(2),  # (N, 20, 12, 12)
        nn.Conv2d(20, 50, 5),  # (N, 50, 8, 8)
        nn.MaxPool2d(2),  # (N, 50, 4, 4)
        nn.Flatten(),
        nn.Linear(800, 500),
        nn.ReLU(),
        nn.Linear(500, 10),
    )


def Strided(width: int = 16) -> nn.Sequential:
    """A small net for defenses: strides take the place of pooling, so a training step costs little. 166,406 parameters.

    Bounds can be carried through all of its layers. Pixels are used as they are.

    >>> sum(p.numel() for p in Strided().parameters())
    166406
    """
    return nn.Sequential(
        nn.Conv2d(1, width, 4, stride=2, padding=1),  # (N, 16, 14, 14)
        nn.ReLU(),
        nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),  # (N, 32, 7, 7)
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(98 * width, 100),
        nn.ReLU(),
        nn.Linear(100, 10),
    )


def FC(*hidden: int, activation: Callable[[], nn.Module] = nn.ReLU) -> nn.Sequential:
    """A net of dense layers of the given widths, and ten outputs. Pixels are used as they are.

    ``FC()`` is softmax regression, the FC10 of Szegedy et al. 2013, whose FC100-100-10 has sigmoid units.

    >>> [layer.out_features for layer in FC(100, 100, activation=nn.Sigmoid) if isinstance(layer, nn.Linear)]
    [100, 100, 10]
    """
    if not all(isinstance(width, int) and width > 0 for width in hidden):
        raise ValueError(f"widths {hidden}: give whole numbers above 0, such as FC(100, 100)")
    layers, width = [nn.Flatten()], 784
    for units in hidden:
        layers += [nn.Linear(width, units), activation()]
        width = units
    return nn.Sequential(*layers, nn.Linear(width, 10))


def AE400() -> nn.Sequential:
    """The AE400-10 of Szegedy et al. 2013: softmax regression on the 400 sigmoid units of an autoencoder.

    `zoo.sparse_code` trains the first dense layer without labels; the rest of its training leaves that as it is.

    >>> sum(p.numel() for p in AE400().parameters())
    318010
    """
    return FC(400, activation=nn.Sigmoid)
