"""Lesson 09: training on attacks, a way around rounding, soft answers, and two proofs."""

import math
from dataclasses import dataclass, field
from functools import cache

import torch
from scipy import special, stats
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils import figures
from course_utils.exercises.contracts import LEFT_BEHIND
from course_utils.exercises.differences import describe_difference, named
from course_utils.exercises.engine import Exercise, Mistake, NotYet
from course_utils.exercises.probes import (
    CUT,
    SIDE,
    advised,
    as_number,
    looks,
    pixel_slope,
    slopes,
    small_network,
    up_to_the_first_difference,
    want_two,
    want_type,
)


def _seeded(seed):
    return torch.Generator().manual_seed(seed)


# 9.1


def training_loss(model, images, labels, eps):
    start = (images + eps * (2 * torch.rand_like(images) - 1)).clamp(0, 1).requires_grad_()
    (slope,) = torch.autograd.grad(F.cross_entropy(model(start), labels), start)
    attacked = start.detach() + 1.25 * eps * slope.sign()
    attacked = attacked.clamp(images - eps, images + eps).clamp(0, 1)
    return F.cross_entropy(model(attacked), labels)


GREY, HARD = "40 grey images, eps 0.1", "12 black and white images, eps 0.3"
TWICE = "twice: at the start, for the gradient, and at the end, for the loss"
UNIFORM = "spread evenly over the ball"
CLIMBED = "1.25 eps up from the start, brought back into the ball"
LOSS_THERE = "the mean cross-entropy at the attacked images"
ITS_GRADIENT = "that of the loss"
NEW_EACH_TIME = "new ones"
PLACES = f"the starts ({GREY})", f"where the loss is taken ({GREY})"
IN_BOTH = "in the ball and in [0, 1]"
STUCK = "black stays black, and white stays white, where the start was cut off"
ASKS_TOO_LATE = (
    "the gradient is asked for in something that the loss does not depend on. Make the start first, "
    "start = (...).detach().requires_grad_(), then model(start), not inside of torch.no_grad()"
)
NOT_A_LEAF = (
    "the gradient in the start is None: .grad is filled only in a tensor that you began with, not in one that was "
    "computed from it. torch.autograd.grad(loss, start)[0] gives the gradient in any tensor on the way"
)
TUPLE = "torch.autograd.grad returns a tuple, one gradient an input: take its [0]"
FLOAT64 = "the noise is of another type than the images (numpy makes float64): torch.rand_like(images) is of theirs"
CUT_FIRST = (
    "this tensor was computed from one that asks for its gradient: cut it off first, start = start.detach(), and then "
    "start.requires_grad_()"
)
WRITES_ON_LEAF = (
    "a tensor that asks for its gradient is changed in place: `+=` and methods ending in `_` do that. Take the step in "
    "a new tensor, start.detach() + ..."
)
USED_UP = (
    "the loss comes without its graph: `backward` was called on it inside. Only return the loss: whoever trains calls "
    "backward and takes the optimiser's step"
)
PLAIN_LOSS = (
    "this is a plain number, and training needs the tensor with its graph, so that backward reaches the weights: leave "
    "out .item() and float()"
)


@dataclass(frozen=True)
class _Points:
    """Where an attack began and ended, in units of eps, and whether the loss rises there; it is not judged."""

    start: Tensor = field(compare=False)
    end: Tensor = field(compare=False)
    rises: Tensor = field(compare=False)


class _Watched(nn.Module):
    """A network in training mode that keeps the images it is asked about."""

    def __init__(self):
        super().__init__()
        network = small_network()
        self.layers = nn.Sequential(*(layer for layer in network if not isinstance(layer, nn.Dropout))).train()
        self.asked = []

    def forward(self, images):
        if not isinstance(images, Tensor) or images.ndim != 4 or images.shape[1:] != (1, SIDE, SIDE):
            raise NotYet(f"the model takes images, (N, 1, {SIDE}, {SIDE}); it was given {named(images)}")
        self.asked.append(torch.tensor(images.detach().tolist()))  # a plain copy, whatever torch.func makes of it
        return self.layers(images)


def _watched(seed):
    torch.default_generator.manual_seed(seed)
    return _Watched()


@cache
def _to_train_on():
    """Images, labels and eps, by name."""
    source = _seeded(9)
    grey = 0.3 + 0.4 * torch.rand(40, 1, SIDE, SIDE, generator=source)
    hard = (2 * torch.rand(12, 1, SIDE, SIDE, generator=source) - 0.5).clamp(0, 1)
    return {
        GREY: (grey, torch.randint(4, (40,), generator=source), 0.1),
        HARD: (hard, torch.randint(4, (12,), generator=source), 0.3),
    }


def _probe_training_loss(attempt):
    advice = dict.fromkeys(("does not require grad", "not have been used"), ASKS_TOO_LATE)
    advice |= dict.fromkeys(("not a leaf", "NoneType"), NOT_A_LEAF)
    advice |= {"flags of leaf": CUT_FIRST, "a leaf Variable": WRITES_ON_LEAF, "'tuple'": TUPLE}
    advice |= {"same dtype": FLOAT64, "second time": USED_UP}
    attempt = advised(attempt, advice)
    return up_to_the_first_difference(_trained(attempt))


def _trained(attempt):
    """What is seen of a training loss, beside what should be."""
    images, labels, eps = _to_train_on()[GREY]
    model = _watched(seed=1)
    loss = attempt(model, images.clone(), labels.clone(), eps)
    asked = list(model.asked)
    yield {"training_loss": _kind(loss)}, {"training_loss": "one number, a tensor with its graph"}
    yield {"how often the model is asked": _often(asked, images)}, {"how often the model is asked": TWICE}
    start, end = asked
    value, slope = _value(model, loss, images, labels, start, end), _slope_words(model, loss, labels, end)
    rises = pixel_slope(model.layers, start, labels)
    points = _Points((start - images) / eps, (end - images) / eps, rises)
    attempt(model.train(), images.clone(), labels.clone(), eps)
    again = "the same again: leave the seed alone" if model.asked[2].equal(start) else NEW_EACH_TIME
    found = {
        "the points": points,
        f"the starts ({GREY})": _start((start - images) / eps),
        f"where the loss is taken ({GREY})": _end(images, start, end, rises, eps),
        f"the loss ({GREY})": value,
        f"the gradient in the weights ({GREY})": slope,
        "the starts of a second call": again,
    }
    words = (UNIFORM, CLIMBED, LOSS_THERE, ITS_GRADIENT, NEW_EACH_TIME)
    yield found, dict(zip(found, (points, *words), strict=True))
    images, labels, eps = _to_train_on()[HARD]
    model = _watched(seed=2)
    attempt(model, images.clone(), labels.clone(), eps)
    start, end = model.asked
    found = {
        f"the starts ({HARD})": _cut(images, start, eps),
        f"where the loss is taken ({HARD})": _limits(images, start, end, pixel_slope(model.layers, start, labels), eps),
    }
    yield found, dict.fromkeys(found, IN_BOTH)


def _kind(loss):
    if isinstance(loss, str) or loss is None:
        return loss
    if not isinstance(loss, Tensor):
        if isinstance(as_number(loss), (int, float)):
            raise NotYet(PLAIN_LOSS)
        return named(loss)
    return "one number, a tensor with its graph" if loss.ndim == 0 else f"{named(loss)}: is the mean missing?"


def _often(asked, images):
    clean = [each.equal(images) for each in asked]
    if len(asked) == 2 and {each.shape for each in asked} == {images.shape}:
        return TWICE
    if len(asked) == 1:
        return "once, about the images as they are" if clean[0] else "once, about changed images"
    if any(len(each) != len(images) for each in asked):
        return f"{len(asked)} times, about {len(asked[0])} images: ask about all of them at once"
    return f"{len(asked)} times" + (", the last time about the images as they are" if any(clean[-1:]) else "")


def _start(starts):
    """How starts are spread, in words; `starts` is in units of eps."""
    if not starts.isfinite().all():
        return "NaN or infinity"
    size, pixels = starts.abs(), starts.flatten(1)
    if size.max() < 1e-3:
        return "the images themselves"
    if pixels.std(1).max() < 1e-3:
        return "one number an image, the same for all its pixels"
    if pixels.std(0).max() < 1e-3:
        return "one start for all images"
    if size.min() > 0.999:
        return "corners of the ball, or points outside it: each pixel moves by eps or more"
    if size.max() > 1.001:
        return "far outside the ball" if (size > 1).double().mean() > 0.5 else "partly outside the ball"
    if starts.min() > -1e-3:
        return "in the ball, but no pixel becomes darker"
    sorted_, steps = starts.flatten().sort().values, torch.linspace(0, 1, starts.numel() + 1)
    shares = (sorted_ + 1) / 2
    gap = max((shares - steps[1:]).abs().max(), (shares - steps[:-1]).abs().max())
    return UNIFORM if gap < 3 / starts.numel() ** 0.5 else "in the ball, but not spread evenly"


def _end(images, start, end, slope, eps):
    """In words where a step from the start led."""
    step = 1.25 * eps * slope.sign()

    def ball(points):
        return points.clamp(images - eps, images + eps)

    places = {
        CLIMBED: ball(start + step),
        "the images as they are": images,
        "the start, without a step": start,
        "*down* from the start": ball(start - step),
        "down from the start, not brought back into the ball": start - step,
        "1.25 eps up from the start, not brought back into the ball": start + step,
        "1.25 eps up from the image, not brought back into the ball": images + step,
        "a corner of the ball, the image + eps * sign": images + step / 1.25,
        "a corner of the ball, or the start where the slope is 0": torch.where(slope == 0, start, images + step / 1.25),
        "eps up from the start": ball(start + step / 1.25),
        "eps up from the start, not brought back into the ball": start + step / 1.25,
        "eps / 10 up from the start": ball(start + step / 12.5),
        "up from the start by the gradient itself": ball(start + 1.25 * eps * slope),
        "the change alone, without the image": ball(start + step) - images,
    }
    for name, place in places.items():
        if ((end - place).abs() < 1e-5).double().mean() > 0.995:  # a slope of nearly 0 may round to either side
            return name
    if not end.isfinite().all():
        return "NaN or infinity"
    return f"another point {'in' if (end - images).abs().max() < 1.001 * eps else 'outside of'} the ball"


def _value(model, loss, images, labels, start, end):
    with torch.no_grad():
        logits = {"at the attacked images": model.layers(end), "at the start": model.layers(start)}
        logits["at the images as they are"] = model.layers(images)
        values = {f"the mean cross-entropy {where}": F.cross_entropy(each, labels) for where, each in logits.items()}
        there = logits["at the attacked images"]
        values["minus the mean cross-entropy"] = -values[LOSS_THERE]
        values["the sum over the images, not the mean"] = F.cross_entropy(there, labels, reduction="sum")
        values["the cross-entropy of the softmax: it takes logits"] = F.cross_entropy(there.softmax(1), labels)
    near = (name for name, value in values.items() if math.isclose(loss.item(), value.item(), rel_tol=1e-4))
    return next(near, f"{loss.item():.4g}, another number")


def _slope_words(model, loss, labels, end):
    """Whether the gradient of a loss in the weights is that of the cross-entropy at the attacked images."""
    weights = list(model.parameters())
    if not loss.requires_grad:
        return "none: the loss is cut off from the weights"
    try:
        found = torch.autograd.grad(loss, weights, allow_unused=True)
    except RuntimeError as error:
        if "second time" in str(error):
            raise NotYet(USED_UP) from None
        raise
    if all(each is None for each in found):
        return "none: the loss is cut off from the weights"
    right = torch.autograd.grad(F.cross_entropy(model.layers(end), labels), weights)
    same = all(a is not None and torch.allclose(a, b, rtol=1e-3, atol=1e-5) for a, b in zip(found, right, strict=True))
    return ITS_GRADIENT if same else "another one"


def _cut(images, start, eps):
    """In words whether starts keep to [0, 1], and fill the ball as far as that goes."""
    if start.min() < -1e-6 or start.max() > 1 + 1e-6:
        return "outside of [0, 1]"
    radius = (start - images).abs().max() / eps
    return IN_BOTH if 0.9 < radius < 1.001 else f"at most {radius:.2g} eps from the images"


def _limits(images, start, end, slope, eps):
    """In words whether attacked images keep to the ball and to [0, 1], leave black and white if they can, and climb."""
    if end.min() < -1e-6 or end.max() > 1 + 1e-6:
        return "outside of [0, 1]"
    if (end - images).abs().max() > 1.001 * eps:
        return "outside of the ball"
    inwards = ((images == 0) & (slope > 0)) | ((images == 1) & (slope < 0))
    if ((end - images).abs()[inwards] < 0.249 * eps).double().mean() > 0.02:
        return STUCK
    place = (start + 1.25 * eps * slope.sign()).clamp(images - eps, images + eps).clamp(0, 1)
    climbed = ((end - place).abs() < 1e-5).double().mean() > 0.995  # a slope of nearly 0 may round to either side
    return IN_BOTH if climbed else f"elsewhere: not {CLIMBED}"


def _draw_points(seen, expected):
    """Each pixel by where it began and where it ended, and (lines) where the step should have led from there."""
    if not any(describe_difference(seen[key], expected[key]) for key in seen if key in PLACES):
        return None
    points = seen["the points"]
    canvas, axis = figures.figure(4.6, 3.2)
    for rises, color, name in ((1, figures.ADVERSARIAL, "rises"), (-1, figures.CLEAN, "falls")):
        pixels = points.rises.sign() == rises
        label = f"the loss {name} with the pixel"
        axis.plot(
            points.start[pixels][:250].numpy(), points.end[pixels][:250].numpy(), ".", color=color, ms=4, label=label
        )
        begin = torch.tensor([-1, -0.25 * rises, 1.0])
        axis.plot(begin.numpy(), (begin + 1.25 * rises).clamp(-1, 1).numpy(), color=color, linewidth=1)
    axis.set(xlabel="start - image, in eps", ylabel="end - image, in eps", xlim=(-2.5, 2.5), ylim=(-2.5, 2.5))
    axis.set_title("the pixels of your attack (dots), where they belong (lines)", fontsize=9)
    axis.legend(fontsize=7, loc="upper left")
    return figures.picture(canvas, "Each dot: where a pixel began and ended; the lines: where it should.")


def _training(
    first=lambda images, eps: images + eps * (2 * torch.rand_like(images) - 1),
    box=lambda start: start.clamp(0, 1),
    slope=lambda model, start, labels: pixel_slope(model, start, labels),
    base=lambda images, start: start,
    step=lambda slope, eps: 1.25 * eps * slope.sign(),
    back=lambda moved, images, start, eps: moved.clamp(images - eps, images + eps),
    end=lambda attacked: attacked.clamp(0, 1),
    loss=lambda model, attacked, labels: F.cross_entropy(model(attacked), labels),
):
    """The training loss with one part exchanged: the source of the classic mistakes."""

    def train(model, images, labels, eps):
        start = box(first(images, eps))
        moved = base(images, start) + step(slope(model, start, labels), eps)
        return loss(model, end(back(moved, images, start, eps)), labels)

    return train


def _as_it_came(tensor, *rest):
    return tensor


def _training_end(model, attacked, labels, **how):
    return F.cross_entropy(model(attacked), labels, **how)


def _slope_at_the_images(model, images, labels, eps):
    slope = pixel_slope(model, images, labels)
    start = images + eps * (2 * torch.rand_like(images) - 1)
    attacked = (start + 1.25 * eps * slope.sign()).clamp(images - eps, images + eps).clamp(0, 1)
    return F.cross_entropy(model(attacked), labels)


def _slope_through_clamp(model, images, labels, eps):
    delta = eps * (2 * torch.rand_like(images) - 1)
    slope = pixel_slope(lambda change: model((images + change).clamp(0, 1)), delta, labels)
    delta = (delta + 1.25 * eps * slope.sign()).clamp(-eps, eps)
    return F.cross_entropy(model((images + delta).clamp(0, 1)), labels)


def _both_losses(model, images, labels, eps):
    return (training_loss(model, images, labels, eps) + F.cross_entropy(model(images), labels)) / 2


def _freezes_too_soon(model, images, labels, eps):
    model.requires_grad_(False)
    loss = training_loss(model, images, labels, eps)
    model.requires_grad_(True)
    return loss


NO_START = (
    "each attack begins at the image itself: a step of 1.25 eps then always ends in a corner of the ball, image + "
    "eps * sign. A network can learn those corners alone and still fall to attacks of several steps (catastrophic "
    "overfitting); without a random start that happens sooner. Begin at images + eps * (2 * torch.rand_like(images) - "
    "1)"
)
NO_BALL = (
    "1.25 eps from a random start can lead out of the ball, up to 2.25 eps away from the image: bring it back, "
    ".clamp(images - eps, images + eps)"
)
BALL_ROUND_IMAGE = (
    "the step is eps long from the start (or cut to that), and may end 2 eps away from the image: take 1.25 * eps, and "
    "cut the change from the *image*, not that from the start, .clamp(images - eps, images + eps)"
)
NO_BOX = "black becomes blacker than black: no image has pixels outside [0, 1], so end with .clamp(0, 1)"
CUT_OFF = (
    "no gradient leads from this loss to the weights, so nothing can be trained by it: the *attack* needs no graph for "
    "the weights, the last loss does. Take that outside of torch.no_grad(), without .detach()"
)
STEP_LENGTH = (
    "the step has another length: 1.25 * eps, a little more than the radius. A shorter one stops inside of the ball, "
    "where the attack is weak, and one of 2 eps or more ends in a corner wherever it began"
)
FROM_THE_START = (
    "wherever the attack begins, it ends in a corner of the ball, image + eps * sign: so the random start is lost "
    "again. The step of 1.25 * eps is taken from the *start*, and the whole change is then cut to eps"
)
NOT_IN_BALL = "eps * (2 * torch.rand_like(images) - 1) is spread evenly over the ball, pixel by pixel"
MEAN_LOSS = "return the mean over the images, as F.cross_entropy does by itself"

EX_TRAINING_LOSS = Exercise(
    id="9.1",
    reference=training_loss,
    probe=_probe_training_loss,
    picture=_draw_points,
    mistakes="",
    also=(
        Mistake(
            lambda model, images, labels, eps: F.cross_entropy(model(images), labels),
            "this is ordinary training, on the images as they are: attack them first, and take the loss there",
        ),
        Mistake(
            lambda model, images, labels, eps: F.cross_entropy(
                model((images + eps * (2 * torch.rand_like(images) - 1)).clamp(0, 1)), labels
            ),
            "this trains on noise: the random point is only the start. Step from there along the sign of the gradient, "
            "uphill",
        ),
        Mistake(
            _both_losses,
            "the clean images take half of the loss: that is a recipe, too, but here the loss is taken at the attacked "
            "images alone",
        ),
        Mistake(_training(first=_as_it_came), NO_START),
        Mistake(_training(first=_as_it_came, back=_as_it_came), NO_START),
        Mistake(
            _training(step=lambda slope, eps: -1.25 * eps * slope.sign()),
            "the step leads *down*, to images on which the network is better than on the clean ones: the attack climbs "
            "the loss, + 1.25 * eps * slope.sign(); it is the optimiser that descends, in the weights",
        ),
        Mistake(_training(back=_as_it_came), NO_BALL),
        Mistake(_training(back=_as_it_came, step=lambda slope, eps: eps * slope.sign()), BALL_ROUND_IMAGE),
        Mistake(
            _training(back=lambda moved, images, start, eps: moved.clamp(start - eps, start + eps)),
            BALL_ROUND_IMAGE,
        ),
        Mistake(_training(base=lambda images, start: images), FROM_THE_START),
        Mistake(_training(step=lambda slope, eps: 1.25 * slope.sign()), FROM_THE_START),
        Mistake(_training(base=lambda images, start: images, back=_as_it_came), FROM_THE_START),
        Mistake(
            _training(box=_as_it_came),
            "the start may lie outside of [0, 1], where no image is: cut it, .clamp(0, 1), before it asks for its "
            "gradient",
        ),
        Mistake(
            lambda model, images, labels, eps: training_loss(model, images, labels, 0.1),
            "eps is 0.1, whatever is asked for: use `eps`, in the start, in the step and in the ball",
        ),
        Mistake(_training(end=_as_it_came), NO_BOX),
        Mistake(_training(end=_as_it_came, box=_as_it_came), NO_BOX),
        Mistake(
            _slope_through_clamp,
            "the gradient runs through clamp, and that has slope 0 where the start lies outside [0, 1]: half of all "
            "black pixels never move. Clamp first, and let the clamped start ask for its gradient",
        ),
        Mistake(_training(step=lambda slope, eps: eps / 10 * slope.sign()), STEP_LENGTH),
        Mistake(_training(step=lambda slope, eps: eps * slope.sign()), STEP_LENGTH),
        Mistake(
            _training(step=lambda slope, eps: 1.25 * eps * slope),
            "the step is as long as the gradient, which is far too short: for the ruler L-inf it is the *sign* that "
            "counts, 1.25 * eps * slope.sign()",
        ),
        Mistake(
            _training(step=lambda slope, eps: 0 * slope),
            "the loss is taken at the start: step from there along the sign of the gradient",
        ),
        Mistake(
            _slope_at_the_images,
            "the gradient is that at the image, the step is taken from the random start: take both at the start",
        ),
        Mistake(
            _training(back=lambda moved, images, start, eps: images),
            "the loss is that of the clean images: take it at the attacked ones",
        ),
        Mistake(
            _training(first=lambda images, eps: images + eps * torch.rand_like(images)),
            "torch.rand draws from [0, 1], so that every start is brighter than its image: 2 * torch.rand_like(images) "
            "- 1 runs from -1 to 1",
        ),
        Mistake(
            _training(first=lambda images, eps: images + eps * torch.randn_like(images)),
            "normal noise leaves the ball with every third pixel: " + NOT_IN_BALL,
        ),
        Mistake(
            _training(first=lambda images, eps: images + (2 * torch.rand_like(images) - 1)),
            "the random start is not scaled by eps, and lies far outside the ball: " + NOT_IN_BALL,
        ),
        Mistake(
            _training(first=lambda images, eps: images + eps * torch.randn_like(images).sign()),
            "each start is a corner of the ball: " + NOT_IN_BALL,
        ),
        Mistake(
            _training(first=lambda images, eps: images + (eps * torch.randn_like(images)).clamp(-eps, eps)),
            "the starts lie in the ball, but not evenly: " + NOT_IN_BALL,
        ),
        Mistake(
            _training(first=lambda images, eps: images + eps * (2 * torch.rand_like(images[:1]) - 1)),
            "all images begin with the same noise: torch.rand_like(images) draws for each its own",
        ),
        Mistake(
            _training(first=lambda images, eps: images + eps * (2 * torch.rand(len(images), 1, 1, 1) - 1)),
            "all pixels of an image begin with the same noise: torch.rand_like(images) draws for each its own",
        ),
        Mistake(_training(loss=lambda *given: _training_end(*given).detach()), CUT_OFF),
        Mistake(_freezes_too_soon, CUT_OFF),
        Mistake(_training(loss=lambda *given: _training_end(*given).item()), PLAIN_LOSS),
        Mistake(
            _training(loss=lambda *given: -_training_end(*given)), "minus the loss: the optimiser makes it smaller"
        ),
        Mistake(_training(loss=lambda *given: _training_end(*given, reduction="sum")), MEAN_LOSS),
        Mistake(_training(loss=lambda *given: _training_end(*given, reduction="none")), MEAN_LOSS),
        Mistake(
            _training(loss=lambda model, attacked, labels: F.cross_entropy(model(attacked).softmax(1), labels)),
            "softmax twice: F.cross_entropy takes logits, and applies the softmax itself",
        ),
    ),
    hints=(
        "One round of the attack `pgd` with a random start, and then what every training does: the cross-entropy of "
        "what came out. The attack needs the gradient in the images, the training that in the weights.",
        "The start: images + eps * (2 * torch.rand_like(images) - 1), clamped to [0, 1], and only then "
        ".requires_grad_(). torch.autograd.grad(loss, start)[0] gives its gradient, and leaves the weights alone.",
        "The step: start.detach() + 1.25 * eps * slope.sign(), then .clamp(images - eps, images + eps), then "
        ".clamp(0, 1).",
        "At the end return F.cross_entropy(model(attacked), labels) as it is, with its graph.",
    ),
)


# 9.2


def straight_through(images, levels):
    rounded = (images * (levels - 1)).round() / (levels - 1)
    return images + (rounded - images).detach()


RAMP = "a ramp from 0 to 1, 4 levels"
GRADIENT_AS_IT_IS = (
    "the pictures are right, but the gradient is 0, as that of rounding is almost everywhere: this is the defense "
    "itself, not the way around it. To go backwards as if nothing had been rounded, add to the images a change that "
    "has no gradient: images + (rounded - images).detach()"
)
WRONG_PART = (
    "the gradient comes back with its sign turned round: the wrong part is detached. Forwards images + (rounded - "
    "images) is `rounded` wherever you cut it, but backwards only what is *not* detached counts. That has to be the "
    "plain images: images + (rounded - images).detach()"
)
NOT_ROUNDED = (
    "forwards these are the images as they were: the result has to be what the model really sees, the rounded images. "
    "images + (rounded - images).detach() is that, and with images and rounded exchanged it is not"
)
ONE_LESS = (
    "levels grey levels have levels - 1 steps between them, as 4 posts have 3 gaps: with 2 levels all is 0 or 1. So "
    "(images * (levels - 1)).round() / (levels - 1)"
)
NOT_NEAREST = "a pixel goes to the *nearest* level: round, where floor (or int) always goes down and ceil up"
IN_STEPS = "these are numbers of levels, 0 to levels - 1: divide by levels - 1, so that they are pixels again"
SCALED = (
    "the pictures are right, but the gradient has another length: backwards each pixel passes on exactly what it was "
    "given, as in result = images. So the part that is not detached is the images themselves, not a multiple of them"
)


@cache
def _to_round():
    """Images whose pixels are never half-way between two levels, by name."""

    def draw(*shape, levels, seed):
        source = _seeded(seed)
        steps = torch.randint(levels, shape, generator=source) + 0.9 * torch.rand(*shape, generator=source) - 0.45
        return (steps / (levels - 1)).clamp(0, 1)

    ramp = torch.linspace(0, 1, 42).view(1, 1, 1, -1)
    return {
        RAMP: ((ramp,), 4),
        "2 grey images, 2 levels": ((draw(2, 1, 4, 5, levels=2, seed=0),), 2),
        "3 colour images, 5 levels": ((draw(3, 3, 4, 4, levels=5, seed=1),), 5),
        "1 grey image, 256 levels": ((draw(1, 1, 28, 28, levels=256, seed=2),), 256),
        "2 grey images, 8 levels, in float64": ((draw(2, 1, 3, 3, levels=8, seed=3).double(),), 8),
    }


def _probe_straight_through(attempt):
    attempt = advised(attempt, {"a leaf Variable": LEFT_BEHIND["in place"], "Can't call numpy": CUT})
    right = looks(straight_through, "the images", _to_round())
    seen = looks(attempt, "the images", _to_round())
    if describe_difference(seen, right):
        return seen
    for name, (inputs, levels) in _to_round().items():
        want_type(attempt(*inputs, levels), *inputs, f"the images ({name})")
    return seen | slopes(attempt, "the images", _to_round())


def _draw_steps(seen, expected):
    """The ramp's steps, or where these are right its gradient, beside the reference's."""
    key, right = f"the images ({RAMP})", {"ylabel": "pixel after rounding"}
    if not describe_difference(seen[key], expected[key]):
        key, right = f"the gradient of the images ({RAMP})", {"ylabel": "gradient"}
    found, wanted = (each[key] for each in (seen, expected))
    if isinstance(wanted, list):  # of the sum, weighed from 1 to 2
        weights = torch.linspace(1, 2, wanted[0].numel())
        found, wanted = (each[0].flatten() / weights for each in (found, wanted))
    ramp, found, wanted = (each.detach().flatten().numpy() for each in (_to_round()[RAMP][0][0], found, wanted))
    canvas, axis = figures.figure(4.4, 2.6)
    axis.plot(ramp, wanted, "o", color=figures.NOISE, mfc="none", ms=6, label="reference")
    axis.plot(ramp, found, ".", color=figures.ADVERSARIAL, ms=4, label="yours")
    axis.set(xlabel=f"pixel before ({RAMP.split(', ')[1]})", **right)
    axis.legend(fontsize=8)
    return figures.picture(canvas, f"{right['ylabel']} along a ramp from 0 to 1: the reference's, and yours.")


def _rounding(
    rounded=lambda images, levels: (images * (levels - 1)).round() / (levels - 1),
    joined=lambda images, rounded: images + (rounded - images).detach(),
):
    """The rounding with one part exchanged: the source of the classic mistakes."""
    return lambda images, levels: joined(images, rounded(images, levels))


def _scaled(images, levels):
    steps = images * (levels - 1)
    return steps + (steps.round() / (levels - 1) - steps).detach()


def _steps_alone(images, levels):
    steps = images * (levels - 1)
    return steps + (steps.round() - steps).detach()


def _softly(images, levels):
    steps = 2 * math.pi * (levels - 1)
    return images - torch.sin(steps * images) / steps


EX_STRAIGHT_THROUGH = Exercise(
    id="9.2",
    reference=straight_through,
    probe=_probe_straight_through,
    picture=_draw_steps,
    mistakes="",
    also=(
        Mistake(_rounding(joined=lambda images, rounded: rounded), GRADIENT_AS_IT_IS),
        Mistake(
            lambda images, levels: images.clone(),
            NOT_ROUNDED,
        ),
        Mistake(_rounding(joined=lambda images, rounded: images.detach() + (rounded - images)), WRONG_PART),
        Mistake(_rounding(joined=lambda images, rounded: rounded + (images.detach() - images)), WRONG_PART),
        Mistake(_rounding(joined=lambda images, rounded: rounded.detach()), CUT),
        Mistake(_rounding(joined=lambda images, rounded: (images + (rounded - images)).detach()), CUT),
        Mistake(
            _rounding(joined=lambda images, rounded: rounded + (images - rounded).detach()),
            NOT_ROUNDED,
        ),
        Mistake(
            _rounding(joined=lambda images, rounded: images + rounded.detach()),
            "forwards this is images + rounded: what is detached has to be the *change*, rounded - images",
        ),
        Mistake(
            _rounding(joined=lambda images, rounded: (rounded - images).detach()),
            "this is only what rounding changes: add it to the images",
        ),
        Mistake(_rounding(lambda images, levels: (images * levels).round() / levels), ONE_LESS),
        Mistake(_rounding(lambda images, levels: (images * (levels - 2)).round() / max(levels - 2, 1)), ONE_LESS),
        Mistake(_rounding(lambda images, levels: (images * levels).round() / (levels - 1)), ONE_LESS),
        Mistake(_rounding(lambda images, levels: (images * levels).floor() / levels), ONE_LESS),
        Mistake(
            _rounding(lambda images, levels: (images * 255).round() / 255),
            "this is a file's rounding, to 256 levels: use `levels`",
        ),
        Mistake(
            _rounding(lambda images, levels: (images * levels).floor().clamp(max=levels - 1) / (levels - 1)),
            "[0, 1] is cut into equal parts here, one a level, so that a pixel does not always go to the *nearest* "
            "level: (images * (levels - 1)).round() / (levels - 1)",
        ),
        Mistake(_rounding(lambda images, levels: (images * (levels - 1)).floor() / (levels - 1)), NOT_NEAREST),
        Mistake(_rounding(lambda images, levels: (images * (levels - 1)).ceil() / (levels - 1)), NOT_NEAREST),
        Mistake(_rounding(lambda images, levels: (images * (levels - 1)).round()), IN_STEPS),
        Mistake(_steps_alone, IN_STEPS),
        Mistake(_scaled, SCALED),
        Mistake(_rounding(joined=lambda images, rounded: images / 2 + (rounded - images / 2).detach()), SCALED),
        Mistake(
            _softly,
            "this rounds softly, and lets some grey through: forwards it has to be what the model really sees, and the "
            "backward pass may still go another way, images + (rounded - images).detach()",
        ),
    ),
    hints=(
        "The rounding first: how many steps lie between `levels` grey levels? Times that number, round, divide by it.",
        "Its gradient is 0 almost everywhere. But .detach() makes any tensor a constant: write the rounded images as "
        "the images plus a change, and let only the change be constant.",
        "rounded = (images * (levels - 1)).round() / (levels - 1), then images + (rounded - images).detach()",
    ),
)


# 9.3


def distillation_loss(student, teacher, temperature):
    soft = (teacher.detach() / temperature).softmax(dim=1)
    return -(soft * F.log_softmax(student / temperature, dim=1)).sum(dim=1).mean()


TEACHER_MOVES = (
    "the loss is right, but its gradient runs into the teacher, too, who would learn to be easy to imitate: "
    "teacher.detach()"
)


@cache
def _lessons():
    """Logits of student and teacher and a temperature, by name."""

    def draw(number, classes, seed, scale=3.0):
        return tuple(scale * torch.randn(2, number, classes, generator=_seeded(seed)))

    return {
        "2 images, 3 classes, temperature 1": (draw(2, 3, seed=0), 1.0),
        "5 images, 4 classes, temperature 20": (draw(5, 4, seed=1, scale=12.0), 20.0),
        "4 images, 4 classes, temperature 2.5": (draw(4, 4, seed=2), 2.5),
        "6 images, 10 classes, temperature 100": (draw(6, 10, seed=3, scale=40.0), 100),
        "3 images, 5 classes, large logits, temperature 4": (draw(3, 5, seed=4, scale=900.0), 4.0),
        "4 images, 3 classes, in float64, temperature 7": (tuple(each.double() for each in draw(4, 3, seed=5)), 7.0),
    }


def _probe_distillation(attempt):
    return up_to_the_first_difference(_distilled(attempt))


def _distilled(attempt):
    for name, case in _lessons().items():
        found, right = (looks(each, "the loss", {name: case}) for each in (attempt, distillation_loss))
        yield found, right
    for name, ((student, teacher), temperature) in _lessons().items():
        found, moved = _student_slope(attempt, student, teacher, temperature)
        right, still = _student_slope(distillation_loss, student, teacher, temperature)
        slope, who = f"the gradient in the student's logits ({name})", f"the gradient in the teacher's logits ({name})"
        yield {slope: found, who: moved}, {slope: right, who: still}


def _student_slope(attempt, student, teacher, temperature):
    """The gradient of the loss in the student's logits, and whether the teacher gets one."""
    given = [each.clone().requires_grad_() for each in (student, teacher)]
    loss = attempt(*given, temperature)
    if not isinstance(loss, Tensor) or not loss.requires_grad:
        raise NotYet(CUT)
    found, moved = torch.autograd.grad(loss, given, allow_unused=True)
    if found is None:
        raise NotYet(CUT)
    return found, "none" if moved is None or not moved.any() else "some: teacher.detach()"


def _distilling(
    soft=lambda teacher, t: (teacher.detach() / t).softmax(1),
    logs=lambda student, t: F.log_softmax(student / t, 1),
    each=lambda soft, logs: -(soft * logs).sum(1),
    end=lambda losses, t: losses.mean(),
):
    """The loss with one part exchanged: the source of the classic mistakes."""
    return lambda student, teacher, temperature: end(
        each(soft(teacher, temperature), logs(student, temperature)), temperature
    )


def _naive_softmax(logits, t):
    return (logits.detach() / t).exp() / (logits.detach() / t).exp().sum(1, keepdim=True)


HARD_LABELS = (
    "the teacher's answer is a single class here: what a student can learn from is how likely it finds the *others*, "
    "so give its whole softmax, (teacher / temperature).softmax(1)"
)
STUDENT_TOO = (
    "the student answers at temperature 1: during the training both are softened alike, "
    "F.log_softmax(student / temperature, dim=1). Only afterwards it is used at temperature 1"
)
SQUARED = (
    "a factor of T or T ** 2 makes up for gradients that shrink as T grows (Hinton's recipe, where a second loss with "
    "the true labels stands beside it). Here this loss stands alone, without the factor"
)
OVERFLOWS = (
    "exp of large logits overflows, and the log of a probability that was rounded to 0 is -infinity: "
    "F.log_softmax and softmax subtract the largest first"
)
COLUMNS = "the softmax runs over the images (dim=0): the classes are columns, dim=1"
A_SUM = "this is the sum over the images: want their mean, so that the loss does not depend on how many there are"

EX_DISTILLATION_LOSS = Exercise(
    id="9.3",
    reference=distillation_loss,
    probe=_probe_distillation,
    mistakes="",
    also=(
        Mistake(lambda student, teacher, t: F.cross_entropy(student / t, teacher.argmax(1)), HARD_LABELS),
        Mistake(lambda student, teacher, t: F.cross_entropy(student, teacher.argmax(1)), HARD_LABELS),
        Mistake(_distilling(logs=lambda student, t: F.log_softmax(student, 1)), STUDENT_TOO),
        Mistake(
            _distilling(soft=lambda teacher, t: teacher.detach().softmax(1)),
            "the teacher answers at temperature 1, nearly certain of one class: soften its logits as well, "
            "(teacher / temperature).softmax(1)",
        ),
        Mistake(
            _distilling(
                soft=lambda teacher, t: teacher.detach().softmax(1), logs=lambda student, t: F.log_softmax(student, 1)
            ),
            "the temperature is not used: divide the logits of both by it, before the softmax",
        ),
        Mistake(
            _distilling(
                soft=lambda teacher, t: (teacher.detach() * t).softmax(1),
                logs=lambda student, t: F.log_softmax(student * t, 1),
            ),
            "the logits are multiplied by the temperature, which makes answers harder: a high temperature softens, so "
            "divide",
        ),
        Mistake(
            _distilling(
                soft=lambda teacher, t: teacher.detach().softmax(1) / t,
                logs=lambda student, t: F.log_softmax(student, 1) / t,
            ),
            "divided by the temperature after the softmax, which only scales: divide the *logits*, then softmax",
        ),
        Mistake(_distilling(end=lambda losses, t: t**2 * losses.mean()), SQUARED),
        Mistake(_distilling(end=lambda losses, t: t * losses.mean()), SQUARED),
        Mistake(
            lambda student, teacher, t: F.cross_entropy((student / t).softmax(1), (teacher.detach() / t).softmax(1)),
            "softmax twice for the student: F.cross_entropy takes logits, student / temperature",
        ),
        Mistake(
            _distilling(soft=lambda teacher, t: (teacher.detach() / t).softmax(1).softmax(1)),
            "softmax twice for the teacher: once makes its logits probabilities, the second time flattens them",
        ),
        Mistake(
            _distilling(soft=lambda teacher, t: teacher.detach() / t),
            "the teacher's logits are taken for probabilities: (teacher / temperature).softmax(1)",
        ),
        Mistake(
            _distilling(soft=lambda teacher, t: F.log_softmax(teacher.detach() / t, 1)),
            "the teacher's *log*-probabilities are the weights here: its probabilities, softmax, are wanted, and only "
            "the student's are in the log",
        ),
        Mistake(
            _distilling(logs=lambda student, t: (student / t).softmax(1)),
            "the logarithm is missing: F.log_softmax of the student",
        ),
        Mistake(_distilling(end=lambda losses, t: losses.sum()), A_SUM),
        Mistake(
            _distilling(each=lambda soft, logs: -(soft * logs)),
            "the mean runs over images and classes: sum over the classes (dim=1) first, then the mean over the images",
        ),
        Mistake(_distilling(end=lambda losses, t: losses), "one loss an image: return their mean"),
        Mistake(_distilling(end=lambda losses, t: -losses.mean()), "the minus sign is missing: -sum(p * log q)"),
        Mistake(
            _distilling(each=lambda soft, logs: (soft * (soft.clamp(min=1e-30).log() - logs)).sum(1)),
            "this is the Kullback-Leibler divergence, the cross-entropy less the teacher's own entropy. Its gradient "
            "is the same, its value is not: return the cross-entropy, -sum(p * log q)",
        ),
        Mistake(
            _distilling(each=lambda soft, logs: (logs.exp() * (logs - soft.clamp(min=1e-30).log())).sum(1)),
            "this is the Kullback-Leibler divergence from the student to the teacher, the wrong way round: the teacher "
            "says what is true, so its probabilities are the weights, -sum(p_teacher * log p_student)",
        ),
        Mistake(
            lambda student, teacher, t: distillation_loss(teacher, student, t),
            "student and teacher are exchanged: the teacher's probabilities are the weights of the student's logs",
        ),
        Mistake(
            lambda student, teacher, t: F.mse_loss((student / t).softmax(1), (teacher.detach() / t).softmax(1)),
            "this is the squared difference: the cross-entropy punishes a confident mistake far more, -sum(p * log q)",
        ),
        Mistake(
            _distilling(
                soft=lambda teacher, t: (teacher.detach() / t).softmax(0),
                logs=lambda student, t: F.log_softmax(student / t, 0),
            ),
            COLUMNS,
        ),
        Mistake(_distilling(logs=lambda student, t: F.log_softmax(student / t, 0)), COLUMNS),
        Mistake(_distilling(soft=lambda teacher, t: (teacher.detach() / t).softmax(0)), COLUMNS),
        Mistake(_distilling(soft=_naive_softmax), OVERFLOWS),
        Mistake(_distilling(logs=lambda student, t: (student / t).softmax(1).log()), OVERFLOWS),
        Mistake(_distilling(soft=lambda teacher, t: (teacher / t).softmax(1)), TEACHER_MOVES),
        Mistake(_distilling(end=lambda losses, t: losses.mean().detach()), CUT),
        Mistake(_distilling(logs=lambda student, t: F.log_softmax(student.detach() / t, 1)), CUT),
    ),
    hints=(
        "The teacher's answer takes the place of a label: the cross-entropy of one image is -sum(p * log q) over the "
        "classes, with the teacher's probabilities p and the student's q.",
        "Both at the same temperature: the logits are divided by it *before* the softmax. Then the mean over the "
        "images. The teacher is no one's pupil: teacher.detach().",
        "soft = (teacher.detach() / temperature).softmax(dim=1), and F.log_softmax(student / temperature, dim=1) for "
        "the student. (F.cross_entropy takes probabilities for labels, too.)",
    ),
)


# 9.4


def certified_radius(hits, samples, sigma, alpha):
    lower = stats.beta.ppf(alpha, hits, samples - hits + 1)
    return float(sigma * stats.norm.ppf(lower)) if lower > 0.5 else 0.0


COUNTS = (
    (90, 100, 0.5, 0.001),
    (70, 100, 0.5, 0.001),
    (64, 100, 0.5, 0.001),
    (88, 100, 0.5, 0.05),
    (9_900, 10_000, 2.0, 0.001),
    (59, 100, 1.0, 0.05),
    (59, 100, 1.0, 0.025),
    (52, 100, 1.0, 0.05),
    (50, 100, 0.5, 0.05),
    (10, 100, 0.5, 0.05),
)
ALL_HITS, NO_HITS = ((100, 100, 0.5, 0.001), (20, 20, 1.0, 0.05), (1000, 1000, 0.25, 0.001)), ((0, 100, 0.5, 0.05),)


def _probe_certified(attempt):
    """Where scipy returns NaN, for wrong numbers of the beta distribution, too, is judged last."""
    stages = COUNTS, ALL_HITS, NO_HITS
    return up_to_the_first_difference((_certified(attempt, s), _certified(certified_radius, s)) for s in stages)


def _certified(attempt, counts):
    seen = {}
    for hits, samples, sigma, alpha in counts:
        result = as_number(attempt(hits, samples, sigma, alpha))
        seen[f"{hits} hits of {samples}, sigma {sigma:g}, alpha {alpha:g}"] = result
    return seen


def _lower(hits, samples, alpha):
    """The lower bound, by the function behind stats.beta.ppf, which takes a hundredth of its time."""
    return special.betaincinv(hits, samples - hits + 1, alpha) if hits else 0.0


def _certifying(
    lower=_lower,
    share=lambda alpha: alpha,
    radius=lambda p, sigma: sigma * special.ndtri(p),
    abstains=lambda p: p <= 0.5,
    end=lambda radius: float(radius),
):
    """The radius with one part exchanged: the source of the classic mistakes."""

    def certify(hits, samples, sigma, alpha):
        p = lower(hits, samples, share(alpha))
        return 0.0 if abstains(p) else end(radius(p, sigma))

    return certify


def _upper(hits, samples, alpha):
    return special.betaincinv(hits + 1, samples - hits, 1 - alpha) if hits < samples else 1.0


def _normal_bound(hits, samples, alpha):
    p = hits / samples
    return p + special.ndtri(alpha) * (p * (1 - p) / samples) ** 0.5


def _wilson(hits, samples, alpha):
    p, z = hits / samples, special.ndtri(1 - alpha)
    middle, half = p + z**2 / (2 * samples), z * (p * (1 - p) / samples + (z / (2 * samples)) ** 2) ** 0.5
    return (middle - half) / (1 + z**2 / samples)


def _hoeffding(hits, samples, alpha):
    return hits / samples - math.sqrt(math.log(1 / alpha) / (2 * samples))


def _share_of_hits(hits, samples, alpha):
    return hits / samples


def _decides_by_hits(hits, samples, sigma, alpha):
    return float(sigma * special.ndtri(_lower(hits, samples, alpha))) if 2 * hits > samples else 0.0


TWO_SIDED = (
    "alpha is shared between two sides, alpha / 2 below: that is an interval. Only the lower end matters here, so all "
    'of alpha goes to it (with scipy: binomtest(hits, samples, alternative="greater"), for "two-sided" is its default)'
)
UPPER_BOUND = (
    "this is the *upper* bound: with it the radius would be wrong far more often than alpha. The lower one is "
    "beta.ppf(alpha, hits, samples - hits + 1)"
)
APPROXIMATE = (
    "this bound takes the count for normal, which fails exactly where it matters, near p = 1 (and for all hits it may "
    "prove everything). The bound of Clopper and Pearson holds for every p and every number of samples: "
    "beta.ppf(alpha, hits, samples - hits + 1)"
)
NOT_HOEFFDING = (
    "Hoeffding's bound is true but loose, most of all near p = 1, where the radius is won: that of Clopper and Pearson "
    "is exact, beta.ppf(alpha, hits, samples - hits + 1)"
)
BETA_NUMBERS = (
    "the numbers of the beta distribution are off by one: the lower bound is "
    "beta.ppf(alpha, hits, samples - hits + 1), the p at which `hits` or more would still happen with probability alpha"
)
BELOW = (
    "where the bound is not above 1/2, no majority is proved, and Phi^-1 of it is negative: nothing is certified then, "
    "so abstain, 0.0"
)

NAN_AT_0 = (
    "right until nobody hits: stats.beta.ppf(alpha, 0, ...) is NaN, and so is max(NaN, 0.0). With 0 hits nothing is "
    "proved, so return 0.0; `... if lower > 0.5 else 0.0` does, for no comparison with NaN is true"
)

EX_CERTIFIED_RADIUS = Exercise(
    id="9.4",
    reference=certified_radius,
    probe=_probe_certified,
    mistakes="",
    also=(
        Mistake(
            _certifying(lower=_share_of_hits),
            "the share of hits is taken for p itself: with all hits the radius is infinite (or whatever cuts it off), "
            "and half of the time the true p is smaller than the share. A proof needs a bound that lies above the true "
            "p with probability alpha at most, beta.ppf(alpha, hits, samples - hits + 1)",
        ),
        Mistake(
            _certifying(lower=lambda hits, samples, alpha: special.betaincinv(samples - hits, hits + 1, alpha)),
            "hits and misses are exchanged: beta.ppf(alpha, hits, samples - hits + 1)",
        ),
        Mistake(_certifying(lower=lambda hits, samples, alpha: special.betaincinv(hits, samples, alpha)), BETA_NUMBERS),
        Mistake(
            _certifying(lower=lambda hits, samples, alpha: special.betaincinv(hits + 1, samples - hits, alpha)),
            BETA_NUMBERS,
        ),
        Mistake(
            lambda hits, samples, sigma, alpha: certified_radius(hits, samples, sigma, alpha) if hits else math.nan,
            NAN_AT_0,
        ),
        Mistake(_certifying(share=lambda alpha: alpha / 2), TWO_SIDED),
        Mistake(
            _certifying(share=lambda alpha: 2 * alpha),
            "the bound holds only with probability 1 - 2 * alpha: it has one side, and all of alpha belongs to it once",
        ),
        Mistake(_certifying(lower=_upper), UPPER_BOUND),
        Mistake(_certifying(share=lambda alpha: 1 - alpha), UPPER_BOUND),
        Mistake(_certifying(lower=_normal_bound), APPROXIMATE),
        Mistake(_certifying(lower=_wilson), APPROXIMATE),
        Mistake(_certifying(lower=_hoeffding), NOT_HOEFFDING),
        Mistake(
            _certifying(lower=lambda hits, samples, alpha: special.betaincinv(hits + 1, samples - hits + 1, alpha)),
            BETA_NUMBERS,
        ),
        Mistake(
            _certifying(
                lower=lambda hits, samples, alpha: special.betaincinv(hits or 1e-9, samples - hits or 1e-9, alpha)
            ),
            BETA_NUMBERS,
        ),
        Mistake(
            _certifying(radius=lambda p, sigma: special.ndtri(p)),
            "sigma is missing: the radius is sigma * Phi^-1(p), in the units of the pixels",
        ),
        Mistake(
            _certifying(radius=lambda p, sigma: sigma**2 * special.ndtri(p)),
            "sigma is squared: it is the standard deviation, and the radius is sigma * Phi^-1(p)",
        ),
        Mistake(
            _certifying(radius=lambda p, sigma: special.ndtri(p) / sigma),
            "divided by sigma: more noise proves a larger radius, sigma * Phi^-1(p)",
        ),
        Mistake(
            _certifying(radius=lambda p, sigma: sigma * special.ndtr(p)),
            "this is Phi, from a place to a probability: the way back is Phi^-1, norm.ppf",
        ),
        Mistake(
            _certifying(radius=lambda p, sigma: sigma * math.exp(-p * p / 2) / math.sqrt(2 * math.pi)),
            "this is the density of the normal distribution: Phi^-1 is norm.ppf",
        ),
        Mistake(
            _certifying(radius=lambda p, sigma: sigma / 2 * special.ndtri(p)),
            "half of it: sigma / 2 stands before Phi^-1(p_A) - Phi^-1(p_B), with the runner-up's p_B = 1 - p_A that is "
            "sigma * Phi^-1(p_A)",
        ),
        Mistake(
            _certifying(radius=lambda p, sigma: 2 * sigma * special.ndtri(p)),
            "twice as much as is proved: with p_B = 1 - p_A, sigma / 2 * (Phi^-1(p_A) - Phi^-1(p_B)) is "
            "sigma * Phi^-1(p_A)",
        ),
        Mistake(
            _certifying(radius=lambda p, sigma: sigma * p),
            "Phi^-1 is missing: the radius is sigma * Phi^-1(p), norm.ppf(p)",
        ),
        Mistake(
            _certifying(radius=lambda p, sigma: sigma * special.ndtri(1 - p)),
            "the sign is turned round: Phi^-1(1 - p) = -Phi^-1(p), and a radius is not negative",
        ),
        Mistake(_certifying(abstains=lambda p: False), BELOW),
        Mistake(
            _certifying(abstains=lambda p: False, end=lambda radius: abs(float(radius))),
            "where the bound is below 1/2, abs makes a radius out of nothing: no majority is proved there, so abstain, "
            "0.0",
        ),
        Mistake(
            _decides_by_hits,
            "the *share of hits* decides whether to abstain, and then Phi^-1 of a bound below 1/2 is negative: what "
            "counts is whether the lower bound is above 1/2",
        ),
        Mistake(
            lambda hits, samples, sigma, alpha: certified_radius(hits, samples, sigma, alpha) or -1.0,
            "-1 stands for a class that is abstained from; a radius that is not proved is 0.0",
        ),
        Mistake(
            lambda hits, samples, sigma, alpha: certified_radius(hits, samples, sigma, alpha) or math.nan,
            "NaN where nothing is proved (scipy returns it for hits = 0, too): abstain with 0.0",
        ),
        *(
            Mistake(
                _certifying(radius=lambda p, sigma: p, abstains=abstains),
                "this is the lower bound of p: the radius is sigma * Phi^-1 of it, norm.ppf",
            )
            for abstains in (lambda p: False, lambda p: p <= 0.5)
        ),
    ),
    hints=(
        "hits / samples is an estimate. A proof needs a number that p is *not below*, except with probability alpha: "
        "the smallest p at which that many hits are still possible.",
        "That is the lower bound of Clopper and Pearson, a quantile of a beta distribution: "
        "stats.beta.ppf(alpha, hits, samples - hits + 1).",
        "Cohen's radius is sigma * Phi^-1(lower), and Phi^-1 is stats.norm.ppf. It is negative below 1/2, where "
        "nothing is proved: return 0.0 there.",
        "lower = stats.beta.ppf(alpha, hits, samples - hits + 1); return sigma * stats.norm.ppf(lower) if "
        "lower > 0.5 else 0.0. (For hits = 0 scipy says NaN, and no comparison with NaN is true.)",
    ),
)


# 9.5


def through_linear(weight, bias, low, high):
    centre, radius = (low + high) / 2, (high - low) / 2
    middle = centre @ weight.T + bias
    spread = radius @ weight.abs().T
    return middle - spread, middle + spread


TWO_IN = "2 boxes of 2 numbers, 3 units"
LAYOUT = (
    "weight has a row a unit, (out, in), and low and high a row a box, (N, in): low @ weight.T is (N, out), and bias, "
    "(out,), fits to that"
)
LOW_AND_HIGH = "the lower bounds and the upper bounds: return low, high"


@cache
def _boxes():
    """A layer and boxes of its inputs, by name."""

    def draw(number, inputs, units, seed, wide=1.0):
        source = _seeded(seed)
        low = torch.randn(number, inputs, generator=source)
        high = low + wide * torch.rand(number, inputs, generator=source)
        return torch.randn(units, inputs, generator=source), torch.randn(units, generator=source), low, high

    small = torch.tensor([[1.0, -2.0], [-0.5, -1.0], [2.0, 1.5]]), torch.tensor([0.5, -1.0, 0.0])
    ends = torch.tensor([[0.0, 0.2], [-1.0, 0.5]]), torch.tensor([[1.0, 0.6], [-0.4, 1.5]])
    cases = {
        TWO_IN: (*small, *ends),
        "5 boxes of 36 numbers, 10 units": draw(5, 36, 10, seed=0),
        "3 boxes of 3 numbers, 3 units": draw(3, 3, 3, seed=1),
        "3 other boxes of 3 numbers, 3 other units": draw(3, 3, 3, seed=5),
        "1 box of 6 numbers, 2 units": draw(1, 6, 2, seed=2),
        "4 boxes without extent, 5 units": draw(4, 7, 5, seed=3, wide=0.0),
        "2 boxes of 4 numbers, 3 units, in float64": tuple(each.double() for each in draw(2, 4, 3, seed=4)),
    }
    return {name: (inputs,) for name, inputs in cases.items()}


def _probe_through_linear(attempt):
    advice = dict.fromkeys(
        ("cannot be multiplied", "must match the size", "size mismatch", "matmul: Input operand"), LAYOUT
    )
    attempt = advised(attempt, advice | {"same dtype": "keep to the type of what is given, float32 or float64"})

    seen = _bounds(attempt)
    if not describe_difference(seen, _bounds(through_linear)):
        for name, (inputs,) in _boxes().items():
            for found, right in zip(attempt(*inputs), through_linear(*inputs), strict=True):
                want_type(found, right, f"the bounds ({name})")
    return seen


def _bounds(attempt):
    def pair(result):
        want_two(result, LOW_AND_HIGH)
        return dict(zip(("low", "high"), result, strict=True))

    seen = {}
    for name, found in looks(attempt, "the bounds", _boxes(), pair).items():
        ends = isinstance(found, dict)
        seen |= {f"{end} of {name}": each for end, each in found.items()} if ends else {name: found}
    return seen


def _draw_intervals(seen, expected):
    """The bounds of each unit for the first box, yours beside the reference's, and what points of the box give."""
    ((weight, bias, low, high),) = _boxes()[TWO_IN]
    ends = [[each[f"{end} of the bounds ({TWO_IN})"] for end in ("low", "high")] for each in (expected, seen)]
    if not any(describe_difference(found, right) for found, right in zip(*reversed(ends), strict=True)):
        return None
    box = max((0, 1), key=lambda i: sum((a[i] - b[i]).abs().sum().item() for a, b in zip(*ends, strict=True)))
    points = low[box] + (high[box] - low[box]) * torch.rand(60, 2, generator=_seeded(0))
    outputs = (points @ weight.T + bias).numpy()
    canvas, axis = figures.figure(4.6, 2.8)
    looks_like = ((-0.15, figures.DEFENDED, "reference"), (0.15, figures.ADVERSARIAL, "yours"))
    for unit in range(len(weight)):
        axis.plot([unit] * len(outputs), outputs[:, unit], ".", color=figures.NOISE, ms=3)
    for (lower, upper), (shift, color, name) in zip(ends, looks_like, strict=True):
        places = [unit + shift for unit in range(len(weight))]
        lower, upper = (bound[box].detach().tolist() for bound in (lower, upper))
        axis.vlines(places, lower, upper, color=color, linewidth=4, label=name)
        for bound in (lower, upper):
            axis.plot(places, bound, "_", color=color, ms=10)
    axis.set_xticks(range(len(weight)), [f"unit {unit + 1}" for unit in range(len(weight))])
    axis.set(ylabel="output", xlim=(-0.5, len(weight) - 0.5))
    axis.set_title("dots: outputs of points of the box", fontsize=9)
    axis.legend(fontsize=8)
    return figures.picture(
        canvas, "The bounds of three units, the reference's and yours, and outputs of random points."
    )


def _bounding(
    centre=lambda low, high: (low + high) / 2,
    radius=lambda low, high: (high - low) / 2,
    middle=lambda centre, weight, bias: centre @ weight.T + bias,
    spread=lambda radius, weight, bias: radius @ weight.abs().T,
    end=lambda middle, spread: (middle - spread, middle + spread),
):
    """The bounds with one part exchanged: the source of the classic mistakes."""

    def bound(weight, bias, low, high):
        return end(middle(centre(low, high), weight, bias), spread(radius(low, high), weight, bias))

    return bound


def _both_ends(weight, bias, low, high):
    return low @ weight.T + bias, high @ weight.T + bias


def _both_ends_sorted(weight, bias, low, high):
    ends = _both_ends(weight, bias, low, high)
    return torch.minimum(*ends), torch.maximum(*ends)


NEGATIVE_WEIGHTS = (
    "both ends are sent through the layer, which is right only where all weights are positive: a *negative* weight "
    "makes its output smallest where its input is largest. Go by the middle of the box and its radius, and let the "
    "radius grow by |weight|"
)
SORTED_ENDS = (
    "only two corners of the box are looked at, all inputs low and all high (|radius @ weight.T| comes to the same). A "
    "unit with weights of both signs is smallest at another corner, some inputs low and some high, so that points of "
    "the box end outside of these bounds: no proof. Each weight widens the interval, radius @ weight.abs().T"
)
NO_BIAS = "the bias is missing: it moves the middle, and leaves the radius as it is"
BIAS_IN_RADIUS = (
    "the bias is in the radius: it is a constant, and moves both bounds alike. Add it to the middle, and only there"
)
ABS_OF_WEIGHTS = (
    "abs stands at the wrong factor: the middle goes through the layer as any input does, with the weights as they "
    "are; only the radius grows by weight.abs()"
)
EXCHANGED = (
    "the bounds are exchanged: return the lower one first, middle - spread, middle + spread, with a radius that is not "
    "negative, (high - low) / 2"
)
HALF = "the radius is half of the width: (high - low) / 2"

EX_THROUGH_LINEAR = Exercise(
    id="9.5",
    reference=through_linear,
    probe=_probe_through_linear,
    picture=_draw_intervals,
    mistakes="",
    also=(
        Mistake(_both_ends, NEGATIVE_WEIGHTS),
        Mistake(_bounding(spread=lambda radius, weight, bias: radius @ weight.T), NEGATIVE_WEIGHTS),
        Mistake(_both_ends_sorted, SORTED_ENDS),
        Mistake(_bounding(spread=lambda radius, weight, bias: (radius @ weight.T).abs()), SORTED_ENDS),
        Mistake(_bounding(middle=lambda centre, weight, bias: centre @ weight.T), NO_BIAS),
        Mistake(_bounding(spread=lambda radius, weight, bias: radius @ weight.abs().T + bias), BIAS_IN_RADIUS),
        Mistake(_bounding(spread=lambda radius, weight, bias: radius @ weight.abs().T + bias.abs()), BIAS_IN_RADIUS),
        Mistake(
            _bounding(
                middle=lambda centre, weight, bias: centre @ weight.T,
                spread=lambda radius, weight, bias: radius @ weight.abs().T + bias,
            ),
            BIAS_IN_RADIUS,
        ),
        Mistake(
            _bounding(
                middle=lambda centre, weight, bias: centre @ weight.T,
                spread=lambda radius, weight, bias: radius @ weight.abs().T + bias.abs(),
            ),
            BIAS_IN_RADIUS,
        ),
        Mistake(
            _bounding(middle=lambda centre, weight, bias: centre @ weight.T + bias.abs()),
            "the bias has lost its sign: abs belongs to the weights of the radius alone",
        ),
        Mistake(_bounding(middle=lambda centre, weight, bias: centre @ weight.abs().T + bias), ABS_OF_WEIGHTS),
        Mistake(
            _bounding(
                middle=lambda centre, weight, bias: centre @ weight.abs().T + bias,
                spread=lambda radius, weight, bias: radius @ weight.T,
            ),
            ABS_OF_WEIGHTS,
        ),
        Mistake(
            _bounding(middle=lambda centre, weight, bias: centre.abs() @ weight.T + bias),
            "the middle of the box has lost its sign: abs belongs to the weights of the radius alone",
        ),
        Mistake(
            _bounding(end=lambda middle, spread: (middle + spread, middle - spread)),
            EXCHANGED,
        ),
        Mistake(_bounding(radius=lambda low, high: high - low), HALF),
        Mistake(
            _bounding(centre=lambda low, high: low + high),
            "the middle is (low + high) / 2: with brackets, and divided by 2",
        ),
        Mistake(
            _bounding(centre=lambda low, high: low + high / 2, radius=lambda low, high: high - low / 2),
            "a division comes before a sum: (low + high) / 2, (high - low) / 2",
        ),
        Mistake(
            _bounding(centre=lambda low, high: low + high / 2),
            "a division comes before a sum: (low + high) / 2",
        ),
        Mistake(
            _bounding(radius=lambda low, high: high - low / 2), "a division comes before a difference: (high - low) / 2"
        ),
        Mistake(
            _bounding(radius=lambda low, high: (low - high) / 2),
            EXCHANGED,
        ),
        Mistake(
            _bounding(centre=lambda low, high: low),
            "the radius is laid around `low`: it belongs around the middle, (low + high) / 2",
        ),
        Mistake(
            _bounding(spread=lambda radius, weight, bias: radius @ weight.clamp(min=0).T),
            "only the positive weights widen the interval here: the negative ones do as well, each by its |weight|",
        ),
        Mistake(
            _bounding(spread=lambda radius, weight, bias: radius.norm(dim=1, keepdim=True) * weight.norm(dim=1)),
            "these lengths bound what a *ball* (l2) can do, and are wider than need be: for a box each input counts by "
            "itself, radius @ weight.abs().T",
        ),
        Mistake(
            _bounding(spread=lambda radius, weight, bias: radius.amax(1, keepdim=True) * weight.abs().sum(1)),
            "the largest radius is taken for all inputs: bounds that hold, but wider than need be. Each input has its "
            "own radius, radius @ weight.abs().T",
        ),
        Mistake(
            _bounding(end=lambda middle, spread: (middle, spread)),
            "these are middle and radius: return middle - radius, middle + radius",
        ),
        Mistake(
            _bounding(end=lambda middle, spread: ((middle - spread).relu(), (middle + spread).relu())),
            "the ReLU is a layer of its own: here only x @ weight.T + bias",
        ),
    ),
    hints=(
        "A box is its middle, (low + high) / 2, and how far it reaches from there, (high - low) / 2. The middle goes "
        "through the layer as any input does.",
        "How far can an output be from there? Input j moves it by at most radius_j * |weight_ij|, and in the worst "
        "case all inputs push the same way, so these add up. The bias has no part in that.",
        "spread = radius @ weight.abs().T; return middle - spread, middle + spread",
    ),
)

EXERCISES = [
    EX_TRAINING_LOSS,
    EX_STRAIGHT_THROUGH,
    EX_DISTILLATION_LOSS,
    EX_CERTIFIED_RADIUS,
    EX_THROUGH_LINEAR,
]
