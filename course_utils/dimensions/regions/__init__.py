"""The regions in which a network of ReLUs is linear: along a line, in a plane, and around an image.

Import from the modules: ``from course_utils.dimensions.regions.on_a_line import crossings``.
"""
