"""B9: who refuses how many, on scores that are known."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from course_utils.data import Split
from course_utils.studies import b9


def test_a_refusal_lets_in_the_share_that_it_is_given():
    images = torch.linspace(0, 1, 100).view(-1, 1, 1, 1).expand(-1, 1, 1, 2)
    model = nn.Flatten()
    careful = b9.refusing(model, b9.Doubt(model, lambda logits: -logits[:, 0]), images)
    assert careful.accepted(images).sum() == 95
    assert not careful.accepted(torch.full((1, 1, 1, 2), 1.0)).any()


def test_the_lead_is_the_log_odds_of_the_best_digit():
    logits = torch.randn(20, 11, generator=torch.Generator().manual_seed(0))
    p = logits.softmax(1)[:, :10].amax(1)
    torch.testing.assert_close(b9.lead(logits), (p / (1 - p)).log())


def test_the_best_is_chosen_in_one_half_and_counted_in_the_other():
    yes, no = torch.ones(10, dtype=torch.bool), torch.zeros(10, dtype=torch.bool)
    assert b9.least({"all": yes, "none": no}) == ("none", [0, 5])
    assert b9.least({"all": yes}) == ("all", [5, 5])
    lucky = torch.tensor([False, True] * 5)
    assert b9.least({"lucky": lucky, "all": yes}) == ("lucky", [5, 5])


def test_a_unit_without_any_method_says_so():
    with pytest.raises(ValueError, match="no method"):
        b9.least({})


@pytest.mark.parametrize("near, best, value", [(40, "none", [0, 10]), (41, "all", [30, 30])])
def test_a_method_with_too_few_pictures_off_the_manifold_is_not_asked(monkeypatch, near, best, value):
    classes = []

    def climb(careful, targets, **_):
        classes.append(targets)
        images = torch.ones(len(targets), 1, 28, 28)
        images[: near if careful.threshold < 0 else 0] = 0.0  # these are digits
        return images

    class Careful(nn.Module):
        def __init__(self, takes):
            super().__init__()
            self.takes, self.threshold = takes, 1 if takes else -1

        def accepted(self, images):
            return torch.full((len(images),), self.takes)

    class Reads(nn.Module):
        def forward(self, images):
            return 5 * torch.eye(10)[[0] * len(images)]

    split = Split(torch.zeros(30, 1, 28, 28), torch.zeros(30, dtype=torch.long))
    monkeypatch.setattr(b9, "digits", lambda: SimpleNamespace(train=split, test=split))
    monkeypatch.setattr(b9, "methods", lambda *_: {"all": (Reads(), True), "none": (Reads(), False)})
    monkeypatch.setattr(b9, "refusing", lambda model, doubt, images: Careful(doubt))
    monkeypatch.setattr(b9, "ascend", climb)
    found = b9.accepted_by_best("climbed", torch.Generator().manual_seed(0))
    assert (found["best"], found["value"]) == (best, value)
    assert all(set(targets[half::2].tolist()) == set(range(10)) for targets in classes for half in (0, 1))


def test_no_two_units_share_a_number():
    (study,) = b9.STUDIES
    numbers = [key.split()[1] for key in study.units | study.again]
    assert len(set(numbers)) == len(numbers) == 45
    assert [list(study.units.values()).count(kind) for kind in b9.KINDS] == [10, 10, 10]
