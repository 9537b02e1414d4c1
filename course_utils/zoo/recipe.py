"""What a network of the course is made of and how it is trained: enough to make it again."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import nn

from course_utils import runtime
from course_utils.training import seeded


@dataclass(frozen=True)
class Recipe:
    """``build()`` makes the network, and ``train(model, split, generator=..., progress=...)`` trains it."""

    build: Callable[[], nn.Module]
    train: partial

    def stamp(self, seed: int = 0) -> str:
        """What decides the weights, as a text that is kept beside them.

        >>> from course_utils import models, training
        >>> Recipe(models.LeNet5, partial(training.fit, epochs=3, lr=0.004)).stamp(seed=1)
        'LeNet5, fit(epochs=3, lr=0.004), seed 1'
        """
        return f"{_text(self.build)}, {_text(self.train)}, seed {seed}"

    def fresh(self, seed: int = 0) -> nn.Module:
        with seeded(seed), runtime.float32():
            return self.build()


def _text(value: object) -> str:
    """A call or a class without its module, so that it may move."""
    if not isinstance(value, partial):
        return getattr(value, "__name__", repr(value))
    arguments = [_text(each) for each in value.args]
    arguments += [f"{name}={_text(each)}" for name, each in value.keywords.items()]
    return f"{value.func.__name__}({', '.join(arguments)})"
