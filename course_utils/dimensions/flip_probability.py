r"""How large is the adversarial set? The probability mu that a random perturbation flips the class of an image.

    mu(x) = P( model(x + r) != y ),    r Gaussian, or uniform in a ball, or uniform on a sphere

`flip_probability` counts in plain random draws, which reaches down to about 1 / samples. `flip_probability_splitting`
goes on from there by adaptive multilevel splitting (Guyader, Hengartner and Matzner-Lober, Applied Mathematics and
Optimization 64, 2011; for networks Webb, Rainforth, Teh and Kumar, arXiv 1811.07209). With ``s(r) = max_k f_k - f_y``
over the other classes k, the label's margin with a minus, which is above 0 where the class is flipped, and levels
L_1 < L_2 < ... < L_m = 0,

    P(s > 0) = P(s > L_1) P(s > L_2 | s > L_1) ... P(s > 0 | s > L_{m-1})

Each level is the median s of a population of perturbations, so each factor is 1/2: a probability of 1e-12 is 40
halvings. The half that stays behind is replaced by copies of the other, and all then take a few Metropolis steps

    z' = sqrt(1 - b^2) z + b xi,    xi standard normal,    refused where s(z') <= L

which leave the normal distribution above the level as it is, for any b and in any dimension (preconditioned
Crank-Nicolson; Cotter, Roberts, Stuart and White, arXiv 1202.0709). The three laws are all functions of a normal z, so
one sampler serves them.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from course_utils import runtime
from course_utils.attacks.base import attack_context
from course_utils.core.checks import check_count
from course_utils.core.tensors import portion

LAWS = ("gaussian", "ball", "sphere")
MOVES = 5  # Metropolis steps at each level
LEVELS = 100  # halvings after which the search gives up, at a probability of 1e-30
ACCEPTED = 0.3  # the fraction of Metropolis steps that b is steered towards


class FlipEstimate(NamedTuple):
    """How many of ``samples`` perturbations flipped the class of each image: int64 ``(N,)``, and an int."""

    counts: Tensor
    samples: int


class SplittingEstimate(NamedTuple):
    """On the CPU: probabilities of a flip, float64 ``(N,)``, and their relative standard errors: 0.2 is 20 % of it."""

    probabilities: Tensor
    errors: Tensor


def flip_probability(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    size: float,
    *,
    law: str = "gaussian",
    samples: int = 1000,
    generator: torch.Generator | None = None,
    progress: bool = True,
) -> FlipEstimate:
    """Count how many random perturbations of each image the model misclassifies. They may leave [0, 1].

    If interrupted, it returns the counts of the rounds that were finished. `stats.clopper_pearson` takes both numbers.

    Args:
        labels: with the true ones an image that is misclassified already is counted as flipped nearly always: pass the
            model's own answers to ask how often these change.
        size: for "gaussian" the standard deviation of each pixel, for "ball" and "sphere" the Euclidean radius.
        law: "gaussian"; "ball", uniform in the ball around the image; "sphere", uniform on its surface.
        samples: perturbations an image; the memory does not grow with them.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    >>> x = torch.rand(3, 1, 2, 2)
    >>> flip_probability(model, x, model(x).argmax(1), 1e-9, samples=50)
    FlipEstimate(counts=tensor([0, 0, 0]), samples=50)
    """
    _check(size, law)
    check_count("samples", samples)
    with attack_context(model, images, labels, bar=(samples, "perturbations", progress)) as task:
        source, most = runtime.ensure_generator(generator, task.images.device), portion(task.images)
        counts, drawn = torch.zeros_like(task.labels), 0
        while drawn < samples:
            copies = min(max(1, most // len(images)), samples - drawn)
            found = []
            for rows in task.rows.split(most):
                centres = task.images[rows].repeat(copies, 1, 1, 1)
                x = _perturbed(centres, _normal(centres.flatten(1), law, source), size, law)
                wrong = task.adversarial_margin(task.logits(x), rows.repeat(copies)) > 0
                found.append(wrong.view(copies, -1).sum(0))
            counts += torch.cat(found)
            drawn += copies
            task.bar.update(copies)
    return FlipEstimate(counts.to(images.device), drawn)


def flip_probability_splitting(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    size: float,
    *,
    law: str = "gaussian",
    particles: int = 500,
    generator: torch.Generator | None = None,
    progress: bool = True,
) -> SplittingEstimate:
    """The probability that a random perturbation flips the class, down to 1e-30, by multilevel splitting.

    An image costs about ``5 * particles * log2(1 / probability)`` forward passes. The estimate is right on average
    if the Metropolis steps mix within each level; if they do not, because the flips hide in a corner that few of the
    population find, it is too low more often than too high, and more ``particles`` are the cure. Its error comes from
    the families that descend from one first member each, and their fractions of the last population: relative variance
    = sum of squared fractions - 1 / particles. Without levels this is the binomial error.

    0 stands for a probability below 1e-30, or for a margin that no perturbation changes; its error is NaN. So are both
    for the images that an interrupt left undone.

    Args:
        labels, size, law: as for `flip_probability`.
        particles: perturbations in the population of an image, at least 10.

    >>> class Half(nn.Module):
    ...     def forward(self, images):
    ...         return (images.flatten(1)[:, :1] - 0.5) * torch.tensor([0.0, 1.0]) + torch.tensor([6.5, 0.0])
    >>> x, y = torch.full((1, 1, 2, 2), 0.5), torch.tensor([0])
    >>> found = flip_probability_splitting(Half(), x, y, size=1.0, progress=False)
    >>> exact = torch.special.log_ndtr(torch.tensor(-6.5)).exp()  # 4e-11
    >>> 0.3 < found.probabilities.item() / exact.item() < 3
    True
    """
    _check(size, law)
    if check_count("particles", particles) < 10:
        raise ValueError(f"particles={particles}: want at least 10, and 1000 for errors that can be trusted")

    def score(z: Tensor, rows: Tensor) -> Tensor:
        """s of the perturbations ``(G, P, n)`` of the images in ``rows``, ``(G, P)``."""
        each = rows.repeat_interleave(particles)
        x = _perturbed(task.images[each], z.flatten(0, 1), size, law)
        return task.adversarial_margin(task.logits(x), each).view(z.shape[:2])

    with attack_context(model, images, labels, bar=(len(images), "splitting", progress)) as task:
        probabilities, errors = torch.full((2, len(images)), float("nan"), dtype=torch.float64)
        source = runtime.ensure_generator(generator, task.images.device)
        for rows in task.rows.split(max(1, portion(task.images) // particles)):
            z = _normal(task.images[rows].flatten(1).repeat_interleave(particles, 0), law, source)
            for number, probability, error in _split(score, z.view(len(rows), particles, -1), rows, source):
                probabilities[number], errors[number] = probability, error
            task.bar.update(len(rows))
    return SplittingEstimate(probabilities, errors)


def _split(score, z: Tensor, rows: Tensor, source: torch.Generator) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Split populations ``z`` ``(G, P, n)`` of images until they flip: yields numbers, probabilities and errors."""
    particles = z.shape[1]
    scores, probability = score(z, rows), torch.ones_like(z[:, 0, 0])
    b = torch.full_like(probability, 0.5)
    families = torch.arange(particles, device=z.device).repeat(len(z), 1)
    for _ in range(LEVELS):
        level = scores.sort(1).values[:, particles // 2 - 1].clamp_max(0)
        above = scores > level[:, None]
        probability = probability * above.to(probability).mean(1)
        done = (level == 0) | (probability == 0)
        if done.any():
            yield rows[done].cpu(), probability[done].double().cpu(), _error(families[done], above[done])
            state = rows, z, scores, families, level, above, probability, b
            rows, z, scores, families, level, above, probability, b = (each[~done] for each in state)
            if not len(rows):
                return
        chosen = _survivors(above, source)
        scores, families = scores.gather(1, chosen), families.gather(1, chosen)
        z = z[torch.arange(len(z), device=z.device)[:, None], chosen]
        for _ in range(MOVES):
            noise = torch.randn(z.shape, generator=source, device=source.device, dtype=z.dtype).to(z.device)
            trial = (1 - b * b).sqrt()[:, None, None] * z + b[:, None, None] * noise
            new = score(trial, rows)
            taken = new > level[:, None]
            z, scores = torch.where(taken[..., None], trial, z), torch.where(taken, new, scores)
            b = (b * (taken.to(b).mean(1) - ACCEPTED).exp()).clamp_max(1)
    yield rows.cpu(), torch.zeros(len(rows), dtype=torch.float64), torch.full((len(rows),), float("nan")).double()


def _error(families: Tensor, above: Tensor) -> Tensor:
    """The relative standard error, from the families of those above the last level, ``(G, P)`` each -> ``(G,)``."""
    sizes = torch.zeros_like(above, dtype=torch.float32).scatter_add(1, families, above.float()).cpu().double()
    variance = (sizes / sizes.sum(1, keepdim=True)).square().sum(1) - 1 / families.shape[1]
    return variance.clamp_min(0).sqrt()


def _survivors(above: Tensor, source: torch.Generator) -> Tensor:
    """Who of each population is kept, ``(G, P)``: those above the level, and copies of them at random."""
    order = torch.rand(above.shape, generator=source, device=source.device).to(above.device)
    order = order.masked_fill(~above, 2).argsort(1)  # those above the level first, among themselves at random
    place = torch.arange(above.shape[1], device=above.device) % above.sum(1, keepdim=True)
    return order.gather(1, place)


def _normal(like: Tensor, law: str, source: torch.Generator) -> Tensor:
    """Standard normal numbers, one row for each row of ``like`` ``(N, n)``; a ball takes two more a row."""
    width = like.shape[1] + (2 if law == "ball" else 0)
    return torch.randn(len(like), width, generator=source, device=source.device, dtype=like.dtype).to(like.device)


def _perturbed(images: Tensor, z: Tensor, size: float, law: str) -> Tensor:
    """The images with the perturbation that normal numbers stand for. A point of the sphere in n + 2 dimensions,
    without its last two numbers, is uniform in the ball of n dimensions."""
    perturbation = size * z if law == "gaussian" else z * (size / z.norm(dim=1, keepdim=True))
    return perturbation[:, : images[0].numel()].reshape(images.shape) + images


def _check(size: float, law: str) -> None:
    if law not in LAWS:
        raise ValueError(f"there is no law {law!r} here: choose among {', '.join(LAWS)}")
    if not 0 < size < float("inf"):
        raise ValueError(f"size={size}: want a standard deviation or a radius above 0, in pixel units")
    if law == "gaussian" and size > 10:
        raise ValueError(f"size={size:g}, but pixels run from 0 to 1: for {size:g} grey levels write {size:g}/255")
