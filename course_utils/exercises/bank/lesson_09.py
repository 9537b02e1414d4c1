"""Lesson 09: training on attacks, a way around rounding, soft answers, and two proofs."""

from dataclasses import dataclass, field

import torch
from scipy import stats
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils import figures
from course_utils.exercises.differences import named
from course_utils.exercises.engine import Exercise, NotYet
from course_utils.exercises.probes import CUT, SIDE, advised, as_number, on, pixel_slope, small_network, want_two


def training_loss(model, images, labels, eps):
    start = (images + eps * (2 * torch.rand_like(images) - 1)).clamp(0, 1).requires_grad_()
    (slope,) = torch.autograd.grad(F.cross_entropy(model(start), labels), start)
    attacked = start.detach() + 1.25 * eps * slope.sign()
    attacked = attacked.clamp(images - eps, images + eps).clamp(0, 1)
    return F.cross_entropy(model(attacked), labels)


GREY, HARD = "40 grey images, eps 0.1", "12 black and white images, eps 0.3"
TWICE = "twice: at the start, for the gradient, and at the end, for the loss"
LATE = "Make the start first, start = (...).detach().requires_grad_(), then model(start), not inside of torch.no_grad()"
NO_LEAF = (
    ".grad is filled only in a tensor that you began with, not in one that was computed from it. "
    "torch.autograd.grad(loss, start)[0] gives the gradient in any tensor on the way"
)
ADVICE = {
    "does not require grad": LATE,
    "not have been used": LATE,
    "not a leaf": NO_LEAF,
    "NoneType": NO_LEAF,
    "a leaf Variable": "a tensor that asks for its gradient is changed. Take the step in a new tensor, start.detach()",
    "'tuple'": "torch.autograd.grad returns a tuple, one gradient an input: take its [0]",
    "same dtype": "the noise is of another type than the images: torch.rand_like(images) is of theirs",
    "second time": "`backward` was called on this loss: only return it, whoever trains calls backward",
}
CUT_OFF = (
    "no gradient leads from this loss to the weights, so nothing can be trained by it: only the *attack* needs none. "
    "Take the last loss outside of torch.no_grad(), without .detach()"
)


@dataclass(frozen=True)
class _Pixels:
    """Where pixels began and ended, in units of eps, and the slopes there; for the picture, and not judged."""

    values: Tensor = field(compare=False)


def _a_loss(loss):
    if not isinstance(loss, Tensor) and isinstance(as_number(loss), (int, float)):
        raise NotYet("this is a plain number, and training needs the tensor with its graph: no .item(), no float()")
    return loss


def _watched():
    """A network in training mode, and a list of the images that it is asked about."""
    asked, model = [], nn.Sequential(*(each for each in small_network() if not isinstance(each, nn.Dropout))).train()

    def note(_, given):
        images = given[0]
        if not isinstance(images, Tensor) or images.shape[1:] != (1, SIDE, SIDE):
            raise NotYet(f"the model takes images, (N, 1, {SIDE}, {SIDE}); it was given {named(images)}")
        asked.append(torch.tensor(images.detach().tolist()))  # a plain copy, whatever torch.func makes of it

    model.register_forward_pre_hook(note)
    return model, asked


def _probe_training_loss(attempt):
    """In words, since everyone draws the noise in another way."""
    grey, hard = 0.3 + 0.4 * torch.rand(40, 1, SIDE, SIDE), (2 * torch.rand(12, 1, SIDE, SIDE) - 0.5).clamp(0, 1)
    for name, images, eps, spread in ((GREY, grey, 0.1, _spread), (HARD, hard, 0.3, _reach)):
        labels, (model, asked) = torch.randint(4, (len(images),)), _watched()
        loss = _a_loss(advised(attempt, ADVICE)(model, images, labels, eps))
        if isinstance(loss, Tensor) and loss.ndim:
            raise NotYet(f"this is {named(loss)}: return the mean loss at the attacked images, F.cross_entropy(...)")
        yield {"training_loss": "one number" if isinstance(loss, Tensor) else loss and named(loss)}
        yield {"how often the model is asked": _often(asked, images)}
        start, end = asked[0], asked[-1]
        slope = pixel_slope(model, start, labels)
        yield {
            f"the starts ({name})": spread(images, start, eps),
            f"where the loss is taken ({name})": _end(images, start, end, slope, eps),
            f"the pixels ({name})": _Pixels(torch.stack([(start - images) / eps, (end - images) / eps, slope])),
        }
        logits = model(end)
        if torch.isclose(loss.float(), F.cross_entropy(logits.softmax(1), labels), 1e-4):
            raise NotYet("softmax twice: F.cross_entropy takes logits, and applies the softmax itself")
        there = F.cross_entropy(logits, labels)
        yield {f"the loss, over the mean cross-entropy at the attacked images ({name})": (loss / there).item()}
        if not loss.requires_grad:
            raise NotYet(CUT_OFF)
        extra = advised(torch.autograd.grad, ADVICE)(loss - there, list(model.parameters()))
        yield {f"the gradient in the weights, less that of the mean cross-entropy ({name})": extra}
    attempt(model, images, labels, eps)
    yield {"the starts of a second call": "the same again" if asked[-2].equal(start) else "new ones"}


def _often(asked, images):
    number = {0: "never", 1: "once", 2: "twice"}.get(len(asked), f"{len(asked)} times")
    if any(each.shape != images.shape for each in asked):
        return f"{number}, about {len(asked[0])} of {len(images)} images: ask about all of them at once"
    clean = ", the images as they are among that" * any(each.equal(images) for each in asked)
    return TWICE if len(asked) == 2 else number + clean


def _spread(images, start, eps):
    """How starts are spread, in words."""
    moved = (start - images) / eps
    size, evenly = moved.abs(), torch.linspace(-1, 1, moved.numel())
    kinds = {
        "the images themselves": size.max() < 1e-3,
        "one number an image, the same for all its pixels": moved.flatten(1).std(1).max() < 1e-3,
        "one start for all images": moved.std(0).max() < 1e-3,
        "corners of the ball, or points outside of it": size.min() > 0.999,
        "far outside of the ball": size.median() > 1.001,
        "partly outside of the ball": size.max() > 1.001,
        "in the ball, but no pixel becomes darker": moved.min() > -1e-3,
        "spread evenly over the ball": (moved.flatten().sort().values - evenly).abs().max() < 6 / moved.numel() ** 0.5,
    }
    return next((name for name, is_so in kinds.items() if is_so), "in the ball, but not spread evenly")


def _reach(images, start, eps):
    """Whether starts keep to [0, 1], and fill the ball as far as that goes, in words."""
    if start.min() < -1e-6 or start.max() > 1 + 1e-6:
        return "outside of [0, 1]"
    return f"in [0, 1], up to {(start - images).abs().max() / eps:.1f} eps from the images"


def _end(images, start, end, slope, eps):
    """Where a step from the start led, in words."""
    up, far, edge = slope.sign(), (end - images).abs().max(), (start == 0) | (start == 1)
    free = ((end - images).abs() < 0.999 * eps) & (end > 0) & (end < 1) & (slope != 0)
    length = ((end - start) * up)[free].median()  # NaN where no pixel ends inside of the ball
    step = f"{length.abs() / eps:.3g} eps {'up' if length > 0 else 'down'} from the start"
    back = (start + length * up).clamp(images - eps, images + eps)
    places = {
        f"{step}, brought back into the ball and into [0, 1]": back.clamp(0, 1),
        f"{step}, brought back into the ball, but not into [0, 1]": back,
        f"{step}, not brought back into the ball": start + length * up,
        "black stays black, and white stays white, where the start was cut off": back.clamp(0, 1).where(~edge, start),
        "the images as they are": images,
        "a corner of the ball, the image + eps * sign, or beyond it": images + far * up,
        "up from the start by the gradient itself": start + 1.25 * eps * slope,
    }
    for name, place in places.items():  # a slope of nearly 0 may round to either side
        if ((end - place).abs() < 1e-5)[slope != 0].double().mean() > 0.995:
            return name
    rising = ((end - images) * up > 0).double().mean()
    return f"elsewhere, up to {far / eps:.2g} eps from the images, {rising:.0%} of the pixels up the slope"


def _draw_points(seen, _):
    """Each pixel by where it began and where it ended, and (lines) where the step should have led from there."""
    if list(seen)[-1] != f"the pixels ({GREY})":
        return None
    begin, end, slope = seen[f"the pixels ({GREY})"].values.flatten(1)
    canvas, axis = figures.figure(4.6, 3.2)
    for sign, color, name in ((1, figures.ADVERSARIAL, "rises"), (-1, figures.CLEAN, "falls")):
        dots = [each[slope.sign() == sign][:250].numpy() for each in (begin, end)]
        axis.plot(*dots, ".", color=color, ms=4, label=f"the loss {name} with the pixel")
        line = torch.tensor([-1, -0.25 * sign, 1.0])
        axis.plot(line.numpy(), (line + 1.25 * sign).clamp(-1, 1).numpy(), color=color, linewidth=1)
    axis.set(xlabel="start - image, in eps", ylabel="end - image, in eps", xlim=(-2.5, 2.5), ylim=(-2.5, 2.5))
    axis.set_title("the pixels of your attack (dots), where they belong (lines)", fontsize=9)
    axis.legend(fontsize=7, loc="upper left")
    return figures.picture(canvas, "Each dot: where a pixel began and ended; the lines: where it should.")


EX_TRAINING_LOSS = Exercise(
    "9.1",
    training_loss,
    _probe_training_loss,
    mistakes=r"""
`F.cross_entropy(model(images), labels)` | `model(attacked)` -> `model(images)`: this is ordinary training, on the
    images as they are: attack them first, and take the loss at the attacked ones
`F.cross_entropy(model(images + eps * torch.rand_like(images)), labels)` | `+ 1.25 * eps * slope.sign()` -> ``: this
    trains on noise: the random point is only the start. Step up the sign of the gradient, and take the loss there
`(training_loss(model, images, labels, eps) + F.cross_entropy(model(images), labels)) / 2`: the clean images take half
    of the loss: that is a recipe, too, but here the loss is taken at the attacked images alone
`+ eps * (2 * torch.rand_like(images) - 1)` -> ``: each attack begins at the image itself, and so ends in a corner of
    the ball. A network can learn those alone: begin at images + eps * (2 * torch.rand_like(images) - 1)
`+ 1.25` -> `- 1.25`: the step leads *down*, to images on which the network is better than on the clean ones: the attack
    climbs the loss, + 1.25 * eps * slope.sign(); it is the optimiser that descends, in the weights
`.clamp(images - eps, images + eps)` -> ``: 1.25 eps from a random start can lead out of the ball, up to 2.25 eps away
    from the image: bring it back, .clamp(images - eps, images + eps)
`images - eps, images + eps` -> `-eps, eps`: cut the *change* to eps, and not the image: images - eps, images + eps
`images - eps, images + eps` -> `start - eps, start + eps`: a step of eps from the start may end 2 eps away from the
    image: take 1.25 * eps, and cut the change from the *image*, .clamp(images - eps, images + eps)
`start.detach() +` -> `images +` | `1.25 * eps` -> `1.25`: wherever the attack begins, it ends in a corner of the ball,
    or beyond, and the random start is lost: step 1.25 * eps from the *start*, and cut the whole change to eps
`- 1)).clamp(0, 1)` -> `- 1))` | `- 1)).clamp(0, 1)` -> `- 1))` & `+ eps).clamp(0, 1)` -> `+ eps)`: the start may lie
    outside of [0, 1], where no image is: cut it, .clamp(0, 1), before it asks for its gradient
`+ eps).clamp(0, 1)` -> `+ eps)`: black becomes blacker than black, outside of [0, 1]: end with .clamp(0, 1)
`- 1)).clamp(0, 1)` -> `- 1))` & `model(start)` -> `model(start.clamp(0, 1))`: the gradient runs through clamp, with
    slope 0 where the start lies outside [0, 1]: many black pixels never move. Clamp first, then ask for the gradient
`1.25 * eps` -> `eps / 10` | `1.25 * ` -> ``: the step has another length: 1.25 * eps, a little more than the radius. A
    shorter one is weak, and one of 2 eps or more ends in a corner wherever it began
`slope.sign()` -> `slope`: the step is as long as the gradient, far too short: its *sign* counts, slope.sign()
`(slope,)` -> `asked = images.clone().requires_grad_()\n    (slope,)` & `model(start), labels), start` -> `model(asked),
    labels), asked`: the gradient is that at the image, the step is taken from the random start: take both at the start
`(images) - 1` -> `(images) / 2`: torch.rand draws from [0, 1], so that every start is brighter than its image: 2 *
    torch.rand_like(images) - 1 runs from -1 to 1
`rand_like(images) - 1` -> `randn_like(images) / 2`: normal noise leaves the ball with every third pixel: eps * (2 *
    torch.rand_like(images) - 1) is spread evenly over the ball
`eps * (2` -> `(2`: the random start lies far outside the ball: eps is missing, eps * (2 * torch.rand_like(images) - 1)
`- 1)).clamp` -> `- 1).sign()).clamp` | `eps * (2` -> `eps / 2 * (2`: the starts lie in the ball, but not evenly (in its
    corners, or its middle): eps * (2 * torch.rand_like(images) - 1) is spread evenly, pixel by pixel
`rand_like(images)` -> `rand_like(images[:1])` | `rand_like(images)` -> `rand(len(images), 1, 1, 1)`: all images, or all
    pixels of an image, begin with the same noise: torch.rand_like(images) draws for each its own
""",
    hints=(
        "One round of the attack `pgd` with a random start, and then what every training does: the cross-entropy of "
        "what came out. The attack needs the gradient in the images, the training that in the weights.",
        "The start: images + eps * (2 * torch.rand_like(images) - 1), clamped to [0, 1], and only then "
        ".requires_grad_(). torch.autograd.grad(loss, start)[0] gives its gradient, and leaves the weights alone.",
        "The step: start.detach() + 1.25 * eps * slope.sign(), then .clamp(images - eps, images + eps) and "
        ".clamp(0, 1). Return F.cross_entropy(model(attacked), labels) as it is, with its graph.",
    ),
    stars=3,
    picture=_draw_points,
)


def straight_through(images, levels):
    rounded = (images * (levels - 1)).round() / (levels - 1)
    return images + (rounded - images).detach()


RAMP = "a ramp from 0 to 1, 4 levels"


def _draw_steps(seen, expected):
    """The ramp's steps, or where these are right its gradient, beside the reference's."""
    steps, slopes = (f"the {what} ({RAMP})" for what in ("images", "gradient of the images"))
    label, ramp = "pixel after rounding", torch.linspace(0, 1, 42)
    found, wanted = (each[steps].detach().flatten() for each in (seen, expected))
    if slopes in seen:  # of the sum, weighed from 1 to 2
        label, (found, wanted) = "gradient", (each[slopes][0].flatten() / (1 + ramp) for each in (seen, expected))
    canvas, axis = figures.figure(4.4, 2.6)
    axis.plot(ramp.numpy(), wanted.numpy(), "o", color=figures.NOISE, mfc="none", ms=6, label="reference")
    axis.plot(ramp.numpy(), found.numpy(), ".", color=figures.ADVERSARIAL, ms=4, label="yours")
    axis.set(xlabel="pixel before (4 levels)", ylabel=label)
    axis.legend(fontsize=8)
    return figures.picture(canvas, f"{label} along a ramp from 0 to 1: the reference's, and yours.")


EX_STRAIGHT_THROUGH = Exercise(
    "9.2",
    straight_through,
    probe=on(
        {RAMP: (torch.linspace(0, 1, 42).view(1, 1, 1, -1), 4)},
        lambda: {
            "2 grey images, 2 levels": (torch.rand(2, 1, 4, 5), 2),
            "3 colour images, 256 levels": (torch.rand(3, 3, 4, 4), 256),
            "2 grey images, 8 levels, in float64": (torch.rand(2, 1, 3, 3).double(), 8),
        },
        what="the images",
        gradient=True,
        typed=True,
        advice={"Can't call numpy": CUT},
    ),
    mistakes="""
`return images + (rounded - images).detach()` -> `return rounded`: the pictures are right, but the gradient is 0, as
    that of rounding is: this is the defense itself. Add to the images a change that has none, (rounded -
    images).detach()
`straight_through(images, levels) * 0 + images` | `return images +` -> `return rounded +` & `(rounded - images)` ->
    `(images - rounded)`: forwards these are the images as they were, and the model sees the rounded ones: images +
    (rounded - images).detach(), and not with images and rounded exchanged
`return images + (rounded - images).detach()` -> `return rounded - images + images.detach()`: the gradient comes back
    with its sign turned round: the wrong part is detached. Backwards counts what is *not* detached: `images`
`(rounded - images)` -> `rounded`: forwards this is images + rounded: detach the *change*, rounded - images
`images + (` -> `(`: this is only what rounding changes: add it to the images
`straight_through(images, levels + 1)` | `straight_through(images, levels - 1)` | `images * (levels - 1)` -> `images *
    levels` | `images * (levels - 1)).round() / (levels - 1)` -> `images * levels).floor() / levels`: levels grey levels
    have levels - 1 steps between them, as 4 posts have 3 gaps: (images * (levels - 1)).round() / (levels - 1)
`.round()` -> `.floor()` | `.round()` -> `.ceil()` | `(levels - 1)).round()` -> `levels).floor().clamp(max=levels - 1)`:
    a pixel may miss the *nearest* level, as by floor, int, ceil or equal parts of [0, 1]: round
`.round() / (levels - 1)` -> `.round()`: these are numbers of levels: divide by levels - 1, so that they are pixels
`images + (rounded - images)` -> `images * (levels - 1) + (rounded - images * (levels - 1))` | `images + (rounded -
    images)` -> `images / 2 + (rounded - images / 2)`: the pictures are right, but the gradient has another length: what
    is not detached is the images, not a multiple of them
`images - torch.sin(2 * torch.pi * (levels - 1) * images) / (2 * torch.pi * (levels - 1))`: this rounds softly, and lets
    some grey through: round as the model does, and let only the way back differ, images + (rounded - images).detach()
""",
    hints=(
        "The rounding first: how many steps lie between `levels` levels? Times that number, round, divide by it.",
        "Its gradient is 0 almost everywhere. But .detach() makes any tensor a constant: write the rounded images as "
        "the images plus a change, and let only the change be constant.",
        "rounded = (images * (levels - 1)).round() / (levels - 1), then images + (rounded - images).detach()",
    ),
    stars=2,
    picture=_draw_steps,
)


def distillation_loss(student, teacher, temperature):
    soft = (teacher.detach() / temperature).softmax(dim=1)
    return -(soft * F.log_softmax(student / temperature, dim=1)).sum(dim=1).mean()


def _logits(number, classes, scale):
    return scale * torch.randn(number, classes), scale * torch.randn(number, classes)


def _probe_distillation(attempt):
    yield from on(
        lambda: {"6 images, 4 classes, temperature 5": (*_logits(6, 4, 6), 5.0)},
        lambda: {"3 images, 5 classes, logits too large for log(softmax), temperature 2": (*_logits(3, 5, 400), 2.0)},
        what="the loss",
        plain=_a_loss,
    )(attempt)
    given = [each.requires_grad_() for each in _logits(6, 4, 6)]
    loss = attempt(*given, 5.0)
    found, moved = torch.autograd.grad(loss, given, allow_unused=True) if loss.requires_grad else (None, None)
    if found is None:
        raise NotYet("no gradient leads to the student: leave out no_grad and numpy, and detach the teacher alone")
    yield {"the gradient in the student's logits (6 images, 4 classes, temperature 5)": found}
    if moved is not None and moved.any():
        raise NotYet("the gradient runs into the teacher, too, who would learn to be easy to imitate: teacher.detach()")


EX_DISTILLATION_LOSS = Exercise(
    "9.3",
    distillation_loss,
    _probe_distillation,
    mistakes=r"""
`F.cross_entropy(student / temperature, teacher.argmax(1))` | `F.cross_entropy(student, teacher.argmax(1))`: the
    teacher's answer is a single class here: the student learns from the *others*, too: give the whole softmax
`student / temperature` -> `student`: the student answers at temperature 1, as it will only after the training: soften
    both alike, F.log_softmax(student / temperature, dim=1)
`(teacher.detach() / temperature)` -> `teacher.detach()`: the teacher answers at temperature 1, nearly certain of one
    class: soften its logits as well, (teacher / temperature).softmax(1)
`distillation_loss(student, teacher, 1)`: the temperature is not used: divide both logits by it, then softmax
`distillation_loss(student, teacher, 1 / temperature)`: multiplied by the temperature, which hardens answers: divide
`(-teacher.softmax(1) / temperature * F.log_softmax(student, 1) / temperature).sum(1).mean()`: divided by the
    temperature after the softmax, which only scales: divide the *logits*, and then take the softmax
`-(soft` -> `-(temperature**2 * soft` | `-(soft` -> `-(temperature * soft`: a factor, the temperature or its square,
    makes up for small gradients where a second loss with the true labels stands beside this one. Here leave it out
`student / temperature` -> `(student / temperature).softmax(1)` | `.softmax(dim=1)` -> `.softmax(dim=1).softmax(dim=1)`:
    softmax twice: the second time flattens the probabilities. (F.cross_entropy and F.log_softmax take logits)
`.softmax(dim=1)` -> `` | `.softmax(dim=1)` -> `.log_softmax(dim=1)`: the teacher's logits, or logs, are taken for
    probabilities: (teacher / temperature).softmax(1)
`log_softmax` -> `softmax`: the log of the student's probabilities is missing: F.log_softmax
`.sum(dim=1).mean()` -> `.mean()`: sum over the classes (dim=1) first, then take the mean over the images
`.sum(dim=1).mean()` -> `.sum(dim=1)`: one loss an image: return their mean
`dim=1)).sum` -> `dim=1) - soft * soft.log()).sum` | `temperature**2 * (distillation_loss(student, teacher, temperature)
    - distillation_loss(teacher, teacher, temperature))`: this is the Kullback-Leibler divergence, the cross-entropy
    less the teacher's own entropy (and times a factor): return -sum(p * log q)
`distillation_loss(teacher, student, temperature) - distillation_loss(student, student, temperature)`: this is the
    Kullback-Leibler divergence, the wrong way round: the weights are the teacher's probabilities p, -sum(p * log q)
`F.mse_loss((student / temperature).softmax(1), (teacher / temperature).softmax(1))`: this is the squared difference:
    the cross-entropy punishes a confident mistake far more, -sum(p * log q)
`.softmax(dim=1)` -> `.softmax(dim=0)` | `temperature, dim=1` -> `temperature, dim=0` | `distillation_loss(student.T,
    teacher.T, temperature) * student.shape[1] / len(student)`: softmax over the images (dim=0), not over the classes
`.softmax(dim=1)` -> `.exp()` & `return` -> `soft = soft / soft.sum(1, keepdim=True)\n    return` |
    `F.log_softmax(student / temperature, dim=1)` -> `(student / temperature).softmax(1).log()`: exp of large logits
    overflows, and the log of a probability rounded to 0 is -infinity: softmax and F.log_softmax are safe
""",
    hints=(
        "The teacher's answer takes the place of a label: the cross-entropy of one image is -sum(p * log q) over the "
        "classes, with the teacher's probabilities p and the student's q.",
        "Both at the same temperature: the logits are divided by it *before* the softmax. Then the mean over the "
        "images. The teacher is no one's pupil: teacher.detach().",
        "soft = (teacher.detach() / temperature).softmax(dim=1), and F.log_softmax(student / temperature, dim=1) for "
        "the student. (F.cross_entropy takes probabilities for labels, too.)",
    ),
    stars=2,
)


def certified_radius(hits, samples, sigma, alpha):
    lower = stats.beta.ppf(alpha, hits, samples - hits + 1)
    return float(sigma * stats.norm.ppf(lower)) if lower > 0.5 else 0.0


def _counts(*rows):
    return {f"{row[0]} hits of {row[1]}, sigma {row[2]:g}, alpha {row[3]:g}": row for row in rows}


EX_CERTIFIED_RADIUS = Exercise(
    "9.4",
    certified_radius,
    probe=on(
        _counts((90, 100, 0.5, 0.001), (10, 100, 0.5, 0.05), (9_900, 10_000, 2.0, 0.001)),
        _counts((64, 100, 0.5, 0.001), (59, 100, 1.0, 0.05)),
        _counts((100, 100, 0.5, 0.001), (20, 20, 1.0, 0.05)),
        _counts((0, 100, 0.5, 0.05)),
        what="the radius",
        plain=as_number,
    ),
    mistakes="""
`= stats` -> `= hits / samples #`: the share of hits is taken for p itself, but half of the time p is smaller. A proof
    needs a lower bound, right but for a chance alpha: beta.ppf(alpha, hits, samples - hits + 1)
`certified_radius(samples - hits, samples, sigma, alpha)`: hits and misses are exchanged in the beta distribution
` - hits + 1` -> `` | `beta.ppf` -> `beta.cdf`: this never proves anything: beta.ppf(alpha, hits, samples - hits + 1)
` + 1` -> `` | ` hits, samples - hits + 1` -> ` hits + 1, samples - hits` | ` hits, samples` -> ` hits + 1, samples`:
    off by one: beta.ppf(alpha, hits, samples - hits + 1) is the p at which `hits` or more still have probability alpha
`certified_radius(hits, samples, sigma, alpha) if hits else torch.nan`: right until nobody hits: stats.beta.ppf(alpha,
    0, ...) is NaN, and so is max(NaN, 0.0): return 0.0, as `... if lower > 0.5 else 0.0` does
`ppf(alpha,` -> `ppf(alpha / 2,`: alpha is shared between two sides, as an interval does. Only the lower end matters
    here, so all of alpha goes to it (binomtest needs alternative="greater")
`ppf(alpha, hits, samples - hits + 1)` -> `ppf(1 - alpha, hits + 1, samples - hits)` | `ppf(alpha,` -> `ppf(1 - alpha,`:
    this is the *upper* bound: the radius would be wrong far more often than alpha. Take the lower one, as in the text
`= stats` -> `= (p := hits / samples) + stats.norm.ppf(alpha) * (p * (1 - p) / samples) ** 0.5 #` | `= stats` -> `=
    stats.binomtest(hits, samples, alternative="greater").proportion_ci(1 - alpha, "wilson").low #` | `= stats` -> `=
    hits / samples - (stats.expon.isf(alpha) / 2 / samples) ** 0.5 #`: this bound takes the count for normal, or is
    loose, and fails where it matters, near p = 1: that of Clopper and Pearson is exact, with beta.ppf
`sigma * ` -> ``: sigma is missing: the radius is sigma * Phi^-1 of the lower bound
`norm.ppf` -> `norm.cdf` | `norm.ppf` -> `norm.pdf`: norm.cdf is Phi, and norm.pdf its slope: Phi^-1 is norm.ppf
`stats.norm.ppf(lower)` -> `lower`: Phi^-1 is missing: the radius is sigma * Phi^-1 of the lower bound, norm.ppf
` if lower > 0.5 else 0.0` -> `` | `float(sigma * stats.norm.ppf(lower)) if lower > 0.5 else 0.0` -> `abs(sigma *
    stats.norm.ppf(lower))`: at a bound of 1/2 or less nothing is proved, and Phi^-1 is negative: return 0.0
`lower > 0.5` -> `hits > samples / 2`: the *share of hits* decides whether anything is proved, and Phi^-1 of a bound
    below 1/2 is negative: ask whether the lower bound is above 1/2
`0.0` -> `-1.0` | `0.0` -> `torch.nan` | `0.0` -> `None`: where nothing is proved the radius is 0.0, not -1, NaN or None
`float(sigma * stats.norm.ppf(lower)) if lower > 0.5 else 0.0` -> `lower` | `float(sigma * stats.norm.ppf(lower))` ->
    `lower`: this is the lower bound of p: the radius is sigma * Phi^-1 of it, norm.ppf
""",
    hints=(
        "hits / samples is an estimate. A proof needs a number that p is *not below*, except with probability alpha: "
        "the lower bound of Clopper and Pearson, stats.beta.ppf(alpha, hits, samples - hits + 1).",
        "The radius is sigma * Phi^-1(lower), and Phi^-1 is stats.norm.ppf. It is negative below 1/2, where nothing "
        "is proved: return 0.0 there.",
        "lower = stats.beta.ppf(alpha, hits, samples - hits + 1); return sigma * stats.norm.ppf(lower) if "
        "lower > 0.5 else 0.0. (For hits = 0 scipy says NaN, and no comparison with NaN is true.)",
    ),
    stars=2,
)


def through_linear(weight, bias, low, high):
    centre, radius = (low + high) / 2, (high - low) / 2
    middle = centre @ weight.T + bias
    spread = radius @ weight.abs().T
    return middle - spread, middle + spread


TWO_IN = "2 boxes of 2 numbers, 3 units"
FEW = [[1.0, -2.0], [-0.5, -1.0], [2.0, 1.5]], [0.5, -1.0, 0.0], [[0.0, 0.2], [-1.0, 0.5]], [[1.0, 0.6], [-0.4, 1.5]]
LAYOUT = (
    "weight has a row a unit, (M, K), low and high a row a box, (N, K): low @ weight.T is (N, M), and bias, (M,), fits"
)
SHAPES = "cannot be multiplied", "must match the size", "size mismatch", "matmul: Input operand"


def _box(number, inputs, units, wide=1.0):
    low = torch.randn(number, inputs)
    return torch.randn(units, inputs), torch.randn(units), low, low + wide * torch.rand(number, inputs)


def _probe_linear(attempt):
    attempt = advised(attempt, dict.fromkeys(SHAPES, LAYOUT) | {"same dtype": "keep to the type of what is given"})
    cases = {
        TWO_IN: tuple(map(torch.tensor, FEW)),
        "5 boxes of 36 numbers, 10 units": _box(5, 36, 10),
        "3 boxes of 3 numbers, 3 units": _box(3, 3, 3),
        "4 boxes without extent, 5 units": _box(4, 7, 5, wide=0.0),
        "2 boxes of 4 numbers, 3 units, in float64": tuple(each.double() for each in _box(2, 4, 3)),
    }
    for name, given in cases.items():
        result = attempt(*given)
        want_two(result, "the lower bounds and the upper bounds: return low, high")
        bounds = {f"{end} of the bounds ({name})": each for end, each in zip(("low", "high"), result, strict=True)}
        yield bounds
        yield {f"the type of {name}": str(each.dtype) for name, each in bounds.items()}


def _draw_intervals(seen, expected):
    """The bounds of each unit for the box that is worst, yours beside the reference's, and what its points give."""
    keys = [f"{end} of the bounds ({TWO_IN})" for end in ("low", "high")]
    ends = [torch.stack([each[key] for key in keys]) for each in (expected, seen)]
    box, (weight, bias, low, high) = (ends[0] - ends[1]).abs().sum((0, 2)).argmax(), map(torch.tensor, FEW)
    if torch.allclose(*ends):
        return None
    canvas, axis = figures.figure(4.6, 2.8)
    points = torch.lerp(low[box], high[box], torch.rand(60, 2, generator=torch.Generator().manual_seed(0)))
    axis.plot(range(3), (points @ weight.T + bias).T.numpy(), ".", color=figures.NOISE, ms=3)
    looks = (-0.15, figures.DEFENDED, "reference"), (0.15, figures.ADVERSARIAL, "yours")
    for both, (shift, color, name) in zip(ends, looks, strict=True):
        places, (lower, upper) = [unit + shift for unit in range(3)], both[:, box].tolist()
        axis.vlines(places, lower, upper, color=color, linewidth=4, label=name)
        axis.plot(places * 2, lower + upper, "_", color=color, ms=10)
    axis.set_xticks(range(3), [f"unit {unit + 1}" for unit in range(3)])
    axis.set(ylabel="output", xlim=(-0.5, 2.5))
    axis.set_title("dots: outputs of points of the box", fontsize=9)
    axis.legend(fontsize=8)
    return figures.picture(canvas, "The bounds of three units, yours and the reference's, and outputs of points.")


EX_THROUGH_LINEAR = Exercise(
    "9.5",
    through_linear,
    _probe_linear,
    mistakes="""
`weight.abs().T` -> `weight.T`: both ends are sent through the layer, but a *negative* weight makes its output smallest
    where its input is largest. Go by the middle of the box and its radius, and let the radius grow by |weight|
`radius @ weight.abs().T` -> `(radius @ weight.T).abs()`: only two corners of the box are looked at, all inputs low and
    all high, but with weights of both signs an output is smallest at another one. Each weight widens the box
`.T + bias` -> `.T`: the bias is missing: it moves the middle, and leaves the radius as it is
`.abs().T` -> `.abs().T + bias` | `.abs().T` -> `.abs().T + bias.abs()` | `.T + bias` -> `.T` & `.abs().T` -> `.abs().T
    + bias` | `.T + bias` -> `.T` & `.abs().T` -> `.abs().T + bias.abs()`: the bias is in the radius: it is a constant,
    and moves both ends alike. Add it to the middle, and only there
`weight.T` -> `weight.abs().T` | `weight.T` -> `weight.abs().T` & `radius @ weight.abs()` -> `radius @ weight` | `centre
    @` -> `centre.abs() @`: abs stands at the wrong factor: the radius takes weight.abs(), the middle the plain weight
`through_linear(weight, bias, high, low)`: the ends are exchanged: the lower one, middle - radius, comes first
`(low + high) / 2` -> `low + high / 2` | `(high - low) / 2` -> `high - low / 2` | `(low + high) / 2, (high - low) / 2`
    -> `low + high / 2, high - low / 2` | `(high - low) / 2` -> `high - low` | `(low + high) / 2` -> `low + high`: the
    middle is (low + high) / 2, and the radius (high - low) / 2: both with brackets, and halved
`(low + high) / 2` -> `low`: the radius is laid around `low`: it belongs around the middle, (low + high) / 2
`weight.abs()` -> `weight.relu()`: only the positive weights widen the box here: the negative ones do as well
`radius @ weight.abs().T` -> `radius.norm(dim=1, keepdim=True) * weight.norm(dim=1)` | `radius @ weight.abs().T` ->
    `radius.amax(1, keepdim=True) * weight.abs().sum(1)`: these ends hold, but are wider than need be: each input counts
    with its own radius, radius @ weight.abs().T
`return middle - spread, middle + spread` -> `return middle, spread`: these are middle and radius: return low and high
`return middle - spread, middle + spread` -> `return (middle - spread).relu(), (middle + spread).relu()`: the ReLU is a
    layer of its own: here only x @ weight.T + bias
""",
    hints=(
        "A box is its middle, (low + high) / 2, which goes through like any input, and its radius, (high - low) / 2.",
        "Input j moves output i by at most radius_j * |weight_ij|. In the worst case all push the same way: these add "
        "up. The bias has no part in that.",
        "spread = radius @ weight.abs().T; return middle - spread, middle + spread",
    ),
    stars=2,
    picture=_draw_intervals,
)

EXERCISES = (EX_TRAINING_LOSS, EX_STRAIGHT_THROUGH, EX_DISTILLATION_LOSS, EX_CERTIFIED_RADIUS, EX_THROUGH_LINEAR)
