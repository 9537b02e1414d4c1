"""N6-field: does LeNet-5 lose more than a network that cannot know how parts relate when quarters are shuffled?

The other network is a LeNet without pooling, whose two convolutions see 9 x 9 pixels; its dense layers judge each such
patch by itself, and the evidence of 100 patches, two pixels apart, is averaged (the BagNets of Brendel and Bethge
2019). Whatever order the patches come in, the average is the same: what it loses, the patches across seams cost. If
LeNet-5 loses about as much, it makes no use of the order either; if it loses more, it does.

Beside the losses stand digits in conflict: a whole digit, and over it the shuffled quarters of one of another class,
the brighter pixel counting. The parts of both are there, and only the whole one is in order. Of the pictures that are
read as one of the two, the share that is read as the whole one says how much order counts.
"""

from functools import partial

import torch
from torch import Tensor, nn

from course_utils import evaluation
from course_utils.data import Split
from course_utils.images.collage import shuffle
from course_utils.models import MNIST_MEAN, MNIST_STD, Normalise
from course_utils.studies.claims import RULES
from course_utils.studies.engine import Study
from course_utils.studies.networks import digits, network, seeds
from course_utils.studies.pictures import share
from course_utils.training import fit
from course_utils.zoo.recipe import Recipe

QUARTERS = 2  # parts along a side


class Evidence(nn.Module):
    """The mean of the patches' logits: ``(N, K, h, w)`` -> ``(N, K)``."""

    def forward(self, patches: Tensor) -> Tensor:
        return patches.mean((2, 3))


def SmallFields() -> nn.Sequential:
    """A LeNet with a receptive field of 9 pixels.

    >>> SmallFields()[:-1](torch.zeros(1, 1, 28, 28)).shape
    torch.Size([1, 10, 10, 10])
    """
    return nn.Sequential(
        Normalise([MNIST_MEAN], [MNIST_STD]),
        nn.Conv2d(1, 6, 5),  # (N, 6, 24, 24)
        nn.ReLU(),
        nn.Conv2d(6, 16, 5, stride=2),  # (N, 16, 10, 10)
        nn.ReLU(),
        nn.Conv2d(16, 120, 1),
        nn.ReLU(),
        nn.Conv2d(120, 84, 1),
        nn.ReLU(),
        nn.Conv2d(84, 10, 1),
        Evidence(),
    )


SMALL = Recipe(SmallFields, partial(fit, epochs=3, lr=4e-3))


def conflicts(split: Split, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Whole digits under the shuffled quarters of others; the labels of both, which differ."""
    order = torch.randperm(len(split), generator=generator)
    differ = split.labels != split.labels[order]
    whole, other = split[differ], split[order[differ]]
    return whole.images.maximum(shuffle(other.images, QUARTERS, generator=generator)), whole.labels, other.labels


def read(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Whether each image is read as its label."""
    return evaluation.predict(model, images).labels == labels


def lost(seed: int, generator: torch.Generator) -> dict:
    """What LeNet-5 loses by shuffled quarters less what the other loses; accuracies of both, and digits in conflict."""
    test = digits().test
    shuffled = shuffle(test.images, QUARTERS, generator=generator)
    mixed, whole, other = conflicts(test, generator)
    found, losses = {}, []
    for name, recipe in (("lenet5", None), ("n6-small-fields", SMALL)):
        model = network(name, seed, recipe)
        intact, moved = (share(read(model, images, test.labels)) for images in (test.images, shuffled))
        one, two = read(model, mixed, whole), read(model, mixed, other)
        losses.append(intact - moved)
        found[name] = {
            "whole": intact,
            "shuffled": moved,
            "conflict, one of the two": share(one | two),
            "of these, the whole one": share(one[one | two]),
        }
    return {"value": round(losses[0] - losses[1], 4)} | found


STUDIES = (Study(RULES["N6-field"], seeds(10), lost, again=seeds(5, 10)),)
