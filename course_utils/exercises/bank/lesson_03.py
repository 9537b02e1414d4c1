"""Lesson 03: one step up the loss, one step to a class, other rulers, the way back inside, and many steps."""

import torch
from torch.nn import functional as F

from course_utils.exercises import probes
from course_utils.exercises.engine import Exercise


def fgsm(model, images, labels, eps):
    images = images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(F.cross_entropy(model(images), labels), images)
    return (images + eps * gradient.sign()).clamp(0, 1).detach()


NO_GRADIENT = (
    "the images do not ask for a gradient: begin with `images = images.clone().requires_grad_()`, before they go "
    "through the model, and without no_grad"
)
ADVICE = dict.fromkeys(("does not require grad", "'NoneType' object has no attribute 'sign'"), NO_GRADIENT)
ADVICE["'tuple' object has no"] = (
    "torch.autograd.grad gives a tuple, also of one: write (gradient,) = ..., with the comma"
)


def _looks(*cases):
    """Whether an attack does the same again; then what it makes of 7 images, or of one, on two networks."""

    def probe(attack):
        networks, images = (probes.small_network(), probes.small_network()), probes.small_images(7)
        labels, attack = torch.randint(0, probes.CLASSES, (7,)), probes.advised(attack, ADVICE)

        def look(name, number, rows, *how):
            return probes.watch(name, images[rows], lambda x: attack(networks[number], x, labels[rows], *how))

        first, second = look(*cases[0]), look(*cases[0])
        yield {"whether the same images get the same result again": not probes.describe_difference(second, first)}
        yield {key: each for case in cases for key, each in look(*case).items()}

    return probe


_probe_step = _looks(
    ("7 images at eps = 0.1", 0, slice(7), 0.1),
    ("one image at eps = 0.3", 0, slice(2, 3), 0.3),
    ("7 images on a second network", 1, slice(7), 0.05),
    ("7 images at eps = 0", 0, slice(7), 0.0),
)

STEP = """
`.sign()` -> ``: the sign is missing: without it the step is as long as the gradient happens to be, which is next to
    nothing where the network is sure. Write images ± eps * gradient.sign()
`gradient.sign()` -> `gradient / gradient.flatten(1).norm(dim=1)[:, None, None, None]`: this step has Euclidean length
    eps, spread thinly over all pixels. Each pixel may move by eps: take the sign of the gradient
`.clamp(0, 1)` -> `` | `.clamp(0, 1)` -> `.clamp(-1, 1)` | `(images ± eps * gradient.sign()).clamp(0, 1)` -> `(images ±
    (eps * gradient.sign()).clamp(0, 1))`: some pixels left [0, 1], and no screen shows them: clamp(0, 1) comes
    last, on the result. (The images that you were given lie in [0, 1] already)
`model(images)` -> `model(images).softmax(1)`: softmax twice: cross_entropy takes logits and applies the softmax itself.
    Where the network is sure, the second softmax swallows the gradient
`F.cross_entropy` -> `F.nll_loss`: this follows the logit of one class alone and forgets the others. Take the gradient
    of F.cross_entropy(model(...), ...)
`(gradient,)` -> `(gradient, *_)` & `, images)` -> `, model.parameters())`: this is the gradient with respect to the
    weights, which training needs. An attack leaves the weights alone: torch.autograd.grad(loss, images)
`(images ± eps * gradient.sign()).clamp(0, 1)` -> `±eps * gradient.sign()`: this is the change alone: return the changed
    images, clamped: (images ± eps * gradient.sign()).clamp(0, 1)
"""

EX_FGSM = Exercise(
    "3.1",
    fgsm,
    _probe_step,
    picture=probes.draw_change("7 images at eps = 0.1"),
    mistakes=STEP.replace("±", "+")
    + r"""
`images +` -> `images -`: this descends: it makes the network surer of the right class. An attack climbs the loss:
    images + eps * gradient.sign()
`gradient.sign()` -> `((gradient > 0).float() * 2 - 1)`: where the gradient is exactly 0 this moves the pixel down:
    `gradient.sign()` leaves it where it is
`images = ` -> `model.train()\n    images = ` & `return` -> `model.eval()\n    return`: the same images get another
    result the second time: is something drawn at random, or was dropout on? Leave the mode alone
`, labels)` -> `, model(images).argmax(1))`: this climbs the loss of the class that the network names, also where that
    is wrong already. Use the `labels` that you were given
""",
    hints=(
        "Ask for the gradient of the loss with respect to the pixels, and move each pixel by eps the way it points.",
        "Line 1 makes a copy of the images that asks for a gradient: images.clone().requires_grad_(). Line 2 is "
        "`(gradient,) = torch.autograd.grad(loss, images)` with the cross-entropy of the labels as the loss.",
        "Line 3: return (images + eps * gradient.sign()).clamp(0, 1).detach().",
    ),
    stars=2,
)


def fgsm_towards(model, images, targets, eps):
    images = images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(F.cross_entropy(model(images), targets), images)
    return (images - eps * gradient.sign()).clamp(0, 1).detach()


EX_TOWARDS = Exercise(
    "3.2",
    fgsm_towards,
    _probe_step,
    picture=probes.draw_change("7 images at eps = 0.1"),
    mistakes=STEP.replace("±", "-")
    + """
`images -` -> `images +`: this climbs, away from the target: for 3.1 the class was the one to leave, here it is the one
    to reach. Subtract the step
`images -` -> `images +` & `, targets)` -> `, model(images).argmax(1))`: this leaves the class that the network names
    now, for whichever other is nearest. Go down the loss of the `targets`
`, targets)` -> `, model(images).argmax(1))`: this makes the network surer of what it names now: take the `targets`
""",
    hints=(
        "The loss of the target is large as long as the network does not name it. Which way does it have to go?",
        "Take the three lines of 3.1 with `targets` for `labels`; one sign changes.",
        "return (images - eps * gradient.sign()).clamp(0, 1).detach()",
    ),
    stars=1,
)


def l2_step(gradient, eps):
    length = gradient.flatten(1).norm(dim=1).clamp_min(1e-12)
    return eps * gradient / length[:, None, None, None]


def _probe_l2(step):
    """The steps for ordinary gradients, then how long that of a short one is, and last those for one of length zero."""
    gradient = torch.randn(4, 1, 6, 6) * torch.tensor([1.0, 0.01, 20.0, 0.3]).view(4, 1, 1, 1)
    ordinary = {
        "3 gradients of colour images, eps = 1.5": (torch.randn(3, 3, 4, 4), 1.5),
        "4 gradients of very different lengths, eps = 2": (gradient, 2.0),
        "one gradient, eps = 0.5": (gradient[:1], 0.5),
    }
    yield from probes.on(ordinary, what="the step", typed=True)(step)
    length = step(1e-7 * gradient[:1], 1.0).norm()
    yield {"the length of the step for a very short gradient": "eps" if length > 0.999 else "less than eps"}
    zero = {"2 gradients, the last one zero, eps = 1": (gradient[:2] * torch.tensor([1.0, 0.0]).view(2, 1, 1, 1), 1.0)}
    yield from probes.on(zero, what="the step")(step)


EX_L2 = Exercise(
    "3.3",
    l2_step,
    _probe_l2,
    mistakes="""
`l2_step(gradient[None], eps)[0]`: one length for the whole batch: each image is to get a step of its own length eps.
    Flatten all but the first axis, and take the norm along dim=1
`eps * gradient.sign()`: this is the step for the largest change of one pixel, as in 3.1; its Euclidean length is eps
    times the root of the number of pixels
`eps * gradient.sign() / gradient[0].numel() ** 0.5`: this has the right length and the wrong direction: for a given
    length the loss climbs fastest along the gradient itself, not along its signs
`eps * gradient`: divide by the length of the gradient: this step is eps times as long as the gradient, not eps
`eps * ` -> ``: every step has length 1, whatever eps is: multiply by `eps`
`.clamp_min(1e-12)` -> ``: right but for a gradient of zero, which gives 0/0, NaN, and an image without pixels: use
    .clamp_min(1e-12) on the length, and the step is zero
`.clamp_min(1e-12)` -> ` + 1e-5`: the step of a short gradient is shorter than eps, because something is added to the
    length, or its floor is too high, and a gradient can be as short as that: .clamp_min(1e-12) on the length
`.norm(dim=1)` -> `.square().sum(1)`: divided by the square of the length: take its root, or .norm(dim=1)
`.norm(dim=1)` -> `.abs().sum(1)` | `.norm(dim=1)` -> `.abs().amax(1)`: divided by the sum of the absolute values, or by
    the largest: the Euclidean length is the root of the sum of squares
`.norm(dim=1)` -> `.square().mean(1).sqrt()`: divided by the root mean square, Szegedy's ruler: the step is too long by
    the root of the number of pixels
`.flatten(1).norm(dim=1)` -> `.norm(dim=1, keepdim=True)` & `[:, None, None, None]` -> ``: the norm ran over the
    channels only, so that each pixel has length eps: flatten(1) first
`.flatten(1).norm(dim=1)` -> `.norm(dim=(2, 3), keepdim=True)` & `[:, None, None, None]` -> ``: each channel has length
    eps here: the length of an image runs over all its values, flatten(1) first
`[:, None, None, None]` -> ``: lengths in the shape (N,) do not divide gradients of shape (N, C, H, W): write [:, None,
    None, None] after them
""",
    hints=(
        "The step is the gradient, made eps long. Each image has its own length.",
        "gradient.flatten(1).norm(dim=1) is one length an image; write [:, None, None, None] after it to divide by it.",
        "length = gradient.flatten(1).norm(dim=1).clamp_min(1e-12), then eps * gradient / length[:, None, None, None].",
    ),
    stars=2,
)


def project(x, clean, eps):
    return x.clamp(clean - eps, clean + eps).clamp(0, 1)


def _strayed():
    clean, noise = probes.small_images(5), torch.randn(5, 1, probes.SIDE, probes.SIDE)
    return {
        "5 images that strayed, eps = 0.2": (clean + 0.3 * noise, clean, 0.2),
        "5 images that strayed a little, eps = 0.4": (clean + 0.1 * noise, clean, 0.4),
        "5 images that are inside already, eps = 0.1": (clean.clone(), clean, 0.1),
    }


EX_PROJECT = Exercise(
    "3.4",
    project,
    probe=probes.on(_strayed, what="the result", typed=True),
    mistakes="""
`.clamp(0, 1)` -> `` | `.clamp(0, 1)` -> `.clamp(min=0)` | `.clamp(0, 1)` -> `.clamp(max=1)`: no pixel is further than
    eps from `clean`, but pixels below 0 or above 1 are left: clamp to [0, 1] as well
`.clamp(clean - eps, clean + eps)` -> `` | `clean - eps, clean + eps` -> `min=clean - eps` | `clean - eps, clean + eps`
    -> `max=clean + eps`: some pixels are further than eps from `clean`: clamp to clean - eps *and* clean + eps
`clean - eps, clean + eps` -> `-eps, eps`: this keeps the pixels within eps of black: the centre is `clean`
`x.clamp(clean - eps, clean + eps)` -> `(clean - eps)`: all pixels are at the lower fence: it is clamp(low, high)
`(x - clean).clamp(-eps, eps)`: this is the change alone: add it to `clean`, and clamp to [0, 1]
`clean - eps` -> `clean`: only changes upwards survive: a pixel may go down by eps too
`(clean + (x - clean) * eps / (x - clean).flatten(1).abs().amax(1)[:, None, None, None].clamp_min(eps)).clamp(0, 1)` |
    `(clean + (x - clean) * eps / (x - clean).flatten(1).norm(dim=1)[:, None, None, None].clamp_min(eps)).clamp(0, 1)`:
    this shrinks the whole change by one factor, as for a Euclidean ball. The nearest point inside keeps every pixel
    that fits as it is: clamp each on its own
`(clean + eps * (x - clean).sign()).clamp(0, 1)`: this pushes every pixel out to the full eps, also those that were
    nearer: only bring back what is outside
`clean.clone()`: this goes all the way back to the clean image: stop at a distance of eps
""",
    hints=(
        "Each pixel has two fences: eps below and above its clean value, and the range from 0 to 1.",
        "clamp takes tensors as bounds too: x.clamp(low, high) with one bound for each pixel.",
        "x.clamp(clean - eps, clean + eps).clamp(0, 1)",
    ),
    stars=1,
)


def pgd(model, images, labels, eps, step_size, steps):
    x = images
    for _ in range(steps):
        x = project(fgsm(model, x, labels, step_size), images, eps)
    return x


_probe_pgd = _looks(
    ("8 steps of 0.05 within eps = 0.2", 0, slice(7), 0.2, 0.05, 8),
    ("3 steps of 0.1 within eps = 0.15", 0, slice(7), 0.15, 0.1, 3),
    ("1 step of 0.1 within eps = 0.3", 0, slice(7), 0.3, 0.1, 1),
    ("3 steps of 0.2, longer than eps = 0.1", 0, slice(7), 0.1, 0.2, 3),
    ("8 steps of 0.3 within eps = 0.9", 0, slice(7), 0.9, 0.3, 8),
    ("4 steps of 0.05 on a second network", 1, slice(7), 0.2, 0.05, 4),
)

EX_PGD = Exercise(
    "3.5",
    pgd,
    _probe_pgd,
    picture=probes.draw_change("8 steps of 0.05 within eps = 0.2"),
    mistakes=r"""
`project(fgsm(model, x, labels, step_size), images, eps)` -> `fgsm(model, project(x, images, eps), labels, step_size)`:
    the last step is not brought back: project *after* each step, not before it
`x = project` -> `x = torch.where((model(x).argmax(1) == labels)[:, None, None, None], project` & `, images, eps)` -> `,
    images, eps), x)` | `x = project` -> `if (model(x).argmax(1) != labels).all():\n            break\n        x =
    project`: this stops once an image is fooled, or all are. That saves work, but take all steps, with all images
`, eps)` -> `, step_size)`: the fence stands at eps, not at step_size: project(..., images, eps)
`, images, eps)` -> `, x, eps)`: the wrong centre: each step is kept near the step before, and together they walk
    further than eps. Project around the clean `images`
`project(fgsm(model, x, labels, step_size), images, eps)` -> `fgsm(model, x, labels, step_size)`: nothing keeps the
    pixels within eps of the clean images: project after each step
`project(fgsm(model, x, labels, step_size), images, eps)` -> `fgsm(model, x, labels, step_size)` & `return x` -> `return
    project(x, images, eps)`: projected only at the end: the gradients on the way were taken outside the fences. Project
    after each
`project(fgsm(model, images, labels, steps * step_size), images, eps)`: the gradient is computed once, before the loop,
    so that all steps go the same way: that is one long step. Take a new gradient at each x
`(model, x` -> `(model, images`: only one step shows in the result: is the `return` inside the loop, or does every round
    start from the clean images again? Go on from x
`, step_size)` -> `, eps)` | `, step_size)` -> `, eps / steps)`: the step is made from eps here: take the `step_size`
`project(fgsm(` -> `project(x + fgsm(`: fgsm gives the changed images, not their change: do not add them to x
`return x` -> `return x - images`: this is the change alone: return the changed images
`images.clone()`: the images come back as they were: keep what fgsm and project return, x = project(...)
`, step_size)` -> `, -step_size)`: this descends: the network gets surer of the right class. An attack climbs the loss
`fgsm(model, x, labels, step_size)` -> `x + step_size * probes.pixel_slope(model, x, labels)`: the sign is missing: the
    steps are as short as the gradient. Each pixel moves by step_size
`x = images` -> `x = images + 0.05 * torch.randn_like(images)`: the same images get another result the second time. Does
    this start from a random point within the fences? That is a good idea for later; here start from the clean images,
    so that your numbers can be compared
`x = images` -> `x, total = images, 0` & `x = project(fgsm(model, x, labels, step_size)` -> `total = total +
    probes.pixel_slope(model, x, labels)\n        x = project(x + step_size * total.sign()`: `backward` adds to the
    .grad that is there already, so that each step follows the sum of all so far. Clear x.grad, or use
    torch.autograd.grad
`labels, step_size)` -> `model(images).argmax(1), step_size)` | `labels, step_size)` -> `model(x).argmax(1),
    step_size)`: this climbs the loss of the class that the network names, also where that is wrong already. Use the
    `labels` that you were given
""",
    hints=(
        "You have both parts: one step of length step_size, and the way back inside the fences. Repeat them.",
        "Begin with x = images. In the loop: a step from x with fgsm(model, x, labels, step_size), then project.",
        "x = project(fgsm(model, x, labels, step_size), images, eps) in a loop over range(steps); return x after it.",
    ),
    stars=2,
)


def to_boundary(value, gradient):
    square = gradient.flatten(1).square().sum(1).clamp_min(1e-12)
    return (-value / square)[:, None, None, None] * gradient


def _leads():
    value, scale = torch.tensor([2.0, 0.0, -3.0, 0.5, 8.0]), torch.tensor([1.0, 0.2, 3.0, 0.01, 0.5])
    gradient = torch.randn(5, 1, 6, 6) * scale[:, None, None, None]
    colour = torch.randn(5, 3, 4, 4)
    return {"5 images": (value, gradient), "one image": (value[:1], gradient[:1]), "colour": (value, colour)}


FLAT = torch.tensor([1.0, 0.0, 1.0, 0.0, 1.0])

EX_BOUNDARY = Exercise(
    "3.6",
    to_boundary,
    probe=probes.on(
        _leads,
        lambda: {"5 images, two gradients zero": (torch.ones(5), torch.randn(5, 1, 6, 6) * FLAT[:, None, None, None])},
        what="the change",
        typed=True,
    ),
    mistakes="""
`-value / square` -> `-value / square.sqrt()`: divide by the square of the gradient's length: one length makes the
    gradient 1 long, the other turns the value into a distance
`-value / square` -> `-value`: this is -value times the gradient: divide by the square of the gradient's length
`-value / square` -> `-value.sign() / square.sqrt()` | `-value / square` -> `-1 / square.sqrt()`: this has length 1,
    however far the boundary is: multiply by the distance, |value| over the gradient's length
`-value` -> `-1.02 * value`: two per cent too far: this change ends on the boundary; what goes beyond it comes later
`(-value / gradient.flatten(1).abs().sum(1))[:, None, None, None] * gradient.sign()`: this is the shortest change by the
    largest pixel, with signs. For the Euclidean length go along the gradient itself
`value.abs() / gradient.flatten(1).norm(dim=1)`: this is the distance to the boundary, one number an image: return the
    change itself, in the shape of the gradient
`.flatten(1).square().sum(1)` -> `.square().sum((2, 3), keepdim=True)` & `(-value / square)[:, None, None, None]` ->
    `-value[:, None, None, None] / square`: each channel is divided by its own sum: the square of the length runs over
    all values, flatten(1) first
`[:, None, None, None]` -> ``: numbers in the shape (N,) do not multiply gradients of shape (N, C, H, W): write [:,
    None, None, None] after them
`-value[:, None, None, None] / gradient`: divided by the gradient, pixel by pixel: the change goes along the gradient, s
    * gradient, with one number s for each image
`.clamp_min(1e-12)` -> ``: right but for a gradient of zero, which gives value/0, and an image without pixels:
    .clamp_min(1e-12) on the square, and the change is zero
""",
    hints=(
        "Go straight along the gradient, r = s * gradient. What must the number s be for value + <gradient, r> = 0?",
        "<gradient, gradient> is the square of its length, gradient.flatten(1).square().sum(1), one number an image.",
        "s = -value / square; return s[:, None, None, None] * gradient. (`clamp_min` on the square avoids 0/0.)",
    ),
    stars=2,
)

EXERCISES = (EX_FGSM, EX_TOWARDS, EX_L2, EX_PROJECT, EX_PGD, EX_BOUNDARY)
