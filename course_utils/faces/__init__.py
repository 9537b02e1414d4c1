"""Faces: a detector of three small networks in a row (`detect`), and the attack on it (`attack`)."""

from course_utils.faces.attack import appear, vanish
from course_utils.faces.detector import Faces, detect, fetch, nets, second_opinion

__all__ = ["Faces", "appear", "detect", "fetch", "nets", "second_opinion", "vanish"]
