"""Numbers of papers: well formed, with the marks that were checked, and the same in rules, lessons and table."""

import json
import math
import re

import pytest

from course_utils.studies import RULES, papers
from tools.notebooks import ROOT

ALL = papers._all()
LESSONS = {path.name: json.loads(path.read_text(encoding="utf-8"))["cells"] for path in ROOT.glob("lessons/*.ipynb")}
CODE = "\n".join("".join(cell["source"]) for cells in LESSONS.values() for cell in cells if cell["cell_type"] == "code")


@pytest.mark.parametrize("one", ALL.values(), ids=ALL)
def test_a_number_says_what_it_is_and_where_it_stands(one):
    assert re.fullmatch(r"[a-z0-9.-]+", one.key) and one.mark in papers.MARKS
    assert re.fullmatch(r"[\d,]+(\.\d+)?( %| ms| ± [\d.]+)?", one.written) and math.isfinite(one.value)
    assert one.row in ("", *RULES) and not (one.comparable and not one.row)
    assert len(one.what.split()) >= 2 and "  " not in one.what
    assert re.search(r"\b(19|20)\d\d\b|Journal", one.source)
    assert (one.mark == "C") <= ("computed" in one.source or "reckoned" in one.source)
    if not one.written.endswith("%"):
        assert one.value >= 0 and one.plain == one.value
    else:
        assert 0 <= one.value <= 100 and one.plain == pytest.approx(one.value / 100)


def test_keys_are_unique_and_lines_whole():
    lines = (ROOT / "course_utils/studies/papers.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(ALL) + 1 and not any(line != line.strip() for line in lines)


def test_the_few_that_may_be_drawn_beside_an_interval():
    assert {one.key: one.row for one in ALL.values() if one.comparable} == {
        "lecun-lenet5": "T1",
        "szegedy-halves-excess-fc100": "S2-data",
        "zhou-cppn-raw": "C1",
        "nguyen-retrained-ratio": "A2-imagenet",
    }


@pytest.mark.parametrize(
    ("key", "written", "mark", "words"),
    [
        ("lecun-lenet5", "0.95 %", "P", "plain digits"),
        ("lecun-lenet5-distorted", "0.8 %", "P", "distorted"),
        ("gowal-released-0.1", "97.08 %", "P", "released"),
        ("gowal-paper-0.1", "97.77 %", "S", "paper's best"),
        ("ilyas-robust-set", "85.40 %", "P", "started from images"),
        ("ilyas-released-robust-set", "84 %", "P", "released"),
        ("madry-transfer-b", "95.4 %", "P", "least"),
        ("trades-pgd1000", "95.60 %", "P", "1,000 steps"),
        ("trades-pgd40", "96.07 %", "P", "40 steps"),
        ("carlini-claim-after", "0.5 %", "P", "rounded by Carlini and Wagner"),
        ("papernot-after", "0.45 %", "S", "MNIST"),
        ("gu-distortion-fc100", "0.084", "P", "ReLU"),
        ("nguyen-lenet", "0.94 %", "S", "Caffe"),
        ("nguyen-imagenet-chosen", "99.12 %", "P", "40 images"),
        ("nguyen-imagenet-cppn", "88.11 %", "M", "median"),
        ("zhou-cppn-raw", "60.6 %", "S", "answers"),
        ("pope-mnist-20", "13", "C", "dimension"),
    ],
)
def test_what_was_checked_and_corrected(key, written, mark, words):
    one = papers.number(key)
    assert (one.written, one.mark) == (written, mark) and words in one.what


def excess(pairs):
    """(error on changed images - error on noise) / (1 - error on noise), mean over pairs of errors in per cent."""
    return sum((error - noise) / (100 - noise) for error, noise in pairs) / len(pairs)


def test_what_follows_from_other_numbers():
    def value(key):
        return papers.number(key).value

    hidden = ["fc100", "fc200", "ae400"]
    pairs = [(made, shown) for made in hidden for shown in hidden if made != shown]
    errors = [(value(f"szegedy-table2-{a}-{b}"), value(f"szegedy-table2-noise-0.1-{b}")) for a, b in pairs]
    assert excess(errors) == pytest.approx(value("szegedy-excess"), abs=5e-4)

    pairs = [("fc100-p1", "fc100-p2"), ("fc100-p2", "fc100-p1"), ("fc123-p1", "fc100-p2"), ("fc100-p2", "fc123-p1")]
    errors = [(value(f"szegedy-table4-{a}-on-{b}"), value(f"szegedy-table4-noise-0.06-on-{b}")) for a, b in pairs]
    assert excess(errors) == pytest.approx(value("szegedy-halves-excess"), abs=5e-4)
    assert excess(errors[:2]) == pytest.approx(value("szegedy-halves-excess-fc100"), abs=5e-4)
    assert "excess over noise of 0.1 is 0.077" in RULES["S2"].reason and "0.046" in RULES["S2-data"].reason

    ratio = value("nguyen-retrained-after") / value("nguyen-retrained-before")
    assert ratio == pytest.approx(value("nguyen-retrained-ratio"), abs=5e-3)
    for way, generations in (("cppn", "generations"), ("direct", "direct-generations")):
        asked = value(f"nguyen-imagenet-{generations}") * value("nguyen-imagenet-children") / 1000
        assert asked * value("nguyen-imagenet-crops") == value(f"nguyen-imagenet-{way}-passes")
    assert value("hanin-regions-96") == 96**2 / 2
    assert value("carlini-l2-distilled") / value("carlini-l2") == pytest.approx(1.25, abs=0.01)  # "a quarter longer"
    for k, computed in ((3, 7.33), (5, 10.68), (10, 12.27), (20, 12.66)):  # benchmarks/RESULTS.md
        assert value(f"pope-mnist-{k}") == round(computed)


def test_the_tables_of_szegedy_are_whole():
    two, four = papers.values("szegedy-table2-"), papers.values("szegedy-table4-")
    assert len(two) == 8 * 6 and [two[7 * i] for i in range(6)] == [100] * 6
    assert len(four) == 8 * 3 and [four[4 * i] for i in range(3)] == [100] * 3
    assert {len(papers.values(f"szegedy-{kind}-")) for kind in ("train", "test", "distortion")} == {6}
    assert papers.values("szegedy-table3-fc100-p2-") == [2.3, 0, 2.1, 0.058]


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_what_a_rule_quotes_with_a_mark_is_in_the_table_with_that_mark(rule):
    for text in (value for value in rule.data().values() if isinstance(value, str)):
        for clause, mark in re.findall(r"([^;:\[\]]*)\[([PSMC])\]", text):
            clause = re.sub(r"\b(figure|Tables?|class) [\d,]+( and \d+)?|\b(19|20)\d\d\b", "", clause)
            quoted = {
                float(text.replace(",", ""))
                for text in re.findall(r"(?<![\w.])\d[\d,]*\d(?:\.\d+)?|\d\.\d+|\d", clause)
            }
            known = {value for one in ALL.values() if one.mark == mark for value in (one.value, one.plain)}
            assert quoted <= known, clause


def test_lessons_name_only_what_is_there_and_copy_none_of_the_tables():
    named = re.findall(r"papers\.(number|values|listed)\(f?\"([^\"]+)\"", CODE)
    assert len(named) >= 20
    for kind, key in named:
        pattern = re.compile(re.sub(r"\\\{[^{}]*\\\}", ".+", re.escape(key)) + ("" if kind == "values" else "$"))
        assert any(pattern.match(each) for each in (*ALL, *(RULES if kind == "listed" else ()))), key
    assert "11.7, 22.7" not in CODE and "26.2, 5.9" not in CODE


def test_the_marks_are_explained_where_a_learner_first_meets_one():
    first = next(name for name in sorted(LESSONS) if any("[P]" in "".join(c["source"]) for c in LESSONS[name]))
    text = "".join("".join(cell["source"]) for cell in LESSONS[first] if cell["cell_type"] == "markdown")
    assert first.startswith("00") and all(f"**[{mark}]**" in text for mark in papers.MARKS)


def test_what_is_asked_for_in_other_words_is_told():
    with pytest.raises(ValueError, match="did you mean 'lecun-lenet5'"):
        papers.number("lecun-lenet-5")
    with pytest.raises(ValueError, match="no number of a paper"):
        papers.values("nobody-")
    assert papers.of("S3") == []
    listed = repr(papers.listed("T1", "deepfool-fc"))
    assert "0.95 %" in listed and "0.11" in listed and "quoted" in listed
    assert len(papers.listed().rows) == len(ALL)
    assert str(papers.number("szegedy-distortion-fc100")) == "0.058 (Szegedy et al. 2013, Table 1; read in the paper)"
    assert papers.number("goodfellow-rubbish-softmax").marked == "59.8 % [P]"
