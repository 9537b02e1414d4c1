"""B9: who refuses how many, on scores that are known."""

import torch
from torch import nn

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
