r"""A class for nonsense: breed images that fool a network, teach it that they are none of its classes, and breed again.

    net 1:      the network as it is, K classes
    net i + 1:  net i, trained on with digits and with all images bred so far, which are class K + 1, "none of these"

Each net meets new images, bred against itself. The defense works if the confidence that breeding reaches falls from
round to round. Nguyen, Yosinski and Clune 2014 (arXiv 1412.1897) report that it does not on MNIST: after 15
rounds evolution still reached 99.99 %. On ImageNet the median fell from 88 to 12 % in one round. (Recalled,
unchecked.)

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


@dataclass(frozen=True, eq=False)
class Round:
    """One network, and what was bred against it. Number 1 is the network as given; from 2 on it has the null class.

    ``images`` were bred for class 0, 1 and so on, after K again for 0; ``confidences`` ``(N,)`` are the softmax outputs
    of these classes. ``accuracy`` is on the test split, where a digit that is called "none of these" is an error.
    """

    number: int
    model: nn.Module
    images: Tensor
    confidences: Tensor
    accuracy: float

    @property
    def median(self) -> float:
        return self.confidences.double().quantile(0.5).item()


def with_null_class(model: nn.Sequential) -> nn.Sequential:
    """A copy of ``model`` with one more output, the last.

    The new row of weights is the mean of the old ones. So the new logit is the mean of the others, and no label
    changes until the copy is trained.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    >>> with_null_class(model)(torch.rand(2, 1, 2, 2)).shape
    torch.Size([2, 4])
    """
    reason = oddity(model, [nn.Sequential]) or (oddity(model[-1], [nn.Linear]) if len(model) else "it is empty")
    if reason:
        raise TypeError(
            f"the model is a {type(model).__name__}: want an nn.Sequential that ends in nn.Linear, such as "
            f"models.LeNet5(), for only there a row can be added ({reason})"
        )
    wide = copy.deepcopy(model)
    wide[-1].out_features += 1
    for name, rows in model[-1].named_parameters():
        setattr(wide[-1], name, nn.Parameter(torch.cat([rows, rows.mean(0, keepdim=True)]).detach()))
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
        model: the network to start from, the first of ``rounds``, K classes; it stays as it is.
        split: what it was trained on. Each round continues with ``digits`` of these images, drawn anew, and with bred
            ones, a quarter of the whole. All images of all rounds so far are repeated equally often, but for one, until
            they fill it; where there are more, as many as fit are drawn.
        breed: ``breed(model, generator)`` returns images for the classes 0 ... K - 1 in this order, once or several
            times. It meets models with K and with K + 1 outputs.
        settings: of each training, as in `training.fit`, but for one epoch with ``lr=2e-3``. Interrupting a training
            ends the iterator.
    """
    if isinstance(model, nn.Module) and isinstance(split, Split):
        evaluation.initialise(model, split[:1].images)
    with_null_class(model)
    for part in (split, test):
        if not isinstance(part, Split):
            raise TypeError(f"want splits to train and test on, not a {type(part).__name__}: pass digits.train")
        check_labels(part.labels, len(part), model[-1].out_features)
    if not callable(breed):
        raise TypeError(f"breed is a {type(breed).__name__}: want a function of a model and a generator")
    check_counts(rounds=rounds, digits=digits)
    generator, classes = runtime.ensure_generator(generator), model[-1].out_features
    like = check_images(split[:1].images)
    settings = dict(epochs=1, lr=2e-3, generator=generator) | settings

    def work() -> Iterator[Round]:
        net, bred = copy.deepcopy(model).to(like.dtype).eval(), []
        for number in range(1, rounds + 1):
            images = check_images(breed(net, generator))
            if len(images) % classes:
                raise ValueError(
                    f"breed returned {len(images)} images for {classes} classes: want as many for each, and none for "
                    f"'none of these' (of an archive, images[:{classes}])"
                )
            outputs = evaluation.logits(net, images.to(like.dtype))
            aims = (torch.arange(len(images)) % classes).to(outputs.device)
            confidences = outputs.softmax(1).gather(1, aims[:, None])[:, 0]
            yield Round(number, net, images, confidences, evaluation.accuracy(net, test))
            if number < rounds:
                bred.append(images.detach().to(like))
                net = copy.deepcopy(net) if number > 1 else with_null_class(net)
                mixture = _mixture(split, torch.cat(bred), min(digits, len(split)), classes, generator)
                history = training.fit(net, mixture, **settings)
                net.eval()
                if not history.finished:
                    return

    return work()


def _mixture(split: Split, bred: Tensor, digits: int, classes: int, generator: torch.Generator) -> Split:
    """So many ``digits`` of the split, and bred images of class ``classes`` that make up a quarter of the whole."""
    rows = torch.randperm(len(split), generator=generator)[:digits].to(split.labels.device)
    wanted = max(1, round(digits / 3))
    order = torch.randperm(len(bred), generator=generator).to(bred.device)
    images = bred[order.repeat(-(-wanted // len(bred)))[:wanted]]
    none = torch.full((wanted,), classes, device=split.labels.device)
    return Split(torch.cat([split[rows].images, images]), torch.cat([split.labels[rows], none]))
