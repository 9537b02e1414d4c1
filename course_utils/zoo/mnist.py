"""Networks that are trained on MNIST in seconds: their recipes, and the cache that keeps what was trained."""

import hashlib
import json
import warnings
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
from torch import nn

from course_utils import data, models, runtime
from course_utils.core import storage
from course_utils.core.storage import restore, store
from course_utils.data import Split
from course_utils.training import History, autoencode, fit, weight_decay

PARTS = {"all": slice(None), "P1": slice(30_000), "P2": slice(30_000, None)}  # of the training images


@dataclass(frozen=True)
class Recipe:
    """How a network of the course was trained: enough to train it again.

    Args:
        hidden, activation: what `models.FC` is made of; the activation is a name in ``torch.nn``.
        decay: the lambdas of `weight_decay`, one for each dense layer that `fit` trains; () is the decay of AdamW.
        part: the training images used, a key of `PARTS`.
        unsupervised: epochs of `autoencode` before that, for the first dense layer, which `fit` then leaves as it is.
    """

    network: str
    epochs: int
    lr: float
    batch: int = 128
    hidden: tuple[int, ...] = ()
    activation: str = ""
    decay: tuple[float, ...] = ()
    part: str = "all"
    unsupervised: int = 0

    def build(self) -> nn.Sequential:
        """The network, with fresh weights."""
        options = {"activation": getattr(nn, self.activation)} if self.activation else {}
        return getattr(models, self.network)(*self.hidden, **options)


SIGMOID = dict(network="FC", activation="Sigmoid", lr=0.03, batch=500, decay=(1e-5, 1e-5, 1e-6))

RECIPES = {
    "lenet5": Recipe("LeNet5", epochs=3, lr=4e-3),
    "caffe_lenet": Recipe("CaffeLeNet", epochs=3, lr=3e-3),
    # Szegedy et al. 2013, Table 1
    "fc10-1e-4": Recipe("FC", epochs=10, lr=0.03, batch=500, decay=(1e-4,)),
    "fc10-1e-2": Recipe("FC", epochs=8, lr=0.01, batch=500, decay=(1e-2,)),
    "fc10-1": Recipe("FC", epochs=8, lr=3e-3, batch=500, decay=(1.0,)),
    "fc100": Recipe(hidden=(100, 100), epochs=15, **SIGMOID),
    "fc200": Recipe(hidden=(200, 200), epochs=12, **SIGMOID),
    "ae400": Recipe("AE400", epochs=15, lr=0.2, batch=500, decay=(1e-6,), unsupervised=3),
    # its Table 3, on halves of the training images: the paper does not say which, here the first 30,000 and the last
    "fc100-p1": Recipe(hidden=(100, 100), epochs=20, part="P1", **SIGMOID),
    "fc123-p1": Recipe(hidden=(123, 456), epochs=12, part="P1", **SIGMOID),
    "fc100-p2": Recipe(hidden=(100, 100), epochs=20, part="P2", **SIGMOID),
    # Moosavi-Dezfooli et al. 2015, DeepFool
    "fc500-150": Recipe("FC", epochs=5, lr=4e-3, batch=250, hidden=(500, 150), activation="ReLU"),
}


@runtime.float32()
def trained(name: str, *, seed: int = 0, device: torch.device | str | None = None, progress: bool = True) -> nn.Module:
    """A network trained on MNIST by its recipe: from the user's cache, or trained now and kept there.

    A file that is damaged, or was written by another recipe, is reported and replaced. An interrupted training is
    returned, but not kept.

    Args:
        name: a key of `RECIPES`, such as "lenet5".
        seed: of the first weights and of the order of the images; another seed is another network.

    Raises:
        ValueError: no such recipe.
    """
    if name not in RECIPES:
        raise ValueError(f"no network is called {name!r}: the recipes are {', '.join(RECIPES)}")
    recipe = RECIPES[name]
    device = runtime.device() if device is None else torch.device(device)
    stamp = json.dumps(asdict(recipe) | {"seed": seed}, sort_keys=True)
    file = storage.home("models") / f"{name}-{seed}-{hashlib.sha256(stamp.encode()).hexdigest()[:8]}.safetensors"
    with torch.random.fork_rng(devices=[]):
        generator = torch.Generator().manual_seed(seed)
        torch.default_generator.manual_seed(seed)
        model = recipe.build()
    if not _load(model, file, stamp):
        history = _follow(recipe, model, data.mnist(device).train, generator=generator, progress=progress)
        if history.finished:
            try:
                store(model, file, stamp)
            except OSError as error:
                warnings.warn(f"the network works but could not be kept ({error})", stacklevel=3)
    return model.to(device, memory_format=torch.channels_last).eval()


def _follow(recipe: Recipe, model: nn.Sequential, split: Split, **how) -> History:
    """Train ``model`` on its part of ``split`` as ``recipe`` says."""
    split = split[PARTS[recipe.part]]
    if recipe.unsupervised:
        history = autoencode(model[1], split.images, epochs=recipe.unsupervised, **how)
        if not history.finished:
            return history
        with torch.no_grad():
            codes = model[:3](split.images)  # in [0, 1], as pixels are: the last layer takes them for images
        model, split = nn.Sequential(nn.Flatten(), model[3]), Split(codes[:, :, None, None], split.labels)
    penalty = partial(weight_decay, lambdas=recipe.decay, per_unit=False) if recipe.decay else None
    return fit(model, split, epochs=recipe.epochs, lr=recipe.lr, batch=recipe.batch, penalty=penalty, **how)


def _load(model: nn.Module, file: Path, stamp: str) -> bool:
    """Fill ``model`` from ``file`` if that is whole and of this recipe. Says what is wrong with it if not."""
    try:
        restore(model, file, stamp)
    except FileNotFoundError:
        return False
    except (OSError, ValueError) as error:
        warnings.warn(f"the saved network {file.name} cannot be used ({error}); training it again", stacklevel=4)
        return False
    return True
