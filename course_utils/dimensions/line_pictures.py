r"""Upright and level lines: a problem where nearest and random distance can be written down.

The lines stand on a ground that gives them away, and a linear classifier without errors reads the ground alone: it is
easily fooled by a perturbation that nobody sees, and hardly by a random one. Fawzi, Fawzi and Frossard, arXiv
1502.02590, section 5; `caps.uniform_ratio` is the ratio of the two.
"""

import torch
from torch import Tensor

from course_utils.core.checks import check_count


def lines(d: int, shade: float) -> tuple[Tensor, Tensor]:
    """All pictures of one line: ``(2 sqrt(d), 1, sqrt(d), sqrt(d))`` and their labels, 1 for upright and 0 for level.

    An upright line has the brightness 1 + ``shade`` on a ground of ``shade``, a level one 1 - ``shade`` on -``shade``.
    So pixels leave [0, 1] a little, as in the paper.

    >>> pictures, labels = lines(9, 0.1)
    >>> pictures[1, 0, 0], labels
    (tensor([0.1000, 1.1000, 0.1000]), tensor([1, 1, 1, 0, 0, 0]))
    """
    side = round(check_count("d", d) ** 0.5)
    if side * side != d or side < 2:
        raise ValueError(f"d={d}: want the square of a whole number above 1, such as 4, 100 or 2500")
    upright = torch.eye(side)[:, None].expand(side, side, side)
    pictures = torch.cat([upright + shade, upright.mT - shade])[:, None]
    return pictures, torch.arange(2).flip(0).repeat_interleave(side)


def f_lin(pictures: Tensor) -> Tensor:
    r"""The linear classifier of the lines, ``sum(x) / sqrt(d) - 1``: above 0 for upright, ``(N, ...)`` -> ``(N,)``.

    Its weights have length 1, so the size of f is the distance to its boundary. On `lines` that is ``sqrt(d) * shade``
    everywhere: rho_adv, which no linear classifier without errors surpasses.

    >>> f_lin(lines(2500, 0.1 / 50)[0])[[0, -1]]  # lines that anyone can see, and rho_adv = 0.1
    tensor([ 0.1000, -0.1000])
    """
    pixels = pictures.flatten(1)
    return pixels.sum(1) / pixels.shape[1] ** 0.5 - 1
