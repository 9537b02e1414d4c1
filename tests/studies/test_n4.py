"""N4: one whole run, on a small network in the place of the real one."""

import pytest
import torch
from torch import nn

from course_utils import zoo
from course_utils.fooling import CPPN, map_elites
from course_utils.studies import n4


@pytest.fixture
def small(monkeypatch):
    """Three classes, and a run of four generations on the CPU."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential(nn.AvgPool2d(56), nn.Flatten(), nn.Linear(48, 3)).eval()
    monkeypatch.setattr(zoo, "load", lambda name, device: model)
    for name, value in dict(GENERATIONS=4, CHILDREN=5, DEVICE="cpu").items():
        monkeypatch.setattr(n4, name, value)
    return model


def test_a_unit_is_a_run(small, monkeypatch):
    how = dict(generations=4, population=5, generator=torch.Generator().manual_seed(1), progress=False)
    twin = map_elites(small, CPPN((3, 224, 224)), **how)
    monkeypatch.setattr(n4, "HIGH", twin.confidence.sort().values[1].item() - 1e-4)
    found = n4.reached(1, torch.Generator())
    assert found["value"] == pytest.approx(2 / 3, abs=1e-3) and found["device"] == "cpu"
    assert found["confidence"]["0.5"] == pytest.approx(twin.confidence.median().item(), abs=1e-3)


def test_an_interrupted_run_is_no_result(small, monkeypatch):
    def interrupted(model, encoding, *, generations, **how):
        return map_elites(model, encoding, generations=2, **how)

    monkeypatch.setattr(n4, "map_elites", interrupted)
    with pytest.raises(KeyboardInterrupt):
        n4.reached(0, torch.Generator())


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_cuda_it_says_so():
    with pytest.raises(RuntimeError, match="no CUDA device: it would take days"):
        n4.reached(0, torch.Generator())
