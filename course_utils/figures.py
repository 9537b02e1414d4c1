"""Figures: one look in every lesson.

A colour means the same thing everywhere (the palette of Wong, *Nature Methods* 8, 441, 2011, is safe for
colour-blind readers), images are shown pixel by pixel on one grey scale, and every picture carries a sentence for
those who cannot see it.
"""

import contextlib
import functools
import inspect
import io
import textwrap
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from tabulate import tabulate
from torch import Tensor

from course_utils import runtime
from course_utils.core.checks import check_images

if TYPE_CHECKING:  # matplotlib and Pillow are loaded with the first figure
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CLEAN, ADVERSARIAL = "#0072B2", "#D55E00"
FOOLING, DEFENDED = "#CC79A7", "#009E73"
NOISE, THEORY = "#7F7F7F", "black"
PLOT, ROW = 6.4, 9.0  # widths in inches: a plot, a row of images
DPI = 110
LARGE = 60_000  # bytes of a picture that makes do with 256 colours of its own: photographs, so that lessons stay small

STYLE = {"font.size": 10, "figure.facecolor": "white", "savefig.facecolor": "white"}
STYLE |= {"axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True}
STYLE |= {"axes.grid": False, "grid.color": "#DDDDDD", "grid.linewidth": 0.6}


@dataclass(frozen=True)
class Picture:
    """A finished picture: the bytes of a PNG file, and what it shows in one or two sentences."""

    png: bytes
    alt: str

    def _repr_png_(self):
        return self.png, {"alt": self.alt}

    def __repr__(self) -> str:
        return runtime.printable(self.alt)


class Table:
    """Rows under headings: a table in a notebook, aligned text elsewhere. The text "0.090" keeps its last digit.

    >>> Table(["name", "error"], [["LeNet", 0.008]])
    name      error
    ------  -------
    LeNet     0.008
    """

    def __init__(self, headers: Sequence[str], rows: Sequence[Sequence]):
        self.headers, self.rows = list(headers), [list(row) for row in rows]

    def _written(self, layout: Callable[[str], str] = str, **form) -> str:
        headers = [layout(str(header)) for header in self.headers]
        rows = [[layout(cell) if isinstance(cell, str) else cell for cell in row] for row in self.rows]
        columns = enumerate(zip(*rows, strict=True))
        texts = [i for i, column in columns if any(isinstance(cell, str) for cell in column)]
        return tabulate(rows, headers, disable_numparse=texts, **form)

    def __repr__(self) -> str:
        return self._written(_wrap)

    def _repr_html_(self) -> str:
        html = self._written(tablefmt="html")
        left = "text-align: left; vertical-align: top"
        return html.replace("<td>", f'<td style="{left}">').replace("<th>", f'<th style="{left}">')


def _wrap(text: str) -> str:
    return "\n".join(textwrap.fill(line, 28) for line in runtime.printable(text).split("\n"))


_turn = threading.RLock()  # matplotlib has one set of settings for all threads, and newer kernels draw on several
_looks = False


@contextlib.contextmanager
def look() -> Iterator[None]:
    """The course's look: matplotlib's defaults plus `STYLE`, whatever settings somebody has made for their own figures.

    What `figure` returns takes it by itself; an artist that is made by hand, such as a ``Rectangle``, needs it around.
    """
    from matplotlib import rcParams

    global _looks
    with _turn:
        if _looks:
            yield
            return
        settings = _settings()
        before = {name: value for name, value in dict.items(rcParams) if name in settings}
        dict.update(rcParams, settings)  # past the checks, which would take longer than most of what is drawn
        _looks = True
        try:
            yield
        finally:
            _looks = False
            dict.update(rcParams, before)


@functools.cache
def _settings() -> dict:
    """The course's look as all of matplotlib's settings, checked once."""
    import matplotlib.style

    with matplotlib.style.context(["default", STYLE]):
        return {name: value for name, value in dict.items(matplotlib.rcParams) if name != "backend"}


@functools.cache
def _figure_class() -> "type[Figure]":
    """Figures whose methods, and those of their axes, run in the course's `look`: settings are read when one draws."""
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    class OurAxes(Axes):
        pass

    class OurFigure(Figure):
        def add_subplot(self, *args, **kwargs):
            return super().add_subplot(*args, **{"axes_class": OurAxes} | kwargs)

    for kind in (OurAxes, OurFigure):
        for name, method in inspect.getmembers(kind, inspect.isfunction):
            if not name.startswith("_") and name != "get_data_ratio":  # matplotlib asks whether this one is its own
                setattr(kind, name, look()(method))
    return OurFigure


def figure(width: float = PLOT, height: float = 3.2, title: str = "", **subplots) -> "tuple[Figure, np.ndarray | Axes]":
    """An empty figure in the course's look, with a title over all of it, and its axes (see ``Figure.subplots``).

    >>> canvas, axes = figure()
    >>> _ = axes.plot([0, 1], [0, 1], color=CLEAN)
    >>> picture(canvas, "A line that climbs from 0 to 1.")
    A line that climbs from 0 to 1.
    """
    with look():
        canvas = _figure_class()(figsize=(width, height), dpi=DPI, layout="constrained")
        if title:
            canvas.suptitle(title, fontsize=11)
        return canvas, canvas.subplots(**subplots)


def picture(canvas: "Figure", alt: str) -> Picture:
    """Turn a figure into a `Picture`; ``alt`` says what it shows, for readers who cannot see it."""
    if not alt.strip():
        raise ValueError("alt is empty: say in a sentence what the picture shows")
    buffer = io.BytesIO()
    with look():
        canvas.savefig(buffer, format="png", bbox_inches="tight", pad_inches=0.12, pil_kwargs={"compress_level": 1})
    return Picture(_compact(buffer), alt)


def _compact(png: io.BytesIO) -> bytes:
    """The picture with a palette of 256 colours, where nobody can see that or many photographs would make it large."""
    import PIL.Image
    import PIL.ImageChops

    def encoded(pixels: PIL.Image.Image) -> bytes:
        buffer = io.BytesIO()
        pixels.save(buffer, "png", optimize=True, dpi=(DPI, DPI))
        return buffer.getvalue()

    full = PIL.Image.open(png).convert("RGB")
    few = full.quantize(256, PIL.Image.Quantize.MAXCOVERAGE, dither=PIL.Image.Dither.NONE)
    change = PIL.ImageChops.difference(full, few.convert("RGB"))
    if max(high for _, high in change.getextrema()) <= 1:  # of 255 levels
        return encoded(few)
    whole = encoded(full)
    return whole if len(whole) <= LARGE else encoded(full.quantize(256, PIL.Image.Quantize.MEDIANCUT))


def images(
    batch: Tensor | Sequence[Tensor],
    captions: Sequence[str] = (),
    *,
    columns: int = 10,
    title: str = "",
    alt: str,
    colors: Sequence[str] = (),
) -> Picture:
    """A grid of images in [0, 1], grey or in colour, with a caption beneath each.

    >>> images(torch.rand(4, 1, 28, 28), list("abcd"), alt="Four squares of noise.")
    Four squares of noise.
    """
    shown = _as_batch(batch)
    number = len(shown)
    captions, colors = captions or [""] * number, colors or ["black"] * number
    for name, given in (("captions", captions), ("colors", colors)):
        if len(given) != number:
            raise ValueError(f"{len(given)} {name} for {number} images: give one for each")
    columns = min(columns, number)
    rows = -(-number // columns)
    cell = min(ROW / columns, 1.5)
    height = rows * (cell + 0.2 * max(len(text.splitlines()) for text in captions)) + (0.4 if title else 0)
    canvas, axes = figure(cell * columns, height, title, nrows=rows, ncols=columns, squeeze=False)
    for axis in axes.flat[number:]:
        axis.axis("off")
    for axis, image, caption, color in zip(axes.flat[:number], shown, captions, colors, strict=True):
        show(axis, image, caption, color=color)
    return picture(canvas, alt)


def show(
    axis: "Axes", image: Tensor, caption: str = "", *, title: str = "", color: str = "black", low: float = 0
) -> None:
    """Draw one image ``(C, H, W)`` in [0, 1] on an axis: no ticks, nearest neighbour, black is 0 and white is 1.

    With ``low=-1`` it is a difference: grey is 0, red is up, blue is down. The thin frame shows where an image ends.
    """
    pixels = image.detach().float().cpu().clamp(low, 1).permute(1, 2, 0).numpy()
    axis.imshow(pixels, cmap="RdBu_r" if low < 0 else "gray", vmin=low, vmax=1, interpolation="nearest")
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set(visible=True, color="#BBBBBB", linewidth=0.6)
    axis.set_xlabel(caption, fontsize=9, color=color, labelpad=3)
    axis.set_title(title, fontsize=10, loc="center")


def confidence_bars(image: Tensor, confidence: Tensor, *, color: str = CLEAN) -> Picture:
    """One image ``(C, H, W)`` beside the confidence, softmax outputs ``(K,)``, that a network gives to each class.

    >>> confidence_bars(torch.rand(1, 28, 28), torch.full((10,), 0.1))
    An image beside bars: the network says 0 with 10.0 % confidence.
    """
    confidence = confidence.detach().flatten().tolist()
    total = sum(confidence)
    if not (abs(total - 1) < 1e-3 and min(confidence) >= 0):
        raise ValueError(f"confidences sum to {total:.3g}, not 1: pass softmax outputs of one image, not logits")
    canvas, (left, right) = figure(PLOT, 2.3, ncols=2, width_ratios=[1, 2.2])
    classes, best, sure = range(len(confidence)), confidence.index(max(confidence)), percent(max(confidence))
    show(left, _as_one(image), f"{best}  {sure}", color=color)
    right.bar(classes, confidence, color=[color if k == best else NOISE for k in classes])
    right.set(ylim=(0, 1), ylabel="confidence", xlabel="class")
    right.set_xticks(classes[:: -(-len(classes) // 20)])
    right.grid(axis="y")
    return picture(canvas, f"An image beside bars: the network says {best} with {sure} confidence.")


def curves(
    series: Mapping[str, Sequence[float]],
    *,
    x: Sequence[float] | None = None,
    xlabel: str,
    ylabel: str,
    title: str = "",
    alt: str,
    bands: Mapping[str, tuple[Sequence[float], Sequence[float]]] | None = None,
    colors: Mapping[str, str] | None = None,
    log: str = "",
    reported: Mapping[str, tuple[float, float]] | None = None,
) -> Picture:
    """Up to five curves, each named at its right end; ``x`` counts from 1 if not given.

    Args:
        bands: name of a curve -> ``(low, high)``, two sequences: its spread, over seeds for example.
        log: axes on a logarithmic scale: ``""``, ``"x"``, ``"y"`` or ``"xy"``.
        reported: name -> (x, y) of points from a paper, drawn as open markers; put the trust mark into the name.

    >>> curves({"train": [3, 2, 1]}, xlabel="epoch", ylabel="loss (nats)", alt="A loss that falls from 3 to 1.")
    A loss that falls from 3 to 1.
    """
    from matplotlib.ticker import MaxNLocator

    if len(series) > 5:
        raise ValueError(f"{len(series)} curves are too many to tell apart: five at most, or make two figures")
    palette = dict(zip(series, (CLEAN, ADVERSARIAL, DEFENDED, FOOLING, NOISE), strict=False)) | dict(colors or {})
    canvas, axis = figure(PLOT, 3.2)
    ends = {}
    for name, values in series.items():
        values = [float(v) for v in values]
        along = range(1, len(values) + 1) if x is None else x
        if len(along) != len(values):
            raise ValueError(f"curve {name!r} has {len(values)} points and x has {len(along)}")
        line, marker = "--" if palette[name] == THEORY else "-", "o" if len(values) < 13 else None
        axis.plot(along, values, line, color=palette[name], marker=marker, ms=4)
        if values:
            ends[name] = (along[-1], values[-1])
        if name in (bands or {}):
            axis.fill_between(along, *bands[name], color=palette[name], alpha=0.18, linewidth=0)
    for name, point in (reported or {}).items():
        axis.plot(*point, "o", mfc="none", color="black", ms=7)
        axis.annotate(name, point, xytext=(8, 4), textcoords="offset points", fontsize=9)
    axis.set(xlabel=xlabel, ylabel=ylabel, title=title)
    if x is None:
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    for letter in log:
        getattr(axis, f"set_{letter}scale")("log")
        getattr(axis, f"{letter}axis").set_major_formatter("{x:g}")
    axis.grid(axis="y")
    _label_ends(axis, ends, palette)
    return picture(canvas, alt)


def heatmap(
    panels: Mapping[str, Sequence[Sequence[float]] | Tensor],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    xlabel: str,
    ylabel: str,
    title: str = "",
    alt: str,
) -> Picture:
    """One or two tables (title -> R x C numbers) as colours on one scale, with the numbers in them. NaN stays empty.

    >>> heatmap({"ours": [[1, 2]]}, ["a"], ["b", "c"], xlabel="x", ylabel="y", alt="Two fields, 1 and 2.")
    Two fields, 1 and 2.
    """
    tables = {name: np.asarray(values, dtype=float) for name, values in panels.items()}
    for name, values in tables.items():
        if values.shape != (len(rows), len(columns)) or len(tables) > 2:
            want = f"({len(rows)}, {len(columns)}), and two panels at most"
            raise ValueError(f"panel {name!r} has shape {values.shape} among {len(tables)} panels: want {want}")
    low, high = (extreme(list(tables.values())) for extreme in (np.nanmin, np.nanmax))
    width, height = PLOT if len(tables) == 1 else ROW, 1.4 + 0.36 * len(rows)
    canvas, axes = figure(width, height, title, ncols=len(tables), squeeze=False)
    for axis, (name, values) in zip(axes.flat, tables.items(), strict=True):
        axis.imshow(values, cmap="Blues", vmin=low, vmax=high, aspect="auto")
        for i, j in np.ndindex(values.shape):
            if not np.isnan(values[i, j]):
                color = "white" if values[i, j] > (low + high) / 2 else "black"
                axis.text(j, i, f"{values[i, j]:.0f}", ha="center", va="center", fontsize=8, color=color)
        axis.set_xticks(range(len(columns)), columns, rotation=0 if max(map(len, columns)) < 4 else 30, fontsize=9)
        axis.set_yticks(range(len(rows)), rows, fontsize=9)
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
        axis.set(xlabel=xlabel, ylabel=ylabel if axis is axes.flat[0] else "")
        axis.set_title(name, fontsize=10)
    return picture(canvas, alt)


def triptych(
    clean: Tensor,
    adversarial: Tensor,
    *,
    factor: float | None = None,
    captions: Sequence[str] = ("", "", ""),
    titles: Sequence[str] = ("clean", "difference", "adversarial"),
    alt: str,
) -> Picture:
    """A clean image, the difference times ``factor`` (grey is 0, red and blue are up and down), the adversarial image.

    Each is ``(C, H, W)`` or ``(1, C, H, W)``. Without a factor a round one fills the range; the middle title states it.
    """
    clean, adversarial = _as_one(clean), _as_one(adversarial)
    if clean.shape != adversarial.shape:
        raise ValueError(f"the images differ in shape: {tuple(clean.shape)} and {tuple(adversarial.shape)}")
    change = adversarial - clean
    change = change.gather(0, change.abs().argmax(dim=0, keepdim=True))  # of three channels, the one that moved most
    largest = change.abs().max().item()
    factor = factor or (float(f"{1 / largest:.0e}") if largest > 0 else 1.0)
    canvas, axes = figure(6.6, 2.6, ncols=3)
    show(axes[0], clean, captions[0], title=titles[0], color=CLEAN)
    show(axes[1], change * factor, captions[1], title=f"{titles[1]} × {factor:g}", low=-1)
    show(axes[2], adversarial, captions[2], title=titles[2], color=ADVERSARIAL)
    return picture(canvas, alt)


def tile(pictures: Mapping[str, Picture], columns: int = 2) -> Picture:
    """Several pictures in one grid, each under its caption: the still twin of a widget.

    >>> one = images(torch.rand(1, 1, 28, 28), alt="Noise.")
    >>> tile({"first": one, "second": one})
    first: Noise. second: Noise.
    """
    from matplotlib.image import imread

    decoded = {caption: imread(io.BytesIO(one.png)) for caption, one in pictures.items()}
    columns = min(columns, len(decoded))
    rows = -(-len(decoded) // columns)
    high, wide = (max(pixels.shape[side] for pixels in decoded.values()) / DPI for side in (0, 1))
    shrink = min(1.0, 2 * ROW / (columns * wide))
    size = columns * wide * shrink, rows * (high * shrink + 0.3)
    canvas, axes = figure(*size, nrows=rows, ncols=columns, squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, (caption, pixels) in zip(axes.flat, decoded.items(), strict=False):
        axis.imshow(pixels, interpolation="antialiased")
        axis.set_title(caption, fontsize=10)
    return picture(canvas, " ".join(f"{caption}: {one.alt}" for caption, one in pictures.items()))


def percent(fraction: float | Tensor) -> str:
    """A fraction in [0, 1] as text that never rounds up to certainty: above 99.9 % it is rounded down.

    >>> percent(0.993), percent(0.99968), percent(0.99996), percent(1.0)
    ('99.3 %', '99.96 %', '> 99.99 %', '100 %')
    """
    fraction = float(fraction)
    if fraction in (0.0, 1.0):
        return f"{fraction:.0%}".replace("%", " %")
    if fraction > 0.9999:
        return "> 99.99 %"
    return f"{int(10_000 * fraction + 1e-6) / 100:.2f} %" if fraction > 0.999 else f"{100 * fraction:.1f} %"


def _as_batch(batch: Tensor | Sequence[Tensor]) -> Tensor:
    try:
        shown = batch if isinstance(batch, Tensor) else torch.stack([_as_one(image) for image in batch])
    except (RuntimeError, AttributeError, TypeError) as error:
        raise ValueError(f"cannot put these images into one grid ({error}): give tensors of one shape") from error
    if shown.ndim != 4 or shown.shape[1] not in (1, 3):
        raise ValueError(f"images have shape {tuple(shown.shape)}, not (N, 1, H, W) or (N, 3, H, W)")
    return check_images(shown)


def _as_one(image: Tensor) -> Tensor:
    shown = _as_batch(image[None] if image.ndim == 3 else image)
    if len(shown) != 1:
        raise ValueError(f"{len(shown)} images where one is shown: choose one, such as images[0]")
    return shown[0].detach().cpu()


def _label_ends(axis: "Axes", ends: Mapping[str, tuple[float, float]], palette: Mapping[str, str]) -> None:
    """Name each curve at its right end, moved apart where two ends would collide."""
    axis.figure.draw_without_rendering()  # the layout settles here
    gap, to_points = 13, 72 / axis.figure.dpi  # a line of text in points
    placed = float("-inf")
    for name, point in sorted(ends.items(), key=lambda item: axis.transData.transform(item[1])[1]):
        height = axis.transData.transform(point)[1] * to_points
        placed = max(height, placed + gap)
        where = dict(xytext=(7, placed - height), textcoords="offset points", va="center")
        axis.annotate("\n".join(textwrap.wrap(name, 22)), point, **where, fontsize=9, color=palette[name])
