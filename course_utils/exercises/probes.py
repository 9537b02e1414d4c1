"""Ways to look at an answer: what it makes of cases, its gradients, what it does to a small network."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils import figures
from course_utils.exercises.contracts import copied, parts_of
from course_utils.exercises.differences import NotYet, describe_difference
from course_utils.exercises.engine import point_at

CLASSES, SIDE = 4, 6


def on(
    *stages: dict[str, tuple] | Callable[[], dict[str, tuple]],
    what: str = "the result",
    plain: Callable[[Any], Any] = lambda result: result,
    gradient: bool = False,
    typed: bool = False,
    advice: Mapping[str, str] | None = None,
) -> Callable[[Callable], Iterator[dict]]:
    """A probe made of cases: what the attempt makes of copies of the arguments of each.

    Args:
        stages: cases by name, or a function that makes them anew. A stage is looked at if the ones before are right, so
            that one fault hides no other: corners come last.
        what: what the attempt returns; a message names it, and the case.
        plain: what is looked at of a result, as `as_number`.
        gradient: whether a gradient has to lead from the result to the tensors it was given; looked at in the end.
        typed: whether a tensor has to have the type of the reference's.
        advice: what to say to an error of the learner's whose text contains the key.

    >>> probe = on({"two numbers": (torch.tensor([3.0, 4.0]),)}, what="the length")
    >>> list(probe(torch.linalg.norm))
    [{'the length (two numbers)': tensor(5.)}]
    """

    def probe(attempt):
        attempt = advised(attempt, advice or {})
        for stage in stages:
            cases = stage() if callable(stage) else stage
            yield {f"{what} ({name})": plain(attempt(*copied(given))) for name, given in cases.items()}
            if typed:
                results = {name: attempt(*copied(given)) for name, given in cases.items()}
                yield {f"the type of {what} ({name})": str(getattr(x, "dtype", type(x))) for name, x in results.items()}
            if gradient:
                yield {f"the gradient of {what} ({name})": _gradient(attempt, given) for name, given in cases.items()}

    return probe


def small_network():
    """A small curved network in evaluation mode; its dropout shows who switches it to training."""
    network = nn.Sequential(
        nn.Flatten(), nn.Linear(SIDE * SIDE, 16), nn.Tanh(), nn.Dropout(0.5), nn.Linear(16, CLASSES)
    )
    with torch.no_grad():
        for weights in network.parameters():
            weights.mul_(3)
        network[1].weight[:, 0] = 0  # the first pixel has no say: its gradient is 0
    return network.eval()


def small_images(number):
    """Images with pixels inside (0, 1), and some that are exactly black or white."""
    return (1.4 * torch.rand(number, 1, SIDE, SIDE) - 0.2).clamp(0, 1)


def watch(name, images, attack):
    """The images that an attack returns, and those it was given."""
    result = attack(images.clone())
    if callable(result):
        raise NotYet("this returns a function: return the changed images themselves")
    want_type(result, images, f"the result for {name}")
    if isinstance(result, Tensor) and result.shape == images.shape and result.requires_grad:
        raise NotYet("the result still carries its graph, and every later step would drag it along: end with .detach()")
    return {
        f"the result for {name}": result.detach().clone() if isinstance(result, Tensor) else result,
        f"the clean images for {name}": images,
    }


def draw_change(name):
    """Draws the changes that the reference and the attempt made to the first image."""

    def draw(seen, expected):
        clean = expected[f"the clean images for {name}"][0, 0]
        canvas, axes = figures.figure(6.0, 2.4, ncols=3)
        figures.show(axes[0], clean[None], title="the image")
        for axis, observed, title in zip(axes[1:], (expected, seen), ("the reference's change", "yours"), strict=True):
            change = observed[f"the result for {name}"][0, 0] - clean
            scale = max(change.abs().max().item(), 1e-6)
            axis.imshow((change / scale).numpy(), cmap="RdBu_r", vmin=-1, vmax=1)
            axis.set(xticks=[], yticks=[], title=title, xlabel=f"largest: {scale:.3g}")
        return figures.picture(canvas, "A small image, the change that the reference makes to it, and yours.")

    return draw


def pixel_slope(model, images, classes, loss=F.cross_entropy):
    """The gradient of the loss in the pixels."""
    images = images.detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(model(images), classes), images)
    return gradient


def want_like(found, right, where):
    """Refuse what is no tensor of the right shape and type; its values are judged elsewhere."""
    if not isinstance(found, Tensor) or found.shape != right.shape:
        raise NotYet(describe_difference(found, right, where))
    want_type(found, right, where)


def want_type(found, right, where):
    """Refuse a tensor of the right shape but of another type: no network would take it."""
    if isinstance(found, Tensor) and found.shape == right.shape and found.dtype != right.dtype:
        raise NotYet(f"{where}: got {found.dtype}, expected {right.dtype}, the type of what it was given")


def want_new(found, what, *given):
    """Refuse a result that shares its numbers with what was given: a change of one would change the other."""
    tensors = [each for each in parts_of(given) if isinstance(each, Tensor) and each.numel()]
    theirs = {each.untyped_storage().data_ptr() for each in tensors}
    if isinstance(found, Tensor) and found.untyped_storage().data_ptr() in theirs:
        raise NotYet(f"this hands back {what}, or a view of the same numbers: return a new tensor, .clone() makes one")


def want_two(result, what):
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        raise NotYet(f"return two things: {what}")


def advised(attempt, advice):
    """The attempt, with advice beside the errors whose text contains one of the keys."""

    def asked(*given):
        try:
            return attempt(*given)
        except Exception as error:
            for text, word in advice.items():
                if text in str(error):
                    raise NotYet(f"{point_at(error)}\n\n{word}") from None
            raise

    return asked


def as_number(result):
    """One real number, also as a tensor or an array, as a Python float; anything else as it is."""
    if isinstance(result, str):
        raise NotYet("this returns a text: return the number itself, without str() and without an f-string")
    value = result.item() if getattr(result, "ndim", None) == 0 else result
    try:
        return float(value) if isinstance(value, (int, float)) else result
    except OverflowError:  # a whole number beyond 1e308
        return result


CUT = (
    "the numbers are right, but no gradient leads from them to what they were computed from, so nothing can be trained "
    "(or attacked) through them: leave out .item(), .detach(), no_grad, numpy and new tensors made of numbers"
)


def _gradient(attempt, given):
    """The gradients of an attempt's result, whose values are right, in all tensors that it was given."""
    given = copied(given)
    wanted = [x.requires_grad_() for x in parts_of(given) if isinstance(x, Tensor) and x.is_floating_point()]
    result = attempt(*given)
    if not isinstance(result, Tensor) or not result.requires_grad:
        raise NotYet(CUT, kind="graph")
    weights = torch.linspace(1, 2, result.numel()).view(result.shape)
    found = torch.autograd.grad((result * weights).sum(), wanted, allow_unused=True)
    if None in found:
        raise NotYet(CUT, kind="graph")
    return list(found)


EVENLY = "evenly to all sides"


def evenly_spread(units):
    """How unit vectors are spread, in words: their first, second and fourth moments.

    A right answer is 6 standard errors away from every limit.
    """
    number, d = units.shape
    if (units @ units[0]).abs().min() > 0.999:
        return "along one line"
    if units.mean(0).abs().max() * (number * d) ** 0.5 > 6:
        return "more to one side"
    if (d * units.T @ units / number - torch.eye(d)).abs().max() > 9 / number**0.5:
        return "more along some lines than along others"
    mean = 3 / (d + 2)
    variance = (105 + 9 * (d - 1)) / ((d + 2) * (d + 4) * (d + 6)) - mean**2
    error = (units.pow(4).sum(1).mean() - mean) * (number / variance) ** 0.5
    return "more to the corners of the cube" if error < -6 else "more to the axes" if error > 6 else EVENLY
