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
from course_utils.studies import RULES
from course_utils.widgets import guess
from course_utils.widgets.guesses import guesses

VOID = {"meta", "img", "br"}
NASTY = "<script>alert('1 & 2')</script> \"quoted\" </td></table>"


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


def test_every_row_stands_on_the_page_though_none_is_yours(tmp_path):
    assert report.write_report().resolve() == (tmp_path / "report.html").resolve()
    page = written()
    assert page.cells[::6] == list(RULES) and page.cells[4::6] == ["-"] * len(RULES)
    assert page.names[:6] == ["", "claim", "study", "reported", "yours", "verdict"]
    assert f"0 of {len(RULES)} rows" in page.said


def test_your_number_stands_in_its_row():
    ledger.record("T1", 0.0093, "one seed")
    page = written()
    assert page.cells[0] == "T1" and page.cells[4:6] == ["0.0093; one seed", "holds"]
    assert f"1 of {len(RULES)} rows" in page.said


def test_everything_that_comes_from_outside_is_escaped(live, home):
    ledger.record("T1", 0.01, NASTY)
    mine = guess(NASTY + "?", choices=[NASTY, "b"])
    mine.lock(NASTY)
    page = written(essay=NASTY + "\n\nsecond\nline", tables={NASTY: Table([NASTY, "b"], [[NASTY, 1]])})
    assert "script" not in page.tags and page.tags.count("table") == 3
    assert page.cells[4] == f"0.01; {NASTY}"
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
    assert "0 of " in page.said


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
