"""The one door to the networks: each name leads to its network, and a name that is none to the closest."""

import pytest
import torch
from torch import nn

from course_utils import evaluation, zoo
from course_utils.zoo import imagenet, mnist, robust


def test_each_name_leads_to_its_room(monkeypatch):
    asked = []
    for room, function in ((mnist, "trained"), (robust, "shipped"), (imagenet, "classifier")):
        note = f"{room.__name__.rpartition('.')[2]}.{function}"

        def answer(name, room=room, note=note, **how):
            asked.append((note, name, how))
            return (nn.Dropout(), {}) if room is robust else nn.Dropout()

        monkeypatch.setattr(room, function, answer)
    zoo.load("lenet5", seed=3, device="cpu", progress=False)
    zoo.load("small-fast", device="cpu")
    zoo.load("mobilenet_v2")
    assert not zoo.load("efficientnet_lite0", device="cpu").training
    assert asked == [
        ("mnist.trained", "lenet5", dict(seed=3, device=torch.device("cpu"), progress=False)),
        ("robust.shipped", "small-fast", {}),
        ("imagenet.classifier", "mobilenet_v2", {}),
        ("imagenet.classifier", "efficientnet_lite0", {}),
    ]


def test_no_name_leads_to_two_rooms():
    rooms = [set(mnist.RECIPES), set(robust.RECIPES), set(imagenet.names())]
    assert len(set.union(*rooms)) == sum(map(len, rooms))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lenet-5", "no network is called 'lenet-5'; did you mean 'lenet5'"),
        ("smal-fast", "did you mean 'small-fast'"),
        ("mobilenetv2", "did you mean 'mobilenet_v2'"),
        ("efficientnet_lite", "did you mean 'efficientnet_lite0'"),
        ("xyz", "there are lenet5, caffe_lenet, .*small-fast.* and torchvision's"),
        (None, "no network is called None"),
        ("fcn_resnet50", "no network"),
        ("vit_h_14", "wants images of 518 pixels"),
    ],
)
def test_names_that_are_none(name, message):
    with pytest.raises(ValueError, match=message):
        zoo.load(name)


@pytest.mark.parametrize("name", ["small-fast", "mobilenet_v2"])
def test_a_network_that_is_stored_has_no_seeds(name):
    with pytest.raises(ValueError, match=f"seed=3: '{name}' is stored as one network; seeds are for lenet5"):
        zoo.load(name, seed=3)
    with pytest.raises(ValueError, match="did you mean 'lenet5'"):  # the name comes first
        zoo.load("lenet-5", seed=3)


def test_a_network_comes_ready_to_be_asked():
    net = zoo.load("small-fast", device="cpu")
    assert isinstance(net, nn.Sequential) and not net.training
    assert evaluation.logits(net, torch.rand(2, 1, 28, 28)).shape == (2, 10)
