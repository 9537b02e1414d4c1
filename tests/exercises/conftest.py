"""What the listed mistakes do is looked at once, and not once more for each answer that is compared with them."""

import contextlib
from functools import cache

import pytest

from course_utils.exercises import engine


@pytest.fixture(autouse=True, scope="session")
def remembered():
    observe, kept = engine.Exercise._observe, {}
    right = cache(lambda exercise: observe(exercise, exercise.reference))

    def remember(exercise, function, guide=None, *, so_far=False, calls=None):
        if not so_far or not any(function is mistake.answer for mistake in exercise.listed):
            return observe(exercise, function, guide, so_far=so_far, calls=calls)
        if (exercise.id, function) not in kept:
            kept[exercise.id, function] = None  # what ends in words or an error may do so beyond where an attempt ends
            with contextlib.suppress(engine.NotYet, NotImplementedError):
                found = observe(exercise, function, right(exercise))
                kept[exercise.id, function] = None if isinstance(found, engine.Raised) else found
        found = kept[exercise.id, function]
        return observe(exercise, function, guide, so_far=so_far) if found is None else found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine.Exercise, "_observe", remember)
        yield
