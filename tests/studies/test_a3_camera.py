"""A3-camera: breeding for a known aim, windows that are known, and a mosaic of a real face, which is no noise."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from course_utils import faces
from course_utils.faces.detector import Cascade, Faces
from course_utils.images import photographs
from course_utils.studies import a3_camera
from course_utils.studies.a3_camera import CELL, EDGE, GENES, SIDE

ALL, NONE = dict.fromkeys(a3_camera.WAYS, True), dict.fromkeys(a3_camera.WAYS, False)
WHOLE = SIDE + 2 * EDGE


def dice():
    return torch.Generator().manual_seed(0)


def found(*sides):
    """Faces of these sides, one in the middle of another."""
    boxes = torch.tensor([[80 - side / 2, 80 - side / 2, 80 + side / 2, 80 + side / 2] for side in sides]).view(-1, 4)
    return Faces(boxes, torch.linspace(0.9, 0.8, len(sides)), torch.zeros(len(sides), 5, 2))


class Bright(nn.Module):
    """A net whose log-odds of a face are ``times`` the mean brightness of what it is shown."""

    def __init__(self, side, times):
        super().__init__()
        self.side, self.times = side, times

    def forward(self, windows):
        assert windows.shape[1:] == (3, self.side, self.side)
        mean = windows.mean((1, 2, 3))
        return torch.stack([torch.zeros_like(mean), self.times * mean], 1)


def test_a_gene_is_a_square_in_the_middle_of_the_noise():
    genes, around = a3_camera.noise(2, 3, GENES, GENES, generator=dice()), torch.full((1, 3, WHOLE, WHOLE), 0.5)
    pictures = a3_camera.shown(genes, around)
    for row, column in ((0, 0), (3, 11), (15, 15)):
        top, left = EDGE + CELL * row, EDGE + CELL * column
        square = pictures[..., top : top + CELL, left : left + CELL]
        assert torch.equal(square, genes[..., row : row + 1, column : column + 1].expand_as(square))
    edge = pictures.clone()
    edge[..., EDGE:-EDGE, EDGE:-EDGE] = 0.5
    assert (edge == 0.5).all() and (around == 0.5).all()
    assert torch.equal((genes * 255).round() / 255, genes)


def test_fitness_is_the_mean_log_probability_in_windows_of_the_squares_and_has_a_floor(monkeypatch):
    monkeypatch.setattr(a3_camera, "GROW", 0)
    monkeypatch.setattr(a3_camera, "MOVE", 0)
    cascade = Cascade(Bright(12, 1.0), Bright(24, 3.0), Bright(48, -1000.0))
    genes = torch.tensor([0.2, 0.8]).view(2, 1, 1, 1).expand(2, 3, GENES, GENES)
    scores = a3_camera.fitness(cascade, a3_camera.shown(genes, torch.zeros(1, 3, WHOLE, WHOLE)), dice())
    expected = [(F.logsigmoid(torch.tensor([mean, 3 * mean])).sum().item() - 8) / 3 for mean in (0.2, 0.8)]
    assert scores.tolist() == pytest.approx(expected, rel=1e-4)


def test_the_larger_noise_holds_the_picture(monkeypatch):
    asked = []
    monkeypatch.setattr(a3_camera.faces, "detect", lambda images, cascade: asked.append(images) or [found(100)])
    picture = torch.rand(1, 3, WHOLE, WHOLE, generator=dice())
    assert a3_camera.sightings(None, picture, dice()) == ALL
    file, compressed, wide = asked
    assert torch.equal(file, picture) and compressed.shape == picture.shape and not torch.equal(compressed, picture)
    places = [
        (top, left)
        for top, left in (wide[0, 0] == picture[0, 0, 0, 0]).nonzero().tolist()
        if torch.equal(wide[..., top : top + WHOLE, left : left + WHOLE], picture)
    ]
    assert wide.shape[2:] == a3_camera.WIDE and len(places) == 1


@pytest.mark.parametrize("sides, seen", [((), False), ((63,), False), ((63, 65), True), ((130,), True)])
def test_small_faces_do_not_count(sides, seen):
    assert a3_camera.sees(found(*sides).boxes) is seen


def test_breeding_gets_brighter_and_ends_at_its_budget_or_when_the_camera_sees_it(monkeypatch):
    """Twenty copies and the parent in each of ten generations, and three pictures at a look: 23 times 213."""
    looks = []
    monkeypatch.setattr(a3_camera, "fitness", lambda cascade, pictures, generator: pictures.mean((1, 2, 3)))
    monkeypatch.setattr(a3_camera, "sightings", lambda cascade, picture, generator: looks.append(picture) or NONE)
    picture, judged = a3_camera.bred(None, dice())
    assert judged == 4899 and len(looks) == 23
    assert [look.mean() for look in looks] == sorted(look.mean() for look in looks)
    assert picture[..., EDGE:-EDGE, EDGE:-EDGE].mean() > 0.6
    partly = iter([NONE | {"file": True, "JPEG": True}, ALL])
    monkeypatch.setattr(a3_camera, "sightings", lambda *_: next(partly))
    assert a3_camera.bred(None, dice())[1] == 426


@pytest.mark.parametrize("seen, other, value", [(ALL, 40, True), (ALL, 120, False), (ALL | {"JPEG": False}, 40, False)])
def test_a_success_needs_all_looks_and_the_silence_of_the_other(monkeypatch, seen, other, value):
    picture = torch.rand(1, 3, WHOLE, WHOLE, generator=dice())
    monkeypatch.setattr(a3_camera, "bred", lambda *_: (picture, 213))
    monkeypatch.setattr(a3_camera, "sightings", lambda *_: seen)
    monkeypatch.setattr(faces, "nets", lambda device: None)
    monkeypatch.setattr(faces, "detect", lambda images, cascade: [found(100)] * len(images))
    monkeypatch.setattr(faces, "second_opinion", lambda images: [found(other).boxes] * len(images))
    unit = a3_camera.fooled(0, dice())
    assert unit["value"] is value and unit["probability"] == 0.9
    assert unit["random squares seen"] == 20 and unit["by the other"] == 20 * (other >= 64)


@pytest.mark.parametrize("name, top, left, side", [("astronaut", 62, 169, 110), ("officer", 120, 155, 220)])
def test_both_detectors_see_a_mosaic_of_a_real_face_and_neither_sees_these_random_squares(
    trained, name, top, left, side
):
    photo = torch.from_numpy(photographs.raw_photo(name).copy()).permute(2, 0, 1)[None] / 255
    mosaic = F.interpolate(photo[..., top : top + side, left : left + side], (GENES, GENES), mode="area")
    genes = torch.cat([mosaic, a3_camera.noise(1, 3, GENES, GENES, generator=dice())])
    pictures = a3_camera.shown(genes, a3_camera.noise(1, 3, WHOLE, WHOLE, generator=dice()))
    assert [a3_camera.sees(each.boxes) for each in faces.detect(pictures, trained)] == [True, False]
    other = a3_camera.other_sees(pictures)
    assert other[0, :2].all() and not other[1].any()
