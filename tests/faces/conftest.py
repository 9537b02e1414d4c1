"""The detector with no weights."""

import pytest
import torch

from course_utils.faces import detector


@pytest.fixture
def untrained():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return detector.Cascade(detector.PNet(), detector.RNet(), detector.ONet())
