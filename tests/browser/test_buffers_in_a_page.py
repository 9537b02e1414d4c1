"""What the kernel sends to a widget looks the same, in whatever form the page's widget manager hands it over."""

import base64

import pytest
import torch

from course_utils import data, models
from course_utils.faces import Faces
from course_utils.images import scenes
from course_utils.widgets import (
    breed,
    face_camera,
    human_quiz,
    photo_attack,
    robustness_trial,
    scene_camera,
    sketchpad,
    surveillance,
    watch_evolution,
)

pytestmark = pytest.mark.slow


def _photo_attack():
    net = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(8), torch.nn.Flatten(), torch.nn.Linear(192, 3))
    net.classes = ("cat", "box turtle", "ostrich")
    return photo_attack(net, {"cat": torch.rand(1, 3, 16, 16)})


def _robustness_trial():
    split = data.Split(torch.rand(8, 1, 28, 28), torch.zeros(8, dtype=torch.int64))
    return robustness_trial({"net": models.LeNet5()}, split, attackers={"nothing": lambda model, images, *_: images})


WIDGETS = {
    "sketchpad": lambda: sketchpad(models.LeNet5()),
    "evolution": lambda: watch_evolution(models.LeNet5()),
    "breeding": lambda: breed(models.LeNet5()),
    "scene camera": lambda: scene_camera(scenes.DESK),
    "quiz": lambda: human_quiz(torch.rand(2, 1, 28, 28), [4, None], ["digit", "noise"], models.LeNet5()),
    "photo attack": _photo_attack,
    "robustness trial": _robustness_trial,
    "face camera": lambda: face_camera(torch.rand(1, 3, 40, 40)),
}
FORMS = {  # of a buffer that lies within a larger one
    "DataView": "(buffer, start, length) => new DataView(buffer, start, length)",
    "Uint8Array": "(buffer, start, length) => new Uint8Array(buffer, start, length)",
    "ArrayBuffer": "(buffer, start, length) => buffer.slice(start, start + length)",
}
MANAGER = """async ([source, css, traits, form]) => {
    const style = document.createElement("style")
    style.textContent = css
    document.head.append(style)
    document.body.innerHTML = "<div id='here' style='width: 900px'></div>"
    const hearers = new Set()
    const model = {
        get: (name) => traits[name], set() {}, save_changes() {},
        on: (event, hear) => event === "msg:custom" && hearers.add(hear), off: (event, hear) => hearers.delete(hear),
        send: async (message) => {
            const [answer, buffers] = await window.kernel(message)
            const views = buffers.map((text) => {
                const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0))
                const larger = new Uint8Array(bytes.length + 9).fill(77)
                larger.set(bytes, 3)
                return eval(form)(larger.buffer, 3, bytes.length)
            })
            hearers.forEach((hear) => hear(answer, views))
        },
    }
    const module = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })))
    const widget = typeof module.default === "function" ? await module.default() : module.default
    await widget.initialize?.({ model })
    await widget.render({ model, el: document.getElementById("here") })
}"""
SEEN = """() => [
    ...[...document.querySelectorAll('canvas:not(.quiz-mask)')].map(c => c.width && c.toDataURL()),
    ...[...document.querySelectorAll('svg')].map(s => s.outerHTML),
]"""


@pytest.fixture(autouse=True)
def nobody(monkeypatch):
    """A detector that finds no face, and needs no weights."""
    found = Faces(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, 5, 2))
    monkeypatch.setattr(surveillance, "cascade", lambda: None)
    monkeypatch.setattr(surveillance.faces, "detect", lambda images, _: [found])


def drawn(browser, name, form):
    """What the widget draws with the answers of its kernel, and the errors of the page."""
    torch.manual_seed(0)
    widget = WIDGETS[name]()
    page, errors, answers = browser.new_page(), [], []
    page.on("pageerror", lambda error: errors.append(str(error)))

    def kernel(message):
        answer, buffers = widget.answer(message)
        answers.append(buffers)
        return [answer, [base64.b64encode(buffer).decode() for buffer in buffers]]

    page.expose_function("kernel", kernel)
    page.set_content("<!doctype html>")
    state = {key: value for key, value in widget.get_state().items() if isinstance(value, (int, str, list))}
    page.evaluate(MANAGER, [widget._esm, widget._css, state, FORMS[form]])
    if name == "sketchpad":
        page.locator("canvas").first.click()  # a dot
    elif name == "quiz":
        page.get_by_role("button", name="Start").click()
    page.wait_for_timeout(800)
    seen = page.evaluate(SEEN)
    page.close()
    assert answers and all(answers)
    return seen, errors


@pytest.mark.parametrize("name", WIDGETS)
def test_a_buffer_of_any_form_is_drawn(browser, live, name):
    plain, errors = drawn(browser, name, "DataView")
    assert not errors and plain
    for form in ("Uint8Array", "ArrayBuffer"):
        assert drawn(browser, name, form) == (plain, [])
