"""Collisions: different pictures to which a network gives one answer.

- `match_logits`: changes a picture as little as it takes to have the logits of another.
- `null_space`: that of the first layer (`null_space_perturbation`) and of the whole network to first order
  (`jacobian_null_space`), and how far a straight line leads before a logit moves.
- `invariance`: `invariant` makes another digit for the eye and keeps the network's answer.

Import from the modules: ``from course_utils.collisions.match_logits import match_logits``.
"""
