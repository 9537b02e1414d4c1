"""Lesson 04: mutation, selection in every class, a network that paints, gradient ascent, a threshold as detector."""

import torch
from torch.nn import functional as F

from course_utils import figures
from course_utils.exercises import probes
from course_utils.exercises.differences import describe_difference
from course_utils.exercises.engine import Exercise


def mutate(genes, rate):
    u = torch.rand_like(genes)
    step = torch.where(u < 0.5, (2 * u) ** (1 / 16) - 1, 1 - (2 - 2 * u) ** (1 / 16))
    moves = torch.rand_like(genes) < rate
    return torch.where(moves, genes + step, genes).clamp(0, 1)


def _probe_mutate(attempt):
    """What a mutation does, from the coarse to the fine. Bad luck fails a right answer less than once in 1e9 times."""
    attempt = probes.advised(attempt, {"Boolean value of Tensor": "`if` decides once: torch.where(u < 0.5, down, up)"})
    genes = torch.full((8, 3, 10, 10), 0.5)
    probes.want_like(attempt(genes, 0.4), genes, "the children")
    shares = [_near((attempt(genes, rate) != genes).double().mean(), rate, 0.06) for rate in (0.0, 0.4, 1.0)]
    steps = torch.stack([attempt(genes, 0.4) for _ in range(30)]) - 0.5
    moved = (steps != 0).double()
    yield {"whether genes move together": _together(moved)}
    yield {"the share of genes that move at the rates 0, 0.4 and 1": shares}
    same = len(moved.flatten(1).sum(1).unique()) == 1
    yield {"the number of genes that move": "the same each time (a seed?)" if same else "left to chance"}
    for shape in (60,), (6, 10), ():
        parents = torch.rand(shape)
        child = attempt(parents, 0.0)
        probes.want_like(child, parents, f"the children of genes of shape {shape}")
        probes.want_new(child, "the parents", parents)
    yield {"whether genes share a step": _together(steps)}
    halves = -steps[steps < 0], steps[steps > 0]
    shares = [_near(len(half) / moved.sum(), 0.5, 0.06) for half in halves]
    lengths = [_near(half.median() / 0.0424, 1.0, 0.12) for half in halves]
    yield {"steps down and up: their shares, their median lengths / 0.0424": (*shares, *lengths)}
    bent = -torch.log1p(-torch.cat(halves).clamp(max=0.499))  # the formula makes these exponential
    yield {"the exponent that fits the steps": f"1/{_near(1 / bent.mean(), 16.0, 0.6):.0f}"}
    child = attempt(torch.tensor([0.03, 0.97]).repeat(4000).view(8, 10, 10, 10), 1.0)
    yield {"whether all children lie in [0, 1]": bool(((child >= 0) & (child <= 1)).all())}
    stopped = _near(((child == 0) | (child == 1)).double().mean(), 0.31, 0.06)
    yield {"the share of genes at 0.03 and 0.97 that end at 0 or 1 exactly (rate 1)": stopped}


def _near(found, right, tolerance):
    """``right`` if it is near enough; otherwise what was found, as coarsely as shows that it is not."""
    return right if abs(found - right) <= tolerance else round(float(found), 1)


def _together(values):
    """Whether neighbours agree more than by chance: two images, two channels, two rows or two columns of a call."""
    values, dims = values - values.mean(), range(1, values.ndim)
    pairs = [(values.narrow(d, 1, n - 1), values.narrow(d, 0, n - 1)) for d in dims for n in [values.shape[d]]]
    return any(bool((a * b).mean() > 0.1 * values.var()) for a, b in pairs)


EX_MUTATE = Exercise(
    "4.1",
    mutate,
    _probe_mutate,
    mistakes="""
`rand_like(genes) <` -> `rand(()) <`: genes move together: throw a coin for each gene, torch.rand_like(genes) < rate
`< rate` -> `>= rate`: `rate` is the share of genes that *stay* here: those move whose number is below rate
`< rate` -> `< 0.1`: 0.1 is written out: use `rate`
`genes.clone()`: no gene moves. (Mind that 1 // 16 is 0)
`torch.where(moves, genes + step, genes)` -> `(genes + step)`: all genes move: choose with torch.rand_like(genes) < rate
`genes + step` -> `genes + rate * step`: `rate` is the chance of a step: it does not make the step shorter
`torch.rand_like(genes) < rate` -> `u < rate`: one number is coin and u, so all that move go down: draw two
`u = torch.rand_like(genes)` -> `u = torch.rand(())`: all genes share one step: draw a u for each gene
`genes + step` -> `genes + step.clamp(0, 1)`: no gene goes down: clip the child, not the step (or is a half missing?)
`genes + step` -> `genes + step.sign() * (1 - (1 - step.abs()) ** 256)`: all end black or white: use ** (1 / 16)
`genes + step` -> `genes + step.sign() * (1 - (1 - step.abs()) ** (16 / 15))`: the exponent is 1/16, not 1/15
`genes + step` -> `genes + 0.2 * u - 0.1`: these steps are plain noise: put u through the formula
`u < 0.5` -> `u < 2` | `u < 0.5` -> `u < 0` | `- 1, 1 -` -> `, 1 -` | `1 - (2` -> `(2`: a part of the formula is missing
`return` -> `x =` & `.clamp(0, 1)` -> `; return 1 - (1 - x.abs()).abs()`: clamp(0, 1): do not reflect or wrap
""",
    hints=(
        "Two random numbers for each gene, torch.rand_like(genes): one says whether it moves, the other one how far.",
        "step = torch.where(u < 0.5, (2 * u) ** (1 / 16) - 1, 1 - (2 - 2 * u) ** (1 / 16))",
        "return torch.where(torch.rand_like(genes) < rate, genes + step, genes).clamp(0, 1)",
    ),
    stars=2,
)


def challenge(elites, confidence, children, scores):
    best, child = scores.max(0)
    won = best > confidence
    new_elites = torch.where(won[:, None, None, None], children[child], elites)
    return new_elites, torch.where(won, best, confidence)


def _probe_challenge(attempt):
    """Who holds each class after the children have challenged it, and with what confidence."""
    attempt = probes.advised(attempt, {"dimension 3": "a condition that chooses between images: [:, None, None, None]"})
    for name, *rows in (  # per cent: the elites' confidence, then the scores of each child
        ("5 children", [60, 50, 25], [70, 10, 15], [5, 45, 30], [80, 5, 5], [25, 5, 50], [75, 15, 5]),
        ("2 children", [10, 10, 10, 10, 10], [60, 30, 5, 3, 2], [50, 20, 10, 15, 5]),
        ("one child, no better", [90, 80, 70], [40, 30, 30]),
    ):
        confidence, *scores = torch.tensor(rows) / 100
        elites, children = torch.rand(len(confidence), 3, 4, 2), torch.rand(len(scores), 3, 4, 2)
        result = attempt(elites, confidence, children, torch.stack(scores))
        probes.want_two(result, "the new elites and their confidence")
        probes.want_like(result[0], elites, f"the new elites ({name})")
        seen = {f"who holds class {k} ({name})": "an image without a right to it" for k in range(len(elites))}
        for k, image in enumerate(result[0]):
            known = {"its old elite": elites[k]} | {f"child {p}": child for p, child in enumerate(children)}
            seen |= {f"who holds class {k} ({name})": who for who, it in known.items() if torch.equal(image, it)}
        yield seen | {f"the new confidence ({name})": result[1]}
        probes.want_new(result[0], "the elites or the children", elites, children)
        probes.want_new(result[1], "the old confidence", confidence)


EX_CHALLENGE = Exercise(
    "4.2",
    challenge,
    _probe_challenge,
    mistakes="""
`scores.max(0)` -> `(scores * (scores == scores.amax(1, True))).max(0)`: each child challenges all classes
`best > confidence` -> `best >= confidence`: a child that only draws level takes the place: > in place of >=
`best > confidence` -> `best > -1`: the best child takes a place where the elite is surer: compare class by class
`best > confidence` -> `best < confidence` | `best > confidence` -> `best <= confidence`: the less sure takes the place
`scores.max(0)` -> `scores.where((scores > confidence).cumsum(0) == 1, 0).max(0)`: the first wins, not the best
`scores.max(0)` -> `scores.max(1)`: max(1) gives the best *class* of each child: max(0) the best child of each class
`torch.where(won, best, confidence)` -> `confidence + 0`: the confidence is still the old one
""",
    hints=(
        "Class by class: which child has the highest score, and is it above the elite's? won = best > confidence",
        "scores.max(0) gives both for all classes at once: the best score of each column, and which child has it.",
        "torch.where(won[:, None, None, None], children[child], elites) and torch.where(won, best, confidence)",
    ),
    stars=2,
)


def paint(functions, links, inputs):
    values = dict(inputs)
    for node, function in functions.items():
        total = torch.zeros_like(values["x"])
        for (source, target), weight in links.items():
            if target == node:
                total = total + weight * values[source]
        values[node] = function(total)
    return values[node].abs().clamp(max=1)


Y, X = torch.meshgrid(torch.linspace(-1, 1, 5), torch.linspace(-1, 1, 7), indexing="ij")
GRID = {"x": X, "y": Y, "radius": torch.hypot(X, Y), "bias": torch.ones(5, 7)}
CHAIN = {(5, 4): 0.9, (6, 4): -1.4, (6, 5): 2.0, ("x", 6): 1.9, ("y", 5): 0.6, ("radius", 5): 0.3}
GENOMES = (
    {"a sine of x and the bias": ({"out": torch.sin}, {("x", "out"): 1.5, ("bias", "out"): 0.4}, GRID)},
    {"three nodes in a row": ({6: torch.positive, 5: torch.cos, 4: torch.sin}, CHAIN, GRID)},
    {"levels below 0 and above 1": ({"out": torch.positive}, {("y", "out"): 1.4, ("radius", "out"): 0.2}, GRID)},
    {"a node without links": ({1: torch.cos, 0: torch.sin}, {(1, 0): 0.6, ("x", 0): 0.2}, GRID)},
)
NO_LINKS = "a node without links has the sum 0 everywhere, torch.zeros_like(inputs['x']): `sum` of [] is a mere number"


def _draw_painting(seen, expected):
    """The first painting that differs, beside the right one."""
    name = next(n for n in seen if describe_difference(seen[n], expected[n]))
    shown = {"the reference's": expected[name], "yours": seen[name]}
    captions = [f"{who}:\n{levels.min():.2f} to {levels.max():.2f}" for who, levels in shown.items()]
    return figures.images([levels[None].clamp(0, 1) for levels in shown.values()], captions, alt=f"{name}, and yours.")


EX_PAINT = Exercise(
    "4.3",
    paint,
    probes.on(*GENOMES, what="the painting", typed=True, advice={"must be Tensor, not": NO_LINKS}),
    mistakes="""
`weight * values[source]` -> `values[source]`: the weights are not used: each source counts with the weight of its link
`total + weight` -> `weight`: only the last link counts: add up, total = total + weight * values[source]
`torch.zeros_like(values["x"])` -> `locals().get("total", 0 * values["x"])`: begin each node with zeros
`(source, target), weight` -> `(target, source), weight`: source and target are exchanged: source gives, target takes
`+ weight * values[source]` -> `+ function(weight * values[source])` & `= function(total)` -> `= total`: the function
    takes the weighted sum of all links: do not call it for each
`= function(total)` -> `= total` & `values[node].abs()` -> `function(values[node]).abs()`: a link brings the sum of its
    source: put function(total) into values
`= function(total)` -> `= total` | `return values[node]` -> `return total`: a node's function is missing
`.abs()` -> `` | `.abs().clamp(max=1)` -> `.clamp(0, 1)`: the grey level is the absolute value: .abs().clamp(max=1)
`target == node` -> `target == node and source != "bias"`: the bias is left out: it is an input like the others
`target == node` -> `target == node and source in inputs`: hidden nodes are sources too: keep all values in one dict
""",
    picture=_draw_painting,
    hints=(
        "Keep the values of all nodes in one dict that begins with those of the inputs, and fill in node by node.",
        "Begin each node with zeros, add weight * values[source] for each link to it; function(total) completes it.",
    ),
    stars=3,
)


def climb(model, targets, images, steps, step_size):
    x = images
    for _ in range(steps):
        x = x.detach().requires_grad_()
        confidence = F.log_softmax(model(x), 1).gather(1, targets[:, None]).sum()
        (gradient,) = torch.autograd.grad(confidence, x)
        largest = gradient.abs().amax((1, 2, 3), keepdim=True).clamp_min(1e-12)
        x = (x + step_size * gradient / largest).clamp(0, 1)
    return x.detach()


def _probe_climb(attempt):
    """A curved network; one so sure that the targets' probability is 0 in float32; one that does not look."""
    fresh = "begin each step with x = x.detach().requires_grad_(), and ask with torch.autograd.grad(score, x)"
    attempt = probes.advised(attempt, dict.fromkeys(("NoneType", "not require grad", "a second time"), fresh))
    network, sure, blind = (probes.small_network() for _ in range(3))
    network[1].weight.data /= 2
    sure[4].weight.data *= 200
    blind[1].weight.data *= 0
    images, targets = probes.small_images(7), torch.randint(0, probes.CLASSES, (7,))
    for name, model, goals, steps, size in (
        ("7 images, 4 steps of 0.05", network, targets, 4, 0.05),
        ("one image, 1 step of 0.3", network, targets[:1], 1, 0.3),
        ("7 images, 2 steps, and a network that is sure of other classes", sure, sure(images).argmin(1), 2, 0.02),
        ("7 images, 2 steps, and a network that does not look at them", blind, targets, 2, 0.1),
    ):
        yield probes.watch(name, images[: len(goals)], lambda x: attempt(model, goals, x, steps, size))  # noqa: B023


EX_CLIMB = Exercise(
    "4.4",
    climb,
    _probe_climb,
    mistakes=r"""
`x + step_size` -> `x - step_size`: this descends: add the step (cross-entropy is *minus* the log softmax: subtract it)
`F.log_softmax` -> `F.softmax`: a softmax rounded to 0 has the gradient 0, and nothing moves: F.log_softmax
`F.log_softmax(model(x), 1)` -> `model(x).softmax(1).log()`: NaN where softmax is 0, for log 0 is -inf: F.log_softmax
`F.log_softmax(model(x), 1)` -> `model(x)`: this climbs the logit alone, and the others may climb faster: F.log_softmax
`.gather(1, targets[:, None])` -> `[:, targets]`: this takes all targets for each image: .gather(1, targets[:, None])
`.clamp_min(1e-12)` -> ``: a gradient of 0 gives 0/0, which is NaN: .clamp_min(1e-12) on the largest entry
`.amax((1, 2, 3), keepdim=True)` -> ``: each pixel moves by step_size, as with signs: divide by the largest of its image
` / largest` -> ``: the step is as long as the gradient happens to be: divide by its largest absolute entry
`.abs().amax(` -> `.norm(2, `: divided by the Euclidean length: take the largest absolute entry, .abs().amax
`.clamp(0, 1)` -> `` & `return x.detach()` -> `return x.detach().clamp(0, 1)`: clip after each step, not only at the end
`climb(model, targets, images, 1, steps * step_size)`: all steps follow the first gradient: take a new one at each x
`x = images` -> `x, kept = images, 0` & `largest =` -> `gradient = kept = kept + gradient\n        largest =`:
    `backward` adds to the .grad that is there: clear it in each step, or use torch.autograd.grad
`range(steps)` -> `range(1)`: only one step shows: is `return` inside the loop, or does each round start from `images`?
`targets[:, None]` -> `model(images).argmax(1)[:, None]`: this climbs to the class named already, not `targets`
""",
    picture=probes.draw_change("7 images, 4 steps of 0.05"),
    hints=(
        "The number to climb is F.log_softmax(model(x), 1).gather(1, targets[:, None]).sum(), for torch.autograd.grad.",
        "The length: largest = gradient.abs().amax((1, 2, 3), keepdim=True).clamp_min(1e-12), one number an image.",
        "x = (x + step_size * gradient / largest).clamp(0, 1) in the loop; return x.detach() after it.",
    ),
    stars=3,
)


def catch(clean, other, keep=0.95):
    may_reject = int((1 - keep) * len(clean) + 1e-6)
    t = clean.sort().values[may_reject]
    return t.item(), (other < t).float().mean().item()


def _probe_catch(attempt):
    """Confidences that lie far apart; last where keep * N is whole, or rounding decides."""
    spread, many = (torch.linspace(0.3, 0.99, n)[torch.randperm(n)] for n in (50, 200))
    weak = torch.cat([spread, torch.linspace(0.1, 0.6, 43)])
    for name, *given in (
        ("50 clean digits and 93 weak images", spread, weak),
        ("48 clean digits and 93 weak images, keep=0.9", spread[:48], weak, 0.9),
        ("images that the network is surer of than of digits", spread, torch.linspace(0.9, 1.0, 11)),
        ("48 clean digits, keep=0.6: 28.8 of them stay, so 29", spread[:48], weak, 0.6),
        ("50 clean digits, keep=0.5: 25 of them stay", spread, weak, 0.5),
        ("200 clean digits, keep=0.8: 160 of them stay", many, weak, 0.8),
        ("scores below 0: what is far has a low one", -40 * spread, -40 * weak, 0.9),
    ):
        result = attempt(*given)
        probes.want_two(result, "the threshold, and the share of the others that it rejects")
        t, share = map(probes.as_number, result)
        yield {f"the threshold for {name}": t, f"the share caught for {name}": share}


EX_CATCH = Exercise(
    "4.5",
    catch,
    _probe_catch,
    mistakes="""
`catch(other, other, keep)`: no guard knows the suspicious images beforehand: take t from `clean`
`(1 - keep)` -> `keep` | `clean.sort().values[may_reject]` -> `clean.quantile(keep)`: the wrong end: only 1 - keep stay
`clean.sort().values[may_reject]` -> `clean.quantile(1 - keep)` | `clean.sort().values[may_reject]` -> `clean.quantile(1
    - keep, interpolation="lower")`: a quantile counts the N - 1 gaps between the digits: sort, and count the N digits
`.values[may_reject]` -> `.values[0]`: t is the smallest of all, and so rejects none: the share 1 - keep may go
`1e-6` -> `1` | `1e-6` -> `-1` | `1e-6` -> `0.5`: t is one place off: below place i (from 0) of the sorted values lie i
`.values[may_reject]` -> `.values.flip(0)[int(keep * len(clean))]`: t is one place too low where keep * N is whole:
    exactly `keep` is enough (and counted from the top, number k has the index k - 1)
`[may_reject]` -> `[may_reject].clamp(min=0)`: where all scores lie below 0 t stays at 0: start from a clean one
` + 1e-6` -> ``: t keeps 161 of 200 digits, not 160: int cuts (1 - 0.8) * 200 = 39.99999999999999. Add 1e-6
`other < t` -> `other <= t`: an image exactly at t is accepted (and many have exactly 1 in float32): other < t
""",
    hints=(
        "Sort upwards. Of these int((1 - keep) * len(clean) + 1e-6) may be rejected. (The 1e-6 mends 4.999999.)",
        "t = clean.sort().values[may_reject], and the share is (other < t).float().mean().",
    ),
    stars=2,
)

EXERCISES = (EX_MUTATE, EX_CHALLENGE, EX_PAINT, EX_CLIMB, EX_CATCH)
