"""Collisions: different pictures to which a network gives one answer.

- `match_logits`: `match_logits` changes a picture as little as it takes to have the logits of another.
- `null_space`: `null_space_perturbation`, which the first layer cannot see (`first_layer`, `first_layer_matrix`,
  `row_and_null_space`), and `jacobian_null_space`, which the whole network cannot see to first order; and
  `distance_until_logits_move`, how far a straight line leads before it does.
- `invariance`: `invariant` makes another digit for the eye and keeps the network's answer; `nearest_label` stands in
  for the eye.
"""

from course_utils.collisions.invariance import invariant, nearest_label
from course_utils.collisions.match_logits import match_logits
from course_utils.collisions.null_space import (
    distance_until_logits_move,
    first_layer,
    first_layer_matrix,
    jacobian_null_space,
    null_space_perturbation,
    row_and_null_space,
)

__all__ = [
    "distance_until_logits_move",
    "first_layer",
    "first_layer_matrix",
    "invariant",
    "jacobian_null_space",
    "match_logits",
    "nearest_label",
    "null_space_perturbation",
    "row_and_null_space",
]
