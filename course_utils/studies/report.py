"""What the stored studies say: a verdict for each row, and a page of all of them."""

import base64
import math
import os
from pathlib import Path

import lazy_loader as lazy

from course_utils import figures
from course_utils.core import storage
from course_utils.studies import store, verdict
from course_utils.studies.claims import RULES
from course_utils.studies.rule import Rule
from course_utils.studies.verdict import Decision

jinja2 = lazy.load("jinja2")


def results(rule: Rule, folder: str | os.PathLike | None = None) -> dict[str, dict]:
    """The stored units of a row: those in ``folder``, by default those that are shipped with the course."""
    file = Path(folder or store.SHIPPED) / f"{rule.id}.json"
    return store.Results(file, rule.id, rule.data(), rule.sha256()).units()


def judged(rule: Rule, units: dict[str, dict]) -> Decision:
    """The verdict of a row over its units."""
    values = {key: unit["value"] for key, unit in units.items()}
    factor = {key: unit["factor"] for key, unit in units.items() if "factor" in unit}
    return verdict.decide(values, cut=rule.cut, side=rule.side, method=rule.method, factor=factor or None)


def _number(rule: Rule, value) -> float:
    """A unit's value as one number."""
    if rule.method == "fractions":
        return value[0] / value[1]
    return float(value[2] if rule.method == "pairs" else value)


def drawn(rule: Rule, units: dict[str, dict], mine: float | None = None) -> figures.Picture:
    """Each unit as a dot, the interval of the estimand, the cut, and the learner's own value if there is one."""
    found, points = judged(rule, units), [_number(rule, unit["value"]) for unit in units.values()]
    canvas, axis = figures.figure(6.4, 1.5)
    axis.axvspan(
        *_claimed(rule, [*points, rule.cut, *([] if mine is None else [mine])]), color=figures.CLEAN, alpha=0.08
    )
    axis.axvline(rule.cut, color=figures.NOISE, lw=1)
    axis.plot(points, [0.0] * len(points), "|", color=figures.CLEAN, ms=14, mew=1.5, label="units")
    if found.interval:
        axis.plot(found.interval[1:3], [0.45] * 2, color=figures.CLEAN, lw=3, solid_capstyle="butt")
        axis.plot(found.interval.estimate, 0.45, "o", color=figures.CLEAN, label="mean, 95 %")
    if mine is not None:
        axis.plot(mine, 0.0, "D", color=figures.ADVERSARIAL, label="yours")
    axis.set(ylim=(-0.5, 0.9), yticks=[], xlabel=rule.estimand, title=f"{rule.id} {found.word}: {told(found)}")
    axis.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=8, frameon=False)
    side = "right" if rule.side == "above" else "left"
    alt = f"{rule.id}, {rule.estimand}: {len(points)} units, {told(found)}; the sentence lies {side} of {rule.cut:g}."
    return figures.picture(canvas, alt + ("" if mine is None else f" Yours is {mine:.4g}."))


def _claimed(rule, shown):
    """The side of the cut on which the sentence lies, as far as the picture goes."""
    reach = 0.08 * (max(shown) - min(shown) or 1)
    return (rule.cut, max(shown) + reach) if rule.side == "above" else (min(shown) - reach, rule.cut)


def told(found: Decision) -> str:
    """The interval in words."""
    if not found.interval:
        return "no interval yet"
    estimate, low, high, units = found.interval
    digits = max(0, 1 - math.floor(math.log10(high - low))) if high > low else 3
    more = f"; about {found.needed} units would decide" if found.needed else ""
    return f"{estimate:.{digits}f}, 95 % from {low:.{digits}f} to {high:.{digits}f} over {units} units{more}"


def write_page(file: str | os.PathLike, folder: str | os.PathLike | None = None) -> Path:
    """Write a page of all rows: sentence, test, units, interval, verdict, scope; and those that were not measured."""
    rows = []
    for rule in RULES.values():
        units = results(rule, folder)
        picture = drawn(rule, units) if len(units) >= verdict.FEWEST else None
        rows.append((rule, judged(rule, units), picture, picture and base64.b64encode(picture.png).decode()))
    loader = jinja2.FileSystemLoader(Path(__file__).parent, encoding="utf-8")
    strict = dict(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    page = jinja2.Environment(loader=loader, **strict).get_template("page.html").render(rows=rows, told=told)
    storage.write_atomically(Path(file), page.encode())
    return Path(file)
