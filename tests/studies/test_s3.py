"""Shares of pixels of changes that are known, and noise of a given length."""

import pytest
import torch

from course_utils.attacks.distances import l2
from course_utils.studies import s3


def test_share_of_pixels_of_one_of_all_and_of_some():
    one, even, some = torch.zeros(3, 1, 10, 10)[:, None].unbind()
    one[0, 0, 3, 4], some[0, 0, 0, :5] = -0.2, torch.tensor([0.9, -0.3, 0.2, 0.1, 0.1])
    even += 0.01
    shares = s3.share_of_pixels(torch.cat([one, even, some]))
    assert shares.tolist() == pytest.approx([0.01, 0.9, 0.02])  # 0.81 of 0.96 is not enough, 0.90 is


def test_noise_is_as_long_as_the_change_after_it_was_clipped():
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(6, 1, 28, 28, generator=generator).round()
    changed = (images + torch.linspace(0.01, 0.2, 6)[:, None, None, None]).clamp(0, 1)
    found = s3.noisy(images, changed, generator)
    torch.testing.assert_close(l2(images, found), l2(images, changed), rtol=1e-3, atol=1e-4)
    assert found.min() >= 0 and found.max() <= 1
    assert 0.2 < s3.share_of_pixels(found - images).mean() < 0.4  # half of the pixels can move, and half of these do
