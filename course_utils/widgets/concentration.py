r"""One slider for the dimension n: where a ball has its volume, how two directions stand, what n dimensions leave.

Three facts of which the plane gives no idea. In each panel the prediction is exact, and drawn from before the sample:

    the length r of a uniform point of the unit ball       P(length <= r) = r^n, half of the volume outside 2^(-1/n)
    the angle of two random directions                     density ~ sin^(n-2), variance psi'(n/2) / 2, about 1 / n
    the fraction of the cube [-1, 1]^n that it fills       pi^(n/2) / (Gamma(n/2 + 1) 2^n)
    n numbers from [0, 1] that all exceed eps              (1 - eps)^n

The variance follows from the Fourier transform of cos^(n-2), a ratio of gamma functions whose logarithm is easily
differentiated twice. The points come from other laws than the ones to be tested: the first n coordinates of a random
point on the sphere in n + 2 dimensions are uniform in the ball (Archimedes knew it for n = 1), an angle is one between
two normal vectors. The page, `concentration.js`, draws what was computed here.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import lazy_loader as lazy
import numpy as np
import torch
from torch import Tensor

from course_utils import figures, runtime
from course_utils.core.stats import clopper_pearson
from course_utils.widgets.base import Widget

scipy = lazy.load("scipy")

MOST = 1000  # dimensions
STOPS = sorted({*range(1, 25), *(round(24 * 1.04**k) for k in range(95)), 100, 784, MOST})  # of the slider
EPSILONS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5]  # of the second slider
STILLS = (2, 10, 784)  # the dimensions of the static twin
EPS = 0.01  # where the second slider starts
SAMPLES = 2000
BINS = 45


def high_dimensions():
    """The slider and its three panels; without a front end, the panels for 2, 10 and 784 dimensions."""
    return HighDimensions.show()


class HighDimensions(Widget):
    """Where the sliders stand; with each answer goes a new sample."""

    def __init__(self):
        super().__init__()
        self.settings, self.generator = {"n": 2, "eps": EPS, "zoom": False}, runtime.ensure_generator()

    @staticmethod
    def still(dimensions: Sequence[int] = STILLS) -> figures.Picture:
        """A row of three panels for each dimension."""
        rows = len(dimensions)
        canvas, axes = figures.figure(figures.ROW, 2.3 * rows, nrows=rows, ncols=3, squeeze=False)
        texts = [_row(row, n) for row, n in zip(axes, dimensions, strict=True)]
        axes[-1, 0].set_xlabel("length of a point of the ball")
        axes[-1, 1].set_xlabel("angle of two directions")
        axes[-1, 2].set_xlabel("n")
        return figures.picture(canvas, f"Predictions, dashed, and samples: {'; '.join(texts)}.")

    def picture(self) -> figures.Picture:
        return self.still((784,))

    def obey(self, do: str, **choice) -> tuple[dict, list[bytes]]:
        """ "show", or "draw" with ``n``, ``eps`` and ``zoom``.

        The buffers, float32: bars and law of the lengths, then of the angles; the fractions in the ball and above eps
        for each of `STOPS`, exact, then in the sample.
        """
        settings = self.settings | choice
        n, eps, zoom = settings["n"], settings["eps"], settings["zoom"]
        with runtime.one_thread():
            known, drawn = exact(n, eps), sample(n, eps, self.generator)
            wide = min(90, 4 * known.spread) if zoom else 90
            reach = [0.001 ** (1 / n) if zoom else 0, 1], [90 - wide, 90 + wide]
            parts = [
                *histogram(drawn.lengths, lambda r: r**n, *reach[0]),
                *histogram(drawn.angles, lambda angle: below(n, angle), *reach[1]),
                *10 ** torch.tensor([exact(k, eps)[2:] for k in STOPS]).T,
                *((numbers[:, None] >= torch.tensor(STOPS)).float().mean(0) for numbers in drawn[2:]),
            ]
        self.settings = settings
        events = drawn.lengths > known.radius, drawn.inside >= n, drawn.above >= n
        half, inside, above = (f"{int(event.sum()):,}" for event in events)
        space = f"In {n} dimension{'s' if n > 1 else ''}"
        exceed = "One number exceeds" if n == 1 else f"All of {n} numbers exceed"
        texts = [
            f"{space} half of the ball's volume lies outside radius {radius_text(known.radius)}. Drawn: {half} of "
            f"{SAMPLES:,} points.",
            f"{space} two directions stand at 90° ± {known.spread:.3g}° (1/√n is {math.degrees(n**-0.5):.3g}°). "
            f"Drawn: {drawn.angles.mean():.1f}° ± {drawn.angles.std(correction=0):.3g}°.",
            f"{space} the ball fills {fraction_text(known.inside)} of the cube around it; drawn: {inside} of "
            f"{SAMPLES:,} points. {exceed} eps = {eps} with probability {fraction_text(known.above)}; drawn: {above}.",
        ]
        said = {"settings": settings, "stops": STOPS, "epsilons": EPSILONS, "reach": reach, "texts": texts}
        return said, [part.float().numpy().tobytes() for part in parts]


class Exact(NamedTuple):
    """What is known of n dimensions; the last two are logarithms to base 10."""

    radius: float  # half of the unit ball's volume lies outside it
    spread: float  # the standard deviation of the angle between two random directions, in degrees; the mean is 90
    inside: float  # of the fraction of the cube [-1, 1]^n that the ball fills
    above: float  # of the probability that n uniform numbers all exceed eps


def exact(n: int, eps: float = EPS) -> Exact:
    spread = math.degrees(math.sqrt(scipy.special.polygamma(1, n / 2) / 2))
    inside = (n / 2 * math.log(math.pi) - math.lgamma(n / 2 + 1)) / math.log(10) - n * math.log10(2)
    return Exact(2 ** (-1 / n), spread, inside, n * math.log1p(-eps) / math.log(10))


def below(n: int, angle: Tensor) -> Tensor:
    """The probability that two random directions stand at most ``angle`` degrees apart, for each of them, float64."""
    if n == 1:  # the same direction, or the opposite one
        return torch.where(angle < 180, 0.5, 1.0).double() * (angle >= 0)
    half = (n - 1) / 2
    return torch.as_tensor(scipy.special.betainc(half, half, np.sin(np.radians(angle.double().numpy()) / 2) ** 2))


class Sample(NamedTuple):
    """Draws in n dimensions, each ``(N,)``."""

    lengths: Tensor
    angles: Tensor  # in degrees
    inside: Tensor  # as many numbers of a vector from the cube, the first ones, lie in the ball
    above: Tensor  # as many numbers from [0, 1], the first ones, exceed eps


def sample(n: int, eps: float = EPS, generator: torch.Generator | None = None) -> Sample:
    """Draw 2,000 times each: a point of the ball, two directions, a point of the cube, numbers from [0, 1]."""
    how = dict(generator=runtime.ensure_generator(generator), dtype=torch.float32)
    shell = torch.randn(SAMPLES, n + 2, **how)
    one, other = torch.randn(2, SAMPLES, n, **how)
    angles = torch.cosine_similarity(one, other).clamp(-1, 1).acos().rad2deg()
    inside = (torch.rand(SAMPLES, MOST, **how).square().cumsum(1) <= 1).sum(1)
    above = (torch.rand(SAMPLES, MOST, **how) > eps).cumprod(1).sum(1)
    return Sample(shell[:, :n].norm(dim=1) / shell.norm(dim=1), angles, inside, above)


def histogram(values: Tensor, law: Callable[[Tensor], Tensor], low: float, high: float) -> tuple[Tensor, Tensor]:
    """The fraction of the values in each bin; and in one that wide, at 20 times as many places, by the exact law."""
    half = (high - low) / BINS / 2
    middles = torch.linspace(low + half, high - half, 20 * BINS, dtype=torch.float64)
    fractions = values.histc(BINS, low, high) / len(values)
    return fractions, law(middles + half) - law(middles - half - 1e-12)


def fraction_text(log10: float) -> str:
    """A fraction, given by its logarithm to base 10, as a learner reads it.

    >>> fraction_text(math.log10(0.0123)), fraction_text(-1050.2)
    ('1.23 %', '6.3 × 10⁻¹⁰⁵¹')
    """
    if log10 > -3:
        return f"{100 * 10**log10:.3g} %"
    power = math.floor(log10)
    front, carried = f"{10 ** (log10 - power):.1e}".split("e")  # 9.96 is rounded to 1.0e+01
    return f"{front} × 10{str(power + int(carried)).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}"


def radius_text(radius: float) -> str:
    """A radius below 1 with two digits of what it lacks.

    >>> radius_text(0.5), radius_text(exact(784).radius)
    ('0.500', '0.99912')
    """
    return f"{radius:.{max(3, 1 - math.floor(math.log10(1 - radius)))}f}"


def _row(row: "list[figures.Axes]", n: int) -> str:
    """The three panels for n dimensions, and what they show."""
    known, drawn = exact(n), sample(n)
    radius, inside, above = radius_text(known.radius), fraction_text(known.inside), fraction_text(known.above)
    _histogram(row[0], drawn.lengths, 1, lambda r: r**n)
    _histogram(row[1], drawn.angles, 180, lambda angle: below(n, angle))
    _against_n(row[2], n, drawn)
    row[0].set(title=f"half outside {radius}", xticks=[0, 0.5, 1], ylabel=f"n = {n}\nfraction of {SAMPLES:,}")
    row[1].set(title=f"90° ± {known.spread:.3g}°", xticks=[0, 60, 120, 180])
    row[2].set(title=f"ball {inside}, exceed {above}")
    for axis in row:
        axis.title.set_fontsize(10)
    return (
        f"in {n} dimensions half of the ball lies outside radius {radius}, angles are 90° ± {known.spread:.3g}°, the "
        f"ball fills {inside} of the cube, and {n} numbers all exceed {EPS} with probability {above}"
    )


def _histogram(axis: "figures.Axes", values: Tensor, most: float, law: Callable[[Tensor], Tensor]) -> None:
    fractions, expected = histogram(values, law, 0, most)
    width = most / BINS
    axis.bar(np.arange(BINS) * width, fractions.tolist(), width, align="edge", color=figures.CLEAN, alpha=0.6)
    middles = torch.linspace(width / 2, most - width / 2, len(expected))
    axis.plot(middles.tolist(), expected.tolist(), "--", color=figures.THEORY, lw=1.2)
    axis.set_xlim(0, most)


def _against_n(axis: "figures.Axes", n: int, drawn: Sample) -> None:
    """The two fractions for every dimension, and what came in this one, with 95 % intervals."""
    dimensions = range(1, MOST + 1)
    for name, color in (("inside", figures.CLEAN), ("above", figures.DEFENDED)):
        count = int((getattr(drawn, name) >= n).sum())
        fractions = [10 ** getattr(exact(k), name) for k in dimensions]
        axis.plot(dimensions, fractions, "--", color=figures.THEORY, lw=1.2)
        low, high = clopper_pearson(count, SAMPLES)
        seen = count / SAMPLES
        axis.errorbar(n, seen, [[seen - low], [high - seen]], fmt="o", color=color, ms=5, capsize=3)
    axis.axvline(n, color=figures.NOISE, lw=0.6, zorder=0)
    axis.set(xscale="log", xticks=[1, 10, 100, 1000], xlim=(1, MOST), ylim=(-0.03, 1.05), yticks=[0, 0.5, 1])
    axis.xaxis.set_major_formatter("{x:g}")
    axis.annotate("ball\nin cube", (4.6, 0.5), fontsize=8, color=figures.CLEAN)
    axis.annotate(f"all exceed {EPS}", (60, 0.62), fontsize=8, color=figures.DEFENDED)
