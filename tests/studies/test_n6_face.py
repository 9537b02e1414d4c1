"""N6-face: discs that go where they are told, and networks that want parts, or want them in place."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from course_utils import faces
from course_utils.studies import n6_face
from course_utils.studies.n6_face import DISC, DRAWS, FACES, ROOM

PLACES = torch.tensor([[6, 4], [6, 29], [18, 16], [32, 17]])
MIDDLE = slice(DISC // 2 - 3, DISC // 2 + 4)


def dice():
    return torch.Generator().manual_seed(0)


class Looks(nn.Module):
    """Points at `PLACES`, and takes for a face what ``says`` so."""

    def __init__(self, says):
        super().__init__()
        self.says, self.unused = says, nn.Parameter(torch.zeros(1))

    def forward(self, images):
        return 10.0 * torch.stack([torch.zeros(len(images)), 2.0 * self.says(images[:, 0]) - 1], 1)

    def look(self, images):
        y, x = (PLACES[[0, 1, 2, 3, 3]] + DISC // 2).T / n6_face.SIDE
        return [None, None, torch.cat([x, y])[None]]


def spots():
    """A dark face with four bright parts, the mouth the brightest."""
    face = torch.full((1, 1, 48, 48), 0.1)
    for bright, (row, column) in zip((0.7, 0.7, 0.8, 0.9), PLACES.tolist(), strict=True):
        face[..., row : row + DISC, column : column + DISC] = bright
    return face


def window(image, corner):
    row, column = corner.tolist()
    return image[..., row : row + DISC, column : column + DISC][..., MIDDLE, MIDDLE]


def test_places_are_all_over_and_do_not_cover_each_other():
    places = n6_face.anywhere(300, dice())
    assert places.shape == (300, 4, 2)
    assert places.amin((0, 1)).tolist() == [0, 0] and places.amax((0, 1)).tolist() == [ROOM, ROOM]
    gaps = [(four[i] - four[j]).double().norm().item() for four in places for i in range(4) for j in range(i)]
    assert DISC <= min(gaps) < DISC + 1
    assert len(places.flatten(1).unique(dim=0)) == 300


def test_parts_are_found_where_the_network_points():
    assert n6_face.own_places(Looks(None), spots()).tolist() == PLACES.tolist()


def test_discs_set_back_on_their_own_picture_leave_it_as_it_is():
    face = torch.rand(1, 1, 48, 48, generator=dice())
    parts = n6_face.discs(face.expand(4, -1, -1, -1), PLACES)
    assert parts.shape == (4, 2, DISC, DISC) and parts[0, 1, 7, 7] == 1 and parts[0, 1, 0, 0] == 0
    torch.testing.assert_close(n6_face.set_down(face, parts[None], PLACES[None]), face)


def test_each_version_has_what_its_name_says_where_it_says():
    face, generator = spots(), dice()
    found = n6_face.versions(Looks(None), face, generator)
    places = n6_face.anywhere(DRAWS, dice())  # the first that is drawn
    grey, parts = face.mean(), (0.7, 0.7, 0.8, 0.9)
    assert {name: len(images) for name, images in found.items()} == dict(
        zip(found, (DRAWS, DRAWS, 1, DRAWS, DRAWS, 1), strict=True)
    )
    for part, own in zip(parts, PLACES, strict=True):
        for name, value in {"set back": part, "set back among grey": part, "painted over": grey}.items():
            assert (window(found[name], own) - value).abs().max() < 1e-5
    for draw in range(DRAWS):
        for part, place in zip(parts, places[draw], strict=True):
            assert (window(found["anywhere"][draw], place) - part).abs().max() < 1e-5
            assert (window(found["scraps"][draw], place) - part).abs().max() > 1e-2
        for name in ("anywhere", "scraps"):  # nothing but the discs is new
            left = found[name][draw].clone()
            for row, column in places[draw].tolist():
                there = ..., slice(row, row + DISC), slice(column, column + DISC)
                left[there] = found["painted over"][0][there]
            assert torch.equal(left, found["painted over"][0])


def test_scraps_come_from_pictures_without_a_face(monkeypatch):
    known = torch.cat([torch.zeros(FACES, 1, 48, 48), torch.ones(5, 1, 48, 48)])
    monkeypatch.setattr(n6_face, "pictures", lambda: known)
    found = n6_face.scraps(3, dice())
    assert found.shape == (3, 4, 2, DISC, DISC) and (found[:, :, 0] == 1).all()


def enough(images):
    """All parts are there, wherever they are."""
    return ((images - 0.7).abs() < 0.01).sum((1, 2)).gt(200) & ((images - 0.9).abs() < 0.01).sum((1, 2)).gt(100)


def in_place(images):
    return torch.stack([window(images, own).mean((1, 2)) > 0.65 for own in PLACES]).all(0)


@pytest.mark.parametrize("says, value", [(enough, 0.5), (in_place, -0.5), (lambda images: images[:, 0, 0] < 2, 0.0)])
def test_what_wants_parts_what_wants_them_in_place_and_what_wants_neither(monkeypatch, says, value):
    dark = torch.full((FACES + 5, 1, 48, 48), 0.3)
    monkeypatch.setattr(n6_face, "pictures", lambda: dark)
    monkeypatch.setattr(faces, "nets", lambda device: SimpleNamespace(onet=Looks(says)))
    found = n6_face.half_way(spots(), dice())
    assert found["value"] == value and found["set back"] == [1, 1]


def test_what_is_no_face_cannot_be_asked(monkeypatch):
    monkeypatch.setattr(faces, "nets", lambda device: SimpleNamespace(onet=Looks(lambda images: images[:, 0, 0] > 2)))
    with pytest.raises(ValueError, match="cannot be asked"):
        n6_face.half_way(spots(), dice())


def test_the_network_points_at_eyes_nose_and_mouth_of_all_its_faces(trained):
    onet, known = trained.onet, n6_face.pictures()
    assert n6_face.taken(onet, known[:FACES]) == [FACES, FACES] and n6_face.taken(onet, known[FACES:])[0] < 5
    left, right, nose, mouth = torch.stack([n6_face.own_places(onet, known[k : k + 1]) for k in range(5)], 1)
    assert (left[:, 1] + 5 < right[:, 1]).all() and (left[:, 0] < nose[:, 0]).all() and (nose[:, 0] < mouth[:, 0]).all()
