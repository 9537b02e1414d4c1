"""The quiz: what it keeps is what was said, its scores are counted right, and nobody's answer is invented."""

import itertools
import json
import statistics

import pytest
import scipy.stats
import torch
from torch import nn

from course_utils import figures
from course_utils.core import storage
from course_utils.widgets import human_quiz
from course_utils.widgets.quiz import STORE, TIMES, Quiz, score_quiz

NUMBER = 6
TRUTHS = [3, 1, 4, 1, None, None]
KINDS = ["digit", "digit", "perturbed", "perturbed", "noise", "noise"]


class Says(nn.Module):
    """Says the class that a picture's first pixel stands for in tenths, with a margin of 6."""

    def forward(self, images):
        return 6 * nn.functional.one_hot((images[:, 0, 0, 0] * 10).round().long(), 10).float()


def pictures():
    images = torch.rand(NUMBER, 1, 8, 8, generator=torch.Generator().manual_seed(5))
    images[:, 0, 0, 0] = torch.tensor([3, 7, 4, 1, 8, 2]) / 10
    return images


@pytest.fixture
def live(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_STATIC", "0")
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    return tmp_path


def quiz(**changes):
    return human_quiz(**(dict(pictures=pictures(), truths=TRUTHS, kinds=KINDS, model=Says()) | changes))


def said(picture, label, sure=4, **changes):
    return dict(picture=picture, label=label, sure=sure, wanted=60, shown=66.7) | changes


def keep(widget, *answers):
    return widget.answer({"page": 7, "do": "keep", "answers": list(answers)})


def test_the_page_gets_pictures_and_order_but_no_truths(live):
    widget = quiz()
    answer, (buffer,) = widget.answer({"page": 7, "do": "show"})
    assert torch.equal(
        torch.frombuffer(bytearray(buffer), dtype=torch.uint8).view(6, 1, 8, 8), (255 * pictures()).round().byte()
    )
    assert sorted(answer["order"]) == list(range(NUMBER)) and answer["order"] != list(range(NUMBER))
    assert answer["answers"] == [] and answer["comparison"] == "" and answer["page"] == 7
    assert answer["times"] == TIMES and answer["classes"] == 10 and answer["shape"] == [1, 8, 8]
    assert "truths" not in json.dumps(answer) and "network" not in json.dumps(answer)


def test_the_order_is_seeded(live):
    state = torch.get_rng_state()
    assert quiz().order == quiz().order
    assert torch.equal(torch.get_rng_state(), state)


def test_answers_outlive_the_cell_and_the_kernel(live):
    widget = quiz()
    assert widget.results == []
    answer, _ = keep(widget, said(0, 3), said(4, None, 2))
    assert [one["picture"] for one in answer["answers"]] == [0, 4] and answer["comparison"] == ""
    again = quiz()
    assert again.results == widget.results
    first, second = again.results
    assert first == said(0, 3) | dict(kind="digit", truth=3, network=3, confidence=first["confidence"])
    assert first["confidence"] == pytest.approx(torch.softmax(6 * torch.eye(10)[0].double(), 0)[0].item())
    assert (second["label"], second["truth"], second["sure"], second["network"]) == (None, None, 2, 8)
    other = pictures()
    other[0, 0, 5, 5] = 0
    assert quiz(pictures=other).results == []  # another quiz
    keep(again)  # start over
    assert again.results == quiz().results == []


def test_answers_that_do_not_fit_the_quiz_are_left_out(live):
    widget = quiz()
    STORE.update(lambda quizzes: quizzes.update({widget._key: [{"picture": 99}]}))
    with pytest.warns(UserWarning, match="earlier answers do not fit this quiz"):
        assert quiz().results == []


def test_a_full_disk_is_said_in_place_and_costs_no_answer(live, monkeypatch):
    def full(*_):
        raise OSError("No space left")

    widget = quiz()
    monkeypatch.setattr(storage, "write_atomically", full)
    with pytest.warns(UserWarning, match="No space left"):
        answer, _ = keep(widget, said(0, 3))
    assert "No space left" in answer["trouble"] and len(widget.results) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        said(6, 1), said(-1, 1), said(0, 10), said(0, "1"), said(0, 1, 0), said(0, 1, 5), said(0, 1, wanted=61),
        said(0, 1, shown=0), said(0, 1, shown=float("nan")), {"picture": 0},
    ],
)  # fmt: skip
def test_a_wrong_answer_changes_nothing(live, wrong):
    widget = quiz()
    keep(widget, said(1, 1))
    answer, buffers = keep(widget, said(1, 1), wrong)
    assert "Error" in answer["error"] and answer["page"] == 7 and buffers == []
    assert len(widget.results) == len(quiz().results) == 1


def test_a_picture_is_answered_once(live):
    answer, _ = keep(quiz(), said(1, 1), said(1, 2))
    assert "or the second" in answer["error"]


def everything():
    labels = [3, 1, 9, 1, None, 5]
    return [said(k, label, sure=4 if k < 3 else 1) for k, label in enumerate(labels)]


def test_scores_are_counts_with_exact_intervals(live):
    widget = quiz()
    keep(widget, *everything())
    scores = score_quiz(widget.results)
    assert list(scores) == ["digit", "perturbed", "noise"]
    counts = {"digit": (2, 1, 2), "perturbed": (1, 2, 1), "noise": (1, None, 0)}
    for kind, (you, network, certain) in counts.items():
        one = scores[kind]
        assert one["number"] == 2
        for k, name in ((you, "you"), (network, "network"), (certain, "you certain")):
            if k is None:  # no right answer, and no way to say so
                assert one[name] is None
                continue
            outside = scipy.stats.binomtest(k, 2).proportion_ci(0.95, "exact")
            assert one[name] == pytest.approx((k / 2, outside.low, outside.high))
        assert one["network certain"][0] == 0  # its confidence is 0.978


def test_99_percent_is_certain():
    one = dict(kind="noise", truth=None, label=None, sure=1, network=8)
    scores = score_quiz([one | dict(confidence=share) for share in (0.98, 0.99, 1.0)])
    assert scores["noise"]["network certain"][0] == pytest.approx(2 / 3)


def test_the_comparison_comes_when_all_is_answered(live, undrawn):
    widget = quiz()
    with pytest.raises(ValueError, match="no answers yet: press Start"):
        widget.compare()
    answer, _ = keep(widget, *everything()[:-1])
    assert answer["comparison"] == "" and isinstance(widget.compare(), figures.Picture)
    answer, _ = keep(widget, *everything())
    assert answer["comparison"].startswith("<img")
    alt = widget.compare().alt
    assert "6 pictures, shown for 67 to 67 ms" in alt
    assert "digit: right were you 100 %, the network 50.0 %" in alt
    assert "noise: right were you 50.0 %, the network cannot be" in alt
    assert "perturbed: 4, you: 9, network: 4" in alt and "noise, you: none, network: 8" in alt
    assert "digit: 3, you" not in alt  # both were right


def test_what_a_saved_lesson_shows_gives_nothing_away(live, undrawn):
    widget = quiz()
    bundle, metadata = widget._repr_mimebundle_()
    assert "network" not in bundle["text/plain"] + metadata["image/png"]["alt"]
    keep(widget, *everything())
    assert "the network 50.0 %" in widget._repr_mimebundle_()[0]["text/plain"]


def test_nobody_erred(live):
    widget = quiz(pictures=pictures()[[0, 3]], truths=[3, 1], kinds=["digit", "digit"])
    keep(widget, said(0, 3), said(1, 1))
    assert "erred" not in widget.compare().alt


def test_the_static_twin_leaves_blanks_and_keeps_nothing(static, monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_HOME", str(tmp_path))
    first, second = quiz(), quiz()
    assert isinstance(first, figures.Picture) and first.png == second.png
    assert "a blank for your answer" in first.alt and "perturbed 4: 4, 97.8 %" in first.alt
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("here", ["live", "static"])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(truths=TRUTHS[:5]), "5 truths for 6 pictures: give one for each"),
        (dict(kinds=KINDS[:2]), "2 kinds for 6 pictures"),
        (dict(truths=[3, None, 4, 1, None, None]), "some pictures of kind 'digit' have a right answer and some None"),
        (dict(truths=[3, 10, 4, 1, None, None]), "the right answer 10 is none of the classes 0 to 9"),
        (dict(pictures=pictures() * 255), "divide by 255"),
        (dict(pictures=pictures()[0]), "not \\(N, C, H, W\\)"),
        (dict(model=nn.Sequential(nn.Flatten(), nn.Linear(64, 11))), "11 classes: the quiz has keys for 2 to 10"),
        (dict(model=nn.Sequential(nn.Flatten(), nn.Linear(9, 10))), "the model cannot take"),
    ],
)
def test_what_does_not_fit_is_refused(request, here, changes, message):
    request.getfixturevalue(here)
    with pytest.raises(ValueError, match=message):
        quiz(**changes)


def test_truths_may_be_tensors_and_pictures_coloured(live):
    widget = quiz(pictures=pictures().expand(-1, 3, -1, -1), truths=list(torch.tensor([3, 1, 4, 1, 5, 9])))
    _, (buffer,) = widget.answer({"page": 7, "do": "show"})
    assert len(buffer) == 6 * 8 * 8 * 3
    keep(widget, said(0, 3))
    assert widget.results[0]["truth"] == 3


def phase(page, name):
    page.wait_for_selector(f"[data-phase={name}]", timeout=8000, state="attached")


def play(page, widget, labels):
    """Answer by keys what comes up, until all is answered."""
    while len(widget.answers) < NUMBER:
        number = len(widget.answers)
        phase(page, "label")
        page.keyboard.press(labels[widget.order[number]])
        phase(page, "sure")
        page.keyboard.press("3")
        phase(page, "cross" if number + 1 < NUMBER else "rest")
        page.wait_for_timeout(200)


LABELS = ["3", "1", "9", "1", "n", "5"]


@pytest.mark.slow
@pytest.mark.parametrize("wanted", [60, 250])
def test_a_quiz_by_keys_in_a_browser(live, stage, wanted):
    widget = quiz()
    page = stage(widget)
    page.evaluate("""() => {
        window.onsets = []
        const node = document.querySelector(".quiz-stage")
        const note = () => window.onsets.push([node.dataset.phase, performance.now()])
        new MutationObserver(note).observe(node, { attributes: true })
    }""")
    page.get_by_label("each for").select_option(str(wanted))
    page.get_by_role("button", name="Start").click()
    play(page, widget, LABELS)
    page.wait_for_selector(".quiz-outcome img")
    assert {one["picture"]: one["label"] for one in widget.results} == {0: 3, 1: 1, 2: 9, 3: 1, 4: None, 5: 5}
    assert all(one["sure"] == 3 and one["wanted"] == wanted for one in widget.results)
    assert [one["picture"] for one in widget.results] == widget.order
    times = page.evaluate("onsets")
    on, off = ([time for name, time in times if name == what] for what in ("flash", "mask"))
    assert len(on) == len(off) == NUMBER
    assert min(b - a for a, b in itertools.pairwise(on)) > 1000  # ms between two flashes
    stood = statistics.median(one["shown"] for one in widget.results)
    assert stood == pytest.approx(wanted, abs=20)  # a frame
    assert stood == pytest.approx(statistics.median(b - a for a, b in zip(on, off, strict=True)), abs=12)


@pytest.mark.slow
def test_escape_pauses_and_the_picture_comes_back_at_the_end(live, stage):
    widget = quiz()
    page = stage(widget)
    page.get_by_label("each for").select_option("2000")
    page.get_by_role("button", name="Start").click()
    phase(page, "flash")
    page.keyboard.press("Escape")
    phase(page, "rest")
    page.wait_for_timeout(2500)
    assert page.locator("[data-phase=rest]").count() == 1 and widget.answers == []
    page.get_by_label("each for").select_option("60")
    page.get_by_role("button", name="Go on").click()
    phase(page, "label")
    page.keyboard.press("7")
    phase(page, "sure")
    page.keyboard.press("Backspace")  # a slip
    phase(page, "label")
    page.keyboard.press("2")
    page.keyboard.press("1")
    phase(page, "label")
    page.get_by_role("button", name="Pause").click()
    phase(page, "rest")
    assert "1 of 6 pictures answered" in page.locator(".quiz-status").inner_text()
    page.get_by_role("button", name="Go on").click()
    play(page, widget, dict.fromkeys(range(NUMBER), "n"))
    order = widget.order
    assert [one["picture"] for one in widget.answers] == [order[k] for k in (1, 3, 4, 5, 0, 2)]
    assert widget.answers[0] == said(order[1], 2, 1, shown=widget.answers[0]["shown"])


@pytest.mark.slow
def test_by_finger_over_again_and_in_two_views(live, stage):
    widget = quiz()
    keep(widget, *[one for one in everything() if one["picture"] != 2])
    page = stage(widget, views=2)
    page.get_by_role("button", name="Go on").first.click()
    phase(page, "label")
    page.get_by_role("button", name="none of them").click()
    page.get_by_role("button", name="2 unsure").click()
    page.wait_for_function("document.querySelectorAll('.quiz-outcome img').length === 2")
    assert {one["picture"]: one["label"] for one in widget.results}[2] is None
    assert page.get_by_role("button", name="Go on").count() == 0
    page.get_by_role("button", name="Start over").first.click()
    assert len(widget.answers) == 6  # asked once more
    page.get_by_role("button", name="Forget all 6 answers").first.click()
    page.get_by_role("button", name="Start", exact=True).last.wait_for()
    page.wait_for_timeout(200)
    assert widget.answers == [] and page.locator(".quiz-outcome:visible").count() == 0


@pytest.mark.slow
def test_the_mask_has_the_contrast_of_the_picture(live, stage):
    widget = quiz(pictures=0.2 + 0.5 * pictures())
    page = stage(widget)
    page.get_by_role("button", name="Start").click()
    phase(page, "label")
    read = "c => [...c.getContext('2d').getImageData(0, 0, 8, 8).data].filter((_, i) => i % 4 === 0)"
    picture, mask = (page.locator(f".quiz-{name}").evaluate(read) for name in ("picture", "mask"))
    assert set(mask) == {min(picture), max(picture)}
    shown = (255 * (0.2 + 0.5 * pictures()[widget.order[0]])).round().flatten().tolist()
    assert picture == shown


@pytest.mark.slow
@pytest.mark.parametrize("width", [360, 700])
def test_nothing_sticks_out_of_the_quiz(live, stage, width):
    widget = quiz()
    page = stage(widget)
    page.set_viewport_size({"width": width, "height": 900})
    page.get_by_role("button", name="Start").click()
    phase(page, "label")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for button in page.locator(".quiz button").all():
        assert button.bounding_box()["height"] >= 44  # for a finger
    assert isinstance(widget, Quiz)
