"""An evolution to watch: what it shows is a run of map_elites, and the page asks for one generation at a time."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from course_utils import figures, models
from course_utils.fooling import CPPN, Direct, map_elites
from course_utils.widgets import evolution as module
from course_utils.widgets import watch_evolution
from course_utils.widgets.evolution import nines
from tests.stage import ask, count_passes, tiny


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Twenty children in a generation."""
    monkeypatch.setattr(module, "POPULATION", 20)


def test_its_steps_are_a_run_of_map_elites(live):
    network = models.LeNet5().train()
    evolution = watch_evolution(network)
    for _ in range(4):
        answer, (pixels, lines) = ask(evolution, "step")
    direct = map_elites(network, Direct(), generations=5, population=20, progress=False)
    for name in ("images", "confidence", "born", "history"):
        assert torch.equal(getattr(evolution.archive, name), getattr(direct, name))
    assert answer["generation"] == 5
    assert answer["texts"] == [figures.percent(share) for share in direct.confidence]
    shown = torch.frombuffer(bytearray(pixels), dtype=torch.uint8).view(10, 1, 28, 28) / 255
    assert torch.allclose(shown, direct.images)
    chosen, median = torch.frombuffer(bytearray(lines), dtype=torch.float32).view(2, 5)
    assert torch.equal(chosen, nines(direct.history[:, 0]))
    assert torch.allclose(median, nines(direct.history.quantile(0.5, dim=1)), atol=1e-5)
    assert network.training
    assert all(parameter.grad is None for parameter in network.parameters())


def test_reset_takes_the_next_seed(live):
    network = models.LeNet5()
    evolution = watch_evolution(network)
    before = evolution.archive.images
    ask(evolution, "step")
    answer, _ = ask(evolution, "reset")
    assert answer["generation"] == 1
    assert not torch.equal(evolution.archive.images, before)
    generator = torch.Generator().manual_seed(1)
    direct = map_elites(network, Direct(), generations=1, population=20, generator=generator, progress=False)
    assert torch.equal(evolution.archive.images, direct.images)


def test_another_encoding_starts_anew(live):
    network = models.LeNet5()
    evolution = watch_evolution(network)
    ask(evolution, "step")
    answer, _ = ask(evolution, "encode", encoding="CPPN")
    assert (answer["generation"], answer["encoding"]) == (1, "CPPN")
    ask(evolution, "step")
    direct = map_elites(network, CPPN(), generations=2, population=20, progress=False)
    assert torch.equal(evolution.archive.images, direct.images)


def test_to_show_and_to_choose_changes_no_image(live):
    evolution = watch_evolution(tiny(10, (1, 28, 28)))
    _, (pixels, _) = ask(evolution, "show")
    answer, (after, lines) = ask(evolution, "choose", **{"class": 4})
    assert (answer["chosen"], answer["first"], after) == (4, 0, pixels)
    assert np.frombuffer(lines, np.float32)[0] == nines(evolution.archive.history[0, 4])
    answer, _ = ask(evolution, "show")
    assert answer["chosen"] == 4  # a second view shows the same


@pytest.mark.parametrize(("chosen", "first"), [(0, 0), (9, 0), (10, 10), (437, 430), (998, 990)])
def test_of_many_classes_ten_are_shown_with_the_chosen_one(live, chosen, first):
    evolution = watch_evolution(tiny(1003, (1, 28, 28)))
    answer, (pixels, _) = ask(evolution, "choose", **{"class": chosen})
    assert (answer["chosen"], answer["first"]) == (chosen, first)
    assert answer["first"] <= answer["chosen"] < answer["first"] + len(answer["texts"])
    assert len(pixels) == 10 * 784


def test_of_few_classes_all_are_shown(live):
    answer, (pixels, _) = ask(watch_evolution(tiny(3, (1, 28, 28))), "step")
    assert (answer["classes"], len(answer["texts"]), len(pixels)) == (3, 3, 3 * 784)


def test_an_error_is_the_answer_and_changes_nothing(live):
    network = models.LeNet5()
    evolution = watch_evolution(network)
    ask(evolution, "step")
    with torch.no_grad():
        network[-1].bias[0] = math.nan
    for do in ("step", "reset"):
        answer, buffers = ask(evolution, do)
        assert answer["error"].startswith("ValueError: the model returns NaN")
        assert buffers == []
    assert ask(evolution, "encode", encoding="CPPN")[0]["error"]
    answer, _ = ask(evolution, "show")
    assert (answer["generation"], answer["encoding"]) == (2, "direct")


@pytest.mark.parametrize("batch", [10, 20])  # while the elites are looked at again, and while the children are
def test_an_interrupt_stops_the_play_and_changes_nothing(live, batch):
    network = models.LeNet5()
    evolution = watch_evolution(network)

    def interrupt(module, inputs):
        if len(inputs[0]) == batch:
            raise KeyboardInterrupt

    hook = network.register_forward_pre_hook(interrupt)
    answer, _ = ask(evolution, "step")
    assert answer["error"].startswith("KeyboardInterrupt")
    hook.remove()
    ask(evolution, "step")
    direct = map_elites(network, Direct(), generations=2, population=20, progress=False)
    assert torch.equal(evolution.archive.images, direct.images)


def test_two_evolutions_play_their_own_pieces(live):
    evolutions = [watch_evolution(tiny(3, (1, 28, 28))) for _ in range(2)]
    ask(evolutions[0], "step")
    assert [ask(evolution, "show")[0]["generation"] for evolution in evolutions] == [2, 1]


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (nn.Conv2d(3, 10, 3), "cannot take torch.float32 images"),
        (nn.Sequential(models.LeNet5(), nn.Softmax(1)), "probabilities"),
        (nn.Identity(), r"not \(1, K\) logits"),
        (nn.Sequential(nn.Flatten(), nn.Linear(784, 1)), "at least 2 classes"),
    ],
)
@pytest.mark.parametrize("here", ["live", "static"])
def test_a_network_that_does_not_fit_is_refused_at_once(request, here, network, message):
    request.getfixturevalue(here)
    with pytest.raises(ValueError, match=message):
        watch_evolution(network)


def test_nines_tell_certainties_apart():
    shares = torch.tensor([0.0, 0.9, 0.9999, 1 - 2**-24, 1.0])
    assert torch.allclose(nines(shares), torch.tensor([0, 1, 4, 7.2, 7.2]), atol=0.01)


def test_the_static_twin_says_what_it_shows(static, undrawn):
    alt = watch_evolution(tiny(12, (1, 28, 28))).alt
    assert "direct, generation 50: 0  " in alt and "CPPN, generation 1: 0  " in alt
    assert alt.count("%") == 40


@pytest.mark.parametrize("encoding", ["direct", "CPPN"])
def test_a_step_asks_the_network_twice(live, encoding):
    network = models.CaffeLeNet()
    evolution = watch_evolution(network)
    ask(evolution, "encode", encoding=encoding)
    passes = count_passes(network)
    ask(evolution, "step")
    assert len(passes) <= 2


def generation(page):
    return int(page.locator(".course-status").first.inner_text().split()[1].strip(":"))


@pytest.mark.slow
def test_start_pause_step_and_reset_in_a_browser(live, stage):
    page = stage(watch_evolution(models.LeNet5()), views=2)
    start = page.get_by_role("button", name="Start").first
    page.wait_for_function("document.querySelectorAll('.evolution-elite').length === 20")
    assert generation(page) == 1
    start.click()
    page.wait_for_function("parseInt(document.querySelector('.course-status').textContent.split(' ')[1]) > 10")
    assert page.get_by_role("button", name="Pause").count() == 2
    page.get_by_role("button", name="Pause").last.click()  # of the other view
    page.wait_for_timeout(300)
    stopped = generation(page)
    page.wait_for_timeout(300)
    assert generation(page) == stopped
    assert page.evaluate("asked") == ["show"] + ["step"] * (stopped - 1)
    assert page.evaluate("most") == 1  # questions on their way at the same time
    page.get_by_role("button", name="Step").first.press("Enter")
    page.wait_for_timeout(300)
    assert generation(page) == stopped + 1
    first, second = page.locator(".course-status").all_inner_texts()
    assert first == second
    points = page.locator("polyline.evolution-own").first.get_attribute("points")
    assert len(points.split()) == stopped + 1
    page.get_by_role("button", name="Reset").first.click()
    page.wait_for_timeout(300)
    assert generation(page) == 1


@pytest.mark.slow
def test_class_and_encoding_are_chosen_in_a_browser(live, stage):
    evolution = watch_evolution(tiny(23, (1, 28, 28)))
    page = stage(evolution)
    elites, caption = page.locator(".evolution-elite"), page.locator("figcaption")
    elites.nth(3).click()
    page.wait_for_function("document.querySelector('figcaption').textContent.startsWith('class 3 at')")
    assert elites.nth(3).get_attribute("aria-pressed") == "true"
    page.get_by_label("class", exact=True).select_option("22")
    page.wait_for_function("document.querySelector('figcaption').textContent.startsWith('class 22 at')")
    assert elites.first.locator("b").inner_text() == "13"
    page.get_by_label("encoding", exact=True).select_option("CPPN")
    page.wait_for_timeout(300)
    assert evolution.encoding == "CPPN"
    drawn = page.locator(".evolution-large canvas").evaluate(
        "c => [...c.getContext('2d').getImageData(0, 0, 28, 28).data].filter((_, i) => i % 4 === 0)"
    )
    assert torch.allclose(torch.tensor(drawn).view(1, 28, 28) / 255, evolution.archive.images[22])
    assert "%" in caption.inner_text()


@pytest.mark.slow
def test_an_error_stops_the_play_in_a_browser(live, stage):
    network = models.LeNet5()
    page = stage(watch_evolution(network))
    page.get_by_role("button", name="Start").click()
    page.wait_for_timeout(300)
    with torch.no_grad():
        network[-1].bias[0] = math.nan
    page.wait_for_selector(".course-trouble")
    assert "the model returns NaN" in page.locator(".course-status").inner_text()
    assert page.get_by_role("button", name="Start").count() == 1
    assert page.locator(".evolution-elite").count() == 10
