"""The detector with its weights, where these can be had, and one with none."""

import pytest
import torch

from course_utils import faces
from course_utils.core import storage
from course_utils.faces import detector


@pytest.fixture(scope="module")
def trained():
    try:
        return faces.nets("cpu")
    except storage.Missing as error:
        pytest.skip(f"needs the weights: {error}")


@pytest.fixture
def untrained():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return detector.Cascade(detector.PNet(), detector.RNet(), detector.ONet())
