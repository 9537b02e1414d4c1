"""Controls: play with a picture's parameters where somebody sits before a live notebook, see a few of them elsewhere.

A lesson on GitHub, in a PDF or in a test has no kernel to answer a slider. There it shows the same picture for a few
chosen settings, which in the live notebook are buttons.
"""

import html
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ipywidgets

from course_utils import figures, runtime
from course_utils.widgets.base import Pictured, Widget, img

Slider = tuple | list


def controls(
    draw: Callable[..., figures.Picture], presets: Sequence[Mapping[str, Any]], **sliders: Slider
) -> "Controls | figures.Picture":
    """Sliders that redraw a picture; without a front end, the pictures of the presets in one grid.

    Args:
        draw: called as ``draw(**values)`` with a value for each slider. What it raises after the first time is shown
            under the picture, and the last picture stays.
        presets: settings worth seeing, each with a value for every slider. The first is where the sliders start.
        sliders: ``(low, high)`` or ``(low, high, step)`` for a number, whole if all of them are; a list for a choice.

    >>> import torch
    >>> def square(side):
    ...     return figures.images(torch.ones(1, 1, side, side), alt=f"A white square of side {side}.")
    >>> controls(square, [dict(side=8), dict(side=16)], side=(2, 32))
    side = 8: A white square of side 8. side = 16: A white square of side 16.
    """
    for name, form in sliders.items():
        fine = isinstance(form, list) and len(form) > 0
        if isinstance(form, tuple) and len(form) in (2, 3) and all(isinstance(n, int | float) for n in form):
            fine = form[0] < form[1] and min(form[2:], default=1) > 0
        if not fine:
            raise ValueError(f"{name}={form!r} is no slider: give (low, high), (low, high, step) or a list")
    if not presets:
        raise ValueError("there are no presets: give at least one, for readers without a kernel")
    for preset in presets:
        if set(preset) != set(sliders):
            raise ValueError(f"the preset {preset} does not give one value for each slider: {', '.join(sliders)}")
        for name, form in sliders.items():
            value = preset[name]
            if not (form[0] <= value <= form[1] if isinstance(form, tuple) else value in form):
                raise ValueError(f"the preset {name}={value!r} is not on the slider {name}={form!r}")
    if not runtime.front_end():
        return figures.tile({_caption(preset): draw(**preset) for preset in presets})
    return Controls(draw, presets, sliders)


class Controls(Pictured, ipywidgets.VBox):
    """Sliders, a button for each preset, the picture, and its trouble."""

    def __init__(self, draw: Callable[..., figures.Picture], presets: Sequence[Mapping], sliders: Mapping[str, Slider]):
        self._draw, self._jumping = draw, False
        self._drawing = threading.Lock()  # newer kernels handle sliders and buttons on different threads
        self._drawn = draw(**presets[0])
        self._image, self._trouble = ipywidgets.HTML(img(self._drawn)), ipywidgets.HTML()
        longest = max(map(len, sliders), default=0)
        self._inputs = {name: _input(name, form, presets[0][name], longest) for name, form in sliders.items()}
        varied = [name for name in sliders if len({repr(preset[name]) for preset in presets}) > 1] or list(sliders)
        buttons = []
        for preset in presets:  # a button says what is not the same in all presets
            caption = _caption({name: preset[name] for name in varied})
            buttons.append(ipywidgets.Button(description=caption, layout={"width": "auto"}))
            buttons[-1].on_click(lambda _, preset=preset: self._jump(preset))
        for one in self._inputs.values():
            one.observe(self._redraw, "value")
        row = ipywidgets.HBox(buttons, layout={"flex_flow": "row wrap"})
        super().__init__([*self._inputs.values(), row, self._image, self._trouble, Watch()])
        self.add_class("course-controls")

    def picture(self) -> figures.Picture:
        return self._drawn

    def _jump(self, preset: Mapping[str, Any]) -> None:
        self._jumping = True  # the values change one by one, the picture once
        for name, value in preset.items():
            self._inputs[name].value = value
        self._jumping = False
        self._redraw()

    def _redraw(self, _=None) -> None:
        if self._jumping:
            return
        with self._drawing:
            try:
                self._drawn = self._draw(**{name: one.value for name, one in self._inputs.items()})
                self._image.value, self._trouble.value = img(self._drawn), ""
            except Exception as error:
                self._trouble.value = _report(error)


class Watch(Widget):
    """Among the `Controls`, for what ipywidgets leaves out: keys, names, and words when the kernel is gone."""


def _input(name: str, form: Slider, start: Any, longest: int) -> ipywidgets.ValueWidget:
    """The ipywidget for one slider. The page sends a value only after the last one is drawn, so none queue up."""
    look = {"description": name.replace("_", " "), "style": {"description_width": f"{longest + 1}ch"}}
    if isinstance(form, list):
        return ipywidgets.Dropdown(options=form, value=start, **look)
    low, high, *step = form
    look |= {"min": low, "max": high, "layout": {"width": "100%", "max_width": "440px"}}
    if all(isinstance(n, int) for n in form):
        return ipywidgets.IntSlider(start, step=step[0] if step else 1, **look)
    return ipywidgets.FloatSlider(start, step=step[0] if step else (high - low) / 100, readout_format=".3g", **look)


def _caption(preset: Mapping[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} = {value}" for name, value in preset.items())


def _report(error: Exception) -> str:
    """An error as HTML: what is wrong, and folded away below it where."""
    what = html.escape("".join(traceback.format_exception_only(error)).strip())
    where = html.escape("".join(traceback.format_tb(error.__traceback__)[1:]))
    box = "background: #fff4ee; color: #222; padding: 8px; border-left: 4px solid #d55e00; line-height: 1.4"
    return (
        f'<div role="alert" style="{box}"><b>{what}</b> The picture is the last one that could be drawn.'
        f'<details><summary>where</summary><pre style="color: #222">{where}</pre></details></div>'
    )
