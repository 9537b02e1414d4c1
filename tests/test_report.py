"""The report is one page that holds all that it shows, escapes what it is given, and says what is missing."""

import base64
import io
import re
from html.parser import HTMLParser

import PIL.Image
import pytest

from course_utils import figures, ledger, report
from course_utils.figures import Table
from course_utils.ledger import overview
from course_utils.widgets import guess
from course_utils.widgets.guesses import guesses

VOID = {"meta", "img", "br"}
NASTY = "<script>alert('1 & 2')</script> \"quoted\" </td></table>"
ROW = dict(measured="0.9 %", reported="0.8 %", mark="M", verdict="holds", condition="one seed")


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ledger, "overview", lambda: figures.Picture(b"", "The overview, not drawn."))
    return tmp_path / "home"


class Page(HTMLParser):
    """The elements of a page, its text, its cells; every element that opens must close."""

    def __init__(self, text: str):
        super().__init__()
        self.tags, self.images, self.cells, self.names, self.open, self.said = [], [], [], [], [], ""
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        attributes = dict(attributes)
        assert not any(name.startswith("on") or name == "href" for name in attributes)
        if tag == "img":
            self.images.append(attributes)
        if tag == "td":
            self.cells.append("")
            self.names.append(attributes["data-name"])
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "td":
            self.cells[-1] += data
        if self.open and self.open[-1] != "style":
            self.said += data


def written(**given):
    return Page(report.write_report(**given).read_text(encoding="utf-8"))


def test_an_empty_ledger_says_which_lesson_fills_each_row(tmp_path):
    assert report.write_report().resolve() == (tmp_path / "report.html").resolve()
    page = written()
    assert page.cells[::6] == list(ledger.CLAIMS) and page.cells[5::6] == [ledger.WAITING] * len(ledger.CLAIMS)
    assert page.cells[2::6] == [f"lesson {claim.lessons}" for claim in ledger.CLAIMS.values()]
    assert "0 rows; 0 of 27 claims measured" in page.said


def test_each_row_stands_with_its_claim_report_mark_and_condition():
    ledger.record("T1", "LeNet-5", **ROW)
    page = written()
    assert page.cells[:6] == [
        "T1",
        ledger.CLAIMS["T1"].text,
        "LeNet-5",
        "0.9 %",
        "0.8 % (reported, unchecked)",
        "holds: one seed",
    ]
    assert page.names[:6] == ["", "claim", "what", "measured", "reported", "verdict"]
    assert "1 rows; 1 of 27 claims measured" in page.said


def test_everything_that_comes_from_outside_is_escaped(live, home):
    ledger.record("T1", NASTY, **ROW | dict(measured=NASTY, condition=NASTY))
    mine = guess(NASTY + "?", choices=[NASTY, "b"])
    mine.lock(NASTY)
    page = written(essay=NASTY + "\n\nsecond\nline", tables={NASTY: Table([NASTY, "b"], [[NASTY, 1]])})
    assert "script" not in page.tags and page.tags.count("table") == 3
    assert page.cells[2] == page.cells[3] == NASTY and page.cells[5] == f"holds: {NASTY}"
    assert page.cells[-5:-3] == [NASTY, "1"] and page.names[-5] == NASTY
    assert page.cells[-3:] == [NASTY + "?", f"“{NASTY}”", "-"]
    assert page.tags.count("br") == 1 and "secondline" in page.said


def test_nothing_is_loaded_from_elsewhere_and_nothing_of_the_machine_is_told(home, monkeypatch):
    monkeypatch.setattr(ledger, "overview", overview)
    text = report.write_report(essay="mine").read_text(encoding="utf-8")
    assert not re.findall(r"https?:|url\(|@import|<script|<link", text)
    assert str(home) not in text and str(home.parent) not in text
    (image,) = Page(text).images
    kind, _, content = image["src"].partition(",")
    assert kind == "data:image/png;base64" and image["alt"] == overview().alt
    assert PIL.Image.open(io.BytesIO(base64.b64decode(content))).width > 600


def test_paragraphs_and_code_are_set_as_such(live):
    guess("How many does `f` get?").lock(1)
    page = written(essay="one\r\n \r\ntwo\n\n\nthree")
    assert page.tags.count("p") == 4 and page.tags.count("br") == 0
    assert page.tags.count("code") == 1 and page.cells[-3] != "How many does `f` get?"


def test_an_essay_is_left_out_where_there_is_none():
    assert "Was it a deep flaw?" in written(essay="It was.").said
    assert "Was it a deep flaw?" not in written(essay=" \n ").said


def test_a_damaged_ledger_is_reported_as_empty(home):
    ledger.STORE.file.write_text("{half")
    with pytest.warns(UserWarning, match="could not be read"):
        page = written()
    assert "0 of 27" in page.said


def test_guesses_stand_beside_what_was_measured(live, home):
    mine = guess("How many?", unit="digits")
    assert guesses() == []
    mine.lock(120)
    assert guesses() == [("How many?", "120 digits", "", "")]
    mine.reveal(83)
    verdict = "You said 120 digits, measured 83 digits: 1.4 times too high."
    assert guesses() == [("How many?", "120 digits", "83 digits", verdict)]
    assert written().cells[-3:] == ["How many?", "120 digits", "83 digits"]


def test_a_report_that_cannot_be_written_is_said_so(tmp_path):
    (tmp_path / "report.html").mkdir()
    with pytest.raises(OSError, match=r"the report cannot be written to .*in a folder that you may write to"):
        report.write_report()


# The figure. -------------------------------------------------------------------------------------


def test_a_claim_stands_as_its_rows_do(undrawn):
    for claim, *verdicts in (
        ("T1", "holds", "holds"),
        ("S1", "fails"),
        ("S2", "holds", "fails"),
        ("S3", "depends"),
        ("S4", "undecided"),
    ):
        for number, verdict in enumerate(verdicts):
            ledger.record(claim, str(number), **ROW | dict(verdict=verdict))
    standing = ledger.standing()
    assert [standing[claim] for claim in ("T1", "S1", "S2", "S3", "S4", "N1")] == [
        "holds",
        "fails",
        "depends",
        "depends",
        "undecided",
        "waiting",
    ]
    alt = overview().alt
    assert alt.startswith(
        "Of 27 claims, 1 hold in every row: T1; 2 depend, or differ by row: S2, S3; 1 are undecided in every row: S4; "
        "1 fail in every row: S1"
    )
    assert "22 wait for a lesson: N1, N2" in alt


def test_the_figure_shows_a_sign_for_each_row():
    def colored():
        picture = PIL.Image.open(io.BytesIO(overview().png)).convert("RGB")
        wanted = tuple(int(figures.ADVERSARIAL[i : i + 2], 16) for i in (1, 3, 5))
        return sum(number for number, color in picture.getcolors(10**6) if color == wanted)

    assert colored() == 0
    ledger.record("S4", "a", **ROW | dict(verdict="fails"))
    one = colored()
    ledger.record("S4", "b", **ROW | dict(verdict="fails"))
    assert one > 50 and abs(colored() - 2 * one) < 0.1 * one


def test_many_rows_of_a_claim_stay_in_the_picture():
    before = PIL.Image.open(io.BytesIO(overview().png)).width
    for number in range(8):
        ledger.record("S4", str(number), **ROW)
    assert abs(PIL.Image.open(io.BytesIO(overview().png)).width - before) < 30
