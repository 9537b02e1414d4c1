"""Pictures that a learner brings along: the bytes of any file, and what a person sees when they open it.

A phone stores a picture as its sensor lay and writes beside it which side was up (the orientation of the EXIF
standard); a logo has transparent pixels; a scan has 1,024 to 65,536 grey levels; a file may be cut off, or be no
picture at all. The page's part is `uploads.js`.
"""

import base64
import io

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

KINDS = "PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"  # of phones, browsers, scanners; none starts a program
HEIC = b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"  # brands of the format of iPhones
DEPTHS = 8, 10, 12, 14, 16, 24, 31  # bits of the levels that devices make, whatever they are stored in
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
        if picture.mode.startswith(("I", "F")):
            bits = getattr(picture, "tag_v2", {}).get(258, (16,))[0]  # BitsPerSample of a TIFF
            picture = _grey(np.asarray(ImageOps.exif_transpose(picture)), 2**bits - 1 if bits < 16 else None)
        else:
            picture = ImageOps.exif_transpose(picture)
            if {"A", "a"} & set(picture.getbands()) or "transparency" in picture.info:
                paper = Image.new("RGBA", picture.size, "white")
                picture = Image.alpha_composite(paper, picture.convert("RGBA"))
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


def _grey(levels: np.ndarray, most: int | None) -> Image.Image:
    """Grey with more than 256 levels, which Pillow would cut off at 255. ``most`` is white, None if the file is silent.

    Then white is the largest level of the least depth that holds them all, or nearly: what was resampled overshoots.
    """
    whole = levels.dtype.kind != "f"
    levels = np.nan_to_num(levels.astype(np.float64), posinf=np.inf, neginf=0)
    largest = levels[np.isfinite(levels)].max(initial=0)
    if most is None and not whole and largest <= 2:  # no level of 0 to 255 is this dark
        most = 1
    elif most is None:
        most = next((2**bits - 1 for bits in DEPTHS if largest <= 1.05 * (2**bits - 1)), largest)
    return Image.fromarray((levels.clip(0, most) * (255 / most)).round().astype(np.uint8)).convert("RGB")
