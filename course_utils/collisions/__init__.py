"""Collisions: different pictures to which a network gives one answer.

- `meet`: `collide` changes a picture as little as it takes to have the logits of another.
- `blind`: the null space of the first layer (`matrix`, `sight`, `invisible`) and of the whole network to first
  order (`unseen`), and how far a straight line leads before a logit moves (`reach`).
- `invariance`: `invariant` makes another digit for the eye and keeps the net's answer; `judge` is a nearest neighbour.

Import from the modules: ``from course_utils.collisions.meet import collide``.
"""
