"""Bad images and labels are named, each with its likely mistake."""

import numpy as np
import pytest
import torch

from course_utils.core.checks import check_images, check_labels, levels

GOOD = torch.rand(3, 1, 28, 28)

BAD_IMAGES = {
    "a ndarray, not a tensor": np.zeros((3, 1, 28, 28)),
    "convert with images.float() / 255": torch.zeros(3, 1, 28, 28, dtype=torch.uint8),
    "convert with images.float()": torch.zeros(3, 1, 28, 28, dtype=torch.int64),
    "write image[None]": GOOD[0],
    "write image[None, None]": GOOD[0, 0],
    "not (N, C, H, W)": GOOD.flatten(),
    "the batch is empty": GOOD[:0],
    "hold NaN": torch.where(GOOD < 0.5, torch.nan, GOOD),
    "divide by 255": 255 * GOOD,
    "before normalisation": (GOOD - 0.1307) / 0.3081,
    "not 0 to 1": GOOD * float("inf"),
}


@pytest.mark.parametrize("message", BAD_IMAGES)
def test_bad_images_get_a_message_that_helps(message):
    with pytest.raises((TypeError, ValueError)) as caught:
        check_images(BAD_IMAGES[message])
    assert message in str(caught.value)


def test_good_images_come_back_untouched():
    assert check_images(GOOD) is GOOD
    assert check_images(torch.zeros(1, 3, 5, 7, dtype=torch.float64)).dtype == torch.float64


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_levels_are_those_of_a_file(dtype):
    images = torch.rand(2, 3, 50, 50, dtype=dtype, generator=torch.Generator().manual_seed(0))
    found = levels(images)
    assert found.dtype == dtype and torch.equal(found, torch.from_numpy(np.rint(255 * images.numpy())))
    assert (found / 255 - images).abs().max() <= 0.5 / 255 + 1e-6
    every = torch.arange(256, dtype=dtype)
    assert torch.equal(levels(every / 255), every)  # a file read and written again stays as it is


BAD_LABELS = {
    "a list, not a tensor": [1, 2, 3],
    "convert with labels.long()": torch.tensor([1.0, 2.0, 3.0]),
    "int32": torch.tensor([1, 2, 3], dtype=torch.int32),
    ".argmax(1)": torch.eye(10)[:3],
    "one class number an image": torch.tensor([1, 2]),
    "classes are 0 to 9": torch.tensor([1, 2, 10]),
    "run from -1": torch.tensor([1, 2, -1]),
}


@pytest.mark.parametrize("message", BAD_LABELS)
def test_bad_labels_get_a_message_that_helps(message):
    with pytest.raises((TypeError, ValueError)) as caught:
        check_labels(BAD_LABELS[message], number=3, classes=10)
    assert message in str(caught.value)
