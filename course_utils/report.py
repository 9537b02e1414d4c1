"""One HTML file to hand in: text, tables and pictures inside it, nothing to load from elsewhere.

Everything that comes from outside is escaped, so that a ``<`` in an essay is a ``<`` on the page. The page is readable
on a phone, where each row of a table becomes a block, in print, and in the dark.
"""

import base64
import datetime
import os
import platform
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path

import torch

from course_utils import ledger, runtime
from course_utils.core import storage
from course_utils.figures import Picture, Table
from course_utils.widgets import guesses

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
STYLE = """
:root { color-scheme: light dark; --line: #8886; --soft: #8882; --quiet: #666; }
@media (prefers-color-scheme: dark) { :root { --quiet: #aaa; } }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 70rem; padding: 1rem 1.2rem 4rem; }
h1 { line-height: 1.2; } h2 { margin-top: 2.4rem; border-bottom: 1px solid var(--line); }
p { max-width: 44rem; overflow-wrap: anywhere; } .note { color: var(--quiet); font-size: .9rem; }
figure { margin: 1rem 0; } figcaption { color: var(--quiet); font-size: .9rem; max-width: 44rem; }
img { max-width: 100%; height: auto; background: white; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem; border-bottom: 1px solid var(--line); }
td { overflow-wrap: anywhere; } tr.waiting td { color: var(--quiet); } thead th { border-bottom-width: 2px; }
@media (max-width: 44rem) {
  table, tbody, tr, td { display: block; } thead { display: none; }
  tr { margin: .8rem 0; padding: .4rem .6rem; background: var(--soft); border-radius: .4rem; }
  td { border: 0; padding: .1rem 0; }
  td:not([data-name=""])::before { content: attr(data-name) ": "; font-weight: 600; }
}
@media print {
  :root { color-scheme: light; } body { font-size: 10pt; max-width: none; padding: 0; }
  tr, figure { break-inside: avoid; } h2 { break-after: avoid; } thead { display: table-header-group; }
}
"""


def document(title: str, parts: Iterable[str]) -> str:
    """A whole page of ``parts``, which are HTML: made by `heading`, `text`, `table` and `picture`.

    >>> page = document("Mine", [heading("First"), text("1 < 2")])
    >>> "<h2>First</h2>" in page, "1 &lt; 2" in page
    (True, True)
    """
    head = [
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">',
        f"<title>{escape(title)}</title>",
        f"<style>{STYLE}</style>",
    ]
    body = ["<main>", f"<h1>{escape(title)}</h1>", *parts, "</main>"]
    lines = ["<!doctype html>", '<html lang="en">', "<head>", *head, "</head>", "<body>", *body, "</body>", "</html>"]
    return "\n".join(lines) + "\n"


def heading(words: str) -> str:
    """A heading of a section."""
    return f"<h2>{escape(words)}</h2>"


def text(words: str, note: bool = False) -> str:
    """Paragraphs: an empty line begins a new one, a single line break stays. A ``note`` is smaller.

    >>> text("a\\nb")
    '<p>a<br>b</p>'
    """
    opening = '<p class="note">' if note else "<p>"
    paragraphs = [part.strip() for part in "\n".join(words.splitlines()).split("\n\n")]
    return "\n".join(opening + escape(part).replace("\n", "<br>") + "</p>" for part in paragraphs if part)


def table(shown: Table, waiting: Iterable[int] = ()) -> str:
    """A table; the rows numbered in ``waiting`` are grey.

    >>> print(table(Table(["net", "error"], [["a & b", 0.5]])))
    <table>
    <thead><tr><th>net</th><th>error</th></tr></thead>
    <tbody>
    <tr><td data-name="net">a &amp; b</td><td data-name="error">0.5</td></tr>
    </tbody>
    </table>
    """
    names = [escape(str(name)) for name in shown.headers]
    waiting, lines = set(waiting), []
    for number, row in enumerate(shown.rows):
        cells = [f'<td data-name="{name}">{escape(str(cell))}</td>' for name, cell in zip(names, row, strict=True)]
        opening = '<tr class="waiting">' if number in waiting else "<tr>"
        lines.append(opening + "".join(cells) + "</tr>")
    titles = "".join(f"<th>{name}</th>" for name in names)
    return "\n".join(["<table>", f"<thead><tr>{titles}</tr></thead>", "<tbody>", *lines, "</tbody>", "</table>"])


def picture(shown: Picture) -> str:
    """A picture inside the page, with its sentence for those who cannot see it, and the same beneath it."""
    source = base64.b64encode(shown.png).decode()
    alt = escape(shown.alt)
    return f'<figure><img alt="{alt}" src="data:image/png;base64,{source}"><figcaption>{alt}</figcaption></figure>'


def write_report(path: Path | str | None = None, *, essay: str = "", tables: Mapping[str, Table] | None = None) -> Path:
    """One HTML file to hand in: the figure, every claim with its rows, your guesses, and what you add.

    It needs no other file and no network. It names your system and the date, and of you nothing but what you wrote.

    Args:
        path: of the file, which is replaced; None is ``html`` in the folder of the notebook.
        essay: your text; an empty line begins a paragraph.
        tables: title -> more tables, such as the board of the arena.

    Raises:
        OSError: it cannot be written there.
    """
    file, shown = Path("report.html" if path is None else path).expanduser(), ledger.table()
    waiting = [number for number, row in enumerate(shown.rows) if row[-1] == ledger.WAITING]
    where = f"Python {platform.python_version()}, torch {torch.__version__} on {runtime.device().type}"
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPU cores; {where}"
    summary = f"{len(ledger.rows())} rows; {len(ledger.CLAIMS) - len(waiting)} of {len(ledger.CLAIMS)} claims measured."
    parts = [text(f"{datetime.date.today().isoformat()} · {machine} · {summary}", note=True)]
    if essay.strip():
        parts += [heading("Was it a deep flaw?"), text(essay)]
    parts += [heading("The claims at one glance"), picture(ledger.overview())]
    parts += [heading("The ledger"), table(shown, waiting)]
    for title, one in (tables or {}).items():
        parts += [heading(title), table(one)]
    if said := guesses.guesses():
        answered = [[question, answer, measured or "-"] for question, answer, measured in said]
        parts += [heading("What was guessed before it was measured")]
        parts += [table(Table(["question", "guess", "measured"], answered))]
    try:
        storage.write_atomically(file, document("A Deep Flaw? The claims ledger", parts).encode())
    except OSError as error:
        raise OSError(f"the report cannot be written to {file} ({error}): name another place, path=...") from error
    return file
