r"""How large is the adversarial set? The probability mu that a random perturbation flips the class of an image.

    mu(x) = P( model(x + r) != y ),    r Gaussian, or uniform in a ball, or uniform on a sphere

`flip_probability` counts in plain random draws, which reaches down to about 1 / samples. `flip_probability_splitting`
goes on from there by adaptive multilevel splitting (Guyader, Hengartner and Matzner-Lober, Applied Mathematics and
Optimization 64, 2011; for networks Webb, Rainforth, Teh and Kumar, arXiv 1811.07209). With the lead ``s(r) = max_k f_k
- f_y`` over the other classes k, which is above 0 where the class is flipped, and levels L_1 < L_2 < ... < L_m = 0,

    P(s > 0) = P(s > L_1) P(s > L_2 | s > L_1) ... P(s > 0 | s > L_{m-1})

Each level is the median lead of a population of perturbations, so each factor is 1/2: a probability of 1e-12 is 40
halvings. The half that stays behind is replaced by copies of the other, and all then take a few Metropolis steps

    z' = sqrt(1 - b^2) z + b xi,    xi standard normal,    refused where s(z') <= L

which leave the normal distribution above the level as it is, for any b and in any dimension (preconditioned
Crank-Nicolson; Cotter, Roberts, Stuart and White, arXiv 1202.0709). The three laws are all functions of a normal z, so
one sampler serves them.

What size of mu fits what distance to the boundary? For a half-space, exactly ``-sigma Phi^-1(mu)``, which is
`half_space_distance` (Ford, Gilmer, Carlini and Cubuk, arXiv 1901.10513).
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from course_utils import evaluation, runtime
from course_utils.attacks.base import AttackTask
from course_utils.core.checks import check_count
from course_utils.core.tensors import portion

LAWS = ("gaussian", "ball", "sphere")
LEVELS = 100  # halvings after which the search gives up, at a probability of 1e-30
ACCEPTED = 0.3  # the share of Metropolis steps that b is steered towards


class FlipEstimate(NamedTuple):
    """How many of ``samples`` perturbations flipped the class of each image: int64 ``(N,)``, and an int."""

    counts: Tensor
    samples: int


class SplittingEstimate(NamedTuple):
    """Probabilities of a flip ``(N,)``, float64, and their relative standard errors ``(N,)``: 0.2 is 20 % of it."""

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
    clip: bool = False,
    generator: torch.Generator | None = None,
    progress: bool = True,
) -> FlipEstimate:
    """Count how many random perturbations of each image the model misnames. The memory does not grow with ``samples``.

    Args:
        model: maps images ``(N, C, H, W)`` in [0, 1] to logits ``(N, K)``.
        images, labels: float ``(N, C, H, W)`` in [0, 1], and int64 ``(N,)``. With the true labels an image that is
            misnamed already is counted as flipped nearly always: pass the model's own answers to ask how often these
            change.
        size: for "gaussian" the standard deviation of each pixel, for "ball" and "sphere" the Euclidean radius.
        law: "gaussian"; "ball", uniform in the ball around the image; "sphere", uniform on its surface.
        samples: perturbations an image.
        clip: whether the perturbed pixels are brought back into [0, 1]. Clipped noise is not Gaussian any more, and
            the law of `half_space_distance` is about noise that is.
        generator: draws the perturbations; None starts a new one from seed 0, on the model's device.

    Returns:
        `FlipEstimate`, on the device of the images; `stats.clopper_pearson` takes both for a confidence interval. If
        interrupted, the counts of the rounds that were finished.

    Raises:
        TypeError, ValueError: inputs or settings outside the convention; a model without logits.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    >>> x = torch.rand(3, 1, 2, 2)
    >>> flips(model, x, model(x).argmax(1), 1e-9, samples=50)
    Flips(counts=tensor([0, 0, 0]), samples=50)
    """
    task = AttackTask(model, images, labels)
    _check(size, law)
    check_count("samples", samples)
    source = runtime.ensure_generator(generator, task.images.device)
    number, most = len(images), portion(task.images)
    counts, drawn = torch.zeros_like(task.labels), 0
    with evaluation.mode(model, False), runtime.progress(samples, "perturbations", progress) as bar:
        try:
            while drawn < samples:
                copies = min(max(1, most // number), samples - drawn)
                found = []
                for rows in task.rows.split(most):
                    centres = task.images[rows].repeat(copies, 1, 1, 1)
                    x = _perturbed(centres, _normal(centres.flatten(1), law, source), size, law, clip)
                    wrong = task.adversarial_margin(task.logits(x), rows.repeat(copies)) > 0
                    found.append(wrong.view(copies, -1).sum(0))
                counts += torch.cat(found)
                drawn += copies
                bar.update(copies)
        except KeyboardInterrupt:
            print(f"Interrupted: these are the counts of the first {drawn} perturbations.")
    return FlipEstimate(counts.to(images.device), drawn)


def flip_probability_splitting(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    size: float,
    *,
    law: str = "gaussian",
    particles: int = 500,
    moves: int = 5,
    clip: bool = False,
    generator: torch.Generator | None = None,
    progress: bool = True,
) -> SplittingEstimate:
    """The probability that a random perturbation flips the class, down to 1e-30, by multilevel splitting.

    An image costs about ``particles * moves * log2(1 / probability)`` forward passes. The estimate is right on average
    if the Metropolis steps mix within each level; if they do not, because the flips hide in a corner that few of the
    population find, it is too low more often than too high, and more ``particles`` are the cure. Levels and b are taken
    from the population itself, a bias of the order of 1 / particles, below the error reported.

    That error regards the members that descend from one first member as a family, and compares the families' shares of
    the last population: relative variance = sum of squared shares - 1 / particles. Without levels this is the binomial
    error.

    Args:
        model, images, labels, size, law, clip, generator: as for `flip_probability`.
        particles: perturbations in the population of an image, at least 10.
        moves: Metropolis steps at each level.

    Returns:
        `SplittingEstimate`, on the CPU. 0 stands for a probability below 1e-30, or for a lead that no perturbation
        changes; its error is NaN. So are both for the images that an interrupt left undone.

    Raises:
        TypeError, ValueError: as for `flip_probability`.

    >>> class Half(nn.Module):
    ...     def forward(self, images):
    ...         return (images.flatten(1)[:, :1] - 0.5) * torch.tensor([0.0, 1.0]) + torch.tensor([6.5, 0.0])
    >>> found = rare(Half(), torch.full((1, 1, 2, 2), 0.5), torch.tensor([0]), size=1.0, progress=False)
    >>> exact = torch.special.log_ndtr(torch.tensor(-6.5)).exp()  # 4e-11
    >>> 0.3 < found.probabilities.item() / exact.item() < 3
    True
    """
    task = AttackTask(model, images, labels)
    _check(size, law)
    check_count("moves", moves)
    if check_count("particles", particles) < 10:
        raise ValueError(
            f"particles={particles}: a population needs at least 10, and 1000 for errors that can be trusted"
        )
    source = runtime.ensure_generator(generator, task.images.device)
    found = torch.full((2, len(images)), float("nan"), dtype=torch.float64)

    def lead(z: Tensor, rows: Tensor) -> Tensor:
        """How far each of the perturbations ``(G, P, n)`` of the images in ``rows`` leads, ``(G, P)``."""
        each = rows.repeat_interleave(particles)
        x = _perturbed(task.images[each], z.flatten(0, 1), size, law, clip)
        return task.adversarial_margin(task.logits(x), each).view(z.shape[:2])

    with torch.no_grad(), evaluation.mode(model, False), runtime.progress(len(images), "splitting", progress) as bar:
        try:
            for rows in task.rows.split(max(1, portion(task.images) // particles)):
                z = _normal(task.images[rows].flatten(1).repeat_interleave(particles, 0), law, source)
                _climb(lead, z.view(len(rows), particles, -1), rows, found, moves, source)
                bar.update(len(rows))
        except KeyboardInterrupt:
            print("Interrupted: the images that are not done have the probability NaN.")
    return SplittingEstimate(*found)


def half_space_distance(share: Tensor | float, sigma: float) -> Tensor:
    r"""How far the half-space is that Gaussian noise enters with probability ``share``: -sigma Phi^-1(share).

    Below 0 for a share above 1/2: the image itself lies in it.

    Args:
        share: probability or probabilities in [0, 1]; a share of 0 is at an infinite distance.
        sigma: standard deviation of each pixel; the distance is in the same units.

    Raises:
        ValueError: a share outside [0, 1], or sigma not above 0.

    >>> half_space_distance(torch.tensor([0.5, 0.01, 1e-6]), 0.1)
    tensor([-0.0000, 0.2326, 0.4753])
    """
    share = share if isinstance(share, Tensor) else torch.tensor(share, dtype=torch.float64)
    if ((share < 0) | (share > 1)).any() or not 0 < sigma < float("inf"):
        raise ValueError(f"share={share}, sigma={sigma}: want probabilities in [0, 1], and sigma above 0")
    return -sigma * torch.special.ndtri(share)


def _climb(lead, z: Tensor, rows: Tensor, found: Tensor, moves: int, source: torch.Generator) -> None:
    """Split the populations ``z`` ``(G, P, n)`` of the images in ``rows`` until they lead; enter what is ``found``."""
    particles = z.shape[1]
    leads, shares = lead(z, rows), torch.ones_like(z[:, 0, 0])
    b = torch.full_like(shares, 0.5)
    families = torch.arange(particles, device=z.device).repeat(len(z), 1)
    for _ in range(LEVELS):
        level = leads.sort(1).values[:, particles // 2 - 1].clamp_max(0)
        above = leads > level[:, None]
        shares = shares * above.to(shares).mean(1)
        done = (level == 0) | (shares == 0)
        if done.any():
            sizes = torch.zeros_like(leads).scatter_add(1, families, above.to(leads))[done].cpu().double()
            variance = (sizes / sizes.sum(1, keepdim=True)).square().sum(1) - 1 / particles
            found[0, rows[done].cpu()] = shares[done].double().cpu()
            found[1, rows[done].cpu()] = variance.clamp_min(0).sqrt()
            state = rows, z, leads, families, level, above, shares, b
            rows, z, leads, families, level, above, shares, b = (each[~done] for each in state)
            if not len(rows):
                return
        order = torch.rand(above.shape, generator=source, device=source.device).to(leads)
        order = order.masked_fill(~above, 2).argsort(1)  # those above the level first, among themselves at random
        place = torch.arange(particles, device=z.device) % above.sum(1, keepdim=True)
        chosen = order.gather(1, place)
        leads, families = leads.gather(1, chosen), families.gather(1, chosen)
        z = z[torch.arange(len(z), device=z.device)[:, None], chosen]
        for _ in range(moves):
            noise = torch.randn(z.shape, generator=source, device=source.device, dtype=z.dtype).to(z.device)
            trial = (1 - b * b).sqrt()[:, None, None] * z + b[:, None, None] * noise
            new = lead(trial, rows)
            taken = new > level[:, None]
            z, leads = torch.where(taken[..., None], trial, z), torch.where(taken, new, leads)
            b = (b * (taken.to(b).mean(1) - ACCEPTED).exp()).clamp_max(1)
    found[0, rows.cpu()] = 0


def _normal(like: Tensor, law: str, source: torch.Generator) -> Tensor:
    """Standard normal numbers, one row for each row of ``like`` ``(N, n)``; a ball takes two more a row."""
    shape = (len(like), like.shape[1] + 2 * (law == "ball"))
    return torch.randn(shape, generator=source, device=source.device, dtype=like.dtype).to(like.device)


def _perturbed(images: Tensor, z: Tensor, size: float, law: str, clip: bool) -> Tensor:
    """The images with the perturbation that normal numbers stand for. A point of the sphere in n + 2 dimensions,
    without its last two numbers, is uniform in the ball of n dimensions."""
    change = size * z if law == "gaussian" else z * (size / z.norm(dim=1, keepdim=True))
    x = change[:, : images[0].numel()].reshape(images.shape) + images
    return x.clamp_(0, 1) if clip else x


def _check(size: float, law: str) -> None:
    if law not in LAWS:
        raise ValueError(f"there is no law {law!r} here: choose among {', '.join(LAWS)}")
    if not 0 < size < float("inf"):
        raise ValueError(f"size={size}: want a standard deviation or a radius above 0, in pixel units")
    if law == "gaussian" and size > 10:
        raise ValueError(f"size={size:g}, but pixels run from 0 to 1: for {size:g} grey levels write {size:g}/255")
