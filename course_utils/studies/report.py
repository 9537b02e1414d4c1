"""What the stored studies say: a verdict for each row, and a page of all of them."""

import base64
import math
import os
import textwrap
from pathlib import Path

import lazy_loader as lazy

from course_utils import figures
from course_utils.core import storage
from course_utils.studies import papers, store, verdict
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
    factor, top = ({key: unit[what] for key, unit in units.items() if what in unit} for what in ("factor", "top"))
    how = dict(cut=rule.cut, side=rule.side, method=rule.method)
    found = verdict.decide(values, **how, factor=factor or None, top=top or None)
    if not (rule.is_share and found.interval):
        return found
    groups = {level: _inside(each) for level, each in found.groups.items()}
    return found._replace(interval=_inside(found.interval), groups=groups)


def _inside(found: verdict.Interval) -> verdict.Interval:
    """Of a share no interval reaches beyond 0 and 1."""
    return found._replace(low=max(found.low, 0.0), high=min(found.high, 1.0))


def one_number(rule: Rule, value) -> float:
    """A unit's value as one number."""
    if rule.method == "fractions":
        return value[0] / value[1]
    return float(value[2] if rule.method == "pairs" else value)


def drawn(rule: Rule, units: dict[str, dict], mine: float | None = None) -> figures.Picture:
    """Each unit as a stroke, the interval of the estimand, the cut, what was reported, and yours if there is one."""
    found, points = judged(rule, units), [one_number(rule, unit["value"]) for unit in units.values()]
    reported = [each.plain for each in papers.of(rule.id) if each.comparable]
    shown = [
        *points,
        *reported,
        rule.cut,
        *(found.interval[:3] if found.interval else ()),
        *([] if mine is None else [mine]),
    ]
    reach = 0.08 * (max(shown) - min(shown) or abs(rule.cut) or 1)
    left, right = min(shown) - reach, max(shown) + reach
    if rule.is_share:
        left, right = max(left, 0.0), min(right, 1.0)
    claimed = (rule.cut, right) if rule.side == "above" else (left, rule.cut)
    canvas, axis = figures.figure(6.4, 1.6)
    axis.axvspan(*claimed, color=figures.CLEAN, alpha=0.08, label="the sentence's side")
    axis.axvline(rule.cut, color=figures.NOISE, lw=1)
    if points:
        axis.plot(points, [0.0] * len(points), "|", color=figures.CLEAN, ms=14, mew=1.5, label=f"{len(points)} units")
    intervals = found.groups if found.word == "depends" else {"": found.interval} if found.interval else {}
    for row, (level, each) in enumerate(intervals.items()):
        height = 0.45 + 0.3 * row / len(intervals)
        axis.plot(each[1:3], [height] * 2, color=figures.CLEAN, lw=3, solid_capstyle="butt")
        axis.plot(each.estimate, height, "o", color=figures.CLEAN, label="" if row else "estimate, 95 %")
        end, side, shift = (each.low, "right", -6) if each.estimate > (left + right) / 2 else (each.high, "left", 6)
        axis.annotate(level, (end, height), (shift, 0), textcoords="offset points", va="center", ha=side, fontsize=8)
    if reported:
        axis.plot(reported, [-0.4] * len(reported), "^", color=figures.THEORY, label="reported")
    if mine is not None:
        axis.plot(mine, 0.0, "D", color=figures.ADVERSARIAL, label="yours")
    room = 0.02 * (right - left)
    axis.set(xlim=(left - room, right + room), ylim=(-0.7, 0.9), yticks=[], xlabel=textwrap.fill(rule.estimand, 80))
    axis.xaxis.set_major_formatter("{x:g}")
    title = f" {found.word}: {_told(found.interval)}" if found.interval else ": not measured yet"
    axis.set_title(rule.id + title, fontsize=10)
    axis.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=8, frameon=False)
    alt = f"{rule.id} {found.word}; {rule.estimand}: {len(points)} units, {told(found)}; the sentence says "
    alt += f"{rule.side} {rule.cut:g}." + ("" if mine is None else f" Yours is {mine:.4g}.")
    return figures.picture(canvas, alt)


def told(found: Decision) -> str:
    """The interval in words, and that of each group where the verdict is that it depends."""
    if not found.interval:
        return "no interval yet"
    more = f"; about {found.needed} units would decide" if found.needed else ""
    groups = found.groups if found.word == "depends" else {}
    return _told(found.interval) + more + "".join(f"; {level}: {_told(each)}" for level, each in groups.items())


def _told(found: verdict.Interval) -> str:
    estimate, low, high, units = found
    digits = max(0, 1 - math.floor(math.log10(high - low))) if high > low else 3
    kind = f".{digits}f" if digits < 8 else ".3g"
    return f"{estimate:{kind}}, 95 % from {low:{kind}} to {high:{kind}} over {units} units"


def write_page(file: str | os.PathLike, folder: str | os.PathLike | None = None) -> Path:
    """Write a page of all rows: sentence, test, units, interval, verdict, scope; and those that were not measured."""
    rows = []
    for rule in RULES.values():
        units = results(rule, folder)
        picture = drawn(rule, units) if len(units) >= verdict.FEWEST else None
        png = picture and base64.b64encode(picture.png).decode()
        rows.append((rule, judged(rule, units), picture, png, papers.of(rule.id)))
    words = {word: [rule.id for rule, found, *_ in rows if found.word == word] for word in verdict.WORDS}
    loader = jinja2.FileSystemLoader(Path(__file__).parent, encoding="utf-8")
    strict = dict(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = jinja2.Environment(loader=loader, **strict).get_template("page.html")
    page = template.render(rows=rows, words=words, told=told)
    storage.write_atomically(Path(file), page.encode())
    return Path(file)
