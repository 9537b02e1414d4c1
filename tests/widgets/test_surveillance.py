"""The face camera: what it shows is what the detector saw, one picture at a time, and none of the camera's is kept."""

import base64
import functools
import re

import numpy as np
import pytest
import skimage
import torch
from PIL import Image
from torch.nn import functional as F

from course_utils import faces
from course_utils.widgets import face_camera, surveillance
from course_utils.widgets.surveillance import LONG, PHOTOS, START, hang, see, small
from tests.stage import CHROMIUM, ask, show, stored

CANVAS = torch.tensor([1.0, 0.0, 1.0]).view(1, 3, 1, 1).expand(1, 3, 40, 40)  # nothing else here is so magenta
CENTRE = dict(hangs="attacked noise", size=0.5, across=0.5, down=0.5)


def detect(images, _=None):
    """A face is the box about what is magenta."""
    found = []
    for image in images:
        rows, columns = ((image[0] > 0.9) & (image[1] < 0.1) & (image[2] > 0.9)).nonzero(as_tuple=True)
        edges = [] if len(rows) < 100 else [[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]]
        boxes = torch.tensor(edges, dtype=torch.float32).view(-1, 4)
        found.append(faces.Faces(boxes, torch.full((len(boxes),), 0.998), torch.zeros(len(boxes), 5, 2)))
    return found


@pytest.fixture(autouse=True)
def magenta(request, monkeypatch):
    """`detect` stands in for the detector, wherever a test does not ask for the trained one."""
    if "trained" not in request.node.name:
        monkeypatch.setattr(surveillance, "cascade", lambda: None)
        monkeypatch.setattr(faces, "detect", detect)


@pytest.fixture
def guard(live):
    return face_camera(CANVAS)


def look_at(widget, frame=None, **settings):
    extra = {} if frame is None else {"frame": frame}
    return ask(widget, "look", settings=START | settings, **extra)


def shown(answer, buffers):
    channels, height, width = answer["shape"]
    return torch.frombuffer(bytearray(buffers[0]), dtype=torch.uint8).view(height, width, channels)


def frame(colour, kind="jpeg", size=(320, 240)):
    return base64.b64encode(stored(Image.new("RGB", size, colour), kind)).decode()


def test_it_starts_with_a_photo_and_nothing_in_it(guard):
    answer, buffers = ask(guard, "show")
    assert (answer["photo"], answer["photos"]) == (PHOTOS[0], list(PHOTOS))
    assert answer["things"] == ["nothing", "plain noise", "attacked noise"]
    assert answer["settings"] == START and (answer["place"], answer["marks"]) == (None, [])
    assert answer["camera"] is False
    seen = shown(answer, buffers)
    assert max(seen.shape[:2]) == LONG
    photo = small(skimage.data.coffee())
    assert torch.equal(seen, (255 * photo[0]).round().byte().permute(1, 2, 0))


def test_what_hangs_there_is_seen_and_found(guard):
    answer, buffers = look_at(guard, **CENTRE)
    seen = shown(answer, buffers).int()
    left, top, right, bottom = answer["place"]
    height, width = seen.shape[:2]
    assert bottom - top == right - left == round(0.5 * min(height, width))
    assert abs(left - (width - right)) <= 1 and abs(top - (height - bottom)) <= 1
    assert (seen[top:bottom, left:right] == torch.tensor([255, 0, 255])).all()
    bare = shown(*look_at(guard))
    outside = torch.ones(height, width, dtype=torch.bool)
    outside[top:bottom, left:right] = False
    assert torch.equal(seen[outside], bare[outside].int())
    assert answer["marks"] == [{"box": [left, top, right, bottom], "text": "99.8 %", "on": True}]


def test_what_is_shown_is_what_the_detector_saw(live, monkeypatch):
    seen = []
    monkeypatch.setattr(faces, "detect", lambda images, _: seen.append(images) or detect(images))
    widget = face_camera(torch.rand(1, 3, 37, 37))
    for hangs in ("nothing", "plain noise", "attacked noise"):
        shot = shown(*look_at(widget, hangs=hangs, size=0.7))
        assert torch.equal(seen[-1], (shot / 255).permute(2, 0, 1)[None])


@pytest.mark.parametrize(("across", "down"), [(0, 0), (1, 0), (0, 1), (1, 1)])
@pytest.mark.parametrize("size", [0.1, 1])
def test_it_hangs_inside_at_every_edge(size, across, down):
    scene = torch.zeros(1, 3, 24, 40)
    for thing in (torch.ones(1, 1, 30, 10), torch.ones(1, 3, 8, 16), torch.ones(1, 3, 200, 200)):
        hung, (left, top, right, bottom) = hang(thing, scene, size, across, down)
        assert 0 <= left < right <= 40 and 0 <= top < bottom <= 24
        assert (left == 0 or across) and (right == 40 or not across)
        assert (top == 0 or down) and (bottom == 24 or not down)
        assert hung.sum().item() == pytest.approx(3 * (right - left) * (bottom - top), rel=1e-5)
        if size == 1:
            assert bottom - top == 24 or right - left == 40
    assert scene.sum() == 0


def test_a_canvas_is_made_smaller_without_gaps():
    stripes = torch.tensor([1.0, 0.0, 0.0, 0.0]).repeat(1, 1, 64, 16)
    hung, (left, top, right, bottom) = hang(stripes, torch.zeros(1, 3, 16, 16), 1, 0.5, 0.5)
    assert (right - left, bottom - top) == (16, 16)
    assert (hung[..., 1:-1, 1:-1] - 0.25).abs().max() < 0.02  # the mean over a stripe and the three beside it
    same, _ = hang(CANVAS, torch.zeros(1, 3, 40, 60), 1, 0, 0)
    assert torch.equal(same[..., :40], CANVAS)


def test_a_face_elsewhere_is_not_on_what_hangs_there():
    scene = F.pad(CANVAS, (60, 0))  # a face at the right
    settings = dict(size=0.5, across=0.0, down=0.5)
    things = {"noise": torch.zeros(1, 3, 8, 8)}
    assert [mark["on"] for mark in see(things, scene, "noise", **settings).marks] == [False]
    bare = see({"nothing": None}, scene, "nothing", **settings)
    assert [mark["on"] for mark in bare.marks] == [False]


def test_a_frame_of_the_camera_is_looked_at_and_forgotten(guard):
    ask(guard, "photo", name="astronaut")
    photos = dict(guard.photos)
    answer, buffers = look_at(guard, frame((0, 0, 250)), **CENTRE | {"across": 0.0})
    assert answer["camera"] is True and answer["shape"] == [3, 240, 320]
    seen = shown(answer, buffers).int()
    assert ((seen[:, 200:] - torch.tensor([0, 0, 250])).abs() <= 3).all()
    assert answer["marks"][0]["on"]
    assert guard.photos.keys() == photos.keys() and all(guard.photos[name] is photos[name] for name in photos)
    held = [value for value in vars(guard).values() if isinstance(value, torch.Tensor)]
    assert held == []
    answer, buffers = ask(guard, "show")
    assert (answer["camera"], answer["photo"]) == (False, "astronaut")
    assert answer["settings"]["across"] == 0  # what hangs there stays


def test_a_large_frame_is_made_smaller(guard):
    answer, _ = look_at(guard, frame((9, 9, 9), size=(1280, 720)))
    assert answer["shape"] == [3, 180, 320]


def test_a_photo_of_ones_own_joins_the_others(guard):
    picture = np.zeros((90, 120, 3), dtype=np.uint8)
    picture[20:40, 60:90] = 255, 0, 255
    data = base64.b64encode(stored(Image.fromarray(picture))).decode()
    answer, buffers = ask(guard, "upload", name="me.png", data=data)
    assert (answer["photo"], answer["photos"]) == ("me.png (yours)", [*PHOTOS, "me.png (yours)"])
    assert torch.equal(shown(answer, buffers), torch.from_numpy(picture))  # small as it is
    assert answer["marks"] == [{"box": [60, 20, 90, 40], "text": "99.8 %", "on": False}]
    ask(guard, "photo", name="coffee")
    assert ask(guard, "photo", name="me.png (yours)")[1] == buffers


@pytest.mark.parametrize(
    ("do", "how", "message"),
    [
        ("upload", dict(name="a.heic", data="aGVsbG8="), "^a.heic cannot be read as a picture"),
        ("upload", dict(name="a.png", data=""), "^a.png is empty"),
        ("photo", dict(name="dog"), "^KeyError: 'dog'"),
        ("look", dict(settings=START | {"hangs": "a poster"}), "KeyError: 'a poster'"),
        ("look", dict(frame="aGVsbG8="), "^the camera's picture cannot be read"),
    ],
)
def test_an_error_is_the_answer_and_changes_nothing(guard, do, how, message):
    look_at(guard, **CENTRE)
    before = ask(guard, "show")
    answer, buffers = ask(guard, do, **how)
    assert re.search(message, answer["error"]) and buffers == []
    assert ask(guard, "show") == before


def test_missing_weights_are_said_and_found_later(live, monkeypatch):
    asked = []

    def nets():
        asked.append(1)
        if len(asked) == 1:
            raise OSError("connect to the internet")

    monkeypatch.setattr(surveillance, "cascade", functools.cache(nets))
    widget = face_camera(CANVAS)
    assert asked == []  # not before the first picture
    assert ask(widget, "show") == ({"page": 7, "error": "OSError: connect to the internet"}, [])
    for _ in range(3):
        assert "marks" in ask(widget, "show")[0]
    assert len(asked) == 2  # the weights are read once


@pytest.mark.parametrize("here", ["live", "static"])
def test_a_canvas_that_does_not_fit_is_refused(request, here):
    request.getfixturevalue(here)
    with pytest.raises(ValueError, match=r"\(2, 3, 8, 8\): want one image"):
        face_camera(torch.rand(2, 3, 8, 8))
    with pytest.raises(ValueError, match=r"\(1, 4, 8, 8\): want one image"):
        face_camera(torch.rand(1, 4, 8, 8))
    with pytest.raises(ValueError, match="not 0 to 1"):
        face_camera(9 * torch.ones(1, 3, 8, 8))


def test_the_static_twin_says_what_it_shows(static, undrawn):
    state = torch.get_rng_state()
    alt = face_camera(CANVAS).alt
    assert torch.equal(torch.get_rng_state(), state)
    assert alt.endswith("coffee with plain noise in it: no face; coffee with attacked noise in it: 99.8 %.")


def test_a_page_without_a_kernel_shows_what_was_there(guard, undrawn):
    ask(guard, "photo", name="astronaut")
    look_at(guard, **CENTRE)
    assert guard.picture().alt.endswith("astronaut with attacked noise in it: 99.8 %.")


@pytest.mark.slow
def test_the_trained_detector_sees_the_astronaut_and_no_face_in_coffee_or_noise(live):
    widget = face_camera(CANVAS)
    assert ask(widget, "photo", name="astronaut")[0]["marks"][0]["text"] == "> 99.99 %"
    ask(widget, "photo", name="coffee")
    assert [look_at(widget, hangs=thing)[0]["marks"] for thing in ("nothing", "plain noise")] == [[], []]


SPY = """
    window.streams = []
    const media = navigator.mediaDevices
    if (media) {
        const real = media.getUserMedia.bind(media)
        media.getUserMedia = async (wish) => {
            if (window.refuse) throw new DOMException("", window.refuse)
            const stream = await real(wish)
            await new Promise((resolve) => setTimeout(resolve, window.pause ?? 0))
            window.streams.push(stream)
            return stream
        }
    }
"""


@pytest.fixture(scope="module")
def cameras(browser):
    """Chromium with a camera that shows a moving test picture, and permission for it."""
    args = ["--no-sandbox", "--disable-gpu", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    own = browser.browser_type.launch(executable_path=CHROMIUM, args=args)
    yield own
    own.close()


@pytest.fixture
def stage(cameras):
    """As in the other tests, at an address to which a browser gives its camera."""
    page = cameras.new_page(viewport={"width": 800, "height": 900})
    errors, answers = [], []
    page.on("pageerror", lambda error: errors.append(error))
    page.route("**/*", lambda route: route.fulfill(body="<!doctype html>", content_type="text/html"))
    page.add_init_script(SPY)

    def kernel(widget, message):
        answer, buffers = widget.answer(message)
        answers.append(answer)
        return [answer, [base64.b64encode(one).decode() for one in buffers]]

    def put(widget, address="http://localhost/", views=1):
        page.expose_function("kernel", lambda message: kernel(widget, message))
        page.goto(address)
        show(page, widget, views)
        page.answers = answers
        says(page, "A photo")
        return page

    yield put
    page.close()
    assert errors == []


def says(page, text, where=".course-status"):
    script = "([where, text]) => document.querySelector(where).textContent.includes(text)"
    page.wait_for_function(script, arg=[where, text])


FOUND = ".surveillance-found"
STOPPED = "streams.length && streams.every(s => s.getTracks().every(t => t.readyState === 'ended'))"


@pytest.mark.slow
def test_hang_drag_and_slide_in_a_browser(guard, stage):
    page = stage(guard, views=2)
    says(page, "No face found", FOUND)
    view = page.locator("canvas").first
    size = page.get_by_role("slider", name="its size").first
    assert size.is_disabled()  # of nothing
    page.get_by_label("what hangs in the picture").first.select_option("attacked noise")
    says(page, "One face found: 99.8 % (on the attacked noise).", FOUND)
    assert page.get_by_label("what hangs in the picture").last.input_value() == "attacked noise"  # the other view
    assert "One face found" in view.get_attribute("aria-label")
    before = page.answers[-1]["place"]
    size.press("ArrowRight")
    page.wait_for_timeout(300)
    assert page.answers[-1]["place"][2] - page.answers[-1]["place"][0] > before[2] - before[0]
    box = view.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    for step in range(1, 41):
        page.mouse.move(box["x"] + (0.5 + step / 80) * box["width"], box["y"] + 3)
    page.mouse.up()
    page.wait_for_timeout(400)
    place = page.answers[-1]["place"]
    assert (place[1], place[2]) == (0, LONG)  # in the corner, wholly inside
    assert page.get_by_role("slider", name="left to right").first.input_value() == "1"
    assert page.evaluate("most") == 1
    page.mouse.move(box["x"] + 5, box["y"] + 5)  # the button is up
    page.wait_for_timeout(200)
    assert page.answers[-1]["place"] == place
    page.get_by_role("slider", name="top to bottom").first.press("End")
    page.wait_for_timeout(300)
    assert page.answers[-1]["place"][3] == page.answers[-1]["shape"][1]
    drawn = view.evaluate(
        "c => [c.width, c.height, ...c.getContext('2d').getImageData(c.width - 60, c.height - 60, 1, 1).data]"
    )
    _, height, width = page.answers[-1]["shape"]
    assert drawn == [2 * width, 2 * height, 255, 0, 255, 255]


@pytest.mark.slow
def test_the_camera_in_a_browser(guard, stage):
    page = stage(guard)
    page.get_by_label("what hangs in the picture").select_option("attacked noise")
    says(page, "One face", FOUND)
    page.get_by_role("button", name="Use the camera").press("Enter")
    says(page, "The camera is on")
    page.wait_for_timeout(1500)
    frames = [answer for answer in page.answers if answer["camera"]]
    assert len(frames) > 5 and page.evaluate("most") == 1  # many pictures, one at a time
    assert frames[-1]["shape"] == [3, 240, 320] and frames[-1]["marks"][0]["on"]
    one = page.locator("canvas").evaluate("c => c.toDataURL()")
    page.wait_for_timeout(700)
    assert page.locator("canvas").evaluate("c => c.toDataURL()") != one  # it moves
    assert page.locator(".course-status").get_attribute("aria-live") == "off"
    page.get_by_role("button", name="Stop the camera").click()
    says(page, "A photo: coffee.")
    page.wait_for_timeout(300)
    assert page.evaluate(STOPPED)
    number = len(page.answers)
    assert page.answers[-1]["camera"] is False
    page.wait_for_timeout(500)
    assert len(page.answers) == number  # nothing is sent any more
    assert guard.photos.keys() == set(PHOTOS)
    page.get_by_role("button", name="Use the camera").click()
    says(page, "The camera is on")
    page.get_by_label("photo", exact=True).select_option("astronaut")
    says(page, "A photo: astronaut.")
    assert page.evaluate(STOPPED)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("why", "text"),
    [
        ("NotAllowedError", "was not allowed to use the camera"),
        ("NotFoundError", "There is no camera here."),
        ("NotReadableError", "another program may be using it"),
        ("OddError", "The camera cannot be used (OddError"),
    ],
)
def test_no_camera_leaves_the_other_ways_in_a_browser(guard, stage, tmp_path, why, text):
    page = stage(guard)
    page.evaluate("why => { window.refuse = why }", why)
    page.get_by_role("button", name="Use the camera").click()
    says(page, text)
    says(page, "You can take a photo instead")
    assert page.get_by_role("button", name="Use the camera").is_enabled()
    picture = np.zeros((90, 120, 3), dtype=np.uint8)
    picture[20:40, 60:90] = 255, 0, 255
    (tmp_path / "me.png").write_bytes(stored(Image.fromarray(picture)))
    page.locator("input[type=file]").set_input_files(tmp_path / "me.png")
    says(page, "A photo: me.png (yours).")
    says(page, "One face found: 99.8 %.", FOUND)


@pytest.mark.slow
def test_an_insecure_page_is_said_in_a_browser(guard, stage):
    page = stage(guard, address="http://192.0.2.7/")
    assert "the kernel may run on another machine" in page.locator(".course-note").inner_text()
    page.get_by_role("button", name="Use the camera").click()
    says(page, "only to pages from localhost or https")


@pytest.mark.slow
def test_a_permission_that_comes_too_late_is_given_back_in_a_browser(guard, stage):
    page = stage(guard)
    assert "no picture leaves this machine" in page.locator(".course-note").inner_text()
    page.evaluate("window.pause = 600")
    page.get_by_role("button", name="Use the camera").click()
    says(page, "Asking for the camera")
    page.get_by_label("photo", exact=True).select_option("astronaut")
    page.wait_for_function("streams.length === 1")
    says(page, "A photo: astronaut.")
    page.wait_for_timeout(300)
    assert page.evaluate(STOPPED) and not any(answer["camera"] for answer in page.answers)


@pytest.mark.slow
def test_an_unplugged_camera_and_an_error_end_it_in_a_browser(guard, stage, monkeypatch):
    page = stage(guard)
    page.get_by_role("button", name="Use the camera").click()
    says(page, "The camera is on")
    page.evaluate("streams[0].getVideoTracks()[0].dispatchEvent(new Event('ended'))")
    says(page, "switched off or unplugged")
    page.get_by_role("button", name="Use the camera").click()
    says(page, "The camera is on")

    def broken(images, cascade):
        raise RuntimeError("the detector is out of order")

    monkeypatch.setattr(faces, "detect", broken)
    says(page, "RuntimeError: the detector is out of order")
    page.wait_for_timeout(400)
    assert page.evaluate(STOPPED)
    number = len(page.answers)
    page.wait_for_timeout(400)
    assert len(page.answers) == number  # it does not ask for ever
    monkeypatch.setattr(faces, "detect", detect)
    page.get_by_label("photo", exact=True).select_option("astronaut")
    says(page, "A photo: astronaut.")


@pytest.mark.slow
@pytest.mark.parametrize("width", [400, 700])
def test_nothing_sticks_out_in_a_browser(guard, stage, width):
    page = stage(guard)
    page.set_viewport_size({"width": width, "height": 900})
    page.wait_for_timeout(200)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
