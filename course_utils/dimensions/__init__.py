"""High dimensions: how much of the space around an image is adversarial, how near it is, and what cuts that space.

- `measure`: the probability that a random perturbation flips the class, down to 1e-12 and below: `flips`, `rare`, and
  the distance of a half-space of that size, `half_space_distance`.
- `subspaces`: the distance to the boundary in the worst direction, in a random one, and in a random subspace.
- `spheres`: two concentric spheres, where the nearest error can be compared with the best possible.
- `lines`, `planes`, `faces`: the regions in which a network of ReLUs is linear, along a line, in a plane, and around
  an image.
- `pixels`: how far one pixel alone can go before the class changes, and what many pixels do together.

Import from the modules: ``from course_utils.dimensions.lines import crossings``.
"""
