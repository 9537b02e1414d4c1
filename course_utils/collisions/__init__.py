"""Collisions: different pictures to which a network gives one answer.

- `match_logits` changes a picture as little as it takes to have the logits of another.
- `null_space`: `null_space_perturbation`, which the first layer cannot see, and `jacobian_null_space`, which the whole
  network cannot see to first order; `distance_until_logits_move`, how far a straight line leads before it does.
- `invariance`: `invariant` makes another digit for the eye and keeps the network's answer; `nearest_label` stands in
  for the eye.
"""
