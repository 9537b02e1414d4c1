r"""Randomised smoothing: let a net vote on many noisy copies of an image, and its vote cannot change within a radius.

    g(x) = the class that f(x + sigma * z) gives most often,    z normal, one number a pixel.

If f gives class A with probability p > 1/2 under the noise, then g gives A to every image nearer than

    R = sigma * Phi^-1(p)

in Euclidean distance, whatever the net is. For the worst f that has this p is a half space, and there R is the distance
to its edge. Nobody knows p, so n draws give a bound that is below it in all but a fraction alpha of the cases (Clopper
and Pearson, `core.stats`); the class is chosen by other draws, or the bound would be too high. Where it stays below
1/2, there is no certificate: the classifier abstains. Cohen, Rosenfeld and Kolter, arXiv 1902.02918.

The noise is not cut off at 0 and 1: the theorem needs all of it. `NoisyLoss` trains a net in such noise.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from course_utils import evaluation, runtime
from course_utils.core.checks import check_count, check_images, check_labels
from course_utils.core.stats import clopper_pearson
from course_utils.core.tensors import portion
from course_utils.training import Moment, TimedLoss


class Certificate(NamedTuple):
    """The class of each image, -1 where the classifier abstains, and the Euclidean radius ``(N,)`` of its proof, or 0.

    Each single certificate is wrong with a probability of at most ``alpha``.
    """

    labels: Tensor
    radii: Tensor

    def accuracy(self, labels: Tensor, radius: float = 0.0) -> float:
        """The certified accuracy: the fraction of images proved to keep their right label within ``radius``."""
        right = self.labels == check_labels(labels, len(self.labels)).to(self.labels.device)
        return (right & (self.radii >= radius)).double().mean().item()


def certify(
    model: nn.Module,
    images: Tensor,
    sigma: float,
    *,
    first: int = 100,
    samples: int = 1000,
    alpha: float = 0.001,
    generator: torch.Generator | None = None,
    progress: bool = True,
) -> Certificate:
    """The class that the smoothed ``model`` gives each image, and how far that is proved: first + samples passes each.

    The ``first`` draws choose the class, and the ``samples`` bound its probability. If all of these agree, p is above
    alpha^(1 / samples), which bounds the radius: 1,000 draws reach 2.46 sigma, 10,000 reach 3.20. After an interrupt,
    images without all of their draws abstain.

    Args:
        sigma: the deviation of the noise, in pixel units: the model will see pixels below 0 and above 1.
        alpha: the probability that a certificate is wrong, for each image, in (0, 0.5).

    >>> net = nn.Sequential(nn.Flatten(), nn.Linear(1, 2, bias=False))
    >>> net[1].weight.data = torch.tensor([[1.0], [0.0]])  # class 0 where the pixel is above 0
    >>> certify(net, torch.tensor([[[[0.0]]], [[[0.8]]]]), sigma=0.5, progress=False).labels  # at 0, half of the votes
    tensor([-1,  0])
    """
    first, samples = check_count("first", first), check_count("samples", samples)
    _check_alpha(alpha)
    if alpha ** (1 / samples) <= 0.5:
        least = math.floor(math.log2(1 / alpha)) + 1
        raise ValueError(f"samples={samples}: if all agree, that proves nothing at alpha={alpha}; want {least} or more")
    generator = runtime.ensure_generator(generator, evaluation.device_of(model))
    with runtime.progress_bar((first + samples) * len(images), "certify", progress) as bar:
        chosen = votes(model, images, sigma, first, generator, bar)
        complete = chosen.sum() == first * len(images)
        counts = votes(model, images, sigma, samples, generator, bar) if complete else torch.zeros_like(chosen)
    labels = chosen.argmax(1)
    agreed = counts.gather(1, labels[:, None])[:, 0].cpu()
    low, _ = clopper_pearson(agreed, samples, 1 - 2 * alpha)  # it alone is wrong with a probability of alpha
    radii = (sigma * torch.special.ndtri(low)).clamp_min(0)
    certain = (low > 0.5) & (counts.sum(1) == samples).cpu()
    labels = torch.where(certain, labels.cpu(), -1)
    return Certificate(labels.to(images.device), torch.where(certain, radii, 0).to(images))


def predict_smoothed(
    model: nn.Module,
    images: Tensor,
    sigma: float,
    *,
    samples: int = 100,
    alpha: float = 0.001,
    generator: torch.Generator | None = None,
    progress: bool = True,
) -> Tensor:
    """The class that the smoothed ``model`` gives each image, without a radius: int64 ``(N,)``, -1 where it abstains.

    It abstains where two equally likely classes would differ by as many votes as the two with the most, with a
    probability above ``alpha``. This asks for far fewer samples than `certify`, since it compares p with the runner-up
    and not with 1/2. Arguments are as there.
    """
    _check_alpha(alpha)
    samples = check_count("samples", samples)
    generator = runtime.ensure_generator(generator, evaluation.device_of(model))
    with runtime.progress_bar(samples * len(images), "predict", progress) as bar:
        counts = votes(model, images, sigma, samples, generator, bar)
    most = counts.cpu().topk(2, dim=1)
    drawn = most.values.sum(1)
    low, _ = clopper_pearson(most.values[:, 0], drawn.clamp_min(1), 1 - alpha)
    certain = (low > 0.5) & (counts.sum(1) == samples).cpu()
    return torch.where(certain, most.indices[:, 0], -1).to(images.device)


def votes(
    model: nn.Module, images: Tensor, sigma: float, samples: int, generator: torch.Generator, bar: tqdm
) -> Tensor:
    """How often ``model`` gives each class to noisy copies of each image: int64 ``(N, K)``, on the model's device.

    The copies of one image after those of another fill batches of one size. An interrupt ends the counting quietly.
    """
    _check_sigma(sigma)
    classes = evaluation.logits(model, images[:1]).shape[1]
    check_images(images)
    images = images.detach().to(evaluation.device_of(model))
    counts = torch.zeros(len(images) * classes, dtype=torch.int64, device=images.device)
    most, total = portion(images), len(images) * samples
    try:
        with torch.inference_mode(), evaluation.mode(model, False):
            for start in range(0, total, most):
                rows = torch.arange(start, min(start + most, total), device=images.device) // samples
                outputs = evaluation.check_logits(model(noisy(images[rows], sigma, generator)), len(rows))
                counts += torch.bincount(classes * rows + outputs.argmax(1), minlength=len(counts))
                bar.update(len(rows))
    except KeyboardInterrupt:
        print("Interrupted: images without all of their draws abstain.")
    return counts.view(-1, classes)


def noisy(images: Tensor, sigma: float, generator: torch.Generator) -> Tensor:
    """``images + sigma * z`` with z normal, not cut off at 0 and 1."""
    noise = torch.randn(images.shape, generator=generator, device=generator.device, dtype=images.dtype)
    return torch.add(images, noise.to(images.device), alpha=sigma)


class Smoothed(nn.Module):
    """The smoothed classifier as a net that can be attacked: logits are ``log mean_i softmax(f(x + sigma * z_i))``.

    Counted votes have no gradient, their soft form has (Salman et al., arXiv 1906.04584). The ``samples`` noises are
    the same for all images and all calls, so that an attack meets one fixed function. What it finds is to be judged
    by `predict_smoothed` or `certify`, whose noise it has not seen. One call holds ``samples`` times as many images in
    memory.

    >>> Smoothed(nn.Flatten(), sigma=0.25, samples=8)(torch.ones(3, 1, 1, 2)).exp().sum(1)
    tensor([1., 1., 1.])
    """

    def __init__(self, model: nn.Module, sigma: float, samples: int = 16):
        super().__init__()
        evaluation.device_of(model)
        _check_sigma(sigma)
        self.model, self.sigma, self.samples = model, sigma, check_count("samples", samples)

    def forward(self, images: Tensor) -> Tensor:
        noise = torch.zeros(self.samples, *images.shape[1:], dtype=images.dtype)
        noise = noisy(noise, self.sigma, torch.Generator().manual_seed(0)).to(images.device)
        copies = (images[:, None] + noise).flatten(0, 1)
        answers = self.model(copies).log_softmax(1).view(len(images), self.samples, -1)
        return answers.logsumexp(1) - math.log(self.samples)


@dataclass(frozen=True)
class NoisyLoss(TimedLoss):
    """A loss for `training.fit`: the cross-entropy in normal noise, drawn anew for each image and step."""

    sigma: float

    def __post_init__(self):
        _check_sigma(self.sigma)

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor, moment: Moment) -> Tensor:
        return F.cross_entropy(model(noisy(images, self.sigma, moment.generator)), labels)


def _check_sigma(sigma: float) -> None:
    if not 0 < sigma <= 4:
        hint = f"; for {sigma:g} grey levels write {sigma:g}/255" if sigma > 4 else ""
        raise ValueError(f"sigma={sigma}: want the deviation of the noise, above 0 and in pixel units, as 0.25{hint}")


def _check_alpha(alpha: float) -> None:
    if not 0 < alpha < 0.5:
        raise ValueError(f"alpha={alpha}: want the probability of a wrong answer, between 0 and 0.5, such as 0.001")
