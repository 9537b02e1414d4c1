"""Lesson 04: mutation, selection in every class, a network that paints, gradient ascent, a threshold as detector."""

import torch
from torch.nn import functional as F

from course_utils import figures
from course_utils.exercises.differences import describe_difference
from course_utils.exercises.engine import Exercise, NotYet
from course_utils.exercises.probes import (
    CLASSES,
    advised,
    as_number,
    draw_change,
    on,
    small_images,
    small_network,
    want_like,
    want_new,
    want_two,
    watch,
)


def mutate(genes, rate):
    u = torch.rand_like(genes)
    step = torch.where(u < 0.5, (2 * u) ** (1 / 16) - 1, 1 - (2 - 2 * u) ** (1 / 16))
    moves = torch.rand_like(genes) < rate
    return torch.where(moves, genes + step, genes).clamp(0, 1)


ONE_BY_ONE = (
    "`if` decides once for the whole tensor; torch.where(u < 0.5, one half of the formula, the other) for each gene"
)


def _probe_mutate(attempt):
    """What a mutation does, from the coarse to the fine. Bad luck fails a right answer less than once in 1e9 times."""
    attempt = advised(attempt, {"Boolean value of Tensor": ONE_BY_ONE})

    def children(genes, rate):
        result = attempt(genes, rate)
        want_like(result, genes, f"the children of genes of shape {tuple(genes.shape)}")
        want_new(result, "the parents", genes)
        if result.isnan().any():
            raise NotYet("some children are NaN: is there a root of a negative number?")
        return result.detach().double()

    genes = torch.rand(3, 1, 6, 5)
    many = [children(genes, 0.5) for _ in range(40)]
    again = bool((many[0] != genes).any()) and torch.equal(*many[:2])
    yield {"whether a second call draws the same numbers again (a seed inside the function?)": again}
    counts = {int((child != genes).sum()) for child in many}
    child = children(torch.full((250, 3, 10, 10), 0.5), 0.4)
    moved = child != 0.5
    yield {"whether genes move together": counts == {0, 90} or _together(moved.double())}
    shares = [(children(genes, rate) != genes).double().mean() for rate in (0, 1)]
    shares = _near(shares[0], 0.0, 0.04), _near(moved.double().mean(), 0.4, 0.015), _near(shares[1], 1.0, 0.04)
    yield {"the share of genes that move at the rates 0, 0.4 and 1": shares}
    spread = moved.flatten(1).double().mean(1).var() / (0.4 * 0.6 / 300)
    number = "the same each time" if len(counts) == 1 else "alike in all images" if spread < 0.5 else "left to chance"
    yield {"the number of genes that move": number}
    for shape in ((60,), (6, 10), ()):
        children(torch.rand(shape), 0.5)

    steps = (child - 0.5)[moved]
    inside = steps[steps.abs() < 0.499]
    yield {"whether nearly all that move end at black or white": len(inside) < 0.2 * len(steps)}
    alike = len(steps.unique()) < 100 or _together(child - 0.5)
    yield {"how many genes a u is drawn for": "many at once" if alike else "each its own, torch.rand_like(genes)"}
    halves = -inside[inside < 0], inside[inside > 0]
    bent = [-torch.log1p(-half) for half in halves if len(half)]  # the formula makes these exponential
    falls = all(abs(half.median() / half.mean() - 0.693) < 0.06 for half in bent)
    yield {"whether the lengths of the steps fall off as asked": falls}
    shares = [_near(len(half) / len(steps), 0.5, 0.02) for half in halves]
    lengths = [_near(half.median() / 0.0424, 1.0, 0.12) if len(half) else 0.0 for half in halves]
    yield {"steps down and up: their shares, their median lengths / 0.0424": (*shares, *lengths)}
    yield {"the exponent that fits the steps": f"1/{_near(1 / torch.cat(bent).mean(), 16.0, 0.6):.0f}"}

    child = children(torch.tensor([0.03, 0.97]).repeat(4000).view(8, 10, 10, 10), 1.0)
    stopped = _near(((child == 0) | (child == 1)).double().mean(), 0.31, 0.06)
    yield {"whether all children lie in [0, 1]": bool(((child >= 0) & (child <= 1)).all())}
    yield {"the share of genes at 0.03 and 0.97 that end at 0 or 1 exactly (rate 1)": stopped}


def _near(found, right, tolerance):
    """``right`` if it is near enough; otherwise what was found, as coarsely as shows that it is not."""
    found = float(found)
    return right if abs(found - right) <= tolerance else round(found, 1 if round(found, 1) != right else 2)


def _together(values):
    """Whether neighbours agree more than by chance: two images, two channels, two rows or two columns."""
    values, size = values - values.mean(), values.shape
    pairs = [(values.narrow(d, 1, n - 1), values.narrow(d, 0, n - 1)) for d, n in enumerate(size)]
    return any(bool((a * b).mean() > 0.1 * values.var()) for a, b in pairs)


EX_MUTATE = Exercise(
    "4.1",
    mutate,
    _probe_mutate,
    mistakes="""
`rand_like(genes) <` -> `rand_like(genes[:1, :1, :1, :1]) <`: genes move together: throw a coin for each gene of each
    image, torch.rand_like(genes) < rate
`< rate` -> `>= rate`: `rate` is the share of genes that *stay* here: a gene moves if its random number is below rate
`< rate` -> `< 0.1`: 0.1 is written out: use `rate`
`torch.rand_like(genes) < rate` -> `u < rate`: one random number serves as coin and as u: whoever wins the coin has a
    small u and goes down. Draw two
`u = torch.rand_like(genes)` -> `u = torch.rand(())`: all genes move by the same step: draw a u for each,
    torch.rand_like(genes)
`(2 * u) ** (1 / 16)` -> `(2 * u) ** 16` & `(2 - 2 * u) ** (1 / 16)` -> `(2 - 2 * u) ** 16`: nearly every step ends at
    black or white: the exponent is 1/16, `** (1 / 16)` (and is the - 1 there?)
`(2 * u) ** (1 / 16)` -> `(2 * u) ** (1 / 15)` & `(2 - 2 * u) ** (1 / 16)` -> `(2 - 2 * u) ** (1 / 15)`: the steps
    follow the exponent 1/15: the formula has 1/16
`genes + step` -> `genes + 0.2 * u - 0.1`: these steps are plain noise. Polynomial mutation makes most of them small:
    put u through the formula
`u < 0.5` -> `u < 2` | `u < 0.5` -> `u < 0`: half of the formula is missing: torch.where(u < 0.5, the half that goes
    down, the half that goes up)
`.clamp(0, 1)` -> ``: some genes left [0, 1], and no screen shows them: end with .clamp(0, 1)
`return` -> `x =` & `.clamp(0, 1)` -> `; return 1 - (1 - x.abs()).abs()`: a gene that would leave [0, 1] stops at its
    border: clamp(0, 1); do not reflect, wrap or shrink the step
""",
    hints=(
        "Two random numbers for each gene: one says whether it moves, the other one how far.",
        "torch.rand_like(genes) draws a number for each gene, and torch.where(condition, a, b) picks between two "
        "tensors: once between the halves of the formula, once between moving and staying.",
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


ARENAS = {  # per cent: the elites' confidence, then the scores of each child
    "5 children": [[60, 45, 25, 90], [70, 10, 15, 5], [5, 45, 30, 20], [80, 5, 5, 10], [25, 5, 50, 20], [75, 15, 5, 5]],
    "2 children": [[10, 10, 10, 10, 10], [60, 30, 5, 3, 2], [50, 20, 10, 15, 5]],
    "one child": [[10, 60, 20], [20, 50, 30]],
    "2 children, both worse": [[90, 80, 70], [40, 30, 30], [20, 50, 30]],
}
ONE_A_CLASS = (
    "a condition with one entry a class needs three more dimensions to choose between images: "
    "better[:, None, None, None], if `better` is its name"
)


def _probe_challenge(attempt):
    """Who holds each class after the children have challenged it, and with what confidence."""
    attempt = advised(attempt, {"at non-singleton dimension 3": ONE_A_CLASS})
    for name, rows in ARENAS.items():
        confidence, *scores = torch.tensor(rows) / 100
        elites, children = torch.rand(len(confidence), 3, 4, 2), torch.rand(len(scores), 3, 4, 2)
        result = attempt(elites, confidence, children, torch.stack(scores))
        want_two(result, "the new elites and their confidence")
        want_like(result[0], elites, f"the new elites ({name})")
        want_like(result[1], confidence, f"the new confidence ({name})")
        seen = {}
        for k, image in enumerate(result[0]):
            known = {"its old elite": elites[k]} | {f"child {p}": child for p, child in enumerate(children)}
            holder = [who for who, theirs in known.items() if torch.equal(image, theirs)]
            seen[f"who holds class {k} ({name})"] = (holder or ["an image without a right to it"])[0]
        yield seen | {f"the new confidence ({name})": result[1].clone()}
        want_new(result[0], "the elites or the children", elites, children)
        want_new(result[1], "the old confidence", confidence)


EX_CHALLENGE = Exercise(
    "4.2",
    challenge,
    _probe_challenge,
    mistakes="""
`scores.max(0)` -> `(scores * F.one_hot(scores.argmax(1), scores.shape[1])).max(0)`: each child challenges only the
    class it is named. It challenges every class: look down each column
`best, child = scores.max(0)` -> `child = (scores > confidence).long().argmax(0); best = scores.gather(0,
    child[None])[0]`: where several children improve, the first wins, not the best: scores.max(0)
`scores.max(0)` -> `scores.max(1)`: scores.max(1) gives the best *class* of each child: the best *child* of each class
    is scores.max(0)
`torch.where(won, best, confidence)` -> `confidence`: the elites are right, but their confidence is that of the old
    ones: torch.where(won, best, confidence)
""",
    hints=(
        "Look at one class at a time: which child has the highest score in it, and is that more than the elite has?",
        "scores.max(0) gives both for all classes at once: the best score of each column, and which child has it.",
        "won = best > confidence says which classes change hands; children[child] are the challengers, one a class.",
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


def _gaussian(total):
    return torch.exp(-total.square())


GENOMES = {  # functions, links
    "a sine of x and the bias": ({"out": torch.sin}, {("x", "out"): 1.5, ("bias", "out"): 0.4}),
    "a hidden sine before a Gaussian": (
        {5: torch.sin, 4: _gaussian},
        {(5, 4): 1.2, ("x", 5): 2.0, ("y", 5): -1.0, ("bias", 4): 0.3, ("radius", 4): -0.7},
    ),
    "three nodes in a row": (
        {6: torch.positive, 5: _gaussian, 4: torch.sin},
        {(5, 4): 0.9, (6, 4): -1.4, (6, 5): 2.0, ("x", 6): 1.9, ("y", 5): 0.6},
    ),
    "a level above 1": ({"out": torch.positive}, {("radius", "out"): 1.4, ("bias", "out"): 0.2}),
    "levels below 0": ({"out": torch.positive}, {("y", "out"): 0.8}),
    "a node without links": ({"hidden": torch.cos, "out": torch.sin}, {("hidden", "out"): 0.6, ("x", "out"): 0.2}),
}
NO_LINKS = (
    "is there a node without links? Python's `sum` of an empty list is the number 0, and torch functions take "
    'tensors: such a node has the sum 0 everywhere, torch.zeros_like(inputs["x"])'
)


def _painting(name):
    y, x = torch.meshgrid(torch.linspace(-1, 1, 5), torch.linspace(-1, 1, 7), indexing="ij")
    grid = {"x": x, "y": y, "radius": (x.square() + y.square()).sqrt(), "bias": torch.ones(5, 7)}
    return {name: (*GENOMES[name], grid)}


def _draw_painting(seen, expected):
    """The first painting that differs, beside the right one."""
    name = next(n for n in seen if describe_difference(seen[n], expected[n]))
    canvas, axes = figures.figure(5.0, 2.2, ncols=2)
    for axis, observed, title in zip(axes, (expected, seen), ("the reference's", "yours"), strict=True):
        levels = observed[name]
        figures.show(axis, levels[None].clamp(0, 1), f"{levels.min():.2f} to {levels.max():.2f}", title=title)
    return figures.picture(canvas, f"{name}: the reference's and yours.")


EX_PAINT = Exercise(
    "4.3",
    paint,
    probe=on(*map(_painting, GENOMES), what="the painting", typed=True, advice={"must be Tensor, not": NO_LINKS}),
    mistakes="""
`weight * values[source]` -> `values[source]`: the weights are not used: each source counts with the weight of its link,
    weight * values[source]
`(source, target), weight` -> `(target, source), weight`: source and target are exchanged: the link (source, target)
    brings the value of source to target
`+ weight * values[source]` -> `+ function(weight * values[source])` & `= function(total)` -> `= total`: the function is
    called for each link and then summed: it takes the weighted sum of them all
`= function(total)` -> `= total` & `values[node].abs()` -> `function(values[node]).abs()`: a link brings the sum of its
    source, before the source's function: put function(total) into values
`.abs()` -> `` | `.abs().clamp(max=1)` -> `.clamp(0, 1)`: there is no grey below 0: the grey level is the absolute
    value, .abs() before .clamp(max=1)
`target == node` -> `target == node and source != "bias"`: the bias is left out: it is an input like the others, with
    the same value at all pixels
`target == node` -> `target == node and source in inputs`: only inputs count as sources: hidden nodes are sources too,
    so keep the values of both in one dict
""",
    picture=_draw_painting,
    hints=(
        "Keep the values of all nodes in one dict that begins with those of the inputs, and fill in node by node.",
        'For each node: begin with torch.zeros_like(inputs["x"]) and add weight * values[source] for every link whose '
        "target is that node.",
        "values[node] = function(total) completes a node. After the last one: values[node].abs().clamp(max=1)",
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


FRESH = (
    "a gradient is kept only for a tensor that asked for it and was not computed from others: begin each step with a "
    "fresh copy, x = x.detach().requires_grad_(), and ask with torch.autograd.grad(score, x)"
)


def _probe_climb(attempt):
    """A curved network; one so sure that the targets' probability is 0 in float32; one that does not look."""
    attempt = advised(
        attempt, dict.fromkeys(("NoneType", "does not require grad", "through the graph a second time"), FRESH)
    )
    network, sure, blind = small_network(), small_network(), small_network()
    with torch.no_grad():
        network[1].weight.div_(2)
        sure[4].weight.mul_(200)
        blind[1].weight.zero_()
    images, targets = small_images(7), torch.randint(0, CLASSES, (7,))
    for name, model, goals, *how in (
        ("7 images, 4 steps of 0.05", network, targets, 4, 0.05),
        ("one image, 1 step of 0.3", network, targets[:1], 1, 0.3),
        ("7 images, 3 steps of 0.4", network, targets, 3, 0.4),
        (
            "7 images, 2 steps of 0.02, and a network that is sure of other classes",
            sure,
            sure(images).argmin(1),
            2,
            0.02,
        ),
        ("7 images, 2 steps of 0.1, and a network that does not look at them", blind, targets, 2, 0.1),
    ):
        yield watch(name, images[: len(goals)], lambda x, given=(model, goals), how=how: attempt(*given, x, *how))


EX_CLIMB = Exercise(
    "4.4",
    climb,
    _probe_climb,
    mistakes=r"""
`+ step_size` -> `- step_size`: this descends: add the step (with cross-entropy, which is minus the log softmax,
    subtract it)
`F.log_softmax` -> `F.softmax`: the softmax: where it has been rounded to 0 its gradient is 0 and nothing moves:
    F.log_softmax
`F.log_softmax(model(x), 1)` -> `model(x).softmax(1).log()`: NaN where softmax has been rounded to 0: its log is -inf,
    its gradient 0 (and 0/0 is NaN). F.log_softmax
`F.log_softmax(model(x), 1)` -> `model(x)`: this climbs the target's logit alone, and the others may climb faster:
    F.log_softmax compares them
`.amax((1, 2, 3), keepdim=True)` -> ``: each pixel moves by step_size, as with signs: divide by the largest absolute
    entry of its image
` / largest` -> ``: the step is as long as the gradient happens to be: divide by the largest absolute entry of each
    image
`.abs().amax((1, 2, 3), keepdim=True)` -> `.flatten(1).norm(dim=1)[:, None, None, None]`: divided by the Euclidean
    length: take the largest absolute entry, .abs().amax((1, 2, 3), keepdim=True)
`.clamp(0, 1)` -> `` & `return x.detach()` -> `return x.detach().clamp(0, 1)`: clipped only at the end: on the way it
    asked for gradients outside [0, 1]. Clip after each step
`x = images` -> `x, first = images, images.clone().requires_grad_()` & `model(x)` -> `model(first)` & `grad(confidence,
    x)` -> `grad(confidence, first)`: all steps follow the gradient at the start: take a new one at each x
`x = images` -> `x, kept = images, 0` & `largest =` -> `gradient = kept = kept + gradient\n        largest =`:
    `backward` adds to the .grad that is there already: clear it in each step, or use torch.autograd.grad
`range(steps)` -> `range(1)`: only one step shows: is `return` inside the loop, or does each round start from `images`?
    Go on from x
`targets[:, None]` -> `model(images).argmax(1)[:, None]`: this climbs to the class that the network names already: climb
    to `targets`
""",
    picture=draw_change("7 images, 4 steps of 0.05"),
    hints=(
        "A step is much like that of lesson 03: the gradient of a number in the pixels, and a step along it. Only the "
        "number and the length differ.",
        "The number to climb: F.log_softmax(model(x), 1).gather(1, targets[:, None]).sum(). Ask for its gradient with "
        "torch.autograd.grad, after x = x.detach().requires_grad_().",
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
    """Confidences that lie far apart, and that tie; last where keep * N is whole, or rounding decides."""
    spread = torch.linspace(0.3, 0.99, 50)[torch.randperm(50)]
    tied = torch.tensor([0.5, 0.6, 0.8, 0.8, 0.8] + 28 * [1.0])[torch.randperm(33)]
    weak, strong = torch.cat([spread, torch.linspace(0.1, 0.6, 43)]), torch.linspace(0.9, 1.0, 11)
    many, few = torch.linspace(0.3, 0.99, 200)[torch.randperm(200)], torch.tensor([0.8, 0.8, 0.7, 1.0])
    for name, *given in (
        ("50 clean digits and 93 weak images", spread, weak),
        ("48 clean digits and 93 weak images, keep=0.9", spread[:48], weak, 0.9),
        ("33 clean digits, many alike, keep=0.92", tied, few, 0.92),
        ("33 clean digits, many alike, keep=0.8", tied, few, 0.8),
        ("images that the network is surer of than of digits", spread, strong),
        ("48 clean digits, keep=0.6: 28.8 of them stay, so 29", spread[:48], weak, 0.6),
        ("50 clean digits, keep=0.5: 25 of them stay", spread, weak, 0.5),
        ("200 clean digits, keep=0.8: 160 of them stay", many, weak, 0.8),
        ("scores below 0: what is far has a low one", -40 * spread, -40 * weak, 0.9),
    ):
        result = attempt(*given)
        want_two(result, "the threshold, and the share of the others that it rejects")
        yield {f"the threshold for {name}": as_number(result[0]), f"the share caught for {name}": as_number(result[1])}


EX_CATCH = Exercise(
    "4.5",
    catch,
    _probe_catch,
    mistakes="""
`catch(other, other, keep)`: the threshold comes from the suspicious images, which no guard knows beforehand: take it
    from `clean`
`int((1 - keep) * len(clean) + 1e-6)` -> `int(keep * len(clean))` | `clean.sort().values[may_reject]` ->
    `clean.quantile(keep)`: the wrong end: this accepts only the surest 1 - keep. Sort upwards and skip the share 1 -
    keep at the start
`clean.sort().values[may_reject]` -> `clean.quantile(1 - keep)`: this quantile lies between two values: t must be one of
    the clean confidences. Sort them and count
`[may_reject]` -> `[may_reject + 1]` | `int((1 - keep) * len(clean) + 1e-6)` -> `round((1 - keep) * len(clean))`: one
    clean digit too many is rejected: below place i (from 0) of the sorted values lie i of them
`[may_reject]` -> `[may_reject - 1]`: too low by one place: below place i (from 0) of the sorted values lie i of them
`.values[may_reject]` -> `.values.flip(0)[int(keep * len(clean))]`: t is one place too low where keep * N is a whole
    number k: counted from the top, the last one that stays is number k, and its index is k - 1
`t = clean.sort().values[may_reject]` -> `t = max([c for c in clean if c > 0 and (clean >= c).double().mean() > keep -
    1e-9], default=torch.zeros(()))`: t starts at 0, and where all scores lie below 0 it never moves: start from the
    clean values themselves
` + 1e-6` -> ``: t keeps 161 of 200 digits, and 160 are enough: (1 - 0.8) * 200 is 39.99999999999999, and int cuts. Add
    1e-6 first
`clean.sort().values[may_reject]` -> `clean.quantile(1 - keep, interpolation="lower")`: a quantile counts the N - 1 gaps
    between the digits: count the N digits, int((1 - keep) * N + 1e-6) of which may be rejected
`catch(clean, other, keep)[::-1]`: the threshold comes first, then the share that it catches
""",
    hints=(
        "Sort the clean confidences upwards. How many of them, at the lower end, may be rejected?",
        "At most the share 1 - keep: int((1 - keep) * len(clean) + 1e-6) digits. (The 1e-6 mends 4.999999, where 5 is "
        "meant.)",
        "t = clean.sort().values[may_reject], for as many lie below it. What does other < t say about the others?",
        "return t.item(), (other < t).float().mean().item()",
    ),
    stars=2,
)

EXERCISES = (EX_MUTATE, EX_CHALLENGE, EX_PAINT, EX_CLIMB, EX_CATCH)
