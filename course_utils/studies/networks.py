"""The networks of the studies: trained by the zoo's recipes, on one thread of the CPU, so that a seed names the bits.

They are kept in the user's cache beside the zoo's own, which were trained on any device with any number of threads, and
are therefore other networks. Nothing of them is in the repository: a LeNet-5 takes about a minute.
"""

import torch
from torch import nn

from course_utils import data, runtime
from course_utils.core import storage
from course_utils.data import Split
from course_utils.zoo import mnist
from course_utils.zoo.recipe import Recipe


def seeds(number: int, first: int = 0) -> dict[str, int]:
    """Units that are trainings, by seed."""
    return {str(seed): seed for seed in range(first, first + number)}


def network(name: str, seed: int, recipe: Recipe | None = None, split: Split | None = None) -> nn.Module:
    """A network in evaluation mode on the CPU; from the cache, or trained now.

    Args:
        name: of a recipe of `zoo.mnist.RECIPES`, or of the one that is given.
        split: what it learns from, by default the training digits of MNIST; another split needs a name of its own.
    """
    recipe = recipe or mnist.RECIPES[name]
    model = recipe.fresh(seed)
    stamp = f"{recipe.stamp(seed)}; one thread, torch {torch.__version__}"
    file = storage.home("models") / f"study-{name}-{seed}-{storage.sha256(stamp.encode())[:8]}.safetensors"
    with storage.lock(file), runtime.one_thread(), runtime.float32():
        try:
            storage.restore(model, file, stamp)
        except (OSError, ValueError):
            model = recipe.fresh(seed)
            generator = torch.Generator().manual_seed(seed)
            if not recipe.train(model, split or digits().train, generator=generator, progress=False).finished:
                raise KeyboardInterrupt from None
            storage.store(model, file, stamp)
    return model.eval()


def digits() -> data.MNIST:
    """MNIST on the CPU."""
    return data.mnist(torch.device("cpu"))
