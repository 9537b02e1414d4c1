"""Train a classifier, ask it, keep it.

The data already live on the device as two tensors, so there is no loader: an epoch is a random order of the rows, cut
into batches. AdamW with the one-cycle schedule (Smith and Topin, arXiv 1708.07120) brings a LeNet to 99 % on MNIST in
two or three epochs.
"""

import hashlib
import json
import warnings
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.parameter import is_lazy

from course_utils import data, models, runtime
from course_utils.data import Split
from course_utils.inputs import check_images, check_labels

REPORT = 100  # steps between two looks at the loss


@dataclass
class History:
    """What a training saw: the loss of each step in nats, and whether it ran to its end."""

    losses: list[float] = field(default_factory=list)
    finished: bool = False


class Prediction(NamedTuple):
    """The class that a model names, int64 ``(N,)``, and its softmax confidence in [0, 1], ``(N,)``."""

    labels: Tensor
    confidences: Tensor


def fit(
    model: nn.Module,
    split: Split,
    *,
    epochs: int,
    lr: float = 4e-3,
    batch: int = 128,
    penalty: Callable[[nn.Module], Tensor] | None = None,
    generator: torch.Generator | None = None,
    progress: bool = True,
    on_report: Callable[[History], None] | None = None,
) -> History:
    """Train ``model`` in place to name the labels of ``split``, on the device where the split lives.

    Interrupting the kernel ends the training and leaves the best weights so far in the model.

    Args:
        model: maps images ``(N, C, H, W)`` in [0, 1] to logits ``(N, K)``; it takes the type of the images.
        epochs: rounds through the split.
        lr: the highest learning rate of the one-cycle schedule.
        batch: images in a step. One that would be left alone at the end of a round joins the step before.
        penalty: a number to add to the loss of each step, such as `weight_decay`. It takes the place of AdamW's own
            decay of 0.01, which is switched off.
        generator: draws the order of the images, on the CPU; None takes torch's own.
        on_report: called with the `History` so far every 100 steps, for live curves.

    Raises:
        TypeError, ValueError: images, labels or settings that cannot be trained on.
        FloatingPointError: the loss became NaN or infinite; the model keeps the best weights before that.

    >>> digits = data.mnist().train[:256]
    >>> history = fit(models.LeNet5(), digits, epochs=1, progress=False)
    >>> len(history.losses), history.finished
    (2, True)
    """
    prepare(model, split)

    def loss(rows: Tensor) -> Tensor:
        error = F.cross_entropy(model(split.images[rows]), split.labels[rows])
        return error if penalty is None else error + penalty(model)

    settings = dict(epochs=epochs, lr=lr, batch=batch, decay=0.01 if penalty is None else 0.0)
    return descend(model, loss, len(split), **settings, generator=generator, progress=progress, on_report=on_report)


def prepare(model: nn.Module, split: Split) -> None:
    """Move ``model`` to the device of ``split``, and see that it can be trained to name the labels there.

    It also takes the type of the images, if that is float32 or float64, and its lazy layers get their weights.

    Raises:
        TypeError, ValueError: no network or no split, nothing to train, or images and labels that do not fit.
    """
    if not isinstance(model, nn.Module) or not isinstance(split, Split):
        raise TypeError(f"fit wants a network and a split, and got {type(model).__name__} and {type(split).__name__}")
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ValueError("the model has no parameter to train: none at all, or requires_grad is off for each")
    check_images(split.images)
    classes = _lay_out(model, split).shape[1]
    check_labels(split.labels, len(split.images), classes)


def weight_decay(model: nn.Module, lambdas: Sequence[float], *, per_unit: bool = True) -> Tensor:
    """The penalty of Szegedy et al. 2013 on the dense layers, with one lambda for each, as a number to add to the loss.

    As later texts quote the paper, a layer of k units costs lambda * sum(w^2) / k, and biases cost nothing. But the
    errors of Table 1 belong to lambda / 2 * (sum(w^2) + sum(b^2)), which is ``per_unit=False``. Softmax regression can
    tell, since its loss has a single minimum for each lambda. The train errors there, in percent:

        lambda                         1e-4   1e-2   1
        Table 1                         6.7   10     21.2
        lambda / 2, with the biases     6.6    9.9   21.3
        lambda / k, as quoted           6.2    8.3   15.6

    Raises:
        ValueError: more lambdas than dense layers, or fewer.

    >>> layer = nn.Linear(3, 2)
    >>> _ = nn.init.ones_(layer.weight), nn.init.ones_(layer.bias)
    >>> weight_decay(layer, [1.0]).item(), weight_decay(layer, [1.0], per_unit=False).item()
    (3.0, 4.0)
    """
    layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
    if len(layers) != len(lambdas) or not layers:
        raise ValueError(f"{len(lambdas)} lambdas for {len(layers)} dense layers: give one a layer, 0 for no decay")
    if per_unit:
        costs = [layer.weight.square().sum() / layer.out_features for layer in layers]
    else:
        numbers = [[layer.weight] if layer.bias is None else [layer.weight, layer.bias] for layer in layers]
        costs = [sum(each.square().sum() for each in both) / 2 for both in numbers]
    return sum(number * cost for number, cost in zip(lambdas, costs, strict=True))


def autoencode(
    encoder: nn.Linear,
    images: Tensor,
    *,
    epochs: int,
    lr: float = 0.02,
    batch: int = 125,
    rho: float = 0.05,
    generator: torch.Generator | None = None,
    progress: bool = True,
) -> History:
    """Train ``encoder`` in place, without labels, as the first half of a sparse sigmoid autoencoder.

    The codes h = sigmoid(W x + b) have to rebuild the pixels, x' = sigmoid(V h + c), while each unit is on for few
    images: its mean rho_j over the batch is drawn to ``rho``. A little decay keeps W smooth. The loss is

        mean cross-entropy(x, x') + mean KL(rho || rho_j) + 3e-6 * (sum(W^2) + sum(V^2) + sum(b^2) + sum(c^2))

    Args:
        encoder: from the pixels of an image to the units of the code. The decoder starts as its transpose, and is
            thrown away at the end.
        rho: the wanted mean of a unit, in (0, 1).
        epochs, lr, batch, generator, progress: as in `fit`, and so is what an interrupt does.

    Raises:
        TypeError, ValueError: images outside the convention, or not of the encoder's size; impossible settings.
        FloatingPointError: the loss became NaN or infinite.

    >>> encoder = nn.Linear(784, 16)
    >>> autoencode(encoder, data.mnist().train.images[:250], epochs=1, lr=0.01, progress=False).finished
    True
    """
    size = check_images(images)[0].numel()
    initialise(encoder, images[:1].flatten(1))
    if size != encoder.in_features or not 0 < rho < 1:
        raise ValueError(
            f"images of {size} pixels, an encoder of {encoder.in_features}, rho={rho}: want as many, and 0 < rho < 1"
        )
    decoder = nn.utils.skip_init(nn.Linear, encoder.out_features, encoder.in_features, dtype=encoder.weight.dtype)
    with torch.no_grad():
        decoder.weight.copy_(encoder.weight.T)
        decoder.bias.zero_()
        encoder.bias.fill_(torch.logit(encoder.bias.new_tensor(rho)))  # sparse from the start
    model = nn.Sequential(encoder, decoder).to(images)

    def loss(rows: Tensor) -> Tensor:
        pixels = images[rows].flatten(1)
        codes = encoder(pixels).sigmoid()
        rebuilt = F.binary_cross_entropy_with_logits(decoder(codes), pixels)
        means = codes.mean(0)
        divergence = rho * (rho / means).log() + (1 - rho) * ((1 - rho) / (1 - means)).log()
        return rebuilt + divergence.mean() + weight_decay(model, [6e-6, 6e-6], per_unit=False)

    settings = dict(epochs=epochs, lr=lr, batch=batch, decay=0.0)
    return descend(model, loss, len(images), **settings, generator=generator, progress=progress)


def accuracy(model: nn.Module, split: Split) -> float:
    """The share of ``split`` that ``model`` names correctly, in [0, 1].

    >>> 0 <= accuracy(models.LeNet5(), data.mnist().test[:100]) <= 1
    True
    """
    outputs = logits(model, split.images)
    labels = check_labels(split.labels, len(outputs), outputs.shape[1]).to(outputs.device)
    return (outputs.argmax(1) == labels).float().mean().item()


def predict(model: nn.Module, images: Tensor) -> Prediction:
    """The class that ``model`` names for each image, and how sure its softmax is.

    >>> predict(models.LeNet5(), torch.rand(3, 1, 28, 28)).confidences.shape
    torch.Size([3])
    """
    outputs = logits(model, images)
    return Prediction(outputs.argmax(1), outputs.softmax(1).amax(1))  # two logits may differ where softmax rounds to 1


def logits(model: nn.Module, images: Tensor, *, batch: int = 1000, least: int = 2) -> Tensor:
    """The outputs of ``model`` for images of any number, ``(N, K)``, computed in batches, in evaluation mode.

    The model's mode and gradients are left as they were. The result lives on the model's device.

    Args:
        batch: images that go through at once.
        least: how many logits an image has to have: two for classes, one where logits are only compared.

    Raises:
        TypeError, ValueError: images outside the convention; a model that does not fit them, or that returns NaN,
            probabilities, or anything but one row an image.

    >>> logits(models.LeNet5(), torch.rand(3, 1, 28, 28)).shape
    torch.Size([3, 10])
    """
    check_images(images)
    device = device_of(model)
    with torch.no_grad(), mode(model, False), _naming(model, images):
        outputs = [check_logits(ask(model, part.to(device)), len(part), least) for part in images.split(batch)]
    return torch.cat(outputs)


@contextmanager
def _naming(model: nn.Module, images: Tensor):
    """What torch says of images that a model cannot take comes with their type and shape, as a ValueError."""
    try:
        yield
    except torch.cuda.OutOfMemoryError:
        raise
    except RuntimeError as error:
        own = dtype_of(model)
        hint = "" if own == images.dtype else f" (its weights are {own}: model.to(images.dtype) brings both together)"
        shape = tuple(images.shape)
        raise ValueError(f"the model cannot take {images.dtype} images of shape {shape}: {error}{hint}") from error


def ask(model: nn.Module, images: Tensor) -> Tensor:
    """What ``model`` makes of a copy of ``images``: one that works in place must not change what somebody still needs.

    Gradients flow through the copy to ``images``.

    >>> images = torch.full((1, 1, 1, 2), -1.0)
    >>> ask(nn.ReLU(inplace=True), images).sum().item(), images.sum().item()
    (0.0, -2.0)
    """
    return model(images.clone())


def check_logits(outputs: Tensor, number: int, least: int = 2) -> Tensor:
    """Return ``outputs`` if they are ``number`` rows of ``least`` finite logits or more.

    Raises:
        ValueError: another shape, too few logits, NaN or infinity, or rows that are probabilities already.

    >>> check_logits(torch.tensor([[0.25, 0.75]]), 1)
    Traceback (most recent call last):
    ...
    ValueError: the model returns probabilities, not logits: leave out the softmax at its end
    """
    if not isinstance(outputs, Tensor):
        raise ValueError(f"the model returns a {type(outputs).__name__}, not a tensor of logits")
    if outputs.ndim != 2 or len(outputs) != number:
        raise ValueError(
            f"the model returns shape {tuple(outputs.shape)} for {number} images, not ({number}, K) logits"
        )
    if outputs.shape[1] < least:
        raise ValueError(
            "the model returns one logit an image, and there have to be at least 2 classes: for a yes or no, return "
            "two logits"
        )
    if not outputs.isfinite().all():
        raise ValueError("the model returns NaN or infinity: did its training diverge (a high learning rate)?")
    if outputs.shape[1] > 1 and outputs.min() >= 0 and torch.allclose(outputs.sum(1), torch.ones_like(outputs[:, 0])):
        raise ValueError("the model returns probabilities, not logits: leave out the softmax at its end")
    return outputs


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
    file = runtime.home("models") / f"{name}-{seed}-{hashlib.sha256(stamp.encode()).hexdigest()[:8]}.safetensors"
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


def restore(model: nn.Module, file: Path, stamp: str) -> dict[str, str]:
    """Fill ``model`` with the weights that `store` wrote, and return the notes beside them.

    Raises:
        FileNotFoundError: there is no such file.
        OSError, ValueError: it cannot be read, or is damaged, or was written by another recipe; says which.
    """
    if not file.exists():
        raise FileNotFoundError(f"there is no file {file}")
    try:
        tensors = safetensors.torch.load_file(file)
        with safetensors.safe_open(file, "pt") as opened:
            notes = opened.metadata() or {}
    except safetensors.SafetensorError as error:
        raise ValueError(str(error)) from error
    if notes.get("recipe") != stamp:
        raise ValueError("it was written by another recipe")
    if notes.get("sha256") != checksum(tensors):
        raise ValueError("its checksum is wrong")
    expected = {key: value.shape for key, value in model.state_dict().items()}
    if {key: value.shape for key, value in tensors.items()} != expected:
        raise ValueError("it holds another network")
    model.load_state_dict(tensors)
    return notes


def store(model: nn.Module, file: Path, stamp: str, **notes: str) -> None:
    """Write the weights without pickle, in one step: another kernel sees the whole file or none.

    >>> model, file = models.FC(), runtime.home() / "softmax.safetensors"
    >>> store(model, file, "a recipe", author="me")
    >>> restore(model, file, "a recipe")["author"]
    'me'
    """
    tensors = {key: value.cpu().contiguous() for key, value in model.state_dict().items()}
    notes |= {"recipe": stamp, "sha256": checksum(tensors)}
    runtime.write_atomically(file, safetensors.torch.save(tensors, metadata=notes))


def checksum(tensors: dict[str, Tensor]) -> str:
    """The SHA-256 of named tensors on the CPU: their names and their values."""
    digest = hashlib.sha256()
    for key in sorted(tensors):
        digest.update(key.encode() + tensors[key].contiguous().numpy().tobytes())
    return digest.hexdigest()


def descend(
    model: nn.Module,
    loss_of: Callable[[Tensor], Tensor],
    number: int,
    *,
    epochs: int,
    lr: float,
    batch: int,
    decay: float,
    generator: torch.Generator | None,
    progress: bool,
    on_report: Callable[[History], None] | None = None,
    on_epoch: Callable[[History], None] | None = None,
    hardening: bool = False,
) -> History:
    """Lower ``loss_of(rows)``, a loss over some of ``number`` rows, by AdamW with the one-cycle schedule.

    ``hardening`` says that the loss becomes harder on the way, so that the latest weights are the best.
    """
    if epochs < 1 or batch < 1 or not 0 < lr < 1:
        raise ValueError(f"epochs={epochs}, batch={batch}, lr={lr}: want at least 1, at least 1, and between 0 and 1")
    device = device_of(model)
    steps = epochs * steps_of(number, batch)
    fused = device.type in ("cpu", "cuda")
    optimiser = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=decay, fused=fused)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, lr, total_steps=steps)
    history, best, fresh = History(), _Best(model, hardening), []
    try:
        bar = runtime.progress(steps, "training", progress)
        with torch.enable_grad(), mode(model, True), _fast_matmul(device), bar:
            for step, rows in enumerate(_batches(number, epochs, batch, generator), start=1):
                loss = _loss(model, loss_of, rows.to(device))
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                schedule.step()
                fresh.append(loss.detach())
                bar.update()
                ended = step % (steps // epochs) == 0
                if len(fresh) == REPORT or step == steps or (ended and on_epoch):
                    recent = torch.stack(fresh).tolist()
                    fresh.clear()
                    history.losses += recent
                    best.offer(sum(recent) / len(recent))
                    bar.set_postfix(loss=f"{recent[-1]:.3f}")
                    if on_report:
                        on_report(history)
                    if on_epoch and ended:
                        on_epoch(history)
        history.finished = True
    except KeyboardInterrupt:
        best.restore()
        history.losses += [loss.item() for loss in fresh]
        print(f"Interrupted after {len(history.losses)} of {steps} steps: the {best.name} weights are kept.")
    finally:
        optimiser.zero_grad()
    return history


def steps_of(number: int, batch: int) -> int:
    """How many batches a round through ``number`` rows has. One row is no batch: it joins the last one.

    >>> steps_of(256, batch=128), steps_of(257, batch=128), steps_of(258, batch=128)
    (2, 2, 3)
    """
    return max(1, -(-(number - 1) // batch)) if batch > 1 else number


def _batches(number: int, epochs: int, batch: int, generator: torch.Generator | None):
    """Row numbers, batch by batch, in a new random order each epoch."""
    cuts = tuple(range(batch, batch * steps_of(number, batch), batch))
    for _ in range(epochs):
        yield from torch.randperm(number, generator=generator, device="cpu").tensor_split(cuts)


def _loss(model: nn.Module, loss_of: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
    """``loss_of(rows)``; where batch normalisation has only one image to go by, that is said."""
    try:
        return loss_of(rows)
    except ValueError as error:
        if len(rows) > 1 or not any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules()):
            raise
        raise ValueError(
            f"batch normalisation cannot learn from one image at a time: want two images at least, and batch=2 or more "
            f"({error})"
        ) from error


def _lay_out(model: nn.Module, split: Split) -> Tensor:
    """Move the model to the split's device, in the layout that is fastest for convolutions if it can; try one image."""
    images = split.images
    model.to(images.device, images.dtype if images.dtype in (torch.float32, torch.float64) else None)
    initialise(model, images[:1])
    for layout in (torch.channels_last, torch.contiguous_format):
        model.to(memory_format=layout)
        try:
            return logits(model, images[:1])
        except ValueError:  # a forward with .view() wants the ordinary layout
            if layout == torch.contiguous_format:
                raise


class _Best:
    """The weights with the lowest training loss so far, or the latest where losses cannot be compared."""

    def __init__(self, model: nn.Module, latest: bool = False):
        self.model, self.loss, self.name = model, float("inf"), "latest" if latest else "best"
        self.keep()

    def keep(self) -> None:
        self.weights = {key: value.clone() for key, value in self.model.state_dict().items()}

    def offer(self, loss: float) -> None:
        """Keep the present weights if they are what is wanted; refuse a loss that is not a number."""
        if not abs(loss) < float("inf"):
            self.restore()
            raise FloatingPointError(
                f"the training loss became {loss}: lower the learning rate, and look for NaN in the images. "
                f"The model holds its {self.name} weights before that"
            )
        if loss < self.loss or self.name == "latest":
            self.loss = loss
            self.keep()

    def restore(self) -> None:
        self.model.load_state_dict(self.weights)


def device_of(model: nn.Module) -> torch.device:
    """The device of the model's parameters; a model without any computes on the CPU.

    Raises:
        TypeError: a function or something else that is no model.
    """
    if not isinstance(model, nn.Module):
        raise TypeError(f"the model is a {type(model).__name__}, not an nn.Module: wrap it in one")
    parameter = next(model.parameters(), None)
    return torch.device("cpu") if parameter is None else parameter.device


def dtype_of(model: nn.Module) -> torch.dtype:
    """The type of the model's parameters, which is that of the images it takes; float32 for a model without any."""
    device_of(model)
    return next((parameter.dtype for parameter in model.parameters() if parameter.is_floating_point()), torch.float32)


def initialise(model: nn.Module, images: Tensor) -> None:
    """Show lazy layers what they are to take, so that they get their weights; without any, nothing happens.

    >>> model = nn.Sequential(nn.Flatten(), nn.LazyLinear(10))
    >>> initialise(model, torch.zeros(1, 1, 28, 28))
    >>> model[1].weight.shape
    torch.Size([10, 784])
    """
    if any(map(is_lazy, (*model.parameters(), *model.buffers()))):
        with torch.inference_mode(False), torch.no_grad(), mode(model, False), _naming(model, images):
            ask(model, images.to(device_of(model), dtype_of(model)))


class NoGradient(ValueError):
    """A value has no gradient in the images, or one that no attack can follow."""


def gradient(value: Tensor, images: Tensor, weights: Tensor | None = None, **options) -> Tensor:
    """The gradient of a value that a model made of ``images`` in these alone, so that no parameter gets one.

    ``weights`` and ``options`` are those of ``torch.autograd.grad``.

    Raises:
        NoGradient: none flows to the images, or it is not finite.
    """
    found = None
    if value.requires_grad:
        (found,) = torch.autograd.grad(value, images, weights, allow_unused=True, **options)
    if found is None:
        raise NoGradient(
            "no gradient flows from the model's logits to the images: look for detach, no_grad, argmax, rounding"
        )
    if not found.isfinite().all():
        raise NoGradient(
            "the gradient holds NaN or infinity: look for a root, logarithm or division at 0 in the model or a penalty"
        )
    return found


@contextmanager
def mode(model: nn.Module, training: bool):
    """Training or evaluation mode for a while; each module gets its own mode back."""
    modes = {module: module.training for module in model.modules()}
    model.train(training)
    try:
        yield
    finally:
        for module, before in modes.items():
            module.training = before


@contextmanager
def _fast_matmul(device: torch.device):
    """TF32 products on an NVIDIA GPU: 10 bits of mantissa are plenty for training, and several times faster."""
    if device.type != "cuda":
        yield
        return
    try:
        before = torch.get_float32_matmul_precision()
    except RuntimeError:  # set by torch's newer switches: then it is the user's choice
        yield
        return
    torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
