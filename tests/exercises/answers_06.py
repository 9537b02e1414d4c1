"""Answers for the exercises of lesson 06: right in other ways, and wrong in ways that no list foresees."""

import math

import numpy as np
import scipy.ndimage
import scipy.stats
import torch

from course_utils.exercises.contracts import LEFT_BEHIND

F = torch.nn.functional


def _point_by_point(distances):
    """Plain Python, and a float at the end."""
    total = 0.0
    for *near, last in distances.tolist():
        total += sum(math.log(last / each) for each in near) / len(near)
    return len(distances) / total


def _logs_first(distances):
    logs = np.log(distances.double().numpy())
    return 1 / np.mean(logs[:, -1:] - logs[:, :-1])


def _by_scipy(image, flow):
    """scipy.ndimage names rows first, and takes places in pixels."""
    n, _, height, width = image.shape
    rows, columns = np.mgrid[:height, :width]
    out = [
        scipy.ndimage.map_coordinates(
            image[i, 0].numpy(), [rows + flow[i, 1].numpy(), columns + flow[i, 0].numpy()], order=1, mode="nearest"
        )
        for i in range(n)
    ]
    return torch.from_numpy(np.stack(out))[:, None]


def _other_corners(image, flow):
    """affine_grid's own grid, with corners at the outer edges of the pixels, and the flow in its unit."""
    n, _, height, width = image.shape
    still = F.affine_grid(torch.eye(2, 3).repeat(n, 1, 1), list(image.shape), align_corners=False)
    arrows = 2 * flow.permute(0, 2, 3, 1) / torch.tensor([width, height])
    return F.grid_sample(image, still + arrows, padding_mode="border", align_corners=False)


def _four_neighbours(image, flow):
    """By hand: four pixels, picked by their numbers, and their weights."""
    n, _, height, width = image.shape
    x = (torch.arange(width) + flow[:, 0]).clamp(0, width - 1)
    y = (torch.arange(height)[:, None] + flow[:, 1]).clamp(0, height - 1)
    left, top = x.floor().clamp(max=width - 2), y.floor().clamp(max=height - 2)
    out = torch.zeros(n, height, width)
    for down in (0, 1):
        for right in (0, 1):
            weight = (1 - (x - left - right).abs()) * (1 - (y - top - down).abs())
            out += weight * torch.stack(
                [p[0][r, c] for p, r, c in zip(image, (top + down).long(), (left + right).long(), strict=True)]
            )
    return out.unsqueeze(1)


def _pair_by_pair(inside, outside):
    won = 0.0
    for b in outside:
        for a in inside:
            won += 1.0 if b > a else 0.5 if b == a else 0.0
    return won / (len(inside) * len(outside))


def _trapezoids(inside, outside):
    """The area under the curve itself."""
    levels = [-math.inf, *sorted({*inside.tolist(), *outside.tolist()})]
    alarms, hits = ([(scores > t).double().mean().item() for t in levels] for scores in (inside, outside))
    return -np.trapezoid(hits, alarms) if hasattr(np, "trapezoid") else -np.trapz(hits, alarms)


def _filled_in(logits, score, threshold):
    """One empty column, filled in; the score counts ten times, and the largest logit carries no gradient."""
    out = F.pad(logits, (0, 1))
    out[:, -1] = logits.detach().max(dim=1).values + 10 * (score - threshold)
    return out


def _row_by_row(logits, score, threshold):
    rows = [torch.hstack([row, max(row) + torch.tanh(s - threshold)]) for row, s in zip(logits, score, strict=True)]
    return torch.stack(rows)


def _gram_schmidt(change, directions):
    basis, across = [], change.clone()
    for column in directions.T:
        for _ in range(2):
            for b in basis:
                column = column - (b @ column) * b
        basis.append(column / column.norm())
        across = across - (basis[-1] @ across) * basis[-1]
    return change - across, across


def _least_squares(change, directions):
    """numpy's least squares, in float64."""
    weights = np.linalg.lstsq(directions.double().numpy(), change.double().numpy(), rcond=None)[0]
    along = torch.from_numpy(directions.double().numpy() @ weights)
    return [along, change - along]


RIGHT = {
    "6.1": _point_by_point,
    "6.2": _by_scipy,
    "6.3": _pair_by_pair,
    "6.4": _filled_in,
    "6.5": _gram_schmidt,
}

ALSO_RIGHT = [
    ("6.1", lambda distances: distances[:, 1:].numel() / (distances[:, -1:].log() - distances.log()).sum()),
    ("6.3", lambda inside, outside: ((torch.sign(outside[:, None] - inside) + 1) / 2).mean()),
    ("6.3", lambda inside, outside: torch.heaviside(outside[:, None] - inside, torch.tensor(0.5)).mean().item()),
    ("6.4", lambda logits, score, t: torch.cat([logits, (logits.amax(1) + torch.expm1(score - t))[:, None]], 1)),
    ("6.4", lambda logits, score, t: torch.column_stack([logits, logits.max(1)[0] + F.leaky_relu(score - t)])),
    ("6.4", lambda logits, score, t: torch.cat([logits, logits.topk(1).values + (score - t).unsqueeze(1)], 1)),
    ("6.5", lambda change, j: (a := j @ torch.linalg.solve(j.T @ j, j.T @ change), change - a)),
    (
        "6.5",
        lambda change, j: (change - (n := torch.linalg.svd(j)[0][:, j.shape[1] :]) @ (n.T @ change), n @ n.T @ change),
    ),
    ("6.1", _logs_first),
    ("6.2", _other_corners),
    ("6.2", _four_neighbours),
    ("6.3", _trapezoids),
    ("6.3", lambda inside, outside: scipy.stats.mannwhitneyu(outside, inside)[0] / (len(inside) * len(outside))),
    ("6.4", _row_by_row),
    ("6.5", _least_squares),
    ("6.5", lambda change, directions: (a := directions @ torch.linalg.pinv(directions) @ change, change - a)),
]


def _blends(image, flow):
    """Half of the warp, half of the image."""
    return (_four_neighbours(image, flow) + image) / 2


def _margin_of_safety(logits, score, threshold):
    return torch.cat([logits, (logits.amax(1) + score - threshold - 0.2)[:, None]], 1)


UNFORESEEN = {
    "6.1": (
        lambda distances: distances.shape[1] / 2,
        "the dimension (the distances (1, 2) and (1, 4) of two points): got 1, expected 0.9618",
    ),
    "6.2": (_blends, "a flow of 4 pixels to the right, away from the border: the shape is right, but the values are"),
    "6.3": (lambda inside, outside: 0.5, "the same answer whatever it is given"),
    "6.4": (
        _margin_of_safety,
        "whether image 0 is rejected (5 images, 4 classes, threshold 2): got False, expected True",
    ),
    "6.5": (lambda change, directions: (change / 2, change / 2), "the part along (the change (1, 2, 3) and"),
}


def _grid(image):
    return F.affine_grid(torch.eye(2, 3)[None], [1, 1, *image.shape[2:]], align_corners=True)


def _places(image, flow, less=1):
    """Where to read, scaled as for align_corners=True, or by the whole side."""
    height, width = image.shape[2:]
    x, y = torch.arange(width) + flow[:, 0], torch.arange(height)[:, None] + flow[:, 1]
    return torch.stack([2 * x / (width - less) - 1, 2 * y / (height - less) - 1], 3)


def _moves_the_flow(image, flow):
    result = _four_neighbours(image, flow)
    flow *= 2 / (image.shape[3] - 1)
    flow += 1
    return result


def _halves_ties_down(inside, outside):
    pairs = [(a, b) for a in inside.tolist() for b in outside.tolist()]
    return (sum(b > a for a, b in pairs) + sum(b == a for a, b in pairs) // 2) / len(pairs)


def _from_minus_nine_to_nine(inside, outside):
    """The curve at thresholds that know nothing of the scores."""
    alarms, hits = ((scores > torch.linspace(-9, 9, 1000)[:, None]).double().mean(1) for scores in (inside, outside))
    return -torch.trapezoid(hits, alarms)


def _beside(logits, last):
    return torch.cat([logits, last[:, None]], 1)


def _times(factor):
    return lambda logits, score, threshold: _beside(logits, factor * (score - threshold))


def _moves_the_score(logits, score, threshold):
    score -= threshold
    return _beside(logits, logits.amax(1) + score)


def _one_after_the_other(change, directions):
    rest = change.clone()
    for v in directions.T:
        rest = rest - v * (v @ rest) / (v @ v)
    return change - rest, rest


def _scales_the_directions(change, directions):
    directions /= directions.norm(dim=0) * 2
    return _gram_schmidt(change, directions)


ALSO_UNFORESEEN = [
    ("6.1", lambda distances: 1 / (distances[:, -1:] - distances[:, :-1]).mean(), "this takes differences"),
    ("6.1", lambda d: ((d.shape[1] - 2) / (d[:, -1:] / d[:, :-1]).log().sum(1)).mean(), "k - 2 goes with"),
    ("6.2", lambda image, flow: _by_scipy(image, flow * torch.tensor([1.0, -1])[:, None, None]), "y counts downwards"),
    ("6.2", lambda image, flow: _by_scipy(image, 2 * flow), "the values are not"),
    ("6.4", lambda logits, score, t: _beside(logits, logits.max() + score - t), "runs over the whole batch"),
    ("6.4", lambda logits, score, t: _beside(logits, logits.amax(1) + score.mean() - t), "runs over the whole batch"),
    ("6.4", lambda logits, score, t: _beside(logits, logits.amax(1) + (score - t).sigmoid()), "and below 0 elsewhere"),
    ("6.4", lambda logits, score, t: _beside(logits, logits.amax(1) + score - t + 1), "and below 0 elsewhere"),
    ("6.4", lambda logits, score, t: _beside(logits, logits.amax(1) + score / t - 1), "falls in some images"),
    ("6.2", lambda image, flow: F.grid_sample(image, flow, align_corners=True), "flow.permute(0, 2, 3, 1)"),
    ("6.2", lambda image, flow: F.grid_sample(image, _grid(image) + flow), "flow.permute(0, 2, 3, 1)"),
    ("6.2", lambda image, flow: F.grid_sample(image, _grid(image)), "one grid an image"),
    ("6.2", lambda image, flow: F.grid_sample(image, _places(image, flow)), "by half a pixel or so"),
    ("6.2", lambda image, flow: F.grid_sample(image, _places(image, flow, 0)), "by half a pixel or so"),
    ("6.2", _moves_the_flow, LEFT_BEHIND["in place"]),
    ("6.3", lambda inside, outside: (outside > inside).float().mean(), "each is compared with each"),
    ("6.3", _halves_ties_down, "`//` rounds it down"),
    ("6.3", _from_minus_nine_to_nine, "the area (80 inside and 130 outside scores in the thousands): got"),
    ("6.4", _times(1000), "larger than *every* class of its image"),
    ("6.4", _times(5000), "whether image 0 is rejected (2 images, 5 classes with logits near 2000 and -2000"),
    ("6.4", lambda logits, score, t: _beside(logits, logits.amax(1) + (score - t) ** 2), "falls in some images"),
    ("6.4", lambda logits, score, t: _beside(logits, logits.amax(1) + (score - t).abs()), "falls in some images"),
    ("6.4", lambda logits, score, t: _beside(logits, logits.amax(1) / t * score), "falls in some images"),
    ("6.4", lambda logits, score, t: _beside(logits, logits.amax(1) + t), "does not depend on the score"),
    ("6.4", _moves_the_score, LEFT_BEHIND["in place"]),
    (
        "6.4",
        lambda logits, score, t: _beside(logits, logits.amax(1) + score - (score.mean() + t) / 2),
        "alone than together",
    ),
    ("6.5", lambda change, j: _gram_schmidt(change, j)[0].norm() / change.norm(), "each in the shape of the change"),
    ("6.4", lambda logits, score, t: _beside(logits, logits.amax(1) + score - t + 0.01), "whether image 7 is rejected"),
    ("6.3", lambda inside, outside: torch.sigmoid(1000 * (outside[:, None] - inside)).mean(), "ten thousandths apart"),
    ("6.5", _one_after_the_other, "one direction after the other is taken out"),
    ("6.5", _scales_the_directions, LEFT_BEHIND["in place"]),
    ("6.4", lambda logits, score, t: torch.cat([logits, logits.amax(1) + score - t], 1), "write [:, None] after it"),
    ("6.4", lambda logits, score, t: torch.cat([logits, (logits.max(1) + score)[:, None]], 1), "logits.max(1).values"),
    ("6.4", lambda logits, score, t: torch.cat([logits, (logits.amax(0) + score)[:, None]], 1), "logits.amax(1), (N,)"),
    ("6.5", lambda change, j: j @ torch.linalg.inv(j @ j.T) @ change, "has only rank d, so it has no inverse"),
    ("6.5", lambda change, j: (j.T @ (j @ change), change), "a direction a *column*"),
]
