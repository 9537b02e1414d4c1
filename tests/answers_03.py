"""Answers for the exercises of lesson 03: RIGHT in another way, and wrong in ways that no list foresees."""

import torch


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
    "3.6": lambda value, gradient: torch.stack([-v / (g * g).sum() * g for v, g in zip(value, gradient, strict=True)]),
}

UNFORESEEN = {
    "3.1": (lambda model, images, labels, eps: images + 2, "the values are not"),
    "3.2": (lambda model, images, targets, eps: images[:1], "got shape (1, 1, 6, 6), expected (7, 1, 6, 6)"),
    "3.3": (lambda gradient, eps: gradient.flatten(1), "got shape (5, 36)"),
    "3.4": (lambda x, clean, eps: x.clamp(0.5 - eps, 0.5 + eps), "the values are not"),
    "3.5": (lambda model, images, labels, eps, step_size, steps: model(images), "got shape (7, 4)"),
    "3.6": (lambda value, gradient: value, "got shape (5,)"),
}
