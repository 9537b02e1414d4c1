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

RHO = 0.05  # of the images, for which a unit is on


def learn_codes(encoder: nn.Linear, split: Split, *, lr: float = 0.02, batch: int = 125, **settings) -> History:
    """Train ``encoder`` in place, from the pixels of an image to the units of the code.

    The decoder starts as its transpose, and is thrown away at the end. ``settings`` are those of `training.fit`.
    """
    pixels = check_images(split[:1].images).flatten(1)
    size = pixels.shape[1]
    evaluation.initialise(encoder, pixels)
    if size != encoder.in_features:
        raise ValueError(f"images of {size} pixels, an encoder of {encoder.in_features}: want as many")
    decoder = nn.utils.skip_init(nn.Linear, encoder.out_features, encoder.in_features, dtype=encoder.weight.dtype)
    with torch.no_grad():
        decoder.weight.copy_(encoder.weight.T)
        decoder.bias.zero_()
        encoder.bias.fill_(torch.logit(encoder.bias.new_tensor(RHO)))  # sparse from the start

    def loss(model: nn.Module, images: Tensor, _: Tensor) -> Tensor:
        pixels = images.flatten(1)
        codes = encoder(pixels).sigmoid()
        rebuilt = F.binary_cross_entropy_with_logits(decoder(codes), pixels)
        means = codes.mean(0)
        divergence = RHO * (RHO / means).log() + (1 - RHO) * ((1 - RHO) / (1 - means)).log()
        return rebuilt + divergence.mean()

    penalty = partial(weight_decay, lambdas=(6e-6, 6e-6))
    both = nn.Sequential(nn.Flatten(), encoder, decoder)
    return fit(both, split, loss=loss, penalty=penalty, lr=lr, batch=batch, **settings)
