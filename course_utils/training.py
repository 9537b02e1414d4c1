"""The one training loop. What differs between two trainings of the course is the loss, and that is a value:

    fit(model, digits.train, epochs=3)                                             cross-entropy
    fit(model, digits.train, epochs=9, loss=adversarial.Trades(eps=0.3))           one that attacks the model first
    fit(model, digits.train, epochs=4, loss=lambda net, x, y: hinge(net(x), y))    your own

The data already live on the device as two tensors, so there is no loader: an epoch is a random order of the rows, cut
into batches. AdamW with the one-cycle schedule (Smith and Topin, arXiv 1708.07120) brings a LeNet to 99 % on MNIST in
two or three epochs.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils import runtime
from course_utils.core.checks import check_images, check_labels
from course_utils.data import Split
from course_utils.evaluation import device_of, initialise, logits, mode


@dataclass
class History:
    """The loss of each step of a training, in nats, and whether it ran to its end."""

    losses: list[float] = field(default_factory=list)
    finished: bool = False


class Moment(NamedTuple):
    """When in a training a loss is asked, ``step`` of ``steps`` from 1 on, and what its random numbers come from."""

    step: int
    steps: int
    generator: torch.Generator


class TimedLoss:
    """The base of losses that draw random numbers or change on the way: they are also told the `Moment`.

    ``keep`` says which weights an interrupt leaves. Where a loss becomes harder on the way, its lowest value says
    nothing, and the "latest" are the best.
    """

    keep = "best"

    def __call__(self, model: nn.Module, images: Tensor, labels: Tensor, moment: Moment) -> Tensor:
        raise NotImplementedError


Loss = Callable[[nn.Module, Tensor, Tensor], Tensor] | TimedLoss


def cross_entropy(model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """The mean of -log softmax(logits) of the label, in nats."""
    return F.cross_entropy(model(images), labels)


def fit(
    model: nn.Module,
    split: Split,
    *,
    loss: Loss = cross_entropy,
    epochs: int,
    lr: float = 4e-3,
    batch: int = 128,
    decay: float = 0.01,
    penalty: Callable[[nn.Module], Tensor] | None = None,
    generator: torch.Generator | None = None,
    progress: bool = True,
    on_report: Callable[[History], None] | None = None,
    every: int | None = 100,
) -> History:
    """Train ``model`` in place to make ``loss`` small on ``split``, on the device where the split lives.

    Interrupting the kernel ends the training and leaves the best weights so far in the model.

    Args:
        model: it is moved to the device of the images, and takes their type.
        split: images and labels; ``Split(images, others)`` where other images, or these, are to be made of them.
        loss: of the network, some images and their labels: a number. It may ask for gradients in the images, too.
        lr: the highest learning rate of the one-cycle schedule.
        batch: images in a step. One that would be left alone at the end of a round joins the step before.
        penalty: a number to add to the loss of each step, such as `weight_decay`. It takes AdamW's ``decay``'s place.
        generator: draws the order of the images, and what the loss draws, on the CPU; None takes torch's own.
        on_report: called with the `History` so far after each ``every`` steps, for live curves; None is once a round.

    Raises:
        FloatingPointError: the loss became NaN or infinite; the model keeps the best weights before that.

    >>> from course_utils import data, models
    >>> len(fit(models.LeNet5(), data.mnist().train[:256], epochs=1, progress=False).losses)
    2
    """
    _prepare(model, split)
    if epochs < 1 or batch < 1 or not 0 < lr < 1:
        raise ValueError(f"epochs={epochs}, batch={batch}, lr={lr}: want at least 1, at least 1, and between 0 and 1")
    generator = torch.default_generator if generator is None else generator
    device = device_of(model)
    cuts = range(batch, len(split) - 1 if batch > 1 else len(split), batch)
    orders = (torch.randperm(len(split), generator=generator, device="cpu") for _ in range(epochs))
    batches = (rows for order in orders for rows in order.tensor_split(tuple(cuts)))
    steps = epochs * (len(cuts) + 1)
    every = every or steps // epochs
    how = dict(weight_decay=decay if penalty is None else 0.0, fused=device.type in ("cpu", "cuda"))
    optimiser = torch.optim.AdamW(model.parameters(), lr=lr, **how)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, lr, total_steps=steps)
    history, fresh = History(), []
    kept = _Kept(model, loss.keep if isinstance(loss, TimedLoss) else "best")
    try:
        bar = runtime.progress_bar(steps, "training", progress)
        with torch.enable_grad(), mode(model, True), _fast_matmul(device), bar:
            for step, rows in enumerate(batches, start=1):
                value = _ask(loss, model, split[rows.to(device)], Moment(step, steps, generator))
                if penalty is not None:
                    value = value + penalty(model)
                optimiser.zero_grad()
                value.backward()
                optimiser.step()
                schedule.step()
                fresh.append(value.detach())
                bar.update()
                if step % every == 0 or step == steps:
                    recent = torch.stack(fresh).tolist()
                    fresh.clear()
                    history.losses += recent
                    kept.offer(sum(recent) / len(recent))
                    bar.set_postfix(loss=f"{recent[-1]:.3f}")
                    if on_report:
                        on_report(history)
        history.finished = True
    except KeyboardInterrupt:
        kept.restore()
        history.losses += [value.item() for value in fresh]
        print(f"Interrupted after {len(history.losses)} of {steps} steps: the {kept.which} weights are kept.")
    finally:
        optimiser.zero_grad()
    return history


def weight_decay(model: nn.Module, lambdas: Sequence[float]) -> Tensor:
    """The penalty of Szegedy et al. 2013 on the dense layers: lambda / 2 * (sum(w^2) + sum(b^2)), a lambda for each.

    As later texts quote the paper, a layer of k units costs lambda * sum(w^2) / k, and biases cost nothing. But that
    is not what the errors of Table 1 belong to. Softmax regression can tell, since its loss has a single minimum for
    each lambda. The train errors there, in percent:

        lambda                         1e-4   1e-2   1
        Table 1                         6.7   10     21.2
        lambda / 2, with the biases     6.6    9.9   21.3
        lambda / k, as quoted           6.2    8.3   15.6

    >>> layer = nn.Linear(3, 2)
    >>> torch.equal(weight_decay(layer, [2.0]), layer.weight.square().sum() + layer.bias.square().sum())
    True
    """
    layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
    if len(layers) != len(lambdas) or not layers:
        raise ValueError(f"{len(lambdas)} lambdas for {len(layers)} dense layers: give one a layer, 0 for no decay")
    squares = [sum(own.square().sum() for own in (layer.weight, layer.bias) if own is not None) for layer in layers]
    return sum(number * (square / 2) for number, square in zip(lambdas, squares, strict=True))


@contextmanager
def seeded(source: int | torch.Generator) -> Iterator[None]:
    """In here torch draws from this seed, or from one that the generator draws; outside, nothing has been drawn."""
    with torch.random.fork_rng(devices=[]):
        drawn = isinstance(source, torch.Generator)
        torch.default_generator.manual_seed(int(torch.randint(2**62, (), generator=source)) if drawn else source)
        yield


def _ask(loss: Loss, model: nn.Module, part: Split, moment: Moment) -> Tensor:
    """The loss of one batch; where batch normalisation has only one image to go by, that is said."""
    try:
        if isinstance(loss, TimedLoss):
            return loss(model, part.images, part.labels, moment)
        return loss(model, part.images, part.labels)
    except ValueError as error:
        if len(part) > 1 or not any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules()):
            raise
        raise ValueError(
            f"batch normalisation cannot learn from one image at a time: want two images at least, and batch=2 or more "
            f"({error})"
        ) from error


def _prepare(model: nn.Module, split: Split) -> None:
    """Move ``model`` to the split, in its type if that is float32 or float64, and see that it can be trained there."""
    if not isinstance(model, nn.Module) or not isinstance(split, Split):
        raise TypeError(f"fit wants a network and a split, and got {type(model).__name__} and {type(split).__name__}")
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise ValueError("the model has no parameter to train: none at all, or requires_grad is off for each")
    for part in split.batches():  # grey levels stay such: floats of all images take 188 MB
        check_images(part.images)
    image = split[:1].images
    model.to(image.device, image.dtype if image.dtype in (torch.float32, torch.float64) else None)
    if not (isinstance(split.labels, Tensor) and split.labels.ndim == 4):  # then there is no class to name
        initialise(model, image)
        try:
            outputs = logits(model.to(memory_format=torch.channels_last), image)  # fastest for convolutions
        except ValueError:  # a forward with .view() wants the ordinary layout
            outputs = logits(model.to(memory_format=torch.contiguous_format), image)
        check_labels(split.labels, len(split), outputs.shape[1])


class _Kept:
    """The weights with the lowest training loss so far, or the latest where losses cannot be compared."""

    def __init__(self, model: nn.Module, which: str):
        self.model, self.which, self.loss, self.weights = model, which, float("inf"), copy.deepcopy(model.state_dict())

    def offer(self, loss: float) -> None:
        if not abs(loss) < float("inf"):
            self.restore()
            raise FloatingPointError(
                f"the training loss became {loss}: lower the learning rate, and look for NaN in the images. "
                f"The model holds its {self.which} weights before that"
            )
        if loss < self.loss or self.which == "latest":
            self.loss, self.weights = loss, copy.deepcopy(self.model.state_dict())

    def restore(self) -> None:
        self.model.load_state_dict(self.weights)


@contextmanager
def _fast_matmul(device: torch.device):
    """TF32 products on an NVIDIA GPU: 10 bits of mantissa are plenty for training, and several times faster."""
    before = None
    if device.type == "cuda":
        with suppress(RuntimeError):  # set by torch's newer switches: then it is the user's choice
            before = torch.get_float32_matmul_precision()
            torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        if before:
            torch.set_float32_matmul_precision(before)
