"""Pictures of nothing for the studies, and recognisers of digits that took no part in making them.

`seen` is what a person sees who steps back: blurred, and in the contrast of digits, so that a faint stroke in noise
counts as well as a bold one; dark on light counts as light on dark does. A picture is recognised if there is a digit in
it at all, a correlation of 0.5 with one of the 60,000 training digits, and if that digit or a network of another
training and architecture names it. What is recognised of faint digits, a quarter digit and three quarters noise, which
one can just read, is stored beside what is judged. Without the first condition, noise in which nobody sees a digit
would count for the trace that a search leaves.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils import evaluation
from course_utils.fooling import CPPN, Direct, ascend, map_elites
from course_utils.fooling.map_elites import Archive
from course_utils.images.physical import blur
from course_utils.manifold import nearest
from course_utils.models import MNIST_MEAN, MNIST_STD
from course_utils.studies.networks import digits

SURE, CLASSES, STEPS = 0.9999, 10, 300
BLUR, LIKE, FAINT = 1.0, 0.5, 0.25  # pixels; correlation; the digit's share in a picture of digit and noise


def evolved(
    model: nn.Module, encoding: Direct | CPPN, generations: int, generator: torch.Generator, population: int = 200
) -> Archive:
    """What evolution finds, by default with the published population."""
    how = dict(generations=generations, population=population, generator=generator, progress=False)
    return map_elites(model, encoding, **how)


def longer(run: Archive, turns: int, model: nn.Module, encoding: CPPN | Direct, **how) -> Iterator[Archive]:
    """A run of evolution, and then what it has come to after as many generations as ``how`` says, turn by turn."""
    yield run
    for _ in range(turns - 1):
        run = map_elites(model, encoding, resume=run, **how)
        yield run


def climbed(model: nn.Module, runs: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Images after 300 steps of plain gradient ascent from noise, ``runs`` for each class, and their classes."""
    targets = torch.arange(CLASSES).repeat(runs)
    return ascend(model, targets, steps=STEPS, generator=generator, progress=False), targets


def sure(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Whether the model gives each image its label at 99.99 %: bool ``(N,)``."""
    return evaluation.logits(model, images).softmax(1).gather(1, labels[:, None])[:, 0] >= SURE


def seen(images: Tensor) -> Tensor:
    """The images blurred, with mean and deviation of digits: ``(N, 1, H, W)``, and no longer inside [0, 1]."""
    images = blur(images, BLUR)
    mean, deviation = images.mean((1, 2, 3), keepdim=True), images.std((1, 2, 3), keepdim=True)
    return MNIST_MEAN + MNIST_STD * (images - mean) / deviation.clamp_min(1e-3)


def recognised(images: Tensor, labels: Tensor, other: nn.Module) -> Tensor:
    """Whether there is a digit in each image, and it is read as its label: bool ``(N,)``."""
    return reading(images, labels, other)[0]


def reading(images: Tensor, labels: Tensor, other: nn.Module) -> tuple[Tensor, Tensor]:
    """Whether each image is recognised; whether the nearest digit or the network names it, be it a digit or not."""
    found = []
    for look in (images, 1 - images):  # light on dark, as digits are, and dark on light
        alike, nearest_label = likeness(look)
        read = evaluation.predict(other, seen(look).clamp(0, 1)).labels
        named = (nearest_label == labels) | (read == labels)
        found.append((named & (alike >= LIKE), named))
    return found[0][0] | found[1][0], found[0][1]


def likeness(images: Tensor) -> tuple[Tensor, Tensor]:
    """The correlation of each image with the nearest training digit, as both are seen, and that digit's label."""
    images, train = seen(images), digits().train
    known = seen(train.images)
    rows = nearest(images, known, 1, progress=False).rows[:, 0]
    both = [some.flatten(1) - some.mean((1, 2, 3))[:, None] for some in (images, known[rows])]
    return F.cosine_similarity(*both), train.labels[rows]


def recognition(other: nn.Module, generator: torch.Generator, number: int = 200) -> dict[str, float]:
    """The shares that are recognised of test digits, of faint digits in noise, and of noise, which is no digit."""
    test = digits().test[:number]
    noise = torch.rand(test.images.shape, generator=generator)
    kinds = {"digits": test.images, "faint digits": FAINT * test.images + (1 - FAINT) * noise, "noise": noise}
    return {kind: share(recognised(images, test.labels, other)) for kind, images in kinds.items()}


def share(yes: Tensor) -> float:
    """The share of True, rounded for storing."""
    return round(yes.double().mean().item(), 4)
