"""The twenty things: one piece each, of a size to be seen, with its photograph's colours, and cut where a look says."""

from importlib.util import find_spec

import numpy as np
import pytest
import skimage
import torch

from course_utils.images import cutouts
from course_utils.studies import photos, things

pytestmark = pytest.mark.skipif(find_spec("foolbox") is None, reason="thirteen of the photographs are in foolbox")


def photograph(name):
    return photos.raw(cutouts.PHOTO.get(name, name))


def corner_in(thing, pixels):
    """Where in its photograph a thing's upper left corner is, as x and y: where all colours of its row 60 are."""
    row = (thing[0, :3, 60].T * 255).round().byte().numpy().tobytes()
    [(x, y)] = [(line.tobytes().find(row) // 3, y) for y, line in enumerate(pixels) if row in line.tobytes()]
    return x, y - 60


def test_there_are_twenty_and_the_traced_ones_are_foolbox_photographs():
    assert len(set(things.NAMES)) == 20 and set(things.TRACED) <= set(photos.FOOLBOX)
    for name, outline in things.TRACED.items():
        corners = np.array(outline.split(), float).reshape(-1, 2)
        assert (corners >= 0).all() and (corners < photograph(name).shape[1::-1]).all()


@pytest.mark.parametrize("name", things.NAMES)
def test_a_thing_is_one_piece_of_its_photograph(name):
    thing, pixels = things.thing(name), photograph(name)
    assert thing.shape[:2] == (1, 4) and thing.dtype == torch.float32 and thing.device.type == "cpu"
    assert thing.amin() >= 0 and thing.amax() == 1
    alpha = thing[0, 3].numpy()
    assert skimage.measure.label(alpha > 0.25).max() == 1
    assert 0.05 < alpha.sum() / (pixels.shape[0] * pixels.shape[1]) < 0.9
    for edge in (alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]):
        assert edge.max() > 0.3  # cropped to the thing
    corner_in(thing, pixels)


def test_a_hole_of_the_outline_is_a_hole_of_the_thing():
    """A square with a square window, the outline going in and out along one line."""
    pixels = np.full((60, 60, 3), 255, np.uint8)
    pixels[10:50, 10:50] = 0
    pixels[22:38, 22:38] = 255
    corners = "10 10 50 10 50 50 10 50 10 10 22 22 22 38 38 38 38 22 22 22"
    alpha = cutouts.cut_along(pixels, corners, things.BAND)[0, 3]
    assert alpha.shape == (40, 40) and (alpha > 0.5).sum() == 40**2 - 16**2
    assert alpha[20, 20] == 0 and alpha[6, 20] == 1


@pytest.mark.parametrize(
    ("name", "inside", "outside"),
    [  # x y in the photograph, settled by a look
        ("foolbox 00", ("240 300", "255 30", "165 430"), ("205 390", "200 40")),  # head, tail, paw; between the legs
        ("foolbox 01", ("250 250", "337 220", "250 480"), ("322 230", "250 390")),  # canvas, post, bar; two holes
        ("foolbox 15", ("275 330", "262 210", "234 450"), ("260 445", "262 240")),  # back, head, leg; behind them
        ("foolbox 17", ("270 290", "480 180"), ("270 200", "200 340")),  # head, wing; sky
    ],
)
def test_alpha_tells_the_thing_from_what_is_behind_it(name, inside, outside):
    thing = things.thing(name)
    left, top = corner_in(thing, photograph(name))
    for places, opaque in ((inside, True), (outside, False)):
        for place in places:
            x, y = map(int, place.split())
            assert (thing[0, 3, y - top, x - left] > 0.5) == opaque, place


def test_a_name_of_none_is_refused():
    with pytest.raises(ValueError, match="no thing is called 'foolbox 02': there are motorcycle, coffee"):
        things.thing("foolbox 02")
