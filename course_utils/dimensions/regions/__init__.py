"""The regions in which a network of ReLUs is linear: along a line, in a plane, and around an image.

- `on_a_line`: `crossings`, the faces that a straight line meets.
- `in_a_plane`: `planar`, the polygons into which a window is cut; `montufar`, how many there can be.
- `around_an_image`: `region_faces` and `nearest_faces` of one region, their `alignment` with pixels, and the `units`.

Behind them: `pieces` (which layers, and who wins in each), `polygons`, and `segment_bound`, which proves that a class
stays along a whole segment. All take models as `pieces.piecewise_linear` does, and images that may leave [0, 1].
"""
