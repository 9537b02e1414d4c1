"""Pictures that a learner brings along: the bytes of any file, and what a person sees when they open it.

A phone stores a picture as its sensor lay and writes beside it which side was up (the orientation of the EXIF
standard); a logo has transparent pixels; a scan has 65,536 grey levels; a file may be cut off, or be no picture at all.
The page's part is `uploads.js`.
"""

import base64
import io

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

MOST = 1024  # pixels along the longer side: more than any network here looks at
LEAST = 32  # along the shorter


def read(file: bytes | str, name: str = "the file") -> np.ndarray:
    """The picture in a file, as colours: uint8 ``(height, width, 3)``, upright and on white paper.

    Args:
        file: its bytes, or these in base64, as the page sends them.
        name: what the messages call it.

    Raises:
        ValueError: it is empty, no picture, cut off, or less than 32 pixels wide or high once it is at most 1,024 long.

    >>> stored = io.BytesIO()
    >>> Image.new("L", (80, 60), 255).save(stored, "png")
    >>> read(stored.getvalue()).shape
    (60, 80, 3)
    """
    content = base64.b64decode(file) if isinstance(file, str) else file
    if not content:
        raise ValueError(f"{name} is empty: choose another file")
    try:
        picture = Image.open(io.BytesIO(content))
        picture.draft("RGB", (2 * MOST, 2 * MOST))  # a JPEG is decoded smaller, in less memory
        picture = _opaque(ImageOps.exif_transpose(picture))
    except Exception as error:  # Pillow raises OSError, SyntaxError, struct.error, DecompressionBombError and others
        why = "it is of no kind known here" if isinstance(error, UnidentifiedImageError) else str(error)
        raise ValueError(
            f"{name} cannot be read as a picture ({why}): save it as PNG or JPEG, and try again"
        ) from error
    picture.thumbnail((MOST, MOST))
    if min(picture.size) < LEAST:
        raise ValueError(f"{name} is too small or too narrow: {picture.width} x {picture.height} pixels, want {LEAST}")
    return np.asarray(picture)


def _opaque(picture: Image.Image) -> Image.Image:
    """Red, green and blue, as on white paper."""
    if picture.mode.startswith(("I", "F")):  # grey with more than 256 levels, which Pillow would cut off at 255
        levels = np.nan_to_num(np.asarray(picture, dtype=np.float64))
        most = 65535 if picture.mode.startswith("I") else 255 if levels.max() > 1 else 1
        picture = Image.fromarray((levels.clip(0, most) * (255 / most)).round().astype(np.uint8))
    if "A" in picture.getbands() or "transparency" in picture.info:
        paper = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(paper, picture.convert("RGBA"))
    return picture.convert("RGB")
