"""B0-photos: a photograph, and networks that let it change by so much and no more."""

import pytest
import torch
from torch import nn

from course_utils import attacks
from course_utils.attacks.distances import distortion
from course_utils.studies import b0_photos
from course_utils.studies.b0_photos import LARGE


class Near(nn.Module):
    """Class 0 for what is within a distortion of a photograph."""

    def __init__(self, image, within):
        super().__init__()
        self.image, self.within = image, within

    def forward(self, images):
        return (self.within - distortion(self.image.expand_as(images), images))[:, None] * torch.tensor([9.0, -9.0])


@pytest.fixture
def image():
    waves = torch.arange(32.0).div(5).sin()
    return (0.5 + 0.3 * waves[:, None] * torch.stack([waves, waves.roll(3), waves.roll(6)])[:, None])[None]


def asked(monkeypatch, image, within, found):
    monkeypatch.setattr(b0_photos, "named", lambda name: (Near(image, within), image, torch.tensor([0])))
    monkeypatch.setattr(attacks, "deepfool", lambda model, *_, **__: found)
    return b0_photos.lost_names("waves", torch.Generator().manual_seed(0))


def test_a_photograph_at_the_boundary_loses_its_name_each_time(monkeypatch, image):
    unit = asked(monkeypatch, image, 0.003, image + 0.004)
    assert unit["value"] == [5, 5] and unit["lost"] == list(LARGE)
    assert unit["strengths that take the name"] == {name: list(kind.five) for name, kind in LARGE.items()}
    assert all(0.0064 < size < 0.0085 for size in unit["distortion"].values())
    assert unit["DeepFool's distortion"] == pytest.approx(0.004, rel=1e-3)


def test_far_from_the_boundary_it_loses_its_name_only_by_what_is_gross(monkeypatch, image):
    unit = asked(monkeypatch, image, 0.15, image)
    assert unit["value"] == [0, 5] and unit["lost"] == []
    assert unit["strengths that take the name"]["noise"] == [0.2, 0.4]
    assert unit["strengths that take the name"]["contrast"] == []  # 0.15 is the waves' own deviation
    assert unit["DeepFool's distortion"] is None


def test_each_photograph_is_asked_once():
    (study,) = b0_photos.STUDIES
    assert len(study.units) == study.rule.units == 24
