r"""What can be computed about caps of a sphere in many dimensions.

The flat boundary of a linear classifier cuts a cap from every sphere around an image. Of all sets of one size a cap is
the farthest away from the rest (the isoperimetric inequality): what a measured distance is compared with.

`uniform_ratio` is Fawzi, Fawzi and Frossard, arXiv 1502.02590; `cap_distance` Gilmer et al., arXiv 1801.02774.
"""

import torch

from course_utils.core.checks import check_count


def cap_height(fraction: float, d: int) -> float:
    """Above which height lies a ``fraction`` of the unit sphere in ``d`` dimensions: c with P(u_1 > c) = fraction.

    (1 + u_1) / 2 has a beta distribution with both parameters (d - 1) / 2.

    >>> f"{cap_height(0.25, 3):.3f}"  # Archimedes: in 3 dimensions every height is equally likely
    '0.500'
    """
    from scipy.special import betaincinv

    if check_count("d", d) < 2 or not 0 < fraction < 0.5:
        raise ValueError(f"d={d}, fraction={fraction}: want at least 2 dimensions, and a fraction between 0 and 1/2")
    return 1 - 2 * float(betaincinv((d - 1) / 2, (d - 1) / 2, fraction))


def cap_distance(fraction: float, d: int) -> float:
    r"""The mean distance from a point of the unit sphere in ``d`` dimensions to a cap that holds ``fraction`` of it.

    Exact for each d; the limit for many dimensions is ``-Phi^-1(fraction) / sqrt(d)``.

    >>> f"{cap_distance(1e-6, 500):.3f}"
    '0.212'
    """
    rim = torch.tensor(cap_height(fraction, d), dtype=torch.float64).acos()
    angle = torch.linspace(0, torch.pi, 20_001, dtype=torch.float64)
    weight = angle.sin() ** (d - 2)  # how much of the sphere lies at this angle from the middle of the cap
    gap = (angle - rim).clamp_min(0)
    return ((2 * (gap / 2).sin() * weight).sum() / weight.sum()).item()


def uniform_ratio(d: int, eps: float) -> float:
    r"""How much longer than the worst direction a random one is: rho_unif / rho_adv of any linear classifier, exactly.

    rho_unif is the largest length at which a random direction flips the class with a probability of ``eps`` at most.
    A unit vector has a component along the normal above c with probability eps; then the length is rho_adv / c.
    Theorem 4.2 of arXiv 1502.02590 puts the ratio between max(sqrt(d) / sqrt(2 ln(2 / eps)), 1) and
    sqrt(d) / sqrt(1 - 12 eps).

    >>> f"{uniform_ratio(2500, 0.01):.1f}"
    '21.5'
    """
    return 1 / cap_height(eps, d)
