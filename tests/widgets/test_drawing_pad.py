"""The sketchpad: the drawing becomes what MNIST would have made of it, and the model is left as it was."""

import math
import statistics

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from course_utils import data, figures, models, widgets
from course_utils.widgets import mnist_like
from course_utils.widgets.drawing_pad import rasterise
from tests.stage import ask, count_passes

LOOP = [[140 + 80 * math.cos(t / 10), 140 + 110 * math.sin(t / 10)] for t in range(63)]


@pytest.fixture(scope="module")
def digits():
    return data.mnist("cpu").test.images[:1000]


def test_an_enlarged_digit_of_mnist_comes_back_as_it_was(digits):
    large = F.interpolate(digits, scale_factor=10, mode="nearest")
    back = torch.cat([mnist_like(one[0]) for one in large])
    same = (back - digits).abs().amax(dim=(1, 2, 3)) < 1e-5
    assert same.float().mean() > 0.99  # all but those that were not 20 pixels long
    assert (back - digits).abs().mean() < 0.001


def test_neither_place_nor_size_of_a_drawing_matters(digits):
    for one in digits[:50]:
        large = F.interpolate(one[None], scale_factor=7, mode="nearest")[0, 0]
        assert torch.equal(mnist_like(F.pad(large, (0, 140, 100, 40))), mnist_like(large))
        doubled = F.interpolate(large[None, None], scale_factor=2, mode="nearest")[0, 0]
        assert (mnist_like(doubled) - mnist_like(large)).abs().max() < 1e-5


def test_the_aspect_ratio_is_kept_and_the_centre_of_mass_is_in_the_middle():
    drawing = torch.zeros(280, 280)
    drawing[40:240, 60:100] = 1
    drawing[200:240, 100:160] = 1  # an L: its middle is not its centre of mass
    image = mnist_like(drawing)[0, 0]
    rows, columns = image.nonzero(as_tuple=True)
    assert rows.max() - rows.min() + 1 == 20
    assert columns.max() - columns.min() + 1 == 10
    grid = torch.arange(28) + 0.5
    for axis in (0, 1):
        assert 14 <= (image.sum(axis) * grid).sum() / image.sum() < 15


def test_no_ink_is_cut_off_where_the_centre_of_mass_lies_far_out():
    drawing = torch.zeros(280, 280)
    drawing[20:60, 20:260] = 1
    drawing[60:260, 138:142] = 1  # a nail: nearly all ink is in its head
    image = mnist_like(drawing)[0, 0]
    assert image[27].sum() > 0
    assert torch.isclose(image.sum(), drawing.sum() / 144, rtol=0.01)


def test_a_dot_and_a_hairline_are_drawings():
    assert mnist_like(rasterise([[(140, 140)]])).sum() > 250
    hairline = torch.zeros(280, 280)
    hairline[10, :] = 1
    assert mnist_like(hairline).sum() == 20


@pytest.mark.parametrize(
    ("drawing", "message"),
    [
        (torch.zeros(280, 280), "blank"),
        (torch.ones(1, 280, 280), "without channels"),
        (torch.full((280, 280), 255.0), "divide grey levels by 255"),
        (torch.full((280, 280), math.nan), "not 0 to 1"),
    ],
)
def test_other_drawings_are_refused(drawing, message):
    with pytest.raises(ValueError, match=message):
        mnist_like(drawing)


def test_strokes_are_as_wide_as_those_of_mnist(digits):
    loop = mnist_like(rasterise([LOOP])).sum().item()
    nought = statistics.median(one.sum().item() for one in digits[data.mnist("cpu").test.labels[:1000] == 0])
    assert 0.6 < loop / nought < 1.4


def test_an_answer_holds_confidences_and_the_image(live):
    network = models.LeNet5().train()
    pad = widgets.sketchpad(network)
    answer, (image,) = ask(pad, "look", strokes=[LOOP])
    assert math.isclose(sum(answer["shares"]), 1)
    assert answer["shares"][answer["best"]] == max(answer["shares"])
    assert len(answer["texts"]) == len(answer["shares"]) == pad.classes == 10
    assert len(image) == 784
    assert max(image) == 255
    assert network.training
    assert all(parameter.grad is None for parameter in network.parameters())


def test_an_answer_asks_the_network_once(live):
    network = models.CaffeLeNet()
    pad, passes, threads = widgets.sketchpad(network), count_passes(network), torch.get_num_threads()
    ask(pad, "look", strokes=[LOOP] * 10)
    assert len(passes) == 1
    assert torch.get_num_threads() == threads


def test_two_pads_ask_their_own_networks(live):
    bright, dark = models.LeNet5(), models.LeNet5()
    with torch.no_grad():
        bright[-1].bias[3] += 100
        dark[-1].bias[4] += 100
    pads = [widgets.sketchpad(network) for network in (bright, dark)]
    assert [ask(pad, "look", strokes=[LOOP])[0]["best"] for pad in pads] == [3, 4]


def test_an_error_goes_into_the_pad(live):
    network = models.LeNet5()
    pad = widgets.sketchpad(network)
    with torch.no_grad():
        network[-1].bias[0] = math.nan
    answer, buffers = ask(pad, "look", strokes=[LOOP])
    assert answer["error"].startswith("ValueError: the model returns NaN")
    assert buffers == []


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (nn.Conv2d(3, 10, 3), "cannot take torch.float32 images"),
        (nn.Sequential(models.LeNet5(), nn.Softmax(1)), "probabilities"),
        (nn.Identity(), r"not \(1, K\) logits"),
    ],
)
def test_a_network_that_does_not_fit_is_refused_at_once(network, message):
    with pytest.raises(ValueError, match=message):
        widgets.sketchpad(network)


def test_the_static_twin_is_a_picture(static, undrawn):
    picture = widgets.sketchpad(models.LeNet5())
    assert isinstance(picture, figures.Picture)
    assert "the letter A: An image beside bars" in picture.alt
