"""N2: what is regular, and that a ring for a zero counts as a zero."""

import pytest
import torch
from torch import nn

from course_utils.studies import n2, networks, pictures


def test_regularity_is_the_best_correlation_with_a_shifted_copy():
    chance = torch.Generator().manual_seed(0)
    noise = torch.rand(50, 1, 28, 28, generator=chance)
    stripes = (torch.arange(28) % 4 < 2).float().expand(1, 1, 28, 28)
    smooth = torch.rand(20, 1, 7, 7, generator=chance).repeat_interleave(4, 2).repeat_interleave(4, 3)
    assert n2.regularity(noise).max() < 0.3 < n2.REGULAR <= n2.regularity(smooth).min()
    assert n2.regularity(stripes).item() == pytest.approx(1, abs=1e-5)
    one = noise[:1]
    best = max(
        torch.corrcoef(
            torch.stack(
                [
                    one[0, 0, down:, max(right, 0) : 28 + min(right, 0)].flatten(),
                    one[0, 0, : 28 - down, max(-right, 0) : 28 - max(right, 0)].flatten(),
                ]
            )
        )[0, 1].item()
        for down in range(5)
        for right in range(-4, 5)
        if (down, right) > (0, 0)
    )
    assert n2.regularity(one).item() == pytest.approx(best, abs=1e-5)


class Reader(nn.Module):
    """Calls every image a 0."""

    def forward(self, images):
        return 5 * torch.eye(10)[0].expand(len(images), 10)


def test_a_bright_ring_on_black_is_recognised_as_a_zero_of_mnist(monkeypatch):
    few = type("Digits", (), {"train": networks.digits().train[:6000]})
    monkeypatch.setattr(pictures, "digits", lambda: few)
    line = torch.arange(28) - 13.5
    radius = (line[:, None] ** 2 + (1.3 * line) ** 2).sqrt()
    ring = torch.exp(-(((radius - 8) / 1.5) ** 2))[None, None]
    stripes = (torch.arange(28) % 6 < 3).float().expand(1, 1, 28, 28)
    images = torch.cat([ring, stripes, 1 - ring])  # a dark ring on white as well
    assert pictures.recognised(images, torch.tensor([0, 0, 0]), Reader()).tolist() == [True, False, True]


@pytest.mark.parametrize("read, value", [(False, 1.0), (True, 0.0)])
def test_sure_and_regular_counts_only_where_it_is_not_recognised(monkeypatch, read, value):
    """A network that is sure of all classes of stripes by their phase, and recognisers that say yes or no."""
    monkeypatch.setattr(n2, "network", lambda name, seed: None)
    monkeypatch.setattr(n2, "GENERATIONS", 1)
    run = type("Run", (), {"images": torch.ones(10, 1, 28, 28).cumsum(3) / 28, "genomes": None})
    monkeypatch.setattr(n2, "evolved", lambda *some: run)
    monkeypatch.setattr(n2.CPPN, "render", lambda self, genomes, size: torch.ones(10, 1, *size))
    monkeypatch.setattr(n2, "sure", lambda model, images, labels: labels >= 0)
    monkeypatch.setattr(n2, "recognition", lambda *some: {})
    answers = iter([torch.zeros(10, dtype=torch.bool), torch.full((10,), read)])
    monkeypatch.setattr(n2, "reading", lambda *some: (next(answers), torch.ones(10, dtype=torch.bool)))
    found = n2.like_nothing(0, torch.Generator())
    assert found["value"] == value and found["regular"] == 1
