"""What all widgets share: pixels as bytes, the script of the page, a picture as HTML."""

import base64
import html
from pathlib import Path

from torch import Tensor

from course_utils import figures
from course_utils.core.checks import levels


def to_bytes(images: Tensor) -> bytes:
    """Images ``(N, C, H, W)`` in [0, 1] as the page paints them: bytes ``(N, H, W, C)``."""
    return levels(images).byte().permute(0, 2, 3, 1).contiguous().cpu().numpy().tobytes()


def script(name: str) -> str:
    """The JavaScript of a widget, after what all of them share."""
    folder = Path(__file__).parent
    return "\n".join((folder / f"{part}.js").read_text(encoding="utf-8") for part in ("page", name))


def img(picture: figures.Picture) -> str:
    """An HTML image with alt text, which the ipywidget for images lacks; decoded before it replaces the last one."""
    data = base64.b64encode(picture.png).decode()
    style = "max-width: 100%; background: white; padding: 4px"
    return f'<img decoding="sync" style="{style}" alt="{html.escape(picture.alt)}" src="data:image/png;base64,{data}">'
