"""The ground under all rooms: `checks`, `tensors`, `stats`, `storage`, `downloads`, `memory`.

Import from the modules: ``from course_utils.core.checks import check_images``.
"""
