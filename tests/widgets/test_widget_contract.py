"""What every widget owes: a picture in its place, words, errors as answers, its keys to itself, the page's colours."""

import base64

import pytest
import torch

from course_utils import data, figures, models
from course_utils.faces import Faces
from course_utils.images import scenes
from course_utils.widgets import (
    attack_explorer,
    base,
    breed,
    controls,
    face_camera,
    high_dimensions,
    human_quiz,
    photo_attack,
    robustness_trial,
    scene_camera,
    sketchpad,
    surveillance,
    watch_evolution,
)
from tests.stage import tiny

VIEW = "application/vnd.jupyter.widget-view+json"


def _controls():
    def square(side):
        return figures.images(torch.ones(1, 1, side, side), alt=f"A white square, {side} pixels high.")

    return controls(square, [dict(side=4), dict(side=8)], side=(1, 9))


def _photo_attack():
    net = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(8), torch.nn.Flatten(), torch.nn.Linear(192, 3))
    net.classes = ("cat", "box turtle", "ostrich")
    net[-1].bias.data = torch.tensor([5.0, 0.0, 0.0])
    return photo_attack(net, {"cat": torch.rand(1, 3, 16, 16)})


def _robustness_trial():
    split = data.Split(torch.rand(8, 1, 28, 28), torch.zeros(8, dtype=torch.int64))
    return robustness_trial({"net": models.LeNet5()}, split, attackers={"nothing": lambda model, images, *_: images})


WIDGETS = {
    "evolution": lambda: watch_evolution(tiny(3, (1, 28, 28))),
    "breeding": lambda: breed(models.LeNet5()),
    "drawing pad": lambda: sketchpad(models.LeNet5()),
    "concentration": high_dimensions,
    "robustness": _robustness_trial,
    "photos": _photo_attack,
    "quiz": lambda: human_quiz(torch.rand(2, 1, 28, 28), [4, None], ["digit", "noise"], models.LeNet5()),
    "surveillance": lambda: face_camera(torch.rand(1, 3, 40, 40)),
    "viewpoint": lambda: scene_camera(scenes.DESK),
    "controls": _controls,
    "explorer": lambda: attack_explorer(models.LeNet5()),
}
ASKING = [name for name in WIDGETS if name not in ("controls", "explorer")]  # ipywidgets speak for these


@pytest.fixture(autouse=True)
def nobody(monkeypatch):
    """A detector that finds no face, and needs no weights."""
    found = Faces(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, 5, 2))
    monkeypatch.setattr(surveillance, "cascade", lambda: None)
    monkeypatch.setattr(surveillance.faces, "detect", lambda images, _: [found])


def made(name):
    torch.manual_seed(0)
    return WIDGETS[name]()


@pytest.mark.parametrize("name", WIDGETS)
def test_without_a_front_end_it_is_a_picture_with_words_and_always_the_same(static, name):
    first, second = made(name), made(name)
    assert isinstance(first, figures.Picture) and first.png.startswith(b"\x89PNG")
    assert len(first.alt) > 20 and (first.png, first.alt) == (second.png, second.alt)


@pytest.mark.parametrize("name", WIDGETS)
def test_its_bundle_holds_the_view_a_picture_and_words(live, name):
    bundle, metadata = made(name)._repr_mimebundle_()
    assert bundle[VIEW]["model_id"]
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert "object at" not in bundle["text/plain"] and len(bundle["text/plain"]) > 20
    assert metadata["image/png"]["alt"]


@pytest.mark.parametrize("name", ["viewpoint", "controls"])  # our own kind and that of ipywidgets
def test_in_jupyterlab_the_picture_is_a_second_output(live, monkeypatch, name):
    monkeypatch.setenv("JPY_SESSION_NAME", "lesson.ipynb")
    shown = []
    monkeypatch.setattr(base, "display", lambda bundle, **how: shown.append(bundle))
    made(name)._ipython_display_()
    view, picture = shown
    assert VIEW in view and "image/png" not in view
    assert 'class="course-still"' in picture["text/html"] and " alt=" in picture["text/html"]
    assert picture["text/plain"] == view["text/plain"]


def test_elsewhere_there_is_one_output(live, monkeypatch):
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    shown = []
    monkeypatch.setattr(base, "display", lambda bundle, **how: shown.append(bundle))
    made("controls")._ipython_display_()
    assert [set(bundle) for bundle in shown] == [{VIEW, "image/png", "text/plain"}]


def test_a_picture_that_fails_does_not_keep_the_widget_from_the_page(live, monkeypatch):
    widget = made("controls")
    monkeypatch.setattr(widget, "picture", lambda: 1 / 0)
    bundle, _ = widget._repr_mimebundle_()
    assert set(bundle) == {VIEW, "text/plain"}


@pytest.mark.parametrize("error", [ValueError("too large"), KeyboardInterrupt("stopped")])
@pytest.mark.parametrize("name", ASKING)
def test_an_error_becomes_the_answer(live, monkeypatch, name, error):
    widget = made(name)

    def fail(**question):
        raise error

    monkeypatch.setattr(widget, "obey", fail)
    answer, buffers = widget.answer({"page": 7, "do": "show"})
    named = "" if isinstance(error, widget.plain) else f"{type(error).__name__}: "
    assert answer == {"page": 7, "error": f"{named}{error}"} and buffers == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ASKING)
def test_its_keys_are_its_own_and_its_colours_the_pages(live, stage, name):
    widget = made(name)
    for scheme in ("light", "dark"):
        page = stage(widget, color_scheme=scheme)
        page.wait_for_timeout(500)
        controls = page.locator(":is(button, input, select, textarea, a[href], [tabindex])")
        assert controls.count() > 0
        assert page.locator(":is(button, input, select):not([data-lm-suppress-shortcuts])").count() == 0
        ground, ink = page.evaluate(COLOURS)
        assert (ground > ink) == (scheme == "light")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


COLOURS = """() => {  // as brightness
    const { backgroundColor, color } = getComputedStyle(document.querySelector(".course-widget"))
    return [backgroundColor, color].map((one) => one.match(/[\\d.]+/g).slice(0, 3).reduce((a, b) => a + Number(b), 0))
}"""
