"""Networks that are trained on MNIST in seconds: their recipes, and the cache that keeps what was trained."""

import warnings
from functools import partial

import torch
from torch import nn

from course_utils import data, evaluation, models, runtime
from course_utils.core import storage
from course_utils.data import Split
from course_utils.training import History, fit, weight_decay
from course_utils.zoo.recipe import Recipe
from course_utils.zoo.sparse_code import learn_codes

PARTS = {"P1": slice(30_000), "P2": slice(30_000, None)}  # of the training images


def fit_decayed(model: nn.Module, split: Split, *, lambdas: tuple[float, ...], part: str = "", **settings) -> History:
    """Train as Szegedy et al. 2013 did, with a lambda for each dense layer, on all of the split or a key of `PARTS`."""
    split = split[PARTS[part]] if part else split
    return fit(model, split, penalty=partial(weight_decay, lambdas=lambdas), **settings)


def fit_on_codes(
    model: nn.Sequential, split: Split, *, unsupervised: int, lambdas: tuple[float], epochs: int, lr: float, **settings
) -> History:
    """Train the first dense layer of `models.AE400` for so many epochs without labels, and then only the last."""
    history = learn_codes(model[1], split, epochs=unsupervised, **settings)
    if not history.finished:
        return history
    # in [0, 1], as pixels are: the last layer takes them for images
    codes = torch.cat([evaluation.logits(model[:3], part.images) for part in split.batches()])
    last, coded = nn.Sequential(nn.Flatten(), model[3]), Split(codes[:, :, None, None], split.labels)
    return fit_decayed(last, coded, lambdas=lambdas, epochs=epochs, lr=lr, batch=500, **settings)


def _softmax_regression(decay: float, epochs: int, lr: float) -> Recipe:
    return Recipe(models.FC, partial(fit_decayed, epochs=epochs, lr=lr, batch=500, lambdas=(decay,)))


def _sigmoid_net(*hidden: int, epochs: int, part: str = "") -> Recipe:
    how = dict(epochs=epochs, lr=0.03, batch=500, lambdas=(1e-5, 1e-5, 1e-6), part=part)
    return Recipe(partial(models.FC, *hidden, activation=nn.Sigmoid), partial(fit_decayed, **how))


RECIPES = {
    "lenet5": Recipe(models.LeNet5, partial(fit, epochs=3, lr=4e-3)),
    "caffe_lenet": Recipe(models.CaffeLeNet, partial(fit, epochs=3, lr=3e-3)),
    # Szegedy et al. 2013, Table 1
    "fc10-1e-4": _softmax_regression(1e-4, epochs=10, lr=0.03),
    "fc10-1e-2": _softmax_regression(1e-2, epochs=8, lr=0.01),
    "fc10-1": _softmax_regression(1.0, epochs=8, lr=3e-3),
    "fc100": _sigmoid_net(100, 100, epochs=15),
    "fc200": _sigmoid_net(200, 200, epochs=12),
    "ae400": Recipe(models.AE400, partial(fit_on_codes, unsupervised=3, epochs=15, lr=0.2, lambdas=(1e-6,))),
    # its Table 3, on halves of the training images: the paper does not say which, here the first 30,000 and the last
    "fc100-p1": _sigmoid_net(100, 100, epochs=20, part="P1"),
    "fc123-p1": _sigmoid_net(123, 456, epochs=12, part="P1"),
    "fc100-p2": _sigmoid_net(100, 100, epochs=20, part="P2"),
    # Moosavi-Dezfooli et al. 2015, DeepFool
    "fc500-150": Recipe(partial(models.FC, 500, 150, activation=nn.ReLU), partial(fit, epochs=5, lr=4e-3, batch=250)),
}


@runtime.float32()
def trained(name: str, *, seed: int, device: torch.device, progress: bool) -> nn.Module:
    """A network trained on MNIST by its recipe: from the user's cache, or trained now and kept there.

    A file that is damaged, or was written by another recipe, is reported and replaced. An interrupted training is
    returned, but not kept.
    """
    recipe, stamp = RECIPES[name], RECIPES[name].stamp(seed)
    file = storage.home("models") / f"{name}-{seed}-{storage.sha256(stamp.encode())[:8]}.safetensors"
    model = recipe.fresh(seed)
    try:
        if file.exists():
            storage.restore(model, file, stamp)
            return model
    except (OSError, ValueError) as error:
        warnings.warn(f"the saved network {file.name} cannot be used ({error}); training it again", stacklevel=4)
    generator = torch.Generator().manual_seed(seed)
    if recipe.train(model, data.mnist(device).train, generator=generator, progress=progress).finished:
        try:
            storage.store(model, file, stamp)
        except OSError as error:
            warnings.warn(f"the network works but could not be kept ({error})", stacklevel=4)
    return model
