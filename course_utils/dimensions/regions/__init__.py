"""The regions in which a network of ReLUs is linear: along a line, in a plane, and around an image.

- `on_a_line`: `crossings`, the faces that a straight line meets.
- `in_a_plane`: `planar`, the polygons into which a window is cut; `arrangement` and `montufar`, how many there can be.
- `around_an_image`: `region_faces` and `nearest_faces` of one region, their `alignment` with pixels, and the `units`.

Behind them: `pieces` (which layers, and who wins in each), `polygons`, and `segment_bound`, which proves that a class
stays along a whole segment.
"""

from course_utils.dimensions.regions.around_an_image import alignment, nearest_faces, region_faces, units
from course_utils.dimensions.regions.in_a_plane import arrangement, montufar, planar
from course_utils.dimensions.regions.on_a_line import crossings

__all__ = [
    "alignment",
    "arrangement",
    "crossings",
    "montufar",
    "nearest_faces",
    "planar",
    "region_faces",
    "units",
]
