r"""Defensive distillation: train a second network on the softened answers of a first.

    q(k | x) = softmax(f_teacher(x) / T),      loss = -sum_k q(k | x) log softmax(f_student(x) / T)_k

The teacher was trained at the same temperature T, and the student is used at T = 1 (Papernot et al., arXiv
1511.04508). At T = 100 the student learns logits a hundred times as large as usual. Used at T = 1 its softmax is then
exactly 0 or 1 in float32, and so the gradient of the cross-entropy is exactly 0: an attack that follows its sign stands
still. Divide the logits by T, or ascend the margin between two of them, and it moves (Carlini and Wagner, arXiv
1608.04644).
"""

import copy

from torch import Tensor, nn
from torch.nn import functional as F

from course_utils import evaluation
from course_utils.data import Split
from course_utils.training import History, Loss, fit


def softened_loss(temperature: float, teacher: nn.Module | None = None) -> Loss:
    """The loss above, for `training.fit`; without a teacher the labels are the answers, as when one is trained."""
    if not 0 < temperature < float("inf"):
        raise ValueError(f"temperature={temperature}: want a finite number above 0, such as 100.0")

    def loss(student: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        if teacher is None:
            return F.cross_entropy(student(images) / temperature, labels)
        answers = (evaluation.logits(teacher, images) / temperature).softmax(1)
        outputs = student(images) / temperature
        if answers.shape != outputs.shape:
            known, asked = answers.shape[1], outputs.shape[1]
            raise ValueError(f"the teacher knows {known} classes and the student {asked}: want as many")
        return F.cross_entropy(outputs, answers.to(outputs))

    return loss


def distil(model: nn.Module, split: Split, *, temperature: float, **settings) -> History:
    """The whole defense: train a copy of the fresh ``model`` on the labels, then ``model`` on what that copy answers.

    Both are trained at the same temperature, by `training.fit` with the same ``settings`` and without decay.

    >>> from course_utils import data, models
    >>> distil(models.Strided(), data.mnist().train[:256], temperature=20.0, epochs=1, progress=False).finished
    True
    """
    if isinstance(model, nn.Module) and isinstance(split, Split):
        evaluation.initialise(model, split[:1].images)  # so that lazy layers have the weights that both begin with
    teacher = copy.deepcopy(model)
    history = fit(teacher, split, loss=softened_loss(temperature), decay=0.0, **settings)
    if history.finished:
        history = fit(model, split, loss=softened_loss(temperature, teacher), decay=0.0, **settings)
    return history
