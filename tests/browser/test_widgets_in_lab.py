"""The live widgets in a real JupyterLab in headless Chromium: what a unit test cannot see."""

import importlib.util
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest

from tests.stage import CHROMIUM

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install -e '.[browser]'")
ROOT = Path(__file__).resolve().parents[2]
LAB = pytest.mark.skipif(not importlib.util.find_spec("jupyterlab"), reason="needs jupyterlab: pip install -e '.[lab]'")
pytestmark = [pytest.mark.slow, LAB]

CELLS = [
    """
    import time, torch
    from course_utils import data, figures, models
    from course_utils.faces import Faces
    from course_utils.images import photographs, scenes
    from course_utils.widgets import (
        attack_explorer, breed, controls, face_camera, guess, high_dimensions, human_quiz, photo_attack,
        robustness_trial, scene_camera, sketchpad, surveillance, watch_evolution,
    )
    torch.manual_seed(0)
    drawn = []
    """,
    "sketchpad(models.CaffeLeNet())",
    "sketchpad(models.LeNet5())",
    """
    def square(size, ground):
        time.sleep(0.1)
        drawn.append(size)
        if size == 31:
            raise ValueError("31 is prime")
        image = torch.zeros(1, 1, 32, 32)
        image[..., :size, :size] = 1
        image = 1 - image if ground == "white" else image
        return figures.images(image, alt=f"A square of side {size}.")
    presets = [dict(size=4, ground="black"), dict(size=16, ground="white")]
    controls(square, presets, size=(0, 32), ground=["black", "white"])
    """,
    'how_many = guess("How many of the 10,000 test digits does `LeNet5` get wrong?", unit="digits")',
    'which = guess("What will it say to a blank image?", choices=["none", "a digit, surely", "a digit, in doubt"])',
    "how_many.reveal(83)",
    'which.reveal("a digit, surely")',
    "watch_evolution(models.LeNet5())",
    "breed(models.LeNet5())",
    "scene_camera(scenes.DESK)",
    "high_dimensions()",
    """
    squares = torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    quiz = human_quiz(squares, [4, None, None], ["digit", "noise", "noise"], models.LeNet5())
    quiz
    """,
    """
    net = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(8), torch.nn.Flatten(), torch.nn.Linear(192, 3))
    net.classes = ("cat", "box turtle", "ostrich")
    net[-1].bias.data = torch.tensor([5.0, 0.0, 0.0])
    net[-1].weight.data *= 40
    photo_attack(net, {name: photographs.photo(name) for name in ("cat", "coffee")})
    """,
    """
    def detect(images, cascade):  # a face is what is white
        rows, columns = (images[0].amin(0) == 1).nonzero(as_tuple=True)
        boxes = torch.tensor([[columns.min(), rows.min(), columns.max(), rows.max()]] if len(rows) > 999 else [])
        return [Faces(boxes.view(-1, 4), torch.full((len(boxes.view(-1, 4)),), 0.998), torch.zeros(0, 5, 2))]
    surveillance.cascade, surveillance.faces.detect = lambda: None, detect
    face_camera(torch.ones(1, 3, 40, 40))
    """,
    """
    def light(model, images, labels, eps):
        time.sleep(0.3)
        if eps == 0.11:
            raise ValueError("11 is prime")
        return images + eps
    dark = data.Split(torch.zeros(50, 1, 28, 28), torch.zeros(50, dtype=torch.int64))
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))
    net[1].weight.data = torch.eye(10)[1, :, None].expand(-1, 784)  # what is not dark is a 1
    net[1].bias.data = 5 * torch.eye(10)[0]
    robustness_trial({"seer": net}, dark, attackers={"nothing": lambda model, images, *_: images, "light": light})
    """,
    "attack_explorer(models.LeNet5())",
    'third = guess("Which one is it?", choices=["the first", "the second", "the third"])',
    'third.reveal("the third")',
    'guess("And how many of `LeNet5`s see it?")',
    'guess("And which one sees it?", choices=["this", "that", "neither"])',
]
REVEALS = 6, 7, 18  # run by the tests of the guesses
CONTROLS = "a[href], button, input, select, summary, textarea, [contenteditable], [tabindex]"
COMMANDS = ["d", "d", "x", "a", "b", "m", "y", "0", "0", "ArrowDown", "ArrowUp", "ArrowDown"]  # of a notebook to a cell

CAMERA = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]  # a test picture, and permission
SPY = """
    window.streams = []
    const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices)
    navigator.mediaDevices.getUserMedia = async (wish) => (window.streams.push(await ask(wish)), window.streams.at(-1))
"""
SETTINGS = {
    "notebook-extension/tracker": {"windowingMode": "none"},
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """The address of a JupyterLab of its own, on a notebook with all the widgets."""
    home = tmp_path_factory.mktemp("lab")
    notebook = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell("\n".join(line.removeprefix("    ") for line in c.strip("\n").split("\n")))
            for c in CELLS
        ],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    (home / "work").mkdir()
    nbformat.write(notebook, home / "work" / "widgets.ipynb")
    for name, value in SETTINGS.items():
        path = home / "settings/@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value))
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    environment = os.environ | {
        "COURSE_HOME": str(home / "course"),
        "COURSE_STATIC": "",
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "PYTHONPATH": str(ROOT),
    }
    options = ["--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}", "--IdentityProvider.token="]
    options += [f"--ServerApp.root_dir={home / 'work'}", "--LabApp.expose_app_in_browser=True"]
    options += ["--JupyterNotebookApp.expose_app_in_browser=True"]
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/api", timeout=2).close()
                break
            except OSError:
                time.sleep(0.25)
        yield f"http://127.0.0.1:{port}/doc/tree/widgets.ipynb"
    finally:
        server.terminate()
        server.wait(20)


@pytest.fixture(scope="module")
def page(lab, browser):
    """The notebook in a browser with a camera, with all cells run but the reveals."""
    own = browser.browser_type.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", *CAMERA])
    page = own.new_page(viewport={"width": 1200, "height": 900})
    page.add_init_script(SPY)
    visit(page, lab)
    run(page, [index for index in range(len(CELLS)) if index not in REVEALS])
    yield page
    own.close()


def visit(page, address):
    """Open a notebook, and wait for its kernel."""
    page.goto(address)
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=90_000)
    page.wait_for_function(
        "window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'",
        timeout=60_000,
    )


def run(page, cells):
    """Run these cells one after the other, and wait for the kernel."""
    for index in cells:
        page.evaluate(
            """async index => {
                window.jupyterapp.shell.currentWidget.content.activeCellIndex = index
                await window.jupyterapp.commands.execute('notebook:run-cell')
            }""",
            index,
        )


def cell(page, index):
    return page.locator(".jp-Cell").nth(index)


def stroke(page, canvas, points, pause=0):
    """Move the pressed mouse through points in [0, 1] x [0, 1] of the canvas."""
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*points[0])
    page.mouse.down()
    for x, y in points[1:]:
        page.mouse.move(x, y)
        page.wait_for_timeout(pause)
    page.mouse.up()


WATCH = """pad => {
    pad.events = []; pad.answers = []
    for (const kind of ['pointerdown', 'pointermove'])
        pad.querySelector('canvas').addEventListener(kind, e => e.buttons && pad.events.push(performance.now()), true)
    new MutationObserver(() => pad.answers.push(performance.now())).observe(
        pad.querySelector('.drawing-pad-bars'), {subtree: true, attributes: true, childList: true})
}"""


def test_the_bars_follow_a_stroke_within_100_ms(page):
    pad = cell(page, 1).locator(".course-widget")
    readout = pad.locator(".drawing-pad-readout")
    assert readout.inner_text() == "Draw a digit."
    canvas = pad.locator(".drawing-pad-canvas")
    stroke(page, canvas, [(0.3, 0.2), (0.7, 0.2)])
    sync_api.expect(readout).to_contain_text("The network says")
    assert pad.locator(".drawing-pad-best").count() == 1
    shares = pad.locator(".drawing-pad-text").all_inner_texts()
    assert abs(sum(float(text.removesuffix(" %")) for text in shares) - 100) < 0.6

    pad.evaluate(WATCH)
    line = [(0.7 - 0.01 * i, 0.2 + 0.02 * i) for i in range(30)]
    stroke(page, canvas, line, pause=120)  # one event at a time
    events, answers = pad.evaluate("pad => [pad.events, pad.answers]")
    delays = [min(a for a in answers if a > event) - event for event in events[1:-1]]
    stroke(page, canvas, line, pause=5)  # a quick hand: many events for one answer
    page.wait_for_timeout(500)
    events, answers = pad.evaluate("pad => [pad.events, pad.answers]")
    settled = answers[-1] - events[-1]
    print(
        f"\nms from pointer to bars: median {statistics.median(delays):.0f}, max {max(delays):.0f}; "
        f"after a quick stroke {settled:.0f}"
    )
    assert statistics.median(delays) < 100
    assert settled < 200


def test_undo_and_clear(page):
    pad = cell(page, 2).locator(".course-widget")
    canvas, readout = pad.locator(".drawing-pad-canvas"), pad.locator(".drawing-pad-readout")
    undo, clear = pad.get_by_text("Undo stroke"), pad.get_by_text("Clear")
    assert undo.is_disabled()
    assert readout.inner_text() == "Draw a digit."  # although the other pad has a drawing
    stroke(page, canvas, [(0.3, 0.2), (0.3, 0.8)])
    sync_api.expect(readout).to_contain_text("The network says")
    page.wait_for_timeout(500)  # the answer to the whole stroke
    one = pad.locator(".drawing-pad-bars").inner_text()
    stroke(page, canvas, [(0.7, 0.2), (0.7, 0.8)])
    sync_api.expect(pad.locator(".drawing-pad-bars")).not_to_have_text(one, use_inner_text=True)
    undo.click()
    sync_api.expect(pad.locator(".drawing-pad-bars")).to_have_text(one, use_inner_text=True)
    clear.press("Enter")  # JupyterLab keeps its shortcuts to itself
    sync_api.expect(readout).to_have_text("Draw a digit.")
    assert page.evaluate("document.activeElement.className").startswith("course-widget")  # both buttons are off
    assert pad.locator(".drawing-pad-best").count() == 0


def test_a_slider_redraws_without_queueing(page):
    play = cell(page, 3)
    image = play.locator("img").first
    sync_api.expect(image).to_have_attribute("alt", "A square of side 4.")
    play.get_by_role("button", name="size = 16, ground = white").click()
    sync_api.expect(image).to_have_attribute("alt", "A square of side 16.")
    handle = play.locator(".noUi-handle")
    handle.scroll_into_view_if_needed()
    box = handle.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for step in range(60):
        page.mouse.move(x - 2 * step, y)
    page.mouse.move(x - 400, y)
    page.mouse.up()
    sync_api.expect(image).to_have_attribute("alt", "A square of side 0.", timeout=2000)
    assert play.locator(".noUi-handle").count() == 1


def test_an_error_is_shown_and_the_picture_stays(page):
    play = cell(page, 3)
    handle = play.locator(".noUi-handle")
    handle.press("End")
    sync_api.expect(play.locator("img").first).to_have_attribute("alt", "A square of side 32.")
    handle.press("ArrowLeft")
    sync_api.expect(play.get_by_role("alert")).to_contain_text("ValueError: 31 is prime")
    sync_api.expect(play.locator("img").first).to_have_attribute("alt", "A square of side 32.")
    handle.press("ArrowLeft")
    sync_api.expect(play.locator("img").first).to_have_attribute("alt", "A square of side 30.")
    sync_api.expect(play.get_by_role("alert")).to_have_count(0)


def test_a_guess_is_locked_in_and_revealed(page):
    ask = cell(page, 4)
    ask.locator("input").fill("lots")
    ask.get_by_role("button", name="Lock in").click()
    sync_api.expect(ask).to_contain_text("'lots' is not one number")
    ask.locator("input").fill("1,200")
    ask.get_by_role("button", name="Lock in").click()
    sync_api.expect(ask).to_contain_text("Locked in: 1,200 digits")
    run(page, [4])  # the guess outlives the cell
    sync_api.expect(ask).to_contain_text("Locked in: 1,200 digits")
    ask.get_by_role("button", name="Guess again").click()
    page.keyboard.type("120")  # the field has the focus
    page.keyboard.press("Enter")
    sync_api.expect(ask).to_contain_text("Locked in: 120 digits")
    run(page, [6])
    sync_api.expect(cell(page, 6)).to_contain_text("You said 120 digits, measured 83 digits: 1.4 times too high.")
    assert cell(page, 6).locator("img").count() == 1
    sync_api.expect(ask.get_by_role("button", name="Guess again")).to_have_count(0)


def focused(page):
    """The control that has the focus, as a person would name it."""
    return page.evaluate(
        "(one => one.value && one.type === 'radio' ? one.value : one.ariaLabel || one.textContent || one.tagName)"
        "(document.activeElement)"
    )


def test_a_choice_is_made_by_keys_alone(page):
    ask = cell(page, 17)
    ask.get_by_role("radio").first.focus()
    page.keyboard.press("Space")
    for _ in range(2):
        page.keyboard.press("ArrowDown")
    assert focused(page) == "the third"
    page.keyboard.press("Tab")
    assert focused(page) == "Lock in"
    page.keyboard.press("Enter")
    sync_api.expect(ask).to_contain_text("Locked in: “the third”")
    assert focused(page) == "Guess again"
    page.keyboard.press("Enter")
    assert focused(page) == "the first"
    for key in ("Space", "ArrowUp", "ArrowUp", "Enter"):
        page.keyboard.press(key)
    sync_api.expect(ask).to_contain_text("Locked in: “the second”")
    ask.get_by_role("button", name="Guess again").focus()
    page.evaluate(
        "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.requestExecute("
        "{code: 'third.reveal(\"the third\")'}).done"
    )
    sync_api.expect(ask.get_by_role("button", name="Guess again")).to_have_count(0)
    assert page.evaluate("document.activeElement.className").startswith("course-widget")  # there is no control left


def test_a_choice(page):
    ask = cell(page, 5)
    ask.get_by_label("a digit, in doubt").check()
    ask.get_by_role("button", name="Lock in").click()
    sync_api.expect(ask).to_contain_text("Locked in: “a digit, in doubt”")
    run(page, [7])
    sync_api.expect(cell(page, 7)).to_contain_text("You said “a digit, in doubt”, but it is “a digit, surely”.")


def generation(evolution):
    return int(re.search(r"[Gg]eneration (\d+)", evolution.locator("div[role=status]").inner_text())[1])


def test_an_evolution_runs_until_it_is_paused(page):
    evolution = cell(page, 8).locator(".course-widget")
    evolution.scroll_into_view_if_needed()
    assert generation(evolution) == 1 and evolution.locator(".evolution-elites canvas").count() == 10
    evolution.get_by_role("button", name="Step").click()
    sync_api.expect(evolution.locator("div[role=status]")).to_contain_text("eneration 2")
    evolution.get_by_role("button", name="Start").click()
    page.wait_for_timeout(2000)
    evolution.get_by_role("button", name="Pause").click()
    page.wait_for_timeout(500)
    paused = generation(evolution)
    page.wait_for_timeout(1000)
    assert 10 < paused == generation(evolution)
    evolution.get_by_role("button", name="Reset").click()
    sync_api.expect(evolution.locator("div[role=status]")).to_contain_text("eneration 1")


def test_a_favourite_stays_among_its_children(page):
    nine = cell(page, 9).locator(".course-widget")
    tiles = nine.locator(".breeding-tile")
    pixels = "tile => tile.querySelector('canvas').toDataURL()"
    before = [tile.evaluate(pixels) for tile in tiles.all()]
    assert len(before) == len(set(before)) == 9
    tiles.nth(4).click()
    nine.get_by_role("button", name="Breed").click()
    sync_api.expect(tiles.nth(4)).to_contain_text("parent")
    after = [tile.evaluate(pixels) for tile in tiles.all()]
    assert [k for k in range(9) if before[k] == after[k]] == [4]
    nine.get_by_role("button", name="Back").click()
    sync_api.expect(tiles.nth(4)).not_to_contain_text("parent")
    assert [tile.evaluate(pixels) for tile in tiles.all()] == before


def test_a_scene_camera_follows_keys_and_sweeps(page):
    desk = cell(page, 10).locator(".course-widget")
    status, plot = desk.locator(".course-status"), desk.locator(".viewpoint-plot")
    sync_api.expect(status).to_contain_text("This picture lies 0.00 from home")
    pitch = desk.get_by_role("slider", name="pitch")
    for _ in range(3):
        pitch.press("ArrowRight")  # JupyterLab keeps its shortcuts to itself
    sync_api.expect(pitch).to_have_attribute("aria-valuetext", "+2°")
    sync_api.expect(status).not_to_contain_text("lies 0.00 from home")
    desk.get_by_label("slider to sweep").press("ArrowDown")
    assert desk.get_by_label("slider to sweep").input_value() == "2"
    desk.get_by_role("button", name="Clear trail").click()
    sync_api.expect(plot).to_have_attribute("aria-label", re.compile(" 0 steps"))
    start = time.perf_counter()
    desk.get_by_role("button", name="Sweep").click()
    sync_api.expect(desk.get_by_role("button", name="Stop")).to_be_visible()
    sync_api.expect(desk.get_by_role("button", name="Sweep")).to_be_visible(timeout=20_000)
    sync_api.expect(plot).to_have_attribute("aria-label", re.compile(" 80 steps"))
    print(f"\ns for a sweep of 80 pictures: {time.perf_counter() - start:.1f}")
    desk.get_by_role("button", name="Home").press("Enter")
    sync_api.expect(status).to_contain_text("This picture lies 0.00 from home")


def test_high_dimensions_follow_keys(page):
    panels = cell(page, 11).locator(".course-widget")
    half = panels.locator("figcaption").first
    sync_api.expect(half).to_contain_text("In 2 dimensions half of the ball's volume lies outside radius 0.707.")
    slider = panels.get_by_role("slider", name="dimension n")
    slider.press("ArrowRight")  # JupyterLab keeps its shortcuts to itself
    sync_api.expect(half).to_contain_text("In 3 dimensions")
    panels.get_by_role("button", name="n = 784").click()
    sync_api.expect(half).to_contain_text("In 784 dimensions half of the ball's volume lies outside radius 0.99912.")
    before = half.inner_text()
    panels.get_by_role("button", name="Draw again").press("Enter")
    sync_api.expect(half).not_to_have_text(before)


def test_a_quiz_outlives_its_cell(page):
    quiz = cell(page, 12).locator(".course-widget")
    quiz.get_by_role("button", name="Start").click()
    for answers in range(2):
        sync_api.expect(quiz.get_by_text("What was it?")).to_be_visible(timeout=8000)
        page.keyboard.press("n")  # JupyterLab keeps its shortcuts to itself
        sync_api.expect(quiz).to_contain_text("You say none of them.")
        page.keyboard.press("2")
        sync_api.expect(quiz.locator("div[role=status]")).to_have_text(f"Picture {answers + 2} of 3")
    page.keyboard.press("Escape")
    sync_api.expect(quiz.locator("div[role=status]")).to_have_text("2 of 3 pictures answered.")
    run(page, [12])
    sync_api.expect(quiz.locator("div[role=status]")).to_have_text("2 of 3 pictures answered.")
    quiz.get_by_role("button", name="Go on").click()
    sync_api.expect(quiz.get_by_text("What was it?")).to_be_visible(timeout=8000)
    quiz.get_by_role("button", name="none of them").click()
    quiz.get_by_role("button", name="1 a guess").click()
    sync_api.expect(quiz.locator(".quiz-outcome img")).to_have_attribute("alt", re.compile("You against the network"))
    assert page.locator(".jp-Notebook .jp-Cell").count() == len(CELLS)


def test_a_photo_is_attacked_and_the_slider_follows(page):
    lab = cell(page, 13).locator(".course-widget")
    status, field = lab.locator(".course-status"), lab.get_by_role("combobox", name="It should say")
    sync_api.expect(status).to_contain_text("press Attack")
    field.click()
    page.keyboard.type("tur")  # JupyterLab keeps its shortcuts to itself
    page.keyboard.press("Enter")
    assert field.input_value() == "box turtle"
    lab.get_by_role("slider", name="steps").press("Home")
    lab.get_by_role("button", name="Attack").press("Enter")
    sync_api.expect(status).to_contain_text("more than 4 levels of 255, in one step: now the network says")
    sync_api.expect(lab.locator(".photos-target")).to_have_count(3)
    lab.get_by_role("slider", name="largest change").press("Home")
    sync_api.expect(status).to_contain_text("more than 0 levels")
    lab.get_by_label("Photo", exact=True).select_option("coffee")
    sync_api.expect(status).to_contain_text("press Attack")


def test_a_face_camera_gives_the_camera_back(page):
    guard = cell(page, 14).locator(".course-widget")
    status, found = guard.locator(".course-status"), guard.locator(".surveillance-found")
    sync_api.expect(status).to_have_text("A photo: coffee.")
    guard.get_by_label("what hangs in the picture").select_option("attacked noise")
    sync_api.expect(found).to_have_text("One face found: 99.8 % (on the attacked noise).")
    guard.get_by_role("button", name="Use the camera").click()
    sync_api.expect(status).to_contain_text("pictures a second", timeout=10_000)
    sync_api.expect(found).to_contain_text("(on the attacked noise)")
    guard.get_by_role("button", name="Stop the camera").click()
    sync_api.expect(status).to_have_text("A photo: coffee.")
    guard.get_by_role("button", name="Use the camera").click()
    sync_api.expect(status).to_contain_text("The camera is on")
    run(page, [14])  # the old widget is gone, and so is its picture
    sync_api.expect(status).to_have_text("A photo: coffee.")
    page.wait_for_function("streams.length === 2 && streams.every(s => s.getTracks()[0].readyState === 'ended')")


def test_a_robustness_trial_follows_keys_and_waits_for_a_slow_attack(page):
    field = cell(page, 15).locator(".course-widget")
    status, slider = field.locator("div[role=status]"), field.get_by_role("slider")
    sync_api.expect(status).to_contain_text("nothing at eps = 0.1 leaves 50 of 50 digits right")
    field.get_by_role("radio", name="nothing").focus()
    page.keyboard.press("ArrowDown")  # JupyterLab keeps its shortcuts to itself
    sync_api.expect(status).to_contain_text("light is at work against seer")
    sync_api.expect(status).to_contain_text("light at eps = 0.1 leaves 0 of 50 digits right")
    sync_api.expect(field.locator(".robustness-wrong")).to_have_count(8)
    slider.press("ArrowRight")
    sync_api.expect(status).to_have_text("light failed against seer: 11 is prime")
    slider.press("ArrowRight")
    sync_api.expect(status).to_contain_text("light at eps = 0.12 leaves 0 of 50 digits right")
    slider.press("Home")
    sync_api.expect(status).to_have_text("Nothing may change at eps = 0: 50 of 50 clean digits are right.")
    sync_api.expect(field.locator(".robustness-right")).to_have_count(8)
    assert page.locator(".jp-Notebook .jp-Cell").count() == len(CELLS)


WIDGETS = {
    "sketchpad": 1,
    "controls": 3,
    "a guess": 19,
    "a choice": 20,
    "evolution": 8,
    "breeding": 9,
    "scene camera": 10,
    "high dimensions": 11,
    "quiz": 12,
    "photo attack": 13,
    "face camera": 14,
    "robustness trial": 15,
    "explorer": 16,
}


STATE = """() => {
    const { activeCellIndex, widgets } = jupyterapp.shell.currentWidget.content
    return [activeCellIndex, widgets.map(one => [one.model.type, one.model.sharedModel.getSource()])]
}"""


def press_in_each_control(page, index):
    """Give the focus to each control of a cell's output, and press the keys of commands. Returns how many there are."""
    controls = cell(page, index).locator(f".jp-OutputArea :is({CONTROLS})")
    able = [control for control in controls.all() if control.is_visible() and control.is_enabled()]
    for control in able:
        what = control.evaluate("one => one.outerHTML.slice(0, 200)")
        control.focus()
        before = page.evaluate(STATE)
        for key in COMMANDS:
            page.keyboard.press(key)
        assert page.evaluate(STATE) == before and page.locator(".jp-Dialog").count() == 0, what
        assert page.evaluate("document.activeElement.closest('.jp-OutputArea') !== null"), what
        assert before[0] == index
    return len(able)


@pytest.mark.parametrize("name", WIDGETS)
def test_keys_in_a_control_are_no_commands_to_the_notebook(page, name):
    here = cell(page, WIDGETS[name])
    if name == "sketchpad":  # its buttons need a stroke
        stroke(page, here.locator(".drawing-pad-canvas"), [(0.3, 0.2), (0.3, 0.8)])
    bare = here.locator(f".jp-OutputArea :is({CONTROLS}):not([data-lm-suppress-shortcuts])")
    sync_api.expect(bare).to_have_count(0)
    assert press_in_each_control(page, WIDGETS[name]) > 0
    if name in ("a guess", "a choice"):
        here.locator("input").last.press("Space") if name == "a choice" else here.locator("input").fill("3")
        page.keyboard.press("Enter")
        sync_api.expect(here).to_contain_text("Locked in")
        assert press_in_each_control(page, WIDGETS[name]) == 1  # "Guess again"


def test_keys_are_no_commands_in_notebook_7(page, lab):
    pytest.importorskip("notebook", reason="needs notebook: pip install notebook")
    other = page.context.browser.new_page()
    visit(other, lab.replace("/doc/tree/", "/notebooks/"))
    for index in (WIDGETS["a guess"], WIDGETS["controls"], WIDGETS["high dimensions"]):
        run(other, [index])
        other.wait_for_timeout(1000)
        assert press_in_each_control(other, index) > 0
    other.close()


def test_sliders_say_their_names(page):
    names = [one.get_attribute("aria-label") for one in cell(page, 16).get_by_role("slider").all()]
    assert names == ["image", "eps", "steps"]


def restart(page):
    page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    page.wait_for_timeout(1000)


def test_widgets_say_that_their_kernel_is_gone(page):
    restart(page)
    pad, play = cell(page, WIDGETS["sketchpad"]).locator(".course-widget"), cell(page, WIDGETS["controls"])
    stroke(page, pad.locator(".drawing-pad-canvas"), [(0.3, 0.2), (0.3, 0.8)])
    sync_api.expect(pad.locator(".drawing-pad-readout")).to_contain_text("run the cell again", timeout=8000)
    play.locator(".noUi-handle").press("ArrowLeft")
    sync_api.expect(play.get_by_role("alert").last).to_contain_text("run the cell again", timeout=8000)


def test_a_lesson_that_is_opened_again_shows_pictures(page):
    restart(page)
    shown = [WIDGETS[name] for name in ("controls", "evolution", "breeding", "high dimensions")]
    for index in shown:
        sync_api.expect(cell(page, index).locator(".course-still")).to_be_hidden()  # beside the live widget
    page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    page.wait_for_timeout(1000)
    page.reload()
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=90_000)
    for index in shown:
        here = cell(page, index)
        sync_api.expect(here.locator(".course-still img")).to_be_visible(timeout=20_000)
        assert here.locator(".course-still img").get_attribute("alt")
        sync_api.expect(here.get_by_text("model not found")).to_be_hidden()
    run(page, [0, WIDGETS["high dimensions"]])
    here = cell(page, WIDGETS["high dimensions"])
    sync_api.expect(here.locator(".course-widget")).to_be_visible()
    sync_api.expect(here.locator(".course-still")).to_be_hidden()
