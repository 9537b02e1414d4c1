"""Excess over noise between networks that read the same pixels, or others."""

import pytest
import torch
from torch import nn

from course_utils.data import Split
from course_utils.studies import s2

SPLIT = Split(torch.full((40, 1, 4, 4), 0.4), torch.arange(40) % 2)
SPLIT.images[0::2, :, :2], SPLIT.images[1::2, :, 2:] = 0.6, 0.6


class Reads(nn.Module):
    """The label is the half, upper or lower, that is brighter in some columns."""

    def __init__(self, columns):
        super().__init__()
        self.columns = columns

    def forward(self, images):
        seen = images[:, 0, :, self.columns]
        value = seen[:, :2].mean((1, 2)) - seen[:, 2:].mean((1, 2))
        return 20 * torch.stack([value, -value], 1)


def test_changes_reach_a_network_that_reads_the_same_pixels_and_no_other():
    left, right = Reads(slice(0, 2)), Reads(slice(2, 4))
    for reader, expected in ((left, 1.0), (right, 0.0)):
        excess, wrong, amplified = s2.shown(left, reader, SPLIT, torch.Generator().manual_seed(0)).tolist()
        assert excess == pytest.approx(expected, abs=0.1) and wrong == expected and 0 <= amplified <= 1


def test_error_counts():
    assert s2.error(Reads(slice(0, 4)), SPLIT.images, SPLIT.labels) == 0
    assert s2.error(Reads(slice(0, 4)), SPLIT.images, 1 - SPLIT.labels) == 1


def test_a_pair_is_counted_once_and_a_kind_with_itself_too():
    units = s2._pairs(0, 1)
    assert len({frozenset(map(tuple, unit)) for unit in units.values()}) == len(units) == 45
    assert sum(a[0] == b[0] for a, b in units.values()) == 5 and len(s2._pairs(2)) == 10
