"""Answers for the exercises of lesson 02: RIGHT in another way, and wrong in ways that no list foresees."""

import bisect
import math

import numpy as np
import torch

from course_utils.exercises.bank import lesson_02
from course_utils.exercises.contracts import LEFT_BEHIND

F = torch.nn.functional


def _recursive(works, low, high, steps):
    if steps == 0:
        return low
    middle = 10 ** ((torch.tensor(low).double().log10() + torch.tensor(high).double().log10()) / 2).item()
    ends = (middle, high) if works(middle) else (low, middle)
    return _recursive(works, *ends, steps - 1)


def _count_by_hand(change, share=0.9):
    energies = sorted(change.flatten().square().tolist(), reverse=True)
    total, held = sum(energies), 0.0
    for count, energy in enumerate(energies, 1):
        held += energy
        if held >= share * total:
            return count


def _bound_by_matrix(weight, size):
    """The circular convolution written out, one column for each pixel of the torus."""
    edge, columns = weight.shape[-1] - 1, []
    for unit in torch.eye(weight.shape[1] * size * size):
        image = unit.view(1, weight.shape[1], size, size)
        wrapped = torch.nn.functional.pad(image, (0, edge, 0, edge), mode="circular")
        columns.append(torch.nn.functional.conv2d(wrapped, weight).flatten())
    return torch.linalg.matrix_norm(torch.stack(columns, 1), 2).item()


def _purity_by_loop(features, labels, directions, k=8):
    scores = []
    for direction in directions:
        top = labels[(features @ direction).argsort(descending=True)[:k]]
        scores.append(top.bincount().max() / k)
    return torch.stack(scores)


RIGHT = {
    "2.1": lambda a, b: torch.tensor([((p - q) ** 2).mean().item() ** 0.5 for p, q in zip(a, b, strict=True)]),
    "2.2": lambda model, x, r, target, c: c * torch.linalg.vector_norm(r) ** 2 - model(x + r).log_softmax(1)[0, target],
    "2.3": _recursive,
    "2.4": _count_by_hand,
    "2.5": _bound_by_matrix,
    "2.6": _purity_by_loop,
}


UNFORESEEN = {
    "2.1": (lambda a, b: (b - a).flatten(1).abs().median(1).values, "the values are not"),
    "2.2": (lambda model, x, r, t, c: c * r.square().sum() - model(x + r).softmax(1)[0, t], "minus the *logarithm*"),
    "2.3": (lambda works, low, high, steps: high - low, "what it returns where every c up to 0.013 works"),
    "2.4": (lambda change, share=0.9: 5, "for a change that is spread out): got 5, expected"),
    "2.5": (lambda weight, size: 3.0, "3 maps in and 4 out: got 3, expected"),
    "2.6": (lambda features, labels, directions, k=8: torch.zeros(8), "the values are not"),
}


# 2.1


def _once(measure):
    """Returns its first answer for ever."""
    kept = []

    def answer(*given):
        kept.append(measure(*given))
        return kept[0]

    return answer


def _spoils(a, b):
    b -= a
    return b.flatten(1).square().mean(1).sqrt()


# 2.2


def _by_products(model, x, r, target, c):
    row = model(x + r)[0]
    return (c * torch.dot(r.flatten(), r.flatten()) + row.logsumexp(0) - row[target.item()]).view(1)


def _calls_backward(model, x, r, target, c):
    value = lesson_02.objective(model, x, r, target, c)
    value.backward(retain_graph=True)
    return value


def _freezes(model, x, r, target, c):
    model.requires_grad_(False)
    return lesson_02.objective(model, x, r, target, c)


def _changes_mode(mode):
    return lambda model, x, r, target, c: lesson_02.objective(model.train(mode), x, r, target, c)


def _without_gradients_for_good(model, x, r, target, c):
    value = lesson_02.objective(model, x, r, target, c)
    torch.set_grad_enabled(False)
    return value


# 2.3


def _from_exponents(works, low, high, steps):
    left, right = math.log(low), math.log(high)
    for _ in range(steps):
        middle = (left + right) / 2
        left, right = (middle, right) if bool(works(torch.tensor(math.exp(middle)))) is True else (left, middle)
    return torch.tensor(math.exp(left))


def _largest_of_a_list(works, low, high, steps):
    tried = [low]
    for _ in range(steps):
        middle = np.sqrt(low * high)
        worked = bool(works(middle))
        tried += [middle] * worked
        low, high = (middle, high) if worked else (low, middle)
    return max(tried)


def _lowers_high_alone(works, low, high, steps):
    for _ in range(steps):
        middle = (low * high) ** 0.5
        if not works(middle):
            high = middle
    return low


def _stops_at_a_failure(works, low, high, steps):
    for _ in range(steps):
        middle = math.sqrt(low * high)
        if not works(middle):
            return low
        low = middle
    return low


# 2.4


def _a_share_of_one(change, share=0.9):
    held = change.flatten().square().sort(descending=True).values.cumsum(0)
    return int((held < share).sum()) + 1


def _searched(change, share=0.9):
    held = np.cumsum(np.sort((change.double().numpy() ** 2).ravel())[::-1])
    return np.searchsorted(held, share * held[-1]) + 1


def _bisected(change, share=0.9):
    energies = sorted((v * v for v in change.view(-1).tolist()), reverse=True)
    return bisect.bisect_left(range(len(energies)), share * sum(energies), key=lambda k: sum(energies[: k + 1])) + 1


def _of_a_batch(change, share=0.9):
    return lesson_02.pixels_for(change[0, 0, :, :], share)


# 2.5


def _half_spectrum(weight, size):
    spectrum = torch.fft.rfft2(weight.double(), s=(size, size)).flatten(2)
    return torch.stack([torch.linalg.matrix_norm(m, 2) for m in spectrum.permute(2, 0, 1)]).amax().view(1)


def _in_numpy(weight, size):
    spectrum = np.fft.fft2(weight.numpy(), s=(size, size))
    return np.linalg.svd(spectrum.transpose(2, 3, 0, 1), compute_uv=False).max()


def _scales_the_kernel(weight, size):
    weight *= 1.0001
    return lesson_02.conv_bound(weight, size)


# 2.6


def _by_counting(features, labels, directions, k=8):
    order = (features.double() @ F.normalize(directions, dim=1).double().T).sort(0, descending=True).indices
    return torch.tensor([np.bincount(labels[order[:k, j]].numpy()).max() / k for j in range(len(directions))])


def _by_mode(features, labels, directions, k=8):
    named = labels[torch.topk(directions @ features.T, k).indices]
    return (named == named.mode(1, keepdim=True).values).double().mean(1)


def _k_only_in_topk(features, labels, directions, k=8):
    return lesson_02.purity(features, labels, directions, k) * k / 8


ALSO_RIGHT = [
    ("2.1", lambda a, b: torch.linalg.vector_norm(b - a, dim=(1, 2, 3)) / a[0].numel() ** 0.5),
    ("2.1", lambda a, b: torch.from_numpy(np.sqrt(((a - b).numpy() ** 2).mean(axis=(1, 2, 3))))),
    ("2.2", _by_products),
    ("2.2", lambda model, x, r, target, c: c * (r * r).sum() + torch.nn.CrossEntropyLoss()(model(r + x), target)),
    ("2.2", _changes_mode(False)),
    ("2.3", _from_exponents),
    ("2.3", _largest_of_a_list),
    ("2.4", _searched),
    ("2.4", _bisected),
    ("2.4", lambda change, share=0.9: float(lesson_02.pixels_for(change, share))),
    ("2.4", lambda change, share=0.9: torch.tensor(lesson_02.pixels_for(change, share))),
    ("2.5", lambda weight, size: lesson_02.conv_bound(weight, size).item()),
    ("2.5", _half_spectrum),
    ("2.5", _in_numpy),
    ("2.6", _by_counting),
    ("2.6", _by_mode),
]

ALSO_UNFORESEEN = [
    ("2.1", _once(lesson_02.distortion), "a pair of grey images"),
    ("2.1", lambda a, b: ((b - a).flatten(1).square().sum(1) / 90).sqrt(), "a pair of grey images"),
    ("2.1", lambda a, b: lesson_02.distortion(a.double(), b.double()), "got torch.float64, expected torch.float32"),
    ("2.1", _spoils, LEFT_BEHIND["in place"]),
    ("2.1", lambda a, b: torch.manual_seed(0) and lesson_02.distortion(a, b), LEFT_BEHIND["seed"]),
    ("2.2", lambda m, x, r, t, c: 0.7 * r.square().sum() + F.cross_entropy(m(x + r), t), "for another network"),
    ("2.2", lambda m, x, r, t, c: lesson_02.objective(m, x, r, torch.tensor([2]), c), "for another network"),
    ("2.1", lambda a, b: (b - a).norm(), "one number for the whole batch"),
    ("2.1", lambda a, b: (b - a).flatten(1).norm(dim=1) / a[0, 0].numel() ** 0.5, "all channels"),
    ("2.1", lambda a, b: (b - a).flatten(1).mean(1).square().sqrt(), "ups and downs cancel"),
    ("2.2", lambda m, x, r, t, c: c * r.pow(2).sum() + F.cross_entropy(m(x + r), t).item(), "gives r no gradient"),
    (
        "2.2",
        lambda m, x, r, t, c: c * r.pow(2).sum().sqrt() + F.cross_entropy(m(x + r), t),
        "the length |r| is to be *squared*",
    ),
    ("2.2", lambda m, x, r, t, c: c * r.pow(2).sum() + F.nll_loss(m(x + r), t), "minus the *logarithm* of the target"),
    ("2.2", _calls_backward, LEFT_BEHIND["gradients"]),
    ("2.2", _freezes, LEFT_BEHIND["frozen"]),
    ("2.2", _changes_mode(True), LEFT_BEHIND["mode"]),
    ("2.2", _without_gradients_for_good, LEFT_BEHIND["switch"]),
    ("2.3", lambda works, low, high, steps: works(low) and lesson_02.largest_c(works, low, high, steps), "got 11"),
    ("2.3", _lowers_high_alone, "got 0.01, expected 0.01298"),
    ("2.3", _stops_at_a_failure, "the search ends at the first failure"),
    ("2.4", _of_a_batch, "IndexError"),
    ("2.4", _a_share_of_one, "a share of the *whole energy* is meant"),
    ("2.4", lambda change, share=0.9: change.square().cumsum(1) < share, "got a tensor of shape"),
    ("2.4", lambda change, share=0.9: str(lesson_02.pixels_for(change, share)), "this returns a text"),
    ("2.4", lambda change, share=0.9: lesson_02.pixels_for(change.square_().sqrt_(), share), LEFT_BEHIND["in place"]),
    ("2.5", lambda weight, size: lesson_02.conv_bound(weight, 32), "a fixed size is written out"),
    ("2.5", lambda weight, size: lesson_02.conv_bound(weight, 7), "7 is written out: use `size`"),
    ("2.5", lambda weight, size: weight.abs().sum((1, 2, 3)).max(), "`size` has no say in the answer"),
    ("2.5", lambda weight, size: lesson_02.conv_bound(weight, size) / size, "this is divided by the size"),
    ("2.5", lambda weight, size: [3.0], "one number is asked for"),
    ("2.5", _scales_the_kernel, LEFT_BEHIND["in place"]),
    ("2.6", _once(lesson_02.purity), "k = 3"),
    ("2.6", _k_only_in_topk, "k = 3"),
    ("2.6", lambda f, y, d, k=8: lesson_02.purity(f, y.fill_(1), d, k), LEFT_BEHIND["in place"]),
]
