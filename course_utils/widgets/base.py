"""What all widgets share: one kernel side, one page side, and a picture in place of either.

The page (`page.js`, then the script named as the widget's module) asks one question at a time, a message with ``page``
and ``do``, and `Widget.answer` answers it. Who has no kernel sees a *static twin*: a picture with alt text.
"""

import base64
import html
import inspect
import os
from pathlib import Path

import anywidget
from IPython.display import display
from torch import Tensor

from course_utils import figures, runtime
from course_utils.core.checks import levels

FOLDER = Path(__file__).parent
STILL = """<div class="course-still">
<style>.jp-OutputArea-child:has(+ * .course-still) > .jupyter-widgets:not(:has(*)) {{ display: none }}</style>
{}
<p>This is a picture of it. Run the cell again to play.</p>
</div>"""


class Pictured:
    """What a live widget leaves behind in a lesson that is saved and opened again: its ``picture()``, and its words."""

    def _ipython_display_(self) -> None:
        """Show the widget; for JupyterLab the picture is an output of its own.

        Where a widget's kernel is gone, JupyterLab says "model not found", whatever else the bundle holds. So there the
        picture follows in a second output: base.css hides it beside a live widget, and it hides that sentence.
        """
        data, metadata = self._repr_mimebundle_()
        png = "JPY_SESSION_NAME" in os.environ and data.pop("image/png", None)
        display(data, metadata=metadata, raw=True)
        if png:
            picture = figures.Picture(base64.b64decode(png), metadata["image/png"]["alt"])
            display({"text/html": STILL.format(img(picture)), "text/plain": picture.alt}, raw=True)

    def _repr_mimebundle_(self, **kwargs) -> tuple[dict, dict]:
        """The live view, and beside it a picture and its words, for a page that has no kernel."""
        bundle = super()._repr_mimebundle_(**kwargs)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        try:
            picture = self.picture()
        except Exception:  # the live widget says what is wrong
            return data, metadata
        data |= {"text/plain": repr(picture), "image/png": base64.b64encode(picture.png).decode()}
        return data, metadata | {"image/png": {"alt": picture.alt}}


class Widget(Pictured, anywidget.AnyWidget):
    """A widget in the page, its kernel side, and its static twin.

    A subclass gives ``still(...)``, the static twin for the arguments of its ``__init__``: the same picture each time;
    ``picture()``, one like it that is drawn in a moment; and `obey`. Its script and its style lie beside its module:
    ``evolution.py``, ``evolution.js``, ``evolution.css``.
    """

    scripts: tuple[str, ...] = ()  # what its own script needs besides page.js
    plain: tuple[type[Exception], ...] = ()  # errors whose words are for people: shown without their name

    def __init_subclass__(cls, **kwargs):
        if "_esm" not in vars(cls):  # anywidget makes a subclass of each instance's class, with traits of these names
            own = Path(inspect.getfile(cls))
            cls._esm = _joined(*(FOLDER / f"{name}.js" for name in ("page", *cls.scripts)), own.with_suffix(".js"))
            cls._css = _joined(FOLDER / "base.css", own.with_suffix(".css"))
        super().__init_subclass__(**kwargs)

    def __init__(self, **traits):
        super().__init__(**traits)
        self.on_msg(lambda _, message, buffers: self.send(*self.answer(message)))

    @classmethod
    def show(cls, *args, **kwargs) -> "Widget | figures.Picture":
        """The live widget; without a front end its static twin."""
        return cls(*args, **kwargs) if runtime.front_end() else cls.still(*args, **kwargs)

    def obey(self, do: str, **choice) -> tuple[dict, list[bytes]]:
        """Do what the page asks for. Returns what to write, and buffers; what is raised must have changed nothing."""
        return {}, []

    def answer(self, message: dict) -> tuple[dict, list[bytes]]:
        """The answer to a message of the page, with its ``page``; an error becomes the answer."""
        question = {name: value for name, value in message.items() if name != "page"}
        try:
            said, buffers = self.obey(**question)
        except (Exception, KeyboardInterrupt) as error:  # a learner's network may raise anything
            said, buffers = {"error": self.words(error)}, []
        return {"page": message["page"], **said}, buffers

    @classmethod
    def words(cls, error: BaseException) -> str:
        return str(error) if isinstance(error, cls.plain) else f"{type(error).__name__}: {error}"


def _joined(*files: Path) -> str:
    return "\n".join(file.read_text(encoding="utf-8") for file in files if file.exists())


def to_bytes(images: Tensor) -> bytes:
    """Images ``(N, C, H, W)`` in [0, 1] as the page paints them: bytes ``(N, H, W, C)``."""
    return levels(images).byte().permute(0, 2, 3, 1).contiguous().cpu().numpy().tobytes()


def img(picture: figures.Picture) -> str:
    """An HTML image with alt text, which the ipywidget for images lacks; it is decoded before it replaces the last."""
    style, png = "max-width: 100%; background: white; padding: 4px", base64.b64encode(picture.png).decode()
    return f'<img decoding="sync" style="{style}" alt="{html.escape(picture.alt)}" src="data:image/png;base64,{png}">'
