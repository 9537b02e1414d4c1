"""The networks of the studies: trained by the zoo's recipes, on one thread of the CPU, so that a seed names the bits.

They are kept in the user's cache beside the zoo's own, which were trained on any device with any number of threads, and
are therefore other networks. Nothing of them is in the repository: a LeNet-5 takes about a minute.
"""

import torch
from torch import nn

from course_utils import data, runtime
from course_utils.core import storage
from course_utils.zoo import mnist


def network(name: str, seed: int) -> nn.Module:
    """A network of `zoo.mnist.RECIPES`, in evaluation mode on the CPU; from the cache, or trained now.

    Raises:
        KeyError: there is no such recipe.
    """
    recipe, model = mnist.RECIPES[name], mnist.RECIPES[name].fresh(seed)
    stamp = f"{recipe.stamp(seed)}; one thread, torch {torch.__version__}"
    file = storage.home("models") / f"study-{name}-{seed}-{storage.sha256(stamp.encode())[:8]}.safetensors"
    with storage.lock(file), runtime.one_thread(), runtime.float32():
        try:
            storage.restore(model, file, stamp)
        except (OSError, ValueError):
            model = recipe.fresh(seed)
            generator = torch.Generator().manual_seed(seed)
            if not recipe.train(model, digits().train, generator=generator, progress=False).finished:
                raise KeyboardInterrupt from None
            storage.store(model, file, stamp)
    return model.eval()


def digits() -> data.MNIST:
    """MNIST on the CPU."""
    return data.mnist(torch.device("cpu"))
