"""High dimensions: how much of the space around an image is adversarial, how near it is, and what cuts that space.

- `flip_probability`: the probability that a random perturbation flips the class, down to 1e-12 and below, by Monte
  Carlo and by adaptive multilevel splitting.
- `boundary_distance`: in the worst direction, in a random one, and in a random subspace.
- `spheres`: two concentric spheres, where the nearest error can be compared with the best possible.
- `regions`: where a network of ReLUs is linear: `on_a_line`, `in_a_plane`, `around_an_image`.
- `single_pixels`: how far one pixel alone can go before the class changes, and what many pixels do together.

Import from the modules: ``from course_utils.dimensions.regions.on_a_line import crossings``.
"""
