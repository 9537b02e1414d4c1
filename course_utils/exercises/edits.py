"""Wrong answers, written as edits of the right one.

    `return low` -> `return high`: this returns the smallest c that *fails*
    `(low * high) ** 0.5` -> `(low + high) / 2` | `** 0.5` -> `/ 2`: this is not the geometric mean
    `high`: this returns the upper end, without a search

``old -> new`` edits the reference's source, where ``old`` has to stand exactly once; a backslash and an n start a new
line. ``&`` joins edits of one answer, ``|`` separates answers that get one message. An expression alone is returned
in place of the whole body; it knows the reference by its name. A long line goes on indented.
"""

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass

ENTRY = re.compile(r"^`.*(?:\n(?!`).*)*", re.M)
EDIT = re.compile(r"`([^`]*)`(?: -> `([^`]*)`)?( & | \| |: )")


@dataclass(frozen=True)
class Mistake:
    """A wrong answer that is known by what it does, and what to say to whoever gives it.

    ``kind`` names it where any exercise can meet it.
    """

    answer: Callable
    message: str
    kind: str = ""


def mistakes(reference: Callable, text: str) -> Iterator[Mistake]:
    """The wrong answers of a text like the one above.

    Raises:
        ValueError: an entry is no edit, or what it replaces does not stand in the reference exactly once.
    """
    for answers, message in entries(text):
        for edits in answers:
            yield Mistake(edited(reference, edits), message)


def entries(text: str) -> Iterator[tuple[list, str]]:
    """The entries of such a text: answers, each a list of ``[old, new or None]``, and their message.

    >>> list(entries("`a` -> `b` & `c` -> `` | `d`: no"))
    [([[['a', 'b'], ['c', '']], [['d', None]]], 'no')]
    """
    for entry in ENTRY.findall(textwrap.dedent(text)):
        line, answers, end, then = re.sub(r"\n\s*", " ", entry).strip(), [], 0, " | "
        while then != ": ":
            match = EDIT.match(line, end)
            if not match:
                raise ValueError(f"write `old` -> `new`: message, not {line!r}")
            if then == " | ":
                answers.append([])
            answers[-1].append([part and part.replace("\\n", "\n") for part in match.group(1, 2)])
            end, then = match.end(), match[3]
        yield answers, line[end:]


def edited(reference: Callable, edits: list) -> Callable:
    """The reference with all edits ``[old, new]``; of ``[expression, None]`` with that for a body."""
    source = source_of(reference)
    for old, new in edits:
        if new is None:
            tree = ast.parse(source)
            tree.body[0].body = ast.parse(f"return {old}").body
            return compiled(reference, tree)
        if source.count(old) != 1:
            raise ValueError(f"{reference.__name__}: {old!r} stands there {source.count(old)} times")
        source = source.replace(old, new)
    return compiled(reference, ast.parse(source))


def source_of(function: Callable) -> str:
    """The source of a function, as if it stood by itself."""
    return textwrap.dedent(inspect.getsource(function))


def compiled(reference: Callable, tree: ast.Module) -> Callable:
    """The function of a changed reference's tree, in which the reference's name means the reference."""
    names = dict(reference.__globals__)
    exec(compile(ast.fix_missing_locations(tree), f"<{reference.__name__}, wrong>", "exec"), names)
    wrong, names[reference.__name__] = names[reference.__name__], reference
    return wrong
