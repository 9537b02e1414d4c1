"""N6-field: what a patch sees, that order does not count for their mean, and networks whose losses are known."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from course_utils.data import Split
from course_utils.models import LeNet5
from course_utils.studies import n6_field


def dice():
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="module")
def small():
    torch.manual_seed(0)
    return n6_field.SmallFields()


@pytest.mark.parametrize("row, column", [(0, 0), (4, 7), (9, 9)])
def test_a_patch_is_nine_pixels_wide(small, row, column):
    images = torch.randn(50, 1, 28, 28, generator=dice()).requires_grad_()
    small[:-1](images)[..., row, column].square().sum().backward()
    seen = torch.zeros(28, 28, dtype=torch.bool)
    seen[2 * row : 2 * row + 9, 2 * column : 2 * column + 9] = True
    assert (images.grad != 0).any(0)[0].equal(seen)


def test_the_mean_does_not_know_where_parts_are_and_lenet_does(small):
    parts = torch.rand(2, 1, 1, 2, 2, generator=dice())

    def laid(*places):
        canvas = torch.zeros(1, 1, 28, 28)
        for part, (row, column) in zip(parts, places, strict=True):
            canvas[..., row : row + 2, column : column + 2] = part
        return canvas

    here, there = laid((8, 8), (18, 18)), laid((18, 8), (8, 18))  # no patch sees both, all that can see one do
    torch.manual_seed(1)
    with torch.no_grad():
        torch.testing.assert_close(small(here), small(there))
        assert (LeNet5()(here) - LeNet5()(there)).abs().max() > 1e-3


def test_digits_in_conflict_are_a_whole_one_and_the_parts_of_another():
    ink = torch.rand(40, 1, 28, 28, generator=dice())
    labels = torch.arange(40) % 2
    images = torch.where(labels.view(-1, 1, 1, 1) == 0, 0.0, ink)  # zeros have no ink
    mixed, whole, other = n6_field.conflicts(Split(images, labels), dice())
    assert 0 < len(mixed) < 40 and (whole != other).all()
    assert {tuple(one.flatten().tolist()) for one in mixed[whole == 1]} <= {tuple(i.flatten().tolist()) for i in ink}
    parts = {tuple(i.flatten().sort().values.tolist()) for i in ink}
    for one in mixed[whole == 0]:
        assert tuple(one.flatten().sort().values.tolist()) in parts
        assert not (one == images).flatten(1).all(1).any()  # in another order


class Place(nn.Module):
    """The class of the brightest quarter."""

    def forward(self, images):
        return 9 * nn.functional.adaptive_avg_pool2d(images, 2).flatten(1)


class Blind(nn.Module):
    """Always class 0."""

    def forward(self, images):
        return 9 * torch.eye(4)[0].expand(len(images), -1) - 1


def test_what_goes_by_place_loses_what_the_blind_one_keeps(monkeypatch):
    """Of all orders but the true one, 5 of 23 leave a quarter in its place."""
    labels = torch.arange(800) % 4
    images = torch.zeros(800, 1, 28, 28)
    for k, (row, column) in enumerate([(0, 0), (0, 14), (14, 0), (14, 14)]):
        images[labels == k, :, row : row + 14, column : column + 14] = 1.0
    nets = {"lenet5": Place(), "n6-small-fields": Blind()}
    monkeypatch.setattr(n6_field, "digits", lambda: SimpleNamespace(test=Split(images, labels)))
    monkeypatch.setattr(n6_field, "network", lambda name, seed, recipe: nets[name])
    found = n6_field.lost(0, dice())
    assert found["lenet5"]["whole"] == 1 and found["n6-small-fields"]["whole"] == found["n6-small-fields"]["shuffled"]
    assert found["value"] == pytest.approx(18 / 23, abs=0.06) == 1 - found["lenet5"]["shuffled"]
    nets["lenet5"], nets["n6-small-fields"] = Blind(), Place()
    assert n6_field.lost(0, dice())["value"] == pytest.approx(-found["value"])


def test_what_goes_by_order_reads_the_whole_of_two(monkeypatch):
    """One network reads what is whole, the other what lies over it."""
    mixed, whole, other = torch.rand(8, 1, 28, 28, generator=dice()), torch.arange(8) % 4, (torch.arange(8) + 1) % 4
    said = {"lenet5": torch.cat([whole[:6], other[6:]]), "n6-small-fields": (whole + 2) % 4}
    said["n6-small-fields"][0] = other[0]
    monkeypatch.setattr(n6_field, "digits", lambda: SimpleNamespace(test=Split(mixed, whole)))
    monkeypatch.setattr(n6_field, "conflicts", lambda test, generator: (mixed, whole, other))
    monkeypatch.setattr(n6_field, "network", lambda name, seed, recipe: name)
    monkeypatch.setattr(n6_field, "read", lambda model, images, labels: said[model] == labels)
    found = n6_field.lost(0, dice())
    conflict, of_these = "conflict, one of the two", "of these, the whole one"
    assert (found["lenet5"][conflict], found["lenet5"][of_these]) == (1, 0.75)
    assert (found["n6-small-fields"][conflict], found["n6-small-fields"][of_these]) == (0.125, 0)
