"""A visual search finds what its gallery holds; S1-vit and S2-vit with searches by colour in the place of networks."""

import pytest
import torch
from torch import nn

from course_utils.attacks.distances import distortion
from course_utils.studies import photos, s1_vit, s2_vit, searching

PLAIN = {"red": (0.8, 0.2, 0.2), "green": (0.2, 0.8, 0.2), "grey": (0.5, 0.5, 0.5)}


class Colour(nn.Module):
    """A picture's mean colour, less grey, in the order given: searches by it are alike and their weights are not."""

    def __init__(self, order=(0, 1, 2)):
        super().__init__()
        self.order = list(order)

    def forward(self, images):
        return images.mean((2, 3))[:, self.order] - 0.4


@pytest.fixture
def plain(monkeypatch):
    """Three photographs of one colour each; all searches go by colour."""

    def crops(name, number, generator):
        return torch.tensor(PLAIN[name]).view(1, 3, 1, 1).expand(number, 3, 20, 20).clone()

    gallery = torch.cat([crops(name, 1, None) for name in PLAIN])
    found = searching.Search(Colour(), gallery, torch.arange(3)).eval()
    monkeypatch.setattr(photos, "EVERY", tuple(PLAIN))
    for module in (s1_vit, s2_vit):
        monkeypatch.setattr(module, "search", lambda name: found)
    monkeypatch.setattr(s1_vit, "crops", crops)
    return found


def test_a_search_answers_with_the_largest_cosine_in_each_gallery():
    gallery = torch.rand(4, 3, 8, 8)
    found = searching.Search(Colour(), gallery, torch.tensor([0, 0, 1, 1]))
    points, asked = (nn.functional.normalize(Colour()(images), dim=1) for images in (gallery, 1 - gallery))
    cosines = asked @ points.T
    expected = searching.SHARP * torch.stack([cosines[:, :2].amax(1), cosines[:, 2:].amax(1)], 1)
    torch.testing.assert_close(found(1 - gallery), expected)
    assert found(gallery).argmax(1).tolist() == [0, 0, 1, 1]
    assert not any(weight.requires_grad for weight in found.parameters())


def test_by_means_a_thing_is_one_point():
    gallery = torch.rand(4, 3, 8, 8)
    found = searching.Search(Colour(), gallery, torch.tensor([0, 0, 1, 1]), means=True)
    points = nn.functional.normalize(Colour()(gallery), dim=1)
    means = nn.functional.normalize(torch.stack([points[:2].mean(0), points[2:].mean(0)]), dim=1)
    torch.testing.assert_close(found(gallery), searching.SHARP * points @ means.T)


def test_a_classifier_less_its_last_layer(monkeypatch):
    model = nn.Sequential(nn.Flatten(), nn.Sequential(nn.Linear(12, 5), nn.ReLU(), nn.Linear(5, 4)))
    monkeypatch.setattr(photos, "namer", lambda name: model)
    made, images = searching.embedder.__wrapped__("mobilenet_v2"), torch.rand(2, 3, 2, 2)
    assert torch.equal(made(images), model[1][:2](model[0](images))) and model(images).shape == (2, 4)


def test_crops_are_squares_of_the_photograph_and_follow_the_generator():
    first, again, other = (searching.crops("text", 2, torch.Generator().manual_seed(k)) for k in (0, 0, 1))
    assert first.shape == (2, 3, 224, 224) and torch.equal(first, again) and not torch.equal(first, other)
    assert first.min() >= 0 and first.max() <= 1


@pytest.mark.parametrize(("near", "close"), [(0.0065, False), (0.5, True)])
def test_colours_are_far_apart_and_what_is_near_depends(plain, monkeypatch, near, close):
    monkeypatch.setattr(s1_vit, "NEAR", near)
    monkeypatch.setattr("course_utils.studies.s1_photos.NEAR", near)
    found = s1_vit.close_one("red", torch.Generator().manual_seed(0))
    assert found["value"] is close
    if close:
        assert 0.1 < found["least distortion"]["transformer"] < 0.5


def test_a_crop_that_is_not_found_again_is_refused(plain):
    plain.things = plain.things[1:]
    with pytest.raises(ValueError, match="of 20 crops of red none is found again"):
        s1_vit.query("red", torch.Generator().manual_seed(0), plain)


def test_the_change_has_the_distortion_that_is_called_invisible(plain):
    image = torch.rand(1, 3, 20, 20)
    made = s2_vit.pushed(plain, image, torch.tensor([0]))
    assert distortion(image, made).item() == pytest.approx(s2_vit.NEAR, rel=0.01)


@pytest.mark.parametrize(("near", "value"), [(0.3, 1.0), (0.001, 0.0)])
def test_a_search_alike_is_misled_alike_and_noise_is_taken_off(plain, monkeypatch, near, value):
    monkeypatch.setattr(s2_vit, "NEAR", near)
    found = s2_vit.carried(["red", "to it"], torch.Generator().manual_seed(0))
    assert found["value"] == value == found["makers misled"] == found["between the convolutional"]
    one_way = s2_vit.carried(["red", "from it"], torch.Generator().manual_seed(0))
    assert one_way["value"] == value and "between the convolutional" not in one_way
    assert found["factor"] == "to it" and found["top"] == "red"
