r"""Two different pictures, one answer: the nearest picture that has the logits of another.

A network f maps D pixels to K logits, with K far below D. Wanted is, for a picture a and another with logits z,

    the x nearest to a    with    f(x) = z    and    0 <= x <= 1

Sequential quadratic programming replaces f by its linear model around the present x, where the answer P(x) is known:
the point of the plane ``J (P - x) = z - f(x)`` that lies nearest to a within the box. A ReLU network is linear only up
to its next kink, so x goes a fraction of the way to P(x) alone, a fraction that fades; Newton's method then takes back
what is left of the error. Rounds of this, each with smaller fractions, come nearer, and the nearest x is kept.

The search starts at a and ends at a local optimum.
"""

import torch
from torch import Tensor, nn

from course_utils import runtime
from course_utils.collisions._projection import Collision, answers, check_pair, tangent_step
from course_utils.core.checks import check_count
from course_utils.core.tensors import length, spread

TOLERANCE = 1e-4  # by how much each logit may be off
ROUNDS, FIRST, NEWTON = 5, 0.5, 25  # FIRST is the fraction of the very first step; NEWTON are steps of Newton's method
LEAST = 1e-3  # fraction of a step of Newton's below which it gives up


def match_logits(
    model: nn.Module, images: Tensor, others: Tensor, *, steps: int = 20, progress: bool = True
) -> Collision:
    """Change each image as little as it takes to have the logits of another image, to 1e-4.

    Args:
        images: what the result is to be near to.
        others: the images whose logits are wanted, of the same shape.
        steps: of each of five rounds.

    Returns:
        `Collision`. Where nothing was found, the last image of the search. An interrupt hands back the best so far.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    >>> twin = match_logits(model, torch.full((1, 1, 8, 8), 0.5), torch.rand(1, 1, 8, 8), progress=False)
    >>> twin.found, bool(twin.errors < 1e-4)
    (tensor([True]), True)
    """
    check_pair(images, others, "others")
    wanted = answers(model, others)
    check_count("steps", steps)

    def met(x: Tensor) -> Tensor:
        return (answers(model, x) - wanted).abs().amax(1) <= TOLERANCE / 2

    start = best = images.detach().to(wanted.device)
    found = met(best)
    with runtime.progress(ROUNDS * steps, "colliding", progress) as bar:
        try:
            for turn in range(ROUNDS):
                x = best
                for step in range(steps):
                    fraction = FIRST / (turn + 1) * (1 - step / steps)
                    x = torch.lerp(x, tangent_step(model, x, start, wanted), fraction)
                    bar.update()
                x = _newton(model, x, wanted)
                good = met(x)
                better = ~found | good & (length(x - start) < length(best - start))
                best, found = torch.where(spread(better, x), x, best), found | good
        except KeyboardInterrupt:
            print("Interrupted: these are the images so far.")
    best = best.to(images)
    errors = (answers(model, best) - wanted).abs().amax(1).to(images.device)
    return Collision(best, errors, errors <= TOLERANCE)


def _newton(model: nn.Module, images: Tensor, wanted: Tensor) -> Tensor:
    """Damped Gauss-Newton steps until each image has the wanted logits: the best images met."""
    best, rows = images.clone(), torch.arange(len(images), device=images.device)
    logits = answers(model, images)
    fraction = torch.ones_like(logits[:, 0])  # of the gap that a step tries to close
    for _ in range(NEWTON):
        rows = rows[((logits[rows] - wanted[rows]).abs().amax(1) > TOLERANCE / 2) & (fraction[rows] > LEAST)]
        if not len(rows):
            break
        gap = wanted[rows] - logits[rows]
        x = best[rows]
        trial = tangent_step(model, x, x, logits[rows] + fraction[rows, None] * gap)
        new = answers(model, trial)
        good = (wanted[rows] - new).norm(dim=1) < (1 - fraction[rows] / 4) * gap.norm(dim=1)
        best[rows[good]], logits[rows[good]] = trial[good], new[good]
        fraction[rows] = torch.where(good, 2 * fraction[rows], fraction[rows] / 4).clamp_max(1)
    return best
