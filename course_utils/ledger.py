"""The claims ledger: every claim of the debate, beside what you measured and what was reported.

A lesson ends in rows of this ledger. They are kept in your record (`storage.JsonStore`), one row for each claim and
measured thing; running a lesson again replaces its rows. `report` makes one page of them to hand in.
"""

import textwrap
from collections.abc import Collection
from typing import NamedTuple

from course_utils import figures
from course_utils.core.checks import no_such
from course_utils.core.storage import JsonStore
from course_utils.figures import Picture, Table

WAITING = "not measured yet"
VERDICTS = {  # the sign of each, its colour, and its claims in a sentence
    "holds": ("✓", figures.CLEAN, "hold in every row"),
    "depends": ("~", figures.NOISE, "depend, or differ by row"),
    "undecided": ("?", figures.THEORY, "are undecided in every row"),
    "fails": ("✗", figures.ADVERSARIAL, "fail in every row"),
}
MARKS = {"P": "the paper's own", "S": "as quoted by later texts", "M": "reported, unchecked", "C": "computed", "": ""}


class Claim(NamedTuple):
    """What was said, by whom, and the lessons that test it."""

    text: str
    source: str
    lessons: str


CLAIMS = {
    "T1": Claim("a LeNet reads MNIST with an error below 1 %", "LeCun 1998, Caffe, Nguyen", "01"),
    "S1": Claim(
        "a correctly classified image has a misclassified twin at tiny distortion", "article, Szegedy", "02, 03, 05, 09"
    ),
    "S2": Claim(
        "the same twin fools other networks, and networks trained on other data", "article, Szegedy T2-T4", "02, 03, 05"
    ),
    "S3": Claim("the change is spread over all pixels", "article", "02, 03"),
    "S4": Claim("an iterative optimiser is needed to find it", "blog", "03"),
    "N1": Claim(
        "evolution breeds noise-like images at 99.99 % confidence on LeNet in fewer than 50 generations",
        "article, Nguyen",
        "04",
    ),
    "N2": Claim("an indirect (CPPN) encoding breeds regular images at 99.99 %", "article, Nguyen", "04"),
    "N3": Claim("evolution is not needed: plain gradient ascent does it too", "article, Nguyen", "04"),
    "N4": Claim("it scales to ImageNet", "article", "05"),
    "N5": Claim("removing repeated copies of an element lowers confidence", "article, Nguyen", "05"),
    "N6": Claim("networks see parts, not how they relate: shuffled patches keep their class", "article", "05"),
    "N7": Claim("images bred on one network fool another", "article, Nguyen", "04, 05"),
    "N8": Claim(
        "confidence follows distance to the boundary and ignores nearness to the class", "article", "01, 06, 08"
    ),
    "B1": Claim("images of a fixed 3-D scene form a manifold of about 7 dimensions", "blog", "06"),
    "B2": Claim("its geodesics follow optical flow, not pixel blending", "blog", "06"),
    "B3": Claim("fooling images lie off the image manifold, and that excuses the network", "blog", "06"),
    "B4": Claim(
        "the adversarial set near an image has near-zero measure, far below the ordinary error rate", "blog", "07"
    ),
    "B5": Claim(
        "a network is piecewise linear, with faces not aligned to the axes: one pixel pushed far enough leaves the "
        "class",
        "blog",
        "07",
    ),
    "B6": Claim("the bad regions of different pixels are nearly uncorrelated", "blog", "07"),
    "B7": Claim("P(stable) is about (1-eps)^n, hence near 0", "blog", "07"),
    "B8": Claim("dimension alone explains it, not the network", "blog's conclusion", "07, 09"),
    "C1": Claim(
        "humans are not fooled (comment 1); humans are fooled too (comments 2, 3)", "comments on the blog", "08"
    ),
    "C2": Claim("more data, including abstract patterns, would cure it", "comment 3", "08, 09"),
    "C3": Claim("functions of data must map different inputs to the same output", "comment 4", "08"),
    "A1": Claim("a margin or distance-based objective (SVM, RBF) would cure it", "article", "08"),
    "A2": Claim("training on the fooling images cures it", "Nguyen: MNIST no, ImageNet yes", "09"),
    "A3": Claim(
        "a security camera can be fooled by noise bred to be a face; wallpaper can sway a classifier", "article", "10"
    ),
}


class Row(NamedTuple):
    """One measurement beside its report."""

    claim: str
    what: str
    measured: str
    reported: str
    mark: str
    verdict: str
    condition: str


def _check(entries: list) -> None:
    if not isinstance(entries, list) or not all(Row(**entry).mark in MARKS for entry in entries):
        raise ValueError("it is no list of rows, or has an unknown mark")


STORE = JsonStore("ledger", fresh=list, check=_check, former="ledger.json")


def record(
    claim: str, what: str, *, measured: str, verdict: str, condition: str, reported: str = "", mark: str = ""
) -> Table:
    """Write a row into the ledger, in place of an older one with the same ``claim`` and ``what``, and show it.

    Args:
        claim: a key of `CLAIMS`.
        what: what was measured, in a few words.
        measured: the number with its unit and sample, such as ``"0.8 % of 10,000"``.
        verdict: "holds", "fails", "depends", or "undecided" where the measurement cannot tell.
        condition: for what it was seen: which network, how many images and seeds; or on what it depends.
        reported: the number in the literature.
        mark: how far that can be trusted: "P" read in the paper, "S" in a later text, "M" recalled, "C" computed.
    """
    if claim not in CLAIMS:
        raise no_such("claim", claim, CLAIMS)
    if verdict not in VERDICTS:
        raise ValueError(f"verdict {verdict!r} is not one of {', '.join(VERDICTS)}")
    if mark not in MARKS or bool(reported) != bool(mark):
        raise ValueError(f"reported {reported!r} with mark {mark!r}: a reported number needs one of P, S, M, C")
    if not condition.strip():
        raise ValueError(f"say for what claim {claim} {verdict}: which network, how many images, how many seeds")
    row = Row(claim, what, str(measured), reported, mark, verdict, condition)

    def replace(entries: list[dict]) -> None:
        entries[:] = [entry for entry in entries if (entry["claim"], entry["what"]) != (claim, what)] + [row._asdict()]

    STORE.update(replace)
    return _table([row])


def rows() -> list[Row]:
    """All rows that you have recorded, in the order of the claims."""
    entries = STORE.read()
    return [Row(**entry) for claim in CLAIMS for entry in entries if entry["claim"] == claim]


def table(*claims: str) -> Table:
    """The ledger as a table: the rows recorded so far, and a line for each claim that still waits for its lesson."""
    if strangers := [claim for claim in claims if claim not in CLAIMS]:
        raise no_such("claim", strangers[0], CLAIMS)
    chosen = [row for row in rows() if row.claim in (claims or CLAIMS)]
    return _table(chosen, (set(claims) or CLAIMS.keys()) - {row.claim for row in chosen})


def standing() -> dict[str, str]:
    """How each claim stands: what all its rows say, "waiting" without a row, and "depends" where its rows differ.

    >>> set(standing().values()) <= {*VERDICTS, "waiting"}
    True
    """
    states = dict.fromkeys(CLAIMS, "waiting")
    for row in rows():
        states[row.claim] = row.verdict if states[row.claim] in ("waiting", row.verdict) else "depends"
    return states


def overview() -> Picture:
    """All claims at one glance: a sign for each row that you have of each, and the lessons that test it."""
    found = rows()
    canvas, axis = figures.figure(figures.ROW, 0.7 + 0.21 * len(CLAIMS))
    for y, (claim, about) in enumerate(CLAIMS.items()):
        label = textwrap.shorten(about.text, 80, placeholder=" …")
        axis.text(-0.9, y, claim, ha="left", va="center", fontsize=8.5, weight="bold")
        axis.text(-0.2, y, label, ha="left", va="center", fontsize=8.5)
        verdicts = sorted((row.verdict for row in found if row.claim == claim), key=list(VERDICTS).index)
        for x, verdict in enumerate(verdicts):
            sign, color, _ = VERDICTS[verdict]
            box = dict(boxstyle="square,pad=0.15", fc=color, ec="white", lw=1)
            axis.text(8.3 + 0.42 * x, y, sign, ha="center", va="center", fontsize=8.5, color="white", bbox=box)
        axis.text(14, y, about.lessons, ha="right", va="center", fontsize=8.5, color="#595959")
        axis.axhline(y + 0.5, color="#DDDDDD", lw=0.6)
    parts, words = [], {verdict: said for verdict, (_, _, said) in VERDICTS.items()}
    for state, said in (words | {"waiting": "wait for a lesson"}).items():
        claims = [claim for claim, how in standing().items() if how == state]
        parts.append(f"{len(claims)} {said}: {', '.join(claims)}".rstrip(": "))
    signs = [f"{sign} {verdict}" for verdict, (sign, _, _) in VERDICTS.items()]
    axis.set(xlim=(-1, 14), ylim=(len(CLAIMS) - 0.4, -0.6))
    axis.set_title("   ".join(["one sign for each row:", *signs]), fontsize=10, loc="left")
    axis.set_title("lessons that test it", fontsize=8.5, loc="right", color="#595959")
    axis.axis("off")
    return figures.picture(canvas, f"Of {len(CLAIMS)} claims, " + "; ".join(parts) + ".")


def _table(found: list[Row], waiting: Collection[str] = ()) -> Table:
    lines = []
    for row in found:
        reported = f"{row.reported} ({MARKS[row.mark]})" if row.reported else "-"
        verdict = f"{row.verdict}: {row.condition}"
        lines.append([row.claim, CLAIMS[row.claim].text, row.what, row.measured, reported, verdict])
    lines += [[claim, CLAIMS[claim].text, f"lesson {CLAIMS[claim].lessons}", "-", "-", WAITING] for claim in waiting]
    lines.sort(key=lambda line: list(CLAIMS).index(line[0]))
    return Table(["", "claim", "what", "measured", "reported", "verdict"], lines)
