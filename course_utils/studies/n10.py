"""N10: are a bred image's activations in the first layer organised as those of its class are?

The mean activations of each class, map by map and place by place, are those of 6,000 training digits. An image is like
a class by the correlation of the two, with each map less its own mean, since how much of a detector's stimulation there
is in all is not how it is organised. What counts is the share of the nine other classes that it is less like than its
own: a half by chance, as for noise, whose class is anybody's guess. The value puts that of CPPN images at 99.99 %
between the half (0) and that of test digits (1). A share does not say how much more alike: so the likeness itself, to
the own class and to the others, stands beside it, as do later layers, and images climbed from noise.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils import evaluation
from course_utils.core.tensors import portions
from course_utils.data import Split
from course_utils.fooling import CPPN
from course_utils.studies.claims import RULES
from course_utils.studies.engine import Study
from course_utils.studies.networks import digits, network, seeds
from course_utils.studies.pictures import CLASSES, climbed, evolved, sure

GENERATIONS, CHANCE = 200, 0.5
LAYERS = {"convolution 1": 1, "convolution 2": 3, "dense 1": 7}  # of Caffe's LeNet, up to there


def organised(seed: int, generator: torch.Generator) -> dict:
    """Where the bred images stand between chance and digits in the first layer; the shares in each layer."""
    model, every = network("caffe_lenet", seed), torch.arange(CLASSES)
    bred = evolved(model, CPPN(), GENERATIONS, generator).images
    bred, train, test = Split(bred, every)[sure(model, bred, every)], digits().train[:6000], digits().test[:1000]
    kinds = {"bred": bred, "digits": test, "climbed": Split(*climbed(model, 1, generator))}
    found = {
        layer: {kind: own_and_others(model[:end], images, train) for kind, images in kinds.items()}
        for layer, end in LAYERS.items()
    }
    of_bred, of_test = (found["convolution 1"][kind][0] for kind in ("bred", "digits"))
    value = round((of_bred - CHANCE) / (of_test - CHANCE), 4)
    return {"value": value, "images": len(bred), "share of others; likeness to own class, to others": found}


def own_and_others(layers: nn.Module, images: Split, train: Split) -> list[float]:
    """The mean share of other classes whose mean activations are less like the images' than their own class's are, and
    how like the images' their own class's are, and those of others.
    """
    maps = activations(layers, train.images)
    means = torch.stack([maps[train.labels == k].mean(0) for k in range(CLASSES)])
    likeness = F.normalize(activations(layers, images.images)) @ F.normalize(means).T
    own = likeness.gather(1, images.labels[:, None])
    shares, others = (likeness < own).double().sum(1) / (CLASSES - 1), (likeness.sum(1) - own[:, 0]) / (CLASSES - 1)
    return [round(some.mean().item(), 4) for some in (shares, own, others)]


@torch.no_grad()
def activations(layers: nn.Module, images: Tensor) -> Tensor:
    """What the layers put out, each map less its mean over places; a dense layer counts as one map: ``(N, D)``."""
    found = torch.cat([evaluation.ask(layers, some) for (some,) in portions(images, cost=10)])
    maps = found.flatten(2) if found.ndim == 4 else found[:, None]
    return (maps - maps.mean(2, keepdim=True)).flatten(1)


STUDIES = (Study(RULES["N10"], seeds(10), organised, again=seeds(5, 10)),)
