"""S1, S3 and N6 for photographs, with a network of known answers in the place of the real one."""

import pytest
import torch
from torch import nn

from course_utils.attacks.distances import distortion
from course_utils.images.physical import eight_bits
from course_utils.studies import n6_tiles, photos, s1_photos, s3_photos


class Brightness(nn.Module):
    """Class 281, a cat, for pictures whose mean is at most ``limit``; class 9, an ostrich, above it."""

    def __init__(self, limit: float):
        super().__init__()
        self.limit = limit

    def forward(self, images):
        above = 1e3 * (images.mean((1, 2, 3)) - self.limit)
        logits = torch.full((len(images), 1000), -1e3)
        logits[:, 281], logits[:, 9] = 0.0, above
        return logits


@pytest.fixture
def cat():
    return eight_bits(photos.cropped("cat"))


def test_a_change_on_levels_is_one_of_whole_levels_and_grows_up_to_what_is_allowed(cat):
    found = (cat + 1e-3 * torch.randn(cat.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    tries = s1_photos.on_levels(cat, found)
    assert (tries * 255 - (tries * 255).round()).abs().max() < 1e-3
    sizes = distortion(cat.expand_as(tries), tries)
    assert sizes[0] < 1e-3 and sizes.diff().ge(0).all()
    assert sizes[-1] == pytest.approx(s1_photos.NEAR, rel=0.05)


def test_the_nearest_misclassified_image_counts_and_none_is_infinite(cat):
    model, label = Brightness(cat.mean().item() + 2 / 255), torch.tensor([281])
    tries = torch.cat([cat, (cat + 3 / 255).clamp(0, 1), (cat + 5 / 255).clamp(0, 1)])
    found = s1_photos.nearest(model, cat, label, tries)
    assert found == pytest.approx(distortion(cat, tries[1:2]).item())
    assert s1_photos.nearest(model, cat, label, tries[:1]) == float("inf")


@pytest.mark.parametrize(("levels", "near"), [(0.6, True), (60, False)])
def test_a_near_border_is_found_and_a_far_one_is_not(cat, monkeypatch, levels, near):
    monkeypatch.setattr(photos, "namer", lambda: Brightness(cat.mean().item() + levels / 255))
    found = s1_photos.close_one("cat", torch.Generator().manual_seed(0))
    assert found["value"] is near
    assert set(found["without levels"]) == {"DeepFool", "Carlini-Wagner", "L-BFGS"}
    if near:  # a mean that rises by 0.6 levels: the least change has all pixels alike
        assert 0.5 / 255 < found["least distortion"] < s1_photos.NEAR


def test_classes_that_are_both_right_are_one():
    logits = torch.tensor([[1.0, 4.0, 3.0, 2.0], [9.0, 0.0, 5.0, 1.0]])
    merged = s1_photos.OneName(nn.Identity(), (3, 1))(logits)
    assert merged.tolist() == [[1, s1_photos.NONE, 3, 4], [9, s1_photos.NONE, 5, 1]]


def test_a_photograph_that_the_network_misnames_is_refused(monkeypatch):
    monkeypatch.setattr(photos, "namer", lambda: Brightness(1.0))
    with pytest.raises(ValueError, match="does not name coffee rightly"):
        s1_photos.named("coffee")
    assert len(s1_photos.NAMED) == 24 and set(s1_photos.NAMED) < set(photos.LABELLED)


def test_three_colours_are_one_pixel_and_noise_is_as_even_as_noise():
    change = torch.zeros(1, 3, 2, 2)
    change[0, :, 0, 0] = torch.tensor([2.0, 3.0, 6.0])
    assert s3_photos.by_pixel(change).flatten().tolist() == [7, 0, 0, 0]


def test_one_pixel_in_four_is_a_quarter_of_even_noise(cat, monkeypatch):
    monkeypatch.setattr(photos, "namer", lambda: Brightness(cat.mean().item() + 1e-4))

    def lbfgs(model, image, label, **how):
        changed = image.clone()
        changed[..., ::2, ::2] += 0.01
        return changed.clamp(0, 1)

    monkeypatch.setattr(s3_photos.attacks, "lbfgs", lbfgs)
    found = s3_photos.evenness("cat", torch.Generator().manual_seed(0))
    assert found["pixels of the change"] == pytest.approx(0.225, abs=0.01)
    assert found["value"] == pytest.approx(found["pixels of the change"] / found["pixels of noise"], abs=1e-3)
    assert 0.25 < found["value"] < 0.5 and 0.2 < found["in the middle quarter"] < 0.3


def test_shuffling_costs_a_network_nothing_that_goes_by_brightness(cat, monkeypatch):
    monkeypatch.setattr(photos, "namer", lambda: Brightness(1.0))
    found = n6_tiles.keeps_name(["cat", 4], torch.Generator().manual_seed(0))
    assert found == {"value": [20, 20], "factor": "4 x 4", "top": "cat", "among five": 1.0}
    assert len(n6_tiles.UNITS) == 52


def test_it_costs_a_network_all_that_looks_at_one_corner_and_mirroring_may_not(cat, monkeypatch):
    class Corner(Brightness):
        def forward(self, images):
            return super().forward(images[..., :56, :56])

    corner, tiles = cat[..., :56, :56].mean().item(), cat.unfold(2, 56, 56).unfold(3, 56, 56).mean((1, 4, 5)).flatten()
    monkeypatch.setattr(photos, "namer", lambda: Corner(corner + 1e-3))
    brighter = (tiles > corner + 1e-3).double().mean().item()
    found = n6_tiles.keeps_name(["cat", 4], torch.Generator().manual_seed(0))
    assert found["value"][0] / 20 == pytest.approx(1 - brighter, abs=0.3) and found["among five"] == 1
    monkeypatch.setattr(photos, "namer", lambda: Corner(corner - 1e-3))
    monkeypatch.setattr(photos, "labels", lambda name: (9,))
    monkeypatch.setattr(n6_tiles, "mirror", lambda image, parts: 0 * image)
    with pytest.raises(ValueError, match="loses its name when 4 x 4 tiles are mirrored"):
        n6_tiles.keeps_name(["cat", 4], torch.Generator().manual_seed(0))
