"""Fooling images: pictures of nothing that a network classifies with near certainty.

`map_elites` breeds one for each class, with the genomes of an encoding: `Direct` has a gene for every pixel, `CPPN`
paints with a small network of its own, which `drawing` draws and `packing` keeps in a small file. `ascend` follows the
gradient instead.
"""

from course_utils.fooling.ascent import ascend
from course_utils.fooling.cppn import CPPN
from course_utils.fooling.direct import Direct
from course_utils.fooling.map_elites import Archive, map_elites

__all__ = ["CPPN", "Archive", "Direct", "ascend", "map_elites"]
