"""N7-imagenet on small networks in the place of the real ones."""

import pytest
import torch
from torch import nn

from course_utils import runtime, zoo
from course_utils.studies import n7_imagenet


@pytest.fixture
def nets(monkeypatch):
    """Two networks that name pictures by their mean colour, one that confuses the colours, and a blank one."""
    monkeypatch.setattr(runtime, "device", lambda: torch.device("cpu"))
    by_colour = 60 * torch.eye(3) - 20

    def net(weight):
        layer = nn.Linear(3, 3)
        layer.weight.data, layer.bias.data = weight, torch.zeros(3)
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), layer).eval()

    other = dict(
        zip(n7_imagenet.NETWORKS, (by_colour, by_colour.clone(), by_colour.roll(1, 0), 0 * by_colour), strict=True)
    )
    monkeypatch.setattr(zoo, "load", lambda name: net(other[name]))
    for name, value in dict(GENERATIONS=20, CHILDREN=20, TURNS=3, FEWEST=1, SHAPE=(3, 16, 16)).items():
        monkeypatch.setattr(n7_imagenet, name, value)
    n7_imagenet.bred_on.cache_clear()
    yield
    n7_imagenet.bred_on.cache_clear()


def test_what_is_bred_carries_to_a_twin_and_to_no_other(nets):
    twin, turned = (n7_imagenet.carried([0, reader], torch.Generator()) for reader in (1, 2))
    assert twin["value"] == [0, 1, 1.0] and twin["any name"] == 1 and twin["images"] >= 1
    assert turned["value"] == [0, 2, 0.0] and turned["any name"] == 1
    blank = n7_imagenet.carried([0, 3], torch.Generator())
    assert blank["value"][2] == 0 == blank["any name"]


def test_a_network_that_nothing_convinces_has_no_value(nets):
    with pytest.raises(ValueError, match="0 images reached 90% on squeezenet1_1"):
        n7_imagenet.carried([3, 0], torch.Generator())


def test_all_ordered_pairs():
    assert len(n7_imagenet.UNITS) == 12
