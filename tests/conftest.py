"""With and without a front end, for what a learner touches; a small network; a face detector; another default type."""

import base64
import signal

import PIL.Image
import pytest
import torch

from course_utils import data, faces, figures, models, runtime, training
from course_utils.core import storage
from tests.stage import CHROMIUM, show, stored

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # by a shell that has started the tests in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def live(monkeypatch):
    monkeypatch.setenv("COURSE_STATIC", "0")


@pytest.fixture
def static(monkeypatch):
    monkeypatch.setenv("COURSE_STATIC", "1")


@pytest.fixture
def float64():
    """Torch makes float64 of what is given no type."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


@pytest.fixture
def undrawn(monkeypatch):
    """In place of each picture a white square, with the words for what it would show."""
    square = stored(PIL.Image.new("RGB", (40, 40), "white"))
    monkeypatch.setattr(figures, "picture", lambda canvas, alt: figures.Picture(square, alt))


@pytest.fixture(scope="session")
def net():
    """A LeNet-5 after three rounds of 2,000 digits."""
    torch.manual_seed(0)
    model = models.LeNet5()
    split = data.mnist("cpu").train[:2000]
    training.fit(model, split, epochs=3, generator=runtime.seed(0), progress=False)
    return model.eval()


@pytest.fixture(scope="module")
def trained():
    """The face detector with its weights, where these can be had."""
    try:
        return faces.nets("cpu")
    except storage.Missing as error:
        pytest.skip(f"needs the weights: {error}")


@pytest.fixture(autouse=True)
def untouched(request):
    """What a test leaves in the network that all share, its mode or gradients, no other test meets."""
    model = request.getfixturevalue("net") if "net" in request.fixturenames else None
    yield
    if isinstance(model, torch.nn.Module):
        model.eval().zero_grad()


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium."""
    play = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install -e '.[browser]'")
    if not CHROMIUM:
        pytest.skip("needs chromium on the PATH, or its path in the variable CHROMIUM")
    with play.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def stage(browser):
    """Puts views of a widget into an empty page; its kernel is this process."""
    pages, errors = [], []

    def kernel(widget, message):
        answer, buffers = widget.answer(message)
        return [answer, [base64.b64encode(one).decode() for one in buffers]]

    def put(widget, views=1, **look):
        page = browser.new_page(**{"viewport": {"width": 800, "height": 1000}} | look)
        pages.append(page)
        page.on("pageerror", lambda error: errors.append(error))
        page.expose_function("kernel", lambda message: kernel(widget, message))
        page.goto("about:blank")
        show(page, widget, views)
        return page

    yield put
    for page in pages:
        page.close()
    assert errors == []
