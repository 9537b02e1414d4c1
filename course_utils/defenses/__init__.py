"""Defenses, and the attacks by which one is judged: a defense is worth what the attack that knows it leaves.

`adversarial`, `distillation`, `intervals` and `smoothing` give losses for `training.fit`: on the worst perturbation, on
another network's soft answers, on bounds, in noise. `null_class` trains on fooling images as a class of their own,
`squeezing` rounds the input. `smoothing` and `intervals` prove what no attack within a ball can change. `evaluate`
measures robust accuracy, `masking` looks for signs of gradient masking.
"""
