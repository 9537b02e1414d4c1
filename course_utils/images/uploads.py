"""Pictures that a learner brings along: the bytes of any file, and what a person sees when they open it.

A phone stores a picture as its sensor lay and writes beside it which side was up (the orientation of the EXIF
standard); a logo has transparent pixels; a scan has up to 65,536 grey levels, of which the lightest is shown as white;
a file may be cut off, or be no picture at all. The page's part is `uploads.js`.
"""

import base64
import io

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

KINDS = "PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"  # of phones, browsers, scanners; none starts a program
HEIC = b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"  # brands of the format of iPhones
MOST = 1024  # pixels along the longer side: more than any network here looks at
LEAST = 32  # along the shorter


def read_upload(file: bytes | str, name: str = "the file") -> np.ndarray:
    """The picture in a file, bytes or these in base64, as uint8 ``(height, width, 3)``, upright and on white paper.

    Raises:
        ValueError: it is empty, none of `KINDS`, cut off, or less than 32 pixels wide or high once at most 1,024 long.

    >>> stored = io.BytesIO()
    >>> Image.new("L", (80, 60), 255).save(stored, "png")
    >>> read_upload(stored.getvalue()).shape
    (60, 80, 3)
    """
    content = base64.b64decode(file) if isinstance(file, str) else file
    if not content:
        raise ValueError(f"{name} is empty: choose another file")
    Image.init()
    try:
        picture = Image.open(io.BytesIO(content), formats=[kind for kind in KINDS if kind in Image.OPEN])
        picture.draft("RGB", (2 * MOST, 2 * MOST))  # a JPEG is decoded smaller, in less memory
        picture = ImageOps.exif_transpose(picture)
        if picture.mode.startswith(("I", "F")):  # Pillow would cut these levels off at 255: the largest is to be white
            levels = np.nan_to_num(np.asarray(picture, dtype=np.float64), posinf=0, neginf=0).clip(0)
            picture = Image.fromarray((levels * (255 / max(levels.max(), 1e-9))).round().astype(np.uint8))
        elif {"A", "a"} & set(picture.getbands()) or "transparency" in picture.info:
            picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture.convert("RGBA"))
        picture = picture.convert("RGB")
    except Exception as error:  # Pillow raises OSError, SyntaxError, struct.error, DecompressionBombError and others
        why = str(error)
        if content[4:8] == b"ftyp" and content[8:12] in HEIC:
            why = "HEIC, as iPhones store photos, is not known here"
        elif isinstance(error, UnidentifiedImageError):
            why = "it is of no kind known here"
        message = f"{name} cannot be read as a picture ({why}): save it as PNG or JPEG, and try again"
        raise ValueError(message) from error
    picture.thumbnail((MOST, MOST))
    if min(picture.size) < LEAST:
        raise ValueError(f"{name} is too small or too narrow: {picture.width} x {picture.height} pixels, want {LEAST}")
    return np.asarray(picture)
