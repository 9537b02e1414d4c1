"""Exercises: ``check`` says whether yours is right, ``hint`` helps, ``solution`` shows the reference.

    fgsm = check("3.1", fgsm)

Each lesson has one file here: for each exercise the reference, what is looked at, the classic mistakes, the hints.
"""

from course_utils.exercises.desk import check, every, hint, solution, source
from course_utils.exercises.engine import Exercise, Mistake, NotYet

__all__ = ["Exercise", "Mistake", "NotYet", "check", "every", "hint", "solution", "source"]
