"""The indirect encoding: a small network paints the image, pixel by pixel.

A compositional pattern-producing network (CPPN; Stanley 2007) maps a place, (column, row, distance to the centre, 1),
to a grey level. The activation functions of its nodes are sines, sigmoids, Gaussians and clipped lines: it paints with
repetition, edges, symmetry. It starts without hidden nodes; mutation adds and deletes nodes and connections (here:
links), but never closes a loop. Rates, ranges and inputs are those of Nguyen, Yosinski and Clune's released code (2014,
arXiv 1412.1897).

A population of P genomes is a set of arrays padded to N nodes: 4 inputs, then the outputs, then room for hidden nodes.
`CPPN.render` sorts the nodes of all genomes by depth, and by function within a depth. Each such group is then one
weighted sum of earlier rows and one call of its function, whatever the topologies.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from course_utils.core.checks import check_count, check_shape
from course_utils.core.tensors import portion
from course_utils.fooling._genomes import Genomes, choose, happens, hls_to_rgb, polynomial, take, uniform

INPUTS = ("x", "y", "radius", "bias")
FUNCTIONS = {
    "sine": torch.sin,
    "sigmoid": lambda total: 2 * torch.sigmoid(total) - 1,
    "gaussian": lambda total: torch.exp(-total.square().clamp_max(80)),  # below 1e-34 processors are slow
    "linear": lambda total: total.clamp(-3, 3) / 3,
}
WEIGHT = 10.0  # weights lie in [-10, 10]
RATE, ETA = 0.1, 15.0  # chance that a weight or a function mutates; polynomial mutation of weights
HELD = {1: 0.25, 3: 1.0}  # cost of a number held while rendering, by channels: colour is faster inside the cache


class Graph(NamedTuple):
    """One genome as a graph: the inputs, and the nodes that reach an output."""

    nodes: dict[int, str]  # node -> its input, or its function
    depths: dict[int, int]  # node -> links on the longest way to it; at least 1, but for the inputs
    links: dict[tuple[int, int], float]  # (source, target) -> weight
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class CPPN:
    """Images painted by networks of any topology.

    Args:
        shape: ``(C, H, W)`` of the images. With C = 3 there are three outputs: hue, lightness and saturation.
        hidden: the most hidden nodes that a genome may have; where all are taken, none is added.

    >>> encoding = CPPN((1, 28, 28))
    >>> encoding.render(encoding.random(5, generator=torch.Generator()), size=(512, 512)).shape
    torch.Size([5, 1, 512, 512])
    """

    shape: tuple[int, int, int] = (1, 28, 28)
    hidden: int = 32

    def __post_init__(self):
        object.__setattr__(self, "shape", check_shape(self.shape))
        object.__setattr__(self, "hidden", check_count("hidden", self.hidden))

    def random(self, number: int, *, generator: torch.Generator, device: torch.device | str = "cpu") -> Genomes:
        """``number`` perceptrons: every input linked to every output, weights drawn evenly from [-10, 10].

        ``weights`` and ``linked`` are ``(P, N, N)``, from the last axis to the one before; ``function``, places in
        `FUNCTIONS`, and ``used``, the nodes that exist, ``(P, N)``.
        """
        device, first, last = torch.device(device), len(INPUTS), len(INPUTS) + self.shape[0]
        nodes = last + self.hidden
        draws = uniform(number, self.shape[0], first, generator=generator, device=device)
        weights = draws.new_zeros(number, nodes, nodes)
        weights[:, first:last, :first] = WEIGHT * (2 * draws - 1)
        linked = torch.zeros_like(weights, dtype=torch.bool)
        linked[:, first:last, :first] = True
        used = (torch.arange(nodes, device=device) < last).repeat(number, 1)
        function = _functions(number, nodes, generator=generator, device=device)
        return {"weights": weights, "linked": linked, "function": function, "used": used}

    def vary(self, genomes: Genomes, parents: Tensor, *, generation: int, generator: torch.Generator) -> Genomes:
        """One child of each of these rows: weights, functions, then a link more, one less, a node more, one less.

        The published crossover exchanges whole genomes, which changes nothing here.
        """
        child = take(genomes, parents)
        how = dict(generator=generator, device=child["used"].device)
        links = child["linked"].nonzero()
        links = links[happens(len(links), RATE, **how)].unbind(1)
        steps = polynomial(uniform(len(links[0]), **how), ETA)
        child["weights"][links] = (child["weights"][links] + 2 * WEIGHT * steps).clamp(-WEIGHT, WEIGHT)
        function = child["function"].view(-1)
        nodes = happens(len(function), RATE, **how)
        function[nodes] = _functions(len(nodes), **how)
        for mutate, chance in MUTATIONS:
            draws = uniform(len(parents), **how)
            mutate(child, (draws < chance).nonzero()[:, 0], self.shape[0], generator)
        return child

    def render(self, genomes: Genomes, size: tuple[int, int] | None = None) -> Tensor:
        """The images in [0, 1], ``(P, C, H, W)``, on a grid of ``size`` (height, width) over the same square.

        Differentiable in the weights. The result has their type: float64 genomes are rendered in float64.
        """
        height, width = (check_count("a side of size", side) for side in size or self.shape[1:])
        places = self._places(height, width, genomes["weights"])
        channels, parts = self.shape[0], []
        plan = Plan(genomes, channels)
        for part in places.split(portion(places[0], cost=HELD[channels] * plan.rows), 1):
            levels = plan.run(part).abs().view(-1, channels, part.shape[1], 1)
            parts.append(hls_to_rgb(levels) if channels == 3 else levels)
        return torch.cat(parts, 2).view(-1, channels, height, width)

    def graph(self, genomes: Genomes, row: int) -> Graph:
        """The genome in this row as a graph, to be drawn."""
        one, kinds = take(genomes, torch.tensor([row])), list(FUNCTIONS)
        plan = Plan(one, self.shape[0])
        nodes = dict(enumerate(INPUTS)) | {node: kinds[int(one["function"][0, node])] for node in plan.nodes.tolist()}
        links = zip(*(each.tolist() for each in plan.links), strict=True)
        links = {(source, target): weight for target, source, weight in links}
        outputs = tuple(range(len(INPUTS), len(INPUTS) + self.shape[0]))
        return Graph(nodes, {node: int(plan.depth[node]) for node in nodes}, links, outputs)

    def _places(self, height: int, width: int, like: Tensor) -> Tensor:
        """The inputs at every pixel, ``(4, H * W)``: columns and rows count the pixels of ``shape``, from 0."""
        _, rows, columns = self.shape
        y = ((torch.arange(height) + 0.5) * rows / height - 0.5).to(like)
        x = ((torch.arange(width) + 0.5) * columns / width - 0.5).to(like)
        y, x = torch.meshgrid(y, x, indexing="ij")
        half = (columns - 1) / 2, (rows - 1) / 2
        radius = torch.hypot(*((axis - middle) / max(middle, 1) for axis, middle in zip((x, y), half, strict=True)))
        return torch.stack([x, y, radius, torch.ones_like(x)]).flatten(1)


def _add_link(child: Genomes, rows: Tensor, outputs: int, generator: torch.Generator) -> None:
    """Link a random node to one that it does not depend on, so that no loop is closed."""
    linked, used = child["linked"][rows], child["used"][rows]
    place = torch.arange(used.shape[1], device=used.device)
    inputs = place < len(INPUTS)
    source = choose(used & (inputs | (place >= len(INPUTS) + outputs)), generator=generator)
    ways, start = linked.float(), F.one_hot(source, len(place)).float()[:, None]
    before = _settle(lambda nodes: torch.baddbmm(nodes, nodes, ways).clamp_max(1), start)[:, 0]
    every = torch.arange(len(rows), device=rows.device)
    free = used & ~inputs & ~before.bool() & ~linked[every, :, source]
    target = choose(free, generator=generator)
    weight = WEIGHT * (2 * uniform(len(rows), generator=generator, device=rows.device) - 1)
    possible = free.any(1)
    rows, target, source = rows[possible], target[possible], source[possible]
    child["linked"][rows, target, source] = True
    child["weights"][rows, target, source] = weight[possible].to(child["weights"])


def _delete_link(child: Genomes, rows: Tensor, outputs: int, generator: torch.Generator) -> None:
    child["linked"][_some_link(child, rows, generator)] = False


def _add_node(child: Genomes, rows: Tensor, outputs: int, generator: torch.Generator) -> None:
    """Put a node into a random link; both halves get the link's weight."""
    rows = rows[~child["used"][rows].all(1)]
    rows, target, source = _some_link(child, rows, generator)
    node = (~child["used"][rows]).int().argmax(1)
    weight = child["weights"][rows, target, source]
    child["used"][rows, node] = True
    child["function"][rows, node] = _functions(len(rows), generator=generator, device=rows.device)
    child["linked"][rows, target, source] = False
    for end, start in ((node, source), (target, node)):
        child["linked"][rows, end, start] = True
        child["weights"][rows, end, start] = weight


def _delete_node(child: Genomes, rows: Tensor, outputs: int, generator: torch.Generator) -> None:
    """Delete a random hidden node, with its links."""
    hidden = child["used"][rows].clone()
    hidden[:, : len(INPUTS) + outputs] = False
    node = choose(hidden, generator=generator)
    rows, node = rows[hidden.any(1)], node[hidden.any(1)]
    child["used"][rows, node] = False
    child["linked"][rows, node] = False
    child["linked"][rows, :, node] = False


MUTATIONS = ((_add_link, 0.5), (_delete_link, 0.3), (_add_node, 0.5), (_delete_node, 0.2))  # chances for each child


def _some_link(child: Genomes, rows: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Rows that have links, and target and source of a random one of each."""
    linked, width = child["linked"][rows].flatten(1), child["linked"].shape[1]
    place, there = choose(linked, generator=generator), linked.any(1)
    return rows[there], place[there] // width, place[there] % width


def _functions(*shape: int, generator: torch.Generator, device: torch.device) -> Tensor:
    how = dict(generator=generator, device=generator.device, dtype=torch.uint8)
    return torch.randint(len(FUNCTIONS), shape, **how).to(device)


class Plan:
    """How a population is computed: one row of values for each node, in groups of rows that can be computed at once.

    The nodes of all genomes are numbered through. Only those that reach an output are computed. ``links`` are (target,
    source, weight) of these, ``depth`` the links on the longest way from an input to a node, ``nodes`` those of the
    rows after the inputs'. Each of ``groups`` is (function, first row, row after the last, most links of a row);
    ``sources`` and ``weights`` ``(rows, F)`` are what a row is computed from, padded with weights of 0.
    """

    def __init__(self, genomes: Genomes, outputs: int):
        linked = genomes["linked"]
        number, width, _ = linked.shape
        place = torch.arange(number * width, device=linked.device) % width
        inputs = place < len(INPUTS)
        read = ~inputs & (place < len(INPUTS) + outputs)
        genome, target, source = linked.nonzero(as_tuple=True)
        weight = genomes["weights"][genome, target, source]
        target, source = genome * width + target, genome * width + source

        needed = _settle(lambda needed: needed.index_fill(0, source[needed[target]], True), read)
        target, source, weight = (each[needed[target]] for each in (target, source, weight))
        self.links = target, source, weight
        self.depth = _settle(lambda depth: depth.scatter_reduce(0, target, depth[source] + 1, "amax"), (~inputs).long())

        key = self.depth * len(FUNCTIONS) + genomes["function"].flatten()
        nodes = (needed & ~inputs).nonzero()[:, 0]
        self.nodes = nodes[key[nodes].argsort(stable=True)]
        row = place.clone()
        row[self.nodes] = len(INPUTS) + torch.arange(len(nodes), device=nodes.device)
        self.outputs, self.rows = row[read], len(INPUTS) + len(nodes)

        target, order = row[target].sort(stable=True)
        links = torch.bincount(target, minlength=self.rows)
        slot = torch.arange(len(target), device=target.device) - (links.cumsum(0) - links)[target]
        shape = self.rows, max(1, int(links.max()))
        self.sources = row.new_zeros(shape).index_put((target, slot), row[source[order]])
        self.weights = weight.new_zeros(shape).index_put((target, slot), weight[order])

        keys, sizes = key[self.nodes].unique_consecutive(return_counts=True)
        ends = len(INPUTS) + sizes.cumsum(0)
        each = torch.repeat_interleave(sizes)
        most = torch.zeros_like(sizes).scatter_reduce(0, each, links[len(INPUTS) :], "amax").clamp_min(1)
        self.groups = torch.stack([keys % len(FUNCTIONS), ends - sizes, ends, most], 1).tolist()

    def run(self, places: Tensor) -> Tensor:
        """The outputs at these places: ``(4, pixels)`` -> ``(P * outputs, pixels)``."""
        functions = list(FUNCTIONS.values())
        values = places.new_empty(self.rows, places.shape[1])
        values[: len(INPUTS)] = places
        for function, start, stop, most in self.groups:
            sources, weights = self.sources[start:stop, :most], self.weights[start:stop, None, :most]
            values[start:stop] = functions[function](torch.bmm(weights, values[sources])[:, 0])
        return values[self.outputs]


def _settle(step: Callable[[Tensor], Tensor], start: Tensor) -> Tensor:
    """Repeat a step until it changes nothing more."""
    while not torch.equal(after := step(start), start):
        start = after
    return start
