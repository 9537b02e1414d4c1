"""Pictures that a learner brings along: read as a person sees them, or refused with a sentence."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from course_utils import uploads

HALVES = np.zeros((40, 60, 3), dtype=np.uint8)
HALVES[:, :30] = 250, 0, 0  # red at the left
HALVES[:, 30:] = 0, 0, 250


def stored(picture, kind="png", **how):
    file = io.BytesIO()
    picture.save(file, kind, **how)
    return file.getvalue()


def test_a_plain_file_comes_back_byte_for_byte():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (50, 70, 3), dtype=np.uint8)
    content = stored(Image.fromarray(pixels))
    assert np.array_equal(uploads.read(content), pixels)
    assert np.array_equal(uploads.read(base64.b64encode(content).decode()), pixels)  # as the page sends it


@pytest.mark.parametrize(
    ("orientation", "turned"),
    [
        (1, lambda a: a),
        (2, np.fliplr),
        (3, lambda a: np.rot90(a, 2)),
        (4, np.flipud),
        (6, lambda a: np.rot90(a, -1)),
        (8, lambda a: np.rot90(a, 1)),
    ],
)
def test_a_picture_of_a_phone_stands_upright(orientation, turned):
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert np.array_equal(uploads.read(stored(Image.fromarray(HALVES), exif=exif)), turned(HALVES))


def test_what_is_transparent_becomes_white():
    pixels = np.dstack([HALVES, np.full((40, 60), 255, dtype=np.uint8)])
    pixels[:, 30:, 3] = 0
    seen = uploads.read(stored(Image.fromarray(pixels)))
    assert (seen[:, :30] == HALVES[:, :30]).all() and (seen[:, 30:] == 255).all()
    few = Image.fromarray(HALVES).quantize(4)
    seen = uploads.read(stored(few, "gif", transparency=few.getpixel((50, 20))))
    assert np.abs(seen[:, :30].astype(int) - HALVES[:, :30]).max() < 4 and (seen[:, 30:] == 255).all()


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int32, np.float32])
def test_grey_levels_of_any_depth(kind):
    ramp = np.linspace(0, 1, 64)[None].repeat(40, axis=0)
    most = {np.uint8: 255, np.uint16: 65535, np.int32: 65535, np.float32: 1}[kind]
    seen = uploads.read(stored(Image.fromarray((ramp * most).astype(kind)), "tiff"))
    assert seen.shape == (40, 64, 3) and seen.dtype == np.uint8
    assert np.abs(seen - 255 * ramp[..., None]).max() <= 1


def test_a_large_picture_is_made_smaller_and_keeps_its_shape():
    for kind in ("jpeg", "png"):
        assert uploads.read(stored(Image.new("RGB", (6000, 3000), "red"), kind)).shape == (512, 1024, 3)
    assert uploads.read(stored(Image.new("CMYK", (90, 60)), "jpeg")).shape == (60, 90, 3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "^holiday.png is empty: choose another file$"),
        ("", "is empty"),
        (b"GIF89a and no more", "^holiday.png cannot be read as a picture .*: save it as PNG or JPEG, and try again$"),
        (b"%PDF-1.7 not a picture at all", r"cannot be read as a picture \(it is of no kind known here\)"),
        (stored(Image.fromarray(HALVES))[:90], "cannot be read as a picture"),
        (stored(Image.effect_noise((300, 300), 90), "jpeg")[:2000], "cannot be read as a picture"),
        (stored(Image.new("L", (20, 400))), "too small or too narrow: 20 x 400 pixels, want 32"),
        (stored(Image.new("L", (8000, 100))), "too small or too narrow: 1024 x 13 pixels"),
    ],
)
def test_what_is_no_picture_is_said(content, message):
    with pytest.raises(ValueError, match=message):
        uploads.read(content, "holiday.png")


def test_a_bomb_is_refused_before_it_is_unpacked(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ValueError, match=r"cannot be read as a picture .*exceeds limit"):
        uploads.read(stored(Image.new("L", (100, 100))))
