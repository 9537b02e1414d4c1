r"""A share seen in a sample, and how large the true one may be: the exact interval of Clopper and Pearson.

k of n draws showed the event. The interval holds every share p under which neither "k or more" nor "k or fewer" is
rarer than half of 1 - level. Both ends are quantiles of the beta distribution (Clopper and Pearson, Biometrika 26, 404,
1934):

    low = Beta(k, n - k + 1) at (1 - level) / 2,    high = Beta(k + 1, n - k) at (1 + level) / 2

With k = 0 the upper end is about 3.7 / n at 95 %. Nothing is approximated by a normal curve, so it holds for the rarest
events too.
"""

import torch
from scipy.special import betaincinv
from torch import Tensor


def clopper_pearson(k: int | Tensor, n: int | Tensor, level: float = 0.95) -> tuple:
    """The exact interval for the true share when ``k`` of ``n`` independent draws showed the event.

    Args:
        k, n: whole numbers, or tensors of them that fit together; n up to 1e8 and beyond.
        level: how often, at least, such an interval holds the true share, in (0, 1).

    Returns:
        The two ends in [0, 1]: floats for numbers, float64 tensors on the CPU for tensors.

    Raises:
        ValueError: more events than draws, negative or broken numbers, no draws, a level outside (0, 1).

    >>> low, high = interval(3, 1000)
    >>> f"{low:.5f} {high:.5f}"
    '0.00062 0.00874'
    >>> interval(torch.tensor([0, 500]), 1000)[1]
    tensor([0.0037, 0.5315], dtype=torch.float64)
    """
    seen, draws = (torch.as_tensor(value).to("cpu", torch.float64) for value in (k, n))
    whole = all((value == value.round()).all() for value in (seen, draws))
    if not whole or not ((seen >= 0) & (seen <= draws) & (draws >= 1)).all():
        raise ValueError(f"k={k}, n={n}: want whole numbers, 0 <= k <= n, and n of at least 1")
    if not 0 < level < 1:
        raise ValueError(f"level={level}: want a share between 0 and 1, such as 0.95 for 95 %")
    seen, draws = torch.broadcast_tensors(seen, draws)
    missed, tail = draws - seen, (1 - level) / 2
    low = torch.as_tensor(betaincinv(seen.clamp_min(1).numpy(), (missed + 1).numpy(), tail))
    high = torch.as_tensor(betaincinv((seen + 1).numpy(), missed.clamp_min(1).numpy(), 1 - tail))
    low, high = torch.where(seen == 0, 0, low), torch.where(missed == 0, 1, high)
    return (low, high) if isinstance(k, Tensor) or isinstance(n, Tensor) else (low.item(), high.item())
