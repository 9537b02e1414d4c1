"""Figures: real pictures with alt text, and clear errors."""

import concurrent.futures
import io

import matplotlib.style
import numpy as np
import pytest
import torch
from PIL import Image

from course_utils import figures
from course_utils.fooling import CPPN, drawing
from course_utils.fooling.cppn import Graph

NOISE = torch.rand(5, 1, 28, 28)
COLOURS = torch.rand(2, 3, 8, 8)
SURE = torch.tensor([0.9, *[0.1 / 9] * 9])

PICTURES = {
    "a grid": lambda: figures.images(NOISE, list("abcde"), columns=3, title="Five", alt="Five squares of noise."),
    "a list": lambda: figures.images(list(NOISE), alt="Noise."),
    "colour": lambda: figures.images(COLOURS, alt="Two coloured squares."),
    "bars": lambda: figures.confidence_bars(NOISE[:1], SURE),
    "curves": lambda: figures.curves(
        {"a": [3, 2, 1], "b": [3.0, 2.0, 1.01]},
        bands={"a": ([2, 1, 0.5], [4, 3, 2])},
        reported={"paper [M]": (2, 2.5)},
        log="y",
        xlabel="x",
        ylabel="y",
        alt="Two falling curves.",
    ),
    "triptych": lambda: figures.triptych(NOISE[0], (NOISE[0] + 0.1).clamp(0, 1), alt="Noise, a shift, noise."),
    "equal triptych": lambda: figures.triptych(NOISE[:1], NOISE[:1], alt="Nothing changed."),
    "tiles": lambda: figures.tile({"one": PICTURES["a grid"](), "two": PICTURES["bars"]()}),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_a_png_with_alt_text(name):
    picture = PICTURES[name]()
    png, metadata = picture._repr_png_()
    image = Image.open(io.BytesIO(png)).convert("RGB")
    assert metadata["alt"] and repr(picture) == metadata["alt"]
    assert 50 < image.width <= 2200 and image.height > 50
    assert image.getpixel((0, 0)) == (255, 255, 255)  # a white margin, also in a dark theme


def test_grey_levels_are_absolute():
    """A dark image stays dark: nothing is stretched."""
    picture = figures.images(torch.full((1, 1, 4, 4), 0.25), alt="A dark square.")
    image = Image.open(io.BytesIO(picture.png)).convert("L")
    middle = image.getpixel((image.width // 2, image.height // 2))
    assert abs(middle - 64) <= 2


def test_triptych_states_its_factor(monkeypatch):
    monkeypatch.setattr(figures, "picture", lambda canvas, alt: canvas)
    canvas = figures.triptych(torch.zeros(1, 4, 4), torch.full((1, 4, 4), 0.05), alt="Black, a shift, nearly black.")
    assert "difference × 20" in [axis.get_title() for axis in canvas.axes]


BAD = {
    "not (N, 1, H, W)": lambda: figures.images(NOISE[0], alt="x"),
    "cannot put these images into one grid": lambda: figures.images([NOISE[0], NOISE[0, :, :9]], alt="x"),
    "2 captions for 5 images": lambda: figures.images(NOISE, ["a", "b"], alt="x"),
    "alt is empty": lambda: figures.images(NOISE, alt=" "),
    "convert with images.float() / 255": lambda: figures.images((255 * NOISE).byte(), alt="x"),
    "divide by 255": lambda: figures.images(255 * NOISE, alt="x"),
    "hold NaN": lambda: figures.triptych(NOISE[0] * torch.nan, NOISE[0], alt="x"),
    "5 images where one is shown": lambda: figures.confidence_bars(NOISE, SURE),
    "sum to 1, not 1": lambda: figures.confidence_bars(NOISE[0], torch.tensor([1.5, -0.5])),
    "pass softmax outputs": lambda: figures.confidence_bars(NOISE[0], 10 * SURE),
    "differ in shape": lambda: figures.triptych(NOISE[0], torch.rand(1, 8, 8), alt="x"),
    "too many to tell apart": lambda: figures.curves({str(k): [1] for k in range(6)}, xlabel="", ylabel="", alt="x"),
    "has 2 points and x has 3": lambda: figures.curves({"a": [1, 2]}, x=[1, 2, 3], xlabel="", ylabel="", alt="x"),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_is_named(message):
    with pytest.raises((TypeError, ValueError)) as caught:
        BAD[message]()
    assert message in str(caught.value)


def test_percent_never_rounds_up_to_certainty():
    assert figures.percent(0.99996) == "> 99.99 %" and figures.percent(torch.tensor(0.5)) == "50.0 %"
    assert figures.percent(1) == "100 %" and figures.percent(0) == "0 %"


def test_a_table_is_text_and_html():
    table = figures.Table(["a", "b"], [["<x>", 1.5]])
    assert "1.5" in repr(table) and "&lt;x&gt;" in table._repr_html_()


def test_a_heatmap_writes_its_numbers_and_leaves_nan_empty():
    picture = figures.heatmap(
        {"ours": [[1.0, float("nan")]], "paper": torch.tensor([[3.0, 100.0]])},
        ["row"],
        ["first", "second"],
        xlabel="x",
        ylabel="y",
        alt="Four fields, one of them empty.",
    )
    assert picture.png.startswith(b"\x89PNG") and picture.alt == "Four fields, one of them empty."


@pytest.mark.parametrize("panels", [{"a": [[1, 2, 3]]}, {"a": [[1, 2]], "b": [[1, 2]], "c": [[1, 2]]}])
def test_a_heatmap_refuses_other_shapes_and_more_than_two_panels(panels):
    with pytest.raises(ValueError, match="two panels at most"):
        figures.heatmap(panels, ["row"], ["first", "second"], xlabel="x", ylabel="y", alt="Fields.")


def test_a_table_writes_numbers_with_commas_as_they_are():
    text = repr(figures.Table(["a number", "a text that is long"], [["100,000", "words " * 10], ["x", "y"]]))
    assert "100,000" in text and max(map(len, text.splitlines())) < 45


def test_pictures_are_small_and_nobody_sees_the_difference():
    noise = torch.rand(10, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    grey = figures.images(noise, [f"{k}  99.9 %" for k in range(10)], colors=[figures.FOOLING] * 10, alt="Noise.")
    assert Image.open(io.BytesIO(grey.png)).mode == "P" and len(grey.png) < 30_000
    colours = figures.images(torch.rand(4, 3, 28, 28), alt="More colours than a palette holds.")
    assert Image.open(io.BytesIO(colours.png)).mode != "P"


def test_a_graph_of_any_depth_is_drawn():
    chain = CPPN().graph(CPPN().random(1, generator=torch.Generator().manual_seed(0)), 0)
    assert (
        drawing.graph(chain, image=NOISE[0], title="four links", alt="Four inputs and an output.").png[:4] == b"\x89PNG"
    )
    lonely = Graph({0: "x", 4: "sine"}, {0: 0, 4: 1}, {}, (4,))
    assert repr(drawing.graph(lonely, alt="No links.")) == "No links."


def test_a_picture_of_photographs_is_small_and_looks_the_same(monkeypatch):
    ramp = torch.linspace(0, 1, 112)
    smooth = torch.stack([ramp[:, None].expand(112, 112), ramp.expand(112, 112), ramp[:, None] * ramp])
    photos = (smooth + 0.05 * torch.randn(4, 3, 112, 112, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    small = figures.images(photos, alt="Four noisy ramps of colour.").png
    monkeypatch.setattr(figures, "LARGE", 10**9)
    whole = figures.images(photos, alt="Four noisy ramps of colour.").png
    assert len(small) < len(whole) / 2
    pixels = [np.asarray(Image.open(io.BytesIO(png)).convert("L"), dtype=float) for png in (small, whole)]
    assert np.abs(pixels[0] - pixels[1]).mean() < 5


def _by_hand():
    """A figure as a lesson's cell draws it, with matplotlib's own methods after `figures.figure`."""
    canvas, axes = figures.figure(figures.ROW, 4, nrows=2, ncols=3)
    line, image, bars, log, points, other = axes.flat
    line.plot([0, 1, 2], [-1, 1, 0], label="a line")
    line.axhline(0.3, ls="--", label="a level")
    line.annotate("here", (1, 1), (0.5, 0.2), arrowprops={"arrowstyle": "->"})
    line.set(title="$x^2$ and 50 %", xlabel="x", ylabel="y")
    line.legend()
    line.grid()
    image.imshow(torch.linspace(0, 1, 12).view(3, 4).numpy())
    bars.bar(["a", "b"], [1, 2])
    bars.errorbar([0, 1], [1, 2], [0.1, 0.4], capsize=2)
    bars.text(0, 0.5, "a bar")
    log.loglog([1, 10, 100], [1, 10, 100])
    log.twinx().hist([1, 2, 2, 3])
    points.scatter([1, 2], [3, 4])
    points.fill_between([1, 2], [2, 3], [4, 5], alpha=0.2)
    points.tick_params(axis="x", rotation=30)
    other.remove()
    canvas.add_subplot(axes[0, 0].get_gridspec()[1, 2]).boxplot([1, 2, 3, 9])
    canvas.suptitle("Six panels")
    canvas.legend(*line.get_legend_handles_labels(), loc="outside lower center")
    return figures.picture(canvas, "Six panels.")


DRAWN = {"by hand": _by_hand} | {name: PICTURES[name] for name in ("bars", "curves")}
OWN = {
    "dark": "dark_background",
    "classic": "classic",
    "tex": {"text.usetex": True, "mathtext.fontset": "cm", "axes.formatter.use_mathtext": True},
    "much": {"path.sketch": (1, 100, 2), "font.family": "serif", "axes.linewidth": 3, "axes.facecolor": "black"}
    | {"font.size": 30, "lines.linewidth": 9, "lines.marker": "x", "xtick.labelsize": 22, "axes.titlesize": 40}
    | {"savefig.dpi": 40, "savefig.transparent": True, "savefig.pad_inches": 2, "savefig.facecolor": "pink"}
    | {"image.origin": "lower", "image.interpolation": "bicubic", "image.cmap": "jet", "image.aspect": "auto"}
    | {"figure.autolayout": True, "figure.dpi": 300, "figure.constrained_layout.w_pad": 2, "axes.xmargin": 0.4}
    | {"axes.grid": True, "axes.titlelocation": "left", "ytick.right": True},
}


@pytest.fixture(scope="module")
def plain():
    return {name: make().png for name, make in DRAWN.items()}


@pytest.mark.parametrize("own", OWN.values(), ids=OWN)
def test_a_picture_looks_the_same_whatever_settings_its_reader_has(own, plain):
    with matplotlib.style.context(own):
        before = dict(matplotlib.rcParams)
        changed = [name for name, make in DRAWN.items() if make().png != plain[name]]
        assert dict(matplotlib.rcParams) == before
        with pytest.raises(ValueError):
            figures.curves({"a": [1, 2]}, x=[1], xlabel="", ylabel="", alt="x")
        assert dict(matplotlib.rcParams) == before
    assert not changed


def test_settings_come_back_however_many_threads_draw(plain):
    """Sliders and buttons are handled on threads of their own."""
    with matplotlib.style.context("dark_background"):
        own = dict(matplotlib.rcParams)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            drawn = list(pool.map(lambda _: PICTURES["bars"]().png, range(8)))
        assert dict(matplotlib.rcParams) == own
    assert drawn == [plain["bars"]] * 8
