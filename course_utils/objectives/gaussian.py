r"""One Gaussian a class: a model of the digits themselves, from which the label follows by Bayes' rule.

    log p(x | k) = -|L_k^-1 (x - mu_k)|^2 / 2 - log det L_k - D log(2 pi) / 2,      L_k L_k^T = S_k + ridge * 1
    f_k(x) = log p(x | k) + log p(k)

mu_k, S_k and p(k) are the mean, the covariance and the proportion of the class. Many pixels of a class never change, so
that S_k has no inverse; the ridge is the variance of a little noise on all pixels. Since f_k is a joint density,
``logsumexp(f)`` is log p(x): low where no class has images, which a softmax cannot say. Friedman, "Regularized
discriminant analysis", JASA 1989.
"""

import math

import torch
from torch import Tensor, nn

from course_utils.data import Split
from course_utils.objectives.fitting import check_split, flat, frozen


class Gaussians(nn.Module):
    """Logits log p(x | k) + log p(k), in nats, from means ``(K, D)``, covariances ``(K, D, D)`` and priors ``(K,)``.

    >>> Gaussians(torch.zeros(1, 2), torch.eye(2)[None], torch.ones(1))(torch.zeros(1, 1, 1, 2))  # -log(2 pi)
    tensor([[-1.8379]])
    """

    def __init__(self, means: Tensor, covariances: Tensor, priors: Tensor):
        super().__init__()
        factors = torch.linalg.cholesky(covariances)
        one = torch.eye(means.shape[1]).to(means)
        self.means = frozen(means)
        self.whiteners = frozen(torch.linalg.solve_triangular(factors, one, upper=False))
        heights = self.whiteners.diagonal(dim1=1, dim2=2).log().sum(1) - means.shape[1] * math.log(2 * math.pi) / 2
        self.heights = frozen(heights + priors.log())

    def forward(self, images: Tensor) -> Tensor:
        offsets = flat(images, self.means) - self.means[:, None]
        return (self.heights - torch.bmm(offsets, self.whiteners.mT).square().sum(2).T / 2).contiguous()


def gaussians(split: Split, *, ridge: float = 0.05) -> Gaussians:
    """Fit one Gaussian to each class of ``split``; computed in float64, returned in the type of the images.

    ``ridge`` is the variance added to every pixel, in squared pixel units.
    """
    classes = check_split(split, every=True)
    if not 0 < ridge < float("inf"):
        raise ValueError(f"ridge={ridge}: want a variance above 0, such as 0.05, or dead pixels have no density")
    exact = torch.float32 if split.images.device.type == "mps" else torch.float64  # mps has no float64
    pixels = split.images.flatten(1).to(exact)
    groups = [pixels[split.labels == k] for k in range(classes)]
    noise = ridge * torch.eye(pixels.shape[1]).to(pixels)
    covariances = torch.stack([group.T.cov(correction=0) + noise for group in groups])
    means = torch.stack([group.mean(0) for group in groups])
    priors = torch.tensor([len(group) / len(pixels) for group in groups]).to(pixels)
    return Gaussians(means, covariances, priors).to(split.images.dtype).eval()
