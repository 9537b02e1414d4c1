"""Answers for the exercises of lesson 04: right in other ways, and wrong in ways that no list foresees."""

import math
import random

import numpy as np
import torch

from course_utils.exercises.bank import lesson_04
from course_utils.exercises.contracts import LEFT_BEHIND

F = torch.nn.functional


def _gene_by_gene(genes, rate):
    """Plain Python, with Python's own random numbers."""
    children = []
    for gene in genes.flatten().tolist():
        u = random.random()
        if random.random() < rate:
            gene += (2 * u) ** (1 / 16) - 1 if u < 0.5 else 1 - (2 - 2 * u) ** (1 / 16)
        children.append(min(max(gene, 0.0), 1.0))
    return torch.tensor(children).view(genes.shape)


def _chosen_genes(genes, rate):
    """Only those that move are touched; one formula with a sign for both halves."""
    child = genes.detach().clone()
    moves = torch.bernoulli(torch.full_like(genes, rate)).bool()
    v = 2 * torch.rand(int(moves.sum())) - 1
    child[moves] += v.sign() * (1 - (1 - v.abs()).pow(0.0625))
    return child.clamp_(0, 1)


def _one_at_a_time(elites, confidence, children, scores):
    elites, confidence = elites.clone(), confidence.clone()
    for image, row in zip(children, scores, strict=True):
        for k in range(len(elites)):
            if row[k] > confidence[k]:
                elites[k], confidence[k] = image, row[k]
    return elites, confidence


def _all_together(elites, confidence, children, scores):
    """Elites and children in one contest; the elite stands first, so that it keeps what is level."""
    contest = torch.cat([confidence[None], scores])
    winner = contest.argmax(0)
    held = [elites[k] if w == 0 else children[w - 1] for k, w in enumerate(winner.tolist())]
    return [torch.stack(held), contest.amax(0)]


def _recursively(functions, links, inputs):
    def value(node):
        if node in inputs:
            return inputs[node]
        total = torch.zeros(inputs["x"].shape)
        for source in [s for s, t in links if t == node]:
            total += links[source, node] * value(source)
        return functions[node](total)

    return torch.minimum(value(list(functions)[-1]).abs(), torch.tensor(1.0))


def _by_matrix(functions, links, inputs):
    """All nodes in one stack of images, and a table of weights."""
    names = [*inputs, *functions]
    weights = torch.zeros(len(names), len(names))
    for (source, target), weight in links.items():
        weights[names.index(target), names.index(source)] = weight
    stack = torch.stack([*inputs.values(), *(torch.zeros_like(inputs["x"]) for _ in functions)])
    for i in range(len(inputs), len(names)):
        stack[i] = functions[names[i]](torch.tensordot(weights[i], stack, 1))
    return stack[-1].abs().clamp(0, 1)


def _down_the_loss(model, targets, images, steps, step_size):
    x = images.clone()
    for _ in range(steps):
        x.requires_grad_(True)
        F.cross_entropy(model(x), targets).backward(inputs=[x])
        scale = x.grad.flatten(1).abs().max(dim=1).values.view(-1, 1, 1, 1)
        x = (x.detach() - step_size * torch.nan_to_num(x.grad / scale)).clip(0.0, 1.0)
    return x


def _image_by_image(model, targets, images, steps, step_size):
    found = []
    for image, target in zip(images, targets, strict=True):
        pixels = image[None].clone().requires_grad_()
        for _ in range(steps):
            score = torch.log_softmax(model(pixels), dim=-1)[0, target]
            score.backward()
            with torch.no_grad():
                pixels += step_size * pixels.grad / (pixels.grad.abs().max() + 1e-9)
                pixels.clamp_(0, 1)
            pixels.grad = None
        found.append(pixels.detach())
    model.zero_grad()
    return torch.cat(found)


def _by_trying(clean, other, keep=0.95):
    for t in sorted(set(clean.tolist()), reverse=True):
        if sum(c >= t for c in clean.tolist()) / len(clean) >= keep:
            return t, sum(c < t for c in other.tolist()) / len(other)


def _from_the_top(clean, other, keep=0.95):
    t = clean.topk(math.ceil(keep * len(clean) - 1e-9)).values[-1]
    return t, 1 - (other >= t).double().mean()


RIGHT = {
    "4.1": _gene_by_gene,
    "4.2": _one_at_a_time,
    "4.3": _recursively,
    "4.4": _down_the_loss,
    "4.5": _by_trying,
}


def _in_numpy(genes, rate):
    u = np.random.rand(*genes.shape)
    step = np.where(u < 0.5, (2 * u) ** 0.0625 - 1, 1 - (2 - 2 * u) ** 0.0625)
    moves = np.random.rand(*genes.shape) < rate
    return torch.from_numpy(np.asarray(np.clip(genes.numpy() + moves * step, 0, 1), dtype=np.float32))


def _by_numpy(clean, other, keep=0.95):
    stay = math.ceil(round(keep * len(clean), 6))
    t = np.sort(clean.numpy())[-stay]
    return t, np.mean(other.numpy() < t)


def _climbs(score, sign=1, least=1e-12):
    """Gradient ascent on a score of the logits and the targets."""

    def call(model, targets, images, steps, step_size):
        for _ in range(steps):
            images = images.detach().requires_grad_()
            (g,) = torch.autograd.grad(score(model(images), targets), images)
            images = (images + sign * step_size * g / g.abs().amax((1, 2, 3), True).clamp_min(least)).clamp(0, 1)
        return images.detach()

    return call


ALSO_RIGHT = [
    ("4.4", _climbs(lambda z, t: F.cross_entropy(z, t, reduction="sum"), -1)),
    ("4.1", _chosen_genes),
    ("4.2", _all_together),
    ("4.3", _by_matrix),
    ("4.4", _image_by_image),
    ("4.5", _from_the_top),
    ("4.1", lambda genes, rate: lesson_04.mutate(genes.flatten(), rate).view_as(genes)),
    ("4.1", _in_numpy),
    ("4.2", lambda e, c, kids, s: tuple(t.clone() for t in lesson_04.challenge(e, c, kids, s))),
    ("4.4", lambda model, *given: lesson_04.climb(model.eval(), *given)),
    ("4.5", lambda clean, other, keep=0.95: np.array(lesson_04.catch(clean, other, keep)).tolist()),
    ("4.5", _by_numpy),
]


def _half_steps(genes, rate):
    moves = torch.rand_like(genes) < rate
    v = 2 * torch.rand_like(genes) - 1
    return (genes + moves * 0.5 * v.sign() * (1 - (1 - v.abs()) ** (1 / 16))).clamp(0, 1)


def _blends(elites, confidence, children, scores):
    """The winner and the old elite, half and half."""
    best, child = scores.max(0)
    won = (best > confidence)[:, None, None, None]
    return torch.where(won, (children[child] + elites) / 2, elites), torch.maximum(best, confidence)


def _never_resets(functions, links, inputs):
    values, total = dict(inputs), torch.zeros_like(inputs["x"])
    for node, function in functions.items():
        for (source, target), weight in links.items():
            if target == node:
                total = total + weight * values[source]
        values[node] = function(total)
    return values[node].abs().clamp(max=1)


def _painted_anew(functions, links, inputs):
    """In the order of their names, not in that of `functions`."""
    values = dict(inputs)
    for node in sorted(functions):
        brought = [w * values.get(s, torch.zeros(5, 7)) for (s, t), w in links.items() if t == node]
        values[node] = functions[node](sum(brought, torch.zeros_like(inputs["x"])))
    return values[node].abs().clamp(max=1)


def _fills_the_weights(model, targets, images, steps, step_size):
    x = images
    for _ in range(steps):
        x = x.detach().requires_grad_()
        (-F.cross_entropy(model(x), targets)).backward()
        x = (x + step_size * x.grad / (x.grad.abs().amax((1, 2, 3), keepdim=True) + 1e-12)).clamp(0, 1)
    return x.detach()


def _three_deviations(clean, other, keep=0.95):
    t = clean.mean() - 3 * clean.std()
    return t, (other < t).float().mean()


UNFORESEEN = {
    "4.1": (_half_steps, "their median lengths / 0.0424: got 0.5, expected 1"),
    "4.2": (_blends, "who holds class 0 (5 children): got an image without a right to it, expected child 2"),
    "4.3": (_painted_anew, "the painting (three nodes in a row): the shape is right, but the values are not"),
    "4.4": (_fills_the_weights, LEFT_BEHIND["gradients"]),
    "4.5": (_three_deviations, "the threshold for 50 clean digits and 93 weak images: got"),
}


def _exactly_so_many(genes, rate):
    """Independent in their order, not in their number."""
    child, moved = genes.flatten().clone(), lesson_04.mutate(genes, 1.0).flatten()
    chosen = torch.randperm(genes.numel())[: round(rate * genes.numel())]
    child[chosen] = moved[chosen]
    return child.view_as(genes)


def _step(u, exponent=1 / 16):
    return torch.where(u < 0.5, (2 * u) ** exponent - 1, 1 - (2 - 2 * u) ** exponent)


def _other_exponent(genes, rate):
    step = _step(torch.rand_like(genes), 1 / 17)
    return torch.where(torch.rand_like(genes) < rate, genes + step, genes).clamp(0, 1)


def _one_step_for_all(genes, rate):
    step = _step(torch.rand(()))
    return torch.where(torch.rand_like(genes) < rate, genes + step, genes).clamp(0, 1)


def _the_parents_at_rate_0(genes, rate):
    return lesson_04.mutate(genes, rate) if rate else genes


def _four_dimensions(genes, rate):
    n, c, h, w = genes.shape
    return lesson_04.mutate(genes.view(n * c, h, w), rate).view(n, c, h, w)


def _seeded(answer):
    def call(*given):
        torch.manual_seed(0)
        return answer(*given)

    return call


def _numpy_seeded(genes, rate):
    np.random.seed(0)
    return _in_numpy(genes, rate)


def _the_old_ones(elites, confidence, children, scores):
    if not (scores > confidence).any():
        return elites, confidence
    return lesson_04.challenge(elites, confidence, children, scores)


def _in_the_map(elites, confidence, children, scores):
    best, child = scores.max(0)
    won = best > confidence
    elites[won], confidence[won] = children[child[won]], best[won]
    return elites, confidence


def _fills_the_inputs(functions, links, inputs):
    for node, function in functions.items():
        total = sum((w * inputs[s] for (s, t), w in links.items() if t == node), torch.zeros_like(inputs["x"]))
        inputs[node] = function(total)
    return inputs[node].abs().clamp(max=1)


def _step_scaled(genes, rate):
    """One over 16, times: nearly all steps reach a border."""
    u = torch.rand_like(genes)
    step = torch.where(u < 0.5, (2 * u) ** 1 / 16 - 1, 1 - (2 - 2 * u) ** 1 / 16)
    return torch.where(torch.rand_like(genes) < rate, genes + step, genes).clamp(0, 1)


def _anyone(elites, confidence, children, scores):
    best, child = scores.max(0)
    return (children[child], best) if (best > confidence).any() else (elites.clone(), confidence.clone())


def _last_link(functions, links, inputs):
    values = dict(inputs)
    for node, function in functions.items():
        total = torch.zeros_like(inputs["x"])
        for (source, target), weight in links.items():
            if target == node:
                total = weight * values[source]
        values[node] = function(total)
    return values[node].abs().clamp(max=1)


def _more_than_keep(clean, other, keep=0.95):
    t = max([v for v in clean.tolist() if (clean >= v).double().mean() > keep + 1e-9], default=clean.min().item())
    return t, (other < t).float().mean().item()


def _first_network(answer):
    models = []

    def call(model, *given):
        models.append(model)
        return answer(models[0], *given)

    return call


def _below_the_gaps(clean, other, keep=0.95):
    t = clean.sort().values[int((1 - keep) * (len(clean) - 1) + 1e-6)]
    return t.item(), (other < t).float().mean().item()


ALSO_UNFORESEEN = [
    ("4.1", _step_scaled, "use ** (1 / 16)"),
    ("4.1", lambda genes, rate: lesson_04.mutate(genes, 1.0 + 0 * rate), "all genes move"),
    ("4.1", lambda genes, rate: lesson_04.mutate(genes, 0.1), "0.1 is written out"),
    ("4.2", _anyone, "where the elite is surer"),
    ("4.3", _last_link, "only the last link counts"),
    ("4.3", _never_resets, "begin each node with zeros"),
    ("4.4", _climbs(lambda z, t: F.cross_entropy(z, t, reduction="sum")), "cross-entropy is *minus* the log softmax"),
    ("4.4", _climbs(lambda z, t: (z.softmax(1) + 1e-12).log().gather(1, t[:, None]).sum()), "and nothing moves"),
    ("4.4", _climbs(lambda z, t: z.log_softmax(1)[:, t].sum()), "this takes all targets for each image"),
    ("4.4", _climbs(lambda z, t: z.log_softmax(1).gather(1, t[:, None]).sum(), least=0), "a gradient of 0 gives 0/0"),
    ("4.5", lambda c, o, keep=0.95: (c.min().item(), (o < c.min()).float().mean()), "t is the smallest of all"),
    ("4.5", _more_than_keep, "exactly `keep` is enough"),
    ("4.5", _below_the_gaps, "counts the N - 1 gaps"),
    ("4.1", _exactly_so_many, "the number of genes that move: got the same each time"),
    ("4.1", _one_step_for_all, "all genes share one step: draw a u for each"),
    ("4.1", _the_parents_at_rate_0, "this hands back the parents"),
    ("4.1", lambda genes, rate: torch.where(torch.rand(()) < rate, genes / 2, genes), "genes move together"),
    ("4.1", lambda genes, rate: genes.clone(), "no gene moves"),
    ("4.2", lambda e, c, kids, s: (e.clone(), lesson_04.challenge(e, c, kids, s)[1]), "`children` has no say"),
    ("4.1", _four_dimensions, "not enough values to unpack"),
    ("4.1", _seeded(lesson_04.mutate), LEFT_BEHIND["seed"]),
    ("4.1", _numpy_seeded, "the number of genes that move: got the same each time (a seed?)"),
    ("4.1", lambda genes, rate: genes.add_(0.1).clamp_(0, 1), LEFT_BEHIND["in place"]),
    ("4.1", _other_exponent, "got 1/17"),
    ("4.2", _the_old_ones, "this hands back the elites or the children"),
    ("4.2", _in_the_map, LEFT_BEHIND["in place"]),
    ("4.2", lambda *given: tuple(t.double() for t in lesson_04.challenge(*given)), "got torch.float64"),
    ("4.3", _fills_the_inputs, LEFT_BEHIND["list in place"]),
    ("4.3", lambda *given: lesson_04.paint(*given).double(), "got torch.float64"),
    ("4.4", _seeded(lesson_04.climb), LEFT_BEHIND["seed"]),
    ("4.4", _first_network(lesson_04.climb), "the shape is right, but the values are not"),
    ("4.4", lambda *given: lesson_04.climb(*given).double(), "got torch.float64"),
    ("4.4", lambda model, *given: lesson_04.climb(model.train(), *given), LEFT_BEHIND["mode"]),
    (
        "4.5",
        lambda clean, other, keep=0.95: lesson_04.catch(clean.copy_(clean.sort()[0]), other, keep),
        LEFT_BEHIND["in place"],
    ),
    (
        "4.5",
        lambda clean, other, keep=0.95: (
            (t := clean.sort(descending=True).values[int(keep * len(clean))].item())
            and (t, (other < t).float().mean().item())
        ),
        "counted from the top",
    ),
]
