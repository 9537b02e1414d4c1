r"""Support vector machines, fitted by scikit-learn, as torch modules with the same decision values.

One machine a class tells its images (y = +1) from all others (y = -1), by the widest margin that few of them violate,

    min |w|^2 / 2 + C sum_i loss(y_i (w.phi(x_i) + b)),        f_k(x) = w_k.phi(x) + b_k

and the largest f_k is the class ("one against the rest"; Cortes and Vapnik 1995, Rifkin and Klautau 2004).
scikit-learn's own default for kernels is a vote of all pairs of classes, a step function: no gradient, nothing for an
attack to follow. With phi the pixels themselves f is linear. With the Gaussian kernel only the support vectors s_i
remain,

    f_k(x) = sum_i a_ki exp(-gamma |x - s_i|^2) + b_k

and far from all of them f_k = b_k, which is below 0 as a rule: "none of the classes", a distance-based answer.
"""

import torch
from torch import Tensor, nn

from course_utils import runtime
from course_utils.data import Split
from course_utils.objectives.fitting import check_split, flat, frozen

MOST = 20_000  # images whose kernel matrix, 8 bytes for each pair, still fits an ordinary memory


class KernelMachine(nn.Module):
    """Logits are sums of Gaussian bumps around the support vectors: s ``(M, D)``, a ``(K, M)``, b ``(K,)``.

    ``gamma`` is 1 / (2 width^2) of the bumps, in 1 / squared pixel units.

    >>> machine = KernelMachine(torch.zeros(1, 2), torch.ones(2, 1), torch.tensor([0.0, 1.0]), gamma=1.0)
    >>> machine(torch.zeros(1, 1, 1, 2))
    tensor([[1., 2.]])
    """

    def __init__(self, supports: Tensor, weights: Tensor, biases: Tensor, gamma: float):
        super().__init__()
        self.gamma, centre = gamma, supports.mean(0)
        self.centre, self.supports = frozen(centre), frozen(supports - centre)  # small numbers: less rounding
        self.weights, self.biases = frozen(weights), frozen(biases)

    def forward(self, images: Tensor) -> Tensor:
        offsets = flat(images, self.centre) - self.centre
        squares = offsets.square().sum(1, keepdim=True) + self.supports.square().sum(1)
        distances = torch.addmm(squares, offsets, self.supports.T, alpha=-2)
        return torch.addmm(self.biases, (-self.gamma * distances).exp(), self.weights.T)


def linear_svm(split: Split, *, C: float = 0.01) -> nn.Sequential:
    """One linear machine for each class of ``split``, by ``sklearn.svm.LinearSVC`` with its squared hinge loss.

    A network of one layer, whose logits are the decision values. ``C`` is what a violated margin costs, for each image.

    >>> split = Split(torch.tensor([0.0, 0.2, 0.8, 1.0]).view(4, 1, 1, 1), torch.tensor([0, 0, 1, 1]))
    >>> linear_svm(split, C=100.0)(split.images).argmax(1)
    tensor([0, 0, 1, 1])
    """
    from sklearn.svm import LinearSVC

    _check(split, C)
    pixels, labels = split.images.detach().flatten(1).cpu().numpy(), split.labels.cpu().numpy()
    machine = LinearSVC(C=C, dual=True, random_state=0, max_iter=5000).fit(pixels, labels)
    weights, biases = torch.tensor(machine.coef_), torch.tensor(machine.intercept_)
    if len(weights) == 1:  # for two classes it fits only the second
        weights, biases = torch.cat([-weights, weights]), torch.cat([-biases, biases])
    layer = nn.Linear(weights.shape[1], len(weights), device="meta")
    layer.load_state_dict(dict(weight=weights, bias=biases), assign=True)
    return nn.Sequential(nn.Flatten(), layer).to(split.images).eval()


def rbf_svm(split: Split, *, C: float = 10.0, gamma: float | None = None, progress: bool = True) -> KernelMachine:
    """One machine with Gaussian kernel for each class of ``split``, by ``sklearn.svm.SVC``.

    The kernel of all pairs is computed once for all machines. The time grows with the square of the number of images,
    at least: a second for 2,000 digits, about ten for 10,000.

    ``gamma`` None takes 1 / (D times the variance of all pixels), scikit-learn's "scale". An interrupt goes on to the
    caller: some classes would have no machine.
    """
    from sklearn.svm import SVC

    classes = _check(split, C)
    if len(split) > MOST:
        raise ValueError(f"{len(split)} images: every pair of them needs memory, so take at most split[:{MOST}]")
    pixels = split.images.detach().flatten(1).cpu().double()
    gamma = (1 / (pixels.shape[1] * pixels.var(correction=0))).item() if gamma is None else float(gamma)
    if not 0 < gamma < float("inf"):
        raise ValueError(f"gamma={gamma}: want a number above 0; None needs images that differ")
    heights = pixels.square().sum(1)
    kernel = (pixels @ pixels.T).mul_(2).sub_(heights).sub_(heights[:, None]).mul_(gamma).exp_().numpy()
    weights, biases = pixels.new_zeros(classes, len(pixels)), pixels.new_zeros(classes)
    with runtime.progress_bar(classes, "machines", progress) as bar:
        for k in range(classes):
            machine = SVC(C=C, kernel="precomputed").fit(kernel, (split.labels == k).cpu().numpy())
            weights[k, torch.as_tensor(machine.support_).long()] = torch.as_tensor(machine.dual_coef_[0])
            biases[k] = machine.intercept_[0]
            bar.update()
    used = weights.any(0)
    return KernelMachine(pixels[used], weights[:, used].contiguous(), biases, gamma).to(split.images).eval()


def _check(split: Split, C: float) -> int:
    if not 0 < C < float("inf"):
        raise ValueError(f"C={C}: want a cost above 0")
    return check_split(split, every=True)
