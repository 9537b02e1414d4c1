"""The pictures and the splits that networks learn from, and how often networks that are known are fooled."""

import torch
from torch import nn

from course_utils.data import MNIST, Split
from course_utils.studies import c2


class Sure(nn.Module):
    """Of the class whose number it is given, always."""

    def __init__(self, label):
        super().__init__()
        self.label = label

    def forward(self, images):
        return 50 * torch.eye(11)[self.label] + 0 * images.sum((1, 2, 3))[:, None]


def test_patterns_are_of_four_kinds_and_a_shuffled_digit_keeps_its_ink():
    kept = torch.rand(10, 1, 28, 28, generator=torch.Generator().manual_seed(1)).round()
    found = c2.patterns(40, kept, torch.Generator().manual_seed(0))
    again = c2.patterns(40, kept, torch.Generator().manual_seed(0))
    noise, gratings, blots, shuffled = found.split(10)
    assert found.shape == (40, 1, 28, 28) and found.equal(again) and found.min() >= 0 and found.max() <= 1
    torch.testing.assert_close(shuffled.sum((1, 2, 3)), kept.sum((1, 2, 3)))
    assert not shuffled.equal(kept) and set(blots.unique().tolist()) == {0.0, 1.0}

    def roughness(images):
        return (images.diff(dim=3).abs().mean() / images.std()).item()

    assert min(map(roughness, (noise, shuffled))) > 0.7 > 0.5 > roughness(blots) and gratings.std() > 0.3


def test_a_network_that_names_all_is_fooled_and_one_that_refuses_all_is_not(monkeypatch):
    monkeypatch.setattr(c2, "CLIMBED", 20)
    monkeypatch.setattr(c2, "DIGITS", 50)
    far = Split(torch.zeros(20, 1, 28, 28), torch.zeros(20).long())
    monkeypatch.setattr(c2, "digits", lambda: MNIST(far, far))
    generator = torch.Generator().manual_seed(0)
    assert c2.fooled(Sure(3), generator) == 1 and c2.fooled(Sure(c2.NONE), generator) == 0
    assert c2.misled(Sure(3), generator) == 1 and c2.misled(Sure(0), generator) == 0
