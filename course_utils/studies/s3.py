"""S3: over how many pixels of a digit is the shortest change spread, beside noise on all pixels?

Of 200 digits that a LeNet-5 reads rightly the shortest change counts that DeepFool, Carlini-Wagner or L-BFGS found. The
pixels that carry 90 % of its squared length are counted, and divided by those that Gaussian noise of the same length
takes on the same digit, which is clipped to [0, 1] as the change is. 1 is as evenly spread as noise, which meets all
pixels; 1/784 of them could be enough, so that it may come out on either side.
"""

import torch
from torch import Tensor

from course_utils.attacks.distances import l2
from course_utils.core.tensors import bisect, spread, steepest
from course_utils.studies.claims import RULES
from course_utils.studies.engine import Study
from course_utils.studies.networks import network, seeds
from course_utils.studies.s4 import SEARCHES, right_digits, shortest

NUMBER, SHARE = 200, 0.9


def share_of_pixels(changes: Tensor) -> Tensor:
    """The smallest share of the pixels that carry 90 % of each change's squared length, ``(N,)``, in (0, 1]."""
    energy = changes.flatten(1).double().square().sort(1, descending=True).values.cumsum(1)
    return ((energy < SHARE * energy[:, -1:]).sum(1) + 1) / energy.shape[1]


def noisy(images: Tensor, changed: Tensor, generator: torch.Generator) -> Tensor:
    """Images with Gaussian noise, clipped to [0, 1], that are as far from them in L2 as the changed ones."""
    noise, wanted = steepest(torch.randn(images.shape, generator=generator), "l2"), l2(images, changed)

    def with_noise(size: Tensor) -> Tensor:
        return (images + spread(size, images) * noise).clamp(0, 1)

    _, size = bisect(wanted, 10 * wanted, lambda size: l2(images, with_noise(size)) >= wanted, 20)
    return with_noise(size)


def evenness(seed: int, generator: torch.Generator) -> dict:
    """The mean of the ratios; the mean shares of pixels of changes and of noise; how many digits were turned."""
    model = network("lenet5", seed)
    split = right_digits([model], NUMBER, generator)
    changed, size = shortest(model, split, SEARCHES["l2"], l2)
    images, changed = split.images[size.isfinite()], changed[size.isfinite()]
    shares = [share_of_pixels(each - images) for each in (changed, noisy(images, changed, generator))]
    ratio, ours, noise = (round(each.mean().item(), 4) for each in (shares[0] / shares[1], *shares))
    return {"value": ratio, "pixels of the change": ours, "pixels of noise": noise, "digits": len(images)}


STUDIES = (Study(RULES["S3"], seeds(10), evenness, again=seeds(5, 10)),)
