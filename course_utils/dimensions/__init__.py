"""High dimensions: how much of the space around an image is adversarial, how near it is, and what cuts that space.

- `flip_probability`: how likely a random perturbation flips the class; `flip_probability_splitting`, down to 1e-30.
- `boundary_distance`: in the worst direction of all, or of a subspace (`random_basis`); `ray`, in a given one.
- `caps`: what a boundary that is flat would do, `uniform_ratio`, `cap_height`, `cap_distance`.
- `line_pictures`: `lines` and `f_lin`, a problem where all of it can be written down.
- `spheres`: `spheres`, two concentric ones, where the `nearest_error` of a network can be compared with the best.
- `single_pixels`: `survival`, how far one pixel alone can go before the class changes, and `joint`, many at once.
- `regions`: where a network of ReLUs is linear, along a line, in a plane, around an image.

Several modules bear the name of their main function, so they are imported, not their functions: ``from
course_utils.dimensions import boundary_distance`` and ``boundary_distance.ray(...)``.
"""
