"""The networks are those of the papers, and normalise inside."""

import pytest
import torch
from torch import nn

from course_utils import models


@pytest.mark.parametrize(
    ("build", "parameters"),
    [
        (models.LeNet5, 61_706),
        (models.CaffeLeNet, 431_080),
        (models.Strided, 166_406),
        (models.FC, 7_850),
        (lambda: models.FC(100, 100, activation=nn.Sigmoid), 89_610),
        (lambda: models.FC(500, 150), 469_160),
        (models.AE400, 318_010),
    ],
)
def test_shapes_and_parameters(build, parameters):
    model = build()
    assert sum(p.numel() for p in model.parameters()) == parameters
    assert model(torch.rand(2, 1, 28, 28)).shape == (2, 10)


def test_caffe_lenet_has_one_relu_after_the_first_dense_layer():
    kinds = [type(layer) for layer in models.CaffeLeNet()]
    assert kinds.count(nn.ReLU) == 1 and kinds.index(nn.ReLU) == kinds.index(nn.Linear) + 1


def test_lenet_normalises_inside():
    model, images = models.LeNet5(), torch.rand(4, 1, 28, 28)
    assert torch.equal(model(images), model[1:]((images - 0.1307) / 0.3081))


def test_normalise_takes_one_number_for_all_channels():
    images = torch.rand(2, 3, 4, 4)
    assert torch.equal(models.Normalise(0.25, 0.5)(images), models.Normalise([0.25] * 3, [0.5] * 3)(images))


def test_normalise_travels_with_the_weights_and_is_not_trained():
    layer = models.Normalise([0.1, 0.2, 0.3], [0.5, 0.6, 0.7])
    assert list(layer.parameters()) == [] and set(layer.state_dict()) == {"mean", "std"}
    assert layer(torch.rand(2, 3, 4, 5)).shape == (2, 3, 4, 5)


@pytest.mark.parametrize(("mean", "std"), [([0.1], [0.0]), ([0.1], [0.1, 0.2]), ([0.1], [-1.0])])
def test_normalise_refuses_impossible_constants(mean, std):
    with pytest.raises(ValueError, match="every std above 0"):
        models.Normalise(mean, std)


def test_fc_is_dense_layers_with_the_activation_between():
    model, images = models.FC(30, 20, activation=nn.Sigmoid), torch.rand(4, 1, 28, 28)
    first, second, last = (layer for layer in model if isinstance(layer, nn.Linear))
    by_hand = last(second(first(images.flatten(1)).sigmoid()).sigmoid())
    assert torch.equal(model(images), by_hand)
    assert [type(layer) for layer in models.FC(5)] == [nn.Flatten, nn.Linear, nn.ReLU, nn.Linear]
    assert [type(layer) for layer in models.FC()] == [nn.Flatten, nn.Linear]


@pytest.mark.parametrize("widths", [(0,), (100, -3), (1.5,), ("100",), ([100, 100],), (None,)])
def test_fc_refuses_impossible_widths(widths):
    with pytest.raises(ValueError, match="whole numbers above 0"):
        models.FC(*widths)


def test_ae400_is_softmax_regression_on_400_sigmoid_units():
    assert [type(layer) for layer in models.AE400()] == [nn.Flatten, nn.Linear, nn.Sigmoid, nn.Linear]
    assert models.AE400()[1].weight.shape == (400, 784)
