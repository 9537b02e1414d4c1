"""What the references and the listed mistakes do is looked at twice in all, and not once more in each test."""

from collections import defaultdict

import pytest

from course_utils.exercises import engine


@pytest.fixture(autouse=True, scope="session")
def remembered():
    observe, kept = engine.Exercise._observe, defaultdict(list)

    def look(exercise, function):
        try:
            return observe(exercise, function), None
        except engine.NotYet as refusal:
            return None, refusal

    def remember(exercise, function):
        listed = [exercise.reference, *(mistake.answer for mistake in exercise.mistakes)]
        if not any(function is each for each in listed):
            return observe(exercise, function)
        seen = kept[exercise.id, function]
        if len(seen) < 2:
            seen.append(look(exercise, function))
        found, refusal = seen[-1]
        if refusal:
            raise refusal.with_traceback(None)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine.Exercise, "_observe", remember)
        yield
