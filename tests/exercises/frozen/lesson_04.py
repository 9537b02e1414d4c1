"""Lesson 04: the wrong answers of the first edition, and what it said to them."""

import torch
from torch.nn import functional as F

from frozen import Mistake, pixel_slope


def _delta(u, exponent=1 / 16):
    return torch.where(u < 0.5, (2 * u) ** exponent - 1, 1 - (2 - 2 * u) ** exponent)


def _mutating(step=_delta, coin=torch.zeros_like, wins=torch.lt, end=lambda x: x.clamp(0, 1)):
    """Mutation with one part exchanged: the source of the classic mistakes."""

    def mutation(genes, rate):
        moves = wins(torch.rand_like(coin(genes)), rate)
        return end(torch.where(moves, genes + step(torch.rand_like(genes)), genes))

    return mutation


def _one_draw(genes, rate):
    u = torch.rand_like(genes)
    return torch.where(u < rate, genes + _delta(u), genes).clamp(0, 1)


HALF = "half of the formula is missing: torch.where(u < 0.5, the half that goes down, the half that goes up)"


EDGES = "a gene that would leave [0, 1] stops at its border: clamp(0, 1); do not reflect, wrap or shrink the step"


def challenge(elites, confidence, children, scores):
    best, child = scores.max(0)
    won = best > confidence
    new_elites = torch.where(won[:, None, None, None], children[child], elites)
    return new_elites, torch.where(won, best, confidence)


def _crowning(wins=torch.gt, choose=lambda scores, confidence: scores.argmax(0)):
    """Selection with one part exchanged: the source of the classic mistakes."""

    def crown(elites, confidence, children, scores):
        child = choose(scores, confidence)
        best = scores.gather(0, child[None])[0]
        won = wins(best, confidence)
        return torch.where(won[:, None, None, None], children[child], elites), torch.where(won, best, confidence)

    return crown


def _own_class(elites, confidence, children, scores):
    named = F.one_hot(scores.argmax(1), scores.shape[1])
    return challenge(elites, confidence, children, scores * named)


def paint(functions, links, inputs):
    values = dict(inputs)
    for node, function in functions.items():
        total = torch.zeros_like(values["x"])
        for (source, target), weight in links.items():
            if target == node:
                total = total + weight * values[source]
        values[node] = function(total)
    return values[node].abs().clamp(max=1)


def _as_it_is(total):
    return total


def _painting(link=lambda weight, value: weight * value, node=lambda function, arriving, total: function(total), counts=lambda source, inputs: True, end=lambda level: level.abs().clamp(max=1)):
    """The forward pass with one part exchanged: the source of the classic mistakes."""

    def painting(functions, links, inputs):
        values = dict(inputs)
        for name, function in functions.items():
            used = {s: weight for (s, t), weight in links.items() if t == name and counts(s, inputs)}
            arriving = [link(weight, values[s]) for s, weight in used.items()]
            values[name] = node(function, arriving, sum(arriving, torch.zeros_like(values["x"])))
        return end(values[name])

    return painting


def _backwards(functions, links, inputs):
    return paint(functions, {link[::-1]: weight for link, weight in links.items()}, inputs)


def _sums_travel(functions, links, inputs):
    *hidden, last = functions
    return paint(dict.fromkeys(hidden, _as_it_is) | {last: functions[last]}, links, inputs)


def climb(model, targets, images, steps, step_size):
    x = images
    for _ in range(steps):
        x = x.detach().requires_grad_()
        confidence = F.log_softmax(model(x), 1).gather(1, targets[:, None]).sum()
        (gradient,) = torch.autograd.grad(confidence, x)
        largest = gradient.abs().amax((1, 2, 3), keepdim=True).clamp_min(1e-12)
        x = (x + step_size * gradient / largest).clamp(0, 1)
    return x.detach()


def _largest(gradient):
    return gradient.abs().amax((1, 2, 3), keepdim=True).clamp_min(1e-12)


def _clip(x):
    return x.clamp(0, 1)


def _climbing(gain=F.log_softmax, length=_largest, way=1, each=_clip, end=_as_it_is, follow=lambda old, new: new):
    """Gradient ascent with one part exchanged: the source of the classic mistakes."""

    def score(logits, targets):
        return gain(logits, dim=1).gather(1, targets[:, None]).sum()

    def ascent(model, targets, images, steps, step_size):
        x, gradient = images, None
        for _ in range(steps):
            new = pixel_slope(model, x, targets, score)
            gradient = new if gradient is None else follow(gradient, new)
            x = each(x + way * step_size * gradient / length(gradient))
        return end(x)

    return ascent


def catch(clean, other, keep=0.95):
    may_reject = int((1 - keep) * len(clean) + 1e-6)
    t = clean.sort().values[may_reject]
    return t.item(), (other < t).float().mean().item()


def _place(ordered, keep):
    return int((1 - keep) * len(ordered) + 1e-6)


def _detecting(pick=lambda ordered, keep: ordered[_place(ordered, keep)], rejects=torch.lt):
    """The detector with one part exchanged: the source of the classic mistakes."""

    def detect(clean, other, keep=0.95):
        t = float(pick(clean.sort().values, keep))
        return t, rejects(other, t).float().mean().item()

    return detect


def _from_zero_up(clean, other, keep=0.95):
    t = 0.0
    for c in clean.tolist():
        if c > t and (clean >= c).double().mean() >= keep - 1e-9:
            t = c
    return t, (other < t).float().mean().item()


TOO_MANY = "one clean digit too many is rejected: below place i (from 0) of the sorted values lie i of them"


WRONG_END = "the wrong end: this accepts only the surest 1 - keep. Sort upwards and skip the share 1 - keep at the start"


ACCEPTED = "this is the share that is *accepted*: caught are those below t, other < t"


WRONG = {
    "4.1": (
        Mistake(_mutating(coin=lambda genes: genes[:1, :1, :1, :1]), "genes move together: throw a coin for each gene of each image, torch.rand_like(genes) < rate"),
        Mistake(_mutating(wins=torch.ge), "`rate` is the share of genes that *stay* here: a gene moves if its random number is below rate"),
        Mistake(_mutating(wins=lambda u, rate: u < 0.1), "0.1 is written out: use `rate`"),
        Mistake(_one_draw, "one random number serves as coin and as u: whoever wins the coin has a small u and goes down. Draw two"),
        Mistake(_mutating(step=lambda u: _delta(u, 15.0)), "nearly every step ends at black or white: the exponent is 1/16, `** (1 / 16)` (and is the - 1 there?)"),
        Mistake(_mutating(step=lambda u: _delta(u, 1 / 15)), "the steps follow the exponent 1/15: the formula has 1/16"),
        Mistake(_mutating(step=lambda u: 0.2 * u - 0.1), "these steps are plain noise. Polynomial mutation makes most of them small: put u through the formula"),
        Mistake(_mutating(step=lambda u: (2 * u) ** (1 / 16) - 1), HALF),
        Mistake(_mutating(step=lambda u: 1 - (2 - 2 * u) ** (1 / 16)), HALF),
        Mistake(_mutating(end=lambda x: x), "some genes left [0, 1], and no screen shows them: end with .clamp(0, 1)"),
        Mistake(_mutating(end=lambda x: 1 - (1 - x.abs()).abs()), EDGES),
    ),
    "4.2": (
        Mistake(_own_class, "each child challenges only the class it is named. It challenges every class: look down each column"),
        Mistake(_crowning(wins=torch.ge), "a child that only draws level replaces the elite: the improvement has to be strict, > in place of >="),
        Mistake(_crowning(choose=lambda s, c: (s > c).long().argmax(0)), "where several children improve, the first wins, not the best: scores.max(0)"),
        Mistake(lambda elites, confidence, children, scores: scores.max(1).values > confidence, "scores.max(1) gives the best *class* of each child: the best *child* of each class is scores.max(0)"),
        Mistake(lambda elites, confidence, *rest: (challenge(elites, confidence, *rest)[0], confidence), "the elites are right, but their confidence is that of the old ones: torch.where(won, best, confidence)"),
    ),
    "4.3": (
        Mistake(_painting(link=lambda weight, value: value), "the weights are not used: each source counts with the weight of its link, weight * values[source]"),
        Mistake(_backwards, "source and target are exchanged: the link (source, target) brings the value of source to target"),
        Mistake(_painting(node=lambda function, arriving, total: sum(map(function, arriving), torch.zeros_like(total))), "the function is called for each link and then summed: it takes the weighted sum of them all"),
        Mistake(_sums_travel, "a link brings the sum of its source, before the source's function: put function(total) into values"),
        Mistake(_painting(end=lambda level: level.clamp(max=1)), "the absolute value is missing: there is no grey below 0. Write .abs() before .clamp(max=1)"),
        Mistake(_painting(end=lambda level: level.clamp(0, 1)), "negative values turn black: the grey level is the absolute value, .abs() before .clamp(max=1)"),
        Mistake(_painting(counts=lambda source, inputs: source != "bias"), "the bias is left out: it is an input like the others, with the same value at all pixels"),
        Mistake(_painting(counts=lambda source, inputs: source in inputs), "only inputs count as sources: hidden nodes are sources too, so keep the values of both in one dict"),
    ),
    "4.4": (
        Mistake(_climbing(way=-1), "this descends: add the step (with cross-entropy, which is minus the log softmax, subtract it)"),
        Mistake(_climbing(gain=F.softmax), "the softmax: where it has been rounded to 0 its gradient is 0 and nothing moves: F.log_softmax"),
        Mistake(_climbing(gain=lambda logits, dim: logits.softmax(dim).log()), "NaN where softmax has been rounded to 0: its log is -inf, its gradient 0 (and 0/0 is NaN). F.log_softmax"),
        Mistake(_climbing(gain=lambda logits, dim: logits), "this climbs the target's logit alone, and the others may climb faster: F.log_softmax compares them"),
        Mistake(_climbing(length=lambda g: g.abs().clamp_min(1e-12)), "each pixel moves by step_size, as with signs: divide by the largest absolute entry of its image"),
        Mistake(_climbing(length=lambda g: 1), "the step is as long as the gradient happens to be: divide by the largest absolute entry of each image"),
        Mistake(_climbing(length=lambda g: g.flatten(1).norm(dim=1).clamp_min(1e-12)[:, None, None, None]), "divided by the Euclidean length: take the largest absolute entry, .abs().amax((1, 2, 3), keepdim=True)"),
        Mistake(_climbing(length=lambda g: g.abs().max().clamp_min(1e-12)), "one scale for all images, so that a steep one holds back the others: amax((1, 2, 3), keepdim=True)"),
        Mistake(_climbing(length=lambda g: g.abs().amax((1, 2, 3), keepdim=True)), "a gradient of zero gives 0/0, which is NaN, and the image is lost: .clamp_min(1e-12) on the largest entry"),
        Mistake(_climbing(each=_as_it_is), "some pixels leave [0, 1], and no screen shows them: .clamp(0, 1) after each step"),
        Mistake(_climbing(each=_as_it_is, end=_clip), "clipped only at the end: on the way it asked for gradients outside [0, 1]. Clip after each step"),
        Mistake(_climbing(follow=lambda old, new: old), "all steps follow the gradient at the start: take a new one at each x"),
        Mistake(_climbing(follow=lambda old, new: old + new), "`backward` adds to the .grad that is there already: clear it in each step, or use torch.autograd.grad"),
        Mistake(lambda model, targets, images, steps, step_size: climb(model, targets, images, 1, step_size), "only one step shows: is `return` inside the loop, or does each round start from `images`? Go on from x"),
        Mistake(lambda model, targets, images, *rest: climb(model, model(images).argmax(1), images, *rest), "this climbs to the class that the network names already: climb to `targets`"),
    ),
    "4.5": (
        Mistake(lambda clean, other, keep=0.95: catch(other, other, keep), "the threshold comes from the suspicious images, which no guard knows beforehand: take it from `clean`"),
        Mistake(_detecting(lambda ordered, keep: ordered[int(keep * len(ordered))]), WRONG_END),
        Mistake(_detecting(lambda ordered, keep: ordered.quantile(keep)), WRONG_END),
        Mistake(_detecting(lambda ordered, keep: ordered.quantile(1 - keep)), "this quantile lies between two values: t must be one of the clean confidences. Sort them and count"),
        Mistake(_detecting(lambda ordered, keep: ordered[_place(ordered, keep) + 1]), TOO_MANY),
        Mistake(_detecting(lambda ordered, keep: ordered[round((1 - keep) * len(ordered))]), TOO_MANY),
        Mistake(_detecting(lambda ordered, keep: ordered[_place(ordered, keep) - 1]), "too low by one place: below place i (from 0) of the sorted values lie i of them"),
        Mistake(_detecting(lambda ordered, keep: ordered.flip(0)[int(keep * len(ordered))]), "t is one place too low where keep * N is a whole number k: counted from the top, the last one that stays is number k, and its index is k - 1"),
        Mistake(_from_zero_up, "t starts at 0, and where all scores lie below 0 it never moves: start from the clean values themselves"),
        Mistake(_detecting(lambda ordered, keep: ordered[int((1 - keep) * len(ordered))]), "t keeps 161 of 200 digits, and 160 are enough: (1 - 0.8) * 200 is 39.99999999999999, and int cuts. Add 1e-6 first"),
        Mistake(_detecting(lambda ordered, keep: ordered.quantile(1 - keep, interpolation="lower")), "a quantile counts the N - 1 gaps between the digits: count the N digits, int((1 - keep) * N + 1e-6) of which may be rejected"),
        Mistake(lambda clean, other, keep=0.95: catch(clean, other), "0.95 is written out: use `keep`"),
        Mistake(_detecting(rejects=torch.le), "an image with exactly the confidence t is accepted (and many have exactly 1 in float32): other < t"),
        Mistake(_detecting(rejects=torch.ge), ACCEPTED),
        Mistake(_detecting(rejects=torch.gt), ACCEPTED),
        Mistake(lambda clean, other, keep=0.95: catch(clean, other, keep)[::-1], "the threshold comes first, then the share that it catches"),
    ),
}
