"""The table and the contracts speak for exercises that never listed a mistake."""

import pytest
import torch

from course_utils.exercises import Exercise, NotYet, desk
from course_utils.exercises.contracts import LEFT_BEHIND
from course_utils.exercises.probes import as_number, on

ALL = desk.every()


def lengths(images, scale=1.0):
    return (scale * images).flatten(1).square().sum(1).sqrt()


def swapped(table, power):
    return table.mT.softmax(-1) ** power


def count(values, threshold):
    return int((values < threshold).sum())


def both(images):
    return images.mean((1, 2, 3)), images.flatten(1).amax(1)


def rand(*shape):
    return torch.rand(shape)


BARE = {
    lengths: on(lambda: {"some": (rand(4, 2, 3, 3),), "others": (rand(2, 1, 4, 4) - 0.5, 3.0)}, what="the lengths"),
    swapped: on(lambda: {"a table": (rand(3, 5), 2.0), "another": (rand(4, 4), 1.0)}, what="the table", typed=True),
    count: on({"five": (torch.arange(5.0), 3.0), "six": (torch.arange(6.0), 2.5)}, plain=as_number),
    both: on(lambda: {"some": (rand(4, 2, 3, 3),), "one": (rand(1, 1, 2, 2),)}, what="mean and largest"),
}


def bare(reference):
    """An exercise that lists nothing."""
    return Exercise("99.1", reference, BARE[reference], mistakes="", hints=("a", "b"))


def stateful(function):
    calls = []

    def wrong(*given):
        calls.append(1)
        return function(*given) * len(calls)

    return wrong


def buffered(images, scale=1.0, kept=[]):  # noqa: B006
    kept.append(lengths(images, scale))
    return kept[0]


def in_place(images, scale=1.0):
    return images.mul_(scale).flatten(1).square().sum(1).sqrt()


WRONG = [
    (lengths, lambda images, scale=1.0: -lengths(images, scale), "minus"),
    (lengths, lambda images, scale=1.0: 100 * lengths(images, scale), "per cent"),
    (lengths, lambda images, scale=1.0: lengths(images, scale) ** 2, "root"),
    (lengths, lambda images, scale=1.0: lengths(images, scale).mean(), "mean"),
    (lengths, lambda images, scale=1.0: lengths(images, scale).sum(), "sum"),
    (lengths, lambda images, scale=1.0: lengths(images, scale)[:1], "first"),
    (lengths, lambda images, scale=1.0: lengths(images[:1], scale).expand(len(images)), "first"),
    (lengths, lambda images, scale=1.0: lengths(images, scale)[:, None], "shape"),
    (lengths, lambda images, scale=1.0: lengths(images, scale) / images[0].numel(), "mean"),
    (lengths, lambda images, scale=1.0: lengths(images), "constant"),
    (lengths, lambda images, scale=1.0: lengths(images, 7.0), "ignored"),
    (lengths, lambda images, scale=1.0: (scale * images).flatten(1).abs().sum(1).sqrt(), "root"),
    (lengths, lambda images, scale=1.0: 1.7 * lengths(images, scale), "factor"),
    (lengths, lambda images, scale=1.0: torch.zeros(len(images)), "constant"),
    (lengths, lambda images, scale=1.0: lengths(images, scale).roll(1), "off by one"),
    (lengths, lambda images, scale=1.0: lengths(images - images.mean(0), scale), "per image"),
    (lengths, stateful(lengths), "state"),
    (lengths, buffered, "constant"),
    (lengths, in_place, "in place"),
    (lengths, lambda *given: torch.manual_seed(0) and lengths(*given), "seed"),
    (swapped, lambda table, power: table.softmax(-1) ** power, "transposed"),
    (swapped, lambda table, power: table.reshape(table.mT.shape).softmax(-1) ** power, "reshape"),
    (swapped, lambda table, power: table.mT.softmax(0) ** power, "axis"),
    (swapped, lambda table, power: table.softmax(-1).mT.softmax(-1) ** power, "softmax"),
    (swapped, lambda table, power: (table.mT.softmax(-1) ** power).softmax(-1), "softmax"),
    (swapped, lambda table, power: table.mT.softmax(-1) ** 2.0, "constant"),
    (swapped, lambda table, power: table.mT.softmax(-1) ** (1 / power), "inverse"),
    (count, lambda values, threshold: int((values <= threshold).sum()), "border"),
    (count, lambda values, threshold: int((values < threshold).sum()) - 1, "off by one"),
    (count, lambda values, threshold: float((values < threshold).float().mean()), "mean"),
    (both, lambda images: (images.mean((1, 2, 3)), -images.flatten(1).amax(1)), "minus"),
    (both, lambda images: both(images)[::-1], "order"),
]


@pytest.mark.parametrize(("reference", "answer", "kind"), WRONG)
def test_an_exercise_that_lists_nothing_names_a_common_mistake(reference, answer, kind):
    with pytest.raises(NotYet) as caught:
        bare(reference).examine(answer)
    assert caught.value.kind == kind, str(caught.value)
    assert kind in LEFT_BEHIND or any(
        case in str(caught.value) for case in ("some", "others", "table", "another", "five", "six")
    )


@pytest.mark.parametrize("reference", BARE, ids=lambda f: f.__name__)
def test_a_right_answer_in_other_words_is_right(reference):
    others = {
        lengths: lambda images, scale=1.0: abs(scale) * torch.linalg.vector_norm(images, dim=(1, 2, 3)),
        swapped: lambda table, power: (power * table.T.log_softmax(1)).exp(),
        count: lambda values, threshold: sum(value < threshold for value in values.tolist()),
        both: lambda images: [images.flatten(1).mean(1), images.amax((1, 2, 3))],
    }
    bare(reference).examine(reference)
    bare(reference).examine(others[reference])


@pytest.mark.parametrize("exercise", ALL, ids=lambda e: e.id)
def test_what_nobody_names_is_described_with_its_case(exercise):
    """Another answer altogether: something else than a bare number has to be said, and where."""
    with pytest.raises(NotYet) as caught:
        exercise.examine(lambda *given: torch.full((3, 1), 0.123))
    assert len(str(caught.value)) > 30
