"""Networks for the tests of attacks: one with modes, one that is interrupted, one that shows no gradient."""

import torch
from torch import nn

from course_utils import evaluation


def small(shape=(3, 17, 23), classes=7):
    """A net with a mode, for images of any shape, and five random images with the labels that it gives them."""
    torch.manual_seed(1)
    channels, height, width = shape
    model = nn.Sequential(
        nn.Conv2d(channels, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Flatten(),
        nn.Dropout(),
        nn.Linear(4 * height * width, classes),
    )
    images = torch.rand(5, *shape)
    return model, images, evaluation.predict(model, images).labels


class Stopped(nn.Module):
    """A net during whose k-th pass the stop button is pressed."""

    def __init__(self, net, k):
        super().__init__()
        self.net, self.left = net, k

    def forward(self, images):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt
        return self.net(images)


class Steep(nn.Module):
    """A net with logits so large that its cross-entropy rounds to 0, and its gradient with it."""

    def __init__(self, net, factor=1000):
        super().__init__()
        self.net, self.factor = net, factor

    def forward(self, images):
        return self.factor * self.net(images)


class NoWayBack(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        raise AssertionError("the gradient was asked for")
