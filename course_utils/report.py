"""One HTML file to hand in: text, tables and pictures inside it, nothing to load from elsewhere.

The page is the template ``report.html``. Everything that comes from outside is escaped there, so that a ``<`` in an
essay is a ``<`` on the page. It is readable on a phone, where each row of a table becomes a block, in print, and in the
dark.
"""

import base64
import datetime
import os
import platform
import re
from collections.abc import Mapping
from pathlib import Path

import lazy_loader as lazy
import torch

from course_utils import ledger, runtime
from course_utils.core import storage
from course_utils.figures import Table
from course_utils.widgets import guesses

jinja2 = lazy.load("jinja2")


def write_report(path: Path | str | None = None, *, essay: str = "", tables: Mapping[str, Table] | None = None) -> Path:
    """One HTML file to hand in: the figure, every claim with its rows, your guesses, and what you add.

    It needs no other file and no network. It names your system and the date, and of you nothing but what you wrote.

    Args:
        path: of the file, which is replaced; None is ``report.html`` in the folder of the notebook.
        essay: your text; an empty line begins a paragraph.
        tables: title -> more tables, such as the board of the arena.

    Raises:
        OSError: it cannot be written there.
    """
    file, shown = Path("report.html" if path is None else path).expanduser(), ledger.table()
    measured = len({row.claim for row in ledger.rows()})
    note = [
        datetime.date.today().isoformat(),
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPU cores; Python {platform.python_version()}, "
        f"torch {torch.__version__} on {runtime.device().type}",
        f"{len(ledger.rows())} rows; {measured} of {len(ledger.CLAIMS)} claims measured.",
    ]
    paragraphs = re.split(r"\n\n+", "\n".join(line.strip() for line in essay.strip().splitlines()))
    overview = ledger.overview()
    page = _template().render(
        title="A Deep Flaw? The claims ledger",
        note=" · ".join(note),
        essay=[part.splitlines() for part in paragraphs if part],
        overview=overview,
        picture=base64.b64encode(overview.png).decode(),
        ledger=shown,
        waiting=ledger.WAITING,
        tables=tables or {},
        guesses=Table(["question", "guess", "measured"], [[q, said, was or "-"] for q, said, was in guesses.guesses()]),
    )
    try:
        storage.write_atomically(file, page.encode())
    except OSError as error:
        raise OSError(f"the report cannot be written to {file} ({error}): name another place, path=...") from error
    return file


def _template() -> "jinja2.Template":
    folder = jinja2.FileSystemLoader(Path(__file__).parent, encoding="utf-8")
    environment = jinja2.Environment(loader=folder, autoescape=True, undefined=jinja2.StrictUndefined)
    environment.trim_blocks = environment.lstrip_blocks = True
    return environment.get_template("report.html")
