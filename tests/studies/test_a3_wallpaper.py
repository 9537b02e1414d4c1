"""A wallpaper's effect is that of the wall alone: a search by colour in the place of the networks, and plain things."""

import pytest
import torch
from torch import nn

from course_utils.studies import a3_wallpaper, things

COLOURS = torch.tensor([(0.9, 0.1, 0.1), (0.1, 0.9, 0.1), (0.1, 0.1, 0.9), (0.9, 0.9, 0.1)])


class Colour(nn.Module):
    """The mean colour of a picture, less grey."""

    def forward(self, images):
        return images.mean((2, 3)) - 0.5


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    """Four squares of one colour each, and a search that goes by the mean colour of the whole picture."""
    square = {
        str(k): torch.cat([colour, torch.ones(1)]).view(1, 4, 1, 1).expand(1, 4, 50, 50)
        for k, colour in enumerate(COLOURS)
    }
    monkeypatch.setattr(a3_wallpaper, "NAMES", tuple(square))
    monkeypatch.setattr(a3_wallpaper, "thing", square.__getitem__)
    monkeypatch.setattr(a3_wallpaper, "embedder", lambda name: Colour())
    monkeypatch.setattr(a3_wallpaper, "STEPS", 20)
    for cached in (a3_wallpaper.gallery, a3_wallpaper.wallpaper):
        cached.cache_clear()
    yield
    for cached in (a3_wallpaper.gallery, a3_wallpaper.wallpaper):
        cached.cache_clear()


def test_each_thing_is_found_in_front_of_grey_and_noise():
    for row in range(4):
        for wall in (torch.full((1, 3, 224, 224), 0.5), torch.rand(1, 3, 224, 224)):
            found = a3_wallpaper.hits("any", wall, row, False, torch.Generator().manual_seed(row))
            assert found.tolist() == [row] * a3_wallpaper.VIEWS


@pytest.mark.parametrize("printed", [False, True])
def test_a_wall_in_the_decoys_colour_is_made_and_costs_the_hits(printed):
    found = a3_wallpaper.lost(["any", 1, printed], torch.Generator().manual_seed(0))
    assert found["right"]["noise"] == 1 and found["value"] > 0.5 and found["decoy"] > 0.5
    wall = a3_wallpaper.wallpaper("any", 0, printed).mean((0, 2, 3))
    assert wall[0] > wall[1:].max() + 0.2  # the decoy of the other half is red
    assert found["value"] == pytest.approx(found["right"]["noise"] - found["right"]["wallpaper"])


def test_a_wall_that_is_not_made_costs_nothing(monkeypatch):
    monkeypatch.setattr(a3_wallpaper, "eot", lambda model, scene, start, targets, **how: start)
    found = a3_wallpaper.lost(["any", 2, False], torch.Generator().manual_seed(0))
    assert found["value"] == 0 and found["decoy"] == 0


def test_the_wallpaper_is_made_behind_the_other_half(monkeypatch):
    seen = []

    def eot(model, scene, start, targets, *, generator, **how):
        pictures = scene(start, 40, generator)
        seen.append((set(model(pictures).argmax(1).tolist()), targets.tolist()))
        return start

    monkeypatch.setattr(a3_wallpaper, "eot", eot)
    for row in (0, 1):
        a3_wallpaper.lost(["any", row, False], torch.Generator().manual_seed(0))
    assert seen == [({1, 3}, [1]), ({0, 2}, [0])]


def test_twenty_things_and_three_studies():
    assert len(things.NAMES) >= 20 == a3_wallpaper.STUDIES[0].rule.units
    assert [study.rule.id for study in a3_wallpaper.STUDIES] == ["A3-wallpaper", "A3-print", "A3-vit"]
