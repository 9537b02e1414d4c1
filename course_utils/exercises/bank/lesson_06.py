"""Lesson 06: a number of dimensions, a warp, the area under a curve, a class for the rejected, along and across."""

import torch
from torch import Tensor
from torch.nn import functional as F

from course_utils import figures
from course_utils.exercises.differences import describe_difference
from course_utils.exercises.engine import Exercise
from course_utils.exercises.probes import advised, as_number, on, want_two
from course_utils.images import scenes


def dimension(distances):
    inverses = (distances[:, -1:] / distances[:, :-1]).log().mean(1)
    return 1 / inverses.mean()


def _neighbourhoods():
    cube = torch.rand(300, 5)
    far = torch.cdist(cube, cube).sort(1).values[:, 1:]
    return {
        "the distances (1, 2) and (1, 4) of two points": (torch.tensor([[1.0, 2.0], [1.0, 4.0]]),),
        "300 points in a cube of 5 dimensions, k = 20": (far[:, :20],),
        "300 points in a cube of 5 dimensions, k = 4": (far[:, :4],),
    }


EX_DIMENSION = Exercise(
    "6.1",
    dimension,
    probe=on(_neighbourhoods, what="the dimension", plain=as_number),
    mistakes="""
`1 / inverses.mean()` -> `(1 / inverses).mean()`: the average of the estimates is too large, by half at k = 4, since 1/x
    bends upwards: average the inverses over the points, then invert once
`.mean(1)` -> `.sum(1) / distances.shape[1]` | `.mean(1)` -> `.sum(1) / (distances.shape[1] - 2)`: divided by k, or by k
    - 2: the sum has k - 1 terms (j = k would add log 1), and with k - 1 the inverses are right on average
`.log().mean(1)` -> `.mean(1).log()`: this is the logarithm of the mean, not the mean of the logarithms: first the log
`.log()` -> `.sqrt().log()` | `.log()` -> `.square().log()`: off by a factor of 2: take neither root nor square
`inverses.mean()` -> `inverses` | `.mean(1)` -> `` & `inverses.mean()` -> `inverses.mean(0)`: one number is asked for:
    the mean runs over the neighbours and over the points, before you invert
`distances[:, :-1]` -> `distances[:, :1]` | `distances[:, -1:] / distances[:, :-1]` -> `distances[:, 1:2] / distances[:,
    :1]`: one ratio a point is used: the sum of log(T_k / T_j) runs over all j below k, distances[:, :-1]
`distances[:, -1:] / distances[:, :-1]` -> `distances[:, 1:] / distances[:, :1]` | `distances[:, -1:]` -> `distances[:,
    1:]`: each distance is compared with the nearest one, or with the next: compare each with the farthest, T_k / T_j
`1 / inverses.mean()` -> `((distances.shape[1] - 2) / inverses / (distances.shape[1] - 1)).mean()`: k - 2 goes with the
    average of the estimates: average the inverses here, with k - 1, and then invert
`/ distances[:, :-1]).log()` -> `- distances[:, :-1])`: this takes differences of the distances: log(T_k / T_j)
`round(dimension(distances).item())`: rounded to a whole number: leave the estimate as it is
""",
    hints=(
        "How far is the last neighbour of a point in comparison with each nearer one, T_k / T_j?",
        "distances[:, -1:] / distances[:, :-1] holds k - 1 ratios a point; .log().mean(1) of them estimates 1/d there.",
        "Average the inverses over the points and invert at the end (MacKay and Ghahramani 2005): 1 / inverses.mean().",
    ),
    stars=2,
)


def warp(image, flow):
    y, x = torch.meshgrid(*map(torch.arange, image.shape[2:]), indexing="ij")
    pixels = torch.stack([x, y], 2).to(flow.device)
    last = pixels[-1, -1]
    places = pixels + flow.permute(0, 2, 3, 1)
    return F.grid_sample(image, 2 * places / last - 1, padding_mode="border", align_corners=True)


LAST = "grid_sample wants its grid as (N, H, W, 2): flow.permute(0, 2, 3, 1), or torch.stack([x, y], dim=3)"
DOWN = f"x runs along dim 2, torch.arange(width), and y along dim 1, torch.arange(height)[:, None]. And {LAST}"
ONE_GRID_EACH = "grid_sample wants one grid an image: the grid's first dimension is N, as in the flow"
WARP_ADVICE = {"same batch size": ONE_GRID_EACH, "non-singleton dimension": DOWN, "size 2 in last": LAST}


def _probe_warp(attempt):
    """Two views that are not square, and flows for them that stop before the border; then one that does not."""
    with torch.no_grad():
        views = scenes.DESK.render(scenes.random_poses(3))
    attempt, images, inside = advised(attempt, WARP_ADVICE), views[:2, :, 3:25], F.pad(torch.ones(14, 20), [4] * 4)
    bends = F.interpolate(torch.randn(2, 2, 3, 3), (22, 28), mode="bicubic")
    for name, flow in (
        ("a flow of zero, which moves nothing", 0 * bends),
        ("a flow of 4 pixels to the right, away from the border", torch.tensor([[[4.0]], [[0.0]]]) * inside),
        ("a flow of 3 pixels down, away from the border", torch.tensor([[[0.0]], [[3.0]]]) * inside),
        ("a flow of fractions of a pixel, away from the border", bends * inside),
        ("a flow that leaves the picture", 9 * bends),
    ):
        yield {name: attempt(images, flow.expand(2, -1, -1, -1))}
    for number, name in (1, "one image"), (3, "three images"):
        yield {name: attempt(views[:number, :, 3:25], torch.randn(number, 2, 22, 28))}


def _draw_warp(seen, expected):
    """The first picture that differs, beside the right one; the flow of zero gives the image itself."""
    name = next(n for n in seen if describe_difference(seen[n], expected[n]))
    shown = [next(iter(expected.values()))[0], expected[name][0], seen[name][0]]
    return figures.images(shown, ["the image", "the reference's", "yours"], alt=f"An image moved by {name}, and yours.")


EX_WARP = Exercise(
    "6.2",
    warp,
    _probe_warp,
    mistakes="""
`+ flow` -> `- flow`: the wrong way: each pixel reads where its arrow points, image(x + flow(x)). Push none along it
`flow.permute(0, 2, 3, 1)` -> `flow.permute(0, 2, 3, 1) * torch.tensor([1, -1])`: y counts downwards: add both
`flow.permute` -> `flow.flip(1).permute`: channel 0 of the flow goes to the right, channel 1 down
`2 * places / last - 1` -> `(2 * places / last - 1).flip(3)`: grid_sample wants x (along the width) first, then y
`2 * places / last - 1` -> `places` | `2 * places / last - 1` -> `places / last`: the grid is in pixels, or runs from 0
    to 1: grid_sample wants -1 at the first pixel and 1 at the last, 2 * x / (W - 1) - 1
`pixels[-1, -1]` -> `pixels[-1, -1].flip(0)`: x is to be divided by W - 1, y by H - 1
`corners=True` -> `corners=False` | `/ last` -> `/ (last + 1)` | `/ last` -> `/ (last + 1)` & `corners=True` ->
    `corners=False` | `2 * places / last` -> `(2 * places + 1) / (last + 1)` | `padding_mode="border",
    align_corners=True` -> `` | `/ last - 1, padding_mode="border", align_corners=True` -> `/ (last + 1) - 1`: the flow
    is zero and the picture moves or stretches, by half a pixel or so: with align_corners=True pixel 0 is at -1 and
    pixel W - 1 at 1, so x becomes 2 * x / (W - 1) - 1
`pixels + ` -> `` | `2 * places / last - 1` -> `flow.permute(0, 2, 3, 1)`: all are read from one place: the flow counts
    *from each pixel*. Add where the pixels are, torch.arange(width) and torch.arange(height)[:, None]
`+ flow` -> `+ last / 2 * flow` | `+ flow` -> `+ last / (last + 1) / 2 * flow` | `+ flow` -> `+ 0.5 * flow` | `+ flow`
    -> `+ last / (last + 1) * flow`: the flow is in pixels, and the grid in halves of the picture: a pixel is 2 / (W -
    1) to the right and 2 / (H - 1) down. Add in pixels first, then scale the sum
`permute(0, 2, 3, 1)` -> `reshape(-1, *y.shape, 2)`: reshape and view mix right with down: flow.permute(0, 2, 3, 1)
`warp(image, 0 * flow)`: the image comes back as it was: where is the flow?
`"border"` -> `"zeros"` | `"border"` -> `"reflection"`: the border is repeated (the default is 0): padding_mode="border"
`- 1, padding` -> `- 1, "nearest", padding` | `+ flow` -> `+ flow.round()` | `+ flow` -> `+ flow.trunc()` | `+ flow` ->
    `+ flow.floor()`: between pixels the value is a mix of four: do not round, and leave mode="bilinear"
`- 1, padding` -> `- 1, "bicubic", padding`: this mixes 16 pixels, and should mix four: mode="bilinear"
""",
    picture=_draw_warp,
    hints=(
        "Each pixel of the result has a place to read from: where it is, plus its arrow. Work in pixels first.",
        "x = torch.arange(width) + flow[:, 0] and y = torch.arange(height)[:, None] + flow[:, 1] are these places.",
        "grid_sample wants -1 to 1: 2 * x / (width - 1) - 1, the same for y; then torch.stack([x, y], dim=3).",
        'return F.grid_sample(image, grid, padding_mode="border", align_corners=True)',
    ),
    stars=3,
)


def area(inside, outside):
    above = (outside[:, None] > inside).float().mean()
    level = (outside[:, None] == inside).float().mean()
    return (above + level / 2).item()


def _scores():
    spread, shifted = torch.randn(80), torch.randn(130) + 0.7
    return {
        "the inside scores 1, 3 and the outside scores 2, 4, 5": (torch.tensor([1.0, 3]), torch.tensor([2.0, 4, 5])),
        "80 inside and 130 outside scores that overlap": (spread, shifted),
        "130 inside and 80 outside scores that overlap": (shifted, spread),
        "the inside scores 1, 2 and the outside scores 2, 3": (torch.tensor([1.0, 2]), torch.tensor([2.0, 3])),
        "scores among which many tie": ((2 * spread).round(), (2 * shifted).round()),
        "80 inside and 130 outside scores in the thousands": (5000 + 1000 * spread, 5000 + 1000 * shifted),
        "80 inside and 130 outside scores, ten thousandths apart": (spread / 1e4, shifted / 1e4),
    }


ALL_PAIRS = "of N inside and M outside scores each is compared with each: outside[:, None] > inside is (M, N)"
CUTS = (
    "inside.mean(); inside.median(); (inside.mean() + outside.mean()) / 2; inside.quantile(0.95); inside.max(); 0.5; "
    "torch.cat([inside, outside]).mean(); torch.cat([inside, outside]).median()"
)
JUDGED = (
    "(outside > (t := {})).float().mean(); torch.cat([outside > (t := {}), inside <= t]).float().mean(); "
    "((outside > (t := {})).float().mean() + (inside <= t).float().mean()) / 2"
)
AT_ONE_THRESHOLD = " | ".join(f"`{share.format(t)}`" for share in JUDGED.split("; ") for t in CUTS.split("; "))

EX_AREA = Exercise(
    "6.3",
    area,
    probe=on(_scores, what="the area", plain=as_number, advice={"must match the size": ALL_PAIRS}),
    mistakes="""
`above + level / 2` -> `above` | `> inside` -> `>= inside` & `above + level / 2` -> `above`: a pair with equal scores
    counts half, not as lost and not as won (a coin would decide it)
`((outside[:, None] > inside).sum() + (outside[:, None] == inside).sum() // 2) / len(inside) / len(outside)`: `//`
    rounds it down where the number of ties is odd: divide with /
`(lambda pairs: sum((b > a) + (b == a) / 2 for a, b in pairs) / len(pairs))([*zip(inside, outside)])` | `(lambda pairs:
    sum((b > a) + (b == a) / 2 for a, b in pairs) / len(pairs))([*zip(inside.sort()[0], outside.sort()[0])])`: zip pairs
    the first with the first: each outside score is compared with *each* inside score
`outside[:, None] > inside` | `(outside[:, None] > inside).float().mean(1)`: one number is asked for: .float().mean()
`(outside[:, None] > inside).float().sum()`: this is the number of pairs won: divide by that of all pairs, N * M
`outside.mean() - inside.mean()` | `(outside.mean() > inside.mean()).float()`: compare all pairs, not the means
`2 * area(inside, outside) - 1`: these are pairs won minus pairs lost: count those won, and half of the ties
`max(area(inside, outside), 1 - area(inside, outside))`: an area below 0.5 is a finding: leave it as it is
"""
    f"{AT_ONE_THRESHOLD}: this judges one threshold. The area is the share of all pairs with outside above inside",
    hints=(
        "Take one score of each kind: which is higher? The area is the share of pairs in which it is the outside one.",
        "outside[:, None] > inside makes a table of all pairs, (M, N). Its mean, after .float(), is that share.",
        "Ties count half: add (outside[:, None] == inside).float().mean() / 2.",
    ),
    stars=2,
)


def guard(logits, score, threshold):
    excess = score - threshold
    return torch.cat([logits, (logits.amax(1) + excess)[:, None]], 1)


COLUMN = "torch.cat([...], 1) sets columns side by side, (N, 1). One score an image is (N,): write [:, None] after it"
VALUES = "max(1) gives values and indices: take logits.max(1).values, or logits.amax(1)"
PER_IMAGE = "logits have a row an image and a column a class: the largest logit of each image is logits.amax(1), (N,)"
GUARD_ADVICE = {"return_types": VALUES, "same number of dimensions": COLUMN, "must match the size": PER_IMAGE}


def _probe_guard(attempt):
    """One symptom after the other: the classes, what the last logit does as the score grows, who is rejected."""
    attempt = advised(attempt, GUARD_ADVICE | {"Sizes of tensors must match": COLUMN})
    beyond = torch.tensor([0.1, -0.3, 4.0, -4.0, -1.0, 1.0, 0.002, -0.002])
    for name, number, classes, threshold, spread, level in (
        ("5 images, 4 classes, threshold 2", 5, 4, 2.0, 4.0, [0.0]),
        ("one image, 10 classes with logits near 200, threshold 0.3", 1, 10, 0.3, 4.0, [200.0]),
        ("8 images, 3 classes, threshold -6", 8, 3, -6.0, 0.3, [0.0]),
        ("2 images, 5 classes with logits near 2000 and -2000, threshold 1", 2, 5, 1.0, 4.0, [2000.0, -2000.0]),
    ):
        logits = (spread * torch.randn(number, classes) + torch.tensor(level)[:, None]).requires_grad_()
        score, shape = (threshold + beyond[:number]).requires_grad_(), (number, classes + 1)
        result = attempt(logits * 1, score * 1, threshold)
        fits = isinstance(result, Tensor) and result.shape == shape
        yield {f"the logits with one more ({name})": torch.zeros(shape) if fits else result}
        if not fits:
            return
        *_, last = result.detach().unbind(1)
        yield {f"the logits of the {classes} classes, which stay as they are ({name})": result[:, :-1].detach()}
        rows = [attempt(logits[i : i + 1] * 1, score[i : i + 1] * 1, threshold) for i in range(number)]
        depends = not torch.allclose(torch.cat(rows), result, rtol=1e-4, equal_nan=True)
        yield {f"whether images depend on each other ({name})": depends} | ({"each alone": rows} if depends else {})
        moves = {}
        for how, other in ("grows by 0.02", score + 0.02), ("crosses the threshold", 3 * threshold - 2 * score):
            move = (attempt(logits.detach(), other.detach(), threshold)[:, -1] - last).sign()
            words = ("falls", "stays", "rises")
            moves[f"the last logit as the score {how} ({name})"] = " or ".join(words[int(s) + 1] for s in move.unique())
        yield moves
        (slope,) = torch.autograd.grad(result[:, -1].sum() + 0 * score.sum(), score, retain_graph=True)
        (own,) = torch.autograd.grad(result[:, :-1].sum() + 0 * logits.sum(), logits)
        flows = {"the last logit to the score": bool((slope > 0).all()), "the classes to their logits": bool(own.all())}
        yield {f"whether a gradient leads from {way} ({name})": found for way, found in flows.items()}
        says, right = (result.argmax(1) == classes).tolist(), (score > threshold).tolist()
        found = {f"whether image {i} is rejected ({name})": rejected for i, rejected in enumerate(says)}
        yield found | ({"the last logits": last} if says != right else {})


EX_GUARD = Exercise(
    "6.4",
    guard,
    _probe_guard,
    mistakes="""
`logits.amax(1) + excess` -> `torch.where(excess > 0, torch.inf, -torch.inf)` | `logits.amax(1) + excess` -> `(excess >
    0).float()`: the decisions may be right, but the switch is hard: the gradient of the last logit is 0. An attack
    would fail for want of a direction, and you would take that for safety (gradient masking). Let it grow with the
    score
`+ excess` -> `+ excess.clamp(min=0)`: in some images the last logit does not move with the score, and its gradient is
    0: clamp, relu and a steep sigmoid cut it off. Leave the difference as it is, negative where the image is accepted
`+ excess` -> `- excess`: this rejects where the score is *below* the threshold: add score - threshold
`logits.amax(1) + excess` -> `0 * excess`: the last logit does not depend on the score: add score - threshold
`logits.amax(1) + ` -> `` | `logits.amax(1) + ` -> `1000 * ` | `logits.amax(1) + excess` -> `score` | `amax` -> `mean`:
    the last logit has to be larger than *every* class of its image where score > threshold: begin with logits.amax(1)
`amax(1)` -> `amax()` | `+ excess` -> `+ excess.mean()`: a maximum or a mean runs over the whole batch: logits.amax(1)
`+ excess` -> `+ excess.sigmoid()` | `+ excess` -> `+ F.softplus(excess)` | `+ excess` -> `+ excess + 1`: what is added
    to the largest logit has to be above 0 just where score > threshold, and below 0 elsewhere
`logits.amax` -> `logits.softmax(1).amax`: the largest *probability* is compared with logits here: logits.amax(1)
`amax` -> `logsumexp`: logsumexp lies above the largest logit, so too many are rejected: logits.amax(1)
` - threshold` -> ``: the threshold is missing: reject where the score is above it, so add score - threshold
`+ excess` -> `* score / threshold` | `+ excess` -> `* (1 + excess)` | `+ excess` -> `+ score / threshold - 1` | `+
    excess` -> `+ excess.abs()`: the last logit falls in some images as the score grows (abs and a square do so below
    the threshold, a ratio or a product where something is negative): add score - threshold
`guard(logits, score, threshold).roll(1, 1)`: the new class stands first, which renumbers all others: put it last
`[logits,` -> `[logits - logits.amax(1, True),` | `[logits,` -> `[logits * (excess <= 0)[:, None],` | `[logits,` ->
    `[logits.masked_fill((excess > 0)[:, None], -torch.inf),`: the logits of the classes change: leave them as they are
`+ excess` -> `+ excess.detach()` | `[logits,` -> `[logits.detach(),` | `guard(logits, score, threshold).detach()`: no
    gradient leads to the score, or to the classes' own logits, for an attack to follow: no .detach(), .item(), .data
`logits.amax(1) + score - threshold` | `guard(logits, score, threshold).argmax(1)`: this is one number an image: return
    all logits, (N, K + 1), torch.cat([logits, rejected[:, None]], 1)
""",
    hints=(
        "The new logit has to pass the largest of the others, logits.amax(1), just where score > threshold.",
        "What is positive just there, with a gradient everywhere? score - threshold. (Carlini and Wagner 2017)",
        "torch.cat([logits, rejected[:, None]], 1), where rejected = logits.amax(1) + score - threshold",
    ),
    stars=2,
)


def split(change, directions):
    basis = torch.linalg.qr(directions).Q
    along = basis @ (basis.T @ change)
    return along, change - along


ROWS = "directions (D, d) has a direction a *column*, and so has a basis B of their span: B @ (B.T @ change)"
SINGULAR = "directions @ directions.T has only rank d, so it has no inverse: take torch.linalg.qr(directions).Q"
DESK = "a motion of the desk with noise, and its 6 directions"


def _probe_split(attempt):
    """Changes to take apart, and directions: in 3 dimensions, and the motions of the desk, by small steps."""
    advice = {"singular": SINGULAR} | dict.fromkeys(("cannot be multiplied", "size mismatch", "must match"), ROWS)
    attempt, home, moves, seen = advised(attempt, advice), 0.2 * torch.ones(1, 7), 0.01 * torch.eye(7)[:6], {}
    with torch.no_grad():
        desk = (scenes.DESK.render(home + moves) - scenes.DESK.render(home - moves)).flatten(1).T / 0.02
    motion = desk @ torch.tensor([0.3, -0.2, 0.5, 0.1, 0.4, -0.6])
    change, two = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([[1.0, 1.0], [0.0, 1.0], [0.0, 0.0]])
    for name, *given in (
        ("the change (1, 2, 3) and the directions (1, 0, 0) and (1, 1, 0)", change, two),
        ("the change (1, 2, 3) and the directions (0, 0, 1) and (0, 1, 1)", change, two.flip(0)),
        (DESK, motion / motion.norm() + torch.randn(784) / 28, desk),
    ):
        result = attempt(*given)
        want_two(result, "the part along the directions, and the rest, each in the shape of the change")
        seen[f"the part along ({name})"], seen[f"the part across ({name})"] = map(as_number, result)
    return seen


def _draw_parts(seen, expected):
    """The part along of the desk's motion, 0 in the middle grey: the reference's and the attempt's."""
    parts = [observed[f"the part along ({DESK})"].view(1, 28, 28) for observed in (expected, seen)]
    shown = [(0.5 + part / part.abs().max().clamp_min(1e-6) / 2).clamp(0, 1) for part in parts]
    one, two = (f"largest: {part.abs().max():.3g}" for part in parts)
    return figures.images(shown, [f"the part along\n{one}", f"yours\n{two}"], alt="The part along, and yours.")


EX_SPLIT = Exercise(
    "6.5",
    split,
    _probe_split,
    mistakes=r"""
`along =` -> `basis = directions; along =` | `along =` -> `basis = directions / directions.norm(dim=0); along =` |
    `along =` -> `basis = directions / directions.norm(); along =` | `along =` -> `basis = F.normalize(directions,
    dim=1); along =`: a matrix times its transpose projects only if its *columns* have length 1 *and* stand at right
    angles: torch.linalg.qr(directions).Q
`basis = torch.linalg.qr(directions).Q` -> `rest = change` & `along = basis @ (basis.T @ change)` -> `for v in
    directions.T:\n        rest = rest - v * (v @ rest) / (v @ v)\n    along = change - rest`: one direction after the
    other is taken out, and brings back a bit of those before, since they do not stand at right angles:
    torch.linalg.qr(directions).Q
`along, change - along` -> `change - along, along`: the two are exchanged: the part along the directions comes first
`(directions).Q` -> `(directions, mode="complete").Q`: this basis has all D dimensions, so the rest is 0: qr without
    "complete", svd with full_matrices=False
`.Q` -> `.Q[:, :1]`: only one direction is used: the span has d of them
`change - along` -> `change`: the second part is the whole change: take the first away from it, change - along
`return along` -> `return basis.T @ change` | `return along` -> `return torch.linalg.pinv(directions) @ change` |
    `return along` -> `return directions.T @ change`: these are the d coefficients: the part itself is basis @
    coefficients, in the shape of the change
`[p.norm() / change.norm() for p in split(change, directions)]` | `[(p.norm() / change.norm()) ** 2 for p in
    split(change, directions)]` | `[p.norm() for p in split(change, directions)]`: these are lengths, or shares: return
    the parts themselves, each in the shape of the change
""",
    picture=_draw_parts,
    hints=(
        "On an orthonormal basis B a projection is easy: B @ (B.T @ change). The columns of a Jacobian are none yet.",
        "torch.linalg.qr(directions).Q has orthonormal columns that span the same; torch.linalg.lstsq does it too.",
        "along = basis @ (basis.T @ change), and the rest is change - along.",
    ),
    stars=2,
)

EXERCISES = (EX_DIMENSION, EX_WARP, EX_AREA, EX_GUARD, EX_SPLIT)
