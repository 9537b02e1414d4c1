"""Lesson 00: one tiny exercise, to see how exercises work."""

import torch

from course_utils.exercises.engine import Exercise, Mistake


def confidence(logits):
    return logits.softmax(dim=1).max(dim=1).values


def _probe(function):
    logits = torch.tensor([[2.0, 1.0, 0.0], [-1.0, 5.0, 1.0], [0.0, 0.0, 0.5], [3.0, -3.0, 9.0]])
    return {
        "for 4 images and 3 classes": function(logits.clone()),
        "for logits near 1,000": function(1000 + 10 * logits),
    }


EXERCISES = [
    Exercise(
        id="0.1",
        reference=confidence,
        probe=_probe,
        mistakes="",
        also=(
            Mistake(
                lambda logits: logits.max(dim=1).values,
                "this is the largest logit, and logits are not confidences: they can be negative, or 12. "
                "Turn each row into probabilities first, with a softmax",
            ),
            Mistake(
                lambda logits: logits.softmax(dim=0).max(dim=1).values,
                "the softmax runs over the images (dim=0), so your confidences depend on who else is in the batch. "
                "The classes of one image are dim=1",
            ),
            Mistake(
                lambda logits: logits.softmax(dim=1).max(dim=0).values,
                "the maximum runs over the images (dim=0) and gives one number for each class. "
                "One number for each image is the maximum along dim=1",
            ),
            Mistake(
                lambda logits: logits.argmax(dim=1),
                "this is the class that is named, not how sure the network is of it: argmax gives the place of the "
                "maximum, max its value",
            ),
            Mistake(
                lambda logits: logits.softmax(dim=1).max(dim=1),
                "`max(dim=1)` gives a pair, values and indices: return its `.values`",
            ),
            Mistake(
                lambda logits: logits.softmax(dim=1).softmax(dim=1).max(dim=1).values,
                "softmax twice: the first has made probabilities already, and the second flattens them",
            ),
            Mistake(
                lambda logits: logits.softmax(dim=1),
                "these are the probabilities of all classes: keep the largest of each row",
            ),
            Mistake(
                lambda logits: logits.softmax(dim=1).max(),
                "`max()` without a dimension gives one number for the whole batch: say `max(dim=1)`",
            ),
            Mistake(
                lambda logits: 100 * logits.softmax(dim=1).max(dim=1).values,
                "these are per cent; a confidence in this course lies between 0 and 1",
            ),
            Mistake(
                lambda logits: logits.sigmoid().max(dim=1).values,
                "a sigmoid treats each class on its own, so that the ten do not sum to 1. A softmax lets them compete",
            ),
            Mistake(
                lambda logits: (logits.exp() / logits.exp().sum(dim=1, keepdim=True)).max(dim=1).values,
                "right for small logits, NaN for large ones: exp(1000) overflows. `softmax` subtracts the largest "
                "logit first, which changes nothing else",
            ),
            Mistake(
                lambda logits: logits.log_softmax(dim=1).max(dim=1).values,
                "these are logarithms of probabilities, all below 0: use `softmax`, or take `.exp()`",
            ),
        ),
        hints=(
            "A softmax turns the logits of one image into numbers between 0 and 1 that sum to 1. Tensors have it as a "
            "method.",
            "Rows are images, columns are classes. Both the softmax and the maximum run along the classes, dim=1.",
            "`logits.softmax(dim=1)` gives the probabilities; `.max(dim=1)` gives values and indices.",
        ),
    )
]
