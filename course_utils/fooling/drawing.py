"""Pictures of a CPPN: the network that paints."""

from torch import Tensor

from course_utils.figures import CLEAN, NOISE, ROW, THEORY, Picture, figure, picture, show
from course_utils.fooling.cppn import Graph


def graph(network: Graph, *, image: Tensor | None = None, title: str = "", alt: str) -> Picture:
    """A genome's network (see `CPPN.graph`), from its inputs at the left to its outputs at the right.

    Links are as thick as their weights are large, full where these are positive and dashed where they are negative.
    The ``image`` that it paints, ``(C, H, W)``, is shown beside it.

    >>> graph(Graph({0: "x", 1: "sine"}, {0: 0, 1: 1}, {(0, 1): -2.0}, (1,)), alt="x leads to a sine.")
    x leads to a sine.
    """
    nodes, depths, links, outputs = network
    depths = depths | dict.fromkeys(outputs, max(depths.values()))
    columns = [[node for node in nodes if depths[node] == depth] for depth in sorted(set(depths.values()))]
    place = {}
    for column, members in enumerate(columns):
        heights = {node: [place[a][1] for a, b in links if b == node and a in place] or [0.5] for node in members}
        members.sort(key=lambda node: sum(heights[node]) / len(heights[node]))
        for i, node in enumerate(members):
            place[node] = (column, (i + 0.5) / len(members) + 0.04 * (column % 2) - 0.02)
    high = max(2.4, 0.5 * max(map(len, columns)))
    canvas, axes = figure(ROW, high, ncols=1 if image is None else 2, width_ratios=[1] if image is None else [3, 1])
    axis = axes if image is None else axes[0]
    largest = max(map(abs, links.values()), default=0) or 1.0
    for (source, target), weight in links.items():
        bend = 0.0 if place[target][0] - place[source][0] == 1 else 0.18
        style = dict(lw=0.4 + 2 * abs(weight) / largest, ls="-" if weight >= 0 else (0, (3, 2)), color=NOISE, alpha=0.8)
        arrow = dict(arrowstyle="-", connectionstyle=f"arc3,rad={bend}", shrinkA=14, shrinkB=14, **style)
        axis.annotate("", place[target], place[source], arrowprops=arrow)
    for node, name in nodes.items():
        edge = CLEAN if depths[node] == 0 else THEORY
        box = dict(boxstyle="round,pad=0.3", fc="white", ec=edge, lw=1.2)
        axis.text(*place[node], name, ha="center", va="center", fontsize=8, bbox=box)
    axis.set(xlim=(-0.5, len(columns) - 0.5), ylim=(-0.05, 1.05), title=title)
    axis.axis("off")
    if image is not None:
        show(axes[1], image)
    return picture(canvas, alt)
