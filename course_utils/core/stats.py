"""A fraction seen in a sample, and how large the true one may be: the exact interval of Clopper and Pearson.

k of n draws showed the event. The interval holds every fraction p under which neither "k or more" nor "k or fewer" is
rarer than half of 1 - level. Both ends are quantiles of the beta distribution (Clopper and Pearson, Biometrika 26, 404,
1934):

    low = Beta(k, n - k + 1) at (1 - level) / 2,    high = Beta(k + 1, n - k) at (1 + level) / 2

With k = 0 the upper end is about 3.7 / n at 95 %. Nothing is approximated by a normal curve, so it holds for the rarest
events too.
"""

import scipy
import torch
from torch import Tensor


def clopper_pearson(k: int | Tensor, n: int | Tensor, level: float = 0.95) -> tuple:
    """The exact interval for the true fraction when ``k`` of ``n`` independent draws showed the event.

    Its two ends are floats for whole numbers, and float64 tensors on the CPU for tensors of them. ``level`` says how
    often, at least, such an interval holds the true fraction, in (0, 1).

    >>> clopper_pearson(torch.tensor([0, 500]), 1000)[1]
    tensor([0.0037, 0.5315], dtype=torch.float64)
    """
    seen, draws = torch.broadcast_tensors(*(torch.as_tensor(value).to("cpu", torch.float64) for value in (k, n)))
    whole = (seen == seen.round()) & (draws == draws.round())
    if not (whole & (seen >= 0) & (seen <= draws) & (draws >= 1)).all():
        raise ValueError(f"k={k}, n={n}: want whole numbers, 0 <= k <= n, and n of at least 1")
    if not 0 < level < 1:
        raise ValueError(f"level={level}: want a fraction between 0 and 1, such as 0.95 for 95 %")
    tail = (1 - level) / 2
    quantile = scipy.special.betaincinv  # behind scipy.stats.beta.ppf; NaN where a parameter is 0
    low = torch.as_tensor(quantile(seen.numpy(), (draws - seen + 1).numpy(), tail)).nan_to_num(0.0)
    high = torch.as_tensor(quantile((seen + 1).numpy(), (draws - seen).numpy(), 1 - tail)).nan_to_num(1.0)
    return (low, high) if isinstance(k, Tensor) or isinstance(n, Tensor) else (low.item(), high.item())
