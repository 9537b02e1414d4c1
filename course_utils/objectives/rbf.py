r"""Radial basis functions: a class is a place, and an image far from all places belongs to none.

The last layer of LeNet-5 (LeCun, Bottou, Bengio and Haffner 1998, section II.B) has no weights to learn. The 84
features h, squashed by A tanh(S a), are compared with a drawing b_k of each digit, 7 x 12 pixels of -1 and +1:

    f_k = -y_k,    y_k = |h - b_k|^2

and the network is trained by equation (9) of that paper, with a constant j that stands for a class "none of these",

    E = y_label + log(exp(-j) + sum_k exp(-y_k))

It stops pushing classes away that are farther than j already. Goodfellow et al. (arXiv 1412.6572, section 7) used a
shallow net of such functions, with places mu_k in the image itself and p(k | x) not normalised over the classes:

    p(k | x) = exp(f_k),    f_k = (x - mu_k)^T beta_k (x - mu_k),    beta_k negative semi-definite

What is learnt differs: LeNet-5 learns features and measures distances between those; the shallow net learns a distance
between images. Both give a low p to noise that fell by chance. Neither keeps an image that is no digit from being near:
what the features drop, or what lies along the directions in which beta_k is 0, costs nothing. Gradient ascent on f_k
from noise brings both to p > 0.5, and the image stays as far from all digits as the noise was.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils import models
from course_utils.data import Split
from course_utils.objectives.fitting import check_split, flat, frozen, train

A, S = 1.7159, 2 / 3  # of the squashing, so that -1 and +1 map to themselves
RUBBISH = 10.0  # j: beyond this squared distance a class counts as far enough
TRAINING = dict(epochs=5, lr=8e-3)
RANK = 40  # directions in which a shallow function of a class measures distance

DRAWINGS = """
.......  .......  .......  .......  .......  .......  .......  .......  .......  .......
..###..  ...#...  .####..  .####..  ....##.  ######.  ..####.  #######  ..###..  ..###..
.##.##.  ..##...  ##..##.  #...##.  ...###.  ##.....  .##....  #....##  .##.##.  .##.##.
##...##  .###...  #....##  .....##  ..#.##.  ##.....  ##.....  .....##  ##...##  ##...##
##...##  ...#...  .....##  .....#.  .##.##.  ##.....  ##.....  ....##.  ##...##  ##...##
##...##  ...#...  ....##.  ..###..  .#..##.  #####..  #####..  ....##.  .##.##.  ##...##
##...##  ...#...  ....#..  ....##.  ##..##.  ....##.  ##..##.  ...##..  ..###..  .##.###
##...##  ...#...  ...##..  .....##  #######  .....##  ##...##  ...##..  .##.##.  ..##.##
##...##  ...#...  ..##...  .....##  ....##.  .....##  ##...##  ..##...  ##...##  .....##
.##.##.  ...#...  .##....  #....#.  ....##.  #...##.  .##.##.  ..##...  ##...##  ....##.
..###..  .#####.  #######  .####..  ....##.  .####..  ..###..  .##....  .#####.  .###...
.......  .......  .......  .......  .......  .......  .......  .......  .......  .......
"""


def bitmaps() -> Tensor:
    """The drawings of the ten digits, 12 rows of 7 pixels, of -1 (paper) and +1 (ink): ``(10, 84)``."""
    rows = [line.split() for line in DRAWINGS.split("\n") if line]
    return torch.tensor([[1.0 if p == "#" else -1.0 for row in rows for p in row[k]] for k in range(10)])


class Bitmaps(nn.Module):
    """The output layer of LeNet-5: squash features ``(N, 84)``, then logits ``-|h - b_k|^2``, ``(N, 10)``.

    >>> features = torch.atanh(bitmaps() / A) / S
    >>> Bitmaps()(features).diagonal().abs().max().item() < 1e-6
    True
    """

    def __init__(self):
        super().__init__()
        self.drawings = frozen(bitmaps())

    def forward(self, features: Tensor) -> Tensor:
        squashed = A * torch.tanh(S * features)
        return -(squashed[:, None] - self.drawings).square().sum(2)


class ShallowRBF(nn.Module):
    """One function a class: logits ``-|B_k (x - mu_k)|^2``, which is beta_k = -B_k^T B_k, of rank 40 at most.

    ``means``, where mu_k starts, are ``(K, D)`` in pixel units.
    """

    def __init__(self, means: Tensor):
        super().__init__()
        self.means = nn.Parameter(means.detach().clone())
        scale = 0.3 / means.shape[1] ** 0.5
        self.directions = nn.Parameter(scale * torch.randn(len(means), RANK, means.shape[1]).to(means))

    def forward(self, images: Tensor) -> Tensor:
        offsets = flat(images, self.means) - self.means[:, None]
        return -torch.bmm(offsets, self.directions.mT).square().sum(2).T.contiguous()


def map_criterion(logits: Tensor, labels: Tensor, rubbish: float = RUBBISH) -> Tensor:
    """Equation (9) of LeCun et al. 1998, the mean over the images, in nats.

    It is the cross-entropy with one more class, whose logit is the constant -``rubbish``.

    >>> map_criterion(torch.tensor([[0.0, -8.0]]), torch.tensor([0]), rubbish=5.0)  # log(1 + exp(-5) + exp(-8))
    tensor(0.0070)
    """
    return F.cross_entropy(torch.cat([logits, torch.full_like(logits[:, :1], -rubbish)], dim=1), labels)


def bernoulli(logits: Tensor, labels: Tensor) -> Tensor:
    """The mean of -log p(label) - sum over the others of log(1 - p), with p = exp(logits), in nats an image.

    Each class answers yes or no for itself. So "no" to all of them is an answer, too.

    >>> bernoulli(torch.tensor([[0.0, -8.0]]), torch.tensor([0])).round(decimals=4)  # -log(1 - exp(-8))
    tensor(0.0003)
    """
    own = F.one_hot(labels, logits.shape[1]).bool()
    no = torch.log(-torch.expm1(logits.clamp_max(-1e-6)))
    return -torch.where(own, logits, no).sum(1).mean()


def confidence(logits: Tensor) -> Tensor:
    """How sure a net of radial basis functions is of its class: Goodfellow's exp(f_k), in [0, 1], ``(N,)``.

    >>> confidence(torch.tensor([[-0.1, -5.0], [-9.0, -9.0]]))
    tensor([9.0484e-01, 1.2341e-04])
    """
    if logits.ndim != 2 or not (logits <= 1e-4).all():
        raise ValueError("want rows of logits, none above 0: minus squared distances, as radial basis functions give")
    return logits.amax(1).clamp_max(0).exp()


def rbf_lenet(split: Split, **settings) -> nn.Sequential:
    """LeNet-5 with the output layer and the loss of 1998, trained on the ten digits of ``split``.

    Features, pooling and optimiser are those of `models.LeNet5`, so that only the objective differs. ``settings`` are
    those of `train`, 5 epochs with ``lr=8e-3`` unless they say otherwise.
    """

    def build():
        return nn.Sequential(*list(models.LeNet5())[:-2], Bitmaps())

    return train(build, split, lambda net, x, y: map_criterion(net(x), y), **TRAINING | settings)


def shallow_rbf(split: Split, **settings) -> ShallowRBF:
    """Goodfellow's shallow net, from the mean images of the classes on, trained by `bernoulli`.

    The paper does not say how its own was trained. ``settings`` are as in `rbf_lenet`.
    """
    classes, pixels = check_split(split, every=True), split.images.flatten(1)
    means = torch.stack([pixels[split.labels == k].mean(0) for k in range(classes)])
    return train(lambda: ShallowRBF(means), split, lambda net, x, y: bernoulli(net(x), y), **TRAINING | settings)
