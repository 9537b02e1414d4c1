"""Exercises: ``check`` says whether yours is right, ``hint`` helps, ``solution`` shows the reference.

    fgsm = check("3.1", fgsm)

Each lesson has one file here: for each exercise the reference, what is looked at, the classic mistakes, the hints.
"""

from course_utils.exercises._core import Exercise, Mistake, NotYet
from course_utils.exercises._desk import check, every, hint, solution, source

__all__ = ["Exercise", "Mistake", "NotYet", "check", "every", "hint", "solution", "source"]
