"""A4: crops out of a picture that says where they are from, and what counts as an accident."""

import numpy as np
import pytest
import torch

from course_utils import evaluation, faces
from course_utils.faces.detector import Faces
from course_utils.studies import a4, photos


def seen(*probabilities):
    number = len(probabilities)
    return Faces(torch.zeros(number, 4), torch.tensor(probabilities), torch.zeros(number, 5, 2))


def test_crops_are_squares_of_all_sizes_from_all_over_the_photograph():
    rows, columns = np.mgrid[:200, :250]
    crops = a4.natural_crops(np.stack([rows, columns, 0 * rows], 2).astype(np.uint8), 60, torch.Generator())
    assert crops.shape == (60, 3, 224, 224)
    high, wide = (255 * (crops[:, k].amax((1, 2)) - crops[:, k].amin((1, 2))) for k in (0, 1))
    torch.testing.assert_close(high, wide, rtol=0, atol=1.01)  # as high as wide
    side = high * 256 / 224  # a classifier sees the middle
    assert 48 < side.min() < 56 and 185 < side.max() < 203
    assert 85 < side.median() < 115  # the middle of the logarithms of 50 and 200
    middle = 255 * crops[:, :2, 112, 112]
    assert (middle.amin(0) < torch.tensor([60, 60])).all() and (middle.amax(0) > torch.tensor([140, 190])).all()


def test_the_surest_face_of_each_image(monkeypatch):
    found = iter([seen(0.8, 0.99), seen(), seen(0.71)])
    monkeypatch.setattr(faces, "detect", lambda images, cascade: [next(found) for _ in images])
    monkeypatch.setattr(a4, "PORTION", 2)
    assert a4.surest(torch.zeros(3, 3, 30, 30), None).tolist() == pytest.approx([0.99, 0, 0.71])


@pytest.mark.parametrize("most, value, number", [(0.0, False, 0), (0.949, False, 1), (0.951, True, 1)])
def test_one_sure_face_is_an_accident(monkeypatch, most, value, number):
    monkeypatch.setattr(photos, "raw", lambda name: np.zeros((50, 40), np.uint8))
    monkeypatch.setattr(photos, "namer", lambda: None)
    monkeypatch.setattr(faces, "nets", lambda device: None)
    monkeypatch.setattr(a4, "surest", lambda images, cascade: torch.tensor([most, *[0.0] * (len(images) - 1)]))
    logits = torch.cat([torch.tensor([[4.0, 0], [0, 2.9], [0, 3.0]]), torch.zeros(97, 2)])  # 98, 94.8 and 95.3 %
    monkeypatch.setattr(evaluation, "logits", lambda model, images: logits)
    unit = a4.accident("nothing", torch.Generator())
    assert unit["value"] is value and unit["crops with a face"] == number
    assert unit["crops with a face at 95 %"] == int(value) and unit["crops named at 95 %"] == 2


def test_each_photograph_is_there_once_and_none_shows_somebody():
    assert len(set(a4.NOBODY)) == len(a4.NOBODY) == 29
    assert set(a4.NOBODY) <= set(photos.FREE + photos.FOOLBOX)
    assert not {"astronaut", "camera", "officer", "coins", "cat", "foolbox 00", "foolbox 02"} & set(a4.NOBODY)


def test_a_face_that_is_there_is_seen_in_crops(trained):
    sure = a4.surest(a4.natural_crops(photos.raw("officer"), 12, torch.Generator().manual_seed(0)), trained) >= a4.SURE
    assert 1 <= sure.sum() <= 11
