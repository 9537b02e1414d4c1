"""Breeding by eye: favourites stay, their children join them, and nothing is ever lost."""

import math

import pytest
import torch
from torch import nn

from course_utils import evaluation, figures, models
from course_utils.fooling import CPPN
from course_utils.widgets import breed
from course_utils.widgets.breeding import BLANK, COPY, worth_showing
from tests.stage import ask, count_passes


def marked(widget, *places):
    for place in places:
        answer, buffers = ask(widget, "mark", place=place)
        assert buffers == []  # the pictures have not changed
    return answer


def rows(genomes, places):
    return {name: genes[places] for name, genes in genomes.items()}


def same(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


def test_an_answer_holds_pictures_and_opinions(live):
    network = models.LeNet5().train()
    widget = breed(network)
    answer, (fine, seen) = ask(widget, "show")
    assert (len(fine), len(seen)) == (9 * 112 * 112, 9 * 28 * 28)
    images = torch.frombuffer(bytearray(seen), dtype=torch.uint8).view(9, 1, 28, 28) / 255
    assert torch.allclose(images, widget.litter.images)
    opinion = evaluation.predict(network.eval(), images)
    assert answer["says"] == opinion.labels.tolist()
    assert answer["texts"] == [figures.percent(share) for share in opinion.confidences]
    assert (answer["favourites"], answer["parents"], answer["back"]) == ([], (), False)


def test_the_network_is_left_as_it_was(live):
    network = models.LeNet5().train()
    widget = breed(network)
    marked(widget, 0)
    ask(widget, "breed")
    assert network.training
    assert all(parameter.grad is None for parameter in network.parameters())


def test_favourites_stay_and_the_others_are_children(live):
    widget = breed(models.LeNet5())
    before = widget.litter
    marked(widget, 6, 2, 4)
    answer = marked(widget, 4)  # not that one after all
    assert answer["favourites"] == [2, 6]
    answer, buffers = ask(widget, "breed")
    assert (answer["parents"], answer["favourites"], answer["back"]) == ((2, 6), [], True)
    assert len(buffers) == 2
    after = widget.litter
    assert same(rows(before.genomes, [2, 6]), rows(after.genomes, [2, 6]))
    assert torch.equal(before.images[[2, 6]], after.images[[2, 6]])
    others = [place for place in range(9) if place not in (2, 6)]
    assert (before.images[others] != after.images[others]).flatten(1).any(1).all()
    assert torch.equal(CPPN().render(after.genomes).mul(255).floor() / 255, after.images)


def test_back_restores_exactly_however_far(live):
    widget = breed(models.LeNet5())
    states = []
    for places in ((0,), (3, 5), (8,)):
        answer = marked(widget, *places)
        states.append((answer, *ask(widget, "show")[1], widget.litter.genomes))
        ask(widget, "breed")
    ask(widget, "over")
    ask(widget, "back")
    for answer, fine, seen, genomes in reversed(states):
        back, buffers = ask(widget, "back")
        assert back == answer
        assert buffers == [fine, seen]
        assert same(genomes, widget.litter.genomes)
    answer, buffers = ask(widget, "back")
    assert (answer["back"], buffers) == (False, [])


def test_after_back_the_same_favourites_have_other_children(live):
    widget = breed(models.LeNet5())
    marked(widget, 1)
    ask(widget, "breed")
    once = widget.litter.images
    ask(widget, "back")
    ask(widget, "breed")
    assert not torch.equal(once, widget.litter.images)


def test_none_and_all_chosen_is_said(live):
    widget = breed(models.LeNet5())
    litter = widget.litter
    answer, buffers = ask(widget, "breed")
    assert answer["note"].startswith("None is chosen")
    assert buffers == []
    marked(widget, *range(9))
    answer, _ = ask(widget, "breed")
    assert answer["note"].startswith("All nine are chosen")
    assert widget.litter is litter
    assert not answer["back"]
    assert marked(widget, 3)["note"] == ""
    ask(widget, "breed")
    assert widget.litter.parents == (0, 1, 2, 4, 5, 6, 7, 8)


def test_start_over_draws_nine_others_and_can_be_undone(live):
    widget = breed(models.LeNet5())
    litter = widget.litter
    answer, _ = ask(widget, "over")
    assert not torch.equal(litter.images, widget.litter.images)
    assert answer["parents"] == ()
    ask(widget, "back")
    assert widget.litter is litter


def test_the_nine_are_neither_blank_nor_alike(live):
    images = breed(models.LeNet5()).litter.images
    assert images.flatten(1).std(1).min() > BLANK - 0.01
    apart = torch.cdist(images.flatten(1), images.flatten(1)) / 28
    assert apart[~torch.eye(9, dtype=torch.bool)].min() > COPY - 0.01


def test_blanks_fill_up_where_there_is_nothing_else():
    stripes = torch.tensor([0.0, 1.0]).repeat(1, 8, 4)
    images = torch.stack([torch.zeros(1, 8, 8), stripes, stripes])
    assert worth_showing(images, 2) == [1, 0]
    assert worth_showing(images, 2, beside=stripes[None]) == [0, 1]


def test_an_error_is_the_answer_and_changes_nothing(live):
    network = models.LeNet5()
    widget = breed(network)
    litter = widget.litter
    marked(widget, 2)
    with torch.no_grad():
        network[-1].bias[0] = math.nan
    for do in ("breed", "over"):
        answer, buffers = ask(widget, do)
        assert answer["error"].startswith("ValueError: the model returns NaN")
        assert buffers == []
    assert widget.litter is litter
    assert (widget.favourites, widget.past) == ([2], [])


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (nn.Conv2d(3, 10, 3), "cannot take torch.float32 images"),
        (nn.Sequential(models.LeNet5(), nn.Softmax(1)), "probabilities"),
        (nn.Identity(), r"not \(9, K\) logits"),
    ],
)
@pytest.mark.parametrize("here", ["live", "static"])
def test_a_network_that_does_not_fit_is_refused_at_once(request, here, network, message):
    request.getfixturevalue(here)
    with pytest.raises(ValueError, match=message):
        breed(network)


def test_the_static_twin_says_what_it_shows(static, undrawn):
    alt = breed(models.LeNet5()).alt
    assert alt.count("(chosen)") == 6
    assert alt.count("%") == 27


def test_a_brood_asks_the_network_once(live):
    network = models.CaffeLeNet()
    widget, threads = breed(network), torch.get_num_threads()
    marked(widget, 0, 4)
    passes = count_passes(network)
    ask(widget, "breed")
    assert len(passes) == 1
    assert torch.get_num_threads() == threads


@pytest.mark.slow
def test_choose_breed_and_go_back_in_a_browser(live, stage):
    page = stage(breed(models.LeNet5()), views=2)
    page.wait_for_function("document.querySelectorAll('.breeding-text b:not(:empty)').length === 18")
    status, pressed = page.locator(".course-status").first, page.locator(".breeding-tile[aria-pressed='true']")
    opinions = page.locator(".breeding-grid").first.inner_text()
    page.get_by_role("button", name="Breed", exact=True).first.click()
    page.wait_for_function("document.querySelector('.course-status').textContent.startsWith('None is chosen')")
    page.locator(".breeding-tile").nth(1).click()
    page.locator(".breeding-tile").nth(4).press("Space")
    page.wait_for_function("document.querySelectorAll('[aria-pressed=true]').length === 4")  # two in each view
    assert status.inner_text().startswith("2 chosen")
    page.locator(".breeding-tile").nth(4).press("Enter")
    page.wait_for_function("document.querySelectorAll('[aria-pressed=true]').length === 2")
    page.get_by_role("button", name="Breed", exact=True).first.click()
    page.wait_for_function("document.querySelectorAll('.breeding-mark.breeding-parent:not(:empty)').length === 2")
    assert pressed.count() == 0
    page.get_by_role("button", name="Back").last.click()
    page.wait_for_function("document.querySelectorAll('[aria-pressed=true]').length === 2")
    page.locator(".breeding-tile").nth(1).click()
    page.wait_for_function("document.querySelectorAll('[aria-pressed=true]').length === 0")
    assert page.locator(".breeding-grid").first.inner_text() == opinions
    assert page.get_by_role("button", name="Back").first.is_disabled()
