r"""A class for nonsense: breed images that fool a network, teach it that they are none of its classes, and breed again.

    net 1:      the network as it is, K classes
    net i + 1:  net i, trained on with digits and with all images bred so far, which are class K + 1, "none of these"

Each net meets new images, bred against itself. The defense works if the confidence that breeding reaches falls from
round to round. Nguyen, Yosinski and Clune 2014 (arXiv 1412.1897) report that it does not on MNIST: after 15
rounds evolution still reached 99.99 %. On ImageNet the median fell from 88 to 12 % in one round.

What breeding raises is the softmax over all K + 1 outputs, so that confidence in "none of these" is taken from the
others. A niche for that class itself would be won at once and mean nothing: it is left out.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from course_utils import evaluation, runtime, training
from course_utils.core.checks import check_counts, check_images, check_labels
from course_utils.data import Split
from course_utils.layers import oddity

Breed = Callable[[nn.Module, torch.Generator], Tensor]

BRED = 0.25  # the fraction of bred images in a training


@dataclass(frozen=True, eq=False)
class Round:
    """One network, and what was bred against it.

    Attributes:
        number: 1 is the network as it was given.
        model: the network of this round, in evaluation mode; from round 2 on its last class is "none of these".
        images: bred against it, ``(N, C, H, W)``: the first for class 0, the next for class 1, and after K again for 0.
        confidences: the softmax output of the class that each image was bred for, ``(N,)``.
        accuracy: on the test split; a digit that is called "none of these" is an error.
    """

    number: int
    model: nn.Module
    images: Tensor
    confidences: Tensor
    accuracy: float

    @property
    def median(self) -> float:
        """The median of the confidences."""
        return self.confidences.double().quantile(0.5).item()


def with_null_class(model: nn.Sequential) -> nn.Sequential:
    """A copy of ``model`` with one more output, the last.

    The new row of weights is the mean of the old ones. So the new logit is the mean of the others, and no label
    changes until the copy is trained. The model has to end in a dense layer.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    >>> with_null_class(model)(torch.rand(2, 1, 2, 2)).shape
    torch.Size([2, 4])
    """
    last = model[-1] if isinstance(model, nn.Sequential) and len(model) else None
    if last is None or (reason := oddity(model, [nn.Sequential]) or oddity(last, [nn.Linear])):
        raise TypeError(
            f"the model is a {type(model).__name__}: want an nn.Sequential that ends in nn.Linear, such as "
            "models.LeNet5(), for only there a row can be added" + ("" if last is None else f" ({reason})")
        )
    if last.out_features < 2:
        raise ValueError(
            "the model returns one logit an image, and there have to be at least 2 classes before the new one"
        )
    wide, old = copy.deepcopy(model), model[-1]
    size = old.in_features, old.out_features + 1
    last = nn.utils.skip_init(nn.Linear, *size, bias=old.bias is not None, dtype=old.weight.dtype)
    with torch.no_grad():
        for name, rows in old.named_parameters():
            getattr(last, name).copy_(torch.cat([rows, rows.mean(0, keepdim=True)]))
    wide[-1] = last.to(old.weight.device).train(old.training)
    return wide


def null_class_rounds(
    model: nn.Sequential,
    split: Split,
    breed: Breed,
    *,
    test: Split,
    rounds: int = 6,
    digits: int = 12_000,
    generator: torch.Generator | None = None,
    **settings,
) -> Iterator[Round]:
    """Breed, train, breed again: an iterator over `Round`, which does the work of one when asked for it.

    Args:
        model: the network to start from, K classes; it stays as it is.
        split: what it was trained on. Each round continues with ``digits`` of these images, drawn anew, and with bred
            ones, a quarter of the whole. All images of all rounds so far are repeated equally often, but for one, until
            they fill it; where there are more, as many as fit are drawn.
        breed: ``breed(model, generator)`` returns images for the classes 0 ... K - 1 in this order, once or several
            times. It meets models with K and with K + 1 outputs.
        test: digits for the accuracy.
        rounds: how many networks; the first is ``model`` itself.
        generator: draws the digits and their order, and is handed to ``breed``; it lives on the CPU.
        settings: of each training, as in `training.fit`, but for one epoch with ``lr=2e-3``. Interrupting a training
            ends the iterator.

    Raises:
        TypeError, ValueError: from ``breed``, images outside the convention, or not a multiple of K.

    >>> from course_utils import data, models
    >>> digits = data.mnist().train[:500]
    >>> def breed(net, generator):
    ...     return torch.rand(20, 1, 28, 28, generator=generator)
    >>> found = null_class_rounds(models.Strided(), digits, breed, test=digits, rounds=2, progress=False)
    >>> [len(each.images) for each in found]
    [20, 20]
    """
    if isinstance(model, nn.Module) and isinstance(split, Split):
        evaluation.initialise(model, split.images[:1])
    with_null_class(model)
    for part in (split, test):
        if not isinstance(part, Split):
            raise TypeError(f"want splits to train and test on, not a {type(part).__name__}: pass digits.train")
        check_labels(part.labels, len(check_images(part.images)), model[-1].out_features)
    if not callable(breed):
        raise TypeError(f"breed is a {type(breed).__name__}: want a function of a model and a generator")
    check_counts(rounds=rounds, digits=digits)
    settings = dict(epochs=1, lr=2e-3, generator=runtime.ensure_generator(generator)) | settings
    return _rounds(model, split, breed, test, rounds, min(digits, len(split)), settings)


def _rounds(
    model: nn.Sequential, split: Split, breed: Breed, test: Split, number: int, digits: int, settings: dict
) -> Iterator[Round]:
    classes, bred, generator = model[-1].out_features, [], settings["generator"]
    net = copy.deepcopy(model).to(split.images.dtype).eval()
    for current in range(1, number + 1):
        images = _check_bred(breed(net, generator), classes)
        outputs = evaluation.logits(net, images.to(split.images.dtype))
        aims = (torch.arange(len(images)) % classes).to(outputs.device)
        confidences = outputs.softmax(1).gather(1, aims[:, None])[:, 0]
        yield Round(current, net, images, confidences, evaluation.accuracy(net, test))
        if current < number:
            bred.append(images.detach().to(split.images))
            net = copy.deepcopy(net) if current > 1 else with_null_class(net)
            history = training.fit(net, _mixture(split, torch.cat(bred), digits, classes, generator), **settings)
            net.eval()
            if not history.finished:
                return


def _check_bred(images: Tensor, classes: int) -> Tensor:
    """The images that ``breed`` returned, if they are some for each class."""
    if len(check_images(images)) % classes:
        raise ValueError(
            f"breed returned {len(images)} images for {classes} classes: want as many for each, and none for 'none of "
            f"these' (of an archive, images[:{classes}])"
        )
    return images


def _mixture(split: Split, bred: Tensor, digits: int, classes: int, generator: torch.Generator) -> Split:
    """So many ``digits`` of the split, and bred images of class ``classes`` that make up `BRED` of the whole."""
    rows = torch.randperm(len(split), generator=generator)[:digits].to(split.labels.device)
    wanted = max(1, round(digits * BRED / (1 - BRED)))
    order = torch.randperm(len(bred), generator=generator).to(bred.device)
    images = bred[order.repeat(-(-wanted // len(bred)))[:wanted]]
    none = torch.full((wanted,), classes, device=split.labels.device)
    return Split(torch.cat([split.images[rows], images]), torch.cat([split.labels[rows], none]))
