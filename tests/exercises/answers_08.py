"""Answers for the exercises of lesson 08: right in other ways, and wrong in ways that no list foresees."""

import math
from decimal import Decimal
from fractions import Fraction
from functools import reduce

import numpy as np
import torch

from course_utils.exercises.bank import lesson_08
from course_utils.exercises.contracts import LEFT_BEHIND

F = torch.nn.functional

# 8.1


def _whole_numbers(pixels, levels, numbers, bits):
    """Python's integers have no largest one, and math.log10 takes them all."""
    images, outputs = levels**pixels, 2 ** (numbers * bits)
    return math.log10(images) - math.log10(outputs) if images > outputs else 0


def _rounded_up(pixels, levels, numbers, bits):
    """How many at least, to the last one."""
    return math.log10(-(-(levels**pixels) // 2 ** (numbers * bits)))


# 8.2


def _by_null_vectors(weight, change):
    values, rows = torch.linalg.svd(weight)[1:]
    null = rows[(values > 1e-5 * values.max()).sum() :]
    return change @ null.T @ null


def _gram_schmidt(weight, change):
    """An orthonormal basis of the rows, one by one; rows that bring nothing new are left out."""
    basis = []
    for row in weight.double():
        left = row.clone()
        for _ in range(2):
            for b in basis:
                left = left - (b @ left) * b
        if left.norm() > 1e-6 * row.norm():
            basis.append(left / left.norm())
    for b in basis:
        change = change - torch.outer(change.double() @ b, b).float()
    return change


def _least_squares(weight, change):
    """What is left of a change after its best fit by the rows; numpy."""
    fit = np.linalg.lstsq(weight.numpy().T, change.numpy().T, rcond=None)[0]
    return change - torch.from_numpy(fit.T) @ weight


def _smallest_curvature(weight, change):
    values, vectors = torch.linalg.eigh(weight.T.double() @ weight.double())
    null = vectors[:, values < 1e-9 * values.max().clamp(min=1)]
    return (change.double() @ null @ null.T).to(change)


# 8.3


def _image_by_image(features, centres):
    return torch.stack([torch.stack([-((h - c) ** 2).sum() for c in centres]) for h in features])


def _multiplied_out(features, centres):
    squares = features.pow(2).sum(1, keepdim=True) + centres.pow(2).sum(1)
    return 2 * features @ centres.T - squares


# 8.4


def _first_or_second(logits, labels, margin):
    """The rival is the first of the list, or the second where the first is the label."""
    values, classes = logits.topk(2)
    rival = torch.where(classes[:, 0] == labels, values[:, 1], values[:, 0])
    return F.relu(margin + rival - logits[torch.arange(len(labels)), labels]).mean()


def _one_by_one(logits, labels, margin):
    losses = []
    for row, label in zip(logits, labels.tolist(), strict=True):
        rivals = torch.cat([row[:label], row[label + 1 :]])
        losses.append(max(margin + rivals.max() - row[label], 0 * row[label]))
    return sum(losses) / len(losses)


def _leaves_columns_out(logits, labels, margin):
    own = F.one_hot(labels, logits.shape[1]).bool()
    others = logits[~own].view(len(logits), -1)
    return torch.clamp(margin + others.max(1)[0] - logits[own], min=0).mean()


def _margin_before_the_maximum(logits, labels, margin):
    """With the label among the rivals, but without the margin: then its gap is 0, and no max(0, ...) is needed."""
    own = F.one_hot(labels, logits.shape[1])
    return ((logits + margin * (1 - own)).amax(1) - (logits * own).sum(1)).mean()


# 8.5


def _image_by_image_beaten(rights):
    columns = rights.T.tolist()
    return sum(all(column) for column in columns) / len(columns)


# 8.6


def _loop(scores, right):
    ranked = sorted(zip(scores.tolist(), right.tolist(), strict=True), reverse=True)
    wrong, errors = 0, []
    for n, (_, ok) in enumerate(ranked, 1):
        wrong += not ok
        errors.append(wrong / n)
    return sum(errors) / len(errors)


def _by_thresholds(scores, right):
    """Each score in turn is the threshold."""
    kept = scores >= scores[:, None]
    return ((kept & ~right).sum(1) / kept.sum(1)).mean()


def _in_numpy(scores, right):
    order = np.argsort(-scores.numpy())
    return 1 - np.mean(np.cumsum(right.numpy()[order]) / np.arange(1, len(order) + 1))


def _filled_with(value, logits, labels, margin):
    rival = logits.scatter(1, labels[:, None], value).amax(1)
    return F.relu(margin + rival - logits[torch.arange(len(labels)), labels]).mean()


def _curve(scores, right):
    return (~right[scores.argsort(descending=True)]).cumsum(0) / torch.arange(1, len(right) + 1)


def _above(least, weight, change):
    values, rows = torch.linalg.svd(weight, full_matrices=False)[1:]
    rows = rows[values > least]
    return change - change @ rows.T @ rows


RIGHT = {
    "8.2": _by_null_vectors,
    "8.1": _whole_numbers,
    "8.3": lambda features, centres: -torch.cdist(features, centres).pow(2),
    "8.4": _first_or_second,
    "8.5": _image_by_image_beaten,
    "8.6": _loop,
}

ALSO_RIGHT = [
    ("8.2", lambda weight, change: change @ (torch.eye(weight.shape[1]) - torch.linalg.pinv(weight) @ weight)),
    ("8.3", lambda features, centres: _multiplied_out(features, centres).clamp(max=0)),
    ("8.4", lambda logits, labels, margin: _first_or_second(logits.clone(), labels.clone(), torch.tensor(margin))),
    ("8.4", lambda logits, labels, margin: _filled_with(torch.finfo(logits.dtype).min, logits, labels, margin)),
    ("8.6", lambda scores, right: np.mean([1 - right[scores >= t].float().mean().item() for t in scores])),
    ("8.2", _gram_schmidt),
    ("8.2", _least_squares),
    ("8.2", _smallest_curvature),
    ("8.2", lambda weight, change: change - change @ torch.linalg.pinv(weight) @ weight),
    (
        "8.2",
        lambda weight, change: (
            change @ (torch.eye(weight.shape[1]) - torch.linalg.pinv(weight.double()).float() @ weight)
        ),
    ),
    ("8.2", lambda weight, change: torch.stack([x - torch.linalg.pinv(weight) @ (weight @ x) for x in change])),
    ("8.2", lambda weight, change: change - torch.linalg.lstsq(weight, weight @ change.T, driver="gelsd").solution.T),
    ("8.1", _rounded_up),
    ("8.1", lambda p, g, n, b: max(p * math.log2(g) - n * b, 0) * math.log10(2)),
    ("8.1", lambda p, g, n, b: max(0, p * math.log(g) - n * b * math.log(2)) / math.log(10)),
    ("8.1", lambda p, g, n, b: (p * torch.tensor(g).log10() - n * b * torch.tensor(2).log10()).clamp(min=0)),
    ("8.1", lambda p, g, n, b: np.maximum(0, p * np.log10(g) - n * b * np.log10(2))),
    ("8.1", lambda p, g, n, b: max(Decimal(0), p * Decimal(g).log10() - n * b * Decimal(2).log10())),
    ("8.3", _image_by_image),
    ("8.3", _multiplied_out),
    ("8.3", lambda features, centres: -((features.unsqueeze(1) - centres.unsqueeze(0)) ** 2).sum(-1)),
    ("8.3", lambda features, centres: -((features[:, None] - centres).norm(dim=2) ** 2)),
    ("8.3", lambda features, centres: -(F.pairwise_distance(features[:, None], centres) ** 2)),
    ("8.3", lambda features, centres: -torch.einsum("nkd,nkd->nk", *[features[:, None] - centres] * 2)),
    ("8.3", lambda features, centres: torch.stack([-(features - c).square().sum(1) for c in centres], 1)),
    ("8.4", _one_by_one),
    ("8.4", _leaves_columns_out),
    ("8.4", _margin_before_the_maximum),
    ("8.4", lambda logits, labels, margin: _first_or_second(logits.log_softmax(1), labels, margin)),
    ("8.4", lambda logits, labels, margin: _first_or_second(logits.double(), labels, margin)),
    ("8.5", lambda rights: rights.all(0).float().mean()),
    ("8.5", lambda rights: 1 - (~rights).any(dim=0).float().mean()),
    ("8.5", lambda rights: rights.float().amin(0).mean().item()),
    ("8.5", lambda rights: rights.prod(0).double().mean()),
    ("8.5", lambda rights: (rights.sum(0) == len(rights)).sum().item() / rights.shape[1]),
    ("8.5", lambda rights: reduce(torch.logical_and, rights).float().mean()),
    ("8.5", lambda rights: rights.numpy().all(axis=0).mean()),
    ("8.5", lambda rights: Fraction(int(rights.all(0).sum()), rights.shape[1]).__float__()),
    ("8.6", _by_thresholds),
    ("8.6", _in_numpy),
    ("8.6", lambda scores, right: np.float32(_in_numpy(scores, right))),
    (
        "8.6",
        lambda scores, right: (
            sum((~right[scores.topk(n).indices]).float().mean() for n in range(1, len(right) + 1)) / len(right)
        ),
    ),
]


def _in_order(order, right):
    wrong = ~right[order]
    return (wrong.cumsum(0) / torch.arange(1, len(wrong) + 1)).mean().item()


UNFORESEEN = {
    "8.2": (
        lambda weight, change: _by_null_vectors(weight, change) / 2,
        "the part (the weights (1, 0, 0) and (0, 2, 0), the change (3, 4, 5)): the shape is right, but the values",
    ),
    "8.1": (
        lambda pixels, levels, numbers, bits: 1791.7,
        "(3 pixels of 4 levels, 1 numbers of 2 bits): got 1792, expected 1.204",
    ),
    "8.3": (
        lambda features, centres: torch.zeros(len(features), len(centres)),
        "the logits (the features (0, 0), (3, 4), the centres (0, 0), (3, 0), (-1, 2)): the shape is right",
    ),
    "8.4": (
        lambda logits, labels, margin: (logits.argmax(1) != labels).float().mean(),
        "the loss (the logits (1, 3, 2), label 0, margin 1): got 1, expected 3",
    ),
    "8.5": (lambda rights: 0.4, "the worst-case accuracy (one attack on 4 images, which beats one): got 0.4"),
    "8.6": (lambda scores, right: 0.5, "the mean error (the scores 3, 1, 2, the surest wrong): got 0.5, expected 0.61"),
}

NO_INVERSE = "weight @ weight.T has no inverse here"
TOO_LARGE = "and a float ends at 1.8e308"


def _spoils_the_change(weight, change):
    for row in weight:
        change -= torch.outer(change @ row, row) / row.square().sum()
    return change


ALSO_UNFORESEEN = [
    ("8.1", lambda p, g, n, b: max(0, p * math.log10(g) - n * 2**b), "the outputs are counted wrongly"),
    ("8.1", lambda p, g, n, b: max(0, p * math.log10(g) - n * b * math.log(2)), "another base, or mixes two"),
    ("8.2", lambda weight, change: change @ weight.T @ weight, "projects only if the rows have length 1"),
    ("8.3", lambda features, centres: -(features[:, None] - centres).square().sum(1), "sum over the last dimension"),
    ("8.4", lambda z, y, m: m + lesson_08.hinge(z, y, 0.0), "and the margin inside of max(0, ...)"),
    ("8.6", lambda s, r: _in_order((-(-s).argsort()).argsort(), r), "gives *ranks*"),
    ("8.4", lambda logits, labels, margin: _filled_with(-1e9, logits, labels, margin), "put -inf there"),
    ("8.4", lambda logits, labels, margin: _filled_with(-1000.0, logits, labels, margin), "put -inf there"),
    ("8.6", lambda s, r: float(torch.trapezoid(_curve(s, r))) / (len(r) - 1), "the trapezoid rule counts the two ends"),
    ("8.6", lambda s, r: _curve(s, r).sum().item() / (len(r) - 1), "the sum of the errors by N, not by N - 1"),
    (
        "8.2",
        lambda weight, change: _above(0, weight, change),
        "Count singular values above a small tolerance, not above 0",
    ),
    (
        "8.2",
        lambda weight, change: _above(0.5, weight, change),
        "(3 units with small weights, 8 pixels, 4 other changes)",
    ),
    ("8.2", lambda weight, change: _by_null_vectors(weight, change).double(), "their type is torch.float64"),
    ("8.1", lambda p, g, n, b: torch.log10(torch.tensor(g) ** p / 2 ** (n * b)).relu(), TOO_LARGE),
    (
        "8.1",
        lambda p, g, n, b: max(0, p * math.log10(g) - n * b * math.log10(2)) if n else 0,
        "(784 pixels of 256 levels, 0 numbers of 0 bits): got 0, expected 1888",
    ),
    ("8.4", lambda logits, labels, margin: str(_first_or_second(logits, labels, margin)), "this returns a text"),
    ("8.5", lambda rights: all(rights), "rights.all(dim=0) asks for each image"),
    ("8.5", lambda rights: (rights[0] & rights[1] & rights[2]).float().mean(), "out of bounds"),
    ("8.6", lambda scores, right: (-right).float().mean(), "~right turns them round"),
    ("8.6", lambda scores, right: float(not right), "`not` takes one alone"),
    (
        "8.6",
        lambda scores, right: ((~right[(-scores).argsort()]).cumsum(0) / torch.arange(1, len(right))).mean(),
        "torch.arange(1, N + 1)",
    ),
    ("8.2", lambda weight, change: change - change @ weight.T @ (weight @ weight.T).inverse() @ weight, NO_INVERSE),
    (
        "8.2",
        lambda weight, change: change - torch.linalg.solve(weight @ weight.T, weight @ change.T).T @ weight,
        NO_INVERSE,
    ),
    (
        "8.2",
        lambda weight, change: torch.cholesky_solve(weight @ change.T, torch.linalg.cholesky(weight @ weight.T)),
        NO_INVERSE,
    ),
    ("8.2", lambda weight, change: change @ weight, "weight is (m, d), change has a change a *row*"),
    ("8.2", lambda weight, change: change - weight @ torch.linalg.pinv(weight), "change has a change a *row*"),
    ("8.2", lambda weight, change: change - change @ weight.T, "change has a change a *row*"),
    ("8.2", _spoils_the_change, LEFT_BEHIND["in place"]),
    ("8.2", lambda weight, change: change, "this is the change as it came: take away the part that the layer sees"),
    (
        "8.2",
        lambda weight, change: _by_null_vectors(weight, change) * (1 - 0.5 * (weight == weight[0]).all()),
        "(2 units with the same weights, 6 pixels): got less than all that is not seen, expected all",
    ),
    (
        "8.2",
        lambda weight, change: _by_null_vectors(weight, change) + 0.1 * weight[0] * (weight == weight[0]).all(),
        "(2 units with the same weights, 6 pixels): got something that is seen, expected all",
    ),
    ("8.1", lambda p, g, n, b: math.log10(max(1, g**p / 2 ** (n * b))), TOO_LARGE),
    ("8.1", lambda p, g, n, b: math.log10(max(1, float(g) ** p / 2.0 ** (n * b))), TOO_LARGE),
    ("8.1", lambda p, g, n, b: math.log10(max(1, math.pow(g, p) / math.pow(2, n * b))), TOO_LARGE),
    ("8.1", lambda p, g, n, b: math.log10(g**p // 2 ** (n * b)), "the logarithm of 0 or less"),
    ("8.1", lambda p, g, n, b: np.log10(g**p) - np.log10(2 ** (n * b)), "numpy knows no integers this large"),
    ("8.1", lambda p, g, n, b: g**p, "its logarithm is asked for, log10"),
    ("8.1", lambda p, g, n, b: f"10^{p}", "this returns a text: return the number itself"),
    ("8.3", lambda features, centres: -(features - centres).square().sum(1), "each image is compared with *each*"),
    ("8.3", lambda features, centres: features @ centres, "each image is compared with *each*"),
    ("8.3", lambda features, centres: -np.ones((2, 3)), "got an ndarray, expected a tensor of shape (2, 3)"),
    (
        "8.3",
        lambda features, centres: -((features[:, None] - centres) ** 4).sum(2),
        "the shape is right, but the values are not",
    ),
    ("8.4", lambda logits, labels, margin: logits - logits[:, labels][:, :2], "your code raised"),
    (
        "8.4",
        lambda logits, labels, margin: (margin + logits.amax(1) - logits.gather(1, labels)).mean(),
        "labels is (N,), one class an image",
    ),
    (
        "8.4",
        lambda logits, labels, margin: torch.tensor(_first_or_second(logits, labels, margin).item()),
        "no gradient leads from them",
    ),
    ("8.5", lambda rights: rights.all(0).mean(), "a mean of True and False needs numbers"),
    ("8.5", lambda rights: 0, "for // rounds down to 0"),
    ("8.5", lambda rights: True, "gives the same answer whatever it is given"),
    ("8.6", lambda scores, right: (1 - right).float().mean(), "~right turns them round"),
    ("8.6", lambda scores, right: [0.0], "got a list, expected one number"),
]
