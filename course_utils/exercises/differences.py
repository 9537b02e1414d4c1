"""How an answer differs from the reference, in words."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from course_utils.figures import Picture


class NotYet(Exception):
    """An attempt that is not right yet: a message that helps, and where it can, a picture, drawn when asked for.

    ``kind`` is the mistake's name where it is one that any exercise can meet, from `contracts` and `relations`.
    """

    def __init__(self, message: str, draw: Callable[[], Picture | None] = lambda: None, kind: str = ""):
        super().__init__(message)
        self._draw, self.kind = draw, kind

    @cached_property
    def picture(self) -> Picture | None:
        return self._draw()


@dataclass(frozen=True)
class Raised:
    """The observation that a function raised an error."""

    error: str
    message: str


def describe_difference(seen: Any, expected: Any, where: str = "your function") -> str:
    """The first difference between two observations in words; empty if there is none.

    >>> describe_difference(torch.ones(2), torch.ones(2))
    ''
    >>> describe_difference(None, torch.ones(2))
    'your function returned None: is the `return` missing?'
    """
    if isinstance(seen, Raised):
        return "" if isinstance(expected, Raised) and seen.error == expected.error else seen.message
    if isinstance(expected, dict):
        seen = seen if isinstance(seen, dict) else {}
        pairs = [(seen.get(key), value, key) for key, value in expected.items()]
        return next(filter(None, (describe_difference(*pair) for pair in pairs)), "")
    if isinstance(expected, (tuple, list)):
        if not isinstance(seen, (tuple, list)) or len(seen) != len(expected):
            found = f"{len(seen)} values" if isinstance(seen, (tuple, list)) else named(seen)
            return f"{where}: got {found}, expected {len(expected)}"
        pairs = [(a, b, where) for a, b in zip(seen, expected, strict=True)]
        return next(filter(None, (describe_difference(*pair) for pair in pairs)), "")
    if seen is None and expected is not None:
        return f"{where} returned None: is the `return` missing?"
    if isinstance(expected, Tensor):
        return _describe_tensor(seen, expected, where)
    if isinstance(expected, (int, float)) and not isinstance(expected, bool) and not isinstance(seen, (str, bool)):
        if getattr(seen, "ndim", None) == 0:  # a tensor or an array that is one number
            seen = seen.item()
        if not isinstance(seen, (int, float)):
            return f"{where}: got {named(seen)}, expected one number"
        if math.isnan(seen) and not math.isnan(expected):
            return f"{where}: got NaN, expected {expected:.4g}; look for 0/0, or the mean of nothing"
        close = (0.0, 0.0) if isinstance(expected, int) else (1e-3, 1e-5)
        same = math.isnan(seen) or math.isclose(seen, expected, rel_tol=close[0], abs_tol=close[1])
        return "" if same else f"{where}: got {seen:.4g}, expected {expected:.4g}"
    found = seen if isinstance(seen, (str, bool)) else named(seen)
    return "" if type(seen) is type(expected) and seen == expected else f"{where}: got {found}, expected {expected}"


def _describe_tensor(seen: Any, expected: Tensor, where: str) -> str:
    if not isinstance(seen, Tensor):
        return f"{where}: got {named(seen)}, expected a tensor of shape {tuple(expected.shape)}"
    if seen.shape != expected.shape:
        return f"{where}: got shape {tuple(seen.shape)}, expected {tuple(expected.shape)}"
    if seen.is_complex():
        return f"{where}: got complex numbers, expected real ones"
    expected = expected if expected.is_floating_point() else expected.double()
    seen = seen.detach().to("cpu", expected.dtype)
    if seen.isnan().any() and not expected.isnan().any():
        return f"{where}: got NaN; look for a division by zero or for an exponential that overflows"
    if torch.allclose(seen, expected, rtol=1e-3, atol=1e-5, equal_nan=True):
        return ""
    worst = (seen - expected).abs().nan_to_num(math.inf).argmax().item()
    found, right = seen.flatten()[worst].item(), expected.flatten()[worst].item()
    at = f" at {[int(i) for i in torch.unravel_index(torch.tensor(worst), seen.shape)]}" if seen.numel() > 1 else ""
    return f"{where}: the shape is right, but the values are not; for example {found:.4g}{at}, expected {right:.4g}"


def named(thing: Any) -> str:
    """A value as a learner would call it."""
    if thing is None:
        return "None"
    if isinstance(thing, Tensor):
        return f"a tensor of shape {tuple(thing.shape)}"
    if isinstance(thing, (int, float, bool)):
        return f"the number {thing:.4g}"
    name = type(thing).__name__
    return f"an {name}" if name.startswith(("a", "e", "i", "o", "nd")) else f"a {name}"
