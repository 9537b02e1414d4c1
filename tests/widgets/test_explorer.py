"""The attack explorer, live and static, without a browser."""

import pytest
import torch
from torch import nn

from course_utils import figures, models
from course_utils.widgets import attack_explorer
from course_utils.widgets.explorer import ATTACKS, PRESETS

pytestmark = pytest.mark.usefixtures("undrawn")  # that it is drawn: see test_widget_contract


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return models.LeNet5().train()


def widget(network):
    """The four inputs, the picture and the trouble line of a live explorer."""
    *inputs, _, picture, trouble, _ = attack_explorer(network).children
    return inputs, picture, trouble


def test_the_static_twin_shows_each_preset(static, network):
    picture = attack_explorer(network)
    assert isinstance(picture, figures.Picture)
    assert picture.alt.count("the changed digit, called") == len(PRESETS)
    for preset in PRESETS:
        assert f"attack = {preset['attack']}, eps = {preset['eps']}" in picture.alt


@pytest.mark.parametrize("attack", ATTACKS)
def test_each_attack_is_drawn_and_a_slider_redraws(live, network, attack):
    (image, choice, eps, steps), picture, trouble = widget(network)
    choice.value, image.value = attack, 3
    before = picture.value
    image.value, eps.value, steps.value = 4, 0.2, 5
    assert picture.value != before and "largest pixel is" in picture.value and trouble.value == ""


def test_the_budget_is_kept_and_named(live, net):
    (_, choice, eps, _), picture, _ = widget(net)  # one that is right, so that pgd has something to do
    eps.value = 0.07
    assert "whose largest pixel is 0.070" in picture.value
    eps.value, choice.value = 0.0, "pgd"
    assert "whose largest pixel is 0.000" in picture.value and "is not fooled" in picture.value
    eps.value = 0.03
    assert "whose largest pixel is 0.0" in picture.value and "whose largest pixel is 0.000" not in picture.value


def test_the_network_is_left_as_it_was(live, network):
    weights = [p.clone() for p in network.parameters()]
    (image, choice, _, _), _, _ = widget(network)
    for choice.value in ATTACKS:
        image.value = 5
    assert network.training and all(p.grad is None for p in network.parameters())
    assert all(torch.equal(a, b) for a, b in zip(weights, network.parameters(), strict=True))


@pytest.mark.parametrize(
    ("network", "message"),
    [(nn.Sequential(nn.Flatten(), nn.Linear(784, 3)), "classes are 0 to 2"), (nn.Conv2d(3, 10, 3), "cannot take")],
)
def test_a_network_that_does_not_fit_is_refused(network, message):
    with pytest.raises(ValueError, match=message):
        attack_explorer(network)
