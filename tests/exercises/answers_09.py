"""Answers for the exercises of lesson 09: right in other ways, and wrong in ways that no list foresees."""

import itertools
import math
import statistics

import numpy as np
import scipy.optimize
import scipy.stats
import torch

from course_utils.exercises.contracts import LEFT_BEHIND

F = torch.nn.functional
ppf, beta = scipy.stats.norm.ppf, scipy.stats.beta.ppf

# 9.1


def _as_the_paper_writes_it(model, images, labels, eps):
    """Holds the change, not the attacked images; the start may lie outside [0, 1] (Wong, Rice and Kolter 2020)."""
    delta = torch.empty_like(images).uniform_(-eps, eps).requires_grad_()
    slope = torch.autograd.grad(F.cross_entropy(model(images + delta), labels), delta)[0]
    delta = torch.clamp(delta.detach() + 1.25 * eps * torch.sign(slope), -eps, eps)
    delta = torch.max(torch.min(1 - images, delta), -images)
    return F.cross_entropy(model(images + delta), labels)


def _holds_the_change(model, images, labels, eps):
    """The same, with a start that is cut to [0, 1], and so the change."""
    delta = torch.empty_like(images).uniform_(-eps, eps)
    delta = torch.max(torch.min(1 - images, delta), -images).requires_grad_()
    slope = torch.autograd.grad(F.cross_entropy(model(images + delta), labels), delta)[0]
    delta = torch.clamp(delta.detach() + 1.25 * eps * torch.sign(slope), -eps, eps)
    delta = torch.max(torch.min(1 - images, delta), -images)
    return F.cross_entropy(model(images + delta), labels)


def _always_as_far(model, images, labels, eps):
    """The step and the ball are those of one eps."""
    x = (images + eps * (2 * torch.rand_like(images) - 1)).clamp(0, 1).requires_grad_()
    slope = torch.autograd.grad(F.cross_entropy(model(x), labels), x)[0]
    attacked = (x.detach() + 0.125 * slope.sign()).clamp(images - eps, images + eps).clamp(0, 1)
    return F.cross_entropy(model(attacked), labels)


def _backward_and_clean(model, images, labels, eps):
    """By backward, whose traces in the weights are wiped away."""
    x = (images + (torch.rand_like(images) * 2 - 1) * eps).clamp(0, 1)
    x.requires_grad_(True)
    F.cross_entropy(model(x), labels).backward()
    with torch.no_grad():
        attacked = torch.maximum(torch.minimum(x + 1.25 * eps * x.grad.sign(), images + eps), images - eps).clamp(0, 1)
    model.zero_grad()
    return F.cross_entropy(model(attacked), labels)


def _backward_for_the_start_alone(model, images, labels, eps):
    x = torch.distributions.Uniform(images - eps, images + eps).sample().clamp_(0, 1).requires_grad_()
    F.cross_entropy(model(x), labels, reduction="sum").backward(inputs=[x])
    attacked = (x.detach() + 1.25 * eps * x.grad.sign()).clamp(images - eps, images + eps).clamp(0, 1)
    return torch.nn.CrossEntropyLoss()(model(attacked), labels)


def _frozen_meanwhile(model, images, labels, eps):
    """The weights ask for nothing, and the model is in evaluation mode, as long as the attack lasts."""
    model.eval().requires_grad_(False)
    x = (images + eps * (1 - 2 * torch.rand(images.shape))).clamp(0, 1).requires_grad_()
    (slope,) = torch.autograd.grad(F.cross_entropy(model(x), labels), [x])
    model.train().requires_grad_(True)
    low, high = (images - eps).clamp(min=0), (images + eps).clamp(max=1)
    attacked = torch.clamp(x.detach() + 1.25 * eps * slope.sign(), low, high)
    return -F.log_softmax(model(attacked), 1)[torch.arange(len(labels)), labels].mean()


def _by_torch_func(model, images, labels, eps):
    start = (images + eps * (2 * torch.rand_like(images) - 1)).clamp(0, 1)
    slope = torch.func.grad(lambda x: F.cross_entropy(model(x), labels))(start)
    attacked = (start + 1.25 * eps * slope.sign()).clamp(images - eps, images + eps).clamp(0, 1)
    return F.cross_entropy(model(attacked.detach()), labels)


def _numpy_noise(model, images, labels, eps, kind=np.float32):
    noise = np.random.default_rng().uniform(-eps, eps, size=tuple(images.shape)).astype(kind)
    x = (images + torch.from_numpy(noise)).clamp(0, 1).requires_grad_()
    slope = torch.autograd.grad(F.cross_entropy(model(x), labels), x)[0]
    attacked = images + (x.detach() + 1.25 * eps * slope.sign() - images).clamp(-eps, eps)
    return F.cross_entropy(model(attacked.clamp(0, 1)), labels)


def _float64_noise(model, images, labels, eps):
    return _numpy_noise(model, images, labels, eps, kind=np.float64)


def _with_graph_to_the_start(model, images, labels, eps):
    """The attacked images keep their way back to the start; that costs time, and changes nothing in the weights."""
    x = (images + eps * (2 * torch.rand_like(images) - 1)).clamp(0, 1).requires_grad_()
    slope = torch.autograd.grad(F.cross_entropy(model(x), labels), x)[0]
    return F.cross_entropy(model((x + 1.25 * eps * slope.sign()).clamp(images - eps, images + eps).clamp(0, 1)), labels)


def _two_steps(model, images, labels, eps):
    x = (images + eps * (2 * torch.rand_like(images) - 1)).clamp(0, 1)
    for _ in range(2):
        x = x.detach().requires_grad_()
        slope = torch.autograd.grad(F.cross_entropy(model(x), labels), x)[0]
        x = (x + 1.25 * eps * slope.sign()).clamp(images - eps, images + eps).clamp(0, 1)
    return F.cross_entropy(model(x.detach()), labels)


def _no_gradients_at_all(model, images, labels, eps):
    with torch.no_grad():
        x = images + eps * (2 * torch.rand_like(images) - 1)
        slope = torch.autograd.grad(F.cross_entropy(model(x), labels), x)[0]
    return F.cross_entropy(model(x + 1.25 * eps * slope.sign()), labels)


def _gradient_of_a_copy(model, images, labels, eps):
    x = images.clone().requires_grad_()
    moved = x + eps * (2 * torch.rand_like(images) - 1)
    F.cross_entropy(model(moved.detach()), labels).backward()
    return x.grad.sign()


def _grad_of_no_leaf(model, images, labels, eps):
    x = images.clone().requires_grad_()
    moved = x + eps * (2 * torch.rand_like(images) - 1)
    F.cross_entropy(model(moved), labels).backward()
    return F.cross_entropy(model(moved + 1.25 * eps * moved.grad.sign()), labels)


def _tuple(model, images, labels, eps):
    x = images.clone().requires_grad_()
    return torch.autograd.grad(F.cross_entropy(model(x), labels), x).sign()


def _moves_the_leaf(model, images, labels, eps):
    x = (images + eps * (2 * torch.rand_like(images) - 1)).requires_grad_()
    slope = torch.autograd.grad(F.cross_entropy(model(x), labels), x)[0]
    x += 1.25 * eps * slope.sign()
    return F.cross_entropy(model(x), labels)


def _one_image_at_a_time(model, images, labels, eps):
    pairs = zip(images.split(1), labels.split(1), strict=True)
    return torch.stack([_as_the_paper_writes_it(model, image, label, eps) for image, label in pairs]).mean()


def _twice_the_slope(model, images, labels, eps):
    return 2 * _as_the_paper_writes_it(model, images, labels, eps)


def _half_a_ball(model, images, labels, eps):
    x = (images + eps / 2 * (2 * torch.rand_like(images) - 1)).clamp(0, 1).requires_grad_()
    slope = torch.autograd.grad(F.cross_entropy(model(x), labels), x)[0]
    attacked = (x.detach() + 1.25 * eps * slope.sign()).clamp(images - eps, images + eps).clamp(0, 1)
    return F.cross_entropy(model(attacked), labels)


def _trains_by_itself(model, images, labels, eps):
    loss = _holds_the_change(model, images, labels, eps)
    loss.backward()
    model.zero_grad()
    return loss


def _step_of_two_lengths(model, images, labels, eps):
    x = (images + eps * (2 * torch.rand_like(images) - 1)).clamp(0, 1).requires_grad_()
    slope = torch.autograd.grad(F.cross_entropy(model(x), labels), x)[0]
    step = eps * torch.where(images < 0.5, 0.5, 1.25) * slope.sign()
    return F.cross_entropy(model((x.detach() + step).clamp(images - eps, images + eps).clamp(0, 1)), labels)


def _clean_loss_pulls_too(model, images, labels, eps):
    clean = F.cross_entropy(model[1:](images.flatten(1)), labels)
    return _holds_the_change(model, images, labels, eps) + clean - clean.detach()


def _nan_images(model, images, labels, eps):
    model(images)
    return F.cross_entropy(model(images / 0 * 0), labels)


def _attacked(model, images, labels, eps, step):
    """What is attacked, by a step that is made of the start and of the gradient there."""
    x = (images + eps * (2 * torch.rand_like(images) - 1)).clamp(0, 1).requires_grad_()
    slope = torch.autograd.grad(F.cross_entropy(model(x), labels), x)[0]
    return step(x.detach(), slope).clamp(images - eps, images + eps).clamp(0, 1)


def _by_the_scaled_slope(model, images, labels, eps):
    def step(x, slope):
        return x + 1.25 * eps * slope / slope.abs().amax((1, 2, 3), keepdim=True)

    return F.cross_entropy(model(_attacked(model, images, labels, eps, step)), labels)


def _returns_the_images(model, images, labels, eps):
    return _attacked(model, images, labels, eps, lambda x, slope: x + 1.25 * eps * slope.sign())


def _away_from_what_it_says(model, images, labels, eps):
    said = model[1:](images.flatten(1)).argmax(1)
    attacked = _attacked(model, images, said, eps, lambda x, slope: x + 1.25 * eps * slope.sign())
    return F.cross_entropy(model(attacked), labels)


def _cuts_the_image(model, images, labels, eps):
    x = (images + eps * (2 * torch.rand_like(images) - 1)).clamp(0, 1).requires_grad_()
    slope = torch.autograd.grad(F.cross_entropy(model(x), labels), x)[0]
    return F.cross_entropy(model((x.detach() + 1.25 * eps * slope.sign()).clamp(-eps, eps).clamp(0, 1)), labels)


def _by_comparisons(model, images, labels, eps):
    x = (images - eps + 2 * eps * torch.rand(images.shape)).clip(0, 1).requires_grad_()
    (slope,) = torch.autograd.grad(model(x).log_softmax(1).gather(1, labels[:, None]).sum(), x)
    step = 1.25 * eps * ((slope < 0).float() - (slope > 0).float())
    attacked = torch.min(torch.max(x.detach() + step, (images - eps).relu()), (images + eps).clamp(max=1))
    return -model(attacked).log_softmax(1).gather(1, labels[:, None]).mean()


# 9.2


class _Round(torch.autograd.Function):
    @staticmethod
    def forward(ctx, images, levels):
        return torch.round(images * (levels - 1)) / (levels - 1)

    @staticmethod
    def backward(ctx, slope):
        return slope, None


def _plus_what_is_zero(images, levels):
    return torch.round(images.detach() * (levels - 1)) / (levels - 1) + images - images.detach()


def _without_a_gradient_block(images, levels):
    with torch.no_grad():
        change = (images * (levels - 1) + 0.5).floor() / (levels - 1) - images
    return images + change


def _nearest_of_a_list(images, levels):
    greys = torch.linspace(0, 1, levels, dtype=images.dtype)
    nearest = greys[(images.detach()[..., None] - greys).abs().argmin(-1)]
    return nearest + (images - images.detach())


def _by_a_hook(images, levels):
    """Rounds by numpy, and hands the gradient on."""
    rounded = torch.from_numpy(np.rint(images.detach().numpy() * (levels - 1)) / (levels - 1)).to(images.dtype)
    return images + (rounded - images.detach())


class _RoundBackwards(torch.autograd.Function):
    @staticmethod
    def forward(ctx, images, levels):
        return torch.round(images * (levels - 1)) / (levels - 1)

    @staticmethod
    def backward(ctx, slope):
        return -slope, None


def _level_by_level(images, levels):
    nearest, best = torch.zeros_like(images), torch.full_like(images, 9)
    for level in range(levels):
        far = (images.detach() - level / (levels - 1)).abs()
        nearest, best = nearest.where(far >= best, level / (levels - 1)), best.minimum(far)
    return nearest + images - images.detach()


def _scaled(images, levels):
    steps = images * (levels - 1)
    return (steps + (steps.round() - steps).detach()) / (levels - 1)


def _of_buckets(images, levels):
    """The next level above."""
    greys = torch.linspace(0, 1, levels, dtype=images.dtype)
    rounded = greys[torch.bucketize(images.detach(), greys).clamp(max=levels - 1)]
    return images + (rounded - images).detach()


def _passes_half(images, levels):
    rounded = (images * (levels - 1)).round() / (levels - 1)
    return torch.where(images < 0.5, images + (rounded - images).detach(), rounded)


def _in_float32(images, levels):
    return _plus_what_is_zero(images.float(), levels)


# 9.3


def _soft_labels(student, teacher, temperature):
    return F.cross_entropy(student / temperature, F.softmax(teacher.detach() / temperature, 1))


def _row_by_row(student, teacher, temperature):
    losses = []
    for mine, theirs in zip(student / temperature, teacher.detach() / temperature, strict=True):
        p = (theirs - theirs.max()).exp()
        losses.append(torch.logsumexp(mine, 0) - (p / p.sum() * mine).sum())
    return sum(losses) / len(losses)


def _divergence_and_entropy(student, teacher, temperature):
    with torch.no_grad():
        p = torch.softmax(teacher / temperature, 1)
        entropy = torch.special.entr(p).sum(1).mean()
    return entropy + F.kl_div(F.log_softmax(student / temperature, 1), p, reduction="batchmean")


# 9.4


def _by_the_standard_library(hits, samples, sigma, alpha):
    """The bound by halving: the p at which `hits` or more happen with probability alpha."""
    low, high = 0.0, 1.0
    for _ in range(60):
        p = (low + high) / 2
        low, high = (p, high) if scipy.stats.binom.sf(hits - 1, samples, p) < alpha else (low, p)
    return sigma * statistics.NormalDist().inv_cdf(low) if low > 0.5 else 0


def _binomtest(hits, samples, sigma, alpha):
    test = scipy.stats.binomtest(hits, samples, alternative="greater")
    low = test.proportion_ci(confidence_level=1 - alpha, method="exact").low
    return max(0.0, sigma * scipy.stats.norm.ppf(low))


def _two_sides_of_twice_alpha(hits, samples, sigma, alpha):
    low = scipy.stats.binomtest(hits, samples).proportion_ci(1 - 2 * alpha).low
    return torch.tensor(sigma * math.sqrt(2) * torch.erfinv(torch.tensor(2 * low - 1)).item()).clamp(min=0)


def _root_of_the_tail(hits, samples, sigma, alpha):
    if hits == 0:
        return 0.0
    tail = scipy.optimize.brentq(lambda p: scipy.stats.binom.sf(hits - 1, samples, p) - alpha, 1e-12, 1 - 1e-15)
    return np.float64(sigma * scipy.stats.norm.isf(1 - tail)) if tail > 1 / 2 else np.float64(0)


def _two_sided_test(hits, samples, sigma, alpha):
    low = scipy.stats.binomtest(hits, samples).proportion_ci(1 - alpha).low
    return max(0.0, sigma * scipy.stats.norm.ppf(low))


# 9.5


def _by_signs(weight, bias, low, high):
    positive, negative = weight.clamp(min=0).T, weight.clamp(max=0).T
    return low @ positive + high @ negative + bias, high @ positive + low @ negative + bias


def _every_corner(weight, bias, low, high):
    """All corners of a few numbers; of many, those that each unit likes best and least."""
    if low.shape[1] > 8:
        return _unit_by_unit(weight, bias, low, high)
    corners = torch.tensor(list(itertools.product((0, 1), repeat=low.shape[1]))).to(low)
    outputs = (low[:, None] + corners * (high - low)[:, None]) @ weight.T + bias
    return list(torch.aminmax(outputs, dim=1))


def _unit_by_unit(weight, bias, low, high):
    bounds = []
    for row, shift in zip(weight, bias, strict=True):
        least, most = torch.where(row > 0, low, high), torch.where(row > 0, high, low)
        bounds.append(torch.stack([least @ row, most @ row]) + shift)
    lower, upper = torch.stack(bounds, dim=2)
    return lower, upper


def _by_products(weight, bias, low, high):
    ends = torch.stack([low[:, None] * weight, high[:, None] * weight])
    return F.linear(low * 0, weight, bias) + ends.amin(0).sum(2), bias + ends.amax(0).sum(2)


def _numpy_bounds(weight, bias, low, high):
    weight, bias, low, high = (each.numpy() for each in (weight, bias, low, high))
    middle, spread = (low + high) / 2 @ weight.T + bias, (high - low) / 2 @ np.abs(weight).T
    return torch.from_numpy(middle - spread), torch.from_numpy(middle + spread)


def _sampled(weight, bias, low, high):
    points = low + (high - low) * torch.rand(500, *low.shape)
    outputs = points @ weight.T + bias
    return outputs.amin(0), outputs.amax(0)


RIGHT = {
    "9.1": _holds_the_change,
    "9.2": _Round.apply,
    "9.4": _by_the_standard_library,
    "9.5": _by_signs,
    "9.3": _soft_labels,
}

ALSO_RIGHT = [
    ("9.2", lambda images, n: (images.detach() * (n - 1)).round() / (n - 1) + (images - images.detach())),
    ("9.3", lambda student, teacher, t: F.cross_entropy(student / t, (teacher / t).softmax(1).detach())),
    ("9.4", lambda h, n, s, a: max(0.0, s * ppf(beta(a, h, n - h + 1)))),
    ("9.4", lambda h, n, s, a: 0 if 2 * h <= n else max(0, s * ppf(beta(a, h, n - h + 1)))),
    ("9.5", lambda *given: torch.stack(_by_signs(*given)).unbind()),
    ("9.1", _backward_and_clean),
    ("9.1", _backward_for_the_start_alone),
    ("9.1", _frozen_meanwhile),
    ("9.1", _by_torch_func),
    ("9.1", _numpy_noise),
    ("9.1", _with_graph_to_the_start),
    ("9.2", _plus_what_is_zero),
    ("9.2", _without_a_gradient_block),
    ("9.2", _nearest_of_a_list),
    ("9.2", _by_a_hook),
    ("9.4", _binomtest),
    ("9.4", _two_sides_of_twice_alpha),
    ("9.4", _root_of_the_tail),
    ("9.5", _every_corner),
    ("9.5", _unit_by_unit),
    ("9.5", _by_products),
    ("9.5", _numpy_bounds),
    ("9.3", _row_by_row),
    ("9.3", _divergence_and_entropy),
    ("9.1", _by_comparisons),
    ("9.2", _level_by_level),
    ("9.2", _scaled),
    (
        "9.3",
        lambda s, t, T: -torch.trace((t.detach() / T).softmax(1) @ F.log_softmax(s / T, 1).T) / len(s),
    ),
    ("9.4", lambda h, n, s, a: ppf(max(beta(a, max(h, 1), n - h + 1), 0.5), scale=s)),
    ("9.4", lambda h, n, s, a: -s * ppf(beta(1 - a, n - h + 1, h)) if beta(1 - a, n - h + 1, h) < 0.5 else 0),
    (
        "9.5",
        lambda w, b, low, high: [
            F.linear(low, w, b) + F.linear(high - low, w.clamp(max=0)),
            F.linear(low, w, b) + F.linear(high - low, w.relu()),
        ],
    ),
]

UNFORESEEN = {
    "9.1": (_two_steps, "how often the model is asked: got 3 times, expected twice: at the start, for the gradient"),
    "9.2": (lambda images, levels: images * 0.5, "the images (a ramp from 0 to 1, 4 levels): the shape is right"),
    "9.4": (
        lambda hits, samples, sigma, alpha: 0.4,
        "the radius (90 hits of 100, sigma 0.5, alpha 0.001): got 0.4, expected 0.",
    ),
    "9.5": (_sampled, "low of the bounds (2 boxes of 2 numbers, 3 units): the shape is right, but the values are not"),
    "9.3": (lambda student, teacher, t: student.mean(), "`teacher` has no say in the answer"),
}

ALSO_UNFORESEEN = [
    ("9.1", _as_the_paper_writes_it, "the start may lie outside of [0, 1]"),
    ("9.1", _always_as_far, "where the loss is taken (12 black and white images, eps 0.3): got 0.417 eps up"),
    (
        "9.1",
        lambda model, images, labels, eps: _holds_the_change(model, images, labels, 0.1),
        "0.1 is written out: use `eps`",
    ),
    ("9.1", _no_gradients_at_all, "Make the start first"),
    ("9.1", _gradient_of_a_copy, ".grad is filled only in a tensor that you began with"),
    ("9.1", _grad_of_no_leaf, ".grad is filled only in a tensor that you began with"),
    ("9.1", _tuple, "take its [0]"),
    ("9.1", _moves_the_leaf, "Take the step in a new tensor"),
    ("9.1", _float64_noise, "torch.rand_like(images) is of theirs"),
    ("9.1", _one_image_at_a_time, "got 80 times, about 1 of 40 images: ask about all of them at once"),
    ("9.1", _twice_the_slope, "this is twice what is asked for"),
    ("9.1", _trains_by_itself, "`backward` was called on this loss"),
    ("9.1", _step_of_two_lengths, "got elsewhere, up to 1 eps from the images"),
    ("9.1", _clean_loss_pulls_too, "the gradient in the weights, less that of the mean cross-entropy"),
    ("9.1", _half_a_ball, "the starts lie in the ball, but not evenly"),
    ("9.1", _nan_images, "the starts (40 grey images, eps 0.1): got the images themselves"),
    ("9.1", lambda model, images, labels, eps: None, "training_loss returned None: is the `return` missing?"),
    ("9.1", lambda model, images, labels, eps: model(images), "a tensor of shape (40, 4): return the mean loss"),
    ("9.1", lambda model, images, labels, eps: model(images[0]), "the model takes images, (N, 1, 6, 6)"),
    ("9.1", lambda model, images, labels, eps: F.cross_entropy, "training_loss: got a function"),
    ("9.2", _RoundBackwards.apply, "comes back with its sign turned round"),
    ("9.2", _passes_half, "the gradient of the images (a ramp from 0 to 1, 4 levels): the shape is right"),
    ("9.2", _in_float32, "the images (2 grey images, 8 levels, in float64): got torch.float32, expected torch.float64"),
    ("9.2", lambda images, levels: np.rint(images.numpy() * (levels - 1)) / (levels - 1), "got an ndarray, expected a"),
    ("9.2", lambda images, levels: images.mul_(levels - 1).round_().div_(levels - 1), LEFT_BEHIND["in place"]),
    ("9.2", lambda images, levels: images.flatten(), "got shape (42,), expected (1, 1, 1, 42)"),
    (
        "9.2",
        lambda images, levels: torch.tensor(((images * (levels - 1)).round() / (levels - 1)).tolist()).to(images.dtype),
        "no gradient leads from them to what they were computed from",
    ),
    ("9.4", _two_sided_test, "alpha is shared between two sides"),
    ("9.4", lambda h, n, s, a: max(s * ppf(beta(a, h, n - h + 1)), 0.0), "right until nobody hits"),
    ("9.4", lambda h, n, s, a: s * ppf(beta(a, h, n - h + 1)), "Phi^-1 is negative"),
    ("9.4", lambda h, n, s, a: max(0.0, s * ppf(beta(1 - a, h + 1, n - h))), "this is the *upper* bound"),
    ("9.4", lambda h, n, s, a: max(0.0, s * ppf(beta(a, h, n - h))), "off by one: beta.ppf(alpha, hits"),
    ("9.4", lambda h, n, s, a: max(0.0, s * ppf(beta(a, n - h, h + 1))), "hits and misses are exchanged"),
    ("9.4", lambda h, n, s, a: beta(a, h, n - h + 1), "this is the lower bound of p"),
    ("9.4", lambda h, n, s, a: p if (p := beta(a, h, n - h + 1)) > 0.5 else 0.0, "this is the lower bound of p"),
    ("9.4", lambda h, n, s, a: max(0.0, s * ppf(h / n)), "the share of hits is taken for p itself"),
    ("9.4", lambda h, n, s, a: s * ppf(p) if (p := beta(a, h, n - h + 1)) > 0.5 else None, "not -1, NaN or None"),
    ("9.4", lambda hits, samples, sigma, alpha: None, "returned None: is the `return` missing?"),
    ("9.4", lambda hits, samples, sigma, alpha: statistics.NormalDist().inv_cdf(hits / samples), "90 hits of 100"),
    ("9.5", lambda weight, bias, low, high: (low @ weight + bias, high @ weight + bias), "weight has a row a unit"),
    (
        "9.5",
        lambda *given: tuple(each.double() for each in _by_signs(*given)),
        "got torch.float64, expected torch.float32",
    ),
    ("9.5", lambda weight, bias, low, high: low @ weight.T + bias, "return two things: the lower bounds and"),
    (
        "9.5",
        lambda weight, bias, low, high: (low, None),
        "low of the bounds (2 boxes of 2 numbers, 3 units): got shape",
    ),
    ("9.5", lambda weight, bias, low, high: _by_signs(weight, bias, low.float(), high), "keep to the type"),
    ("9.3", lambda student, teacher, t: None, "the loss (6 images, 4 classes, temperature 5) returned None"),
    (
        "9.3",
        lambda student, teacher, t: float(_soft_labels(student, teacher, t)),
        "training needs the tensor with its graph",
    ),
    (
        "9.3",
        lambda student, teacher, t: _soft_labels(student, teacher, t) + student.mean() * 0.01,
        "the loss (3 images",
    ),
    ("9.1", _by_the_scaled_slope, "of the pixels up the slope"),
    ("9.1", _away_from_what_it_says, "of the pixels up the slope"),
    ("9.1", _cuts_the_image, "cut the *change* to eps, and not the image"),
    ("9.1", _returns_the_images, "return the mean loss at the attacked images"),
    ("9.2", _of_buckets, "a pixel may miss the *nearest* level"),
    ("9.2", lambda images, n: images + (images.mul(n - 1).int() / (n - 1) - images).detach(), "the *nearest* level"),
    (
        "9.3",
        lambda s, t, T: T**2 * F.kl_div(F.log_softmax(s / T, 1), (t / T).softmax(1), reduction="batchmean"),
        "this is the Kullback-Leibler divergence",
    ),
    (
        "9.3",
        lambda s, t, T: -((t / T).softmax(1) * ((s / T).softmax(1) + 1e-6).log()).sum(1).mean(),
        "logits too large for log(softmax)",
    ),
    ("9.3", lambda s, t, T: -((t / T).log_softmax(1) * (s / T).log_softmax(1)).sum(1).mean(), "logits, or logs, are"),
    ("9.3", lambda s, t, T: _soft_labels(s.detach(), t, T), "detach the teacher alone"),
    ("9.4", lambda h, n, s, a: max(0.0, s * ppf(scipy.stats.beta.cdf(a, h, n - h + 1))), "never proves anything"),
]
