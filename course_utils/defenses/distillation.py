r"""Defensive distillation: train a second network on the softened answers of a first.

    q(k | x) = softmax(f_teacher(x) / T),      loss = -sum_k q(k | x) log softmax(f_student(x) / T)_k

The teacher was trained at the same temperature T, and the student is used at T = 1 (Papernot et al., arXiv
1511.04508). At T = 100 the student learns logits a hundred times as large as usual. Used at T = 1 its softmax is then
exactly 0 or 1 in float32, and so the gradient of the cross-entropy is exactly 0: an attack that follows its sign stands
still. Divide the logits by T, or climb the margin between two of them, and it moves (Carlini and Wagner, arXiv
1608.04644).
"""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils import evaluation, training
from course_utils.data import Split
from course_utils.training import History


def softened(logits: Tensor, temperature: float) -> Tensor:
    """The softmax of logits at a temperature: ``(N, K)`` -> shares ``(N, K)`` whose rows sum to 1.

    Raises:
        ValueError: a temperature that is not a finite number above 0.

    >>> softened(torch.tensor([[0.0, 5.0]]), temperature=100.0)
    tensor([[0.4875, 0.5125]])
    """
    return (logits / _check_temperature(temperature)).softmax(1)


def fit(
    student: nn.Module,
    teacher: nn.Module | None,
    split: Split,
    *,
    temperature: float,
    epochs: int,
    lr: float = 4e-3,
    batch: int = 128,
    generator: torch.Generator | None = None,
    progress: bool = True,
    on_report: Callable[[History], None] | None = None,
) -> History:
    """Train ``student`` in place on the teacher's softened answers to the images of ``split``.

    Args:
        student: maps images ``(N, C, H, W)`` in [0, 1] to logits ``(N, K)``.
        teacher: a network of the same classes, trained at this temperature; None takes the labels for its answers,
            which is how the teacher itself is trained.
        temperature: T above, of teacher and student alike.
        epochs, lr, batch, generator, progress, on_report: as in `training.fit`, and so is what an interrupt does.

    Raises:
        TypeError, ValueError: networks, a split or settings outside the convention; two networks of unlike classes.
        FloatingPointError: the loss became NaN or infinite.

    >>> from course_utils import data, models
    >>> digits, teacher, student = data.mnist().train[:256], models.Strided(), models.Strided()
    >>> _ = fit(teacher, None, digits, temperature=20.0, epochs=1, progress=False)
    >>> fit(student, teacher, digits, temperature=20.0, epochs=1, progress=False).finished
    True
    """
    _check_temperature(temperature)
    training.prepare(student, split)
    classes = evaluation.logits(student, split.images[:1]).shape[1]
    if teacher is None:
        answers = F.one_hot(split.labels, classes).to(split.images)
    else:
        outputs = evaluation.logits(teacher, split.images)
        if outputs.shape[1] != classes:
            raise ValueError(f"the teacher knows {outputs.shape[1]} classes and the student {classes}: want as many")
        answers = softened(outputs, temperature).to(split.images)

    def loss(rows: Tensor) -> Tensor:
        guesses = (student(split.images[rows]) / temperature).log_softmax(1)
        return -(answers[rows] * guesses).sum(1).mean()

    settings = dict(epochs=epochs, lr=lr, batch=batch, decay=0.0)
    return training.descend(
        student, loss, len(split), **settings, generator=generator, progress=progress, on_report=on_report
    )


def distil(model: nn.Module, split: Split, *, temperature: float, **settings) -> History:
    """The whole defense: train a copy of the fresh ``model`` on the labels, then ``model`` on what that copy answers.

    Both are trained at the same temperature, with the same settings of `fit`.

    Raises:
        TypeError, ValueError, FloatingPointError: as `fit`.

    >>> from course_utils import data, models
    >>> distil(models.Strided(), data.mnist().train[:256], temperature=20.0, epochs=1, progress=False).finished
    True
    """
    training.prepare(model, split)  # so that lazy layers have the weights that both begin with
    teacher = copy.deepcopy(model)
    history = fit(teacher, None, split, temperature=temperature, **settings)
    return fit(model, teacher, split, temperature=temperature, **settings) if history.finished else history


def _check_temperature(temperature: float) -> float:
    if not 0 < temperature < float("inf"):
        raise ValueError(f"temperature={temperature}: want a finite number above 0, such as 100.0")
    return float(temperature)
