"""Lesson 00: one tiny exercise, to see how exercises work."""

import torch

from course_utils.exercises.engine import Exercise
from course_utils.exercises.probes import on


def confidence(logits):
    return logits.softmax(dim=1).max(dim=1).values


LOGITS = torch.tensor([[2.0, 1.0, 0.0], [-1.0, 5.0, 1.0], [0.0, 0.0, 0.5], [3.0, -3.0, 9.0]])

EX_CONFIDENCE = Exercise(
    "0.1",
    confidence,
    probe=on({"4 images": (LOGITS,)}, {"logits near 1,000": (1000 + 10 * LOGITS,)}, what="the confidences"),
    mistakes="""
`.softmax(dim=1)` -> ``: this is the largest logit, and logits are not confidences: they can be negative, or 12. Turn
    each row into probabilities first, with a softmax
`softmax(dim=1)` -> `softmax(dim=0)`: the softmax runs over the images (dim=0), so your confidences depend on who else
    is in the batch. The classes of one image are dim=1
`.max(dim=1)` -> `.max(dim=0)`: the maximum runs over the images (dim=0) and gives one number for each class. One number
    for each image is the maximum along dim=1
`logits.argmax(dim=1)`: this is the class that is named, not how sure the network is of it: argmax gives the place of
    the maximum, max its value
`.values` -> ``: `max(dim=1)` gives a pair, values and indices: return its `.values`
`.max(dim=1).values` -> ``: these are the probabilities of all classes: keep the largest of each row
`.softmax(dim=1)` -> `.sigmoid()`: a sigmoid treats each class on its own, so that the ten do not sum to 1. A softmax
    lets them compete
`(logits.exp() / logits.exp().sum(dim=1, keepdim=True)).max(dim=1).values`: right for small logits, NaN for large ones:
    exp(1000) overflows. `softmax` subtracts the largest logit first, which changes nothing else
""",
    hints=(
        "A softmax turns the logits of one image into numbers between 0 and 1 that sum to 1: logits.softmax(...).",
        "Rows are images, columns are classes. Both the softmax and the maximum run along the classes, dim=1.",
        "`logits.softmax(dim=1)` gives the probabilities; `.max(dim=1)` gives values and indices.",
    ),
)

EXERCISES = (EX_CONFIDENCE,)
