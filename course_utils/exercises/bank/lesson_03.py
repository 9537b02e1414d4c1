"""Lesson 03: one step up the loss, one step to a class, other rulers, the way back into the budget, and many steps."""

import torch
from torch import Tensor
from torch.nn import functional as F

from course_utils.exercises.differences import describe_difference
from course_utils.exercises.engine import Exercise, Mistake, NotYet
from course_utils.exercises.probes import (
    CLASSES,
    SIDE,
    draw_change,
    pixel_slope,
    small_images,
    small_network,
    up_to_the_first_difference,
    want_type,
    watch,
)


def _twice(logits, classes):
    return F.cross_entropy(logits.softmax(1), classes)


def _negative(logits, classes):
    return -logits.gather(1, classes[:, None]).sum()


def _stepping(way=1.0, direction=torch.sign, loss=F.cross_entropy, eps_scale=1.0, finish=lambda x: x.clamp(0, 1)):
    """One step with one part exchanged: the source of the classic mistakes."""

    def step(model, images, classes, eps):
        gradient = pixel_slope(model, images, classes, loss)
        return finish(images + way * eps_scale * eps * direction(gradient)).detach()

    return step


def _unit(gradient):
    return gradient / gradient.flatten(1).norm(dim=1)[:, None, None, None]


def _clip_before(way):
    def step(model, images, classes, eps):
        return images.clamp(0, 1) + way * eps * pixel_slope(model, images, classes).sign()

    return step


def _by_weights(model, images, classes, eps):
    images = images.clone().requires_grad_()
    gradient = torch.autograd.grad(F.cross_entropy(model(images), classes), model.parameters())
    return (images + eps * gradient[0].sign()).clamp(0, 1).detach()


def _no_requires_grad(model, images, classes, eps):
    (gradient,) = torch.autograd.grad(F.cross_entropy(model(images), classes), images)
    return (images + eps * gradient.sign()).clamp(0, 1)


def _backward_without_leaf(model, images, classes, eps):
    F.cross_entropy(model(images), classes).backward()
    return (images + eps * images.grad.sign()).clamp(0, 1)


def _own_answer(model, images, classes, eps):
    return _stepping()(model, images, model(images).argmax(1), eps)


def _change_only(way):
    return lambda model, images, classes, eps: way * eps * pixel_slope(model, images, classes).sign()


OUTSIDE = (
    "some pixels left [0, 1], and no screen shows them: clamp(0, 1) comes last, on the result. (The images that you "
    "were given lie in [0, 1] already)"
)


def _common_mistakes(way):
    """What goes wrong in a step up the loss (``way`` +1) and in a step down (-1) alike."""
    step = "images + eps * sign" if way > 0 else "images - eps * sign"
    return (
        Mistake(
            _stepping(way, direction=lambda g: g),
            "the sign is missing: without it the step is as long as the gradient happens to be, which is next to "
            f"nothing where the network is sure. Write {step}",
        ),
        Mistake(
            _stepping(way, direction=_unit),
            "this step has Euclidean length eps, spread thinly over all pixels. Here each pixel may move by eps: take "
            "the sign of the gradient",
        ),
        Mistake(
            _stepping(way, eps_scale=1 / 255),
            "eps is divided by 255. Pixels of this course run from 0 to 1, and so does eps: use it as it is",
        ),
        Mistake(
            _stepping(way, finish=lambda x: x),
            OUTSIDE,
        ),
        Mistake(
            _clip_before(way),
            OUTSIDE,
        ),
        Mistake(
            _stepping(way, loss=_twice),
            "softmax twice: cross_entropy takes logits and applies the softmax itself. Where the network is sure, the "
            "second softmax swallows the gradient",
        ),
        Mistake(
            _stepping(way, loss=_negative),
            "this follows the logit of one class alone and forgets the others. Take the gradient of "
            "F.cross_entropy(model(...), ...)",
        ),
        Mistake(
            _by_weights,
            "this is the gradient with respect to the weights, which training needs. An attack leaves the weights "
            "alone: torch.autograd.grad(loss, images)",
        ),
        Mistake(
            _no_requires_grad,
            "the images do not ask for a gradient: begin with `images = images.clone().requires_grad_()`, before they "
            "go through the model",
        ),
        Mistake(
            _backward_without_leaf,
            "images.grad is None, because the images did not ask for a gradient: begin with "
            "`images = images.clone().requires_grad_()`",
        ),
        Mistake(
            _change_only(way),
            f"this is the change alone: return the changed images, clamped: ({step}).clamp(0, 1)",
        ),
    )


# 3.1


def fgsm(model, images, labels, eps):
    images = images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(F.cross_entropy(model(images), labels), images)
    return (images + eps * gradient.sign()).clamp(0, 1).detach()


def _for_a_while_in_training(model, images, labels, eps):
    model.train()
    changed = fgsm(model, images, labels, eps)
    model.eval()
    return changed


def _probe_step(attack):
    network, others = small_network(), small_network()
    images, labels = small_images(7), torch.randint(0, CLASSES, (7,))
    seen = {}
    for name, model, rows, eps in (
        ("7 images at eps = 0.1", network, slice(7), 0.1),
        ("one image at eps = 0.3", network, slice(2, 3), 0.3),
        ("7 images on a second network", others, slice(7), 0.05),
        ("7 images at eps = 0", network, slice(7), 0.0),
    ):
        seen |= watch(name, images[rows], lambda x, m=model, r=rows, e=eps: attack(m, x, labels[r], e))
    return seen


EX_FGSM = Exercise(
    id="3.1",
    reference=fgsm,
    probe=_probe_step,
    picture=draw_change("7 images at eps = 0.1"),
    mistakes="",
    also=(
        Mistake(
            _stepping(-1.0),
            "this descends: it makes the network surer of the right class. An attack climbs the loss: images + eps * "
            "sign",
        ),
        Mistake(
            _stepping(loss=lambda logits, labels: -F.cross_entropy(logits, labels)),
            "this descends: it makes the network surer of the right class. An attack climbs the loss: images + eps * "
            "sign",
        ),
        Mistake(
            _stepping(direction=lambda g: (g > 0).float() * 2 - 1),
            "where the gradient is exactly 0 this moves the pixel down: `gradient.sign()` leaves it where it is",
        ),
        Mistake(
            _for_a_while_in_training,
            "dropout was on while you took the gradient, so it is that of another network: leave the mode alone",
        ),
        Mistake(
            lambda model, images, labels, eps: _stepping()(model, images, labels, 0.1),
            "0.1 is written out: use `eps`",
        ),
        Mistake(
            _own_answer,
            "this climbs the loss of the class that the network names, also where that is wrong already. Use the "
            "`labels` that you were given",
        ),
        *_common_mistakes(1.0),
    ),
    hints=(
        "Ask for the gradient of the loss with respect to the pixels, and move each pixel by eps the way it points.",
        "Line 1 makes a copy of the images that asks for a gradient: images.clone().requires_grad_(). Line 2 is "
        "`(gradient,) = torch.autograd.grad(loss, images)` with the cross-entropy of the labels as the loss.",
        "Line 3: return (images + eps * gradient.sign()).clamp(0, 1).detach().",
    ),
)

# 3.2


def fgsm_towards(model, images, targets, eps):
    images = images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(F.cross_entropy(model(images), targets), images)
    return (images - eps * gradient.sign()).clamp(0, 1).detach()


def _twice_negative(model, images, targets, eps):
    return _stepping(-1.0, loss=lambda z, t: -F.cross_entropy(z, t))(model, images, targets, eps)


def _away_from_named(model, images, targets, eps):
    return _stepping()(model, images, model(images).argmax(1), eps)


AWAY = (
    "this climbs, away from the target: for 3.1 the class was the one to leave, here it is the one to reach. Subtract "
    "the step"
)

EX_TOWARDS = Exercise(
    id="3.2",
    reference=fgsm_towards,
    probe=_probe_step,
    picture=draw_change("7 images at eps = 0.1"),
    mistakes="",
    also=(
        Mistake(_stepping(1.0), AWAY),
        Mistake(_twice_negative, AWAY),
        Mistake(
            _away_from_named,
            "this leaves the class that the network names now, for whichever other is nearest. Go down the loss of "
            "the `targets`",
        ),
        *_common_mistakes(-1.0),
    ),
    hints=(
        "The loss of the target is large as long as the network does not name it. Which way does it have to go?",
        "Take the three lines of 3.1 with `targets` for `labels`; one sign changes.",
        "return (images - eps * gradient.sign()).clamp(0, 1).detach()",
    ),
)

# 3.3


def l2_step(gradient, eps):
    length = gradient.flatten(1).norm(dim=1).clamp_min(1e-12)
    return eps * gradient / length[:, None, None, None]


def _scaled(length, eps_power=1):
    return lambda gradient, eps: eps**eps_power * gradient / length(gradient)


def _each(reduce):
    return lambda gradient: reduce(gradient.flatten(1).abs())[:, None, None, None].clamp_min(1e-12)


SHORTENED = (
    "the step of a short gradient is shorter than eps, because something is added to the length, or its floor is too "
    "high, and a gradient can be as short as that: use .clamp_min(1e-12) on the length instead"
)


def _probe_l2(step):
    return up_to_the_first_difference(_l2_steps(step))


def _l2_steps(step):
    """The steps for ordinary gradients, then for a short one, and last for one of length zero: found and right."""
    gradient = torch.randn(4, 1, SIDE, SIDE) * torch.tensor([1.0, 0.01, 20.0, 0.3]).view(4, 1, 1, 1)
    short = torch.cat([gradient[:2], 1e-7 * gradient[:1]])
    for name, given, eps in (
        ("3 gradients of colour images, eps = 1.5", torch.randn(3, 3, 4, 4), 1.5),
        ("4 gradients of very different lengths, eps = 2", gradient, 2.0),
        ("one gradient, eps = 0.5", gradient[:1], 0.5),
        ("3 gradients, the last one very short, eps = 1", short, 1.0),
        ("2 gradients, the last one zero, eps = 1", gradient[:2] * torch.tensor([1.0, 0.0]).view(2, 1, 1, 1), 1.0),
    ):
        found, right = step(given, eps), l2_step(given, eps)
        want_type(found, given, f"the step for {name}")
        if given is short and isinstance(found, Tensor) and found.shape == right.shape:
            share = (found[2] / right[2]).mean()
            if 0 <= share < 0.999 and not describe_difference(found[2], share * right[2]):
                raise NotYet(SHORTENED)
        yield {f"the step for {name}": found}, {f"the step for {name}": right}


EX_L2 = Exercise(
    id="3.3",
    reference=l2_step,
    probe=_probe_l2,
    mistakes="",
    also=(
        Mistake(
            _scaled(lambda g: g.norm().clamp_min(1e-12)),
            "one length for the whole batch: each image is to get a step of its own length eps. Flatten all but the "
            "first axis, and take the norm along dim=1",
        ),
        Mistake(
            lambda gradient, eps: eps * gradient.sign(),
            "this is the step for the largest change of one pixel, as in 3.1; its Euclidean length is eps times the "
            "root of the number of pixels",
        ),
        Mistake(
            lambda gradient, eps: eps * gradient.sign() / gradient[0].numel() ** 0.5,
            "this has the right length and the wrong direction: within a Euclidean ball the loss climbs fastest along "
            "the gradient itself, not along its signs",
        ),
        Mistake(
            lambda gradient, eps: eps * gradient,
            "divide by the length of the gradient: as it stands, the step is eps times as long as the gradient, not "
            "eps",
        ),
        Mistake(
            _scaled(lambda g: g.flatten(1).norm(dim=1)[:, None, None, None]),
            "right but for a gradient of zero, which gives 0/0, NaN, and an image without pixels: use "
            ".clamp_min(1e-12) on the length, and the step is zero",
        ),
        Mistake(
            _scaled(_each(lambda v: v.square().sum(1))),
            "divided by the square of the length: take its root, or .norm(dim=1)",
        ),
        Mistake(
            _scaled(_each(lambda v: v.sum(1))),
            "divided by the sum of the absolute values: the Euclidean length is the root of the sum of squares",
        ),
        Mistake(
            _scaled(_each(lambda v: v.amax(1))),
            "divided by the largest value: now one pixel moves by eps. The Euclidean length is the root of the sum of "
            "squares",
        ),
        Mistake(
            _scaled(lambda g: g.norm(dim=1, keepdim=True).clamp_min(1e-12)),
            "the norm ran over the channels only, so that each pixel has length eps: flatten(1) first",
        ),
        Mistake(
            lambda gradient, eps: eps * gradient / (gradient.flatten(1).norm(dim=1) + 1e-8)[:, None, None, None],
            SHORTENED,
        ),
        Mistake(
            lambda gradient, eps: l2_step(gradient, 1.0),
            "every step has length 1, whatever eps is: multiply by `eps`",
        ),
        Mistake(
            lambda gradient, eps: eps * gradient / gradient.norm(dim=(2, 3), keepdim=True).clamp_min(1e-12),
            "each channel has length eps here: the length of an image runs over all its values, flatten(1) first",
        ),
        Mistake(
            lambda gradient, eps: -l2_step(gradient, eps),
            "the step points downhill: the gradient points the way up, keep its sign",
        ),
        Mistake(
            _scaled(_each(lambda v: v.norm(dim=1) / v.shape[1] ** 0.5)),
            "divided by the root mean square, Szegedy's ruler: the step is too long by the root of the number of "
            "pixels",
        ),
        Mistake(
            _scaled(lambda g: g.flatten(1).norm(dim=1).clamp_min(1e-12)),
            "lengths in the shape (N,) do not divide gradients of shape (N, C, H, W): write [:, None, None, None] "
            "after them",
        ),
    ),
    hints=(
        "The step is the gradient, made eps long. Each image has its own length.",
        "gradient.flatten(1).norm(dim=1) is one length an image; reshape it with [:, None, None, None] before you "
        "divide.",
        "length = gradient.flatten(1).norm(dim=1).clamp_min(1e-12), then eps * gradient / length[:, None, None, None].",
    ),
)

# 3.4


def project(x, clean, eps):
    return x.clamp(clean - eps, clean + eps).clamp(0, 1)


def _shrink(x, clean, eps):
    change = x - clean
    largest = change.flatten(1).abs().amax(1)[:, None, None, None]
    return (clean + change * (eps / largest.clamp_min(eps))).clamp(0, 1)


def _shrink_l2(x, clean, eps):
    change = x - clean
    length = change.flatten(1).norm(dim=1)[:, None, None, None]
    return (clean + change * (eps / length.clamp_min(eps))).clamp(0, 1)


def _probe_project(bring_back):
    clean = small_images(5)
    seen = {}
    for name, x, eps in (
        ("5 images that strayed, eps = 0.2", clean + 0.3 * torch.randn(5, 1, SIDE, SIDE), 0.2),
        ("5 images that strayed a little, eps = 0.4", clean + 0.1 * torch.randn(5, 1, SIDE, SIDE), 0.4),
        ("5 images that are inside already, eps = 0.1", clean.clone(), 0.1),
    ):
        found = bring_back(x, clean, eps)
        want_type(found, x, f"the images for {name}")
        seen[f"the images for {name}"] = found
    return seen


EX_PROJECT = Exercise(
    id="3.4",
    reference=project,
    probe=_probe_project,
    mistakes="",
    also=(
        Mistake(
            lambda x, clean, eps: x.clamp(clean - eps, clean + eps),
            "inside the budget, but pixels below 0 or above 1 are left: clamp to [0, 1] as well",
        ),
        Mistake(
            lambda x, clean, eps: x.clamp(0, 1),
            "inside [0, 1], but some pixels are further than eps from the clean image: clamp to clean - eps and clean "
            "+ eps as well",
        ),
        Mistake(
            lambda x, clean, eps: x.clamp(-eps, eps).clamp(0, 1),
            "this is a budget around black, not around the clean image: the centre is `clean`",
        ),
        Mistake(
            lambda x, clean, eps: clean.clamp(x - eps, x + eps).clamp(0, 1),
            "the wrong centre: this brings the clean image near x. Bring x near `clean`",
        ),
        Mistake(
            lambda x, clean, eps: (x - clean).clamp(-eps, eps),
            "this is the change alone: add it to `clean`, and clamp to [0, 1]",
        ),
        Mistake(
            lambda x, clean, eps: (clean + (x - clean).clamp(0, eps)).clamp(0, 1),
            "only changes upwards survive: a pixel may go down by eps too",
        ),
        Mistake(
            _shrink,
            "this shrinks the whole change until its largest pixel fits. The nearest point of the budget keeps every "
            "pixel that fits as it is: clamp each on its own",
        ),
        Mistake(
            _shrink_l2,
            "this is the way back into a Euclidean ball. Here the budget is per pixel: clamp each on its own",
        ),
        Mistake(
            lambda x, clean, eps: (clean + eps * (x - clean).sign()).clamp(0, 1),
            "this pushes every pixel out to the full eps, also those that were nearer: only bring back what is outside",
        ),
        Mistake(
            lambda x, clean, eps: project(x, clean, eps / 255),
            "eps is divided by 255. Pixels run from 0 to 1, and so does eps",
        ),
        Mistake(
            lambda x, clean, eps: clean.clone(),
            "this goes all the way back to the clean image: stop at the edge of the budget",
        ),
    ),
    hints=(
        "Each pixel has two fences: eps below and above its clean value, and the range from 0 to 1.",
        "clamp takes tensors as bounds too: x.clamp(low, high) with one bound for each pixel.",
        "x.clamp(clean - eps, clean + eps).clamp(0, 1)",
    ),
)

# 3.5


def pgd(model, images, labels, eps, step_size, steps):
    x = images
    for _ in range(steps):
        x = project(fgsm(model, x, labels, step_size), images, eps)
    return x


def _walking(step=fgsm, back=project, start=lambda x: x, count=lambda n: n, final=lambda x, clean, eps: x):
    """Many steps with one part exchanged: the source of the classic mistakes."""

    def walk(model, images, labels, eps, step_size, steps):
        x = start(images)
        for _ in range(count(steps)):
            x = back(step(model, x, labels, step_size), images, eps)
        return final(x, images, eps)

    return walk


def _moving_centre(model, images, labels, eps, step_size, steps):
    x = images
    for _ in range(steps):
        x = project(fgsm(model, x, labels, step_size), x, eps)
    return x


def _one_gradient(model, images, labels, eps, step_size, steps):
    signs, x = pixel_slope(model, images, labels).sign(), images
    for _ in range(steps):
        x = project(x + step_size * signs, images, eps)
    return x


def _from_the_start(model, images, labels, eps, step_size, steps):
    for _ in range(steps):
        x = project(fgsm(model, images, labels, step_size), images, eps)
    return x


def _full_steps(model, images, labels, eps, step_size, steps):
    return pgd(model, images, labels, eps, eps, steps)


def _divided(model, images, labels, eps, step_size, steps):
    return pgd(model, images, labels, eps, eps / steps, steps)


def _returns_early(model, images, labels, eps, step_size, steps):
    return project(fgsm(model, images, labels, step_size), images, eps)


def _accumulating(model, images, labels, eps, step_size, steps):
    """x.grad is never cleared, so each step follows the sum of all gradients so far."""
    x = images.clone().requires_grad_()
    for _ in range(steps):
        F.cross_entropy(model(x), labels).backward(inputs=[x])
        with torch.no_grad():
            x.copy_(project(x + step_size * x.grad.sign(), images, eps))
    return x.detach()


def _noisy(x):
    return x + 0.05 * (2 * torch.rand_like(x) - 1)


def _probe_pgd(attack):
    network, other, images = small_network(), small_network(), small_images(7)
    named = network(images).argmax(1)
    seen = {}
    for name, model, labels, eps, step_size, steps in (
        ("8 steps of 0.05 within eps = 0.2", network, named, 0.2, 0.05, 8),
        ("3 steps of 0.1 within eps = 0.15", network, named, 0.15, 0.1, 3),
        ("1 step of 0.1 within eps = 0.3", network, named, 0.3, 0.1, 1),
        ("3 steps of 0.2, longer than eps = 0.1", network, named, 0.1, 0.2, 3),
        ("8 steps of 0.3 within eps = 0.9", network, named, 0.9, 0.3, 8),
        ("labels that the network does not name, 4 steps of 0.05", network, (named + 1) % CLASSES, 0.2, 0.05, 4),
        ("a second network, 4 steps of 0.05", other, named, 0.2, 0.05, 4),
    ):
        given = labels, eps, step_size, steps
        seen |= watch(name, images, lambda x, m=model, g=given: attack(m, x, *g))
    return seen


def _project_before(model, images, labels, eps, step_size, steps):
    x = images
    for _ in range(steps):
        x = fgsm(model, project(x, images, eps), labels, step_size)
    return x


def _stops_the_fooled(model, images, labels, eps, step_size, steps):
    x = images
    for _ in range(steps):
        going = (model(x).argmax(1) == labels)[:, None, None, None]
        x = torch.where(going, project(fgsm(model, x, labels, step_size), images, eps), x)
    return x


def _stops_all(model, images, labels, eps, step_size, steps):
    x = images
    for _ in range(steps):
        if (model(x).argmax(1) != labels).all():
            break
        x = project(fgsm(model, x, labels, step_size), images, eps)
    return x


def _step_as_budget(model, images, labels, eps, step_size, steps):
    return pgd(model, images, labels, step_size, step_size, steps)


ONE_STEP = (
    "only one step shows in the result: is the `return` inside the loop, or does every round start from the clean "
    "images again? Go on from x"
)

EX_PGD = Exercise(
    id="3.5",
    reference=pgd,
    probe=_probe_pgd,
    picture=draw_change("8 steps of 0.05 within eps = 0.2"),
    mistakes="",
    also=(
        Mistake(
            _project_before,
            "the last step is not brought back: project *after* each step, not before it",
        ),
        Mistake(
            _stops_the_fooled,
            "images that are fooled stop here. That saves work, but this pgd takes all its steps with all images",
        ),
        Mistake(
            _stops_all,
            "the loop ends as soon as all images are fooled. That saves work, but this pgd takes all its steps",
        ),
        Mistake(
            _step_as_budget,
            "the budget is eps, not step_size: project(..., images, eps)",
        ),
        Mistake(
            _moving_centre,
            "the wrong centre: each step is kept near the step before, and together they walk out of the budget. "
            "Project around the clean `images`",
        ),
        Mistake(
            _walking(back=lambda x, clean, eps: x),
            "the budget is never enforced: project after each step",
        ),
        Mistake(
            _walking(back=lambda x, clean, eps: x, final=project),
            "projected only at the end: the gradients on the way were taken outside the budget. Project after each "
            "step",
        ),
        Mistake(
            _one_gradient,
            "the gradient is computed once, before the loop, so that all steps go the same way: that is one long step. "
            "Take a new gradient at each x",
        ),
        Mistake(
            _from_the_start,
            ONE_STEP,
        ),
        Mistake(
            _returns_early,
            ONE_STEP,
        ),
        Mistake(
            _full_steps,
            "each step is eps long: use step_size, the smaller one, for the step",
        ),
        Mistake(
            _divided,
            "the step is eps / steps here: use the `step_size` that you were given",
        ),
        Mistake(
            _walking(step=_stepping(-1.0)),
            "this descends: the network gets surer of the right class. An attack climbs the loss",
        ),
        Mistake(
            _walking(step=_stepping(direction=lambda g: g)),
            "the sign is missing: the steps are as short as the gradient. Each pixel moves by step_size",
        ),
        Mistake(
            _walking(count=lambda n: n - 1),
            "one step too few: range(steps)",
        ),
        Mistake(
            _walking(count=lambda n: n + 1),
            "one step too many: range(steps)",
        ),
        Mistake(
            _walking(start=_noisy),
            "this starts from a random point of the budget, which is a good idea for later; here start from the clean "
            "images, so that your numbers can be compared",
        ),
        Mistake(
            _accumulating,
            "`backward` adds to the .grad that is there already, so that each step follows the sum of all gradients so "
            "far. Take a new one at each step: torch.autograd.grad, or clear x.grad",
        ),
        Mistake(
            lambda model, images, labels, *rest: pgd(model, images, model(images).argmax(1), *rest),
            "this climbs the loss of the class that the network names, also where that is wrong already. Use the "
            "`labels` that you were given",
        ),
    ),
    hints=(
        "You have both parts: one step of length step_size, and the way back into the budget. Repeat them.",
        "Begin with x = images. In the loop: a step from x with fgsm(model, x, labels, step_size), then project.",
        "x = project(fgsm(model, x, labels, step_size), images, eps) in a loop over range(steps); return x after it.",
    ),
)

# 3.6


def to_boundary(value, gradient):
    square = gradient.flatten(1).square().sum(1).clamp_min(1e-12)
    return (-value / square)[:, None, None, None] * gradient


def _reaching(factor):
    return lambda value, gradient: factor(value, gradient.flatten(1))[:, None, None, None] * gradient


def _probe_boundary(step):
    return up_to_the_first_difference(_boundaries(step))


def _boundaries(step):
    """The changes for ordinary gradients, and last for one of length zero: found and right."""
    gradient = torch.randn(5, 1, SIDE, SIDE) * torch.tensor([1.0, 0.2, 3.0, 0.05, 0.5]).view(5, 1, 1, 1)
    value = torch.tensor([2.0, 0.5, -3.0, 0.0, 8.0])
    for name, rows, slopes in (
        ("5 images", slice(5), gradient),
        ("one image", slice(1), gradient),
        ("colour", slice(5), torch.randn(5, 3, 4, 4)),
        ("2 images, the second gradient zero", slice(2), gradient * torch.tensor([1.0, 0, 1, 1, 1]).view(5, 1, 1, 1)),
    ):
        lead, slope = value[rows], slopes[rows]
        seen = []
        for answer in (step, to_boundary):
            result = answer(lead, slope)
            want_type(result, slope, f"the change for {name}")
            seen.append({f"the change for {name}": result})
            if isinstance(result, Tensor) and result.shape == slope.shape:
                seen[-1][f"the linear function after it ({name})"] = lead + (slope * result).flatten(1).sum(1)
        yield tuple(seen)


EX_BOUNDARY = Exercise(
    id="3.6",
    reference=to_boundary,
    probe=_probe_boundary,
    mistakes="",
    also=(
        Mistake(
            _reaching(lambda f, g: f / g.square().sum(1)),
            "the sign is wrong: this moves away from the boundary, and doubles the lead. The change has to take "
            "`value` away",
        ),
        Mistake(
            _reaching(lambda f, g: -f.abs() / g.square().sum(1)),
            "where the value is negative this walks away from the boundary: leave its sign as it is, without abs",
        ),
        Mistake(
            _reaching(lambda f, g: -f / g.norm(dim=1)),
            "divide by the square of the gradient's length: one length makes the gradient a unit vector, the other "
            "turns the value into a distance",
        ),
        Mistake(
            _reaching(lambda f, g: -f),
            "this is -value times the gradient: divide by the square of the gradient's length",
        ),
        Mistake(
            _reaching(lambda f, g: -1 / g.square().sum(1)),
            "the value is missing: the further the boundary, the longer the change",
        ),
        Mistake(
            _reaching(lambda f, g: -f / g.square().sum()),
            "one length for the whole batch: each image has its own gradient. Flatten all but the first axis and sum "
            "along dim=1",
        ),
        Mistake(
            _reaching(lambda f, g: -f.sign() / g.norm(dim=1)),
            "this has length 1, however far the boundary is: multiply by the distance, |value| over the gradient's "
            "length",
        ),
        Mistake(
            lambda f, g: (-f / g.flatten(1).abs().sum(1))[:, None, None, None] * g.sign(),
            "this is the shortest change for the ruler `linf`, with signs. For the Euclidean length go along the "
            "gradient itself",
        ),
        Mistake(
            lambda f, g: f.abs() / g.flatten(1).norm(dim=1),
            "this is the distance to the boundary, one number an image: return the change itself, in the shape of the "
            "gradient",
        ),
        Mistake(
            _reaching(lambda f, g: -1.02 * f / g.square().sum(1)),
            "two per cent too far: the overshoot is added outside, in the loop",
        ),
        Mistake(
            _reaching(lambda f, g: -f / g.square().mean(1)),
            "the mean of the squares is too small by the number of pixels: the square of the length is their sum",
        ),
        Mistake(
            lambda f, g: -f[:, None, None, None] * g / g.square().sum((2, 3), keepdim=True),
            "each channel is divided by its own sum: the square of the length runs over all values, flatten(1) first",
        ),
        Mistake(
            lambda f, g: -f / g.flatten(1).square().sum(1) * g,
            "numbers in the shape (N,) do not multiply gradients of shape (N, C, H, W): write [:, None, None, None] "
            "after them",
        ),
        Mistake(
            lambda f, g: -f[:, None, None, None] / g,
            "divided by the gradient, pixel by pixel: the change goes along the gradient, s * gradient, with one "
            "number s for each image",
        ),
        Mistake(
            _reaching(lambda f, g: -1 / g.norm(dim=1)),
            "this has length 1, however far the boundary is: multiply by the distance, |value| over the gradient's "
            "length",
        ),
        Mistake(
            _reaching(lambda f, g: -f / g.square().sum(1)),
            "right but for a gradient of zero, which gives value/0, and an image without pixels: .clamp_min(1e-12) on "
            "the square, and the change is zero",
        ),
    ),
    hints=(
        "Go straight along the gradient, r = s * gradient. What must the number s be for value + <gradient, r> = 0?",
        "<gradient, gradient> is the square of its length, gradient.flatten(1).square().sum(1), one number an image.",
        "s = -value / square; return s[:, None, None, None] * gradient. (A clamp_min on the square saves you from "
        "0/0.)",
    ),
)

EXERCISES = [EX_FGSM, EX_TOWARDS, EX_L2, EX_PROJECT, EX_PGD, EX_BOUNDARY]
