"""Train a classifier, ask it, keep it.

The data already live on the device as two tensors, so there is no loader: an epoch is a random order of the rows, cut
into batches. AdamW with the one-cycle schedule (Smith and Topin, arXiv 1708.07120) brings a LeNet to 99 % on MNIST in
two or three epochs.
"""

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils import runtime
from course_utils.core.checks import check_images, check_labels
from course_utils.data import Split
from course_utils.evaluation import device_of, initialise, logits, mode

REPORT = 100  # steps between two looks at the loss


@dataclass
class History:
    """What a training saw: the loss of each step in nats, and whether it ran to its end."""

    losses: list[float] = field(default_factory=list)
    finished: bool = False


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
