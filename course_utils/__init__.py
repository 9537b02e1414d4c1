"""Helpers of the course "A Deep Flaw? Fooling neural networks, and arguing about why".

Import the modules by name: ``from course_utils import data, figures, models, training``.
"""
