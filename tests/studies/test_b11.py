"""B11: patches against slices, and shares that are known."""

import torch

from course_utils.studies import b11


def test_patches_are_slices_of_the_picture():
    grey = torch.arange(40 * 50.0).view(40, 50)
    for patch in b11.patches(grey, 20, torch.Generator().manual_seed(0)).view(-1, 28, 28):
        row, column = divmod(int(patch[0, 0]), 50)
        assert torch.equal(patch, grey[row : row + 28, column : column + 28])


def test_uniform_vectors_follow_the_formula_and_grey_ones_are_all_above():
    number, independent = b11.shares(torch.rand(20_000, 100, generator=torch.Generator().manual_seed(0)))
    assert abs(number / 20_000 - 0.99**100) < 0.01 and abs(independent - 0.99**100) < 0.01
    assert b11.shares(torch.full((3, 784), 0.5)) == (3, 1.0)
    assert b11.shares(torch.full((3, 784), 0.01)) == (0, 0.0)
