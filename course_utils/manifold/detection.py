r"""How well does a score tell images apart? Hits against false alarms, at every threshold.

An image is called off the data if its score is above a threshold. The share of *outside* images found so are the hits,
the share of *inside* images the false alarms; a lower threshold has more of both. The area under that curve is the
chance that a random outside image has a higher score than a random inside image, where a tie counts as half (the
statistic of Mann and Whitney 1947): 1 is perfect, 0.5 is guessing, and below that the score points the wrong way.
"""

import torch
from torch import Tensor


def threshold(inside: Tensor, alarms: float = 0.05) -> float:
    """The lowest of these scores that at most a share ``alarms`` of them lies above.

    Take other images than those that the score is tried on: their share of false alarms is then a finding.

    Raises:
        TypeError, ValueError: scores that are not one row of numbers; a share outside [0, 1].

    >>> threshold(torch.arange(100.0), alarms=0.05)
    94.0
    """
    if not 0 <= alarms <= 1:
        raise ValueError(f"alarms={alarms}: want the share of false alarms to allow, such as 0.05")
    ordered = _check(inside, "inside").sort(descending=True).values
    return ordered[min(int(alarms * len(ordered) + 1e-9), len(ordered) - 1)].item()


def roc(inside: Tensor, outside: Tensor) -> tuple[Tensor, Tensor]:
    """The curve of false alarms and hits, from (0, 0) to (1, 1), float64 ``(T,)`` each, on the CPU.

    Raises:
        TypeError, ValueError: scores that are not one row of numbers.

    >>> false_alarms, hits = roc(torch.tensor([1.0, 2.0]), torch.tensor([2.0, 3.0]))
    >>> false_alarms.tolist(), hits.tolist()
    ([0.0, 0.0, 0.5, 1.0], [0.0, 0.5, 1.0, 1.0])
    """
    inside, outside = _check(inside, "inside"), _check(outside, "outside")
    levels = torch.cat([inside, outside]).unique().flip(0)

    def share(scores: Tensor) -> Tensor:
        below = torch.searchsorted(scores.sort().values, levels)
        return torch.cat([torch.zeros(1, dtype=torch.float64), 1 - below.double() / len(scores)])

    return share(inside), share(outside)


def auc(inside: Tensor, outside: Tensor) -> float:
    """The area under that curve, in [0, 1]: the chance that an outside score is above an inside one.

    Raises:
        TypeError, ValueError: scores that are not one row of numbers.

    >>> area(torch.tensor([1.0, 2.0]), torch.tensor([2.0, 3.0]))
    0.875
    """
    inside, outside = _check(inside, "inside").sort().values, _check(outside, "outside")
    below, up_to = (torch.searchsorted(inside, outside, right=right) for right in (False, True))
    return ((below + up_to).double().mean() / (2 * len(inside))).item()


def _check(scores: Tensor, name: str) -> Tensor:
    """One row of numbers, as float64 on the CPU."""
    if not isinstance(scores, Tensor):
        raise TypeError(f"{name} is a {type(scores).__name__}, not a tensor of scores: write torch.as_tensor(...)")
    if scores.ndim != 1 or not len(scores):
        raise ValueError(f"{name} has shape {tuple(scores.shape)}, not (N,): give one score an image, and some images")
    if scores.isnan().any():
        raise ValueError(f"{name} holds NaN, which is neither above nor below any threshold")
    return scores.detach().cpu().double()
