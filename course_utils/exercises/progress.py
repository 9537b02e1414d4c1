"""How far you are: exercises, guesses and rows of the ledger, as your record has them."""

import html
from collections import defaultdict
from dataclasses import dataclass

from course_utils import ledger, runtime
from course_utils.exercises import desk
from course_utils.figures import Table
from course_utils.widgets import guesses

MINUTES = {1: 5, 2: 15, 3: 30}  # what an exercise of so many stars takes most learners


@dataclass(frozen=True)
class Progress:
    """Tables under headings."""

    tables: dict[str, Table]

    def __repr__(self) -> str:
        shown = (f"{heading}\n\n{table}" if table.rows else heading for heading, table in self.tables.items())
        return runtime.printable("\n\n".join(shown))

    def _repr_html_(self) -> str:
        return "".join(
            f"<p><b>{html.escape(heading)}</b></p>{table._repr_html_() if table.rows else ''}"
            for heading, table in self.tables.items()
        )


def progress() -> Progress:
    """What of the course you have done, and how many minutes of exercises are left.

    An exercise is ✓ right, ✗ tried, or ○ not begun; its stars say how long it is. Guesses are shown with how near they
    were. It is kept on this machine, in your record.
    """
    record = {id: desk.kept(entry) for id, entry in desk.STORE.read().items()}
    lessons = defaultdict(list)
    for exercise in desk.every():
        lessons[exercise.id.partition(".")[0]].append(exercise)
    lines = []
    for lesson, exercises in lessons.items():
        left = [each for each in exercises if not record.get(each.id, desk.Kept()).right]
        signs = "  ".join(f"{_sign(record.get(each.id))}\u00a0{each.id}\u00a0{'★' * each.stars}" for each in exercises)
        lines.append([lesson, len(exercises) - len(left), signs, sum(MINUTES[each.stars] for each in left)])
    guessed = [[asked, verdict or f"You said {said}."] for asked, said, _, verdict in guesses.guesses()]
    rows = [[row, "-" if mine is None else f"{mine:.4g}", note] for row, (mine, note) in ledger.rows().items()]
    done, minutes = (sum(line[i] for line in lines) for i in (1, 3))
    found = {
        f"exercises right: {done}, about {minutes} minutes of exercises left": (
            ["lesson", "right", "exercises", "minutes left"],
            lines,
        ),
        f"guesses: {len(guessed)}": (["question", "how near"], guessed),
        f"rows in the ledger: {len(rows)}": (["row", "yours", "what you measured"], rows),
    }
    return Progress({heading: Table(headers, lines) for heading, (headers, lines) in found.items()})


def _sign(kept: desk.Kept | None) -> str:
    return "○" if kept is None else "✓" if kept.right else "✗"
