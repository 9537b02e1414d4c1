"""B0 and C4: changes of a size that is wanted, turns that are known, and networks that fail at a known contrast."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from course_utils.attacks.distances import distortion
from course_utils.data import Split
from course_utils.images import physical
from course_utils.studies import b0
from course_utils.studies.b0 import KINDS


def dice(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def images():
    """Blobs, about as dark and as smooth as digits."""
    drawn = torch.zeros(12, 1, 28, 28)
    drawn[:, :, 6:22, 6:22] = (torch.rand(12, 1, 16, 16, generator=dice()) > 0.7).float()
    return physical.eight_bits(physical.blur(drawn, 0.7))


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_goes_as_far_as_is_wanted(images, name):
    found = b0.as_far(KINDS[name], images, 0.05, seed=3)
    tolerance = 0.006 if name == "JPEG" else 0.0005  # its qualities are whole numbers
    torch.testing.assert_close(distortion(images, found), torch.full((12,), 0.05), rtol=0, atol=tolerance)
    assert found.min() >= 0 and found.max() <= 1


def test_jpeg_has_the_best_quality_that_goes_so_far(images):
    found = b0.as_far(KINDS["JPEG"], images[:3], 0.05, seed=3)
    for image, one in zip(images[:3].split(1), found.split(1), strict=True):
        tried = [physical.jpeg(image, quality) for quality in range(1, 101)]
        quality = next(place for place, each in enumerate(tried) if each.equal(one))
        assert distortion(image, tried[quality]) >= 0.05 > distortion(image, tried[quality + 1])


def test_what_cannot_go_so_far_goes_as_far_as_it_can(images):
    found = b0.as_far(KINDS["contrast"], images, 0.9, seed=3)
    assert (found.amax((1, 2, 3)) - found.amin((1, 2, 3))).max() < 1e-6
    torch.testing.assert_close(distortion(images, found), images.std((1, 2, 3), correction=0))


def test_a_seed_names_the_draws_and_portions_do_not_share_them():
    black, third = torch.zeros(2200, 1, 2, 2), torch.full((2200,), 0.3)
    one, same, other = (b0.changed(KINDS["noise"], black, third, seed) for seed in (1, 1, 2))
    assert one.equal(same) and not one.equal(other) and not one[:1000].equal(one[1000:2000])


def test_turns_go_either_way_and_show_the_margin():
    image = torch.rand(1, 1, 8, 8, generator=dice()).expand(40, -1, -1, -1)
    quarter = torch.full((40,), 90.0)
    found = b0.turned(image, quarter, generator=dice())
    ways = [(found - image.rot90(k, (2, 3))).abs().amax((1, 2, 3)) < 1e-4 for k in (1, -1)]
    assert all(5 < way.sum() < 35 for way in ways) and (ways[0] ^ ways[1]).all()
    white = torch.ones(40, 1, 8, 8)
    corners = [b0.turned(white, quarter / 2, generator=dice(), margin=m)[..., 0, 0] for m in (0, 4)]
    assert (corners[0] == 0.5).all() and corners[1].max() < 1e-6  # a grey wall, or black paper


class Contrast(nn.Module):
    """Class 0 where the contrast is above 0.4, class 1 elsewhere."""

    def forward(self, images):
        return (images.amax((1, 2, 3)) - images.amin((1, 2, 3)) - 0.4)[:, None] * torch.tensor([9.0, -9.0])


def test_a_network_that_wants_contrast_fails_below_it(monkeypatch):
    board = (torch.arange(28)[:, None] // 7 + torch.arange(28) // 7).remainder(2).float().expand(6, 1, 28, 28)
    test = Split(board, torch.tensor([0, 0, 0, 0, 0, 1]))
    monkeypatch.setattr(b0, "digits", lambda: SimpleNamespace(test=test))
    found = b0.by_strength(Contrast(), seed=0)
    rates = {name: [accuracy for accuracy, _ in each.values()] for name, each in found.items()}
    assert rates["contrast"] == [0.8333, 0.8333, 0.1667, 0.1667, 0.1667] and rates["noise"] == [0.8333] * 5
    assert [far for _, far in found["contrast"].values()] == pytest.approx([0.15, 0.25, 0.35, 0.4, 0.45])
    assert list(found) == list(KINDS) and list(found["JPEG"]) == ["50", "25", "10", "5", "2"]


def test_the_rise_is_counted_in_ordinary_errors(monkeypatch, images):
    """At the median of the adversarial distortions; an error of 1 % becomes 3 % for noise and stays for the others."""
    test, asked, rates = Split(images, torch.zeros(12).long()), [], iter([0.01, 0.03, 0.01, 0.01, 0.01, 0.01])
    monkeypatch.setattr(b0, "digits", lambda: SimpleNamespace(test=test))
    monkeypatch.setattr(b0, "network", lambda name, seed: None)
    monkeypatch.setattr(b0, "right_digits", lambda models, number, generator: test)
    monkeypatch.setattr(b0, "shortest", lambda *_: (None, 28 * torch.tensor([0.01, 0.02, 0.03, 0.3, torch.inf])))
    monkeypatch.setattr(b0, "as_far", lambda kind, images, wanted, seed: asked.append(wanted) or images + wanted)
    monkeypatch.setattr(b0, "error", lambda *_: next(rates))
    monkeypatch.setattr(b0, "by_strength", lambda model, seed: {})
    found = b0.rise(0, dice())
    assert found["value"] == pytest.approx(0.4) and found["errors"]["noise"] == 0.03
    assert asked == pytest.approx([0.03] * 5) and found["distortion"] == 0.03
    assert set(found["within a tenth of it"].values()) == {1.0} and found["adversarial distortions"]["0.25"] == 0.02


def test_the_worst_of_four_kinds_counts_in_the_strength_that_was_named(monkeypatch):
    rates = {name: {str(each): [0.95, 0.1] for each in kind.five} for name, kind in KINDS.items()}
    rates["contrast"]["0.3"], rates["rotation"]["20"], rates["blur"]["4.0"] = [0.8, 0.1], [0.2, 0.1], [0.1, 0.1]
    monkeypatch.setattr(b0, "digits", lambda: SimpleNamespace(test=Split(torch.zeros(1, 1, 2, 2), torch.zeros(1))))
    monkeypatch.setattr(b0, "network", lambda name, seed: None)
    monkeypatch.setattr(b0, "error", lambda *_: 0.01)
    monkeypatch.setattr(b0, "by_strength", lambda model, seed: rates)
    found = b0.worst(0, dice())
    assert (found["value"], found["worst"]) == (0.8, "contrast")
    named = {name: KINDS[name].five[b0.NAMED] for name in b0.QUALITY}
    assert named == {"noise": 0.3, "blur": 2.0, "contrast": 0.3, "JPEG": 10}
