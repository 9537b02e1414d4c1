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
from course_utils.studies import RULES
from course_utils.widgets import guesses

jinja2 = lazy.load("jinja2")


def write_report(*, essay: str = "", tables: Mapping[str, Table] | None = None) -> Path:
    """Write ``report.html`` beside the notebook: the figure, every claim with your number, guesses, and what you add.

    It needs no other file and no network. It names your system and the date, and of you nothing but what you wrote.
    An empty line in ``essay`` begins a paragraph; ``tables`` are more of them by their titles.
    """
    file = Path("report.html")
    rows, overview = ledger.rows(), ledger.overview()
    note = [
        datetime.date.today().isoformat(),
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPU cores; Python {platform.python_version()}, "
        f"torch {torch.__version__} on {runtime.device().type}",
        f"{len(rows)} of {len(RULES)} rows with a measurement of yours.",
    ]
    paragraphs = re.split(r"\n\n+", "\n".join(line.strip() for line in essay.strip().splitlines()))
    folder = jinja2.FileSystemLoader(Path(__file__).parent, encoding="utf-8")
    strict = dict(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    guessed = [[question, said, measured or "-"] for question, said, measured, _ in guesses.guesses()]
    page = jinja2.Environment(loader=folder, **strict).get_template("report.html")
    text = page.render(
        title="A Deep Flaw? The claims ledger",
        note=" · ".join(note),
        essay=[part.splitlines() for part in paragraphs if part],
        overview=overview,
        picture=base64.b64encode(overview.png).decode(),
        ledger=ledger.table(),
        waiting=ledger.WAITING,
        tables=tables or {},
        guesses=Table(["question", "guess", "measured"], guessed),
    )
    try:
        storage.write_atomically(file, text.encode())
    except OSError as error:
        raise OSError(
            f"the report cannot be written to {file.absolute()} ({error}): open the notebook in a folder that you may "
            "write to"
        ) from error
    return file
