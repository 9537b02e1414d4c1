"""Pictures that a learner brings along: read as a person sees them, or refused with a sentence."""

import base64
import struct

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image

from course_utils.images import uploads
from tests.stage import HALVES, stored


def test_a_plain_file_comes_back_byte_for_byte():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (50, 70, 3), dtype=np.uint8)
    content = stored(Image.fromarray(pixels))
    assert np.array_equal(uploads.read_upload(content), pixels)
    assert np.array_equal(uploads.read_upload(base64.b64encode(content).decode()), pixels)  # as the page sends it


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
    assert np.array_equal(uploads.read_upload(stored(Image.fromarray(HALVES), exif=exif)), turned(HALVES))


def test_what_is_transparent_becomes_white():
    pixels = np.dstack([HALVES, np.full((40, 60), 255, dtype=np.uint8)])
    pixels[:, 30:, 3] = 0
    seen = uploads.read_upload(stored(Image.fromarray(pixels)))
    assert (seen[:, :30] == HALVES[:, :30]).all() and (seen[:, 30:] == 255).all()
    few = Image.fromarray(HALVES).quantize(4)
    seen = uploads.read_upload(stored(few, "gif", transparency=few.getpixel((50, 20))))
    assert np.abs(seen[:, :30].astype(int) - HALVES[:, :30]).max() < 4 and (seen[:, 30:] == 255).all()


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int32, np.float32])
def test_grey_levels_of_any_depth(kind):
    ramp = np.linspace(0, 1, 64)[None].repeat(40, axis=0)
    most = {np.uint8: 255, np.uint16: 65535, np.int32: 65535, np.float32: 1}[kind]
    seen = uploads.read_upload(stored(Image.fromarray((ramp * most).astype(kind)), "tiff"))
    assert seen.shape == (40, 64, 3) and seen.dtype == np.uint8
    assert np.abs(seen - 255 * ramp[..., None]).max() <= 1


@pytest.mark.parametrize("kind", ["png", "tiff"])
@pytest.mark.parametrize("most", [255, 1023, 4095, 16383, 65535])
def test_levels_of_fewer_bits_than_they_are_stored_in(kind, most):
    ramp = np.linspace(0, 1, 256)[None].repeat(40, axis=0)
    seen = uploads.read_upload(stored(Image.fromarray((ramp * most).round().astype(np.uint16)), kind))
    assert abs(seen.mean() - 127.5) < 1 and np.abs(seen - 255 * ramp[..., None]).max() <= 1


@pytest.mark.parametrize(
    ("levels", "want"),
    [
        (np.float32([0, 0.5, 1.004]), [0, 128, 255]),  # a little above 1, as resampling makes it
        (np.float32([-0.1, 0.5, 1.3]), [0, 128, 255]),
        (np.float32([0, np.nan, np.inf, 1]), [0, 0, 255, 255]),
        (np.float32([0, 127.6, 257]), [0, 128, 255]),
        (np.float32([0, 32767.5, 65535]), [0, 128, 255]),
        (np.float32([0, 1e20, 2e20]), [0, 128, 255]),
        (np.uint16([0, 2048, 4100]), [0, 128, 255]),  # 12 bits, resampled
        (np.int32([-7, 0, 2**30, 2**31 - 1]), [0, 0, 128, 255]),
        (np.uint16([0, 0, 0]), [0, 0, 0]),
    ],
)
def test_which_level_is_white(levels, want):
    seen = uploads.read_upload(stored(Image.fromarray(levels.repeat(40)[None].repeat(40, axis=0)), "tiff"))
    assert seen[20, 20::40, 0].tolist() == want


def test_a_tiff_that_says_12_bits_has_12_though_it_is_dark():
    width = height = 64
    rows = bytes([0x3E, 0x83, 0xE8]) * (width // 2) * height  # pairs of 1000, packed
    entries = [(256, width), (257, height), (258, 12), (259, 1), (262, 1), (273, 134), (278, height), (279, len(rows))]
    directory = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    file = b"II*\0" + struct.pack("<IH", 8, len(entries)) + directory + bytes(4)
    assert set(uploads.read_upload(file.ljust(134, b"\0") + rows).flat) == {round(1000 / 4095 * 255)}


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I;16"])
def test_white_is_white_in_any_mode(mode):
    white = {"LAB": (255, 128, 128), "CMYK": 0, "I;16": 65535, "YCbCr": (255, 128, 128), "1": 1}
    full = {"LA": (255, 255), "RGB": (255,) * 3, "RGBA": (255,) * 4}
    picture = Image.new(mode, (60, 40), (white | full).get(mode, 255))
    if mode == "P":
        picture = Image.new("L", (60, 40), 255).convert("P")
    assert uploads.read_upload(stored(picture, "tiff")).min() >= 254


@pytest.mark.parametrize("kind", ["gif", "png", "webp"])
def test_of_a_moving_picture_the_first_one_is_read(kind):
    frames = [Image.new("RGB", (60, 40), colour) for colour in ("red", "blue")]
    seen = uploads.read_upload(stored(frames[0], kind, save_all=True, append_images=frames[1:], duration=50))
    assert seen[..., 0].min() > 240 and seen[..., 2].max() < 15


@pytest.mark.parametrize("kind", ["eps", "ppm", "tga", "ico", "pcx", "pdf"])
def test_a_file_of_another_kind_is_refused_and_starts_no_program(kind, monkeypatch):
    def never(*args, **kwargs):
        pytest.fail("Ghostscript was asked for")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", never)
    with pytest.raises(ValueError, match=r"cannot be read as a picture \(it is of no kind known here\)"):
        uploads.read_upload(stored(Image.fromarray(HALVES), kind), "holiday.png")


def test_a_photo_of_an_iphone_gets_a_sentence():
    with pytest.raises(
        ValueError, match=r"IMG_1.HEIC cannot be read as a picture \(HEIC, .*\): save it as PNG or JPEG"
    ):
        uploads.read_upload(b"\0\0\0\x24ftypheic" + bytes(400), "IMG_1.HEIC")


def test_a_large_picture_is_made_smaller_and_keeps_its_shape():
    for kind in ("jpeg", "png"):
        assert uploads.read_upload(stored(Image.new("RGB", (6000, 3000), "red"), kind)).shape == (512, 1024, 3)
    assert uploads.read_upload(stored(Image.new("CMYK", (90, 60)), "jpeg")).shape == (60, 90, 3)


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
        uploads.read_upload(content, "holiday.png")


def test_a_bomb_is_refused_before_it_is_unpacked(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ValueError, match=r"cannot be read as a picture .*exceeds limit"):
        uploads.read_upload(stored(Image.new("L", (100, 100))))
