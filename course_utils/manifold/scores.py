r"""How far off the data is an image? Three answers, each a module that maps images ``(N, C, H, W)`` to scores ``(N,)``.

The larger the score, the farther off. `Neighbour` measures the distance to the k-th nearest of given images. An
autoencoder (`autoencoder`) squeezes an image through a few numbers and rebuilds it: what it has learnt to rebuild
comes back whole, and the score is the distance to what comes back. A variational autoencoder (`vae`) gives every image
a probability density p(x) = E[p(x | z)] over codes z ~ N(0, 1); the score is a bound on -log p(x),

    -log p(x)  <=  E_q[-log p(x | z)] + KL(q(z | x) || N(0, 1)),    q(z | x) normal, with its mean and spread read off x

(Kingma and Welling 2013, arXiv 1312.6114). Gradients flow through all three, so that an attack can, too.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils import evaluation, runtime
from course_utils.core.checks import check_count, check_images
from course_utils.data import Split
from course_utils.manifold.neighbours import nearest
from course_utils.training import Loss, Moment, TimedLoss, fit, seeded

HIDDEN, CODE = 256, 32  # units of the hidden layers, and numbers in a code
BATCH = 1000  # images that are scored at once
DRAWS = 4  # draws of the noise by which a trained VAE takes the expectation over q, each with its mirror image


class Neighbour(nn.Module):
    """The Euclidean distance to the k-th nearest of ``points``, in pixel units. Nothing is trained.

    The neighbour is looked up without a gradient, and the distance to it has one: the unit vector away from it.

    Args:
        points: images ``(M, C, H, W)`` in [0, 1]. Kept, not copied.
        k: which neighbour counts; 1 finds an image itself where it is one of the points.

    >>> score = Neighbour(torch.zeros(3, 1, 2, 2), k=2)
    >>> score(torch.ones(1, 1, 2, 2))
    tensor([2.])
    """

    def __init__(self, points: Tensor, k: int = 5):
        super().__init__()
        if check_count("k", k) > len(check_images(points)):
            raise ValueError(f"k={k}, but there are only {len(points)} points: give more of them, or a smaller k")
        self.k, self.shape = k, points.shape[1:]
        self.register_buffer("points", points.detach().flatten(1))

    def forward(self, images: Tensor) -> Tensor:
        pixels = _flat(images, self.shape, self.points.dtype)
        rows = nearest(pixels, self.points, self.k, progress=False).rows[:, -1]
        if len(rows) < len(pixels):  # the search was stopped, and hands back what it has
            raise KeyboardInterrupt
        return torch.linalg.vector_norm(pixels - self.points[rows], dim=1)


class Reconstruction(nn.Module):
    """The Euclidean distance between an image and what an autoencoder makes of it, in pixel units."""

    def __init__(self, shape: torch.Size):
        super().__init__()
        self.shape = shape
        self.encoder = _layers(self.shape.numel(), CODE)
        self.decoder = _layers(CODE, self.shape.numel())

    def rebuild(self, images: Tensor) -> Tensor:
        """The images that come back, in [0, 1]: ``(N, C, H, W)`` -> the same shape."""
        pixels = _flat(images, self.shape, self.encoder[0].weight.dtype)
        return self.decoder(self.encoder(pixels)).sigmoid().view(-1, *self.shape)

    def forward(self, images: Tensor) -> Tensor:
        return torch.linalg.vector_norm((images - self.rebuild(images)).flatten(1), dim=1)


class Likelihood(nn.Module):
    r"""The negative evidence lower bound of a variational autoencoder, in nats: a bound on -log p(x) from above.

    Given a code, the D pixels are normal around the decoded image, all with the same learnt spread s,

        -log p(x | z) = |x - decoder(z)|^2 / (2 s^2) + D log(s sqrt(2 pi))

    which is a density of D numbers, in [0, 1] or not. (The cross-entropy of grey pixels, as in many tutorials, is that
    of no density.) A density may be above 1, and then the score is below 0. The expectation over codes is estimated by
    a mean over eight draws, fixed once for all images, so that the score of an image is the same when asked twice.
    """

    def __init__(self, shape: torch.Size):
        super().__init__()
        self.shape = shape
        self.encoder = _layers(self.shape.numel(), 2 * CODE)
        self.decoder = _layers(CODE, self.shape.numel())
        self.log_spread = nn.Parameter(torch.tensor(-1.0))
        noise = torch.randn(DRAWS, 1, CODE)
        self.register_buffer("noise", torch.cat([noise, -noise]))

    def forward(self, images: Tensor) -> Tensor:
        return self.bound(images, self.noise)

    def bound(self, images: Tensor, noise: Tensor) -> Tensor:
        """The bound ``(N,)`` by these draws from N(0, 1), ``(draws, N or 1, CODE)``."""
        pixels = _flat(images, self.shape, self.noise.dtype)
        mean, log_variance = self.encoder(pixels).chunk(2, dim=1)
        divergence = (mean.square() + log_variance.exp() - log_variance - 1).sum(1) / 2
        rebuilt = self.decoder(mean + (log_variance / 2).exp() * noise).sigmoid()
        error = (pixels - rebuilt).square().sum(-1).mean(0)
        level = self.shape.numel() * (self.log_spread + math.log(2 * math.pi) / 2)
        return divergence + error / (2 * (2 * self.log_spread).exp()) + level


def autoencoder(
    images: Tensor, *, epochs: int = 4, generator: torch.Generator | None = None, **settings
) -> Reconstruction:
    """Train an autoencoder to rebuild ``images``: 256 units, a code of 32 numbers, 256 units.

    Args:
        images: ``(N, C, H, W)`` in [0, 1]; the result works on their device, in their type.
        epochs, settings: as in `training.fit`, and so are errors and what an interrupt does.

    >>> score = autoencoder(torch.rand(50, 1, 4, 4), epochs=1, progress=False)
    >>> score(torch.rand(3, 1, 4, 4)).shape
    torch.Size([3])
    """
    return _trained(Reconstruction, images, _reconstruction_loss, epochs, generator, settings)


def vae(images: Tensor, *, epochs: int = 3, generator: torch.Generator | None = None, **settings) -> Likelihood:
    """Train a variational autoencoder on ``images``, with layers of the same size as those of `autoencoder`.

    A step lowers the bound per pixel, with one new draw of the noise for each image. Arguments are as in `autoencoder`.
    """
    return _trained(Likelihood, images, _BoundLoss(), epochs, generator, settings)


def _reconstruction_loss(score: Reconstruction, images: Tensor, _: Tensor) -> Tensor:
    return F.mse_loss(score.rebuild(images), images)


class _BoundLoss(TimedLoss):
    def __call__(self, score: Likelihood, images: Tensor, _: Tensor, moment: Moment) -> Tensor:
        noise = torch.randn(1, len(images), CODE, generator=moment.generator).to(images)
        return score.bound(images, noise).mean() / images[0].numel()


def _trained(kind: type[nn.Module], images: Tensor, loss: Loss, epochs: int, generator, settings: dict) -> nn.Module:
    """A score for these images, with first weights from the generator, in evaluation mode."""
    shape, generator = check_images(images).shape[1:], runtime.ensure_generator(generator)
    with seeded(generator):
        score = kind(shape)
    fit(
        score,
        Split(images, images),
        loss=loss,
        epochs=epochs,
        generator=generator,
        **dict(batch=250, decay=0.0) | settings,
    )
    return score.eval()


def off_manifold(score: nn.Module, images: Tensor) -> Tensor:
    """The scores of images of any number, ``(N,)``, computed in batches, without gradients, in evaluation mode.

    They live where the score lives: on the device of its parameters or points.

    Raises:
        ValueError: a score that was made for other images, or does not return one finite number an image.

    >>> off_manifold(Neighbour(torch.zeros(5, 1, 2, 2)), torch.ones(3, 1, 2, 2))
    tensor([2., 2., 2.])
    """
    check_images(images)
    device = evaluation.device_of(score)
    device = next((buffer.device for buffer in score.buffers()), device)
    with torch.no_grad(), evaluation.mode(score, False):
        parts = (part.to(device) for part in images.split(BATCH))
        return torch.cat([check_scores(evaluation.ask(score, part), len(part)) for part in parts])


def check_scores(scores: Tensor, number: int) -> Tensor:
    """Return ``scores`` if they are ``number`` finite numbers in one row."""
    if not isinstance(scores, Tensor) or scores.shape != (number,):
        found = f"shape {tuple(scores.shape)}" if isinstance(scores, Tensor) else f"a {type(scores).__name__}"
        raise ValueError(
            f"the score returns {found} for {number} images, not ({number},): it wants one number an image"
        )
    if not scores.isfinite().all():
        raise ValueError("the score returns NaN or infinity: did its training diverge (a high learning rate)?")
    return scores


def _layers(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, outputs))


def _flat(images: Tensor, shape: torch.Size, dtype: torch.dtype) -> Tensor:
    """Pixels in a row, ``(N, D)``."""
    if images.shape[1:] != shape:
        raise ValueError(f"the score was made for images of shape {tuple(shape)}, not {tuple(images.shape[1:])}")
    if images.dtype != dtype:
        raise ValueError(f"the score was made for {dtype}, not {images.dtype}: write images.to({dtype})")
    return images.flatten(1)
