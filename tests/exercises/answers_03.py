"""Answers for the exercises of lesson 03: RIGHT in another way, and wrong in ways that no list foresees."""

import numpy as np
import torch

from course_utils.exercises import probes
from course_utils.exercises.bank import lesson_03
from course_utils.exercises.contracts import LEFT_BEHIND

F = torch.nn.functional


def _by_backward(model, images, labels, eps, way=1):
    """`backward` instead of `autograd.grad`, a sum for the mean, the weights' gradients cleared afterwards."""
    x = torch.autograd.Variable(images.data.clone(), requires_grad=True)
    torch.nn.functional.cross_entropy(model(x), labels, reduction="sum").backward()
    model.zero_grad()
    with torch.no_grad():
        x += way * eps * (x.grad > 0).float() - way * eps * (x.grad < 0).float()
    return x.detach().clamp_(0, 1)


def _one_loop(model, images, labels, eps, step_size, steps):
    """PGD without the two helpers, on a copy that is changed in place."""
    low, high = (images - eps).clamp(min=0), (images + eps).clamp(max=1)
    x = images.clone()
    for _ in range(steps):
        x.requires_grad_()
        loss = -torch.log_softmax(model(x), 1)[torch.arange(len(x)), labels].mean()
        loss.backward(inputs=[x])
        x = torch.min(torch.max(x.detach() + step_size * x.grad.sign(), low), high)
    return x


RIGHT = {
    "3.1": _by_backward,
    "3.2": lambda model, images, targets, eps: _by_backward(model, images, targets, eps, way=-1),
    "3.3": lambda gradient, eps: eps * torch.nn.functional.normalize(gradient.flatten(1), dim=1).view_as(gradient),
    "3.4": lambda x, clean, eps: (clean + (x - clean).clamp(-eps, eps)).clamp(0, 1),
    "3.5": _one_loop,
    "3.6": lambda value, gradient: torch.stack(
        [-v / ((g * g).sum() + 1e-12) * g for v, g in zip(value, gradient, strict=True)]
    ),
}

UNFORESEEN = {
    "3.1": (lambda model, images, labels, eps: images + 2, "the values are not"),
    "3.2": (lambda model, images, targets, eps: images[:1], "got shape (1, 1, 6, 6), expected (7, 1, 6, 6)"),
    "3.3": (lambda gradient, eps: gradient.flatten(1), "got shape (3, 48)"),
    "3.4": (lambda x, clean, eps: x.clamp(0.5 - eps, 0.5 + eps), "the values are not"),
    "3.5": (lambda model, images, labels, eps, step_size, steps: model(images), "got shape (7, 4)"),
    "3.6": (lambda value, gradient: value, "got shape (5,)"),
}


def _length(gradient):
    return torch.linalg.vector_norm(gradient, dim=(1, 2, 3), keepdim=True)


# 3.1, 3.2


def _with_functorch(model, images, labels, eps):
    slope = torch.func.grad(lambda x: F.cross_entropy(model.eval()(x), labels, reduction="sum"))(images.detach())
    return torch.clip(torch.where(slope == 0, images, images + eps * slope.sign()), 0, 1).detach()


def _image_by_image(model, images, labels, eps):
    found = [
        lesson_03.fgsm(model, image[None], label[None], eps)[0] for image, label in zip(images, labels, strict=True)
    ]
    return torch.stack(found)


def _in_numpy(model, images, labels, eps):
    slope = probes.pixel_slope(model, images, labels).numpy()
    return torch.from_numpy(np.clip(images.numpy() + eps * np.sign(slope), 0, 1).astype(np.float32))


def _in_place(way):
    def step(model, images, labels, eps):
        return images.add_(way * eps * probes.pixel_slope(model, images, labels).sign()).clamp_(0, 1)

    return step


def _on_the_callers(way):
    def step(model, images, labels, eps):
        images.requires_grad_()
        (gradient,) = torch.autograd.grad(F.cross_entropy(model(images), labels), images)
        return (images + way * eps * gradient.sign()).clamp(0, 1).detach()

    return step


def _seeded(attack):
    def step(*given):
        torch.manual_seed(0)
        return attack(*given)

    return step


def _in_double(attack):
    return lambda *given: attack(*given).double()


def _first_of_all(attack):
    """Goes on attacking the network that it met first."""
    models = []

    def step(model, *given):
        models.append(model)
        return attack(models[0], *given)

    return step


def _into_one_buffer(answer):
    """Writes each result into a tensor of its shape that is kept for the next call."""
    kept = {}

    def call(*given):
        found = answer(*given)
        return kept.setdefault(found.shape, torch.empty_like(found)).copy_(found)

    return call


# 3.5


def _pgd_in_place(model, images, labels, eps, step_size, steps):
    clean, x = images.clone(), images
    for _ in range(steps):
        x.copy_(lesson_03.project(lesson_03.fgsm(model, x, labels, step_size), clean, eps))
    return x


def _named_at_each_step(model, images, labels, eps, step_size, steps):
    x = images
    for _ in range(steps):
        x = lesson_03.project(lesson_03.fgsm(model, x, model(x).argmax(1), step_size), images, eps)
    return x


def _from_anywhere(model, images, labels, eps, step_size, steps):
    x = (images + torch.empty_like(images).uniform_(-eps, eps)).clamp(0, 1)
    for _ in range(steps):
        x = lesson_03.project(lesson_03.fgsm(model, x, labels, step_size), images, eps)
    return x


def _without_clamp(model, images, targets, eps):
    return images - eps * probes.pixel_slope(model, images, targets).sign()


def _step_of(change):
    """FGSM with another change of eps and the sign."""
    return lambda model, x, labels, eps: change(x, eps, probes.pixel_slope(model, x, labels).sign()).detach()


def _takes_the_tuple(model, images, labels, eps):
    images = images.clone().requires_grad_()
    gradient = torch.autograd.grad(F.cross_entropy(model(images), labels), images)
    return (images + eps * gradient.sign()).clamp(0, 1).detach()


def _drops_its_steps(model, images, labels, eps, step_size, steps):
    x = images.clone()
    for _ in range(steps):
        lesson_03.project(lesson_03.fgsm(model, x, labels, step_size), images, eps)
    return x


def _adds_the_images(model, images, labels, eps, step_size, steps):
    x = images
    for _ in range(steps):
        x = lesson_03.project(x + lesson_03.fgsm(model, x, labels, step_size), images, eps)
    return x


ALSO_RIGHT = [
    ("3.1", _with_functorch),
    ("3.1", _image_by_image),
    ("3.1", _in_numpy),
    ("3.2", lambda model, images, targets, eps: lesson_03.fgsm(model, images, targets, -eps)),
    ("3.3", lambda gradient, eps: eps * gradient / (gradient.square().sum((1, 2, 3), keepdim=True).sqrt() + 1e-12)),
    ("3.3", lambda gradient, eps: (eps * F.normalize(gradient.double().flatten(1)).view_as(gradient)).float()),
    ("3.3", lambda gradient, eps: torch.nan_to_num(eps * gradient / _length(gradient))),
    ("3.3", lambda gradient, eps: torch.renorm(1e30 * gradient.double(), 2, 0, eps).float()),
    ("3.4", lambda x, clean, eps: torch.minimum(torch.maximum(x.clamp(0, 1), clean - eps), clean + eps)),
    (
        "3.4",
        lambda x, clean, eps: torch.from_numpy(
            np.clip(x.numpy(), *(b.numpy() for b in (clean - eps, clean + eps))).clip(0, 1)
        ),
    ),
    ("3.4", lambda x, clean, eps: torch.stack([x, clean - eps, clean + eps]).median(0).values.clamp(0, 1)),
    ("3.6", lambda value, gradient: torch.nan_to_num(lesson_03.to_boundary(value, gradient))),
    (
        "3.6",
        lambda value, gradient: torch.einsum(
            "n,nchw->nchw", -value / gradient.square().sum((1, 2, 3)).clamp(min=1e-9), gradient
        ),
    ),
]

ALSO_UNFORESEEN = [
    *(
        (id, spoiled(attack), message)
        for id, attack in (("3.1", lesson_03.fgsm), ("3.2", lesson_03.fgsm_towards), ("3.5", lesson_03.pgd))
        for spoiled, message in (
            (_seeded, LEFT_BEHIND["seed"]),
            (_in_double, "got torch.float64, expected torch.float32"),
            (_first_of_all, "a second network"),
        )
    ),
    *((id, _in_place(way), LEFT_BEHIND["in place"]) for id, way in (("3.1", 1), ("3.2", -1))),
    *((id, _on_the_callers(way), LEFT_BEHIND["asks"]) for id, way in (("3.1", 1), ("3.2", -1))),
    ("3.1", lambda model, *given: lesson_03.fgsm(model.requires_grad_(False), *given), LEFT_BEHIND["frozen"]),
    ("3.1", lambda model, *given: [p.data.mul_(2) for p in model.parameters()] and None, LEFT_BEHIND["weights"]),
    ("3.1", _takes_the_tuple, "gives a tuple, also of one"),
    ("3.1", _step_of(lambda x, eps, sign: (x + eps * sign).clamp(-1, 1)), "clamp(0, 1) comes last"),
    ("3.1", _step_of(lambda x, eps, sign: x + (eps * sign).clamp(0, 1)), "clamp(0, 1) comes last"),
    ("3.1", _step_of(lambda x, eps, sign: (x + eps * torch.randn_like(x).sign()).clamp(0, 1)), "drawn at random"),
    (
        "3.2",
        lambda model, x, targets, eps: lesson_03.fgsm(model, x, model(x).argmax(1), -eps),
        "surer of what it names now",
    ),
    ("3.4", lambda x, clean, eps: x.clamp(clean + eps, clean - eps).clamp(0, 1), "at the lower fence"),
    ("3.4", lambda x, clean, eps: x.clamp(max=clean + eps).clamp(0, 1), "clamp to clean - eps *and* clean + eps"),
    ("3.4", lambda x, clean, eps: x.clamp(clean - eps, clean + eps).clamp(min=0), "below 0 or above 1"),
    ("3.5", _drops_its_steps, "the images come back as they were"),
    ("3.5", _adds_the_images, "not their change"),
    ("3.5", lambda model, x, *given: lesson_03.pgd(model, x, *given) - x, "the change alone"),
    (
        "3.6",
        lambda f, g: -f[:, None, None, None] * g / g.square().sum((1, 2, 3), keepdim=True).clamp_min(1),
        "the change (5 images)",
    ),
    ("3.2", _without_clamp, "clamp(0, 1) comes last"),
    ("3.3", lambda gradient, eps: eps * gradient / gradient.flatten(1).norm(dim=1)[:, None, None, None], "0/0"),
    ("3.3", lambda gradient, eps: gradient / _length(gradient), "whatever eps is"),
    ("3.3", lambda gradient, eps: eps * gradient / (_length(gradient) + 1e-5), "shorter than eps, because"),
    ("3.3", lambda gradient, eps: eps * gradient / gradient.norm(dim=(2, 3), keepdim=True), "each channel has length"),
    ("3.3", lambda gradient, eps: eps * gradient / gradient.square().sum((1, 2, 3), keepdim=True), "take its root"),
    ("3.3", lambda gradient, eps: eps * gradient / gradient.abs().amax((1, 2, 3), keepdim=True), "by the largest"),
    ("3.3", lambda gradient, eps: eps * gradient / gradient.abs().sum((1, 2, 3), keepdim=True), "absolute values"),
    (
        "3.3",
        lambda gradient, eps: eps * gradient / gradient.square().mean((1, 2, 3), keepdim=True).sqrt(),
        "root mean square",
    ),
    ("3.3", lambda gradient, eps: gradient.mul_(eps / gradient.norm()), LEFT_BEHIND["in place"]),
    ("3.3", _in_double(lesson_03.l2_step), "got torch.float64"),
    ("3.3", lambda gradient, eps: eps * gradient / _length(gradient).clamp_min(1e-6), "its floor is too high"),
    ("3.1", _into_one_buffer(lesson_03.fgsm), LEFT_BEHIND["kept"]),
    ("3.4", _into_one_buffer(lesson_03.project), LEFT_BEHIND["kept"]),
    ("3.4", lambda x, clean, eps: x.clamp_(clean - eps, clean + eps).clamp_(0, 1), LEFT_BEHIND["in place"]),
    ("3.4", lambda x, clean, eps: lesson_03.project(x, clean, 0.2), "a little, eps = 0.4"),
    ("3.4", _in_double(lesson_03.project), "got torch.float64"),
    ("3.5", _pgd_in_place, LEFT_BEHIND["in place"]),
    ("3.5", _named_at_each_step, "the class that the network names"),
    ("3.5", _from_anywhere, "start from a random point within the fences"),
    ("3.6", lambda f, g: torch.stack([-v / (h * h).sum() * h for v, h in zip(f, g, strict=True)]), "gradient of zero"),
    ("3.6", lambda f, g: g.mul_((-f / g.square().sum((1, 2, 3)))[:, None, None, None]), LEFT_BEHIND["in place"]),
    ("3.6", lambda f, g: -f[:, None, None, None] / g, "divided by the gradient, pixel by pixel"),
    ("3.6", lambda f, g: -g / _length(g), "this has length 1"),
    ("3.6", _in_double(lesson_03.to_boundary), "got torch.float64"),
]
