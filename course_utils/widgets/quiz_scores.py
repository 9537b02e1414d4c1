"""A reader against a network on the same pictures: who was right how often, who was certain, and where they differ.

Few pictures carry little evidence, so each fraction has its exact confidence interval (`stats.clopper_pearson`). Where
a picture has no right answer, "none of them" counts for the reader, and nothing for a network that has no such class:
there only how certain it is can be compared.
"""

import statistics
from collections.abc import Sequence

from torch import Tensor

from course_utils import figures
from course_utils.core.stats import clopper_pearson

SURE = ["a guess", "unsure", "fairly sure", "certain"]  # 1 to 4
CERTAIN = 0.99  # from this confidence on a network counts as certain
EVENTS = "you", "network", "you certain", "network certain"
SHOWN = 30  # pictures at most that somebody got wrong


def score_quiz(results: Sequence[dict]) -> dict[str, dict]:
    """Fractions by kind, each as ``(fraction, low, high)`` with its 95 % confidence interval; see `quiz.Quiz.results`.

    For each kind: ``number``; ``you`` and ``network``, who gave the right answer: where there is none, for you "none of
    them", and None for the network; ``you certain`` and ``network certain``, of whatever was said.

    >>> one = dict(kind="noise", truth=None, label=None, sure=4, network=8, confidence=0.7)
    >>> fraction, low, high = score_quiz([one])["noise"]["you"]
    >>> f"{fraction:.3f}, from {low:.3f} to {high:.3f}"
    '1.000, from 0.025 to 1.000'
    """
    scores = {}
    for kind in dict.fromkeys(one["kind"] for one in results):
        of = [one for one in results if one["kind"] == kind]
        hits = [
            sum(one["label"] == one["truth"] for one in of),
            sum(one["network"] == one["truth"] for one in of),
            sum(one["sure"] == len(SURE) for one in of),
            sum(one["confidence"] >= CERTAIN for one in of),
        ]
        fractions = {name: (k / len(of), *clopper_pearson(k, len(of))) for name, k in zip(EVENTS, hits, strict=True)}
        if of[0]["truth"] is None:
            fractions["network"] = None
        scores[kind] = {"number": len(of), **fractions}
    return scores


def compare(pictures: Tensor, results: Sequence[dict]) -> figures.Picture:
    """The scores by kind, and below them those of all ``pictures`` on which you or the network erred."""
    shown = sorted(one["shown"] for one in results)
    stood = f"shown for {shown[0]:.0f} to {shown[-1]:.0f} ms, median {statistics.median(shown):.0f} ms"
    parts = {f"You against the network: {len(results)} pictures, {stood}": _chart(score_quiz(results))}
    wrong = [one for one in results if not one["label"] == one["truth"] == one["network"]][:SHOWN]
    if wrong:
        captions = []
        for one in wrong:
            shown = one["kind"] if one["truth"] is None else f"{one['kind']}: {one['truth']}"
            you = "none" if one["label"] is None else one["label"]
            captions.append(f"{shown}\nyou: {you}\nnetwork: {one['network']}")
        alt = "; ".join(caption.replace("\n", ", ") for caption in captions) + "."
        grid = figures.images(pictures[[one["picture"] for one in wrong]], captions, alt=alt)
        parts["On these you or the network erred: a wrong digit, or a digit where there is none"] = grid
    return figures.tile(parts, columns=1)


def _chart(scores: dict[str, dict]) -> figures.Picture:
    canvas, axes = figures.figure(figures.ROW, 1.4 + 0.5 * len(scores), ncols=2, sharey=True)
    certain = f"certain (the network: at least {figures.percent(CERTAIN)})"
    for axis, ending, title in zip(axes, ("", " certain"), ("right, or “none” where nothing is", certain), strict=True):
        for who, color, marker, lift in (("you", figures.CLEAN, "o", -0.13), ("network", figures.NOISE, "s", 0.13)):
            for row, one in enumerate(scores.values()):
                if one[who + ending] is None:
                    axis.text(0, row + lift, "the network cannot say “none”", va="center", fontsize=8, color=color)
                    continue
                fraction, low, high = one[who + ending]
                how = dict(fmt=marker, color=color, capsize=3, label=who if row == 0 else None)
                axis.errorbar(fraction, row + lift, xerr=[[fraction - low], [high - fraction]], **how)
        axis.set(xlim=(-0.03, 1.03), xlabel="fraction, with its 95 % confidence interval", title=title)
        axis.grid(axis="x")
    axes[0].set_yticks(range(len(scores)), [f"{kind} ({one['number']})" for kind, one in scores.items()])
    axes[0].set_ylim(len(scores) - 0.5, -0.5)
    canvas.legend(*axes[1].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
    alt = ""
    for kind, one in scores.items():
        said = [figures.percent(one[name][0]) if one[name] else "cannot be" for name in EVENTS]
        alt += f"{kind}: right were you {said[0]}, the network {said[1]}; "
        alt += f"certain were you {said[2]}, the network {said[3]}. "
    return figures.picture(canvas, alt.strip())
