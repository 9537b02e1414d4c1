r"""How well does a score tell images apart? Hits against false alarms, at every threshold.

An image is called off the data if its score is above a threshold. The fraction of *outside* images found so are the
hits (true positive rate), the fraction of *inside* images the false alarms (false positive rate); a lower threshold has
more of both. The area under that curve, the receiver operating characteristic, is the probability that a random outside
image has a higher score than a random inside image, where a tie counts as half (the statistic of Mann and Whitney
1947): 1 is perfect, 0.5 is guessing, and below that the score points the wrong way.
"""

import numpy as np
import torch
from torch import Tensor

ALARMS = 0.05  # the fraction of false alarms that a threshold allows


def threshold(inside: Tensor) -> float:
    """The lowest of these scores that at most 5 % of them lie above.

    Take other images than those that the score is tried on: their fraction of false alarms is then a finding.

    >>> threshold(torch.arange(100.0))
    94.0
    """
    ordered = _check(inside, "inside").sort(descending=True).values
    return ordered[int(ALARMS * len(ordered) + 1e-9)].item()


def roc(inside: Tensor, outside: Tensor) -> tuple[Tensor, Tensor]:
    """The curve of false alarms and hits, from (0, 0) to (1, 1), float64 ``(T,)`` each, on the CPU.

    >>> false_alarms, hits = roc(torch.tensor([1.0, 2.0]), torch.tensor([2.0, 3.0]))
    >>> false_alarms.tolist(), hits.tolist()
    ([0.0, 0.0, 0.5, 1.0], [0.0, 0.5, 1.0, 1.0])
    """
    from sklearn.metrics import roc_curve

    scores = torch.cat([_check(inside, "inside"), _check(outside, "outside")]).numpy()
    is_outside = np.arange(len(scores)) >= len(inside)
    false_alarms, hits, _ = roc_curve(is_outside, scores, drop_intermediate=False)
    return torch.from_numpy(false_alarms), torch.from_numpy(hits)


def _check(scores: Tensor, name: str) -> Tensor:
    """One row of numbers, as float64 on the CPU."""
    if not isinstance(scores, Tensor):
        raise TypeError(f"{name} is a {type(scores).__name__}, not a tensor of scores: write torch.as_tensor(...)")
    if scores.ndim != 1 or not len(scores):
        raise ValueError(f"{name} has shape {tuple(scores.shape)}, not (N,): give one score an image, and some images")
    if not scores.isfinite().all():
        raise ValueError(f"{name} holds NaN or infinity, which no threshold can rank")
    return scores.detach().cpu().double()
