"""The claims ledger: each claim of the debate, what its study says, what was reported, and your own number beside it.

A verdict comes from a study: many networks or pictures, and a rule that was fixed before (`course_utils.studies`). Your
one number is a point among the study's. It is kept in your record (`storage.JsonStore`), one for each row; `report`
makes one page of all rows to hand in.
"""

import base64
import html
import math
import textwrap
from dataclasses import dataclass

from course_utils import figures, runtime
from course_utils.core.checks import no_such
from course_utils.core.storage import JsonStore
from course_utils.figures import Picture, Table
from course_utils.studies import papers, report
from course_utils.studies.claims import RULES

WAITING = "not measured"
NOTHING = "Its study is not measured yet."
VERDICTS = {  # the sign of each and its colour
    "holds": ("✓", figures.CLEAN),
    "depends": ("~", figures.NOISE),
    "undecided": ("?", figures.THEORY),
    "fails": ("✗", figures.ADVERSARIAL),
    WAITING: ("", "#595959"),
}


def _check(entries: dict) -> None:
    if isinstance(entries, list):
        raise ValueError("it holds rows of the course's first edition, which were judged by other rules")
    if not all(isinstance(note, str) and (mine is None or math.isfinite(mine)) for mine, note in entries.values()):
        raise ValueError("it holds something else than numbers with a note")


STORE = JsonStore("ledger", fresh=dict, check=_check)


@dataclass(frozen=True)
class Entry:
    """A row as a notebook shows it: the sentence and what is tested of it, and a picture of its study with yours.

    There is no picture where there is neither a study nor a number.
    """

    picture: Picture | None
    sentence: str
    source: str
    tested: str
    note: str

    def __repr__(self) -> str:
        seen = self.picture.alt if self.picture else NOTHING
        lines = (f"“{self.sentence}” ({self.source})", f"Tested: {self.tested}.", seen, self.note)
        return runtime.printable("\n".join(textwrap.fill(line, 110) for line in lines if line))

    def _repr_html_(self) -> str:
        said, source, tested, note = map(html.escape, (self.sentence, self.source, self.tested, self.note))
        seen = NOTHING
        if self.picture:
            png = base64.b64encode(self.picture.png).decode()
            seen = f'<img alt="{html.escape(self.picture.alt)}" src="data:image/png;base64,{png}">'
        return f"<p>“{said}” <small>({source})</small><br>Tested: {tested}.</p>{seen}<p>{note}</p>"


def record(row: str, mine: float | None = None, note: str = "") -> Entry:
    """Put your number into a row of the ledger, in place of an older one, and show it among the study's units.

    Args:
        row: its id, such as "S1" or "B5-span"; `table` lists them.
        mine: what you measured, in the unit of the row's estimand: a share of 87 % is 0.87. None where your measurement
            was of another kind.
        note: what you measured, in words, where there is more to say: which network, how many images. A note alone
            leaves an older number where it is.

    Raises:
        ValueError: there is no such row, or the number cannot be a value of its estimand.
    """
    if row not in RULES:
        raise no_such("row", row, RULES)
    mine = None if mine is None else float(mine)
    rule = RULES[row]
    if mine is not None and not math.isfinite(mine):
        raise ValueError(f"mine={mine} is no number: what was measured? The row asks for {rule.estimand}")
    if mine is not None and rule.is_share and not 0 <= mine <= 1:
        hint = f"; {mine:g} % is {mine / 100:g}" if 1 < mine <= 100 else ""
        raise ValueError(f"mine={mine:g} is not between 0 and 1, and {row} asks for a share: {rule.estimand}{hint}")

    def put(entries: dict) -> None:
        kept, _ = entries.get(row, (None, ""))
        entries[row] = [kept if mine is None else mine, str(note)]

    mine, note = STORE.update(put)[row]
    units = report.results(rule)
    picture = report.drawn(rule, units, mine) if units or mine is not None else None
    return Entry(picture, rule.sentence, rule.source, rule.tested, note)


def rows() -> dict[str, tuple[float | None, str]]:
    """Your number and note in each row that you have recorded, in the order of the debate."""
    entries = STORE.read()
    return {row: tuple(entries[row]) for row in RULES if row in entries}


def table(*claims: str) -> Table:
    """The ledger as a table: all rows, or those of some claims or rows, such as "B5" or "B5-span"."""
    known = {*RULES, *(row.partition("-")[0] for row in RULES)}
    if strangers := [claim for claim in claims if claim not in known]:
        raise no_such("claim", strangers[0], RULES)
    mine, lines = rows(), []
    for row, rule in RULES.items():
        if claims and not {row, row.partition("-")[0]} & set(claims):
            continue
        found = report.judged(rule, report.results(rule))
        value, note = mine.get(row, (None, ""))
        yours = "; ".join(filter(None, ["" if value is None else f"{value:.4g}", note])) or "-"
        reported = sorted(papers.of(row), key=lambda each: not each.comparable)
        said = "; ".join(f"{each.what}: {each}" for each in reported[:2]) or "-"
        study = report.told(found) if found.interval else "-"
        lines.append([row, f"“{rule.sentence}” Tested: {rule.tested}.", study, said, yours, found.word])
    return Table(["", "claim", "study", "reported", "yours", "verdict"], lines)


def standing() -> dict[str, str]:
    """The verdict of each row, from its study.

    >>> standing()["T1"]
    'holds'
    """
    return {row: report.judged(rule, report.results(rule)).word for row, rule in RULES.items()}


def overview() -> Picture:
    """All rows at one glance: the sign of each verdict, and a dot where you have a number of your own."""
    words, mine = standing(), {row for row, (number, _) in rows().items() if number is not None}
    canvas, axis = figures.figure(figures.ROW, 0.7 + 0.21 * len(RULES))
    for y, (row, rule) in enumerate(RULES.items()):
        sign, color = VERDICTS[words[row]]
        box = dict(boxstyle="square,pad=0.15", fc=color if sign else "white", ec="white", lw=1)
        axis.text(-0.9, y, row, ha="left", va="center", fontsize=8.5, weight="bold")
        label = textwrap.shorten(rule.tested, 96, placeholder=" …")
        axis.text(0.7, y, label, ha="left", va="center", fontsize=8.5)
        axis.text(11.6, y, sign, ha="center", va="center", fontsize=8.5, color="white", bbox=box)
        axis.text(12.1, y, words[row], ha="left", va="center", fontsize=8.5, color="#595959")
        if row in mine:
            axis.plot(13.8, y, "o", color=figures.ADVERSARIAL, ms=5)
        axis.axhline(y + 0.5, color="#DDDDDD", lw=0.6)
    axis.set(xlim=(-1, 14), ylim=(len(RULES) - 0.4, -0.6))
    axis.set_title("what is tested", fontsize=10, loc="left")
    axis.set_title("the study's verdict, yours", fontsize=8.5, loc="right", color="#595959")
    axis.axis("off")
    parts = []
    for word in VERDICTS:
        found = [row for row in RULES if words[row] == word]
        parts.append(f"{len(found)} {word}" + (f": {', '.join(found)}" if found and word != WAITING else ""))
    return figures.picture(
        canvas, f"Of {len(RULES)} rows, " + "; ".join(parts) + f". You have a number in {len(mine)}."
    )
