"""N5: repeats are found in the picture alone, and the value says which loss is larger."""

import numpy as np
import pytest
import torch
from torch import nn

from course_utils.studies import n5, photos


@pytest.fixture
def board():
    """A picture with ten copies of one element on grey, and four other squares that are there once."""
    draw, grey = np.random.default_rng(0), np.full((224, 224), 0.5, np.float32)
    element, copies = (
        draw.random((28, 28), np.float32),
        [(28 * row, 56 * place) for row in (0, 5) for place in range(4)],
    )
    copies += [(70, 14), (70, 70)]
    single = [(84, 140), (84, 182), (182, 28), (182, 112)]
    for row, column in copies:
        grey[row : row + 28, column : column + 28] = element
    for row, column in single:
        grey[row : row + 28, column : column + 28] = draw.random((28, 28), np.float32)
    return grey, copies, single


def test_copies_are_found_and_squares_that_have_none(board):
    grey, copies, single = board
    found, others = n5.squares(grey)
    assert sorted(map(tuple, found.tolist())) == sorted(copies)
    for corner in others:  # each overlaps a single one and no copy
        assert min(np.abs(corner - np.array(single)).max(1)) < 28 <= min(np.abs(corner - np.array(copies)).max(1))
    assert len(others) >= 3


def test_a_flat_picture_has_nothing():
    found, others = n5.squares(np.full((224, 224), 0.5, np.float32))
    assert len(found) == len(others) == 0


def test_paint_is_the_mean_colour_and_touches_the_squares_alone():
    image = torch.rand(1, 3, 224, 224)
    made = n5.painted(image, np.array([[0, 0], [100, 50]]))
    changed = (made != image).any(1)
    assert changed.sum() == 2 * 28**2 and torch.equal(made[..., 0, 0], image.mean((2, 3)))


class Counting(nn.Module):
    """The log-odds of class 7 are the number of pixels of a kind."""

    def __init__(self, mask):
        super().__init__()
        self.mask = mask

    def forward(self, images):
        logits = torch.zeros(len(images), 10)
        logits[:, 7] = ((images - images.mean((2, 3), keepdim=True)).abs() * self.mask).sum((1, 2, 3)) / 100
        return logits


@pytest.mark.parametrize("counts", ["copies", "single"])
def test_a_network_loses_by_what_it_counts(board, monkeypatch, counts):
    grey, *kinds = board
    mask = torch.zeros(224, 224)
    for row, column in dict(zip(("copies", "single"), kinds, strict=True))[counts]:
        mask[row : row + 28, column : column + 28] = 1
    monkeypatch.setattr(n5, "pattern", lambda label: torch.from_numpy(grey).expand(1, 3, -1, -1).clone())
    monkeypatch.setattr(photos, "namer", lambda: Counting(mask))
    found = n5.repeats_lost(7, torch.Generator().manual_seed(0))
    assert (found["value"] > 0) == (counts == "copies") and found["value"] != 0
    assert found["repeats, others, painted"][0] == 10


def test_the_patterns_are_those_of_the_rule():
    assert len(n5.PATTERNS) == len(set(n5.PATTERNS)) == 37
    grey = n5.pattern(507)[0].mean(0).numpy()
    copies, others = n5.squares(grey)
    assert len(copies) >= n5.REPEATS and len(others) >= n5.SINGLE


@pytest.mark.slow
def test_all_patterns_with_repeats_are_there():
    confident = (n5._stored().tables["confidence"] >= 0.5).nonzero().squeeze(1).tolist()
    found = {label: n5.squares(n5.pattern(label)[0].mean(0).numpy()) for label in confident}
    enough = [k for k, (copies, others) in found.items() if len(copies) >= n5.REPEATS and len(others) >= n5.SINGLE]
    assert tuple(enough) == n5.PATTERNS
