"""The first layer of AE400-10: units that learn to code digits without labels, each of them on for few images.

As the first half of an autoencoder, the codes h = sigmoid(W x + b) have to rebuild the pixels, x' = sigmoid(V h + c),
while the mean rho_j of each unit over the batch is drawn to rho. A little decay keeps W smooth. The loss is

    mean cross-entropy(x, x') + mean KL(rho || rho_j) + 3e-6 * (sum(W^2) + sum(V^2) + sum(b^2) + sum(c^2))

Szegedy et al. 2013 put softmax regression on such codes (arXiv 1312.6199, Table 1).
"""

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils import evaluation
from course_utils.core.checks import check_images
from course_utils.data import Split
from course_utils.training import History, fit, weight_decay


def learn_codes(
    encoder: nn.Linear, images: Tensor, *, lr: float = 0.02, batch: int = 125, rho: float = 0.05, **settings
) -> History:
    """Train ``encoder`` in place, from the pixels of an image to the units of the code.

    The decoder starts as its transpose, and is thrown away at the end. ``settings`` are those of `training.fit`.
    """
    size = check_images(images)[0].numel()
    evaluation.initialise(encoder, images[:1].flatten(1))
    if size != encoder.in_features or not 0 < rho < 1:
        raise ValueError(
            f"images of {size} pixels, an encoder of {encoder.in_features}, rho={rho}: want as many, and 0 < rho < 1"
        )
    decoder = nn.utils.skip_init(nn.Linear, encoder.out_features, encoder.in_features, dtype=encoder.weight.dtype)
    with torch.no_grad():
        decoder.weight.copy_(encoder.weight.T)
        decoder.bias.zero_()
        encoder.bias.fill_(torch.logit(encoder.bias.new_tensor(rho)))  # sparse from the start

    def loss(model: nn.Module, images: Tensor, _: Tensor) -> Tensor:
        pixels = images.flatten(1)
        codes = encoder(pixels).sigmoid()
        rebuilt = F.binary_cross_entropy_with_logits(decoder(codes), pixels)
        means = codes.mean(0)
        divergence = rho * (rho / means).log() + (1 - rho) * ((1 - rho) / (1 - means)).log()
        return rebuilt + divergence.mean()

    penalty = partial(weight_decay, lambdas=(6e-6, 6e-6))
    both = nn.Sequential(encoder, decoder)
    return fit(both, Split(images, images), loss=loss, penalty=penalty, lr=lr, batch=batch, **settings)
