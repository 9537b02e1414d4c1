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

    Args:
        k, n: whole numbers, or tensors of them that fit together; n up to 1e8 and beyond.
        level: how often, at least, such an interval holds the true fraction, in (0, 1).

    Returns:
        The two ends in [0, 1]: floats for numbers, float64 tensors on the CPU for tensors.

    >>> low, high = clopper_pearson(3, 1000)
    >>> f"{low:.5f} {high:.5f}"
    '0.00062 0.00874'
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
    low = _beta_quantile(seen, draws - seen + 1, tail).nan_to_num(0.0)
    high = _beta_quantile(seen + 1, draws - seen, 1 - tail).nan_to_num(1.0)
    return (low, high) if isinstance(k, Tensor) or isinstance(n, Tensor) else (low.item(), high.item())


def _beta_quantile(a: Tensor, b: Tensor, p: float) -> Tensor:
    """NaN where a or b is 0. The function behind ``scipy.stats.beta.ppf``, in a hundredth of its time."""
    return torch.as_tensor(scipy.special.betaincinv(a.numpy(), b.numpy(), p))
