"""Exercises: ``check`` says whether yours is right, ``hint`` helps, ``solution`` shows the reference.

    fgsm = check("3.1", fgsm)

``progress()`` shows how far you are, ``grade(notebook)`` gives points. Each lesson has one file in ``bank``: for each
exercise the reference, what is looked at, the classic mistakes as edits of the reference, the hints.
"""

from course_utils.exercises.desk import check, every, hint, solution, source
from course_utils.exercises.engine import Exercise, Mistake, NotYet
from course_utils.exercises.grading import grade
from course_utils.exercises.progress import progress

__all__ = ["Exercise", "Mistake", "NotYet", "check", "every", "grade", "hint", "progress", "solution", "source"]
