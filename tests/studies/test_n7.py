"""N7: the share taken in is known for a twin of the breeder, for its negative, and for who says one digit."""

import pytest
import torch
from torch import nn

from course_utils.studies import n7, verdict


def linear(weight):
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    model[1].weight.data, model[1].bias.data = weight, torch.zeros(10)
    return model


@pytest.fixture
def readers(monkeypatch):
    """Network 0 breeds; 1 agrees with it, 2 says the opposite, 3 calls everything a 7, 4 is sure of nothing."""
    torch.manual_seed(0)
    weight, seven = 3 * torch.randn(10, 784), torch.zeros(10, 784)
    seven[7] = 1
    models = [linear(weight), linear(weight), linear(-weight), linear(seven), linear(0 * weight)]
    monkeypatch.setattr(n7, "of_family", models.__getitem__)
    monkeypatch.setattr(n7, "GENERATIONS", 5)
    n7.bred_on.cache_clear()
    yield
    n7.bred_on.cache_clear()


@pytest.mark.parametrize("encoding", n7.ENCODINGS)
def test_shares_of_readers(readers, encoding):
    found = [n7.carried([0, reader, encoding], torch.Generator()) for reader in (1, 2, 3, 4)]
    shares = [each["value"][2] for each in found]
    assert shares[0] == 1 and shares[1] == 0 and shares[2] <= 1 / found[0]["images"] + 1e-4 and shares[3] == 0
    assert found[0]["value"][:2] == [0, 1] and found[0]["factor"] == encoding and found[0]["images"] >= 3


def test_what_was_bred_does_not_depend_on_the_reader_or_the_order(readers):
    first = n7.bred_on(0, "CPPN").images
    n7.bred_on.cache_clear()
    n7.carried([0, 2, "one gene a pixel"], torch.Generator().manual_seed(5))
    assert torch.equal(n7.bred_on(0, "CPPN").images, first)


def test_a_network_on_which_nothing_is_bred_is_named(readers):
    with pytest.raises(ValueError, match=r"0 images reached 99\.99 % on network 4"):
        n7.bred_on(4, "CPPN")


def test_units_are_all_ordered_pairs_of_ten_networks_of_four_families(monkeypatch):
    (study,) = n7.STUDIES
    assert len(study.units) == 2 * 90 and not set(study.again) & set(study.units)
    made = []
    monkeypatch.setattr(n7, "network", lambda name, seed, recipe: made.append((name, seed)))
    for number in (*range(10), 10, 18):
        n7.of_family(number)
    assert len(set(made)) == 12 and made[-2:] == [("lenet5", 10), ("fc500-150", 10)]
    values = [[i, j, 0.5 + 0.01 * i] for i, j, encoding in study.units.values() if encoding == "CPPN"]
    assert verdict.interval(values, "pairs").units == 10
